"""The shapes of the API's answers and bodies about routes, and about how the providers behind them fare.

What a body takes are the records' own Structs (`records.route`); what is shown is always sent whole.
"""

from typing import Any, Literal

import msgspec

from dragoman.records.names import DialectName
from dragoman.records.route import Replacement, Retry, SystemEdits, Target, Verdict

KeyState = Literal["configured", "missing", "client"]


class BreakerView(msgspec.Struct, kw_only=True):
    """Whether a provider is asked at all: after failures in a row it is left out for a while."""

    state: Literal["closed", "open", "half_open"]
    failures: int
    """In a row, up to now."""
    retry_in_s: float


class ProviderHealth(msgspec.Struct, kw_only=True):
    """How a provider fared in the last hour, from what was recorded."""

    slug: str
    state: Literal["ok", "failing", "unknown"]
    """`failing`: the last request failed for the provider's sake, or its breaker is open; `unknown`: none was sent."""
    requests: int
    failures: int
    is_capped: bool
    """There were more requests; these are the newest."""
    last_error: str | None
    last_error_ns: int | None
    """When, since 1970."""
    latency_p50_ns: int | None
    """Until the first byte of replies that went well."""
    breaker: BreakerView


class ProvidersHealth(msgspec.Struct, kw_only=True):
    items: list[ProviderHealth]


# Routes as they are


class SystemView(msgspec.Struct, kw_only=True):
    replace: list[Replacement]
    append: str
    progress: bool


class TargetView(msgspec.Struct, kw_only=True):
    provider: str
    dialect: DialectName | None
    """None: the client's, when the provider speaks it, else the provider's first."""
    model: str | None
    """None: the name that the client asked for."""


class RetryView(msgspec.Struct, kw_only=True):
    attempts: int
    on: list[Literal["connect", "timeout"] | int]
    max_wait: float
    """Seconds."""


class RouteShape(msgspec.Struct, kw_only=True):
    name: str
    prefix: str | None
    model: str | None
    """Exact name, `prefix*`, or `*`; None: any, and requests that name none."""
    priority: int
    """Lower first."""
    is_active: bool
    system: SystemView
    targets: list[TargetView]
    retry: RetryView


class RouteView(RouteShape, kw_only=True):
    """A route as it works now."""

    source: str
    """`file:PATH:LINE`, `edited`, or `demo`."""
    is_editable: bool
    read_only_reason: str | None
    problem: str | None
    """Why it is left out although it was not switched off."""
    position: int | None
    """Among the edited routes; of two that match equally well the first wins. None for those of a file."""
    key_source: str | None
    """Whose credential its first target gets: `env:NAME`, `vault:SLUG`, `aws:PROFILE`, `none`, or `client`."""
    key_state: KeyState | None
    hits: int | None
    """Exchanges of the last 24 hours, at most 10,000; None while the store cannot be read."""
    revision: str
    """Changes with the route; send it as `If-Match` so that no other's edit is overwritten unseen."""


class Routes(msgspec.Struct, kw_only=True):
    items: list[RouteView]
    """In the order in which they are asked."""


# What a route would do


class ExplainedTarget(msgspec.Struct, kw_only=True):
    provider: str
    dialect: DialectName | None
    """What it is asked in; None when nobody knows what is asked for."""
    model: str | None
    url: str
    is_translated: bool
    key_source: str
    key_state: KeyState
    problem: str | None
    """Why nothing can be sent there."""
    breaker: BreakerView


class ExplainedRequest(msgspec.Struct, kw_only=True):
    """What the first target would be sent; credentials are masked."""

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: str
    changes: list[str]
    """What was changed on the way, as the exchange would say it."""


class ExplainedLoss(msgspec.Struct, kw_only=True):
    path: str
    reason: str


class Explanation(msgspec.Struct, kw_only=True):
    status: Literal["matched", "no_match", "missing_credential"]
    """`no_match`: no route takes it; `default_provider` would, unless it is None."""
    verdicts: list[Verdict]
    """Of each route, in the order in which they are asked."""
    route: str | None
    default_provider: str | None
    """Who gets it when no route takes it; None when nobody does."""
    dialect: DialectName
    """What the client speaks."""
    prefix: str | None
    model: str | None
    path: str
    """What the client asks for, its prefix included."""
    targets: list[ExplainedTarget]
    request: ExplainedRequest | None
    losses: list[ExplainedLoss]
    """What the request would lose on its way to the first target."""
    problem: str | None
    """Why there is no `request`."""
    snippet: str
    """A command that sends this through Dragoman."""


# What other tools' files say


class ImportedProvider(msgspec.Struct, kw_only=True):
    slug: str
    name: str
    base_url: str
    dialects: list[DialectName]
    key_source: str
    """`vault:SLUG` for a key that stood in the file: it goes into the vault when saved, and is shown nowhere."""
    is_known: bool
    """It is there already and is used as it is."""


class ImportedRoute(RouteShape, kw_only=True):
    is_known: bool
    """A route of this name is there already; saving replaces it, unless it stands in a file."""


class ImportProblem(msgspec.Struct, kw_only=True):
    where: str
    """Such as `models[2].system_append`."""
    message: str


class Imported(msgspec.Struct, kw_only=True):
    format: Literal["llm-proxy", "llm-observe", "litellm"]
    providers: list[ImportedProvider]
    routes: list[ImportedRoute]
    problems: list[ImportProblem]
    """What could not be taken over, and why."""
    is_saved: bool
    yaml: str
    """The same as entries of a `dragoman.yaml`, without keys."""


# Bodies


class RouteBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A whole route: what is left out takes its default."""

    name: str | None = None
    """Another name renames the route."""
    prefix: str | None = None
    model: str | None = None
    priority: int = 50
    is_active: bool = True
    system: SystemEdits = SystemEdits()
    targets: list[Target] = []
    retry: Retry = Retry()
    position: int | None = None
    """Moves the route among the edited ones; left out, it stays where it is, or comes last."""


class ExplainBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Give a model, or a whole request as a client would send it."""

    model: str | None = None
    """Left out: the one that `body` or `path` names."""
    prefix: str | None = None
    """Of a route, with its slash; left out: the one that `path` begins with."""
    dialect: DialectName | None = None
    """Left out: told by `path`, else by the looks of `body`, else openai_chat."""
    path: str | None = None
    """Path and query that the client asks for, such as `/v1/messages`."""
    body: Any = None
    """JSON; left out: a short example."""


class ImportBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    text: str
    """The file, YAML or JSON."""
    format: Literal["llm-proxy", "llm-observe", "litellm"] | None = None
    """Left out: told by its looks."""
    save: bool = False
    """Keep what can be taken over; otherwise this is a preview."""


class ProviderTestBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    kind: Literal["models", "simple", "image", "function"] = "models"
    """`models` asks for the list of models; the others send one small request to a model."""
    model: str | None = None
    """Left out: the first that the provider lists."""


ANSWERS: tuple[Any, ...] = (RouteView, Routes, Explanation, Imported, ProvidersHealth)
BODIES: tuple[Any, ...] = (RouteBody, ExplainBody, ImportBody, ProviderTestBody)
