"""Follow one gateway's journal: which exchanges are open, which are over, and how far all is settled.

Promise: an exchange is over by its `Closed`, or `interrupted` when its gateway's process is gone (a later
session writes, or nobody holds the lock and all is read). The settled place never passes an exchange that is
not stored. Not safe for threads: the ingest holds its lock around each call.
"""

import logging

from dragoman.journal.format import Closed, FileHeader, Opened, Record
from dragoman.journal.reader import Found, Gap, JournalReader
from dragoman.keeper.assemble import Assembly, TimeBase
from dragoman.keeper.open import OpenExchange, Place

_log = logging.getLogger("dragoman.keeper")


class Tail:
    """State of one gateway's directory. `touched` are the open exchanges that got records in the last read."""

    def __init__(self, reader: JournalReader, restored: list[OpenExchange]) -> None:
        self.reader = reader
        self.open: dict[str, OpenExchange] = {exchange.id: exchange for exchange in restored}
        self.touched: dict[str, OpenExchange] = {}
        self.gaps = 0
        self.read_wall_ns: int | None = None
        """When the last record that was read had been written."""
        self._base = TimeBase(0, 0)
        self._session = ""
        self._gap: Gap | None = None
        self._is_writer_gone = False
        self._restored = restored

    @property
    def gateway(self) -> str:
        return self.reader.gateway

    def read(self, now_mono_ns: int) -> list[OpenExchange] | None:
        """Take the next block of records; gives the exchanges that are over, or None when nothing came."""
        items = self.reader.read()
        self.touched.clear()
        over = self._restored_calls(now_mono_ns)
        if not items:
            return over or self._settle_dead()
        self._is_writer_gone = False
        for item in items:
            if isinstance(item, Gap):
                self._take_gap(item)
            else:
                self._take(item, over, now_mono_ns)
        self._note_time(items)
        return over

    def is_found_dead(self) -> bool:
        """Ask whether exchanges are open and no gateway lives; if so, the next empty read ends them."""
        self._is_writer_gone = bool(self.open) and not self.reader.has_writer()
        return self._is_writer_gone

    def settled_place(self, waiting: list[OpenExchange], *, but: list[OpenExchange]) -> Place:
        """Say up to where nothing is needed any more, once all is stored but the open and the `waiting` ones."""
        starts = [one.start for one in self.open.values() if one.tunnel is None and one not in but]
        starts += [one.start for one in waiting if one.gateway == self.gateway]
        return min([self.reader.place, *starts])

    def pinning(self) -> list[OpenExchange]:
        """List the open exchanges that would keep an older file; a tunnel stands for the calls that it carries."""
        sequence = self.reader.place[0]
        return [one for one in self.open.values() if one.tunnel is None and one.start[0] < sequence]

    def _take(self, found: Found, over: list[OpenExchange], now_mono_ns: int) -> None:
        record = found.record
        if isinstance(record, FileHeader):
            self._take_header(record, over)
            return
        if self._gap is not None:
            self._lose(self._gap)
        place = (found.sequence, found.start)
        if isinstance(record, Opened):
            if record.id not in self.open:
                self._begin(record, place, now_mono_ns)
            return
        exchange = self.open.get(record.id)
        if exchange is None or place < exchange.read_from:
            return  # stored before, or in the checkpoint
        exchange.take(record)
        over += self._take_carried(exchange, now_mono_ns)
        self._note(exchange, record, over)

    def _note(self, exchange: OpenExchange, record: Record, over: list[OpenExchange]) -> None:
        """File an exchange that got a record among those that are over or were touched."""
        if isinstance(record, Closed):
            del self.open[exchange.id]
            self.touched.pop(exchange.id, None)
            over.append(exchange)
        else:
            self.touched[exchange.id] = exchange

    def _begin(self, record: Opened, place: Place, now_mono_ns: int) -> None:
        made = OpenExchange(Assembly(record, self._base), gateway=self.gateway, session=self._session, start=place)
        made.seen_mono_ns = now_mono_ns
        self.open[record.id] = self.touched[record.id] = made

    def _take_carried(self, tunnel: OpenExchange, now_mono_ns: int) -> list[OpenExchange]:
        """Take what came of the calls that a tunnel carries; gives those that are over."""
        over: list[OpenExchange] = []
        carried, tunnel.carried = tunnel.carried, []
        for record in carried:
            if isinstance(record, FileHeader):
                continue
            if isinstance(record, Opened):
                made = OpenExchange(
                    Assembly(record, tunnel.assembly.base, keeps_records=False),
                    gateway=self.gateway,
                    session=tunnel.session,
                    start=tunnel.start,
                    tunnel=tunnel,
                )
                made.seen_mono_ns = now_mono_ns
                self.open[record.id] = self.touched[record.id] = made
                continue
            call = self.open[record.id]
            call.take(record)
            self._note(call, record, over)
        return over

    def _restored_calls(self, now_mono_ns: int) -> list[OpenExchange]:
        """Once: the calls of tunnels that came from checkpoints. Those that ended before are stored once all the same:
        the store knows their ids."""
        restored, self._restored = self._restored, []
        return [one for tunnel in restored for one in self._take_carried(tunnel, now_mono_ns)]

    def _take_header(self, header: FileHeader, over: list[OpenExchange]) -> None:
        """A later session means that the processes before it are gone."""
        self._base = TimeBase.of(header)
        if header.session != self._session and self._gap is not None:
            self._gap = None  # what a dying process did not write whole was never sent on
        self._session = header.session
        # Sessions are ULIDs: they rise. A checkpoint may be of a later session than the file that is read again.
        over += self._interrupt([one for one in self.open.values() if one.session < header.session])

    def _settle_dead(self) -> list[OpenExchange] | None:
        if not (self._is_writer_gone and self.open):
            return None
        return self._interrupt(list(self.open.values()))

    def _interrupt(self, exchanges: list[OpenExchange]) -> list[OpenExchange]:
        for exchange in exchanges:
            del self.open[exchange.id]
            self.touched.pop(exchange.id, None)
            exchange.assembly.interrupt()
        if exchanges:
            _log.warning("gateway %s is gone: %d exchanges were interrupted", self.gateway, len(exchanges))
        return exchanges

    def _take_gap(self, gap: Gap) -> None:
        self.gaps += 1
        self._gap = gap
        _log.warning(
            "journal of %s: file %d at offset %d: %d bytes cannot be read: %s",
            self.gateway, gap.sequence, gap.offset, gap.lost_bytes, gap.why,
        )  # fmt: skip

    def _lose(self, gap: Gap) -> None:
        """The same process went on after the gap: any open exchange may have lost records in it."""
        self._gap = None
        for exchange in self.open.values():
            exchange.lose(f"{gap.lost_bytes} bytes of the journal could not be read: {gap.why}")

    def _note_time(self, items: list[Found | Gap]) -> None:
        last = items[-1]
        if isinstance(last, Found) and not isinstance(last.record, FileHeader):
            self.read_wall_ns = self._base.wall_of(last.record.mono_ns)
