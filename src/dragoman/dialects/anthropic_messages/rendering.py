"""A Prompt written as a request of Messages: one of this dialect as it came, one of another's repaired to fit.

Promise: a prompt that was read from this dialect gives its body again, but for the model's name and for what
another model thought; no request is written that Anthropic is known to refuse.
Facts: wire-facts 7.1; limits of the models in `generations`.
"""

import re
from typing import Any

import msgspec

from dragoman.canonical import Loss, Message, Prompt, Reasoning, Settings
from dragoman.dialects.anthropic_messages.content import NAME
from dragoman.dialects.anthropic_messages.foreign import ForeignWriter, limit_marks
from dragoman.dialects.anthropic_messages.generations import Abilities, abilities_of
from dragoman.dialects.anthropic_messages.settings import write_tool_choice
from dragoman.dialects.anthropic_messages.wire import is_own, write_own_body
from dragoman.dialects.base import RequestTarget, Untranslatable
from dragoman.dialects.efforts import budget_of
from dragoman.dialects.losses import message_path, setting_path
from dragoman.dialects.seals import MAKERS
from dragoman.dialects.values import JsonObject

MIN_BUDGET = 1024
"""The smallest `budget_tokens` [Anthropic, 400 below]."""
_MAX_GUESSED = 32_000
"""A limit of ours is never above this: the smallest that models which think have."""

_PERSONAL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|\+?\d[\d ()/-]{7,}\d")
"""An e-mail address or a telephone number: `metadata.user_id` must be neither [Anthropic's API reference]."""

Written = tuple[JsonObject, list[Loss]]


def write_request(prompt: Prompt, target: RequestTarget, *, takes_urls: bool = True) -> Written:
    """Write the object of a request, and say what was lost. Raises Untranslatable."""
    model = target.model or prompt.model or ""
    is_streamed = target.is_streamed or prompt.is_streamed
    body, losses = _own(prompt) if is_own(prompt) else _foreign(prompt, target, model, takes_urls=takes_urls)
    if model:
        body["model"] = model
    if is_streamed:
        body["stream"] = True
    return body, losses


def _own(prompt: Prompt) -> Written:
    """Write a prompt of this dialect; what other models thought, which its client carried, stays out."""
    losses: list[Loss] = []
    messages = [_without_foreign_seals(number, message, losses) for number, message in enumerate(prompt.messages)]
    if not losses:
        return write_own_body(prompt), losses
    kept = [message for message in messages if message.parts]
    body = write_own_body(msgspec.structs.replace(prompt, messages=kept))
    if _is_asked_to_think(body) and _misses_thinking(body):
        del body["thinking"]
        losses.append(Loss(path="$.thinking", reason=_NO_SEAL))
        _keep_thoughts(body, losses)
    return body, losses


_NO_SEAL = "the last turn calls tools, and what was thought before them bears no seal of this model"


def _keep_thoughts(body: JsonObject, losses: list[Loss]) -> None:
    """Leave out the order to clear old thinking away, which is refused without `thinking`.

    Anthropic: "`clear_thinking_20251015` strategy requires `thinking` to be enabled or adaptive".
    https://github.com/router-for-me/CLIProxyAPI/issues/4784, seen 2026-11-21
    """
    managed = body.get("context_management")
    if not isinstance(managed, dict) or not isinstance(edits := managed.get("edits"), list):
        return
    kept = [one for one in edits if not (isinstance(one, dict) and str(one.get("type")).startswith("clear_thinking"))]
    if len(kept) == len(edits):
        return
    losses.append(Loss(path="$.context_management", reason="thinking can be cleared away only while the model thinks"))
    body["context_management"] = {**managed, "edits": kept}
    if not kept:
        del body["context_management"]


def _without_foreign_seals(number: int, message: Message, losses: list[Loss]) -> Message:
    maker = MAKERS[NAME]
    parts = []
    for position, part in enumerate(message.parts):
        if isinstance(part, Reasoning) and part.maker not in (None, maker):
            reason = "what another model thought bears no seal that this one takes"
            losses.append(Loss(path=message_path(number, position), reason=reason))
        else:
            parts.append(part)
    return message if len(parts) == len(message.parts) else msgspec.structs.replace(message, parts=parts)


def _is_asked_to_think(body: JsonObject) -> bool:
    thinking = body.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") != "disabled"


def _misses_thinking(body: JsonObject) -> bool:
    """Say whether the model's last turn calls tools without a thinking block before them."""
    answers = [one for one in body["messages"] if isinstance(one, dict) and one.get("role") == "assistant"]
    content = answers[-1].get("content") if answers else None
    kinds = [block.get("type") for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    return "tool_use" in kinds and kinds[0] not in ("thinking", "redacted_thinking")


def _foreign(prompt: Prompt, target: RequestTarget, model: str, *, takes_urls: bool) -> Written:
    settings = prompt.settings
    refuse(prompt)
    abilities = abilities_of(model)
    writer = ForeignWriter(prompt, takes_late_system=abilities.takes_late_system, takes_urls=takes_urls)
    body: JsonObject = {"max_tokens": settings.max_tokens or target.max_tokens, **writer.conversation()}
    losses = writer.losses
    _add_tools(body, writer, settings, losses)
    add_thinking(body, settings, abilities, losses, misses_seal=writer.misses_thinking)
    add_sampling(body, settings, abilities, losses)
    _add_format(body, settings, losses)
    _add_user(body, settings, losses)
    limit_marks(body, losses)
    return body, losses


def refuse(prompt: Prompt) -> None:
    """Raise Untranslatable for what a model of one answer, without a memory, would answer wrongly."""
    if prompt.settings.n is not None and prompt.settings.n > 1:
        raise Untranslatable(f"n is {prompt.settings.n}, and the model behind this route gives one answer; send n: 1")
    if prompt.previous_id is not None:
        raise Untranslatable(
            f"the request continues {prompt.previous_id}, which lies with another provider; send the whole conversation"
        )


def _add_tools(body: JsonObject, writer: ForeignWriter, settings: Settings, losses: list[Loss]) -> None:
    tools, choice = writer.tools(), settings.tool_choice
    if not tools:
        tools = writer.called_tools()
        choice = "none"
    if not tools:
        return
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        tools, choice = allowed_tools(tools, choice)
    names = {tool["name"] for tool in tools}
    if isinstance(choice, dict) and choice.get("name") not in names:
        losses.append(
            Loss(path=setting_path("tool_choice"), reason="the tool that is to be called is none of the tools")
        )
        choice = None
    body["tools"] = tools
    written = write_tool_choice(msgspec.structs.replace(settings, tool_choice=choice))
    if written is not None:
        body["tool_choice"] = written


def allowed_tools(tools: list[JsonObject], choice: JsonObject) -> tuple[list[JsonObject], Any]:
    """Keep the tools that `allowed_tools` names; its mode is the choice. Chat nests what Responses says flat."""
    inner = choice.get("allowed_tools")
    told = inner if isinstance(inner, dict) else choice
    allowed = told.get("tools")
    names = {_name_of(one) for one in allowed} if isinstance(allowed, list) else set()
    kept = [tool for tool in tools if tool["name"] in names]
    return (kept, told.get("mode")) if kept else (tools, "none")


def _name_of(allowed: Any) -> Any:
    if not isinstance(allowed, dict):
        return None
    function = allowed.get("function")
    return function.get("name") if isinstance(function, dict) else allowed.get("name")


def add_thinking(
    body: JsonObject, settings: Settings, abilities: Abilities, losses: list[Loss], *, misses_seal: bool
) -> None:
    """Ask for thought by the words that this generation of models takes."""
    effort, budget = settings.effort, settings.thinking_budget
    if effort in (None, "none") and budget is None:
        return
    path = setting_path("thinking_budget" if effort is None else "effort")
    if abilities.efforts and effort is not None:
        body["output_config"] = {"effort": _nearest(effort, abilities.efforts)}
    problem = _why_not_think(body, abilities, misses_seal=misses_seal)
    if problem is not None:
        losses.append(Loss(path=path, reason=problem))
    elif abilities.is_adaptive:
        body["thinking"] = {"type": "adaptive"}
    else:
        _add_budget(
            body, settings, budget or budget_of(effort or "") or budget_of("medium") or MIN_BUDGET, path, losses
        )


def _why_not_think(body: JsonObject, abilities: Abilities, *, misses_seal: bool) -> str | None:
    if not abilities.thinks:
        return "this model cannot be asked to think"
    if body.get("tool_choice", {}).get("type") in ("any", "tool"):
        return "this model does not think where a tool must be called"
    return _NO_SEAL if misses_seal else None


def _add_budget(body: JsonObject, settings: Settings, budget: int, path: str, losses: list[Loss]) -> None:
    """Write a budget, below `max_tokens`: a limit of the client's stays, ours makes room for the thought."""
    if settings.max_tokens is None:
        budget = min(budget, _MAX_GUESSED - min(body["max_tokens"], _MAX_GUESSED // 2))
        body["max_tokens"] += budget
    else:
        budget = min(budget, settings.max_tokens // 2)
    if budget < MIN_BUDGET:
        reason = f"max_tokens {settings.max_tokens} leaves no room for the least budget, {MIN_BUDGET}"
        losses.append(Loss(path=path, reason=reason))
        return
    body["thinking"] = {"type": "enabled", "budget_tokens": budget}


def _nearest(effort: str, words: tuple[str, ...]) -> str:
    order = ("minimal", "low", "medium", "high", "xhigh", "max")
    if effort in words:
        return effort
    if effort not in order:
        return "medium"
    return min(words, key=lambda word: abs(order.index(word) - order.index(effort)))


def add_sampling(body: JsonObject, settings: Settings, abilities: Abilities, losses: list[Loss]) -> None:
    """Write temperature and the like as far as this generation of models takes them, and stop sequences."""
    found = {name: getattr(settings, name) for name in ("temperature", "top_p", "top_k")}
    sampling = {name: value for name, value in found.items() if value is not None}
    refused: dict[str, str] = {}
    if "thinking" in body or abilities.takes_no_sampler:
        reason = (
            "this model takes no sampling" if abilities.takes_no_sampler else "a model that thinks takes no sampling"
        )
        refused = {name: reason for name, value in sampling.items() if (name, value) != ("temperature", 1)}
    elif abilities.takes_one_sampler and "temperature" in sampling and "top_p" in sampling:
        refused["top_p"] = "this model does not take it together with temperature"
    for name, reason in refused.items():
        losses.append(Loss(path=setting_path(name), reason=reason))
    body.update({name: value for name, value in sampling.items() if name not in refused})
    if abilities.takes_no_sampler:
        body.pop("temperature", None)
    if body.get("temperature", 0) > 1:
        losses.append(
            Loss(path=setting_path("temperature"), reason="1 is the most that is taken here; it was sent as 1")
        )
        body["temperature"] = 1
    if settings.seed is not None:
        losses.append(Loss(path=setting_path("seed"), reason="there is no seed here"))
    _add_stop(body, settings, losses)


def _add_stop(body: JsonObject, settings: Settings, losses: list[Loss]) -> None:
    if not settings.stop:
        return
    sequences = [one for one in settings.stop if one.strip()]
    if len(sequences) < len(settings.stop):
        losses.append(Loss(path=setting_path("stop"), reason="a stop sequence of white space alone is not taken here"))
    if sequences:
        body["stop_sequences"] = sequences


def _add_format(body: JsonObject, settings: Settings, losses: list[Loss]) -> None:
    form = settings.response_format
    if form is None:
        return
    if not isinstance(form, dict) or not isinstance(form.get("schema"), dict):
        losses.append(Loss(path=setting_path("response_format"), reason="there is no JSON mode without a schema here"))
        return
    schema = close_schema(form["schema"])
    if schema != form["schema"]:
        losses.append(Loss(path=setting_path("response_format"), reason="open objects are not taken; they were closed"))
    output = {"type": "json_schema", "schema": schema}
    body["output_config"] = {**body.get("output_config", {}), "format": output}
    if form.get("name"):
        losses.append(Loss(path=f"{setting_path('response_format')}.name", reason="schemas have no names here"))


def close_schema(schema: Any) -> Any:
    """Close every object of a schema: `additionalProperties: false` is demanded [Anthropic, structured outputs]."""
    if isinstance(schema, list):
        return [close_schema(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: close_schema(value) if key not in _VALUES else value for key, value in schema.items()}
    if schema.get("type") == "object" and "additionalProperties" not in schema:
        closed["additionalProperties"] = False
    return closed


_VALUES = ("const", "enum", "default", "examples")
"""Keywords whose values are no schemas."""


def _add_user(body: JsonObject, settings: Settings, losses: list[Loss]) -> None:
    if settings.user:
        if _PERSONAL.fullmatch(settings.user.strip()):
            reason = "it looks like an address or a number of a person, which may not be sent here"
            losses.append(Loss(path=setting_path("user"), reason=reason))
        else:
            body["metadata"] = {"user_id": settings.user[:256]}
    if settings.metadata:
        losses.append(Loss(path=setting_path("metadata"), reason="a request has no metadata but the user here"))
    if settings.service_tier not in (None, "auto", "default", "standard_only"):
        losses.append(Loss(path=setting_path("service_tier"), reason=f"there is no tier {settings.service_tier} here"))
    elif settings.service_tier == "standard_only":
        body["service_tier"] = "standard_only"
