"""Chat's messages, parts and tools written, as they came where they were read from Chat.

Promise: `own_message(noted_message(value)) == value` as JSON, and so for parts and tools (`noted.py` has the other
half). What was changed since is written as it is now.
"""

from typing import Any

from dragoman.canonical import AnyPart, Media, Message, Other, Reasoning, Refusal, Text, Tool, ToolCall, ToolResult
from dragoman.dialects.custom_tools import nested_format
from dragoman.dialects.exact import bare, settled
from dragoman.dialects.media import data_url
from dragoman.dialects.openai_chat.content import NAME, read_call, read_part
from dragoman.dialects.openai_chat.request import read_message, read_tool
from dragoman.dialects.seals import is_native
from dragoman.dialects.spelling import FORM, form_of
from dragoman.dialects.values import JsonObject

_AUDIO_FORMATS = {"audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/x-wav": "wav", "audio/wave": "wav"}
_DEFAULT_MIMES = {"image": "image/png", "video": "video/mp4", "document": "application/pdf"}


def own_message(message: Message) -> Any:
    """Write a message in the spelling that was noted when it was read."""
    notes = form_of(message.extra, NAME)
    if "value" in notes and read_message(notes["value"]) == bare(message):
        return notes["value"]
    return settled(write_message(message), notes, lambda whole: bare(read_message(whole)) == bare(message))


def write_message(message: Message) -> JsonObject:
    """Write a message whose parts Chat has words for."""
    notes = form_of(message.extra, NAME)
    wire: JsonObject = {"role": message.role}
    is_result = message.role == "tool" and len(message.parts) == 1 and isinstance(message.parts[0], ToolResult)
    if is_result:
        wire |= _result_fields(message.parts[0], notes)  # pyright: ignore[reportArgumentType]
    else:
        wire |= _said_fields(message, notes)
    if message.name is not None:
        wire["name"] = message.name
    return wire | _left(message.extra)


def _result_fields(result: ToolResult, notes: JsonObject) -> JsonObject:
    fields: JsonObject = {"content": _content(result.parts, notes) if result.parts else ""}
    if result.call_id is not None:
        fields["tool_call_id"] = result.call_id
    if result.name is not None:
        fields["name"] = result.name
    return fields


def _said_fields(message: Message, notes: JsonObject) -> JsonObject:
    fields: JsonObject = {}
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    said: list[AnyPart] = [part for part in message.parts if not isinstance(part, ToolCall)]
    key = notes.get("reasoning")
    if key or not notes.get("list"):
        thoughts = [part for part in said if isinstance(part, Reasoning)]
        if any(part.text for part in thoughts):
            fields[key or "reasoning_content"] = "".join(part.text for part in thoughts)
        details = [_detail(part) for part in thoughts if is_native(part, NAME)]
        if details:
            fields["reasoning_details"] = details
        said = [part for part in said if not isinstance(part, Reasoning)]
    if message.role == "assistant":
        said = _aside(said, fields, is_list=bool(notes.get("list")))
    fields["content"] = _content(said, notes) if said else (None if message.role == "assistant" else "")
    old = [call for call in calls if call.extra.get(NAME, {}).get("function_call")]
    new = [own_call(call) for call in calls if call not in old]
    if new:
        fields["tool_calls"] = new
    if old:
        fields["function_call"] = {"name": old[0].name, "arguments": old[0].arguments}
    return fields


def _detail(part: Reasoning) -> JsonObject:
    """Write a seal as OpenRouter has it."""
    if part.encrypted:
        return {"type": "reasoning.encrypted", "data": part.encrypted}
    return {"type": "reasoning.text", "text": part.text, "signature": part.signature}


def _aside(said: list[AnyPart], fields: JsonObject, *, is_list: bool) -> list[AnyPart]:
    """Write what an assistant says beside its content: refusal, sound, citations."""
    left: list[AnyPart] = []
    refusals = [part.text for part in said if isinstance(part, Refusal) and not is_list]
    if refusals:
        fields["refusal"] = "".join(refusals)
    for part in said:
        if isinstance(part, Refusal) and not is_list:
            continue
        if isinstance(part, Media) and part.kind == "audio" and part.file_id is not None:
            fields["audio"] = {"id": part.file_id}
        else:
            left.append(part)
        if isinstance(part, Text) and part.annotations:
            fields["annotations"] = part.annotations
    return left


def _content(parts: list[AnyPart], notes: JsonObject) -> str | list[Any]:
    """Write content as a text where it is one and did not come as a list."""
    if not notes.get("list") and len(parts) == 1:
        part = parts[0]
        if isinstance(part, Text) and part.cache is None and not part.extra:
            return part.text
    return [own_part(part) for part in parts]


def own_part(part: AnyPart) -> Any:
    """Write an entry of a content list in the spelling that was noted."""
    notes = form_of(part.extra, NAME)
    if "value" in notes and read_part(notes["value"]) == bare(part):
        return notes["value"]
    return settled(write_part(part), notes, lambda whole: read_part(whole) == bare(part))


def write_part(part: AnyPart) -> JsonObject:
    """Write an entry of a content list."""
    wire = _part_fields(part)
    if part.cache is not None:
        wire |= _mark(part.cache, form_of(part.extra, NAME))
    left = _left(part.extra)
    left.pop("detail", None)
    return wire | left


def _mark(cache: str, notes: JsonObject) -> JsonObject:
    """Write a cache mark: in OpenAI's words if noted so, else in Anthropic's, which OpenRouter takes.

    OpenAI has lifetimes of 30 minutes, its default, and of 12 hours.
    """
    if notes.get("mark") == "openai":
        return {"prompt_cache_breakpoint": {"mode": "explicit", **({"ttl": "12h"} if cache == "1h" else {})}}
    return {"cache_control": {"type": "ephemeral", **({"ttl": cache} if cache else {})}}


def _part_fields(part: AnyPart) -> JsonObject:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case Refusal():
            return {"type": "refusal", "refusal": part.text}
        case Reasoning():
            return {"type": "thinking", "thinking": [{"type": "text", "text": part.text}]}
        case Media():
            return _media(part)
        case Other():
            return dict(part.value) if isinstance(part.value, dict) else {"type": part.kind}
        case ToolCall() | ToolResult():
            raise TypeError(f"a {type(part).__name__} is no entry of Chat's content")


def _media(media: Media) -> JsonObject:
    if media.kind == "audio":
        return {"type": "input_audio", "input_audio": _sound(media)}
    notes = form_of(media.extra, NAME)
    key = notes.get("type") or _media_key(media)
    if key == "text":
        return {"type": "text", "text": media.text}
    if key == "file":
        return {"type": "file", "file": _file(media)}
    url = data_url(media.mime, media.data, _DEFAULT_MIMES[media.kind]) if media.data is not None else media.url
    if notes.get("plain"):
        return {"type": key, key: url}
    return {"type": key, key: {"url": url, **_picked(media.extra.get(NAME, {}), "detail")}}


def _media_key(media: Media) -> str:
    if media.kind != "document":
        return f"{media.kind}_url"
    return "text" if media.text is not None and not media.data else "file"


def _sound(media: Media) -> JsonObject:
    if media.url is not None and media.data is None:
        return {"url": media.url}
    sound: JsonObject = {"data": media.data or ""}
    if media.mime:
        sound["format"] = _AUDIO_FORMATS.get(media.mime) or media.mime.removeprefix("audio/")
    return sound


def _file(media: Media) -> JsonObject:
    file: JsonObject = {}
    if media.data is not None:
        file["file_data"] = data_url(media.mime, media.data, _DEFAULT_MIMES["document"])
    elif media.url is not None:
        file["file_data"] = media.url
    if media.file_id is not None:
        file["file_id"] = media.file_id
    if media.name is not None:
        file["filename"] = media.name
    return file


def own_call(call: ToolCall) -> JsonObject:
    """Write an entry of `tool_calls` in the spelling that was noted."""
    notes = form_of(call.extra, NAME)
    return settled(write_call(call), notes, lambda whole: read_call(whole) == bare(call))


def write_call(call: ToolCall) -> JsonObject:
    """Write an entry of `tool_calls`."""
    wire: JsonObject = {} if call.id is None else {"id": call.id}
    if call.kind == "custom":
        wire |= {"type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    else:
        wire |= {"type": "function", "function": {"name": call.name, "arguments": call.arguments}}
    return wire | _left(call.extra)


def own_tool(tool: Tool) -> Any:
    """Write a tool in the spelling that was noted."""
    notes = form_of(tool.extra, NAME)
    return settled(write_tool(tool), notes, lambda whole: read_tool(whole) == bare(tool))


def write_tool(tool: Tool) -> JsonObject:
    """Write a tool; one that the server runs is what it was."""
    left = _left(tool.extra)
    if tool.kind == "server":
        return left
    inner: JsonObject = {"name": tool.name}
    if tool.description is not None:
        inner["description"] = tool.description
    if tool.kind == "custom":
        form = {} if tool.schema is None else {"format": nested_format(tool.schema)}
        return {"type": "custom", "custom": inner | form} | left
    if tool.schema is not None:
        inner["parameters"] = tool.schema
    if tool.strict is not None:
        inner["strict"] = tool.strict
    function = left.pop("function", {})
    wire: JsonObject = {"type": "function", "function": inner | function}
    if tool.cache is not None:
        wire |= _mark(tool.cache, {})
    return wire | left


def own_legacy_tool(tool: Tool) -> Any:
    """Write an entry of `functions`, which came before tools."""
    wire: JsonObject = {"name": tool.name}
    if tool.description is not None:
        wire["description"] = tool.description
    if tool.schema is not None:
        wire["parameters"] = tool.schema
    return settled(wire, form_of(tool.extra, NAME), lambda whole: whole.get("name") == tool.name)


def _left(extra: dict[str, Any]) -> JsonObject:
    """What only Chat knows, its notes and marks of ours left out."""
    return {key: value for key, value in extra.get(NAME, {}).items() if key not in _OURS}


_OURS = (FORM, "functions", "function_call")


def _picked(source: JsonObject, *keys: str) -> JsonObject:
    return {key: source[key] for key in keys if key in source}
