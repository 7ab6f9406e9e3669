"""What a response consists of: its frame, the items of its output, its usage. The same whole and streamed.

Promise: the official SDK takes it (openai 3.52.0, `openai.types.responses.Response`: the fields that are required
there are always given). What the client asked is repeated; nothing is stored, and the response says so.
"""

from typing import Any

import msgspec

from dragoman.canonical import Reasoning, ReplyError, StopReason, ToolCall, Usage
from dragoman.dialects.base import ReplyTarget
from dragoman.dialects.openai_responses.items import NAME
from dragoman.dialects.openai_responses.render_request import asked_fields
from dragoman.dialects.seals import is_native, wrap
from dragoman.dialects.statuses import openai_code
from dragoman.dialects.values import JsonObject

_REPEATED: JsonObject = {
    # key: what stands there when the client did not say; openai.types.responses.Response
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}

_INCOMPLETE: dict[StopReason, str] = {"length": "max_output_tokens", "refusal": "content_filter"}


def frame(target: ReplyTarget, given_id: str | None, model: str | None) -> JsonObject:
    """Write a response without its output, as it stands at the beginning."""
    asked = asked_fields(target.prompt)
    repeated = {key: _or_default(asked.get(key), usual) for key, usual in _REPEATED.items()}
    return {
        "id": response_id(target, given_id),
        "object": "response",
        "created_at": target.created,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": target.model or model or "",
        "output": [],
        "store": False,
        "usage": None,
        **repeated,
    }


def _or_default(value: Any, usual: Any) -> Any:
    return usual if value is None else value


def response_id(target: ReplyTarget, given: str | None) -> str:
    """Name the response: as the upstream does where it has such a name, else from the exchange's id."""
    if given and given.startswith("resp_"):
        return given
    return f"resp_{target.seed or given or '0'}"


def item_id(kind: str, target: ReplyTarget, index: int) -> str:
    """Name an item by its place; `kind` is `msg`, `rs`, `fc`, `ctc` or `ig`."""
    return f"{kind}_{target.seed or '0'}_{index}"


def text_piece(text: str, annotations: list[JsonObject]) -> JsonObject:
    return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}


def message_item(item: str, pieces: list[JsonObject], status: str = "completed") -> JsonObject:
    return {"id": item, "type": "message", "status": status, "role": "assistant", "content": pieces}


def reasoning_item(item: str, part: Reasoning) -> JsonObject:
    """Write what the model thought: shown as a summary, with its seal in `encrypted_content`."""
    shown = part.summary or part.text
    wire: JsonObject = {"id": item, "type": "reasoning", "summary": [_summary(shown)] if shown else []}
    if part.summary and part.text:
        wire["content"] = [{"type": "reasoning_text", "text": part.text}]
    sealed = part.encrypted if is_native(part, NAME) and not part.signature else wrap(part)
    return {**wire, "encrypted_content": sealed} if sealed else wire


def _summary(text: str) -> JsonObject:
    return {"type": "summary_text", "text": text}


def call_item(item: str, part: ToolCall, call_id: str, status: str = "completed") -> JsonObject:
    """Write a call of the client's: of a function, or of a free-form tool."""
    base: JsonObject = {"id": item, "call_id": call_id, "name": part.name, "status": status}
    namespace = (part.extra.get(NAME) or {}).get("namespace")
    if namespace:
        base["namespace"] = namespace
    if part.kind == "custom":
        return {**base, "type": "custom_tool_call", "input": part.arguments}
    return {**base, "type": "function_call", "arguments": part.arguments}


def image_item(item: str, data: str) -> JsonObject:
    return {"id": item, "type": "image_generation_call", "status": "completed", "result": data}


def ended(response: JsonObject, stop: StopReason | None, output: list[JsonObject], usage: Usage | None) -> JsonObject:
    """Write how a response ended: completed, or incomplete and why."""
    reason = _INCOMPLETE.get(stop) if stop else None
    if stop == "refusal" and _says_refusal(output):
        reason = None
    changes: JsonObject = {"output": output, "usage": write_usage(usage), "status": "completed"}
    if reason:
        changes |= {"status": "incomplete", "incomplete_details": {"reason": reason}}
    return {**response, **changes}


def _says_refusal(output: list[JsonObject]) -> bool:
    return bool(output) and any(piece.get("type") == "refusal" for piece in output[-1].get("content") or [])


def failed(response: JsonObject, error: ReplyError, status: int, output: list[JsonObject]) -> JsonObject:
    """Write a response that broke off."""
    told = {"code": error_code(error, status), "message": error.message}
    return {**response, "status": "failed", "error": told, "output": output}


def error_code(error: ReplyError, status: int) -> str:
    """Name an error as responses that failed do."""
    return openai_code(error, status) or ("invalid_prompt" if status == 400 else "server_error")


def write_usage(usage: Usage | None) -> JsonObject | None:
    """Write token figures; the input includes the cache. None when nothing is known."""
    if usage is None or (usage.input_total is None and usage.output is None):
        return None
    taken, given = usage.input_total or 0, usage.output or 0
    # Both details are required fields (openai 3.52.0, ResponseUsage).
    written = (usage.cache_write_5m or 0) + (usage.cache_write_1h or 0)
    return {
        "input_tokens": taken,
        "input_tokens_details": {"cached_tokens": usage.cache_read or 0, "cache_write_tokens": written},
        "output_tokens": given,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": taken + given,
    }


encode = msgspec.json.Encoder().encode
