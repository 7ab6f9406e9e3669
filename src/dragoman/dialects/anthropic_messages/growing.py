"""One content block of a stream as it is written: text, thought, call, or a block that comes whole.

Promise: a block begins on the wire when there is something to say in it, so that no empty one is written; what a
first piece carries is written too; a seal is told once, at the end.
"""

from typing import Any, Protocol

import msgspec

from dragoman.canonical import AnyPart, Loss, PartEnded, PartGrew, Reasoning, Refusal, Text, ToolCall
from dragoman.dialects.anthropic_messages.blocks import write_block
from dragoman.dialects.anthropic_messages.content import NAME
from dragoman.dialects.anthropic_messages.reply_writing import call_id, is_own_thought, write_citations
from dragoman.dialects.base import ReplyTarget
from dragoman.dialects.seals import wrap
from dragoman.dialects.values import is_json, to_json


class Sink(Protocol):
    """Where a block's events go, numbered; each dialect has its own frames for them."""

    losses: list[Loss]

    def next_index(self) -> int: ...
    def start(self, index: int, block: Any) -> bytes: ...
    def delta(self, index: int, kind: str, key: str, value: Any) -> bytes: ...
    def stop(self, index: int) -> bytes: ...


class GrowingBlock:
    """What all blocks have in common: a beginning, pieces, an end; `value` is the part as far as it matters here."""

    def __init__(self, part: int, value: AnyPart) -> None:
        self.part = part
        self.value = value
        self.is_ended = False
        self._kept: list[PartGrew | PartEnded] = []
        self._index: int | None = None

    @property
    def may_end(self) -> bool:
        """Say whether another block may begin now, though nobody said that this one is whole."""
        return True

    def keep(self, delta: PartGrew | PartEnded) -> None:
        """Take a piece while another block is open."""
        self._kept.append(delta)
        self.is_ended = self.is_ended or isinstance(delta, PartEnded)

    def show(self, sink: Sink) -> bytes:
        """Write what is known; from now on pieces are written as they come."""
        out = bytearray(self.first(sink))
        for delta in self._kept:
            out += self.grow(delta, sink) if isinstance(delta, PartGrew) else self.complete(delta.value, sink)
        self._kept.clear()
        return bytes(out)

    def first(self, sink: Sink) -> bytes:
        """Write what the part's beginning held."""
        return b""

    def grow(self, delta: PartGrew, sink: Sink) -> bytes:
        return b""

    def complete(self, value: AnyPart | None, sink: Sink) -> bytes:
        """Write what only the part's final form held."""
        self.is_ended = True
        return b""

    def close(self, sink: Sink) -> bytes:
        """Write the end."""
        if self._index is None:
            return b""
        return sink.stop(self._index)

    def begin(self, block: Any, sink: Sink) -> bytes:
        """Write the block's start, once."""
        if self._index is not None:
            return b""
        self._index = sink.next_index()
        return sink.start(self._index, block)

    def piece(self, kind: str, key: str, value: Any, sink: Sink) -> bytes:
        assert self._index is not None
        return sink.delta(self._index, kind, key, value)


class TextBlock(GrowingBlock):
    """Text, or a refusal."""

    def __init__(self, part: int, value: Text | Refusal) -> None:
        super().__init__(part, value)
        self._pieces: list[str] = []
        self._cited = 0

    def first(self, sink: Sink) -> bytes:
        value = self.value
        assert isinstance(value, Text | Refusal)
        out = self._say(value.text, sink)
        for one in value.annotations if isinstance(value, Text) else ():
            out += self._cite(one, sink)
        return out

    def grow(self, delta: PartGrew, sink: Sink) -> bytes:
        if delta.annotation is None and self._index is not None:
            self._pieces.append(delta.text)
            return self.piece("text_delta", "text", delta.text, sink) if delta.text else b""
        out = self._say(delta.text, sink)
        return out if delta.annotation is None else out + self._cite(delta.annotation, sink)

    def complete(self, value: AnyPart | None, sink: Sink) -> bytes:
        self.is_ended = True
        if not isinstance(value, Text | Refusal):
            return b""
        out = self._say(value.text[sum(map(len, self._pieces)) :], sink)
        for one in value.annotations[self._cited :] if isinstance(value, Text) else ():
            out += self._cite(one, sink)
        return out

    def _say(self, text: str, sink: Sink) -> bytes:
        if not text:
            return b""
        self._pieces.append(text)
        return self._begun(sink) + self.piece("text_delta", "text", text, sink)

    def _cite(self, annotation: Any, sink: Sink) -> bytes:
        self._cited += 1
        found = write_citations(self.part, [annotation], "".join(self._pieces), sink.losses)
        return b"".join(self._begun(sink) + self.piece("citations_delta", "citation", one, sink) for one in found)

    def _begun(self, sink: Sink) -> bytes:
        extra = self.value.extra.get(NAME, {})
        return self.begin({**extra, "type": "text", "text": ""}, sink) if self._index is None else b""


class ThoughtBlock(GrowingBlock):
    """What a model thought. What it told as a summary alone is shown as its thought."""

    def __init__(self, part: int, value: Reasoning) -> None:
        super().__init__(part, value)
        self._thought = value
        self._texts: list[str] = []
        self._summaries: list[str] = []
        self._shown = 0

    def first(self, sink: Sink) -> bytes:
        return self._add(self._thought.text, self._thought.summary, sink)

    def grow(self, delta: PartGrew, sink: Sink) -> bytes:
        if delta.signature is not None:
            self._thought = msgspec.structs.replace(self._thought, signature=delta.signature)
        if delta.encrypted is not None:
            self._thought = msgspec.structs.replace(self._thought, encrypted=delta.encrypted)
        return self._add(delta.text, delta.summary, sink)

    def complete(self, value: AnyPart | None, sink: Sink) -> bytes:
        self.is_ended = True
        if not isinstance(value, Reasoning):
            return b""
        out = b"" if self._shown else self._show_text(value.text or value.summary, sink)
        self._texts, self._summaries = [value.text], [value.summary]
        self._thought = msgspec.structs.replace(value, maker=value.maker or self._thought.maker)
        return out

    def close(self, sink: Sink) -> bytes:
        whole = msgspec.structs.replace(self._thought, text="".join(self._texts), summary="".join(self._summaries))
        is_own = is_own_thought(whole)
        seal = (whole.signature or whole.encrypted) if is_own else wrap(whole)
        if self._index is None and seal is not None:
            if not is_own or whole.encrypted is not None:
                return self.begin({"type": "redacted_thinking", "data": seal}, sink) + super().close(sink)
            begun = self._begin_thinking(sink)
            return begun + self.piece("signature_delta", "signature", seal, sink) + super().close(sink)
        told = self.piece("signature_delta", "signature", seal, sink) if seal is not None else b""
        return told + super().close(sink)

    def go_on(self) -> "ThoughtBlock":
        """Make a block for what comes after this one was closed; its seal covers all that was thought."""
        block = ThoughtBlock(self.part, msgspec.structs.replace(self._thought, text="", summary=""))
        block._texts, block._summaries = list(self._texts), list(self._summaries)
        return block

    def _add(self, text: str, summary: str, sink: Sink) -> bytes:
        if text:
            self._texts.append(text)
        if summary:
            self._summaries.append(summary)
        return self._show_text(text if text or self._texts else summary, sink)

    def _show_text(self, text: str, sink: Sink) -> bytes:
        if not text:
            return b""
        self._shown += len(text)
        return self._begin_thinking(sink) + self.piece("thinking_delta", "thinking", text, sink)

    def _begin_thinking(self, sink: Sink) -> bytes:
        return self.begin({"type": "thinking", "thinking": "", "signature": ""}, sink)


class CallBlock(GrowingBlock):
    """A call; its arguments are passed on as they come."""

    def __init__(self, part: int, value: ToolCall, target: ReplyTarget) -> None:
        super().__init__(part, value)
        self._call = value
        self._id = call_id(value, part, target)
        self._pieces: list[str] = []

    @property
    def may_end(self) -> bool:
        """Arguments that are a whole object cannot go on."""
        text = "".join(self._pieces)
        return self._call.kind != "custom" and text.rstrip().endswith("}") and is_json(text)

    def first(self, sink: Sink) -> bytes:
        extra = self._call.extra.get(NAME, {})
        kind = extra.get("type") or ("server_tool_use" if self._call.kind == "server" else "tool_use")
        block = {**extra, "type": kind, "id": self._id, "name": self._call.name, "input": {}}
        return self.begin(block, sink) + self._add(self._call.arguments, sink)

    def grow(self, delta: PartGrew, sink: Sink) -> bytes:
        return self._add(delta.arguments, sink)

    def complete(self, value: AnyPart | None, sink: Sink) -> bytes:
        self.is_ended = True
        if not isinstance(value, ToolCall):
            return b""
        return self._add(value.arguments[sum(map(len, self._pieces)) :], sink)

    def close(self, sink: Sink) -> bytes:
        told = b""
        if self._call.kind == "custom":
            arguments = to_json({"input": "".join(self._pieces)})
            told = self.piece("input_json_delta", "partial_json", arguments, sink)
        return told + super().close(sink)

    def _add(self, text: str, sink: Sink) -> bytes:
        if not text:
            return b""
        self._pieces.append(text)
        return b"" if self._call.kind == "custom" else self.piece("input_json_delta", "partial_json", text, sink)


class WholeBlock(GrowingBlock):
    """A block that is written whole: what a server's tool found, and what only Anthropic has."""

    def complete(self, value: AnyPart | None, sink: Sink) -> bytes:
        self.is_ended = True
        self.value = value or self.value
        return b""

    def close(self, sink: Sink) -> bytes:
        return self.begin(write_block(self.value), sink) + super().close(sink)


def begin_block(part: int, value: AnyPart, target: ReplyTarget) -> GrowingBlock:
    """Make the block that a part becomes."""
    match value:
        case Text() | Refusal():
            return TextBlock(part, value)
        case Reasoning():
            return ThoughtBlock(part, value)
        case ToolCall():
            return CallBlock(part, value, target)
        case _:
            return WholeBlock(part, value)
