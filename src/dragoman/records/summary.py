"""One line for a list: what a request asked last, and what its reply says first.

Promise: at most 240 characters, spaces folded, never a character of a body that is not text (images are told
as `[image]`). What a user typed comes before what a program put around it.
"""

import re
from collections.abc import Iterable, Iterator

from dragoman.canonical import (
    AnyPart,
    Media,
    Message,
    Other,
    Prompt,
    Reasoning,
    Refusal,
    Reply,
    Text,
    ToolCall,
    ToolResult,
)

PREVIEW_CHARS = 240
_CALL_CHARS = 80
_LOOKED_AT = 8000
"""Of a long text, this much is looked at for a preview."""

_SPACES = re.compile(r"\s+")
_WRAPPED = re.compile(
    r"<(system-reminder|environment_context|user_instructions|local-command-caveat)>.*?(?:</\1>|$)", re.S
)
"""Blocks that Claude Code and Codex put before or after what the user typed."""


def prompt_preview(prompt: Prompt) -> str:
    """Return the last text of the user, or `bash → …` for the tool results that came after it."""
    for message in reversed(prompt.messages):
        if message.role == "assistant":
            continue
        preview = _message_preview(message, prompt)
        if preview:
            return preview
    return ""


def reply_preview(reply: Reply) -> str:
    """Return the first text of the reply, or `→ bash(…)`, or why there is none."""
    parts = reply.message.parts
    text = _fold(part.text for part in parts if isinstance(part, Text | Refusal))
    calls = _fold(_call_preview(part) for part in parts if isinstance(part, ToolCall) and part.kind != "server")
    if text and calls:
        return _cut(f"{_cut(text, PREVIEW_CHARS // 2)} {calls}")
    shown = text or calls or _fold(_call_preview(part) for part in parts if isinstance(part, ToolCall))
    if shown:
        return _cut(shown)
    return _cut(_fold(_rare(parts)) or _without_message(reply))


def _message_preview(message: Message, prompt: Prompt) -> str:
    texts = [part.text for part in message.parts if isinstance(part, Text)]
    typed = _fold(_WRAPPED.sub("", text[:_LOOKED_AT]) for text in reversed(texts))
    media = _fold(_media_preview(part) for part in message.parts if isinstance(part, Media))
    if message.role in ("system", "developer") and len(prompt.messages) > 1:
        return ""
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    if typed or media:
        return _cut(f"{media} {typed}".strip())
    if results:
        return _cut(_fold(_result_preview(part, prompt) for part in results))
    return _cut(_fold(texts))


def _result_preview(result: ToolResult, prompt: Prompt) -> str:
    name = result.name or _name_of_call(result.call_id, prompt) or "tool"
    said = _fold(_texts(result.parts))
    return f"{name} → {'error: ' if result.is_error else ''}{said}"


def _name_of_call(call_id: str | None, prompt: Prompt) -> str | None:
    for message in reversed(prompt.messages):
        for part in message.parts:
            if isinstance(part, ToolCall) and part.id == call_id and call_id is not None:
                return part.name
    return None


def _call_preview(call: ToolCall) -> str:
    arguments = _SPACES.sub(" ", call.arguments[:_LOOKED_AT]).strip()
    return f"→ {call.name}({'' if arguments == '{}' else _cut(arguments, _CALL_CHARS)})"


def _rare(parts: Iterable[AnyPart]) -> Iterator[str]:
    """Tell of parts that speak only when nothing else does."""
    for part in parts:
        match part:
            case Media():
                yield _media_preview(part)
            case Reasoning(text=text, summary=summary):
                yield text or summary
            case Other(kind=kind):
                yield f"[{kind}]"
            case _:
                pass


def _without_message(reply: Reply) -> str:
    if reply.error is not None:
        return reply.error.message
    for fields in reply.extra.values():
        if isinstance(fields, dict):
            if isinstance(fields.get("input_tokens"), int):
                return f"{fields['input_tokens']} input tokens"
            if isinstance(fields.get("embeddings"), int):
                return f"{fields['embeddings']} embeddings"
    return ""


def _media_preview(part: Media) -> str:
    return f"[{part.kind} {part.name}]" if part.name else f"[{part.kind}]"


def _texts(parts: Iterable[AnyPart]) -> Iterator[str]:
    for part in parts:
        match part:
            case Text(text=text):
                yield text
            case Media():
                yield _media_preview(part)
            case Other(kind=kind):
                yield f"[{kind}]"
            case _:
                pass


def _fold(texts: Iterable[str]) -> str:
    """Join texts on one line, no further than a preview needs."""
    line = ""
    for text in texts:
        line = f"{line} {_SPACES.sub(' ', text[:_LOOKED_AT]).strip()}".strip()
        if len(line) > PREVIEW_CHARS:
            break
    return line


def _cut(text: str, limit: int = PREVIEW_CHARS) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
