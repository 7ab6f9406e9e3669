"""Requests on a client's connection: framing, turns, limits, and what is refused."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.journal.format import Alteration, AttemptOpened, Opened, RequestBody, RequestEnded
from dragoman.records.setup import Auth, Limits, Setup
from fakes.gateway import provider, running_gateway
from fakes.upstream import FakeUpstream, dechunk

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
GET = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"


def post(body: bytes, *, path: bytes = b"/v1/chat/completions", extra: bytes = b"") -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: localhost\r\n%bContent-Length: %d\r\n\r\n%b" % (path, extra, len(body), body)


async def test_request_passes_byte_for_byte(tmp_path: Path) -> None:
    body = bytes(range(256)) * 20
    fields = b"X-B:  two \r\nx-a: 1\r\nX-A: 2\r\nAccept-Encoding: gzip, br\r\nAuthorization: Bearer sk-mine\r\n"
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(OK)
        async with gateway.client() as client:
            reply = await client.ask(post(body, path=b"/v1/chat/completions?a=%2F&b=c+d&&e", extra=fields))
        received = upstream.received[0]
        assert received.body == body
        assert received.head == (
            b"POST /v1/chat/completions?a=%%2F&b=c+d&&e HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%bContent-Length: %d\r\n\r\n"
            % (upstream.port, fields, len(body))
        )
        records = await gateway.records(reply.exchange)
        assert b"".join(one.data for one in records if isinstance(one, RequestBody)) == body
        assert [one.length for one in records if isinstance(one, RequestEnded)] == [len(body)]
        assert not [one for one in records if isinstance(one, Alteration)]


async def test_body_in_pieces_streams_through(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reads_bodies = False
        async with gateway.client() as client:
            await client.send(post(b"x" * 10)[:-10])
            call = await upstream.call()
            for piece in (b"abc", b"defg", b"hij"):
                await client.send(piece)
                assert await call.reader.readexactly(len(piece)) == piece
            await call.send(OK)
            assert (await client.reply()).body == b"ok"


async def test_chunked_body(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(OK)
        async with gateway.client() as client:
            await client.send(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            for piece in (b"3\r", b"\nab", b"c\r\n", b"2;x=y\r\nde\r\n0\r\nX-T: 1\r\n", b"\r\n"):
                await client.send(piece)
                await asyncio.sleep(0.01)
            reply = await client.reply()
        assert dechunk(upstream.received[0].body) == b"abcde"
        assert upstream.received[0].body.endswith(b"0\r\nX-T: 1\r\n\r\n")
        ended = [one for one in await gateway.records(reply.exchange) if isinstance(one, RequestEnded)]
        assert (ended[0].length, ended[0].trailers) == (5, [(b"X-T", b"1")])


async def test_connection_is_kept(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(OK)
        async with gateway.client() as client:
            for turn in (1, 2, 3):
                reply = await client.ask(GET)
                opened = gateway.of(reply.exchange, Opened)[0]
                assert (opened.connection, opened.turn) == (1, turn)
        assert upstream.connection_count == 1
        assert gateway.of(reply.exchange, AttemptOpened)[0].is_reused


async def test_pipelined_requests_are_answered_in_turn(tmp_path: Path) -> None:
    async with (
        FakeUpstream() as upstream,
        running_gateway(tmp_path, openai=upstream.url) as gateway,
        gateway.client() as client,
    ):
        await client.send(post(b"1") + post(b"22") + GET)
        for number, body in enumerate((b"1", b"22", b"")):
            call = await upstream.call()
            assert call.received.body == body
            assert len(upstream.received) == number + 1
            await call.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n%d" % number)
            assert (await client.reply()).body == b"%d" % number


async def test_many_pipelined_bytes_pause_reading(tmp_path: Path) -> None:
    async with (
        FakeUpstream() as upstream,
        running_gateway(tmp_path, openai=upstream.url) as gateway,
        gateway.client() as client,
    ):
        await client.send(GET)
        call = await upstream.call()
        client.writer.transport.set_write_buffer_limits(high=0)
        flood = asyncio.create_task(client.send(post(b"x" * 8_000_000)))
        done, _ = await asyncio.wait([flood], timeout=0.3)
        assert not done  # the sockets' buffers are full, the gateway reads no more
        upstream.reply(OK)
        await call.send(OK)
        assert (await client.reply()).body == b"ok"
        assert (await client.reply()).body == b"ok"
        await flood
        assert len(upstream.received[1].body) == 8_000_000


async def test_expect_is_answered_after_the_head_was_checked(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(OK)
        async with gateway.client() as client:
            whole = post(b"body", extra=b"Expect: 100-continue\r\n")
            await client.send(whole[:-4])
            assert (await client.head()).head == b"HTTP/1.1 100 Continue\r\n\r\n"
            await client.send(b"body")
            assert (await client.reply()).body == b"ok"
        assert upstream.received[0].header(b"expect") is None
        async with gateway.client() as client:
            await client.send(post(b"body", path=b"/nobody/v1", extra=b"Expect: 100-continue\r\n")[:-4])
            assert (await client.reply()).status == 404
        async with gateway.client() as client:
            assert (await client.ask(post(b"x", extra=b"Expect: magic\r\n"))).status == 417


@pytest.mark.parametrize(
    "head",
    [
        b"GET /v1/models HTTP/1.1\r\n\r\n",  # no host
        b"GET /v1/models HTTP/1.1\r\nHost: a\r\nHost: localhost\r\n\r\n",
        b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1, 1\r\n\r\nx",
        b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: +1\r\n\r\nx",
        b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n",
        b"POST /v1/x HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length : 1\r\n\r\nx",
        b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\nX-A: 1\r\n folded\r\n\r\n",
        b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\nX-A: a\x00b\r\n\r\n",
        b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\nX-A: a\rb\r\n\r\n",
        b"GET /v1/x HTTP/1.1\nHost: localhost\n\n",
        b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\nX-A: a\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
        b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\n: empty\r\n\r\n",
        b"GET  /v1/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/x\r\nHost: localhost\r\n\r\n",
        b"GET /v1/x HTTP/1.1 \r\nHost: localhost\r\n\r\n",
        b"G\xc3T /v1/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://localhost/v1/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECT api.openai.com:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
async def test_ambiguous_requests_are_refused(tmp_path: Path, head: bytes) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        async with gateway.client() as client:
            reply = await client.ask(head)
            assert reply.status == 400, head
            assert (await gateway.closed(reply.exchange)).ending == "refused"
        assert upstream.received == []


@pytest.mark.parametrize(
    "chunks",
    [
        b"x\r\n",
        b"1\nx\r\n",
        b"0x1\r\n",
        b"-1\r\n",
        b"1\r\nxy\r\n",
        b"1\r\nx\n",
        b"0\r\nbad trailer\r\n\r\n",
        b"1 1\r\n",
    ],
)
async def test_broken_chunks_are_refused(tmp_path: Path, chunks: bytes) -> None:
    async with (
        FakeUpstream() as upstream,
        running_gateway(tmp_path, openai=upstream.url) as gateway,
        gateway.client() as client,
    ):
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        reply = await client.ask(head + chunks)
        assert reply.status == 400
        assert await client.ended() == b""


async def test_http_2_is_told_off(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as gateway, gateway.client() as client:
        assert (await client.ask(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")).status == 505


async def test_limits_are_answered_with_their_status(tmp_path: Path) -> None:
    limits = Limits(body=10, head=500)
    async with FakeUpstream() as upstream:
        upstream.reply(OK)
        setup = Setup(version=1, limits=limits)
        async with running_gateway(tmp_path, setup=setup, openai=upstream.url) as gateway:
            async with gateway.client() as client:
                assert (await client.ask(post(b"x" * 10))).status == 200
                assert (await client.ask(post(b"x" * 11))).status == 413
            async with gateway.client() as client:
                head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                await client.send(head + b"8\r\nxxxxxxxx\r\n")
                await upstream.call()
                await client.send(b"8\r\nxxxxxxxx\r\n")
                assert (await client.reply()).status == 413
                assert await client.ended() == b""
            for head in (b"X-A: " + b"a" * 600 + b"\r\n\r\n", b"X-A: " + b"a" * 600):
                async with gateway.client() as client:
                    assert (await client.ask(GET[:-2] + head)).status == 431


async def test_too_many_connections_get_503(tmp_path: Path) -> None:
    setup = Setup(version=1, limits=Limits(connections=1))
    async with FakeUpstream() as upstream, running_gateway(tmp_path, setup=setup, openai=upstream.url) as gateway:
        upstream.reply(OK)
        async with gateway.client() as first:
            assert (await first.ask(GET)).status == 200
            async with gateway.client() as second:
                assert (await second.reply()).status == 503
            assert (await first.ask(GET)).status == 200


async def test_capture_stops_at_its_limit_and_the_body_passes_on(tmp_path: Path) -> None:
    from dragoman.journal.format import CaptureStopped, Chunk

    setup = Setup(version=1, limits=Limits(capture=5))
    async with FakeUpstream() as upstream, running_gateway(tmp_path, setup=setup, openai=upstream.url) as gateway:
        upstream.reply(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nabcdefgh")
        async with gateway.client() as client:
            reply = await client.ask(post(b"12345678"))
        assert reply.body == b"abcdefgh"
        assert upstream.received[0].body == b"12345678"
        records = await gateway.records(reply.exchange)
        assert [one.data for one in records if isinstance(one, (RequestBody, Chunk))] == [b"12345", b"abcde"]
        stops = [(one.why, one.direction) for one in records if isinstance(one, CaptureStopped)]
        assert stops == [("limit", "request"), ("limit", "response")]


async def test_credentials_of_ours_replace_the_clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "sk-ours-1234567890abcdef")
    async with FakeUpstream() as upstream:
        entry = provider(
            "openai",
            upstream.url,
            auth=Auth(key_env="TEST_KEY"),
            headers={"x-team": "r&d"},
            query={"api-version": "1 2"},
        )
        upstream.reply(OK)
        async with running_gateway(tmp_path, providers=[entry]) as gateway:
            async with gateway.client() as client:
                extra = b"X-First: 1\r\nAuthorization: Bearer sk-theirs\r\nx-api-key: theirs\r\nX-Team: mine\r\n"
                extra += b"x-amz-security-token: theirs\r\nX-Last: 1\r\n"
                path = b"/v1/chat/completions?key=theirs&a=b&api-version=9"
                reply = await client.ask(post(b"{}", path=path, extra=extra))
            received = upstream.received[0]
            assert received.line == b"POST /v1/chat/completions?a=b&api-version=1%202 HTTP/1.1"
            assert [field for field in received.headers if field[0].lower() != b"host"] == [
                (b"X-First", b"1"),
                (b"authorization", b"Bearer sk-ours-1234567890abcdef"),
                (b"X-Last", b"1"),
                (b"Content-Length", b"2"),
                (b"x-team", b"r&d"),
            ]
            records = await gateway.records(reply.exchange)
            assert {one.what for one in records if isinstance(one, Alteration)} == {
                "credential removed: authorization",
                "credential removed: x-api-key",
                "credential removed: x-amz-security-token",
                "credential removed: ?key",
                "credential set: authorization",
                "header added: x-team",
                "header replaced: x-team",
                "query added: api-version",
            }
            raw = gateway.journal_bytes()
            assert b"sk-ours-1234567890abcdef" not in raw and b"sk-theirs" not in raw and b"key=theirs" not in raw


async def test_missing_credential_of_ours_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_KEY", raising=False)
    async with FakeUpstream() as upstream:
        entry = provider("openai", upstream.url, auth=Auth(key_env="TEST_KEY"))
        async with running_gateway(tmp_path, providers=[entry]) as gateway, gateway.client() as client:
            reply = await client.ask(post(b"{}"))
            assert reply.status == 401
            assert b"TEST_KEY" in reply.body
        assert upstream.received == []


async def test_password_guards_credentials_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "sk-ours")
    monkeypatch.setenv("DRAGOMAN_PASSWORD", "open sesame")
    async with FakeUpstream() as upstream:
        upstream.reply(OK)
        entries = [provider("openai", upstream.url, auth=Auth(key_env="TEST_KEY")), provider("anthropic", upstream.url)]
        setup = Setup(version=1, password_required=True)
        async with running_gateway(tmp_path, setup=setup, providers=entries) as gateway, gateway.client() as client:
            assert (await client.ask(post(b"{}"))).status == 401
            assert (await client.ask(post(b"{}", extra=b"x-dragoman-key: wrong\r\n"))).status == 401
            assert (await client.ask(post(b"{}", extra=b"x-dragoman-key: open sesame\r\n"))).status == 200
            assert (await client.ask(post(b"{}", path=b"/v1/messages"))).status == 200
            assert upstream.received[0].header(b"x-dragoman-key") is None
            assert b"open sesame" not in gateway.journal_bytes()


async def test_guesses_of_the_password_are_slowed_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "sk-ours")
    monkeypatch.setenv("DRAGOMAN_PASSWORD", "open sesame")
    async with FakeUpstream() as upstream:
        upstream.reply(OK)
        entries = [provider("openai", upstream.url, auth=Auth(key_env="TEST_KEY")), provider("anthropic", upstream.url)]
        setup = Setup(version=1, password_required=True)
        async with running_gateway(tmp_path, setup=setup, providers=entries) as gateway, gateway.client() as client:
            replies = [await client.ask(post(b"{}", extra=b"x-dragoman-key: %d\r\n" % guess)) for guess in range(5)]
            assert [reply.status for reply in replies] == [401, 401, 401, 429, 429]
            assert (await client.ask(post(b"{}", extra=b"x-dragoman-key: open sesame\r\n"))).status == 429
            assert (await client.ask(post(b"{}", path=b"/v1/messages"))).status == 200  # needs no password


async def test_panic_switch_stops_all(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(OK)
        async with gateway.client() as client:
            gateway.change(is_panicking=True)
            reply = await client.ask(post(b"{}"))
            assert (reply.status, b"panic" in reply.body) == (503, True)
            gateway.change(is_panicking=False)
            assert (await client.ask(post(b"{}"))).status == 200


async def test_workbench_secret_sets_the_origin_and_is_not_recorded(tmp_path: Path) -> None:
    setup = Setup(version=1, workbench_secret="s3cret-s3cret-s3cret")
    async with FakeUpstream() as upstream, running_gateway(tmp_path, setup=setup, openai=upstream.url) as gateway:
        upstream.reply(OK)
        async with gateway.client() as client:
            extra = (
                b"x-dragoman-workbench: s3cret-s3cret-s3cret\r\nx-dragoman-origin: workbench\r\nx-dragoman-run: r1\r\n"
            )
            reply = await client.ask(post(b"{}", extra=extra))
            opened = gateway.of(reply.exchange, Opened)[0]
            assert (opened.origin, opened.run) == ("workbench", "r1")
            assert b"workbench" not in b"".join(name for name, _ in opened.headers)
            reply = await client.ask(post(b"{}", extra=b"x-dragoman-origin: workbench\r\n"))
            assert gateway.of(reply.exchange, Opened)[0].origin == "client"
        assert not [name for one in upstream.received for name, _ in one.headers if name.startswith(b"x-dragoman")]


async def test_body_credentials_are_masked_at_equal_length(tmp_path: Path) -> None:
    body = (
        b'{"tools":[{"type":"mcp","headers":{"X-Key":"plantedsecret"}}],"mcp":{"authorization_token":"plantedsecret"}}'
    )
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(OK)
        async with gateway.client() as client:
            reply = await client.ask(post(body, extra=b"Content-Type: application/json\r\n"))
            whole = post(body)
            await client.send(whole[:-30])
            await asyncio.sleep(0.01)
            await client.send(whole[-30:])
            pieces = await client.reply()
        assert [one.body for one in upstream.received] == [body, body]
        for exchange in (reply.exchange, pieces.exchange):
            records = await gateway.records(exchange)
            kept = b"".join(one.data for one in records if isinstance(one, RequestBody))
            assert len(kept) == len(body) and kept == body.replace(b"plantedsecret", b"*" * 13)
            assert [one.true_hash is not None for one in records if isinstance(one, RequestEnded)] == [True]
        assert b"plantedsecret" not in gateway.journal_bytes()


_words = st.sampled_from(
    [b"GET", b"POST", b"HEAD", b" ", b"  ", b"/v1/models", b"HTTP/1.1", b"HTTP/1.0", b"\r\n", b"\n", b"\r", b":",
     b"Host", b"localhost", b"Content-Length", b"Transfer-Encoding", b"chunked", b"3", b"0", b"abc", b"\x00", b"\xff",
     b",", b"\t", b"Expect", b"100-continue", b"Connection", b"close", b"upgrade", b"Upgrade", b"websocket",
     b"\r\n\r\n"]
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(_words, max_size=24).map(b"".join), min_size=1, max_size=3))
async def test_whatever_comes_the_gateway_goes_on(tmp_path_factory: pytest.TempPathFactory, junk: list[bytes]) -> None:
    async with (
        FakeUpstream() as upstream,
        running_gateway(tmp_path_factory.mktemp("fuzz"), openai=upstream.url) as gateway,
    ):
        upstream.reply(OK)
        async with gateway.client() as client:
            for piece in junk:
                await client.send(piece)
                await asyncio.sleep(0)
        async with gateway.client() as client:
            assert (await client.ask(GET)).status == 200
        for one in upstream.received:
            assert one.head.count(b"\r\n") == one.head.count(b"\n") == one.head.count(b"\r")
