"""Ollama's chat and generate as its server writes them (ollama 0.6.3's types; recorded traffic is scarce)."""

import json
import re
from collections.abc import Iterator
from typing import Any

from dragoman.simulator.answer import Unfit, as_list, as_object, ndjson
from dragoman.simulator.ask import Ask, Block, Image, Tool, Turn, base64_size, mime_of, pieces_of, tokens_in
from dragoman.simulator.plan import Plan

CREATED = "2026-01-01T00:00:00.000000Z"
_GO = "json: cannot unmarshal {} into Go struct field ChatRequest.{} of type {}"
_GO_KINDS = {list: "array", dict: "object", str: "string", int: "number", float: "number", bool: "bool"}
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_NS_PER_TOKEN = 8_000_000


def read_chat(body: dict[str, Any], seed: str) -> Ask:
    """Read a request to /api/chat. Raises Unfit."""
    messages = [as_object(one, "messages[]") for one in as_list(body.get("messages") or [], "messages")]
    turns = [_turn(one) for one in messages]
    blocks = [
        Block(tokens_in(json.dumps(body.get("tools") or ""))),
        *(Block(tokens_in(json.dumps(one))) for one in messages),
    ]
    earlier = max((number + 1 for number, one in enumerate(turns) if one.role == "assistant"), default=0)
    tools = [as_object(one.get("function") or {}, "tools[].function") for one in body.get("tools") or []]
    return _ask(
        body, seed, turns, blocks, earlier, [Tool(str(one.get("name")), one.get("parameters") or {}) for one in tools]
    )


def read_generate(body: dict[str, Any], seed: str) -> Ask:
    """Read a request to /api/generate. Raises Unfit."""
    prompt = body.get("prompt") or ""
    if not isinstance(prompt, str):
        raise Unfit("prompt: expected text")
    turns = [Turn("system", str(body["system"]))] if body.get("system") else []
    if prompt or body.get("images"):
        turns.append(Turn("user", prompt, images=_images(body.get("images"))))
    return _ask(body, seed, turns, [Block(tokens_in(prompt))], 0, [])


def is_load(ask: Ask) -> bool:
    """Say whether the request only loads or unloads the model."""
    return not ask.turns


def is_unload(body: dict[str, Any]) -> bool:
    return body.get("keep_alive") in (0, "0", "0s")


def loaded(ask: Ask) -> dict[str, Any]:
    """Answer a request that only loads or unloads the model."""
    reason = "unload" if is_unload(ask.body) else "load"
    return {"model": ask.model, "created_at": CREATED, **_said(ask, ""), "done": True, "done_reason": reason}


def whole(ask: Ask, plan: Plan) -> dict[str, Any]:
    return {"model": ask.model, "created_at": CREATED, **_reply(ask, plan), **_end(ask, plan)}


def stream(ask: Ask, plan: Plan) -> Iterator[bytes]:
    """Write the lines: thinking, text, each tool call whole, and the figures with the last one."""
    head = {"model": ask.model, "created_at": CREATED}
    for piece in [] if plan.hides_reasoning else pieces_of(plan.reasoning):
        yield ndjson({**head, **_said(ask, "", thinking=piece), "done": False})
    for piece in pieces_of(plan.text):
        yield ndjson({**head, **_said(ask, piece), "done": False})
    for number in range(len(plan.calls)):
        yield ndjson({**head, **_said(ask, "", tool_calls=_calls(plan)[number : number + 1]), "done": False})
    yield ndjson({**head, **_said(ask, ""), **_end(ask, plan)})


def error(_: int, message: str) -> dict[str, Any]:
    return {"error": message}


def broken(_: Ask, __: int, message: str) -> bytes:
    """Write the line that ends a stream with an error."""
    return ndjson({"error": message})


def error_headers(_: int) -> list[tuple[str, str]]:
    return []


def headers(_: Plan) -> list[tuple[str, str]]:
    return []


def _ask(
    body: dict[str, Any], seed: str, turns: list[Turn], blocks: list[Block], earlier: int, tools: list[Tool]
) -> Ask:
    options = body.get("options") or {}
    limit, stops = options.get("num_predict"), options.get("stop") or []
    return Ask(
        model=str(body.get("model", "")),
        turns=turns,
        tools=tools,
        seed=seed,
        blocks=blocks,
        earlier=earlier,
        max_tokens=limit if isinstance(limit, int) and limit > 0 else None,
        is_streamed=body.get("stream") is not False,  # Ollama streams unless told not to
        thinks=bool(body.get("think")),
        wants_json=bool(body.get("format")),
        stops=[stops] if isinstance(stops, str) else list(stops),
        body=body,
    )


def _is_generate(ask: Ask) -> bool:
    return "messages" not in ask.body


def _said(ask: Ask, text: str, **more: Any) -> dict[str, Any]:
    if _is_generate(ask):
        return {"response": text, **more}
    return {"message": {"role": "assistant", "content": text, **more}}


def _reply(ask: Ask, plan: Plan) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if plan.reasoning and not plan.hides_reasoning:
        more["thinking"] = plan.reasoning
    if plan.calls:
        more["tool_calls"] = _calls(plan)
    return _said(ask, plan.text, **more)


def _calls(plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{call.id}",
            "function": {"index": number, "name": call.name, "arguments": json.loads(call.arguments)},
        }
        for number, call in enumerate(plan.calls)
    ]


def _end(ask: Ask, plan: Plan) -> dict[str, Any]:
    usage = plan.usage
    evaluated = usage.fresh * _NS_PER_TOKEN // 8
    written = usage.output * _NS_PER_TOKEN
    end: dict[str, Any] = {
        "done": True,
        "done_reason": "length" if plan.stop == "length" else "stop",
        "total_duration": evaluated + written + 40_000_000,
        "load_duration": 40_000_000,
        "prompt_eval_count": usage.input_total,
        "prompt_eval_duration": evaluated,
        "eval_count": usage.output,
        "eval_duration": written,
    }
    if _is_generate(ask):
        end["context"] = [1, 2, 3]
    return end


def _turn(message: dict[str, Any]) -> Turn:
    """Read a message as Ollama's Go does: a value of another type is an error of the whole request."""
    role, content = message.get("role"), message.get("content")
    if role not in ("system", "user", "assistant", "tool"):
        raise Unfit(f"invalid role {role!r}: expected system, user, assistant or tool")
    if content is not None and not isinstance(content, str):
        raise Unfit(_GO.format(_GO_KINDS.get(type(content), "value"), "messages.content", "string"))
    for call in message.get("tool_calls") or []:
        arguments = (call.get("function") or {}).get("arguments")
        if not isinstance(arguments, dict):
            found = _GO_KINDS.get(type(arguments), "value")
            raise Unfit(_GO.format(found, "messages.tool_calls.function.arguments", "api.ToolCallFunctionArguments"))
    if role == "tool":
        return Turn(role, results=[content or ""])
    return Turn(role, content or "", images=_images(message.get("images")))


def _images(images: Any) -> list[Image]:
    for one in images or []:
        if not isinstance(one, str) or not _BASE64.fullmatch(one):
            raise Unfit("illegal base64 data at input byte 4")
    return [Image(mime_of(one), base64_size(one)) for one in images or []]
