"""JSON from outside, taken with care: read leniently, looked at field by field.

Promise: what comes out can be written again as UTF-8, whatever came in (`wire.lenient`).
"""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from dragoman.canonical import Extra
from dragoman.dialects.base import Unreadable
from dragoman.wire.lenient import NOT_STRICT, load, mend
from dragoman.wire.lenient import mend_text as mend_text

JsonObject = dict[str, Any]

LENIENT = "unparsed: the JSON holds lone surrogates, NaN or broken UTF-8, and was read leniently"

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def load_object(body: bytes, what: str) -> tuple[JsonObject, list[str]]:
    """Read a whole body that must be an object; returns it with warnings. Raises Unreadable, naming `what`."""
    try:
        value, is_lenient = load(body)
    except ValueError as problem:
        raise Unreadable(f"{what}: found {_excerpt(body)}, expected JSON ({problem})") from problem
    if not isinstance(value, dict):
        raise Unreadable(f"{what}: found a JSON {type(value).__name__}, expected an object")
    if not is_lenient:
        return value, []
    try:
        return mend(value), [LENIENT]
    except RecursionError as problem:
        raise Unreadable(f"{what}: found JSON nested too deeply, expected less") from problem


def as_text(value: Any) -> str:
    """Return a string as it is, nothing for None, and any other value as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else to_json(value)


def to_json(value: Any) -> str:
    try:
        return _encode(value).decode()
    except UnicodeEncodeError:  # a frame that was read leniently
        return _encode(mend(value)).decode()


def text_of(source: JsonObject, key: str) -> str | None:
    """Return a string field; None when it is missing, empty or something else."""
    value = source.get(key)
    return value if isinstance(value, str) and value else None


def object_of(source: JsonObject, key: str) -> JsonObject:
    value = source.get(key)
    return value if isinstance(value, dict) else {}


def list_of(source: JsonObject, key: str) -> list[Any]:
    value = source.get(key)
    return value if isinstance(value, list) else []


def objects_of(source: JsonObject, key: str) -> list[JsonObject]:
    return [one for one in list_of(source, key) if isinstance(one, dict)]


def count_of(source: JsonObject, key: str) -> int | None:
    """Return a whole number that is not negative; None when it is missing or something else."""
    value = source.get(key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def whole_of(source: JsonObject, key: str) -> int | None:
    value = source.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def number_of(source: JsonObject, key: str) -> float | None:
    value = source.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def flag_of(source: JsonObject, key: str) -> bool | None:
    value = source.get(key)
    return value if isinstance(value, bool) else None


def texts_of(source: JsonObject, key: str) -> list[str] | None:
    """Return a list of strings; a single string counts as a list of one."""
    value = source.get(key)
    if isinstance(value, str):
        return [value]
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else None


class Leftovers:
    """Collects what a dialect has and the canonical form has not, under the dialect's name."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def rest(self, source: JsonObject, known: Iterable[str]) -> Extra:
        """Keep all fields of `source` but the known ones; `known` must be a set for speed."""
        return self.these({key: value for key, value in source.items() if key not in known})

    def these(self, fields: JsonObject) -> Extra:
        return {self.name: fields} if fields else {}


def is_json(text: str) -> bool:
    try:
        _decode(text)
    except (*NOT_STRICT, UnicodeEncodeError):
        return False
    return True


def merge_grown(old: Any, new: Any, *, lists: Literal["grow", "replace"], depth: int = 8) -> Any:
    """Join two pieces of a streamed field: objects are joined by key, lists grow or come whole each time, anything
    else is replaced. None never replaces what is known. Below `depth` objects are replaced.
    """
    if new is None:
        return old
    if isinstance(old, list) and isinstance(new, list) and lists == "grow":
        return old + new
    if isinstance(old, dict) and isinstance(new, dict) and depth:
        grown = {key: merge_grown(old.get(key), value, lists=lists, depth=depth - 1) for key, value in new.items()}
        return {**old, **grown}
    return new


def _excerpt(body: bytes) -> str:
    return "nothing" if not body.strip() else repr(body[:40].decode("utf-8", "replace"))
