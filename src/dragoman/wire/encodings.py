"""Content codings undone: gzip, deflate, br, zstd, and several of them one over the other.

Promise: bytes come out as soon as they can be known, never more than the limit (a small body may unfold into
gigabytes), and nothing raises: what was wrong is said in `problem`, and what came out before it is kept.
Only for copies: what passes through is never recoded. https://www.rfc-editor.org/rfc/rfc9110#section-8.4.1
"""

import sys
import zlib
from typing import NamedTuple, Protocol

import brotli

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor, ZstdError
else:
    from backports.zstd import ZstdDecompressor, ZstdError

DEFAULT_LIMIT_BYTES = 256 * 1024 * 1024

_PLAIN = {"", "identity", "none"}
_ERRORS = (zlib.error, brotli.error, ZstdError, EOFError)
_DEFLATE_METHOD = 8
_RAW = -15
_ZLIB = 15
_GZIP = 31


class _Stage(Protocol):
    """One coding. `feed` returns at most `room` bytes (room is above 0); what does not fit is lost."""

    def feed(self, data: bytes, room: int) -> bytes: ...

    @property
    def is_finished(self) -> bool: ...


class Decompressor:
    """Undoes a `content-encoding` header's codings, last one first."""

    __slots__ = ("_left", "_limit", "_stages", "is_cut", "problem")

    def __init__(self, content_encoding: str, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self.problem: str | None = None
        """What was wrong with the bytes, in words; nothing comes out after it."""
        self.is_cut = False
        """The limit was reached; nothing comes out after it."""
        self._limit = limit_bytes
        self._left = limit_bytes
        self._stages: list[_Stage] = []
        for name in reversed(codings(content_encoding)):
            stage = _STAGES.get(name)
            if stage is None:
                self.problem = f"content-encoding {name!r} is unknown; known: {', '.join(sorted(_STAGES))}"
                return
            self._stages.append(stage())

    def feed(self, data: bytes) -> bytes:
        """Take more bytes of the coded body; returns what is now known of the plain one."""
        if self.problem is not None or self.is_cut or not data:
            return b""
        try:
            for stage in self._stages:
                data = stage.feed(data, self._limit + 1)
        except _ERRORS as problem:
            self.problem = f"the body is not what its content-encoding says: {problem}"
            return b""
        if len(data) > self._left:
            data = data[: self._left]
            self.is_cut = True
        self._left -= len(data)
        return data

    def end(self) -> None:
        """Say that the body is over; sets `problem` when it stopped in the middle."""
        is_begun = self._left < self._limit
        if self.problem is None and not self.is_cut and not all(stage.is_finished for stage in self._stages):
            where = "in the middle" if is_begun else "before its first byte was known"
            self.problem = f"the coded body ends {where}"


class Decoded(NamedTuple):
    data: bytes
    problem: str | None
    is_cut: bool


def decode(body: bytes, content_encoding: str, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> Decoded:
    """Undo the codings of a whole body."""
    if not body or not codings(content_encoding):
        return Decoded(body[:limit_bytes], None, len(body) > limit_bytes)
    decompressor = Decompressor(content_encoding, limit_bytes)
    data = decompressor.feed(body)
    decompressor.end()
    return Decoded(data, decompressor.problem, decompressor.is_cut)


def codings(content_encoding: str) -> list[str]:
    """List the codings that a `content-encoding` header names, in the order in which they were applied."""
    names = [name.strip().lower() for name in content_encoding.split(",")]
    return [name for name in names if name not in _PLAIN]


class _Gzip:
    """One or more gzip members; what follows the last one and is none is ignored, as gzip(1) does."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_GZIP)
        self._is_later = False
        self._is_over = False

    def feed(self, data: bytes, room: int) -> bytes:
        pieces: list[bytes] = []
        while data and room > 0 and not self._is_over:
            if self._stream.eof:
                self._stream = zlib.decompressobj(_GZIP)
                self._is_later = True
            try:
                piece = self._stream.decompress(data, room)
            except zlib.error:
                if not self._is_later:
                    raise
                self._is_over = True
                break
            pieces.append(piece)
            room -= len(piece)
            data = self._stream.unused_data
        return b"".join(pieces)

    @property
    def is_finished(self) -> bool:
        return self._stream.eof or self._is_over


class _Deflate:
    """`deflate` is zlib's form by the standard, and raw deflate by some servers' habit."""

    def __init__(self) -> None:
        self._stream: zlib._Decompress | None = None
        self._first = b""

    def feed(self, data: bytes, room: int) -> bytes:
        if self._stream is None:
            self._first += data
            if len(self._first) < 2:
                return b""
            is_zlib = self._first[0] & 15 == _DEFLATE_METHOD and (self._first[0] * 256 + self._first[1]) % 31 == 0
            self._stream = zlib.decompressobj(_ZLIB if is_zlib else _RAW)
            data, self._first = self._first, b""
        return self._stream.decompress(data, room)

    @property
    def is_finished(self) -> bool:
        return self._stream is not None and self._stream.eof


class _Brotli:
    def __init__(self) -> None:
        self._stream = brotli.Decompressor()

    def feed(self, data: bytes, room: int) -> bytes:
        if self._stream.is_finished():
            return b""
        pieces = [self._stream.process(data, output_buffer_limit=room)]
        room -= len(pieces[0])
        while room > 0 and not self._stream.can_accept_more_data():
            pieces.append(self._stream.process(b"", output_buffer_limit=room))
            room -= len(pieces[-1])
        return b"".join(pieces)

    @property
    def is_finished(self) -> bool:
        return self._stream.is_finished()


class _Zstd:
    """One or more zstd frames."""

    def __init__(self) -> None:
        self._stream = ZstdDecompressor()
        self._is_begun = False

    def feed(self, data: bytes, room: int) -> bytes:
        pieces: list[bytes] = []
        while data and room > 0:
            if self._stream.eof:
                self._stream = ZstdDecompressor()
            self._is_begun = True
            piece = self._stream.decompress(data, room)
            pieces.append(piece)
            room -= len(piece)
            data = self._stream.unused_data if self._stream.eof else b""
        return b"".join(pieces)

    @property
    def is_finished(self) -> bool:
        return self._stream.eof


_STAGES: dict[str, type[_Gzip] | type[_Deflate] | type[_Brotli] | type[_Zstd]] = {
    "gzip": _Gzip,
    "x-gzip": _Gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}
