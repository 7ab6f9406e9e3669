"""Requests read into a Prompt: `instructions` first, as a system message, then one Message per item of `input`."""

from typing import Any

from dragoman.canonical import Message, Prompt, Role, Settings, Text, Tool, ToolKind
from dragoman.dialects.base import Unreadable
from dragoman.dialects.openai_responses.items import LEFT, NAME, item_kind, read_content, read_item
from dragoman.dialects.values import (
    JsonObject,
    as_text,
    flag_of,
    load_object,
    number_of,
    object_of,
    objects_of,
    text_of,
    whole_of,
)

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system", "developer": "developer"}

_KNOWN = frozenset(
    {
        *("model", "instructions", "input", "tools", "stream", "max_output_tokens", "temperature", "top_p"),
        *("parallel_tool_calls", "service_tier", "user", "metadata", "previous_response_id"),
    }
)
"""Keys whose values are wholly taken up; those with more than one reading stay in `extra` as well."""

_TOOL_KEYS = frozenset({"type", "name", "description", "parameters", "strict", "format"})
_CLIENTS_TOOLS = frozenset({"custom", "local_shell", "shell", "apply_patch", "computer", "computer_use_preview"})


def read_request(body: bytes) -> Prompt:
    """Read a body of responses, compact or input_tokens. Raises Unreadable when it is none of them."""
    asked, warnings = load_object(body, "openai_responses request")
    if not asked.keys() & {"input", "instructions", "prompt", "previous_response_id", "conversation"}:
        raise Unreadable(f"openai_responses request: found keys {sorted(asked)[:12]}, expected input")
    return Prompt(
        model=text_of(asked, "model"),
        messages=[*_instructions(asked), *_input(asked.get("input"))],
        tools=[_tool(tool) for tool in objects_of(asked, "tools")],
        settings=_settings(asked),
        is_streamed=asked.get("stream") is True,
        previous_id=text_of(asked, "previous_response_id"),
        extra=LEFT.rest(asked, _KNOWN),
        warnings=warnings,
    )


def _instructions(asked: JsonObject) -> list[Message]:
    parts = read_content(asked.get("instructions"))
    return [Message(role="system", parts=parts)] if parts else []


def _input(value: Any) -> list[Message]:
    if isinstance(value, list):
        return [_message(item) for item in value]
    return [Message(role="user", parts=[Text(text=as_text(value))])] if value else []


def _message(item: Any) -> Message:
    if not isinstance(item, dict):
        return Message(role="user", parts=read_item(item))
    kind = item_kind(item)
    role = _ROLES.get(as_text(item.get("role")))
    if role is None:
        role = "user" if kind == "message" else "tool" if kind.endswith("_output") else "assistant"
    left: JsonObject = {}
    if kind == "message" and as_text(item.get("role")) not in _ROLES:
        left["role"] = item.get("role")
    return Message(role=role, parts=read_item(item), id=text_of(item, "id"), extra=LEFT.these(left))


def _tool(tool: JsonObject) -> Tool:
    """Read a tool: the client's functions and free-form tools, or one of the built-in ones."""
    kind = as_text(tool.get("type"))
    if kind == "function":
        tool_kind: ToolKind = "function"
    else:
        tool_kind = "custom" if kind in _CLIENTS_TOOLS else "server"
    extra = {key: value for key, value in tool.items() if key not in _TOOL_KEYS}
    if tool_kind != "function" and kind != "custom":
        extra["type"] = kind
    return Tool(
        name=text_of(tool, "name") or text_of(tool, "server_label") or kind,
        description=text_of(tool, "description"),
        schema=tool.get("parameters", tool.get("format")),
        kind=tool_kind,
        strict=flag_of(tool, "strict"),
        extra={NAME: extra} if extra else {},
    )


def _settings(asked: JsonObject) -> Settings:
    return Settings(
        max_tokens=whole_of(asked, "max_output_tokens"),
        temperature=number_of(asked, "temperature"),
        top_p=number_of(asked, "top_p"),
        effort=text_of(object_of(asked, "reasoning"), "effort"),
        tool_choice=_tool_choice(asked.get("tool_choice")),
        parallel_tools=flag_of(asked, "parallel_tool_calls"),
        response_format=_response_format(object_of(object_of(asked, "text"), "format")),
        service_tier=text_of(asked, "service_tier"),
        user=text_of(asked, "user") or text_of(asked, "safety_identifier"),
        metadata=asked.get("metadata"),
    )


def _tool_choice(choice: Any) -> Any:
    if not isinstance(choice, dict):
        return choice if isinstance(choice, str) else None
    name = text_of(choice, "name")
    return {"name": name} if name else choice


def _response_format(form: JsonObject) -> Any:
    match form.get("type"):
        case "json_object":
            return "json"
        case "json_schema":
            return {key: form[key] for key in ("schema", "name", "strict") if key in form}
        case _:
            return None
