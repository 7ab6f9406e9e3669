"""Providers over HTTP: edit and undo, credentials that go in and never out, asking a provider itself."""

import json
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dragoman.records.setup import Provider
from dragoman.security.vault import read_key
from fakes.api_server import Api, serving

SECRET = "sk-planted-8f14e45fceea167a-in-clear"


class Upstream:
    """Answers model lists; wants `SECRET` where a credential is checked."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.seen.append((self.command, self.path, headers, body))
                status, content = outer.answer(self.path.partition("?")[0], headers)
                data = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, Any]:
        match path:
            case "/v1/models" | "/base/models":
                if headers.get("authorization") != f"Bearer {SECRET}":
                    return 401, {"error": "no"}
                return 200, {"data": [{"id": "gpt-x", "created": 7, "owned_by": "me"}, {"id": "gpt-y"}]}
            case "/api/tags":
                return 200, {"models": [{"name": "llama:1b", "model": "llama:1b", "size": 5}, {"model": "other"}]}
            case "/api/ps":
                return 200, {"models": [{"model": "llama:1b", "size": 6, "size_vram": 4, "expires_at": "soon"}]}
            case "/api/generate":
                return 200, {"done": True}
            case _:
                return 500, {}

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.close()


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    fixed = Provider(slug="fixed", base_url="http://127.0.0.1:9", source="file:/etc/dragoman.yaml:12")
    async with serving(tmp_path, providers=(fixed,)) as served:
        subscription = served.context.keeper.bus.subscribe(f"{served.context.keeper.bus.epoch}-0")
        async for event in subscription:
            if event.type == "config.changed":
                break
        subscription.close()
        yield served


def nowhere() -> str:
    """A base URL where nobody listens."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return "http://127.0.0.1:{1}".format(*taken.getsockname())


async def test_the_list_names_builtin_and_file_providers(api: Api) -> None:
    found = {one["slug"]: one for one in (await api.get("/api/providers")).json()["items"]}
    assert {"openai", "anthropic", "ollama", "gemini", "bedrock", "fixed"} <= set(found)
    assert found["openai"]["is_builtin"]
    assert found["openai"]["is_editable"]
    assert found["openai"]["has_credential"] is None
    assert not found["fixed"]["is_editable"]
    assert found["fixed"]["read_only_reason"] == "defined in /etc/dragoman.yaml:12; edit it there"
    assert found["openai"]["prefix"] == "/openai"


async def test_a_provider_is_added_edited_and_removed(api: Api) -> None:
    made = await api.send("POST", "/api/providers", {"slug": "mine", "base_url": "http://localhost:1/v1"})
    assert made.status_code == 201
    assert made.json()["source"] == "edited"
    assert (await api.send("POST", "/api/providers", {"slug": "mine", "base_url": "http://x"})).status_code == 409
    changed = await api.send("PUT", "/api/providers/mine", {"base_url": "http://localhost:2", "name": "Mine"})
    assert (changed.json()["base_url"], changed.json()["name"]) == ("http://localhost:2", "Mine")
    assert (await api.get("/api/providers/mine")).json() == changed.json()
    assert (await api.send("DELETE", "/api/providers/mine")).status_code == 204
    assert (await api.get("/api/providers/mine")).status_code == 404
    assert (await api.send("PUT", "/api/providers/mine", {"base_url": "http://x"})).status_code == 404


async def test_a_builtin_provider_is_overridden_and_comes_back(api: Api) -> None:
    before = (await api.get("/api/providers/ollama")).json()
    await api.send("PUT", "/api/providers/ollama", {"base_url": "http://10.0.0.5:11434", "dialects": ["ollama_chat"]})
    assert (await api.get("/api/providers/ollama")).json()["base_url"] == "http://10.0.0.5:11434"
    assert (await api.send("DELETE", "/api/providers/ollama")).status_code == 204
    assert (await api.get("/api/providers/ollama")).json() == before
    refused = await api.send("DELETE", "/api/providers/ollama")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "read_only")


async def test_a_provider_of_the_file_is_read_only(api: Api) -> None:
    for method, body in (("PUT", {"base_url": "http://x"}), ("DELETE", None)):
        refused = await api.send(method, "/api/providers/fixed", body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "read_only")
        assert "/etc/dragoman.yaml:12" in refused.json()["error"]["message"]


WRONG: tuple[tuple[dict[str, Any], str | None], ...] = (
    ({"base_url": "ftp://x"}, "base_url"),
    ({"base_url": "http://x?key=1"}, "base_url"),
    ({"slug": "Mine"}, "slug"),
    ({"slug": "api"}, "slug"),
    ({"dialects": ["klingon"]}, "dialects[0]"),
    ({"auth": {"scheme": "header"}}, "auth.name"),
    ({"credential": "x"}, "auth"),
    ({"credential": "x\ny", "auth": {}}, "credential"),
    ({"timeouts": {"connect": 0}}, "timeouts.connect"),
    ({"headers": {"x": "a\r\nb: c"}}, "headers"),
    ({"unknown": 1}, None),
)


async def test_a_wrong_provider_is_said(api: Api) -> None:
    for change, field in WRONG:
        refused = await api.send("POST", "/api/providers", {"slug": "mine", "base_url": "http://localhost:1"} | change)
        assert (refused.status_code, refused.json()["error"].get("field")) == (400, field), change
        assert (await api.get("/api/providers/mine")).status_code == 404


async def test_a_credential_goes_in_and_never_out(api: Api, upstream: Upstream, tmp_path: Path) -> None:
    body = {"slug": "mine", "base_url": upstream.url, "auth": {"scheme": "bearer"}, "credential": SECRET}
    made = await api.send("POST", "/api/providers", body)
    assert made.json()["has_credential"] is True
    auth = made.json()["auth"]
    assert (auth["scheme"], auth["key_env"], auth["is_in_vault"]) == ("bearer", None, True)
    assert read_key(tmp_path, "mine") == SECRET
    check = (await api.send("POST", "/api/providers/mine/test")).json()
    assert (check["outcome"], check["models"]) == ("ok", 2)
    body = {"base_url": upstream.url, "auth": {"scheme": "bearer"}, "name": "Renamed"}
    assert (await api.send("PUT", "/api/providers/mine", body)).json()["has_credential"] is True
    answers = (
        made.text + (await api.get("/api/providers")).text + json.dumps(check) + (await api.get("/api/status")).text
    )
    assert SECRET not in answers
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(kept) > 3
    assert all(SECRET.encode() not in path.read_bytes() for path in kept)
    await api.send("DELETE", "/api/providers/mine")
    assert read_key(tmp_path, "mine") is None


async def test_secret_headers_are_masked_and_kept(api: Api) -> None:
    body = {"base_url": "http://localhost:1", "headers": {"x-api-key": SECRET, "x-team": "research"}}
    shown = (await api.send("POST", "/api/providers", body | {"slug": "mine"})).json()["headers"]
    assert SECRET not in shown["x-api-key"]
    assert shown["x-team"] == "research"
    await api.send("PUT", "/api/providers/mine", body | {"headers": shown, "name": "Renamed"})
    assert api.context.keeper.setup.provider("mine").headers == body["headers"]


async def test_a_test_tells_unreachable_refused_and_well_apart(api: Api, upstream: Upstream) -> None:
    async def outcome(slug: str, **fields: object) -> dict[str, Any]:
        await api.send("POST", "/api/providers", {"slug": slug, **fields})
        return (await api.send("POST", f"/api/providers/{slug}/test")).json()

    gone = await outcome("gone", base_url=nowhere())
    assert (gone["outcome"], gone["latency_ns"]) == ("unreachable", None)
    refused = await outcome("refused", base_url=upstream.url)
    assert (refused["outcome"], refused["status"]) == ("unauthorized", 401)
    assert refused["latency_ns"] > 0
    broken = await outcome("broken", base_url=f"{upstream.url}/elsewhere")
    assert (broken["outcome"], broken["status"]) == ("failed", 500)
    keyless = await outcome("keyless", base_url=upstream.url, auth={"key_env": "DRAGOMAN_TEST_NO_SUCH_KEY"})
    assert keyless["outcome"] == "no_credential"
    assert "DRAGOMAN_TEST_NO_SUCH_KEY" in keyless["message"]


async def test_a_key_of_the_environment_is_used(api: Api, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_TEST_KEY", SECRET)
    body = {"slug": "mine", "base_url": f"{upstream.url}/base", "auth": {"key_env": "DRAGOMAN_TEST_KEY"}}
    assert (await api.send("POST", "/api/providers", body)).json()["has_credential"] is True
    models = (await api.get("/api/providers/mine/models")).json()["items"]
    assert [one["id"] for one in models] == ["gpt-x", "gpt-y"]
    assert upstream.seen[0][1] == "/base/models"


async def test_an_ollama_server_lists_loads_and_unloads(api: Api, upstream: Upstream) -> None:
    await api.send("PUT", "/api/providers/ollama", {"base_url": upstream.url, "dialects": ["ollama_chat"]})
    models = (await api.get("/api/providers/ollama/models")).json()["items"]
    assert [(one["id"], one["is_loaded"]) for one in models] == [("llama:1b", True), ("other", False)]
    loaded = (await api.get("/api/providers/ollama/loaded")).json()["items"]
    assert (loaded[0]["vram_bytes"], loaded[0]["expires_at"]) == (4, "soon")
    unloaded = await api.send("POST", "/api/providers/ollama/unload", {"model": "llama:1b"})
    assert unloaded.json() == {"model": "llama:1b"}
    assert json.loads(upstream.seen[-1][3]) == {"model": "llama:1b", "keep_alive": 0}


async def test_only_ollama_loads_models(api: Api, upstream: Upstream) -> None:
    await api.send("POST", "/api/providers", {"slug": "mine", "base_url": upstream.url})
    assert (await api.get("/api/providers/mine/loaded")).status_code == 400
    failed = await api.get("/api/providers/mine/models")
    assert (failed.status_code, failed.json()["error"]["code"]) == (502, "upstream_failed")
