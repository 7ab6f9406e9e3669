"""Items, the same in `input` and `output`, read into parts.

A message gives a part for each piece of its content; any other item gives one part. What an item carries
beside (id, status, phase, namespace) lies in the `extra` of its first part. Tools that OpenAI runs itself are
calls of kind `server`, with their findings in `extra`; those that the client must run are of kind `custom`.
"""

from typing import Any

from dragoman.canonical import AnyPart, Media, Other, Reasoning, Refusal, Text, ToolCall, ToolKind, ToolResult
from dragoman.dialects.media import sniff
from dragoman.dialects.openai_chat.content import split_data_url
from dragoman.dialects.seals import restore
from dragoman.dialects.values import (
    JsonObject,
    Leftovers,
    as_text,
    list_of,
    object_of,
    objects_of,
    text_of,
    to_json,
)

NAME = "openai_responses"
LEFT = Leftovers(NAME)

BETWEEN = "\n\n"
"""What stands between the parts of a reasoning summary, or of its text, when they are shown as one."""

_CLIENTS_TOOLS = frozenset({"local_shell_call", "shell_call", "apply_patch_call", "computer_call"})
_SERVERS_TOOLS = frozenset(
    {"web_search_call", "file_search_call", "code_interpreter_call", "mcp_call", "mcp_approval_request"}
)
_ARGUMENTS = ("arguments", "action", "operation", "code", "queries")
"""Where the items of built-in tools say what they do."""


def read_item(item: Any) -> list[AnyPart]:
    """Read one item into parts."""
    if not isinstance(item, dict):
        return [Text(text=as_text(item))]
    kind = item_kind(item)
    if kind == "message":
        return _with_extra(read_content(item.get("content")), _rest(item, "role", "content"))
    if kind == "reasoning":
        return [_reasoning(item)]
    if kind in ("function_call", "custom_tool_call"):
        return [_call(item, kind)]
    if kind.endswith("_output"):
        return [_result(item, kind)]
    if kind == "image_generation_call":
        return [_image_made(item)]
    if kind in _CLIENTS_TOOLS or kind in _SERVERS_TOOLS or (kind.endswith("_call") and "name" not in item):
        return [_built_in(item, kind)]
    return [Other(dialect=NAME, kind=kind, value=item)]


def item_kind(item: JsonObject) -> str:
    """Name an item's type; messages may leave it out in requests."""
    return text_of(item, "type") or ("message" if "role" in item else "")


def read_content(content: Any) -> list[AnyPart]:
    """Read a message's content or a tool's output: a text, a list of pieces, or nothing."""
    if isinstance(content, str):
        return [Text(text=content)] if content else []
    if isinstance(content, list):
        return [read_piece(one) for one in content]
    return [] if content is None else [Text(text=as_text(content))]


def read_piece(piece: Any) -> AnyPart:
    """Read one piece of content; what is unknown is kept as it is."""
    if not isinstance(piece, dict):
        return Text(text=as_text(piece))
    kind = as_text(piece.get("type"))
    match kind:
        case "output_text" | "input_text" | "text" | "summary_text" | "reasoning_text":
            left = {key: value for key, value in piece.items() if key not in _TEXT_KEYS and value != []}
            return Text(
                text=as_text(piece.get("text")), annotations=list_of(piece, "annotations"), extra=LEFT.these(left)
            )
        case "refusal":
            return Refusal(text=as_text(piece.get("refusal")))
        case "input_image":
            return _linked(piece, "image", text_of(piece, "image_url"), ("image_url",))
        case "input_audio":
            audio = object_of(piece, "input_audio") or piece
            form = text_of(audio, "format")
            return Media(kind="audio", mime=f"audio/{form}" if form else None, data=text_of(audio, "data"))
        case "input_file":
            data = text_of(piece, "file_data")
            url = data if data and data.startswith("data:") else text_of(piece, "file_url")
            part = _linked(piece, "document", url, ("file_data", "file_url", "filename"))
            return part if url or part.file_id else Media(kind="document", data=data, name=text_of(piece, "filename"))
        case _:
            return Other(dialect=NAME, kind=kind, value=piece)


_TEXT_KEYS = frozenset({"type", "text", "annotations"})


def _linked(piece: JsonObject, kind: Any, url: str | None, known: tuple[str, ...]) -> Media:
    mime, data = split_data_url(url or "")
    return Media(
        kind=kind,
        mime=mime,
        data=data,
        url=url if data is None else None,
        file_id=text_of(piece, "file_id"),
        name=text_of(piece, "filename"),
        extra=_rest(piece, "file_id", *known),
    )


def _reasoning(item: JsonObject) -> Reasoning:
    found = Reasoning(
        text=BETWEEN.join(as_text(one.get("text")) for one in objects_of(item, "content")),
        summary=BETWEEN.join(as_text(one.get("text")) for one in objects_of(item, "summary")),
        encrypted=text_of(item, "encrypted_content"),
        id=text_of(item, "id"),
        extra=_rest(item, "id", "content", "summary", "encrypted_content"),
    )
    return restore(found, NAME)


def _call(item: JsonObject, kind: str) -> ToolCall:
    field = "arguments" if kind == "function_call" else "input"
    call_id = text_of(item, "call_id") or text_of(item, "id")
    tool_kind: ToolKind = "function" if kind == "function_call" else "custom"
    if tool_kind == "custom" and (call_id or "").startswith("xs_call"):
        tool_kind = "server"  # xAI's own search on X. Observed only: corpus/openai-responses, 152339efde2ffa69
    return ToolCall(
        id=call_id,
        name=as_text(item.get("name")),
        arguments=as_text(item.get(field)),
        kind=tool_kind,
        extra=_rest(item, "call_id", "name", field),
    )


def _built_in(item: JsonObject, kind: str) -> ToolCall:
    """Read a call of a built-in tool: web search, files, code, MCP, shell, patches, the computer."""
    field = next((name for name in _ARGUMENTS if item.get(name) is not None), "")
    value = item.get(field)
    is_clients = kind in _CLIENTS_TOOLS
    tool_kind: ToolKind = "custom" if is_clients else "server"
    extra = {key: one for key, one in item.items() if key not in ("call_id", "name", field) and one is not None}
    return ToolCall(
        id=text_of(item, "call_id") or text_of(item, "id"),
        name=text_of(item, "name") or kind.removesuffix("_call"),
        arguments="" if value is None else value if isinstance(value, str) else to_json(value),
        kind=tool_kind,
        extra=LEFT.these(extra),
    )


def _image_made(item: JsonObject) -> Media:
    form, data = text_of(item, "output_format"), text_of(item, "result")
    return Media(
        kind="image",
        mime=f"image/{form}" if form else sniff(data or "") or "image/png",
        data=data,
        extra=LEFT.these({key: value for key, value in item.items() if key != "result" and value is not None}),
    )


def _result(item: JsonObject, kind: str) -> ToolResult:
    tool_kind: ToolKind = "function" if kind == "function_call_output" else "custom"
    extra = _rest(item, "call_id", "output")
    if tool_kind == "custom":
        extra = LEFT.these({**extra.get(NAME, {}), "type": kind})
    output = item.get("output")
    parts: list[AnyPart] = [Other(dialect=NAME, kind=kind, value=output)] if isinstance(output, dict) else []
    return ToolResult(
        call_id=text_of(item, "call_id"), parts=parts or read_content(output), kind=tool_kind, extra=extra
    )


def _with_extra(parts: list[AnyPart], extra: JsonObject) -> list[AnyPart]:
    """Hang what a message carries beside its content on its first part."""
    if not parts or not extra:
        return parts
    first = parts[0]
    if isinstance(first, Text):
        inner = {**first.extra.get(NAME, {}), "item": extra[NAME]}
        return [Text(text=first.text, annotations=first.annotations, extra=LEFT.these(inner)), *parts[1:]]
    if isinstance(first, Refusal):
        return [Refusal(text=first.text, extra=LEFT.these({"item": extra[NAME]})), *parts[1:]]
    return parts


def _rest(item: JsonObject, *known: str) -> JsonObject:
    """What is left of an item beside the known fields and its type; None and empty lists say nothing."""
    return LEFT.these(
        {
            key: value
            for key, value in item.items()
            if key not in known and key != "type" and value is not None and value != []
        }
    )
