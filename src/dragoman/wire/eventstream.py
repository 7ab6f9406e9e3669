"""Amazon's event stream: binary frames with headers and two checksums, read and written.

A frame is: total length u32 | headers' length u32 | crc32 of these 8 bytes | headers | payload | crc32 of all
before it; numbers are big endian. A header is: name's length u8 | name | type u8 | value.
Promise: cut anywhere; a broken frame ends reading and is named in `problem`; nothing raises.
https://smithy.io/2.0/aws/amazon-eventstream.html, seen 2026-11-21
"""

import struct
import zlib
from collections.abc import Mapping
from typing import NamedTuple

_PRELUDE = struct.Struct(">III")
_LENGTHS = struct.Struct(">II")
_U32 = struct.Struct(">I")
_MIN_FRAME_BYTES = 16
_MAX_FRAME_BYTES = 24 * 1024 * 1024
_STRING = 7

HeaderValue = str | bytes | int | bool


class Message(NamedTuple):
    """One frame, and where it stands in the body."""

    headers: dict[str, HeaderValue]
    payload: bytes
    start: int
    end: int


class EventStreamParser:
    """Feed it the body piece by piece; it hands out frames as soon as they are whole and their sums are right."""

    __slots__ = ("_at", "_buffer", "problem")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0
        self.problem: str | None = None

    def feed(self, data: bytes) -> list[Message]:
        """Take more bytes; returns the frames that are now whole."""
        if self.problem is not None:
            return []
        self._buffer += data
        messages: list[Message] = []
        while self.problem is None and len(self._buffer) >= _PRELUDE.size:
            total, headers_length, checksum = _PRELUDE.unpack_from(self._buffer)
            if zlib.crc32(self._buffer[:8]) != checksum or not _fits(total, headers_length):
                self.problem = f"broken frame at byte {self._at}: its first 12 bytes are no frame's beginning"
                break
            if len(self._buffer) < total:
                break
            messages += self._frame(bytes(self._buffer[:total]), headers_length)
            del self._buffer[:total]
        return messages

    def end(self) -> None:
        """Say that the body is over; sets `problem` when it stopped in the middle of a frame."""
        if self._buffer and self.problem is None:
            self.problem = f"the body ends in the middle of the frame at byte {self._at}"

    def _frame(self, frame: bytes, headers_length: int) -> list[Message]:
        start = self._at
        payload_at = _PRELUDE.size + headers_length
        if zlib.crc32(frame[:-4]) != int.from_bytes(frame[-4:], "big"):
            self.problem = f"broken frame at byte {start}: its checksum does not match"
            return []
        try:
            headers = _read_headers(frame[_PRELUDE.size : payload_at])
        except (struct.error, IndexError, UnicodeDecodeError, KeyError):
            self.problem = f"broken frame at byte {start}: its headers cannot be read"
            return []
        self._at = start + len(frame)
        return [Message(headers, frame[payload_at:-4], start, self._at)]


class FrameWriter:
    """Writes frames that all have the same headers."""

    __slots__ = ("_block",)

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._block = _write_headers(headers)

    def write(self, payload: bytes) -> bytes:
        block = self._block
        first = _LENGTHS.pack(_MIN_FRAME_BYTES + len(block) + len(payload), len(block))
        body = first + _U32.pack(zlib.crc32(first)) + block + payload
        return body + _U32.pack(zlib.crc32(body))


def encode_message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Write a frame whose headers are all strings, as Bedrock's are."""
    return FrameWriter(headers).write(payload)


def _write_headers(headers: Mapping[str, str]) -> bytes:
    block = bytearray()
    for name, value in headers.items():
        name_bytes, value_bytes = name.encode(), value.encode()
        block += struct.pack(">B", len(name_bytes)) + name_bytes
        block += struct.pack(">BH", _STRING, len(value_bytes)) + value_bytes
    return bytes(block)


def _fits(total: int, headers_length: int) -> bool:
    return _MIN_FRAME_BYTES + headers_length <= total <= _MAX_FRAME_BYTES


_FIXED = {2: ">b", 3: ">h", 4: ">i", 5: ">q", 8: ">q"}
"""Types of one size: byte, short, int, long, timestamp (milliseconds)."""


def _read_headers(block: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    at = 0
    while at < len(block):
        name_end = at + 1 + block[at]
        name = block[at + 1 : name_end].decode()
        headers[name], at = _read_value(block, block[name_end], name_end + 1)
    return headers


def _read_value(block: bytes, kind: int, at: int) -> tuple[HeaderValue, int]:
    if kind in (0, 1):
        return kind == 0, at
    if kind == 9:
        return block[at : at + 16].hex(), at + 16
    if kind in (6, _STRING):
        end = at + 2 + int.from_bytes(block[at : at + 2], "big")
        value = block[at + 2 : end]
        return (value.decode() if kind == _STRING else value), end
    form = _FIXED[kind]
    return struct.unpack_from(form, block, at)[0], at + struct.calcsize(form)
