"""A conversation of another dialect put into the order that Chat demands.

Each round of calls is one assistant message; a `tool` message with the result of each follows at once, in the order
of the calls; what a tool showed (images, files) follows in a user message, since a tool's content is text. Servers
that are not OpenAI's own get one system message at the head, and texts in place of lists, which many of them refuse.
Promise: every call gets one result; nothing that says something is left out without a Loss.
"""

from collections.abc import Iterator

import msgspec

from dragoman.canonical import AnyPart, Loss, Media, Message, Other, Prompt, Reasoning, Text, ToolCall, ToolResult
from dragoman.dialects.call_ids import with_call_ids
from dragoman.dialects.losses import message_path
from dragoman.dialects.openai_chat.parts import FOREIGN, PartWriter, Placed

NO_RESULT = "(no result)"
_ERROR = "Error: "


class _Turn(msgspec.Struct):
    """Neighbouring messages of one role, as one."""

    role: str
    parts: list[Placed]


class Arranger:
    """Arranges one prompt."""

    def __init__(self, writer: PartWriter, losses: list[Loss], *, is_openai: bool) -> None:
        self._writer = writer
        self._losses = losses
        self._is_openai = is_openai
        self._results: dict[str, list[Placed]] = {}
        self._shown: list[AnyPart] = []

    def messages(self, prompt: Prompt) -> list[Message]:
        """Give the messages to be written, in Chat's order and with parts that Chat has words for."""
        turns = list(_turns(with_call_ids(prompt).messages))
        calls = _called(turns)
        for turn in turns:
            for placed in turn.parts:
                part = placed[2]
                if isinstance(part, ToolResult) and part.call_id in calls and part.kind != "server":
                    self._results.setdefault(part.call_id or "", []).append(placed)
        arranged: list[Message] = []
        for turn in turns:
            if turn.role == "assistant":
                arranged += self._assistant(turn, calls)
            else:
                arranged += self._other(turn, calls)
        for placed in (one for waiting in self._results.values() for one in waiting):
            self._lose(placed, "the call has another result already; this one was left out")
        if turns and turns[-1].role == "assistant" and not _has_calls(turns[-1]):
            self._lose(turns[-1].parts[-1], "the model begins a new reply; it does not go on with this one")
        return self._with_one_system(arranged)

    def _assistant(self, turn: _Turn, known: set[str | None]) -> Iterator[Message]:
        calls: list[Placed] = []
        said: list[Placed] = []
        for placed in turn.parts:
            part = placed[2]
            if isinstance(part, ToolCall) and part.kind != "server":
                calls.append(placed)
            elif not isinstance(part, ToolResult) or part.kind == "server":
                said.append(placed)
            elif part.call_id not in known:
                self._lose(placed, "the result answers no call in this conversation")
        parts = self._writer.assistant(said)
        parts += [self._writer.call(placed) for placed in calls]
        if any(not isinstance(part, Reasoning) for part in parts):
            yield Message(role="assistant", parts=self._joined(parts))
        for placed in calls:
            yield self._result(placed)
        if self._shown:
            yield Message(role="user", parts=self._shown, extra=FOREIGN)
            self._shown = []

    def _result(self, placed: Placed) -> Message:
        """Write the result of a call; one that is missing is said to be, since none may be (opencodex#620)."""
        call = placed[2]
        assert isinstance(call, ToolCall)
        waiting = self._results.get(call.id or "")
        if not waiting:
            self._lose(placed, "the call has no result; a word to that effect stands in its place")
            return Message(role="tool", parts=[ToolResult(call_id=call.id, parts=[Text(text=NO_RESULT)])])
        message, part, result = waiting.pop(0)
        assert isinstance(result, ToolResult)
        texts, shown = self._writer.result(message, part, result)
        if shown:
            texts.append(Text(text=f"[{_named(shown)} in the next user message]"))
            self._shown += [Text(text=f"[{_named(shown)} that the tool call {call.id} gave]"), *shown]
        if result.is_error and not _begins_with_error(texts):
            first = texts[0].text if texts and isinstance(texts[0], Text) else ""
            texts[:1] = [
                msgspec.structs.replace(texts[0], text=_ERROR + first) if first else Text(text=_ERROR.strip(": "))
            ]
        parts = self._joined(texts)
        return Message(role="tool", parts=[ToolResult(call_id=call.id, parts=parts)])

    def _other(self, turn: _Turn, calls: set[str | None]) -> Iterator[Message]:
        parts: list[AnyPart] = []
        for placed in turn.parts:
            message, position, part = placed
            if not isinstance(part, ToolResult):
                parts += self._writer.said(placed, turn.role)
            elif part.kind == "server":
                self._lose(placed, "what a server's own tool found has no place in Chat")
            elif part.call_id not in calls:
                self._lose(placed, "the result answers no call in this conversation; it was sent as text")
                texts, shown = self._writer.result(message, position, part)
                parts += texts
                if shown and turn.role not in ("user", "tool"):
                    self._lose(placed, f"a {turn.role} message holds only text in Chat")
                else:
                    parts += shown
        if not parts:
            return
        role = "user" if turn.role == "tool" else turn.role
        if role == "developer" and not self._is_openai:
            role = "system"
        if role == "user" and len(parts) > 1:
            yield Message(role="user", parts=parts, extra=FOREIGN)
        else:
            yield Message(role=role, parts=self._joined(parts))  # type: ignore[arg-type]  # a Role

    def _joined(self, parts: list[AnyPart]) -> list[AnyPart]:
        """Make one text of neighbouring ones, unless OpenAI's lists keep them apart for their cache marks."""
        if any(part.cache is not None for part in parts):
            return parts
        joined: list[AnyPart] = []
        for part in parts:
            last = joined[-1] if joined else None
            if isinstance(part, Text) and isinstance(last, Text):
                joined[-1] = Text(text=last.text + "\n\n" + part.text)
            else:
                joined.append(part)
        return joined

    def _with_one_system(self, messages: list[Message]) -> list[Message]:
        """Join the system messages at the head (templates of many open models take only one)."""
        leading = 0
        while leading < len(messages) and messages[leading].role == "system":
            leading += 1
        if self._is_openai or leading < 2:
            return messages
        parts = [part for message in messages[:leading] for part in message.parts]
        return [Message(role="system", parts=self._joined(parts)), *messages[leading:]]

    def _lose(self, placed: Placed, reason: str) -> None:
        self._losses.append(Loss(path=message_path(placed[0], placed[1]), reason=reason))


def _turns(messages: list[Message]) -> Iterator[_Turn]:
    """Join neighbouring assistant messages: Responses has one for each call. Others stay apart."""
    turn: _Turn | None = None
    for number, message in enumerate(messages):
        parts: list[Placed] = [(number, position, part) for position, part in enumerate(message.parts)]
        if turn is not None and turn.role == message.role == "assistant":
            turn.parts += parts
            continue
        if turn is not None:
            yield turn
        turn = _Turn(message.role, parts)
    if turn is not None:
        yield turn


def _called(turns: list[_Turn]) -> set[str | None]:
    """Give the ids of the calls that want a result."""
    parts = [part for turn in turns if turn.role == "assistant" for _, _, part in turn.parts]
    return {part.id for part in parts if isinstance(part, ToolCall) and part.kind != "server"}


def _has_calls(turn: _Turn) -> bool:
    return not turn.parts or any(isinstance(part, ToolCall) for _, _, part in turn.parts)


def _begins_with_error(texts: list[AnyPart]) -> bool:
    return bool(texts) and isinstance(texts[0], Text) and texts[0].text.lstrip().lower().startswith("error")


def _named(shown: list[AnyPart]) -> str:
    kinds = [part.kind for part in shown if isinstance(part, Media | Other)]
    kind = kinds[0] if len(set(kinds)) == 1 else "file"
    return kind if len(kinds) == 1 else f"{len(kinds)} {kind}s"
