"""Items as they grow, and the events that say so.

Promise: the frame of a text's delta is written from a template: of the text alone is JSON made (about 1 µs).
"""

from typing import Any

import msgspec

from dragoman.canonical import AnyPart, Loss, PartGrew, Reasoning, Refusal, Text, ToolCall
from dragoman.dialects.annotations import to_responses
from dragoman.dialects.base import ReplyTarget
from dragoman.dialects.losses import reply_path
from dragoman.dialects.openai_responses.items import NAME
from dragoman.dialects.openai_responses.output import (
    call_item,
    encode,
    item_id,
    message_item,
    reasoning_item,
    text_piece,
)
from dragoman.dialects.openai_responses.render_reply import call_id_of, call_prefix
from dragoman.dialects.values import JsonObject


class Events:
    """Writes events with their numbers."""

    __slots__ = ("_number", "_written")

    def __init__(self) -> None:
        self._number = 0
        self._written: list[bytes] = []

    def add(self, kind: str, **fields: Any) -> None:
        body = encode({"type": kind, "sequence_number": self._number, **fields})
        self._number += 1
        self._written.append(b"event: %b\ndata: %b\n\n" % (kind.encode(), body))

    def grow(self, template: "tuple[bytes, bytes]", text: str, after: bytes) -> None:
        """Write a delta whose frame is known: its number and its text are new."""
        number = self._number
        self._number = number + 1
        self._written.append(b"%b%d%b%b%b" % (template[0], number, template[1], encode(text), after))

    def whole_item(self, index: int, item: JsonObject | None) -> None:
        """Write an item that did not grow."""
        self.add("response.output_item.added", output_index=index, item=item)
        self.add("response.output_item.done", output_index=index, item=item)

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        written, self._written = self._written, []
        return b"".join(written)


def _template(kind: str, **place: Any) -> tuple[bytes, bytes]:
    """Prepare a delta's frame: what stands before its number, and between the number and its text."""
    before = f'event: {kind}\ndata: {{"type":"{kind}","sequence_number":'.encode()
    return before, b"," + encode(place)[1:-1] + b',"delta":'


_AFTER = b"}\n\n"
_AFTER_TEXT = b',"logprobs":[]}\n\n'


class GrowingMessage:
    """A message: pieces of text, and refusals, one after the other."""

    def __init__(self, index: int, target: ReplyTarget, events: Events) -> None:
        self.index = index
        self.part = -1
        """The part that grows."""
        self.losses: list[Loss] = []
        self._id = item_id("msg", target, index)
        self._events = events
        self._pieces: list[JsonObject] = []
        self._texts: list[str] = []
        self._annotations: list[JsonObject] = []
        self._is_open = self._is_refusal = False
        self._template: tuple[bytes, bytes] = (b"", b"")
        self._after = _AFTER_TEXT
        events.add("response.output_item.added", output_index=index, item=message_item(self._id, [], "in_progress"))

    def open_piece(self, part: int, *, is_refusal: bool) -> None:
        self._close_piece()
        self.part, self._is_open, self._is_refusal = part, True, is_refusal
        kind = "response.refusal.delta" if is_refusal else "response.output_text.delta"
        self._after = _AFTER if is_refusal else _AFTER_TEXT
        self._template = _template(kind, **self._place())
        self._events.add("response.content_part.added", **self._place(), part=self._piece(""))

    def grow(self, delta: PartGrew) -> None:
        if delta.text:
            self._texts.append(delta.text)
            self._events.grow(self._template, delta.text, self._after)
        if delta.annotation is not None:
            self._annotate(delta.annotation)

    def end_part(self, value: AnyPart | None) -> None:
        """Take the final form: the rest of its text, and annotations that were not told."""
        if isinstance(value, Text | Refusal):
            said = "".join(self._texts)
            if value.text.startswith(said) and len(value.text) > len(said):
                self.grow(PartGrew(part=self.part, text=value.text[len(said) :]))
        if isinstance(value, Text) and not self._annotations:
            for annotation in value.annotations:
                self._annotate(annotation)
        self._close_piece()
        self.part = -1

    def done(self, status: str) -> JsonObject:
        self._close_piece()
        item = message_item(self._id, self._pieces, status)
        self._events.add("response.output_item.done", output_index=self.index, item=item)
        return item

    def _annotate(self, annotation: Any) -> None:
        found = to_responses(annotation, "".join(self._texts))
        if found is None:
            lost = Loss(path=f"{reply_path(self.part)}.citations", reason=f"{NAME} cites web pages and files only")
            self.losses += [] if lost in self.losses else [lost]
            return
        number = len(self._annotations)
        self._annotations.append(found)
        self._events.add(
            "response.output_text.annotation.added", **self._place(), annotation_index=number, annotation=found
        )

    def _close_piece(self) -> None:
        if not self._is_open:
            return
        text = "".join(self._texts)
        piece = self._piece(text)
        if self._is_refusal:
            self._events.add("response.refusal.done", **self._place(), refusal=text)
        else:
            self._events.add("response.output_text.done", **self._place(), text=text, logprobs=[])
        self._events.add("response.content_part.done", **self._place(), part=piece)
        self._pieces.append(piece)
        self._texts, self._annotations, self._is_open = [], [], False

    def _piece(self, text: str) -> JsonObject:
        return {"type": "refusal", "refusal": text} if self._is_refusal else text_piece(text, self._annotations)

    def _place(self) -> JsonObject:
        return {"item_id": self._id, "output_index": self.index, "content_index": len(self._pieces)}


class GrowingReasoning:
    """What the model thinks, shown as a summary; what comes beside a summary is its raw text.

    A seal that comes when the item is closed (OpenRouter's, at the end of the stream) gets an item of its own, which
    shows nothing, and wraps what was said in the one `before` too.
    """

    def __init__(
        self,
        begun: Reasoning,
        part: int,
        index: int,
        target: ReplyTarget,
        events: Events,
        before: "GrowingReasoning | None" = None,
    ) -> None:
        self.index = index
        self.part = part
        self.losses: list[Loss] = []
        self._begun = msgspec.structs.replace(begun, text="", summary="")
        self._before = before
        self._id = (None if before else begun.id) or item_id("rs", target, index)
        self._events = events
        self._texts: list[str] = []
        self._summaries: list[str] = []
        self._seal: dict[str, str] = {}
        self._has_summary = self._has_text = False
        place = {"item_id": self._id, "output_index": index}
        self._summary_place = {**place, "summary_index": 0}
        self._text_place = {**place, "content_index": 0}
        self._summary_template = _template("response.reasoning_summary_text.delta", **self._summary_place)
        self._text_template = _template("response.reasoning_text.delta", **self._text_place)
        item = {"id": self._id, "type": "reasoning", "summary": []}
        events.add("response.output_item.added", output_index=index, item=item)

    def grow(self, delta: PartGrew) -> None:
        if delta.summary:
            self._summaries.append(delta.summary)
            self._show(delta.summary)
        if delta.text:
            self._texts.append(delta.text)
            if self._summaries:
                self._tell(delta.text)
            else:
                self._show(delta.text)
        if delta.signature:
            self._seal["signature"] = delta.signature
        if delta.encrypted:
            self._seal["encrypted"] = delta.encrypted

    def end_part(self, value: AnyPart | None) -> None:
        """Take the final form: the seal, and text that was not told as it grew."""
        if not isinstance(value, Reasoning):
            return
        self._begun = msgspec.structs.replace(self._begun, maker=value.maker or self._begun.maker)
        rest = PartGrew(
            part=self.part,
            summary="" if self._summaries else value.summary,
            text="" if self._texts else value.text,
            signature=value.signature or None,
            encrypted=value.encrypted or None,
        )
        self.grow(rest)

    def done(self, status: str) -> JsonObject:
        part = self.part_so_far()
        item = reasoning_item(self._id, part)
        if self._before is not None and not self._has_summary:
            item["summary"] = []
        if self._has_summary:
            shown = item["summary"][0]
            self._events.add("response.reasoning_summary_text.done", **self._summary_place, text=shown["text"])
            self._events.add("response.reasoning_summary_part.done", **self._summary_place, part=shown)
        if self._has_text:
            self._events.add("response.reasoning_text.done", **self._text_place, text=part.text)
        self._events.add("response.output_item.done", output_index=self.index, item=item)
        return item

    @property
    def is_sealed(self) -> bool:
        return bool(self._seal)

    def part_so_far(self) -> Reasoning:
        before = self._before.part_so_far() if self._before else Reasoning()
        text, summary = before.text + "".join(self._texts), before.summary + "".join(self._summaries)
        return msgspec.structs.replace(self._begun, text=text, summary=summary, **self._seal)

    def _show(self, text: str) -> None:
        if not self._has_summary:
            self._has_summary = True
            empty = {"type": "summary_text", "text": ""}
            self._events.add("response.reasoning_summary_part.added", **self._summary_place, part=empty)
        self._events.grow(self._summary_template, text, _AFTER)

    def _tell(self, text: str) -> None:
        self._has_text = True
        self._events.grow(self._text_template, text, _AFTER)


class GrowingCall:
    """A call of the client's tools; it opens when its name is known."""

    def __init__(self, begun: ToolCall, target: ReplyTarget, events: Events) -> None:
        self.index: int | None = None
        self._call = msgspec.structs.replace(begun, arguments="")
        self._target = target
        self._events = events
        self._pieces: list[str] = [begun.arguments] if begun.arguments else []
        self._id = ""
        self._template: tuple[bytes, bytes] = (b"", b"")

    def open(self, index: int) -> None:
        self.index = index
        call = self._call
        self._id = item_id(call_prefix(call), self._target, index)
        self._call = call = msgspec.structs.replace(call, id=call_id_of(call, self._target, index))
        item = call_item(self._id, call, call.id or "", "in_progress")
        self._events.add("response.output_item.added", output_index=index, item=item)
        is_custom = call.kind == "custom"
        kind = "response.custom_tool_call_input.delta" if is_custom else "response.function_call_arguments.delta"
        self._template = _template(kind, item_id=self._id, output_index=index)
        if self._pieces:
            self._events.grow(self._template, "".join(self._pieces), _AFTER)

    def grow(self, arguments: str) -> None:
        if arguments:
            self._pieces.append(arguments)
            if self.index is not None:
                self._events.grow(self._template, arguments, _AFTER)

    def settle(self, value: ToolCall) -> None:
        """Take the final form: what was not known at the beginning, and the rest of the arguments."""
        if self.index is None:
            self._call = msgspec.structs.replace(value, arguments="")
        said = "".join(self._pieces)
        if value.arguments.startswith(said):
            self.grow(value.arguments[len(said) :])

    def done(self) -> JsonObject:
        arguments = "".join(self._pieces)
        if not arguments and self._call.kind != "custom":
            arguments = "{}"  # an empty text is no JSON (wire-facts 7.1)
            self._events.grow(self._template, arguments, _AFTER)
        call = msgspec.structs.replace(self._call, arguments=arguments)
        place = {"item_id": self._id, "output_index": self.index}
        if call.kind == "custom":
            self._events.add("response.custom_tool_call_input.done", **place, input=arguments)
        else:
            named = {"name": call.name, "arguments": arguments}
            self._events.add("response.function_call_arguments.done", **place, **named)
        item = call_item(self._id, call, call.id or "")
        self._events.add("response.output_item.done", output_index=self.index, item=item)
        return item
