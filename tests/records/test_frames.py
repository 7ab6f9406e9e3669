"""Frames: where each stands and when its last byte came, however the bytes were cut and coded."""

import gzip
import random
import zlib

import pytest

from dragoman.records.exchange import Frame
from dragoman.records.frames import decode_timed, framing_of, split
from dragoman.wire.eventstream import encode_message

EVENTS = [
    b'event: one\ndata: {"a": 1}\n\n',
    b'data: {"type": "two"}\r\n\r\n',
    b'data: {"object": "three"}\n\n',
    b"data: [DONE]\n\n",
]
BODY = b"".join(EVENTS)


def cut(body: bytes, places: list[int]) -> list[Frame]:
    return [Frame(offset=place, at_ns=number * 10) for number, place in enumerate([0, *places])]


def test_frames_know_their_place_and_type() -> None:
    pieces = split(decode_timed(BODY, cut(BODY, []), None), "sse")
    assert [BODY[piece.start : piece.end] for piece in pieces] == EVENTS
    assert [piece.type for piece in pieces] == ["one", "two", "three", None]
    assert {piece.at_ns for piece in pieces} == {0}


def test_amazon_s_frames_are_told_apart_and_unpacked() -> None:
    packed = b'{"bytes":"eyJ0eXBlIjogIm9uZSJ9","p":"abc"}'
    frames = [
        encode_message({":event-type": "chunk", ":message-type": "event"}, packed),
        encode_message({":event-type": "messageStop"}, b'{"stopReason":"end_turn"}'),
        encode_message({":exception-type": "throttlingException"}, b'{"message":"slow down"}'),
    ]
    body = b"".join(frames)
    pieces = split(decode_timed(body, cut(body, [len(frames[0]), len(body) - 1]), None), "eventstream")
    assert [body[piece.start : piece.end] for piece in pieces] == frames
    assert [piece.type for piece in pieces] == ["one", "messageStop", "throttlingException"]
    assert [piece.at_ns for piece in pieces] == [0, 10, 20]
    assert pieces[0].data == b'{"type": "one"}'
    assert framing_of("application/vnd.amazon.eventstream") == "eventstream"


def test_a_frame_has_the_time_of_its_last_byte() -> None:
    first, second = len(EVENTS[0]), len(EVENTS[0]) + len(EVENTS[1])
    pieces = split(decode_timed(BODY, cut(BODY, [5, first, second - 1, second + 3]), None), "sse")
    assert [piece.at_ns for piece in pieces] == [10, 30, 40, 40]


def test_compressed_pieces_keep_their_times() -> None:
    coder = zlib.compressobj(wbits=31)
    coded, places = b"", []
    for event in EVENTS:
        places.append(len(coded))
        coded += coder.compress(event) + coder.flush(zlib.Z_SYNC_FLUSH)
    coded += coder.flush()
    pieces = split(decode_timed(coded, cut(coded, places[1:]), "gzip"), "sse")
    assert [piece.data for piece in pieces] == [b'{"a": 1}', b'{"type": "two"}', b'{"object": "three"}', b"[DONE]"]
    assert [piece.at_ns for piece in pieces] == [0, 10, 20, 30]


@pytest.mark.parametrize("seed", range(20))
def test_any_cut_gives_the_same_frames(seed: int) -> None:
    chance = random.Random(seed)
    coded = gzip.compress(BODY, mtime=0)
    places = sorted(chance.sample(range(1, len(coded)), chance.randrange(1, 20)))
    pieces = split(decode_timed(coded, cut(coded, places), "gzip"), "sse")
    assert [BODY[piece.start : piece.end] for piece in pieces] == EVENTS
    times = [piece.at_ns for piece in pieces]
    assert times == sorted(times, key=lambda at_ns: at_ns or 0)
    assert None not in times


def test_lines_and_raw_pieces() -> None:
    body = b'{"type": "a"}\n\n{"b": 1}\n{"c"'
    frames = cut(body, [4, 20])
    lines = split(decode_timed(body, frames, None), "ndjson")
    assert [(piece.data, piece.type, piece.at_ns) for piece in lines] == [
        (b'{"type": "a"}', "a", 10), (b'{"b": 1}', None, 20), (b'{"c"', None, 20),
    ]  # fmt: skip
    raw = split(decode_timed(body, frames, None), "raw")
    assert [(piece.start, piece.end, piece.at_ns) for piece in raw] == [(0, 4, 0), (4, 20, 10), (20, len(body), 20)]


def test_a_body_without_times_or_bytes_is_no_fault() -> None:
    assert split(decode_timed(b"", [], None), "sse") == []
    assert split(decode_timed(b"", [], None), "raw") == []
    (piece,) = split(decode_timed(b"abc", [], None), "raw")
    assert (piece.data, piece.at_ns) == (b"abc", None)


def test_the_framing_is_told_by_the_media_type() -> None:
    assert framing_of("text/event-stream; charset=utf-8") == "sse"
    assert framing_of("application/x-ndjson") == "ndjson"
    assert framing_of("application/json") == "raw"
    assert framing_of(None) == "raw"
