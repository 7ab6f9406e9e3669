"""Chat's request bodies read into a Prompt; each entry of `messages` becomes one Message, in place.

Bodies of legacy completions (`prompt`) and of embeddings (`input`) are known by their keys.
"""

from typing import Any

from dragoman.canonical import AnyPart, Message, Prompt, Role, Settings, Text, Tool, ToolResult
from dragoman.dialects.base import Unreadable
from dragoman.dialects.openai_chat.content import LEFT, MESSAGE_KEYS, read_content, read_parts
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

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}

_KNOWN = frozenset(
    {
        *("model", "messages", "prompt", "input", "tools", "functions", "stream", "max_completion_tokens"),
        *("temperature", "top_p", "top_k", "stop", "seed", "n", "reasoning_effort", "parallel_tool_calls"),
        *("service_tier", "user", "metadata"),
    }
)
"""Keys whose values are wholly taken up; those with more than one reading stay in `extra` as well."""


def read_request(body: bytes) -> Prompt:
    """Read a body of Chat, completions or embeddings. Raises Unreadable when it is none of them."""
    asked, warnings = load_object(body, "openai_chat request")
    return Prompt(
        model=text_of(asked, "model"),
        messages=_messages(asked),
        tools=[*map(_tool, objects_of(asked, "tools")), *map(_legacy_tool, objects_of(asked, "functions"))],
        settings=_settings(asked),
        is_streamed=asked.get("stream") is True,
        extra=LEFT.rest(asked, _KNOWN),
        warnings=warnings,
    )


def _messages(asked: JsonObject) -> list[Message]:
    if isinstance(asked.get("messages"), list):
        return [read_message(one) for one in asked["messages"]]
    for key in ("prompt", "input"):
        if key in asked:
            return _plain(asked[key])
    raise Unreadable(f"openai_chat request: found keys {sorted(asked)[:12]}, expected messages, prompt or input")


def _plain(value: Any) -> list[Message]:
    """Read a `prompt` or `input`: a text, several, or numbers of tokens."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        parts: list[AnyPart] = [Text(text=one) for one in value]
    else:
        parts = [Text(text=as_text(value))] if value else []
    return [Message(role="user", parts=parts)]


def read_message(value: Any) -> Message:
    """Read one message; a role that nobody knows is taken as the user's and kept in `extra`."""
    if not isinstance(value, dict):
        return Message(role="user", parts=read_content(value))
    wire_role = as_text(value.get("role"))
    role = _ROLES.get(wire_role, "user")
    extra = LEFT.rest(value, MESSAGE_KEYS)
    if wire_role not in _ROLES or wire_role == "function":
        extra = LEFT.these({**extra.get(LEFT.name, {}), "role": wire_role})
    if role != "tool":
        return Message(role=role, parts=read_parts(value), name=text_of(value, "name"), extra=extra)
    result = ToolResult(
        call_id=text_of(value, "tool_call_id"),
        name=text_of(value, "name"),
        parts=read_content(value.get("content")),
    )
    return Message(role="tool", parts=[result], extra=extra)


def _tool(tool: JsonObject) -> Tool:
    kind = as_text(tool.get("type"))
    function = object_of(tool, "function")
    if function:
        mark = object_of(tool, "cache_control")
        return Tool(
            name=as_text(function.get("name")),
            description=text_of(function, "description"),
            schema=function.get("parameters"),
            strict=flag_of(function, "strict"),
            cache=as_text(mark.get("ttl")) if mark else None,
            extra=LEFT.these({**_without(function, _FUNCTION_KEYS), **_without(tool, _TOOL_KEYS)}),
        )
    custom = object_of(tool, "custom")
    if custom:
        return Tool(
            name=as_text(custom.get("name")),
            description=text_of(custom, "description"),
            schema=custom.get("format"),
            kind="custom",
            extra=LEFT.these(_without(tool, ("type", "custom"))),
        )
    return Tool(name=text_of(tool, "name") or kind, kind="server", extra=LEFT.these(tool))


_FUNCTION_KEYS = ("name", "description", "parameters", "strict")
_TOOL_KEYS = ("type", "function", "cache_control")


def _legacy_tool(function: JsonObject) -> Tool:
    return Tool(
        name=as_text(function.get("name")),
        description=text_of(function, "description"),
        schema=function.get("parameters"),
        extra=LEFT.these({"functions": True}),
    )


def _without(source: JsonObject, known: tuple[str, ...]) -> JsonObject:
    return {key: value for key, value in source.items() if key not in known}


def _settings(asked: JsonObject) -> Settings:
    reasoning = object_of(asked, "reasoning")  # OpenRouter's {effort, max_tokens}
    seed = whole_of(asked, "seed")
    return Settings(
        max_tokens=_or(whole_of(asked, "max_completion_tokens"), whole_of(asked, "max_tokens")),
        temperature=number_of(asked, "temperature"),
        top_p=number_of(asked, "top_p"),
        top_k=whole_of(asked, "top_k"),
        stop=texts_of(asked, "stop"),
        seed=_or(seed, whole_of(asked, "random_seed")),  # Mistral's name
        n=whole_of(asked, "n"),
        effort=text_of(asked, "reasoning_effort") or text_of(reasoning, "effort"),
        thinking_budget=whole_of(reasoning, "max_tokens"),
        tool_choice=_tool_choice(asked),
        parallel_tools=flag_of(asked, "parallel_tool_calls"),
        response_format=_response_format(asked.get("response_format")),
        service_tier=text_of(asked, "service_tier"),
        user=text_of(asked, "user") or text_of(asked, "safety_identifier"),
        metadata=asked.get("metadata"),
    )


def _tool_choice(asked: JsonObject) -> Any:
    choice = asked.get("tool_choice", asked.get("function_call"))
    if isinstance(choice, str):
        return "required" if choice == "any" else choice  # Mistral's name
    if not isinstance(choice, dict):
        return None
    named = object_of(choice, "function") or object_of(choice, "custom") or choice
    name = text_of(named, "name")
    return {"name": name} if name else choice


def _response_format(form: Any) -> Any:
    if not isinstance(form, dict):
        return None
    match form.get("type"):
        case "json_object":
            return "json"
        case "json_schema":
            named = object_of(form, "json_schema")
            return {key: named[key] for key in ("schema", "name", "strict") if key in named}
        case _:
            return None


def _or(first: int | None, second: int | None) -> int | None:
    return second if first is None else first
