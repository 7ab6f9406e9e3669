"""Messages and tools of Ollama's requests, read without notes of their spelling (`request` takes those)."""

from typing import Any

from dragoman.canonical import AnyPart, Media, Message, Role, Text, Tool, ToolResult
from dragoman.dialects.media import sniff
from dragoman.dialects.ollama_chat.reply import LEFT, read_call
from dragoman.dialects.ollama_chat.reply import read_parts as read_reply_parts
from dragoman.dialects.values import JsonObject, as_text, list_of, object_of, objects_of, text_of

ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}

_MESSAGE_KEYS = frozenset({"role", "content", "thinking", "images", "tool_calls", "tool_name", "tool_call_id", "name"})


def read_message(value: Any, call_reader: Any = read_call) -> Message:
    """Read one message; a role that nobody knows is taken as the user's and kept in `extra`."""
    if not isinstance(value, dict):
        return Message(role="user", parts=[Text(text=as_text(value))])
    wire_role = as_text(value.get("role"))
    role = ROLES.get(wire_role, "user")
    left = {key: one for key, one in value.items() if key not in _MESSAGE_KEYS and one is not None}
    if wire_role not in ROLES:
        left["role"] = wire_role
    if role == "tool":
        text = as_text(value.get("content"))
        parts: list[AnyPart] = [Text(text=text)] if text else []
        result = ToolResult(
            call_id=text_of(value, "tool_call_id"),
            name=text_of(value, "tool_name") or text_of(value, "name"),
            parts=[*parts, *read_images(value)],
        )
        return Message(role="tool", parts=[result], extra=LEFT.these(left))
    calls = [call_reader(call) for call in objects_of(value, "tool_calls")]
    return Message(role=role, parts=[*read_reply_parts(value), *read_images(value), *calls], extra=LEFT.these(left))


def read_images(source: JsonObject) -> list[AnyPart]:
    """Read `images`: base64 without a media type, which the first bytes tell."""
    return [Media(kind="image", mime=sniff(one), data=one) for one in list_of(source, "images") if isinstance(one, str)]


def read_tool(tool: JsonObject) -> Tool:
    function = object_of(tool, "function")
    left = {key: value for key, value in tool.items() if key not in ("type", "function")}
    return Tool(
        name=as_text(function.get("name")),
        description=text_of(function, "description"),
        schema=function.get("parameters"),
        extra=LEFT.these(left),
    )
