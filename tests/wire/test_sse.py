"""Events out of bytes cut anywhere."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.wire.sse import Event, SseParser


def parse(*pieces: bytes) -> list[Event]:
    parser = SseParser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events + parser.end()


def said(body: bytes) -> list[tuple[str, bytes]]:
    return [(event.type, event.data) for event in parse(body)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_each_line_end_of_the_standard_ends_a_line(end: bytes) -> None:
    body = end.join([b"event: a", b"data: 1", b"", b"data: 2", b"", b""])
    assert said(body) == [("a", b"1"), ("", b"2")]


def test_data_needs_no_space_and_loses_one_only() -> None:
    assert said(b"data:1\n\ndata:  2 \n\n") == [("", b"1"), ("", b" 2 ")]


def test_several_data_lines_are_joined() -> None:
    assert said(b"data: 1\ndata\ndata: 2\n\n") == [("", b"1\n\n2")]


def test_comments_ids_and_empty_events_say_nothing() -> None:
    assert said(b": OPENROUTER PROCESSING\n\nid: 3\nretry: 5\n\nevent: x\n\n:\ndata: 1\n\n") == [("", b"1")]


def test_other_line_ends_of_unicode_are_text() -> None:
    text = "data: a\u2028b\u2029c\u0085d\x0be\x0cf"
    assert said(text.encode() + b"\n\n") == [("", text[6:].encode())]


def test_an_event_that_the_end_cuts_off_is_handed_out() -> None:
    assert said(b"data: 1\n\nevent: x\ndata: 2") == [("", b"1"), ("x", b"2")]
    assert said(b"data: 1\n") == [("", b"1")]
    assert said(b"") == []


def test_a_mark_of_byte_order_is_skipped() -> None:
    assert said(b"\xef\xbb\xbfdata: 1\n\n") == [("", b"1")]


def test_an_event_says_where_it_stands() -> None:
    body = b": hi\n\n\nevent: a\ndata: 1\n\n\ndata: 2\r\n\r\ndata: 3"
    spots = [body[event.start : event.end] for event in parse(body)]
    assert spots == [b"event: a\ndata: 1\n\n", b"data: 2\r\n\r\n", b"data: 3"]


lines = st.sampled_from([b"data: x", b"data:\xc3\xa9", b"event: e", b": c", b"", b"", b"data", b"id: 1"])
bodies = st.lists(st.tuples(lines, st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=12).map(
    lambda all_lines: b"".join(line + end for line, end in all_lines)
)


@settings(deadline=None)
@given(bodies, st.lists(st.integers(0, 100), max_size=6))
def test_the_events_are_the_same_however_the_body_is_cut(body: bytes, cuts: list[int]) -> None:
    whole = parse(body)
    assert parse(*[body[n : n + 1] for n in range(len(body))]) == whole
    places = sorted(min(cut, len(body)) for cut in cuts)
    assert parse(*[body[a:b] for a, b in zip([0, *places], [*places, len(body)], strict=True)]) == whole


def test_a_failure_told_in_a_field_of_its_own_is_an_event() -> None:
    assert said(b'data: 1\n\nerror: {"a":1}\n\n') == [("", b"1"), ("error", b'{"a":1}')]
