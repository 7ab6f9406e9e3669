"""Calls whose target speaks another dialect: heads, whole replies, streams delta by delta, errors at any moment."""

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.gateway import translated
from dragoman.journal.format import (
    Alteration,
    AttemptClosed,
    AttemptOpened,
    Chunk,
    Lost,
    RequestBody,
    ResponseHead,
    SentChunk,
    SentHead,
    UpstreamBody,
)
from dragoman.records.route import Retry, Route, Target
from dragoman.records.setup import Auth, Provider, Setup
from fakes.client import Reply
from fakes.gateway import RunningGateway, provider, running_gateway
from fakes.upstream import Call, FakeUpstream, dechunk

TO_CHAT = Route(name="to-chat", model="claude-*", targets=[Target(provider="openai", model="gpt-5")])
TO_ANTHROPIC = Route(name="to-claude", model="gpt-*", targets=[Target(provider="anthropic", model="claude-x")])
QUESTION: dict[str, Any] = {"max_tokens": 99, "messages": [{"role": "user", "content": "Hi"}]}
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nx-request-id: req_1\r\n"
    b"x-ratelimit-limit-requests: 9\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def post(body: dict[str, Any], *, path: bytes = b"/v1/messages", extra: bytes = b"", version: bytes = b"1.1") -> bytes:
    data = json.dumps(body).encode()
    head = b"POST %b HTTP/%b\r\nHost: localhost\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n"
    return head % (path, version, extra, len(data)) + data


def messages(**more: Any) -> bytes:
    extra = b"anthropic-version: 2023-06-01\r\nx-api-key: sk-client\r\nanthropic-beta: b\r\nUser-Agent: me\r\n"
    return post({"model": "claude-1", **QUESTION, **more}, extra=extra)


def chat(**more: Any) -> bytes:
    extra = b"Authorization: Bearer sk-client\r\nOpenAI-Organization: o\r\n"
    return post({"model": "gpt-1", **QUESTION, **more}, path=b"/v1/chat/completions", extra=extra)


def answer(body: Any, *fields: bytes, status: int = 200) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = b"".join(field + b"\r\n" for field in (b"Content-Type: application/json", *fields))
    return b"HTTP/1.1 %d X\r\n%bContent-Length: %d\r\n\r\n%b" % (status, lines, len(data), data)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def frame(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    value = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5", "choices": [choice], **more}
    return chunk(b"data: " + json.dumps(value).encode() + b"\n\n")


CHAT_REPLY = {
    "id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-5",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}  # fmt: skip
MESSAGES_REPLY = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "stop_reason": "end_turn",
    "stop_sequence": None, "content": [{"type": "text", "text": "Hello"}],
    "usage": {"input_tokens": 3, "output_tokens": 2},
}  # fmt: skip


def gateway(tmp_path: Path, openai: FakeUpstream, anthropic: FakeUpstream, *routes: Route, **values: Any) -> Any:
    setup = Setup(version=1, routes=list(routes) or [TO_CHAT, TO_ANTHROPIC], **values)
    return running_gateway(tmp_path, setup=setup, openai=openai.url, anthropic=anthropic.url)


async def ask(running: RunningGateway, request: bytes) -> Reply:
    async with running.client() as client:
        return await client.ask(request)


def events(body: bytes) -> list[tuple[str, Any]]:
    """Read server-sent events as (name, JSON)."""
    found = []
    for block in body.decode().strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if "data" in lines:
            data = lines["data"]
            found.append((lines.get("event", ""), data if data == "[DONE]" else json.loads(data)))
    return found


async def test_messages_client_and_chat_model(tmp_path: Path) -> None:
    async with FakeUpstream() as openai, FakeUpstream() as other, gateway(tmp_path, openai, other) as running:
        openai.reply(answer(CHAT_REPLY, b"x-request-id: req_1", b"x-ratelimit-limit-requests: 9", b"ETag: a"))
        reply = await ask(running, messages(top_k=5))
        records = await running.records(reply.exchange)
        got = openai.received[0]
    body = json.loads(reply.body)
    assert (reply.status, body["content"][0]["text"], body["stop_reason"]) == (200, "Hello", "end_turn")
    assert body["model"] == "claude-1"
    assert (reply.header(b"request-id"), reply.header(b"x-ratelimit-limit-requests")) == (b"req_1", b"9")
    assert reply.header(b"etag") is None
    losses = json.loads(reply.header(b"x-dragoman-losses") or b"[]")
    assert [path for path, _ in losses] == ["$.top_k"]

    assert got.line == b"POST /v1/chat/completions HTTP/1.1"
    assert json.loads(got.body)["model"] == "gpt-5"
    assert got.header(b"authorization") == b"Bearer sk-client"
    assert got.header(b"accept-encoding") == b"identity"
    assert got.header(b"user-agent") == b"me"
    assert not [name for name, _ in got.headers if name.lower().startswith((b"anthropic", b"x-api-key"))]

    assert (
        b"".join(one.data for one in records if isinstance(one, RequestBody)) == messages(top_k=5).split(b"\r\n\r\n")[1]
    )
    assert [one.data for one in records if isinstance(one, UpstreamBody)] == [got.body]
    (attempt,) = [one for one in records if isinstance(one, AttemptOpened)]
    assert (attempt.dialect, attempt.model, attempt.route) == ("openai_chat", "gpt-5", "to-chat")
    assert b"sk-client" not in b"".join(value for _, value in attempt.headers)
    assert json.loads(b"".join(one.data for one in records if isinstance(one, Chunk))) == CHAT_REPLY
    assert b"".join(one.data for one in records if isinstance(one, SentChunk)) == reply.body
    (sent,) = [one for one in records if isinstance(one, SentHead)]
    assert (sent.status, sent.framing, dict(sent.headers)[b"request-id"]) == (200, "length", b"req_1")
    (lost,) = [one for one in records if isinstance(one, Lost)]
    assert (lost.direction, [path for path, _ in lost.losses]) == ("request", ["$.top_k"])
    told = [one.what for one in records if isinstance(one, Alteration)]
    assert "translated: anthropic_messages -> openai_chat" in told
    assert "model: claude-1 -> gpt-5" in told
    assert "credential moved: x-api-key -> authorization" in told
    assert "header removed: anthropic-beta" in told


async def test_chat_client_and_messages_model(tmp_path: Path) -> None:
    async with FakeUpstream() as openai, FakeUpstream() as anthropic, gateway(tmp_path, openai, anthropic) as running:
        anthropic.reply(answer(MESSAGES_REPLY, b"request-id: req_2"))
        reply = await ask(running, chat())
        got = anthropic.received[0]
    body = json.loads(reply.body)
    assert body["choices"][0]["message"]["content"] == "Hello"
    assert (body["model"], body["usage"]["prompt_tokens"]) == ("gpt-1", 3)
    assert reply.header(b"x-request-id") == b"req_2"
    assert got.line == b"POST /v1/messages HTTP/1.1"
    assert (got.header(b"x-api-key"), got.header(b"anthropic-version")) == (b"sk-client", b"2023-06-01")
    assert got.header(b"authorization") is None
    assert got.header(b"openai-organization") is None


async def test_a_credential_of_ours_replaces_the_client_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "sk-ours-0123456789")
    async with FakeUpstream() as upstream:
        auth = Auth(scheme="header", name="x-api-key", key_env="A_KEY")
        setup = Setup(version=1, routes=[TO_ANTHROPIC])
        entries = [provider("anthropic", upstream.url, auth=auth)]
        async with running_gateway(tmp_path, setup=setup, providers=entries) as running:
            upstream.reply(answer(MESSAGES_REPLY))
            assert (await ask(running, chat())).status == 200
            assert b"sk-ours-0123456789" not in running.journal_bytes()
    assert upstream.received[0].header(b"x-api-key") == b"sk-ours-0123456789"
    assert b"sk-client" not in upstream.received[0].head


async def test_a_chat_stream_becomes_a_messages_stream_delta_by_delta(tmp_path: Path) -> None:
    async with (
        FakeUpstream() as openai,
        FakeUpstream() as other,
        gateway(tmp_path, openai, other) as running,
        running.client() as client,
    ):
        await client.send(messages(stream=True))
        call = await openai.call()
        assert json.loads(call.received.body)["stream"] is True
        await call.send(STREAM_HEAD + frame({"role": "assistant", "content": ""}))
        reply = await client.head()
        assert reply.header(b"content-type").startswith(b"text/event-stream")
        assert (reply.header(b"transfer-encoding"), reply.header(b"request-id")) == (b"chunked", b"req_1")
        got = b""
        for word in ("One", "Two"):
            await call.send(frame({"content": word}))
            while word.encode() not in got:
                got += await client.chunk()
        end = frame({}, "stop", usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5})
        await call.send(end + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        got += await client.rest_of_chunks()
        records = await running.records(reply.exchange)
        call = await _again(client, openai)
    names = [name for name, _ in events(got)]
    assert names[0] == "message_start"
    assert names[-2:] == ["message_delta", "message_stop"]
    assert dict(events(got))["message_delta"]["usage"]["output_tokens"] == 2
    assert b"".join(one.data for one in records if isinstance(one, SentChunk)) == got
    (sent,) = [one for one in records if isinstance(one, SentHead)]
    assert sent.framing == "chunked"
    assert records[-1].ending == "complete"  # type: ignore[union-attr]


async def _again(client: Any, upstream: FakeUpstream) -> Call:
    """The connection serves the next request."""
    await client.send(messages())
    call = await upstream.call()
    await call.send(answer(CHAT_REPLY))
    assert (await client.reply()).status == 200
    return call


async def test_a_messages_stream_becomes_a_chat_stream(tmp_path: Path) -> None:
    start = {"type": "message_start", "message": {**MESSAGES_REPLY, "content": [], "stop_reason": None}}
    frames = [
        start,
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 2},
        },
        {"type": "message_stop"},
    ]
    body = b"".join(b"event: %b\ndata: %b\n\n" % (one["type"].encode(), json.dumps(one).encode()) for one in frames)
    async with FakeUpstream() as openai, FakeUpstream() as anthropic, gateway(tmp_path, openai, anthropic) as running:
        anthropic.reply(STREAM_HEAD + chunk(body) + b"0\r\n\r\n")
        reply = await ask(running, chat(stream=True, stream_options={"include_usage": True}))
    got = [data for _, data in events(dechunk(reply.body))]
    assert got[-1] == "[DONE]"
    assert "".join(one["choices"][0]["delta"].get("content") or "" for one in got[:-1] if one["choices"]) == "Hello"
    assert got[-2]["usage"]["completion_tokens"] == 2


async def test_compressed_replies_are_unfolded(tmp_path: Path) -> None:
    async with FakeUpstream() as openai, FakeUpstream() as other, gateway(tmp_path, openai, other) as running:
        openai.reply(answer(gzip.compress(json.dumps(CHAT_REPLY).encode()), b"Content-Encoding: gzip"))
        reply = await ask(running, messages())
    assert reply.header(b"content-encoding") is None
    assert json.loads(reply.body)["content"][0]["text"] == "Hello"


async def test_compressed_requests_are_unfolded(tmp_path: Path) -> None:
    body = gzip.compress(json.dumps({"model": "claude-1", **QUESTION}).encode())
    head = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    async with FakeUpstream() as openai, FakeUpstream() as other, gateway(tmp_path, openai, other) as running:
        openai.reply(answer(CHAT_REPLY))
        assert (await ask(running, head % len(body) + body)).status == 200
        assert json.loads(openai.received[0].body)["model"] == "gpt-5"
    assert openai.received[0].header(b"content-encoding") is None


async def test_an_http_10_client_gets_its_stream_without_chunks(tmp_path: Path) -> None:
    async with FakeUpstream() as openai, FakeUpstream() as other, gateway(tmp_path, openai, other) as running:
        openai.reply(
            STREAM_HEAD + frame({"content": "Hello"}) + frame({}, "stop") + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
        )
        async with running.client() as client:
            await client.send(post({"model": "claude-1", **QUESTION, "stream": True}, version=b"1.0"))
            head, _, body = (await client.ended()).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert [name for name, _ in events(body)][-1] == "message_stop"


@pytest.mark.parametrize(
    ("status", "kind"), [(401, "authentication_error"), (429, "rate_limit_error"), (500, "api_error")]
)
async def test_an_error_becomes_the_client_s_own(tmp_path: Path, status: int, kind: str) -> None:
    error = {"error": {"message": "no luck", "type": "t", "param": None, "code": "c"}}
    async with FakeUpstream() as openai, FakeUpstream() as other, gateway(tmp_path, openai, other) as running:
        openai.reply(answer(error, b"retry-after: 3", b"x-request-id: r", status=status))
        for streams in (False, True):
            reply = await ask(running, messages(stream=streams))
            body = json.loads(reply.body)
            assert (reply.status, body["type"], body["error"]["type"]) == (status, "error", kind)
            assert "no luck" in body["error"]["message"]
            assert (reply.header(b"retry-after"), reply.header(b"request-id")) == (b"3", b"r")
        closed = await running.closed(reply.exchange)
    assert (closed.ending, closed.status) == ("complete", status)


async def test_an_error_in_the_stream_before_the_first_word_is_an_error_answer(tmp_path: Path) -> None:
    error = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    async with FakeUpstream() as openai, FakeUpstream() as anthropic, gateway(tmp_path, openai, anthropic) as running:
        anthropic.reply(STREAM_HEAD + chunk(error) + b"0\r\n\r\n")
        reply = await ask(running, chat(stream=True))
        closed = await running.closed(reply.exchange)
    assert reply.status == 503
    error = json.loads(reply.body)["error"]
    assert (error["message"], error["code"]) == ("Overloaded", "server_is_overloaded")  # as OpenAI names it
    assert (closed.ending, closed.error_code) == ("complete", None)  # the error is the provider's own, in its bytes


async def test_an_error_in_the_stream_before_the_first_word_leads_to_the_next_target(tmp_path: Path) -> None:
    error = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    both = Route(name="r", model="gpt-*", targets=[Target(provider="anthropic"), Target(provider="openai")])
    async with (
        FakeUpstream() as openai,
        FakeUpstream() as anthropic,
        gateway(tmp_path, openai, anthropic, both) as running,
    ):
        anthropic.reply(STREAM_HEAD + chunk(error) + b"0\r\n\r\n")
        openai.reply(answer(CHAT_REPLY))
        reply = await ask(running, chat(stream=True))
        (failed,) = running.of(reply.exchange, AttemptClosed)
        heads = running.of(reply.exchange, ResponseHead)
    assert json.loads(reply.body) == CHAT_REPLY
    assert (failed.error_code, failed.status) == ("upstream_529", 529)
    assert len(heads) == 2


async def test_words_and_an_error_that_come_at_once_are_both_passed_on(tmp_path: Path) -> None:
    error = chunk(b'data: {"error":{"message":"broke","type":"server_error"}}\n\n')
    async with FakeUpstream() as openai, FakeUpstream() as other, gateway(tmp_path, openai, other) as running:
        openai.reply(STREAM_HEAD + frame({"content": "Hel"}) + error)  # and the upstream never ends
        reply = await ask(running, messages(stream=True))
    assert reply.status == 200
    assert b"Hel" in reply.body
    assert events(dechunk(reply.body))[-1][0] == "error"


async def test_what_an_earlier_target_lost_is_not_counted_with_a_later_one_s(tmp_path: Path) -> None:
    both = Route(name="r", model="claude-*", targets=[Target(provider="openai"), Target(provider="anthropic")])
    async with (
        FakeUpstream() as openai,
        FakeUpstream() as anthropic,
        gateway(tmp_path, openai, anthropic, both) as running,
    ):
        openai.reply(answer({}, status=500))
        anthropic.reply(answer(MESSAGES_REPLY))
        reply = await ask(running, messages(top_k=3))
        lost = running.of(reply.exchange, Lost)
    assert [len(one.losses) for one in lost] == [1, 0]
    assert reply.header(b"x-dragoman-losses") is None


async def test_a_stream_that_dies_ends_in_the_dialect_s_own_error(tmp_path: Path) -> None:
    async with FakeUpstream() as openai, FakeUpstream() as other, gateway(tmp_path, openai, other) as running:
        openai.reply(STREAM_HEAD + frame({"content": "Hel"}), closes=True)
        reply = await ask(running, messages(stream=True))
        closed = await running.closed(reply.exchange)
        sent = b"".join(one.data for one in running.of(reply.exchange, SentChunk))
    body = dechunk(reply.body)
    name, error = events(body)[-1]
    assert (name, error["error"]["type"]) == ("error", "api_error")
    assert body == sent
    assert (closed.ending, closed.error_code, closed.status) == ("upstream_cut", "upstream_cut", 200)


async def test_a_whole_reply_that_dies_is_tried_elsewhere(tmp_path: Path) -> None:
    both = Route(name="r", model="claude-*", targets=[Target(provider="openai"), Target(provider="second")])
    async with FakeUpstream() as openai, FakeUpstream() as second:
        setup = Setup(version=1, routes=[both])
        entries = [
            provider("openai", openai.url),
            Provider(slug="second", base_url=second.url, dialects=["openai_chat"]),
        ]
        async with running_gateway(tmp_path, setup=setup, providers=entries) as running:
            openai.reply(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{", closes=True
            )
            second.reply(answer(CHAT_REPLY))
            assert (await ask(running, messages())).status == 200


async def test_what_cannot_be_translated_is_refused(tmp_path: Path) -> None:
    async with FakeUpstream() as openai, FakeUpstream() as anthropic, gateway(tmp_path, openai, anthropic) as running:
        several = await ask(running, chat(n=2))
        embeddings = await ask(running, post({"model": "gpt-e", "input": "x"}, path=b"/v1/embeddings"))
        broken = await ask(running, post({"model": "gpt-e", "messages": 7}, path=b"/v1/chat/completions"))
    assert (several.status, embeddings.status) == (400, 400)
    assert "anthropic_messages" in json.loads(embeddings.body)["error"]["message"]
    assert broken.status == 400
    assert not anthropic.received


async def test_a_reply_that_cannot_be_read_is_a_502(tmp_path: Path) -> None:
    async with FakeUpstream() as openai, FakeUpstream() as other, gateway(tmp_path, openai, other) as running:
        openai.reply(answer(b"<html>"))
        reply = await ask(running, messages())
        closed = await running.closed(reply.exchange)
    assert reply.status == 502
    assert json.loads(reply.body)["type"] == "error"
    assert (closed.ending, closed.status, closed.error_code) == ("upstream_failed", 502, "unreadable_reply")
    assert "cannot be read as openai_chat" in (closed.error_message or "")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (STREAM_HEAD + b"0\r\n\r\n", "empty_reply"),
        (answer(b"", b"Location: https://a.example/", status=302), "upstream_302"),
        (answer(b"not gzip", b"Content-Encoding: gzip"), "unreadable_reply"),
    ],
)
async def test_a_reply_of_no_use_says_why_on_record(tmp_path: Path, given: bytes, code: str) -> None:
    async with FakeUpstream() as openai, FakeUpstream() as other, gateway(tmp_path, openai, other) as running:
        openai.reply(given)
        reply = await ask(running, messages(stream=True))
        closed = await running.closed(reply.exchange)
    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (502, code)
    assert (closed.ending, closed.status, closed.error_code) == ("upstream_failed", 502, code)
    assert closed.error_message == json.loads(reply.body)["error"]["message"]


async def test_pings_while_the_upstream_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translated, "PING_NS", 1)
    async with (
        FakeUpstream() as openai,
        FakeUpstream() as other,
        gateway(tmp_path, openai, other) as running,
        running.client() as client,
    ):
        await client.send(messages(stream=True))
        call = await openai.call()
        await call.send(STREAM_HEAD)
        await client.head()
        assert events(await client.chunk())[0][0] == "ping"
        await call.send(frame({"content": "x"}) + frame({}, "stop") + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        assert b"message_stop" in await client.rest_of_chunks()


async def test_a_client_that_leaves_cancels_the_upstream(tmp_path: Path) -> None:
    async with (
        FakeUpstream() as openai,
        FakeUpstream() as other,
        gateway(tmp_path, openai, other) as running,
        running.client() as client,
    ):
        await client.send(messages(stream=True))
        call = await openai.call()
        await call.send(STREAM_HEAD + frame({"content": "x"}))
        await client.head()
        client.leave()
        await asyncio.wait_for(call.gone.wait(), 10)
        assert (await running.closed()).ending == "client_closed"


async def test_stopping_tells_the_client_in_its_dialect(tmp_path: Path) -> None:
    async with (
        FakeUpstream() as openai,
        FakeUpstream() as other,
        gateway(tmp_path, openai, other) as running,
        running.client() as client,
    ):
        await client.send(messages(stream=True))
        call = await openai.call()
        await call.send(STREAM_HEAD + frame({"content": "x"}))
        reply = await client.head()
        assert running.gateway.cancel(reply.exchange)
        assert events(await client.rest_of_chunks())[-1][0] == "error"
        assert (await running.closed()).ending == "cancelled"


async def test_a_slow_client_pauses_the_upstream(tmp_path: Path) -> None:
    async with (
        FakeUpstream() as openai,
        FakeUpstream() as other,
        gateway(tmp_path, openai, other) as running,
        running.client(receive_buffer=4096) as client,
    ):
        await client.send(messages(stream=True))
        call = await openai.call()
        await call.send(STREAM_HEAD)
        word = frame({"content": "x" * 8000})
        (exchange,) = running.gateway.exchanges.values()
        async with asyncio.timeout(10):
            while not exchange._relay.is_paused:
                call.writer.write(word)
                await asyncio.sleep(0)
        client.leave()


async def test_a_whole_reply_to_a_streamed_question_is_streamed(tmp_path: Path) -> None:
    async with FakeUpstream() as openai, FakeUpstream() as other, gateway(tmp_path, openai, other) as running:
        openai.reply(answer(CHAT_REPLY))
        reply = await ask(running, messages(stream=True))
    assert reply.header(b"content-type").startswith(b"text/event-stream")
    assert [name for name, _ in events(reply.body)][-1] == "message_stop"
    assert b"Hello" in reply.body


async def test_a_stream_in_answer_to_a_whole_question_is_put_together(tmp_path: Path) -> None:
    async with FakeUpstream() as openai, FakeUpstream() as other, gateway(tmp_path, openai, other) as running:
        end = frame({}, "stop") + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
        openai.reply(STREAM_HEAD + frame({"content": "Hel"}) + frame({"content": "lo"}) + end)
        reply = await ask(running, messages())
    assert json.loads(reply.body)["content"][0]["text"] == "Hello"


async def test_a_retry_sends_the_translated_body_again(tmp_path: Path) -> None:
    twice = Route(name="r", model="claude-*", targets=[Target(provider="openai")], retry=Retry(attempts=2))
    async with (
        FakeUpstream() as openai,
        FakeUpstream() as other,
        gateway(tmp_path, openai, other, twice) as running,
        running.client() as client,
    ):
        await client.send(messages())
        await (await openai.call()).send(answer({}, b"retry-after-ms: 1", status=429))
        await (await openai.call()).send(answer(CHAT_REPLY))
        reply = await client.reply()
        bodies = running.of(reply.exchange, UpstreamBody)
    assert reply.status == 200
    assert openai.received[0].body == openai.received[1].body
    assert [one.number for one in bodies] == [1]


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\xff\xfe\x00" * 50,
        b"data: {not json\n\ndata: 7\n\ndata: []\n\ndata: null\n\n",
        b'data: {"choices": 3}\n\ndata: {"choices":[{"delta":[]}]}\n\n',
        b'data: {"choices":[{"index":"x","delta":{"content":{"a":1},"tool_calls":[null,{"index":-1}]}}]}\n\n',
        b"event: error\ndata: oops\n\n",
    ],
)
async def test_garbage_ends_in_an_error_and_never_hangs(tmp_path: Path, garbage: bytes) -> None:
    async with FakeUpstream() as openai, FakeUpstream() as other, gateway(tmp_path, openai, other) as running:
        openai.reply(STREAM_HEAD + (chunk(garbage) if garbage else b"") + b"0\r\n\r\n")
        for streams in (True, False):
            reply = await ask(running, messages(stream=streams))
            closed = await running.closed(reply.exchange)
            body = dechunk(reply.body) if reply.header(b"transfer-encoding") else reply.body
            assert b'"error"' in body
            assert closed.ending in ("complete", "upstream_failed")
        assert not running.gateway.exchanges


async def test_a_reply_cut_anywhere_is_the_same_reply(tmp_path: Path) -> None:
    end = frame({}, "stop") + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
    whole = STREAM_HEAD + frame({"role": "assistant", "content": "H\u00e9"}) + frame({"content": "llo"}) + end
    async with (
        FakeUpstream() as openai,
        FakeUpstream() as other,
        gateway(tmp_path, openai, other) as running,
        running.client() as client,
    ):
        bodies = []
        for size in (len(whole), 1, 7):
            await client.send(messages(stream=True))
            call = await openai.call()
            for start in range(0, len(whole), size):
                call.writer.write(whole[start : start + size])
                await asyncio.sleep(0)
            reply = await client.reply()
            bodies.append([data for name, data in events(dechunk(reply.body)) if name != "ping"])
    assert bodies[0] == bodies[1] == bodies[2]
