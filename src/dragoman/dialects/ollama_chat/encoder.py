"""Replies and streams written as Ollama has them: one JSON object, or one a line.

Calls come whole, on a line of their own. There is nothing that could be sent as a ping: the official client reads
each line as JSON. Durations are written where the upstream was an Ollama, and told them.
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
from dragoman.dialects.base import Rendered, ReplyTarget
from dragoman.dialects.losses import reply_path
from dragoman.dialects.ollama_chat.reply import DURATIONS
from dragoman.dialects.ollama_chat.request import is_generate
from dragoman.dialects.ollama_chat.wire import write_call
from dragoman.dialects.values import JsonObject, to_json

_BROKEN_OFF = "the upstream's stream ended before the reply was complete"
_PLACEHOLDER = "\ue000"
_encode = msgspec.json.Encoder().encode

_REASON_LOST: dict[StopReason | None, str] = {
    "stop_sequence": "Ollama does not tell that a stop sequence came up, nor which",
    "pause": "Ollama has no paused turn; it reads as the end",
    "refusal": "Ollama has no word for a refusal; it reads as the end",
}


def render_reply(reply: Reply, target: ReplyTarget) -> Rendered:
    """Write a whole reply; see base.Dialect."""
    lines = _Lines(target, reply.model)
    losses: list[Loss] = []
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[JsonObject] = []
    for number, part in enumerate(reply.message.parts):
        lost_of(number, part, losses)
        match part:
            case Text() | Refusal():
                texts.append(part.text)
            case Reasoning():
                thoughts.append(part.text or part.summary)
            case ToolCall() if part.kind != "server":
                calls.append(lines.call(part, len(calls)))
            case _:
                pass
    said: JsonObject = {"content": "".join(texts)}
    if any(thoughts):
        said["thinking"] = "".join(thoughts)
    if calls:
        said["tool_calls"] = calls
    last = lines.last(reply.stop_reason, reply.usage, reply.provider_timings_ns, losses, said)
    return Rendered(to_json(last).encode(), losses)


def lost_of(number: int, part: AnyPart, losses: list[Loss]) -> None:
    """Note what of a part Ollama cannot say."""
    path = reply_path(number)
    match part:
        case Text() if part.annotations:
            losses.append(Loss(path=path + ".annotations", reason="Ollama has no citations"))
        case Reasoning() if part.signature or part.encrypted:
            losses.append(
                Loss(path=path + ".seal", reason="Ollama has no field for a seal; the next turn goes without")
            )
        case Text() | Refusal() | Reasoning():
            pass
        case ToolCall() if part.kind != "server":
            pass
        case _:
            losses.append(Loss(path=path, reason="Ollama's replies have no such part"))


class _Lines:
    """The shape of one reply's lines: chat's, or generate's."""

    def __init__(self, target: ReplyTarget, model: str | None) -> None:
        self._target = target
        self._model = target.model or model or ""
        self._created = dated(target.created)
        self._is_generate = is_generate(target.prompt)

    def line(self, said: JsonObject, **more: object) -> JsonObject:
        head = {"model": self._model, "created_at": self._created}
        if self._is_generate:
            texts = {("response" if key == "content" else key): value for key, value in said.items()}
            return {**head, **texts, "done": False, **more}
        return {**head, "message": {"role": "assistant", **said}, "done": False, **more}

    def last(
        self,
        reason: StopReason | None,
        usage: Usage | None,
        timings: dict[str, int],
        losses: list[Loss],
        said: JsonObject,
    ) -> JsonObject:
        """Write the object that ends a reply."""
        if reason in _REASON_LOST:
            losses.append(Loss(path="reply.stop_reason", reason=_REASON_LOST[reason]))
        if usage and (usage.cache_read or usage.cache_write_5m or usage.cache_write_1h):
            reason_lost = "Ollama's figures tell nothing of a cache; the input holds it"
            losses.append(Loss(path="reply.usage.cache_read", reason=reason_lost))
        more: JsonObject = {"done": True, "done_reason": "length" if reason == "length" else "stop"}
        more |= {key: timings[key] for key in DURATIONS if key in timings}
        figures = {"prompt_eval_count": usage.input_total, "eval_count": usage.output} if usage else {}
        return self.line(said, **more, **{key: value for key, value in figures.items() if value is not None})

    def call(self, call: ToolCall, number: int) -> JsonObject:
        named = call if call.id is not None else msgspec.structs.replace(call, id=f"call_{self._target.seed}_{number}")
        wire = write_call(msgspec.structs.replace(named, extra={}))
        return {**wire, "function": {"index": number, **wire["function"]}}

    def frame(self, key: str) -> tuple[bytes, bytes]:
        """Give what stands before and after the text of a line that brings text."""
        said = {"content": _PLACEHOLDER} if key == "content" else {"content": "", key: _PLACEHOLDER}
        before, _, after = to_json(self.line(said)).partition(f'"{_PLACEHOLDER}"')
        return before.encode(), after.encode() + b"\n"


def dated(seconds: int) -> str:
    """Write seconds since 1970 as RFC 3339, by arithmetic: this floor reads no clock.

    https://howardhinnant.github.io/date_algorithms.html#civil_from_days, seen 2026-11-21
    """
    days, rest = divmod(seconds, 86400)
    era, of_era = divmod(days + 719_468, 146_097)
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    day = of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    year += era * 400 + (month <= 2)
    return f"{year:04}-{month:02}-{day:02}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}Z"


class OllamaEncoder:
    """Writes one stream."""

    def __init__(self, target: ReplyTarget) -> None:
        self._target = target
        self._lines: _Lines | None = None
        self._frames: dict[str, tuple[bytes, bytes]] = {}
        self._parts: dict[int, _Part] = {}
        self._calls = 0
        self._stop_reason: StopReason | None = None
        self._usage: Usage | None = None
        self._timings: dict[str, int] = {}
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
        """Write the line that says what went wrong."""
        if self._is_over:
            return b""
        self._is_over = True
        return to_json({"error": error.message}).encode() + b"\n"

    def end(self) -> bytes:
        """Say that the upstream's stream is over; before its own end, that is a failure."""
        return b"" if self._is_over else self.fail(ReplyError(message=_BROKEN_OFF), 502)

    def _take(self, delta: Delta, out: list[bytes]) -> None:
        match delta:
            case PartGrew() if not delta.choice:
                part = self._parts.get(delta.part)
                if part is None:
                    part = self._start(delta.part, Text(text=""), out)
                self._grow(part, delta, out)
            case PartStarted() if not delta.choice:
                self._start(delta.part, delta.value, out)
            case PartEnded() if not delta.choice:
                self._finish(delta, out)
            case ReplyStarted():
                self._lines = self._lines or _Lines(self._target, delta.model)
            case ReplyProgressed() if not delta.choice:
                self._stop_reason = delta.stop_reason or self._stop_reason
                self._usage = delta.usage or self._usage
                self._timings |= delta.provider_timings_ns
                if delta.error is not None:
                    out.append(self.fail(delta.error, 500))
            case ReplyEnded():
                self._close(out)
            case _:
                pass

    def _known(self) -> _Lines:
        if self._lines is None:
            self._lines = _Lines(self._target, None)
        return self._lines

    def _start(self, number: int, value: AnyPart, out: list[bytes]) -> "_Part":
        part = self._parts[number] = _Part(number, value)
        if isinstance(value, Text | Refusal):
            self._say(part, "content", value.text, out)
        elif isinstance(value, Reasoning):
            self._say(part, "thinking", value.text or value.summary, out)
        return part

    def _grow(self, part: "_Part", delta: PartGrew, out: list[bytes]) -> None:
        if isinstance(part.value, Text | Refusal):
            self._say(part, "content", delta.text, out)
            if delta.annotation is not None:
                part.is_lossy = True
        elif isinstance(part.value, Reasoning):
            self._say(part, "thinking", delta.text or delta.summary, out)
            part.is_lossy = part.is_lossy or bool(delta.signature or delta.encrypted)
        elif delta.arguments:
            part.pieces.append(delta.arguments)

    def _say(self, part: "_Part", key: str, text: str, out: list[bytes]) -> None:
        if not text:
            return
        part.pieces.append(text)
        frame = self._frames.get(key)
        if frame is None:
            frame = self._frames[key] = self._known().frame(key)
        try:
            out.append(frame[0] + _encode(text) + frame[1])
        except UnicodeEncodeError:  # half an emoji
            out.append(frame[0] + to_json(text).encode() + frame[1])

    def _finish(self, delta: PartEnded, out: list[bytes]) -> None:
        """End a part; what its final form has more than was told is told now."""
        part = self._parts.get(delta.part)
        if part is None:
            if delta.value is None:
                return
            part = self._start(delta.part, delta.value, out)
        elif isinstance(delta.value, Text | Refusal):
            self._say(part, "content", self._untold(part, delta.value.text), out)
            part.value = delta.value
        elif isinstance(delta.value, Reasoning):
            self._say(part, "thinking", self._untold(part, delta.value.text or delta.value.summary), out)
            part.value = delta.value
        elif delta.value is not None:
            part.value, part.pieces = delta.value, []
        self._end(part, out)

    def _untold(self, part: "_Part", final: str) -> str:
        """Give what the final form of a text has beyond what was told; it cannot be told otherwise any more."""
        told = "".join(part.pieces)
        if final.startswith(told):
            return final[len(told) :]
        reason = "its final form is not the one it was told in"
        self.losses.append(Loss(path=reply_path(part.number), reason=reason))
        return ""

    def _end(self, part: "_Part", out: list[bytes]) -> None:
        """Tell a call, which comes whole, and note what is lost of a part."""
        if part.is_ended:
            return
        part.is_ended = True
        value = part.value
        if isinstance(value, ToolCall) and value.kind != "server":
            whole = msgspec.structs.replace(value, arguments=value.arguments + "".join(part.pieces))
            wire = self._known().call(whole, self._calls)
            self._calls += 1
            line = self._known().line({"content": "", "tool_calls": [wire]})
            out.append(to_json(line).encode() + b"\n")
        lossy = part.lossy_value() if part.is_lossy else value
        lost_of(part.number, lossy, self.losses)

    def _close(self, out: list[bytes]) -> None:
        for part in self._parts.values():
            self._end(part, out)
        last = self._known().last(self._stop_reason, self._usage, self._timings, self.losses, {"content": ""})
        out.append(to_json(last).encode() + b"\n")
        self._is_over = True


class _Part:
    """What was told of one part."""

    __slots__ = ("is_ended", "is_lossy", "number", "pieces", "value")

    def __init__(self, number: int, value: AnyPart) -> None:
        self.number = number
        self.value = value
        self.pieces: list[str] = []
        self.is_ended = False
        self.is_lossy = False
        """A citation or a seal came while it grew."""

    def lossy_value(self) -> AnyPart:
        if isinstance(self.value, Reasoning):
            return msgspec.structs.replace(self.value, signature=self.value.signature or "seal")
        return msgspec.structs.replace(self.value, annotations=[{}]) if isinstance(self.value, Text) else self.value
