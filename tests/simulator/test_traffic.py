"""The demo's traffic is varied, and what it says the model answered is what the model answered."""

import asyncio
import json
from typing import Any

import pytest

from dragoman.simulator import anthropic_messages, scenes, start
from dragoman.simulator.ask import seed_of
from dragoman.simulator.plan import plan
from dragoman.simulator.traffic import play
from dragoman.tasks import TaskOwner, spawn

EXPECTED = {
    ("/v1/chat/completions", 200),
    ("/v1/chat/completions", 401),
    ("/v1/chat/completions", 429),
    ("/v1/chat/completions", 500),
    ("/v1/messages", 200),
    ("/v1/responses", 200),
    ("/api/chat", 200),
    ("/api/generate", 200),
    ("/api/embed", 200),
    ("/api/tags", 200),
}


async def test_every_dialect_and_mishap_comes_up() -> None:
    server = await start()
    owner = TaskOwner("test")
    try:
        spawn(play(server.url, pace=0, uses_routes=False), name="traffic", owner=owner)
        async with asyncio.timeout(60):
            while not set(server.answered) >= EXPECTED:
                await asyncio.sleep(0.01)
        assert not any(status in (400, 404) for _, status in server.answered), server.answered
    finally:
        await owner.close()
        await server.close()


@pytest.mark.parametrize("tool", [*scenes.CODER_TOOLS], ids=lambda tool: tool["name"])
def test_tool_calls_have_the_arguments_that_the_schema_asks_for(tool: dict[str, Any]) -> None:
    body = {
        "model": "m",
        "max_tokens": 10_000,
        "messages": [{"role": "user", "content": "Do it"}],
        "tools": [tool],
    }
    ask = anthropic_messages.read(body, seed_of(json.dumps(body).encode()))
    (call,) = [one for one in anthropic_messages.whole(ask, plan(ask, "sim-agent"))["content"] if "input" in one]
    assert set(call["input"]) == set(tool["input_schema"]["required"])


def test_the_picture_is_a_png() -> None:
    assert scenes.PICTURE.startswith(b"\x89PNG\r\n\x1a\n")
