"""What the canonical form cannot tell apart of the wire, noted on the way in and used on the way out.

A text may stand alone or in a list, a key may be null or missing, a number may come as a text. Reading compares what
writing would give with what came (`unlike`), and notes the difference beside the part it belongs to (`spelling.FORM`).
Promise: noted values come back to the letter while the thing says what it said; once it was changed, what it says
now is written (`settled` reads it again to know).
"""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from dragoman.canonical import Extra, Message, ToolResult
from dragoman.dialects.spelling import FORM
from dragoman.dialects.values import JsonObject

_T = TypeVar("_T")


def unlike(written: JsonObject, given: JsonObject) -> JsonObject:
    """Note what of `given` differs in `written` (`raw`), and what it has not at all (`absent`)."""
    raw = {key: value for key, value in given.items() if key not in written or not is_exact(written[key], value)}
    absent = [key for key in written if key not in given]
    notes: JsonObject = {}
    if raw:
        notes["raw"] = raw
    if absent:
        notes["absent"] = absent
    return notes


def settled(written: JsonObject, notes: JsonObject, is_meant: Callable[[JsonObject], bool]) -> JsonObject:
    """Put noted values back into `written`; where they replace some, only if the whole `is_meant`."""
    raw, absent = notes.get("raw") or {}, notes.get("absent") or ()
    if not raw and not absent:
        return written
    whole = {**{key: value for key, value in written.items() if key not in absent}, **raw}
    is_sure = not absent and not raw.keys() & written.keys()
    if is_sure or is_meant(whole):
        return whole
    return {**{key: value for key, value in raw.items() if not value}, **written}


def bare(thing: _T) -> _T:
    """Return a part, message or tool without its notes, and without those of what lies in it."""
    changes: dict[str, Any] = {}
    extra: Extra = getattr(thing, "extra", {})
    if any(FORM in fields for fields in extra.values()):
        without = {name: {key: one for key, one in fields.items() if key != FORM} for name, fields in extra.items()}
        changes["extra"] = {name: fields for name, fields in without.items() if fields}
    if isinstance(thing, Message | ToolResult):
        changes["parts"] = [bare(part) for part in thing.parts]
    return msgspec.structs.replace(thing, **changes) if changes else thing  # type: ignore[type-var]  # always a Struct


def is_exact(one: Any, other: Any) -> bool:
    """Say whether two JSON values are the same in value and in the types of their numbers."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(is_exact(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(is_exact, one, other))
    return one == other
