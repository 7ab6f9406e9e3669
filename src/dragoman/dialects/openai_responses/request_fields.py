"""The fields of a request read into a Prompt, their spelling not yet noted: see `request`."""

from typing import Any

from dragoman.canonical import Message, Prompt, Text, Tool, ToolKind
from dragoman.dialects.base import Unreadable
from dragoman.dialects.openai_responses.items import LEFT, NAME, read_content
from dragoman.dialects.openai_responses.message import read_message, with_notes
from dragoman.dialects.openai_responses.settings import read_settings
from dragoman.dialects.values import JsonObject, as_text, flag_of, objects_of, text_of

_KNOWN = frozenset(
    {
        *("model", "instructions", "input", "tools", "stream", "max_output_tokens", "temperature", "top_p"),
        *("parallel_tool_calls", "service_tier", "user", "metadata", "previous_response_id"),
    }
)
"""Keys whose values are wholly taken up; those with more than one reading stay in `extra` as well."""

_TOOL_KEYS = frozenset({"type", "name", "description", "parameters", "strict", "format"})
_CLIENTS_TOOLS = frozenset({"custom", "local_shell", "shell", "apply_patch", "computer", "computer_use_preview"})


def read_asked(asked: JsonObject) -> Prompt:
    """Read a body of responses, compact or input_tokens. Raises Unreadable when it is none of them."""
    if not asked.keys() & {"input", "instructions", "prompt", "previous_response_id", "conversation"}:
        raise Unreadable(f"openai_responses request: found keys {sorted(asked)[:12]}, expected input")
    return Prompt(
        model=text_of(asked, "model"),
        messages=[*read_instructions(asked.get("instructions")), *read_input(asked.get("input"))],
        tools=read_tools(asked),
        settings=read_settings(asked),
        is_streamed=asked.get("stream") is True,
        previous_id=text_of(asked, "previous_response_id"),
        extra=LEFT.rest(asked, _KNOWN),
    )


def read_instructions(value: Any) -> list[Message]:
    """Read `instructions` as a system message; none when they are empty."""
    parts = read_content(value)
    return [with_notes(Message(role="system", parts=parts), form="instructions")] if parts else []


def read_input(value: Any) -> list[Message]:
    """Read `input`: a list of items, or a text that is the user's."""
    if isinstance(value, list):
        return [read_message(item) for item in value]
    text = Message(role="user", parts=[Text(text=as_text(value))])
    return [with_notes(text, form="input")] if value else []


def read_tools(asked: JsonObject) -> list[Tool]:
    return [read_tool(tool) for tool in objects_of(asked, "tools")]


def read_tool(tool: JsonObject) -> Tool:
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
