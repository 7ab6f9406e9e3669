"""Converse's streams decoded: messageStart, blocks by index, messageStop, and after it metadata.

Text and thought have no start of their own. Promise: a stream that ends before messageStop is not complete.
"""

from typing import Any

from dragoman.canonical import (
    AnyPart,
    Delta,
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
from dragoman.dialects.amazon import AmazonFrames, Frame, exception_of
from dragoman.dialects.bedrock_converse.content import (
    LEFT,
    decoded,
    read_block,
    read_call,
    read_result,
    read_stop,
    read_usage,
)
from dragoman.dialects.bedrock_converse.reply import read_times
from dragoman.dialects.values import JsonObject, as_text, object_of, text_of, whole_of

_PADDING = ("p",)


class ConverseDecoder:
    """Turns one stream into deltas."""

    def __init__(self) -> None:
        self._frames = AmazonFrames()
        self._blocks: dict[int | None, _Block] = {}
        self._part = 0
        self._has_reason = False
        self._is_over = False

    @property
    def warnings(self) -> list[str]:
        return self._frames.notes.warnings

    def feed(self, data: bytes) -> list[Delta]:
        """Take the next bytes of the body; see base.Decoder."""
        deltas: list[Delta] = []
        for frame in self._frames.feed(data):
            self._take(frame, deltas)
        return self._frames.notes.sound(deltas)

    def end(self) -> list[Delta]:
        """Say that the body is over."""
        self._frames.end()
        deltas: list[Delta] = []
        if self._has_reason:
            self._finish(deltas)
        return deltas + self._frames.notes.end()

    def _take(self, frame: Frame, deltas: list[Delta]) -> None:
        if frame.is_exception:
            self._is_over = True
            deltas.append(ReplyProgressed(error=exception_of(frame), stop_reason="error"))
            return
        value = frame.value if isinstance(frame.value, dict) else {}
        match frame.name:
            case "contentBlockDelta":
                self._grow(value, deltas)
            case "contentBlockStart":
                self._start(value, deltas)
            case "contentBlockStop":
                self._stop(whole_of(value, "contentBlockIndex"), deltas)
            case "messageStart":
                deltas.append(ReplyStarted())
            case "messageStop":
                self._say_reason(value, deltas)
            case "metadata":
                left = {key: one for key, one in value.items() if key not in ("usage", "metrics", *_PADDING)}
                usage = read_usage(object_of(value, "usage"))
                times = read_times(value)
                deltas.append(ReplyProgressed(usage=usage, provider_timings_ns=times, extra=LEFT.these(left)))
                if self._has_reason:
                    self._finish(deltas)
            case _:
                self._frames.notes.warn(f"event {frame.name!r} is unknown and was skipped")

    def _say_reason(self, value: JsonObject, deltas: list[Delta]) -> None:
        reason = text_of(value, "stopReason")
        self._has_reason = self._has_reason or reason is not None
        left = {key: one for key, one in value.items() if key not in ("stopReason", *_PADDING) and one is not None}
        more = object_of(value, "additionalModelResponseFields")
        deltas.append(
            ReplyProgressed(
                stop_reason=read_stop(reason),
                native_stop_reason=reason,
                stop_sequence=text_of(more, "stop_sequence"),
                extra=LEFT.these(left),
            )
        )

    def _start(self, value: JsonObject, deltas: list[Delta]) -> None:
        start = object_of(value, "start")
        if "toolUse" in start:
            first: AnyPart = read_call(object_of(start, "toolUse"), "")
        elif "toolResult" in start:
            first = read_result(object_of(start, "toolResult"))
        else:
            first = read_block(start)
        self._begin(whole_of(value, "contentBlockIndex"), first, start, deltas)

    def _begin(self, index: int | None, first: AnyPart, start: JsonObject, deltas: list[Delta]) -> "_Block":
        block = self._blocks[index] = _Block(self._part, first, start)
        self._part += 1
        deltas.append(PartStarted(part=block.part, value=first))
        return block

    def _grow(self, value: JsonObject, deltas: list[Delta]) -> None:
        index, delta = whole_of(value, "contentBlockIndex"), object_of(value, "delta")
        block = self._blocks.get(index)
        if block is None:
            block = self._begin(index, _first_of(delta), {}, deltas)
        grown = block.grow(delta)
        if isinstance(grown, str):
            self._frames.notes.warn(f"delta {grown!r} is unknown and was skipped")
        elif grown is not None:
            deltas.append(grown)

    def _stop(self, index: int | None, deltas: list[Delta]) -> None:
        block = self._blocks.pop(index, None)
        if block is not None:
            deltas += block.stop()

    def _finish(self, deltas: list[Delta]) -> None:
        for index in list(self._blocks):
            self._stop(index, deltas)
        if not self._is_over:
            self._is_over = True
            deltas.append(ReplyEnded())


def _first_of(delta: JsonObject) -> AnyPart:
    if "reasoningContent" in delta:
        return Reasoning()
    return ToolCall() if "toolUse" in delta else Text(text="")


class _Block:
    """One content block as it grows."""

    __slots__ = ("_encrypted", "_has_arguments", "_results", "_signature", "_start", "_value", "part")

    def __init__(self, part: int, value: AnyPart, start: JsonObject) -> None:
        self.part = part
        self._value = value
        self._start = start
        self._signature = self._encrypted = ""
        self._has_arguments = False
        self._results: list[Any] = []

    def grow(self, delta: JsonObject) -> PartGrew | str | None:
        """Take a delta; returns how the part grows, None when it does not, or the name of an unknown delta."""
        if "text" in delta:
            return PartGrew(part=self.part, text=as_text(delta["text"]))
        if "toolUse" in delta:
            text = as_text(object_of(delta, "toolUse").get("input"))
            self._has_arguments = self._has_arguments or bool(text)
            return PartGrew(part=self.part, arguments=text) if text else None
        if "reasoningContent" in delta:
            return self._think(object_of(delta, "reasoningContent"))
        if "citation" in delta:
            return PartGrew(part=self.part, annotation=delta["citation"])
        if isinstance(delta.get("toolResult"), list):
            self._results += delta["toolResult"]
            return None
        return next(iter(delta), "")

    def _think(self, delta: JsonObject) -> PartGrew | None:
        """Take a piece of thought; seals come in pieces too, and replace what was known."""
        self._signature += as_text(delta.get("signature"))
        self._encrypted += as_text(delta.get("redactedContent"))
        grown = PartGrew(
            part=self.part,
            text=as_text(delta.get("text")),
            signature=self._signature if "signature" in delta else None,
            encrypted=decoded(self._encrypted) if "redactedContent" in delta else None,
        )
        return grown if grown != PartGrew(part=self.part) else None

    def stop(self) -> list[Delta]:
        """Say that the block is whole."""
        if isinstance(self._value, ToolCall) and not self._has_arguments:
            return [PartGrew(part=self.part, arguments="{}"), PartEnded(part=self.part)]
        if self._results:
            whole = {**object_of(self._start, "toolResult"), "content": self._results}
            return [PartEnded(part=self.part, value=read_result(whole))]
        return [PartEnded(part=self.part)]
