"""Edit the system prompt of any dialect's request: replace words in it, append to it, say how far things have come.

Promise: only texts of the system's and developer's messages change, wherever in the conversation they stand; all else
is the very object that came in, so that a writer finds what it may leave alone. The same prompt and edits give the
same result. What is appended goes to the end of the system prompt, which is the run of such messages at the
beginning; where there is none, it becomes one.

The progress summary changes with each turn. So it stands in a part of its own behind a part that carries a cache mark
(what lies before the mark is still found in the provider's cache), and it is left out of the first turn. It reads:

    [Progress: turn 3 of the user. 12 tool calls so far: bash 7, read_file 5; 2 failed. The user's last request: …]
"""

import re
from collections import Counter
from collections.abc import Sequence

import msgspec

from dragoman.canonical import AnyPart, Message, Prompt, Text, ToolCall, ToolResult

REQUEST_SIGNS = 200
"""How much of the last request the summary repeats."""
TOOLS_NAMED = 8

_SYSTEM = ("system", "developer")
_BETWEEN = "\n\n"
_WRAPPED = re.compile(r"<([A-Za-z][\w-]*)>.*?</\1>", re.DOTALL)
"""Blocks that programs put around what the user typed, such as <system-reminder>."""
_SPACES = re.compile(r"\s+")


def edit_system(
    prompt: Prompt, *, replace: Sequence[tuple[str, str]] = (), append: str = "", progress: bool = False
) -> Prompt:
    """Replace (in order, each occurrence, plain text), then append, then add the summary."""
    summary = summarize(prompt) if progress else ""
    messages = _replaced(prompt.messages, [pair for pair in replace if pair[0]])
    if append:
        messages = _extended(messages, append, is_apart=False)
    if summary:
        messages = _extended(messages, summary, is_apart=True)
    return prompt if messages is prompt.messages else msgspec.structs.replace(prompt, messages=messages)


def summarize(prompt: Prompt) -> str:
    """Say in a line how far a conversation has come; empty when nobody has answered yet."""
    if not any(message.role == "assistant" for message in prompt.messages):
        return ""
    parts = [part for message in prompt.messages for part in message.parts]
    requests = [text for message in prompt.messages if message.role == "user" and (text := _said(message))]
    calls = Counter(part.name for part in parts if isinstance(part, ToolCall))
    failed = sum(part.is_error for part in parts if isinstance(part, ToolResult))
    said = f"[Progress: turn {max(len(requests), 1)} of the user."
    if calls:
        named = ", ".join(f"{name} {count}" for name, count in calls.most_common(TOOLS_NAMED))
        more = len(calls) - TOOLS_NAMED
        said += f" {_calls(calls.total())} so far: {named}" + (f" and {more} other tools" if more > 0 else "")
        said += f"; {failed} failed." if failed else "."
    if requests:
        said += f" The user's last request: {_cut(requests[-1])}"
    return said + "]"


def _calls(count: int) -> str:
    return "1 tool call" if count == 1 else f"{count} tool calls"


def _said(message: Message) -> str:
    """Give what the user typed, on one line."""
    text = " ".join(part.text for part in message.parts if isinstance(part, Text))
    return _SPACES.sub(" ", _WRAPPED.sub(" ", text)).strip()


def _cut(text: str) -> str:
    return text if len(text) <= REQUEST_SIGNS else text[: REQUEST_SIGNS - 1].rstrip() + "…"


def _replaced(messages: list[Message], pairs: Sequence[tuple[str, str]]) -> list[Message]:
    changed = False
    out: list[Message] = []
    for message in messages:
        edited = _message_replaced(message, pairs) if message.role in _SYSTEM else message
        changed = changed or edited is not message
        if edited is not None:
            out.append(edited)
    return out if changed else messages


def _message_replaced(message: Message, pairs: Sequence[tuple[str, str]]) -> Message | None:
    """Edit one message; None when nothing is left of it, since no provider takes an empty text."""
    parts: list[AnyPart] = []
    changed = False
    for part in message.parts:
        text = _text_replaced(part.text, pairs) if isinstance(part, Text) else None
        if text is None or not isinstance(part, Text) or text == part.text:
            parts.append(part)
            continue
        changed = True
        if text.strip():
            parts.append(msgspec.structs.replace(part, text=text))
    if not changed:
        return message
    return msgspec.structs.replace(message, parts=parts) if parts else None


def _text_replaced(text: str, pairs: Sequence[tuple[str, str]]) -> str:
    for old, new in pairs:
        text = text.replace(old, new)
    return text


def _extended(messages: list[Message], text: str, *, is_apart: bool) -> list[Message]:
    """Put a text at the end of the system prompt."""
    count = 0
    while count < len(messages) and messages[count].role in _SYSTEM:
        count += 1
    if not count:
        return [Message(role="system", parts=[Text(text=text)]), *messages]
    last = messages[count - 1]
    extended = msgspec.structs.replace(last, parts=_parts_extended(last.parts, text, is_apart=is_apart))
    return [*messages[: count - 1], extended, *messages[count:]]


def _parts_extended(parts: list[AnyPart], text: str, *, is_apart: bool) -> list[AnyPart]:
    end = parts[-1] if parts else None
    if not isinstance(end, Text) or end.annotations or (is_apart and end.cache is not None):
        return [*parts, Text(text=text)]
    return [*parts[:-1], msgspec.structs.replace(end, text=end.text + _BETWEEN + text)]
