"""Take exchanges, or only their bodies, out of the store for good.

What other exchanges still carry stays: segments and nodes are left to the sweep. Text that was indexed under an
exchange that goes, in segments that stay, is orphaned; the sweep finds it a new owner.
"""

import sqlalchemy as sa

from dragoman.store.indexing import unindex
from dragoman.store.rows import COLUMNS, from_values, labels_of
from dragoman.store.schema import exchange
from dragoman.store.statements import INSERT_TOMBSTONE, delete_in, many, select_in
from dragoman.store.writer import Hand

KEPT_TOMBSTONES = 50_000
_UPSTREAM_SIZE = "length(body) + coalesce(length(frames), 0)"
_REPLY_SIZE = (
    "length(body) + coalesce(length(frames), 0) + coalesce(length(sent), 0) + coalesce(length(sent_frames), 0)"
)


def remove(hand: Hand, keys: list[int]) -> None:
    """Remove exchanges whole."""
    if not keys:
        return
    drop_bodies(hand, keys)
    connection, book = hand.connection, hand.book
    found = connection.execute(sa.select(exchange.c.key, *COLUMNS).where(exchange.c.key.in_(keys))).all()
    rows = [(row[0], from_values(row[1:])) for row in found]
    labels = [one for key, row in rows for one in labels_of(row, key)]
    many(connection, "DELETE FROM label WHERE kind = ? AND value = ? AND key = ?", labels)
    sizes = select_in(connection, "SELECT length(data) FROM facts WHERE key IN", keys)
    book.add("facts_bytes", -sum(row[0] for row in sizes))
    delete_in(connection, "facts", "key", keys)
    delete_in(connection, "reply_name", "key", keys)
    delete_in(connection, "checkpoint", "exchange", [row.id for _, row in rows])
    book.add("rows", -delete_in(connection, "exchange", "key", keys))
    many(connection, INSERT_TOMBSTONE, [(book.add("seq"), row.id) for _, row in rows])
    _forget_tombstones(hand)


def drop_bodies(hand: Hand, keys: list[int]) -> int:
    """Remove the bodies of exchanges, and their text from the index; returns how many had any."""
    unindex(hand, keys)
    connection, book = hand.connection, hand.book
    requests = select_in(connection, "SELECT key, length, node FROM request WHERE key IN", keys)
    replies = select_in(connection, f"SELECT key, length, {_REPLY_SIZE} FROM reply WHERE key IN", keys)
    asked = select_in(connection, "SELECT key, length FROM upstream_request WHERE key IN", keys)
    answered = select_in(connection, f"SELECT key, length, {_UPSTREAM_SIZE} FROM upstream_reply WHERE key IN", keys)
    ends = [(row[2], row[0]) for row in requests if row[2]]
    many(connection, "UPDATE node SET ended = NULL WHERE id = ? AND ended = ?", ends)
    for table in ("request", "reply", "upstream_request", "upstream_reply"):
        delete_in(connection, table, "key", keys)
    had = {row[0] for row in requests if row[1]} | {row[0] for row in replies if row[1]}
    book.add("bodies", -len(had))
    book.add("raw_bytes", -sum(row[1] for row in (*requests, *replies, *asked, *answered)))
    book.add("reply_bytes", -sum(row[2] for row in (*replies, *answered)))
    book.add("garbage", len(requests) + len(asked))
    return len({row[0] for row in (*requests, *replies)})


def _forget_tombstones(hand: Hand) -> None:
    last = hand.book["seq"] - 4 * KEPT_TOMBSTONES
    if last <= hand.book["forgotten_seq"]:
        return
    kept = hand.connection.exec_driver_sql("SELECT count(*) FROM tombstone").scalar_one()
    if kept > KEPT_TOMBSTONES:
        hand.connection.exec_driver_sql("DELETE FROM tombstone WHERE seq <= ?", (last,))
        hand.book["forgotten_seq"] = last
