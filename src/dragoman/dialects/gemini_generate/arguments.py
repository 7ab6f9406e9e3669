"""The arguments of a call that come one by one: each a value, or a piece of a text, with its place as a JSON path.

Facts: google-genai 3.4.0 (`PartialArg`: `$.foo.bar[0].data`), corpus/gemini bca2baec44b0980d.
Promise: never raises; a place that cannot be read, or that does not fit what is there, is left out.
"""

import re
from itertools import pairwise
from typing import Any

from dragoman.dialects.gemini_generate.wire import camel
from dragoman.dialects.values import JsonObject, objects_of, to_json

_STEP = re.compile(r"""\.([^.\[\]]+)|\[(\d{1,4})\]|\[['"]([^\]]*)['"]\]""")
_VALUES = ("stringValue", "numberValue", "boolValue", "nullValue")

Step = str | int


class GrowingCall:
    """Puts the arguments of one call together."""

    def __init__(self) -> None:
        self._root: Any = {}

    def take(self, told: JsonObject) -> None:
        """Take a piece: arguments as a whole, or some of them."""
        if isinstance(told.get("args"), dict) and isinstance(self._root, dict):
            self._root.update(told["args"])
        for one in objects_of(told, "partialArgs"):
            given = camel(one)
            key = next((key for key in _VALUES if key in given), None)
            steps = _steps(given.get("jsonPath"))
            if key is not None and steps:
                self._put(steps, None if key == "nullValue" else given[key])

    def arguments(self) -> str:
        return to_json(self._root)

    def _put(self, steps: list[Step], value: Any) -> None:
        """Put a value in its place; a text goes on where one was begun."""
        holder = self._root
        for step, following in pairwise(steps):
            inner = _at(holder, step)
            if not isinstance(inner, dict | list):
                inner = [] if isinstance(following, int) else {}
                if not _set(holder, step, inner):
                    return
            holder = inner
        old = _at(holder, steps[-1])
        is_more = isinstance(old, str) and isinstance(value, str)
        _set(holder, steps[-1], old + value if is_more else value)


def _steps(path: Any) -> list[Step]:
    if not isinstance(path, str) or not path.startswith("$"):
        return []
    found = list(_STEP.finditer(path, 1))
    if "".join(one[0] for one in found) != path[1:]:
        return []
    return [int(one[2]) if one[2] else one[1] or one[3] or "" for one in found]


def _at(holder: Any, step: Step) -> Any:
    if isinstance(holder, list) and isinstance(step, int):
        return holder[step] if step < len(holder) else None
    return holder.get(step) if isinstance(holder, dict) and isinstance(step, str) else None


def _set(holder: Any, step: Step, value: Any) -> bool:
    """Set a value; False when the place does not fit."""
    if isinstance(holder, dict) and isinstance(step, str):
        holder[step] = value
        return True
    if isinstance(holder, list) and isinstance(step, int):
        holder.extend([None] * (step + 1 - len(holder)))
        holder[step] = value
        return True
    return False
