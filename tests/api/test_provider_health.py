"""How providers fare, told from the record and the gateways' breakers; and trying them with a small request."""

import json
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dragoman.api.provider_health import is_providers_failure
from dragoman.ids import IdMaker
from dragoman.keeper.status import worst_breakers
from dragoman.records.control import Breaker, Status
from dragoman.records.exchange import Detail, Recording, Row
from dragoman.records.setup import Auth, Provider
from fakes.api_server import Api, serving

SECRET = "sk-planted-8f14e45fceea167a-in-clear"


class Model:
    """Answers as `dialect` does; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any, dict[str, str]]] = []
        self.status = 200
        self.calls = True
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.asked.append((self.path, body, {name.lower(): one for name, one in self.headers.items()}))
                self._answer(outer.answer(body))

            def do_GET(self) -> None:
                self._answer({"data": [{"id": "first"}, {"id": "second"}]})

            def _answer(self, content: Any) -> None:
                data = json.dumps(content).encode()
                self.send_response(outer.status if self.command == "POST" else 200)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, body: Any) -> Any:
        if self.status >= 400:
            return {"error": {"message": "no such thing " + "x" * 9000, "type": "t"}}
        call = {"id": "1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Lisbon"}'}}
        message: dict[str, Any] = {"role": "assistant", "content": "works"}
        if body.get("tools") and self.calls:
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        return {"id": "x", "model": body["model"], "choices": [{"index": 0, "message": message}]}

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def model() -> Iterator[Model]:
    made = Model()
    yield made
    made.close()


@pytest.fixture
async def api(tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    monkeypatch.setenv("PLANTED_KEY", SECRET)
    mine = Provider(
        slug="mine", base_url=model.url, dialects=["openai_chat"], auth=Auth(key_env="PLANTED_KEY"), source="file:x:1"
    )
    async with serving(tmp_path, providers=(mine,)) as served:
        yield served


async def keep(api: Api, *, minutes: int, status: int | None = 200, ending: str = "complete", **more: Any) -> None:
    ms = api.context.clock.wall_ns() // 1_000_000 - minutes * 60_000
    row = Row(
        id=IdMaker().make(ms), state="done", status=status, ending=ending, provider="mine", started_ns=ms * 1_000_000,
        duration_ns=5_000_000, **more,
    )  # fmt: skip
    await api.keep(Recording(detail=Detail(row=row)))


async def health(api: Api, slug: str = "mine") -> Any:
    items = (await api.get("/api/providers/health")).json()["items"]
    return next(one for one in items if one["slug"] == slug)


async def test_a_provider_that_nobody_asked_is_unknown(api: Api) -> None:
    await keep(api, minutes=90)
    found = await health(api)
    assert (found["state"], found["requests"], found["latency_p50_ns"]) == ("unknown", 0, None)
    assert found["breaker"] == {"state": "closed", "failures": 0, "retry_in_s": 0.0}


async def test_the_last_hour_gives_state_median_and_last_error(api: Api) -> None:
    for minutes, first_byte in ((50, 9), (40, 1), (30, 3)):
        await keep(api, minutes=minutes, first_byte_ns=first_byte)
    await keep(api, minutes=20, status=529, error_message="overloaded")
    await keep(api, minutes=10, status=400)
    found = await health(api)
    assert (found["state"], found["requests"], found["failures"]) == ("ok", 5, 1)
    assert (found["latency_p50_ns"], found["last_error"]) == (3, "529: overloaded")
    await keep(api, minutes=1, status=None, ending="upstream_failed", error_code="connect_failed")
    found = await health(api)
    assert (found["state"], found["last_error"]) == ("failing", "connect_failed")


async def test_what_was_refused_before_sending_says_nothing_of_the_provider(api: Api) -> None:
    await keep(api, minutes=1, status=401, ending="refused", error_code="no_credential")
    found = await health(api)
    assert (found["state"], found["requests"], found["last_error"]) == ("unknown", 0, None)


@pytest.mark.parametrize(
    ("status", "ending", "is_failure"),
    [
        (200, "complete", False),
        (400, "complete", False),
        (404, "complete", False),
        (401, "complete", True),
        (429, "complete", True),
        (500, "complete", True),
        (200, "upstream_failed", True),
        (None, "timeout", True),
    ],
)
def test_what_the_provider_is_to_blame_for(status: int | None, ending: str, is_failure: bool) -> None:
    assert is_providers_failure(Row(id="x", status=status, ending=ending)) is is_failure


def test_of_several_gateways_the_worst_breaker_is_shown() -> None:
    def status(*breakers: Breaker) -> Status:
        return Status(1, 0, 0, 0, 0, 1, 0, 0, list(breakers))

    half = Breaker(provider="a", state="half_open", failures=9)
    opened = Breaker(provider="a", state="open", failures=5, retry_in_s=3.0)
    other = Breaker(provider="b", state="closed", failures=1)
    assert worst_breakers([status(half), status(opened, other)]) == {"a": opened, "b": other}


async def trial(api: Api, **body: Any) -> Any:
    return (await api.send("POST", "/api/providers/mine/test", body)).json()


async def test_a_simple_trial_asks_the_first_model_for_a_word(api: Api, model: Model) -> None:
    found = await trial(api, kind="simple")
    assert (found["kind"], found["outcome"], found["model"], found["reply"]) == ("simple", "ok", "first", "works")
    assert found["latency_ns"] > 0
    path, body, headers = model.asked[0]
    assert (path, body["model"]) == ("/v1/chat/completions", "first")
    assert headers["authorization"] == f"Bearer {SECRET}"
    assert SECRET not in json.dumps(found)


async def test_an_image_trial_sends_an_image(api: Api, model: Model) -> None:
    assert (await trial(api, kind="image", model="seer"))["outcome"] == "ok"
    _, body, _ = model.asked[0]
    assert body["model"] == "seer"
    assert "data:image/png;base64," in json.dumps(body["messages"])


async def test_a_function_trial_wants_a_call(api: Api, model: Model) -> None:
    found = await trial(api, kind="function")
    assert (found["outcome"], found["message"]) == ("ok", 'called get_weather({"city":"Lisbon"})')
    model.calls = False
    found = await trial(api, kind="function")
    assert (found["outcome"], found["message"]) == ("failed", "answered, but called no function")


async def test_a_trial_that_fails_says_how_in_bounds(api: Api, model: Model) -> None:
    model.status = 404
    found = await trial(api, kind="simple")
    assert (found["outcome"], found["status"], len(found["reply"])) == ("failed", 404, 6000)
    assert found["reply"].startswith("no such thing")
    model.status = 401
    assert (await trial(api, kind="simple"))["outcome"] == "unauthorized"


async def test_a_trial_without_key_or_writer_sends_nothing(
    api: Api, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PLANTED_KEY")
    assert (await trial(api, kind="simple", model="x"))["outcome"] == "no_credential"
    assert model.asked == []
    assert (await api.send("POST", "/api/providers/openai/test", {"kind": "odd"})).status_code == 400


async def test_a_trial_of_who_lists_no_models_wants_one_named(api: Api) -> None:
    reply = await api.send("POST", "/api/providers/bedrock/test", {"kind": "simple"})
    assert (reply.status_code, reply.json()["error"]["field"]) == (400, "model")


async def test_without_a_body_the_models_are_asked_for(api: Api) -> None:
    found = (await api.send("POST", "/api/providers/mine/test")).json()
    assert (found["kind"], found["outcome"], found["models"]) == ("models", "ok", 2)
