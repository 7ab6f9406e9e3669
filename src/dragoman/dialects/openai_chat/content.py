"""What messages hold, on the way in and on the way out: parts, tool calls, reasoning under its many names.

Order of a message's parts: reasoning, content, refusal, sound, tool calls.
"""

from collections.abc import Callable
from typing import Any

from dragoman.canonical import AnyPart, Media, Other, Reasoning, Refusal, StopReason, Text, ToolCall
from dragoman.dialects.values import JsonObject, Leftovers, as_text, list_of, object_of, objects_of, text_of

NAME = "openai_chat"
LEFT = Leftovers(NAME)

MESSAGE_KEYS = frozenset(
    {
        *("role", "content", "name", "refusal", "tool_calls", "function_call", "tool_call_id"),
        *("reasoning_content", "reasoning", "annotations", "audio"),
    }
)

_STOP_REASONS: dict[str, StopReason] = {
    "stop": "end",
    "eos": "end",  # Observed only: corpus/openai-chat, Together
    "end_turn": "end",
    "stop_sequence": "stop_sequence",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",  # Mistral: the context window was full
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
    "error": "error",
}


def read_stop(reason: str | None) -> StopReason | None:
    """Translate `finish_reason`; some send an empty one, which says nothing."""
    return _STOP_REASONS.get(reason, "other") if reason else None


def read_part(part: Any) -> AnyPart:
    """Read one entry of a content list; what is unknown is kept as it is."""
    if not isinstance(part, dict):
        return Text(text=as_text(part))
    kind = as_text(part.get("type"))
    reader = _READERS.get(kind)
    found = reader(part) if reader else None
    return found or Other(dialect=NAME, kind=kind, value=part)


def read_call(call: JsonObject) -> ToolCall:
    """Read one entry of `tool_calls`."""
    kind, function = call_body(call)
    extra = {key: value for key, value in call.items() if key not in CALL_KEYS and value is not None}
    return ToolCall(
        id=text_of(call, "id"),
        name=as_text(function.get("name")),
        arguments=as_text(function.get("input" if kind == "custom" else "arguments")),
        kind="custom" if kind == "custom" else "function",
        extra=LEFT.these(extra),
    )


def read_parts(
    message: JsonObject,
    part_reader: Callable[[Any], AnyPart] = read_part,
    call_reader: Callable[[JsonObject], ToolCall] = read_call,
) -> list[AnyPart]:
    """Read all parts of a message."""
    parts: list[AnyPart] = []
    reasoning = reasoning_of(message)
    if reasoning is not None:
        parts.append(reasoning)
    parts += read_content(message.get("content"), part_reader)
    if text_of(message, "refusal"):
        parts.append(Refusal(text=message["refusal"]))
    if is_sound(message.get("audio")):
        parts.append(read_audio(message["audio"]))
    parts += [call_reader(call) for call in objects_of(message, "tool_calls")]
    if text_of(object_of(message, "function_call"), "name"):
        parts.append(read_legacy_call(message["function_call"]))
    return with_annotations(parts, list_of(message, "annotations"))


def read_content(content: Any, part_reader: Callable[[Any], AnyPart] = read_part) -> list[AnyPart]:
    """Read `content`: a text, a list of parts, or nothing."""
    if isinstance(content, str):
        return [Text(text=content)] if content else []
    if isinstance(content, list):
        return [part_reader(one) for one in content]
    return [] if content is None else [Text(text=as_text(content))]


def reasoning_of(message: JsonObject) -> Reasoning | None:
    """Read what the model thought: DeepSeek's `reasoning_content`, OpenRouter's and Groq's `reasoning`, else what
    OpenRouter's `reasoning_details` hold. Corpus: openai-chat, feature `thinking`."""
    details = objects_of(message, "reasoning_details")
    text = text_of(message, "reasoning_content") or text_of(message, "reasoning") or text_of_details(details)
    signature, encrypted = sealed(details)
    if not text and not signature and not encrypted:
        return None
    return Reasoning(text=text or "", signature=signature, encrypted=encrypted)


def text_of_details(details: list[JsonObject]) -> str:
    return "".join(text_of(one, "text") or text_of(one, "summary") or "" for one in details)


def sealed(details: list[JsonObject]) -> tuple[str | None, str | None]:
    """Find the opaque values among `reasoning_details`: a signature, encrypted data."""
    signature = next((one["signature"] for one in details if text_of(one, "signature")), None)
    encrypted = next((one["data"] for one in details if text_of(one, "data")), None)
    return signature, encrypted


def thinking_text(part: JsonObject) -> str:
    """Read the text of Mistral's `thinking` part, which is a list of text parts. Corpus: 13359ec27b8efc5d."""
    thinking = part.get("thinking")
    if isinstance(thinking, list):
        return "".join(as_text(one.get("text")) for one in thinking if isinstance(one, dict))
    return as_text(thinking)


CALL_KEYS = frozenset({"index", "id", "type", "function", "custom"})


def call_body(call: JsonObject) -> tuple[str, JsonObject]:
    """Say which kind a call is, and return the object that has its name and arguments.

    Snowflake sends all fields of all kinds, the wrong ones empty. Observed only: corpus/openai-chat, 0e4fadf2c17d1aa8
    """
    function, custom = object_of(call, "function"), object_of(call, "custom")
    if custom and (call.get("type") == "custom" or (text_of(custom, "name") and not text_of(function, "name"))):
        return "custom", custom
    if custom and not function:
        return "custom", custom
    return "function", function


def read_legacy_call(call: JsonObject) -> ToolCall:
    """Read `function_call`, which came before tools and has no id."""
    return ToolCall(
        name=as_text(call.get("name")),
        arguments=as_text(call.get("arguments")),
        extra=LEFT.these({"function_call": True}),
    )


def is_sound(audio: Any) -> bool:
    """Say whether `audio` says anything: some send it empty."""
    return isinstance(audio, dict) and any(audio.get(key) for key in ("id", "data", "transcript"))


def read_audio(audio: JsonObject) -> Media:
    """Read spoken output: sound, its id and its transcript; in a request the id alone."""
    known = ("id", "data", "transcript")
    return Media(
        kind="audio",
        data=text_of(audio, "data"),
        file_id=text_of(audio, "id"),
        text=text_of(audio, "transcript"),
        extra=LEFT.these({key: value for key, value in audio.items() if key not in known}),
    )


def with_annotations(parts: list[AnyPart], annotations: list[Any]) -> list[AnyPart]:
    """Hang citations on the last text; without one they make an empty text, so that they are not lost."""
    if not annotations:
        return parts
    for at in range(len(parts) - 1, -1, -1):
        part = parts[at]
        if isinstance(part, Text):
            return [*parts[:at], Text(text=part.text, annotations=annotations, extra=part.extra), *parts[at + 1 :]]
    return [*parts, Text(text="", annotations=annotations)]


def split_data_url(url: str) -> tuple[str | None, str | None]:
    """Split `data:{mime};base64,{data}`; (None, None) when it is another kind of URL."""
    if not url.startswith("data:"):
        return None, None
    head, comma, data = url.partition(",")
    mime, semicolon, coding = head[5:].rpartition(";")
    return (mime or None, data) if comma and semicolon and coding == "base64" else (None, None)


def _rest(part: JsonObject, key: str) -> JsonObject:
    """What a part carries beside its type, its own field and its cache mark."""
    return {name: value for name, value in part.items() if name not in ("type", key, *_MARKS)}


_MARKS = ("cache_control", "prompt_cache_breakpoint")

_LIFETIMES = {"30m": "", "12h": "1h"}
"""OpenAI's, the first of which is its default. openai 3.52.0, ChatCompletionContentPartTextParam"""


def cache_of(part: JsonObject) -> str | None:
    """Read a cache mark: OpenRouter and Anthropic's own endpoint take Anthropic's, OpenAI has a word of its own."""
    mark = part.get("cache_control")
    if isinstance(mark, dict):
        return as_text(mark.get("ttl"))
    own = part.get("prompt_cache_breakpoint")
    return _LIFETIMES.get(as_text(own.get("ttl")), "") if isinstance(own, dict) else None


def _text(part: JsonObject) -> AnyPart:
    return Text(text=as_text(part.get("text")), cache=cache_of(part), extra=LEFT.these(_rest(part, "text")))


def _refusal(part: JsonObject) -> AnyPart:
    return Refusal(text=as_text(part.get("refusal")), extra=LEFT.these(_rest(part, "refusal")))


def _thinking(part: JsonObject) -> AnyPart:
    left = {key: value for key, value in _rest(part, "thinking").items() if key != "closed"}
    return Reasoning(text=thinking_text(part), extra=LEFT.these(left))


def _image(part: JsonObject) -> AnyPart | None:
    return _linked(part, "image_url", "image")


def _video(part: JsonObject) -> AnyPart | None:
    return _linked(part, "video_url", "video")


def _document(part: JsonObject) -> AnyPart | None:
    """Mistral's `document_url`, whose URL is a plain text."""
    return _linked(part, "document_url", "document")


def _linked(part: JsonObject, key: str, kind: Any) -> AnyPart | None:
    """Read a part that holds a URL: an object with `url`, or (Mistral) the text alone."""
    value = part.get(key)
    url = value.get("url") if isinstance(value, dict) else value
    if not isinstance(url, str):
        return None
    mime, data = split_data_url(url)
    detail = {"detail": value["detail"]} if isinstance(value, dict) and "detail" in value else {}
    extra = LEFT.these({**_rest(part, key), **detail})
    if data is not None:
        return Media(kind=kind, mime=mime, data=data, cache=cache_of(part), extra=extra)
    return Media(kind=kind, url=url, cache=cache_of(part), extra=extra)


def _audio(part: JsonObject) -> AnyPart | None:
    audio = part.get("input_audio")
    if isinstance(audio, str):  # Mistral sends the data, or a URL, alone.
        audio = {"url": audio} if audio.startswith("http") else {"data": audio}
    if not isinstance(audio, dict):
        return None
    form = text_of(audio, "format")
    data = text_of(audio, "data") or ""
    mime, inner = split_data_url(data)  # Alibaba's take a data: URL here. Observed only.
    return Media(
        kind="audio",
        mime=mime or (f"audio/{form}" if form else None),
        data=inner or data or None,
        url=text_of(audio, "url"),
        extra=LEFT.these(_rest(part, "input_audio")),
    )


def _file(part: JsonObject) -> AnyPart | None:
    file = part.get("file")
    if not isinstance(file, dict):
        return None
    data = text_of(file, "file_data") or ""
    mime, inner = split_data_url(data)
    is_link = data.startswith(("http://", "https://"))
    return Media(
        kind="document",
        mime=mime,
        data=inner or (None if is_link else data or None),
        url=data if is_link else None,
        file_id=text_of(file, "file_id"),
        name=text_of(file, "filename"),
        cache=cache_of(part),
        extra=LEFT.these(_rest(part, "file")),
    )


_READERS = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "refusal": _refusal,
    "thinking": _thinking,
    "image_url": _image,
    "video_url": _video,
    "document_url": _document,
    "file_url": lambda part: _linked(part, "file_url", "document"),
    "input_audio": _audio,
    "file": _file,
}
