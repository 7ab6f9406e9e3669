"""What nobody foresaw: an error of our own anywhere ends one exchange, told and on record, and nothing hangs."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.dialects.translate import StreamTranslator
from dragoman.gateway import answers, call, calling, question, routed, server, translated, translated_answer, tries
from dragoman.gateway.recorder import Recorder
from dragoman.journal.format import Closed
from dragoman.records.route import Route, Target
from dragoman.records.setup import Provider, Setup
from fakes.client import Reply
from fakes.gateway import RunningGateway, provider, running_gateway
from fakes.upstream import FakeUpstream

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
CHAT_REPLY = json.dumps(
    {
        "id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-5",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
).encode()  # fmt: skip
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(CHAT_REPLY),
    CHAT_REPLY,
)
DELTA = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"Hello"}}]}\n\n'
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (
    len(DELTA),
    DELTA,
)
ROUTES = [
    Route(name="there", model="claude-*", targets=[Target(provider="openai", dialect="openai_chat", model="gpt-5")]),
    Route(name="renamed", model="gpt-*", targets=[Target(provider="openai", model="o1")]),
]


def ask_body(model: str, **more: Any) -> bytes:
    return json.dumps(
        {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], **more}
    ).encode()


def post(body: bytes, path: bytes = b"/v1/messages", extra: bytes = b"") -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: localhost\r\n%bContent-Length: %d\r\n\r\n%b" % (path, extra, len(body), body)


def gateway(tmp_path: Path, upstream: FakeUpstream, **values: Any) -> Any:
    return running_gateway(tmp_path, setup=Setup(version=1, routes=ROUTES, **values), openai=upstream.url)


def fails(*_: Any, **__: Any) -> Any:
    raise ValueError("nobody foresaw this")


async def is_well(running: RunningGateway, upstream: FakeUpstream) -> None:
    """Nothing is left over, and the next request is served."""
    async with asyncio.timeout(5):
        while running.gateway.exchanges:
            await asyncio.sleep(0.005)
    assert running.gateway.held_bytes == 0
    assert not running.gateway.gathering
    upstream.reply(OK)
    async with running.client() as client:
        assert (await client.ask(post(ask_body("other"), b"/v1/chat/completions"))).status == 200


async def asked(running: RunningGateway, request: bytes) -> Reply:
    async with running.client() as client:
        return await client.ask(request)


def closed_records(running: RunningGateway) -> list[Closed]:
    return [one for one in running.all_records() if isinstance(one, Closed)]


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (calling, "_translated"),
        (question, "_decode_asked"),
        (calling, "translated_head"),
        (call.Call, "head"),
        (routed, "needs_work"),
        (routed, "make_call"),
        (routed.RoutedExchange, "_ask"),
        (tries.TryingExchange, "_relay_for"),
        (tries.TryingExchange, "_note_call"),
        (tries.TryingExchange, "judge"),
        (translated.TranslatedRelay, "_pass_head"),
        (translated.TranslatedRelay, "_pass_body"),
        (translated.TranslatedRelay, "_whole"),
        (translated.TranslatedRelay, "_answer"),
        (translated.TranslatedRelay, "_reply_fields"),
        (translated_answer, "translate_reply"),
    ],
)
async def test_what_stumbles_is_answered_500(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Any, name: str
) -> None:
    async with FakeUpstream() as upstream, gateway(tmp_path, upstream) as running:
        upstream.reply(WHOLE)
        with monkeypatch.context() as patch:
            patch.setattr(place, name, fails)
            reply = await asked(running, post(ask_body("claude-1")))
            closed = await running.closed(reply.exchange)
        assert (reply.status, closed.status, closed.error_code) == (500, 500, "internal")
        assert json.loads(reply.body)["type"] == "error"  # as the client's dialect has it
        await is_well(running, upstream)
        assert [one.id for one in closed_records(running)].count(reply.exchange) == 1


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (tries.TryingExchange, "on_reply_begun"),
        (translated, "reply_lines"),
        (Recorder, "sent_chunk"),
        (translated.TranslatedRelay, "_end_message"),
        (StreamTranslator, "feed"),
        (StreamTranslator, "end"),
        (StreamTranslator, "fail"),
        (answers, "error_of"),
    ],
)
async def test_a_stream_that_stumbles_ends_and_is_on_record_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Any, name: str
) -> None:
    async with FakeUpstream() as upstream, gateway(tmp_path, upstream) as running:
        is_cut = name == "fail"
        upstream.reply(STREAM + (b"" if is_cut else b"0\r\n\r\n"), closes=is_cut)
        with monkeypatch.context() as patch:
            patch.setattr(place, name, fails)
            if place is answers:
                patch.setattr(calling, "_translated", fails)
            async with running.client() as client:
                await client.send(post(ask_body("claude-1", stream=True), extra=b"Connection: close\r\n"))
                await client.ended()  # nothing hangs
        await is_well(running, upstream)
        assert closed_records(running)[0].ending == ("upstream_cut" if is_cut else "upstream_failed")
        assert len(closed_records(running)) == 2


async def test_a_tick_that_stumbles_leaves_the_others_their_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "TICK_S", 0.01)
    async with FakeUpstream() as upstream, gateway(tmp_path, upstream) as running, running.client() as client:
        await client.send(post(ask_body("claude-1")))
        await upstream.call()
        with monkeypatch.context() as patch:
            patch.setattr(translated.TranslatedRelay, "_pass_tick", fails)
            assert (await client.reply()).status == 500
        ticked = asyncio.Event()
        monkeypatch.setattr(running.gateway.pool, "tick", lambda _: ticked.set())
        await asyncio.wait_for(ticked.wait(), 5)


async def test_a_host_that_no_name_can_be_is_told(tmp_path: Path) -> None:
    hosts = {"empty": "http://a..b", "long": f"http://{'a' * 70}.example"}
    odd = [provider(slug, url) for slug, url in hosts.items()]
    named = [Route(name=slug, model=slug, targets=[Target(provider=slug)]) for slug in hosts]
    async with running_gateway(tmp_path, setup=Setup(version=1, routes=named), providers=odd) as running:
        for slug in hosts:
            for path in (b"/v1/messages", f"/{slug}/v1/messages".encode()):
                reply = await asked(running, post(ask_body(slug), path))
                assert (reply.status, (await running.closed(reply.exchange)).error_code) == (502, "dns_failed")


DEEP = 100_000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"\x00\xff\xfe",
        b"[" * DEEP,
        b'{"a":' * DEEP,
        b'{"model":"claude-1","messages":' + b"[" * DEEP + b"]" * DEEP + b"}",
        b'{"model":"claude-1","max_tokens":NaN,"messages":[{"role":"user","content":"Hi"}]}',
        b'{"model":"claude-1","max_tokens":1e999,"messages":[{"role":"user","content":"Hi"}]}',
        b'{"model":"claude-1","max_tokens":9,"messages":[{"role":"user","content":"\\ud83d"}]}',
        b'{"model":"claude-\\ud83d","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}',
        b'{"model":"claude-\\r\\nX: y\\u0000/../?#%","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}',
        b'{"model":"claude-1","model":"claude-2","messages":1,"messages":[{"role":"user","content":"Hi"}]}',
        b'{"model":7,"messages":[]}',
        b'{"model":["claude-1"],"messages":{}}',
        b'{"model":"claude-1","messages":"Hi","system":7,"tools":{},"stop_sequences":3,"max_tokens":"x"}',
        b'{"model":"claude-1","messages":[[],null,7,{"role":1,"content":{}},{"content":[7,null,{"type":"?"}]}]}',
        b'{"model":"claude-1","stream":"yes","messages":[{"role":"user","content":[]}]}',
        b'\xef\xbb\xbf{"model":"claude-1","messages":[{"role":"user","content":"Hi"}]}',
        '{"model":"claude-1","messages":[{"role":"user","content":"Hi"}]}'.encode("utf-16"),
    ],
    ids=range(20),
)
@pytest.mark.parametrize("path", [b"/v1/messages", b"/v1/chat/completions", b"/v1/responses", b"/api/chat"])
async def test_odd_bodies_are_answered(tmp_path: Path, body: bytes, path: bytes) -> None:
    async with FakeUpstream() as upstream, FakeUpstream() as claude:
        upstream.reply(WHOLE)
        claude.reply(WHOLE)
        target = Target(provider="claude" if path != b"/v1/messages" else "openai", dialect=None)
        everything = Setup(version=1, routes=[Route(name="all", targets=[target])])
        entries = [
            Provider(slug="openai", base_url=upstream.url, dialects=["openai_chat"]),
            Provider(slug="claude", base_url=claude.url, dialects=["anthropic_messages"]),
        ]
        async with running_gateway(tmp_path, setup=everything, providers=entries) as running:
            reply = await asked(running, post(body, path))
            closed = await running.closed(reply.exchange)
            assert closed.error_code != "internal", (closed.error_message, body[:80])
            assert reply.status in (200, 400, 502)
            assert not running.gateway.exchanges
            for one in upstream.received + claude.received:
                assert one.line.startswith(b"POST /v1/")
                assert b"\nX: y" not in one.head
                json.loads(one.body)
