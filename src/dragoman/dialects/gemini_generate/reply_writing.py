"""A Reply of any dialect written as Gemini has it: candidates, a reason of ending, figures.

Promise: what another model sealed goes into `thoughtSignature`, in our wrapper, and comes back with the next request.
"""

from dragoman.canonical import (
    AnyPart,
    Loss,
    Media,
    Other,
    Reasoning,
    Refusal,
    Reply,
    StopReason,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from dragoman.dialects.assembler import settle_stop
from dragoman.dialects.base import ReplyTarget
from dragoman.dialects.bedrock_converse.content import coded
from dragoman.dialects.gemini_generate.parts import write_args, write_part
from dragoman.dialects.gemini_generate.wire import NAME, read_stop
from dragoman.dialects.losses import reply_path
from dragoman.dialects.seals import wrap
from dragoman.dialects.values import JsonObject

_WORDS: dict[StopReason, str] = {"length": "MAX_TOKENS", "refusal": "SAFETY", "error": "OTHER", "other": "OTHER"}
_REASON_LOST: dict[StopReason | None, str] = {
    "stop_sequence": "Gemini does not tell that a stop sequence came up, nor which",
    "pause": "Gemini has no paused turn; it reads as the end",
}


def write_reply(reply: Reply, target: ReplyTarget) -> tuple[JsonObject, list[Loss]]:
    """Write the object of a whole reply, and say what was lost."""
    losses = [Loss(path="$.choices", reason="there is one answer here")] if reply.others else []
    parts: list[JsonObject] = []
    for number, part in enumerate(reply.message.parts):
        lost_of(number, part, losses)
        written = write_said(number, part, target)
        if written is not None:
            parts.append(written)
    reason = settle_stop(reply.stop_reason, reply.message.parts)
    last = write_last(reason, reply.native_stop_reason, losses)
    candidate = {"content": {"parts": parts, "role": "model"}, **last, "index": 0}
    return {
        "candidates": [candidate],
        "usageMetadata": write_usage(reply.usage),
        **named(reply.id, reply.model, target),
    }, losses


def named(given: str | None, model: str | None, target: ReplyTarget) -> JsonObject:
    return {"modelVersion": target.model or model or "", "responseId": given or target.seed or "0"}


def write_last(reason: StopReason | None, native: str | None, losses: list[Loss]) -> JsonObject:
    """Write the reason of ending, calls or not: STOP is said of both."""
    if reason in _REASON_LOST:
        losses.append(Loss(path="reply.stop_reason", reason=_REASON_LOST[reason]))
    meant, word = read_stop(native)
    if word is not None and meant == reason != "other":
        return {"finishReason": word}
    return {"finishReason": _WORDS.get(reason or "end", "STOP")}


def write_usage(usage: Usage | None) -> JsonObject:
    """Write figures; what is unknown is left out."""
    usage = usage or Usage()
    said = None if usage.output is None else max(usage.output - (usage.reasoning or 0), 0)
    figures = {
        "promptTokenCount": usage.input_total,
        "cachedContentTokenCount": usage.cache_read,
        "candidatesTokenCount": said,
        "thoughtsTokenCount": usage.reasoning,
    }
    written: JsonObject = {key: one for key, one in figures.items() if one is not None}
    return {**written, "totalTokenCount": (usage.input_total or 0) + (usage.output or 0)}


def write_said(number: int, part: AnyPart, target: ReplyTarget) -> JsonObject | None:
    """Write one part of a reply; None when it says nothing, or has no word here."""
    match part:
        case Text() | Refusal():
            return {"text": part.text} if part.text else None
        case Reasoning():
            return write_thought(part, part.text or part.summary)
        case ToolCall(kind="server") | ToolResult():
            return write_part(part) if NAME in part.extra else None
        case ToolCall():
            call: JsonObject = {"id": part.id or f"call_{target.seed or '0'}_{number}", "name": part.name}
            return {"functionCall": {**call, "args": write_args(part)}}
        case Media():
            return write_part(part)
        case Other():
            return part.value if part.dialect == NAME and isinstance(part.value, dict) else None


def write_thought(part: Reasoning, text: str) -> JsonObject | None:
    """Write `text` of a thought, and the seal of `part`: Google's own as it is, another's in our wrapper."""
    is_googles = part.maker in (None, "google")
    seal = part.signature if is_googles else wrap(part)
    if not text and not seal:
        return None
    return {"text": text, "thought": True, **({"thoughtSignature": coded(seal)} if seal else {})}


def lost_of(number: int, part: AnyPart, losses: list[Loss]) -> None:
    """Note what of a part has no word here."""
    path = reply_path(number)
    match part:
        case Text() if part.annotations:
            losses.append(Loss(path=path + ".annotations", reason="citations of this kind have no like here"))
        case ToolCall(kind="server") | ToolResult() if NAME not in part.extra:
            losses.append(Loss(path=path, reason="the work of another provider's tools has no like here"))
        case Other() if part.dialect != NAME:
            losses.append(Loss(path=path, reason=f"{part.kind or 'an unknown part'} has no like here"))
        case Media() if part.data is None and part.url is None:
            losses.append(Loss(path=path, reason=f"{part.kind} without data cannot be answered here"))
        case _:
            pass
