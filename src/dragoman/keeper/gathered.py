"""Take the journal's records of one exchange, in order, and hold what they say.

Promise: pure; no record makes it fail. The transfer coding is removed, and each piece has the time at which it
came. What a try that failed was answered is no part of the reply.
Does not make what is kept of it; `assemble` does.
"""

import msgspec

from dragoman.journal.format import (
    Alteration,
    AttemptClosed,
    AttemptOpened,
    CaptureStopped,
    Chunk,
    Closed,
    FileHeader,
    Held,
    Lost,
    Opened,
    Record,
    RequestBody,
    RequestEnded,
    ResponseHead,
    SentChunk,
    SentHead,
    TunnelData,
    UpstreamBody,
    Verdict,
)
from dragoman.keeper.attempts import Attempts
from dragoman.keeper.pieces import Pieces
from dragoman.records.exchange import Mark
from dragoman.wire.http1 import ChunkedDecoder

_SWITCHING_PROTOCOLS = 101


class TimeBase(msgspec.Struct, frozen=True):
    """One moment on both clocks of a gateway's process."""

    wall_ns: int
    mono_ns: int

    @classmethod
    def of(cls, header: FileHeader) -> "TimeBase":
        return cls(header.wall_ns, header.mono_ns)

    def wall_of(self, mono_ns: int) -> int:
        return self.wall_ns + mono_ns - self.mono_ns


class Gathered:
    """What came of one exchange so far; `take` its records in order."""

    def __init__(self, opened: Opened, base: TimeBase, *, keeps_records: bool = True) -> None:
        self.opened = opened
        self.base = base
        self.records: list[Record] = [opened]
        """All that was taken, for a checkpoint, while the exchange is open."""
        self._keeps_records = keeps_records
        self.last_ns = 0
        self.is_request_whole = opened.request_framing == "none"
        self.request = Pieces()
        self.request_ended: RequestEnded | None = None
        self.head: ResponseHead | None = None
        """The provider's."""
        self.reply = Pieces()
        """What the provider answered; of a tunnel, its side."""
        self.attempts = Attempts()
        self.closed: Closed | None = None
        self.is_interrupted = False
        self.warnings: list[str] = []
        self.informational: list[ResponseHead] = []
        self.sent_head: SentHead | None = None
        self.sent = Pieces()
        self.marks: list[Mark] = []
        self.verdicts: list[Verdict | Held] = []
        self.missing: set[str] = {"request", "response"} if opened.capture == "none" else set()
        self._dechunker: ChunkedDecoder | None = None
        self.tunnel_sent = Pieces()

    @property
    def id(self) -> str:
        return self.opened.id

    @property
    def started_ns(self) -> int:
        return self.base.wall_of(self.opened.mono_ns)

    @property
    def held_bytes(self) -> int:
        """Say how much of bodies is held."""
        upstream = self.attempts.upstream_body or b""
        return self.request.size + len(upstream) + self.reply.size + self.sent.size + self.tunnel_sent.size

    @property
    def is_translated(self) -> bool:
        """Say whether the client gets another reply than the provider's own."""
        return self.sent_head is not None or self.attempts.is_translated

    @property
    def is_tunnel(self) -> bool:
        return self.head is not None and self.head.status == _SWITCHING_PROTOCOLS

    @property
    def is_over(self) -> bool:
        return self.closed is not None or self.is_interrupted

    def since_start(self, mono_ns: int) -> int:
        return max(0, mono_ns - self.opened.mono_ns)

    def take(self, record: Record) -> None:
        """Add the next record of this exchange."""
        if self._keeps_records:
            self.records.append(record)
        if isinstance(record, FileHeader):
            return
        self.last_ns = self.since_start(record.mono_ns)
        match record:
            case Chunk():
                self._take_chunk(record.data)
            case RequestBody():
                self.request.add(record.data, self.last_ns)
            case RequestEnded():
                self.request_ended = record
                self.is_request_whole = "request" not in self.missing
            case ResponseHead():
                self._take_head(record)
            case Closed():
                self.closed = record
                self.records = []  # what is over needs no checkpoint
            case AttemptOpened():
                self.attempts.open(record, self.last_ns)
            case AttemptClosed():
                self._take_failed_attempt(record)
            case UpstreamBody():
                self.attempts.take_body(record)
            case SentHead():
                self.sent_head = record
            case SentChunk():
                self.sent.add(record.data, self.last_ns)
            case Lost():
                self.attempts.take_losses(record)
            case TunnelData():
                self._take_tunnel(record)
            case Alteration():
                self.marks.append(Mark(who=record.who, what=record.what, at_ns=self.last_ns))
            case CaptureStopped():
                self._take_loss(record)
            case Held() | Verdict():
                self.verdicts.append(record)
            case Opened():
                pass  # an id is opened once

    def lose(self, why: str) -> None:
        """Note that records of this exchange may be missing."""
        self.missing |= {"request", "response"}
        self.is_request_whole = False
        self._warn(why)

    def interrupt(self) -> None:
        """Say that the gateway died, and that nothing follows."""
        self.is_interrupted = self.closed is None

    # Records, one kind each.

    def _take_chunk(self, data: bytes) -> None:
        if self._dechunker is not None:
            try:
                data = self._dechunker.feed(data)
            except ValueError as error:
                self._dechunker = None
                self._warn(
                    f"the reply's chunked framing is broken, its bytes are kept from here on as they came: {error}"
                )
        self.reply.add(data, self.last_ns)

    def _take_head(self, head: ResponseHead) -> None:
        if head.status < 200 and head.status != _SWITCHING_PROTOCOLS:
            self.informational.append(head)
            return
        self.head = head
        self._dechunker = ChunkedDecoder() if head.framing == "chunked" else None

    def _take_failed_attempt(self, record: AttemptClosed) -> None:
        """A try is over and another follows: what came of it is no part of the reply."""
        self.attempts.fail(record, self.last_ns, self.head, self.reply.join())
        self.head, self._dechunker = None, None
        self.reply = Pieces()

    def _take_tunnel(self, record: TunnelData) -> None:
        (self.tunnel_sent if record.is_from_client else self.reply).add(record.data, self.last_ns)

    def _take_loss(self, record: CaptureStopped) -> None:
        directions = {"request", "response"} if record.direction == "both" else {record.direction}
        self.missing |= directions
        if "request" in directions:
            self.is_request_whole = False
        what = "both bodies" if record.direction == "both" else f"the {record.direction}"
        self._warn(f"capture of {what} stopped: {_REASONS.get(record.why, record.why)}")

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)


_REASONS = {
    "limit": "the body is longer than limits.capture",
    "stall": "the disk took longer than journal.max_stall for one append",
    "full": "the journal reached its limit, or the disk is full",
    "broken": "the frames of the WebSocket could not be read any further",
    "memory": "the memory for bodies that are gathered was used up",
}
