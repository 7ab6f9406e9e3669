"""Messages calls that a route passes on: the client reads the name that it asked for, and foreign seals stay behind."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dragoman.canonical import Reasoning
from dragoman.dialects.seals import wrap
from dragoman.gateway.renamed import RenamedStream
from dragoman.journal.format import Alteration, Chunk, Closed, SentChunk, UpstreamBody
from dragoman.records.route import Route, Target
from dragoman.records.setup import Setup
from fakes.gateway import running_gateway
from fakes.upstream import FakeUpstream, dechunk

START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","model" : "x\\"y-2","content":[]}}\n\n'
)
REST = b'event: ping\ndata: {"type": "ping"}\n\ndata: {"model":"stays"}\n\n'
STREAM = START + REST
WANTED = START.replace(b'"x\\"y-2"', b'"asked"') + REST
WHOLE = b'{ "id":"m", "model":"served-2",\n "content":[{"type":"tool_use","input":{"model":"stays"}}] }'
ROUTE = Route(name="r", model="asked", targets=[Target(provider="claude", model="served")])


def request(model: str = "asked", messages: Sequence[Any] = ()) -> bytes:
    body = json.dumps({"model": model, "max_tokens": 9, "stream": True, "messages": messages}).encode()
    lines = b"POST /v1/messages?beta=true HTTP/1.1\r\nHost: localhost\r\nanthropic-version: 2023-06-01\r\n"
    return lines + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def answer(body: bytes, kind: bytes = b"text/event-stream", status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n%b" % (status, kind, len(body), body)


@pytest.mark.parametrize("cut", range(len(START) + 1))
def test_only_the_name_changes_at_every_cut(cut: int) -> None:
    stream = RenamedStream("asked")
    assert stream.feed(STREAM[:cut]) + stream.feed(STREAM[cut:]) + stream.end() == WANTED


def test_a_stream_without_a_name_passes() -> None:
    stream = RenamedStream("asked")
    assert stream.feed(REST) + stream.end() == REST
    assert stream.has_begun
    long = b": " + b"x" * 70_000 + b"\n\n"
    assert RenamedStream("asked").feed(long) == long


async def ask(tmp_path: Path, reply: bytes, model: str = "asked") -> tuple[Any, list[Any]]:
    async with FakeUpstream() as upstream:
        setup = Setup(version=1, routes=[ROUTE])
        async with running_gateway(tmp_path, setup=setup, claude=upstream.url, anthropic=upstream.url) as gateway:
            upstream.reply(reply)
            async with gateway.client() as client:
                got = await client.ask(request(model))
            return got, await gateway.records(got.exchange)


async def test_a_stream_bears_the_name_that_was_asked_for_and_both_are_on_record(tmp_path: Path) -> None:
    got, records = await ask(tmp_path, answer(STREAM))
    assert dechunk(got.body) == WANTED
    assert b"".join(one.data for one in records if isinstance(one, SentChunk)) == WANTED
    assert b"".join(one.data for one in records if isinstance(one, Chunk)) == STREAM


async def test_so_does_a_whole_reply(tmp_path: Path) -> None:
    got, _ = await ask(tmp_path, answer(WHOLE, b"application/json"))
    assert got.body == WHOLE.replace(b"served-2", b"asked")


async def test_an_error_passes_as_it_came(tmp_path: Path) -> None:
    error = b'{"type":"error", "error":{"type":"invalid_request_error","message":"no"},"model":"served"}'
    got, records = await ask(tmp_path, answer(error, b"application/json", b"400 Bad Request"))
    assert (got.status, got.body) == (400, error)
    assert not [one for one in records if isinstance(one, SentChunk)]


async def test_a_reply_that_cannot_be_unfolded_is_an_error_and_says_why_on_record(tmp_path: Path) -> None:
    got, records = await ask(tmp_path, answer(b"not gzip", b"application/json\r\ncontent-encoding: gzip"))
    assert (got.status, json.loads(got.body)["error"]["code"]) == (502, "unreadable_reply")
    (closed,) = [one for one in records if isinstance(one, Closed)]
    assert (closed.ending, closed.error_code) == ("upstream_failed", "unreadable_reply")


async def test_what_is_not_renamed_passes_as_it_came(tmp_path: Path) -> None:
    got, records = await ask(tmp_path, answer(STREAM), model="other")
    assert got.body == STREAM
    assert not [one for one in records if isinstance(one, SentChunk)]


async def test_what_another_maker_sealed_is_left_out_where_the_conversation_comes_home(tmp_path: Path) -> None:
    sealed = wrap(Reasoning(text="Hm.", encrypted="abc", maker="openai"))
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm.", "signature": sealed},
                                          {"type": "text", "text": "Yes"}]},
        {"role": "user", "content": "And?"},
    ]  # fmt: skip
    async with FakeUpstream() as upstream:
        route = Route(name="r", model="asked", targets=[Target(provider="claude")])
        async with running_gateway(
            tmp_path, setup=Setup(version=1, routes=[route]), claude=upstream.url, anthropic=upstream.url
        ) as gateway:
            upstream.reply(answer(WHOLE, b"application/json"))
            async with gateway.client() as client:
                got = await client.ask(request(messages=turns))
            records = await gateway.records(got.exchange)
    sent = json.loads(upstream.received[0].body)
    assert sent["messages"] == [turns[0], {"role": "assistant", "content": [{"type": "text", "text": "Yes"}]}, turns[2]]
    assert [one.what for one in records if isinstance(one, Alteration)] == ["reasoning that others sealed: left out"]


async def test_a_text_that_speaks_of_seals_passes_as_it_came(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        route = Route(name="r", model="asked", targets=[Target(provider="claude")])
        async with running_gateway(
            tmp_path, setup=Setup(version=1, routes=[route]), claude=upstream.url, anthropic=upstream.url
        ) as gateway:
            upstream.reply(answer(WHOLE, b"application/json"))
            asked = request(messages=[{"role": "user", "content": "What is dragoman.1.abc?"}])
            async with gateway.client() as client:
                got = await client.ask(asked)
            records = await gateway.records(got.exchange)
    assert asked.endswith(upstream.received[0].body)
    assert not [one for one in records if isinstance(one, Alteration | UpstreamBody)]
