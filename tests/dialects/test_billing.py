"""Claude Code's note for Anthropic's billing reaches nobody else, and is a loss of one line."""

import json
from typing import Any

import pytest

from dragoman.dialects.base import RequestTarget
from dragoman.dialects.translate import read_prompt, translate_request

NOTE = "x-anthropic-billing-header: cc_version=2.1.197.9d2; cc_entrypoint=sdk-cli; cch=0a1b2;"
OTHERS = ["openai_chat", "openai_responses", "ollama_chat"]


def written(system: Any, target: str) -> tuple[str, list[str]]:
    body = {"model": "m", "max_tokens": 9, "system": system, "messages": [{"role": "user", "content": NOTE}]}
    prompt = read_prompt("anthropic_messages", "messages", "/v1/messages", json.dumps(body).encode())
    request = translate_request("anthropic_messages", target, prompt, RequestTarget(model="x", is_streamed=False))
    return request.body.decode(), [one.path for one in request.losses]


@pytest.mark.parametrize("target", OTHERS)
def test_a_block_of_its_own_is_left_out(target: str) -> None:
    body, losses = written([{"type": "text", "text": NOTE}, {"type": "text", "text": "Be brief."}], target)
    assert body.count("x-anthropic-billing-header") == 1  # what the user says stays
    assert '"Be brief."' in body
    assert losses == ["$.system[0]"]


@pytest.mark.parametrize("target", OTHERS)
def test_a_line_at_the_head_of_a_text_is_left_out(target: str) -> None:
    body, losses = written(f"{NOTE}\n\nBe brief.", target)
    assert '"Be brief."' in body
    assert losses == ["$.system"]


def test_claude_on_bedrock_gets_it() -> None:
    body, losses = written([{"type": "text", "text": NOTE}], "bedrock_invoke")
    assert body.count("x-anthropic-billing-header") == 2
    assert losses == []
