"""Lists, changes, counts, facets and the timeline: everything that reads many rows.

No query here touches bodies, counts a whole table, or runs without bound. A list first asks the indexes how many
rows each term allows; when one allows few, those rows are looked at, newest first. When all allow many, rows are
walked from the newest in stretches, until the page is full or the time is spent: then the page is
handed out with a cursor to go on from.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from dragoman.errors import BadRequest
from dragoman.records.exchange import Row
from dragoman.records.query import All, Between, Query
from dragoman.store.conditions import Terms, condition, has_text, index, is_ordered, keys_of
from dragoman.store.rows import COLUMNS, FIELDS, from_values
from dragoman.store.schema import counter, exchange, rollup, tombstone
from dragoman.store.statements import select_in
from dragoman.store.types import Bucket, Changes, Count, Page

FEW = 10_000
"""Rows that are looked at one by one rather than walked to."""
ENOUGH = 500
"""So few that no other index need be asked."""
PAGE_BUDGET_NS = 25_000_000
COUNT_BUDGET_NS = 100_000_000
FIRST_STRETCH = 2_000
"""Rows that are walked over before the clock is looked at; doubled while that goes quickly."""
QUICK_NS = 4_000_000
FACET_ROWS = 2_000
"""Facets count the newest so many rows of the query."""
TIMELINE_ROWS = 50_000
MAX_LIMIT = 1_000
_MINUTE_NS = 60_000_000_000

FACETS: dict[str, tuple[str, ...]] = {
    "model": ("model_served", "model_asked"),
    "client": ("client",),
    "dialect": ("dialect",),
    "provider": ("provider",),
    "route": ("route",),
    "upstream": ("upstream_dialect",),
    "endpoint": ("endpoint",),
    "status": ("status",),
    "state": ("state",),
    "origin": ("origin",),
    "method": ("method",),
    "stop": ("stop_reason",),
    "error": ("error_code",),
    "session": ("session",),
    "conversation": ("conversation",),
    "run": ("run",),
    "tag": ("tags",),
    "tool": ("tools_called",),
    "has": ("flags",),
}
"""What can be counted by value, and the columns it stands in; the first that is set counts."""
_LISTS = frozenset({"tag", "tool", "has"})
_strings = msgspec.json.Decoder(list[str])

_DOWN = "SELECT key FROM exchange WHERE key < ? ORDER BY key DESC LIMIT 1 OFFSET ?"

MonoNs = Callable[[], int]


class Walk:
    """Yields values of the rows that a query allows, newest first; deleted ones left out.

    After it ended, `reached` is None when it came to the end, else the key down to which it has looked.
    """

    def __init__(
        self,
        connection: sa.Connection,
        query: Query,
        columns: Sequence[Any],
        mono_ns: MonoNs,
        *,
        below: int | None = None,
    ) -> None:
        self._connection = connection
        self._columns = [exchange.c.key, *columns]
        self._mono_ns = mono_ns
        self._terms = terms = Terms(query)
        bounds = [one for one in (terms.high, below) if one is not None]
        self._below = min(bounds) if bounds else None
        self.reached: int | None = None

    def take(self, limit: int, budget_ns: int | None) -> list[Any]:
        """Return up to `limit` rows, the key first in each; with a budget, maybe fewer though more exist."""
        started = self._mono_ns()
        found: list[Any] = []
        self.reached = None
        for rows, low in self._pieces(limit):
            found += rows[: limit - len(found)]
            if len(found) >= limit:
                self.reached = found[-1][0]
                break
            if budget_ns is not None and self._mono_ns() - started > budget_ns:
                self.reached = low
                break
        return found

    def _pieces(self, limit: int) -> Iterator[tuple[list[Any], int]]:
        keys = None if self._terms.is_empty else self._few_keys()
        yield from self._walk(limit) if keys is None else self._look_at(keys, limit)

    def _few_keys(self) -> list[int] | None:
        """Return the keys that the narrowest term allows, newest first, when they are few."""
        best: sa.Select[Any] | None = None
        fewest = FEW
        for statement in self._probes():
            inner = statement.limit(fewest + 1).subquery()
            found = self._connection.execute(sa.select(sa.func.count()).select_from(inner)).scalar_one()
            if found <= fewest:
                best, fewest = statement, found
            if fewest <= ENOUGH:
                break
        if best is None:
            return None
        return sorted((row[0] for row in self._connection.execute(best).all()), reverse=True)

    def _probes(self) -> Iterator[sa.Select[Any]]:
        for term in self._terms.conditions:
            statement = keys_of(term)
            if statement is not None:
                yield statement.where(*self._bounds(statement.selected_columns[0]))
        if self._terms.match is not None:
            found = sa.select(index.c.rowid).where(index.c.search.op("MATCH")(self._terms.match))
            yield found.where(*self._bounds(index.c.rowid))

    def _bounds(self, key: Any) -> list[Any]:
        bounds = [] if self._terms.low is None else [key >= self._terms.low]
        return bounds if self._below is None else [*bounds, key < self._below]

    def _look_at(self, keys: list[int], limit: int) -> Iterator[tuple[list[Any], int]]:
        where = self._where(None)
        size = min(limit + 50, 500)
        for start in range(0, len(keys), size):
            some = keys[start : start + size]
            yield self._select(limit, [exchange.c.key.in_(some), *where]), some[-1]

    def _walk(self, limit: int) -> Iterator[tuple[list[Any], int]]:
        top = 2**62 if self._below is None else self._below
        bottom = self._terms.low or 0
        ordered = next((term for term in self._terms.conditions if is_ordered(term)), None)
        where = self._where(ordered)
        amount = limit if self._terms.is_empty else FIRST_STRETCH
        while top > bottom:
            low = max(bottom, self._down(top, amount))
            began = self._mono_ns()
            yield self._stretch(limit, low, top, where), low
            if self._mono_ns() - began < QUICK_NS:
                amount *= 2
            top = low

    def _down(self, top: int, amount: int) -> int:
        """Return the key that lies so many rows below `top`, 0 when there are not so many."""
        return self._connection.exec_driver_sql(_DOWN, (top, amount)).scalar() or 0

    def _stretch(self, limit: int, low: int, top: int, where: list[Any]) -> list[Any]:
        if self._terms.match is None:
            return self._select(limit, [exchange.c.key >= low, exchange.c.key < top, *where])
        hits = sa.select(*self._columns).select_from(index.join(exchange, exchange.c.key == index.c.rowid))
        hits = hits.where(index.c.search.op("MATCH")(self._terms.match), index.c.rowid >= low, index.c.rowid < top)
        hits = hits.where(exchange.c.deleted_ns.is_(None))
        hits = hits.where(*[condition(one, is_driving=False) for one in self._terms.conditions])
        return list(self._connection.execute(hits.order_by(index.c.rowid.desc()).limit(limit)).all())

    def _where(self, ordered: Any) -> list[Any]:
        where = [condition(term, is_driving=term is ordered) for term in self._terms.conditions]
        return where if self._terms.match is None else [*where, has_text(self._terms.match)]

    def _select(self, limit: int, where: list[Any]) -> list[Any]:
        statement = sa.select(*self._columns).where(*where, exchange.c.deleted_ns.is_(None))
        return list(self._connection.execute(statement.order_by(exchange.c.key.desc()).limit(limit)).all())


def list_rows(connection: sa.Connection, query: Query, limit: int, cursor: str | None, mono_ns: MonoNs) -> Page:
    limit = _checked(limit)
    walk = Walk(connection, query, (), mono_ns, below=_read_cursor(cursor))
    seq = last_seq(connection)
    keys = [row[0] for row in walk.take(limit + 1, PAGE_BUDGET_NS)]
    reached = keys[limit - 1] if len(keys) > limit else walk.reached
    following = None if reached is None else f"{reached:x}"
    found = select_in(connection, _ROWS, keys[:limit])
    found.sort(key=lambda row: row[0], reverse=True)
    return Page(items=[from_values(row[1:]) for row in found], next_cursor=following, since_seq=seq)


_ROWS = "SELECT key, {} FROM exchange WHERE key IN".format(", ".join(f'"{name}"' for name in FIELDS))


def _checked(limit: int) -> int:
    if not 1 <= limit <= MAX_LIMIT:
        raise BadRequest(f"found limit {limit}; expected 1 to {MAX_LIMIT}", field="limit")
    return limit


def _read_cursor(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    try:
        key = int(cursor, 16)
    except ValueError:
        key = -1
    if not 0 <= key < 2**62:
        raise BadRequest(f"found cursor {cursor[:40]!r}; expected the next_cursor of an earlier page", field="cursor")
    return key


def last_seq(connection: sa.Connection) -> int:
    return connection.execute(sa.select(counter.c.value).where(counter.c.name == "seq")).scalar() or 0


def changes(connection: sa.Connection, query: Query, since_seq: int, limit: int) -> Changes:
    limit = _checked(limit)
    now = last_seq(connection)
    statement = sa.select(*COLUMNS).where(exchange.c.seq > since_seq, exchange.c.deleted_ns.is_(None), *_where(query))
    rows = [from_values(row) for row in connection.execute(statement.order_by(exchange.c.seq).limit(limit + 1))]
    is_cut = len(rows) > limit
    upto = rows[limit - 1].seq if is_cut else now
    gone = sa.select(exchange.c.id).where(
        exchange.c.seq > since_seq, exchange.c.seq <= upto, exchange.c.deleted_ns.is_not(None)
    )
    buried = sa.select(tombstone.c.id).where(tombstone.c.seq > since_seq, tombstone.c.seq <= upto)
    deleted = list(connection.execute(gone.union_all(buried)).scalars())
    forgotten = connection.execute(sa.select(counter.c.value).where(counter.c.name == "forgotten_seq")).scalar() or 0
    return Changes(items=rows[:limit], deleted=deleted, since_seq=upto, is_truncated=is_cut or since_seq < forgotten)


def _where(query: Query) -> list[Any]:
    terms = Terms(query)
    where = [condition(term, is_driving=False) for term in terms.conditions]
    if terms.low is not None:
        where.append(exchange.c.key >= terms.low)
    if terms.high is not None:
        where.append(exchange.c.key < terms.high)
    return where if terms.match is None else [*where, has_text(terms.match)]


def count(connection: sa.Connection, query: Query, cap: int, mono_ns: MonoNs) -> Count:
    walk = Walk(connection, query, (), mono_ns)
    found = len(walk.take(cap + 1, COUNT_BUDGET_NS))
    return Count(count=min(found, cap), is_capped=walk.reached is not None)


def facets(
    connection: sa.Connection, query: Query, names: Iterable[str], limit: int, mono_ns: MonoNs
) -> dict[str, list[tuple[str, int]]]:
    wanted = list(dict.fromkeys(names))
    for name in wanted:
        if name not in FACETS:
            raise BadRequest(f"found facet {name!r}; known: {', '.join(FACETS)}", field="names")
    columns = list(dict.fromkeys(column for name in wanted for column in FACETS[name]))
    places = {column: 1 + at for at, column in enumerate(columns)}
    rows = Walk(connection, query, [exchange.c[one] for one in columns], mono_ns).take(FACET_ROWS, COUNT_BUDGET_NS)
    return {name: _tally(name, rows, [places[one] for one in FACETS[name]], limit) for name in wanted}


def _tally(name: str, rows: list[Any], places: list[int], limit: int) -> list[tuple[str, int]]:
    tally: Counter[str] = Counter()
    for row in rows:
        value = next((row[place] for place in places if row[place] is not None), None)
        if value is None:
            continue
        tally.update(_strings.decode(value) if name in _LISTS else (str(value),))
    return tally.most_common(limit)


def timeline(
    connection: sa.Connection, query: Query, start_ns: int, end_ns: int, buckets: int, mono_ns: MonoNs
) -> list[Bucket]:
    if not (end_ns > start_ns and 1 <= buckets <= 1_000):
        raise BadRequest("expected an end after the start, and 1 to 1000 buckets", field="buckets")
    width = -(-(end_ns - start_ns) // buckets)
    sums = [[0, 0, 0] for _ in range(buckets)]
    if query.root is None and width >= _MINUTE_NS:
        _add_rollups(connection, sums, start_ns, end_ns, width)
    else:
        _add_rows(connection, query, sums, start_ns, end_ns, width, mono_ns)
    return [
        Bucket(start_ns=start_ns + at * width, done=done, error=error, other=other)
        for at, (done, error, other) in enumerate(sums)
    ]


def _add_rollups(connection: sa.Connection, sums: list[list[int]], start_ns: int, end_ns: int, width: int) -> None:
    """Sum the minutes into buckets, in the database; running exchanges are added one by one."""
    place = (sa.func.max(rollup.c.minute * _MINUTE_NS, start_ns) - start_ns) / sa.literal(width)
    place = sa.cast(place, sa.Integer)
    low, high = start_ns // _MINUTE_NS, -(-end_ns // _MINUTE_NS)
    totals = [sa.func.sum(rollup.c[name]) for name in ("done", "error", "other")]
    statement = sa.select(place, *totals).where(rollup.c.minute >= low, rollup.c.minute < high).group_by(place)
    for at, *amounts in connection.execute(statement):
        for kind, amount in enumerate(amounts):
            sums[min(int(at), len(sums) - 1)][kind] += amount
    running = sa.select(exchange.c.started_ns).where(
        exchange.c.is_finished == sa.false(), exchange.c.started_ns >= start_ns, exchange.c.started_ns < end_ns
    )
    for started in connection.execute(running.where(exchange.c.deleted_ns.is_(None))).scalars():
        sums[(started - start_ns) // width][2] += 1


def _add_rows(
    connection: sa.Connection,
    query: Query,
    sums: list[list[int]],
    start_ns: int,
    end_ns: int,
    width: int,
    mono_ns: MonoNs,
) -> None:
    time = Between("since", low=start_ns), Between("until", high=end_ns)
    bounded = Query(All([*time, query.root] if query.root is not None else list(time)))
    walk = Walk(connection, bounded, (exchange.c.started_ns, exchange.c.state), mono_ns)
    for _, started, state in walk.take(TIMELINE_ROWS, COUNT_BUDGET_NS):
        at = (started - start_ns) // width
        if 0 <= at < len(sums):
            sums[at][{"done": 0, "error": 1}.get(state, 2)] += 1


def row(connection: sa.Connection, name: str) -> tuple[int, Row] | None:
    """Return key and row of an exchange; None when there is none, or it was deleted."""
    statement = sa.select(exchange.c.key, *COLUMNS).where(exchange.c.id == name, exchange.c.deleted_ns.is_(None))
    found = connection.execute(statement).first()
    return None if found is None else (found[0], from_values(found[1:]))
