"""Any conversation, from each dialect to each other and back: what is not listed as lost is the same at each step."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from dragoman.canonical import Loss, Prompt
from dragoman.dialects import ALL
from dragoman.dialects.base import RequestTarget
from dragoman.dialects.loss_tables import SETTINGS
from dragoman.dialects.losses import family
from dragoman.dialects.translate import DIALECTS, read_prompt, translate_request
from fakes.conversations import prompts
from fakes.meaning import conversation, is_without_tools, settled

ENDPOINTS = {
    "openai_responses": "responses",
    "anthropic_messages": "messages",
    "bedrock_invoke": "invoke",
    "bedrock_converse": "converse",
    "gemini_generate": "generate",
}
STREAMED = {"invoke": "invoke_stream", "converse": "converse_stream", "generate": "stream_generate"}
"""Endpoints whose path says that the reply is streamed."""
PAIRS = [pytest.param(*pair, id="-".join(pair)) for pair in itertools.permutations(sorted(DIALECTS), 2)]

DEFAULTED = {"max_tokens"}
"""Settings that a dialect demands: it gets a default where none was given."""

ALIASES = {"effort": ("effort", "thinking_budget")}


def read(dialect: str, path: str, body: bytes, *, is_streamed: bool) -> Prompt:
    endpoint = ENDPOINTS.get(dialect, "chat")
    return read_prompt(dialect, STREAMED.get(endpoint, endpoint) if is_streamed else endpoint, path, body)


def written(dialect: str, prompt: Prompt) -> Prompt:
    """Put a canonical conversation into a dialect: what its client might have sent."""
    body = ALL[dialect].render_request(prompt, RequestTarget(model="m", is_streamed=prompt.is_streamed)).body
    path = ALL[dialect].path("m", is_streamed=prompt.is_streamed)
    return read(dialect, path, body, is_streamed=prompt.is_streamed)


def translated(source: str, target: str, prompt: Prompt) -> tuple[Prompt, list[Loss]]:
    to = RequestTarget(model="m", is_streamed=prompt.is_streamed)
    request = translate_request(source, target, prompt, to)
    return read(target, request.path, request.body, is_streamed=prompt.is_streamed), request.losses


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
