"""Take a batch into the store: rows, bodies, search index, roll-ups and positions, in one transaction.

Each exchange is stored once: a finished one that comes again is skipped, a running one is replaced. Values are
gathered first and written table by table, so that a batch costs few statements.
"""

from collections import defaultdict
from typing import Any

import msgspec

from dragoman.records.exchange import Recording, Row
from dragoman.store import search
from dragoman.store.bodies import BodyWriter, Placed
from dragoman.store.indexing import SILENT, reindex, source_values
from dragoman.store.rebuild import ROOT
from dragoman.store.rows import facts_to_bytes, key_of, labels_of, time_of, to_values
from dragoman.store.statements import (
    ADD_ROLLUP,
    END_NODE,
    INSERT_LABEL,
    OWN_SEGMENT,
    UPSERT_CHECKPOINT,
    UPSERT_FACTS,
    UPSERT_POSITION,
    UPSERT_REPLY_NAME,
    UPSERT_ROW,
    UPSERT_SOURCE,
    delete_in,
    many,
    row_values,
    select_in,
)
from dragoman.store.sweep import stamp
from dragoman.store.types import Batch
from dragoman.store.writer import Hand

MINUTE_NS = 60_000_000_000

_ANCESTOR = """
WITH RECURSIVE up (id, parent, ended) AS (
    SELECT id, parent, ended FROM node WHERE id = ?
    UNION ALL SELECT node.id, node.parent, node.ended FROM up JOIN node ON node.id = up.parent
)
SELECT ended FROM up WHERE ended IS NOT NULL AND id <> ? LIMIT 1
"""

_GAP = """
SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM exchange WHERE key = ?) THEN ? ELSE (
    SELECT key + 1 FROM exchange AS used WHERE key >= ?
    AND NOT EXISTS (SELECT 1 FROM exchange WHERE key = used.key + 1) ORDER BY key LIMIT 1
) END
"""


class Commit:
    """One transaction's work; made for it, and dropped after it."""

    def __init__(self, hand: Hand) -> None:
        self._hand = hand
        self._connection = hand.connection
        self._book = hand.book
        self._packer = hand.packer
        self._bodies = BodyWriter(hand.connection, hand.book, hand.packer)
        self._known: dict[str, tuple[int, bool, bool]] = {}
        self._taken: set[int] = set()
        self._rows: dict[int, Row] = {}
        self._finished: set[int] = set()
        self._ends: dict[int, int] = {}
        self._by_name: dict[str, int] = {}
        self._first_of_session: dict[str, str] = {}
        self._values: dict[str, list[tuple[Any, ...]]] = defaultdict(list)

    def take(self, batch: Batch) -> list[Row]:
        """Store a batch; returns the rows that changed, as they are stored."""
        finished = {one.detail.row.id: one for one in batch.finished}
        opened = {row.id: row for row in batch.opened if row.id not in finished}
        self._look_up([*finished, *opened])
        for row in opened.values():
            if not self._is_finished(row.id):
                self._open(row)
        for recording in sorted(finished.values(), key=lambda one: (time_of(one.detail.row), one.detail.row.id)):
            if not self._is_finished(recording.detail.row.id):
                self._finish(recording)
        self._write(batch, list(finished))
        return list(self._rows.values())

    def _look_up(self, ids: list[str]) -> None:
        found = select_in(self._connection, "SELECT id, key, is_finished, deleted_ns FROM exchange WHERE id IN", ids)
        self._known = {name: (key, bool(is_finished), deleted is not None) for name, key, is_finished, deleted in found}

    def _is_finished(self, name: str) -> bool:
        return name in self._known and self._known[name][1]

    def _open(self, row: Row) -> None:
        key = self._key(row)
        self._rows[key] = msgspec.structs.replace(row, seq=self._book.add("seq"))

    def _finish(self, recording: Recording) -> None:
        row = recording.detail.row
        key = self._key(row)
        placed = self._bodies.put_request(key, recording) if recording.request_body else Placed()
        parent, conversation = self._thread(recording, key, placed)
        row = msgspec.structs.replace(row, seq=self._book.add("seq"), parent=parent, conversation=conversation)
        if recording.response_body or recording.frames or recording.tunnel_sent or recording.tunnel_frames:
            self._bodies.put_reply(key, recording)
        self._bodies.put_upstream(key, recording)
        facts = self._packer.pack(facts_to_bytes(recording.detail))
        self._book.add("facts_bytes", len(facts))
        upstream = len(recording.upstream_request) + len(recording.upstream_response)
        self._book.add("raw_bytes", len(recording.request_body) + len(recording.response_body) + upstream)
        self._book.add("bodies", bool(recording.request_body or recording.response_body))
        self._values[UPSERT_FACTS].append((key, facts))
        self._values[INSERT_LABEL] += labels_of(row, key)
        if not (row.id in self._known and self._known[row.id][2]):
            self._values[ADD_ROLLUP].append(rollup_of(row))
        self._index(key, placed, recording.search_texts)
        self._rows[key] = row
        self._finished.add(key)
        if recording.reply_id is not None:
            self._by_name[recording.reply_id] = key
            self._values[UPSERT_REPLY_NAME].append((key, recording.reply_id))
        if placed.node:
            self._ends[placed.node] = key
            self._values[END_NODE].append((key, placed.node))

    def _index(self, key: int, placed: Placed, texts: list[str]) -> None:
        extra = search.document(search.fold(text) for text in texts)
        text = search.document([*placed.new_texts, extra])
        if not text:
            return
        self._values[search.INSERT].append((key, text))
        self._values[UPSERT_SOURCE].append(source_values(key, placed.new_segments, extra, self._packer))

    def _key(self, row: Row) -> int:
        """Return the row's key: the one it has, or a new one."""
        if row.id in self._known:
            return self._known[row.id][0]
        self._book.add("rows")
        key = self._new_key(row)
        self._taken.add(key)
        self._book["last_key"] = max(key, self._book["last_key"])
        self._hand.newest_id = max(row.id, self._hand.newest_id)
        return key

    def _new_key(self, row: Row) -> int:
        """Rows in the order of their ids get rising keys; one that comes late takes a gap near its time."""
        wanted, last = key_of(time_of(row)), self._book["last_key"]
        if wanted > last:
            return wanted
        if self._hand.newest_id and row.id > self._hand.newest_id:
            return last + 1
        return self._gap(wanted)

    def _gap(self, wanted: int) -> int:
        """Find the first free key from `wanted` on. Under load many rows come late to the same crowded milliseconds:
        what was found full before is not searched again."""
        full = self._hand.full
        gap = full.stop if wanted in full else wanted
        while True:
            while gap in self._taken:
                gap += 1
            free = self._connection.exec_driver_sql(_GAP, (gap, gap, gap)).scalar_one()
            if free not in self._taken:
                break
            gap = free
        self._hand.full = range(full.start if wanted in full else wanted, free + 1)
        return free

    def _thread(self, recording: Recording, key: int, placed: Placed) -> tuple[str | None, str]:
        """Find parent and conversation: by the reply or the session that the client named, then by the chain of
        messages."""
        row = recording.detail.row
        named = self._named(recording.detail.client_ids.get("previous"))
        before = self._ended_before(placed) if named is None else named
        found = self._row_of(before) if before is not None and before != key else None
        parent, conversation = found or (row.parent, None)
        if row.session is None:
            return parent, conversation or row.conversation or row.id
        first = self._first_of_session.get(row.session)
        if first is None:
            first = self._connection.exec_driver_sql(
                "SELECT conversation FROM exchange WHERE session = ? AND conversation IS NOT NULL LIMIT 1",
                (row.session,),
            ).scalar()
        first = first or row.conversation or row.id
        self._first_of_session[row.session] = first
        return (parent if named is not None or conversation in (None, first) else row.parent), first

    def _named(self, reply: str | None) -> int | None:
        """Return the exchange whose reply has this id."""
        if reply is None or reply in self._by_name:
            return self._by_name.get(reply or "")
        statement = "SELECT key FROM reply_name WHERE name = ? ORDER BY key LIMIT 1"
        return self._connection.exec_driver_sql(statement, (reply,)).scalar()

    def _ended_before(self, placed: Placed) -> int | None:
        """Return the exchange that ended on the nearest place before the end of this chain."""
        node = placed.known_node
        if node == ROOT:
            return None
        while node:
            if node != placed.node and node in self._ends:
                return self._ends[node]
            parent = self._bodies.new_parents.get(node)
            if parent is None:
                return self._connection.exec_driver_sql(_ANCESTOR, (node, placed.node or ROOT)).scalar()
            node = parent
        return None

    def _row_of(self, key: int) -> tuple[str, str] | None:
        row = self._rows.get(key)
        if row is not None:
            return row.id, row.conversation or row.id
        found = self._connection.exec_driver_sql("SELECT id, conversation FROM exchange WHERE key = ?", (key,)).first()
        return None if found is None else (found[0], found[1] or found[0])

    def _write(self, batch: Batch, finished: list[str]) -> None:
        connection = self._connection
        rows = [row_values(to_values(row, key, is_finished=key in self._finished)) for key, row in self._rows.items()]
        many(connection, UPSERT_ROW, rows)
        self._bodies.flush()
        for statement, values in self._values.items():
            many(connection, statement, values)
        if self._book["sweep_phase"]:
            self._stamp_reused()
        many(connection, UPSERT_POSITION, [(name, at.sequence, at.offset) for name, at in batch.positions.items()])
        kept = [one for one in batch.checkpoints if one.exchange not in finished]
        many(
            connection, UPSERT_CHECKPOINT, [(one.exchange, one.gateway, self._packer.pack(one.frames)) for one in kept]
        )
        delete_in(connection, "checkpoint", "exchange", finished)

    def _stamp_reused(self) -> None:
        """What a running sweep has not marked yet, and may never look at again, is needed now."""
        for key, (nodes, segments) in self._bodies.reused.items():
            if orphans := stamp(self._connection, self._book["epoch"], nodes, segments):
                reindex(self._hand, key, more=orphans)
        nodes, segments = self._bodies.reused_upstream
        orphans = stamp(self._connection, self._book["epoch"], nodes, segments)
        many(self._connection, OWN_SEGMENT, [(SILENT, one) for one in orphans])


def rollup_of(row: Row, sign: int = 1) -> tuple[int, int, int, int]:
    """Return what a finished row adds to the roll-up of its minute."""
    is_done, is_error = row.state == "done", row.state == "error"
    is_other = not (is_done or is_error)
    return row.started_ns // MINUTE_NS, sign * is_done, sign * is_error, sign * is_other
