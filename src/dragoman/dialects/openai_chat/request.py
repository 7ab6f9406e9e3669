"""Chat's request bodies read into a Prompt; each entry of `messages` becomes one Message, in place.

Bodies of legacy completions (`prompt`) and of embeddings (`input`) are known by their keys. How the wire spelled
what the form says in one way only is noted by `noted`; here all is read plainly.
"""

from typing import Any

import msgspec

from dragoman.canonical import AnyPart, Message, Reasoning, Role, Text, Tool, ToolResult
from dragoman.dialects.openai_chat.content import (
    LEFT,
    MESSAGE_KEYS,
    NAME,
    cache_of,
    read_call,
    read_content,
    read_part,
    read_parts,
)
from dragoman.dialects.seals import PREFIX, restore
from dragoman.dialects.values import JsonObject, as_text, flag_of, object_of, objects_of, text_of

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}

_FUNCTION_KEYS = ("name", "description", "parameters", "strict")
_TOOL_KEYS = ("type", "function", "cache_control")


def read_plain(value: Any) -> list[Message]:
    """Read a `prompt` or `input`: a text, several, or numbers of tokens."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        parts: list[AnyPart] = [Text(text=one) for one in value]
    else:
        parts = [Text(text=as_text(value))] if value else []
    return [Message(role="user", parts=parts)]


def read_message(value: Any, part_reader: Any = read_part, call_reader: Any = read_call) -> Message:
    """Read one message; a role that nobody knows is taken as the user's and kept in `extra`."""
    if not isinstance(value, dict):
        return Message(role="user", parts=read_content(value))
    wire_role = as_text(value.get("role"))
    role = ROLES.get(wire_role, "user")
    extra = LEFT.rest(value, MESSAGE_KEYS if role != "tool" else _RESULT_KEYS)
    if wire_role not in ROLES or wire_role == "function":
        extra = LEFT.these({**extra.get(NAME, {}), "role": wire_role})
    if role != "tool":
        parts = read_parts(value, part_reader, call_reader)
        if role == "assistant":
            details = objects_of(value, "reasoning_details")
            parts = _with_seals(parts, details)
            if is_wrapped(details):  # the wrapper is ours: no provider shall see it
                extra = LEFT.these({key: one for key, one in extra[NAME].items() if key != "reasoning_details"})
        return Message(role=role, parts=parts, name=text_of(value, "name"), extra=extra)
    result = ToolResult(
        call_id=text_of(value, "tool_call_id"),
        name=text_of(value, "name"),
        parts=read_content(value.get("content"), part_reader),
    )
    return Message(role="tool", parts=[result], extra=extra)


_RESULT_KEYS = frozenset({"role", "content", "name", "tool_call_id"})


def is_wrapped(details: list[JsonObject]) -> bool:
    """Say whether seals of other makers came in wrappers of ours."""
    return any(isinstance(one.get("data"), str) and one["data"].startswith(PREFIX) for one in details)


def _with_seals(parts: list[AnyPart], details: list[JsonObject]) -> list[AnyPart]:
    """Put reasoning that came in wrappers of ours in the place of what was shown of it; name the maker of the rest."""
    wrapped = [
        restore(Reasoning(encrypted=one["data"]), NAME)
        for one in details
        if isinstance(one.get("data"), str) and one["data"].startswith(PREFIX)
    ]
    if not wrapped:
        return [restore(part, NAME) if isinstance(part, Reasoning) else part for part in parts]
    sealed = [part for part in wrapped if part.maker is not None]
    shown = [part for part in parts if isinstance(part, Reasoning)]
    thoughts = sealed or [msgspec.structs.replace(part, signature=None, encrypted=None) for part in shown]
    return [*thoughts, *(part for part in parts if not isinstance(part, Reasoning))]


def read_tool(tool: JsonObject) -> Tool:
    """Read one entry of `tools`: a function, a custom tool, or one that the server runs."""
    kind = as_text(tool.get("type"))
    function = object_of(tool, "function")
    if function:
        inner = _without(function, _FUNCTION_KEYS)
        return Tool(
            name=as_text(function.get("name")),
            description=text_of(function, "description"),
            schema=function.get("parameters"),
            strict=flag_of(function, "strict"),
            cache=cache_of(tool),
            extra=LEFT.these({**({"function": inner} if inner else {}), **_without(tool, _TOOL_KEYS)}),
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


def read_legacy_tool(function: JsonObject) -> Tool:
    """Read one entry of `functions`, which came before tools."""
    return Tool(
        name=as_text(function.get("name")),
        description=text_of(function, "description"),
        schema=function.get("parameters"),
        extra=LEFT.these({"functions": True}),
    )


def _without(source: JsonObject, known: tuple[str, ...]) -> JsonObject:
    return {key: value for key, value in source.items() if key not in known}
