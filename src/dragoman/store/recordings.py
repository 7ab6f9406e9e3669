"""One exchange read back: its facts, its bodies, who carries its text on; and where the journals stand."""

import sqlalchemy as sa

from dragoman.records.exchange import Detail, Recording, Row
from dragoman.store.bodies import BodyReader
from dragoman.store.compression import unpack
from dragoman.store.rows import COLUMNS, bytes_to_detail, from_values
from dragoman.store.schema import checkpoint, exchange, facts, position, request, search_source
from dragoman.store.types import Checkpoint, Position


def detail(connection: sa.Connection, key: int, row: Row) -> Detail:
    """Return all facts; of a running exchange there are none but its row."""
    stored = connection.execute(sa.select(facts.c.data).where(facts.c.key == key)).scalar()
    if stored is None:
        return Detail(row=row)
    made = bytes_to_detail(row, unpack(stored))
    has_request, has_reply = (
        connection.exec_driver_sql(f"SELECT 1 FROM {table} WHERE key = ?", (key,)).scalar()
        for table in ("request", "reply")
    )
    if made.request_body.bytes and not has_request:
        made.request_body.is_stored = False
    if made.response_body.bytes and not has_reply:
        made.response_body.is_stored = False
    return made


def request_body(connection: sa.Connection, key: int, row: Row) -> bytes | None:
    body = BodyReader(connection).request(key)
    return b"" if body is None and not row.request_bytes else body


def response_body(connection: sa.Connection, key: int, row: Row) -> bytes | None:
    reply = BodyReader(connection).reply(key)
    if reply is not None:
        return reply[0]
    return None if row.response_bytes else b""


def recording(connection: sa.Connection, key: int, row: Row) -> Recording:
    reader = BodyReader(connection)
    body, frames = reader.reply(key) or (b"", [])
    sent, sent_frames = reader.sent(key) or (b"", [])
    extra = connection.execute(sa.select(search_source.c.extra).where(search_source.c.key == key)).scalar()
    return Recording(
        detail=detail(connection, key, row),
        request_body=reader.request(key) or b"",
        response_body=body,
        frames=frames,
        tunnel_sent=sent,
        tunnel_frames=sent_frames,
        search_texts=[unpack(extra).decode()] if extra else [],
    )


_CARRIERS = """
WITH RECURSIVE down (id, ended) AS (
    SELECT id, ended FROM node WHERE id = ?
    UNION ALL SELECT node.id, node.ended FROM down JOIN node ON node.parent = down.id
)
SELECT DISTINCT exchange.id FROM down JOIN request ON request.node = down.id
JOIN exchange ON exchange.key = request.key WHERE exchange.deleted_ns IS NULL ORDER BY exchange.key DESC LIMIT ?
"""


def carriers(connection: sa.Connection, name: str, limit: int) -> list[str]:
    """Return the exchanges whose chain of messages passes the end of this one's, itself included."""
    statement = sa.select(request.c.node).join(exchange, exchange.c.key == request.c.key).where(exchange.c.id == name)
    end = connection.execute(statement).scalar()
    if end is None:
        return []
    return [row[0] for row in connection.exec_driver_sql(_CARRIERS, (end, limit))]


def reparse_candidates(connection: sa.Connection, below_version: int, limit: int) -> list[str]:
    statement = sa.select(exchange.c.id).where(
        exchange.c.is_finished.is_(True), exchange.c.parser_version < below_version, exchange.c.deleted_ns.is_(None)
    )
    return list(
        connection.execute(statement.order_by(exchange.c.parser_version, exchange.c.key).limit(limit)).scalars()
    )


def positions(connection: sa.Connection) -> dict[str, Position]:
    return {row.gateway: Position(row.sequence, row.offset) for row in connection.execute(sa.select(position))}


def checkpoints(connection: sa.Connection, gateway: str) -> list[Checkpoint]:
    found = connection.execute(
        sa.select(checkpoint).where(checkpoint.c.gateway == gateway).order_by(checkpoint.c.exchange)
    )
    return [Checkpoint(row.exchange, row.gateway, unpack(row.frames)) for row in found]


def open_rows(connection: sa.Connection) -> list[Row]:
    statement = sa.select(*COLUMNS).where(exchange.c.is_finished.is_(False)).order_by(exchange.c.key)
    return [from_values(row) for row in connection.execute(statement)]
