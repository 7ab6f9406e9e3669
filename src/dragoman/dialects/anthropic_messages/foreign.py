"""A prompt of another dialect written as Messages: system, turns of blocks, tools. What has no place is a Loss.

Facts: wire-facts 7.1 and 8 (6 to 13, 21, 22); each kind of block as in anthropic 2.11.0, `ContentBlockParam`.
"""

import base64
import binascii
from typing import Any

from dragoman.canonical import AnyPart, Loss, Media, Other, Prompt, Reasoning, Refusal, Text, Tool, ToolCall, ToolResult
from dragoman.dialects.anthropic_messages.blocks import (
    RAW_INPUT,
    cache_mark,
    citations_of,
    write_block,
    write_input,
    write_source,
)
from dragoman.dialects.anthropic_messages.content import NAME
from dragoman.dialects.base import Untranslatable
from dragoman.dialects.losses import message_path, no_such_tool, tool_path
from dragoman.dialects.media import sniff
from dragoman.dialects.seals import is_native
from dragoman.dialects.turns import Piece, Turn, arrange, called_names, is_blank
from dragoman.dialects.values import JsonObject

MAX_MARKS = 4
"""Cache marks that a request may hold [Anthropic's API, 400 otherwise]."""

_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_ANYTHING = {"type": "object", "properties": {}}


class ForeignWriter:
    """Writes the blocks of one prompt, and gathers what is lost."""

    def __init__(self, prompt: Prompt, *, takes_late_system: bool, takes_urls: bool) -> None:
        self.losses: list[Loss] = []
        self._prompt = prompt
        self._takes_urls = takes_urls
        self._arranged = arrange(prompt.messages, takes_late_system=takes_late_system)
        self.losses += self._arranged.losses
        self.losses += [
            Loss(path=f"{message_path(number)}.name", reason="speakers have no names here")
            for number, message in enumerate(prompt.messages)
            if message.name
        ]

    def conversation(self) -> JsonObject:
        """Write `system`, where there is one, and `messages`."""
        written: JsonObject = {}
        system = [block for piece in self._arranged.system if (block := self._system_block(piece))]
        if len(system) == 1 and set(system[0]) == {"type", "text"}:
            written["system"] = system[0]["text"]
        elif system:
            written["system"] = system
        messages = [self._turn(turn) for turn in self._arranged.turns]
        written["messages"] = [message for message in messages if message["content"]]
        self._trim_prefill(written["messages"])
        return written

    def tools(self) -> list[JsonObject]:
        """Write the tools; where none are declared though the conversation has calls, those that it names."""
        written = [self._tool(number, tool) for number, tool in enumerate(self._prompt.tools)]
        return [tool for tool in written if tool is not None]

    def called_tools(self) -> list[JsonObject]:
        """Declare the tools that the conversation calls: a request with calls must have tools [Anthropic, 400]."""
        names = called_names(self._arranged)
        return [{"name": name, "input_schema": _ANYTHING} for name in names]

    @property
    def misses_thinking(self) -> bool:
        """Say that the model's last turn calls tools and does not begin with what it thought, under its own seal."""
        answers = [turn for turn in self._arranged.turns if turn.role == "assistant"]
        if not answers or not answers[-1].calls or self._arranged.turns[-1].role == "assistant":
            return False
        said = [piece.part for piece in answers[-1].pieces]
        first = next((part for part in said if not isinstance(part, Reasoning) or is_native(part, NAME)), None)
        return not isinstance(first, Reasoning)

    def _lose(self, piece: Piece, reason: str) -> None:
        self.losses.append(Loss(path=message_path(piece.message, piece.position), reason=reason))

    def _system_block(self, piece: Piece) -> JsonObject | None:
        if isinstance(piece.part, Text):
            return self._text(piece, piece.part)
        self._lose(piece, "a system prompt holds text alone here")
        return None

    def _turn(self, turn: Turn) -> JsonObject:
        if turn.role == "system":
            blocks = [self._system_block(piece) for piece in turn.pieces]
        else:
            blocks = [self._block(piece, turn.role) for piece in turn.pieces]
        return {"role": turn.role, "content": [block for block in blocks if block]}

    def _block(self, piece: Piece, role: str) -> JsonObject | None:
        part = piece.part
        match part:
            case Text():
                return self._text(piece, part)
            case Refusal():
                return {"type": "text", "text": part.text} if part.text.strip() else None
            case Reasoning():
                return self._thinking(piece, part, role)
            case ToolCall(kind="server") | ToolResult(kind="server") | Other():
                self._lose(piece, f"{_name_of(part)} has no like here")
                return None
            case ToolCall():
                return _marked({"type": "tool_use", "id": part.id, "name": part.name, "input": _object(part)}, part)
            case ToolResult():
                return self._result(piece, part)
            case Media():
                return self._media(piece, part, role)

    def _text(self, piece: Piece, part: Text) -> JsonObject:
        written: JsonObject = {"type": "text", "text": part.text}
        cited = citations_of(part)
        if cited:
            written["citations"] = cited
        if len(cited) < len(part.annotations):
            self._lose(piece, "citations of another kind cannot be sent back")
        return _marked(written, part)

    def _thinking(self, piece: Piece, part: Reasoning, role: str) -> JsonObject | None:
        if role == "assistant" and is_native(part, NAME):
            return write_block(part)
        if part.text or part.summary or part.signature or part.encrypted:
            self._lose(piece, "what another model thought bears no seal that this one takes")
        return None

    def _result(self, piece: Piece, part: ToolResult) -> JsonObject:
        written: JsonObject = {"type": "tool_result", "tool_use_id": part.call_id}
        content = [block for inner in part.parts if (block := self._inner(piece, inner))]
        if len(content) == 1 and set(content[0]) == {"type", "text"}:
            written["content"] = content[0]["text"]
        elif content:
            written["content"] = content
        if part.is_error:
            written["is_error"] = True
        return _marked(written, part)

    def _inner(self, piece: Piece, part: AnyPart) -> JsonObject | None:
        """Write what a result holds: text, images, documents."""
        if isinstance(part, Text):
            return None if is_blank(part) else self._text(piece, part)
        if isinstance(part, Media) and part.kind in ("image", "document"):
            return self._media(piece, part, "user")
        self._lose(piece, f"a tool's result holds no {_name_of(part)} here")
        return None

    def _media(self, piece: Piece, part: Media, role: str) -> JsonObject | None:
        if part.kind not in ("image", "document"):
            if role == "user":
                raise Untranslatable(
                    f"the model behind this route takes no {part.kind}; send text, images or documents"
                )
            self._lose(piece, f"{part.kind} has no place in the model's own turn here")
            return None
        if role != "user":
            self._lose(piece, f"{part.kind} has no place in the model's own turn here")
            return None
        source = self._source(part)
        written: JsonObject = {
            "type": "document" if source.get("media_type") in _PAPERS else part.kind,
            "source": source,
        }
        if part.name and written["type"] == "document":
            written["title"] = part.name
        return _marked(written, part)

    def _source(self, part: Media) -> JsonObject:
        """Write where media come from. Raises Untranslatable for what cannot be reached or read there."""
        if part.url is not None:
            if not part.url.startswith(("https://", "http://")) or not self._takes_urls:
                raise Untranslatable(
                    f"the {part.kind} at {part.url[:80]} would have to be fetched; send its data instead"
                )
            return {"type": "url", "url": part.url}
        if part.file_id is not None:
            raise Untranslatable(f"file {part.file_id} lies with another provider; send the {part.kind}'s data instead")
        if part.data is None:
            if part.text is None:
                raise Untranslatable(f"the {part.kind} has neither data nor a URL; send its data")
            return write_source(part) or {}
        mime = _mime_of(part)
        if part.kind == "image" and (mime is None or mime in _IMAGES):
            return {"type": "base64", "media_type": mime or "image/png", "data": part.data}
        if mime == "application/pdf" or (mime is None and part.kind == "document" and _is_pdf_name(part.name)):
            return {"type": "base64", "media_type": "application/pdf", "data": part.data}
        text = _text_of(part.data) if mime is None or mime.startswith("text/") or mime == "application/json" else None
        if text is not None:
            return {"type": "text", "media_type": "text/plain", "data": text}
        raise Untranslatable(
            f"a {part.kind} of type {mime} cannot be sent; it takes PNG, JPEG, GIF, WebP, PDF and text"
        )

    def _tool(self, number: int, tool: Tool) -> JsonObject | None:
        if tool.kind != "function":
            self.losses.append(Loss(path=tool_path(number), reason=no_such_tool(tool)))
            return None
        written: JsonObject = {"name": tool.name}
        if tool.description:
            written["description"] = tool.description
        schema = tool.schema if isinstance(tool.schema, dict) and tool.schema else _ANYTHING
        written["input_schema"] = schema if schema.get("type") else {"type": "object", **schema}
        if tool.strict:
            written["strict"] = True
        return _marked(written, tool)

    @staticmethod
    def _trim_prefill(messages: list[JsonObject]) -> None:
        """A model's turn that it is to go on with must not end in white space [Anthropic, 400]."""
        if messages and messages[-1]["role"] == "assistant" and "text" in (last := messages[-1]["content"][-1]):
            last["text"] = last["text"].rstrip()


def limit_marks(body: JsonObject, losses: list[Loss]) -> None:
    """Leave the last `MAX_MARKS` cache marks: each covers all that stands before it."""
    marked = [one for one in _markable(body) if "cache_control" in one]
    for block in marked[:-MAX_MARKS]:
        del block["cache_control"]
    if len(marked) > MAX_MARKS:
        reason = f"{len(marked)} cache marks came, {MAX_MARKS} are taken; the last ones stay"
        losses.append(Loss(path="$", reason=reason))


def _markable(body: JsonObject) -> list[JsonObject]:
    """List what may bear a cache mark, in the order in which the model reads it."""
    system = body.get("system")
    contents = [block for message in body["messages"] for block in message["content"]]
    return [*body.get("tools", []), *(system if isinstance(system, list) else []), *contents]


_PAPERS = ("application/pdf", "text/plain")


def _marked(written: JsonObject, thing: AnyPart | Tool) -> JsonObject:
    if thing.cache is not None:
        written["cache_control"] = cache_mark(thing.cache if thing.cache in ("5m", "1h") else "")
    return written


def _object(call: ToolCall) -> JsonObject:
    """Write arguments as the object that they must be here."""
    value: Any = write_input(call)
    return value if isinstance(value, dict) else {RAW_INPUT: call.arguments}


def _name_of(part: AnyPart) -> str:
    match part:
        case Other(kind=kind):
            return kind or "an unknown part"
        case ToolCall(name=name):
            return f"the call of the server's tool {name}" if name else "the call of a server's tool"
        case ToolResult():
            return "the result of a server's tool"
        case Media(kind=kind):
            return kind
        case _:
            return type(part).__name__.lower()


def _mime_of(part: Media) -> str | None:
    """Say what an image or document is: by its own word, else by its first bytes."""
    said = (part.mime or "").partition(";")[0].strip().lower()
    if said in ("", "image/*", "application/octet-stream"):
        return sniff(part.data or "")
    return "image/jpeg" if said == "image/jpg" else said


def _is_pdf_name(name: str | None) -> bool:
    return name is None or name.lower().endswith(".pdf")


def _text_of(data: str) -> str | None:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
