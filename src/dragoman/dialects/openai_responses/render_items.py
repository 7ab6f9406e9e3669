"""Messages written as items of `input`.

Promise: what was read from this dialect is written as it was, unknown items and all. From other dialects come
messages, calls and their results, and reasoning that bears OpenAI's own seal; whatever else is a Loss.
"""

from dragoman.canonical import AnyPart, Media, Message, Other, Reasoning, Refusal, Role, Text, ToolCall, ToolResult
from dragoman.dialects.losses import message_path
from dragoman.dialects.openai_responses.items import NAME
from dragoman.dialects.openai_responses.message import notes_of, raw_item
from dragoman.dialects.openai_responses.pieces import Writing, own, write_piece
from dragoman.dialects.seals import is_native
from dragoman.dialects.values import JsonObject


def write_message(message: Message, number: int, out: Writing) -> list[JsonObject]:
    """Write one message; `number` is its place in the prompt."""
    raw = raw_item(message)
    if raw:
        return raw
    items: list[JsonObject] = []
    pieces: list[JsonObject] = []
    around: JsonObject = {}
    for position, part in enumerate(message.parts):
        path = message_path(number, position)
        if isinstance(part, Text | Refusal | Media) and message.role != "tool":
            piece = write_piece(part, path, out, is_reply=message.role == "assistant")
            around = around or part.extra.get(NAME, {}).get("item") or {}
            pieces += [piece] if piece else []
            continue
        items += _message_item(message, pieces, around)
        pieces, around = [], {}
        items += _item(part, path, out)
    if message.name:
        out.lose(f"{message_path(number)}.name", f"{NAME} has no names of speakers")
    return items + _message_item(message, pieces, around)


def _message_item(message: Message, pieces: list[JsonObject], around: JsonObject) -> list[JsonObject]:
    if not pieces:
        return []
    role = message.extra.get(NAME, {}).get("role", _role(message.role))
    if notes_of(message).get("form") == "plain" and len(pieces) == 1 and not around:
        return [{"role": role, "content": pieces[0].get("text", "")}]
    return [{"type": "message", "role": role, "content": pieces, **around}]


def _role(role: Role) -> str:
    return "user" if role == "tool" else role


def _item(part: AnyPart, path: str, out: Writing) -> list[JsonObject]:
    match part:
        case Reasoning():
            return _reasoning(part, path, out)
        case ToolCall():
            return _call(part, path, out)
        case ToolResult():
            return _result(part, path, out)
        case Other() if part.dialect == NAME:
            return [part.value]
        case Other():
            out.lose(path, f"{NAME} has nothing like {part.kind or 'this part'}")
            return []
        case _:
            piece = write_piece(part, path, out, is_reply=False)
            return [{"type": "message", "role": "user", "content": [piece]}] if piece else []


def _reasoning(part: Reasoning, path: str, out: Writing) -> list[JsonObject]:
    if not is_native(part, NAME) or not part.encrypted:
        out.lose(path, f"{NAME} takes back only reasoning that OpenAI sealed")
        return []
    item: JsonObject = {"type": "reasoning", **({"id": part.id} if part.id else {})}
    item["summary"] = [{"type": "summary_text", "text": part.summary}] if part.summary else []
    if part.text:
        item["content"] = [{"type": "reasoning_text", "text": part.text}]
    return [{**item, "encrypted_content": part.encrypted, **own(part)}]


def _call(part: ToolCall, path: str, out: Writing) -> list[JsonObject]:
    if part.kind == "server" or (part.kind == "custom" and own(part).get("type")):
        if own(part).get("type"):  # read from this dialect, and no longer as it was
            return [_built_in(part)]
        out.lose(path, f"{NAME} does not know this provider's own tools")
        return []
    out.kinds[part.id or ""] = part.kind
    base: JsonObject = {"call_id": part.id or "", "name": part.name}
    if part.kind == "custom":
        return [{"type": "custom_tool_call", **base, "input": part.arguments, **own(part)}]
    # An empty text is no JSON; a call without arguments says `{}` (wire-facts 7.1).
    return [{"type": "function_call", **base, "arguments": part.arguments or "{}", **own(part)}]


def _built_in(part: ToolCall) -> JsonObject:
    return {**own(part), "call_id": part.id, "name": part.name, "arguments": part.arguments}


def _result(part: ToolResult, path: str, out: Writing) -> list[JsonObject]:
    if part.kind == "server":
        out.lose(path, f"{NAME} does not know this provider's own tools")
        return []
    if part.cache is not None:
        out.lose(f"{path}.cache_control", f"{NAME} takes no cache mark on a tool's result")
    kind = own(part).get("type") or _output_kind(part, out)
    fields = {key: value for key, value in own(part).items() if key != "type"}
    return [{"type": kind, "call_id": part.call_id or "", "output": _output(part, path, out), **fields}]


def _output_kind(part: ToolResult, out: Writing) -> str:
    is_custom = part.kind == "custom" or out.kinds.get(part.call_id or "") == "custom"
    return "custom_tool_call_output" if is_custom else "function_call_output"


def _output(part: ToolResult, path: str, out: Writing) -> str | list[JsonObject]:
    """Write what a tool gave: one text as such, anything more as pieces, images and files among them."""
    pieces = [piece for one in part.parts if (piece := write_piece(one, path, out, is_reply=False))]
    if part.is_error:
        # There is no flag for it; the model is told in words.
        out.lose(f"{path}.is_error", f"{NAME} has no such flag: said in the text")
        pieces = _marked(pieces)
    if all(list(piece) == ["type", "text"] for piece in pieces) and len(pieces) < 2:
        return pieces[0]["text"] if pieces else ""
    return pieces


_ERROR = "Error:"


def _marked(pieces: list[JsonObject]) -> list[JsonObject]:
    """Say in the first text that the tool failed."""
    if pieces and "text" in pieces[0]:
        return [{**pieces[0], "text": f"{_ERROR} {pieces[0]['text']}"}, *pieces[1:]]
    return [{"type": "input_text", "text": _ERROR}, *pieces]
