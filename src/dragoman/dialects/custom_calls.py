"""Calls of functions that stand for the client's custom tools, given back as custom calls: whole, and as they stream.

The model writes `{"input": "…"}`; the client gets the text, as it comes, its escapes undone.
Promise: arguments of another shape come through as they are, when they are whole; nothing is held back longer than
an escape takes. Costs nothing where the client has no such tools.
"""

import json
import re
from typing import Any

import msgspec

from dragoman.canonical import (
    AnyPart,
    Delta,
    Message,
    PartEnded,
    PartGrew,
    PartStarted,
    Prompt,
    ReplyEnded,
    ReplyProgressed,
    ToolCall,
)
from dragoman.dialects.custom_tools import INPUT, Origin, call_as_asked, origins, renamed, text_of_input

_OPENING = re.compile(r'\s*\{\s*"' + INPUT + r'"\s*:\s*"')
_OPENING_BEGUN = re.compile(r'\s*(?:\{\s*(?:"(?:i(?:n(?:p(?:u(?:t(?:"(?:\s*:\s*)?)?)?)?)?)?)?)?)?')
_WHOLE = re.compile(r'(?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*')
_HIGH_HALF = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\Z")


def message_as_asked(message: Message, prompt: Prompt) -> Message:
    """Give the calls of a whole reply the names and kinds under which the client knows the tools."""
    known = origins(prompt)
    if not known:
        return message
    parts = [call_as_asked(part, known) if isinstance(part, ToolCall) else part for part in message.parts]
    return msgspec.structs.replace(message, parts=parts)


class CallsAsAsked:
    """Turns the calls of a stream into those that the client knows."""

    def __init__(self, prompt: Prompt) -> None:
        self._known = origins(prompt)
        self._texts: dict[int, GrowingText] = {}
        self._nameless: set[int] = set()

    @property
    def is_needed(self) -> bool:
        return bool(self._known)

    def turn(self, deltas: list[Delta]) -> list[Delta]:
        """Take deltas as they were decoded; returns them as the client is to get them."""
        turned: list[Delta] = []
        for delta in deltas:
            self._take(delta, turned)
        return turned

    def _take(self, delta: Delta, turned: list[Delta]) -> None:
        match delta:
            case PartStarted(value=ToolCall()) if not delta.choice:
                self._start(delta, turned)
            case PartGrew() if delta.part in self._nameless:
                pass  # told whole when its name is known
            case PartGrew() if delta.part in self._texts and not delta.choice:
                self._grow(delta.part, self._texts[delta.part].feed(delta.arguments), turned)
            case PartEnded() if not delta.choice:
                self._end(delta, turned)
            case ReplyEnded():
                self._end_all(turned)
                turned.append(delta)
            case ReplyProgressed() if delta.stop_reason is not None:
                self._end_all(turned)
                turned.append(delta)
            case _:
                turned.append(delta)

    def _start(self, delta: PartStarted, turned: list[Delta]) -> None:
        call = delta.value
        assert isinstance(call, ToolCall)
        if not call.name:
            self._nameless.add(delta.part)
            return
        origin = self._known.get(call.name) if call.kind == "function" else None
        if origin is None:
            turned.append(delta)
            return
        self._open(delta.part, call, origin, turned)

    def _open(self, part: int, call: ToolCall, origin: Origin, turned: list[Delta]) -> None:
        begun = renamed(call, origin)
        if not origin.is_custom:
            turned.append(PartStarted(part=part, value=begun))
            return
        text = self._texts[part] = GrowingText()
        turned.append(PartStarted(part=part, value=msgspec.structs.replace(begun, arguments="")))
        self._grow(part, text.feed(call.arguments), turned)

    def _grow(self, part: int, text: str, turned: list[Delta]) -> None:
        if text:
            turned.append(PartGrew(part=part, arguments=text))

    def _end(self, delta: PartEnded, turned: list[Delta]) -> None:
        value = delta.value
        if delta.part in self._nameless and isinstance(value, ToolCall):
            self._nameless.discard(delta.part)
            turned.append(PartStarted(part=delta.part, value=call_as_asked(value, self._known)))
            turned.append(PartEnded(part=delta.part))
            return
        text = self._texts.pop(delta.part, None)
        if text is not None:
            self._grow(delta.part, text.end(), turned)
        turned.append(PartEnded(part=delta.part, value=self._final(value)))

    def _final(self, value: AnyPart | None) -> Any:
        return call_as_asked(value, self._known) if isinstance(value, ToolCall) else value

    def _end_all(self, turned: list[Delta]) -> None:
        """End what the wire does not end: Chat says of no call that it is whole."""
        for part, text in list(self._texts.items()):
            self._grow(part, text.end(), turned)


class GrowingText:
    """The text inside of `{"input": "…"}`, as the JSON comes in pieces."""

    def __init__(self) -> None:
        self._all: list[str] = []
        self._held = ""
        """Came, and is not undone yet: the opening, half an escape, half a pair of surrogates."""
        self._is_open = self._is_over = self._is_other = False

    def feed(self, piece: str) -> str:
        """Take a piece of JSON; returns the text that it brings."""
        if self._is_over or self._is_other or not piece:
            self._all.append(piece)
            return ""
        self._all.append(piece)
        self._held += piece
        if not self._is_open:
            found = _OPENING.match(self._held)
            if found is None:
                self._is_other = _OPENING_BEGUN.fullmatch(self._held) is None
                return ""
            self._is_open = True
            self._held = self._held[found.end() :]
        return self._undone()

    def end(self) -> str:
        """Say that the arguments are whole; returns what is left of them."""
        if self._is_over:
            return ""
        is_told = self._is_open
        self._is_over = True
        return self._held if is_told else text_of_input("".join(self._all))

    def _undone(self) -> str:
        found = _WHOLE.match(self._held)
        whole = found.group() if found else ""
        rest = self._held[len(whole) :]
        if rest.startswith('"'):
            self._is_over = True
        else:
            half = _HIGH_HALF.search(whole)
            if half:
                whole, rest = whole[: half.start()], whole[half.start() :] + rest
        self._held = rest
        return json.loads(f'"{whole}"', strict=False) if whole else ""
