"""Ollama's messages, calls and tools written, as they came where they were read from Ollama."""

from typing import Any

from dragoman.canonical import AnyPart, Media, Message, Reasoning, Text, Tool, ToolCall, ToolResult
from dragoman.dialects.exact import bare, settled
from dragoman.dialects.ollama_chat.plain import read_message, read_tool
from dragoman.dialects.ollama_chat.reply import NAME, read_call
from dragoman.dialects.spelling import FORM, form_of
from dragoman.dialects.values import JsonObject, load


def own_message(message: Message) -> Any:
    """Write a message in the spelling that was noted when it was read."""
    notes = form_of(message.extra, NAME)
    if "value" in notes and read_message(notes["value"]) == bare(message):
        return notes["value"]
    return settled(write_message(message), notes, lambda whole: read_message(whole) == bare(message))


def write_message(message: Message) -> JsonObject:
    """Write a message; texts of several parts are joined."""
    wire: JsonObject = {"role": message.role, "content": ""}
    parts: list[AnyPart] = []
    for part in message.parts:
        if isinstance(part, ToolResult):
            parts += part.parts
            wire |= _named(part)
        else:
            parts.append(part)
    wire["content"] = "\n\n".join(part.text for part in parts if isinstance(part, Text))
    thoughts = "".join(part.text for part in parts if isinstance(part, Reasoning))
    if thoughts:
        wire["thinking"] = thoughts
    images = [part.data for part in parts if isinstance(part, Media)]
    if images:
        wire["images"] = images
    calls = [own_call(part) for part in parts if isinstance(part, ToolCall)]
    if calls:
        wire["tool_calls"] = calls
    return wire | _left(message.extra)


def own_call(call: ToolCall) -> JsonObject:
    """Write an entry of `tool_calls` in the spelling that was noted."""
    notes = form_of(call.extra, NAME)
    return settled(write_call(call), notes, lambda whole: read_call(whole) == bare(call))


def write_call(call: ToolCall) -> JsonObject:
    """Write an entry of `tool_calls`, whose arguments are an object."""
    wire: JsonObject = {} if call.id is None else {"id": call.id}
    return {**wire, "function": {"name": call.name, "arguments": arguments_of(call), **_left(call.extra)}}


def arguments_of(call: ToolCall) -> JsonObject:
    """Give the arguments as an object; what is none, since the model broke off, stands under `arguments`."""
    if not call.arguments.strip():
        return {}
    try:
        value, _ = load(call.arguments.encode("utf-8", "replace"))
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"arguments": call.arguments}


def own_tool(tool: Tool) -> JsonObject:
    """Write a tool in the spelling that was noted."""
    notes = form_of(tool.extra, NAME)
    return settled(write_tool(tool), notes, lambda whole: read_tool(whole) == bare(tool))


def write_tool(tool: Tool) -> JsonObject:
    function: JsonObject = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.schema is not None:
        function["parameters"] = tool.schema
    return {"type": "function", "function": function, **_left(tool.extra)}


def _named(result: ToolResult) -> JsonObject:
    fields = {"tool_name": result.name, "tool_call_id": result.call_id}
    return {key: value for key, value in fields.items() if value is not None}


def _left(extra: dict[str, Any]) -> JsonObject:
    return {key: value for key, value in extra.get(NAME, {}).items() if key != FORM}
