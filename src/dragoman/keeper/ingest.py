"""Read the journals of all gateways into the store, live first, each exchange exactly once.

Two threads: one reads the journals and tells viewers, the other understands what is over and stores it in
batches, so that a slow store delays no live event. What waits between them is bounded: past it reading pauses
and the journal holds the rest.
Promise: how far all is stored goes into the same transaction as the rows; after a kill reading begins there,
and the store takes no id twice. A store that fails is tried again with growing pauses. An exchange that
cannot be understood keeps its bytes and is flagged `unparsed`; it never stops the others.
Does not decode, and removes a journal file only when all that it holds is stored, and safe from a power cut.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from dragoman.clock import Clock
from dragoman.events.bus import Bus
from dragoman.journal.reader import JournalReader
from dragoman.keeper.follow import Live
from dragoman.keeper.open import OpenExchange, restored
from dragoman.keeper.storing import RecordStore, commit, guarded, understood
from dragoman.keeper.tail import Tail
from dragoman.records.exchange import Detail, Recording, Row
from dragoman.store import Batch, Checkpoint, Position

LOOK_S = 0.05
"""How often the journals are looked at when no bell rings."""
GATHER_S = 0.1
"""How long a finished exchange waits for others to be stored with."""
BATCH_EXCHANGES = 200
BATCH_BYTES = 8 * 1024 * 1024
WAITING_BYTES = 64 * 1024 * 1024
"""What may wait to be stored before reading pauses."""
OPEN_ROW_NS = 500_000_000
"""An exchange open for longer gets a row before it is over."""
RETRY_FIRST_S = 0.25
RETRY_MOST_S = 15.0

_log = logging.getLogger("dragoman.keeper")


class Lag(msgspec.Struct, frozen=True, kw_only=True):
    """How far the record is behind: bytes not read, seconds since the oldest thing that is not stored."""

    bytes: int
    seconds: float
    open_exchanges: int


class Prepared(msgspec.Struct, kw_only=True):
    """A batch and what it stands for, kept until the store has taken it."""

    batch: Batch
    taken: list[Any]
    shown: list[Any]
    """The open exchanges whose rows are in the batch, as (exchange, state)."""
    kept: list[Any]
    """The open exchanges with checkpoints in the batch, as (exchange, place)."""
    is_announced: bool = False


class Ingest:
    """Call `start` once the store is open, or `drain` alone when no gateway runs."""

    def __init__(self, journals: Path, store: RecordStore, bus: Bus, clock: Clock) -> None:
        self._journals = journals
        self._store = store
        self._bus = bus
        self._clock = clock
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._bell = threading.Event()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._tails: dict[str, Tail] = {}
        self._positions: dict[str, Position] | None = None
        self._waiting: list[OpenExchange] = []
        self._storing: list[OpenExchange] = []
        self._waiting_bytes = 0
        self._lives: dict[str, Live] = {}
        self._to_reread: deque[OpenExchange] = deque()
        self._prepared: Prepared | None = None
        self._is_caught_up = False
        self._are_orphans_settled = False
        self._troubles: dict[str, str] = {}
        self.stored_total = 0

    # Life.

    def start(self) -> None:
        for name, step in (("ingest-read", self._read_step), ("ingest-store", self._store_step)):
            thread = threading.Thread(target=self._repeat, args=(name, step), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        """Stop both threads; what is not stored is read again at the next start."""
        self._stopping.set()
        self._bell.set()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        for tail in self._tails.values():
            tail.reader.close()

    def wake(self) -> None:
        """Look at the journals now; any thread."""
        self._bell.set()

    def drain(self, timeout_s: float = 60.0) -> bool:
        """Wait until all that the journals hold is stored; without `start`, do it in this thread.

        Exchanges that still run stay open. Returns False when the time was not enough.
        """
        if not self._threads:
            while self._read_once() or not self._is_drained():
                self._store_once()
            self._store_once()
            return True
        with self._changed:
            self._is_caught_up = False
            self._bell.set()
            return self._changed.wait_for(self._is_drained, timeout_s)

    # Questions, any thread.

    @property
    def trouble(self) -> str | None:
        """Why nothing can be read or stored at the moment, None when all is well."""
        return next(iter(self._troubles.values()), None)

    def live(self, exchange_id: str) -> Live | None:
        """Give what is known of an exchange that is not stored yet."""
        return self._lives.get(exchange_id)

    def running(self) -> list[Row]:
        """List the rows of all open exchanges, as far as they have come."""
        with self._lock:
            return [one.live.row for tail in self._tails.values() for one in tail.open.values() if one.live]

    def lag(self) -> Lag:
        with self._lock:
            tails = list(self._tails.values())
            backlog = sum(tail.reader.backlog_bytes() for tail in tails)
            times = [tail.read_wall_ns for tail in tails if backlog and tail.read_wall_ns is not None]
            times += [one.assembly.started_ns + one.assembly.last_ns for one in (*self._storing, *self._waiting)]
            opened = sum(len(tail.open) for tail in tails)
        seconds = max(0, self._clock.wall_ns() - min(times)) / 1e9 if times else 0.0
        return Lag(bytes=backlog, seconds=round(seconds, 3), open_exchanges=opened)

    # Both threads.

    def _repeat(self, name: str, step: Callable[[], None]) -> None:
        """Repeat `step` until `close`; what fails is tried again after a pause that grows."""
        pause_s = RETRY_FIRST_S
        while not self._stopping.is_set():
            try:
                step()
            except Exception as error:  # noqa: BLE001 the guard of this task: reading and storing go on whatever happens
                _log.exception("%s failed, next try in %.1f s", name, pause_s)
                self._troubles[name] = f"{type(error).__name__}: {error}"
                self._stopping.wait(pause_s)
                pause_s = min(pause_s * 2, RETRY_MOST_S)
                continue
            pause_s = RETRY_FIRST_S
            self._troubles.pop(name, None)

    def _is_drained(self) -> bool:
        return self._is_caught_up and not self._waiting and not self._storing

    # The reading thread.

    def _read_step(self) -> None:
        self._bell.clear()
        self._wait_for_room()
        if not self._read_once():
            self._bell.wait(LOOK_S)

    def _wait_for_room(self) -> None:
        with self._changed:
            while self._waiting_bytes > WAITING_BYTES and not self._stopping.is_set():
                self._changed.wait(1.0)

    def _read_once(self) -> bool:
        """Take a block of each journal; False when nothing came."""
        with self._changed:
            self._find_journals()
            came = False
            for tail in self._tails.values():
                over = tail.read(self._clock.mono_ns())
                came = came or over is not None
                self._show(tail)
                self._pass_on(over or [])
            self._reread_watched()
            if not came:
                dead = [tail for tail in self._tails.values() if tail.is_found_dead()]
                came = bool(dead)
            self._is_caught_up = not came
            self._changed.notify_all()
        return came

    def _find_journals(self) -> None:
        if self._positions is None:
            self._positions = self._store.positions()
        for directory in _directories(self._journals):
            if directory.name not in self._tails:
                self._tails[directory.name] = self._new_tail(directory, self._positions.get(directory.name))

    def _new_tail(self, directory: Path, position: Position | None) -> Tail:
        exchanges: list[OpenExchange] = []
        for checkpoint in self._store.checkpoints(directory.name):
            try:
                exchanges.append(restored(directory.name, checkpoint.frames))
            except ValueError as error:
                _log.error("the checkpoint of %s cannot be read: %s", checkpoint.exchange, error)
        for exchange in exchanges:
            exchange.seen_mono_ns = self._clock.mono_ns()
            self._make_live(exchange)
        place = (position.sequence, position.offset) if position else (0, 0)
        return Tail(JournalReader(directory, sequence=place[0], offset=place[1]), exchanges)

    def _make_live(self, exchange: OpenExchange) -> Live:
        def watch() -> None:  # on a loop, which must not wait for the reading thread
            self._to_reread.append(exchange)
            self.wake()

        exchange.live = self._lives[exchange.id] = Live(exchange.row(), watch)
        return exchange.live

    def _show(self, tail: Tail) -> None:
        """Tell viewers what came of the exchanges that still run."""
        for exchange in tail.touched.values():
            live = exchange.live or self._make_live(exchange)
            deltas = guarded(exchange, exchange.advance) or []
            if live.is_watched:
                live.extend(deltas)
            live.row = exchange.row()
            for kind, data in guarded(exchange, exchange.news) or []:
                self._bus.publish(kind, data)

    def _pass_on(self, over: list[OpenExchange]) -> None:
        for exchange in over:
            if exchange.live is not None:
                if exchange.live.is_watched:
                    exchange.live.extend(guarded(exchange, exchange.advance) or [])
                exchange.live.row = exchange.row()
                exchange.live.end()
            self._waiting.append(exchange)
            self._waiting_bytes += exchange.held_bytes

    def _reread_watched(self) -> None:
        while self._to_reread:
            exchange = self._to_reread.popleft()
            if exchange.live is not None:
                again = exchange.replay if exchange.live.is_ended else exchange.reread
                exchange.live.restart(guarded(exchange, again) or [])

    # The storing thread.

    def _store_step(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping.is_set() or self._waiting, OPEN_ROW_NS / 1e9)
            if not self._is_batch_full():
                self._changed.wait_for(lambda: self._stopping.is_set() or self._is_batch_full(), GATHER_S)
        if not self._stopping.is_set():
            self._store_once()

    def _is_batch_full(self) -> bool:
        return len(self._waiting) >= BATCH_EXCHANGES or self._waiting_bytes >= BATCH_BYTES

    def _store_once(self) -> None:
        """Store one batch, the one that failed before first. Raises what the store raised."""
        if self._prepared is None:
            self._prepared = self._prepare()
        prepared = self._prepared
        if prepared is None:
            return
        try:
            rows = commit(self._store, prepared.batch)
        except Exception:
            if not prepared.is_announced:
                self._announce(prepared, {})
            raise
        self._prepared = None
        self._settle(prepared, may_remove=self._is_durable(prepared))
        self._announce(prepared, {row.id: row for row in rows})

    def _prepare(self) -> Prepared | None:
        orphans = self._orphans()
        with self._lock:
            self._storing = self._take_waiting()
            prepared = Prepared(batch=Batch(), taken=self._storing, shown=[], kept=[])
            for tail in self._tails.values():
                self._add_open(tail, prepared)
        prepared.batch.finished = [*orphans, *(understood(exchange) for exchange in prepared.taken)]
        batch = prepared.batch
        is_needed = batch.finished or batch.opened or batch.checkpoints or self._is_file_done(batch.positions)
        return prepared if is_needed else None

    def _take_waiting(self) -> list[OpenExchange]:
        taken: list[OpenExchange] = []
        size = 0
        while self._waiting and len(taken) < BATCH_EXCHANGES and size < BATCH_BYTES:
            taken.append(self._waiting.pop(0))
            size += taken[-1].held_bytes
        return taken

    def _add_open(self, tail: Tail, prepared: Prepared) -> None:
        """Add what one gateway's running exchanges need stored, and how far all will be stored then."""
        batch, now = prepared.batch, self._clock.mono_ns()
        for exchange in tail.open.values():
            row = exchange.live.row if exchange.live else None
            if row and now - exchange.seen_mono_ns >= OPEN_ROW_NS and exchange.stored_state != row.state:
                batch.opened.append(msgspec.structs.replace(row))
                prepared.shown.append((exchange, row.state))
        place = tail.reader.place
        pinning = tail.pinning()
        for exchange in pinning:
            batch.checkpoints.append(Checkpoint(exchange.id, tail.gateway, exchange.checkpoint(place)))
            prepared.kept.append((exchange, place))
        batch.positions[tail.gateway] = Position(*tail.settled_place(self._waiting, but=pinning))

    def _is_file_done(self, positions: dict[str, Position]) -> bool:
        known = self._positions or {}
        return any(place.sequence > known.get(gateway, Position(0, 0)).sequence for gateway, place in positions.items())

    def _is_durable(self, prepared: Prepared) -> bool:
        """Before journal files go: see that what they held would survive a power cut. When it would not, they stay
        until a later batch."""
        positions = prepared.batch.positions
        if not any(self._tails[gateway].reader.removable(place.sequence) for gateway, place in positions.items()):
            return True
        try:
            self._store.sync()
        except OSError as error:
            _log.warning("journal files that are stored are kept for now: %s", error)
            return False
        return True

    def _settle(self, prepared: Prepared, *, may_remove: bool) -> None:
        """Forget what the store now holds, and remove the journal files that nobody needs."""
        with self._changed:
            self._storing = []
            self._waiting_bytes -= sum(exchange.held_bytes for exchange in prepared.taken)
            self.stored_total += len(prepared.taken)
            for exchange in prepared.taken:
                self._lives.pop(exchange.id, None)
            for exchange, state in prepared.shown:
                exchange.stored_state = state
            for exchange, place in prepared.kept:
                exchange.start = place
            self._positions = {**(self._positions or {}), **prepared.batch.positions}
            for gateway, position in prepared.batch.positions.items() if may_remove else ():
                self._tails[gateway].reader.remove_before(position.sequence)
            self._changed.notify_all()

    def _announce(self, prepared: Prepared, rows: dict[str, Row]) -> None:
        """Tell viewers of what is over: as stored, or as known when the store did not take it (again)."""
        prepared.is_announced = True
        for recording in prepared.batch.finished:
            row = recording.detail.row
            self._bus.publish("exchange.finished", rows.get(row.id, row))

    def _orphans(self) -> list[Recording]:
        """Once, when all journals are read: rows that were never finished and stand in no journal any more."""
        if self._are_orphans_settled or not self._is_caught_up:
            return []
        rows = self._store.open_rows()
        with self._lock:
            known = {one for tail in self._tails.values() for one in tail.open}
            known |= {exchange.id for exchange in self._waiting}
        self._are_orphans_settled = True
        for row in rows:
            row.state = row.ending = "interrupted"
        return [Recording(detail=Detail(row=row)) for row in rows if row.id not in known]


def _directories(journals: Path) -> list[Path]:
    try:
        return sorted(path for path in journals.iterdir() if path.is_dir())
    except FileNotFoundError:
        return []
