"""Tools that only OpenAI's dialects know, put as plain functions and back.

A custom (free-form) tool, such as Codex' `apply_patch`, takes any text. A target without such tools gets a function
of one string argument, `input`, whose description holds the grammar; what the model writes into it is the text, and
the client gets a custom call again. A namespace groups functions; a target without namespaces gets each function as
`{namespace}__{function}`. Nothing is lost on either way.

Promise: names stay unique and callable; a call that the model makes in a way that cannot be read back (no JSON
object with `input`) is passed on with its arguments as the text.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from dragoman.canonical import AnyPart, Message, Prompt, Tool, ToolCall, ToolResult
from dragoman.dialects.values import JsonObject, load, object_of, objects_of, text_of, to_json

RESPONSES = "openai_responses"
INPUT = "input"
JOINED_BY = "__"

_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {INPUT: {"type": "string", "description": "The tool's input, as free text."}},
    "required": [INPUT],
    "additionalProperties": False,
}


class Origin(msgspec.Struct, frozen=True):
    """What a function stands for: its name in the client's request, and whether it is custom or in a namespace."""

    name: str
    namespace: str | None = None
    is_custom: bool = False


def origins(prompt: Prompt) -> dict[str, Origin]:
    """Name the functions that stand for the client's custom tools and for those in its namespaces."""
    found: dict[str, Origin] = {}
    for tool in prompt.tools:
        if is_custom(tool):
            found[tool.name] = Origin(tool.name, is_custom=True)
        for inner in _members(tool):
            name = text_of(inner, "name") or ""
            found[tool.name + JOINED_BY + name] = Origin(name, tool.name, inner.get("type") == "custom")
    return found


def is_custom(tool: Tool) -> bool:
    """Say whether a tool is the client's free-form one, and not one that OpenAI knows by its type."""
    return tool.kind == "custom" and "type" not in (tool.extra.get(RESPONSES) or {})


def as_functions(prompt: Prompt, *, customs: bool) -> tuple[Prompt, list[int]]:
    """Put the tools of a prompt, and the calls in it, as functions; custom ones only if `customs` says so.

    Returns also, for each tool that there is then, the number of the tool that it came from.
    """
    places: list[int] = []
    tools: list[Tool] = []
    for number, tool in enumerate(prompt.tools):
        functions = list(_functions(tool, customs=customs))
        tools += functions
        places += [number] * len(functions)
    messages = [_as_function_message(message, customs=customs) for message in prompt.messages]
    return msgspec.structs.replace(prompt, tools=tools, messages=messages), places


def call_as_asked(call: ToolCall, known: dict[str, Origin]) -> ToolCall:
    """Turn a whole call of such a function into the call that the client knows."""
    origin = known.get(call.name)
    if origin is None or call.kind != "function":
        return call
    call = renamed(call, origin)
    return msgspec.structs.replace(call, arguments=text_of_input(call.arguments)) if origin.is_custom else call


def renamed(call: ToolCall, origin: Origin) -> ToolCall:
    """Give a call the client's name for it; its arguments stay."""
    extra = {**call.extra, RESPONSES: {"namespace": origin.namespace}} if origin.namespace else call.extra
    kind = "custom" if origin.is_custom else "function"
    return msgspec.structs.replace(call, name=origin.name, kind=kind, extra=extra)


def text_of_input(arguments: str) -> str:
    """Take the text out of `{"input": "…"}`; anything else is the text itself."""
    try:
        value = load(arguments.encode("utf-8", "surrogatepass"))[0]
    except ValueError:
        return arguments
    return value[INPUT] if isinstance(value, dict) and isinstance(value.get(INPUT), str) else arguments


def flat_format(form: Any) -> Any:
    """Say a custom tool's format as Responses does: the grammar's syntax and definition beside its type."""
    inner = object_of(form, "grammar") if isinstance(form, dict) else {}
    return {"type": "grammar", **inner} if inner else form


def nested_format(form: Any) -> Any:
    """Say a custom tool's format as Chat does: the grammar in an object of its own."""
    if not isinstance(form, dict) or form.get("type") != "grammar" or "grammar" in form:
        return form
    return {"type": "grammar", "grammar": {key: value for key, value in form.items() if key != "type"}}


def _members(tool: Tool) -> list[JsonObject]:
    own = tool.extra.get(RESPONSES) or {}
    return objects_of(own, "tools") if own.get("type") == "namespace" else []


def _functions(tool: Tool, *, customs: bool) -> Iterable[Tool]:
    if customs and is_custom(tool):
        yield _from_custom(tool)
        return
    members = _members(tool)
    if not members:
        yield tool
    for inner in members:
        name = tool.name + JOINED_BY + (text_of(inner, "name") or "")
        about = "\n\n".join(one for one in (tool.description, text_of(inner, "description")) if one)
        if inner.get("type") != "custom":
            strict = inner.get("strict")
            yield Tool(name=name, description=about or None, schema=inner.get("parameters"), strict=strict)
            continue
        custom = Tool(name=name, description=about or None, schema=inner.get("format"), kind="custom")
        yield _from_custom(custom) if customs else custom


def _from_custom(tool: Tool) -> Tool:
    form = flat_format(tool.schema)
    grammar = form if isinstance(form, dict) and form.get("type") == "grammar" else {}
    about = [tool.description] if tool.description else []
    if grammar:
        about.append(f"`{INPUT}` must match this {grammar.get('syntax')} grammar:\n{grammar.get('definition')}")
    return Tool(name=tool.name, description="\n\n".join(about) or None, schema=_SCHEMA, cache=tool.cache)


def _is_custom_part(part: AnyPart) -> bool:
    if not isinstance(part, ToolCall | ToolResult) or part.kind != "custom":
        return False
    kind = (part.extra.get(RESPONSES) or {}).get("type")
    return kind is None or kind == "custom_tool_call_output"


def _as_function_message(message: Message, *, customs: bool) -> Message:
    parts = [_as_function_part(part, customs=customs) for part in message.parts]
    return msgspec.structs.replace(message, parts=parts)


def _as_function_part(part: AnyPart, *, customs: bool) -> AnyPart:
    if isinstance(part, ToolCall):
        namespace = text_of(part.extra.get(RESPONSES) or {}, "namespace")
        if namespace:
            part = msgspec.structs.replace(
                part, name=namespace + JOINED_BY + part.name, extra=_without(part.extra, "namespace")
            )
        if customs and _is_custom_part(part):
            return msgspec.structs.replace(part, kind="function", arguments=to_json({INPUT: part.arguments}))
        return part
    if isinstance(part, ToolResult) and customs and _is_custom_part(part):
        return msgspec.structs.replace(part, kind="function", extra=_without(part.extra, "type"))
    return part


def _without(extra: dict[str, Any], key: str) -> dict[str, Any]:
    own = {name: value for name, value in (extra.get(RESPONSES) or {}).items() if name != key}
    rest = {name: value for name, value in extra.items() if name != RESPONSES}
    return {**rest, RESPONSES: own} if own else rest
