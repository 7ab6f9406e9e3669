"""One exchange between its first record and its commit: what the ingest knows of it.

Owned by the ingest's reading thread until it is over, then by the storing thread. Holds the Assembly, the
reading of its stream, what viewers see of it, and where in the journal it begins. A tunnel also gives the records of
the calls that it carries; each of them is an open exchange of its own, kept safe by the tunnel's records.
"""

import logging

import msgspec

from dragoman.journal.format import AttemptOpened, Opened, Record, ResponseHead, decode_frame, encode_frame
from dragoman.keeper.answer import live_reading
from dragoman.keeper.assemble import Assembly, TimeBase
from dragoman.keeper.calls import TunnelCalls, carries_calls, settle_tunnel
from dragoman.keeper.follow import Live
from dragoman.keeper.reading import StreamReading, TimedDelta
from dragoman.keeper.reply import preview_of
from dragoman.keeper.request import RequestFacts, add_request_facts, read_request
from dragoman.keeper.understand import understand
from dragoman.records.event import EventType, Progress
from dragoman.records.exchange import Recording, Row

_log = logging.getLogger("dragoman.keeper")

Place = tuple[int, int]
"""File and offset in a gateway's journal."""

PROGRESS_NS = 250_000_000


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """What a checkpoint holds: the frames of an open exchange up to `upto`, and its gateway's session."""

    session: str
    base: TimeBase
    upto: Place
    frames: list[bytes]


class OpenExchange:
    """`start` is the place from which its records must be read again after a restart."""

    def __init__(
        self, assembly: Assembly, *, gateway: str, session: str, start: Place, tunnel: "OpenExchange | None" = None
    ) -> None:
        self.assembly = assembly
        self.gateway = gateway
        self.session = session
        self.tunnel = tunnel
        """The exchange that carries this one."""
        self.carried: list[Record] = []
        """Records of the calls that a tunnel carries, until the tail takes them."""
        self._calls: TunnelCalls | None = None
        self._attempt: AttemptOpened | None = None
        self._start = start
        self.read_from: Place = (0, 0)
        """Records before this place are in its checkpoint already."""
        self.seen_mono_ns = 0
        self.stored_state: str | None = None
        self.live: Live | None = None
        self.request: RequestFacts | None = None
        self.reading: StreamReading | None = None
        self._is_reading_settled = False
        self._pieces_read = 0
        self._failed_seen = 0
        self._announced: set[str] = set()
        self._progress_at_ns = -PROGRESS_NS

    @property
    def id(self) -> str:
        return self.assembly.id

    @property
    def start(self) -> Place:
        """Where reading must begin for this exchange to be whole."""
        return self.tunnel.start if self.tunnel is not None else self._start

    @start.setter
    def start(self, place: Place) -> None:
        self._start = place

    @property
    def held_bytes(self) -> int:
        return self.assembly.held_bytes + 2000

    def take(self, record: Record) -> None:
        """Add the next record; what it says of a tunnel's calls lies in `carried` then."""
        self.assembly.take(record)
        if self._calls is not None:
            self.carried += self._calls_in(record, self._calls)
        elif isinstance(record, AttemptOpened):
            self._attempt = record
        elif isinstance(record, ResponseHead) and carries_calls(self.assembly.opened, record):
            self._calls = TunnelCalls(self.assembly.opened, self._attempt, record)

    def lose(self, why: str) -> None:
        """Note that records may be missing: what follows in a tunnel cannot be told apart any more."""
        self.assembly.lose(why)
        if self._calls is not None:
            self._calls.go_blind()

    def _calls_in(self, record: Record, calls: TunnelCalls) -> list[Record]:
        """Read a tunnel's calls; should that fail, the tunnel goes on without."""
        try:
            return calls.take(record)
        except Exception:  # noqa: BLE001 the guard of one exchange: the journal is read on
            _log.exception("the calls of tunnel %s cannot be read", self.id)
            return []

    def checkpoint(self, upto: Place) -> bytes:
        """Write all records so far, so that the files below `upto` are not needed for them."""
        frames = [encode_frame(record) for record in self.assembly.records]
        return msgspec.msgpack.encode(Kept(self.session, self.assembly.base, upto, frames))

    def recording(self) -> Recording:
        """Make the whole record and read it; the exchange must be over."""
        if self.reading is not None:
            self.advance()
        recording = self.assembly.recording()
        if self._calls is not None:
            settle_tunnel(recording, self._calls)
        return understand(recording, request=self.request, reading=self.reading)

    # What viewers see.

    def advance(self) -> list[TimedDelta]:
        """Read what came of the request and of a streamed reply since the last time."""
        assembly = self.assembly
        if self.request is None and assembly.is_request_whole:
            self.request = read_request(assembly.row(), assembly.request_head(), assembly.request.join())
        if self._failed_seen != assembly.attempts.failed:  # what came so far was of a try that is given up
            self._failed_seen = assembly.attempts.failed
            self.reading, self._is_reading_settled, self._pieces_read = None, False, 0
        if not self._is_reading_settled and assembly.head is not None and assembly.reply.data:
            self.reading = self._new_reading()
            self._is_reading_settled = True
        if self.reading is None:
            return []
        pieces_read, self._pieces_read = self._pieces_read, len(assembly.reply.data)
        return self._feed(self.reading, pieces_read)

    def reread(self) -> list[TimedDelta]:
        """Give all deltas so far, from the first one on."""
        self.advance()
        return self.replay()

    def replay(self) -> list[TimedDelta]:
        """Like `reread`, but changes nothing: for an exchange that is over."""
        reading = self._new_reading()
        return self._feed(reading, 0) if reading is not None else []

    def row(self) -> Row:
        row = self.assembly.row()
        if self.request is not None:
            add_request_facts(row, self.request)
        if self.reading is not None:
            row.is_streamed = True if row.upstream_dialect is None else row.is_streamed
            row.first_token_ns, row.last_token_ns = self.reading.first_token_ns, self.reading.last_token_ns
            row.output, row.is_estimated = self.reading.estimated_tokens, True
        return row

    def news(self) -> list[tuple[EventType, Row | Progress]]:
        """Say which events its viewers should get now."""
        row = self.live.row if self.live is not None else self.row()
        news: list[tuple[EventType, Row | Progress]] = []
        if "started" not in self._announced or (self.request is not None and "request" not in self._announced):
            self._announced.add("started")
            if self.request is not None:
                self._announced.add("request")
            news.append(("exchange.started", row))
        if row.first_token_ns is not None and "first_token" not in self._announced:
            self._announced.add("first_token")
            news.append(("exchange.first_token", row))
        elif row.state == "streaming" and self.assembly.last_ns - self._progress_at_ns >= PROGRESS_NS:
            self._progress_at_ns = self.assembly.last_ns
            news.append(("exchange.progress", self._progress(row)))
        return news

    def _progress(self, row: Row) -> Progress:
        reading = self.reading
        progress = Progress(
            id=row.id,
            state=row.state,
            elapsed_ns=self.assembly.last_ns,
            response_bytes=self.assembly.reply.size,
        )
        if reading is None:
            return progress
        reply = reading.reply()
        known = reply.usage.output if reply.usage is not None and reply.stop_reason is not None else None
        output = known if known is not None else reading.estimated_tokens
        return msgspec.structs.replace(
            progress,
            output=output,
            is_estimated=known is None,
            tokens_per_s=_rate(output, reading.first_token_ns, reading.last_token_ns),
            reply_preview=preview_of(reply),
        )

    def _new_reading(self) -> StreamReading | None:
        assembly = self.assembly
        is_foreign = self.request is not None and self.request.is_foreign
        if assembly.head is None or not assembly.reply.data or is_foreign:
            return None
        is_asked = self.request is not None and bool(self.request.is_streamed)
        return live_reading(assembly.row(), assembly.head, assembly.reply.data[0], is_asked=is_asked)

    def _feed(self, reading: StreamReading, from_piece: int) -> list[TimedDelta]:
        assembly, deltas = self.assembly, []
        pieces = assembly.reply
        for number in range(from_piece, len(pieces.data)):
            deltas += reading.feed(pieces.data[number], pieces.frames[number].at_ns)
        if assembly.is_over:
            deltas += reading.end(assembly.last_ns)
        return deltas


def restored(gateway: str, blob: bytes) -> OpenExchange:
    """Make the exchange of a checkpoint again. Raises ValueError when it is none."""
    kept = msgspec.msgpack.decode(blob, type=Kept)
    exchange: OpenExchange | None = None
    for frame in kept.frames:
        decoded = decode_frame(frame, 0)
        if decoded is None:
            raise ValueError("a checkpoint's frame is not whole")
        if exchange is not None:
            exchange.take(decoded[0])
        elif isinstance(decoded[0], Opened):
            exchange = OpenExchange(
                Assembly(decoded[0], kept.base), gateway=gateway, session=kept.session, start=kept.upto
            )
            exchange.read_from = kept.upto
    if exchange is None:
        raise ValueError("a checkpoint holds no `opened` record")
    return exchange


def _rate(tokens: int, first_ns: int | None, last_ns: int | None) -> float | None:
    if first_ns is None or last_ns is None or last_ns <= first_ns:
        return None
    return round(tokens / ((last_ns - first_ns) / 1e9), 2)
