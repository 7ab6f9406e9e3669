"""Content blocks, the same in requests, replies and streams; stop reasons and usage.

Server tools (web search, code execution, MCP) are tool calls and results of kind `server`, their block's own
type kept in `extra`. Blocks without a word in the canonical form are kept whole.
"""

from typing import Any

from dragoman.canonical import (
    AnyPart,
    Media,
    MediaKind,
    Other,
    Reasoning,
    StopReason,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
    Usage,
)
from dragoman.dialects.spelling import with_form
from dragoman.dialects.values import (
    JsonObject,
    Leftovers,
    as_text,
    count_of,
    list_of,
    object_of,
    text_of,
    to_json,
)

NAME = "anthropic_messages"
LEFT = Leftovers(NAME)

_STOP_REASONS: dict[str, StopReason] = {
    "end_turn": "end",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_use",
    "refusal": "refusal",
    "pause_turn": "pause",
}


def read_stop(reason: str | None) -> StopReason | None:
    return _STOP_REASONS.get(reason, "other") if reason else None


def read_usage(usage: JsonObject) -> Usage | None:
    """Read `usage`; writes whose time to live is not told are counted as those of 5 minutes, the default."""
    fresh, output = count_of(usage, "input_tokens"), count_of(usage, "output_tokens")
    if fresh is None and output is None:
        return None
    written = count_of(usage, "cache_creation_input_tokens")
    by_ttl = object_of(usage, "cache_creation")
    for_1h = count_of(by_ttl, "ephemeral_1h_input_tokens")
    for_5m = count_of(by_ttl, "ephemeral_5m_input_tokens")
    if written is not None and (for_5m or 0) + (for_1h or 0) != written:
        # message_delta may bring a newer sum without its parts.
        for_1h = min(for_1h, written) if for_1h is not None else None
        for_5m = written - (for_1h or 0)
    return Usage(
        input_fresh=fresh,
        cache_read=count_of(usage, "cache_read_input_tokens"),
        cache_write_5m=for_5m,
        cache_write_1h=for_1h,
        output=output,
        reasoning=count_of(object_of(usage, "output_tokens_details"), "thinking_tokens"),
        native=usage,
    )


def read_content(content: Any) -> list[AnyPart]:
    """Read `content`: a text, a list of blocks, or nothing."""
    if isinstance(content, str):
        return [Text(text=content)] if content else []
    if isinstance(content, list):
        return [read_block(block) for block in content]
    return [] if content is None else [Text(text=as_text(content))]


def read_block(block: Any) -> AnyPart:
    """Read one block; what is unknown is kept as it is."""
    if not isinstance(block, dict):
        return Text(text=as_text(block))
    kind = as_text(block.get("type"))
    match kind:
        case "text":
            return Text(
                text=as_text(block.get("text")),
                annotations=list_of(block, "citations"),
                cache=cache_of(block),
                extra=_rest(block, "text", "citations"),
            )
        case "thinking":
            return Reasoning(
                text=as_text(block.get("thinking")),
                signature=text_of(block, "signature"),
                extra=_rest(block, "thinking", "signature"),
            )
        case "redacted_thinking":
            return Reasoning(encrypted=text_of(block, "data"), extra=_rest(block, "data"))
        case "tool_use" | "server_tool_use" | "mcp_tool_use":
            return read_call(block, to_json(block["input"]) if "input" in block else "")
        case "image" | "document":
            return _media(block, kind)
        case _ if "tool_use_id" in block:
            return _result(block, kind)
        case _:
            return Other(dialect=NAME, kind=kind, value=block, cache=cache_of(block))


def read_call(block: JsonObject, arguments: str) -> ToolCall:
    """Read a call of the client's tools, of Anthropic's, or of an MCP server's; `arguments` is its JSON text."""
    kind = block.get("type")
    extra = _rest(block, "id", "name", "input")
    if kind == "mcp_tool_use":
        extra = LEFT.these({**extra.get(NAME, {}), "type": kind})
    tool_kind: ToolKind = "function" if kind == "tool_use" else "server"
    return ToolCall(
        id=text_of(block, "id"),
        name=as_text(block.get("name")),
        arguments=arguments,
        kind=tool_kind,
        cache=cache_of(block),
        extra=extra,
    )


def cache_of(block: JsonObject) -> str | None:
    mark = block.get("cache_control")
    return as_text(mark.get("ttl")) if isinstance(mark, dict) else None


def _result(block: JsonObject, kind: str) -> ToolResult:
    content = block.get("content")
    is_plain = kind in ("tool_result", "mcp_tool_result")
    extra = _rest(block, "tool_use_id", "content", "is_error")
    if kind != "tool_result":
        extra = LEFT.these({**extra.get(NAME, {}), "type": kind})
    says_so = block.get("is_error") is True
    notes: JsonObject = {"single": True} if isinstance(content, dict) else {}
    if _is_failed(content) and not says_so:
        notes["tells"] = True  # the content itself says that it failed
    return ToolResult(
        call_id=text_of(block, "tool_use_id"),
        parts=read_content(content) if is_plain else _server_content(content),
        is_error=says_so or _is_failed(content),
        kind="function" if kind == "tool_result" else "server",
        cache=cache_of(block),
        extra=with_form(extra, NAME, notes),
    )


def _server_content(content: Any) -> list[AnyPart]:
    """Keep what a server tool found: pages with encrypted content, output of programs."""
    blocks = content if isinstance(content, list) else [content]
    return [
        Other(dialect=NAME, kind=as_text(block.get("type")) if isinstance(block, dict) else "", value=block)
        for block in blocks
        if block is not None
    ]


def _is_failed(content: Any) -> bool:
    return isinstance(content, dict) and as_text(content.get("type")).endswith("_error")


def _media(block: JsonObject, kind: MediaKind) -> AnyPart:
    """Read an image or document; its source is data, a URL, an uploaded file, text, or blocks."""
    source = object_of(block, "source")
    origin = source.get("type")
    parts: dict[str, Any] = {"mime": text_of(source, "media_type"), "name": text_of(block, "title")}
    match origin:
        case "base64":
            parts["data"] = text_of(source, "data")
        case "url":
            parts["url"] = text_of(source, "url")
        case "file":
            parts["file_id"] = text_of(source, "file_id")
        case "text":
            parts["text"] = as_text(source.get("data"))
        case _:
            return Other(dialect=NAME, kind=kind, value=block, cache=cache_of(block))
    return Media(kind=kind, cache=cache_of(block), extra=_rest(block, "source", "title"), **parts)


def _rest(block: JsonObject, *known: str) -> dict[str, Any]:
    return LEFT.these(
        {key: value for key, value in block.items() if key not in known and key not in ("type", "cache_control")}
    )
