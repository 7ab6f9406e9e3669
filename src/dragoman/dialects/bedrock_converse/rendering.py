"""A Prompt written as a request of Converse: one of this dialect as it came, one of another's repaired to fit.

Only bytes are taken, no links; names of documents are cleaned and made unique; a cache mark is a block after what it
marks. Facts: wire-facts 7.1 and 8 (8, 13), botocore 1.44.5.
"""

import re
from typing import Any

import msgspec

from dragoman.canonical import (
    AnyPart,
    Loss,
    Media,
    Message,
    Other,
    Prompt,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from dragoman.dialects.anthropic_messages.foreign import MAX_MARKS
from dragoman.dialects.anthropic_messages.generations import abilities_of, version_of
from dragoman.dialects.anthropic_messages.rendering import add_sampling, add_thinking, allowed_tools, refuse
from dragoman.dialects.base import RequestTarget, Untranslatable
from dragoman.dialects.bedrock_converse.content import (
    NAME,
    cache_point,
    format_of,
    write_input,
    write_media,
    write_reasoning,
)
from dragoman.dialects.bedrock_converse.request import is_own, write_own_body, write_schema, write_tools
from dragoman.dialects.losses import message_path, no_such_tool, setting_path, tool_path
from dragoman.dialects.media import sniff
from dragoman.dialects.seals import MAKERS, is_native
from dragoman.dialects.turns import Conversation, Piece, Turn, arrange, called_names, is_blank
from dragoman.dialects.values import JsonObject

_IMAGES = frozenset({"png", "jpeg", "gif", "webp"})
_NAME_SIGNS = re.compile(r"[^A-Za-z0-9 \-()\[\]]+")
_TIERS = ("priority", "default", "flex", "reserved")


def write_request(prompt: Prompt, target: RequestTarget) -> tuple[JsonObject, list[Loss]]:
    """Write the object of a request, and say what was lost. Raises Untranslatable."""
    if not is_own(prompt):
        return _foreign(prompt, target)
    losses: list[Loss] = []
    messages = [_without_foreign_seals(number, message, losses) for number, message in enumerate(prompt.messages)]
    kept = [message for message in messages if message.parts] if losses else prompt.messages
    return write_own_body(msgspec.structs.replace(prompt, messages=kept)), losses


def _without_foreign_seals(number: int, message: Message, losses: list[Loss]) -> Message:
    parts = [part for part in message.parts if not isinstance(part, Reasoning) or part.maker in (None, MAKERS[NAME])]
    if len(parts) == len(message.parts):
        return message
    losses.append(
        Loss(path=message_path(number), reason="what another model thought bears no seal that this one takes")
    )
    return msgspec.structs.replace(message, parts=parts)


def _foreign(prompt: Prompt, target: RequestTarget) -> tuple[JsonObject, list[Loss]]:
    refuse(prompt)
    model = target.model or prompt.model or ""
    arranged = arrange(prompt.messages, takes_late_system=False)
    writer = _Writer(arranged)
    body: JsonObject = {"messages": [writer.turn(turn) for turn in arranged.turns]}
    body["messages"] = [one for one in body["messages"] if one["content"]]
    system = writer.system()
    if system:
        body["system"] = system
    _add_tools(body, prompt, arranged, writer.losses)
    _add_settings(body, prompt, model, _misses_thinking(arranged), writer.losses)
    _limit_points(body, writer.losses)
    return body, writer.losses


class _Writer:
    """Writes the blocks of one prompt, and gathers what is lost."""

    def __init__(self, arranged: Conversation) -> None:
        self.losses = list(arranged.losses)
        self._arranged = arranged
        self._names: set[str] = set()

    def system(self) -> list[JsonObject]:
        written: list[JsonObject] = []
        for piece in self._arranged.system:
            if isinstance(piece.part, Text):
                written += _pointed({"text": piece.part.text}, piece.part)
            else:
                self._lose(piece, "a system prompt holds text alone here")
        return written

    def turn(self, turn: Turn) -> JsonObject:
        content: list[JsonObject] = []
        for piece in turn.pieces:
            block = self._block(piece, turn.role)
            if block is not None:
                content += _pointed(block, piece.part)
        return {"role": turn.role, "content": content}

    def _lose(self, piece: Piece, reason: str) -> None:
        self.losses.append(Loss(path=message_path(piece.message, piece.position), reason=reason))

    def _block(self, piece: Piece, role: str) -> JsonObject | None:
        part = piece.part
        match part:
            case Text():
                if part.annotations:
                    self._lose(piece, "citations of another kind cannot be sent back")
                return {"text": part.text}
            case Refusal():
                return {"text": part.text} if part.text.strip() else None
            case Reasoning():
                if role == "assistant" and is_native(part, NAME):
                    return write_reasoning(part)
                if part.text or part.summary or part.signature or part.encrypted:
                    self._lose(piece, "what another model thought bears no seal that this one takes")
                return None
            case ToolCall(kind="server") | ToolResult(kind="server") | Other():
                self._lose(piece, "what another provider's service did has no like here")
                return None
            case ToolCall():
                value = write_input(part)
                value = value if isinstance(value, dict) else {"_raw": part.arguments}
                return {"toolUse": {"toolUseId": part.id, "name": part.name, "input": value}}
            case ToolResult():
                return self._result(piece, part)
            case Media():
                if role != "user":
                    self._lose(piece, f"{part.kind} has no place in the model's own turn here")
                    return None
                return self._media(part)

    def _result(self, piece: Piece, part: ToolResult) -> JsonObject:
        content: list[JsonObject] = []
        for inner in part.parts:
            if isinstance(inner, Text):
                content += [] if is_blank(inner) else [{"text": inner.text}]
            elif isinstance(inner, Media) and inner.kind in ("image", "document", "video"):
                content.append(self._media(inner))
            else:
                self._lose(piece, "a tool's result holds text, images, documents and films here")
        status = {"status": "error"} if part.is_error else {}
        return {"toolResult": {"toolUseId": part.call_id, "content": content, **status}}

    def _media(self, part: Media) -> JsonObject:
        """Write media by their bytes. Raises Untranslatable for what would have to be fetched."""
        if part.url is not None and not part.url.startswith("s3://"):
            raise Untranslatable(f"Bedrock fetches no {part.kind}s ({part.url[:80]}); send the data instead")
        if part.file_id is not None:
            raise Untranslatable(f"file {part.file_id} lies with another provider; send the {part.kind}'s data instead")
        part = msgspec.structs.replace(part, mime=part.mime or sniff(part.data or "") or _DEFAULTS.get(part.kind))
        if part.kind == "image" and format_of(part) not in _IMAGES:
            raise Untranslatable(f"an image of type {part.mime} cannot be sent; it takes PNG, JPEG, GIF and WebP")
        part = msgspec.structs.replace(part, name=self._name(part) if part.kind == "document" else None)
        written = write_media(part)
        if written is None:
            raise Untranslatable(f"the {part.kind} has no data; send its data")
        return written

    def _name(self, part: Media) -> str:
        """Clean a document's name, which must be there and be unique [Converse, 400 otherwise]."""
        wanted = " ".join(_NAME_SIGNS.sub(" ", part.name or "").split())[:180] or "document"
        name, number = wanted, 1
        while name in self._names:
            number += 1
            name = f"{wanted} {number}"
        self._names.add(name)
        return name


_DEFAULTS = {"image": "image/png", "document": "text/plain", "audio": "audio/wav", "video": "video/mp4"}


def _pointed(block: JsonObject, part: AnyPart) -> list[JsonObject]:
    """Add the cache point that a part's mark becomes."""
    return [block] if part.cache is None else [block, cache_point(part.cache if part.cache in ("5m", "1h") else "")]


def _misses_thinking(arranged: Conversation) -> bool:
    """Say that the model's last turn calls tools and does not begin with what it thought, under its own seal."""
    answers = [turn for turn in arranged.turns if turn.role == "assistant"]
    if not answers or not answers[-1].calls:
        return False
    said = [piece.part for piece in answers[-1].pieces]
    first = next((part for part in said if not isinstance(part, Reasoning) or is_native(part, NAME)), None)
    return not isinstance(first, Reasoning)


def _add_tools(body: JsonObject, prompt: Prompt, arranged: Conversation, losses: list[Loss]) -> None:
    """Write the tools; a conversation with calls must declare some, and `none` has no word here."""
    for number, tool in enumerate(prompt.tools):
        if tool.kind != "function":
            losses.append(Loss(path=tool_path(number), reason=no_such_tool(tool)))
    tools = [tool for tool in prompt.tools if tool.kind == "function"]
    named: list[JsonObject] = [{"name": tool.name} for tool in tools]
    choice: Any = prompt.settings.tool_choice
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        kept, choice = allowed_tools(named, choice)
        tools = [tool for tool in tools if {"name": tool.name} in kept]
    calls = called_names(arranged)
    if choice == "none":
        if calls:
            losses.append(Loss(path=setting_path("tool_choice"), reason="the choice of no tool has no word here"))
        else:
            tools = []
    written = write_tools(tools)
    if not written and calls:
        written = [{"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}} for name in calls]
    if not written:
        return
    told = _choice(choice, {tool.name for tool in tools})
    body["toolConfig"] = {"tools": written, **({} if told is None else {"toolChoice": told})}
    if prompt.settings.parallel_tools is False:
        losses.append(Loss(path=setting_path("parallel_tools"), reason="there is no such switch here"))


def _choice(choice: Any, names: set[str]) -> JsonObject | None:
    match choice:
        case "auto":
            return {"auto": {}}
        case "required":
            return {"any": {}}
        case {"name": str(name)} if name in names:
            return {"tool": {"name": name}}
        case _:
            return None


def _add_settings(body: JsonObject, prompt: Prompt, model: str, misses_seal: bool, losses: list[Loss]) -> None:
    """Write limits and sampling; Claude's own switches go into the fields for one vendor's models."""
    settings, is_claude = prompt.settings, version_of(model) is not None
    limit = {} if settings.max_tokens is None else {"max_tokens": settings.max_tokens}
    told: JsonObject = {**limit, "tool_choice": {"type": _kind_of_choice(body)}}
    if is_claude and (settings.effort or settings.thinking_budget):
        told = {"max_tokens": 8192, **told}
        add_thinking(told, settings, abilities_of(model), losses, misses_seal=misses_seal)
    elif settings.effort not in (None, "none"):
        losses.append(Loss(path=setting_path("effort"), reason="this model's word for effort is not known"))
    elif settings.thinking_budget is not None:
        losses.append(Loss(path=setting_path("thinking_budget"), reason="only Claude is known to take a budget here"))
    add_sampling(told, settings, abilities_of(model), losses)
    words = {
        "max_tokens": "maxTokens",
        "temperature": "temperature",
        "top_p": "topP",
        "stop_sequences": "stopSequences",
    }
    config = {word: told[key] for key, word in words.items() if key in told}
    if config:
        body["inferenceConfig"] = config
    more = {key: told[key] for key in ("thinking", "output_config", "top_k") if key in told}
    if "top_k" in more and not is_claude:
        losses.append(Loss(path=setting_path("top_k"), reason="this model's word for top_k is not known"))
        del more["top_k"]
    if more:
        body["additionalModelRequestFields"] = more
    _add_rest(body, prompt, losses)


def _kind_of_choice(body: JsonObject) -> str:
    choice = body.get("toolConfig", {}).get("toolChoice", {})
    return next((key for key in ("any", "tool") if key in choice), "auto")


def _add_rest(body: JsonObject, prompt: Prompt, losses: list[Loss]) -> None:
    settings = prompt.settings
    form = settings.response_format
    if isinstance(form, dict) and "schema" in form:
        body["outputConfig"] = {"textFormat": write_schema(form)}
    elif form is not None:
        losses.append(Loss(path=setting_path("response_format"), reason="there is no JSON mode without a schema here"))
    metadata = settings.metadata
    if isinstance(metadata, dict) and all(isinstance(one, str) for one in metadata.values()) and metadata:
        body["requestMetadata"] = metadata
    elif metadata:
        losses.append(Loss(path=setting_path("metadata"), reason="metadata are texts here"))
    if settings.user and not metadata:
        losses.append(Loss(path=setting_path("user"), reason="a request names no user here"))
    if settings.service_tier in _TIERS:
        body["serviceTier"] = {"type": settings.service_tier}
    losses += [
        Loss(path=f"{message_path(number)}.name", reason="speakers have no names here")
        for number, message in enumerate(prompt.messages)
        if message.name
    ]


def _limit_points(body: JsonObject, losses: list[Loss]) -> None:
    """Leave the last cache points: each covers all that stands before it."""
    places = [body.get("toolConfig", {}).get("tools", []), body.get("system", [])]
    places += [message["content"] for message in body["messages"]]
    total = sum("cachePoint" in block for place in places for block in place)
    surplus = total - MAX_MARKS
    if surplus <= 0:
        return
    losses.append(Loss(path="$", reason=f"{total} cache marks came, {MAX_MARKS} are taken; the last ones stay"))
    for place in places:
        for block in [one for one in place if "cachePoint" in one]:
            if surplus > 0:
                place.remove(block)
                surplus -= 1
