"""Any conversation, from each dialect to each other and back: what is not listed as lost is the same at each step."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from dragoman.canonical import AnyPart, Loss, Media, Message, Prompt, Text, ToolCall, ToolResult
from dragoman.dialects import ALL
from dragoman.dialects.base import RequestTarget
from dragoman.dialects.efforts import effort_of
from dragoman.dialects.loss_tables import SETTINGS
from dragoman.dialects.losses import family
from dragoman.dialects.translate import DIALECTS, read_prompt, translate_request
from fakes.conversations import prompts
from fakes.meaning import compact

ENDPOINTS = {"openai_responses": "responses", "anthropic_messages": "messages", "bedrock_invoke": "invoke"}
PAIRS = [pytest.param(*pair, id="-".join(pair)) for pair in itertools.permutations(sorted(DIALECTS), 2)]

DEFAULTED = {"max_tokens"}
"""Settings that a dialect demands: it gets a default where none was given."""

ALIASES = {"effort": ("effort", "thinking_budget")}

Said = list[tuple[Any, ...]]


def read(dialect: str, path: str, body: bytes, *, is_streamed: bool) -> Prompt:
    endpoint = ENDPOINTS.get(dialect, "chat")
    return read_prompt(dialect, f"{endpoint}_stream" if endpoint == "invoke" and is_streamed else endpoint, path, body)


def written(dialect: str, prompt: Prompt) -> Prompt:
    """Put a canonical conversation into a dialect: what its client might have sent."""
    body = ALL[dialect].render_request(prompt, RequestTarget(model="m", is_streamed=prompt.is_streamed)).body
    path = ALL[dialect].path("m", is_streamed=prompt.is_streamed)
    return read(dialect, path, body, is_streamed=prompt.is_streamed)


def translated(source: str, target: str, prompt: Prompt) -> tuple[Prompt, list[Loss]]:
    to = RequestTarget(model="m", is_streamed=prompt.is_streamed)
    request = translate_request(source, target, prompt, to)
    return read(target, request.path, request.body, is_streamed=prompt.is_streamed), request.losses


def conversation(prompt: Prompt) -> Said:
    """Say what a conversation holds, in order; what was thought is left out, since only its maker takes it back."""
    said: Said = []
    calls: dict[str | None, int] = {}
    for message in prompt.messages:
        for part in message.parts:
            _say(part, message, said, calls)
    return said


def _say(part: AnyPart, message: Message, said: Said, calls: dict[str | None, int]) -> None:
    role = "system" if message.role == "developer" else message.role
    match part:
        case Text():
            if said and said[-1][0] == role:
                said[-1] = (role, said[-1][1] + part.text)
            else:
                said.append((role, part.text))
        case ToolCall():
            calls[part.id] = len(calls)
            said.append(("call", calls[part.id], part.name, compact(part.arguments)))
        case ToolResult():
            text = "".join(one.text for one in part.parts if isinstance(one, Text))
            is_error = part.is_error or text.startswith("Error: ")
            said.append(("result", calls[part.call_id], text.removeprefix("Error: "), is_error))
            said += [("media", one.kind, one.data) for one in part.parts if isinstance(one, Media)]
        case Media():
            said.append(("media", part.kind, part.data))
        case _:
            pass


def settled(prompt: Prompt) -> dict[str, Any]:
    """Say what is set, in one way for what has several."""
    settings = prompt.settings
    found = {
        name: getattr(settings, name)
        for name in ("max_tokens", "temperature", "top_p", "stop", "seed", "tool_choice", "parallel_tools")
    }
    budget = settings.thinking_budget
    found["effort"] = settings.effort or (effort_of(budget) if budget else None)
    form = settings.response_format
    found["response_format"] = form.get("schema") if isinstance(form, dict) else form
    if is_without_tools(prompt):
        found |= {"tool_choice": None, "parallel_tools": None}
    if found["tool_choice"] == "auto":
        found["tool_choice"] = None
    if found["parallel_tools"]:
        found["parallel_tools"] = None
    return {**found, "is_streamed": prompt.is_streamed, "model": prompt.model}


def is_without_tools(prompt: Prompt) -> bool:
    """Say whether the model may call nothing: a dialect without that word leaves the tools out."""
    return not prompt.tools or prompt.settings.tool_choice == "none"


def check_step(source: str, before: Prompt, after: Prompt, losses: list[Loss]) -> None:
    """Compare two prompts, but for what is listed."""
    if not is_without_tools(before):
        assert [(tool.name, tool.schema) for tool in before.tools] == [(tool.name, tool.schema) for tool in after.tools]
    assert conversation(before) == conversation(after)
    lost = {loss.path for loss in losses}
    was, now = settled(before), settled(after)
    places = SETTINGS[family(source)]
    for name in _differing(was, now):
        is_default = name in DEFAULTED and was[name] is None
        # Anthropic wants a budget below the limit of the reply: a high effort with a small limit becomes a lower one.
        is_lowered = name == "effort" and was[name] and now[name]
        named = {places.get(one, f"$.{one}") for one in ALIASES.get(name, (name,))}
        assert is_default or is_lowered or named & lost, (name, was[name], now[name], losses)


def _differing(was: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    return (name for name, value in was.items() if value != now[name])


@pytest.mark.parametrize(("source", "target"), PAIRS)
@bounded(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
@given(data=st.data())
def test_a_conversation_goes_there_and_back(source: str, target: str, data: st.DataObject) -> None:
    asked = written(source, data.draw(prompts(has_images_in_results="openai_chat" not in (source, target))))
    there, losses = translated(source, target, asked)
    check_step(source, asked, there, losses)
    back, losses = translated(target, source, there)
    check_step(target, there, back, losses)
