"""One exchange read back: its facts, its bodies, who carries its text on; and where the journals stand."""

import msgspec
import sqlalchemy as sa

from dragoman.records.exchange import Detail, Recording, Row, UpstreamSide
from dragoman.store.compression import unpack
from dragoman.store.rebuild import BodyReader
from dragoman.store.rows import COLUMNS, bytes_to_detail, from_values
from dragoman.store.schema import checkpoint, exchange, facts, position, search_source
from dragoman.store.types import Checkpoint, Position


def detail(connection: sa.Connection, key: int, row: Row) -> Detail:
    """Return all facts; of a running exchange there are none but its row."""
    stored = connection.execute(sa.select(facts.c.data).where(facts.c.key == key)).scalar()
    if stored is None:
        return Detail(row=row)
    made = bytes_to_detail(row, unpack(stored))
    upstream = made.upstream or UpstreamSide()
    for table, body in (
        ("request", made.request_body),
        ("reply", made.response_body),
        ("upstream_request", upstream.request_body),
        ("upstream_reply", upstream.response_body),
    ):
        if body is not None and body.bytes:
            found = connection.exec_driver_sql(f"SELECT 1 FROM {table} WHERE key = ?", (key,)).scalar()
            body.is_stored = found is not None
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
    upstream, upstream_frames = reader.upstream_reply(key) or (b"", [])
    extra = connection.execute(sa.select(search_source.c.extra).where(search_source.c.key == key)).scalar()
    return Recording(
        detail=detail(connection, key, row),
        request_body=reader.request(key) or b"",
        response_body=body,
        frames=frames,
        tunnel_sent=sent,
        tunnel_frames=sent_frames,
        upstream_request=reader.upstream_request(key) or b"",
        upstream_response=upstream,
        upstream_frames=upstream_frames,
        search_texts=[unpack(extra).decode()] if extra else [],
    )


_CARRIERS = """
WITH RECURSIVE down (id) AS (
    SELECT id FROM node WHERE segment IN ({})
    UNION SELECT node.id FROM down JOIN node ON node.parent = down.id
)
SELECT exchange.id FROM exchange JOIN request ON request.key = exchange.key
WHERE request.node IN (SELECT id FROM down) AND exchange.deleted_ns IS NULL ORDER BY exchange.key DESC LIMIT ?
"""


def carriers(connection: sa.Connection, key: int, limit: int) -> list[str]:
    """Return the exchanges whose messages hold a segment that this one brought first, itself included."""
    found = connection.execute(sa.select(search_source.c.segments).where(search_source.c.key == key)).scalar()
    segments = msgspec.msgpack.decode(found, type=list[int]) if found else []
    statement = _CARRIERS.format(",".join("?" * len(segments)))
    return [row[0] for row in connection.exec_driver_sql(statement, (*segments, limit))]


def reparse_candidates(connection: sa.Connection, below_version: int, limit: int) -> list[str]:
    statement = sa.select(exchange.c.id).where(
        exchange.c.is_finished == sa.true(), exchange.c.parser_version < below_version, exchange.c.deleted_ns.is_(None)
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
    statement = sa.select(*COLUMNS).where(exchange.c.is_finished == sa.false()).order_by(exchange.c.key)
    return [from_values(row) for row in connection.execute(statement)]
