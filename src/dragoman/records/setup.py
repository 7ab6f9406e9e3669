"""Setup: one immutable snapshot of all configuration that the hot path needs.

Made by merging `dragoman.yaml` with what was edited in the interface; published by the keeper; swapped in the
gateway by reference, so that a request keeps the one it began with. Secrets are references
(`env:NAME`, `vault:SLUG`), never values. Durations are seconds, sizes are bytes.
"""

import re
from collections.abc import Sequence
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from dragoman.records.names import DialectName
from dragoman.records.route import Route
from dragoman.wire.headers import HOP_BY_HOP, OURS, is_token


class Auth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How Dragoman's own credential goes upstream. Without one, the client's credential passes."""

    scheme: Literal["bearer", "header", "sigv4", "none"] = "bearer"
    name: str | None = None
    """Header for `header`, such as `x-api-key`."""
    key_env: str | None = None
    key_vault: str | None = None
    """Entry of the vault, set in the interface."""
    prefix: str | None = None
    """Word before the key in the header, for `header`: `Token`, `Api-Key`, …; left out: the bare key."""
    region: str | None = None
    """For `sigv4`; left out: read from the base URL's host, then AWS_REGION, then the profile."""
    profile: str | None = None
    """For `sigv4`: a profile of AWS's own files; left out: AWS_ACCESS_KEY_ID and its companions."""
    service: str = "bedrock"
    """For `sigv4`: the service that is signed for."""


class Timeouts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    connect: float = 10.0
    first_byte: float = 900.0
    idle: float = 600.0
    """Longest silence in the middle of a reply."""
    client_write: float = 120.0
    """Longest wait for a client that does not read."""


class Provider(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    slug: str
    name: str = ""
    base_url: str
    dialects: list[DialectName] = []
    default_for: list[DialectName] = []
    auth: Auth | None = None
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    timeouts: Timeouts = Timeouts()
    websocket: Literal["auto", "no"] = "auto"
    strip_v1: bool = False
    form: Literal["plain", "azure"] = "plain"
    """`azure`: translated calls go to `/openai/deployments/{model}/…`; `api-version` stands in `query`."""
    proxy: str | None = None
    """`http://host:port` to CONNECT through; `none` for none; left out: HTTPS_PROXY, HTTP_PROXY and NO_PROXY decide."""
    ca_file: str | None = None
    verify_tls: bool = True
    source: str = "builtin"
    """`builtin`, `file:PATH:LINE`, or `edited`: where this entry comes from; only `edited` ones can be changed."""


_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NO_ENV_NAME = (  # what was found is not shown: it may be the key itself
    "this is no name of an environment variable; expected one such as OPENAI_API_KEY, which holds the key"
)
_HOST = re.compile(r"[0-9A-Za-z._:%-]+")
_NEVER_SET = HOP_BY_HOP | {b"content-length", b"transfer-encoding", b"expect", b"trailer"}


def url_fault(url: str) -> str | None:
    """Say what is wrong with a provider's `base_url`, None when requests can be sent there."""
    expected = f"found {url[:200]!r}, expected a URL such as https://api.example.com or http://127.0.0.1:11434/v1"
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        ascii_host = host if host.isascii() else host.encode("idna").decode()
        is_good = parts.scheme in ("http", "https") and (parts.port is None or parts.port > 0)
    except ValueError as error:  # UnicodeError with it
        return f"{expected} ({error})"
    if not is_good or not _HOST.fullmatch(ascii_host) or any(not " " < sign != "\x7f" for sign in url):
        return expected
    if parts.username or parts.password:
        return "a URL with a user or password would show it; use `auth`"
    if parts.query or parts.fragment:
        return "a base URL has no query; put it into `query`"
    return None


def provider_fault(provider: Provider) -> tuple[str, str] | None:
    """Say what keeps requests from being sent to a provider: the field and what is wrong. None when nothing does."""
    if fault := url_fault(provider.base_url):
        return "base_url", fault
    if provider.proxy is not None and provider.proxy != "none" and (fault := _proxy_fault(provider.proxy)):
        return "proxy", fault
    if provider.auth is not None and provider.auth.key_env and not _ENV_NAME.fullmatch(provider.auth.key_env):
        return "auth.key_env", _NO_ENV_NAME
    named = [("headers", name) for name in provider.headers]
    if provider.auth is not None and provider.auth.name is not None:
        named.append(("auth.name", provider.auth.name))
    for field, name in named:
        low = name.encode("utf-8", "replace").lower()
        if not is_token(low):
            return field, f"{name!r} cannot be sent: it is no name of a header"
        if low in _NEVER_SET or low.startswith(OURS):
            return field, f"{name!r} is set by the gateway itself and cannot be given"
    for name, value in provider.headers.items():
        if not value.isprintable():
            return "headers", f"{name!r} cannot be sent: its value has a line end or another control sign"
    return None


def _proxy_fault(proxy: str) -> str | None:
    if "@" in proxy:
        return "a URL with a user or password would show it; set HTTPS_PROXY or HTTP_PROXY where Dragoman is started"
    try:
        parts = urlsplit(proxy)
        is_good = parts.scheme == "http" and bool(parts.hostname) and parts.path in ("", "/") and parts.port != 0
    except ValueError:
        is_good = False
    return None if is_good else f"found {proxy[:200]!r}, expected `http://host:port`, or `none`"


class Limits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    body: int = 256 * 1024 * 1024
    capture: int = 64 * 1024 * 1024
    head: int = 64 * 1024
    connections: int = 4096


class JournalSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    fsync: Literal["never", "always"] = "never"
    max_size: int = 5 * 1024**3
    file_size: int = 64 * 1024 * 1024
    max_stall: float = 0.1
    when_full: Literal["pass", "refuse"] = "pass"


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    version: int = 0
    providers: list[Provider] = []
    """In order of precedence; slugs are unique."""
    routes: list[Route] = []
    """All of them, also those switched off; names are unique."""
    limits: Limits = Limits()
    journal: JournalSettings = JournalSettings()
    allowed_hosts: list[str] = []
    allowed_origins: list[str] = []
    hosts: list[str] = []
    """Names under which this server was told to listen."""
    is_panicking: bool = False
    """The panic switch: every proxied request is answered 503, the interface stays up."""
    password_required: bool = False
    """A provider that has a credential of ours then wants the password as `x-dragoman-key`."""
    workbench_secret: str | None = None
    """Per-start secret header value that alone may set origin, parent and trial."""
    reads_to_end: bool = False
    """Read the upstream to its end when the client has left, instead of cancelling it."""


BUILTIN_PROVIDERS = (
    Provider(
        slug="openai",
        name="OpenAI",
        base_url="https://api.openai.com",
        dialects=["openai_chat", "openai_responses"],
        default_for=["openai_chat", "openai_responses"],
    ),
    Provider(
        slug="anthropic",
        name="Anthropic",
        base_url="https://api.anthropic.com",
        dialects=["anthropic_messages"],
        default_for=["anthropic_messages"],
    ),
    Provider(
        slug="ollama",
        name="Ollama",
        base_url="http://127.0.0.1:11434",
        dialects=["ollama_chat", "openai_chat", "openai_responses", "anthropic_messages"],
        default_for=["ollama_chat"],
    ),
    Provider(
        slug="gemini",
        name="Google Gemini",
        base_url="https://generativelanguage.googleapis.com",
        dialects=["gemini_generate"],
        default_for=["gemini_generate"],
    ),
    Provider(
        slug="bedrock",
        name="Amazon Bedrock",
        base_url="https://bedrock-runtime.us-east-1.amazonaws.com",
        dialects=["bedrock_invoke", "bedrock_converse"],
        default_for=["bedrock_invoke", "bedrock_converse"],
    ),
)


class Edited(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was edited in the interface and lies in the store."""

    providers: list[Provider] = []
    routes: list[Route] = []
    is_panicking: bool = False


def merge(
    base: Setup,
    file_providers: list[Provider],
    edited: Edited,
    *,
    version: int,
    file_routes: Sequence[Route] = (),
) -> Setup:
    """Make a Setup: providers of the file win over edited ones, edited ones over the built-in ones.

    An entry replaces the one of the same slug and keeps its place. When several claim a dialect in
    `default_for`, the entry of highest precedence keeps it. A route of the file hides the edited one of its name.
    """
    of_file = {route.name for route in file_routes}
    by_slug: dict[str, Provider] = {provider.slug: provider for provider in BUILTIN_PROVIDERS}
    for provider in (*edited.providers, *file_providers):
        by_slug[provider.slug] = provider
    return msgspec.structs.replace(
        base,
        version=version,
        providers=_settle_defaults(list(by_slug.values())),
        routes=[*file_routes, *(route for route in edited.routes if route.name not in of_file)],
        is_panicking=base.is_panicking or edited.is_panicking,
    )


def _settle_defaults(providers: list[Provider]) -> list[Provider]:
    rank = {"builtin": 2, "edited": 1}
    holders: dict[str, str] = {}
    for provider in sorted(providers, key=lambda one: rank.get(one.source, 0)):
        for dialect in provider.default_for:
            holders.setdefault(dialect, provider.slug)
    return [
        msgspec.structs.replace(
            provider, default_for=[one for one in provider.default_for if holders[one] == provider.slug]
        )
        for provider in providers
    ]
