"""Requests of agents and SDKs, as they were seen, through routes to every dialect: answered, and little of them lost.

The programs themselves are driven by `make clients`; here what they sent is played.
"""

import http.client
import itertools
import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import pytest

from dragoman.simulator import Server
from fakes.client_shapes import AGENT_TURNS, SHAPES, Shape
from fakes.dragoman import Dragoman, running_dragoman

TARGETS = ["openai_chat", "openai_responses", "anthropic_messages", "ollama_chat", "bedrock_invoke"]
SOURCES = TARGETS[:4]
MOST_LOSSES = 9
"""More than that on each call of an agent would be read by nobody."""


def named(shape: Shape) -> str:
    return f"{shape.client}-{shape.model}"


FIRST = [pytest.param(one, target, id=f"{named(one)}-{one.dialect}-{target}")
         for one, target in itertools.product(SHAPES, TARGETS) if one.dialect in SOURCES]  # fmt: skip
LATER = [
    pytest.param(one, target, id=f"{named(one)}-{target}") for one, target in itertools.product(AGENT_TURNS, TARGETS)
]


@pytest.fixture(scope="module")
def routed(simulator: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dragoman]:
    provider = {"slug": "sim", "base_url": simulator.url, "dialects": TARGETS, "auth": {"scheme": "none"}}
    routes = [
        {
            "name": f"{model}-{dialect}".replace("_", "-"),
            "prefix": f"/{model}-{dialect}".replace("_", "-"),
            "targets": [{"provider": "sim", "dialect": dialect, "model": f"sim-{model}"}],
        }
        for model, dialect in itertools.product(("shell", "echo"), TARGETS)
    ]
    place = tmp_path_factory.mktemp("agents")
    with running_dragoman(place, providers=[provider], settings={"routes": routes}) as dragoman:
        yield dragoman


def send(dragoman: Dragoman, shape: Shape, model: str, target: str) -> tuple[str, str, Any]:
    """Send it under the route's prefix; give the reply's text, the exchange's name and its record."""
    connection = http.client.HTTPConnection(urlsplit(dragoman.url).netloc, timeout=30)
    headers = {name: value for name, value in shape.headers if name.lower() != "accept-encoding"}
    try:
        prefix = f"/{model}-{target}".replace("_", "-")
        connection.request("POST", prefix + shape.path, shape.body, headers)
        reply = connection.getresponse()
        text = reply.read().decode()
        assert reply.status == 200, text
    finally:
        connection.close()
    name = reply.headers["x-dragoman-exchange"]
    return text, name, dragoman.wait_until(lambda: _finished(dragoman, name), name)


def _finished(dragoman: Dragoman, name: str) -> Any:
    try:
        detail = dragoman.api(f"/api/exchanges/{name}")
    except OSError:
        return None
    return detail if detail["row"]["ending"] else None


def lost(detail: Any) -> list[str]:
    return [one["path"] for one in detail["losses"] if one["direction"] == "request"]


@pytest.mark.parametrize(("shape", "target"), FIRST)
def test_a_first_request_is_answered_by_a_model_of_any_dialect(routed: Dragoman, shape: Shape, target: str) -> None:
    _, _, detail = send(routed, shape, "echo", target)
    row = detail["row"]
    assert (row["client"], row["session"], row["stop_reason"]) == (shape.client, shape.session, "end")
    assert row["upstream_dialect"] == (None if target == shape.dialect else target)
    assert len(lost(detail)) <= MOST_LOSSES, lost(detail)


@pytest.mark.parametrize(("shape", "target"), LATER)
def test_the_result_of_a_tool_reaches_a_model_of_any_dialect(routed: Dragoman, shape: Shape, target: str) -> None:
    text, name, detail = send(routed, shape, "shell", target)
    assert "tide-42" in text
    assert "tide-42" in detail["row"]["reply_preview"]
    assert len(lost(detail)) <= MOST_LOSSES, lost(detail)
    sent = json.loads(routed.raw(f"/api/exchanges/{name}/upstream/request"))
    tools = {(one.get("function") or one).get("name") for one in sent["tools"]}
    assert {"Bash", "exec_command"} & tools, "the shell was lost"
    if shape.client == "codex":
        assert "apply_patch" in tools
        assert not [path for path in lost(detail) if path.startswith("$.input") and "." in path[2:]]
    is_own = target in ("anthropic_messages", "bedrock_invoke")
    assert ("x-anthropic-billing-header" in json.dumps(sent)) == (is_own and shape.client == "claude-code")


def test_bedrock_gets_the_beta_flags_that_it_knows(routed: Dragoman) -> None:
    shape = AGENT_TURNS[0]
    _, name, detail = send(routed, shape, "shell", "bedrock_invoke")
    sent = json.loads(routed.raw(f"/api/exchanges/{name}/upstream/request"))
    assert sent["anthropic_beta"] == ["interleaved-thinking-2025-05-14", "context-management-2025-06-27"]
    assert sent["context_management"] == json.loads(shape.body)["context_management"]
    assert lost(detail) == []


@pytest.mark.parametrize("target", ["anthropic_messages", "bedrock_invoke"])
def test_no_thinking_is_asked_for_after_a_turn_that_another_maker_sealed(routed: Dragoman, target: str) -> None:
    (shape,) = [one for one in AGENT_TURNS if one.dialect == "anthropic_messages" and b"dragoman.1." in one.body]
    _, name, _ = send(routed, shape, "shell", target)
    sent = json.loads(routed.raw(f"/api/exchanges/{name}/upstream/request"))
    assert {"thinking", "context_management"}.isdisjoint(sent)
    assert "dragoman.1." not in json.dumps(sent)


def test_a_field_without_its_beta_flag_is_lost_to_bedrock(routed: Dragoman) -> None:
    shape = AGENT_TURNS[0]
    plain = shape._replace(headers=[one for one in shape.headers if one[0] != "anthropic-beta"])
    _, name, detail = send(routed, plain, "shell", "bedrock_invoke")
    sent = json.loads(routed.raw(f"/api/exchanges/{name}/upstream/request"))
    assert {"anthropic_beta", "context_management"}.isdisjoint(sent)
    assert lost(detail) == ["$.context_management"]


@pytest.mark.parametrize("target", ["openai_chat", "openai_responses"])
def test_a_user_that_is_longer_than_openai_takes_is_hashed(routed: Dragoman, target: str) -> None:
    shape = AGENT_TURNS[0]
    _, name, detail = send(routed, shape, "shell", target)
    sent = json.loads(routed.raw(f"/api/exchanges/{name}/upstream/request"))
    assert sent["user"] == sha256(json.loads(shape.body)["metadata"]["user_id"].encode()).hexdigest()
    assert "$.metadata.user_id" in lost(detail)
