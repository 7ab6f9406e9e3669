"""One choice of a streamed chat as it grows: its text, its reasoning, its tool calls.

Promise: text, reasoning and refusal are one part each (a list of parts may open more); tool calls are told apart
though servers number them in many ways. What the form has no word for is gathered in `left`.
"""

from typing import Any

from dragoman.canonical import (
    AnyPart,
    Delta,
    Media,
    PartEnded,
    PartGrew,
    PartStarted,
    Reasoning,
    Refusal,
    ReplyProgressed,
    Text,
    ToolCall,
)
from dragoman.dialects.openai_chat.content import (
    CALL_KEYS,
    LEFT,
    MESSAGE_KEYS,
    call_body,
    is_sound,
    read_audio,
    read_part,
    read_stop,
    sealed,
    text_of_details,
    thinking_text,
)
from dragoman.dialects.openai_chat.reply import CHOICE_KEYS
from dragoman.dialects.values import JsonObject, as_text, is_json, merge_grown, object_of, objects_of, text_of, whole_of

_LEGACY = -1
"""The index that the one call of `function_call` gets."""

_SET_ASIDE = frozenset({"role", "name", "tool_call_id", "reasoning_details"})
"""Fields of a delta that say nothing, or are taken before the others."""


class GrowingChoice:
    """One choice's message as it grows."""

    __slots__ = (
        *("_audio", "_calls", "_details", "_part", "_parts", "_reasoning_key", "_told_seal"),
        *("is_finished", "left", "number"),
    )

    def __init__(self, number: int) -> None:
        self.number = number
        self.is_finished = False
        self.left: JsonObject = {}
        """What the form has no word for, gathered."""
        self._part = 0
        self._parts: dict[str, int] = {}
        """Numbers of the open text, reasoning, refusal, audio."""
        self._calls: list[_Call] = []
        self._reasoning_key: str | None = None
        self._details: list[JsonObject] = []
        self._told_seal: tuple[str | None, str | None] = (None, None)
        self._audio: JsonObject = {}

    def take(self, choice: JsonObject, deltas: list[Delta]) -> None:
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            # Some compatible servers put a whole message into a chunk; legacy completions put `text`.
            delta = object_of(choice, "message") or {"content": choice.get("text")}
        details = objects_of(delta, "reasoning_details")
        if details:
            self._reasoning_details(details, delta, deltas)
        for key, value in delta.items():
            if value is None or value == "" or value == [] or key in _SET_ASIDE:
                continue
            self._field(key, value, deltas)
        for key, value in choice.items():
            if key not in CHOICE_KEYS and value is not None:
                self.left[key] = merge_grown(self.left.get(key), value, lists="grow")
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            self.is_finished = True
            deltas.append(ReplyProgressed(choice=self.number, stop_reason=read_stop(reason), native_stop_reason=reason))

    def settle(self, deltas: list[Delta]) -> None:
        """Tell the final form of the parts that were not told as they grew."""
        deltas += [
            PartEnded(choice=self.number, part=call.part, value=call.value()) for call in self._calls if call.is_changed
        ]
        if self._audio:
            deltas.append(PartEnded(choice=self.number, part=self._parts["audio"], value=read_audio(self._audio)))
        self._seal(deltas)

    def _field(self, key: str, value: Any, deltas: list[Delta]) -> None:
        if key == "content":
            self._content(value, deltas)
        elif key in ("reasoning_content", "reasoning"):
            self._reasoning(key, value, deltas)
        elif key == "tool_calls":
            for position, call in enumerate(value if isinstance(value, list) else []):
                if isinstance(call, dict):
                    self._call(call, position, deltas)
        elif key == "refusal":
            self._grow("refusal", Refusal(text=""), as_text(value), deltas)
        elif key == "annotations":
            part = self._open("text", Text(text=""), deltas)
            deltas += [PartGrew(choice=self.number, part=part, annotation=_unnumbered(one)) for one in value]
        elif key == "function_call" and isinstance(value, dict) and any(value.values()):
            self._call({"function": value, "index": _LEGACY, "function_call": True}, 0, deltas)
        elif key == "audio" and is_sound(value):
            self._sound(value, deltas)
        elif key not in MESSAGE_KEYS:
            message = self.left.setdefault("message", {})
            message[key] = merge_grown(message.get(key), value, lists="grow")

    def _reasoning_details(self, details: list[JsonObject], delta: JsonObject, deltas: list[Delta]) -> None:
        """Take OpenRouter's pieces; their text counts when it does not stand in `reasoning` as well."""
        part = self._open("reasoning", Reasoning(), deltas)
        text = text_of_details(details)
        if text and not text_of(delta, "reasoning") and not text_of(delta, "reasoning_content"):
            deltas.append(PartGrew(choice=self.number, part=part, text=text))
        self._details = join_details(self._details, details)
        self.left.setdefault("message", {})["reasoning_details"] = self._details
        self._seal(deltas)

    def _seal(self, deltas: list[Delta]) -> None:
        """Tell a seal as soon as it is known: who writes this in another dialect has to have it before the text."""
        seal = sealed(self._details)
        if any(seal) and seal != self._told_seal:
            self._told_seal = seal
            part = self._open("reasoning", Reasoning(), deltas)
            deltas.append(PartGrew(choice=self.number, part=part, signature=seal[0], encrypted=seal[1]))

    def _reasoning(self, key: str, value: Any, deltas: list[Delta]) -> None:
        """Take one of the two names; a server that sends the same text under both is heard once."""
        self._reasoning_key = self._reasoning_key or key
        if key == self._reasoning_key:
            self._grow("reasoning", Reasoning(), as_text(value), deltas)

    def _content(self, value: Any, deltas: list[Delta]) -> None:
        if isinstance(value, str):
            self._grow("text", Text(text=""), value, deltas)
            return
        for part in value if isinstance(value, list) else [value]:
            kind = part.get("type") if isinstance(part, dict) else "text"
            if kind == "thinking":
                self._close("text")
                self._grow("reasoning", Reasoning(), thinking_text(part), deltas)
            elif kind == "text":
                text = as_text(part.get("text")) if isinstance(part, dict) else as_text(part)
                self._close("reasoning")
                self._grow("text", Text(text=""), text, deltas)
            else:
                deltas.append(PartStarted(choice=self.number, part=self._next(), value=read_part(part)))

    def _sound(self, audio: JsonObject, deltas: list[Delta]) -> None:
        part = self._open("audio", Media(kind="audio"), deltas)
        for key, value in audio.items():
            if key in ("data", "transcript") and isinstance(value, str):
                self._audio[key] = self._audio.get(key, "") + value
            elif value is not None:
                self._audio[key] = value
        transcript = audio.get("transcript")
        if isinstance(transcript, str) and transcript:
            deltas.append(PartGrew(choice=self.number, part=part, text=transcript))

    def _call(self, wire: JsonObject, position: int, deltas: list[Delta]) -> None:
        call = self._call_for(wire, position)
        if call is None:
            call = _Call(self._next(), wire)
            self._calls.append(call)
            deltas.append(PartStarted(choice=self.number, part=call.part, value=call.first()))
        grown = call.take(wire)
        if grown:
            deltas.append(PartGrew(choice=self.number, part=call.part, arguments=grown))

    def _call_for(self, wire: JsonObject, position: int) -> "_Call | None":
        """Find the running call that a piece goes on with; None when it begins a new one.

        The index tells, but some servers leave it out (Mistral), give 0 to every call (Ollama, vercel/ai#14277)
        or null; then a new id, or a name when the arguments are already whole, begins a new call.
        """
        index = whole_of(wire, "index")
        call_id = text_of(wire, "id")
        running = [call for call in self._calls if call.index == index]
        if index is None:
            known = [call for call in running if call_id and call.id == call_id]
            if known or call_id:
                return known[-1] if known else None
            running = running[-1:] if position == 0 else []
        if not running:
            return None
        call = running[-1]
        if call_id and call.id and call_id != call.id:
            return next((one for one in running if one.id == call_id), None)
        _, function = call_body(wire)
        is_named_again = bool(function.get("name")) and bool(call.name) and not call_id
        return None if is_named_again and is_json(call.text()) else call

    def _grow(self, name: str, empty: AnyPart, text: str, deltas: list[Delta]) -> None:
        if text:
            part = self._open(name, empty, deltas)
            deltas.append(PartGrew(choice=self.number, part=part, text=text))

    def _open(self, name: str, empty: AnyPart, deltas: list[Delta]) -> int:
        part = self._parts.get(name)
        if part is None:
            part = self._parts[name] = self._next()
            deltas.append(PartStarted(choice=self.number, part=part, value=empty))
        return part

    def _close(self, name: str) -> None:
        self._parts.pop(name, None)

    def _next(self) -> int:
        part = self._part
        self._part += 1
        return part


class _Call:
    """One tool call as it grows."""

    __slots__ = ("_extra", "_kind", "_pieces", "_told", "id", "index", "is_changed", "name", "part")

    def __init__(self, part: int, wire: JsonObject) -> None:
        self.part = part
        self.index = whole_of(wire, "index")
        self.id = text_of(wire, "id")
        self._kind, function = call_body(wire)
        self.name = as_text(function.get("name"))
        self._pieces: list[str] = []
        self._extra: JsonObject = {}
        self._told = (self.id, self.name)
        self.is_changed = False
        """Something is known that its beginning did not say."""

    def first(self) -> ToolCall:
        return ToolCall(id=self.id, name=self.name, kind="custom" if self._kind == "custom" else "function")

    def take(self, wire: JsonObject) -> str:
        """Take a piece; returns how the arguments grow."""
        kind, function = call_body(wire)
        self.id = self.id or text_of(wire, "id")
        name = as_text(function.get("name"))
        if name and name != self.name:
            self.name = name if not self.name or name.startswith(self.name) else self.name + name
        for key, value in wire.items():
            if key not in CALL_KEYS and value is not None:
                self._extra[key] = merge_grown(self._extra.get(key), value, lists="grow")
        if self._extra or (self.id, self.name) != self._told:
            self.is_changed = True
        grown = as_text(function.get("input" if kind == "custom" else "arguments"))
        if grown:
            self._pieces.append(grown)
        return grown

    def text(self) -> str:
        return "".join(self._pieces)

    def value(self) -> ToolCall:
        return ToolCall(
            id=self.id,
            name=self.name,
            arguments=self.text(),
            kind="custom" if self._kind == "custom" else "function",
            extra=LEFT.these(self._extra),
        )


def _unnumbered(annotation: Any) -> Any:
    """Leave out the number that OpenAI's SDK wants in a stream, and that a whole reply has not."""
    if isinstance(annotation, dict) and "url_citation" in annotation:
        return {key: value for key, value in annotation.items() if key != "index"}
    return annotation


def join_details(old: list[JsonObject], new: list[JsonObject]) -> list[JsonObject]:
    """Join OpenRouter's `reasoning_details`: a piece of the same type and index goes on with the last one."""
    joined = list(old)
    for piece in new:
        last = joined[-1] if joined else None
        if last is None or any(last.get(key) != piece.get(key) for key in ("type", "index", "format")):
            joined.append(dict(piece))
            continue
        merged = {**last, **{key: value for key, value in piece.items() if value is not None}}
        for key in ("text", "summary", "data"):
            if isinstance(last.get(key), str) and isinstance(piece.get(key), str):
                merged[key] = last[key] + piece[key]
        joined[-1] = merged
    return joined
