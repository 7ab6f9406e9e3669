"""Who leaves when, and what happens then: clients, providers, limits of time, cancelling, draining."""

import asyncio
import socket
import ssl
from pathlib import Path

import msgspec
import pytest
import trustme

from dragoman.journal.format import AttemptClosed, AttemptOpened, Closed
from dragoman.records.setup import Setup, Timeouts
from fakes.gateway import provider, running_gateway
from fakes.upstream import FakeUpstream

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"


async def test_client_leaving_cancels_upstream(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        async with gateway.client() as client:
            await client.send(POST)
            call = await upstream.call()
            await call.send(STREAM)
            reply = await client.head()
            client.leave()
            async with asyncio.timeout(1):
                await call.gone.wait()
        closed = await gateway.closed(reply.exchange)
        assert (closed.ending, closed.status) == ("client_closed", 200)
        assert not gateway.gateway.exchanges


async def test_client_leaving_before_the_reply_cancels_upstream(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        async with gateway.client() as client:
            await client.send(POST)
            call = await upstream.call()
            client.reset()
            async with asyncio.timeout(1):
                await call.gone.wait()
        assert (await gateway.closed()).ending == "client_closed"


async def test_half_closed_client_is_gone(tmp_path: Path) -> None:
    async with (
        FakeUpstream() as upstream,
        running_gateway(tmp_path, openai=upstream.url) as gateway,
        gateway.client() as client,
    ):
        await client.send(POST)
        call = await upstream.call()
        client.writer.write_eof()
        async with asyncio.timeout(1):
            await call.gone.wait()


async def test_client_leaving_while_nobody_reads_is_noticed(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reads_bodies = False
        async with gateway.client() as client:
            await client.send(POST.replace(b"Length: 2", b"Length: 64000000"))
            await upstream.call()
            client.writer.write(b"x" * 60_000_000)  # more than all buffers on the way hold
            await asyncio.sleep(0.3)
            client.reset()
            async with asyncio.timeout(2):
                assert (await gateway.closed()).ending == "client_closed"


async def test_reply_is_read_to_its_end_when_asked_to(tmp_path: Path) -> None:
    setup = Setup(version=1, reads_to_end=True)
    async with FakeUpstream() as upstream, running_gateway(tmp_path, setup=setup, openai=upstream.url) as gateway:
        async with gateway.client() as client:
            await client.send(POST)
            call = await upstream.call()
            await call.send(STREAM)
            reply = await client.head()
            client.leave()
            while gateway.gateway.connections:
                await asyncio.sleep(0.005)
            await call.send(b"0\r\n\r\n")
            closed = await gateway.closed(reply.exchange)
        assert closed.ending == "client_closed"
        from dragoman.journal.format import Chunk

        assert b"".join(one.data for one in gateway.of(reply.exchange, Chunk)) == b"3\r\nabc\r\n0\r\n\r\n"


async def test_stale_connection_is_tried_again_once(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        async with gateway.client() as client:
            await client.send(POST)
            await (await upstream.call()).send(OK)
            assert (await client.reply()).body == b"ok"
            await client.send(POST)
            (await upstream.call()).abort()  # on the kept connection, without a byte
            call = await upstream.call()
            assert call.received.body == b"{}"
            await call.send(OK)
            reply = await client.reply()
        assert reply.body == b"ok"
        assert reply.header(b"x-dragoman-attempts") == b"2"
        records = await gateway.records(reply.exchange)
        opened = [one for one in records if isinstance(one, AttemptOpened)]
        assert [(one.number, one.is_reused) for one in opened] == [(1, True), (2, False)]
        assert [one.error_code for one in records if isinstance(one, AttemptClosed)] == ["stale_connection"]


async def test_new_connection_is_not_tried_again(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        async with gateway.client() as client:
            await client.send(POST)
            (await upstream.call()).abort()
            reply = await client.reply()
        assert (reply.status, upstream.connection_count) == (502, 1)
        assert (await gateway.closed(reply.exchange)).error_code == "upstream_closed"


async def test_provider_that_is_not_there(tmp_path: Path) -> None:
    urls = {"openai": "http://127.0.0.1:1", "anthropic": "http://no-such-host.invalid", "ollama": "http://127.0.0.1:1"}
    async with running_gateway(tmp_path, **urls) as gateway, gateway.client() as client:
        reply = await client.ask(POST)
        assert (reply.status, b"connection" in reply.body) == (502, True)
        assert (await gateway.closed(reply.exchange)).error_code == "connect_failed"
        reply = await client.ask(POST.replace(b"/v1/chat/completions", b"/v1/messages"))
        assert (reply.status, msgspec.json.decode(reply.body)["error"]["type"]) == (502, "api_error")
        assert (await gateway.closed(reply.exchange)).error_code == "dns_failed"
        reply = await client.ask(POST.replace(b"/v1/chat/completions", b"/api/chat"))
        assert isinstance(msgspec.json.decode(reply.body)["error"], str)


async def test_limits_of_time(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        entry = provider("openai", upstream.url, timeouts=Timeouts(first_byte=0.2, idle=0.2))
        async with running_gateway(tmp_path, providers=[entry]) as gateway:
            async with gateway.client() as client:
                await client.send(POST)
                call = await upstream.call()
                reply = await client.reply()
                assert reply.status == 504
                await asyncio.wait_for(call.gone.wait(), 1)
            closed = await gateway.closed(reply.exchange)
            assert (closed.ending, closed.error_code) == ("timeout", "first_byte_timeout")
            async with gateway.client() as client:
                await client.send(POST)
                await (await upstream.call()).send(STREAM)
                reply = await client.head()
                await client.exactly(8)
                assert await client.ended() == b""
            closed = await gateway.closed(reply.exchange)
            assert (closed.ending, closed.error_code) == ("timeout", "idle_timeout")


async def test_connect_has_a_limit(tmp_path: Path) -> None:
    with socket.socket() as deaf, socket.socket() as first:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        first.connect(deaf.getsockname())  # fills the backlog: the kernel answers no further call
        entry = provider("openai", f"http://127.0.0.1:{deaf.getsockname()[1]}", timeouts=Timeouts(connect=0.1))
        async with running_gateway(tmp_path, providers=[entry]) as gateway, gateway.client() as client:
            reply = await client.ask(POST)
            assert reply.status == 504
        assert (await gateway.closed(reply.exchange)).error_code == "connect_timeout"


async def test_slow_client_holds_the_provider_back(tmp_path: Path) -> None:
    """The reply is far longer than all buffers on the way: nobody may gather it."""
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        async with gateway.client(receive_buffer=8192) as client:
            await client.send(POST)
            call = await upstream.call()
            size = 64_000_000
            call.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            sender = asyncio.create_task(call.send(b"x" * size))
            reply = await client.head()
            done, _ = await asyncio.wait([sender], timeout=0.5)
            assert not done
            buffered = sum(one.transport.get_write_buffer_size() for one in gateway.gateway.connections)
            assert buffered < 2_000_000
            got = 0
            while got < size:
                got += len(await asyncio.wait_for(client.reader.read(1_000_000), 10))
            await sender
        closed = await gateway.closed(reply.exchange)
        assert (closed.ending, closed.sent_bytes) == ("complete", size)
        assert closed.paused_ns > 0


async def test_slow_provider_holds_the_client_back(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reads_bodies = False
        async with gateway.client() as client:
            size = 64_000_000
            client.writer.transport.set_write_buffer_limits(high=0)
            head = POST[:-2].replace(b"Length: 2", b"Length: %d" % size)
            sender = asyncio.create_task(client.send(head + b"x" * size))
            call = await upstream.call()
            done, _ = await asyncio.wait([sender], timeout=0.5)
            assert not done
            assert gateway.gateway.held_bytes < 2_000_000
            got = 0
            while got < size:
                got += len(await asyncio.wait_for(call.reader.read(1_000_000), 10))
            await sender
            await call.send(OK)
            assert (await client.reply()).body == b"ok"
        assert gateway.gateway.held_bytes == 0


async def test_client_that_never_reads_is_given_up(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        entry = provider("openai", upstream.url, timeouts=Timeouts(client_write=0.2))
        async with (
            running_gateway(tmp_path, providers=[entry]) as gateway,
            gateway.client(receive_buffer=8192) as client,
        ):
            client.reader._limit = 1  # type: ignore[attr-defined]  # the reader itself reads ahead
            await client.send(POST)
            call = await upstream.call()
            call.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 32000000\r\n\r\n" + b"x" * 32_000_000)
            async with asyncio.timeout(5):
                await call.gone.wait()
            closed = await gateway.closed()
            assert (closed.ending, closed.error_code) == ("timeout", "client_write_timeout")


async def test_cancelled_exchange_is_cut_on_both_sides(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        async with gateway.client() as client:
            await client.send(POST)
            call = await upstream.call()
            await call.send(STREAM)
            reply = await client.head()
            assert gateway.gateway.cancel(reply.exchange)
            await client.exactly(8)
            assert await client.ended() == b""
            await asyncio.wait_for(call.gone.wait(), 1)
        assert (await gateway.closed(reply.exchange)).ending == "cancelled"
        assert not gateway.gateway.cancel(reply.exchange)


async def test_draining_lets_running_exchanges_end(tmp_path: Path) -> None:
    async with (
        FakeUpstream() as upstream,
        running_gateway(tmp_path, openai=upstream.url) as gateway,
        gateway.client() as client,
        gateway.client() as idle,
    ):
        upstream.reply(OK)
        await idle.ask(POST)
        upstream.by_hand()
        await upstream.call()
        await client.send(POST)
        call = await upstream.call()
        await call.send(STREAM)
        gateway.gateway.begin_drain()
        assert await idle.ended() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", gateway.port)
        assert not gateway.gateway.drained.is_set()
        await call.send(b"0\r\n\r\n")
        assert (await client.reply()).body.endswith(b"0\r\n\r\n")
        assert await client.ended() == b""
        await asyncio.wait_for(gateway.gateway.drained.wait(), 1)


async def test_gateway_that_ends_says_so_on_record(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        async with running_gateway(tmp_path, openai=upstream.url) as gateway, gateway.client() as client:
            await client.send(POST)
            await (await upstream.call()).send(STREAM)
            reply = await client.head()
            await gateway.gateway.close()
            assert await client.ended() == b"3\r\nabc\r\n"
        closed = gateway.of(reply.exchange, Closed)
        assert [(one.ending, one.error_code) for one in closed] == [("cancelled", "shutdown")]


def _tls() -> tuple[ssl.SSLContext, trustme.CA]:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context, authority


async def test_tls_is_verified_and_names_the_host(tmp_path: Path) -> None:
    context, authority = _tls()
    named: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: named.append(name)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with FakeUpstream(tls=context) as upstream:
        upstream.reply(OK)
        url = f"https://localhost:{upstream.port}"
        trusted = provider("openai", url, ca_file=str(tmp_path / "ca.pem"))
        unknown = provider("anthropic", url)
        careless = provider("ollama", url, verify_tls=False)
        misnamed = provider("gemini", upstream.url, ca_file=str(tmp_path / "ca.pem"))
        entries = [trusted, unknown, careless, misnamed]
        async with running_gateway(tmp_path, providers=entries) as gateway, gateway.client() as client:
            for _ in range(2):
                reply = await client.ask(POST)
                assert reply.body == b"ok"
            assert named == ["localhost"]  # the connection was used again
            attempt = gateway.of(reply.exchange, AttemptOpened)[0]
            assert attempt.url == f"https://localhost:{upstream.port}/v1/chat/completions"
            reply = await client.ask(POST.replace(b"/v1/chat/completions", b"/v1/messages"))
            assert (reply.status, b"not trusted" in reply.body) == (502, True)
            assert (await client.ask(POST.replace(b"/v1/chat/completions", b"/api/chat"))).body == b"ok"
            reply = await client.ask(POST.replace(b"/v1/chat/completions", b"/v1beta/models/m:generateContent"))
            assert (reply.status, b"not trusted" in reply.body) == (502, True)


async def test_a_name_with_two_addresses_reaches_the_one_that_listens(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:  # IPv4 only; localhost often means ::1 first
        upstream.reply(OK)
        url = f"http://localhost:{upstream.port}"
        async with running_gateway(tmp_path, openai=url) as gateway, gateway.client() as client:
            assert (await client.ask(POST)).body == b"ok"


async def test_a_provider_that_leads_back_here_ends_soon(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, openai="http://127.0.0.1:1") as gateway:
        gateway.change(providers=[provider("openai", f"http://127.0.0.1:{gateway.port}")])
        async with gateway.client() as client:
            reply = await client.ask(POST)
            assert reply.status == 508
            assert b"leads to Dragoman" in reply.body
            assert (await client.ask(POST)).status == 508
        assert gateway.gateway.requests_total == 12
        assert not gateway.gateway.exchanges


async def test_a_provider_at_another_path_of_ours_is_no_loop(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, ollama=upstream.url) as gateway:
        upstream.reply(OK)
        gateway.change(
            providers=[
                provider("ollama", upstream.url),
                provider("openai", f"http://127.0.0.1:{gateway.port}/ollama/v1"),
            ]
        )
        async with gateway.client() as client:
            assert [(await client.ask(POST)).status for _ in range(3)] == [200, 200, 200]
