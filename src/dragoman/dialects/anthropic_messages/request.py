"""Requests read into a Prompt: `system` first, as a system message, then each entry of `messages` in place.

Promise: with what lies in `extra`, `wire.write_own_body` writes the body again, equal as JSON.
"""

from typing import Any

from dragoman.canonical import AnyPart, Message, Prompt, Reasoning, Role, Text, Tool
from dragoman.dialects.anthropic_messages.blocks import read_noted
from dragoman.dialects.anthropic_messages.content import LEFT, NAME, cache_of, read_content
from dragoman.dialects.anthropic_messages.settings import read_settings
from dragoman.dialects.anthropic_messages.wire import write_message, write_own_body, write_tool
from dragoman.dialects.base import Unreadable
from dragoman.dialects.seals import restore
from dragoman.dialects.spelling import difference, noted
from dragoman.dialects.values import JsonObject, as_text, flag_of, load_object, objects_of, text_of

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
    return read_asked(asked, warnings)


def read_asked(asked: JsonObject, warnings: list[str]) -> Prompt:
    """Read the object of a request."""
    prompt = Prompt(
        model=text_of(asked, "model"),
        messages=[*_system(asked), *_messages(asked)],
        tools=[_tool(tool) for tool in objects_of(asked, "tools")],
        settings=read_settings(asked),
        is_streamed=asked.get("stream") is True,
        extra=LEFT.rest(asked, _KNOWN),
        warnings=warnings,
    )
    prompt = noted(prompt, NAME, {"own": True} if "messages" in asked else {"own": True, "is_complete": True})
    return noted(prompt, NAME, difference(write_own_body(prompt), asked))


def _system(asked: JsonObject) -> list[Message]:
    parts, notes = _content(asked.get("system"))
    return [noted(Message(role="system", parts=parts), NAME, notes)] if parts else []


def _messages(asked: JsonObject) -> list[Message]:
    if isinstance(asked.get("messages"), list):
        return [_message(one) for one in asked["messages"]]
    if isinstance(asked.get("prompt"), str):
        return [Message(role="user", parts=[Text(text=asked["prompt"])])]
    raise Unreadable(f"anthropic_messages request: found keys {sorted(asked)[:12]}, expected messages")


def _message(value: Any) -> Message:
    if not isinstance(value, dict):
        return noted(Message(role="user", parts=read_content(value)), NAME, {"raw": value})
    wire_role = as_text(value.get("role"))
    left = {key: one for key, one in value.items() if key not in ("role", "content")}
    if wire_role not in _ROLES:
        left["role"] = value.get("role")
    parts, notes = _content(value.get("content"))
    if wire_role == "system":
        notes["turn"] = True
    message = Message(role=_ROLES.get(wire_role, "user"), parts=parts, extra=LEFT.these(left))
    message = noted(message, NAME, notes)
    written = write_message(message)
    return message if written == value else noted(message, NAME, difference(written, value))


def _content(content: Any) -> tuple[list[AnyPart], JsonObject]:
    """Read content with the notes of its spelling; what another model sealed gets its maker back."""
    if not isinstance(content, list):
        return read_content(content), {"plain": True} if isinstance(content, str) and content else {}
    parts = [read_noted(block) for block in content]
    return [restore(part, NAME) if isinstance(part, Reasoning) else part for part in parts], {}


def _tool(tool: JsonObject) -> Tool:
    """Read a tool of the client's, or one that Anthropic runs (its `type` names it)."""
    kind = text_of(tool, "type")
    is_clients = kind in (None, "custom")
    read = Tool(
        name=text_of(tool, "name") or as_text(kind),
        description=text_of(tool, "description"),
        schema=tool.get("input_schema"),
        kind="function" if is_clients else "server",
        strict=flag_of(tool, "strict"),
        cache=cache_of(tool),
        extra=LEFT.rest(tool, _TOOL_KEYS),
    )
    written = write_tool(read)
    if written == tool:
        return read
    notes = difference(written, tool)
    if read.cache is not None and written["cache_control"] != tool["cache_control"]:
        notes["mark"] = tool["cache_control"]
    if "name" in written and "name" not in tool:
        notes["absent"] = ["name"]
    return noted(read, NAME, notes)
