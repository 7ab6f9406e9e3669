"""Deleting: first a stamp that can be undone, later for good.

A deletion's token is its stamp, the time in nanoseconds, made unique. Deleted rows stay where they are, out of
every list, until they are purged; viewers learn of both by `seq`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import sqlalchemy as sa

from dragoman.clock import Clock
from dragoman.errors import BadRequest
from dragoman.records.query import Query
from dragoman.store.commit import rollup_of
from dragoman.store.queries import Walk
from dragoman.store.removal import remove
from dragoman.store.rows import COLUMNS, from_values
from dragoman.store.schema import exchange
from dragoman.store.statements import ADD_ROLLUP, many
from dragoman.store.types import Deletion
from dragoman.store.writer import Hand, Writer

AT_ONCE = 1_000
PURGE_AT_ONCE = 200
_STAMP = "UPDATE exchange SET deleted_ns = ?, seq = ? WHERE key = ?"

Read = Callable[[], AbstractContextManager[sa.Connection]]


def delete(hand: Hand, names: list[str], now_ns: int) -> int:
    stamp = _new_stamp(hand, now_ns)
    return sum(
        _stamp(hand, [exchange.c.id.in_(names[at : at + AT_ONCE]), exchange.c.deleted_ns.is_(None)], stamp)
        for at in range(0, len(names), AT_ONCE)
    )


def delete_matching(read: Read, writer: Writer, query: Query, clock: Clock) -> Deletion:
    stamp = writer.do(lambda hand: _new_stamp(hand, clock.wall_ns()))
    below: int | None = None
    gone = 0
    while True:
        with read() as connection:
            walk = Walk(connection, query, (), clock.mono_ns, below=below)
            keys = [row[0] for row in walk.take(AT_ONCE, None)]
            below = walk.reached
        where = [exchange.c.key.in_(keys), exchange.c.deleted_ns.is_(None)]
        gone += writer.do(lambda hand, where=where: _stamp(hand, where, stamp))
        if below is None:
            return Deletion(token=str(stamp), count=gone)


def restore(writer: Writer, names: list[str] | None, token: str | None) -> int:
    if (names is None) == (token is None):
        raise BadRequest("expected either ids or the token of a deletion", field="token")
    if token is not None and not token.isdecimal():
        raise BadRequest(f"found token {token[:40]!r}; expected the token of a deletion", field="token")
    back = 0
    pieces = [None] if names is None else [names[at : at + AT_ONCE] for at in range(0, len(names), AT_ONCE)]
    for piece in pieces:
        which = exchange.c.deleted_ns == int(token or 0) if piece is None else exchange.c.id.in_(piece)
        while found := writer.do(
            lambda hand, which=which: _stamp(hand, [which, exchange.c.deleted_ns.is_not(None)], None)
        ):
            back += found
    return back


def purge(writer: Writer, older_than_ns: int) -> int:
    gone = 0
    while found := writer.do(lambda hand: purge_some(hand, older_than_ns)):
        gone += found
    return gone


def purge_some(hand: Hand, older_than_ns: int) -> int:
    """Remove up to `PURGE_AT_ONCE` of what was deleted before that time."""
    statement = sa.select(exchange.c.key).where(exchange.c.deleted_ns < older_than_ns)
    keys = list(hand.connection.execute(statement.order_by(exchange.c.deleted_ns).limit(PURGE_AT_ONCE)).scalars())
    remove(hand, keys)
    return len(keys)


def _new_stamp(hand: Hand, now_ns: int) -> int:
    stamp = max(now_ns, hand.book["last_deletion"] + 1)
    hand.book["last_deletion"] = stamp
    return stamp


def _stamp(hand: Hand, where: list[Any], stamp: int | None) -> int:
    """Delete (or with None restore) rows, up to `AT_ONCE`; returns how many."""
    statement = sa.select(exchange.c.key, exchange.c.is_finished, *COLUMNS).where(*where).limit(AT_ONCE)
    found = hand.connection.execute(statement).all()
    rows = [(row.key, row.is_finished, from_values(tuple(row)[2:])) for row in found]
    many(hand.connection, _STAMP, [(stamp, hand.book.add("seq"), key) for key, _, _ in rows])
    sign = 1 if stamp is None else -1
    many(hand.connection, ADD_ROLLUP, [rollup_of(row, sign) for _, is_finished, row in rows if is_finished])
    return len(rows)
