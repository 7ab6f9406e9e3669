"""Lines out of bytes cut anywhere."""

from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.wire.ndjson import Line, NdjsonParser


def parse(*pieces: bytes) -> list[Line]:
    parser = NdjsonParser()
    lines = [line for piece in pieces for line in parser.feed(piece)]
    return lines + parser.end()


def test_each_line_comes_with_its_place() -> None:
    assert parse(b'{"a":1}\n\r\n {"b":2}\r\n{"c"') == [
        Line(b'{"a":1}', 0, 8),
        Line(b'{"b":2}', 10, 20),
        Line(b'{"c"', 20, 24),
    ]


@settings(deadline=None)
@given(st.lists(st.sampled_from([b"{}", b"\n", b"\r\n", b" ", b"\xe2\x80\xa8"]), max_size=12).map(b"".join))
def test_the_lines_are_the_same_however_the_body_is_cut(body: bytes) -> None:
    assert parse(*[body[n : n + 1] for n in range(len(body))]) == parse(body)
