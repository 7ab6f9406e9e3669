"""Routes over HTTP: edit and undo, order, what stands in files, what one would do, and other tools' files."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.ids import IdMaker
from dragoman.records.exchange import Detail, Recording, Row
from dragoman.records.route import Route, Target
from dragoman.records.setup import Auth, Provider
from dragoman.security.vault import read_key
from fakes.api_server import Api, serving

SECRET = "sk-planted-8f14e45fceea167a-in-clear"
TO_CLAUDE = {"targets": [{"provider": "claude", "model": "claude-sonnet-4-5"}], "model": "gpt-*"}
PROVIDERS = (
    Provider(
        slug="claude", base_url="http://127.0.0.1:9/base", dialects=["anthropic_messages"], source="file:x.yaml:2",
        auth=Auth(scheme="header", name="x-api-key", key_env="PLANTED_KEY"), headers={"x-team": "research"},
    ),
    Provider(slug="chat", base_url="http://127.0.0.1:8", dialects=["openai_chat"], source="file:x.yaml:9"),
)  # fmt: skip
FILED = Route(name="filed", prefix="/word", targets=[Target(provider="chat")], source="file:/etc/dragoman.yaml:12")


@pytest.fixture
async def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    monkeypatch.setenv("PLANTED_KEY", SECRET)
    async with serving(tmp_path, providers=PROVIDERS, routes=(FILED,)) as served:
        yield served


async def save(api: Api, route: str, **more: Any) -> Any:
    reply = await api.send("PUT", f"/api/routes/{route}", {**TO_CLAUDE, **more})
    assert reply.status_code == 200, reply.text
    return reply.json()


async def names(api: Api) -> list[str]:
    return [one["name"] for one in (await api.get("/api/routes")).json()["items"]]


async def explain(api: Api, **asked: Any) -> Any:
    reply = await api.send("POST", "/api/routes/explain", asked)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def test_a_route_is_added_edited_renamed_and_removed(api: Api) -> None:
    made = await api.send("POST", "/api/routes", {"name": "mine", **TO_CLAUDE})
    assert made.status_code == 201
    view = made.json()
    assert (view["name"], view["model"], view["priority"], view["is_active"]) == ("mine", "gpt-*", 50, True)
    assert view["targets"] == [{"provider": "claude", "dialect": None, "model": "claude-sonnet-4-5"}]
    assert (view["key_source"], view["key_state"], view["is_editable"]) == ("env:PLANTED_KEY", "configured", True)
    edited = await save(api, "mine", name="yours", priority=5, is_active=False)
    assert (edited["name"], edited["priority"], edited["is_active"]) == ("yours", 5, False)
    assert edited["revision"] != view["revision"]
    gone = await api.send("DELETE", "/api/routes/yours")
    assert gone.json() == edited
    assert (await api.get("/api/routes/yours")).status_code == 404


async def test_what_was_deleted_comes_back_in_its_place(api: Api) -> None:
    for name in ("a", "b", "c"):
        await save(api, name, prefix="/same")
    gone = (await api.send("DELETE", "/api/routes/b")).json()
    kept = {name: gone[name] for name in ("prefix", "model", "priority", "is_active", "system", "targets", "retry")}
    again = await api.send("PUT", "/api/routes/b", {**kept, "position": gone["position"]})
    assert again.json() == gone
    assert await names(api) == ["a", "b", "c", "filed"]


async def test_routes_are_listed_in_the_order_in_which_they_are_asked(api: Api) -> None:
    await save(api, "any", model=None)
    await save(api, "short", model="gpt-*")
    await save(api, "exact", model="gpt-5.5")
    await save(api, "first", model="*", priority=1)
    assert await names(api) == ["first", "exact", "short", "filed", "any"]


async def test_an_edit_that_came_too_late_is_refused(api: Api) -> None:
    seen = (await save(api, "mine"))["revision"]
    await save(api, "mine", priority=7)
    late = await api.send("PUT", "/api/routes/mine", TO_CLAUDE, headers={"if-match": f'"{seen}"'})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "conflict")
    assert (await api.send("DELETE", "/api/routes/mine", headers={"if-match": seen})).status_code == 409


async def test_what_cannot_work_names_its_field(api: Api) -> None:
    for body, field in (
        ({"name": "x", "targets": [{"provider": "nobody"}]}, "targets[0].provider"),
        ({"name": "x", "targets": []}, "targets"),
        ({"name": "x", **TO_CLAUDE, "prefix": "/claude"}, "prefix"),
        ({"name": "X x", **TO_CLAUDE}, "name"),
        (TO_CLAUDE, "name"),
        ({"name": "x", **TO_CLAUDE, "retry": {"attempts": 99}}, "retry.attempts"),
        ({"name": "x", "targets": [{"provider": "claude", "dialect": "klingon"}]}, "targets[0].dialect"),
    ):
        reply = await api.send("POST", "/api/routes", body)
        assert (reply.status_code, reply.json()["error"]["field"]) == (400, field)
    await save(api, "mine")
    assert (await api.send("POST", "/api/routes", {"name": "mine", **TO_CLAUDE})).status_code == 409


async def test_a_route_of_a_file_says_where_it_is_edited(api: Api) -> None:
    view = (await api.get("/api/routes/filed")).json()
    assert not view["is_editable"]
    assert view["read_only_reason"] == "defined in /etc/dragoman.yaml:12; edit it there"
    assert (view["key_source"], view["key_state"], view["position"]) == ("client", "client", None)
    for method in ("PUT", "DELETE"):
        reply = await api.send(method, "/api/routes/filed", TO_CLAUDE)
        assert (reply.status_code, reply.json()["error"]["code"]) == (409, "read_only")


async def test_hits_are_counted(api: Api) -> None:
    await save(api, "mine")
    now_ms = api.context.clock.wall_ns() // 1_000_000
    for ms in (now_ms, now_ms - 3_600_000, now_ms - 30 * 3_600_000):
        row = Row(id=IdMaker().make(ms), state="done", ending="complete", status=200, route="mine")
        await api.keep(Recording(detail=Detail(row=row)))
    assert (await api.get("/api/routes/mine")).json()["hits"] == 2


# Explaining


async def test_a_model_is_explained_with_every_routes_verdict(api: Api) -> None:
    await save(api, "mine")
    found = await explain(api, model="gpt-5.5")
    assert (found["status"], found["route"], found["default_provider"]) == ("matched", "mine", None)
    assert [(one["route"], one["outcome"]) for one in found["verdicts"]] == [
        ("mine", "wins"),
        ("filed", "other_prefix"),
    ]
    (target,) = found["targets"]
    assert target["url"] == "http://127.0.0.1:9/base/messages"
    assert (target["dialect"], target["is_translated"]) == ("anthropic_messages", True)
    assert target["breaker"]["state"] == "closed"


async def test_the_request_is_shown_as_it_would_be_sent_without_its_key(api: Api) -> None:
    await save(api, "mine", system={"replace": [{"from": "old", "to": "new"}], "append": "Be brief."})
    body = {
        "model": "gpt-5.5",
        "messages": [{"role": "system", "content": "old"}, {"role": "user", "content": "hi"}],
        "logit_bias": {"5": 1},
    }
    found = await explain(api, path="/v1/chat/completions", body=body)
    request = found["request"]
    assert (request["method"], request["url"]) == ("POST", "http://127.0.0.1:9/base/messages")
    sent = json.loads(request["body"])
    assert sent["model"] == "claude-sonnet-4-5"
    assert sent["messages"] == [{"role": "user", "content": "hi"}] or sent["messages"][0]["content"][0]["text"] == "hi"
    assert "new\n\nBe brief." in json.dumps(sent["system"]).replace("\\n", "\n")
    headers = dict(request["headers"])
    assert headers["x-team"] == "research"
    assert headers["anthropic-version"] == "2023-06-01"
    assert headers["x-api-key"] == "sk-p...lear"
    assert SECRET not in json.dumps(found)
    assert request["changes"][:3] == [
        "translated: openai_chat -> anthropic_messages",
        "model: gpt-5.5 -> claude-sonnet-4-5",
        "system edited",
    ]
    assert "$.logit_bias" in [one["path"] for one in found["losses"]]


async def test_what_needs_no_translation_keeps_its_bytes(api: Api) -> None:
    await save(api, "mine", model="m", targets=[{"provider": "chat", "model": "other"}])
    found = await explain(api, model="m", body='{"model":"m","messages":[],"n":2}')
    assert found["request"]["body"] == '{"model":"other","messages":[],"n":2}'
    assert found["request"]["changes"] == ["model: m -> other"]


async def test_a_prefix_is_taken_from_the_path_or_by_itself(api: Api) -> None:
    for asked in ({"path": "/word/v1/chat/completions"}, {"prefix": "/word"}, {"prefix": "word"}):
        found = await explain(api, model="x", **asked)
        assert (found["route"], found["prefix"]) == ("filed", "/word")
        assert found["path"] == "/word/v1/chat/completions"
        assert found["targets"][0]["url"] == "http://127.0.0.1:8/v1/chat/completions"


async def test_without_a_route_the_default_provider_is_named(api: Api) -> None:
    found = await explain(api, model="x", dialect="anthropic_messages")
    assert (found["status"], found["route"], found["default_provider"]) == ("no_match", None, "anthropic")
    assert (found["targets"], found["request"]) == ([], None)
    assert (await explain(api, model="x", prefix="/nowhere"))["default_provider"] is None


async def test_a_missing_key_is_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLANTED_KEY")
    await save(api, "mine")
    found = await explain(api, model="gpt-5.5")
    assert found["status"] == "missing_credential"
    assert found["targets"][0]["key_state"] == "missing"
    assert "PLANTED_KEY" in found["targets"][0]["problem"]
    assert (await api.get("/api/routes/mine")).json()["key_state"] == "missing"


@pytest.mark.parametrize(
    ("body", "dialect"),
    [
        ({"messages": []}, "openai_chat"),
        ({"input": "x"}, "openai_responses"),
        ({"messages": [], "system": "x"}, "anthropic_messages"),
        ({"messages": [], "tools": [{"name": "t", "input_schema": {}}]}, "anthropic_messages"),
        ({"messages": [], "options": {}}, "ollama_chat"),
    ],
)
async def test_a_pasted_body_is_known_by_its_looks(api: Api, body: Any, dialect: str) -> None:
    assert (await explain(api, model="x", body=body))["dialect"] == dialect


async def test_a_model_that_stands_in_the_path_is_encoded_once(api: Api) -> None:
    await save(api, "mine", model="us.anthropic.*")
    found = await explain(api, model="us.anthropic.claude-x-v1:0", dialect="bedrock_invoke")
    assert found["path"] == "/model/us.anthropic.claude-x-v1%3A0/invoke"
    assert (found["model"], found["route"]) == ("us.anthropic.claude-x-v1:0", "mine")
    assert found["request"]["url"] == "http://127.0.0.1:9/base/messages"


async def test_what_cannot_be_translated_says_why(api: Api) -> None:
    await save(api, "mine")
    body = {"model": "gpt-5.5", "messages": [{"role": "user", "content": "hi"}], "n": 3}
    found = await explain(api, body=body)
    assert found["request"] is None
    assert found["problem"]
    broken = await api.send("POST", "/api/routes/explain", {"body": "{"})
    assert (broken.status_code, broken.json()["error"]["field"]) == (400, "body")


async def test_the_snippet_sends_it_through_here(api: Api) -> None:
    snippet = (await explain(api, model="gpt-5.5", dialect="anthropic_messages"))["snippet"]
    assert snippet.startswith(f"curl {api.context.base_url}/v1/messages ")
    assert "anthropic-version: 2023-06-01" in snippet
    assert '"gpt-5.5"' in snippet


# Taking over


FOREIGN = [{"model": "fast", "upstream_url": "http://localhost:8000/v1", "api_key": SECRET, "fixes": ["x"]}]


async def test_another_tools_file_is_shown_first(api: Api, tmp_path: Path) -> None:
    reply = await api.send("POST", "/api/routes/import", {"text": json.dumps(FOREIGN)})
    found = reply.json()
    assert (found["format"], found["is_saved"]) == ("llm-observe", False)
    assert [one["name"] for one in found["routes"]] == ["fast"]
    assert found["providers"][0]["key_source"] == "vault:local-8000"
    assert [one["where"] for one in found["problems"]] == ["[0].fixes"]
    assert SECRET not in reply.text
    assert await names(api) == ["filed"]
    assert read_key(tmp_path, "local-8000") is None


async def test_another_tools_file_is_saved_with_its_keys_in_the_vault(api: Api, tmp_path: Path) -> None:
    found = (await api.send("POST", "/api/routes/import", {"text": json.dumps(FOREIGN), "save": True})).json()
    assert found["is_saved"]
    assert await names(api) == ["fast", "filed"]
    assert read_key(tmp_path, "local-8000") == SECRET
    view = (await api.get("/api/routes/fast")).json()
    assert (view["key_source"], view["key_state"]) == ("vault:local-8000", "configured")
    assert SECRET not in msgspec.json.encode(api.context.keeper.setup.current).decode()


async def test_a_text_of_no_known_form_is_refused(api: Api) -> None:
    reply = await api.send("POST", "/api/routes/import", {"text": "a: 1"})
    assert reply.status_code == 400
    assert "model_list" in reply.json()["error"]["message"]


async def test_a_providers_own_path_is_asked_of_no_route(api: Api) -> None:
    found = await explain(api, model="gpt-5.5", path="/chat/v1/chat/completions")
    assert found["route"] is None
    assert found["default_provider"] == "chat"
    assert {one["outcome"] for one in found["verdicts"]} <= {"other_prefix", "off"}
    assert "under /chat" in found["verdicts"][0]["why"]


async def test_a_model_beside_a_body_without_one_is_taken(api: Api) -> None:
    found = await explain(api, model="gpt-5.5", body={"messages": [{"role": "user", "content": "hi"}]})
    assert found["model"] == "gpt-5.5"


async def test_nothing_to_explain_is_said(api: Api) -> None:
    reply = await api.send("POST", "/api/routes/explain", {})
    assert (reply.status_code, reply.json()["error"]["field"]) == (400, "model")
