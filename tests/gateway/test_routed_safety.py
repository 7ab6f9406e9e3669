"""Routed calls under hard conditions: whose key goes where, who leaves when, and what no method may do."""

import asyncio
import errno
import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dragoman.gateway import question
from dragoman.gateway.breaker import FAILURES
from dragoman.gateway.routed import RoutedExchange
from dragoman.journal.format import Alteration, AttemptOpened, UpstreamBody
from dragoman.records.control import Breaker
from dragoman.records.route import Retry, Route, Target
from dragoman.records.setup import Auth, Limits, Provider, Setup
from fakes.gateway import RunningGateway, running_gateway
from fakes.upstream import FakeUpstream, dechunk

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
NO = b"HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nno"
REPLY = b'{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}'
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(REPLY), REPLY)
BODY = b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}'
KEYS = b"Authorization: Bearer sk-client\r\napi-key: sk-client\r\n"


def post(
    body: bytes = BODY, path: bytes = b"/v1/chat/completions", extra: bytes = b"", method: bytes = b"POST"
) -> bytes:
    head = b"%b %b HTTP/1.1\r\nHost: localhost\r\n%bContent-Length: %d\r\n\r\n"
    return head % (method, path, extra, len(body)) + body


def entry(slug: str, url: str, dialect: Any = "openai_chat", **values: Any) -> Provider:
    return Provider(slug=slug, base_url=url, dialects=[dialect], **values)


def to(*slugs: str, **values: Any) -> Setup:
    return Setup(version=1, routes=[Route(name="r", targets=[Target(provider=one) for one in slugs], **values)])


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic_messages"])
async def test_the_client_s_key_goes_to_one_host_alone(tmp_path: Path, dialect: str) -> None:
    async with FakeUpstream() as one, FakeUpstream() as same, FakeUpstream(host="127.0.0.2") as other:
        for upstream in (one, same):
            upstream.reply(NO)
        other.reply(OK)
        entries = [entry("one", one.url), entry("same", same.url), entry("other", other.url, dialect)]
        async with running_gateway(tmp_path, setup=to("one", "same", "other"), providers=entries) as running:
            async with running.client() as client:
                extra = KEYS + b"X-Mine: yes\r\n"
                reply = await client.ask(post(path=b"/v1/chat/completions?key=sk-client&a=b", extra=extra))
            await running.closed(reply.exchange)
            said = [record.what for record in running.of(reply.exchange, Alteration)]
        assert b"Bearer sk-client" in one.received[0].head
        assert b"Bearer sk-client" in same.received[0].head
        assert b"sk-client" not in other.received[0].head
        assert other.received[0].header(b"x-mine") == b"yes"
        assert any(what.startswith("credential removed: authorization") for what in said)


async def test_a_key_of_ours_does_not_use_up_the_client_s_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_KEY", "sk-ours")
    async with FakeUpstream() as ours, FakeUpstream(host="127.0.0.2") as theirs:
        ours.reply(NO)
        theirs.reply(OK)
        auth = Auth(scheme="bearer", key_env="OUR_KEY")
        entries = [entry("ours", ours.url, auth=auth), entry("theirs", theirs.url)]
        async with (
            running_gateway(tmp_path, setup=to("ours", "theirs"), providers=entries) as running,
            running.client() as client,
        ):
            assert (await client.ask(post(extra=KEYS))).status == 200
        assert b"sk-client" not in ours.received[0].head
        assert theirs.received[0].header(b"authorization") == b"Bearer sk-client"


def breaker_of(running: RunningGateway, slug: str) -> Breaker:
    return {one.provider: one for one in running.gateway.breakers.shown()}[slug]


async def test_a_probe_whose_client_leaves_while_it_connects_makes_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dragoman.gateway.breaker.FIRST_PAUSE_S", 0.0)
    async with FakeUpstream() as first, FakeUpstream() as second:
        first.reply(OK)
        entries = [entry("first", first.url), entry("second", second.url)]
        async with running_gateway(tmp_path, setup=to("first", "second"), providers=entries) as running:
            for _ in range(FAILURES):
                running.gateway.breakers.failed("first", "down")
            breaker = running.gateway.breakers._states["first"]
            breaker.open_until = running.gateway.clock.mono_ns()
            connecting = asyncio.Event()
            with monkeypatch.context() as patch:

                async def connect(*_: Any) -> Any:
                    connecting.set()
                    await asyncio.Event().wait()

                patch.setattr(running.gateway.pool, "connect", connect)
                async with running.client() as client:
                    await client.send(post())
                    await asyncio.wait_for(connecting.wait(), 5)
                    assert breaker.probed_at is not None
                await running.closed()
            assert breaker.probed_at is None
            async with running.client() as client:
                assert (await client.ask(post())).status == 200
            assert len(first.received) == 1
            assert not running.gateway.breakers.shown()


async def test_the_panic_switch_stops_what_is_still_gathered(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        async with (
            running_gateway(tmp_path, setup=to("one"), providers=[entry("one", upstream.url)]) as running,
            running.client() as client,
        ):
            whole = post()
            await client.send(whole[:-5])
            await until(lambda: bool(running.gateway.exchanges))
            running.change(is_panicking=True)
            await client.send(whole[-5:])
            assert (await client.reply()).status == 503
        assert not upstream.received


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"DELETE", b"PUT", b"PATCH"])
async def test_only_a_post_is_translated(tmp_path: Path, method: bytes) -> None:
    async with FakeUpstream() as upstream:
        entries = [entry("one", upstream.url, "anthropic_messages")]
        async with (
            running_gateway(tmp_path, setup=to("one"), providers=entries) as running,
            running.client() as client,
        ):
            is_head = method == b"HEAD"
            for path in (b"/v1/messages", b"/v1/chat/completions", b"/v1/responses", b"/api/chat"):
                providers = entry("one", upstream.url, "bedrock_invoke")
                running.change(providers=[providers])
                reply = await client.ask(post(path=path, method=method), to_head=is_head)
                assert reply.status in (400, 404), path
            assert (await client.ask(post(path=b"/v1/messages", method=b"GET"))).status in (400, 404)  # still in step
        assert not upstream.received


async def test_a_client_that_takes_nothing_does_not_stop_a_pooled_connection(tmp_path: Path) -> None:
    """The head of a translated reply is written when the connection it came on is the pool's again."""
    async with FakeUpstream() as upstream:
        upstream.reply(WHOLE)
        async with (
            running_gateway(tmp_path, setup=to("one"), providers=[entry("one", upstream.url)]) as running,
            running.client() as stuck,
            running.client() as client,
        ):
            await until(lambda: len(running.gateway.connections) == 2)
            for side in running.gateway.connections:
                side.full_since_ns = running.gateway.clock.mono_ns()
            assert (await stuck.ask(post(path=b"/v1/messages"))).status == 200
            assert (await client.ask(post())).status == 200
        assert upstream.connection_count == 1


async def test_many_attempts_and_two_views_alternate_on_one_connection(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        upstream.reply(WHOLE)
        entries = [entry("one", upstream.url)]
        setup = to("one", model="m", retry=Retry(attempts=2))
        async with running_gateway(tmp_path, setup=setup, providers=entries) as running, running.client() as client:
            asked = [
                post(path=path) for path in (b"/v1/messages", b"/one/v1/chat/completions", b"/v1/chat/completions")
            ]
            await client.send(b"".join(asked * 5))
            replies = [await client.reply() for _ in range(15)]
            assert all(reply.status == 200 for reply in replies)
            assert [json.loads(reply.body).get("type") for reply in replies] == ["message", None, None] * 5
            for reply in replies:
                await running.closed(reply.exchange)
                assert len(running.of(reply.exchange, AttemptOpened)) == 1
        assert upstream.connection_count == 1


async def test_keys_in_a_provider_s_words_are_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_KEY", "sk-ours-0123456789")
    body = b"Incorrect key: sk-ours-0123456789 or sk-client-0123456789"
    refusal = b"HTTP/1.1 429 No\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    async with FakeUpstream() as one:
        one.reply(refusal)
        entries = [
            entry("one", one.url, auth=Auth(scheme="bearer", key_env="OUR_KEY")),
            Provider(slug="gone", base_url="http://127.0.0.1:1"),
        ]
        async with running_gateway(tmp_path, setup=to("one", "gone"), providers=entries) as running:
            async with running.client() as client:
                reply = await client.ask(post(extra=b"x-api-key: sk-client-0123456789\r\n"))
            await running.closed(reply.exchange)
            record = running.journal_bytes()
        assert b"Incorrect key: " in reply.body
        for place in (reply.body, record):
            assert b"sk-ours-0123456789" not in place
            assert b"sk-client-0123456789" not in place


class Disk:
    """A sink that is full after `room` bytes."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, fd: int, buffers: list[bytes]) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, "no space left")
        written = os.write(fd, b"".join(buffers)[: self.room])
        self.room -= written
        return written


@pytest.mark.parametrize("room", [0, 100, 400, 900, 1500, 2500, 4000, 8000])
async def test_a_full_disk_stops_no_translated_stream(tmp_path: Path, room: int) -> None:
    delta = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"word "}}]}\n\n'
    stream = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    ended = b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    question = BODY.replace(b'"max', b'"stream":true,"max')
    disk = Disk(10**9)
    async with (
        FakeUpstream() as one,
        running_gateway(tmp_path, setup=to("one"), providers=[entry("one", one.url)], sink=disk) as running,
        running.client() as client,
    ):
        disk.room = room
        await client.send(post(question, path=b"/v1/messages"))
        call = await one.call()
        await call.send(stream)
        for _ in range(20):
            await call.send(b"%x\r\n%b\r\n" % (len(delta), delta))
            await asyncio.sleep(0)
        await call.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(ended), ended))
        reply = await client.reply()
        assert reply.status == 200
        assert b"word " in dechunk(reply.body)
        assert dechunk(reply.body).endswith(b'{"type":"message_stop"}\n\n')
        disk.room = 10**9
        one.reply(WHOLE)
        assert (await client.ask(post(path=b"/v1/messages"))).status == 200
        assert not running.gateway.exchanges
        assert running.gateway.held_bytes == 0


@pytest.mark.parametrize("coding", [b"foo", b"gzip", b"zstd, br"])
async def test_a_body_that_nobody_can_unfold_passes_as_it_came(tmp_path: Path, coding: bytes) -> None:
    async with FakeUpstream() as one:
        one.reply(WHOLE)
        async with (
            running_gateway(tmp_path, setup=to("one"), providers=[entry("one", one.url)]) as running,
            running.client() as client,
        ):
            for body in (b"\x00\x01\x02", BODY, b""):
                reply = await client.ask(post(body, extra=b"Content-Encoding: " + coding + b"\r\n"))
                assert reply.status == 200
                assert one.received[-1].body == body
                assert one.received[-1].header(b"content-encoding") == coding


async def test_a_body_that_unfolds_to_too_much_is_taken_by_a_route_for_all_models_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(question, "LEAST_UNFOLDED_BYTES", 100)
    given = gzip.compress(BODY + b" " * 1000)
    request = post(given, extra=b"Content-Encoding: gzip\r\n")
    (every,), (some,) = to("one").routes, to("one", model="m*").routes
    renamed = Route(name="r", targets=[Target(provider="one", model="o1")])
    setup = Setup(version=1, limits=Limits(capture=0))
    async with FakeUpstream() as one:
        one.reply(WHOLE)
        async with running_gateway(tmp_path, setup=setup, openai=one.url, one=one.url) as running:
            for route, status in ((every, 200), (some, 413), (renamed, 413)):
                running.change(routes=[route])
                async with running.client() as client:
                    reply = await client.ask(request)
                assert reply.status == status
                if status == 413:
                    assert "limits.capture" in json.loads(reply.body)["error"]["message"]
                    assert (await running.closed(reply.exchange)).error_code == "body_too_long"
            monkeypatch.setattr(question, "LEAST_UNFOLDED_BYTES", 10_000)
            running.change(routes=[some])
            async with running.client() as client:
                assert (await client.ask(request)).status == 200
            assert running.gateway.held_bytes == 0
    assert [one.body for one in one.received] == [given, given]


@pytest.mark.parametrize("is_folded", [False, True])
async def test_a_pin_in_the_client_s_own_name_is_on_record(tmp_path: Path, is_folded: bool) -> None:
    body = BODY.replace(b'"m"', b'"kimi@groq"')
    given = gzip.compress(body) if is_folded else body
    extra = b"Content-Encoding: gzip\r\n" if is_folded else b""
    async with FakeUpstream() as one:
        one.reply(WHOLE)
        entries = [entry("one", one.url)]
        async with (
            running_gateway(tmp_path, setup=to("one"), providers=entries) as running,
            running.client() as client,
        ):
            with pytest.MonkeyPatch.context() as patch:  # pins are for brokers; here every host is one
                patch.setattr("dragoman.dialects.pins.pin", lambda asked, _: {**asked, "provider": {"order": ["groq"]}})
                reply = await client.ask(post(given, extra=extra))
            await running.closed(reply.exchange)
            (noted,) = running.of(reply.exchange, UpstreamBody)
        assert noted.data == one.received[0].body != given
        assert one.received[0].header(b"content-encoding") is None


@pytest.mark.parametrize("path", [b"/v1/messages", b"/v1/responses", b"/api/chat"])
async def test_a_running_translated_stream_holds_no_conversation(tmp_path: Path, path: bytes) -> None:
    talk = [{"role": "user" if at % 2 == 0 else "assistant", "content": f"turn {at}"} for at in range(9)]
    system: dict[str, Any] = {"instructions": "Be brief."} if path == b"/v1/responses" else {}
    name = "input" if path == b"/v1/responses" else "messages"
    question = json.dumps({"model": "m", "max_tokens": 9, "stream": True, name: talk, **system}).encode()
    delta = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"word "}}]}\n\n'
    ended = b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    async with (
        FakeUpstream() as one,
        running_gateway(tmp_path, setup=to("one"), providers=[entry("one", one.url)]) as running,
        running.client() as client,
    ):
        await client.send(post(question, path=path))
        call = await one.call()
        await call.send(head + b"%x\r\n%b\r\n" % (len(delta), delta))
        await client.head()
        await client.until(b"word ")
        (exchange,) = running.gateway.exchanges.values()
        assert isinstance(exchange, RoutedExchange)
        assert exchange._question is None
        assert exchange._call is not None
        assert exchange._call.prompt is not None
        assert [message.role for message in exchange._call.prompt.messages] == ["system"] * len(system)
        assert running.gateway.held_bytes == 0
        await call.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(ended), ended))
        rest = await client.until(b"0\r\n\r\n")
        assert (b'"instructions":"Be brief."' in rest) == bool(system)


async def test_a_provider_that_is_removed_has_no_breaker(tmp_path: Path) -> None:
    async with FakeUpstream() as one:
        entries = [entry("one", one.url), entry("two", one.url)]
        async with running_gateway(tmp_path, setup=to("one", "two"), providers=entries) as running:
            for _ in range(FAILURES):
                running.gateway.breakers.failed("one", "down")
            running.change(providers=entries[1:])
            assert running.gateway.breakers.shown() == []
