"""Requests read into a Prompt: `system` first, as a system message, then each entry of `messages` in place."""

from typing import Any

from dragoman.canonical import Message, Prompt, Role, Settings, Text, Tool
from dragoman.dialects.anthropic_messages.content import LEFT, cache_of, read_content
from dragoman.dialects.base import Unreadable
from dragoman.dialects.values import (
    JsonObject,
    as_text,
    flag_of,
    load_object,
    number_of,
    object_of,
    objects_of,
    text_of,
    texts_of,
    whole_of,
)

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}

_KNOWN = frozenset(
    {
        *("model", "system", "messages", "prompt", "tools", "stream", "max_tokens", "max_tokens_to_sample"),
        *("temperature", "top_p", "top_k", "stop_sequences", "service_tier", "metadata"),
    }
)
"""Keys whose values are wholly taken up; those with more than one reading stay in `extra` as well."""

_TOOL_KEYS = frozenset({"name", "description", "input_schema", "strict", "cache_control"})


def read_request(body: bytes) -> Prompt:
    """Read a body of messages, count_tokens or complete. Raises Unreadable when it is none of them."""
    asked, warnings = load_object(body, "anthropic_messages request")
    return Prompt(
        model=text_of(asked, "model"),
        messages=[*_system(asked), *_messages(asked)],
        tools=[_tool(tool) for tool in objects_of(asked, "tools")],
        settings=_settings(asked),
        is_streamed=asked.get("stream") is True,
        extra=LEFT.rest(asked, _KNOWN),
        warnings=warnings,
    )


def _system(asked: JsonObject) -> list[Message]:
    parts = read_content(asked.get("system"))
    return [Message(role="system", parts=parts)] if parts else []


def _messages(asked: JsonObject) -> list[Message]:
    if isinstance(asked.get("messages"), list):
        return [_message(one) for one in asked["messages"]]
    if isinstance(asked.get("prompt"), str):
        return [Message(role="user", parts=[Text(text=asked["prompt"])])]
    raise Unreadable(f"anthropic_messages request: found keys {sorted(asked)[:12]}, expected messages")


def _message(value: Any) -> Message:
    if not isinstance(value, dict):
        return Message(role="user", parts=read_content(value))
    wire_role = as_text(value.get("role"))
    left = {key: one for key, one in value.items() if key not in ("role", "content")}
    if wire_role not in _ROLES:
        left["role"] = wire_role
    return Message(role=_ROLES.get(wire_role, "user"), parts=read_content(value.get("content")), extra=LEFT.these(left))


def _tool(tool: JsonObject) -> Tool:
    """Read a tool of the client's, or one that Anthropic runs (its `type` names it)."""
    kind = text_of(tool, "type")
    is_clients = kind in (None, "custom")
    return Tool(
        name=text_of(tool, "name") or as_text(kind),
        description=text_of(tool, "description"),
        schema=tool.get("input_schema"),
        kind="function" if is_clients else "server",
        strict=flag_of(tool, "strict"),
        cache=cache_of(tool),
        extra=LEFT.rest(tool, _TOOL_KEYS),
    )


def _settings(asked: JsonObject) -> Settings:
    output = object_of(asked, "output_config")
    choice = object_of(asked, "tool_choice")
    disables_parallel = flag_of(choice, "disable_parallel_tool_use")
    limit = whole_of(asked, "max_tokens")
    return Settings(
        max_tokens=whole_of(asked, "max_tokens_to_sample") if limit is None else limit,
        temperature=number_of(asked, "temperature"),
        top_p=number_of(asked, "top_p"),
        top_k=whole_of(asked, "top_k"),
        stop=texts_of(asked, "stop_sequences"),
        effort=text_of(output, "effort"),
        thinking_budget=whole_of(object_of(asked, "thinking"), "budget_tokens"),
        tool_choice=_tool_choice(choice),
        parallel_tools=None if disables_parallel is None else not disables_parallel,
        response_format=_response_format(object_of(output, "format") or object_of(asked, "output_format")),
        service_tier=text_of(asked, "service_tier"),
        user=text_of(object_of(asked, "metadata"), "user_id"),
        metadata=asked.get("metadata"),
    )


def _tool_choice(choice: JsonObject) -> Any:
    match choice.get("type"):
        case "any":
            return "required"
        case "tool":
            return {"name": as_text(choice.get("name"))}
        case "auto" | "none" as word:
            return word
        case _:
            return choice or None


def _response_format(form: JsonObject) -> Any:
    return {"schema": form["schema"]} if "schema" in form else None
