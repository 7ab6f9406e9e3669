"""JSON from outside, taken with care: read leniently, looked at field by field.

Promise: what comes out can be written again as UTF-8. The fast decoder refuses lone surrogates, NaN and
numbers out of range, all of which providers and clients do send; then the standard library's takes over.
"""

import json
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from dragoman.canonical import Extra
from dragoman.dialects.base import Unreadable

JsonObject = dict[str, Any]

LENIENT = "unparsed: the JSON holds lone surrogates, NaN or broken UTF-8, and was read leniently"

_NOT_STRICT = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def load(data: bytes) -> tuple[Any, bool]:
    """Read JSON; the flag says that it took the lenient way, and strings may then hold lone surrogates.

    Raises ValueError when it is no JSON either way.
    """
    try:
        return _decode(data), False
    except _NOT_STRICT as problem:
        try:
            return json.loads(_text(data)), True
        except (ValueError, RecursionError):
            raise ValueError(str(problem)) from problem


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


def mend(value: Any) -> Any:
    """Join halves of surrogate pairs and replace lone ones by U+FFFD, in all strings of a JSON value."""
    if isinstance(value, str):
        return mend_text(value)
    if isinstance(value, list):
        return [mend(one) for one in value]
    if isinstance(value, dict):
        return {mend_text(key): mend(one) for key, one in value.items()}
    return value


def mend_text(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


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
    except (*_NOT_STRICT, UnicodeEncodeError):
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


def _text(data: bytes) -> str:
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")


def _excerpt(body: bytes) -> str:
    return "nothing" if not body.strip() else repr(body[:40].decode("utf-8", "replace"))
