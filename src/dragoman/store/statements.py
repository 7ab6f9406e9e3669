"""The writer's statements, written once in SQLAlchemy Core and kept as text.

Executing a Core construct costs several times the statement itself; on the way of every exchange the compiled
text is given to the driver, with its values in the order named here.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from dragoman.store import schema
from dragoman.store.rows import STORED

_dialect = sqlite.dialect()
_SELECT_MANY = 500
"""Values of one IN list."""


def _text(statement: Any) -> str:
    return str(statement.compile(dialect=_dialect))


def _insert(table: sa.Table, names: Sequence[str]) -> str:
    return _text(sqlite.insert(table).values({name: sa.bindparam(name) for name in names}))


def upsert(table: sa.Table, names: Sequence[str], key: str) -> str:
    statement = sqlite.insert(table).values({name: sa.bindparam(name) for name in names})
    changed = {name: statement.excluded[name] for name in names if name != key}
    return _text(statement.on_conflict_do_update(index_elements=[key], set_=changed))


def _in_order(table: sa.Table, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names as Core writes them into an INSERT: in the table's order."""
    return tuple(column.name for column in table.columns if column.name in names)


ROW_ORDER = _in_order(schema.exchange, STORED)
_row_places = [STORED.index(name) for name in ROW_ORDER]

UPSERT_ROW = upsert(schema.exchange, STORED, "key")
INSERT_LABEL = _insert(schema.label, ("kind", "value", "key"))
UPSERT_FACTS = upsert(schema.facts, ("key", "data"), "key")
INSERT_REQUEST = _insert(schema.request, ("key", "node", "length", "plan"))
INSERT_REPLY = _insert(schema.reply, ("key", "length", "frames", "body", "sent_length", "sent_frames", "sent"))
INSERT_UPSTREAM_REQUEST = _insert(schema.upstream_request, ("key", "length", "plan"))
INSERT_UPSTREAM_REPLY = _insert(schema.upstream_reply, ("key", "length", "frames", "body"))
UPSERT_REPLY_NAME = upsert(schema.reply_name, ("key", "name"), "key")
INSERT_PACK = _insert(schema.pack, ("id", "data"))
INSERT_SEGMENT = _insert(schema.segment, ("id", "hash", "pack", "start", "length", "owner", "epoch"))
INSERT_NODE = _insert(schema.node, ("id", "hash", "parent", "segment", "ended", "epoch"))
UPSERT_SOURCE = upsert(schema.search_source, ("key", "segments", "extra"), "key")
UPSERT_POSITION = upsert(schema.position, ("gateway", "sequence", "offset"), "gateway")
UPSERT_CHECKPOINT = upsert(schema.checkpoint, ("exchange", "gateway", "frames"), "exchange")
INSERT_TOMBSTONE = _insert(schema.tombstone, ("seq", "id"))
SET_COUNTER = upsert(schema.counter, ("name", "value"), "name")
OWN_SEGMENT = "UPDATE segment SET owner = ? WHERE id = ?"
END_NODE = "UPDATE node SET ended = ? WHERE id = ?"
ADD_ROLLUP = (
    "INSERT INTO rollup (minute, done, error, other) VALUES (?, ?, ?, ?) ON CONFLICT (minute) DO UPDATE SET "
    "done = done + excluded.done, error = error + excluded.error, other = other + excluded.other"
)


def row_values(stored: Sequence[Any]) -> tuple[Any, ...]:
    """Put the values of `rows.to_values` into the order of `UPSERT_ROW`."""
    return tuple([stored[place] for place in _row_places])


def many(connection: sa.Connection, statement: str, values: Sequence[tuple[Any, ...]]) -> None:
    """Execute a statement for each tuple; nothing at all for none."""
    if values:
        connection.exec_driver_sql(statement, list(values))


def select_in(connection: sa.Connection, statement: str, values: Iterable[Any]) -> list[Any]:
    """Run a SELECT that ends in `IN`, in pieces, and return all its rows."""
    wanted = list(values)
    found: list[Any] = []
    for start in range(0, len(wanted), _SELECT_MANY):
        piece = tuple(wanted[start : start + _SELECT_MANY])
        marks = ",".join("?" * len(piece))
        found += connection.exec_driver_sql(f"{statement} ({marks})", piece).fetchall()
    return found


def delete_in(connection: sa.Connection, table: str, column: str, values: Iterable[Any]) -> int:
    """Delete the rows of `table` whose `column` is one of `values`; both names are ours."""
    wanted = list(values)
    gone = 0
    for start in range(0, len(wanted), _SELECT_MANY):
        piece = tuple(wanted[start : start + _SELECT_MANY])
        marks = ",".join("?" * len(piece))
        gone += connection.exec_driver_sql(f'DELETE FROM "{table}" WHERE "{column}" IN ({marks})', piece).rowcount
    return gone
