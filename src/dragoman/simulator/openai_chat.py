"""OpenAI's Chat Completions as OpenAI itself writes them (openai 3.52.0's types, recorded traffic)."""

import json
from collections.abc import Iterator
from typing import Any

from dragoman.simulator import openai_rules, seals
from dragoman.simulator.answer import as_object, sse
from dragoman.simulator.ask import Ask, Block, Image, Tool, Turn, identifier, image_of, pieces_of, tokens_in
from dragoman.simulator.plan import Plan

CREATED = 1_760_000_000
"""Answers do not depend on the time."""

_STOP = {"end": "stop", "length": "length", "tool_use": "tool_calls", "refusal": "stop", "stop_sequence": "stop"}
_KINDS = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "permission_denied"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


def read(body: dict[str, Any], seed: str) -> Ask:
    """Read a request. Raises Unfit."""
    sealed = openai_rules.check_chat(body)
    messages = body["messages"]
    turns = [_turn(one) for one in messages]
    tools = [_tool(as_object(one, "tools")) for one in body.get("tools") or []]
    blocks = [Block(tokens_in(json.dumps(body.get("tools") or ""))), *(_block(one) for one in messages)]
    choice, stop = body.get("tool_choice"), body.get("stop")
    return Ask(
        model=str(body.get("model", "")),
        turns=turns,
        tools=tools,
        seed=seed,
        blocks=blocks,
        earlier=earlier(turns),
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        is_streamed=bool(body.get("stream")),
        thinks=body.get("reasoning_effort") not in (None, "none"),
        must_call=choice == "required" or isinstance(choice, dict),
        wants_json=(body.get("response_format") or {}).get("type") in ("json_object", "json_schema"),
        stops=[stop] if isinstance(stop, str) else list(stop or []),
        seals=sealed,
        body=body,
    )


def earlier(turns: list[Turn]) -> int:
    """Count the blocks before the last reply of the model: its prompt; block 0 holds the tools."""
    for number in range(len(turns) - 1, -1, -1):
        if turns[number].role == "assistant":
            return number + 1
    return 0


def whole(ask: Ask, plan: Plan) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": plan.text or None, "refusal": None, "annotations": []}
    if plan.stop == "refusal":
        message |= {"content": None, "refusal": plan.text}
    if plan.reasoning:
        message |= _reasoning(plan)
    if plan.calls:
        message["tool_calls"] = [{"id": _call_id(one.id), "type": one.kind, **_called(one)} for one in plan.calls]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _STOP[plan.stop]}
    return {**_frame(ask, "chat.completion"), "choices": [choice], "usage": _usage(plan)}


def stream(ask: Ask, plan: Plan) -> Iterator[bytes]:
    """Write the chunks; the first carries the role, the reason to stop comes alone, `[DONE]` ends."""
    shows_usage = bool((ask.body.get("stream_options") or {}).get("include_usage"))
    frame = _frame(ask, "chat.completion.chunk")

    def chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return sse({**frame, "choices": [choice], **({"usage": None} if shows_usage else {})})

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    for piece in [] if plan.hides_reasoning else pieces_of(plan.reasoning):
        yield chunk({"reasoning_content": piece})
    if plan.reasoning:
        yield chunk({"reasoning_details": _details(plan)})
    for piece in pieces_of(plan.text):
        yield chunk({"refusal": piece} if plan.stop == "refusal" else {"content": piece})
    for number, call in enumerate(plan.calls):
        word, key = ("custom", "input") if call.kind == "custom" else ("function", "arguments")
        begin = {"index": number, "id": _call_id(call.id), "type": call.kind, word: {"name": call.name, key: ""}}
        yield chunk({"tool_calls": [begin]})
        for piece in pieces_of(call.arguments):
            yield chunk({"tool_calls": [{"index": number, word: {key: piece}}]})
    yield chunk({}, _STOP[plan.stop])
    if shows_usage:
        yield sse({**frame, "choices": [], "usage": _usage(plan)})
    yield sse("[DONE]")


def _reasoning(plan: Plan) -> dict[str, Any]:
    """DeepSeek's field for the text, and OpenRouter's for what is sealed; OpenAI itself shows neither."""
    shown = {} if plan.hides_reasoning else {"reasoning_content": plan.reasoning}
    return {**shown, "reasoning_details": _details(plan)}


def _details(plan: Plan) -> list[dict[str, Any]]:
    return [{"type": "reasoning.encrypted", "data": seals.encrypt(plan.reasoning), "id": "rs_simulated", "index": 0}]


def error(status: int, message: str) -> dict[str, Any]:
    kind, code = _KINDS.get(status, ("server_error", None))
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def broken(_: Ask, status: int, message: str) -> bytes:
    """Write the error that ends a stream."""
    return sse(error(status, message))


def error_headers(status: int) -> list[tuple[str, str]]:
    headers = [("x-request-id", "req_simulated")]
    if status == 429:
        headers += [
            ("retry-after", "1"),
            ("retry-after-ms", "1000"),
            ("x-ratelimit-limit-requests", "500"),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "1s"),
        ]
    return headers


def headers(plan: Plan) -> list[tuple[str, str]]:
    return [
        ("x-request-id", "req_simulated"),
        ("openai-processing-ms", "12"),
        ("x-ratelimit-limit-requests", "500"),
        ("x-ratelimit-remaining-requests", "499"),
        ("x-ratelimit-reset-requests", "120ms"),
    ]


def _frame(ask: Ask, kind: str) -> dict[str, Any]:
    return {
        "id": identifier("chatcmpl-", ask.seed),
        "object": kind,
        "created": CREATED,
        "model": ask.model,
        "service_tier": "default",
        "system_fingerprint": "fp_simulated",
    }


def _usage(plan: Plan) -> dict[str, Any]:
    usage = plan.usage
    return {
        "prompt_tokens": usage.input_total,
        "completion_tokens": usage.output,
        "total_tokens": usage.input_total + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _call_id(seed: str) -> str:
    return f"call_{seed}"


def _called(call: Any) -> dict[str, Any]:
    if call.kind == "custom":
        return {"custom": {"name": call.name, "input": call.arguments}}
    return {"function": {"name": call.name, "arguments": call.arguments}}


def _tool(tool: dict[str, Any]) -> Tool:
    if tool.get("type") == "custom":
        return Tool(str(tool.get("custom", {}).get("name", "tool")), {}, "custom")
    function = as_object(tool.get("function") or {}, "tools[].function")
    return Tool(str(function.get("name", "tool")), function.get("parameters") or {})


def _turn(message: dict[str, Any]) -> Turn:
    role = message["role"]
    turn = Turn(role)
    content = message.get("content")
    parts: list[Any] = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    for part in parts:
        match part.get("type"):
            case "text":
                turn.text += part.get("text", "")
            case "image_url":
                turn.images.append(image_of(part["image_url"].get("url", "")))
            case "input_audio":
                turn.images.append(Image("input_audio", None))
            case "file":
                data = str((part.get("file") or {}).get("file_data") or "")
                turn.images.append(image_of(data) if data else Image("file", None))
            case _:
                pass
    if role in ("tool", "function"):
        turn.results, turn.text = [turn.text], ""
    return turn


def _block(message: dict[str, Any]) -> Block:
    return Block(
        tokens_in(json.dumps(message.get("content") or "")) + tokens_in(json.dumps(message.get("tool_calls") or ""))
    )
