"""Requests of chat, generate and embed read into a Prompt."""

from typing import Any

from dragoman.canonical import AnyPart, Media, Message, Prompt, Role, Settings, Text, Tool, ToolResult
from dragoman.dialects.base import Unreadable
from dragoman.dialects.ollama_chat.reply import LEFT, read_call
from dragoman.dialects.ollama_chat.reply import read_parts as read_reply_parts
from dragoman.dialects.values import (
    JsonObject,
    as_text,
    list_of,
    load_object,
    number_of,
    object_of,
    objects_of,
    text_of,
    texts_of,
    whole_of,
)

_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}

_KNOWN = frozenset({"model", "messages", "prompt", "input", "system", "images", "tools", "stream"})
"""Keys whose values are wholly taken up; those with more than one reading stay in `extra` as well."""

_MESSAGE_KEYS = frozenset({"role", "content", "thinking", "images", "tool_calls", "tool_name", "tool_call_id", "name"})


def read_request(body: bytes) -> Prompt:
    """Read a body of chat, generate or embed. Raises Unreadable when it is none of them."""
    asked, warnings = load_object(body, "ollama_chat request")
    if not asked.keys() & {"model", "messages", "prompt", "input"}:
        raise Unreadable(f"ollama_chat request: found keys {sorted(asked)[:12]}, expected model and messages")
    return Prompt(
        model=text_of(asked, "model"),
        messages=_messages(asked),
        tools=[_tool(tool) for tool in objects_of(asked, "tools")],
        settings=_settings(asked, object_of(asked, "options")),
        is_streamed=asked.get("stream") is not False and "input" not in asked,
        extra=LEFT.rest(asked, _KNOWN),
        warnings=warnings,
    )


def _messages(asked: JsonObject) -> list[Message]:
    """Read chat's messages, or make them of generate's system and prompt; none at all loads the model."""
    if "messages" in asked:
        return [_message(one) for one in list_of(asked, "messages")]
    messages: list[Message] = []
    if text_of(asked, "system"):
        messages.append(Message(role="system", parts=[Text(text=asked["system"])]))
    asked_for = asked.get("prompt", asked.get("input"))
    texts = asked_for if isinstance(asked_for, list) else [asked_for] if asked_for else []
    parts: list[AnyPart] = [Text(text=as_text(one)) for one in texts]
    parts += _images(asked)
    if parts:
        messages.append(Message(role="user", parts=parts))
    return messages


def _message(value: Any) -> Message:
    if not isinstance(value, dict):
        return Message(role="user", parts=[Text(text=as_text(value))])
    wire_role = as_text(value.get("role"))
    role = _ROLES.get(wire_role, "user")
    left = {key: one for key, one in value.items() if key not in _MESSAGE_KEYS and one is not None}
    if wire_role not in _ROLES:
        left["role"] = wire_role
    if role == "tool":
        text = as_text(value.get("content"))
        parts: list[AnyPart] = [Text(text=text)] if text else []
        result = ToolResult(
            call_id=text_of(value, "tool_call_id"),
            name=text_of(value, "tool_name") or text_of(value, "name"),
            parts=[*parts, *_images(value)],
        )
        return Message(role="tool", parts=[result], extra=LEFT.these(left))
    calls = [read_call(call) for call in objects_of(value, "tool_calls")]
    return Message(role=role, parts=[*read_reply_parts(value), *_images(value), *calls], extra=LEFT.these(left))


def _images(source: JsonObject) -> list[AnyPart]:
    """Read `images`: base64 without a media type."""
    return [Media(kind="image", data=one) for one in list_of(source, "images") if isinstance(one, str)]


def _tool(tool: JsonObject) -> Tool:
    function = object_of(tool, "function")
    left = {key: value for key, value in tool.items() if key not in ("type", "function")}
    return Tool(
        name=as_text(function.get("name")),
        description=text_of(function, "description"),
        schema=function.get("parameters"),
        extra=LEFT.these(left),
    )


def _settings(asked: JsonObject, options: JsonObject) -> Settings:
    return Settings(
        max_tokens=whole_of(options, "num_predict"),
        temperature=number_of(options, "temperature"),
        top_p=number_of(options, "top_p"),
        top_k=whole_of(options, "top_k"),
        stop=texts_of(options, "stop"),
        seed=whole_of(options, "seed"),
        effort=text_of(asked, "think"),
        response_format=_response_format(asked.get("format")),
    )


def _response_format(form: Any) -> Any:
    if isinstance(form, dict):
        return {"schema": form}
    return "json" if form == "json" else None
