"""Elements of a JSON array out of bytes that come cut anywhere.

Promise: each element that is an object or a list comes as soon as its last bracket has come, with its place in the
body; what stands between elements is skipped. Linear in the body's length. Does not decode JSON: an element may turn
out to be none.
"""

import re
from typing import NamedTuple

_OUTSIDE = re.compile(rb'["\[\]{}]')
_INSIDE = re.compile(rb'["\\]')
_DEPTH = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}


class Element(NamedTuple):
    """One element, and where it stands in the body."""

    data: bytes
    start: int
    end: int


class JsonArrayParser:
    """Feed it the body piece by piece; it hands out elements as soon as they are whole."""

    __slots__ = ("_at", "_depth", "_is_escaped", "_is_inside", "_kept", "_start")

    def __init__(self) -> None:
        self._at = 0
        self._depth = 0
        self._is_inside = False
        self._is_escaped = False
        self._start: int | None = None
        """Where the open element begins, counted in the body."""
        self._kept: list[bytes] = []

    def feed(self, data: bytes) -> list[Element]:
        """Take more bytes; returns the elements that are now whole."""
        elements: list[Element] = []
        begin = 0 if self._start is not None else -1
        place = 0
        while place < len(data):
            found = self._next(data, place)
            if found < 0:
                break
            place = found + 1
            step = self._step(data[found])
            if step > 0 and self._depth == 2:
                begin, self._start = found, self._at + found
            elif step < 0 and self._depth == 1 and self._start is not None:
                whole = b"".join([*self._kept, data[begin:place]])
                elements.append(Element(whole, self._start, self._at + place))
                self._kept, self._start, begin = [], None, -1
        if begin >= 0:
            self._kept.append(data[begin:])
        self._at += len(data)
        return elements

    def end(self) -> Element | None:
        """Say that the body is over; returns the element that broke off, if one did."""
        if self._start is None:
            return None
        start, self._start = self._start, None
        return Element(b"".join(self._kept), start, self._at)

    def _next(self, data: bytes, place: int) -> int:
        """Find the next byte that matters; -1 when there is none."""
        if self._is_escaped:
            self._is_escaped = False
            place += 1
        while place < len(data):
            found = (_INSIDE if self._is_inside else _OUTSIDE).search(data, place)
            if found is None:
                return -1
            at = found.start()
            if data[at] == ord('"'):
                self._is_inside = not self._is_inside
                place = at + 1
            elif data[at] == ord("\\"):
                if at + 1 == len(data):
                    self._is_escaped = True
                place = at + 2
            else:
                return at
        return -1

    def _step(self, byte: int) -> int:
        step = _DEPTH[byte]
        self._depth = max(self._depth + step, 0)
        return step
