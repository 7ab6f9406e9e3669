"""WebSockets: bytes through an upgraded connection, in both directions and on record."""

import asyncio
from pathlib import Path

from dragoman.journal.format import CaptureStopped, Opened, ResponseHead, TunnelData
from dragoman.records.setup import Limits, Setup
from fakes.gateway import provider, running_gateway
from fakes.upstream import FakeUpstream

ASK = (
    b"GET /v1/responses HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.sk-planted\r\n\r\n"
)
AGREED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"
)


async def test_tunnel_passes_and_records_both_directions(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        async with gateway.client() as client:
            await client.send(ASK)
            call = await upstream.call()
            assert call.received.header(b"upgrade") == b"websocket"
            assert call.received.header(b"connection") == b"Upgrade"
            assert call.received.header(b"sec-websocket-key") == b"dGhlIHNhbXBsZSBub25jZQ=="
            await call.send(AGREED + b"first")
            reply = await client.head()
            assert reply.status == 101
            assert (reply.header(b"upgrade"), reply.header(b"sec-websocket-accept")) == (b"websocket", b"x")
            assert await client.exactly(5) == b"first"
            await client.send(b"\x81\x02hi")
            assert await call.reader.readexactly(4) == b"\x81\x02hi"
            await call.send(b"answer")
            assert await client.exactly(6) == b"answer"
            call.close()
            assert await client.ended() == b""
        records = await gateway.records(reply.exchange)
        assert [(one.is_from_client, one.data) for one in records if isinstance(one, TunnelData)] == [
            (False, b"first"),
            (True, b"\x81\x02hi"),
            (False, b"answer"),
        ]
        assert [one.status for one in records if isinstance(one, ResponseHead)] == [101]
        closed = await gateway.closed(reply.exchange)
        assert (closed.ending, closed.status, closed.sent_bytes) == ("complete", 101, 11)
        assert b"sk-planted" not in gateway.journal_bytes()


async def test_client_leaving_a_tunnel_closes_it(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        async with gateway.client() as client:
            await client.send(ASK)
            call = await upstream.call()
            await call.send(AGREED)
            reply = await client.head()
            client.leave()
            async with asyncio.timeout(1):
                assert await call.reader.read() == b""
        assert (await gateway.closed(reply.exchange)).ending == "client_closed"


async def test_refused_upgrade_is_a_reply_like_any_other(tmp_path: Path) -> None:
    async with (
        FakeUpstream() as upstream,
        running_gateway(tmp_path, openai=upstream.url) as gateway,
        gateway.client() as client,
    ):
        await client.send(ASK)
        call = await upstream.call()
        await call.send(b"HTTP/1.1 405 No\r\ncontent-length: 2\r\n\r\nno")
        assert (await client.reply()).status == 405


async def test_provider_without_websocket_is_answered_at_once(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        entry = provider("openai", upstream.url, websocket="no")
        async with running_gateway(tmp_path, providers=[entry]) as gateway, gateway.client() as client:
            reply = await client.ask(ASK)
            assert reply.status == 426
            assert (await gateway.closed(reply.exchange)).error_code == "no_websocket"
            assert gateway.of(reply.exchange, Opened)
        assert upstream.connection_count == 0


async def test_capture_limit_holds_for_a_tunnel(tmp_path: Path) -> None:
    setup = Setup(version=1, limits=Limits(capture=6))
    async with FakeUpstream() as upstream, running_gateway(tmp_path, setup=setup, openai=upstream.url) as gateway:
        async with gateway.client() as client:
            await client.send(ASK)
            call = await upstream.call()
            await call.send(AGREED)
            reply = await client.head()
            await client.send(b"abcd")
            assert await call.reader.readexactly(4) == b"abcd"
            await call.send(b"efgh")
            assert await client.exactly(4) == b"efgh"
            client.leave()
            records = await gateway.records(reply.exchange)
        assert [one.data for one in records if isinstance(one, TunnelData)] == [b"abcd", b"ef"]
        assert [one.direction for one in records if isinstance(one, CaptureStopped)] == ["both"]


async def test_switching_protocols_unasked_is_an_error(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(AGREED)
        async with gateway.client() as client:
            reply = await client.ask(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert reply.status == 502
