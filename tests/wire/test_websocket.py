"""WebSocket messages read in passing, against a real implementation of both sides."""

import os
import random
import struct
import zlib

import pytest
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import Protocol, Side, State

from dragoman.wire.websocket import Deflate, Message, MessageParser, agreed_deflate

TEXTS = ['{"type":"response.create","input":"hällo"}', "x" * 125, "y" * 126, "z" * 70_000, ""]


def sender(side: Side, extensions: list[PerMessageDeflate] | None = None) -> Protocol:
    protocol = Protocol(side, state=State.OPEN)
    protocol.extensions = extensions or []
    return protocol


def deflate(*, keeps: bool) -> PerMessageDeflate:
    return PerMessageDeflate(not keeps, not keeps, 15, 12)


def written(protocol: Protocol) -> bytes:
    return b"".join(protocol.data_to_send())


def fed(parser: MessageParser, data: bytes, step: int) -> list[Message]:
    return [one for at in range(0, len(data), step) for one in parser.feed(data[at : at + step])]


@pytest.mark.parametrize("side", [Side.CLIENT, Side.SERVER])
@pytest.mark.parametrize("keeps", [None, True, False])
@pytest.mark.parametrize("step", [1, 7, 4096, 10**6])
def test_messages_come_out_whole_however_they_are_cut(side: Side, keeps: bool | None, step: int) -> None:
    protocol = sender(side, [] if keeps is None else [deflate(keeps=keeps)])
    for text in [*TEXTS, *TEXTS]:  # the second time a kept context makes them short
        protocol.send_text(text.encode())
    protocol.send_binary(b"\0\1")
    parser = MessageParser(is_compressed=keeps is not None, keeps_context=bool(keeps))
    found = fed(parser, written(protocol), step)
    assert found == [*(Message("text", text.encode()) for text in [*TEXTS, *TEXTS]), Message("binary", b"\0\1")]
    assert parser.problem is None


@pytest.mark.parametrize("keeps", [None, True])
def test_fragments_are_joined_and_control_frames_between_them_pass(keeps: bool | None) -> None:
    protocol = sender(Side.CLIENT, [] if keeps is None else [deflate(keeps=keeps)])
    protocol.send_text(b'{"a":', fin=False)
    protocol.send_ping(b"are you there")
    protocol.send_continuation(b"1", fin=False)
    protocol.send_pong(b"")
    protocol.send_continuation(b"}", fin=True)
    protocol.send_close(1001, "going")
    parser = MessageParser(is_compressed=keeps is not None)
    assert parser.feed(written(protocol)) == [
        Message("text", b'{"a":1}'),
        Message("close", Close(1001, "going").serialize()),
    ]


def test_what_was_agreed_is_read_from_the_handshake() -> None:
    assert agreed_deflate("") is None
    assert agreed_deflate("x-webkit-deflate-frame") is None
    assert agreed_deflate("permessage-deflate") == Deflate(True, True)
    offer = "foo, permessage-deflate; client_no_context_takeover; server_max_window_bits=12"
    assert agreed_deflate(offer) == Deflate(client_keeps_context=False, server_keeps_context=True)
    assert agreed_deflate("Permessage-Deflate;server_no_context_takeover") == Deflate(True, False)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x83\x00", "opcode 3"),
        (b"\xc1\x01a", "reserved bits"),
        (b"\xa1\x01a", "reserved bits"),
        (b"\x80\x01a", "does not follow"),
        (b"\x01\x01a\x81\x01b", "does not follow"),
        (b"\x09\x01a", "control frame"),
        (b"\x89\x7e\x00\x7e" + b"a" * 126, "control frame"),
        (b"\x81\x7f" + struct.pack(">Q", 2**40), "longer than"),
    ],
)
def test_broken_frames_end_the_reading_and_are_named(data: bytes, why: str) -> None:
    parser = MessageParser()
    assert [one.data for one in parser.feed(b"\x81\x02hi" + data)] == [b"hi"]
    assert why in (parser.problem or "")
    assert parser.feed(b"\x81\x02hi") == []


def test_a_small_message_does_not_unfold_without_bound() -> None:
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = packed.compress(b"\0" * 10_000_000) + packed.flush(zlib.Z_SYNC_FLUSH)
    frame = b"\xc1\x7e" + struct.pack(">H", len(data[:-4])) + data[:-4]
    parser = MessageParser(is_compressed=True, limit_bytes=100_000)
    assert parser.feed(frame) == []
    assert "unfolds" in (parser.problem or "")


def test_no_rubbish_breaks_it() -> None:
    chance = random.Random(7)
    for _ in range(300):
        parser = MessageParser(is_compressed=chance.random() < 0.5, limit_bytes=10_000)
        for _ in range(5):
            parser.feed(os.urandom(chance.randrange(40)))


def test_a_frame_of_the_standard_s_example_is_read() -> None:
    assert MessageParser().feed(bytes.fromhex("818537fa213d7f9f4d5158")) == [Message("text", b"Hello")]
    assert MessageParser(is_compressed=True).feed(bytes.fromhex("c107f248cdc9c90700")) == [Message("text", b"Hello")]
    assert Frame(Opcode.TEXT, b"Hello").serialize(mask=False) == bytes.fromhex("810548656c6c6f")
