"""Credentials that a provider echoes in its replies stay out of the journal, whatever cuts them in pieces."""

from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.gateway.reply_mask import ReplyMask
from dragoman.journal.format import Chunk, Closed
from dragoman.wire.http1 import ChunkedDecoder
from fakes.gateway import running_gateway
from fakes.upstream import FakeUpstream

SECRET = b"plantedsecret"
ECHO = (
    b'event: response.created\ndata: {"response":{"tools":[{"type":"mcp","authorization": "plantedsecret",'
    b'"headers":{"x-key":"plantedsecret"}}],"mcp_servers":[{"authorization_token":"plantedsecret"}]}}\n\n'
    b'event: response.output_text.delta\ndata: {"delta":"the \\"authorization\\" header"}\n\n'
)
REQUEST = b"POST /v1/responses HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
TYPE = b"Content-Type: text/event-stream\r\n"


class Plain:
    """The framing of a body that has none."""

    def payload_spans(self, data: bytes) -> list[tuple[int, int]]:
        return [(0, len(data))]


class Chunked:
    """The framing of a chunked body, read piece by piece as a connection to a provider does."""

    def __init__(self) -> None:
        self.decoder = ChunkedDecoder()

    def payload_spans(self, data: bytes) -> list[tuple[int, int]]:
        return self.decoder.spans(data)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return [piece for piece in [*pieces, data[at:]] if piece]


def chunked(data: bytes, sizes: list[int]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in cut(data, sizes)) + b"0\r\n\r\n"


_sizes = st.lists(st.integers(1, 60), max_size=40)


@settings(max_examples=300, deadline=None)
@given(chunks=_sizes, reads=_sizes)
def test_masked_whatever_chunks_and_reads_cut(chunks: list[int], reads: list[int]) -> None:
    wire = chunked(ECHO, chunks)
    framed, mask = Chunked(), ReplyMask("chunked")
    written = b""
    for piece in cut(wire, reads):
        framed.decoder.scan(piece)
        written += mask.feed(piece, framed)
    assert len(written) == len(wire)
    assert ChunkedDecoder().feed(written) == ECHO.replace(SECRET, b"*" * len(SECRET))
    assert mask.true_hash == blake3(ECHO).hexdigest()


@settings(max_examples=100, deadline=None)
@given(reads=_sizes)
def test_masked_without_framing(reads: list[int]) -> None:
    mask = ReplyMask("close")
    written = b"".join(mask.feed(piece, Plain()) for piece in cut(ECHO, reads))
    assert written == ECHO.replace(SECRET, b"*" * len(SECRET))
    assert mask.true_hash == blake3(ECHO).hexdigest()


def test_a_piece_without_credentials_is_written_as_it_is() -> None:
    framed, mask = Chunked(), ReplyMask("chunked")
    for text in (b'data: {"delta":"hello"}\n\n', b'data: {"a":"\\"headers\\""}\n\n', b'data: {"authorization": 1}\n\n'):
        piece = b"%x\r\n%b\r\n" % (len(text), text)
        framed.decoder.scan(piece)
        assert mask.feed(piece, framed) is piece
    assert not mask.has_masked
    assert mask.true_hash is None


def test_past_what_is_kept_the_true_hash_is_unknown() -> None:
    mask = ReplyMask("close")
    mask.feed(b"x" * 100_000 + b"\n", Plain())
    assert SECRET not in mask.feed(ECHO, Plain())
    assert mask.has_masked
    assert mask.true_hash is None


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
async def test_the_client_gets_the_true_bytes_and_the_journal_the_masked(tmp_path: Path, framing: str) -> None:
    head, body = {
        "length": (b"Content-Length: %d\r\n" % len(ECHO), ECHO),
        "chunked": (b"Transfer-Encoding: chunked\r\n", chunked(ECHO, [7, 90, 20])),
        "close": (b"", ECHO),
    }[framing]
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(b"HTTP/1.1 200 OK\r\n" + TYPE + head + b"\r\n" + body, closes=framing == "close")
        async with gateway.client() as client:
            reply = await client.ask(REQUEST)
        assert reply.body == body
        records = await gateway.records(reply.exchange)
        kept = b"".join(one.data for one in records if isinstance(one, Chunk))
        assert len(kept) == len(body)
        assert SECRET not in gateway.journal_bytes()
        (closed,) = [one for one in records if isinstance(one, Closed)]
        assert closed.response_true_hash == blake3(ECHO).hexdigest()


async def test_headers_of_a_reply_are_masked(tmp_path: Path) -> None:
    lines = (
        b"Set-Cookie: session=plantedsecret\r\nLocation: https://u:plantedsecret@x.example/?key=plantedsecret&a=1\r\n"
        b"Content-Length: 0\r\n"
    )
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(b"HTTP/1.1 302 Found\r\n" + lines + b"\r\n")
        async with gateway.client() as client:
            reply = await client.ask(REQUEST)
        assert reply.header(b"set-cookie") == b"session=plantedsecret"
        await gateway.closed(reply.exchange)
        assert SECRET not in gateway.journal_bytes()
