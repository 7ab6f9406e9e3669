"""Content codings undone, bounded and piece by piece."""

import gzip
import os
import sys
import zlib

import brotli
import pytest

from dragoman.wire.encodings import Decompressor, codings, decode

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT = b'data: {"text": "hello"}\n\n' * 400 + os.urandom(3000)


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


CODED = {
    "gzip": gzip.compress(TEXT),
    "x-gzip": gzip.compress(TEXT[:50]) + gzip.compress(TEXT[50:]),
    "deflate": zlib.compress(TEXT),
    "Deflate ": raw_deflate(TEXT),
    "br": brotli.compress(TEXT),
    "zstd": zstd.compress(TEXT),
    "zstd, identity": zstd.compress(TEXT[:50]) + zstd.compress(TEXT[50:]),
    "gzip, br": brotli.compress(gzip.compress(TEXT)),
    "identity": TEXT,
    "": TEXT,
}


@pytest.mark.parametrize("coding", CODED)
def test_a_coded_body_comes_back(coding: str) -> None:
    assert decode(CODED[coding], coding) == (TEXT, None, False)


@pytest.mark.parametrize("coding", CODED)
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_pieces_give_the_same(coding: str, step: int) -> None:
    decompressor = Decompressor(coding)
    body = CODED[coding]
    out = b"".join(decompressor.feed(body[at : at + step]) for at in range(0, len(body), step))
    decompressor.end()
    assert (out, decompressor.problem) == (TEXT, None)


@pytest.mark.parametrize("coding", CODED)
def test_no_more_comes_out_than_the_limit(coding: str) -> None:
    assert decode(CODED[coding], coding, 100) == (TEXT[:100], None, True)
    assert decode(CODED[coding], coding, len(TEXT)) == (TEXT, None, False)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_small_bomb_does_not_unfold(coding: str) -> None:
    pack = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress, "zstd": zstd.compress}[coding]
    decompressor = Decompressor(coding, 1000)
    assert len(decompressor.feed(pack(bytes(20_000_000)))) == 1000
    assert decompressor.is_cut
    assert decompressor.feed(b"more") == b""


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_what_came_before_a_cut_is_kept_and_said(coding: str) -> None:
    body = CODED[coding]
    data, problem, _ = decode(body[: len(body) // 2], coding)
    assert TEXT.startswith(data)
    assert problem is not None and "ends" in problem


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "deflate"])
def test_bytes_that_are_not_so_coded_are_named(coding: str) -> None:
    data, problem, _ = decode(b"\xffnot coded at all, " * 20, coding)
    assert data == b""
    assert problem is not None and "content-encoding" in problem


def test_each_flush_of_the_sender_comes_out_at_once() -> None:
    packer = zlib.compressobj(wbits=31)
    decompressor = Decompressor("gzip")
    for n in range(5):
        piece = packer.compress(b"data: %d\n\n" % n) + packer.flush(zlib.Z_SYNC_FLUSH)
        assert decompressor.feed(piece) == b"data: %d\n\n" % n


def test_an_unknown_coding_is_named_with_the_known_ones() -> None:
    data, problem, _ = decode(b"abc", "gzip, rot13")
    assert data == b""
    assert problem == "content-encoding 'rot13' is unknown; known: br, deflate, gzip, x-gzip, zstd"


def test_rubbish_after_the_last_gzip_member_is_ignored() -> None:
    assert decode(gzip.compress(b"abc") + b"\0\0\0rubbish", "gzip") == (b"abc", None, False)


def test_codings_are_read_from_the_header() -> None:
    assert codings(" GZip , identity,br") == ["gzip", "br"]
