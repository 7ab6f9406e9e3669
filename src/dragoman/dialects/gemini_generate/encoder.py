"""Deltas of any dialect written as a stream of Gemini: pieces, each in the shape of a reply.

They are events, or the elements of one JSON array for a client that did not ask for events (`alt=sse`).
Calls come whole. There is nothing that could be sent as a ping: the official SDK reads each line as JSON.
"""

import msgspec

from dragoman.canonical import (
    AnyPart,
    Delta,
    Loss,
    PartEnded,
    PartGrew,
    PartStarted,
    Reasoning,
    Refusal,
    ReplyEnded,
    ReplyError,
    ReplyProgressed,
    ReplyStarted,
    StopReason,
    Text,
    Usage,
)
from dragoman.dialects.assembler import Assembler, settle_stop
from dragoman.dialects.base import ReplyTarget
from dragoman.dialects.errors import render_error
from dragoman.dialects.gemini_generate.reply_writing import (
    lost_of,
    named,
    write_last,
    write_said,
    write_thought,
    write_usage,
)
from dragoman.dialects.gemini_generate.request import is_array
from dragoman.dialects.gemini_generate.wire import NAME
from dragoman.dialects.values import JsonObject, to_json

_BROKEN_OFF = "the upstream's stream ended before the reply was complete"
_PLACEHOLDER = "\ue000"
_encode = msgspec.json.Encoder().encode


class GeminiEncoder:
    """Writes one stream."""

    def __init__(self, target: ReplyTarget) -> None:
        self._target = target
        self._frame = _Elements() if is_array(target.prompt) else _Events()
        self._named: JsonObject | None = None
        self._text: tuple[bytes, bytes] = (b"", b"")
        self._assembler = Assembler()
        self._growing: dict[int, AnyPart] = {}
        self._told: dict[int, int] = {}
        """How many letters of a part were written."""
        self._ended: set[int] = set()
        self._stop: tuple[StopReason | None, str | None] = (None, None)
        self._usage: Usage | None = None
        self._is_over = False
        self.losses: list[Loss] = []

    def feed(self, deltas: list[Delta]) -> bytes:
        """Write what the deltas say; see base.Encoder."""
        out: list[bytes] = []
        for delta in deltas:
            if not self._is_over:
                self._take(delta, out)
        return b"".join(out)

    def ping(self) -> bytes:
        return b""

    def fail(self, error: ReplyError, status: int) -> bytes:
        """Write the piece that says what went wrong."""
        if self._is_over:
            return b""
        self._is_over = True
        return self._frame.last(render_error(NAME, status, error.code or "", error.message))

    def end(self) -> bytes:
        """Say that the upstream's stream is over; before its own end, that is a failure."""
        return b"" if self._is_over else self.fail(ReplyError(message=_BROKEN_OFF), 502)

    def _take(self, delta: Delta, out: list[bytes]) -> None:
        match delta:
            case PartGrew() if not delta.choice:
                self._grow(delta, out)
            case PartStarted() if not delta.choice:
                self._assembler.add([delta])
                self._growing[delta.part] = delta.value
                self._say(delta.part, _text_of(delta.value), out)
            case PartEnded() if not delta.choice:
                self._finish(delta, out)
            case ReplyStarted():
                self._name(delta.id, delta.model)
            case ReplyProgressed() if not delta.choice:
                reason, native = self._stop
                self._stop = (delta.stop_reason or reason, delta.native_stop_reason or native)
                self._usage = delta.usage or self._usage
                if delta.error is not None:
                    out.append(self.fail(delta.error, 500))
            case ReplyEnded():
                self._close(out)
            case _:
                pass

    def _name(self, given: str | None, model: str | None) -> None:
        if self._named is not None:
            return
        self._named = named(given, model, self._target)
        before, _, after = to_json(self._piece([{"text": _PLACEHOLDER}])).partition(f'"{_PLACEHOLDER}"')
        self._text = (before.encode(), after.encode())

    def _piece(self, parts: list[JsonObject], **more: object) -> JsonObject:
        if self._named is None:
            self._name(None, None)
        last = {key: one for key, one in more.items() if key == "finishReason"}
        rest = {key: one for key, one in more.items() if key != "finishReason"}
        candidate = {"content": {"parts": parts, "role": "model"}, **last, "index": 0}
        return {"candidates": [candidate], **rest, **(self._named or {})}

    def _written(self, parts: list[JsonObject], **more: object) -> bytes:
        return self._frame.piece(to_json(self._piece(parts, **more)).encode())

    def _grow(self, delta: PartGrew, out: list[bytes]) -> None:
        self._assembler.add([delta])
        self._say(delta.part, delta.text or delta.summary, out)

    def _say(self, number: int, text: str, out: list[bytes]) -> None:
        """Write more of a text or a thought."""
        value = self._growing.get(number)
        if not text or not isinstance(value, Text | Refusal | Reasoning):
            return
        self._told[number] = self._told.get(number, 0) + len(text)
        if isinstance(value, Reasoning):
            out.append(self._written([{"text": text, "thought": True}]))
            return
        if self._named is None:
            self._name(None, None)
        try:
            said = _encode(text)
        except UnicodeEncodeError:  # half an emoji
            said = to_json(text).encode()
        out.append(self._frame.piece(self._text[0] + said + self._text[1]))

    def _finish(self, delta: PartEnded, out: list[bytes]) -> None:
        self._assembler.add([delta])
        if delta.value is not None and delta.part not in self._growing:
            self._growing[delta.part] = delta.value
        self._end(delta.part, out)

    def _end(self, number: int, out: list[bytes]) -> None:
        """End a part: tell what comes whole, and what its final form has beyond what was told."""
        if number in self._ended or number not in self._growing:
            return
        self._ended.add(number)
        part = self._parts()[number]
        lost_of(number, part, self.losses)
        if isinstance(part, Text | Refusal | Reasoning):
            self._say(number, _text_of(part)[self._told.get(number, 0) :], out)
            seal = write_thought(part, "") if isinstance(part, Reasoning) else None
            written = [seal] if seal is not None else []
        else:
            whole = write_said(number, part, self._target)
            written = [] if whole is None else [whole]
        if written:
            out.append(self._written(written))

    def _parts(self) -> dict[int, AnyPart]:
        return dict(zip(sorted(self._growing), self._assembler.reply().message.parts, strict=False))

    def _close(self, out: list[bytes]) -> None:
        for number in sorted(self._growing):
            self._end(number, out)
        reason, native = self._stop
        parts = self._assembler.reply().message.parts
        last = write_last(settle_stop(reason, parts), native, self.losses)
        usage = write_usage(self._usage)
        out.append(self._written([{"text": ""}], **last, usageMetadata=usage) + self._frame.end())
        self._is_over = True


def _text_of(part: AnyPart) -> str:
    match part:
        case Text() | Refusal():
            return part.text
        case Reasoning():
            return part.text or part.summary
        case _:
            return ""


class _Events:
    """Pieces as events."""

    def piece(self, data: bytes) -> bytes:
        return b"data: " + data + b"\r\n\r\n"

    def last(self, data: bytes) -> bytes:
        """Write the piece that breaks the stream off; a line before it ends what may have been begun."""
        return b"\r\n\r\n" + self.piece(data)

    def end(self) -> bytes:
        return b""


class _Elements:
    """Pieces as the elements of an array."""

    def __init__(self) -> None:
        self._lead = b"["

    def piece(self, data: bytes) -> bytes:
        lead, self._lead = self._lead, b",\r\n"
        return lead + data

    def last(self, data: bytes) -> bytes:
        return self.piece(data) + self.end()

    def end(self) -> bytes:
        return b"]"
