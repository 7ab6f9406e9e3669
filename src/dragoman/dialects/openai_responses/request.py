"""Requests read into a Prompt: `instructions` first, as a system message, then one Message per item of `input`.

Promise: `render_request.write_body` writes the body again, equal as JSON. What it would write differently (nulls,
defaults, lists in place of texts) is noted in `extra` here.
"""

from typing import Any

import msgspec

from dragoman.canonical import Message, Prompt, Tool
from dragoman.dialects.openai_responses.items import NAME
from dragoman.dialects.openai_responses.message import with_notes
from dragoman.dialects.openai_responses.pieces import Writing
from dragoman.dialects.openai_responses.render_items import write_message
from dragoman.dialects.openai_responses.render_request import write_body
from dragoman.dialects.openai_responses.render_tools import write_tool
from dragoman.dialects.openai_responses.request_fields import read_asked
from dragoman.dialects.spelling import noted, with_form
from dragoman.dialects.values import JsonObject, list_of, load_object, objects_of


def read_request(body: bytes) -> Prompt:
    """Read a body of responses, compact or input_tokens. Raises Unreadable when it is none of them."""
    asked, warnings = load_object(body, "openai_responses request")
    prompt = msgspec.structs.replace(_noted_items(read_asked(asked), asked), warnings=warnings)
    prompt = noted(prompt, NAME, {"own": True})
    written = write_body(prompt, Writing(), is_streamed=prompt.is_streamed)
    raw = {key: value for key, value in asked.items() if key not in written or written[key] != value}
    return noted(prompt, NAME, {"raw": raw} if raw else {})


def _noted_items(prompt: Prompt, asked: JsonObject) -> Prompt:
    items = list_of(asked, "input")
    before = len(prompt.messages) - len(items)
    messages = list(prompt.messages)
    for number, item in enumerate(items):
        messages[before + number] = _noted(messages[before + number], item)
    tools = [_noted_tool(tool, wire) for tool, wire in zip(prompt.tools, objects_of(asked, "tools"), strict=True)]
    return msgspec.structs.replace(prompt, messages=messages, tools=tools)


def _noted(message: Message, item: Any) -> Message:
    """Note how an item was spelled."""
    if not isinstance(item, dict):
        return with_notes(message, raw=item)
    if item.keys() == {"role", "content"} and isinstance(item["content"], str) and message.parts:
        return with_notes(message, form="plain")
    if write_message(message, 0, Writing()) != [item]:
        return with_notes(message, raw=item)
    return with_notes(message, form="item") if message.role == "system" else message


def _noted_tool(tool: Tool, wire: JsonObject) -> Tool:
    if write_tool(tool, 0, Writing()) == wire:
        return tool
    return msgspec.structs.replace(tool, extra=with_form(tool.extra, NAME, {"raw": wire}))
