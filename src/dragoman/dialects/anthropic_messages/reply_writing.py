"""A Reply written as a message: content, stop reason, usage. Shared with the encoder of streams.

Promise: what another model sealed goes into the client's opaque fields, in our wrapper, and comes back with the next
request. Of usage, `input_tokens` leaves the cache out.
"""

from typing import Any

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
from dragoman.dialects.annotations import to_anthropic
from dragoman.dialects.anthropic_messages.blocks import write_block, write_input
from dragoman.dialects.anthropic_messages.content import NAME, read_stop
from dragoman.dialects.assembler import settle_stop
from dragoman.dialects.base import ReplyTarget
from dragoman.dialects.losses import reply_path
from dragoman.dialects.seals import MAKERS, wrap
from dragoman.dialects.turns import fitting_id
from dragoman.dialects.values import JsonObject

_STOP_REASONS: dict[StopReason, str] = {
    "end": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_use": "tool_use",
    "refusal": "refusal",
    "pause": "pause_turn",
}
"""What has no word here (an error, something new) is told as the end of the turn."""

_NATIVE_USAGE = ("server_tool_use", "service_tier", "inference_geo", "iterations")
"""What only Anthropic's own figures have; passed on where they came."""


def write_reply(reply: Reply, target: ReplyTarget) -> tuple[JsonObject, list[Loss]]:
    """Write the object of a whole reply, and say what was lost."""
    own = reply.extra.get(NAME, {})
    if "input_tokens" in own and not reply.message.parts:  # a count of tokens is no message
        return dict(own), []
    losses: list[Loss] = [Loss(path="$.choices", reason="there is one answer here")] if reply.others else []
    written = [(part, _write(number, part, target, losses)) for number, part in enumerate(reply.message.parts)]
    said = [part for part, block in written if block is not None]
    return {
        "id": message_id(reply.id, target),
        "type": "message",
        "role": "assistant",
        "model": target.model or reply.model or "",
        "content": [block for _, block in written if block is not None],
        "stop_reason": write_stop(settle_stop(reply.stop_reason, said), reply.native_stop_reason, said),
        "stop_sequence": reply.stop_sequence,
        "usage": write_usage(reply.usage),
        **own,
    }, losses


def message_id(given: str | None, target: ReplyTarget) -> str:
    return given or f"msg_{target.seed or '0'}"


def call_id(call: ToolCall, number: int, target: ReplyTarget) -> str:
    """Give a call its id, or one made from the exchange's; characters that no client takes are replaced."""
    return fitting_id(call.id or f"toolu_{target.seed or '0'}_{number}")


def write_stop(reason: StopReason | None, native: str | None, parts: list[AnyPart]) -> str:
    """Write the stop reason; Anthropic's own finer word (a full context window) stays when it means the same."""
    if any(isinstance(part, ToolCall) and part.kind != "server" for part in parts) and reason in (None, "other"):
        reason = "tool_use"
    if native is not None and read_stop(native) == reason != "other":
        return native
    return _STOP_REASONS.get(reason or "end", "end_turn")


def write_usage(usage: Usage | None) -> JsonObject:
    """Write usage. Both sums must be there, so what is unknown is 0."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    written: JsonObject = {"input_tokens": max(usage.input_fresh or 0, 0)}
    for_5m, for_1h = usage.cache_write_5m, usage.cache_write_1h
    if for_5m is not None or for_1h is not None:
        written["cache_creation_input_tokens"] = (for_5m or 0) + (for_1h or 0)
    if for_1h is not None:
        written["cache_creation"] = {
            "ephemeral_5m_input_tokens": for_5m or 0,
            "ephemeral_1h_input_tokens": for_1h,
        }
    if usage.cache_read is not None:
        written["cache_read_input_tokens"] = usage.cache_read
    written["output_tokens"] = usage.output or 0
    if usage.reasoning is not None:
        written["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    if isinstance(usage.native, dict):
        written.update({key: usage.native[key] for key in _NATIVE_USAGE if usage.native.get(key) is not None})
    return written


def write_thinking(part: Reasoning) -> JsonObject | None:
    """Write what a model thought; another maker's seal goes into our wrapper. None when it says nothing at all."""
    if is_own_thought(part):
        if part.encrypted is not None:
            return {"type": "redacted_thinking", "data": part.encrypted}
        if not part.text and part.signature is None:
            return None
        return {"type": "thinking", "thinking": part.text, "signature": part.signature or ""}
    seal, text = wrap(part), part.text or part.summary
    if text:
        return {"type": "thinking", "thinking": text, "signature": seal or ""}
    return {"type": "redacted_thinking", "data": seal} if seal else None


def is_own_thought(part: Reasoning) -> bool:
    """Say whether a part may be written as it is: it bears Anthropic's seal, or that of nobody known."""
    return part.maker in (None, MAKERS[NAME]) and not part.summary


def why_lost(part: AnyPart) -> str | None:
    """Say why a part of a reply has no block here; None when it has one."""
    match part:
        case Other() if part.dialect != NAME:
            return f"{part.kind or 'an unknown part'} has no like here"
        case ToolCall(kind="server") | ToolResult() if part.extra and NAME not in part.extra:
            return "the work of another provider's tools has no like here"
        case Media():
            return f"{part.kind} cannot be answered here"
        case _:
            return None


def _write(number: int, part: AnyPart, target: ReplyTarget, losses: list[Loss]) -> Any:
    reason = why_lost(part)
    if reason is not None:
        losses.append(Loss(path=reply_path(number), reason=reason))
        return None
    match part:
        case Text():
            return _write_text(number, part, losses)
        case Refusal():
            return {"type": "text", "text": part.text, "citations": None} if part.text else None
        case Reasoning():
            return write_thinking(part)
        case ToolCall(kind="function" | "custom"):
            written = write_input(part)
            return {
                **part.extra.get(NAME, {}),
                "type": "tool_use",
                "id": call_id(part, number, target),
                "name": part.name,
                "input": written if isinstance(written, dict) else {"_raw": part.arguments},
            }
        case _:
            return write_block(part)


def _write_text(number: int, part: Text, losses: list[Loss]) -> JsonObject | None:
    if not part.text and not part.annotations:
        return None
    cited = write_citations(number, part.annotations, part.text, losses)
    return {**part.extra.get(NAME, {}), "type": "text", "text": part.text, "citations": cited or None}


def write_citations(number: int, annotations: list[Any], text: str, losses: list[Loss]) -> list[JsonObject]:
    """Write citations in Anthropic's words; those that have none are lost."""
    cited = [one for one in (to_anthropic(one, text) for one in annotations) if one is not None]
    if len(cited) < len(annotations):
        losses.append(Loss(path=f"{reply_path(number)}.annotations", reason="citations of this kind have no like here"))
    return cited
