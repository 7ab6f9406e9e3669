"""The shapes of the API's answers and bodies that no lower floor has already.

Rows, details, events and the canonical form are used as they are (`records`, `canonical`). `ANSWERS` and `BODIES`
list all that OpenAPI must know. Unknown is null, never 0; durations are `_ns` unless the name says otherwise.
"""

from typing import Any, Literal

import msgspec

from dragoman.api import route_schemas
from dragoman.canonical import Delta, Prompt, Reply
from dragoman.keeper.ingest import Lag
from dragoman.keeper.reparse import ReparseProgress
from dragoman.keeper.status import Counters
from dragoman.records.connect import Connect
from dragoman.records.event import Event, Progress
from dragoman.records.exchange import Detail, Row
from dragoman.records.names import DialectName
from dragoman.records.query import Field
from dragoman.store.types import Bucket, Changes, Count, Page, Preview, Storage


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    code: str
    """A short stable word for machines."""
    message: str
    field: str | None = None
    id: str | None = None
    """Of the log line, for faults of our own."""


class Error(msgspec.Struct, kw_only=True):
    """The one shape of errors."""

    error: Problem


# Lists


class FacetValue(msgspec.Struct, kw_only=True):
    value: str
    count: int


class Facets(msgspec.Struct, kw_only=True):
    facets: dict[str, list[FacetValue]]


class Timeline(msgspec.Struct, kw_only=True):
    start_ns: int
    end_ns: int
    step_ns: int
    buckets: list[Bucket]


class QueryFields(msgspec.Struct, kw_only=True):
    fields: list[Field]
    facets: list[str]
    """The fields that `/api/facets` counts."""
    help: str
    """The grammar in a few lines of Markdown."""


# One exchange


class StreamFrame(msgspec.Struct, kw_only=True):
    """One frame of a streamed reply. `offset` and `bytes` are places in the decoded body."""

    n: int
    offset: int
    bytes: int
    at_ns: int | None
    """When its last byte came, since the exchange's start."""
    gap_ns: int | None
    """Since the frame before."""
    type: str | None
    data: str
    """The first 2,000 signs of what the frame says."""
    is_cut: bool


class StreamFrames(msgspec.Struct, kw_only=True):
    framing: Literal["sse", "ndjson", "eventstream", "raw"]
    total: int
    next_from: int | None
    frames: list[StreamFrame]


class LiveDelta(msgspec.Struct, kw_only=True):
    """Data of the event `delta` in an exchange's stream."""

    n: int
    at_ns: int | None
    delta: Delta


class LiveEnd(msgspec.Struct, kw_only=True):
    """Data of the event `end`, the last one of an exchange's stream."""

    row: Row | None


class Removal(msgspec.Struct, kw_only=True):
    """What was deleted; `token` brings it back for `undo_s` seconds at least."""

    token: str
    count: int
    undo_s: int


class Restored(msgspec.Struct, kw_only=True):
    count: int


class Cancellation(msgspec.Struct, kw_only=True):
    is_found: bool
    """False when the exchange does not run (any more)."""


# Providers


class AuthView(msgspec.Struct, kw_only=True):
    scheme: Literal["bearer", "header", "sigv4", "none"]
    name: str | None
    prefix: str | None
    key_env: str | None
    is_in_vault: bool
    region: str | None
    profile: str | None
    service: str


class TimeoutsView(msgspec.Struct, kw_only=True):
    """In seconds."""

    connect: float
    first_byte: float
    idle: float
    client_write: float


class ProviderView(msgspec.Struct, kw_only=True):
    """A provider as it works now. Secret header values are masked; credentials are never shown."""

    slug: str
    name: str
    base_url: str
    dialects: list[DialectName]
    default_for: list[DialectName]
    auth: AuthView | None
    """None: the client's own credential passes."""
    headers: dict[str, str]
    query: dict[str, str]
    timeouts: TimeoutsView
    websocket: Literal["auto", "no"]
    strip_v1: bool
    form: Literal["plain", "azure"]
    proxy: str | None
    ca_file: str | None
    verify_tls: bool
    source: str
    is_builtin: bool
    """Deleting it brings the built-in entry back."""
    is_editable: bool
    read_only_reason: str | None
    has_credential: bool | None
    """Whether the named credential is there; None when the client's own one passes."""
    prefix: str
    """Path under which clients reach it."""


class Providers(msgspec.Struct, kw_only=True):
    items: list[ProviderView]


class ProviderCheck(msgspec.Struct, kw_only=True):
    """What came of asking a provider for its models, or of sending it a small request."""

    kind: Literal["models", "simple", "image", "function"]
    outcome: Literal["ok", "unauthorized", "unreachable", "failed", "no_credential"]
    message: str
    url: str
    status: int | None
    latency_ns: int | None
    models: int | None
    model: str | None
    """Which one was asked."""
    reply: str | None
    """What it answered, or the error it gave; at most 6,000 signs."""


class ModelView(msgspec.Struct, kw_only=True):
    id: str
    is_loaded: bool | None
    """None where the provider does not load models on demand."""
    bytes: int | None
    created_s: int | None
    owner: str | None


class Models(msgspec.Struct, kw_only=True):
    items: list[ModelView]


class LoadedModel(msgspec.Struct, kw_only=True):
    id: str
    bytes: int | None
    vram_bytes: int | None
    context: int | None
    expires_at: str | None


class LoadedModels(msgspec.Struct, kw_only=True):
    items: list[LoadedModel]


class Unloaded(msgspec.Struct, kw_only=True):
    model: str


# The whole


class GatewayView(msgspec.Struct, kw_only=True):
    name: str
    is_connected: bool
    in_flight: int | None
    connections: int | None
    requests_total: int | None
    journal_bytes: int | None
    setup_version: int | None
    capture_stopped_total: int | None
    upstream_idle: int | None


class Status(msgspec.Struct, kw_only=True):
    version: str
    python: str
    parser_version: int
    started_ns: int
    now_ns: int
    pid: int
    rss_bytes: int | None
    base_url: str
    data_dir: str
    is_panicking: bool
    is_password_required: bool
    setup_version: int
    in_flight: int
    capture_drops: int
    """Exchanges whose capture was stopped since the gateways began."""
    lag: Lag
    gateways: list[GatewayView]
    storage: Storage | None
    """None while the store cannot be read; `problems` says why."""
    retention: Preview | None
    """What the next run of retention would delete."""
    config_files: list[str]
    """Highest precedence first."""
    problems: list[str]
    """What is wrong now, in words; empty when all is well."""
    reparse: ReparseProgress


class Retention(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """None: keep for ever, or as much as comes."""

    bodies_s: float | None
    facts_s: float | None
    max_bytes: int | None


class SettingsView(msgspec.Struct, kw_only=True):
    retention: Retention
    retention_source: Literal["configuration", "edited"]


class PanicView(msgspec.Struct, kw_only=True):
    is_panicking: bool


class FirstRequest(msgspec.Struct, kw_only=True):
    exchange: str
    """Id of the exchange that it became."""
    url: str


class Check(msgspec.Struct, kw_only=True):
    name: str
    is_ready: bool
    message: str


class Readiness(msgspec.Struct, kw_only=True):
    is_ready: bool
    checks: list[Check]


class Session(msgspec.Struct, kw_only=True):
    is_password_required: bool
    is_logged_in: bool


# Data of events


class Removed(msgspec.Struct, kw_only=True):
    """Data of `exchange.deleted`: the ids, or the filter when they were many."""

    ids: list[str]
    filter: str | None
    count: int


class Resync(msgspec.Struct, kw_only=True):
    """Data of `resync`: fetch the list again; ask for changes after `since_seq`."""

    since_seq: int


# Bodies of requests


class RestoreBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One of both."""

    ids: list[str] | None = None
    token: str | None = None


class ExportBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`ids`, or the exchanges that `q` finds, newest first, at most 1,000."""

    ids: list[str] | None = None
    q: str | None = None
    format: Literal["json", "jsonl", "har"] = "jsonl"


class AuthBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    scheme: Literal["bearer", "header", "sigv4", "none"] = "bearer"
    name: str | None = None
    prefix: str | None = None
    """Word before the key, for `header`."""
    key_env: str | None = None
    region: str | None = None
    profile: str | None = None
    service: str = "bedrock"


class TimeoutsBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    connect: float = 10.0
    first_byte: float = 900.0
    idle: float = 600.0
    client_write: float = 120.0


class ProviderBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A whole provider: what is left out takes its default.

    `credential` goes into the vault and is never shown again; left out, the one in the vault stays.
    """

    base_url: str
    name: str = ""
    dialects: list[DialectName] = []
    default_for: list[DialectName] = []
    auth: AuthBody | None = None
    credential: str | None = None
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    timeouts: TimeoutsBody = msgspec.field(default_factory=TimeoutsBody)
    websocket: Literal["auto", "no"] = "auto"
    strip_v1: bool = False
    form: Literal["plain", "azure"] = "plain"
    proxy: str | None = None
    ca_file: str | None = None
    verify_tls: bool = True


class NewProviderBody(ProviderBody, kw_only=True, forbid_unknown_fields=True):
    slug: str


class UnloadBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    model: str


class SettingsBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    retention: Retention


class ReparseBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Without `ids`: all that an older parser read."""

    ids: list[str] | None = None


class PanicBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    on: bool


class FirstRequestBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    dialect: Literal["openai_chat", "openai_responses", "anthropic_messages", "ollama_chat"] = "openai_chat"


class LoginBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    password: str


ANSWERS: tuple[Any, ...] = (
    Error, Page, Changes, Facets, Timeline, Count, QueryFields, Detail, Prompt, Reply, StreamFrames, LiveDelta, LiveEnd,
    Removal, Restored, Cancellation, ProviderView, Providers, ProviderCheck, Models, LoadedModels, Unloaded, Status,
    ReparseProgress, Counters, SettingsView, PanicView, FirstRequest, Connect, Readiness, Session, Event, Progress,
    Removed, Resync, Delta, *route_schemas.ANSWERS,
)  # fmt: skip

BODIES: tuple[Any, ...] = (
    RestoreBody, ExportBody, ProviderBody, NewProviderBody, UnloadBody, SettingsBody, ReparseBody, PanicBody,
    FirstRequestBody, LoginBody, *route_schemas.BODIES,
)  # fmt: skip
