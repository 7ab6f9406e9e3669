"""Routes: which model name goes where, and what is changed on the way.

Pure values, and the one place that decides which route wins: the gateway, `POST /api/routes/explain` and
`dragoman routes explain` all ask the same `RouteTable`. Order: priority (lower first), then an exact model before
`prefix*`, a longer pattern before a shorter one, and the order in which they stand.
A route with a prefix is asked only for requests under it; one without, only for requests under no prefix.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from dragoman.records.names import RESERVED_SEGMENTS, SLUG, DialectName

RetryReason = Literal["connect", "timeout"] | int
RETRIED: tuple[RetryReason, ...] = ("connect", "timeout", 429, 500, 502, 503, 504, 529)

Outcome = Literal["wins", "matches", "no_match", "off", "other_prefix"]


class Replacement(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"old": "from", "new": "to"}
):
    """Each occurrence of `from` in the system prompt becomes `to`; plain text, no pattern."""

    old: str
    new: str = ""


class SystemEdits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is done to the system prompt, in this order."""

    replace: list[Replacement] = []
    append: str = ""
    progress: bool = False
    """Append a short summary of how far the conversation has come."""


class Target(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    provider: str
    """Slug."""
    dialect: DialectName | None = None
    """Left out: the client's, when the provider speaks it (then nothing is translated), else the provider's first."""
    model: str | None = None
    """Left out: the name that the client asked for."""


class Retry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """When a target is tried again, and when the next one is. Never after the first byte of a reply was passed on."""

    attempts: int = 1
    """Tries of each target."""
    on: tuple[RetryReason, ...] = RETRIED
    max_wait: float = 20.0
    """Longest `Retry-After` that is waited for, in seconds; a longer one goes to the next target at once."""


class Route(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    name: str
    """A slug, unique among the routes."""
    prefix: str | None = None
    """First path segment, with its slash (`/openai-compat`)."""
    model: str | None = None
    """Exact name, `prefix*`, or `*`; left out: any model, and requests that name none."""
    priority: int = 50
    is_active: bool = True
    system: SystemEdits = SystemEdits()
    targets: list[Target] = []
    """The first that works."""
    retry: Retry = Retry()
    source: str = "edited"
    """`file:PATH:LINE` or `edited`; only `edited` ones can be changed in the interface."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Why a route won or did not."""

    route: str
    outcome: Outcome
    why: str


def route_fault(route: Route, providers: Iterable[str]) -> tuple[str, str] | None:
    """Say what is wrong with a route: the field and what was found and expected. None when nothing is."""
    known = set(providers)
    if not SLUG.fullmatch(route.name):
        return "name", f"found {route.name[:80]!r}, expected lower-case letters, digits and dashes, at most 63"
    if route.prefix is not None:
        word = route.prefix.removeprefix("/")
        if not route.prefix.startswith("/") or not SLUG.fullmatch(word):
            return "prefix", f"found {route.prefix[:80]!r}, expected a slash and one word such as /openai-compat"
        if word in RESERVED_SEGMENTS:
            return "prefix", f"/{word} belongs to Dragoman itself; choose another word"
        if word in known:
            return "prefix", f"/{word} is the prefix of the provider {word}; choose another word"
    if route.model is not None and (not route.model or "*" in route.model[:-1]):
        return "model", f"found {route.model[:80]!r}, expected an exact name, a beginning with a * at its end, or *"
    if not route.targets:
        return "targets", "found none, expected at least one {provider: SLUG}"
    for at, target in enumerate(route.targets):
        if target.provider not in known:
            names = ", ".join(sorted(known)) or "none"
            return f"targets[{at}].provider", f"found {target.provider[:80]!r}, expected one of the providers: {names}"
    for at, one in enumerate(route.system.replace):
        if not one.old:
            return f"system.replace[{at}].from", "found no text, expected what is to be replaced"
    if not 1 <= route.retry.attempts <= 10:
        return "retry.attempts", f"found {route.retry.attempts}, expected 1 to 10"
    for reason in route.retry.on:
        if isinstance(reason, int) and not 400 <= reason <= 599:
            return "retry.on", f"found {reason}, expected connect, timeout or statuses from 400 to 599"
    return None


def unspoken(route: Route, spoken: Mapping[str, Sequence[str]]) -> tuple[str, str] | None:
    """Say which target is asked in a dialect that its provider does not speak; `spoken` is by slug, empty for any."""
    for at, target in enumerate(route.targets):
        known = spoken.get(target.provider)
        if target.dialect is not None and known and target.dialect not in known:
            message = f"{target.provider} speaks {', '.join(known)}, not {target.dialect}; choose one of them, or "
            return f"targets[{at}].dialect", message + "add it to the provider's `dialects`"
    return None


def matches(pattern: str | None, model: str | None) -> bool:
    """Say whether a route's `model` covers the model of a request (None: the request names none)."""
    if pattern is None:
        return True
    if pattern == "*":
        return model is not None
    if model is None:
        return False
    return model.startswith(pattern[:-1]) if pattern.endswith("*") else model == pattern


def target_dialect(target: Target, spoken: Sequence[str], asked: str | None) -> str | None:
    """Say in which dialect a target is asked. `spoken` are its provider's, `asked` is the client's.

    The same as `asked` means that nothing is translated; None that nobody knows what is asked for.
    """
    if asked is None:
        return None
    return target.dialect or (asked if not spoken or asked in spoken else spoken[0])


class RouteTable:
    """All routes, in the order in which they are asked."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = sorted(routes, key=_rank)
        self.prefixes = frozenset(one.prefix[1:] for one in routes if one.prefix and one.is_active)
        """First path segments that belong to routes."""
        self._by_prefix: dict[str | None, list[Route]] = {}
        for route in self.routes:
            if route.is_active:
                self._by_prefix.setdefault(route.prefix, []).append(route)

    def under(self, prefix: str | None) -> list[Route]:
        """Give the active routes that requests under a prefix (`/word`; None: under none) can take."""
        return self._by_prefix.get(prefix, [])

    def find(self, prefix: str | None, model: str | None) -> Route | None:
        """Give the route that wins."""
        return next((one for one in self.under(prefix) if matches(one.model, model)), None)

    def explain(self, prefix: str | None, model: str | None) -> list[Verdict]:
        """Say of each route, in order, why it wins or does not."""
        verdicts: list[Verdict] = []
        winner: str | None = None
        for route in self.routes:
            outcome, why = self._judge(route, prefix, model, winner)
            if outcome == "wins":
                winner = route.name
            verdicts.append(Verdict(route=route.name, outcome=outcome, why=why))
        return verdicts

    @staticmethod
    def _judge(route: Route, prefix: str | None, model: str | None, winner: str | None) -> tuple[Outcome, str]:
        if not route.is_active:
            return "off", "the route is switched off"
        if route.prefix != prefix:
            asked = f"under {prefix}" if prefix else "under no prefix"
            own = f"under {route.prefix}" if route.prefix else "under no prefix"
            return "other_prefix", f"it takes requests {own}; this one came {asked}"
        if not matches(route.model, model):
            asked = f"the request asks for {model}" if model is not None else "the request names no model"
            return "no_match", f"it takes {route.model}; {asked}"
        if winner is not None:
            return "matches", f"it would take the request too, but {winner} comes first"
        return "wins", f"{route.model or 'any model'} takes {model or 'a request without a model'}"


def _rank(route: Route) -> tuple[int, bool, int]:
    pattern = route.model
    is_exact = pattern is not None and not pattern.endswith("*")
    return route.priority, not is_exact, -len(pattern.rstrip("*")) if pattern else 0
