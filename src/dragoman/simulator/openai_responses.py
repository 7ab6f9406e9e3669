"""OpenAI's Responses as OpenAI itself writes them (openai 3.52.0's types, recorded traffic)."""

import json
from collections.abc import Iterator
from typing import Any

from dragoman.simulator import openai_chat, openai_rules, seals
from dragoman.simulator.answer import sse
from dragoman.simulator.ask import Ask, Block, Image, Tool, Turn, identifier, image_of, pieces_of, tokens_in
from dragoman.simulator.openai_chat import CREATED
from dragoman.simulator.plan import Plan

error = openai_chat.error
error_headers = openai_chat.error_headers
headers = openai_chat.headers

_ECHOED = {
    "instructions": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "top_p": 1.0,
    "background": False,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "top_logprobs": 0,
    "truncation": "disabled",
    "user": None,
}
"""What a reply repeats of its request, and the value when the request said nothing."""

_TOO_MANY = 429


def read(body: dict[str, Any], seed: str) -> Ask:
    """Read a request. Raises Unfit."""
    sealed = openai_rules.check_responses(body)
    given = body["input"]
    items: list[dict[str, Any]] = [{"role": "user", "content": given}] if isinstance(given, str) else given
    opening = str(body.get("instructions") or "")
    turns = [turn for item in items if (turn := _turn(item)) is not None]
    blocks = [Block(tokens_in(json.dumps(body.get("tools") or "")) + tokens_in(opening))]
    blocks += [Block(tokens_in(json.dumps(one))) for one in items]
    choice = body.get("tool_choice")
    return Ask(
        model=str(body.get("model", "")),
        turns=turns,
        tools=[tool for one in body.get("tools") or [] if (tool := _tool(one)) is not None],
        seed=seed,
        blocks=blocks,
        earlier=_earlier(items),
        max_tokens=body.get("max_output_tokens"),
        is_streamed=bool(body.get("stream")),
        thinks=bool((body.get("reasoning") or {}).get("effort") not in (None, "none")),
        must_call=choice == "required" or isinstance(choice, dict),
        wants_json=((body.get("text") or {}).get("format") or {}).get("type") in ("json_object", "json_schema"),
        seals=sealed,
        body=body,
    )


def whole(ask: Ask, plan: Plan) -> dict[str, Any]:
    return _response(ask, plan, _items(ask, plan))


def stream(ask: Ask, plan: Plan) -> Iterator[bytes]:
    """Write the events: each item added, filled and done; the last one carries the whole reply. No `[DONE]`."""
    events = _Events()
    empty = _response(ask, None, [])
    yield events.write("response.created", response=empty)
    yield events.write("response.in_progress", response=empty)
    items = _items(ask, plan)
    for index, item in enumerate(items):
        yield from _ITEM_EVENTS[item["type"]](events, index, item)
    reply = _response(ask, plan, items)
    yield events.write(f"response.{reply['status']}", response=reply)


def broken(ask: Ask, status: int, message: str) -> bytes:
    """Write the event that ends a stream with an error."""
    code = "rate_limit_exceeded" if status == _TOO_MANY else "server_error"
    reply = _response(ask, None, []) | {"status": "failed", "error": {"code": code, "message": message}}
    return sse({"type": "response.failed", "sequence_number": 999, "response": reply}, "response.failed")


def count(ask: Ask) -> dict[str, Any]:
    """Answer /responses/input_tokens."""
    return {"object": "response.input_tokens", "input_tokens": sum(block.tokens for block in ask.blocks)}


class _Events:
    """Numbers the events of one stream."""

    def __init__(self) -> None:
        self._number = 0

    def write(self, kind: str, **fields: Any) -> bytes:
        event = sse({"type": kind, **fields, "sequence_number": self._number}, kind)
        self._number += 1
        return event


def _response(ask: Ask, plan: Plan | None, items: list[dict[str, Any]]) -> dict[str, Any]:
    reply: dict[str, Any] = {
        "id": identifier("resp_", ask.seed),
        "object": "response",
        "created_at": CREATED,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": ask.model,
        "output": items,
        **{key: ask.body.get(key, value) for key, value in _ECHOED.items()},
        "tools": [_without_credentials(one) for one in ask.body.get("tools") or []],
        "usage": None,
    }
    if plan is None:
        return reply
    if plan.stop == "length":
        reply |= {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    else:
        reply |= {"status": "completed", "completed_at": CREATED}
    usage = plan.usage
    reply["usage"] = {
        "input_tokens": usage.input_total,
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input_total + usage.output,
    }
    return reply


def _without_credentials(tool: dict[str, Any]) -> dict[str, Any]:
    """OpenAI takes `authorization` and `headers` of an MCP tool and does not give them back."""
    return {name: value for name, value in tool.items() if name not in ("authorization", "headers")}


def _items(ask: Ask, plan: Plan) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if plan.reasoning:
        summary = [] if plan.hides_reasoning else [{"type": "summary_text", "text": plan.reasoning}]
        item: dict[str, Any] = {"id": identifier("rs_", ask.seed), "type": "reasoning", "summary": summary}
        if "reasoning.encrypted_content" in (ask.body.get("include") or []):
            item["encrypted_content"] = seals.encrypt(plan.reasoning)
        items.append(item)
    if plan.text:
        part: dict[str, Any] = {"type": "output_text", "annotations": [], "logprobs": [], "text": plan.text}
        if plan.stop == "refusal":
            part = {"type": "refusal", "refusal": plan.text}
        status = "incomplete" if plan.stop == "length" else "completed"
        items.append(
            {
                "id": identifier("msg_", ask.seed),
                "type": "message",
                "status": status,
                "role": "assistant",
                "content": [part],
            }
        )
    for number, call in enumerate(plan.calls):
        is_custom = call.kind == "custom"
        items.append(
            {
                "id": identifier("ctc_" if is_custom else "fc_", ask.seed, number),
                "type": "custom_tool_call" if is_custom else "function_call",
                "status": "completed",
                "call_id": f"call_{call.id}",
                "name": call.name,
                "input" if is_custom else "arguments": call.arguments,
            }
        )
    return items


def _reasoning_events(events: _Events, index: int, item: dict[str, Any]) -> Iterator[bytes]:
    at = {"item_id": item["id"], "output_index": index, "summary_index": 0}
    yield events.write("response.output_item.added", output_index=index, item={**item, "summary": []})
    if not item["summary"]:
        yield events.write("response.output_item.done", output_index=index, item=item)
        return
    text = item["summary"][0]["text"]
    yield events.write("response.reasoning_summary_part.added", **at, part={"type": "summary_text", "text": ""})
    for piece in pieces_of(text):
        yield events.write("response.reasoning_summary_text.delta", **at, delta=piece)
    yield events.write("response.reasoning_summary_text.done", **at, text=text)
    yield events.write("response.reasoning_summary_part.done", **at, part=item["summary"][0])
    yield events.write("response.output_item.done", output_index=index, item=item)


def _message_events(events: _Events, index: int, item: dict[str, Any]) -> Iterator[bytes]:
    part = item["content"][0]
    key, word, more = ("text", "output_text", {"logprobs": []})
    if part["type"] == "refusal":
        key, word, more = ("refusal", "refusal", {})
    at = {"item_id": item["id"], "output_index": index, "content_index": 0}
    yield events.write(
        "response.output_item.added", output_index=index, item={**item, "status": "in_progress", "content": []}
    )
    yield events.write("response.content_part.added", **at, part={**part, key: ""})
    for piece in pieces_of(part[key]):
        yield events.write(f"response.{word}.delta", **at, delta=piece, **more)
    yield events.write(f"response.{word}.done", **at, **{key: part[key]}, **more)
    yield events.write("response.content_part.done", **at, part=part)
    yield events.write("response.output_item.done", output_index=index, item=item)


def _call_events(events: _Events, index: int, item: dict[str, Any]) -> Iterator[bytes]:
    key, word = ("arguments", "function_call_arguments")
    if item["type"] == "custom_tool_call":
        key, word = ("input", "custom_tool_call_input")
    at = {"item_id": item["id"], "output_index": index}
    yield events.write(
        "response.output_item.added", output_index=index, item={**item, "status": "in_progress", key: ""}
    )
    for piece in pieces_of(item[key]):
        yield events.write(f"response.{word}.delta", **at, delta=piece)
    yield events.write(f"response.{word}.done", **at, **{key: item[key]})
    yield events.write("response.output_item.done", output_index=index, item=item)


_ITEM_EVENTS = {
    "reasoning": _reasoning_events,
    "message": _message_events,
    "function_call": _call_events,
    "custom_tool_call": _call_events,
}


def _earlier(items: list[dict[str, Any]]) -> int:
    """Count the blocks before the model's last output; block 0 holds tools and instructions."""
    made = ("function_call", "custom_tool_call", "reasoning")
    for number in range(len(items) - 1, -1, -1):
        if items[number].get("role") == "assistant" or items[number].get("type") in made:
            while number > 0 and items[number - 1].get("type") in made:
                number -= 1
            return number + 1
    return 0


def _turn(item: dict[str, Any]) -> Turn | None:
    kind = item.get("type", "message")
    if kind in ("function_call_output", "custom_tool_call_output"):
        turn = Turn("tool")
        said, turn.images = _content(item.get("output"))
        turn.results = [said]
        return turn
    if kind != "message":
        return None
    turn = Turn(item["role"])
    turn.text, turn.images = _content(item.get("content"))
    return turn


def _content(content: Any) -> tuple[str, list[Image]]:
    if isinstance(content, str):
        return content, []
    text, images = "", []
    for part in content or []:
        match part.get("type"):
            case "input_text" | "output_text":
                text += part.get("text", "")
            case "input_image":
                images.append(image_of(part.get("image_url") or ""))
            case "input_file":
                images.append(image_of(part.get("file_data") or ""))
            case _:
                pass
    return text, images


def _tool(tool: dict[str, Any]) -> Tool | None:
    """Read a tool; those that the provider runs itself are none of ours."""
    if tool.get("type") == "function":
        return Tool(str(tool.get("name", "tool")), tool.get("parameters") or {})
    if tool.get("type") == "custom":
        return Tool(str(tool.get("name", "tool")), {}, "custom")
    return None
