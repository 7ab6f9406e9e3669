"""Chat's streams decoded: `data: {chat.completion.chunk}` … `data: [DONE]`.

Promise: text, reasoning and refusal grow one part each; tool calls are told apart though servers number them
in many ways; odd chunks are noted and skipped. What comes on every chunk (fingerprints, filters' findings) is
gathered and told once, at the end.
"""

from typing import Any

from dragoman.canonical import Delta, ReplyEnded, ReplyProgressed, ReplyStarted
from dragoman.dialects.frames import SseFrames
from dragoman.dialects.openai_chat.choice import GrowingChoice
from dragoman.dialects.openai_chat.content import LEFT, NAME
from dragoman.dialects.openai_chat.reply import REPLY_KEYS, timings_of, usage_of
from dragoman.dialects.openai_errors import read_error
from dragoman.dialects.values import JsonObject, merge_grown, objects_of, text_of, whole_of


class ChatDecoder:
    """Turns one stream into deltas."""

    def __init__(self) -> None:
        self._frames = SseFrames()
        self._choices: dict[int, GrowingChoice] = {}
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
                self._extra[key] = merge_grown(self._extra.get(key), value, lists="replace")
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

    def _choice(self, number: int) -> GrowingChoice:
        choice = self._choices.get(number)
        if choice is None:
            choice = self._choices[number] = GrowingChoice(number)
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
