"""Responses' streams decoded: items are added, grow and are done; the last event carries the whole response.

Promise: items are told apart by `output_index` and pieces by `content_index`, never by ids, which some servers
change between added and done. What the last event says replaces what was gathered; where it says nothing, what
was gathered stays. A body that holds several responses goes on counting.
"""

from typing import Any, Literal

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
    StopReason,
    Text,
    ToolCall,
)
from dragoman.dialects.frames import SseFrames
from dragoman.dialects.openai_chat.stream import ChatDecoder
from dragoman.dialects.openai_errors import read_error
from dragoman.dialects.openai_responses.items import BETWEEN, NAME, item_kind, read_item, read_piece
from dragoman.dialects.openai_responses.reply import (
    error_of,
    leftovers,
    native_stop_of,
    read_output,
    stop_of,
)
from dragoman.dialects.openai_usage import read_usage
from dragoman.dialects.values import JsonObject, as_text, list_of, object_of, text_of, whole_of

_TERMINAL = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled", "response.done"}
)

_Field = Literal["text", "summary", "arguments"]

_GROWN: dict[str, tuple[_Field, str]] = {
    # event: the field that grows, and the kind of item, should its start be missing
    "response.output_text.delta": ("text", "message"),
    "response.refusal.delta": ("text", "refusal"),
    "response.reasoning_text.delta": ("text", "reasoning"),
    "response.reasoning_summary_text.delta": ("summary", "reasoning"),
    "response.function_call_arguments.delta": ("arguments", "function_call"),
    "response.custom_tool_call_input.delta": ("arguments", "custom_tool_call"),
    "response.mcp_call_arguments.delta": ("arguments", "mcp_call"),
    "response.code_interpreter_call_code.delta": ("arguments", "code_interpreter_call"),
    "response.apply_patch_call_operation_diff.delta": ("arguments", "apply_patch_call"),
}

_AFTER_ALL = 1_000_000
"""Pieces that only the final form has stand after those that grew."""

_IN_MESSAGES = frozenset({"response.output_text.delta", "response.refusal.delta"})


class ResponsesDecoder:
    """Turns one stream into deltas."""

    def __init__(self) -> None:
        self._frames = SseFrames()
        self._parts: dict[tuple[int, int], _Part] = {}
        """By output_index and content_index (0 for items that are no messages)."""
        self._next = 0
        self._is_started = False
        self._is_over = False
        self._chat: ChatDecoder | None = None

    @property
    def warnings(self) -> list[str]:
        return self._frames.notes.warnings + (self._chat.warnings if self._chat else [])

    def feed(self, data: bytes) -> list[Delta]:
        """Take the next bytes of the body; see base.Decoder."""
        deltas: list[Delta] = []
        for name, value in self._frames.feed(data):
            self._take(name, value, deltas)
        return self._frames.notes.sound(deltas)

    def end(self) -> list[Delta]:
        """Say that the body is over."""
        deltas: list[Delta] = []
        for name, value in self._frames.end():
            self._take(name, value, deltas)
        if self._chat is not None:
            deltas += self._chat.end()
        return self._frames.notes.sound(deltas) + self._frames.notes.end()

    def _take(self, name: str, value: Any, deltas: list[Delta]) -> None:
        if not isinstance(value, dict):
            if self._chat is not None:
                self._chat.take(value, deltas)
            elif value is not SseFrames.DONE:  # some compatible servers add [DONE]
                self._frames.notes.warn(f"frame skipped: found a JSON {type(value).__name__}, expected an object")
            return
        kind = text_of(value, "type") or name
        if kind in _GROWN:
            self._grow(kind, value, deltas)
        elif kind in _TERMINAL:
            self._finish(kind, object_of(value, "response"), deltas)
        elif kind == "error" or (value.get("error") and not kind.startswith("response.")):
            error = value.get("error") or {key: one for key, one in value.items() if key != "type"}
            deltas.append(ReplyProgressed(error=read_error(NAME, error), stop_reason="error"))
        elif kind.startswith("response.") or kind in ("keepalive", "ping"):
            self._event(kind, value, deltas)
        elif "choices" in value:
            # Azure answers Responses with chunks of Chat for some models. Observed only: 30b4d54b2ca67f92
            self._chat = self._chat or ChatDecoder()
            self._chat.take(value, deltas)
        else:
            self._frames.notes.warn(f"event {kind!r} is unknown and was skipped")

    def _event(self, kind: str, value: JsonObject, deltas: list[Delta]) -> None:
        """Take what is neither growth nor the end; events that only tell of progress say nothing new."""
        match kind:
            case "response.created":
                self._start(object_of(value, "response"), deltas)
            case "response.output_item.added":
                self._add_item(value, deltas)
            case "response.content_part.added":
                self._open(_place(value, in_message=True), read_piece(object_of(value, "part")), deltas)
            case "response.reasoning_summary_part.added" if value.get("summary_index"):
                self._separate(value, "summary", deltas)
            case "response.reasoning_part.added" if value.get("content_index"):
                self._separate(value, "text", deltas)
            case "response.output_text.annotation.added":
                part = self._open(_place(value, in_message=True), Text(text=""), deltas)
                deltas.append(PartGrew(part=part.number, annotation=value.get("annotation")))
            case "response.output_item.done":
                self._settle_item(whole_of(value, "output_index") or 0, value.get("item"), deltas)
            case _:
                pass

    def _start(self, response: JsonObject, deltas: list[Delta]) -> None:
        self._parts = {}
        kind = ReplyProgressed if self._is_started else ReplyStarted
        deltas.append(kind(id=text_of(response, "id"), model=text_of(response, "model")))
        self._is_started = True

    def _add_item(self, value: JsonObject, deltas: list[Delta]) -> None:
        item = object_of(value, "item")
        if item_kind(item) != "message" and item:
            self._open(_place(value, in_message=False), read_item(item)[0], deltas)

    def _open(self, place: tuple[int, int], first: AnyPart, deltas: list[Delta]) -> "_Part":
        part = self._parts.get(place)
        if part is None:
            part = self._parts[place] = _Part(self._next, first)
            self._next += 1
            deltas.append(PartStarted(part=part.number, value=_emptied(first)))
        return part

    def _grow(self, kind: str, value: JsonObject, deltas: list[Delta]) -> None:
        field, item = _GROWN[kind]
        text = as_text(value.get("delta"))
        if not text:
            return
        place = _place(value, in_message=kind in _IN_MESSAGES)
        part = self._parts.get(place) or self._open(place, _missing(item), deltas)
        part.grown.add(field)
        deltas.append(_growth(part.number, field, text))

    def _separate(self, value: JsonObject, field: _Field, deltas: list[Delta]) -> None:
        part = self._parts.get(_place(value, in_message=False))
        if part is not None and field in part.grown:
            deltas.append(_growth(part.number, field, BETWEEN))

    def _settle_item(self, index: int, item: Any, deltas: list[Delta]) -> None:
        """Take the final form of an item; its pieces are matched in order (Bedrock begins to count at 1)."""
        running = [part for place, part in sorted(self._parts.items()) if place[0] == index]
        for number, value in enumerate(read_item(item)):
            if number >= len(running):
                part = self._parts[(index, _AFTER_ALL + number)] = _Part(self._next, value)
                self._next += 1
                part.told = value
                deltas.append(PartStarted(part=part.number, value=value))
            elif running[number].accepts(value):
                running[number].told = value
                deltas.append(PartEnded(part=running[number].number, value=value))

    def _indexes(self, count: int) -> list[int]:
        """Return the places of the last event's items: they are numbered anew when indexes were left out."""
        running = sorted({item for item, _ in self._parts})
        return running if len(running) == count else list(range(count))

    def _finish(self, kind: str, response: JsonObject, deltas: list[Delta]) -> None:
        output = list_of(response, "output")
        for index, item in zip(self._indexes(len(output)), output, strict=True):
            self._settle_item(index, item, deltas)
        deltas.append(
            ReplyProgressed(
                id=text_of(response, "id"),
                model=text_of(response, "model"),
                stop_reason=self._stop(kind, response),
                native_stop_reason=native_stop_of(response) or kind.removeprefix("response."),
                usage=read_usage(object_of(response, "usage")),
                error=error_of(response),
                extra=leftovers(response),
            )
        )
        if not self._is_over:
            self._is_over = True
            deltas.append(ReplyEnded())

    def _stop(self, kind: str, response: JsonObject) -> StopReason | None:
        if not response.get("status"):
            response = {**response, "status": kind.removeprefix("response.").replace("done", "completed")}
        return stop_of(response, read_output(response))


class _Part:
    """One part as it grows: its number, which of its fields grew, and the final form that was told last."""

    __slots__ = ("_first", "grown", "number", "told")

    def __init__(self, number: int, first: AnyPart) -> None:
        self.number = number
        self._first = first
        self.grown: set[str] = set()
        self.told: AnyPart | None = None

    def accepts(self, final: AnyPart) -> bool:
        """Say whether a final form is news: of the same kind, not told before, and no poorer than what grew."""
        if final == self.told or type(final) is not type(self._first):
            return False
        if isinstance(final, Reasoning):  # our own seal gives back as text what was shown as a summary
            return not self.grown or bool(final.text or final.summary)
        return all(getattr(final, field, None) for field in self.grown)


def _growth(part: int, field: _Field, text: str) -> PartGrew:
    match field:
        case "text":
            return PartGrew(part=part, text=text)
        case "summary":
            return PartGrew(part=part, summary=text)
        case "arguments":
            return PartGrew(part=part, arguments=text)


def _place(value: JsonObject, *, in_message: bool) -> tuple[int, int]:
    piece = whole_of(value, "content_index") if in_message else None
    return whole_of(value, "output_index") or 0, piece or 0


def _emptied(first: AnyPart) -> AnyPart:
    """A part at its start, without what its deltas will bring; the final form brings what they leave out."""
    match first:
        case Text():
            return Text(text="")
        case Refusal():
            return Refusal(text="")
        case ToolCall():
            return ToolCall(id=first.id, name=first.name, kind=first.kind, extra=first.extra)
        case Reasoning():
            return Reasoning(id=first.id, encrypted=first.encrypted, maker=first.maker)
        case _:
            return first


def _missing(item: str) -> AnyPart:
    """The start of a part whose own start never came."""
    if item == "message":
        return Text(text="")
    if item == "refusal":
        return Refusal(text="")
    return read_item({"type": item})[0]
