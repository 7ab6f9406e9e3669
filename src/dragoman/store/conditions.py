"""Queries of the language turned into SQL conditions on `exchange`."""

from collections.abc import Iterable
from typing import Any as Anything

import msgspec
import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement, UnaryExpression
from sqlalchemy.sql.operators import custom_op

from dragoman.records.query import All, Any, Between, Condition, Not, Query, Text, Words, Yes
from dragoman.store import search
from dragoman.store.rows import key_of
from dragoman.store.schema import INDEXED, exchange, label

NEVER = sa.false()
_LABELS = {"tool": "tools_called", "tag": "tags", "has": "flags"}
_WORD_COLUMNS = {
    "model": ("model_asked", "model_served"),
    "error": ("error_code",),
    "stop": ("stop_reason",),
    "upstream": ("upstream_dialect",),
}
_NUMBER_COLUMNS = {
    "dur": "duration_ns",
    "ttft": "first_token_ns",
    "in": "input_total",
    "out": "output",
    "cached": "cache_read",
}
_NS_PER_MS = 1_000_000

index = sa.table("search", sa.column("rowid", sa.BigInteger), sa.column("search", sa.Text))
"""The text index, as a query sees it."""


class Terms:
    """A query's terms that must all hold: ranges of time as keys, texts as one expression, the rest as conditions."""

    def __init__(self, query: Query) -> None:
        self.low: int | None = None
        """Keys from here."""
        self.high: int | None = None
        """Keys below this."""
        self.conditions: list[Condition] = []
        texts: list[str] = []
        for term in _flat(query.root):
            if isinstance(term, Text):
                texts.append(term.text)
            elif isinstance(term, Between) and term.field in ("since", "until"):
                self._bound(term)
            else:
                self.conditions.append(term)
        self.match = search.match_expression(texts) if texts else None

    @property
    def is_empty(self) -> bool:
        return not self.conditions and self.match is None

    def _bound(self, term: Between) -> None:
        if term.low is not None:
            self.low = max(_key_from(term.low), self.low or 0)
        if term.high is not None:
            high = _key_from(term.high)
            self.high = high if self.high is None else min(high, self.high)


def _flat(node: Condition | None) -> Iterable[Condition]:
    if isinstance(node, All):
        for item in node.items:
            yield from _flat(item)
    elif node is not None:
        yield node


def _key_from(ns: int) -> int:
    """Return the first key at or after a moment."""
    return key_of(-(-max(ns, 0) // _NS_PER_MS))


def condition(node: Condition, *, is_driving: bool) -> ColumnElement[bool]:
    """Write a term as SQL. Only a driving term may use an index: rows are walked by key for all others."""
    column = _plain if is_driving else _unindexed
    match node:
        case All():
            return sa.and_(*[condition(item, is_driving=is_driving) for item in node.items])
        case Any():
            return sa.or_(*[condition(item, is_driving=is_driving) for item in node.items])
        case Not():
            return sa.not_(sa.func.coalesce(condition(node.item, is_driving=False), NEVER))
        case Text():
            return has_text(search.match_expression([node.text]))
        case Yes():
            return column("is_streamed").is_(node.value)
        case Words():
            return _words(node, column)
        case Between():
            return _between(node, column)


def keys_of(node: Condition) -> sa.Select[tuple[int]] | None:
    """Return a SELECT of the keys that a term allows, found by an index; None when there is none for it."""
    if isinstance(node, Words) and node.field in _LABELS and not _is_column_flag(node):
        return sa.select(label.c.key).where(label.c.kind == node.field, _value(label.c.value, node.values)).distinct()
    if not _is_indexed(node):
        return None
    return sa.select(exchange.c.key).where(condition(node, is_driving=True))


def is_ordered(node: Condition) -> bool:
    """Whether a term's index gives its rows in the order of keys: one value of one column."""
    if not isinstance(node, Words) or node.field in _LABELS or len(node.values) != 1 or "*" in node.values[0]:
        return False
    names = _WORD_COLUMNS.get(node.field, (node.field,))
    return len(names) == 1 and names[0] in INDEXED


def _is_indexed(node: Condition) -> bool:
    match node:
        case Any():
            return all(_is_indexed(item) for item in node.items)
        case Words():
            if node.field in _LABELS:
                return node.values == ["error"] and node.field == "has"
            names = _WORD_COLUMNS.get(node.field, (node.field,))
            can = all(name in INDEXED or name == "id" for name in names)
            return can and not any("*" in value[:-1] or value == "*" for value in node.values)
        case Between(field="losses", low=low):
            return bool(low)
        case Between():
            return _NUMBER_COLUMNS.get(node.field, node.field) in INDEXED
        case _:
            return False


def _is_column_flag(node: Words) -> bool:
    return node.field == "has" and any(value in ("error", "cached") for value in node.values)


def _plain(name: str) -> ColumnElement[Anything]:
    return exchange.c[name]


def _unindexed(name: str) -> ColumnElement[Anything]:
    """The column in a form that SQLite looks up no index for; collation and type stay."""
    column = exchange.c[name]
    return UnaryExpression(column, operator=custom_op("+"), type_=column.type)


def _words(node: Words, column: "Column") -> ColumnElement[bool]:
    if node.field in _LABELS:
        return _labels(node, column)
    names = _WORD_COLUMNS.get(node.field, (node.field,))
    return sa.or_(*[_value(column(name), node.values) for name in names])


def _labels(node: Words, column: "Column") -> ColumnElement[bool]:
    flags = [value for value in node.values if not (node.field == "has" and value in ("error", "cached"))]
    found = [_label(node.field, value) for value in flags]
    if node.field == "has" and "error" in node.values:
        found.append(column("state") == "error")
    if node.field == "has" and "cached" in node.values:
        found.append(column("cache_read") > 0)
    return sa.or_(*found)


def _label(kind: str, value: str) -> ColumnElement[bool]:
    """Look for a label in the row's own list, as JSON text; only an odd pattern needs the table of labels."""
    if "*" in value[:-1]:
        rows = sa.select(sa.literal(1)).select_from(label)
        return rows.where(label.c.kind == kind, _value(label.c.value, [value]), label.c.key == exchange.c.key).exists()
    begin = _escaped(msgspec.json.encode(value.removesuffix("*")).decode()[:-1])
    end = "" if value.endswith("*") else '"'
    column = exchange.c[_LABELS[kind]]
    return sa.func.coalesce(column.like(f"%{begin}{end}%", escape="\\"), NEVER)


def _value(column: ColumnElement[Anything], values: list[str]) -> ColumnElement[bool]:
    exact = [value for value in values if "*" not in value]
    found = [_pattern(column, value) for value in values if "*" in value]
    if exact:
        found.append(column == exact[0] if len(exact) == 1 else column.in_(exact))
    return sa.or_(*found)


def _pattern(column: ColumnElement[Anything], pattern: str) -> ColumnElement[bool]:
    """Compare with `*` patterns; `begin*` as a range, which an index can serve."""
    begin = pattern[:-1]
    if pattern == "*":
        return column.is_not(None)
    if "*" not in begin and pattern.endswith("*"):
        return sa.and_(column >= begin, column < begin + "\U0010ffff")
    return column.like(_escaped(pattern).replace("*", "%"), escape="\\")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _between(node: Between, column: "Column") -> ColumnElement[bool]:
    if node.field in ("since", "until"):
        own: ColumnElement[Anything] = exchange.c.key
        low, high = (None if ns is None else _key_from(ns) for ns in (node.low, node.high))
    else:
        own, low, high = column(_NUMBER_COLUMNS.get(node.field, node.field)), node.low, node.high
        if node.field == "losses" and not low:
            own = sa.func.coalesce(own, 0)  # none is stored as NULL
    bounds = [] if low is None else [own >= low]
    if high is not None:
        bounds.append(own < high)
    if low is None:
        bounds.append(own.is_not(None))
    if low is not None and high == low + 1:
        return own == low
    return sa.and_(*bounds)


def has_text(match: str) -> ColumnElement[bool]:
    """Whether what is indexed under a row's key matches; for rows that were found otherwise."""
    hits = index.alias("hits")
    rows = sa.select(sa.literal(1)).select_from(hits)
    return rows.where(hits.c.search.op("MATCH")(match), hits.c.rowid == exchange.c.key).exists()


Column = Anything
