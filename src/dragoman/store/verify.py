"""Rebuild every body and compare it with the hash that was taken when it came."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import sqlalchemy as sa

from dragoman.records.chain import body_hash
from dragoman.records.exchange import BodyFacts, Frame, Row, UpstreamSide
from dragoman.store.compression import unpack
from dragoman.store.rebuild import BodyReader
from dragoman.store.rows import bytes_to_detail
from dragoman.store.schema import exchange, facts
from dragoman.store.types import VerifyReport

AT_ONCE = 200
MAX_FAILURES = 1_000

Read = Callable[[], AbstractContextManager[sa.Connection]]


def verify(read: Read, on_progress: Callable[[int], None] | None) -> VerifyReport:
    """Check all exchanges, oldest first; `on_progress` is told how many were looked at."""
    checked = skipped = seen = 0
    failures: list[tuple[str, str]] = []
    after = -1
    while len(failures) < MAX_FAILURES:
        with read() as connection:
            rows = _next(connection, after)
            reader = BodyReader(connection)
            for key, name, data in rows:
                outcome = _check(reader, key, name, data)
                checked += outcome.count("")
                skipped += outcome.count(None)
                failures += [(name, why) for why in outcome if why]
        if not rows:
            break
        after = rows[-1][0]
        seen += len(rows)
        if on_progress is not None:
            on_progress(seen)
    return VerifyReport(checked=checked + len(failures), failures=failures, skipped=skipped)


def _next(connection: sa.Connection, after: int) -> list[tuple[int, str, bytes]]:
    statement = sa.select(exchange.c.key, exchange.c.id, facts.c.data).join(facts, facts.c.key == exchange.c.key)
    found = connection.execute(statement.where(exchange.c.key > after).order_by(exchange.c.key).limit(AT_ONCE))
    return [(row[0], row[1], row[2]) for row in found]


def _check(reader: BodyReader, key: int, name: str, data: bytes) -> list[str | None]:
    """Return for each body "" when it is right, None when there is nothing to compare, else what is wrong."""
    try:
        detail = bytes_to_detail(Row(id=name), unpack(data))
    except ValueError as error:
        return [f"its facts cannot be read: {error}"]
    upstream = detail.upstream or UpstreamSide()
    verdicts = [
        _compare("request", lambda: reader.request(key), detail.request_body),
        _compare("response", lambda: _body(reader.reply(key)), detail.response_body),
    ]
    if upstream.request_body is not None:
        verdicts.append(_compare("upstream request", lambda: reader.upstream_request(key), upstream.request_body))
    if upstream.response_body is not None:
        verdicts.append(
            _compare("upstream response", lambda: _body(reader.upstream_reply(key)), upstream.response_body)
        )
    return verdicts


def _body(reply: tuple[bytes, list[Frame]] | None) -> bytes | None:
    return None if reply is None else reply[0]


def _compare(which: str, rebuild: Callable[[], bytes | None], expected: BodyFacts) -> str | None:
    try:
        body = rebuild()
    except ValueError as error:
        return f"the {which}'s body cannot be rebuilt: {error}"
    if body is None or expected.hash is None:
        return None
    found = body_hash(body)
    if found == expected.hash:
        return ""
    return f"the {which}'s body has the hash {found}, {len(body)} bytes; expected {expected.hash}"
