"""Gather the journal's records of one exchange into a Recording.

Promise: pure; no record makes it fail. Bodies come out with the transfer coding removed and the content coding
kept, each piece of the reply with the time at which it came. What is missing is said, never made up: an
exchange that broke off keeps all that came.
Does not know dialects; `understand` reads the bodies.
"""

from collections.abc import Sequence

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
from dragoman.keeper.heads import attempt_of, body_facts, head_of, text_headers
from dragoman.records.exchange import (
    Attempt,
    BodyFacts,
    Capture,
    Detail,
    Frame,
    Head,
    Mark,
    Recording,
    Row,
    state_of,
)
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


class Assembly:
    """What is known of one exchange so far; `take` its records in order, then make a `recording`."""

    def __init__(self, opened: Opened, base: TimeBase) -> None:
        self.opened = opened
        self.base = base
        self.records: list[Record] = [opened]
        self.last_ns = 0
        self.is_request_whole = opened.request_framing == "none"
        self.request_pieces: list[bytes] = []
        self.request_bytes = 0
        self.request_ended: RequestEnded | None = None
        self.head: ResponseHead | None = None
        self.reply_pieces: list[bytes] = []
        self.reply_bytes = 0
        self.frames: list[Frame] = []
        self.closed: Closed | None = None
        self.is_interrupted = False
        self.warnings: list[str] = []
        self._informational: list[ResponseHead] = []
        self._attempts: list[Attempt] = []
        self._marks: list[Mark] = []
        self._verdicts: list[Verdict | Held] = []
        self._missing: set[str] = {"request", "response"} if opened.capture == "none" else set()
        self._dechunker: ChunkedDecoder | None = None
        self._tunnel_pieces: list[bytes] = []
        self._tunnel_bytes = 0
        self._tunnel_frames: list[Frame] = []

    @property
    def id(self) -> str:
        return self.opened.id

    @property
    def started_ns(self) -> int:
        return self.base.wall_of(self.opened.mono_ns)

    @property
    def request_body(self) -> bytes:
        return _join(self.request_pieces)

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
        self.records.append(record)
        if isinstance(record, FileHeader):
            return
        self.last_ns = self.since_start(record.mono_ns)
        match record:
            case Chunk():
                self._take_chunk(record.data)
            case RequestBody():
                self.request_pieces.append(record.data)
                self.request_bytes += len(record.data)
            case RequestEnded():
                self.request_ended = record
                self.is_request_whole = "request" not in self._missing
            case ResponseHead():
                self._take_head(record)
            case Closed():
                self.closed = record
            case AttemptOpened():
                self._attempts.append(attempt_of(record, self.last_ns))
            case AttemptClosed():
                self._take_failed_attempt(record)
            case TunnelData():
                self._take_tunnel(record)
            case Alteration():
                self._marks.append(Mark(who=record.who, what=record.what, at_ns=self.last_ns))
            case CaptureStopped():
                self._take_loss(record)
            case Held() | Verdict():
                self._verdicts.append(record)
            case Opened():
                pass  # an id is opened once
            case UpstreamBody() | SentHead() | SentChunk() | Lost():
                pass  # no gateway writes them yet

    def lose(self, why: str) -> None:
        """Note that records of this exchange may be missing."""
        self._missing |= {"request", "response"}
        self.is_request_whole = False
        self._warn(why)

    def row(self) -> Row:
        """Make the row of the exchange as far as it has come; `understand` adds what the bodies say."""
        opened, head, closed = self.opened, self.head, self.closed
        status = closed.status or None if closed else head.status if head else None
        ending = closed.ending if closed else "interrupted" if self.is_interrupted else None
        return Row(
            id=opened.id,
            state=state_of(ending, status),
            ending=ending,
            started_ns=self.started_ns,
            duration_ns=self.since_start(closed.mono_ns) if closed else None,
            first_byte_ns=self.since_start(head.mono_ns) if head else None,
            method=opened.method,
            path=opened.target.decode("latin-1"),
            status=status,
            error_code=closed.error_code if closed else None,
            error_message=closed.error_message if closed else None,
            provider=opened.provider,
            dialect=opened.dialect,
            endpoint=opened.endpoint,
            peer=opened.peer,
            origin=opened.origin,
            run=opened.run,
            flags=self._flags(),
            attempts=len(self._attempts),
            request_bytes=self.request_ended.length if self.request_ended else self.request_bytes,
            response_bytes=self._response_bytes(),
            capture=self._capture(),
            is_untouched=is_untouched(self._marks) if self._attempts else None,
        )

    def interrupt(self) -> None:
        """Say that the gateway died, and that nothing follows."""
        self.is_interrupted = self.closed is None

    def recording(self) -> Recording:
        """Make the whole record of an exchange that is over."""
        row, closed = self.row(), self.closed
        request_body = self.request_body
        reply_body = _join(self.reply_pieces) or (closed.body if closed else b"")
        detail = Detail(
            row=row,
            request=self.request_head(),
            response=self._response_head(row),
            informational=[head_of(head) for head in self._informational],
            request_body=self._request_facts(request_body),
            response_body=self._reply_facts(reply_body),
            attempts=self._settled_attempts(),
            alterations=self._marks,
            verdicts=list(self._verdicts),
            warnings=self.warnings,
            request_end_ns=self.since_start(self.request_ended.mono_ns) if self.request_ended else None,
            paused_ns=closed.paused_ns if closed else 0,
            sent_bytes=closed.sent_bytes if closed else 0,
            setup_version=self.opened.setup_version,
        )
        return Recording(
            detail=detail,
            request_body=request_body,
            response_body=reply_body,
            frames=self.frames,
            tunnel_sent=_join(self._tunnel_pieces),
            tunnel_frames=self._tunnel_frames,
        )

    def request_head(self) -> Head:
        opened = self.opened
        return Head(
            line=f"{opened.method} {opened.target.decode('latin-1')}",
            http_version=opened.http_version,
            headers=text_headers(opened.headers),
            trailers=text_headers(self.request_ended.trailers) if self.request_ended else [],
            framing=opened.request_framing,
        )

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
        if data:
            self.frames.append(Frame(self.reply_bytes, self.last_ns))
            self.reply_pieces.append(data)
            self.reply_bytes += len(data)

    def _take_head(self, head: ResponseHead) -> None:
        if head.status < 200 and head.status != _SWITCHING_PROTOCOLS:
            self._informational.append(head)
            return
        self.head = head
        self._dechunker = ChunkedDecoder() if head.framing == "chunked" else None

    def _take_failed_attempt(self, record: AttemptClosed) -> None:
        """A try is over and another follows: what came of it is no part of the reply."""
        for attempt in self._attempts:
            if attempt.number == record.number:
                attempt.error_code, attempt.error_message = record.error_code, record.error_message
                attempt.status = self.head.status if self.head else None
                attempt.ended_ns = self.last_ns
        self.head, self._dechunker = None, None
        self.reply_pieces, self.frames, self.reply_bytes = [], [], 0

    def _take_tunnel(self, record: TunnelData) -> None:
        if record.is_from_client:
            self._tunnel_frames.append(Frame(self._tunnel_bytes, self.last_ns))
            self._tunnel_pieces.append(record.data)
            self._tunnel_bytes += len(record.data)
            return
        self.frames.append(Frame(self.reply_bytes, self.last_ns))
        self.reply_pieces.append(record.data)
        self.reply_bytes += len(record.data)

    def _take_loss(self, record: CaptureStopped) -> None:
        directions = {"request", "response"} if record.direction == "both" else {record.direction}
        self._missing |= directions
        if "request" in directions:
            self.is_request_whole = False
        what = "both bodies" if record.direction == "both" else f"the {record.direction}"
        self._warn(f"capture of {what} stopped: {_REASONS.get(record.why, record.why)}")

    # The parts of the record.

    def _capture(self) -> Capture:
        if self.opened.capture == "none":
            return "none"
        return "partial" if self._missing else "full"

    def _flags(self) -> list[str]:
        flags = []
        if self.is_tunnel:
            flags.append("tunnel")
        if len(self._attempts) > 1:
            flags.append("retry")
        if self._missing and self.opened.capture != "none":
            flags.append("partial")
        if self._attempts and not is_untouched(self._marks):
            flags.append("altered")
        return flags

    def _response_bytes(self) -> int | None:
        """Give the size of the reply's body; of one that was not captured whole, what the client was sent."""
        if self.closed is not None and "response" in self._missing and self.closed.sent_bytes:
            return max(self.reply_bytes, self.closed.sent_bytes)
        if self.reply_bytes:
            return self.reply_bytes
        if self.closed is not None:
            return len(self.closed.body)
        return 0 if self.head is not None else None

    def _response_head(self, row: Row) -> Head | None:
        trailers = text_headers(self.closed.response_trailers) if self.closed else []
        if self.head is not None:
            head = head_of(self.head)
            head.trailers = trailers
            return head
        return Head(line=str(row.status), trailers=trailers) if row.status else None

    def _request_facts(self, body: bytes) -> BodyFacts:
        facts = body_facts(body, self.opened.headers)
        facts.is_whole = self.is_request_whole and "request" not in self._missing
        facts.true_hash = self.request_ended.true_hash if self.request_ended else None
        return facts

    def _reply_facts(self, body: bytes) -> BodyFacts:
        facts = body_facts(body, self.head.headers if self.head else [])
        is_ended = self.closed is not None and self.closed.ending in ("complete", "answered", "refused")
        facts.is_whole = is_ended and "response" not in self._missing
        facts.true_hash = self.closed.response_true_hash if self.closed is not None else None
        return facts

    def _settled_attempts(self) -> list[Attempt]:
        """Give the last attempt the end of the exchange."""
        if self._attempts:
            last = self._attempts[-1]
            last.status = self.head.status if self.head else last.status
            if self.closed is not None:
                last.ended_ns = self.since_start(self.closed.mono_ns)
                last.error_code, last.error_message = self.closed.error_code, self.closed.error_message
        return self._attempts

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)


_REASONS = {
    "limit": "the body is longer than limits.capture",
    "stall": "the disk took longer than journal.max_stall for one append",
    "full": "the journal reached its limit, or the disk is full",
    "memory": "the memory for bodies that are gathered was used up",
}


def is_untouched(marks: Sequence[Mark]) -> bool:
    """Say whether only credentials were replaced: all else that counts went on as it came."""
    return all(mark.what.startswith("credential") for mark in marks)


def _join(pieces: list[bytes]) -> bytes:
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
