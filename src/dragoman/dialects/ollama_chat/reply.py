"""Replies of chat, generate and embed read into a Reply, whole or line by line.

A streamed line has the shape of a whole reply, so that one reading serves both. Calls come whole, often on a
line before the last; `done_reason` stays `stop` then.
"""

from typing import Any

from dragoman.canonical import (
    AnyPart,
    Delta,
    Message,
    PartEnded,
    PartGrew,
    PartStarted,
    Reasoning,
    Reply,
    ReplyEnded,
    ReplyError,
    ReplyProgressed,
    ReplyStarted,
    StopReason,
    Text,
    ToolCall,
    Usage,
)
from dragoman.dialects.assembler import settle_stop
from dragoman.dialects.base import Unreadable
from dragoman.dialects.frames import NdjsonFrames
from dragoman.dialects.values import (
    JsonObject,
    Leftovers,
    as_text,
    count_of,
    load_object,
    object_of,
    objects_of,
    text_of,
    to_json,
)

NAME = "ollama_chat"
LEFT = Leftovers(NAME)

_FIGURES = ("prompt_eval_count", "eval_count")
DURATIONS = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")

REPLY_KEYS = frozenset(
    {"model", "message", "response", "thinking", "tool_calls", "done", "done_reason", "error", *_FIGURES, *DURATIONS}
)

_STOP_REASONS: dict[str, StopReason] = {"stop": "end", "length": "length"}


def read_reply(body: bytes) -> Reply:
    """Read a whole reply. Raises Unreadable when it is none of chat, generate, embed or an error."""
    given, warnings = load_object(body, "ollama_chat reply")
    if "error" in given and "message" not in given:
        return Reply(error=read_error(given), is_complete=False, warnings=warnings)
    if "embeddings" in given or "embedding" in given:
        return _embedded(given, warnings)
    if not given.keys() & {"message", "response", "done"}:
        raise Unreadable(f"ollama_chat reply: found keys {sorted(given)[:12]}, expected message or response")
    said = object_of(given, "message") or given
    parts = [*read_parts(said), *(read_call(call) for call in objects_of(said, "tool_calls"))]
    return Reply(
        message=Message(role="assistant", parts=parts),
        model=text_of(given, "model"),
        stop_reason=settle_stop(read_stop(given), parts),
        native_stop_reason=text_of(given, "done_reason"),
        usage=read_usage(given),
        extra=_leftovers(given),
        is_complete=given.get("done") is not False,
        provider_timings_ns=timings_of(given),
        warnings=warnings,
    )


def read_parts(said: JsonObject) -> list[AnyPart]:
    """Read thinking and text, of chat's message or of generate's reply itself."""
    parts: list[AnyPart] = []
    if text_of(said, "thinking"):
        parts.append(Reasoning(text=said["thinking"]))
    text = as_text(said.get("content", said.get("response")))
    if text:
        parts.append(Text(text=text))
    return parts


def read_call(call: JsonObject) -> ToolCall:
    """Read a call; its arguments are an object, and only newer servers give it an id."""
    function = object_of(call, "function")
    arguments = function.get("arguments")
    left = {key: value for key, value in function.items() if key not in ("name", "arguments", "index")}
    return ToolCall(
        id=text_of(call, "id"),
        name=as_text(function.get("name")),
        arguments=arguments if isinstance(arguments, str) else to_json(arguments or {}),
        extra=LEFT.these(left),
    )


def read_stop(given: JsonObject) -> StopReason | None:
    reason = text_of(given, "done_reason")
    return _STOP_REASONS.get(reason, "other") if reason else None


def read_usage(given: JsonObject) -> Usage | None:
    """Read the figures; no word of a cache."""
    native = {key: given[key] for key in _FIGURES if given.get(key) is not None}
    if not native:
        return None
    return Usage(input_fresh=count_of(given, "prompt_eval_count"), output=count_of(given, "eval_count"), native=native)


def timings_of(given: JsonObject) -> dict[str, int]:
    return {key: value for key in DURATIONS if (value := count_of(given, key)) is not None}


def read_error(given: JsonObject) -> ReplyError:
    error = given.get("error")
    if isinstance(error, dict):
        return ReplyError(message=as_text(error.get("message")) or to_json(error), extra=LEFT.these(error))
    left = {key: value for key, value in given.items() if key != "error"}
    return ReplyError(message=as_text(error), extra=LEFT.these(left))


def _embedded(given: JsonObject, warnings: list[str]) -> Reply:
    vectors = given.get("embeddings")
    left = {key: value for key, value in given.items() if key not in {*REPLY_KEYS, "embeddings", "embedding"}}
    return Reply(
        model=text_of(given, "model"),
        usage=read_usage(given),
        extra=LEFT.these({**left, "embeddings": len(vectors) if isinstance(vectors, list) else 1}),
        provider_timings_ns=timings_of(given),
        warnings=warnings,
    )


def _leftovers(given: JsonObject) -> dict[str, Any]:
    """What a reply carries beside; `created_at` is another on each line, the last one counts."""
    return LEFT.these({key: value for key, value in given.items() if key not in REPLY_KEYS and value is not None})


class OllamaDecoder:
    """Turns one stream of lines into deltas."""

    def __init__(self) -> None:
        self._frames = NdjsonFrames()
        self._parts: dict[str, int] = {}
        self._next = 0
        self._is_started = False

    @property
    def warnings(self) -> list[str]:
        return self._frames.notes.warnings

    def feed(self, data: bytes) -> list[Delta]:
        """Take the next bytes of the body; see base.Decoder."""
        deltas: list[Delta] = []
        for value in self._frames.feed(data):
            self._take(value, deltas)
        return self._frames.notes.sound(deltas)

    def end(self) -> list[Delta]:
        """Say that the body is over."""
        deltas: list[Delta] = []
        for value in self._frames.end():
            self._take(value, deltas)
        return self._frames.notes.sound(deltas) + self._frames.notes.end()

    def _take(self, value: Any, deltas: list[Delta]) -> None:
        if not isinstance(value, dict):
            self._frames.notes.warn(f"line skipped: found a JSON {type(value).__name__}, expected an object")
            return
        if value.get("error") is not None:
            deltas.append(ReplyProgressed(error=read_error(value), stop_reason="error"))
            return
        if not self._is_started:
            self._is_started = True
            deltas.append(ReplyStarted(model=text_of(value, "model")))
        said = object_of(value, "message") or value
        self._grow("thinking", Reasoning(), as_text(said.get("thinking")), deltas)
        self._grow("text", Text(text=""), as_text(said.get("content", said.get("response"))), deltas)
        for call in objects_of(said, "tool_calls"):
            deltas.append(PartStarted(part=self._next, value=read_call(call)))
            deltas.append(PartEnded(part=self._next))
            self._next += 1
        if value.get("done") is True:
            self._finish(value, deltas)

    def _grow(self, name: str, empty: AnyPart, text: str, deltas: list[Delta]) -> None:
        if not text:
            return
        part = self._parts.get(name)
        if part is None:
            part = self._parts[name] = self._next
            self._next += 1
            deltas.append(PartStarted(part=part, value=empty))
        deltas.append(PartGrew(part=part, text=text))

    def _finish(self, value: JsonObject, deltas: list[Delta]) -> None:
        deltas.append(
            ReplyProgressed(
                stop_reason=read_stop(value),
                native_stop_reason=text_of(value, "done_reason"),
                usage=read_usage(value),
                extra=_leftovers(value),
                provider_timings_ns=timings_of(value),
            )
        )
        deltas.append(ReplyEnded())
