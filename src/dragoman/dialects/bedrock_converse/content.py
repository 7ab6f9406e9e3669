"""Converse's content blocks, read and written; stop reasons and usage.

A block is an object with one key. A cache point is a block of its own that stands after what it marks; here it is
the `cache` of the part before it. Promise: what was read is written again as it stood; a block that two spellings
could have made is kept beside its part, and written while the part still says the same.
Facts: botocore 1.44.5 (`ContentBlock` in bedrock-runtime), wire-facts 4, corpus/bedrock-converse.
"""

import base64
import binascii
from typing import Any

import msgspec

from dragoman.canonical import (
    AnyPart,
    Media,
    MediaKind,
    Other,
    Reasoning,
    Refusal,
    StopReason,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from dragoman.dialects.seals import PREFIX
from dragoman.dialects.spelling import FORM, form_of, noted
from dragoman.dialects.values import (
    JsonObject,
    Leftovers,
    as_text,
    count_of,
    list_of,
    load,
    object_of,
    objects_of,
    text_of,
    to_json,
)

NAME = "bedrock_converse"
LEFT = Leftovers(NAME)

_STOP_REASONS: dict[str, StopReason] = {
    "end_turn": "end",
    "tool_use": "tool_use",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "stop_sequence": "stop_sequence",
    "guardrail_intervened": "refusal",
    "content_filtered": "refusal",
}

_DOCUMENTS = {
    "pdf": "application/pdf",
    "csv": "text/csv",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "html": "text/html",
    "txt": "text/plain",
    "md": "text/markdown",
}
_OTHERS: dict[str, str] = {"three_gp": "video/3gpp", "mkv": "video/x-matroska", "mov": "video/quicktime"}
MIMES = {**_DOCUMENTS, **_OTHERS}
FORMATS = {mime: word for word, mime in MIMES.items()}

_KINDS: dict[str, MediaKind] = {"image": "image", "document": "document", "video": "video", "audio": "audio"}


def read_stop(reason: str | None) -> StopReason | None:
    return _STOP_REASONS.get(reason, "other") if reason else None


def read_usage(usage: JsonObject) -> Usage | None:
    """Read `usage`: `inputTokens` leaves the cache out; writes of an hour are told in `cacheDetails`."""
    fresh, output = count_of(usage, "inputTokens"), count_of(usage, "outputTokens")
    if fresh is None and output is None:
        return None
    written = count_of(usage, "cacheWriteInputTokens")
    details = [one for one in objects_of(usage, "cacheDetails") if one.get("ttl") == "1h"]
    for_1h = sum(count_of(one, "inputTokens") or 0 for one in details) if details else None
    return Usage(
        input_fresh=fresh,
        cache_read=count_of(usage, "cacheReadInputTokens"),
        cache_write_5m=None if written is None else max(written - (for_1h or 0), 0),
        cache_write_1h=for_1h,
        output=output,
        native=usage,
    )


def read_content(content: Any, *, is_noted: bool = False) -> list[AnyPart]:
    """Read a list of blocks; cache points go to the parts before them. A request is read with notes."""
    parts: list[AnyPart] = []
    for block in content if isinstance(content, list) else []:
        point = block.get("cachePoint") if isinstance(block, dict) else None
        if isinstance(point, dict) and parts and parts[-1].cache is None and set(point) <= {"type", "ttl"}:
            parts[-1] = msgspec.structs.replace(parts[-1], cache=as_text(point.get("ttl")))
        else:
            parts.append(read_noted(block) if is_noted else read_block(block))
    return parts


def read_noted(block: Any) -> AnyPart:
    """Read one block, and keep it beside the part where it would not be written the same."""
    part = read_block(block, is_noted=True)
    if isinstance(part, Other) or write_block(part) == block:
        return part
    return noted(part, NAME, {"raw": block})


def read_block(block: Any, *, is_noted: bool = False) -> AnyPart:
    """Read one block; what is unknown is kept as it is."""
    if not isinstance(block, dict):
        return Text(text=as_text(block))
    kind = next((key for key in block if key not in ("type", "cachePoint")), "")
    value = block.get(kind)
    if kind == "text" and isinstance(value, str):
        return Text(text=value)
    if kind == "json":
        return Text(text=to_json(value), extra={NAME: {FORM: {"json": True}}})
    if not isinstance(value, dict):
        return Other(dialect=NAME, kind=kind or "cachePoint", value=block)
    match kind:
        case "toolUse":
            return read_call(value, to_json(value["input"]) if "input" in value else "")
        case "toolResult":
            return read_result(value, is_noted=is_noted)
        case "reasoningContent":
            return _reasoning(value)
        case "guardContent" if isinstance(object_of(value, "text").get("text"), str):
            return Text(text=object_of(value, "text")["text"], extra=LEFT.these({"guardContent": value}))
        case "citationsContent":
            texts = [as_text(one.get("text")) for one in objects_of(value, "content")]
            return Text(text="".join(texts), annotations=list_of(value, "citations"))
        case "image" | "document" | "video" | "audio":
            return _media(kind, value) or Other(dialect=NAME, kind=kind, value=block)
        case _:
            return Other(dialect=NAME, kind=kind, value=block)


def read_call(value: JsonObject, arguments: str) -> ToolCall:
    is_servers = value.get("type") == "server_tool_use"
    known = ("toolUseId", "name", "input", "type") if not is_servers else ("toolUseId", "name", "input")
    return ToolCall(
        id=text_of(value, "toolUseId"),
        name=as_text(value.get("name")),
        arguments=arguments,
        kind="server" if is_servers else "function",
        extra=LEFT.rest(value, known),
    )


def read_result(value: JsonObject, *, is_noted: bool = False) -> ToolResult:
    kind = text_of(value, "type")
    is_servers = kind is not None and kind != "tool_result"
    return ToolResult(
        call_id=text_of(value, "toolUseId"),
        parts=read_content(value.get("content"), is_noted=is_noted),
        is_error=value.get("status") == "error",
        kind="server" if is_servers else "function",
        extra=LEFT.these({"type": kind} if is_servers else {}),
    )


def _reasoning(value: JsonObject) -> AnyPart:
    told = object_of(value, "reasoningText")
    encrypted = decoded(text_of(value, "redactedContent"))
    return Reasoning(text=as_text(told.get("text")), signature=text_of(told, "signature"), encrypted=encrypted)


def _media(kind: str, value: JsonObject) -> Media | None:
    """Read an image, document, film or sound: its bytes, its text, or where it lies in S3."""
    source = object_of(value, "source")
    word = as_text(value.get("format"))
    mime = MIMES.get(word) or (f"{kind}/{word}" if word and kind != "document" else None)
    given: dict[str, Any] = {
        "data": text_of(source, "bytes"),
        "text": text_of(source, "text"),
        "url": text_of(object_of(source, "s3Location"), "uri"),
    }
    if not any(given.values()):
        return None
    return Media(kind=_KINDS[kind], mime=mime, name=text_of(value, "name"), **given)


def write_block(part: AnyPart) -> Any:
    """Write one part as a block; None for what has none."""
    form = form_of(part.extra, NAME)
    if "raw" in form and _bare(read_block(form["raw"])) == _bare(part):
        return form["raw"]
    match part:
        case Other():
            return part.value if part.dialect == NAME else None
        case Text():
            if "json" in form:
                return {"json": load(part.text.encode())[0]}
            cited = [one for one in part.annotations if isinstance(one, dict) and "location" in one]
            if cited:
                return {"citationsContent": {"content": [{"text": part.text}], "citations": cited}}
            guarded = part.extra.get(NAME, {}).get("guardContent")
            return {"guardContent": guarded} if guarded else {"text": part.text}
        case Refusal():
            return {"text": part.text}
        case Reasoning():
            return write_reasoning(part)
        case ToolCall():
            value = {"toolUseId": part.id, "name": part.name, "input": write_input(part)}
            return {"toolUse": {**value, **({"type": "server_tool_use"} if part.kind == "server" else {})}}
        case ToolResult():
            return write_result(part)
        case Media():
            return write_media(part)


def _bare(part: AnyPart) -> AnyPart:
    """A part without its notes, its cache mark, and whose seal it bears."""
    left = {key: value for key, value in part.extra.get(NAME, {}).items() if key != FORM}
    part = msgspec.structs.replace(part, extra={NAME: left} if left else {}, cache=None)
    return msgspec.structs.replace(part, maker=None) if isinstance(part, Reasoning) else part


def write_content(parts: list[AnyPart]) -> list[Any]:
    """Write blocks, each with its cache point after it."""
    blocks: list[Any] = []
    for part in parts:
        block = write_block(part)
        if block is not None:
            blocks.append(block)
            if part.cache is not None:
                blocks.append(cache_point(part.cache))
    return blocks


def cache_point(ttl: str) -> JsonObject:
    return {"cachePoint": {"type": "default", **({"ttl": ttl} if ttl else {})}}


def coded(seal: str) -> str:
    """Write a seal as `redactedContent`, which must be base64: Bedrock's own is, our wrapper is put into it."""
    return base64.b64encode(seal.encode()).decode() if seal.startswith(PREFIX) else seal


def decoded(text: str | None) -> str | None:
    """Read `redactedContent`: our wrapper is taken out of its base64."""
    if text is None or not text.startswith(_CODED_PREFIX):
        return text
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return text


_CODED_PREFIX = base64.b64encode(PREFIX.encode())[:14].decode()


def write_reasoning(part: Reasoning) -> JsonObject:
    if part.encrypted is not None:
        return {"reasoningContent": {"redactedContent": coded(part.encrypted)}}
    signed = {"signature": part.signature} if part.signature is not None else {}
    return {"reasoningContent": {"reasoningText": {"text": part.text, **signed}}}


def write_input(call: ToolCall) -> Any:
    """Write arguments as JSON; text that is none stays readable as `{"_raw": text}`."""
    text = call.arguments
    if not text.strip():
        return {}
    if call.kind == "custom":
        return {"input": text}
    try:
        return load(text.encode("utf-8", "surrogatepass"))[0]
    except ValueError:
        return {"_raw": text}


def write_result(part: ToolResult) -> JsonObject:
    value: JsonObject = {"toolUseId": part.call_id, "content": write_content(part.parts)}
    if part.is_error:
        value["status"] = "error"
    if part.kind == "server":
        value["type"] = part.extra.get(NAME, {}).get("type")
    return {"toolResult": value}


def write_media(part: Media) -> JsonObject | None:
    """Write an image, document, film or sound; None when its source has no word here."""
    source: JsonObject
    if part.data is not None:
        source = {"bytes": part.data}
    elif part.text is not None:
        source = {"text": part.text}
    elif part.url is not None and part.url.startswith("s3://"):
        source = {"s3Location": {"uri": part.url}}
    else:
        return None
    word = format_of(part)
    value: JsonObject = {"format": word} if word else {}
    if part.name is not None:
        value["name"] = part.name
    return {part.kind: {**value, "source": source}}


def format_of(part: Media) -> str | None:
    """Name the format of media by their type."""
    mime = part.mime or ""
    return FORMATS.get(mime) or mime.rpartition("/")[2] or None
