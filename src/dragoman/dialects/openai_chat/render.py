"""Prompts written as Chat requests: those of Chat to the letter, those of other dialects in Chat's words.

Promise: what OpenAI's own models refuse with 400 is left out with a Loss, or raised as Untranslatable where it would
change the answer. Facts: wire-facts 7.1; openai 3.52.0, `CompletionCreateParams`.
"""

import re
from hashlib import sha256
from typing import Any

import msgspec

from dragoman.canonical import Loss, Prompt, Tool
from dragoman.dialects.base import Rendered, RequestTarget
from dragoman.dialects.efforts import effort_of
from dragoman.dialects.losses import no_such_tool, setting_path, tool_path
from dragoman.dialects.openai_chat.noted import is_own, own_body
from dragoman.dialects.openai_chat.parts import PartWriter
from dragoman.dialects.openai_chat.settings import write_response_format, write_tool_choice
from dragoman.dialects.openai_chat.turns import Arranger
from dragoman.dialects.openai_chat.wire import own_message, write_tool
from dragoman.dialects.openai_models import takes_cache_breakpoints, thinks
from dragoman.dialects.stateful import refuse_stored
from dragoman.dialects.values import JsonObject, object_of, objects_of, text_of, to_json

_MAX_STOPS = 4
_MAX_USER = 64
_OLD_MODEL = re.compile(r"(?:^|/)(?:gpt-[34]|chatgpt-4|gpt-5[\w.]*-chat)")
_FIXED_SAMPLING = re.compile(r"(?:^|/)(?:o\d|gpt-5(?![.\d])(?!.*-chat))")
_CAN_REST = re.compile(r"(?:^|/)gpt-(?:5\.[1-9]|[6-9]|\d\d)")
"""Models that take `reasoning_effort: none`: those after gpt-5. openai 3.52.0, `ReasoningEffort`"""
_COMMON_EFFORTS = {"minimal": "low", "xhigh": "high", "max": "high"}
"""Servers that speak Chat know low, medium and high; OpenAI's own models more and more."""
_TIERS = {"standard_only": "default", "auto": "auto"}
"""Anthropic's service tiers."""

_RESPONSES_FIELDS = ("prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "moderation")
"""Fields that Responses and Chat share under one name, and that only OpenAI's own servers know."""


def render_request(prompt: Prompt, target: RequestTarget) -> Rendered:
    """Write a request; see base.Dialect."""
    if is_own(prompt):
        return Rendered(to_json(own_body(prompt, target.model)).encode())
    losses: list[Loss] = []
    body = _Renderer(prompt, target, losses).body()
    return Rendered(to_json(body).encode(), losses)


class _Renderer:
    """Writes one prompt of another dialect."""

    def __init__(self, prompt: Prompt, target: RequestTarget, losses: list[Loss]) -> None:
        self._prompt = prompt
        self._target = target
        self._model = target.model or prompt.model or ""
        self._losses = losses
        self._chosen: Any = prompt.settings.tool_choice
        """The choice of tools, as it is once `allowed_tools` was taken up."""

    def body(self) -> JsonObject:
        refuse_stored(self._prompt)
        is_openai = self._target.is_openai
        takes_marks = is_openai and takes_cache_breakpoints(self._model)
        writer = PartWriter(self._losses, is_openai=is_openai, takes_marks=takes_marks)
        arranger = Arranger(writer, self._losses, is_openai=is_openai)
        body: JsonObject = {"model": self._model}
        body["messages"] = [own_message(message) for message in arranger.messages(self._prompt)]
        tools = self._tools()
        if tools:
            body["tools"] = tools
            body |= self._tool_settings()
        body |= self._limits() | self._thinking() | self._who()
        body |= write_response_format(self._prompt.settings.response_format)
        body |= self._shared_with_responses()
        if self._target.is_streamed:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return body

    def _tools(self) -> list[Any]:
        written: list[Any] = []
        allowed = self._allowed()
        for number, tool in enumerate(self._prompt.tools):
            if tool.kind == "server" or (tool.kind == "custom" and not self._target.is_openai):
                self._lose(tool_path(number), no_such_tool(tool))
            elif allowed is None or tool.name in allowed:
                if tool.cache is not None:
                    self._lose(tool_path(number, "cache_control"), "the model takes no cache mark here")
                written.append(write_tool(_plain_tool(tool)))
        return written

    def _allowed(self) -> set[str] | None:
        """Take up `allowed_tools` of Responses: OpenAI gets it as it is, others only the tools that are allowed."""
        choice = self._prompt.settings.tool_choice
        if not isinstance(choice, dict) or choice.get("type") != "allowed_tools":
            return None
        listed = objects_of(choice, "tools")
        mode = text_of(choice, "mode") or "auto"
        if not self._target.is_openai:
            self._chosen = mode
            return {name for one in listed if (name := text_of(one, "name"))}
        tools = [{"type": "function", "function": {"name": one["name"]}} for one in listed if text_of(one, "name")]
        self._chosen = {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}
        return None

    def _tool_settings(self) -> JsonObject:
        """Write what would be refused without tools."""
        fields: JsonObject = {}
        choice = self._chosen
        is_known = not isinstance(choice, dict) or "name" in choice or choice.get("type") == "allowed_tools"
        if is_known:
            customs = {tool.name for tool in self._prompt.tools if tool.kind == "custom"}
            is_custom = isinstance(choice, dict) and choice.get("name") in customs
            if isinstance(choice, dict) and "name" in choice:
                choice = {"name": choice["name"]}
            fields |= write_tool_choice(choice, is_custom=is_custom)
        else:
            self._lose(setting_path("tool_choice"), "the model has no such tool to choose")
        if self._prompt.settings.parallel_tools is not None:
            fields["parallel_tool_calls"] = self._prompt.settings.parallel_tools
        return fields

    def _limits(self) -> JsonObject:
        settings = self._prompt.settings
        fields: JsonObject = {}
        if settings.max_tokens is not None:
            # OpenAI's reasoning models refuse `max_tokens`, most other servers know nothing else (litellm#13381)
            takes_new = self._target.is_openai or thinks(self._model)
            fields["max_completion_tokens" if takes_new else "max_tokens"] = settings.max_tokens
        is_fixed = self._target.is_openai and bool(_FIXED_SAMPLING.search(self._model))
        for name, value in (("temperature", settings.temperature), ("top_p", settings.top_p)):
            if value is None or (is_fixed and value == 1):
                continue
            if is_fixed:
                self._lose(setting_path(name), "the model takes no other value than 1")
            else:
                fields[name] = value
        if settings.top_k is not None:
            self._lose(setting_path("top_k"), "Chat has no such field")
        if settings.stop:
            fields["stop"] = settings.stop[:_MAX_STOPS]
            if len(settings.stop) > _MAX_STOPS:
                self._lose(setting_path("stop"), f"Chat takes {_MAX_STOPS} stop sequences; later ones were left out")
        for name in ("seed", "n"):
            if getattr(settings, name) is not None:
                fields[name] = getattr(settings, name)
        return fields

    def _thinking(self) -> JsonObject:
        settings = self._prompt.settings
        effort = settings.effort
        if effort is None and settings.thinking_budget is not None:
            effort = effort_of(settings.thinking_budget)
        if effort is None:
            return {}
        if self._target.is_openai and _OLD_MODEL.search(self._model):
            name = "effort" if settings.effort is not None else "thinking_budget"
            self._lose(setting_path(name), "the model does not think")
            return {}
        if effort == "none" and self._target.is_openai and not _CAN_REST.search(self._model):
            self._lose(setting_path("effort"), "the model cannot be told not to think")
            return {}
        nearest = effort if self._target.is_openai else _COMMON_EFFORTS.get(effort, effort)
        if nearest != effort:
            self._lose(setting_path("effort"), f"{nearest} is the nearest that such servers know")
        return {"reasoning_effort": nearest}

    def _who(self) -> JsonObject:
        """Write user and tier. OpenAI takes at most 64 signs for a user (Claude Code sends more)."""
        settings = self._prompt.settings
        fields: JsonObject = {}
        if settings.user:
            is_long = len(settings.user) > _MAX_USER
            fields["user"] = sha256(settings.user.encode()).hexdigest() if is_long else settings.user
            if is_long:
                self._lose(setting_path("user"), f"longer than {_MAX_USER} signs; its hash was sent")
        tier = settings.service_tier
        if tier is not None and self._target.is_openai:
            fields["service_tier"] = _TIERS.get(tier, tier)
        elif tier not in (None, "auto", "default", "standard_only"):
            self._lose(setting_path("service_tier"), "the server has no such tiers")
        return fields

    def _shared_with_responses(self) -> JsonObject:
        """Take over what Responses has under the same name, for OpenAI's own servers."""
        kept = self._prompt.extra.get("openai_responses", {})
        fields = {key: kept[key] for key in _RESPONSES_FIELDS if kept.get(key) is not None}
        verbosity = object_of(kept, "text").get("verbosity")
        if verbosity is not None:
            fields["verbosity"] = verbosity
        if kept.get("top_logprobs"):
            fields |= {"logprobs": True, "top_logprobs": kept["top_logprobs"]}
        metadata = self._prompt.settings.metadata
        if kept.get("store") is True:
            fields["store"] = True
            if metadata and "openai_responses" in self._prompt.extra:
                fields["metadata"] = metadata
        elif metadata and "openai_responses" in self._prompt.extra:
            self._lose(setting_path("metadata"), "Chat takes metadata only of replies that are stored")
        if self._target.is_openai:
            return fields
        for key in fields:
            path = "$.text.verbosity" if key == "verbosity" else f"$.{key}"
            if key != "logprobs":
                self._lose(path, "only OpenAI's own servers take it")
        return {}

    def _lose(self, path: str, reason: str) -> None:
        self._losses.append(Loss(path=path, reason=reason))


def _plain_tool(tool: Tool) -> Tool:
    """Leave away what others know of a tool; OpenAI refuses an object's schema that names no properties."""
    schema = tool.schema
    if tool.kind == "function" and isinstance(schema, dict) and schema.get("type") == "object":
        schema = schema if "properties" in schema else {**schema, "properties": {}}
    return msgspec.structs.replace(tool, schema=schema, extra={}, cache=None)
