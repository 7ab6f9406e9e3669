"""Messages' streams decoded: message_start, blocks (start, delta, stop), message_delta, message_stop.

Promise: blocks are told apart by their index; a body that holds several messages, one after the other (a
retry in the middle), goes on counting. Usage is merged: what message_delta repeats replaces what was known.
"""

from typing import Any, Protocol

from dragoman.canonical import (
    AnyPart,
    Delta,
    Other,
    PartEnded,
    PartGrew,
    PartStarted,
    Reasoning,
    ReplyEnded,
    ReplyProgressed,
    ReplyStarted,
    Text,
    ToolCall,
)
from dragoman.dialects.anthropic_messages.content import NAME, read_block, read_call, read_stop, read_usage
from dragoman.dialects.anthropic_messages.reply import leftovers, read_error, stop_sequence_of
from dragoman.dialects.frames import Notes, SseFrames
from dragoman.dialects.values import JsonObject, as_text, list_of, merge_grown, object_of, text_of, to_json, whole_of


class Frames(Protocol):
    """Where the events come from: pairs of a name and a JSON value."""

    notes: Notes

    def feed(self, data: bytes) -> list[tuple[str, Any]]: ...
    def end(self) -> list[tuple[str, Any]]: ...


class MessagesDecoder:
    """Turns one stream into deltas."""

    def __init__(self, frames: Frames | None = None) -> None:
        self._frames: Frames = frames or SseFrames()
        self._usage: JsonObject = {}
        self._blocks: dict[int | None, _Block] = {}
        self._part = 0
        self._has_reason = False
        self._has_failed = False
        self._is_over = False
        self._completion: int | None = None

    @property
    def warnings(self) -> list[str]:
        return self._frames.notes.warnings

    def feed(self, data: bytes) -> list[Delta]:
        """Take the next bytes of the body; see base.Decoder."""
        deltas: list[Delta] = []
        for name, value in self._frames.feed(data):
            self._take(name, value, deltas)
        return self._frames.notes.sound(deltas)

    def end(self) -> list[Delta]:
        """Say that the body is over. One that gave its reason is whole, though message_stop be missing."""
        deltas: list[Delta] = []
        for name, value in self._frames.end():
            self._take(name, value, deltas)
        if self._has_reason:
            self._finish(deltas)
        return self._frames.notes.sound(deltas) + self._frames.notes.end()

    def _take(self, name: str, value: Any, deltas: list[Delta]) -> None:
        if not isinstance(value, dict):
            if value is not SseFrames.DONE:
                self._frames.notes.warn(f"frame skipped: found a JSON {type(value).__name__}, expected an object")
            return
        kind = value.get("type") or name
        match kind:
            case "content_block_delta":
                self._grow(value, deltas)
            case "content_block_start":
                self._start_block(value, deltas)
            case "content_block_stop":
                self._stop_block(whole_of(value, "index"), deltas)
            case "message_start":
                self._start(object_of(value, "message"), deltas)
            case "message_delta":
                self._progress(value, deltas)
            case "message_stop":
                self._finish(deltas)
            case "completion":
                self._complete(value, deltas)
            case "error":
                self._fail(value, deltas)
            case "ping":
                pass
            case _:
                if "error" in value:
                    self._fail(value, deltas)
                else:
                    self._frames.notes.warn(f"event {kind!r} is unknown and was skipped")

    def _start(self, message: JsonObject, deltas: list[Delta]) -> None:
        self._blocks = {}
        self._merge_usage(object_of(message, "usage"))
        first = self._part == 0
        deltas.append(
            ReplyStarted(
                id=text_of(message, "id") if first else None,
                model=text_of(message, "model"),
                extra=leftovers(message),
            )
        )
        usage = read_usage(self._usage)
        if usage is not None:
            deltas.append(ReplyProgressed(usage=usage))
        for index, block in enumerate(list_of(message, "content")):  # empty, but for servers that send it whole
            self._start_block({"index": index, "content_block": block}, deltas)

    def _start_block(self, value: JsonObject, deltas: list[Delta]) -> None:
        block = _Block(self._part, object_of(value, "content_block"))
        self._part += 1
        self._blocks[whole_of(value, "index")] = block
        deltas.append(PartStarted(part=block.part, value=block.first()))

    def _grow(self, value: JsonObject, deltas: list[Delta]) -> None:
        index = whole_of(value, "index")
        block = self._blocks.get(index)
        if block is None:  # a delta without its start: some compatible servers leave it out
            self._start_block({"index": index, "content_block": _guess(value)}, deltas)
            block = self._blocks[index]
        grown = block.grow(object_of(value, "delta"))
        if isinstance(grown, str):
            self._frames.notes.warn(f"delta {grown!r} is unknown and was skipped")
        elif grown is not None:
            deltas.append(grown)

    def _stop_block(self, index: int | None, deltas: list[Delta]) -> None:
        block = self._blocks.pop(index, None)
        if block is not None:
            deltas += block.stop()

    def _progress(self, value: JsonObject, deltas: list[Delta]) -> None:
        delta = object_of(value, "delta")
        self._merge_usage(object_of(value, "usage"))
        reason = text_of(delta, "stop_reason")
        self._has_reason = self._has_reason or reason is not None
        left = {key: one for key, one in value.items() if key not in ("delta", "type", "usage")}
        deltas.append(
            ReplyProgressed(
                stop_reason=read_stop(reason),
                native_stop_reason=reason,
                stop_sequence=stop_sequence_of(delta),
                usage=read_usage(self._usage),
                extra=leftovers({**delta, **left}),
            )
        )

    def _complete(self, value: JsonObject, deltas: list[Delta]) -> None:
        """Take an event of the older text completions: a piece of text, and at last a reason."""
        if self._completion is None:
            self._completion = self._part
            self._part += 1
            deltas.append(ReplyStarted(id=text_of(value, "id"), model=text_of(value, "model")))
            deltas.append(PartStarted(part=self._completion, value=Text(text="")))
        text = as_text(value.get("completion"))
        if text:
            deltas.append(PartGrew(part=self._completion, text=text))
        reason = text_of(value, "stop_reason")
        if reason:
            self._has_reason = True
            deltas.append(
                ReplyProgressed(
                    stop_reason=read_stop(reason),
                    native_stop_reason=reason,
                    stop_sequence=stop_sequence_of(value),
                    extra=leftovers(value),
                )
            )

    def _fail(self, value: JsonObject, deltas: list[Delta]) -> None:
        self._has_failed = True
        deltas.append(ReplyProgressed(error=read_error(value), stop_reason="error"))

    def _finish(self, deltas: list[Delta]) -> None:
        for index in list(self._blocks):
            self._stop_block(index, deltas)
        if not self._is_over and not self._has_failed:
            self._is_over = True
            deltas.append(ReplyEnded())

    def _merge_usage(self, usage: JsonObject) -> None:
        if usage:
            self._usage = merge_grown(self._usage, usage, lists="replace")


def _guess(value: JsonObject) -> JsonObject:
    kind = object_of(value, "delta").get("type")
    if kind in ("thinking_delta", "signature_delta"):
        return {"type": "thinking", "thinking": ""}
    return {"type": "tool_use", "input": {}} if kind == "input_json_delta" else {"type": "text", "text": ""}


class _Block:
    """One content block as it grows."""

    __slots__ = ("_has_arguments", "_pieces", "_value", "_wire", "part")

    def __init__(self, part: int, wire: JsonObject) -> None:
        self.part = part
        self._wire = wire
        self._value: AnyPart = read_block(wire)
        self._has_arguments = False
        self._pieces: JsonObject = {}

    def first(self) -> AnyPart:
        """What is known at the start. A call's `input` counts only if nothing comes after it: see stop()."""
        if isinstance(self._value, ToolCall):
            return read_call(self._wire, "")
        return self._value

    def grow(self, delta: JsonObject) -> PartGrew | str | None:
        """Take a delta; returns how the part grows, None when it does not, or the name of an unknown delta."""
        kind = delta.get("type")
        match kind:
            case "text_delta":
                return PartGrew(part=self.part, text=as_text(delta.get("text")))
            case "input_json_delta":
                text = as_text(delta.get("partial_json"))
                self._has_arguments = self._has_arguments or bool(text)
                return PartGrew(part=self.part, arguments=text) if text else None
            case "thinking_delta":
                return PartGrew(part=self.part, text=as_text(delta.get("thinking")))
            case "signature_delta":  # replaces what was known, as in the SDK (anthropic 2.11.0, _messages.py)
                return PartGrew(part=self.part, signature=as_text(delta.get("signature")))
            case "citations_delta":
                return PartGrew(part=self.part, annotation=delta.get("citation"))
            case _ if isinstance(self._value, Other):
                self._pieces.update({key: value for key, value in delta.items() if key != "type"})
                return None
            case _:
                return as_text(kind)

    def stop(self) -> list[Delta]:
        """Say that the block is whole."""
        ended: list[Delta] = []
        if isinstance(self._value, ToolCall) and not self._has_arguments:
            # A tool without arguments gets only an empty delta, or none: its start says `{}`.
            ended.append(PartGrew(part=self.part, arguments=to_json(self._wire.get("input") or {})))
        if self._pieces:
            value = Other(dialect=NAME, kind=as_text(self._wire.get("type")), value={**self._wire, **self._pieces})
            return [*ended, PartEnded(part=self.part, value=value)]
        return [*ended, PartEnded(part=self.part)] if isinstance(self._value, Text | Reasoning | ToolCall) else ended
