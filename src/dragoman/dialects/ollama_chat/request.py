"""Requests of chat, generate and embed read into a Prompt, and written again to the letter.

Promise: `own_body(read_request(body))` equals `body` as JSON, numbers' types included. Generate's system, prompt and
images become messages; a body without any of these loads the model.
"""

from typing import Any

import msgspec

from dragoman.canonical import AnyPart, Media, Message, Prompt, Reasoning, Text, Tool, ToolCall
from dragoman.dialects.base import Unreadable
from dragoman.dialects.exact import bare, settled, unlike
from dragoman.dialects.ollama_chat.plain import read_images, read_message, read_tool
from dragoman.dialects.ollama_chat.reply import NAME, read_call
from dragoman.dialects.ollama_chat.settings import own_settings, read_settings
from dragoman.dialects.ollama_chat.wire import own_message, own_tool, write_call, write_message, write_tool
from dragoman.dialects.spelling import FORM, form_of, noted
from dragoman.dialects.values import JsonObject, as_text, list_of, load_object, objects_of, text_of

_STRUCTURE = frozenset({"model", "messages", "prompt", "input", "system", "images", "tools", "stream"})


def read_request(body: bytes) -> Prompt:
    """Read a body of chat, generate or embed. Raises Unreadable when it is none of them."""
    asked, warnings = load_object(body, "ollama_chat request")
    if not asked.keys() & {"model", "messages", "prompt", "input"}:
        raise Unreadable(f"ollama_chat request: found keys {sorted(asked)[:12]}, expected model and messages")
    own = next((key for key in ("messages", "input", "prompt") if key in asked), "")
    left = {key: value for key, value in asked.items() if key not in _STRUCTURE}
    prompt = Prompt(
        model=text_of(asked, "model"),
        messages=_messages(asked),
        tools=[_tool(tool) for tool in objects_of(asked, "tools")],
        settings=read_settings(asked),
        is_streamed=asked.get("stream") is not False and own != "input",
        extra={NAME: {**left, FORM: {"own": own, **_odd(asked)}}},
        warnings=warnings,
    )
    given = {key: value for key, value in asked.items() if key in _STRUCTURE and key != "messages"}
    return noted(prompt, NAME, unlike(_frame(prompt), given))


def _odd(asked: JsonObject) -> JsonObject:
    """Note `messages` that are no list: nothing is said in them."""
    messages = asked.get("messages", [])
    return {} if isinstance(messages, list) else {"odd": messages}


def is_own(prompt: Prompt) -> bool:
    """Say whether a prompt was read from Ollama."""
    return "own" in form_of(prompt.extra, NAME)


def is_generate(prompt: Prompt) -> bool:
    """Say whether a prompt was asked of generate, whose replies have no message."""
    return form_of(prompt.extra, NAME).get("own") == "prompt"


def own_body(prompt: Prompt, model: str = "") -> JsonObject:
    """Write a prompt that was read from Ollama; `model` replaces the name."""
    notes = form_of(prompt.extra, NAME)
    left = {key: value for key, value in prompt.extra[NAME].items() if key != FORM}
    body = settled(_frame(prompt), notes, lambda whole: _means(whole, prompt)) | own_settings(prompt.settings, left)
    if notes["own"] == "messages":
        written = [own_message(message) for message in prompt.messages]
        body["messages"] = notes["odd"] if "odd" in notes and not written else written
    return {**body, "model": model} if model else body


def _frame(prompt: Prompt) -> JsonObject:
    """Write all but chat's messages and the settings."""
    own = form_of(prompt.extra, NAME)["own"]
    body: JsonObject = {} if prompt.model is None else {"model": prompt.model}
    if own != "messages":
        body |= _plain(prompt.messages, own or "prompt")
    if prompt.tools:
        body["tools"] = [own_tool(tool) for tool in prompt.tools]
    if not prompt.is_streamed and own != "input":
        body["stream"] = False
    return body


def _plain(messages: list[Message], key: str) -> JsonObject:
    """Write generate's system, prompt and images."""
    body: JsonObject = {}
    for message in messages:
        texts = [part.text for part in message.parts if isinstance(part, Text)]
        images = [part.data for part in message.parts if isinstance(part, Media)]
        body["system" if message.role == "system" else key] = texts[0] if len(texts) == 1 else texts
        if images:
            body["images"] = images
    return body


def _means(whole: JsonObject, prompt: Prompt) -> bool:
    """Say whether a body with its noted fields still has the prompt's model, tools, stream and texts."""
    own = form_of(prompt.extra, NAME)["own"]
    is_streamed = whole.get("stream") is not False and own != "input"
    return (
        text_of(whole, "model") == prompt.model
        and is_streamed == prompt.is_streamed
        and [read_tool(tool) for tool in objects_of(whole, "tools")] == [bare(tool) for tool in prompt.tools]
        and (own == "messages" or _messages(whole) == prompt.messages)
    )


def _messages(asked: JsonObject) -> list[Message]:
    """Read chat's messages, or make them of generate's system and prompt; none at all loads the model."""
    if "messages" in asked:
        return [_message(one) for one in list_of(asked, "messages")]
    messages: list[Message] = []
    if text_of(asked, "system"):
        messages.append(Message(role="system", parts=[Text(text=asked["system"])]))
    asked_for = asked.get("input", asked.get("prompt"))
    texts = asked_for if isinstance(asked_for, list) else [asked_for] if asked_for else []
    parts: list[AnyPart] = [Text(text=as_text(one)) for one in texts]
    parts += read_images(asked)
    if parts:
        messages.append(Message(role="user", parts=parts))
    return messages


def _message(value: Any) -> Message:
    if not isinstance(value, dict):
        return noted(read_message(value), NAME, {"value": value})
    message = read_message(value, _call)
    return noted(message, NAME, unlike(write_message(message), value))


def _call(value: JsonObject) -> ToolCall:
    call = read_call(value)
    return noted(call, NAME, unlike(write_call(call), value))


def _tool(value: JsonObject) -> Tool:
    tool = read_tool(value)
    return noted(tool, NAME, unlike(write_tool(tool), value))


def locate(prompt: Prompt, message: int, part: int | None = None) -> str:
    """Give the JSON path of a message, or of one of its parts."""
    own = form_of(prompt.extra, NAME).get("own", "messages")
    said = prompt.messages[message] if 0 <= message < len(prompt.messages) else Message(role="user")
    found = said.parts[part] if part is not None and 0 <= part < len(said.parts) else None
    place = f"$.messages[{message}]"
    if own != "messages":
        place = "$"
        if not isinstance(found, Media):
            return "$.system" if said.role == "system" else f"$.{own or 'prompt'}"
    if found is None:
        return place
    key = _KEYS.get(type(found))
    if key is None:
        return place
    before = sum(type(one) is type(found) for one in said.parts[:part])
    return f"{place}.{key}[{before}]" if key in ("images", "tool_calls") else f"{place}.{key}"


_KEYS: dict[type[msgspec.Struct], str] = {
    Media: "images",
    ToolCall: "tool_calls",
    Text: "content",
    Reasoning: "thinking",
}
