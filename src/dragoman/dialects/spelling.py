"""How the wire spelled what the canonical form holds in one way only: noted on the way in, used on the way out.

A dialect that has two spellings for one thing (a text or a list of blocks; nothing, null or an empty list) compares
what it would write with what it read, and keeps the difference in `extra`, under its own name and the key `$`.
Promise: a note never hides a value: where the canonical form says something by now, that is written.
"""

from typing import Any

import msgspec

from dragoman.canonical import Extra
from dragoman.dialects.values import JsonObject

FORM = "$"
"""The key of the notes. They are no loss in another dialect: their matter is in the canonical form."""


def form_of(extra: Extra, name: str) -> JsonObject:
    """Return the notes that lie under a dialect's name."""
    left = extra.get(name)
    return left.get(FORM) or {} if left else {}


def with_form(extra: Extra, name: str, notes: JsonObject) -> Extra:
    """Add notes; returns `extra` as it is when there are none."""
    if not notes:
        return extra
    left = extra.get(name) or {}
    return {**extra, name: {**left, FORM: {**left.get(FORM, {}), **notes}}}


def difference(written: JsonObject, given: JsonObject) -> JsonObject:
    """Say what `written` lacks of `given`, because it says nothing (`silent`), and what it has too much (`absent`)."""
    silent = {key: value for key, value in given.items() if not written.get(key) and not _is_same(written, key, value)}
    absent = [key for key in written if key not in given]
    notes: JsonObject = {}
    if silent:
        notes["silent"] = silent
    if absent:
        notes["absent"] = absent
    return notes


def spell(written: JsonObject, extra: Extra, name: str) -> JsonObject:
    """Give `written` the fields that `extra` keeps, and the spelling that was noted. Changes it and returns it."""
    left = extra.get(name)
    if not left:
        return written
    for key, value in left.items():
        if key != FORM:
            written[key] = value
    form = left.get(FORM)
    if form:
        for key, value in form.get("silent", {}).items():
            if not written.get(key):
                written[key] = value
        for key in form.get("absent", ()):
            if not written.get(key):
                written.pop(key, None)
    return written


def noted(thing: Any, name: str, notes: JsonObject) -> Any:
    """Return a canonical struct with notes in its `extra`."""
    return msgspec.structs.replace(thing, extra=with_form(thing.extra, name, notes)) if notes else thing


def _is_same(written: JsonObject, key: str, value: Any) -> bool:
    """Tell 0 from false and from 0.0."""
    if key not in written:
        return False
    found = written[key]
    return found == value and type(found) is type(value)
