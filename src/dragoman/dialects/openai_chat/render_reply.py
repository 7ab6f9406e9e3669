"""Whole replies written as Chat has them, and the pieces that streams are written with as well.

Facts: wire-facts 1 and 7.2; openai 3.52.0, `ChatCompletion`. A reply of OpenAI's always has its usage; figures that
the upstream did not tell are written as 0, with a Loss.
"""

from typing import Any

from dragoman.canonical import (
    AnyPart,
    Choice,
    Loss,
    Media,
    Reasoning,
    Refusal,
    Reply,
    StopReason,
    Text,
    ToolCall,
    Usage,
)
from dragoman.dialects.annotations import to_chat
from dragoman.dialects.base import Rendered, ReplyTarget
from dragoman.dialects.losses import reply_path
from dragoman.dialects.openai_chat.content import NAME
from dragoman.dialects.seals import wrap
from dragoman.dialects.spelling import FORM
from dragoman.dialects.values import JsonObject, to_json

_FINISH: dict[StopReason | None, str] = {
    "length": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""All other reasons are `stop`."""

_REASON_LOST: dict[StopReason | None, str] = {
    "stop_sequence": "Chat does not tell that a stop sequence came up, nor which",
    "pause": "Chat has no paused turn; it reads as the end",
}


def render_reply(reply: Reply, target: ReplyTarget) -> Rendered:
    """Write a whole reply; see base.Dialect."""
    losses: list[Loss] = []
    first = Choice(message=reply.message, stop_reason=reply.stop_reason, native_stop_reason=reply.native_stop_reason)
    choices = [_choice(one, number, target, losses) for number, one in enumerate([first, *reply.others])]
    body: JsonObject = {
        "id": reply.id or reply_id(target),
        "object": "chat.completion",
        "created": target.created,
        "model": target.model or reply.model or "",
        "choices": choices,
        "usage": write_usage(reply.usage, losses),
    }
    return Rendered(to_json(body).encode(), losses)


def reply_id(target: ReplyTarget) -> str:
    return f"chatcmpl-{target.seed or 'unknown'}"


def call_id(target: ReplyTarget, choice: int, number: int) -> str:
    """Make an id for a call that came without one (Ollama's)."""
    return f"call_{target.seed}_{choice}_{number}" if choice else f"call_{target.seed}_{number}"


def finish_reason(reason: StopReason | None, *, has_calls: bool, is_legacy: bool = False) -> str:
    """Say why a choice ended; calls say so whatever the upstream's reason, unless it was cut (wire-facts 7.2)."""
    if has_calls and reason in ("end", "other", "tool_use", None):
        return "function_call" if is_legacy else "tool_calls"
    return _FINISH.get(reason, "stop")


def lost_reason(reason: StopReason | None, losses: list[Loss]) -> None:
    """Note what a stop reason said that Chat cannot say."""
    if reason in _REASON_LOST:
        losses.append(Loss(path="reply.stop_reason", reason=_REASON_LOST[reason]))


def write_usage(usage: Usage | None, losses: list[Loss]) -> JsonObject:
    """Write the figures: the input holds the cache, the output the reasoning."""
    known = usage or Usage()
    taken, given = known.input_total, known.output
    if taken is None or given is None:
        losses.append(Loss(path="reply.usage", reason="the upstream did not tell all figures; 0 stands for unknown"))
    body: JsonObject = {
        "prompt_tokens": taken or 0,
        "completion_tokens": given or 0,
        "total_tokens": (taken or 0) + (given or 0),
    }
    if known.cache_read is not None or known.cache_write_5m is not None or known.cache_write_1h is not None:
        details: JsonObject = {"cached_tokens": known.cache_read or 0}
        written = (known.cache_write_5m or 0) + (known.cache_write_1h or 0)
        if known.cache_write_5m is not None or known.cache_write_1h is not None:
            details["cache_write_tokens"] = written
        body["prompt_tokens_details"] = details
    if known.reasoning is not None:
        body["completion_tokens_details"] = {"reasoning_tokens": known.reasoning}
    return body


def seal_detail(part: Reasoning) -> JsonObject | None:
    """Write a seal into `reasoning_details`: another maker's in our wrapper, one of nobody's we know as it is."""
    if not part.signature and not part.encrypted:
        return None
    wrapped = wrap(part)
    if wrapped is not None:
        return {"type": "reasoning.encrypted", "data": wrapped}
    if part.encrypted:
        return {"type": "reasoning.encrypted", "data": part.encrypted}
    return {"type": "reasoning.text", "signature": part.signature}


def write_citations(annotations: list[Any], text: str, path: str, losses: list[Loss]) -> list[JsonObject]:
    """Write citations in Chat's words; one without a URL is lost."""
    written = [to_chat(one, text) for one in annotations]
    if None in written:
        losses.append(Loss(path=path + ".annotations", reason="Chat cites web pages only"))
    return [one for one in written if one is not None]


def is_shown(part: AnyPart) -> bool:
    """Say whether a part of a reply has a place in Chat's message."""
    match part:
        case Text() | Refusal() | Reasoning():
            return True
        case ToolCall():
            return part.kind != "server"
        case Media():
            return part.kind == "audio"
        case _:
            return False


def write_reply_call(call: ToolCall, call_id: str) -> JsonObject:
    """Write a call; other dialects leave out the arguments of a call that has none."""
    left = {key: value for key, value in call.extra.get(NAME, {}).items() if key not in (FORM, "function_call")}
    if call.kind == "custom":
        return {"id": call_id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}, **left}
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    return {"id": call_id, "type": "function", "function": function, **left}


def _choice(choice: Choice, number: int, target: ReplyTarget, losses: list[Loss]) -> JsonObject:
    message = _message(choice.message.parts, number, target, losses)
    lost_reason(choice.stop_reason, losses)
    has_calls = "tool_calls" in message or "function_call" in message
    reason = finish_reason(choice.stop_reason, has_calls=has_calls, is_legacy="function_call" in message)
    return {"index": number, "message": message, "logprobs": None, "finish_reason": reason}


def _message(parts: list[AnyPart], choice: int, target: ReplyTarget, losses: list[Loss]) -> JsonObject:
    texts: list[str] = []
    refusals: list[str] = []
    thoughts: list[str] = []
    fields: JsonObject = {}
    for number, part in enumerate(parts):
        path = reply_path(number)
        match part:
            case Text():
                texts.append(part.text)
                cited = write_citations(part.annotations, part.text, path, losses) if part.annotations else []
                if cited:
                    fields.setdefault("annotations", []).extend(cited)
            case Refusal():
                refusals.append(part.text)
            case Reasoning():
                thoughts.append(part.text or part.summary)
                detail = seal_detail(part)
                if detail:
                    details = fields.setdefault("reasoning_details", [])
                    details.append({**detail, "index": len(details)})
            case ToolCall() if part.extra.get(NAME, {}).get("function_call"):
                fields["function_call"] = {"name": part.name, "arguments": part.arguments}
            case ToolCall() if part.kind != "server":
                calls = fields.setdefault("tool_calls", [])
                calls.append(write_reply_call(part, part.id or call_id(target, choice, len(calls))))
            case Media(kind="audio"):
                fields["audio"] = write_sound(part)
            case _:
                losses.append(Loss(path=path, reason="Chat's replies have no such part"))
    content = "".join(texts) if texts else None
    message: JsonObject = {"role": "assistant", "content": content, "refusal": "".join(refusals) or None}
    if any(thoughts):
        message["reasoning_content"] = "".join(thoughts)
    return message | fields


def write_sound(part: Media) -> JsonObject:
    sound = {"id": part.file_id, "data": part.data, "transcript": part.text}
    left = {key: value for key, value in part.extra.get(NAME, {}).items() if key != FORM}
    return {**{key: value for key, value in sound.items() if value is not None}, **left}
