"""What OpenAI refuses with 400, in Chat Completions and in Responses, so that wrongly made requests are noticed.

The wording follows the service's own. Compatible servers take more fields than OpenAI, so only those are refused
that belong to another dialect. Sources: openai 3.52.0's types; error messages as users reported them.
"""

from collections.abc import Iterable
from typing import Any

from dragoman.simulator import seals
from dragoman.simulator.answer import Unfit, as_list, as_object

_NOT_CHAT = frozenset(
    {
        "system",
        "stop_sequences",
        "max_output_tokens",
        "instructions",
        "input",
        "options",
        "think",
        "keep_alive",
        "anthropic_version",
        "output_config",
    }
)
_NOT_RESPONSES = frozenset(
    {
        "messages",
        "system",
        "stop",
        "stop_sequences",
        "max_tokens",
        "max_completion_tokens",
        "n",
        "seed",
        "response_format",
        "reasoning_effort",
        "logit_bias",
        "frequency_penalty",
        "presence_penalty",
        "functions",
        "function_call",
        "options",
        "think",
        "thinking",
        "keep_alive",
        "anthropic_version",
        "output_config",
    }
)
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_PARTS = {
    "user": ("text", "image_url", "input_audio", "file"),
    "assistant": ("text", "refusal"),
    "tool": ("text",),
    "system": ("text",),
    "developer": ("text",),
}
_INPUT_PARTS = ("input_text", "input_image", "input_file", "input_audio")
_MOST_STOPS = 4


def check_chat(body: dict[str, Any]) -> int:
    """Refuse what Chat Completions refuses; gives how many seals of reasoning came back. Raises Unfit."""
    for name in body:
        if name in _NOT_CHAT:
            raise Unfit(f"Unrecognized request argument supplied: {name}")
    stop = body.get("stop")
    if isinstance(stop, list) and len(stop) > _MOST_STOPS:
        raise Unfit("Invalid 'stop': array too long. Expected an array with maximum length 4")
    messages = as_list(body.get("messages"), "Missing required parameter: 'messages'")
    if not messages:
        raise Unfit("Invalid 'messages': empty array. Expected an array with minimum length 1, but got 0 instead.")
    for number, tool in enumerate(as_list(body.get("tools") or [], "tools")):
        _check_chat_tool(as_object(tool, "tools[]"), f"tools[{number}]")
    count = 0
    open_calls: list[str] = []
    for number, message in enumerate(messages):
        place = f"messages[{number}]"
        role = as_object(message, place).get("role")
        if role not in _ROLES:
            raise Unfit(
                f"Invalid value: {role!r}. Supported values are: {', '.join(map(repr, _ROLES))}. ({place}.role)"
            )
        _check_chat_content(message, role, place)
        open_calls = _check_chat_calls(message, role, open_calls)
        count += _check_details(message.get("reasoning_details") or [])
    if open_calls:
        raise Unfit(_UNANSWERED + ", ".join(open_calls))
    return count


_UNANSWERED = (
    "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
    "The following tool_call_ids did not have response messages: "
)


def _check_chat_tool(tool: dict[str, Any], place: str) -> None:
    kind = tool.get("type")
    if kind not in ("function", "custom"):
        raise Unfit(f"Invalid value: {kind!r}. Supported values are: 'function' and 'custom'. ({place}.type)")
    if not (tool.get(kind) or {}).get("name"):
        raise Unfit(f"Missing required parameter: '{place}.{kind}.name'.")


def _check_chat_content(message: dict[str, Any], role: str, place: str) -> None:
    content = message.get("content")
    if content is None:
        if role == "assistant":
            return
        raise Unfit(f"Invalid value for 'content': expected a string, got null. ({place}.content)")
    if not isinstance(content, str | list):
        raise Unfit(f"Invalid type for '{place}.content': expected one of a string or array of objects")
    allowed = _PARTS.get(role, ("text",))
    for at, part in enumerate(content if isinstance(content, list) else []):
        kind = as_object(part, f"{place}.content[{at}]").get("type")
        if kind not in allowed:
            supported = ", ".join(map(repr, allowed))
            raise Unfit(f"Invalid value: {kind!r}. Supported values are: {supported}. ({place}.content[{at}].type)")
        if kind == "image_url" and not isinstance(part.get("image_url"), dict):
            raise Unfit(f"Invalid type for '{place}.content[{at}].image_url': expected an object, but got a string")


def _check_chat_calls(message: dict[str, Any], role: str, open_calls: list[str]) -> list[str]:
    """Follow the calls that are not answered yet; gives those that still are not."""
    if role == "tool":
        given = message.get("tool_call_id")
        if given not in open_calls:
            raise Unfit("messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.")
        return [one for one in open_calls if one != given]
    if open_calls:
        raise Unfit(_UNANSWERED + ", ".join(open_calls))
    calls = [as_object(one, "tool_calls[]") for one in as_list(message.get("tool_calls") or [], "tool_calls")]
    for call in calls:
        function = call.get("function")
        if call.get("type", "function") == "function" and not isinstance((function or {}).get("arguments"), str):
            raise Unfit("Invalid type for 'tool_calls[].function.arguments': expected a string")
    return [str(one.get("id")) for one in calls]


def _check_details(details: Iterable[dict[str, Any]]) -> int:
    sealed = [one for one in details if one.get("type") == "reasoning.encrypted"]
    for one in sealed:
        if not seals.is_encrypted(str(one.get("data"))):
            raise Unfit("Invalid reasoning_details: the encrypted data could not be verified.")
    return len(sealed)


def check_responses(body: dict[str, Any]) -> int:
    """Refuse what Responses refuses; gives how many seals of reasoning came back. Raises Unfit."""
    for name in body:
        if name in _NOT_RESPONSES:
            raise Unfit(f"Unknown parameter: '{name}'.")
    if "include_usage" in (body.get("stream_options") or {}):
        raise Unfit("Unknown parameter: 'stream_options.include_usage'.")
    for number, tool in enumerate(as_list(body.get("tools") or [], "tools")):
        kind = as_object(tool, "tools[]").get("type")
        if kind in ("function", "custom") and not tool.get("name"):
            raise Unfit(f"Missing required parameter: 'tools[{number}].name'.")
    given = body.get("input")
    if isinstance(given, str):
        return 0
    items = as_list(given, "input: expected text or a list of items")
    count = 0
    for number, item in enumerate(items):
        count += _check_item(as_object(item, f"input[{number}]"), f"input[{number}]")
    if body.get("previous_response_id") is None:
        _check_outputs(items)
    return count


def _check_item(item: dict[str, Any], place: str) -> int:
    kind = item.get("type", "message")
    if kind == "message":
        _check_message(item, place)
    elif kind == "function_call" and not isinstance(item.get("arguments"), str):
        raise Unfit(f"Invalid type for '{place}.arguments': expected a string")
    elif kind == "function_call_output":
        output = item.get("output")
        if not isinstance(output, str | list):
            raise Unfit(f"Invalid type for '{place}.output': expected a string or an array")
        for at, part in enumerate(output if isinstance(output, list) else []):
            _check_part(part, _INPUT_PARTS, f"{place}.output[{at}]")
    elif kind == "reasoning":
        return _check_reasoning(item, place)
    return 0


def _check_message(item: dict[str, Any], place: str) -> None:
    role, content = item.get("role"), item.get("content")
    if role not in ("user", "assistant", "system", "developer"):
        supported = "'assistant', 'system', 'developer', and 'user'"
        raise Unfit(f"Invalid value: {role!r}. Supported values are: {supported}. ({place}.role)")
    if not isinstance(content, str | list):
        raise Unfit(f"Invalid type for '{place}.content': expected one of an array of objects or string")
    allowed = ("output_text", "refusal") if role == "assistant" else _INPUT_PARTS
    for at, part in enumerate(content if isinstance(content, list) else []):
        _check_part(part, allowed, f"{place}.content[{at}]")


def _check_part(part: Any, allowed: tuple[str, ...], place: str) -> None:
    kind = as_object(part, place).get("type")
    if kind not in allowed:
        raise Unfit(f"Invalid value: {kind!r}. Supported values are: {', '.join(map(repr, allowed))}. ({place}.type)")
    if kind == "input_image" and not isinstance(part.get("image_url") or part.get("file_id"), str):
        raise Unfit(f"Invalid type for '{place}.image_url': expected a string")


def _check_reasoning(item: dict[str, Any], place: str) -> int:
    if not isinstance(item.get("summary"), list):
        raise Unfit(f"Missing required parameter: '{place}.summary'.")
    content = item.get("encrypted_content")
    if content is None:
        return 0
    if not seals.is_encrypted(str(content)):
        raise Unfit(f"The encrypted content for item {item.get('id')} could not be verified.")
    return 1


def _check_outputs(items: list[dict[str, Any]]) -> None:
    for word, made, given in (
        ("function call", "function_call", "function_call_output"),
        ("custom tool call", "custom_tool_call", "custom_tool_call_output"),
    ):
        called = [one.get("call_id") for one in items if one.get("type") == made]
        answered = [one.get("call_id") for one in items if one.get("type") == given]
        for one in called:
            if one not in answered:
                raise Unfit(f"No tool output found for {word} {one}.")
        for one in answered:
            if one not in called:
                raise Unfit(f"No tool call found for {word} output with call_id {one}.")
