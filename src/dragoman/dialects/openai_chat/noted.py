"""Request bodies read with notes of how they were spelled, so that they can be written again to the letter.

Promise: `own_body(read_request(body))` equals `body` as JSON, numbers' types included.
"""

from typing import Any

import msgspec

from dragoman.canonical import AnyPart, Media, Message, Prompt, Tool, ToolCall
from dragoman.dialects.base import Unreadable
from dragoman.dialects.exact import bare, settled, unlike
from dragoman.dialects.openai_chat.content import NAME, read_call, read_part
from dragoman.dialects.openai_chat.request import (
    ROLES,
    is_wrapped,
    read_legacy_tool,
    read_message,
    read_plain,
    read_tool,
)
from dragoman.dialects.openai_chat.settings import is_told, own_settings, read_settings
from dragoman.dialects.openai_chat.wire import (
    own_legacy_tool,
    own_message,
    own_tool,
    write_call,
    write_message,
    write_part,
    write_tool,
)
from dragoman.dialects.spelling import FORM, form_of, noted
from dragoman.dialects.values import JsonObject, as_text, load_object, objects_of, text_of

_STRUCTURE = frozenset({"model", "messages", "prompt", "input", "tools", "functions", "stream"})
_PLAIN_KEYS = frozenset({"role", "content"})
_LINKED = ("image_url", "video_url", "document_url", "file_url")
_REASONING_KEYS = ("reasoning_content", "reasoning")


def read_request(body: bytes) -> Prompt:
    """Read a body of Chat, completions or embeddings. Raises Unreadable when it is none of them."""
    asked, warnings = load_object(body, "openai_chat request")
    key = _messages_key(asked)
    settings = read_settings(asked)
    left = {
        name: value for name, value in asked.items() if name not in _STRUCTURE and not is_told(asked, name, settings)
    }
    prompt = Prompt(
        model=text_of(asked, "model"),
        messages=[_message(one) for one in asked[key]] if key == "messages" else read_plain(asked[key]),
        tools=[*map(_tool, objects_of(asked, "tools")), *map(_legacy_tool, objects_of(asked, "functions"))],
        settings=settings,
        is_streamed=asked.get("stream") is True,
        extra={NAME: {**left, FORM: {"own": key, **_spelling(asked[key], key)}}},
        warnings=warnings,
    )
    given = {name: value for name, value in asked.items() if name in _STRUCTURE and name != key}
    return noted(prompt, NAME, unlike(_frame(prompt), given))


def is_own(prompt: Prompt) -> bool:
    """Say whether a prompt was read from Chat."""
    return "own" in form_of(prompt.extra, NAME)


def own_body(prompt: Prompt, model: str = "") -> JsonObject:
    """Write a prompt that was read from Chat; `model` replaces the name."""
    notes = form_of(prompt.extra, NAME)
    left = {key: value for key, value in prompt.extra[NAME].items() if key != FORM}
    body = settled(_frame(prompt), notes, lambda whole: _means(whole, prompt))
    body |= _said(prompt, notes) | own_settings(prompt.settings, left)
    return {**body, "model": model} if model else body


def _messages_key(asked: JsonObject) -> str:
    if isinstance(asked.get("messages"), list):
        return "messages"
    for key in ("prompt", "input"):
        if key in asked:
            return key
    raise Unreadable(f"openai_chat request: found keys {sorted(asked)[:12]}, expected messages, prompt or input")


def _spelling(value: Any, key: str) -> JsonObject:
    """Note how a `prompt` or `input` was given: as one text, as a list of texts, as other JSON, or as nothing."""
    if key == "messages" or isinstance(value, str):
        return {}
    if not value and value != []:
        return {"silent": value}
    is_texts = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return {"plain": "texts" if is_texts else "json"}


def _frame(prompt: Prompt) -> JsonObject:
    """Write model, tools and stream: all but what is said, the settings, and what only Chat knows."""
    body: JsonObject = {} if prompt.model is None else {"model": prompt.model}
    old = [tool for tool in prompt.tools if tool.extra.get(NAME, {}).get("functions")]
    new = [tool for tool in prompt.tools if not tool.extra.get(NAME, {}).get("functions")]
    if new:
        body["tools"] = [own_tool(tool) for tool in new]
    if old:
        body["functions"] = [own_legacy_tool(tool) for tool in old]
    if prompt.is_streamed:
        body["stream"] = True
    return body


def _said(prompt: Prompt, notes: JsonObject) -> JsonObject:
    key = notes.get("own", "messages")
    if key == "messages":
        return {key: [own_message(message) for message in prompt.messages]}
    said = _plain(prompt, notes.get("plain"))
    return {key: notes["silent"] if "silent" in notes and not said else said}


def _plain(prompt: Prompt, spelling: str | None) -> Any:
    texts = [part.text or "" for message in prompt.messages for part in message.parts if hasattr(part, "text")]  # type: ignore[union-attr]
    if spelling == "texts":
        return texts
    whole = "".join(texts)
    return msgspec.json.decode(whole) if spelling == "json" and whole else whole


def _means(whole: JsonObject, prompt: Prompt) -> bool:
    """Say whether a body with its noted fields still has the prompt's model, tools and stream."""
    tools = [*map(read_tool, objects_of(whole, "tools")), *map(read_legacy_tool, objects_of(whole, "functions"))]
    return (
        text_of(whole, "model") == prompt.model
        and (whole.get("stream") is True) == prompt.is_streamed
        and tools == [bare(tool) for tool in prompt.tools]
    )


def _message(value: Any) -> Message:
    if not isinstance(value, dict):
        return noted(read_message(value), NAME, {"value": value})
    content = value.get("content")
    message = read_message(value, _part, _call)
    if value.keys() == _PLAIN_KEYS and content and isinstance(content, str) and as_text(value["role"]) in _SPEAKERS:
        return message
    notes: JsonObject = {"list": True} if isinstance(content, list) else {}
    key = next((key for key in _REASONING_KEYS if text_of(value, key)), None)
    if key:
        notes["reasoning"] = key
    message = noted(message, NAME, notes)
    written = write_message(message)
    if is_wrapped(objects_of(value, "reasoning_details")):
        value = {key: one for key, one in value.items() if key != "reasoning_details"}
        value |= {key: written[key] for key in ("reasoning_details",) if key in written}
    return noted(message, NAME, unlike(written, value))


_SPEAKERS = frozenset(ROLES) - {"tool", "function"}


def _part(value: Any) -> AnyPart:
    part = read_part(value)
    if not isinstance(value, dict):
        return noted(part, NAME, {"value": value})
    kind = as_text(value.get("type"))
    if kind in _LINKED and isinstance(part, Media):
        notes: JsonObject = {"plain": True} if isinstance(value.get(kind), str) else {}
        part = noted(part, NAME, {**notes, "type": kind} if part.kind == "document" else notes)
    if "prompt_cache_breakpoint" in value and "cache_control" not in value:
        part = noted(part, NAME, {"mark": "openai"})
    return noted(part, NAME, unlike(write_part(part), value))


def _call(value: JsonObject) -> ToolCall:
    call = read_call(value)
    return noted(call, NAME, unlike(write_call(call), value))


def _tool(value: JsonObject) -> Tool:
    tool = read_tool(value)
    return noted(tool, NAME, unlike(write_tool(tool), value))


def _legacy_tool(value: JsonObject) -> Tool:
    tool = read_legacy_tool(value)
    return noted(tool, NAME, unlike(own_legacy_tool(tool), value))
