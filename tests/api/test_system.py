"""Status, settings, re-parse, panic, connect, health and the first request over HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx2
import pytest

from dragoman.api.context import Context
from dragoman.ids import IdMaker
from fakes.api_server import Api, serving
from fakes.gateway_socket import FakeGateway
from fakes.playbook import whole

NAME = IdMaker().make(1_700_000_000_000)
DAY_S = 86_400.0


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path, base_url="http://127.0.0.1:8123") as served:
        yield served


async def test_status_tells_how_dragoman_is(api: Api, tmp_path: Path) -> None:
    api.journal.write(*whole(NAME))
    await api.stored(NAME)
    status = (await api.get("/api/status")).json()
    assert status["storage"]["rows"] == 1
    assert status["retention"]["rows"] == 0
    assert status["data_dir"] == str(tmp_path)
    assert status["lag"]["open_exchanges"] == 0
    assert status["problems"] == ["no gateway is connected"]
    assert status["reparse"]["is_running"] is False
    assert status["is_password_required"] is False


async def test_readiness_names_what_is_missing(api: Api, tmp_path: Path) -> None:
    assert (await api.get("/healthz")).status_code == 200
    reply = await api.get("/readyz")
    assert reply.status_code == 503
    checks = {check["name"]: check["is_ready"] for check in reply.json()["checks"]}
    assert checks == {"store": True, "ingest": True, "gateway": False}
    async with FakeGateway(tmp_path / "run" / "g0.sock") as gateway:
        await gateway.heard(lambda _: True)
        assert (await api.get("/readyz")).json()["is_ready"] is True
        (view,) = (await api.get("/api/status")).json()["gateways"]
        assert (view["name"], view["is_connected"]) == ("g0", True)


async def test_a_store_that_does_not_open_is_said(tmp_path: Path) -> None:
    def block(context: Context) -> None:
        context.keeper.ready.set()  # lets the fixture go on

    async with serving(tmp_path, change=block) as api:
        api.context.keeper.ready.clear()
        api.context.keeper.trouble = "the disk is full"
        reply = await api.get("/api/exchanges")
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "not_ready")
        assert "the disk is full" in reply.json()["error"]["message"]
        status = (await api.get("/api/status")).json()
        assert status["storage"] is None
        assert "the disk is full" in status["problems"]
        api.context.keeper.ready.set()


async def test_settings_hold_and_are_checked(api: Api) -> None:
    before = (await api.get("/api/settings")).json()
    assert before["retention_source"] == "configuration"
    wanted = {"bodies_s": DAY_S, "facts_s": 2 * DAY_S, "max_bytes": 10**9}
    after = (await api.send("PUT", "/api/settings", {"retention": wanted})).json()
    assert after == {"retention": wanted, "retention_source": "edited"}
    assert (await api.get("/api/settings")).json() == after
    for wrong, field in (
        ({**wanted, "bodies_s": 0}, "retention.bodies_s"),
        ({**wanted, "bodies_s": 3 * DAY_S}, "retention.bodies_s"),
        ({**wanted, "max_bytes": "much"}, "retention.max_bytes"),
    ):
        refused = await api.send("PUT", "/api/settings", {"retention": wrong})
        assert (refused.status_code, refused.json()["error"]["field"]) == (400, field)


async def test_the_panic_switch_turns(api: Api) -> None:
    assert (await api.send("POST", "/api/panic", {"on": True})).json() == {"is_panicking": True}
    assert (await api.get("/api/status")).json()["is_panicking"] is True
    assert (await api.send("POST", "/api/panic", {"on": False})).json() == {"is_panicking": False}


async def test_exchanges_are_read_again(api: Api) -> None:
    api.journal.write(*whole(NAME))
    await api.stored(NAME)
    subscription = api.context.keeper.bus.subscribe()
    assert (await api.send("POST", "/api/reparse", {"ids": [NAME]})).status_code == 202
    async for event in subscription:
        if event.type == "exchange.changed":
            break
    subscription.close()
    assert event.data.id == NAME
    assert (await api.send("POST", "/api/reparse", {"ids": ["x"]})).status_code == 404


async def test_connect_names_this_dragoman(api: Api) -> None:
    connect = (await api.get("/api/connect")).json()
    assert connect["base_url"] == "http://127.0.0.1:8123"
    assert "http://127.0.0.1:8123/v1" in str(connect["snippets"])


class FakeProxy:
    """Hands each request on to the provider `simulator`, as the gateway would, and names an exchange."""

    def __init__(self) -> None:
        self.context: Context | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert outer.context is not None
                provider = outer.context.keeper.setup.provider("simulator")
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {"content-type": "application/json"}
                for name in ("anthropic-version",):
                    if name in self.headers:
                        headers[name] = self.headers[name]
                url = provider.base_url + self.path.removeprefix("/simulator")
                with (
                    httpx2.Client(timeout=20) as client,
                    client.stream("POST", url, content=body, headers=headers) as reply,
                ):
                    self.send_response(reply.status_code)
                    self.send_header("x-dragoman-exchange", NAME)
                    self.end_headers()
                    outer.replies.append(reply.status_code)
                    with contextlib.suppress(httpx2.TransportError, OSError):
                        for piece in reply.iter_raw():
                            self.wfile.write(piece)
                            outer.pieces += 1

            def log_message(self, *_: object) -> None:
                pass

        self.pieces = 0
        self.replies: list[int] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def proxy() -> Iterator[FakeProxy]:
    made = FakeProxy()
    yield made
    made.close()


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses", "anthropic_messages", "ollama_chat"])
async def test_the_first_request_is_streamed_by_the_simulator(tmp_path: Path, proxy: FakeProxy, dialect: str) -> None:
    url = f"http://127.0.0.1:{proxy.server.server_port}"
    async with serving(tmp_path, base_url=url) as api:
        proxy.context = api.context
        sent = await api.send("POST", "/api/test-request", {"dialect": dialect})
        assert sent.status_code == 202, sent.text
        assert sent.json()["exchange"] == NAME
        assert "simulator" in {one["slug"] for one in (await api.get("/api/providers")).json()["items"]}
        if dialect == "openai_chat":  # one is watched to its end; it takes some seconds, so that people see it grow
            async with asyncio.timeout(40):
                await asyncio.gather(*api.context.tasks._tasks)
            assert proxy.pieces > 20
    assert proxy.replies == [200]


async def test_a_proxy_that_does_not_answer_is_said(api: Api) -> None:
    reply = await api.send("POST", "/api/test-request", {})
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "upstream_failed")
