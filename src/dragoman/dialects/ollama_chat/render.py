"""Prompts written as Ollama's chat requests: its own to the letter, those of other dialects in its words.

Ollama answers a model that does not think with 400 when it is told to; `think` goes to those known to. Its context
is as long as the server was told (`num_ctx`), and what is too long is cut in silence: that is not changed here.
Facts: ollama 0.6.3, `ChatRequest`; https://github.com/ollama/ollama/blob/main/docs/api.md, seen 2026-11-21.
"""

import base64
import binascii
import re
from typing import Any

import msgspec

from dragoman.canonical import (
    AnyPart,
    Loss,
    Media,
    Message,
    Prompt,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from dragoman.dialects.base import Rendered, RequestTarget, Untranslatable
from dragoman.dialects.call_ids import with_call_ids
from dragoman.dialects.efforts import effort_of
from dragoman.dialects.losses import message_path, no_such_tool, setting_path, tool_path
from dragoman.dialects.ollama_chat.request import is_own, own_body
from dragoman.dialects.ollama_chat.settings import OPTIONS, write_format
from dragoman.dialects.ollama_chat.wire import write_message, write_tool
from dragoman.dialects.stateful import refuse_stored
from dragoman.dialects.values import JsonObject, objects_of, text_of, to_json

_LEVELS = re.compile(r"gpt-oss")
_THINKERS = re.compile(
    r"gpt-oss|qwen3|qwq|deepseek-(?:r|v3)|magistral|think|cogito|glm|granite|kimi|minimax|nemotron|r1"
)
_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
_UNKNOWN = (("service_tier", ("auto", "default", "standard_only")), ("user", ()), ("parallel_tools", (True,)))
"""Settings that Ollama has no word for, and values that it need not have a word for."""


def render_request(prompt: Prompt, target: RequestTarget) -> Rendered:
    """Write a request; see base.Dialect."""
    if is_own(prompt):
        return Rendered(to_json(own_body(prompt, target.model)).encode())
    losses: list[Loss] = []
    return Rendered(to_json(_Renderer(with_call_ids(prompt), target, losses).body()).encode(), losses)


class _Renderer:
    """Writes one prompt of another dialect."""

    def __init__(self, prompt: Prompt, target: RequestTarget, losses: list[Loss]) -> None:
        self._prompt = prompt
        self._target = target
        self._model = target.model or prompt.model or ""
        self._losses = losses

    def body(self) -> JsonObject:
        refuse_stored(self._prompt)
        settings = self._prompt.settings
        if (settings.n or 1) > 1:
            raise Untranslatable(f"found n = {settings.n}, but Ollama gives one reply; ask several times instead")
        body: JsonObject = {"model": self._model, "messages": self._messages(), "stream": self._target.is_streamed}
        tools = self._tools()
        if tools:
            body["tools"] = tools
        options = {key: getattr(settings, name) for name, key in OPTIONS.items() if getattr(settings, name) is not None}
        if options:
            body["options"] = options
        if settings.response_format is not None:
            body["format"] = write_format(settings.response_format)
        for name, meaningless in _UNKNOWN:
            value = getattr(settings, name)
            if value is not None and value not in meaningless:
                self._lose(setting_path(name), "Ollama has no such setting")
        if settings.metadata and settings.metadata.keys() != {"user_id"}:
            self._lose(setting_path("metadata"), "Ollama has no such setting")
        return body | self._think()

    def _think(self) -> JsonObject:
        settings = self._prompt.settings
        effort = settings.effort
        if effort is None and settings.thinking_budget is not None:
            effort = effort_of(settings.thinking_budget)
        if effort is None:
            return {}
        if effort == "none":
            return {"think": False}
        if not _THINKERS.search(self._model):
            name = "effort" if settings.effort is not None else "thinking_budget"
            self._lose(setting_path(name), "the model is not known to think, and would refuse to be told so")
            return {}
        return {"think": _EFFORTS.get(effort, "medium") if _LEVELS.search(self._model) else True}

    def _tools(self) -> list[JsonObject]:
        """Write functions; who may be called is told by which there are, since there is no `tool_choice`."""
        choice = self._prompt.settings.tool_choice
        allowed = _allowed(choice)
        if choice == "required" or (isinstance(choice, dict) and allowed != set()):
            self._lose(setting_path("tool_choice"), "Ollama cannot be told to call a tool")
        written: list[JsonObject] = []
        for number, tool in enumerate(self._prompt.tools):
            if tool.kind != "function":
                self._lose(tool_path(number), no_such_tool(tool))
            elif allowed is None or tool.name in allowed:
                written.append(self._tool(number, tool))
        return written

    def _tool(self, number: int, tool: Tool) -> JsonObject:
        if tool.strict:
            self._lose(tool_path(number, "strict"), "Ollama holds no model to a tool's schema")
        if tool.cache is not None:
            self._lose(tool_path(number, "cache_control"), "Ollama has no cache marks")
        return write_tool(msgspec.structs.replace(tool, extra={}))

    def _messages(self) -> list[JsonObject]:
        written: list[JsonObject] = []
        for number, message in enumerate(self._prompt.messages):
            results: list[Message] = []
            said: list[AnyPart] = []
            for position, part in enumerate(message.parts):
                self._unmarked(number, position, part)
                if isinstance(part, ToolResult) and part.kind != "server":
                    results.append(Message(role="tool", parts=[self._result(number, position, part)]))
                else:
                    said += self._part(number, position, part)
            written += [write_message(result) for result in results]
            role = "system" if message.role == "developer" else "user" if message.role == "tool" else message.role
            if any(not isinstance(part, Reasoning) for part in said):
                self._add(written, write_message(Message(role=role, parts=said)))
        return written

    def _add(self, written: list[JsonObject], message: JsonObject) -> None:
        """Add a message, or join it to the one before, when a dialect has one for each call."""
        last = written[-1] if written else {}
        if last.get("role") != message["role"] or message["role"] not in ("assistant", "system"):
            written.append(message)
            return
        for key in ("content", "thinking"):
            texts = [one[key] for one in (last, message) if one.get(key)]
            if texts:
                last[key] = "\n\n".join(texts)
        for key in ("images", "tool_calls"):
            if key in message:
                last[key] = [*last.get(key, []), *message[key]]

    def _part(self, number: int, position: int, part: AnyPart) -> list[AnyPart]:
        match part:
            case Text():
                if part.annotations:
                    self._lose(message_path(number, position) + ".annotations", "Ollama has no citations")
                return [Text(text=part.text)] if part.text.strip() else []
            case Refusal():
                return [Text(text=part.text)]
            case Reasoning():
                if part.signature or part.encrypted:
                    self._lose(message_path(number, position), "the seal belongs to another maker's models")
                text = part.text or part.summary
                return [Reasoning(text=text)] if text else []
            case ToolCall() if part.kind != "server":
                name = part.name
                arguments = to_json({"input": part.arguments}) if part.kind == "custom" else part.arguments
                return [ToolCall(id=part.id, name=name, arguments=arguments)]
            case Media():
                return [self._media(number, position, part)]
            case _:
                self._lose(message_path(number, position), "Ollama has no such part")
                return []

    def _result(self, number: int, position: int, result: ToolResult) -> ToolResult:
        parts = [one for part in result.parts for one in self._part(number, position, part)]
        first = parts[0].text if parts and isinstance(parts[0], Text) else ""
        if result.is_error and not first.lstrip().lower().startswith("error"):
            parts[: 1 if first else 0] = [Text(text=f"Error: {first}" if first else "Error")]
        return ToolResult(call_id=result.call_id, name=result.name, parts=parts)

    def _media(self, number: int, position: int, media: Media) -> AnyPart:
        """Ollama takes images as data; files of text are said as text."""
        where = message_path(number, position)
        if media.kind == "image" and media.data is not None:
            return Media(kind="image", data=media.data)
        if media.kind == "image":
            raise Untranslatable(f"{where}: found an image's URL or file id, but Ollama takes data only")
        text = _text_of(media)
        if media.kind != "document" or text is None:
            raise Untranslatable(f"{where}: found {media.kind} of type {media.mime}, but Ollama takes images and text")
        return Text(text=f"{media.name}\n\n{text}" if media.name else text)

    def _unmarked(self, number: int, position: int, part: AnyPart) -> None:
        inner = part.parts if isinstance(part, ToolResult) else []
        if part.cache is not None or any(one.cache is not None for one in inner):
            self._lose(message_path(number, position) + ".cache_control", "Ollama has no cache marks")

    def _lose(self, path: str, reason: str) -> None:
        self._losses.append(Loss(path=path, reason=reason))


def _allowed(choice: Any) -> set[str] | None:
    """Name the tools that a choice leaves; None leaves all."""
    if choice == "none":
        return set()
    if not isinstance(choice, dict):
        return None
    if choice.get("type") == "allowed_tools":
        return {name for one in objects_of(choice, "tools") if (name := text_of(one, "name"))}
    name = text_of(choice, "name")
    return {name} if name else None


def _text_of(media: Media) -> str | None:
    if media.text is not None:
        return media.text
    if media.data is None or not (media.mime or "").startswith(("text/", "application/json")):
        return None
    try:
        return base64.b64decode(media.data).decode("utf-8", "replace")
    except binascii.Error:
        return None
