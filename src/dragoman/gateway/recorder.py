"""Write down one exchange: masked, within the capture limits, in the journal's words.

Promise: nothing secret gets past here (headers, targets, URLs, credential fields in JSON bodies), and nothing
here delays the traffic. Past `limits.capture` of a direction, or once the journal said that capture stops, bytes
are left out and the record says so; what is small (heads, attempts, the end) is always written.
`UNRECORDED` has the same face and writes nothing: requests to the interface are no exchanges.
"""

from typing import TYPE_CHECKING, Any, Literal

from blake3 import blake3

from dragoman.canonical import Loss
from dragoman.clock import Clock
from dragoman.gateway.reply_mask import Framed, ReplyMask, mask_for
from dragoman.gateway.request import Request
from dragoman.journal.format import (
    Alteration,
    AttemptClosed,
    AttemptOpened,
    BodyFraming,
    CaptureStopped,
    Closed,
    DataFrames,
    Ending,
    Lost,
    Opened,
    RequestEnded,
    ResponseHead,
    SentHead,
    TunnelData,
    UpstreamBody,
    encode_frame,
)
from dragoman.journal.writer import Journal
from dragoman.records.redaction import BodyMasker, mask_header, mask_target, may_carry_credential
from dragoman.wire import http1
from dragoman.wire.headers import Field, FieldBook, Fields

if TYPE_CHECKING:
    from dragoman.gateway.client_side import ClientSide

HASHED_UP_TO = 1024 * 1024
"""Pieces of a body up to this size are kept to hash the true bytes, should masking change any."""
_NO_HEAD = http1.RequestHead()


class _Unframed:
    """Bytes without a transfer coding: all of them are data."""

    __slots__ = ()

    def payload_spans(self, data: bytes) -> list[tuple[int, int]]:
        return [(0, len(data))]


_UNFRAMED = _Unframed()
_NOTHING_TO_MASK = BodyMasker()
"""Stands for a body that cannot be looked into."""


class MaskedFieldBook(FieldBook):
    """Header lines, each masked when it is read for the first time."""

    __slots__ = ()

    def read(self, line: bytes) -> Field:
        field = Field(line)
        field.written = (field.name, mask_header(field.name, field.value))
        return field


class Recorder:
    """The record of one exchange, from `opened` to `closed`."""

    __slots__ = (
        "_clock", "_frames", "_generation", "_hasher", "_head", "_id", "_journal", "_kept", "_length",
        "_masker", "_reply_mask", "_request_bytes", "_request_left", "_response_left", "_sent_left", "_sent_mask",
        "_upstream_left",
    )  # fmt: skip

    def __init__(self, exchange: str, journal: Journal, clock: Clock, capture_bytes: int) -> None:
        self._id = exchange
        self._journal = journal
        self._clock = clock
        self._generation = -1 if journal.is_full else journal.generation
        self._frames = DataFrames(exchange)
        self._request_left = self._response_left = self._sent_left = self._upstream_left = capture_bytes
        self._request_bytes = 0
        self._masker: BodyMasker | None = None
        self._reply_mask: ReplyMask | None = None
        self._sent_mask: ReplyMask | None = None
        self._head = _NO_HEAD
        self._length = 0
        self._hasher: Any = None  # blake3 has no type stubs
        self._kept: list[bytes] | None = []

    def opened(
        self, request: Request, length: bytes, client: "ClientSide", setup_version: int, provider: str | None
    ) -> None:
        head, way = request.head, request.way
        self._head = head
        self._length = int(length)
        self._journal.append_record(
            Opened(
                self._id,
                self._clock.mono_ns(),
                head.method,
                mask_target(head.target),
                "1.1" if head.minor else "1.0",
                request.opened_with(length),
                client.peer,
                client.number,
                client.turn,
                provider,
                way.dialect,
                way.endpoint,
                head.framing,
                setup_version,
                request.origin,
                way.run,
                "none" if self._generation < 0 else "full",
            )
        )

    def request_body(self, data: bytes) -> None:
        """Take a piece of the request's body, transfer coding removed."""
        self._request_bytes += len(data)
        data = self._mask(data)
        if self._generation != self._journal.generation:
            return
        left = self._request_left = self._request_left - len(data)
        now = self._clock.mono_ns()
        if left >= 0:
            self._journal.append(self._frames.request_body(now, data))
        elif left + len(data) >= 0:
            self._last(self._frames.request_body(now, data[:left]), "request")

    def _mask(self, data: bytes) -> bytes:
        """Mask a piece. Most bodies are one piece without any credential: they cost two searches."""
        if self._masker is None:
            if self._request_bytes == self._length and not may_carry_credential(data):
                return data
            self._masker = BodyMasker() if _is_readable(self._head) else _NOTHING_TO_MASK
        if self._masker is _NOTHING_TO_MASK:
            return data
        if self._kept is not None:
            self._kept.append(data)
            if self._request_bytes > HASHED_UP_TO:
                self._begin_hash()
        elif self._hasher is not None:
            self._hasher.update(data)
        return self._masker.feed(data)

    def _begin_hash(self) -> Any:
        """Hash the true bytes: from the start when the body is long, else only once some were masked."""
        hasher = self._hasher = blake3()
        for piece in self._kept or ():
            hasher.update(piece)
        self._kept = None
        return hasher

    def request_ended(self, trailers: Fields) -> None:
        true_hash = None
        if self._masker is not None and self._masker.has_masked:
            true_hash = (self._hasher or self._begin_hash()).hexdigest()
        self._kept = None
        self._journal.append_record(
            RequestEnded(self._id, self._clock.mono_ns(), self._request_bytes, masked(trailers), true_hash)
        )

    def attempt_opened(
        self,
        number: int,
        provider: str,
        url: str,
        headers: Fields,
        *,
        is_reused: bool,
        times_ns: tuple[int, int, int],
        dialect: str | None = None,
        model: str | None = None,
        route: str | None = None,
    ) -> None:
        """Note a try. `dialect` only where it is not the client's, `model` only where a route named it."""
        now = self._clock.mono_ns()
        url = mask_target(url)
        self._journal.append_record(
            AttemptOpened(self._id, now, number, provider, url, is_reused, *times_ns, headers, dialect, model, route)
        )

    def attempt_closed(self, number: int, code: str, message: str, *, status: int = 0, wait_ns: int = 0) -> None:
        self._journal.append_record(
            AttemptClosed(self._id, self._clock.mono_ns(), number, code, message, status, wait_ns)
        )

    def upstream_body(self, number: int, data: bytes) -> None:
        """Take the body that attempt `number` sends in place of the client's, before it is sent."""
        if self._generation != self._journal.generation:
            return
        masked_data = BodyMasker().feed(data)
        self._upstream_left -= len(data)
        if self._upstream_left >= 0:
            self._journal.append([encode_frame(UpstreamBody(self._id, self._clock.mono_ns(), number, masked_data))])
        elif self._upstream_left + len(data) >= 0:
            self._stopped("request")

    def lost(self, direction: Literal["request", "response"], losses: list[Loss]) -> None:
        pairs = [(loss.path, loss.reason) for loss in losses]
        self._journal.append_record(Lost(self._id, self._clock.mono_ns(), direction, pairs))

    def altered(self, who: str, what: str) -> None:
        self._journal.append_record(Alteration(self._id, self._clock.mono_ns(), who, what))

    def response_head(self, head: http1.ResponseHead, framing: BodyFraming) -> None:
        self._reply_mask = mask_for(head, framing)
        version = "1.1" if head.minor else "1.0"
        self._journal.append_record(
            ResponseHead(
                self._id,
                self._clock.mono_ns(),
                head.status,
                head.reason,
                version,
                [field.written for field in head.fields],
                framing,
            )
        )

    def chunk(self, data: bytes, now_ns: int, side: Framed) -> None:
        """Take bytes of the reply as they came off the wire."""
        if self._generation != self._journal.generation or self._response_left < 0:
            return
        if self._reply_mask is not None:
            data = self._reply_mask.feed(data, side)
        left = self._response_left = self._response_left - len(data)
        if left >= 0:
            self._journal.append(self._frames.chunk(now_ns, data))
        elif left + len(data) >= 0:
            self._last(self._frames.chunk(now_ns, data[:left]), "response")

    def sent_head(self, status: int, headers: Fields, framing: BodyFraming) -> None:
        """Take the head of a translated reply as the client gets it."""
        self._sent_mask = ReplyMask("length")
        self._journal.append_record(SentHead(self._id, self._clock.mono_ns(), status, masked(headers), framing))

    def sent_chunk(self, data: bytes, now_ns: int) -> None:
        """Take bytes of a translated reply's body as the client gets them, transfer coding not included."""
        if self._generation != self._journal.generation or self._sent_left < 0:
            return
        if self._sent_mask is not None:
            data = self._sent_mask.feed(data, _UNFRAMED)
        left = self._sent_left = self._sent_left - len(data)
        if left >= 0:
            self._journal.append(self._frames.sent_chunk(now_ns, data))
        elif left + len(data) >= 0:
            self._last(self._frames.sent_chunk(now_ns, data[:left]), "response")

    def tunnel_data(self, data: bytes, *, is_from_client: bool) -> None:
        """Take bytes of a tunnel: both directions count together against the limit."""
        if self._generation != self._journal.generation:
            return
        left = self._response_left = self._response_left - len(data)
        now = self._clock.mono_ns()
        if left >= 0:
            self._journal.append([encode_frame(TunnelData(self._id, now, is_from_client, data))])
        elif left + len(data) >= 0:
            self._last([encode_frame(TunnelData(self._id, now, is_from_client, data[:left]))], "both")

    def _last(self, frame: list[bytes], direction: Literal["request", "response", "both"]) -> None:
        """Write what the limit still lets in, and say that capture ended there."""
        self._journal.append(frame)
        self._stopped(direction)

    def _stopped(self, direction: Literal["request", "response", "both"]) -> None:
        self._journal.append_record(CaptureStopped(self._id, self._clock.mono_ns(), "limit", direction))

    def closed(
        self,
        ending: Ending,
        *,
        status: int,
        sent_bytes: int,
        code: str | None = None,
        message: str | None = None,
        trailers: Fields | None = None,
        body: bytes = b"",
        paused_ns: int = 0,
        route: str | None = None,
    ) -> None:
        self._journal.append_record(
            Closed(
                id=self._id,
                mono_ns=self._clock.mono_ns(),
                ending=ending,
                status=status,
                sent_bytes=sent_bytes,
                error_code=code,
                error_message=message,
                response_trailers=masked(trailers) if trailers else [],
                body=body,
                paused_ns=paused_ns,
                response_true_hash=self._reply_true_hash(),
                route=route,
            )
        )

    def _reply_true_hash(self) -> str | None:
        is_captured_whole = self._response_left >= 0 and self._generation == self._journal.generation
        return self._reply_mask.true_hash if self._reply_mask is not None and is_captured_whole else None


class Unrecorded:
    """The face of a Recorder with nothing behind it."""

    __slots__ = ()

    def request_body(self, data: bytes) -> None: ...

    def request_ended(self, trailers: Fields) -> None: ...

    def attempt_opened(
        self, number: int, provider: str, url: str, headers: Fields, *, is_reused: bool, times_ns: tuple[int, int, int]
    ) -> None: ...

    def attempt_closed(self, number: int, code: str, message: str) -> None: ...

    def altered(self, who: str, what: str) -> None: ...

    def response_head(self, head: http1.ResponseHead, framing: BodyFraming) -> None: ...

    def chunk(self, data: bytes, now_ns: int, side: Framed) -> None: ...

    def tunnel_data(self, data: bytes, *, is_from_client: bool) -> None: ...

    def closed(
        self,
        ending: Ending,
        *,
        status: int,
        sent_bytes: int,
        code: str | None = None,
        message: str | None = None,
        trailers: Fields | None = None,
        body: bytes = b"",
        paused_ns: int = 0,
        route: str | None = None,
    ) -> None: ...


UNRECORDED = Unrecorded()


def _is_readable(head: http1.RequestHead) -> bool:
    """Say whether the body is JSON that can be looked into (or may be: nothing says what it is)."""
    if head.has(b"content-encoding"):
        return False
    media = head.get(b"content-type")
    return media is None or b"json" in media.lower()


def masked(headers: Fields) -> Fields:
    return [(name, mask_header(name, value)) for name, value in headers]
