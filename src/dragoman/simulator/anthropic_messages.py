"""Anthropic's Messages as Anthropic itself writes them (anthropic 2.11.0's types, recorded traffic)."""

import json
from collections.abc import Iterator
from typing import Any, Literal

from dragoman.simulator import anthropic_rules, seals
from dragoman.simulator.answer import as_object, sse
from dragoman.simulator.ask import (
    Ask,
    Block,
    Image,
    Mark,
    Tool,
    Turn,
    base64_size,
    identifier,
    pieces_of,
    tokens_in,
)
from dragoman.simulator.plan import Call, Plan

_STOP = {
    "end": "end_turn",
    "length": "max_tokens",
    "tool_use": "tool_use",
    "refusal": "refusal",
    "stop_sequence": "stop_sequence",
}
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_REQUEST_ID = "req_simulated"


def read(body: dict[str, Any], seed: str, *, is_counting: bool = False, is_bedrock: bool = False) -> Ask:
    """Read a request. Raises Unfit."""
    sealed = anthropic_rules.check(body, is_counting=is_counting, is_bedrock=is_bedrock)
    messages: list[dict[str, Any]] = body["messages"]
    turns: list[Turn] = []
    blocks = [_block(one, json.dumps(one)) for one in body.get("tools") or []]
    blocks += [_block(one, str(one.get("text", ""))) for one in _parts(body.get("system"))]
    earlier = 0
    for message in messages:
        role = message["role"]
        if role == "assistant":
            earlier = len(blocks)
        parts = _parts(message.get("content"))
        turns.append(_turn(role, parts))
        blocks += [_block(part, _words_of(part)) for part in parts]
    choice = body.get("tool_choice") or {}
    return Ask(
        model=str(body.get("model", "")),
        turns=turns,
        tools=[Tool(str(one["name"]), one["input_schema"]) for one in body.get("tools") or [] if "input_schema" in one],
        seed=seed,
        blocks=blocks,
        earlier=earlier,
        is_cache_explicit=True,
        max_tokens=body.get("max_tokens"),
        is_streamed=bool(body.get("stream")),
        thinks=(body.get("thinking") or {}).get("type") in ("enabled", "adaptive"),
        must_call=choice.get("type") in ("any", "tool"),
        wants_json="format" in (body.get("output_config") or {}),
        stops=[str(one) for one in body.get("stop_sequences") or []],
        seals=sealed,
        body=body,
    )


def whole(ask: Ask, plan: Plan) -> dict[str, Any]:
    content: list[dict[str, Any]] = _thinking(plan)
    if plan.text:
        content.append({"type": "text", "text": plan.text})
    content += [{**_tool_use(call), "input": json.loads(call.arguments)} for call in plan.calls]
    return {**_message(ask), "content": content, **_stopped(plan), "usage": _usage(plan, "whole")}


def stream(ask: Ask, plan: Plan) -> Iterator[bytes]:
    """Write the events of a stream."""
    for event in events(ask, plan):
        yield sse(event, event["type"])


def events(ask: Ask, plan: Plan) -> Iterator[dict[str, Any]]:
    """Make the events: blocks strictly one after the other, usage cumulative at the end."""
    opening = {
        **_message(ask),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage(plan, "start"),
    }
    yield {"type": "message_start", "message": opening}
    yield {"type": "ping"}
    blocks = _thinking(plan)
    if plan.text:
        blocks.append({"type": "text", "text": plan.text})
    blocks += [{**_tool_use(call), "input": call.arguments} for call in plan.calls]
    for index, block in enumerate(blocks):
        yield from _block_events(index, block)
    yield {"type": "message_delta", "delta": _stopped(plan), "usage": _usage(plan, "end")}
    yield {"type": "message_stop"}


def _block_events(index: int, block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    deltas: list[dict[str, Any]] = []
    empty = block
    match block["type"]:
        case "thinking":
            empty = {**block, "thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces_of(block["thinking"])]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        case "text":
            empty = {**block, "text": ""}
            deltas = [{"type": "text_delta", "text": piece} for piece in pieces_of(block["text"])]
        case "tool_use":
            empty = {**block, "input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *pieces_of(block["input"])]]
        case _:
            pass  # redacted thinking comes whole with its start
    yield {"type": "content_block_start", "index": index, "content_block": empty}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _thinking(plan: Plan) -> list[dict[str, Any]]:
    if not plan.reasoning:
        return []
    if plan.hides_reasoning:
        return [{"type": "redacted_thinking", "data": seals.encrypt(plan.reasoning)}]
    return [{"type": "thinking", "thinking": plan.reasoning, "signature": seals.sign(plan.reasoning)}]


def error(status: int, message: str) -> dict[str, Any]:
    kind = _KINDS.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": _REQUEST_ID}


def broken(_: Ask, status: int, message: str) -> bytes:
    """Write the error that ends a stream; nothing follows it."""
    return sse({"type": "error", "error": {"type": _KINDS.get(status, "api_error"), "message": message}}, "error")


def error_headers(status: int) -> list[tuple[str, str]]:
    headers = [("request-id", _REQUEST_ID)]
    if status == 429:
        headers += [("retry-after", "1"), ("anthropic-ratelimit-requests-remaining", "0")]
    return headers


def headers(plan: Plan) -> list[tuple[str, str]]:
    return [
        ("request-id", _REQUEST_ID),
        ("anthropic-organization-id", "simulated"),
        ("anthropic-ratelimit-requests-limit", "1000"),
        ("anthropic-ratelimit-requests-remaining", "999"),
        ("anthropic-ratelimit-requests-reset", "2026-01-01T00:00:00Z"),
    ]


def count(ask: Ask) -> dict[str, Any]:
    """Answer count_tokens."""
    return {"input_tokens": sum(block.tokens for block in ask.blocks)}


def _message(ask: Ask) -> dict[str, Any]:
    return {"id": identifier("msg_", ask.seed), "type": "message", "role": "assistant", "model": ask.model}


def _stopped(plan: Plan) -> dict[str, Any]:
    stopped: dict[str, Any] = {"stop_reason": _STOP[plan.stop], "stop_sequence": plan.stop_sequence}
    if plan.stop == "refusal":
        stopped["stop_details"] = {"type": "refusal", "category": None, "explanation": plan.text}
    return stopped


def _usage(plan: Plan, stage: Literal["start", "end", "whole"]) -> dict[str, Any]:
    """Write the figures: at a stream's start the output is not known, at its end the cache's kinds are left out."""
    usage = plan.usage
    figures: dict[str, Any] = {
        "input_tokens": usage.fresh,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": 1 if stage == "start" else usage.output,
    }
    if usage.reasoning and stage != "start":
        figures["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    if stage != "end":
        figures["cache_creation"] = {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        }
        figures["service_tier"] = "standard"
    return figures


def _tool_use(call: Call) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{call.id}", "name": call.name}


def _parts(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [as_object(one, "content[]") for one in content or []]


def _turn(role: str, parts: list[dict[str, Any]]) -> Turn:
    turn = Turn(role)
    for part in parts:
        match part.get("type"):
            case "text":
                turn.text += part["text"]
            case "tool_result":
                said = _parts(part.get("content"))
                turn.results.append("".join(str(one.get("text", "")) for one in said))
                turn.images += [_image(one["source"]) for one in said if one.get("type") == "image"]
            case "image" | "document":
                turn.images.append(_image(part.get("source") or {}))
            case _:
                pass
    return turn


def _image(source: dict[str, Any]) -> Image:
    if source.get("type") == "base64":
        return Image(str(source.get("media_type")), base64_size(str(source.get("data", ""))))
    return Image(str(source.get("type")), None)


def _words_of(part: dict[str, Any]) -> str:
    return str(part["text"]) if part.get("type") == "text" else json.dumps(part)


def _block(part: dict[str, Any], words: str) -> Block:
    control = part.get("cache_control")
    mark: Mark = "" if not control else "1h" if control.get("ttl") == "1h" else "5m"
    return Block(max(1, tokens_in(words)), mark)
