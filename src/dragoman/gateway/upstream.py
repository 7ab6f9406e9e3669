"""One provider as the gateway uses it: everything about the way there that can be known before a request comes.

Made anew for each provider when a Setup arrives, so that a request only looks things up. Credentials are read
here (environment, vault; AWS's by `signing`) and live in memory alone. Does no connecting; see `pool`.
"""

import copy
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlsplit

from dragoman.errors import BadConfig
from dragoman.gateway.proxying import Proxy, proxy_for
from dragoman.records.redaction import is_secret_parameter
from dragoman.records.setup import Auth, Provider, Timeouts, provider_fault
from dragoman.wire.headers import HOP_BY_HOP, Fields, is_token

if TYPE_CHECKING:
    from dragoman.gateway.signing import Signer

CREDENTIAL_HEADERS = frozenset({b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key", b"x-amz-security-token"})
"""What a client may authenticate itself by; all of it goes when Dragoman has a credential of its own."""

DROP, HOST, CREDENTIAL, REPLACED = range(1, 5)
"""What happens to a request's header on the way: left out, made the provider's, taken for ours, set by us."""

_ALWAYS = dict.fromkeys(HOP_BY_HOP | {b"expect", b"http2-settings"}, DROP) | {b"host": HOST}
_VERSION = re.compile(rb"/v[0-9][0-9a-z]*")
_SIGNATURE_HEADERS = (b"x-amz-date", b"x-amz-content-sha256")
"""What a client's own signature brings along; it goes when we sign."""
_OF_A_DEPLOYMENT = re.compile(
    r"(?:chat/completions|completions|embeddings|images/generations|images/edits|audio/[a-z]+)(?=\?|$)"
)
"""Azure: which operations lie under a deployment; all others take the model in the body.
https://learn.microsoft.com/azure/ai-services/openai/reference, seen 2026-11-21"""

Sign = Callable[[str, bytes, Fields, bytes | str], Fields]
"""From method, target, headers (`Host` among them) and body (or its SHA-256 in hex) to the headers that sign them."""


class Address(NamedTuple):
    """Where connections go and how; connections of one address are interchangeable."""

    scheme: str
    host: str
    """Name, IP literal without brackets, or the path of a Unix socket (scheme `unix`)."""
    port: int
    ca_file: str | None = None
    verify_tls: bool = True
    proxy: Proxy | None = None
    """What the way leads through."""


def authority_of(address: Address) -> str:
    """Write `host:port` as a proxy is told it."""
    host = address.host if address.host.isascii() else address.host.encode("idna").decode()
    return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"


class Upstream:
    """A provider, ready for use."""

    __slots__ = (
        "_fault", "_signer", "actions", "address", "alterations", "base_path", "client_write_ns", "connect_s",
        "credential", "dialects", "first_byte_ns", "has_own_auth", "headers", "host_header", "idle_ns", "is_azure",
        "query", "refuses_websocket", "sign", "slug", "strips_v1", "url_start",
    )  # fmt: skip

    def __init__(self, slug: str, address: Address, timeouts: Timeouts) -> None:
        self.slug = slug
        self.address = address
        self.connect_s = timeouts.connect
        self.first_byte_ns = int(timeouts.first_byte * 1e9)
        self.idle_ns = int(timeouts.idle * 1e9)
        self.client_write_ns = int(timeouts.client_write * 1e9)
        self.dialects: list[str] = []
        self.base_path = b""
        self.strips_v1 = False
        self.host_header = b""
        self.url_start = ""
        """Scheme and authority, for the record."""
        self.actions: dict[bytes, int] = _ALWAYS
        """What happens to a header, by its lower-case name; absent means that it passes."""
        self.alterations: list[str] = []
        """What every request to this provider is given, in words."""
        self.has_own_auth = False
        self.credential: tuple[bytes, bytes] | None = None
        self._fault: str | None = None
        self._signer: Signer | None = None
        self.sign: Sign | None = None
        """Makes the headers that sign a request, for providers that want that; it needs the whole body."""
        self.is_azure = False
        """True where the model of a call stands in the path, as the name of a deployment."""
        self.headers: Fields = []
        self.query: list[tuple[bytes, bytes]] = []
        """Fixed parameters, percent-encoded."""
        self.refuses_websocket = False

    @property
    def fault(self) -> str | None:
        """Why nothing can be sent there, such as a missing key."""
        return self._fault or (self._signer.fault if self._signer is not None else None)

    @fault.setter
    def fault(self, why: str | None) -> None:
        self._fault = why

    def without_client_key(self) -> "Upstream":
        """Make the same provider for requests whose client's credential is not meant for it: none is sent there."""
        if self.has_own_auth:
            return self
        other = copy.copy(self)
        other.has_own_auth = True
        other.actions = _actions(other)
        return other

    def sign_with(self, signer: "Signer") -> None:
        """From now on requests are signed."""
        self._signer = signer
        self.sign = signer.sign

    @property
    def signer_said(self) -> str | None:
        return self._signer.said if self._signer is not None else None

    def translated_target(self, path: str, model: str) -> bytes:
        """Make the target of a call that a route makes: `path` as its dialect has it, `model` as it is called there."""
        if not self.is_azure or path.startswith("/openai/"):
            plain, _, query = path.partition("?")
            return self.join(plain.encode("latin-1"), query.encode("latin-1"))
        operation = path.removeprefix("/v1").lstrip("/")
        if _OF_A_DEPLOYMENT.match(operation):
            operation = f"deployments/{quote(model, safe='')}/{operation}"
        base = self.base_path if self.base_path.endswith(b"/openai") else self.base_path + b"/openai"
        target, _, query = operation.partition("?")
        merged = self._merge(query.encode("latin-1"))
        return base + b"/" + target.encode("latin-1") + (b"?" + merged if merged else b"")

    def join(self, path: bytes, query: bytes) -> bytes:
        """Make the target to ask for: a base URL with a path replaces the client's `/v1`, a bare host keeps it."""
        base = self.base_path
        if base or self.strips_v1:
            version = _VERSION.match(path)
            if version and path[version.end() : version.end() + 1] in (b"/", b""):
                word = version[0]
                if word == b"/v1" or base.endswith(word):
                    path = path[len(word) :]
            path = base + path or b"/"
        if self.has_own_auth or self.query:
            query = self._merge(query)
        return path + b"?" + query if query else path

    def _merge(self, query: bytes) -> bytes:
        """Leave out what we set, and the client's credential when we have our own; then add what is fixed."""
        ours = {name for name, _ in self.query}
        kept = []
        for part in query.split(b"&"):
            name = part.partition(b"=")[0]
            if not part or name in ours or (self.has_own_auth and is_credential_parameter(name)):
                continue
            kept.append(part)
        return b"&".join(kept + [name + b"=" + value for name, value in self.query])


def is_credential_parameter(name: bytes) -> bool:
    return is_secret_parameter(name.decode("latin-1"))


def provider_upstream(provider: Provider, data_dir: Path) -> Upstream:
    """Make a provider ready. What is wrong with it becomes its `fault`; nothing is raised."""
    fault = provider_fault(provider)
    if fault is not None:
        upstream = Upstream(provider.slug, Address("http", "", 0), provider.timeouts)
        upstream.fault = f"provider {provider.slug}: {fault[0]}: {fault[1]}"
        return upstream
    url = urlsplit(provider.base_url)
    default_port = 443 if url.scheme == "https" else 80
    port = url.port or default_port
    host = url.hostname or ""
    proxy, proxy_fault = _proxy_of(provider, url.scheme, host, port)
    address = Address(url.scheme, host, port, provider.ca_file, provider.verify_tls, proxy)
    upstream = Upstream(provider.slug, address, provider.timeouts)
    upstream.fault = proxy_fault
    shown = f"[{host}]" if ":" in host else host
    authority = shown if port == default_port else f"{shown}:{port}"
    upstream.host_header = authority.encode("idna" if not authority.isascii() else "ascii")
    upstream.url_start = f"{url.scheme}://{authority}"
    upstream.base_path = quote(url.path.rstrip("/"), safe="/%:@!$&'()*+,;=~-._").encode()
    upstream.strips_v1 = provider.strip_v1
    upstream.is_azure = provider.form == "azure" and not _VERSION.search(upstream.base_path)
    upstream.dialects = list(provider.dialects)
    upstream.refuses_websocket = provider.websocket == "no"
    fixed = [tuple(part.partition("=")[::2]) for part in url.query.split("&") if part]
    upstream.query = [(name.encode(), value.encode()) for name, value in fixed]
    upstream.query += [(quote(name).encode(), quote(value, safe="").encode()) for name, value in provider.query.items()]
    _add_headers(upstream, provider.headers)
    _add_auth(upstream, provider.auth, data_dir)
    upstream.actions = _actions(upstream)
    upstream.alterations = _alterations(upstream)
    return upstream


def _proxy_of(provider: Provider, scheme: str, host: str, port: int) -> tuple[Proxy | None, str | None]:
    try:
        return proxy_for(provider.proxy, scheme, host, port, os.environ), None
    except ValueError as error:
        return None, f"provider {provider.slug}: {error}"


def keeper_upstream(socket_path: Path) -> Upstream:
    """The keeper behind its Unix socket: interface and API may be silent for as long as they like."""
    upstream = Upstream("keeper", Address("unix", str(socket_path), 0), Timeouts(connect=5.0, idle=86400.0))
    upstream.url_start = "http://keeper"
    upstream.actions = {**_ALWAYS, b"x-dragoman-peer": DROP}
    del upstream.actions[b"host"]
    return upstream


def _add_headers(upstream: Upstream, headers: dict[str, str]) -> None:
    for name, value in headers.items():
        if not is_token(name.encode()) or not value.isprintable():
            upstream.fault = f"header {name!r} of provider {upstream.slug} holds signs that no header may carry"
            return
        upstream.headers.append((name.encode(), value.encode()))


def _actions(upstream: Upstream) -> dict[bytes, int]:
    actions = dict(_ALWAYS)
    if upstream.has_own_auth:
        actions.update(dict.fromkeys(CREDENTIAL_HEADERS, CREDENTIAL))
    if upstream.sign is not None:
        actions.update(dict.fromkeys(_SIGNATURE_HEADERS, DROP))
    actions.update({name.lower(): REPLACED for name, _ in upstream.headers})
    return actions


def _alterations(upstream: Upstream) -> list[str]:
    said = [f"header added: {name.decode().lower()}" for name, _ in upstream.headers]
    if upstream.credential is not None:
        said.append(f"credential set: {upstream.credential[0].decode('latin-1').lower()}")
    if upstream.signer_said is not None:
        said.append(upstream.signer_said)
    return said + [f"query added: {name.decode('latin-1')}" for name, _ in upstream.query]


def _add_auth(upstream: Upstream, auth: Auth | None, data_dir: Path) -> None:
    if auth is None:
        return
    upstream.has_own_auth = True
    if auth.scheme == "none":
        return
    if auth.scheme == "sigv4":
        _add_signer(upstream, auth)
        return
    key = _read_key(upstream, auth, data_dir)
    if key is None:
        return
    if not key.isprintable() or not key.isascii():
        upstream.fault = f"the credential of provider {upstream.slug} holds signs that no header may carry"
    elif auth.scheme == "bearer":
        upstream.credential = (b"authorization", b"Bearer " + key.encode())
    else:
        word = f"{auth.prefix} " if auth.prefix else ""
        upstream.credential = ((auth.name or "x-api-key").encode("latin-1"), f"{word}{key}".encode())


def _add_signer(upstream: Upstream, auth: Auth) -> None:
    from dragoman.gateway.signing import make_signer  # few have a provider on AWS

    made = make_signer(auth, upstream.address.host)
    if isinstance(made, str):
        upstream.fault = f"provider {upstream.slug}: {made}"
    else:
        upstream.sign_with(made)


def _read_key(upstream: Upstream, auth: Auth, data_dir: Path) -> str | None:
    if auth.key_env:
        key = os.environ.get(auth.key_env, "").strip()
        if not key:
            upstream.fault = (
                f"provider {upstream.slug} takes its key from the environment variable {auth.key_env}, "
                "which is not set where Dragoman was started"
            )
        return key or None
    from dragoman.security.vault import read_key  # loads cryptography; most have no vault

    try:
        key = read_key(data_dir, auth.key_vault or upstream.slug)
    except (BadConfig, OSError, ValueError) as error:
        upstream.fault = str(error)
        return None
    if not key:
        upstream.fault = f"no key is stored for provider {upstream.slug}; enter it under Providers"
    return key or None
