"""Lines of JSON out of bytes that come cut anywhere.

Promise: each line comes with its place in the body; blank lines are skipped; a last line without its line
end is handed out at the end. Only LF ends a line (a CR before it is space). Does not decode JSON.
"""

from typing import NamedTuple


class Line(NamedTuple):
    """One line without its end, and where it stands in the body (its end included)."""

    data: bytes
    start: int
    end: int


class NdjsonParser:
    """Feed it the body piece by piece; it hands out lines as soon as their LF has come."""

    __slots__ = ("_at", "_partial")

    def __init__(self) -> None:
        self._partial: list[bytes] = []
        self._at = 0

    def feed(self, data: bytes) -> list[Line]:
        """Take more bytes; returns the lines that are now whole."""
        if b"\n" not in data:
            if data:
                self._partial.append(data)
            return []
        if self._partial:
            self._partial.append(data)
            data = b"".join(self._partial)
            self._partial.clear()
        whole = data.split(b"\n")
        rest = whole.pop()
        if rest:
            self._partial.append(rest)
        return [line for text in whole if (line := self._line(text, 1)) is not None]

    def end(self) -> list[Line]:
        """Say that the body is over; returns what had no line end."""
        rest = b"".join(self._partial)
        self._partial.clear()
        line = self._line(rest, 0)
        return [] if line is None else [line]

    def _line(self, text: bytes, ending: int) -> Line | None:
        start = self._at
        self._at = start + len(text) + ending
        text = text.strip(b" \t\r")
        return Line(text, start, self._at) if text else None
