"""A Prompt that was read from this dialect, written as it came: messages, tools, body."""

from typing import Any

from dragoman.canonical import Message, Prompt, Text, Tool
from dragoman.dialects.anthropic_messages.blocks import cache_mark, write_block
from dragoman.dialects.anthropic_messages.content import NAME
from dragoman.dialects.anthropic_messages.settings import write_own_settings
from dragoman.dialects.spelling import form_of, spell
from dragoman.dialects.values import JsonObject

_ROLES = {"developer": "system", "tool": "user"}
_SYSTEM = ("system", "developer")


def is_own(prompt: Prompt) -> bool:
    """Say whether a prompt was read from this dialect, and so can be written as it came."""
    return form_of(prompt.extra, NAME).get("own") is True


def is_turn(message: Message) -> bool:
    """Say whether a system message stood among `messages`, and not in `system`."""
    return "turn" in form_of(message.extra, NAME)


def betas_of(prompt: Prompt) -> list[str]:
    """Name the betas that the body itself asks for, as Bedrock's does."""
    betas = prompt.extra.get("bedrock_invoke", {}).get("anthropic_beta")
    return [one for one in betas if isinstance(one, str)] if isinstance(betas, list) else []


def locate(prompt: Prompt, message: int, part: int | None = None) -> str:
    """Say where a message, or one of its parts, stood in the body."""
    leading = _leading(prompt)
    if message < leading:
        return "$.system" if part is None or _is_plain(prompt.messages[message]) else f"$.system[{part}]"
    if form_of(prompt.extra, NAME).get("is_complete"):
        return "$.prompt"
    place = f"$.messages[{message - leading}]"
    if part is None:
        return place
    return f"{place}.content" if _is_plain(prompt.messages[message]) else f"{place}.content[{part}]"


def _is_plain(message: Message) -> bool:
    return "plain" in form_of(message.extra, NAME)


def _leading(prompt: Prompt) -> int:
    """Count the messages at the beginning that stand in `system`."""
    roles = ((at, one) for at, one in enumerate(prompt.messages))
    return next((at for at, one in roles if one.role not in _SYSTEM or is_turn(one)), len(prompt.messages))


def write_message(message: Message) -> Any:
    """Write one entry of `messages`."""
    if "raw" in (form := form_of(message.extra, NAME)):
        return form["raw"]
    role = _ROLES.get(message.role, message.role)
    return spell({"role": role, "content": write_content(message)}, message.extra, NAME)


def write_content(message: Message) -> Any:
    """Write a message's content: the blocks, or the text alone where a text came."""
    blocks = [block for block in map(write_block, message.parts) if block is not None]
    if "plain" in form_of(message.extra, NAME) and len(blocks) == 1 and isinstance(blocks[0], dict):
        [block] = blocks
        if block.get("type") == "text" and len(block) == 2:
            return block["text"]
    return blocks


def write_tool(tool: Tool) -> JsonObject:
    """Write a tool of the client's or of Anthropic's."""
    written: JsonObject = {"name": tool.name}
    if tool.description is not None:
        written["description"] = tool.description
    if tool.schema is not None:
        written["input_schema"] = tool.schema
    if tool.strict is not None:
        written["strict"] = tool.strict
    if tool.cache is not None:
        mark = form_of(tool.extra, NAME).get("mark")
        written["cache_control"] = mark if mark and (mark.get("ttl") or "") == tool.cache else cache_mark(tool.cache)
    return spell(written, tool.extra, NAME)


def write_own_body(prompt: Prompt) -> JsonObject:
    """Write a prompt that was read from this dialect as the object that it came as, with what was changed since."""
    kept = prompt.extra.get(NAME, {})
    form = form_of(prompt.extra, NAME)
    settings, is_complete = prompt.settings, form.get("is_complete") is True
    body: JsonObject = {}
    if prompt.model is not None:
        body["model"] = prompt.model
    if settings.max_tokens is not None:
        body["max_tokens_to_sample" if is_complete else "max_tokens"] = settings.max_tokens
    if prompt.is_streamed:
        body["stream"] = True
    if prompt.tools:
        body["tools"] = [write_tool(tool) for tool in prompt.tools]
    body.update(_conversation(prompt, is_complete=is_complete))
    body = spell(body, prompt.extra, NAME)
    changed = write_own_settings(settings, kept)
    body.update({key: value for key, value in changed.items() if value})
    for key in [key for key, value in changed.items() if not value]:
        if key in ("thinking", "tool_choice", "output_config"):
            body.pop(key, None)
        else:
            body[key] = changed[key]
    return body


def _conversation(prompt: Prompt, *, is_complete: bool) -> JsonObject:
    """Write `system` and `messages`, or the `prompt` of a text completion."""
    first = _leading(prompt)
    leading, turns = prompt.messages[:first], prompt.messages[first:]
    if is_complete:
        texts = [part.text for message in turns for part in message.parts if isinstance(part, Text)]
        return {"prompt": "".join(texts)}
    written: JsonObject = {"messages": [write_message(message) for message in turns]}
    if len(leading) == 1:
        written["system"] = write_content(leading[0])
    elif leading:
        written["system"] = [write_block(part) for message in leading for part in message.parts]
    return written
