"""One exchange as it is kept: the row that lists show, the detail that a page shows, and what was recorded.

The row is complete and small, so that a list needs nothing else. Unknown is None, never 0 or now.
Durations are nanoseconds since `started_ns` (wall clock, UTC, since 1970) unless the name says otherwise.
Pure values: no I/O.
"""

from typing import Any, Literal

import msgspec

from dragoman.canonical import StopReason

State = Literal[
    "waiting",  # sent or being sent, nothing has come back
    "streaming",  # the reply's head has come
    "done",  # ended well: `ending` is complete or answered, and the status is below 400
    "error",  # ended with an error: the status is 400 or more, or `ending` names a failure
    "stopped",  # the client left, or somebody pressed stop
    "interrupted",  # the gateway died in the middle
]

Capture = Literal["full", "partial", "none"]


class Row(msgspec.Struct, kw_only=True):
    """What a list shows of an exchange, and `exchange.*` events carry."""

    id: str
    seq: int = 0
    """Rises with each commit that touched the row; 0 while it was never committed."""
    state: State = "waiting"
    ending: str | None = None
    started_ns: int = 0
    duration_ns: int | None = None
    first_byte_ns: int | None = None
    """Until the first byte of the reply's head."""
    first_token_ns: int | None = None
    """Until the first delta that carries content (text, reasoning, tool call); streams only."""
    last_token_ns: int | None = None

    method: str = ""
    path: str = ""
    """Path and query, credentials masked."""
    status: int | None = None
    error_code: str | None = None
    error_message: str | None = None

    provider: str | None = None
    dialect: str | None = None
    endpoint: str | None = None
    model_asked: str | None = None
    model_served: str | None = None
    route: str | None = None
    """The route that was taken; None when none was."""
    upstream_dialect: str | None = None
    """What was spoken with the provider, when the call was translated."""
    upstream_model: str | None = None
    """What the provider was asked for, when a route renamed the model."""
    losses: int = 0
    """How much could not cross between the dialects."""
    is_streamed: bool | None = None

    client: str | None = None
    """The calling application, such as `claude-code` or `openai-python`."""
    client_version: str | None = None
    peer: str | None = None
    origin: str = "client"
    run: str | None = None
    session: str | None = None
    """The id that the client itself gave the conversation."""
    conversation: str | None = None
    """Id of the conversation: that of its first exchange."""
    parent: str | None = None
    """The exchange whose messages this one extends."""
    turns: int | None = None
    """Messages in the request."""
    user: str | None = None
    tags: list[str] = []

    input_fresh: int | None = None
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    output: int | None = None
    reasoning: int | None = None
    is_estimated: bool = False
    """The token figures are our estimate (shown with ≈), not the provider's."""
    stop_reason: StopReason | None = None
    native_stop_reason: str | None = None

    preview: str = ""
    """Last text of the user, or the tool result that was sent; at most 240 characters."""
    reply_preview: str = ""
    """First text of the reply, or `→ bash(…)`; at most 240 characters."""
    tools_declared: int = 0
    tools_called: list[str] = []
    flags: list[str] = []
    """Of: tools, image, audio, document, reasoning, refusal, retry, tunnel, compressed, altered, translated, partial,
    unparsed, warning."""
    attempts: int = 0
    request_bytes: int | None = None
    response_bytes: int | None = None
    capture: Capture = "full"
    is_untouched: bool | None = None
    """True when the bytes of both bodies and all headers that count went on as they came."""
    parser_version: int = 0


class Head(msgspec.Struct, kw_only=True):
    """A request's or reply's head; headers as (name, value) in order, credentials masked, latin-1 text."""

    line: str = ""
    http_version: str = "1.1"
    headers: list[tuple[str, str]] = []
    trailers: list[tuple[str, str]] = []
    framing: str = "none"


class Attempt(msgspec.Struct, kw_only=True):
    number: int
    provider: str
    url: str
    is_reused: bool = False
    started_ns: int = 0
    dns_ns: int = 0
    connect_ns: int = 0
    tls_ns: int = 0
    headers: list[tuple[str, str]] = []
    status: int | None = None
    error_code: str | None = None
    error_message: str | None = None
    ended_ns: int | None = None
    dialect: str | None = None
    """Of what was sent, when it was not the client's."""
    model: str | None = None
    route: str | None = None
    wait_ns: int = 0
    """How long was waited before the next try."""


class Loss(msgspec.Struct, kw_only=True):
    """Something that could not cross to the other dialect."""

    direction: Literal["request", "response"]
    path: str
    reason: str


class Mark(msgspec.Struct, kw_only=True):
    """An alteration: who changed what."""

    who: str
    what: str
    at_ns: int = 0


class BodyFacts(msgspec.Struct, kw_only=True):
    """`hash` is blake3 (hex) of the stored bytes; `true_hash` of the bytes that went over the wire, when
    credentials in them were masked."""

    bytes: int = 0
    hash: str | None = None
    true_hash: str | None = None
    media_type: str | None = None
    encoding: str | None = None
    is_whole: bool = True
    is_stored: bool = True
    """False when retention has removed the bytes."""


class UpstreamSide(msgspec.Struct, kw_only=True):
    """What passed between Dragoman and the provider, where it differs from what passed with the client.

    `request_body` is None when the provider got the client's own bytes, `response` when the client got the
    provider's own reply.
    """

    request_body: BodyFacts | None = None
    response: Head | None = None
    response_body: BodyFacts | None = None


class Detail(msgspec.Struct, kw_only=True):
    """All facts of one exchange but its bodies."""

    row: Row
    request: Head = msgspec.field(default_factory=Head)
    response: Head | None = None
    informational: list[Head] = []
    request_body: BodyFacts = msgspec.field(default_factory=BodyFacts)
    response_body: BodyFacts = msgspec.field(default_factory=BodyFacts)
    attempts: list[Attempt] = []
    alterations: list[Mark] = []
    verdicts: list[Any] = []
    warnings: list[str] = []
    usage: Any = None
    """Canonical `Usage` with the provider's own figures."""
    provider_timings_ns: dict[str, int] = {}
    request_end_ns: int | None = None
    paused_ns: int = 0
    sent_bytes: int = 0
    losses: list[Loss] = []
    upstream: UpstreamSide | None = None
    """Present when the call was rewritten or translated on its way."""
    setup_version: int = 0
    client_ids: dict[str, str] = {}
    """Ids the client sent: session, trace, user, metadata."""


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """A piece of the reply as it arrived: where it begins in the stored body, and when."""

    offset: int
    at_ns: int


class Recording(msgspec.Struct, kw_only=True):
    """What the keeper hands to the store when an exchange is over (or re-parsed)."""

    detail: Detail
    request_body: bytes = b""
    response_body: bytes = b""
    """Transfer coding removed, content coding kept; the bytes of a tunnel's server side for a tunnel."""
    frames: list[Frame] = []
    tunnel_sent: bytes = b""
    """The client's side of a tunnel."""
    upstream_request: bytes = b""
    """What the provider got, when it was not the client's body."""
    upstream_response: bytes = b""
    """What the provider answered, when the client got a translation of it; `response_body` and `frames` are then
    the client's."""
    upstream_frames: list[Frame] = []
    tunnel_frames: list[Frame] = []
    reply_id: str | None = None
    """The id under which a later request can name this reply as the one it continues."""
    search_texts: list[str] = []
    """Text of the reply and of a body that has no slices; texts of slices are found by the store."""


def state_of(ending: str | None, status: int | None) -> State:
    """Derive the state that a finished or running exchange is shown in."""
    if ending is None:
        return "waiting" if status is None else "streaming"
    if ending in ("client_closed", "cancelled"):
        return "stopped"
    if ending == "interrupted":
        return "interrupted"
    if ending in ("complete", "answered") and status is not None and status < 400:
        return "done"
    return "error"
