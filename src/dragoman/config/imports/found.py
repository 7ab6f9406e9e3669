"""What was found in another tool's file, and the one place where addresses become providers and names become routes.

Promise: a key that stood in the file leaves here only as `FoundProvider.secret`, which has no repr and goes to the
vault; providers and routes name it by reference. Nothing is dropped in silence: what cannot be taken over is a
`Problem` that says where it stood and why. Does no I/O.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec

from dragoman.records.names import RESERVED_SEGMENTS, SLUG, DialectName
from dragoman.records.route import Route, Target, route_fault
from dragoman.records.setup import BUILTIN_PROVIDERS, Auth, Provider, provider_fault

_NOT_IN_SLUG = re.compile(r"[^a-z0-9]+")
_ENV = re.compile(r"(?:os\.environ/|env:|\$)\{?([A-Za-z_][A-Za-z0-9_]*)\}?|\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")
_NO_KEY = frozenset({"", "none", "null", "empty", "no-key", "not-needed"})
_COMMON_WORDS = frozenset({"api", "www", "com", "ai", "io", "net", "org", "dev", "co", "v1", "openai-compatible"})


@dataclass(frozen=True, slots=True)
class Problem:
    where: str
    message: str


@dataclass(slots=True)
class FoundProvider:
    provider: Provider
    secret: str | None = field(default=None, repr=False)
    """A key that stood in the file; it belongs into the vault under the provider's slug."""


@dataclass(slots=True)
class Found:
    format: str
    providers: list[FoundProvider] = field(default_factory=list)
    used: list[Provider] = field(default_factory=list)
    """Those that are there already and do."""
    routes: list[Route] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Credential:
    """How another tool authenticates itself: by a variable, by a key in clear, or not at all (the client's passes)."""

    env: str | None = None
    secret: str | None = field(default=None, repr=False)
    is_none: bool = False
    """Nothing is to be sent."""


class Builder:
    """Gathers providers and routes; the same address with the same credential is one provider."""

    def __init__(self, form: str, known: Iterable[Provider] = BUILTIN_PROVIDERS) -> None:
        self.found = Found(format=form)
        self._known = list(known)
        self._seen: dict[tuple[Any, ...], str] = {}

    def problem(self, where: str, message: str) -> None:
        self.found.problems.append(Problem(where, message))

    def leftovers(self, where: str, entry: dict[str, Any], known: Iterable[str], why: str) -> None:
        """Name what an entry says beyond what is taken over."""
        taken = set(known)
        for key in entry:
            if key not in taken and entry[key] not in (None, "", [], {}, False):
                self.problem(f"{where}.{key}" if where else key, why)

    def provider(
        self,
        where: str,
        base_url: str,
        dialects: list[DialectName],
        credential: Credential,
        *,
        name: str = "",
        **more: Any,
    ) -> str | None:
        """Add a provider, or find the one that is the same; gives its slug, None when nothing can be sent there.

        `more` are further fields of `Provider`; an `auth` among them says how the credential goes.
        """
        base_url = base_url.strip().rstrip("/")
        auth: Auth | None = more.pop("auth", None)
        key = (base_url, credential.env, credential.secret, credential.is_none, repr(auth), repr(sorted(more.items())))
        if key in self._seen:
            return self._with_dialects(self._seen[key], dialects)
        if (same := self._same(base_url, dialects, _auth_of("", credential, auth), more)) is not None:
            self._seen[key] = same.slug
            if same not in self.found.used:
                self.found.used.append(same)
            return same.slug
        slug = self._free_slug(name or _word_of(base_url))
        provider = Provider(
            slug=slug,
            name=name,
            base_url=base_url,
            dialects=dialects,
            auth=_auth_of(slug, credential, auth),
            source="edited",
            **more,
        )
        if (fault := provider_fault(provider)) is not None:
            self.problem(where, f"{fault[0]}: {fault[1]}")
            return None
        self._seen[key] = slug
        self.found.providers.append(FoundProvider(provider, credential.secret))
        return slug

    def route(self, where: str, name: str, targets: list[Target], **fields: Any) -> None:
        """Add a route. What is wrong with it becomes a problem."""
        route = Route(name=self._free_name(name), targets=targets, **fields)
        slugs = [one.slug for one in self._known] + [one.provider.slug for one in self.found.providers]
        if (fault := route_fault(route, slugs)) is not None:
            self.problem(where, f"{fault[0]}: {fault[1]}")
            return
        self.found.routes.append(route)

    def prefix(self, where: str, path: str) -> str | None:
        """Make a route's prefix of a path such as `/openai-compat/v1`; what has to be changed is a problem."""
        words = [word for word in path.split("/") if word]
        if words and words[-1] == "v1":
            words.pop()  # clients send it themselves
        if not words:
            return None
        word = slug_of("-".join(words))
        if word in RESERVED_SEGMENTS or any(one.slug == word for one in self._known):
            word = f"{word}-route"[:63]
        prefix = f"/{word}"
        if prefix != "/" + "/".join(words):
            self.problem(where, f"/{'/'.join(words)} cannot be a prefix here; {prefix} is taken for it")
        return prefix

    def _same(
        self, base_url: str, dialects: list[DialectName], auth: Auth | None, more: dict[str, Any]
    ) -> Provider | None:
        """Find a provider that is there already; a key in clear is compared with nothing."""
        if auth is not None and auth.key_vault is not None:
            return None
        for one in self._known:
            is_same = one.base_url.rstrip("/") == base_url and one.auth == auth and set(dialects) <= set(one.dialects)
            if is_same and all(getattr(one, name) == value for name, value in more.items()):
                return one
        return None

    def _with_dialects(self, slug: str, dialects: list[DialectName]) -> str:
        for one in self.found.providers:
            if one.provider.slug == slug:
                more = [dialect for dialect in dialects if dialect not in one.provider.dialects]
                one.provider = msgspec.structs.replace(one.provider, dialects=[*one.provider.dialects, *more])
        return slug

    def _free_slug(self, text: str) -> str:
        taken = {one.slug for one in self._known} | {one.provider.slug for one in self.found.providers}
        return _free(slug_of(text), taken | RESERVED_SEGMENTS)

    def _free_name(self, text: str) -> str:
        return _free(slug_of(text.replace("*", "") or "any"), {one.name for one in self.found.routes})


def credential_of(text: Any, env: Any = None) -> Credential:
    """Read what stands for a key: a variable's name beside it, a reference to one, or the key itself."""
    if isinstance(env, str) and env.strip():
        return Credential(env=env.strip())
    if not isinstance(text, str):
        return Credential()
    text = text.strip()
    if text and (match := _ENV.fullmatch(text)):
        return Credential(env=match[1] or match[2])
    if text and text.lower() in _NO_KEY:
        return Credential(is_none=True)
    return Credential(secret=text) if text else Credential()


def slug_of(text: str) -> str:
    """Make a slug of any text."""
    slug = _NOT_IN_SLUG.sub("-", text.lower()).strip("-")[:63].strip("-")
    return slug if SLUG.fullmatch(slug) else "imported"


def objects(value: Any) -> list[dict[str, Any]]:
    """Give the mappings of a list; anything else holds none."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def text_in(entry: dict[str, Any], name: str) -> str:
    """Give an entry's text; empty when there is none."""
    value = entry.get(name)
    return value.strip() if isinstance(value, str) else ""


def _auth_of(slug: str, credential: Credential, auth: Auth | None) -> Auth | None:
    if auth is not None and auth.scheme == "sigv4":
        return auth
    if credential.is_none:
        return Auth(scheme="none")
    if credential.env is None and credential.secret is None:
        return None
    kept = auth or Auth()
    vault = slug if credential.env is None else None
    return msgspec.structs.replace(kept, key_env=credential.env, key_vault=vault)


def _word_of(base_url: str) -> str:
    """Name a provider by its host: `https://api.groq.com/openai/v1` is groq."""
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "imported"
    if host in ("localhost", "127.0.0.1", "::1"):
        return f"local-{port}" if port else "local"
    if host.replace(".", "").isdecimal():
        return f"{host}-{port}" if port else host
    words = [word for word in host.split(".") if word not in _COMMON_WORDS]
    return words[-1] if words else host


def _free(wanted: str, taken: Iterable[str]) -> str:
    """Number a name that is taken."""
    names = set(taken)
    number, name = 2, wanted
    while name in names:
        name = f"{wanted[:60]}-{number}"
        number += 1
    return name
