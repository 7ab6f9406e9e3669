"""What a reply or a prompt means, whatever dialect it is written in: for comparing both sides of a translation.

Left out is what a dialect spells in its own way: ids of items, spacing of JSON, native words, where one text ends and
the next begins, whether a thought is called text or summary.
"""

import json
import re
from typing import Any

import msgspec

from dragoman.canonical import (
    AnyPart,
    Loss,
    Media,
    Message,
    Prompt,
    Reasoning,
    Refusal,
    Reply,
    Text,
    ToolCall,
    ToolResult,
)
from dragoman.dialects.efforts import effort_of
from dragoman.dialects.seals import MAKERS, restore, unwrap

Said = list[tuple[Any, ...]]

_LOST = re.compile(r"reply\.parts\[(\d+)\](?:\.(\w+))?")
_STOP_PATHS = {"reply.stop_reason", "reply.stop_sequence", "$.stop_reason", "$.stop_sequence"}

PLAIN = {"anthropic_messages", "bedrock_invoke", "bedrock_converse", "ollama_chat", "gemini_generate"}
"""Dialects that say a refusal as text, and in the stop reason; and that have functions only."""

ONE_PLACE = {"openai_chat", "ollama_chat"}
"""Dialects that have one place for all that was thought, one for all that was said, and one for all calls."""


def meaning(reply: Reply, dialect: str, target: str, losses: list[Loss]) -> dict[str, Any]:
    """Say what is left of a reply's meaning in `target`: what is listed as lost is left out."""
    lost = {int(found[1]) for loss in losses if (found := _LOST.fullmatch(loss.path)) and not found[2]}
    unsealed = {int(found[1]) for loss in losses if (found := _LOST.fullmatch(loss.path)) and found[2] in SEALS}
    parts: list[AnyPart] = []
    for number, part in enumerate(reply.message.parts):
        if number in unsealed and isinstance(part, Reasoning):
            part = msgspec.structs.replace(part, signature=None, encrypted=None)
        if isinstance(part, Refusal) and target in PLAIN:
            part = Text(text=part.text)
        parts += [] if number in lost else [part]
    said_so = _in_one_place(said(parts, dialect)) if target in ONE_PLACE else said(parts, dialect)
    return {"parts": said_so, "stop": _stop(reply, losses), "usage": _figures(reply, losses)}


SEALS = ("seal",)


def again(reply: Reply, target: str, losses: list[Loss]) -> dict[str, Any]:
    """Say what a translated reply means when it is read again."""
    parts = reply.message.parts
    wrapped = [part for one in _details(reply.extra) if (part := unwrap(one.get("data"))) is not None]
    if wrapped:  # Chat has one place for all that was thought; its requests give each seal back as a part
        parts = [*wrapped, *(part for part in parts if not isinstance(part, Reasoning))]
    said_so = _in_one_place(said(parts, target)) if target in ONE_PLACE else said(parts, target)
    if target == "gemini_generate":
        said_so = _told_once(said_so)
    return {"parts": said_so, "stop": _stop(reply, losses), "usage": _figures(reply, losses)}


def _told_once(parts: Said) -> Said:
    """Leave out a thought without a seal that is told again with it: its seal came when others had begun."""
    sealed = {part[1] for part in parts if part[0] == "thought" and part[2]}
    return [part for part in parts if part[0] != "thought" or part[2] or part[1] not in sealed]


def _in_one_place(parts: Said) -> Said:
    """Put thoughts first, then all text as one, then calls; thoughts are one too, unless they are sealed.

    Where some are sealed, those alone come back.
    """
    kinds = {kind: [part for part in parts if part[0] == kind] for kind in ("thought", "text")}
    thoughts = [part for part in kinds["thought"] if part[2]] or kinds["thought"]
    if len(thoughts) > 1 and not any(part[2] for part in thoughts):
        thoughts = [("thought", "".join(part[1] for part in thoughts), None, None)]
    text = "".join(part[1] for part in kinds["text"])
    return [*thoughts, *([("text", text)] if text else []), *(part for part in parts if part[0] not in kinds)]


def _details(extra: Any) -> list[dict[str, Any]]:
    """Find Chat's `reasoning_details`, wherever they are kept."""
    if not isinstance(extra, dict):
        return []
    found = extra.get("reasoning_details")
    return found if isinstance(found, list) else [one for inner in extra.values() for one in _details(inner)]


def _stop(reply: Reply, losses: list[Loss]) -> str | None:
    if any(loss.path in _STOP_PATHS for loss in losses):
        return None
    is_called = any(isinstance(part, ToolCall) and part.kind != "server" for part in reply.message.parts)
    return reply.stop_reason or ("tool_use" if is_called else "end")


def _figures(reply: Reply, losses: list[Loss]) -> tuple[int, ...]:
    usage = reply.usage
    if usage is None:
        return (0, 0, 0)
    is_uncached = any(loss.path == "reply.usage.cache_read" for loss in losses)
    return (usage.input_total or 0, usage.output or 0, 0 if is_uncached else usage.cache_read or 0)


def said(parts: list[AnyPart], dialect: str) -> Said:
    """Say what parts mean, reasoning first: some dialects have one place for it, in front."""
    thoughts: Said = []
    rest: Said = []
    for part in parts:
        match part:
            case Reasoning():
                thoughts += _thought(part, dialect)
            case Text() if not part.text:
                pass
            case Text():
                if rest and rest[-1][0] == "text":
                    rest[-1] = ("text", rest[-1][1] + part.text)
                else:
                    rest.append(("text", part.text))
            case _:
                rest += _other(part, dialect)
    return thoughts + rest


def _thought(part: Reasoning, dialect: str) -> Said:
    part = restore(part, dialect)
    text = part.text or part.summary
    seal = part.signature or part.encrypted
    maker = part.maker or (MAKERS.get(dialect) if seal else None)
    return [("thought", text, seal, maker if seal else None)] if text or seal else []


def _other(part: AnyPart, dialect: str) -> Said:
    match part:
        case ToolCall():
            return [("call", part.id, part.name, compact(part.arguments or "{}"), part.kind)]
        case ToolResult():
            return [("result", part.call_id, tuple(said(part.parts, dialect)), part.is_error)]
        case Refusal():
            return [("refusal", part.text)] if part.text else []
        case Media():
            place = (part.data, part.url, part.file_id, part.text)
            return [("media", part.kind, part.mime if part.data else None, *place)]
        case _:
            return [("other", msgspec.to_builtins(part))]


def compact(text: str) -> str:
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except ValueError:
        return text


def conversation(prompt: Prompt) -> Said:
    """Say what a conversation holds, in order; what was thought is left out, since only its maker takes it back."""
    said: Said = []
    calls: dict[str | None, int] = {}
    for message in prompt.messages:
        for part in message.parts:
            _say(part, message, said, calls)
    return said


def _say(part: AnyPart, message: Message, said: Said, calls: dict[str | None, int]) -> None:
    role = "system" if message.role == "developer" else message.role
    match part:
        case Text():
            if said and said[-1][0] == role:
                said[-1] = (role, said[-1][1] + part.text)
            else:
                said.append((role, part.text))
        case ToolCall():
            calls[part.id] = len(calls)
            said.append(("call", calls[part.id], part.name, compact(part.arguments)))
        case ToolResult():
            text = "".join(one.text for one in part.parts if isinstance(one, Text))
            is_error = part.is_error or text.startswith("Error: ")
            said.append(("result", calls.get(part.call_id), text.removeprefix("Error: "), is_error))
            said += [("media", one.kind, one.data) for one in part.parts if isinstance(one, Media)]
        case Media():
            said.append(("media", part.kind, part.data))
        case _:
            pass


def settled(prompt: Prompt) -> dict[str, Any]:
    """Say what is set, in one way for what has several."""
    settings = prompt.settings
    found = {
        name: getattr(settings, name)
        for name in ("max_tokens", "temperature", "top_p", "stop", "seed", "tool_choice", "parallel_tools")
    }
    budget = settings.thinking_budget
    found["effort"] = settings.effort or (effort_of(budget) if budget else None)
    form = settings.response_format
    found["response_format"] = form.get("schema") if isinstance(form, dict) else form
    if is_without_tools(prompt):
        found |= {"tool_choice": None, "parallel_tools": None}
    if found["tool_choice"] == "auto":
        found["tool_choice"] = None
    if found["parallel_tools"]:
        found["parallel_tools"] = None
    return {**found, "is_streamed": prompt.is_streamed, "model": prompt.model}


def is_without_tools(prompt: Prompt) -> bool:
    """Say whether the model may call nothing: a dialect without that word leaves the tools out."""
    return not prompt.tools or prompt.settings.tool_choice == "none"
