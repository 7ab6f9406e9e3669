"""Replies that are not what they say: streams called JSON, errors of status 200, broken codings."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from dragoman.dialects import ALL
from dragoman.gateway.told_apart import error_told, looks_like_stream
from dragoman.journal.format import AttemptClosed
from dragoman.records.route import Retry, Route, Target
from dragoman.records.setup import Provider, Setup
from fakes.client import Reply
from fakes.gateway import RunningGateway, running_gateway
from fakes.upstream import FakeUpstream, dechunk

JSON, EVENTS, PLAIN = b"content-type: application/json", b"content-type: text/event-stream", b"content-type: text/plain"
WHOLE = b'{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]}'
STREAM = (
    b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\n'
    b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)
TOLD = b'{"error":{"message":"Rate limit exceeded: free-models","code":429},"user_id":"u"}'
REFUSED = b'data: {"id":"c","choices":[],"error":{"message":"No endpoints","code":429}}\n\n'


def reply(body: bytes, *fields: bytes) -> bytes:
    lines = b"".join(field + b"\r\n" for field in fields)
    return b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n%b" % (lines, len(body), body)


def post(*, streams: bool) -> bytes:
    question = {"model": "m", "max_tokens": 9, "stream": streams, "messages": [{"role": "user", "content": "Hi"}]}
    body = json.dumps(question).encode()
    return b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def gateway(tmp_path: Path, *upstreams: FakeUpstream) -> Any:
    entries = [Provider(slug=f"u{at}", base_url=one.url, dialects=["openai_chat"]) for at, one in enumerate(upstreams)]
    targets = [Target(provider=one.slug) for one in entries]
    setup = Setup(version=1, routes=[Route(name="r", targets=targets, retry=Retry())])
    return running_gateway(tmp_path, setup=setup, providers=entries)


async def ask(running: RunningGateway, *, streams: bool) -> Reply:
    async with running.client() as client:
        found = await client.ask(post(streams=streams))
    if found.header(b"transfer-encoding"):
        found.body = dechunk(found.body)
    return found


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize(
    "given",
    [
        reply(STREAM, JSON),
        reply(STREAM, PLAIN),
        reply(b"\n" + STREAM),
        reply(b": first\n\n" + STREAM),
        reply(gzip.compress(STREAM), JSON, b"content-encoding: gzip"),
        reply(WHOLE, EVENTS),
        reply(WHOLE, PLAIN),
        reply(b"\r\n " + WHOLE),
    ],
)
async def test_the_first_byte_tells_what_a_reply_is(tmp_path: Path, given: bytes, streams: bool) -> None:
    async with FakeUpstream() as upstream, gateway(tmp_path, upstream) as running:
        upstream.reply(given)
        found = await ask(running, streams=streams)
        assert (found.status, (await running.closed(found.exchange)).ending) == (200, "complete")
        assert b"Hello" in found.body
        assert found.body.endswith(b'{"type":"message_stop"}\n\n') == streams


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("given", [reply(TOLD, JSON), reply(REFUSED, EVENTS), reply(b"<html>hi", JSON)])
async def test_an_error_in_the_clothes_of_an_answer_leads_to_the_next_target(
    tmp_path: Path, given: bytes, streams: bool
) -> None:
    async with FakeUpstream() as first, FakeUpstream() as second, gateway(tmp_path, first, second) as running:
        first.reply(given)
        second.reply(reply(WHOLE, JSON))
        found = await ask(running, streams=streams)
        await running.closed(found.exchange)
        (failed,) = running.of(found.exchange, AttemptClosed)
        assert (found.status, found.header(b"x-dragoman-attempts")) == (200, b"2")
        assert b"Hello" in found.body
        assert failed.status == (502 if b"html" in given else 429)


async def test_an_error_in_the_clothes_of_an_answer_is_an_error(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, gateway(tmp_path, upstream) as running:
        for given in (reply(TOLD, JSON), reply(REFUSED, EVENTS)):
            upstream.reply(given)
            found = await ask(running, streams=True)
            error = json.loads(found.body)["error"]
            assert (found.status, error["type"]) == (429, "rate_limit_error")
            assert error["message"] in ("Rate limit exceeded: free-models", "No endpoints")


async def test_a_broken_coding_is_told(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, gateway(tmp_path, upstream) as running:
        for coding, why in (
            (b"gzip", b"is not what its content-encoding says"),
            (b"foo", b"content-encoding 'foo' is"),
        ):
            for body, media in ((WHOLE, JSON), (STREAM, EVENTS)):
                upstream.reply(reply(body, media, b"content-encoding: " + coding))
                found = await ask(running, streams=True)
                assert found.status == 502
                assert why in found.body


async def test_a_coding_that_breaks_in_the_stream_ends_it_with_an_error(tmp_path: Path) -> None:
    folding = zlib.compressobj(wbits=31)
    folded = folding.compress(STREAM.partition(b"\n\n")[0] + b"\n\n") + folding.flush(zlib.Z_SYNC_FLUSH)
    head = b"HTTP/1.1 200 OK\r\n%b\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % (EVENTS, len(folded) + 9)
    async with FakeUpstream() as upstream, gateway(tmp_path, upstream) as running, running.client() as client:
        await client.send(post(streams=True))
        call = await upstream.call()
        await call.send(head + folded)
        begun = await client.head()
        assert b"Hello" in await client.until(b'"Hello"}}')
        await call.send(b"\xff" * 9)
        assert b"event: error" in await client.until(b"0\r\n\r\n")
        closed = await running.closed(begun.exchange)
        assert (closed.ending, closed.error_code) == ("upstream_cut", "upstream_protocol")


def test_only_dialects_of_events_are_looked_at() -> None:
    assert looks_like_stream("openai_chat", b" \n") is None
    assert looks_like_stream("openai_chat", b"<html>") is None
    assert looks_like_stream("ollama_chat", b"{") is None
    assert looks_like_stream("bedrock_invoke", b"\0\0\0") is None
    assert looks_like_stream("nobody", b"data") is None
    assert "ollama_chat" in ALL
    assert error_told("openai_chat", b"nothing", is_stream=False) is None
