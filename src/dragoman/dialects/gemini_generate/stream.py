"""Gemini's streams decoded: replies in pieces, as events or as the elements of one JSON array.

Each piece has the shape of a whole reply. Figures are cumulative; nothing but the end of the body says that no more
comes, so a stream is complete when a reason of ending was told. Which framing it is, the first byte says.
Facts: wire-facts 6; arguments in pieces: google-genai 3.4.0 (`PartialArg`), corpus/gemini bca2baec44b0980d.
"""

from typing import Any

import msgspec

from dragoman.canonical import (
    AnyPart,
    Delta,
    PartEnded,
    PartGrew,
    PartStarted,
    Reasoning,
    Refusal,
    ReplyEnded,
    ReplyProgressed,
    ReplyStarted,
    Text,
    ToolCall,
)
from dragoman.dialects.frames import Notes, SseFrames
from dragoman.dialects.gemini_generate.arguments import GrowingCall
from dragoman.dialects.gemini_generate.parts import read_part, seal_of
from dragoman.dialects.gemini_generate.reply import Candidate, error_of, read_block, read_candidates
from dragoman.dialects.gemini_generate.wire import LEFT, camel, camel_of, read_usage
from dragoman.dialects.values import JsonObject, as_text, text_of
from dragoman.wire.json_array import JsonArrayParser

_KNOWN = frozenset({"candidates", "usageMetadata", "modelVersion", "responseId", "error"})
_SPACE = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"


class GeminiDecoder:
    """Turns one stream into deltas."""

    def __init__(self) -> None:
        self._frames: _ArrayFrames | SseFrames | None = None
        self._held = b""
        self._choices: dict[int, _Choice] = {}
        self._is_started = False
        self._has_reason = False
        self._has_failed = False

    @property
    def warnings(self) -> list[str]:
        return self._frames.notes.warnings if self._frames is not None else []

    def feed(self, data: bytes) -> list[Delta]:
        """Take the next bytes of the body; see base.Decoder."""
        if self._frames is None:
            data = (self._held + data).removeprefix(_BOM).lstrip(_SPACE)
            self._held = data
            if not data or _BOM.startswith(data):
                return []
            self._frames, self._held = (_ArrayFrames() if data[:1] in b"[{" else SseFrames()), b""
        return self._take_all(self._frames.feed(data), self._frames.notes)

    def end(self) -> list[Delta]:
        """Say that the body is over."""
        if self._frames is None:
            return []
        deltas = self._take_all(self._frames.end(), self._frames.notes)
        for choice in self._choices.values():
            choice.close(deltas)
        if self._has_reason and not self._has_failed:
            deltas.append(ReplyEnded())
        return deltas + self._frames.notes.end()

    def _take_all(self, frames: list[tuple[str, Any]], notes: Notes) -> list[Delta]:
        deltas: list[Delta] = []
        for _, value in frames:
            if isinstance(value, dict):
                self._take(camel(value), deltas)
            elif value is not SseFrames.DONE:
                notes.warn(f"piece skipped: found a JSON {type(value).__name__}, expected an object")
        return notes.sound(deltas)

    def _take(self, given: JsonObject, deltas: list[Delta]) -> None:
        error = error_of(given)
        if error is not None:
            self._has_failed = True
            deltas.append(ReplyProgressed(error=error, stop_reason="error"))
            return
        if not self._is_started:
            self._is_started = True
            deltas.append(ReplyStarted(id=text_of(given, "responseId"), model=text_of(given, "modelVersion")))
        for candidate in read_candidates(given):
            self._grow(candidate, deltas)
        self._grow(read_block(given), deltas)
        usage = read_usage(camel_of(given, "usageMetadata"))
        left = LEFT.rest(given, _KNOWN)
        if usage is not None or left:
            deltas.append(ReplyProgressed(usage=usage, extra=left))

    def _grow(self, candidate: Candidate, deltas: list[Delta]) -> None:
        choice = self._choices.setdefault(candidate.number, _Choice(candidate.number))
        for value in candidate.values:
            choice.take(value, deltas)
        if candidate.refusal:
            choice.begin(Refusal(text=candidate.refusal), deltas)
        if candidate.native is None and not candidate.extra:
            return
        self._has_reason = self._has_reason or candidate.native is not None
        if candidate.native is not None:
            choice.close(deltas)
        deltas.append(
            ReplyProgressed(
                choice=candidate.number,
                stop_reason=candidate.stop_reason,
                native_stop_reason=candidate.native,
                extra=candidate.extra if not candidate.number else {},
            )
        )


class _ArrayFrames:
    """Elements of an array, or one object alone, as (name, JSON value)."""

    def __init__(self) -> None:
        self._parser = JsonArrayParser()
        self._is_alone: bool | None = None
        self.notes = Notes()

    def feed(self, data: bytes) -> list[tuple[str, Any]]:
        if self._is_alone is None:
            self._is_alone = data[:1] == b"{"
            data = b"[" + data if self._is_alone else data  # an object alone: some servers answer whole
        return [
            ("", value) for one in self._parser.feed(data) if (value := self._read(one.data, one.start)) is not None
        ]

    def end(self) -> list[tuple[str, Any]]:
        rest = self._parser.end()
        if rest is not None:
            self.notes.warn(f"element at byte {rest.start} broke off")
        return []

    def _read(self, data: bytes, start: int) -> Any:
        return self.notes.read(data, start)


class _Choice:
    """The parts of one candidate as they grow."""

    __slots__ = ("_call", "_next", "_number", "_open")

    def __init__(self, number: int) -> None:
        self._number = number
        self._next = 0
        self._open: type[AnyPart] | None = None
        """What grows; None when the last part is whole."""
        self._call: GrowingCall | None = None

    def take(self, value: Any, deltas: list[Delta]) -> None:
        """Take one part of a piece."""
        one = camel(value)
        told = camel_of(one, "functionCall")
        if "functionCall" in one and (self._call is not None or told.get("willContinue") is True):
            self._take_call(value, told, deltas)
            return
        for part in read_part(value):
            if isinstance(part, Text) and not part.extra:
                self._say(Text(text=""), part.text, None, deltas)
            elif isinstance(part, Reasoning) and one.get("thought") is True and not part.extra:
                self._say(Reasoning(), as_text(one.get("text")), seal_of(one), deltas)
            else:
                self.begin(part, deltas)
                self.close(deltas)

    def _take_call(self, value: Any, told: JsonObject, deltas: list[Delta]) -> None:
        """Take a piece of a call whose arguments come one by one; they are told when the call is whole."""
        if self._call is None or told.get("name"):
            self.close(deltas)
            for part in read_part(value):
                is_call = isinstance(part, ToolCall)
                self.begin(msgspec.structs.replace(part, arguments="") if is_call else part, deltas)
                if not is_call:
                    self.close(deltas)
            self._call = GrowingCall()
        self._call.take(told)
        if told.get("willContinue") is not True:
            self.close(deltas)

    def _say(self, part: AnyPart, text: str, signature: str | None, deltas: list[Delta]) -> None:
        """Say more of a text or of a thought."""
        if not text and not signature:
            return
        if self._open is not type(part):
            self.begin(part, deltas)
        deltas.append(PartGrew(part=self._next - 1, choice=self._number, text=text, signature=signature))
        if signature:  # it ends a thought; what follows is another's
            self.close(deltas)

    def begin(self, part: AnyPart, deltas: list[Delta]) -> None:
        self.close(deltas)
        deltas.append(PartStarted(part=self._next, value=part, choice=self._number))
        self._open = type(part)
        self._next += 1

    def close(self, deltas: list[Delta]) -> None:
        """Say that the part which grows is whole."""
        if self._open is None:
            return
        part = self._next - 1
        if self._call is not None:
            deltas.append(PartGrew(part=part, choice=self._number, arguments=self._call.arguments()))
            self._call = None
        deltas.append(PartEnded(part=part, choice=self._number))
        self._open = None
