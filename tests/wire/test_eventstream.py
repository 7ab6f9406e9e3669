"""Amazon's event stream, read and written."""

import struct
import zlib

from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.wire.eventstream import EventStreamParser, Message, encode_message


def frame(headers: bytes, payload: bytes) -> bytes:
    first = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    body = first + zlib.crc32(first).to_bytes(4, "big") + headers + payload
    return body + zlib.crc32(body).to_bytes(4, "big")


def parse(*pieces: bytes) -> tuple[list[Message], str | None]:
    parser = EventStreamParser()
    messages = [message for piece in pieces for message in parser.feed(piece)]
    parser.end()
    return messages, parser.problem


def test_a_written_frame_is_read_back() -> None:
    headers = {":message-type": "event", ":event-type": "chunk"}
    data = encode_message(headers, b'{"bytes":""}')
    assert parse(data) == ([Message(headers, b'{"bytes":""}', 0, len(data))], None)  # type: ignore[arg-type]


def test_every_type_of_header_is_read() -> None:
    block = (
        b"\x01a\x00\x01b\x01\x01c\x02\xff\x01d\x03\x00\x2a\x01e\x04\x00\x00\xa0\x0c\x01f\x05" + (5).to_bytes(8, "big")
        + b"\x01g\x06\x00\x02hi\x01h\x07\x00\x02hi\x01i\x08" + (7).to_bytes(8, "big") + b"\x01j\x09" + bytes(range(16))
    )  # fmt: skip
    [message], problem = parse(frame(block, b"x"))
    assert problem is None
    assert message.headers == {
        "a": True, "b": False, "c": -1, "d": 42, "e": 40972, "f": 5, "g": b"hi", "h": "hi", "i": 7,
        "j": bytes(range(16)).hex(),
    }  # fmt: skip


def test_a_broken_frame_ends_reading_and_is_named() -> None:
    good = encode_message({"a": "b"}, b"x")
    broken = good[:-1] + bytes([good[-1] ^ 1])
    messages, problem = parse(good + broken + good)
    assert len(messages) == 1
    assert problem == f"broken frame at byte {len(good)}: its checksum does not match"
    assert parse(b"\0" * 12)[1] == "broken frame at byte 0: its first 12 bytes are no frame's beginning"
    assert parse(frame(b"\x05a", b""))[1] == "broken frame at byte 0: its headers cannot be read"


def test_a_cut_off_frame_is_named() -> None:
    good = encode_message({"a": "b"}, b"x")
    assert parse(good + good[:20])[1] == f"the body ends in the middle of the frame at byte {len(good)}"


@settings(deadline=None)
@given(st.lists(st.binary(max_size=20), max_size=4))
def test_the_frames_are_the_same_however_the_body_is_cut(payloads: list[bytes]) -> None:
    body = b"".join(encode_message({":event-type": "é"}, payload) for payload in payloads)
    messages, problem = parse(body)
    assert [message.payload for message in messages] == payloads
    assert parse(*[body[n : n + 1] for n in range(len(body))]) == (messages, problem)
