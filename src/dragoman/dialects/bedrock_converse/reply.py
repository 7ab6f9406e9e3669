"""Converse's whole replies, read and written."""

from dragoman.canonical import Loss, Media, Message, Other, Reasoning, Reply, StopReason, ToolCall, ToolResult, Usage
from dragoman.dialects.anthropic_messages.reply_writing import call_id, is_own_thought
from dragoman.dialects.assembler import settle_stop
from dragoman.dialects.base import ReplyTarget, Unreadable
from dragoman.dialects.bedrock_converse.content import (
    LEFT,
    NAME,
    coded,
    read_content,
    read_stop,
    read_usage,
    write_block,
    write_input,
)
from dragoman.dialects.losses import reply_path
from dragoman.dialects.seals import wrap
from dragoman.dialects.values import JsonObject, count_of, load_object, object_of, text_of

_KNOWN = frozenset({"output", "stopReason", "usage", "metrics"})

_WORDS: dict[StopReason, str] = {
    "end": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_use": "tool_use",
    "refusal": "content_filtered",
}


def read_reply(body: bytes) -> Reply:
    """Read a whole reply. Raises Unreadable when it is none."""
    given, warnings = load_object(body, "bedrock_converse reply")
    message = object_of(object_of(given, "output"), "message")
    if not message and "stopReason" not in given:
        raise Unreadable(f"bedrock_converse reply: found keys {sorted(given)[:12]}, expected output and stopReason")
    parts = read_content(message.get("content"))
    reason = text_of(given, "stopReason")
    return Reply(
        message=Message(role="assistant", parts=parts),
        stop_reason=settle_stop(read_stop(reason), parts),
        native_stop_reason=reason,
        stop_sequence=text_of(object_of(given, "additionalModelResponseFields"), "stop_sequence"),
        usage=read_usage(object_of(given, "usage")),
        extra=LEFT.rest(given, _KNOWN),
        is_complete=reason is not None,
        provider_timings_ns=read_times(given),
        warnings=warnings,
    )


PAUSE_LOST = "there is no paused turn here; it was said to be at its end"


def read_times(given: JsonObject) -> dict[str, int]:
    latency = count_of(object_of(given, "metrics"), "latencyMs")
    return {} if latency is None else {"latencyMs": latency * 1_000_000}


def write_stop(reason: StopReason | None, native: str | None) -> str:
    if native is not None and read_stop(native) == reason != "other":
        return native
    return _WORDS.get(reason or "end", "end_turn")


def write_usage(usage: Usage | None) -> JsonObject:
    """Write usage; all three sums must be there, so what is unknown is 0. The total includes the cache."""
    usage = usage or Usage()
    written: JsonObject = {"inputTokens": usage.input_fresh or 0, "outputTokens": usage.output or 0}
    written["totalTokens"] = (usage.input_total or 0) + written["outputTokens"]
    if usage.cache_read is not None:
        written["cacheReadInputTokens"] = usage.cache_read
    if usage.cache_write_5m is not None or usage.cache_write_1h is not None:
        written["cacheWriteInputTokens"] = (usage.cache_write_5m or 0) + (usage.cache_write_1h or 0)
    if usage.cache_write_1h is not None:
        written["cacheDetails"] = [{"ttl": "1h", "inputTokens": usage.cache_write_1h}]
    return written


def write_reply(reply: Reply, target: ReplyTarget) -> tuple[JsonObject, list[Loss]]:
    """Write the object of a whole reply, and say what was lost."""
    losses = [Loss(path="$.choices", reason="there is one answer here")] if reply.others else []
    content, said = [], []
    for number, part in enumerate(reply.message.parts):
        reason = why_lost(part)
        if reason is not None:
            losses.append(Loss(path=reply_path(number), reason=reason))
            continue
        block = _block(number, part, target)
        if block is not None:
            content.append(block)
            said.append(part)
    if reply.stop_reason == "pause":
        losses.append(Loss(path="reply.stop_reason", reason=PAUSE_LOST))
    latency_ns = reply.provider_timings_ns.get("latencyMs")
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": write_stop(settle_stop(reply.stop_reason, said), reply.native_stop_reason),
        "usage": write_usage(reply.usage),
        "metrics": {} if latency_ns is None else {"latencyMs": latency_ns // 1_000_000},
        **reply.extra.get(NAME, {}),
    }, losses


def why_lost(part: object) -> str | None:
    """Say why a part of a reply has no block here; None when it has one."""
    match part:
        case Other() if part.dialect != NAME:
            return f"{part.kind or 'an unknown part'} has no like here"
        case ToolCall(kind="server") | ToolResult() if part.extra and NAME not in part.extra:
            return "the work of another provider's tools has no like here"
        case Media(kind="audio" | "video" | "document"):
            return f"{part.kind} cannot be answered here"
        case _:
            return None


def _block(number: int, part: object, target: ReplyTarget) -> JsonObject | None:
    match part:
        case Reasoning() if not is_own_thought(part):
            seal, text = wrap(part), part.text or part.summary
            if text:
                signed = {"signature": seal} if seal else {}
                return {"reasoningContent": {"reasoningText": {"text": text, **signed}}}
            return {"reasoningContent": {"redactedContent": coded(seal)}} if seal else None
        case ToolCall(kind="function" | "custom"):
            value = write_input(part)
            value = value if isinstance(value, dict) else {"_raw": part.arguments}
            return {"toolUse": {"toolUseId": call_id(part, number, target), "name": part.name, "input": value}}
        case _:
            return write_block(part)  # type: ignore[arg-type]  # a part by its cases above
