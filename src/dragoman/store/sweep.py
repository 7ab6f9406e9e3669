"""Find the segments and nodes that no body needs any more, and remove them, in small steps.

A cycle takes an epoch of its own. Marking walks over the requests from the newest to the oldest and stamps each
node and segment they need; a commit meanwhile is newer than where marking began, so it stamps what it uses
again by itself. When all is marked, whatever bears an older epoch is removed, children before their parents, so
that a place in a chain never stands without the places before it. Last, the text index is merged, which is when
it really forgets what was taken out of it.
"""

from collections.abc import Iterable

import sqlalchemy as sa

from dragoman.store import search
from dragoman.store.book import NODE_ROW_BYTES, SEGMENT_ROW_BYTES
from dragoman.store.indexing import ORPHAN, SILENT, reindex
from dragoman.store.packs import tighten
from dragoman.store.rebuild import plan_segments
from dragoman.store.statements import OWN_SEGMENT, delete_in, many, select_in
from dragoman.store.writer import Hand

REST, MARKING, NODES, SEGMENTS, TEXT, MARKING_UPSTREAM = range(6)
"""Phases of a cycle; what providers were sent is marked after what clients sent."""
REQUESTS_AT_ONCE = 100
ROWS_AT_ONCE = 5_000
_END = 2**62

_UNSTAMPED = """
WITH RECURSIVE up (id, parent, segment) AS (
    SELECT id, parent, segment FROM node WHERE id = ? AND epoch < ?
    UNION ALL SELECT node.id, node.parent, node.segment FROM up JOIN node ON node.id = up.parent WHERE node.epoch < ?
)
SELECT id, segment FROM up
"""


def stamp(connection: sa.Connection, epoch: int, nodes: Iterable[int], segments: Iterable[int]) -> list[int]:
    """Give these nodes, all before them, their segments and these segments the epoch; returns new orphans."""
    needed = set(segments)
    for node in nodes:
        found = connection.exec_driver_sql(_UNSTAMPED, (node, epoch, epoch)).fetchall()
        if found:
            connection.exec_driver_sql("UPDATE node SET epoch = ? WHERE id = ?", [(epoch, row[0]) for row in found])
            needed.update(row[1] for row in found)
    old = select_in(connection, f"SELECT id, owner FROM segment WHERE epoch < {int(epoch)} AND id IN", needed)
    if old:
        connection.exec_driver_sql("UPDATE segment SET epoch = ? WHERE id = ?", [(epoch, row[0]) for row in old])
    return [row[0] for row in old if row[1] == ORPHAN]


def step(hand: Hand) -> int:
    """Go on with the sweep, or begin one; returns how many segments went."""
    return _PHASES[hand.book["sweep_phase"]](hand)


def _begin(hand: Hand) -> int:
    book = hand.book
    book["sweep_phase"], book["sweep_at"], book["garbage"] = MARKING, _END, 0
    book.add("epoch")
    return 0


def _mark(hand: Hand) -> int:
    connection, book = hand.connection, hand.book
    statement = "SELECT key, plan FROM request WHERE key < ? ORDER BY key DESC LIMIT ?"
    found = connection.exec_driver_sql(statement, (book["sweep_at"], REQUESTS_AT_ONCE)).fetchall()
    for key, plan in found:
        segments, nodes = plan_segments(plan)
        orphans = stamp(connection, book["epoch"], nodes, segments)
        if orphans:
            reindex(hand, key, more=orphans)
    if found:
        book["sweep_at"] = found[-1][0]
    else:
        book["sweep_phase"], book["sweep_at"] = MARKING_UPSTREAM, _END
    return 0


def _mark_upstream(hand: Hand) -> int:
    """Segments that only providers were sent stay out of the index."""
    connection, book = hand.connection, hand.book
    statement = "SELECT key, plan FROM upstream_request WHERE key < ? ORDER BY key DESC LIMIT ?"
    found = connection.exec_driver_sql(statement, (book["sweep_at"], REQUESTS_AT_ONCE)).fetchall()
    for _, plan in found:
        segments, nodes = plan_segments(plan)
        orphans = stamp(connection, book["epoch"], nodes, segments)
        many(connection, OWN_SEGMENT, [(SILENT, one) for one in orphans])
    if found:
        book["sweep_at"] = found[-1][0]
    else:
        book["sweep_phase"], book["sweep_at"] = NODES, book["node"]
    return 0


def _sweep_nodes(hand: Hand) -> int:
    """Children first: a node's number is above its parent's."""
    book = hand.book
    top = book["sweep_at"]
    statement = "DELETE FROM node WHERE id > ? AND id <= ? AND epoch < ?"
    gone = hand.connection.exec_driver_sql(statement, (top - ROWS_AT_ONCE, top, book["epoch"])).rowcount
    book.add("node_bytes", -gone * NODE_ROW_BYTES)
    book["sweep_at"] = top - ROWS_AT_ONCE
    if book["sweep_at"] <= 0:
        book["sweep_phase"], book["sweep_at"] = SEGMENTS, book["segment"]
    return 0


def _sweep_segments(hand: Hand) -> int:
    connection, book = hand.connection, hand.book
    top = book["sweep_at"]
    statement = "SELECT id, pack FROM segment WHERE id > ? AND id <= ? AND epoch < ?"
    found = connection.exec_driver_sql(statement, (top - ROWS_AT_ONCE, top, book["epoch"])).fetchall()
    delete_in(connection, "segment", "id", [row[0] for row in found])
    book.add("segment_bytes", -SEGMENT_ROW_BYTES * len(found))
    tighten(connection, book, hand.packer, {row[1] for row in found})
    book["sweep_at"] = top - ROWS_AT_ONCE
    if book["sweep_at"] <= 0:
        book["sweep_phase"], book["sweep_at"] = TEXT, 0
    return len(found)


def _merge_text(hand: Hand) -> int:
    book = hand.book
    if search.merge(hand.connection, is_first=book["sweep_at"] == 0):
        book.add("sweep_at")
    else:
        book["sweep_phase"] = REST
    return 0


_PHASES = {
    REST: _begin,
    MARKING: _mark,
    MARKING_UPSTREAM: _mark_upstream,
    NODES: _sweep_nodes,
    SEGMENTS: _sweep_segments,
    TEXT: _merge_text,
}
