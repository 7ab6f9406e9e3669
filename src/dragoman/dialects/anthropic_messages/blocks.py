"""Canonical parts written as content blocks: the way back of `content`.

Promise: a part that was read from a block is written as that block. What no block can hold gives None.
"""

from typing import Any

from dragoman.canonical import AnyPart, Media, Other, Reasoning, Refusal, Text, ToolCall, ToolResult
from dragoman.dialects.anthropic_messages.content import NAME, read_block
from dragoman.dialects.spelling import difference, form_of, noted, spell
from dragoman.dialects.values import JsonObject, load, mend

CITATIONS = frozenset(
    {
        *("char_location", "page_location", "content_block_location"),
        *("web_search_result_location", "search_result_location"),
    }
)
"""Kinds of citations that a text block may carry [anthropic 2.11.0, `TextCitation`]; others are other dialects'."""

RAW_INPUT = "_raw"
"""Under this name of `input` stands the text of arguments that are no JSON object."""


def write_block(part: AnyPart) -> Any:
    """Write one part as a block; None for what has none."""
    form = form_of(part.extra, NAME)
    if "raw" in form:
        return form["raw"]
    if isinstance(part, Other):
        return part.value if part.dialect == NAME else None
    written = _written(part)
    if written is None:
        return None
    if part.cache is not None:
        mark = form.get("mark")
        written["cache_control"] = mark if mark and (mark.get("ttl") or "") == part.cache else cache_mark(part.cache)
    return spell(written, part.extra, NAME)


def _written(part: AnyPart) -> JsonObject | None:
    match part:
        case Text():
            written: JsonObject = {"type": "text", "text": part.text}
            if part.annotations:
                cited = citations_of(part)
                if cited:
                    written["citations"] = cited
            return written
        case ToolCall():
            kind = "tool_use" if part.kind != "server" else "server_tool_use"
            return {"type": kind, "id": part.id, "name": part.name, "input": write_input(part)}
        case ToolResult():
            return _result(part)
        case Reasoning():
            return _thinking(part)
        case Media():
            return _media(part)
        case Refusal():
            return {"type": "text", "text": part.text}
        case Other():
            return None


def citations_of(part: Text) -> list[Any]:
    """Return the citations that are Anthropic's own."""
    return [one for one in part.annotations if isinstance(one, dict) and one.get("type") in CITATIONS]


def write_input(call: ToolCall) -> Any:
    """Write a call's arguments; what is no JSON stays readable as `{"_raw": text}`, as does a custom tool's text."""
    text = call.arguments
    if not text.strip():
        return {}
    if call.kind == "custom":
        return {"input": text}
    try:
        value, is_lenient = load(text.encode("utf-8", "surrogatepass"))
    except ValueError:
        return {RAW_INPUT: text}
    return mend(value) if is_lenient else value


def cache_mark(ttl: str) -> JsonObject:
    return {"type": "ephemeral", "ttl": ttl} if ttl else {"type": "ephemeral"}


def _thinking(part: Reasoning) -> JsonObject:
    if part.encrypted is not None:
        return {"type": "redacted_thinking", "data": part.encrypted}
    written: JsonObject = {"type": "thinking", "thinking": part.text}
    if part.signature is not None:
        written["signature"] = part.signature
    return written


def _result(part: ToolResult) -> JsonObject:
    written: JsonObject = {"type": "tool_result", "tool_use_id": part.call_id}
    form = form_of(part.extra, NAME)
    content = [block for block in map(write_block, part.parts) if block is not None]
    if "plain" in form and len(content) == 1 and set(content[0]) == {"type", "text"}:
        written["content"] = content[0]["text"]
    elif "single" in form and len(content) == 1:
        written["content"] = content[0]
    elif content:
        written["content"] = content
    if part.is_error and "tells" not in form:
        written["is_error"] = True
    return written


def _media(part: Media) -> JsonObject | None:
    source = form_of(part.extra, NAME).get("source") or write_source(part)
    if source is None or part.kind not in ("image", "document"):
        return None
    written: JsonObject = {"type": part.kind, "source": source}
    if part.name is not None and part.kind == "document":
        written["title"] = part.name
    return written


def write_source(part: Media) -> JsonObject | None:
    """Write where an image or document comes from; None when nothing tells."""
    if part.data is not None:
        return {"type": "base64", "media_type": part.mime, "data": part.data}
    if part.url is not None:
        return {"type": "url", "url": part.url}
    if part.file_id is not None:
        return {"type": "file", "file_id": part.file_id}
    if part.text is not None:
        return {"type": "text", "media_type": part.mime or "text/plain", "data": part.text}
    return None


def read_noted(block: Any) -> AnyPart:
    """Read one block of a request, and note how it was spelled where that differs from what would be written."""
    part = read_block(block)
    if not isinstance(block, dict):
        return noted(part, NAME, {"raw": block})
    if isinstance(part, Other):
        return part
    notes: JsonObject = {}
    if isinstance(part, ToolResult):
        part, notes = _noted_result(part, block)
    written = write_block(noted(part, NAME, notes))
    if written == block:
        return noted(part, NAME, notes)
    if written is None:
        return noted(part, NAME, {"raw": block})
    if part.cache is not None and written["cache_control"] != block["cache_control"]:
        notes["mark"] = block["cache_control"]
    if isinstance(part, Media) and written["source"] != block.get("source"):
        notes["source"] = block.get("source")
    return noted(part, NAME, {**notes, **difference(written, block)})


def _noted_result(part: ToolResult, block: JsonObject) -> tuple[ToolResult, JsonObject]:
    """Note that a result's content is a text alone; its parts are read with their notes."""
    content = block.get("content")
    notes: JsonObject = {}
    if isinstance(content, str):
        notes["plain"] = True
    elif isinstance(content, list) and part.kind == "function":
        part = ToolResult(
            call_id=part.call_id,
            parts=[read_noted(one) for one in content],
            is_error=part.is_error,
            cache=part.cache,
            extra=part.extra,
        )
    return part, notes
