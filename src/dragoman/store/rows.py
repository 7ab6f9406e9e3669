"""Rows, labels and facts as the tables hold them."""

from operator import attrgetter
from typing import Any

import msgspec
import sqlalchemy as sa

from dragoman.ids import is_ulid, wall_ms_of
from dragoman.records.exchange import Detail, Row
from dragoman.store.schema import KEY_STEPS_PER_MS, exchange

_LISTS = ("tags", "tools_called", "flags")
_OURS = ("key", "deleted_ns", "is_finished", "input_total")
"""Columns that are no field of a row."""

FIELDS = tuple(column.name for column in exchange.columns if column.name not in _OURS)
COLUMNS: tuple[sa.Column[Any], ...] = tuple(exchange.c[name] for name in FIELDS)
"""What a query selects to make rows of."""
STORED = (*FIELDS, "key", "is_finished", "input_total")
"""What a stored row consists of, in the order of `to_values`."""

_PLAIN = tuple(name for name in FIELDS if name not in _LISTS)
_get_plain = attrgetter(*_PLAIN)
_get_lists = attrgetter(*_LISTS)
_LOSSES = (*_PLAIN, *_LISTS).index("losses")
_ORDER = [(*_PLAIN, *_LISTS).index(name) for name in FIELDS]
_strings = msgspec.json.Decoder(list[str])

Facts = msgspec.defstruct(
    "Facts",
    [
        (one.name, one.type, msgspec.field(default_factory=one.default_factory))
        if one.default_factory is not msgspec.NODEFAULT
        else (one.name, one.type, msgspec.field(default=one.default))
        for one in msgspec.structs.fields(Detail)
        if one.name != "row"
    ],
    kw_only=True,
    omit_defaults=True,
    module=__name__,
)
_get_facts = attrgetter(*Facts.__struct_fields__)
_facts_encoder = msgspec.msgpack.Encoder()
_facts_decoder = msgspec.msgpack.Decoder(Facts)


def time_of(row: Row) -> int:
    """Return the milliseconds since 1970 that a row is filed under: those of its id, else of its start."""
    return wall_ms_of(row.id) if is_ulid(row.id) else row.started_ns // 1_000_000


def key_of(ms: int) -> int:
    """Return the lowest key of a millisecond."""
    return ms * KEY_STEPS_PER_MS


def to_values(row: Row, key: int, *, is_finished: bool) -> tuple[Any, ...]:
    lists = [_strings_to_text(one) for one in _get_lists(row)]
    plain = [*_get_plain(row), *lists]
    plain[_LOSSES] = row.losses or None  # unset rather than 0, which keeps its index small
    known = [row.input_fresh, row.cache_read, row.cache_write_5m, row.cache_write_1h]
    amounts = [one for one in known if one is not None]
    return (*[plain[place] for place in _ORDER], key, is_finished, sum(amounts) if amounts else None)


def from_values(values: Any) -> Row:
    """Make a row from the values of `COLUMNS`."""
    made = dict(zip(FIELDS, values, strict=False))
    for name in _LISTS:
        made[name] = _strings.decode(made[name]) if made[name] else []
    made["losses"] = made["losses"] or 0
    for name in ("is_streamed", "is_estimated", "is_untouched"):
        made[name] = None if made[name] is None else bool(made[name])
    return Row(**made)


def _strings_to_text(values: list[str]) -> str | None:
    return msgspec.json.encode(values).decode() if values else None


def labels_of(row: Row, key: int) -> set[tuple[str, str, int]]:
    """Return the labels of a row, as (kind, value, key)."""
    made = {("tool", one, key) for one in row.tools_called}
    made |= {("has", one, key) for one in row.flags}
    made |= {("tag", one, key) for one in row.tags}
    return made


def facts_to_bytes(detail: Detail) -> bytes:
    return _facts_encoder.encode(Facts(**dict(zip(Facts.__struct_fields__, _get_facts(detail), strict=True))))


def bytes_to_detail(row: Row, data: bytes) -> Detail:
    facts = _facts_decoder.decode(data)
    return Detail(row=row, **dict(zip(Facts.__struct_fields__, _get_facts(facts), strict=True)))
