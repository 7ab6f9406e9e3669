"""Chat's streams decoded: `data: {chat.completion.chunk}` … `data: [DONE]`.

Promise: text, reasoning and refusal grow one part each; tool calls are told apart though servers number them
in many ways; odd chunks are noted and skipped. What comes on every chunk (fingerprints, filters' findings) is
gathered and told once, at the end.
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
    ReplyEnded,
    ReplyProgressed,
    ReplyStarted,
    Text,
    ToolCall,
)
from dragoman.dialects.frames import SseFrames
from dragoman.dialects.openai_chat.content import (
    CALL_KEYS,
    LEFT,
    MESSAGE_KEYS,
    NAME,
    call_body,
    is_sound,
    read_audio,
    read_part,
    read_stop,
    sealed,
    text_of_details,
    thinking_text,
)
from dragoman.dialects.openai_chat.reply import CHOICE_KEYS, REPLY_KEYS, timings_of, usage_of
from dragoman.dialects.openai_errors import read_error
from dragoman.dialects.values import JsonObject, as_text, is_json, merge_grown, objects_of, text_of, whole_of

_LEGACY = -1
"""The index that the one call of `function_call` gets."""

_SET_ASIDE = frozenset({"role", "name", "tool_call_id", "reasoning_details"})
"""Fields of a delta that say nothing, or are taken before the others."""


class ChatDecoder:
    """Turns one stream into deltas."""

    def __init__(self) -> None:
        self._frames = SseFrames()
        self._choices: dict[int, _Choice] = {}
        self._extra: JsonObject = {}
        self._id: str | None = None
        self._model: str | None = None
        self._is_started = False
        self._is_over = False
        self._has_failed = False

    @property
    def warnings(self) -> list[str]:
        return self._frames.notes.warnings

    def feed(self, data: bytes) -> list[Delta]:
        """Take the next bytes of the body; see base.Decoder."""
        deltas: list[Delta] = []
        for _, value in self._frames.feed(data):
            self.take(value, deltas)
        return self._frames.notes.sound(deltas)

    def end(self) -> list[Delta]:
        """Say that the body is over. Without `[DONE]`, a stream whose choices all gave a reason is whole."""
        deltas: list[Delta] = []
        for _, value in self._frames.end():
            self.take(value, deltas)
        if not self._is_over:
            self._settle(deltas)
            if self._choices and all(choice.is_finished for choice in self._choices.values()) and not self._has_failed:
                deltas.append(ReplyEnded())
        return self._frames.notes.sound(deltas) + self._frames.notes.end()

    def take(self, value: Any, deltas: list[Delta]) -> None:
        """Take one frame that is read already, and append what it says."""
        if value is SseFrames.DONE:
            if not self._is_over:
                self._is_over = True
                self._settle(deltas)
                if not self._has_failed:
                    deltas.append(ReplyEnded())
        elif isinstance(value, dict):
            self._chunk(value, deltas)
        else:
            self._frames.notes.warn(f"frame skipped: found a JSON {type(value).__name__}, expected an object")

    def _chunk(self, chunk: JsonObject, deltas: list[Delta]) -> None:
        self._introduce(chunk, deltas)
        for choice in objects_of(chunk, "choices"):
            self._choice(whole_of(choice, "index") or 0).take(choice, deltas)
            if choice.get("error"):
                self._fail(choice["error"], deltas)
        for key, value in chunk.items():
            if key not in REPLY_KEYS and value is not None:
                self._extra[key] = merge_grown(self._extra.get(key), value, _later)
        error = chunk.get("error")
        if error is None and chunk.get("object") == "error":  # vLLM
            error = chunk
        if error:
            self._fail(error, deltas)
        usage = usage_of(chunk)
        if usage is not None:
            deltas.append(ReplyProgressed(usage=usage, provider_timings_ns=timings_of(chunk)))

    def _introduce(self, chunk: JsonObject, deltas: list[Delta]) -> None:
        """Tell id and model when they are first known; Azure's first chunk has neither."""
        known = (self._id, self._model)
        if self._id is None:
            self._id = text_of(chunk, "id")
        if self._model is None:
            self._model = text_of(chunk, "model")
        if not self._is_started:
            self._is_started = True
            deltas.append(ReplyStarted(id=self._id, model=self._model))
        elif known != (self._id, self._model):
            deltas.append(ReplyProgressed(id=self._id, model=self._model))

    def _choice(self, number: int) -> "_Choice":
        choice = self._choices.get(number)
        if choice is None:
            choice = self._choices[number] = _Choice(number)
        return choice

    def _fail(self, error: Any, deltas: list[Delta]) -> None:
        self._has_failed = True
        deltas.append(ReplyProgressed(error=read_error(NAME, error), stop_reason="error"))

    def _settle(self, deltas: list[Delta]) -> None:
        """Tell what was gathered."""
        extra = dict(self._extra)
        by_number: JsonObject = {}
        for number, choice in sorted(self._choices.items()):
            choice.settle(deltas)
            if choice.left:
                by_number[str(number)] = choice.left
        if by_number:
            extra["choices"] = by_number
        if extra:
            deltas.append(ReplyProgressed(extra=LEFT.these(extra)))


def _later(_old: Any, new: Any) -> Any:
    """Lists beside the choices (citations, search results) come whole each time."""
    return new


class _Choice:
    """One choice's message as it grows."""

    __slots__ = (
        *("_audio", "_calls", "_details", "_part", "_parts", "_reasoning_key"),
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
        self._audio: JsonObject = {}

    def take(self, choice: JsonObject, deltas: list[Delta]) -> None:
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            # Some compatible servers put a whole message into a chunk; legacy completions put `text`.
            delta = choice.get("message") or {"content": choice.get("text")}
        details = objects_of(delta, "reasoning_details")
        if details:
            self._reasoning_details(details, delta, deltas)
        for key, value in delta.items():
            if value is None or value == "" or value == [] or key in _SET_ASIDE:
                continue
            self._field(key, value, deltas)
        for key, value in choice.items():
            if key not in CHOICE_KEYS and value is not None:
                self.left[key] = merge_grown(self.left.get(key), value)
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
        signature, encrypted = sealed(self._details)
        if signature or encrypted:
            part = self._open("reasoning", Reasoning(), deltas)
            deltas.append(PartGrew(choice=self.number, part=part, signature=signature, encrypted=encrypted))

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
            deltas += [PartGrew(choice=self.number, part=part, annotation=one) for one in value]
        elif key == "function_call" and isinstance(value, dict) and any(value.values()):
            self._call({"function": value, "index": _LEGACY, "function_call": True}, 0, deltas)
        elif key == "audio" and is_sound(value):
            self._sound(value, deltas)
        elif key not in MESSAGE_KEYS:
            message = self.left.setdefault("message", {})
            message[key] = merge_grown(message.get(key), value)

    def _reasoning_details(self, details: list[JsonObject], delta: JsonObject, deltas: list[Delta]) -> None:
        """Take OpenRouter's pieces; their text counts when it does not stand in `reasoning` as well."""
        part = self._open("reasoning", Reasoning(), deltas)
        text = text_of_details(details)
        if text and not text_of(delta, "reasoning") and not text_of(delta, "reasoning_content"):
            deltas.append(PartGrew(choice=self.number, part=part, text=text))
        self._details = join_details(self._details, details)
        self.left.setdefault("message", {})["reasoning_details"] = self._details

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
                self._extra[key] = merge_grown(self._extra.get(key), value)
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
