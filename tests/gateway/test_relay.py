"""Bytes in, bytes out: what a provider sends is what the client gets, cut anywhere, in every framing."""

import asyncio
import gzip
from pathlib import Path

import pytest

from dragoman.journal.format import Chunk, Closed, ResponseHead
from fakes.client import Cut
from fakes.gateway import running_gateway
from fakes.upstream import FakeUpstream

POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
GET = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
OLD_GET = b"GET /v1/models HTTP/1.0\r\n\r\n"


def without_exchange(head: bytes) -> bytes:
    """A head without the one line that Dragoman adds."""
    lines = head.split(b"\r\n")
    assert [line for line in lines if line.startswith(b"x-dragoman-exchange: ")]
    return b"\r\n".join(line for line in lines if not line.startswith(b"x-dragoman-exchange: "))


async def test_reply_by_length_passes_byte_for_byte(tmp_path: Path) -> None:
    head = (
        b"HTTP/1.1 201 Made it\r\nX-B: 2\r\nx-a:  1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 5\r\n\r\n"
    )
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(head + b"h\x00\xffi!")
        async with gateway.client() as client:
            reply = await client.ask(POST)
        assert reply.body == b"h\x00\xffi!"
        assert without_exchange(reply.head) == head
        closed = await gateway.closed(reply.exchange)
        assert (closed.ending, closed.status, closed.sent_bytes) == ("complete", 201, 5)


async def test_chunked_reply_keeps_its_framing_and_trailers(tmp_path: Path) -> None:
    body = b"3;ext=1\r\nabc\r\n0002\r\nde\r\n0\r\nX-Sum: 1\r\n\r\n"
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n" + body)
        async with gateway.client() as client:
            reply = await client.ask(POST)
            again = await client.ask(POST)
        assert reply.body == again.body == body
        assert reply.header(b"trailer") == b"X-Sum"
        records = await gateway.records(reply.exchange)
        assert b"".join(one.data for one in records if isinstance(one, Chunk)) == body
        assert [one.response_trailers for one in records if isinstance(one, Closed)] == [[(b"X-Sum", b"1")]]
        assert upstream.connection_count == 1


async def test_each_piece_passes_when_it_comes(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        async with gateway.client() as client:
            await client.send(POST)
            call = await upstream.call()
            await call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            reply = await client.head()
            for piece in (b"5\r\nhello\r\n", b"1\r\n", b"!\r", b"\n", b"0\r", b"\n\r", b"\n"):
                await call.send(piece)
                assert await client.exactly(len(piece)) == piece
        records = await gateway.records(reply.exchange)
        assert b"".join(one.data for one in records if isinstance(one, Chunk)) == b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_a_reply_cut_anywhere_is_the_same_reply(tmp_path: Path, size: int) -> None:
    whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n5\r\npedia\r\n0\r\n\r\n"
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        async with gateway.client() as client:
            await client.send(POST)
            call = await upstream.call()
            for start in range(0, len(whole), size):
                await call.send(whole[start : start + size])
                await asyncio.sleep(0)
            reply = await client.reply()
        assert reply.body == b"4\r\nwiki\r\n5\r\npedia\r\n0\r\n\r\n"


async def test_reply_until_close(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(b"HTTP/1.1 200 OK\r\nx-a: 1\r\n\r\nall of it", closes=True)
        async with gateway.client() as client:
            reply = await client.ask(POST)
        assert reply.body == b"all of it"
        assert reply.header(b"connection") == b"close"
        assert (await gateway.closed(reply.exchange)).ending == "complete"


async def test_http_10_provider(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi", closes=True)
        async with gateway.client() as client:
            assert (await client.ask(POST)).body == b"hi"
            assert (await client.ask(POST)).body == b"hi"
        assert upstream.connection_count == 2


@pytest.mark.parametrize("status", [204, 304])
async def test_replies_without_a_body(tmp_path: Path, status: int) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(b"HTTP/1.1 %d X\r\netag: a\r\ncontent-length: 10\r\n\r\n" % status)
        async with gateway.client() as client:
            for _ in range(2):
                reply = await client.ask(GET)
                assert reply.status == status
                assert reply.header(b"content-length") == b"10"
        assert upstream.connection_count == 1


async def test_reply_to_head_ends_with_the_head(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        async with gateway.client() as client:
            for _ in range(2):
                reply = await client.ask(GET.replace(b"GET", b"HEAD"), to_head=True)
                assert reply.header(b"transfer-encoding") == b"chunked"
            assert (await gateway.closed(reply.exchange)).ending == "complete"


async def test_informational_replies_pass(tmp_path: Path) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(b"HTTP/1.1 100 Continue\r\n\r\n" + early + b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
        async with gateway.client() as client:
            assert (await client.ask(POST)).status == 100
            assert (await client.reply()).head == early
            reply = await client.reply()
            assert reply.body == b"hi"
        records = await gateway.records(reply.exchange)
        assert [one.status for one in records if isinstance(one, ResponseHead)] == [100, 103, 200]
        async with gateway.client() as client:
            assert b"100 Continue" not in await _all(client, OLD_GET)


async def _all(client, data: bytes) -> bytes:  # type: ignore[no-untyped-def]
    await client.send(data)
    return await client.ended()


async def test_http_10_client_gets_the_data_without_chunks(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n1\r\n!\r\n0\r\n\r\n")
        async with gateway.client() as client:
            head, _, body = (await _all(client, OLD_GET)).partition(b"\r\n\r\n")
        assert body == b"hi!"
        assert b"transfer-encoding" not in head.lower()
        assert b"connection: close" in head


async def test_http_10_client_may_keep_its_connection(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
        async with gateway.client() as client:
            for _ in range(2):
                reply = await client.ask(b"GET /v1/models HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                assert reply.header(b"connection") == b"keep-alive"


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"zstd"])
async def test_coded_bodies_pass_as_they_are(tmp_path: Path, coding: bytes) -> None:
    body = gzip.compress(b'{"a":1}')
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        fields = b"Content-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (coding, len(body))
        upstream.reply(b"HTTP/1.1 200 OK\r\n" + fields + body)
        async with gateway.client() as client:
            reply = await client.ask(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n" + fields + body)
        assert reply.body == body
        assert reply.header(b"content-encoding") == coding
        assert upstream.received[0].body == body
        assert upstream.received[0].header(b"content-encoding") == coding


async def test_chunked_reply_cut_in_the_middle_is_cut_for_the_client(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", closes=True)
        async with gateway.client() as client:
            await client.send(POST)
            with pytest.raises(Cut) as cut:
                await client.reply()
        assert cut.value.so_far == b"3\r\nabc\r\n"
        closed = await gateway.closed()
        assert (closed.ending, closed.status, closed.error_code) == ("upstream_cut", 200, "upstream_cut")


async def test_counted_reply_cut_in_the_middle_is_cut_for_the_client(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", closes=True)
        async with gateway.client() as client:
            await client.send(POST)
            with pytest.raises(Cut):
                await client.reply()
        assert (await gateway.closed()).ending == "upstream_cut"


async def test_a_cut_is_a_reset_where_the_end_would_look_clean(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", closes=True)
        async with gateway.client() as client:
            with pytest.raises(ConnectionResetError):
                await _all(client, OLD_GET)


async def test_broken_chunks_are_not_passed_on(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        async with gateway.client() as client:
            await client.send(POST)
            call = await upstream.call()
            await call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            await client.head()
            await client.exactly(8)
            await call.send(b"xyz\r\n")
            assert await client.ended() == b""
        closed = await gateway.closed()
        assert (closed.ending, closed.error_code) == ("upstream_cut", "upstream_protocol")


async def test_what_is_no_reply_becomes_a_502(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
        async with gateway.client() as client:
            reply = await client.ask(POST)
        assert reply.status == 502
        assert b"not HTTP" in reply.body
        assert (await gateway.closed(reply.exchange)).error_code == "upstream_protocol"


async def test_bytes_after_a_reply_reach_nobody(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"
        )
        async with gateway.client() as client:
            assert (await client.ask(POST)).body == b"hi"
            assert (await client.ask(POST)).body == b"hi"
        assert upstream.connection_count == 2


async def test_an_early_reply_ends_the_upload(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reads_bodies = False
        async with gateway.client() as client:
            await client.send(POST.replace(b"Length: 2", b"Length: 9"))
            call = await upstream.call()
            await call.send(b"HTTP/1.1 401 No\r\ncontent-length: 2\r\n\r\nno")
            reply = await client.reply()
            assert (reply.status, reply.body) == (401, b"no")
            assert await client.ended() == b""
        assert (await gateway.closed(reply.exchange)).ending == "complete"


async def test_hop_by_hop_headers_end_here(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(
            b"HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
            b"x-dragoman-exchange: other\r\n"
            b"x-end: 1\r\ncontent-length: 0\r\n\r\n"
        )
        async with gateway.client() as client:
            reply = await client.ask(
                b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, X-Mine\r\nX-Mine: 1\r\n"
                b"TE: trailers\r\nKeep-Alive: 3\r\nProxy-Authorization: Basic x\r\nUpgrade: h2c\r\n"
                b"x-dragoman-run: r\r\nX-End: 1\r\n\r\n"
            )
        assert [name.lower() for name, _ in reply.headers] == [b"x-end", b"content-length", b"x-dragoman-exchange"]
        assert [name for name, _ in upstream.received[0].headers] == [b"Host", b"X-End"]
