"""Claude Code and Codex themselves, behind routes to a simulated model that has them run a command and uses its result.

`make clients` installs and drives them; elsewhere they are left out, and said to be. Nothing leaves this machine.
The model asks the agent's own shell for `printf tide-%d 0x2A`: only where the call was understood, run and given
back in the dialect of the upstream can the answer be `tide-42`.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.simulator import Server
from fakes.agents import Claude, Codex, Ran, installed_at
from fakes.dragoman import Dragoman, running_dragoman
from fakes.simulated import running_simulator

INSTALLED = installed_at()
pytestmark = [
    pytest.mark.skipif(INSTALLED is None, reason="Claude Code and Codex are NOT driven here: `make clients` does"),
    pytest.mark.timeout(180),
]

TARGETS = ["openai_chat", "openai_responses", "anthropic_messages", "bedrock_invoke", "ollama_chat"]
SCENES = ["shell", "error-401", "error-429", "error-500", "cut"]
CLAUDE_MODELS = ["claude-sonnet-4-5", "claude-opus-5-5"]
"""The first is asked with a budget of thinking, the second with adaptive thinking and an effort."""
CODEX_MODEL = "gpt-5.5"
MOST_LOSSES = 9
ASK = "Which number?"
ANSWER = "tide-42"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Server]:
    with running_simulator() as server:
        yield server


@pytest.fixture(scope="module")
def dragoman(simulator: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dragoman]:
    provider = {"slug": "sim", "base_url": simulator.url, "dialects": TARGETS, "auth": {"scheme": "none"}}
    routes = [
        {
            "name": named(scene, target),
            "prefix": f"/{named(scene, target)}",
            "targets": [{"provider": "sim", "dialect": target, "model": f"sim-{scene}"}],
        }
        for scene, target in itertools.product(SCENES, TARGETS)
    ]
    place = tmp_path_factory.mktemp("dragoman")
    with running_dragoman(place, providers=[provider], settings={"routes": routes}) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = tmp_path / "home"
    place.mkdir()
    return place


@pytest.fixture
def claude(home: Path) -> Claude:
    assert INSTALLED
    return Claude(INSTALLED, home)


@pytest.fixture
def codex(home: Path) -> Codex:
    assert INSTALLED
    return Codex(INSTALLED, home)


def named(scene: str, target: str) -> str:
    return f"{scene}-{target}".replace("_", "-")


def recorded(dragoman: Dragoman, session: str, count: int) -> list[Any]:
    """Give the calls of a session, first one first, once they are on record."""
    return sorted(dragoman.wait_exchanges(count, f"session:{session}"), key=lambda row: row["started_ns"])


def check_record(rows: list[Any], source: str, target: str) -> None:
    """Two calls of one conversation, understood, counted, and with few losses."""
    first, second = rows
    assert [row["status"] for row in rows] == [200, 200]
    assert [row["stop_reason"] for row in rows] == ["tool_use", "end"]
    assert second["parent"] == first["id"]
    assert second["conversation"] == first["conversation"]
    assert {row["upstream_dialect"] for row in rows} == {None if source == target else target}
    assert ANSWER in second["reply_preview"]
    for row in rows:
        assert sum(row[part] or 0 for part in ("input_fresh", "cache_read", "cache_write_5m", "cache_write_1h")) > 1000
        assert row["output"] > 0
        assert row["losses"] <= MOST_LOSSES


# Claude Code


def claude_session(ran: Ran) -> str:
    return next(one["session_id"] for one in ran.events if "session_id" in one)


def claude_result(ran: Ran) -> dict[str, Any]:
    return next((one for one in ran.events if one["type"] == "result"), {"result": ran.text, "is_error": True})


@pytest.mark.parametrize("model", CLAUDE_MODELS)
@pytest.mark.parametrize("target", TARGETS)
def test_claude_code_runs_a_command_and_uses_its_result(
    dragoman: Dragoman, claude: Claude, target: str, model: str
) -> None:
    ran = claude.ask(f"{dragoman.url}/{named('shell', target)}", model, ASK)
    result = claude_result(ran)
    assert (ran.code, result["is_error"]) == (0, False), result["result"]
    assert ANSWER in result["result"]
    turns = [one["message"]["content"] for one in ran.events if one["type"] == "user"]
    assert [part["content"] for parts in turns for part in parts if part["type"] == "tool_result"] == [ANSWER]
    check_record(recorded(dragoman, claude_session(ran), 2), "anthropic_messages", target)


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        ("error-401", "401 The key is not valid"),
        ("error-429", "Too many requests"),
        ("error-500", "500 Something broke inside"),
        ("cut", "the provider closed the connection in the middle of its reply"),
    ],
)
@pytest.mark.parametrize("target", ["openai_chat", "anthropic_messages"])
def test_claude_code_tells_what_went_wrong(
    dragoman: Dragoman, claude: Claude, target: str, scene: str, words: str
) -> None:
    result = claude_result(claude.ask(f"{dragoman.url}/{named(scene, target)}", CLAUDE_MODELS[0], ASK))
    assert result["is_error"]
    assert words in result["result"]


# Codex


def codex_session(ran: Ran) -> str:
    return next(one["thread_id"] for one in ran.events if one["type"] == "thread.started")


def check_codex(ran: Ran) -> None:
    """Say whether it ran the command and said the answer."""
    assert ran.code == 0, ran.text
    items = [one["item"] for one in ran.events if one["type"] == "item.completed"]
    commands = [one for one in items if one["type"] == "command_execution"]
    assert [(one["exit_code"], one["aggregated_output"].strip()) for one in commands] == [(0, ANSWER)], ran.text
    assert ANSWER in [one for one in items if one["type"] == "agent_message"][-1]["text"]


@pytest.mark.parametrize("target", TARGETS)
def test_codex_runs_a_command_and_uses_its_result(dragoman: Dragoman, codex: Codex, target: str) -> None:
    ran = codex.ask(f"{dragoman.url}/{named('shell', target)}", CODEX_MODEL, ASK)
    check_codex(ran)
    check_record(recorded(dragoman, codex_session(ran), 2), "openai_responses", target)


def test_codex_as_built_in_falls_back_to_post_at_once(dragoman: Dragoman, codex: Codex) -> None:
    ran = codex.ask(f"{dragoman.url}/{named('shell', 'openai_chat')}", CODEX_MODEL, ASK, built_in=True)
    check_codex(ran)
    rows = recorded(dragoman, codex_session(ran), 3)
    assert [(row["method"], row["status"]) for row in rows] == [("GET", 426), ("POST", 200), ("POST", 200)]
    check_record(rows[1:], "openai_responses", "openai_chat")


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        ("error-401", "The key is not valid"),
        ("error-429", "last status: 429"),
        ("error-500", "high demand"),
        ("cut", "the provider closed the connection in the middle of its reply"),
    ],
)
@pytest.mark.parametrize("target", ["openai_chat", "anthropic_messages"])
def test_codex_tells_what_went_wrong(dragoman: Dragoman, codex: Codex, target: str, scene: str, words: str) -> None:
    ran = codex.ask(f"{dragoman.url}/{named(scene, target)}", CODEX_MODEL, ASK)
    assert ran.code == 1
    assert any(words in one["error"]["message"] for one in ran.events if one["type"] == "turn.failed"), ran.text
