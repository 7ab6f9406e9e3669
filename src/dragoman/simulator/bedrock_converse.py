"""Amazon Bedrock's Converse as the service writes it: one shape for every vendor's models, the reply as event stream.

Sources: botocore 1.44.5's description of bedrock-runtime, recorded traffic, and users' reports for what is refused
(wire-facts, sections 4 and 8). Errors and signatures are those of `bedrock`.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from dragoman.simulator import bedrock, seals
from dragoman.simulator.answer import Unfit, as_list, as_object
from dragoman.simulator.ask import Ask, Block, Image, Mark, Tool, Turn, base64_size, pieces_of, tokens_in
from dragoman.simulator.plan import Plan
from dragoman.wire.eventstream import encode_message

error = bedrock.error
error_headers = bedrock.error_headers
error_status = bedrock.error_status
broken = bedrock.broken

_STOP = {
    "end": "end_turn",
    "length": "max_tokens",
    "tool_use": "tool_use",
    "refusal": "content_filtered",
    "stop_sequence": "stop_sequence",
}
_TOOL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_FIELDS = frozenset(
    {
        *("messages", "system", "inferenceConfig", "toolConfig", "additionalModelRequestFields", "outputConfig"),
        *("guardrailConfig", "performanceConfig", "serviceTier", "requestMetadata", "promptVariables"),
        "additionalModelResponseFieldPaths",
    }
)


def read(body: dict[str, Any], seed: str, model: str, *, is_streamed: bool) -> Ask:
    """Read a request. Raises Unfit."""
    for name in body:
        if name not in _FIELDS:
            raise Unfit(f"Unknown field {name} in the request")
    messages = [as_object(one, "messages") for one in as_list(body.get("messages"), "messages")]
    sealed = _check(messages, has_tools=bool((body.get("toolConfig") or {}).get("tools")))
    config, more = body.get("inferenceConfig") or {}, body.get("additionalModelRequestFields") or {}
    tools = [one for one in (body.get("toolConfig") or {}).get("tools") or [] if "toolSpec" in one]
    blocks = [Block(tokens_in(json.dumps(one))) for one in tools]
    blocks += _blocks(body.get("system") or [])
    earlier = 0
    for message in messages:
        if message["role"] == "assistant":
            earlier = len(blocks)
        blocks += _blocks(message["content"])
    choice = (body.get("toolConfig") or {}).get("toolChoice") or {}
    return Ask(
        model=model,
        turns=[_turn(one) for one in messages],
        tools=[Tool(one["toolSpec"]["name"], one["toolSpec"]["inputSchema"].get("json") or {}) for one in tools],
        seed=seed,
        blocks=blocks,
        earlier=earlier,
        is_cache_explicit=True,
        max_tokens=config.get("maxTokens"),
        is_streamed=is_streamed,
        thinks=(more.get("thinking") or {}).get("type") in ("enabled", "adaptive"),
        must_call="any" in choice or "tool" in choice,
        wants_json="textFormat" in (body.get("outputConfig") or {}),
        stops=list(config.get("stopSequences") or []),
        seals=sealed,
        body=body,
    )


def whole(ask: Ask, plan: Plan) -> dict[str, Any]:
    message = {"role": "assistant", "content": _content(plan)}
    return {
        "metrics": {"latencyMs": 12},
        "output": {"message": message},
        "stopReason": _STOP[plan.stop],
        "usage": _usage(plan),
    }


def stream(ask: Ask, plan: Plan) -> Iterator[bytes]:
    """Write the frames: only a tool's block has a start, and the figures come after the stop."""
    yield _frame("messageStart", {"role": "assistant"})
    for index, block in enumerate(_content(plan)):
        at = {"contentBlockIndex": index}
        if "toolUse" in block:
            use = block["toolUse"]
            start = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
            yield _frame("contentBlockStart", {"start": start, **at})
        for delta in _deltas(block):
            yield _frame("contentBlockDelta", {"delta": delta, **at})
        yield _frame("contentBlockStop", at)
    yield _frame("messageStop", {"stopReason": _STOP[plan.stop]})
    yield _frame("metadata", {"metrics": {"latencyMs": 12}, "usage": _usage(plan)})


def headers(_: Plan) -> list[tuple[str, str]]:
    return [("x-amzn-requestid", bedrock.REQUEST_ID)]


def _content(plan: Plan) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = []
    if plan.reasoning and plan.hides_reasoning:
        content.append({"reasoningContent": {"redactedContent": seals.encrypt(plan.reasoning)}})
    elif plan.reasoning:
        said = {"text": plan.reasoning, "signature": seals.sign(plan.reasoning)}
        content.append({"reasoningContent": {"reasoningText": said}})
    if plan.text:
        content.append({"text": plan.text})
    for call in plan.calls:
        use = {"toolUseId": f"tooluse_{call.id}", "name": call.name, "input": json.loads(call.arguments)}
        content.append({"toolUse": use})
    return content


def _deltas(block: dict[str, Any]) -> list[dict[str, Any]]:
    if "text" in block:
        return [{"text": piece} for piece in pieces_of(block["text"])]
    if "toolUse" in block:
        return [{"toolUse": {"input": piece}} for piece in pieces_of(json.dumps(block["toolUse"]["input"]))]
    reasoning = block["reasoningContent"]
    if "redactedContent" in reasoning:
        return [{"reasoningContent": reasoning}]
    said = reasoning["reasoningText"]
    pieces = [{"reasoningContent": {"text": piece}} for piece in pieces_of(said["text"])]
    return [*pieces, {"reasoningContent": {"signature": said["signature"]}}]


def _frame(kind: str, payload: dict[str, Any]) -> bytes:
    names = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return encode_message(names, json.dumps({**payload, "p": "abcdefghij"}, ensure_ascii=False).encode())


def _usage(plan: Plan) -> dict[str, Any]:
    usage = plan.usage
    return {
        "inputTokens": usage.fresh,
        "outputTokens": usage.output,
        "totalTokens": usage.input_total + usage.output,
        "cacheReadInputTokens": usage.cache_read,
        "cacheWriteInputTokens": usage.cache_write_5m + usage.cache_write_1h,
    }


def _turn(message: dict[str, Any]) -> Turn:
    turn = Turn(message["role"])
    for part in message["content"]:
        turn.text += part.get("text", "")
        if "image" in part or "document" in part:
            turn.images.append(_image(part))
        if "toolResult" in part:
            inner = part["toolResult"].get("content") or []
            turn.results.append("".join(one.get("text") or json.dumps(one.get("json", "")) for one in inner))
            turn.images += [_image(one) for one in inner if "image" in one]
    return turn


def _image(part: dict[str, Any]) -> Image:
    held = part.get("image") or part["document"]
    mime = f"{'image' if 'image' in part else 'document'}/{held.get('format')}"
    data = (held.get("source") or {}).get("bytes")
    return Image(mime, base64_size(data) if isinstance(data, str) else None)


def _blocks(parts: list[dict[str, Any]]) -> list[Block]:
    """Count each part; a cache point marks the part before it."""
    blocks: list[Block] = []
    for part in parts:
        if "cachePoint" not in part:
            blocks.append(Block(max(1, tokens_in(part.get("text") or json.dumps(part)))))
        elif blocks:
            mark: Mark = "1h" if part["cachePoint"].get("ttl") == "1h" else "5m"
            blocks[-1] = Block(blocks[-1].tokens, mark)
    return blocks


def _check(messages: list[dict[str, Any]], *, has_tools: bool) -> int:
    """Refuse what the service refuses; gives how many seals came back."""
    roles = [one.get("role") for one in messages]
    if not roles or roles[0] != "user":
        raise Unfit("A conversation must start with a user message. Try again with a conversation that does.")
    count = 0
    called: list[str] = []
    for number, message in enumerate(messages):
        if number and roles[number] == roles[number - 1]:
            raise Unfit("A conversation must alternate between user and assistant roles.")
        parts = [as_object(one, "content") for one in as_list(message.get("content"), f"messages.{number}.content")]
        count += sum(_check_part(part, f"messages.{number}.content.{at}") for at, part in enumerate(parts))
        answered = [str(one["toolResult"].get("toolUseId")) for one in parts if "toolResult" in one]
        if missing := [one for one in called if one not in answered]:
            ids = ", ".join(missing)
            raise Unfit(f"Expected toolResult blocks at messages.{number}.content for the following Ids: {ids}")
        if len(answered) > len(called):
            raise Unfit(
                f"The number of toolResult blocks at messages.{number}.content exceeds the number of toolUse blocks"
            )
        called = [str(one["toolUse"].get("toolUseId")) for one in parts if "toolUse" in one]
        if (called or answered) and not has_tools:
            raise Unfit("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
    if called:
        raise Unfit(f"Expected toolResult blocks for the following Ids: {', '.join(called)}")
    return count


def _check_part(part: dict[str, Any], place: str) -> int:
    if "text" in part and not str(part["text"]).strip():
        raise Unfit(f"The text field in the ContentBlock object at {place} is blank. Add text, and try again.")
    use = part.get("toolUse")
    if use is not None and (not _TOOL_ID.fullmatch(str(use.get("toolUseId"))) or not isinstance(use["input"], dict)):
        raise Unfit(f"{place}.toolUse: expected an id of [a-zA-Z0-9_-]{{1,64}} and an object as input")
    reasoning = part.get("reasoningContent")
    if reasoning is None:
        return 0
    said = reasoning.get("reasoningText") or {}
    is_ours = (
        seals.is_encrypted(str(reasoning["redactedContent"]))
        if "redactedContent" in reasoning
        else seals.is_signed(str(said.get("text")), str(said.get("signature")))
    )
    if not is_ours:
        raise Unfit(f"{place}: Invalid `signature` in `thinking` block")
    return 1
