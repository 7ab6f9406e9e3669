"""Heads and chunked bodies: one reading each, however they are cut; agreed with llhttp where it reads at all."""

import itertools

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.wire.headers import FieldBook, nominated
from dragoman.wire.http1 import (
    BadMessage,
    ChunkedDecoder,
    find_head_end,
    parse_request_head,
    parse_response_head,
    response_framing,
)


def request(text: bytes):  # type: ignore[no-untyped-def]
    return parse_request_head(text, FieldBook())


def response(text: bytes):  # type: ignore[no-untyped-def]
    return parse_response_head(text, FieldBook())


def test_headers_stay_as_they_came() -> None:
    head = request(b"GET /a?b=%2f HTTP/1.1\r\nHost: h\r\nX-A:  1 \r\nx-a:2\r\nX-Empty:\r\n\r\n")
    assert (head.method, head.target, head.minor, head.host) == ("GET", b"/a?b=%2f", 1, b"h")
    assert [field.line for field in head.fields] == [b"Host: h", b"X-A:  1 ", b"x-a:2", b"X-Empty:"]
    assert [(field.name, field.value) for field in head.fields[1:]] == [
        (b"X-A", b"1"),
        (b"x-a", b"2"),
        (b"X-Empty", b""),
    ]
    assert (head.framing, head.length) == ("none", 0)
    assert head.get(b"x-a") == b"1" and head.get(b"nope") is None


@pytest.mark.parametrize(
    ("version", "connection", "expected"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Connection: close\r\n", False),
        (b"1.1", b"Connection: x, Close\r\n", False),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: Keep-Alive\r\n", True),
    ],
)
def test_persistence(version: bytes, connection: bytes, expected: bool) -> None:
    assert request(b"GET / HTTP/%b\r\nHost: h\r\n%b\r\n" % (version, connection)).is_persistent is expected
    assert response(b"HTTP/%b 200 OK\r\n%b\r\n" % (version, connection)).is_persistent() is expected


@pytest.mark.parametrize(
    "bad", [b"Content-Length: 1\r\nContent-Length: 1", b"Content-Length: 0x1", b"A b: 1", b"A", b"\x7f: 1"]
)
def test_unclear_requests_are_bad(bad: bytes) -> None:
    with pytest.raises(BadMessage):
        request(b"POST / HTTP/1.1\r\nHost: h\r\n%b\r\n\r\n" % bad)


def test_a_bad_line_is_bad_every_time() -> None:
    book = FieldBook()
    for _ in range(2):
        with pytest.raises(BadMessage):
            parse_request_head(b"GET / HTTP/1.1\r\nHost: h\r\nA b: 1\r\n\r\n", book)


def test_the_book_is_bounded() -> None:
    book = FieldBook()
    for number in range(10_000):
        assert book[b"X-N: %d" % number].value == b"%d" % number
    assert len(book) <= 4096
    long = b"X-L: " + b"a" * 5000
    assert book[long].value == b"a" * 5000
    assert long not in book


@pytest.mark.parametrize(
    ("status", "fields", "method", "expected"),
    [
        (200, b"Content-Length: 5", "POST", ("length", 5)),
        (200, b"Content-Length: 0", "POST", ("none", 0)),
        (200, b"Content-Length: 5", "HEAD", ("none", 0)),
        (204, b"Content-Length: 5", "GET", ("none", 0)),
        (304, b"Content-Length: 5", "GET", ("none", 0)),
        (200, b"Transfer-Encoding: Chunked", "GET", ("chunked", 0)),
        (200, b"Transfer-Encoding: chunked\r\nContent-Length: 5", "GET", ("chunked", 0)),
        (200, b"Transfer-Encoding: identity", "GET", ("close", 0)),
        (200, b"Content-Length: 5\r\nContent-Length: 5", "GET", ("length", 5)),
        (200, b"X: 1", "GET", ("close", 0)),
    ],
)
def test_framing_of_replies(status: int, fields: bytes, method: str, expected: tuple[str, int]) -> None:
    assert response_framing(response(b"HTTP/1.1 %d OK\r\n%b\r\n\r\n" % (status, fields)), method) == expected


@pytest.mark.parametrize(
    "fields", [b"Content-Length: 5\r\nContent-Length: 6", b"Content-Length: x", b"Transfer-Encoding: gzip"]
)
def test_unclear_replies_are_bad(fields: bytes) -> None:
    with pytest.raises(BadMessage):
        response_framing(response(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % fields), "GET")


@pytest.mark.parametrize(
    "line", [b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.0 404 Not here", b"HTTP/1.1 200 \xc3\xa4"]
)
def test_status_lines(line: bytes) -> None:
    head = response(line + b"\r\n\r\n")
    assert head.reason == line[13:]


def test_the_end_of_a_head_is_found_wherever_it_is_cut() -> None:
    raw = b"GET / HTTP/1.1\r\nHost: h\r\n\r\nrest"
    looked = 0
    for end in range(1, len(raw)):
        found = find_head_end(raw[:end], looked)
        if found >= 0:
            assert (found, end) == (27, 27)
            return
        looked = end


def test_a_bare_line_feed_is_found_before_the_head_ends() -> None:
    with pytest.raises(BadMessage):
        find_head_end(b"GET / HTTP/1.1\nHost")
    assert find_head_end(b"GET / HTTP/1.1\r\nHost", 14) == -1
    with pytest.raises(BadMessage):
        find_head_end(b"GET / HTTP/1.1\r\nHost: a\n", 20)


@given(
    data=st.lists(st.binary(min_size=1, max_size=40), max_size=6),
    cuts=st.lists(st.integers(1, 300), max_size=12),
    trailers=st.sampled_from([b"", b"X-T: 1\r\n", b"A: b\r\nC:d\r\n"]),
    extension=st.sampled_from([b"", b";a=b", b' ;a="x y"']),
)
def test_chunked_bodies_cut_anywhere(data: list[bytes], cuts: list[int], trailers: bytes, extension: bytes) -> None:
    whole = b"".join(b"%X%b\r\n%b\r\n" % (len(one), extension, one) for one in data) + b"0\r\n" + trailers + b"\r\n"
    decoder, got, used = ChunkedDecoder(), b"", 0
    marks = sorted({0, *(cut for cut in cuts if cut < len(whole)), len(whole)})
    for start, stop in itertools.pairwise(marks):
        pieces: list[bytes] = []
        used += decoder.scan(whole[start:stop], pieces)
        got += b"".join(pieces)
    assert (got, decoder.is_done, used) == (b"".join(data), True, len(whole))
    assert len(decoder.trailers) == trailers.count(b"\r\n")
    assert decoder.scan(b"GET /") == 0
    assert ChunkedDecoder().feed(whole + b"more") == b"".join(data)


@pytest.mark.parametrize(
    "bad",
    [
        b"\r\n",
        b"g\r\n",
        b"1\nab",
        b"1\r\nab\r\n",
        b"1 2\r\n",
        b"-1\r\n",
        b"1;\x00\r\n",
        b"0\r\nbad\r\n\r\n",
        b"f" * 9000,
    ],
)
def test_broken_chunked_bodies(bad: bytes) -> None:
    for size in (1, 3, len(bad)):
        with pytest.raises(BadMessage):  # noqa: PT012
            decoder = ChunkedDecoder()
            for start in range(0, len(bad), size):
                decoder.feed(bad[start : start + size])


class _Seen:
    """What llhttp makes of a request."""

    def __init__(self) -> None:
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.is_done = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.is_done = True


_lines = st.sampled_from(
    [b"Host: h", b"Content-Length: 3", b"Content-Length: 03", b"content-length:3", b"Transfer-Encoding: chunked",
     b"X: 1", b"X : 1", b" X: 1", b"X:\t1\t", b"X: a\x00", b"X: \xc3\xa4", b"Connection: close",
     b"Expect: 100-continue", b"X", b""]
)  # fmt: skip


@given(st.lists(_lines, max_size=5), st.sampled_from([b"GET", b"POST"]), st.sampled_from([b"\r\n", b"\n"]))
def test_what_we_read_llhttp_reads_alike(lines: list[bytes], method: bytes, end: bytes) -> None:
    raw = method + b" /a?b HTTP/1.1" + end + b"".join(line + end for line in lines) + end
    try:
        stop = find_head_end(raw)
        head = request(raw[:stop]) if stop >= 0 else None
    except BadMessage:
        return
    if head is None:
        return
    body = b"abc" if head.framing == "length" else b"3\r\nabc\r\n0\r\n\r\n" if head.framing == "chunked" else b""
    seen = _Seen()
    httptools.HttpRequestParser(seen).feed_data(raw[:stop] + body)
    assert seen.is_done
    assert seen.target == head.target
    assert seen.body == (b"abc" if body else b"")
    headers = [(name, value.strip(b" \t")) for name, value in seen.headers]  # llhttp leaves a tab at the end
    assert headers == [(field.name, field.value) for field in head.fields]


def test_nominated_headers() -> None:
    assert nominated([b"X-A, close", b"host , x-b"]) == {b"x-a", b"x-b"}
