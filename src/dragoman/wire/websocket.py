"""One direction of a WebSocket read in passing: bytes cut anywhere in, whole messages out.

Promise: masking, fragments, control frames between them and permessage-deflate (with and without context takeover)
are undone; memory is bounded by one message of `limit_bytes`; nothing raises: what broke is said in `problem`, and
nothing comes out after it. Takes no part in the connection: it answers no ping and checks no handshake.
Of our own because what exists plays one of the two sides; here both are only heard.
https://www.rfc-editor.org/rfc/rfc6455#section-5.2, https://www.rfc-editor.org/rfc/rfc7692#section-7, seen 2026-11-21
"""

import zlib
from typing import Literal, NamedTuple

DEFAULT_LIMIT_BYTES = 256 * 1024 * 1024

Kind = Literal["text", "binary", "close"]

_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_KINDS: dict[int, Kind] = {_TEXT: "text", _BINARY: "binary", _CLOSE: "close"}
_FINAL, _COMPRESSED, _RESERVED, _OPCODE = 0x80, 0x40, 0x30, 0x0F
_MASKED, _LENGTH = 0x80, 0x7F
_CONTROL_BYTES = 125
_FLUSHED = b"\x00\x00\xff\xff"
"""What a sender leaves out at the end of each compressed message."""


class Message(NamedTuple):
    """A whole message. Of kind `close` the data is the reason, behind two bytes of code when there is one."""

    kind: Kind
    data: bytes


class Deflate(NamedTuple):
    """What was agreed on compression: whether each side goes on from its earlier messages."""

    client_keeps_context: bool = True
    server_keeps_context: bool = True


def agreed_deflate(extensions: str) -> Deflate | None:
    """Read the `sec-websocket-extensions` of the answer to a handshake; None when nothing is compressed."""
    for offer in extensions.split(","):
        name, *parameters = (part.strip().lower() for part in offer.split(";"))
        if name == "permessage-deflate":
            names = {parameter.partition("=")[0].strip() for parameter in parameters}
            return Deflate("client_no_context_takeover" not in names, "server_no_context_takeover" not in names)
    return None


class MessageParser:
    """Feed it what one side sent, in order."""

    __slots__ = (
        "_at", "_buffer", "_inflater", "_is_compressed", "_keeps_context", "_kind", "_limit", "_may_compress",
        "_parts", "_size", "problem",
    )  # fmt: skip

    def __init__(
        self, *, is_compressed: bool = False, keeps_context: bool = True, limit_bytes: int = DEFAULT_LIMIT_BYTES
    ) -> None:
        self.problem: str | None = None
        self._may_compress = is_compressed
        self._keeps_context = keeps_context
        self._limit = limit_bytes
        self._buffer = bytearray()
        self._at = 0
        self._kind: Kind | None = None
        """Of the message that is under way."""
        self._is_compressed = False
        self._parts: list[bytes] = []
        self._size = 0
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)

    def feed(self, data: bytes) -> list[Message]:
        """Take more bytes; returns the messages that are now whole."""
        if self.problem is not None:
            return []
        self._buffer += data
        messages: list[Message] = []
        used = 0
        while self.problem is None:
            size = self._frame_size(used)
            if size is None or len(self._buffer) - used < size:
                break
            message = self._take_frame(used, size)
            if message is not None:
                messages.append(message)
            used += size
        del self._buffer[:used]
        self._at += used
        return messages

    def _frame_size(self, at: int) -> int | None:
        """Say how long the frame at `at` is, head included; None when its head is not whole yet."""
        buffer = self._buffer
        if len(buffer) - at < 2:
            return None
        length, extended = buffer[at + 1] & _LENGTH, 0
        if length >= 126:
            extended = 2 if length == 126 else 8
            if len(buffer) - at < 2 + extended:
                return None
            length = int.from_bytes(buffer[at + 2 : at + 2 + extended], "big")
        if self._size + length > self._limit:
            self._break(at, f"a message is longer than {self._limit} bytes")
            return None
        return 2 + extended + (4 if buffer[at + 1] & _MASKED else 0) + length

    def _take_frame(self, at: int, size: int) -> Message | None:
        buffer = self._buffer
        first, second = buffer[at], buffer[at + 1]
        opcode, is_final = first & _OPCODE, bool(first & _FINAL)
        short = second & _LENGTH
        start = at + 2 + (8 if short == 127 else 2 if short == 126 else 0)
        if second & _MASKED:
            payload = _unmasked(bytes(buffer[start + 4 : at + size]), bytes(buffer[start : start + 4]))
        else:
            payload = bytes(buffer[start : at + size])
        if opcode in (_CLOSE, _PING, _PONG):
            return self._take_control(at, opcode, payload, is_sound=is_final and short <= _CONTROL_BYTES)
        return self._take_data(at, first, opcode, payload, is_final=is_final)

    def _take_control(self, at: int, opcode: int, payload: bytes, *, is_sound: bool) -> Message | None:
        if not is_sound:
            return self._break(at, "a control frame is cut or longer than 125 bytes")
        return Message("close", payload) if opcode == _CLOSE else None

    def _take_data(self, at: int, first: int, opcode: int, payload: bytes, *, is_final: bool) -> Message | None:
        fault = self._fault(first, opcode)
        if fault is not None:
            return self._break(at, fault)
        if opcode != _CONTINUATION:
            self._kind = _KINDS[opcode]
            self._is_compressed = bool(first & _COMPRESSED)
        self._parts.append(payload)
        self._size += len(payload)
        if not is_final:
            return None
        kind, data = self._kind, b"".join(self._parts)
        self._kind, self._parts, self._size = None, [], 0
        if self._is_compressed:
            data = self._inflate(at, data)
        return Message(kind, data) if kind is not None and data is not None else None

    def _fault(self, first: int, opcode: int) -> str | None:
        """Say what is wrong with a data frame's first byte."""
        is_compressed = bool(first & _COMPRESSED)
        if opcode not in (_CONTINUATION, _TEXT, _BINARY):
            return f"opcode {opcode} is unknown"
        if first & _RESERVED or (is_compressed and (not self._may_compress or opcode == _CONTINUATION)):
            return "reserved bits are set that nobody agreed on"
        if (opcode == _CONTINUATION) != (self._kind is not None):
            return "a fragment does not follow the one before"
        return None

    def _inflate(self, at: int, data: bytes) -> bytes | None:
        if not self._keeps_context or self._inflater.eof:
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            plain = self._inflater.decompress(data + _FLUSHED, self._limit + 1)
        except zlib.error as error:
            return self._break(at, f"a message is not what permessage-deflate says: {error}")
        if len(plain) > self._limit:
            return self._break(at, f"a message unfolds to more than {self._limit} bytes")
        return plain

    def _break(self, at: int, why: str) -> None:
        self.problem = f"broken WebSocket frame at byte {self._at + at}: {why}"


def _unmasked(data: bytes, key: bytes) -> bytes:
    size = len(data)
    mask = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(mask, "little")).to_bytes(size, "little")
