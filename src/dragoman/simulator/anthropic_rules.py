"""What Anthropic refuses with 400, so that a request which was put together wrongly is noticed.

The wording follows the service's own. Sources: the anthropic SDK 2.11.0's types for which fields there are; for
the rules, the error messages that users of Anthropic and Bedrock reported (wire-facts, section 8).
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from dragoman.simulator import seals
from dragoman.simulator.answer import Unfit, as_list, as_object

_FIELDS = frozenset(
    {
        "model",
        "messages",
        "max_tokens",
        "system",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "stop_sequences",
        "temperature",
        "top_p",
        "top_k",
        "stream",
        "metadata",
        "service_tier",
        "speed",
        "inference_geo",
        "container",
        "cache_control",
        "diagnostics",
        "workspace_id",
        "user_profile_id",
        "context_management",
        "mcp_servers",
        "betas",
        "output_format",
        "fallbacks",
        "anthropic_beta",
    }
)
_BLOCK_FIELDS = {
    "text": frozenset({"type", "text", "cache_control", "citations"}),
    "image": frozenset({"type", "source", "cache_control"}),
    "thinking": frozenset({"type", "thinking", "signature"}),
    "redacted_thinking": frozenset({"type", "data"}),
    "tool_use": frozenset({"type", "id", "name", "input", "cache_control", "caller"}),
    "tool_result": frozenset({"type", "tool_use_id", "content", "is_error", "cache_control"}),
}
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_TOOL_ID = re.compile(r"[a-zA-Z0-9_-]+")
_MOST_MARKS = 4
_LEAST_BUDGET = 1024


def check(body: dict[str, Any], *, is_counting: bool = False, is_bedrock: bool = False) -> int:
    """Refuse what the service refuses; gives how many seals of reasoning came back. Raises Unfit."""
    known = (_FIELDS - {"model", "stream"}) | {"anthropic_version"} if is_bedrock else _FIELDS
    _no_more("", body, known)
    messages = [as_object(one, "messages") for one in as_list(body.get("messages"), "messages: Field required")]
    if not messages:
        raise Unfit("messages: at least one message is required")
    _check_settings(body, is_counting=is_counting)
    _check_tools(body)
    count = 0
    for number, message in enumerate(messages):
        count += _check_message(message, f"messages.{number}", is_last=number == len(messages) - 1)
    for place, block in _blocks({"content": body.get("system")}, "system"):
        _check_block(block, place)
    _check_results(messages)
    if is_bedrock:
        _check_turns(messages)
    _check_thinking(body, messages)
    marks = sum("cache_control" in one for one in _all_marked(body, messages))
    if marks > _MOST_MARKS:
        raise Unfit(f"A maximum of 4 blocks with cache_control may be provided. Found {marks}.")
    return count


def _no_more(where: str, value: dict[str, Any], known: frozenset[str]) -> None:
    for name in value:
        if name not in known:
            raise Unfit(f"{where}{name}: Extra inputs are not permitted")


def _check_settings(body: dict[str, Any], *, is_counting: bool) -> None:
    limit = body.get("max_tokens")
    if not is_counting and limit is None:
        raise Unfit("max_tokens: Field required")
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise Unfit("max_tokens: Input should be a valid integer greater than or equal to 1")
    temperature = body.get("temperature")
    if temperature is not None and (not isinstance(temperature, int | float) or not 0 <= temperature <= 1):
        raise Unfit("temperature: range: 0..1")
    for number, stop in enumerate(as_list(body.get("stop_sequences") or [], "stop_sequences")):
        if not isinstance(stop, str) or not stop.strip():
            raise Unfit(f"stop_sequences.{number}: each stop sequence must contain non-whitespace")


def _check_tools(body: dict[str, Any]) -> None:
    tools = [as_object(one, "tools") for one in as_list(body.get("tools") or [], "tools")]
    names: set[str] = set()
    for number, tool in enumerate(tools):
        name = tool.get("name")
        if tool.get("type", "custom") == "custom" and tool.get("input_schema", {}).get("type") != "object":
            raise Unfit(f"tools.{number}.custom.input_schema.type: Field required, expected 'object'")
        if "function" in tool:
            raise Unfit(f"tools.{number}.function: Extra inputs are not permitted")
        if tool.get("type") != "mcp_toolset" and (not isinstance(name, str) or not _TOOL_NAME.fullmatch(name)):
            raise Unfit(f"tools.{number}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        if isinstance(name, str) and name in names:
            raise Unfit("tools: Tool names must be unique.")
        names.add(str(name))
    choice = body.get("tool_choice")
    if choice is None:
        return
    kind = as_object(choice, "tool_choice: Input should be an object").get("type")
    if kind not in ("auto", "any", "tool", "none"):
        raise Unfit(f"tool_choice: Input tag {kind!r} does not match any of the expected tags: auto, any, tool, none")
    if not tools:
        raise Unfit("tool_choice: tool_choice may only be specified while providing tools")
    if kind == "tool" and choice.get("name") not in names:
        raise Unfit(f"tool_choice: Tool {choice.get('name')!r} not found in provided tools")


def _check_message(message: dict[str, Any], place: str, *, is_last: bool) -> int:
    _no_more(place + ".", message, frozenset({"role", "content"}))
    role = message.get("role")
    if role not in ("user", "assistant", "system"):
        raise Unfit(f"{place}.role: Input should be 'user', 'assistant' or 'system'")
    content = message.get("content")
    if not isinstance(content, str | list):
        raise Unfit(f"{place}.content: Input should be a valid string or list")
    if not content and not (role == "assistant" and is_last):
        message_of = "all messages must have non-empty content except for the optional final assistant message"
        raise Unfit(f"{place}: {message_of}")
    count = 0
    for where, block in _blocks(message, place + ".content"):
        count += _check_block(block, where)
    if role == "assistant" and is_last and _last_text(content).endswith((" ", "\n", "\t")):
        raise Unfit("messages: final assistant content cannot end with trailing whitespace")
    return count


def _check_block(block: dict[str, Any], where: str) -> int:
    """Check one block; gives 1 when it carries a seal."""
    kind = block.get("type")
    if not isinstance(kind, str):
        raise Unfit(f"{where}.type: Field required")
    if kind in ("image_url", "input_text", "output_text", "input_image", "function", "reasoning"):
        raise Unfit(f"{where}: Input tag {kind!r} found using 'type' does not match any of the expected tags")
    _no_more(f"{where}.{kind}.", block, _BLOCK_FIELDS.get(kind, frozenset(block)))
    match kind:
        case "text":
            _check_text(block.get("text"))
        case "thinking":
            return _check_signature(block, where)
        case "redacted_thinking":
            if not seals.is_encrypted(str(block.get("data"))):
                raise Unfit(f"{where}: Invalid `data` in `redacted_thinking` block")
            return 1
        case "image":
            _check_source(block.get("source"), f"{where}.image.source")
        case "tool_use":
            _check_id(block.get("id"), f"{where}.tool_use.id")
            if not isinstance(block.get("input"), dict):
                raise Unfit(f"{where}.tool_use.input: Input should be a valid dictionary")
        case "tool_result":
            _check_id(block.get("tool_use_id"), f"{where}.tool_result.tool_use_id")
            if isinstance(block.get("content"), list):
                for inner, part in _blocks(block, where + ".content"):
                    _check_block(part, inner)
        case _:
            pass
    return 0


def _check_text(text: Any) -> None:
    if not isinstance(text, str) or not text:
        raise Unfit("messages: text content blocks must be non-empty")
    if not text.strip():
        raise Unfit("messages: text content blocks must contain non-whitespace text")


def _check_signature(block: dict[str, Any], where: str) -> int:
    signature = block.get("signature")
    if not isinstance(signature, str) or not signature:
        raise Unfit(f"{where}.thinking.signature: Field required")
    if not seals.is_signed(str(block.get("thinking")), signature):
        raise Unfit(f"{where}: Invalid `signature` in `thinking` block")
    return 1


def _check_source(source: Any, where: str) -> None:
    given = as_object(source, where + ": Field required")
    if given.get("type") not in ("base64", "url", "file"):
        raise Unfit(f"{where}: Input tag {given.get('type')!r} does not match any of the expected tags")
    if given["type"] != "base64":
        return
    if given.get("media_type") not in ("image/jpeg", "image/png", "image/gif", "image/webp"):
        raise Unfit(
            f"{where}.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'"
        )
    if not isinstance(given.get("data"), str) or given["data"].startswith("data:"):
        raise Unfit(f"{where}.base64.data: invalid base64 data")


def _check_id(value: Any, where: str) -> None:
    if not isinstance(value, str) or not _TOOL_ID.fullmatch(value):
        raise Unfit(f"{where}: String should match pattern '^[a-zA-Z0-9_-]+$'")


def _check_results(messages: list[dict[str, Any]]) -> None:
    """Each call is answered at the beginning of the next message, and nothing else is answered."""
    called: list[str] = []
    for number, message in enumerate([*messages, {"role": "user", "content": []}]):
        blocks = [block for _, block in _blocks(message, "")]
        answered: list[str] = []
        for block in blocks:
            if block.get("type") != "tool_result":
                break
            answered.append(str(block["tool_use_id"]))
        if missing := [one for one in called if one not in answered]:
            ids = ", ".join(missing)
            why = "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
            found = f"`tool_use` ids were found without `tool_result` blocks immediately after: {ids}"
            raise Unfit(f"messages.{number - 1}: {found}. {why}")
        for at, block in enumerate(blocks):
            if block.get("type") == "tool_result" and block["tool_use_id"] not in called:
                why = "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                found = f"unexpected `tool_use_id` found in `tool_result` blocks: {block['tool_use_id']}"
                raise Unfit(f"messages.{number}.content.{at}: {found}. {why}")
        called = [str(one["id"]) for one in blocks if one.get("type") == "tool_use"]
        if len(called) != len(set(called)):
            raise Unfit(f"messages.{number}: `tool_use` ids must be unique")


def _check_turns(messages: list[dict[str, Any]]) -> None:
    """Anthropic itself joins turns of one role; on Bedrock they are refused (anthropic-sdk-typescript#565)."""
    roles = [one["role"] for one in messages if one["role"] != "system"]
    if roles and roles[0] != "user":
        raise Unfit('messages: first message must use the "user" role')
    for before, after in pairwise(roles):
        if before == after:
            found = f'found multiple "{after}" roles in a row'
            raise Unfit(f'messages: roles must alternate between "user" and "assistant", but {found}')


def _check_thinking(body: dict[str, Any], messages: list[dict[str, Any]]) -> None:
    thinking = body.get("thinking")
    kind = as_object(thinking, "thinking").get("type") if thinking is not None else "disabled"
    if kind == "disabled" and "clear_thinking_20251015" in str(body.get("context_management")):
        raise Unfit("`clear_thinking_20251015` strategy requires `thinking` to be enabled or adaptive")
    if kind == "disabled":
        return
    if kind not in ("enabled", "adaptive", "between_tools"):
        raise Unfit(f"thinking: Input tag {kind!r} does not match any of the expected tags")
    if body.get("temperature", 1) != 1:
        raise Unfit("`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.")
    if "top_k" in body:
        raise Unfit("`top_k` must be unset when thinking is enabled.")
    if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
        raise Unfit("Thinking may not be enabled when tool_choice forces tool use.")
    if kind != "enabled":
        return
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    if not isinstance(budget, int) or budget < _LEAST_BUDGET:
        raise Unfit("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    if budget >= body.get("max_tokens", budget + 1):
        raise Unfit("`max_tokens` must be greater than `thinking.budget_tokens`.")
    _check_last_turn(messages)


def _check_last_turn(messages: list[dict[str, Any]]) -> None:
    """With thinking on, an assistant turn whose results come back now must begin with its thinking."""
    number = max((at for at, one in enumerate(messages) if one["role"] == "assistant"), default=-1)
    blocks = [block for _, block in _blocks(messages[number], "")] if number >= 0 else []
    kinds = [str(one.get("type")) for one in blocks]
    if "tool_use" in kinds and kinds[0] not in ("thinking", "redacted_thinking"):
        found = f"Expected `thinking` or `redacted_thinking`, but found `{kinds[0]}`"
        why = "When `thinking` is enabled, a final `assistant` message must start with a thinking block"
        raise Unfit(f"messages.{number}.content.0.type: {found}. {why} (preceding the last set of `tool_use` blocks).")


def _blocks(holder: dict[str, Any], place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Go through the blocks of a message, and say where each stands; text alone is one block."""
    content = holder.get("content")
    if isinstance(content, str):
        if place and content:
            yield place, {"type": "text", "text": content}
        return
    for at, block in enumerate(content or []):
        yield f"{place}.{at}", as_object(block, f"{place}.{at}")


def _last_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return str(content[-1].get("text", "")) if content and content[-1].get("type") == "text" else ""


def _all_marked(body: dict[str, Any], messages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield from body.get("tools") or []
    for holder in ({"content": body.get("system")}, *messages):
        for _, block in _blocks(holder, ""):
            yield block
            yield from (one for _, one in _blocks(block, "") if block.get("type") == "tool_result")
