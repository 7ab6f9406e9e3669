"""Lists of models and counts of tokens, in the client's dialect, whatever the upstream has."""

import json
from pathlib import Path
from typing import Any

from dragoman.journal.format import AttemptOpened, SentChunk
from dragoman.records.route import Route, Target
from dragoman.records.setup import Provider, Setup
from fakes.client import Reply
from fakes.gateway import RunningGateway, running_gateway
from fakes.upstream import FakeUpstream

EXACT = Route(name="e", prefix="/mine", model="big", targets=[Target(provider="chat", model="gpt-5")])
MANY = Route(name="m", prefix="/mine", model="gpt-*", targets=[Target(provider="chat")])
LIST = {"object": "list", "data": [{"id": one, "object": "model", "created": 1} for one in ("gpt-5", "o3", "gpt-4")]}
VERSION = b"anthropic-version: 2023-06-01\r\n"


def answer(body: Any, status: int = 200) -> bytes:
    data = json.dumps(body).encode()
    return b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        status,
        len(data),
        data,
    )


def running(tmp_path: Path, url: str, *routes: Route) -> Any:
    entries = [Provider(slug="chat", base_url=url, dialects=["openai_chat"])]
    return running_gateway(tmp_path, setup=Setup(version=1, routes=list(routes)), providers=entries)


async def get(gateway: RunningGateway, path: bytes, extra: bytes = b"") -> Reply:
    async with gateway.client() as client:
        return await client.ask(b"GET %b HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % (path, extra))


async def test_a_prefix_lists_its_names_and_what_the_upstream_lists(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running(tmp_path, upstream.url, EXACT, MANY) as gateway:
        upstream.reply(answer(LIST))
        reply = await get(gateway, b"/mine/v1/models", VERSION + b"x-api-key: k\r\n")
        sent = b"".join(one.data for one in gateway.of(reply.exchange, SentChunk))
        (attempt,) = gateway.of(reply.exchange, AttemptOpened)
    listed = json.loads(reply.body)
    assert [one["id"] for one in listed["data"]] == ["big", "gpt-5", "gpt-4"]  # no route takes o3
    assert (listed["first_id"], listed["has_more"]) == ("big", False)
    assert upstream.received[0].line == b"GET /v1/models HTTP/1.1"
    assert upstream.received[0].header(b"authorization") == b"Bearer k"
    assert sent == reply.body
    assert attempt.route == "m"


async def test_without_an_answer_the_routes_own_names_are_the_list(tmp_path: Path) -> None:
    async with FakeUpstream() as gone:
        pass
    async with running(tmp_path, gone.url, EXACT, MANY) as gateway:
        listed = json.loads((await get(gateway, b"/mine/v1/models")).body)
        tags = json.loads((await get(gateway, b"/mine/api/tags")).body)
    assert [one["id"] for one in listed["data"]] == ["big"]
    assert [one["model"] for one in tags["models"]] == ["big"]


async def test_exact_routes_alone_ask_no_upstream(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running(tmp_path, upstream.url, EXACT) as gateway:
        reply = await get(gateway, b"/mine/v1/models")
        closed = await gateway.closed(reply.exchange)
    assert [one["id"] for one in json.loads(reply.body)["data"]] == ["big"]
    assert closed.ending == "answered"
    assert not upstream.received


async def test_a_route_for_everything_in_the_same_dialect_passes_the_list_untouched(tmp_path: Path) -> None:
    every = Route(name="a", prefix="/mine", targets=[Target(provider="chat")])
    async with FakeUpstream() as upstream, running(tmp_path, upstream.url, every) as gateway:
        upstream.reply(answer(LIST))
        assert (await get(gateway, b"/mine/v1/models?x=1")).body == json.dumps(LIST).encode()
    assert upstream.received[0].line == b"GET /v1/models?x=1 HTTP/1.1"


async def test_tokens_are_estimated_where_the_upstream_cannot_count(tmp_path: Path) -> None:
    body = json.dumps({"model": "big", "messages": [{"role": "user", "content": "Hi there"}]}).encode()
    head = b"POST /mine/v1/messages/count_tokens HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    async with (
        FakeUpstream() as upstream,
        running(tmp_path, upstream.url, EXACT) as gateway,
        gateway.client() as client,
    ):
        reply = await client.ask(head % len(body) + body)
        broken = await client.ask(head % 14 + b'{"model":"big"')
    counted = json.loads(reply.body)
    assert counted["estimated"] is True
    assert 5 < counted["input_tokens"] < 50
    assert broken.status in (400, 404)
    assert not upstream.received
