"""Say in words why the JSON of a request does not fit: what was found, what was expected.

msgspec names the place and the type; which members and values a place allows is read off the type here.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import inspect

from dragoman.errors import BadRequest

_STEP = re.compile(r"\.([^.\[\]]+)|\[(?:\d+|\.\.\.)\]")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_NO_CHOICE = re.compile(r"Invalid enum value (.*)", re.DOTALL)
_MOST_SHOWN = 80


def misfit(kind: type, complaint: str) -> BadRequest:
    """Make the error for what msgspec said of a value that should have been a `kind`."""
    what, _, path = complaint.partition(" - at `$")
    path = path.rstrip("`")
    places = _at([inspect.type_info(kind)], path)
    if unknown := _UNKNOWN.fullmatch(what):
        names = [one.encode_name for place in places if isinstance(place, inspect.StructType) for one in place.fields]
        what = f"`{unknown[1][:_MOST_SHOWN]}` is not known here; known: {', '.join(names)}"
    elif found := _NO_CHOICE.fullmatch(what):
        values = [str(one) for place in places for one in _choices(place)]
        what = f"found {found[1][:_MOST_SHOWN]}, expected one of {', '.join(values)}"
    return BadRequest(what, field=path.lstrip(".") or None)


def _at(places: Iterable[inspect.Type], path: str) -> list[inspect.Type]:
    """Follow a path such as `.targets[0].dialect` from types to the types that stand there."""
    found = [one for place in places for one in _alternatives(place)]
    for step in _STEP.finditer(path):
        below = [kind for place in found if (kind := _below(place, step[1])) is not None]
        found = [one for kind in below for one in _alternatives(kind)]
    return found


def _alternatives(place: inspect.Type) -> Iterator[inspect.Type]:
    if isinstance(place, inspect.UnionType):
        yield from place.types
    else:
        yield place


def _below(place: inspect.Type, name: str | None) -> inspect.Type | None:
    """Give the type of a member, or of a list's items where there is no name."""
    match place:
        case inspect.StructType():
            return next((one.type for one in place.fields if one.encode_name == name), None)
        case inspect.ListType() | inspect.VarTupleType():
            return place.item_type
        case inspect.DictType():
            return place.value_type
        case _:
            return None


def _choices(place: inspect.Type) -> Iterable[Any]:
    match place:
        case inspect.LiteralType():
            return place.values
        case inspect.EnumType():
            return [one.value for one in place.cls]
        case _:
            return ()
