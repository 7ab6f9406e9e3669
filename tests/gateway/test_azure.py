"""Azure's form of OpenAI: where a route's calls go, and what carries the key."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.gateway.upstream import Upstream, provider_upstream
from dragoman.journal.format import Alteration
from dragoman.records.route import Route, Target
from dragoman.records.setup import Auth, Provider, Setup
from fakes.gateway import provider, running_gateway
from fakes.http_proxy import FakeProxy
from fakes.upstream import FakeUpstream

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
VERSION = {"api-version": "2024-10-21"}
BASE = "https://team.openai.azure.com"


def azure(base_url: str = BASE, query: dict[str, str] = VERSION, **values: Any) -> Upstream:
    entry = Provider(slug="azure", base_url=base_url, form="azure", query=query, **values)
    return provider_upstream(entry, Path("/nonexistent"))


@pytest.mark.parametrize(
    ("base_url", "path", "target"),
    [
        (BASE, "/v1/chat/completions", b"/openai/deployments/gpt-5/chat/completions?api-version=2024-10-21"),
        (BASE + "/", "/v1/chat/completions", b"/openai/deployments/gpt-5/chat/completions?api-version=2024-10-21"),
        (BASE + "/openai", "/v1/embeddings", b"/openai/deployments/gpt-5/embeddings?api-version=2024-10-21"),
        (BASE, "/chat/completions", b"/openai/deployments/gpt-5/chat/completions?api-version=2024-10-21"),
        (BASE, "/v1/responses", b"/openai/responses?api-version=2024-10-21"),
        (BASE, "/v1/models", b"/openai/models?api-version=2024-10-21"),
        (
            "https://gateway.test/team/openai",
            "/v1/completions",
            b"/team/openai/deployments/gpt-5/completions?api-version=2024-10-21",
        ),
        (
            BASE,
            "/openai/deployments/x/chat/completions",
            b"/openai/deployments/x/chat/completions?api-version=2024-10-21",
        ),
        (BASE + "/openai/v1", "/v1/chat/completions", b"/openai/v1/chat/completions?api-version=2024-10-21"),
    ],
)
def test_a_deployments_path(base_url: str, path: str, target: bytes) -> None:
    assert azure(base_url).translated_target(path, "gpt-5") == target


def test_a_deployments_name_is_encoded() -> None:
    target = azure(query={}).translated_target("/v1/chat/completions", "my model/é")
    assert target == b"/openai/deployments/my%20model%2F%C3%A9/chat/completions"


def test_a_plain_provider_keeps_the_dialects_path() -> None:
    entry = Provider(slug="x", base_url="https://api.example.com/v1", query={"a": "b"})
    upstream = provider_upstream(entry, Path("/nonexistent"))
    assert upstream.translated_target("/v1/chat/completions", "m") == b"/v1/chat/completions?a=b"
    assert upstream.translated_target("/v1/messages?beta=true", "m") == b"/v1/messages?beta=true&a=b"


async def test_the_official_clients_own_path_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_KEY", "our-key")
    auth = Auth(scheme="header", name="api-key", key_env="AZURE_KEY")
    target = b"/openai/deployments/gpt-5/chat/completions?api-version=2025-01-01"
    request = b"POST /azure%b HTTP/1.1\r\nHost: localhost\r\napi-key: theirs\r\nContent-Length: 2\r\n\r\n{}" % target
    async with FakeUpstream() as upstream:
        upstream.reply(OK)
        entry = provider("azure", upstream.url, form="azure", auth=auth)
        async with running_gateway(tmp_path, providers=[entry]) as gateway, gateway.client() as client:
            assert (await client.ask(request)).body == b"ok"
            received = upstream.received[0]
            assert received.line == b"POST " + target + b" HTTP/1.1"
            assert [value for name, value in received.headers if name == b"api-key"] == [b"our-key"]


async def test_a_route_leads_to_a_deployment(tmp_path: Path) -> None:
    route = Route(name="r", model="gpt-5", targets=[Target(provider="azure", model="my-deployment")])
    body = b'{"model":"gpt-5","messages":[]}'
    request = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )
    async with FakeUpstream() as upstream:
        upstream.reply(OK)
        entry = provider("azure", upstream.url, form="azure", query=VERSION)
        entry = msgspec.structs.replace(entry, dialects=["openai_chat"])
        setup = Setup(version=1, routes=[route])
        async with running_gateway(tmp_path, setup=setup, providers=[entry]) as gateway, gateway.client() as client:
            assert (await client.ask(request)).body == b"ok"
        line = b"POST /openai/deployments/my-deployment/chat/completions?api-version=2024-10-21 HTTP/1.1"
        assert upstream.received[0].line == line


async def test_a_pin_in_a_routes_model_reaches_openrouter(tmp_path: Path) -> None:
    """Under the name of openrouter.ai, which a proxy leads to the fake."""
    route = Route(name="r", model="qwen", targets=[Target(provider="router", model="qwen/qwen3@deepinfra")])
    body = b'{ "model": "qwen", "top_p":1.0 }'
    request = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )
    async with FakeUpstream() as upstream, FakeProxy({"openrouter.ai:80": upstream.port}) as proxy:
        upstream.reply(OK)
        entry = provider("router", "http://openrouter.ai/api/v1", proxy=proxy.url)
        entry = msgspec.structs.replace(entry, dialects=["openai_chat"])
        setup = Setup(version=1, routes=[route])
        async with running_gateway(tmp_path, setup=setup, providers=[entry]) as gateway, gateway.client() as client:
            reply = await client.ask(request)
            assert reply.body == b"ok"
            said = [one.what for one in gateway.of(reply.exchange, Alteration)]
        sent = upstream.received[0].body
        assert json.loads(sent) == {
            "model": "qwen/qwen3",
            "top_p": 1.0,
            "provider": {"order": ["deepinfra"], "allow_fallbacks": False},
        }
        assert b'"top_p":1.0' in sent  # untouched, to the spelling of its number
        assert said == ["model: qwen -> qwen/qwen3@deepinfra", "pinned: qwen/qwen3@deepinfra"]


@pytest.mark.parametrize(("prefix", "value"), [("Token", b"Token our-key"), (None, b"our-key")])
async def test_a_word_may_stand_before_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str | None, value: bytes
) -> None:
    monkeypatch.setenv("SOME_KEY", "our-key")
    auth = Auth(scheme="header", name="Authorization", prefix=prefix, key_env="SOME_KEY")
    async with FakeUpstream() as upstream:
        upstream.reply(OK)
        entry = provider("openai", upstream.url, auth=auth)
        async with running_gateway(tmp_path, providers=[entry]) as gateway, gateway.client() as client:
            reply = await client.ask(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n\r\n")
            assert reply.body == b"ok"
            assert upstream.received[0].header(b"authorization") == value
            await gateway.closed(reply.exchange)
            assert b"our-key" not in gateway.journal_bytes()
