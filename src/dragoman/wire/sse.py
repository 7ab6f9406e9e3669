"""Server-sent events out of bytes that come cut anywhere.

Promise: each event comes with its place in the body, so that a viewer can show where and when it arrived. As
the standard has it, only CR, LF and CRLF end a line (a U+2028 inside of text does not), a `data:` needs no
space after it, several `data:` lines are joined, and comments are skipped. Other than the standard, an event
that the body's end cuts off is handed out too, since it is part of the record, and so is an `error:` field.
Does not decode JSON.
https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation, seen 2026-11-21
"""

from typing import NamedTuple

_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event: its `event:` name ("" when it has none), its data, and where it stands in the body."""

    type: str
    data: bytes
    start: int
    end: int
    """After the blank line that ends it."""


class SseParser:
    """Feed it the body piece by piece; it hands out events as soon as their blank line has come."""

    __slots__ = ("_at", "_data", "_has_data", "_holds_cr", "_is_begun", "_partial", "_start", "_type")

    def __init__(self) -> None:
        self._partial: list[bytes] = []
        self._at = 0
        self._start = 0
        self._type = ""
        self._data: list[bytes] = []
        self._has_data = False
        self._is_begun = False
        self._holds_cr = False
        """A CR came last: whether its line ends here or after an LF, the next byte tells."""

    def feed(self, data: bytes) -> list[Event]:
        """Take more bytes; returns the events that are now whole."""
        if not self._holds_cr and b"\n" not in data and b"\r" not in data:
            if data:
                self._partial.append(data)
            return []
        if not data:
            return []
        if self._partial:
            self._partial.append(data)
            data = b"".join(self._partial)
            self._partial.clear()
        lines = data.splitlines(keepends=True)
        self._holds_cr = data.endswith(b"\r")
        if not data.endswith(b"\n"):
            self._partial.append(lines.pop())
        events: list[Event] = []
        for line in lines:
            self._take(line, events)
        return events

    def end(self) -> list[Event]:
        """Say that the body is over; returns the event that it cut off, if any."""
        events: list[Event] = []
        rest = b"".join(self._partial)
        self._partial.clear()
        if rest:
            self._take(rest, events)
        self._dispatch(events)
        return events

    def _take(self, line: bytes, events: list[Event]) -> None:
        start = self._at
        self._at = start + len(line)
        if start == 0 and line.startswith(_BOM):
            line = line[3:]
        text = line.rstrip(b"\r\n")
        if not text:
            self._dispatch(events)
            return
        if not self._is_begun:
            self._is_begun = True
            self._start = start
        if text.startswith(b"data:"):
            self._data.append(text[6:] if text[5:6] == b" " else text[5:])
            self._has_data = True
        elif text.startswith(b"event:"):
            self._type = (text[7:] if text[6:7] == b" " else text[6:]).decode("utf-8", "replace")
        elif text.startswith(b"error:") and not self._has_data:
            # llama.cpp tells a failure in a field of its own. Observed only: corpus/openai-chat, d2b3e059494a97d3
            self._type = "error"
            self._data.append(text[6:].lstrip())
            self._has_data = True
        elif text == b"data":
            self._data.append(b"")
            self._has_data = True

    def _dispatch(self, events: list[Event]) -> None:
        if self._has_data:
            data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            events.append(Event(self._type, data, self._start, self._at))
            self._data.clear()
            self._has_data = False
        self._type = ""
        self._is_begun = False
