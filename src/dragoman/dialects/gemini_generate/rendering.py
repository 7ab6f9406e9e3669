"""A Prompt of another dialect written as a request of Gemini.

Results go into a turn of their own right after the calls, as many as there were calls. A signature that Gemini made
goes back on the part it stood on; what others thought stays out. A call of another model gets the word that Google
gives for it, since models from Gemini 3 on refuse a call without a signature.
Facts: wire-facts 6 and 7.1, google-genai 3.4.0; https://ai.google.dev/gemini-api/docs/thought-signatures and
https://ai.google.dev/gemini-api/docs/thinking, seen 2026-11-21.
"""

import re
from typing import Any

import msgspec

from dragoman.canonical import AnyPart, Loss, Media, Other, Prompt, Reasoning, Refusal, Text, ToolCall, ToolResult
from dragoman.dialects.anthropic_messages.rendering import allowed_tools, refuse
from dragoman.dialects.base import RequestTarget, Untranslatable
from dragoman.dialects.efforts import budget_of, effort_of, wants_thoughts
from dragoman.dialects.gemini_generate.parts import write_part, write_parts
from dragoman.dialects.gemini_generate.request import is_own, write_own
from dragoman.dialects.gemini_generate.settings import write_config, write_function
from dragoman.dialects.gemini_generate.wire import NAME
from dragoman.dialects.losses import message_path, setting_path, tool_path
from dragoman.dialects.media import sniff
from dragoman.dialects.seals import is_native
from dragoman.dialects.turns import Conversation, Piece, Turn, arrange, called_names
from dragoman.dialects.values import JsonObject

MAX_STOPS = 5
"""More stop sequences are refused [Gemini's API reference, `stopSequences`]."""
NO_SIGNATURE = "skip_thought_signature_validator"
"""What a call bears that no model of Google's made: https://ai.google.dev/gemini-api/docs/thought-signatures#faq"""
_VERSION = re.compile(r"gemini-(\d+)(?:\.(\d+))?")
_LATEST = (3, 0)
"""What a name without a version (`gemini-flash-latest`) is taken for."""
_LEVELS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
_TIERS = ("standard", "flex", "priority")
_ORDINARY_TIERS = (None, "auto", "default", "standard_only")
_EXTENSIONS = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "pdf": "application/pdf",
    "mp3": "audio/mp3",
    "wav": "audio/wav",
    "mp4": "video/mp4",
}


def write_request(prompt: Prompt, target: RequestTarget) -> tuple[JsonObject, list[Loss]]:
    """Write the object of a request, and say what was lost. Raises Untranslatable."""
    if is_own(prompt):
        return write_own(prompt, target)
    refuse(prompt)
    model = target.model or prompt.model or ""
    arranged = arrange(prompt.messages, takes_late_system=False)
    writer = _Writer(arranged, version_of(model))
    body: JsonObject = {"contents": [content for turn in arranged.turns for content in writer.turn(turn)]}
    system = writer.system()
    if system:
        body["systemInstruction"] = {"parts": system}
    _add_tools(body, prompt, arranged, writer.losses)
    _add_settings(body, prompt, model, writer.losses)
    _add_losses(prompt, writer.losses)
    return body, writer.losses


def version_of(model: str) -> tuple[int, int]:
    """Read the version out of a model's name."""
    found = _VERSION.search(model)
    if found is None:
        return _LATEST if "gemini" in model and "latest" in model else (0, 0)
    return int(found[1]), int(found[2] or 0)


class _Writer:
    """Writes the contents of one prompt, and gathers what is lost."""

    def __init__(self, arranged: Conversation, version: tuple[int, int]) -> None:
        self.losses = list(arranged.losses)
        self._arranged = arranged
        self._demands_signatures = version >= (3, 0)
        calls = [piece.part for turn in arranged.turns for piece in turn.calls]
        self._names = {call.id: call.name for call in calls if isinstance(call, ToolCall)}

    def system(self) -> list[JsonObject]:
        written: list[JsonObject] = []
        for piece in self._arranged.system:
            if isinstance(piece.part, Text):
                written.append({"text": piece.part.text})
                self._unmarked(piece)
            else:
                self._lose(piece, "a system prompt holds text alone here")
        return written

    def turn(self, turn: Turn) -> list[JsonObject]:
        """Write a turn: what tools gave stands in a content of its own."""
        results = [piece for piece in turn.pieces if _is_result(piece.part)]
        rest = [piece for piece in turn.pieces if not _is_result(piece.part)]
        written: list[JsonObject] = []
        if results:
            written.append({"role": "user", "parts": [self._result(piece) for piece in results]})
        parts = [part for piece in rest for part in self._part(piece, turn.role)]
        said = write_parts(parts)
        if self._demands_signatures:
            _sign_first_call(said)
        if said:
            written.append({"role": "model" if turn.role == "assistant" else "user", "parts": said})
        return written

    def _lose(self, piece: Piece, reason: str) -> None:
        self.losses.append(Loss(path=message_path(piece.message, piece.position), reason=reason))

    def _unmarked(self, piece: Piece) -> None:
        inner = piece.part.parts if isinstance(piece.part, ToolResult) else []
        if any(part.cache is not None for part in (piece.part, *inner)):
            path = message_path(piece.message, piece.position) + ".cache_control"
            self.losses.append(Loss(path=path, reason="Gemini has no cache marks"))

    def _part(self, piece: Piece, role: str) -> list[AnyPart]:
        """Give what is written of a part, without what only its own dialect knows."""
        self._unmarked(piece)
        part = piece.part
        match part:
            case Text():
                if part.annotations:
                    self._lose(piece, "citations of another kind cannot be sent back")
                return [Text(text=part.text)]
            case Refusal():
                return [Text(text=part.text)] if part.text.strip() else []
            case Reasoning():
                if role == "assistant" and is_native(part, NAME):
                    return [msgspec.structs.replace(part, extra={})]
                if part.text or part.summary or part.signature or part.encrypted:
                    self._lose(piece, "what another model thought bears no seal that this one takes")
                return []
            case ToolCall(kind="server") | ToolResult() | Other():
                self._lose(piece, "what another provider's service did has no like here")
                return []
            case ToolCall():
                return [msgspec.structs.replace(part, extra={})]
            case Media():
                return [self._media(part)]

    def _result(self, piece: Piece) -> JsonObject:
        self._unmarked(piece)
        part = piece.part
        assert isinstance(part, ToolResult)
        inner: list[AnyPart] = []
        for one in part.parts:
            if isinstance(one, Text | Refusal):
                inner.append(Text(text=one.text))
            elif isinstance(one, Media):
                inner.append(self._media(one))
            else:
                self._lose(piece, "a tool's result holds text and media here")
        name = part.name or self._names.get(part.call_id) or ""
        return write_part(ToolResult(call_id=part.call_id, name=name, parts=inner, is_error=part.is_error))

    def _media(self, part: Media) -> AnyPart:
        """Write media by their bytes or their address. Raises Untranslatable for files that lie elsewhere."""
        if part.file_id is not None:
            raise Untranslatable(f"file {part.file_id} lies with another provider; send the {part.kind}'s data instead")
        if part.text is not None:
            return Text(text=f"{part.name}\n\n{part.text}" if part.name else part.text)
        mime = part.mime or (sniff(part.data) if part.data else _mime_of(part.url or ""))
        return Media(kind=part.kind, mime=mime or _DEFAULTS[part.kind], data=part.data, url=part.url)


_DEFAULTS = {"image": "image/png", "document": "application/pdf", "audio": "audio/wav", "video": "video/mp4"}


def _mime_of(url: str) -> str | None:
    """Tell the type of what lies at an address by its ending."""
    return _EXTENSIONS.get(url.partition("?")[0].rpartition(".")[2].lower())


def _is_result(part: AnyPart) -> bool:
    return isinstance(part, ToolResult) and part.kind != "server"


def _sign_first_call(parts: list[JsonObject]) -> None:
    """Sign a turn's first call where nobody did; those beside it bear no signature."""
    for part in parts:
        if "functionCall" in part:
            part.setdefault("thoughtSignature", NO_SIGNATURE)
            return


def _add_tools(body: JsonObject, prompt: Prompt, arranged: Conversation, losses: list[Loss]) -> None:
    """Write the functions; a conversation with calls must declare some."""
    functions: list[JsonObject] = []
    for number, tool in enumerate(prompt.tools):
        if tool.kind != "function":
            losses.append(Loss(path=tool_path(number), reason=f"{tool.kind} tools have no like here"))
            continue
        if tool.strict:
            losses.append(Loss(path=tool_path(number, "strict"), reason="Gemini holds no single tool to its schema"))
        if tool.cache is not None:
            losses.append(Loss(path=tool_path(number, "cache_control"), reason="Gemini has no cache marks"))
        functions.append(write_function(msgspec.structs.replace(tool, extra={})))
    functions = functions or [{"name": name} for name in called_names(arranged)]
    if not functions:
        return
    body["tools"] = [{"functionDeclarations": functions}]
    calling = _calling(prompt.settings.tool_choice, functions)
    if calling:
        body["toolConfig"] = {"functionCallingConfig": calling}
    if prompt.settings.parallel_tools is False:
        losses.append(Loss(path=setting_path("parallel_tools"), reason="there is no such switch here"))


def _calling(choice: Any, functions: list[JsonObject]) -> JsonObject | None:
    names = [function["name"] for function in functions]
    match choice:
        case "auto" | "none":
            return {"mode": choice.upper()}
        case "required":
            return {"mode": "ANY"}
        case {"type": "allowed_tools"}:
            kept, mode = allowed_tools(functions, choice)
            if mode == "required":
                return {"mode": "ANY", "allowedFunctionNames": [function["name"] for function in kept]}
            return {"mode": "NONE"} if mode == "none" else {"mode": "AUTO"}
        case {"name": str(name)} if name in names:
            return {"mode": "ANY", "allowedFunctionNames": [name]}
        case _:
            return None


def _add_settings(body: JsonObject, prompt: Prompt, model: str, losses: list[Loss]) -> None:
    settings = prompt.settings
    stops = [one for one in settings.stop or [] if one]
    if len(stops) > MAX_STOPS:
        losses.append(Loss(path=setting_path("stop"), reason=f"at most {MAX_STOPS} stop sequences are taken here"))
    config = write_config(msgspec.structs.replace(settings, stop=stops[:MAX_STOPS] or None, n=None), {})
    thinking = _thinking(prompt, model, losses)
    if thinking:
        config["thinkingConfig"] = thinking
    form = settings.response_format
    if form is not None:
        config["responseMimeType"] = "application/json"
        if isinstance(form, dict) and form.get("schema") is not None:
            config["responseJsonSchema"] = form["schema"]
    if config:
        body["generationConfig"] = config
    if settings.service_tier in _TIERS:
        body["serviceTier"] = settings.service_tier


def _thinking(prompt: Prompt, model: str, losses: list[Loss]) -> JsonObject:
    """Say how much to think: a level from Gemini 3 on, a budget for 2.5; earlier models do not think."""
    settings, version = prompt.settings, version_of(model)
    effort, budget = settings.effort, settings.thinking_budget
    if effort is None and budget is None:
        return {}
    if version < (2, 5):
        name = "effort" if effort is not None else "thinking_budget"
        losses.append(Loss(path=setting_path(name), reason="the model is not known to think"))
        return {}
    shown = {"includeThoughts": True} if wants_thoughts(prompt) else {}
    if version >= (3, 0):
        word = effort or effort_of(budget or 0)
        return {"thinkingLevel": _LEVELS.get(word, "low"), **shown}
    if effort == "none":
        return {"thinkingBudget": 0}
    return {"thinkingBudget": budget or min(budget_of(effort or "") or 8192, 24576), **shown}


def _add_losses(prompt: Prompt, losses: list[Loss]) -> None:
    """Note the settings that have no word here."""
    settings = prompt.settings
    if settings.user:
        losses.append(Loss(path=setting_path("user"), reason="a request names no user here"))
    if settings.metadata and set(settings.metadata) != {"user_id"}:
        losses.append(Loss(path=setting_path("metadata"), reason="a request has no metadata here"))
    if settings.service_tier not in (*_ORDINARY_TIERS, *_TIERS):
        losses.append(Loss(path=setting_path("service_tier"), reason=f"there is no tier {settings.service_tier} here"))
    losses += [
        Loss(path=f"{message_path(number)}.name", reason="speakers have no names here")
        for number, message in enumerate(prompt.messages)
        if message.name
    ]
