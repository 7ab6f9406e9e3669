"""Streamed bodies read as JSON values, one per event or line, with a note of what could not be read.

Every decoder of a dialect holds one of these and hands its deltas through `sound` before giving them out.
Promise: nothing here raises on odd input; each odd frame is skipped and noted, at most 20 of them.
"""

from typing import Any

import msgspec

from dragoman.canonical import Delta, PartGrew
from dragoman.dialects.values import LENIENT, load, mend, mend_text
from dragoman.wire.ndjson import NdjsonParser
from dragoman.wire.sse import SseParser

MAX_WARNINGS = 20

_GROWN = ("text", "summary", "arguments")


class Notes:
    """Warnings, each said once, and the mending of halves of emoji that came in two deltas."""

    __slots__ = ("_held", "_is_lenient", "warnings")

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._is_lenient = False
        self._held: dict[tuple[int, int, str], str] = {}

    def warn(self, text: str) -> None:
        if len(self.warnings) < MAX_WARNINGS and text not in self.warnings:
            self.warnings.append(text)

    def read(self, data: bytes, start: int) -> Any:
        """Read the JSON of one frame that stands at byte `start`; None, with a warning, when it is none."""
        try:
            value, is_lenient = load(data)
        except ValueError as problem:
            self.warn(f"frame at byte {start} skipped: no JSON ({problem})")
            return None
        if is_lenient:
            self._is_lenient = True
            self.warn(LENIENT)
        return value

    def sound(self, deltas: list[Delta]) -> list[Delta]:
        """Return deltas that can be written as UTF-8; costs nothing unless a frame held lone surrogates."""
        return [self._sound(delta) for delta in deltas] if self._is_lenient else deltas

    def end(self) -> list[Delta]:
        """Return what is still held back of text."""
        held, self._held = self._held, {}
        return [PartGrew(choice=choice, part=part, **{field: "\ufffd"}) for choice, part, field in held]

    def _sound(self, delta: Delta) -> Delta:
        if not isinstance(delta, PartGrew):
            return msgspec.convert(mend(msgspec.to_builtins(delta)), type(delta))
        changes: dict[str, Any] = {}
        for field in _GROWN:
            place = (delta.choice, delta.part, field)
            text = self._held.pop(place, "") + getattr(delta, field)
            if text and "\ud800" <= text[-1] <= "\udbff":
                self._held[place] = text[-1]
                text = text[:-1]
            changes[field] = mend_text(text)
        return msgspec.structs.replace(delta, annotation=mend(delta.annotation), **changes)


class SseFrames:
    """Server-sent events as (name, JSON value); `[DONE]` comes as the value `DONE`."""

    __slots__ = ("_parser", "notes")

    DONE = object()

    def __init__(self) -> None:
        self._parser = SseParser()
        self.notes = Notes()

    def feed(self, data: bytes) -> list[tuple[str, Any]]:
        return self._read(self._parser.feed(data))

    def end(self) -> list[tuple[str, Any]]:
        return self._read(self._parser.end())

    def _read(self, events: list[Any]) -> list[tuple[str, Any]]:
        frames: list[tuple[str, Any]] = []
        for event in events:
            text = event.data
            if text[:1] != b"{":
                text = text.strip()
                if text == b"[DONE]":
                    frames.append((event.type, self.DONE))
                    continue
                if not text:
                    continue
            value = self.notes.read(text, event.start)
            if value is not None:
                frames.append((event.type, value))
        return frames


class NdjsonFrames:
    """Lines of JSON."""

    __slots__ = ("_parser", "notes")

    def __init__(self) -> None:
        self._parser = NdjsonParser()
        self.notes = Notes()

    def feed(self, data: bytes) -> list[Any]:
        return self._read(self._parser.feed(data))

    def end(self) -> list[Any]:
        return self._read(self._parser.end())

    def _read(self, lines: list[Any]) -> list[Any]:
        values = (self.notes.read(line.data, line.start) for line in lines)
        return [value for value in values if value is not None]
