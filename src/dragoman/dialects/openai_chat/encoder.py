"""Chat's streams written from the deltas of another dialect.

Order: a chunk with the role; text, reasoning and calls as they come, calls numbered 0..n-1; each choice's
`finish_reason` on a chunk of its own; the usage, with no choices, if the client asked for it; `[DONE]`. A stream that
breaks off ends in an error chunk, and with neither reason nor `[DONE]`, so that no client takes it for whole.
Promise: each delta is written at once, but for a call that has no name yet; frames of text cost one JSON string.
"""

from typing import Any

import msgspec

from dragoman.canonical import (
    AnyPart,
    Delta,
    Loss,
    Media,
    PartEnded,
    PartGrew,
    PartStarted,
    Reasoning,
    Refusal,
    ReplyEnded,
    ReplyError,
    ReplyProgressed,
    ReplyStarted,
    StopReason,
    Text,
    ToolCall,
    Usage,
)
from dragoman.dialects.base import ReplyTarget
from dragoman.dialects.losses import reply_path
from dragoman.dialects.openai_chat.content import NAME
from dragoman.dialects.openai_chat.render_reply import (
    call_id,
    finish_reason,
    is_shown,
    lost_reason,
    reply_id,
    seal_detail,
    write_citations,
    write_reply_call,
    write_sound,
    write_usage,
)
from dragoman.dialects.statuses import status_of
from dragoman.dialects.values import object_of, to_json

_BROKEN_OFF = ReplyError(message="the upstream's stream ended before the reply was complete", code="upstream_closed")
_PLACEHOLDER = '"\ue000"'
_encode = msgspec.json.Encoder().encode


class ChatEncoder:
    """Writes one stream."""

    def __init__(self, target: ReplyTarget) -> None:
        self._target = target
        self._id = ""
        self._model = target.model
        self._choices: dict[int, _Choice] = {}
        self._usage: Usage | None = None
        self._is_over = False
        options = object_of(target.prompt.extra.get(NAME, {}), "stream_options")
        self._tells_usage = options.get("include_usage") is True
        self.losses: list[Loss] = []

    def feed(self, deltas: list[Delta]) -> bytes:
        """Write what the deltas say; see base.Encoder."""
        out: list[bytes] = []
        for delta in deltas:
            if self._is_over:
                break
            kind = type(delta)
            if kind is PartGrew:
                self._choice(delta.choice, out).grow(delta, out)  # type: ignore[union-attr]  # by `kind`
            elif kind is PartStarted:
                self._choice(delta.choice, out).start(delta.part, delta.value, out)  # type: ignore[union-attr]  # by `kind`
            else:
                self._take(delta, out)
        return b"".join(out)

    def ping(self) -> bytes:
        """Write a comment, which parsers of server-sent events skip."""
        return b"" if self._is_over else b": ping\n\n"

    def fail(self, error: ReplyError, status: int) -> bytes:
        """Write an error chunk, after a blank line, so that no half frame swallows it (talon#393)."""
        if self._is_over:
            return b""
        self._is_over = True
        kind = error.kind or ("server_error" if status >= 500 else "invalid_request_error")
        body = {"message": error.message, "type": kind, "param": None, "code": error.code or str(status)}
        return b"\ndata: " + to_json({"error": body}).encode() + b"\n\n"

    def end(self) -> bytes:
        """Say that the upstream's stream is over; before its own end, that is a failure."""
        return b"" if self._is_over else self.fail(_BROKEN_OFF, 502)

    def chunk(self, choices: list[Any], **more: Any) -> bytes:
        """Write one chunk."""
        body = {"id": self._id, "object": "chat.completion.chunk", "created": self._target.created}
        body |= {"model": self._model, "choices": choices}
        if self._tells_usage:
            body["usage"] = None
        return b"data: " + to_json(body | more).encode() + b"\n\n"

    def _take(self, delta: Delta, out: list[bytes]) -> None:
        match delta:
            case PartEnded():
                self._choice(delta.choice, out).finish(delta.part, delta.value, out)
            case ReplyStarted():
                self._begin(delta.id, delta.model)
                self._choice(0, out)
            case ReplyProgressed():
                self._usage = delta.usage or self._usage
                if delta.stop_reason is not None:
                    self._choice(delta.choice, out).stop_reason = delta.stop_reason
                if delta.error is not None:
                    out.append(self.fail(delta.error, status_of(delta.error)))
            case ReplyEnded():
                self._close(out)
            case _:
                pass

    def _begin(self, given_id: str | None, model: str | None) -> None:
        if not self._id:
            self._id = given_id or reply_id(self._target)
            self._model = self._model or model or ""

    def _choice(self, number: int, out: list[bytes]) -> "_Choice":
        choice = self._choices.get(number)
        if choice is None:
            self._begin(None, None)
            choice = self._choices[number] = _Choice(self, number, self._target)
            out.append(choice.frame({"role": "assistant", "content": "", "refusal": None}))
        return choice

    def _close(self, out: list[bytes]) -> None:
        self._choice(0, out)
        for _, choice in sorted(self._choices.items()):
            choice.close(out)
        for number, choice in sorted(self._choices.items()):
            lost_reason(choice.stop_reason, self.losses)
            reason = choice.finish_reason()
            out.append(self.chunk([{"index": number, "delta": {}, "logprobs": None, "finish_reason": reason}]))
        if self._tells_usage:
            out.append(self.chunk([], usage=write_usage(self._usage, self.losses)))
        out.append(b"data: [DONE]\n\n")
        self._is_over = True


class _Choice:
    """One choice as it is written."""

    def __init__(self, encoder: ChatEncoder, number: int, target: ReplyTarget) -> None:
        self.stop_reason: StopReason | None = None
        self._encoder = encoder
        self._number = number
        self._target = target
        self._parts: dict[int, _Part] = {}
        self._calls = 0
        self._listed = {"annotations": 0, "reasoning_details": 0}
        self._frames: dict[str, tuple[bytes, bytes]] = {}

    def frame(self, delta: dict[str, Any]) -> bytes:
        choice = {"index": self._number, "delta": delta, "logprobs": None, "finish_reason": None}
        return self._encoder.chunk([choice])

    def texts(self, key: str, text: str) -> bytes:
        """Write a chunk with one text, in a frame that was rendered once."""
        frame = self._frames.get(key)
        if frame is None:
            before, _, after = self.frame({key: _PLACEHOLDER[1:-1]}).partition(_PLACEHOLDER.encode())
            frame = self._frames[key] = (before, after)
        try:
            return frame[0] + _encode(text) + frame[1]
        except UnicodeEncodeError:  # half an emoji
            return frame[0] + to_json(text).encode() + frame[1]

    def start(self, number: int, value: AnyPart, out: list[bytes]) -> None:
        if not is_shown(value):
            self._encoder.losses.append(Loss(path=reply_path(number), reason="Chat's replies have no such part"))
            self._parts[number] = _Part("", value)
            return
        part = self._parts[number] = _Part(_KEYS.get(type(value), ""), value)
        if isinstance(value, ToolCall):
            part.key = "arguments"
            part.held = [value.arguments] if value.arguments else []
            self._begin_call(part, value, out)
        elif isinstance(value, Reasoning):
            part.signature, part.encrypted = value.signature, value.encrypted
            self._think(part, value.text, value.summary, out)
        elif isinstance(value, Text | Refusal):
            self._say(part, value.text, out)
            if isinstance(value, Text) and value.annotations:
                self._cite(number, part, value.annotations, out)

    def grow(self, delta: PartGrew, out: list[bytes]) -> None:
        part = self._parts.get(delta.part)
        if part is None:
            self.start(delta.part, Text(text=""), out)
            part = self._parts[delta.part]
        if part.key == "content":
            if delta.text:
                self._say(part, delta.text, out)
            if delta.annotation is not None:
                self._cite(delta.part, part, [delta.annotation], out)
        elif part.key == "arguments":
            if delta.arguments:
                self._argue(part, delta.arguments, out)
        elif part.key == "refusal":
            self._say(part, delta.text, out)
        elif part.key == "reasoning_content":
            self._think(part, delta.text, delta.summary, out)
            if delta.signature is not None:
                part.signature = delta.signature
            if delta.encrypted is not None:
                part.encrypted = delta.encrypted

    def finish(self, number: int, value: AnyPart | None, out: list[bytes]) -> None:
        """End a part; what its final form has more than was told is told now."""
        part = self._parts.get(number)
        if part is None:
            if value is not None:
                self.start(number, value, out)
                part = self._parts[number]
            else:
                return
        elif value is not None and part.key:
            self._complete(number, part, value, out)
        if isinstance(part.value, ToolCall) and part.key and part.index < 0:
            self._begin_call(part, part.value, out, is_last=True)
        self._seal(part, out)

    def close(self, out: list[bytes]) -> None:
        """End all parts that the upstream left open."""
        for part in self._parts.values():
            if isinstance(part.value, ToolCall) and part.key and part.index < 0:
                self._begin_call(part, part.value, out, is_last=True)
            self._seal(part, out)

    def finish_reason(self) -> str:
        return finish_reason(self.stop_reason, has_calls=self._calls > 0)

    def _complete(self, number: int, part: "_Part", value: AnyPart, out: list[bytes]) -> None:
        match value:
            case ToolCall():
                part.value = value
                if part.index < 0:
                    part.held = [value.arguments] if value.arguments else []
                    self._begin_call(part, value, out)
                else:
                    self._argue(part, self._untold(number, part.texts, value.arguments), out)
            case Text() | Refusal():
                self._say(part, self._untold(number, part.texts, value.text), out)
                if isinstance(value, Text) and len(value.annotations) > part.cited:
                    self._cite(number, part, value.annotations[part.cited :], out)
            case Reasoning():
                text = self._untold(number, part.texts, value.text)
                self._think(part, text, self._untold(number, part.summaries, value.summary), out)
                part.value = value
                part.signature = value.signature or part.signature
                part.encrypted = value.encrypted or part.encrypted
            case Media():
                out.append(self.frame({"audio": write_sound(value)}))
            case _:
                pass

    def _untold(self, number: int, told: list[str], final: str) -> str:
        """Give what the final form of a text has beyond what was told; it cannot be told otherwise any more."""
        so_far = "".join(told)
        if final.startswith(so_far):
            return final[len(so_far) :]
        self._encoder.losses.append(
            Loss(path=reply_path(number), reason="its final form is not the one it was told in")
        )
        return ""

    def _say(self, part: "_Part", text: str, out: list[bytes]) -> None:
        if text:
            part.texts.append(text)
            out.append(self.texts(part.key, text))

    def _think(self, part: "_Part", text: str, summary: str, out: list[bytes]) -> None:
        """Show what was thought, and keep it: a seal covers it."""
        if text:
            part.texts.append(text)
        if summary:
            part.summaries.append(summary)
        if text or summary:
            out.append(self.texts(part.key, text or summary))

    def _list(self, key: str, values: list[dict[str, Any]], out: list[bytes]) -> None:
        """Write entries of a list, numbered: OpenAI's SDK joins those of several chunks by `index`."""
        first = self._listed[key]
        self._listed[key] += len(values)
        out.append(self.frame({key: [{**value, "index": first + at} for at, value in enumerate(values)]}))

    def _cite(self, number: int, part: "_Part", annotations: list[Any], out: list[bytes]) -> None:
        part.cited += len(annotations)
        cited = write_citations(annotations, "", reply_path(number), self._encoder.losses)
        if cited:
            self._list("annotations", cited, out)

    def _begin_call(self, part: "_Part", call: ToolCall, out: list[bytes], *, is_last: bool = False) -> None:
        """Write a call's first chunk, with all that is known; a call without a name waits for it."""
        if not call.name and not is_last:
            return
        part.index = self._calls
        self._calls += 1
        part.kind, part.field = ("custom", "input") if call.kind == "custom" else ("function", "arguments")
        wire = write_reply_call(call, call.id or call_id(self._target, self._number, part.index))
        held = "".join(part.held)
        part.texts = [held]
        wire[part.kind] = {**wire[part.kind], part.field: held}
        out.append(self.frame({"tool_calls": [{"index": part.index, **wire}]}))

    def _argue(self, part: "_Part", text: str, out: list[bytes]) -> None:
        if part.index < 0:
            part.held.append(text)
            return
        if not text:
            return
        part.texts.append(text)
        key = f"{part.kind}{part.index}"
        frame = self._frames.get(key)
        if frame is None:
            call = {"index": part.index, part.kind: {part.field: _PLACEHOLDER[1:-1]}}
            before, _, after = self.frame({"tool_calls": [call]}).partition(_PLACEHOLDER.encode())
            frame = self._frames[key] = (before, after)
        out.append(frame[0] + to_json(text).encode() + frame[1])

    def _seal(self, part: "_Part", out: list[bytes]) -> None:
        """Tell a seal once all that it covers was told."""
        value = part.value
        if part.is_sealed or not isinstance(value, Reasoning) or not (part.signature or part.encrypted):
            return  # OpenAI seals an item anew in its last event: the first seal is as good, and was told
        sealed = msgspec.structs.replace(
            value,
            text="".join(part.texts),
            summary="".join(part.summaries),
            signature=part.signature,
            encrypted=part.encrypted,
        )
        part.is_sealed = True
        detail = seal_detail(sealed)
        if detail is not None:
            self._list("reasoning_details", [detail], out)


_KEYS = {Text: "content", Refusal: "refusal", Reasoning: "reasoning_content", Media: "audio"}


class _Part:
    """What was told of one part."""

    __slots__ = (
        *("cited", "encrypted", "field", "held", "index", "is_sealed", "key", "kind"),
        *("signature", "summaries", "texts", "value"),
    )

    def __init__(self, key: str, value: AnyPart) -> None:
        self.key = key
        """Field of the delta; empty for a part that is not told."""
        self.value = value
        self.index = -1
        """A call's number, once it was told."""
        self.kind = self.field = ""
        self.held: list[str] = []
        self.cited = 0
        self.texts: list[str] = []
        """Told so far."""
        self.summaries: list[str] = []
        self.signature: str | None = None
        self.encrypted: str | None = None
        self.is_sealed = False
