"""Routes without translation: who gets a request, what is changed, and what happens when a target fails."""

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.gateway import server
from dragoman.journal.format import Alteration, AttemptClosed, AttemptOpened, Opened, RequestBody, UpstreamBody
from dragoman.records.route import Replacement, Retry, Route, SystemEdits, Target
from dragoman.records.setup import Auth, Limits, Setup, Timeouts
from fakes.gateway import RunningGateway, provider, running_gateway
from fakes.upstream import FakeUpstream, dechunk

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
ONCE = Retry(attempts=1)
BODY = b'{ "stream":false,\t"model": "gpt-x", "temperature":1.0, "messages":[{"role":"user","content":"\\u00e9"}]}'


def post(body: bytes, *, path: bytes = b"/v1/chat/completions", extra: bytes = b"") -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: localhost\r\n%bContent-Length: %d\r\n\r\n%b" % (path, extra, len(body), body)


def refusal(status: int, *fields: bytes, body: bytes = b'{"error":{"message":"not now"}}') -> bytes:
    lines = b"".join(field + b"\r\n" for field in fields)
    return b"HTTP/1.1 %d No\r\n%bcontent-length: %d\r\n\r\n%b" % (status, lines, len(body), body)


def routes(*given: Route, **values: Any) -> Setup:
    return Setup(version=1, routes=list(given), **values)


def to(*providers: str, **values: Any) -> Route:
    return Route(name="r", targets=[Target(provider=one) for one in providers], **values)


async def ask(gateway: RunningGateway, request: bytes) -> Any:
    async with gateway.client() as client:
        return await client.ask(request)


async def test_a_route_by_model_sends_the_body_as_it_came(tmp_path: Path) -> None:
    async with FakeUpstream() as usual, FakeUpstream() as other:
        setup = routes(to("other", model="gpt-*"))
        async with running_gateway(tmp_path, setup=setup, openai=usual.url, other=other.url) as gateway:
            usual.reply(OK)
            other.reply(OK)
            extra = b"X-B:  two \r\nAuthorization: Bearer sk-mine\r\n"
            reply = await ask(gateway, post(BODY, path=b"/v1/chat/completions?a=%2F", extra=extra))
            await ask(gateway, post(BODY.replace(b"gpt-x", b"claude")))
            records = await gateway.records(reply.exchange)
        assert [one.body for one in other.received] == [BODY]
        assert other.received[0].head == (
            b"POST /v1/chat/completions?a=%%2F HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%bContent-Length: %d\r\n\r\n"
            % (other.port, extra, len(BODY))
        )
        assert [one.body for one in usual.received] == [BODY.replace(b"gpt-x", b"claude")]
        assert not [one for one in records if isinstance(one, Alteration | UpstreamBody)]
        (opened,) = [one for one in records if isinstance(one, Opened)]
        (attempt,) = [one for one in records if isinstance(one, AttemptOpened)]
        assert (opened.provider, attempt.provider, attempt.route) == ("other", "other", "r")
        assert (attempt.dialect, attempt.model) == (None, None)


async def test_a_renamed_model_changes_its_own_bytes_alone(tmp_path: Path) -> None:
    renamed = Route(name="r", model="gpt-x", targets=[Target(provider="openai", model="o1-mini")])
    async with FakeUpstream() as upstream:
        async with running_gateway(tmp_path, setup=routes(renamed), openai=upstream.url) as gateway:
            upstream.reply(OK)
            reply = await ask(gateway, post(BODY))
            records = await gateway.records(reply.exchange)
        sent = BODY.replace(b"gpt-x", b"o1-mini")
        assert upstream.received[0].body == sent
        assert upstream.received[0].header(b"content-length") == b"%d" % len(sent)
        assert b"".join(one.data for one in records if isinstance(one, RequestBody)) == BODY
        assert [(one.number, one.data) for one in records if isinstance(one, UpstreamBody)] == [(1, sent)]
        alterations = [(one.who, one.what) for one in records if isinstance(one, Alteration)]
        assert alterations == [("route:r", "model: gpt-x -> o1-mini")]
        assert [one.model for one in records if isinstance(one, AttemptOpened)] == ["o1-mini"]


async def test_a_request_without_a_model_gets_the_route_s(tmp_path: Path) -> None:
    renamed = Route(name="r", prefix="/mine", targets=[Target(provider="openai", model="o1")])
    async with FakeUpstream() as upstream:
        async with running_gateway(tmp_path, setup=routes(renamed), openai=upstream.url) as gateway:
            upstream.reply(OK)
            await ask(gateway, post(b'{"messages":[]}', path=b"/mine/v1/chat/completions"))
        assert json.loads(upstream.received[0].body) == {"model": "o1", "messages": []}
        assert upstream.received[0].line == b"POST /v1/chat/completions HTTP/1.1"


async def test_a_model_in_the_path_is_renamed_there(tmp_path: Path) -> None:
    renamed = Route(name="r", model="anthropic.*", targets=[Target(provider="bedrock", model="eu.claude:1")])
    async with FakeUpstream() as upstream:
        async with running_gateway(tmp_path, setup=routes(renamed), bedrock=upstream.url) as gateway:
            upstream.reply(OK)
            await ask(gateway, post(b'{"max_tokens":1}', path=b"/model/anthropic.claude-v2%3A1/invoke"))
        assert upstream.received[0].line == b"POST /model/eu.claude%3A1/invoke HTTP/1.1"
        assert upstream.received[0].body == b'{"max_tokens":1}'


async def test_a_system_prompt_is_edited_and_the_rest_stays_as_it_came(tmp_path: Path) -> None:
    edits = SystemEdits(replace=[Replacement(old="cats", new="dogs")], append="Be brief.")
    body = (
        b'{"model":"m",  "temperature":1.50,"messages":[{"role":"system","content":"I like cats"},'
        b'  {"role":"user", "content":"\\u00e9"}]}'
    )
    async with FakeUpstream() as upstream:
        async with running_gateway(tmp_path, setup=routes(to("openai", system=edits)), openai=upstream.url) as gateway:
            upstream.reply(OK)
            reply = await ask(gateway, post(body))
            alterations = gateway.of(reply.exchange, Alteration)
        sent = upstream.received[0].body
        assert json.loads(sent)["messages"][0]["content"].startswith("I like dogs")
        assert sent.startswith(b'{"model":"m",  "temperature":1.50,')
        assert sent.endswith(b',  {"role":"user", "content":"\\u00e9"}]}')
        assert [one.what for one in alterations] == ["system edited"]


async def test_a_prefix_without_a_matching_route_says_what_would_match(tmp_path: Path) -> None:
    one = Route(name="r", prefix="/mine", model="claude-*", targets=[Target(provider="openai")])
    async with FakeUpstream() as upstream:
        async with running_gateway(tmp_path, setup=routes(one), openai=upstream.url) as gateway:
            reply = await ask(gateway, post(b'{"model":"gpt"}', path=b"/mine/v1/messages"))
            closed = await gateway.closed(reply.exchange)
        assert reply.status == 404
        error = json.loads(reply.body)
        assert error["type"] == "error"
        assert "no route under /mine takes model 'gpt'; routes there take: claude-*" in error["error"]["message"]
        assert (closed.ending, closed.error_code) == ("refused", "no_route")
        assert not upstream.received


async def test_a_body_in_pieces_is_gathered(tmp_path: Path) -> None:
    chunked = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
    )
    async with FakeUpstream() as usual, FakeUpstream() as other:
        setup = routes(to("other", model="gpt-*"))
        async with running_gateway(tmp_path, setup=setup, openai=usual.url, other=other.url) as gateway:
            other.reply(OK)
            async with gateway.client() as client:
                for piece in (
                    chunked,
                    b'5\r\n{"mod\r\n',
                    b'e\r\nel":"gpt-4", "',
                    b'\r\n3\r\na":\r\n2\r\n1}\r\n',
                    b"0\r\nX-T: 1\r\n\r\n",
                ):
                    await client.send(piece)
                    await asyncio.sleep(0)
                reply = await client.reply()
            assert gateway.gateway.held_bytes == 0
        assert reply.body == b"ok"
        assert dechunk(other.received[0].body) == b'{"model":"gpt-4", "a":1}'
        assert other.received[0].body.endswith(b"0\r\nX-T: 1\r\n\r\n")


async def test_paths_that_name_no_model_are_left_alone(tmp_path: Path) -> None:
    async with FakeUpstream() as usual, FakeUpstream() as other:
        setup = routes(to("other", model="*"))
        async with running_gateway(tmp_path, setup=setup, openai=usual.url, other=other.url) as gateway:
            usual.reply(OK)
            await ask(gateway, b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await ask(gateway, post(b"--x", path=b"/v1/files", extra=b"Content-Type: multipart/form-data\r\n"))
        assert len(usual.received) == 2
        assert not other.received


async def test_what_is_refused_is_tried_again_and_then_elsewhere(tmp_path: Path) -> None:
    retry = Retry(attempts=2, on=(429, 500))
    async with FakeUpstream() as first, FakeUpstream() as second:
        setup = routes(to("a", "b", model="*", retry=retry))
        async with running_gateway(tmp_path, setup=setup, a=first.url, b=second.url) as gateway:
            first.reply(refusal(429, b"retry-after-ms: 3"))
            second.reply(OK)
            reply = await ask(gateway, post(BODY))
            records = await gateway.records(reply.exchange)
        assert (reply.status, reply.body) == (200, b"ok")
        assert reply.header(b"x-dragoman-attempts") == b"3"
        assert [one.body for one in first.received + second.received] == [BODY, BODY, BODY]
        assert first.connection_count == 1
        failed = [one for one in records if isinstance(one, AttemptClosed)]
        assert [(one.number, one.error_code, one.status, one.wait_ns) for one in failed] == [
            (1, "upstream_429", 429, 3_000_000),
            (2, "upstream_429", 429, 0),
        ]
        assert "not now" in failed[0].error_message
        opened = [one for one in records if isinstance(one, AttemptOpened)]
        assert [(one.number, one.provider) for one in opened] == [(1, "a"), (2, "a"), (3, "b")]
        assert records[-1].ending == "complete"  # type: ignore[union-attr]


async def test_an_answer_from_the_last_target_passes_untouched(tmp_path: Path) -> None:
    async with FakeUpstream() as first, FakeUpstream() as second:
        setup = routes(to("a", "b", model="*"))
        async with running_gateway(tmp_path, setup=setup, a=first.url, b=second.url) as gateway:
            first.reply(refusal(500))
            second.reply(refusal(503, b"retry-after: 7", body=b"{ 'odd' }"))
            reply = await ask(gateway, post(BODY))
        assert (reply.status, reply.body, reply.header(b"retry-after")) == (503, b"{ 'odd' }", b"7")


async def test_a_status_that_is_not_listed_is_the_answer(tmp_path: Path) -> None:
    async with FakeUpstream() as first, FakeUpstream() as second:
        setup = routes(to("a", "b", model="*", retry=Retry(attempts=3)))
        async with running_gateway(tmp_path, setup=setup, a=first.url, b=second.url) as gateway:
            first.reply(refusal(400))
            assert (await ask(gateway, post(BODY))).status == 400
        assert len(first.received) == 1
        assert not second.received


async def test_a_long_retry_after_goes_to_the_next_target_at_once(tmp_path: Path) -> None:
    async with FakeUpstream() as first, FakeUpstream() as second:
        setup = routes(to("a", "b", model="*", retry=Retry(attempts=5, max_wait=1.0)))
        async with running_gateway(tmp_path, setup=setup, a=first.url, b=second.url) as gateway:
            first.reply(refusal(429, b"retry-after: 60"))
            second.reply(OK)
            assert (await ask(gateway, post(BODY))).body == b"ok"
        assert len(first.received) == 1


async def test_a_long_retry_after_of_the_only_target_is_passed_on(tmp_path: Path) -> None:
    async with FakeUpstream() as first:
        setup = routes(to("a", model="*", retry=Retry(attempts=5, max_wait=1.0)))
        async with running_gateway(tmp_path, setup=setup, a=first.url) as gateway:
            first.reply(refusal(429, b"retry-after: 60"))
            reply = await ask(gateway, post(BODY))
        assert (reply.status, reply.header(b"retry-after")) == (429, b"60")
        assert len(first.received) == 1


async def test_a_refused_connection_leads_to_the_next_target(tmp_path: Path) -> None:
    async with FakeUpstream() as gone:
        pass
    async with FakeUpstream() as second:
        setup = routes(to("a", "b", model="*"))
        async with running_gateway(tmp_path, setup=setup, a=gone.url, b=second.url) as gateway:
            second.reply(OK)
            reply = await ask(gateway, post(BODY))
            (failed,) = gateway.of(reply.exchange, AttemptClosed)
        assert reply.body == b"ok"
        assert (failed.error_code, failed.status) == ("connect_failed", 0)


async def test_when_nothing_answers_the_error_says_what_was_tried(tmp_path: Path) -> None:
    async with FakeUpstream() as gone:
        pass
    async with FakeUpstream() as first:
        setup = routes(to("a", "b", model="*"))
        async with running_gateway(tmp_path, setup=setup, a=first.url, b=gone.url) as gateway:
            first.reply(refusal(529))
            reply = await ask(gateway, post(BODY))
            closed = await gateway.closed(reply.exchange)
        assert reply.status == 502
        message = json.loads(reply.body)["error"]["message"]
        assert message.startswith("no target of route r answered. Tried: a: 529 No")
        assert "b: no connection to" in message
        assert (closed.ending, closed.error_code) == ("upstream_failed", "connect_failed")


async def test_a_provider_that_dies_before_it_replies_is_replaced(tmp_path: Path) -> None:
    async with FakeUpstream() as first, FakeUpstream() as second:
        setup = routes(to("a", "b", model="*"))
        async with running_gateway(tmp_path, setup=setup, a=first.url, b=second.url) as gateway:
            second.reply(OK)
            async with gateway.client() as client:
                await client.send(post(BODY))
                (await first.call()).abort()
                assert (await client.reply()).body == b"ok"


async def test_nothing_is_tried_again_after_the_first_byte(tmp_path: Path) -> None:
    async with FakeUpstream() as first, FakeUpstream() as second:
        setup = routes(to("a", "b", model="*"))
        async with running_gateway(tmp_path, setup=setup, a=first.url, b=second.url) as gateway:
            first.reply(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", closes=True)
            async with gateway.client() as client:
                await client.send(post(BODY))
                assert (await client.ended()).endswith(b"\r\n\r\nabc")
            assert (await gateway.closed()).ending == "upstream_cut"
        assert not second.received


async def test_a_silent_provider_is_given_up_for_the_next(tmp_path: Path) -> None:
    slow = provider("a", "http://x", timeouts=Timeouts(first_byte=0.2))
    async with FakeUpstream() as first, FakeUpstream() as second:
        entries = [provider("a", first.url, timeouts=slow.timeouts), provider("b", second.url)]
        setup = routes(to("a", "b", model="*"))
        async with running_gateway(tmp_path, setup=setup, providers=entries) as gateway:
            second.reply(OK)
            reply = await ask(gateway, post(BODY))
            (failed,) = gateway.of(reply.exchange, AttemptClosed)
        assert reply.body == b"ok"
        assert failed.error_code == "first_byte_timeout"


async def test_a_provider_that_fails_again_and_again_is_left_out(tmp_path: Path) -> None:
    async with FakeUpstream() as first, FakeUpstream() as second:
        setup = routes(to("a", "b", model="*"))
        async with running_gateway(tmp_path, setup=setup, a=first.url, b=second.url) as gateway:
            first.reply(refusal(500))
            second.reply(OK)
            for _ in range(8):
                assert (await ask(gateway, post(BODY))).body == b"ok"
            (shown,) = gateway.gateway.breakers.shown()
        assert (shown.provider, shown.state, shown.failures) == ("a", "open", 5)
        assert len(first.received) == 5


async def test_the_last_target_is_asked_though_its_breaker_is_open(tmp_path: Path) -> None:
    async with FakeUpstream() as first:
        setup = routes(to("a", model="*"))
        async with running_gateway(tmp_path, setup=setup, a=first.url) as gateway:
            first.reply(refusal(500))
            for _ in range(7):
                assert (await ask(gateway, post(BODY))).status == 500
        assert len(first.received) == 7


async def test_a_client_that_leaves_ends_the_wait(tmp_path: Path) -> None:
    async with FakeUpstream() as first:
        setup = routes(to("a", model="*", retry=Retry(attempts=2)), reads_to_end=True)
        async with running_gateway(tmp_path, setup=setup, a=first.url) as gateway:
            first.reply(refusal(429, b"retry-after: 15"))
            async with gateway.client() as client:
                await client.send(post(BODY))
                await first.call()
                await _until(lambda: any(isinstance(one, AttemptClosed) for one in gateway.all_records()))
            assert (await gateway.closed()).ending == "client_closed"
        assert len(first.received) == 1


async def test_stopping_ends_the_wait(tmp_path: Path) -> None:
    async with FakeUpstream() as first:
        setup = routes(to("a", model="*", retry=Retry(attempts=2)))
        async with running_gateway(tmp_path, setup=setup, a=first.url) as gateway:
            first.reply(refusal(429, b"retry-after: 15"))
            async with gateway.client() as client:
                await client.send(post(BODY))
                await _until(lambda: any(isinstance(one, AttemptClosed) for one in gateway.all_records()))
                (running,) = gateway.gateway.exchanges
                assert gateway.gateway.cancel(running)
                assert await client.ended() == b""
            assert (await gateway.closed()).ending == "cancelled"


async def test_the_panic_switch_ends_further_attempts(tmp_path: Path) -> None:
    async with FakeUpstream() as first:
        setup = routes(to("a", model="*", retry=Retry(attempts=2)))
        async with running_gateway(tmp_path, setup=setup, a=first.url) as gateway:
            async with gateway.client() as client:
                await client.send(post(BODY))
                call = await first.call()
                gateway.change(is_panicking=True)
                await call.send(refusal(429, b"retry-after-ms: 1"))
                reply = await client.reply()
            assert reply.status == 503
            assert (await gateway.closed()).error_code == "panic"


async def test_a_stale_connection_is_replaced_without_counting_as_a_failure(tmp_path: Path) -> None:
    async with FakeUpstream() as first:
        setup = routes(to("a", model="*"))
        async with running_gateway(tmp_path, setup=setup, a=first.url) as gateway, gateway.client() as client:
            await client.send(post(BODY))
            call = await first.call()
            await call.send(OK)
            await client.reply()
            await client.send(post(BODY))
            (await first.call()).abort()
            call = await first.call()
            await call.send(OK)
            reply = await client.reply()
            (failed,) = gateway.of(reply.exchange, AttemptClosed)
            assert failed.error_code == "stale_connection"
            assert gateway.gateway.breakers.shown() == []


async def test_a_key_of_ours_wants_the_password_on_a_route_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_PASSWORD", "open sesame")
    monkeypatch.setenv("A_KEY", "sk-ours-0123456789")
    async with FakeUpstream() as first, FakeUpstream() as usual:
        entries = [provider("a", first.url, auth=Auth(key_env="A_KEY")), provider("openai", usual.url)]
        setup = routes(to("a", model="gpt-*"), password_required=True)
        async with running_gateway(tmp_path, setup=setup, providers=entries) as gateway:
            first.reply(OK)
            usual.reply(OK)
            assert (await ask(gateway, post(BODY))).status == 401
            assert (await ask(gateway, post(BODY, extra=b"x-dragoman-key: no\r\n"))).status == 401
            assert (await ask(gateway, post(BODY.replace(b"gpt", b"o")))).body == b"ok"  # the client's own key
            assert not first.received
        async with running_gateway(tmp_path / "2", setup=setup, providers=entries) as gateway:
            assert (await ask(gateway, post(BODY, extra=b"x-dragoman-key: open sesame\r\n"))).body == b"ok"
        assert first.received[0].header(b"authorization") == b"Bearer sk-ours-0123456789"


async def test_a_missing_key_is_told_and_the_next_target_taken(tmp_path: Path) -> None:
    async with FakeUpstream() as first, FakeUpstream() as second:
        entries = [provider("a", first.url, auth=Auth(key_env="NOT_SET_ANYWHERE")), provider("b", second.url)]
        setup = routes(to("a", "b", model="gpt-*"), to("a", model="o-*"))
        async with running_gateway(tmp_path, setup=setup, providers=entries) as gateway:
            second.reply(OK)
            assert (await ask(gateway, post(BODY))).body == b"ok"
            reply = await ask(gateway, post(BODY.replace(b"gpt", b"o")))
            closed = await gateway.closed(reply.exchange)
        assert reply.status == 401
        assert b"NOT_SET_ANYWHERE" in reply.body
        assert (closed.error_code, closed.route) == ("no_credential", setup.routes[1].name)


async def test_a_websocket_is_refused_where_a_route_decides_by_the_model(tmp_path: Path) -> None:
    upgrade = (
        b"GET %b HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    plain = Route(name="p", prefix="/plain", targets=[Target(provider="openai")])
    async with FakeUpstream() as usual, FakeUpstream() as other:
        setup = routes(to("other", model="gpt-*"), plain)
        async with running_gateway(tmp_path, setup=setup, openai=usual.url, other=other.url) as gateway:
            reply = await ask(gateway, upgrade % b"/v1/responses")
            assert (reply.status, reply.header(b"upgrade")) == (426, b"HTTP/1.1")
            async with gateway.client() as client:
                await client.send(upgrade % b"/plain/v1/responses")
                call = await usual.call()
                await call.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nhi")
                assert (await client.head()).status == 101
                assert await client.exactly(2) == b"hi"


async def test_too_long_a_body_is_refused_and_let_go(tmp_path: Path) -> None:
    async with FakeUpstream() as first:
        setup = routes(to("a", model="*"), limits=Limits(body=1000))
        async with running_gateway(tmp_path, setup=setup, a=first.url) as gateway:
            async with gateway.client() as client:
                head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                await client.send(head + b"5dc\r\n" + b"x" * 1500 + b"\r\n")
                assert (await client.reply()).status == 413
            assert gateway.gateway.held_bytes == 0
            assert not gateway.gateway.gathering


async def test_a_changed_setup_counts_from_the_next_request_on(tmp_path: Path) -> None:
    async with FakeUpstream() as usual, FakeUpstream() as other:
        async with running_gateway(tmp_path, openai=usual.url, other=other.url) as gateway, gateway.client() as client:
            usual.reply(OK)
            other.reply(OK)
            await client.ask(post(BODY))
            gateway.change(routes=[to("other", model="gpt-x")])
            await client.ask(post(BODY))
            gateway.change(routes=[])
            await client.ask(post(BODY))
        assert (len(usual.received), len(other.received)) == (2, 1)


async def test_credentials_in_a_rewritten_body_are_masked_on_record(tmp_path: Path) -> None:
    body = b'{"model":"gpt-x","tools":[{"type":"mcp","authorization":"tok-0123456789","headers":{"X-Key":"sec-0123"}}]}'
    renamed = Route(name="r", model="gpt-x", targets=[Target(provider="openai", model="o1")])
    async with (
        FakeUpstream() as upstream,
        running_gateway(tmp_path, setup=routes(renamed), openai=upstream.url) as gateway,
    ):
        upstream.reply(OK)
        reply = await ask(gateway, post(body))
        await gateway.closed(reply.exchange)
        (sent,) = gateway.of(reply.exchange, UpstreamBody)
        written = gateway.journal_bytes()
    assert upstream.received[0].body == body.replace(b"gpt-x", b"o1")
    assert len(sent.data) == len(upstream.received[0].body)
    assert b"tok-0123456789" not in written
    assert b"sec-0123" not in written


async def test_a_long_body_is_renamed_off_the_loop(tmp_path: Path) -> None:
    body = (
        b'{"messages":[' + b",".join([b'{"role":"user","content":"%b"}' % (b"x" * 900)] * 700) + b'],"model":"gpt-x"}'
    )
    renamed = Route(name="r", model="gpt-x", targets=[Target(provider="openai", model="o1")])
    async with (
        FakeUpstream() as upstream,
        running_gateway(tmp_path, setup=routes(renamed), openai=upstream.url) as gateway,
    ):
        upstream.reply(OK)
        assert (await ask(gateway, post(body))).body == b"ok"
        assert gateway.gateway.held_bytes == 0
    assert upstream.received[0].body == body.replace(b"gpt-x", b"o1")


async def test_when_too_much_is_held_only_the_oldest_body_is_read_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HELD_BYTES", 1000)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000\r\n\r\n"
    body = (b'{"model":"gpt-x","a":"' + b"x" * 20000)[:19998] + b'"}'
    async with FakeUpstream() as upstream:
        setup = routes(to("a", model="*"))
        async with (
            running_gateway(tmp_path, setup=setup, a=upstream.url) as gateway,
            gateway.client() as first,
            gateway.client() as second,
        ):
            upstream.reply(OK)
            await first.send(head + body[:600])
            await _until(lambda: gateway.gateway.held_bytes == 600)
            await second.send(head + body[:600])
            await _until(lambda: gateway.gateway.held_bytes == 1200)
            await second.send(body[600:])
            await first.send(body[600:])
            assert (await first.reply()).body == b"ok"
            assert (await second.reply()).body == b"ok"
    assert [one.body for one in upstream.received] == [body, body]


async def test_past_the_cap_no_body_is_held_beside_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HELD_BYTES", 1000)
    monkeypatch.setattr(server, "MOST_HELD_BYTES", 2000)
    chunked = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    piece = b"258\r\n" + b"x" * 600 + b"\r\n"
    async with FakeUpstream() as upstream:
        setup = routes(to("openai", prefix="/all"), to("anthropic", model="*"))
        async with (
            running_gateway(tmp_path, setup=setup, openai=upstream.url, anthropic=upstream.url) as gateway,
            gateway.client() as first,
            gateway.client() as second,
        ):
            held = gateway.gateway
            long = post(b"x" * 5000, path=b"/all/v1/chat/completions")
            await first.send(long)  # held alone it has room
            await (await upstream.call()).send(OK)
            assert (await first.reply()).body == b"ok"
            assert held.held_bytes == 0
            await first.send(post(b"x" * 1300, path=b"/all/v1/chat/completions"))
            waiting = await upstream.call()
            assert held.held_bytes == 1300

            refused = await ask(gateway, post(b"x" * 800, path=b"/all/v1/messages"))
            await second.send(chunked + piece)
            await _until(lambda: held.held_bytes == 1900)
            await second.send(piece)
            for reply in (refused, await second.reply()):
                error = json.loads(reply.body)
                assert (reply.status, reply.header(b"retry-after")) == (503, b"1")
                assert (error["type"], error["error"]["code"]) == ("error", "busy")
                closed = await gateway.closed(reply.exchange)
                assert (closed.ending, closed.error_code) == ("refused", "busy")
            assert held.held_bytes == 1300
            assert not held.gathering
            upstream.reply(OK)
            assert (await ask(gateway, post(b"", path=b"/all/v1/models").replace(b"POST", b"GET"))).status == 200
            await waiting.send(OK)
            assert (await first.reply()).body == b"ok"
            assert held.held_bytes == 0
            assert (await ask(gateway, post(b"x" * 800, path=b"/all/v1/chat/completions"))).status == 200
    assert len(upstream.received) == 4


async def test_what_a_body_unfolds_to_counts_until_its_reply_begins(tmp_path: Path) -> None:
    given = gzip.compress(BODY)
    async with FakeUpstream() as upstream:
        setup = routes(to("openai", model="gpt-*"))
        async with running_gateway(tmp_path, setup=setup, openai=upstream.url) as gateway, gateway.client() as client:
            await client.send(post(given, extra=b"Content-Encoding: gzip\r\n"))
            call = await upstream.call()
            assert gateway.gateway.held_bytes == len(given) + len(BODY)
            await call.send(OK)
            assert (await client.reply()).body == b"ok"
            assert gateway.gateway.held_bytes == 0


async def test_a_client_that_waits_to_be_told_is_told_to_send_its_body(tmp_path: Path) -> None:
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    )
    async with FakeUpstream() as upstream:
        setup = routes(to("a", model="*"))
        async with running_gateway(tmp_path, setup=setup, a=upstream.url) as gateway, gateway.client() as client:
            upstream.reply(OK)
            await client.send(head % len(BODY))
            assert (await client.head()).status == 100
            await client.send(BODY)
            assert (await client.reply()).body == b"ok"
    assert upstream.received[0].body == BODY
    assert upstream.received[0].header(b"expect") is None


async def test_requests_sent_ahead_wait_for_their_turn(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        setup = routes(to("a", model="*", retry=Retry(attempts=2)))
        async with running_gateway(tmp_path, setup=setup, a=upstream.url) as gateway, gateway.client() as client:
            await client.send(post(BODY) + post(BODY.replace(b"gpt-x", b"gpt-y")))
            await (await upstream.call()).send(refusal(429, b"retry-after-ms: 20"))
            await (await upstream.call()).send(OK.replace(b"ok", b"1!"))
            await (await upstream.call()).send(OK.replace(b"ok", b"2!"))
            assert (await client.reply()).body == b"1!"
            assert (await client.reply()).body == b"2!"
    assert [b"gpt-y" in one.body for one in upstream.received] == [False, False, True]


async def test_the_head_of_a_prefix_says_that_somebody_is_there(tmp_path: Path) -> None:
    every = Route(name="a", prefix="/mine", targets=[Target(provider="openai")])
    async with (
        FakeUpstream() as upstream,
        running_gateway(tmp_path, setup=routes(every), openai=upstream.url) as gateway,
        gateway.client() as client,
    ):
        await client.send(b"HEAD /mine HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await client.head()).status == 200
    assert not upstream.received


async def _until(holds: Any) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.005)
