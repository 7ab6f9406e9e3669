"""Deltas put together to a Reply. One for all dialects.

Promise: `reply()` may be asked at any time and gives what is known so far; asked at the end, it gives what
`parse_reply` gives for the same content. Pieces are joined when asked, so that a long stream costs O(n).
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from dragoman.canonical import (
    AnyPart,
    Choice,
    Delta,
    Extra,
    Media,
    Message,
    PartEnded,
    PartGrew,
    PartStarted,
    Reasoning,
    Refusal,
    Reply,
    ReplyEnded,
    ReplyProgressed,
    ReplyStarted,
    StopReason,
    Text,
    ToolCall,
)


class Assembler:
    """Gathers the deltas of one reply."""

    __slots__ = ("_choices", "_extra", "_facts", "_is_ended", "_timings")

    def __init__(self) -> None:
        self._choices: dict[int, _GrowingChoice] = {0: _GrowingChoice()}
        self._facts: dict[str, Any] = {}
        self._extra: Extra = {}
        self._timings: dict[str, int] = {}
        self._is_ended = False

    def add(self, deltas: Iterable[Delta]) -> None:
        """Take the next deltas, in order."""
        for delta in deltas:
            match delta:
                case PartGrew():
                    self._choice(delta.choice).grow(delta)
                case PartStarted():
                    self._choice(delta.choice).parts[delta.part] = _GrowingPart(delta.value)
                case PartEnded():
                    self._choice(delta.choice).end(delta)
                case ReplyProgressed():
                    self._progress(delta)
                case ReplyStarted():
                    self._learn(delta, ("id", "model"))
                    self._extra = merge_extra(self._extra, delta.extra)
                case ReplyEnded():
                    self._is_ended = True

    def reply(self) -> Reply:
        """Return the reply as far as it is known."""
        first, *others = [self._choices[number] for number in sorted(self._choices)]
        return Reply(
            message=first.message(),
            stop_reason=first.settled(),
            native_stop_reason=first.native_stop_reason,
            others=[choice.choice() for choice in others],
            extra=self._extra,
            provider_timings_ns=self._timings,
            is_complete=self._is_ended,
            **self._facts,
        )

    def _choice(self, number: int) -> "_GrowingChoice":
        choice = self._choices.get(number)
        if choice is None:
            choice = self._choices[number] = _GrowingChoice()
        return choice

    def _progress(self, delta: ReplyProgressed) -> None:
        choice = self._choice(delta.choice)
        choice.stop_reason = delta.stop_reason or choice.stop_reason
        choice.native_stop_reason = delta.native_stop_reason or choice.native_stop_reason
        self._learn(delta, ("id", "model", "usage", "error", "stop_sequence"))
        if delta.extra:
            self._extra = merge_extra(self._extra, delta.extra)
        if delta.provider_timings_ns:
            self._timings = {**self._timings, **delta.provider_timings_ns}

    def _learn(self, delta: ReplyStarted | ReplyProgressed, names: tuple[str, ...]) -> None:
        for name in names:
            value = getattr(delta, name)
            if value is not None:
                self._facts[name] = value


class _GrowingChoice:
    __slots__ = ("native_stop_reason", "parts", "stop_reason")

    def __init__(self) -> None:
        self.parts: dict[int, _GrowingPart] = {}
        self.stop_reason: StopReason | None = None
        self.native_stop_reason: str | None = None

    def grow(self, delta: PartGrew) -> None:
        part = self.parts.get(delta.part)
        if part is None:
            part = self.parts[delta.part] = _GrowingPart(Text(text=""))
        part.grow(delta)

    def end(self, delta: PartEnded) -> None:
        if delta.value is not None:
            self.parts[delta.part] = _GrowingPart(delta.value)

    def message(self) -> Message:
        return Message(role="assistant", parts=[self.parts[number].value() for number in sorted(self.parts)])

    def settled(self) -> StopReason | None:
        return settle_stop(self.stop_reason, self.message().parts)

    def choice(self) -> Choice:
        return Choice(message=self.message(), stop_reason=self.settled(), native_stop_reason=self.native_stop_reason)


class _GrowingPart:
    __slots__ = ("_annotations", "_pieces", "_replaced", "_value")

    def __init__(self, value: AnyPart) -> None:
        self._value = value
        self._pieces: dict[str, list[str]] = {}
        self._annotations: list[Any] = []
        self._replaced: dict[str, str] = {}

    def grow(self, delta: PartGrew) -> None:
        if delta.text:
            self._pieces.setdefault("text", []).append(delta.text)
        if delta.arguments:
            self._pieces.setdefault("arguments", []).append(delta.arguments)
        if delta.summary:
            self._pieces.setdefault("summary", []).append(delta.summary)
        if delta.annotation is not None:
            self._annotations.append(delta.annotation)
        if delta.signature is not None:
            self._replaced["signature"] = delta.signature
        if delta.encrypted is not None:
            self._replaced["encrypted"] = delta.encrypted

    def value(self) -> AnyPart:
        names = _fields_that_grow(self._value)
        changes: dict[str, Any] = {name: value for name, value in self._replaced.items() if name in names}
        for name, pieces in self._pieces.items():
            if name in names:
                changes[name] = (getattr(self._value, name) or "") + "".join(pieces)
        if self._annotations and isinstance(self._value, Text):
            changes["annotations"] = self._value.annotations + self._annotations
        return msgspec.structs.replace(self._value, **changes) if changes else self._value


def _fields_that_grow(part: AnyPart) -> tuple[str, ...]:
    match part:
        case Text() | Refusal() | Media():
            return ("text",)
        case Reasoning():
            return ("text", "summary", "signature", "encrypted")
        case ToolCall():
            return ("arguments",)
        case _:
            return ()


def settle_stop(reason: StopReason | None, parts: list[AnyPart]) -> StopReason | None:
    """Correct the stop reason by what the message holds.

    Many servers say `stop` although they called a tool (spring-ai#4374, litellm#34718), and a refusal may be
    told by a part alone. A limit that was reached, and what is unknown, stays.
    """
    if reason not in ("end", "other"):
        return reason
    if any(isinstance(part, ToolCall) and part.kind != "server" for part in parts):
        return "tool_use"
    if reason == "end" and parts and all(isinstance(part, Refusal | Reasoning) for part in parts):
        return "refusal" if any(isinstance(part, Refusal) for part in parts) else reason
    return reason


def merge_extra(old: Extra, new: Extra) -> Extra:
    """Join what dialects keep: field by field under each dialect's name, the newer value wins."""
    merged = dict(old)
    for name, fields in new.items():
        before = merged.get(name)
        merged[name] = {**before, **fields} if isinstance(before, dict) and isinstance(fields, dict) else fields
    return merged
