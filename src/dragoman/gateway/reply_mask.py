"""Mask the credential fields which a provider echoes in the body of its reply, before the journal gets it.

Promise: what is written has the length and the framing of what came, so that all offsets hold; the client gets
the true bytes. A piece in which no field name can stand costs a few searches and is written as the very object
that came. The hash of the true bytes is kept when some were masked within the first `HASHED_UP_TO` bytes; past
that it stays unknown. Compressed replies are not looked into.
"""

import re
from typing import Any, Protocol

from blake3 import blake3

from dragoman.records.redaction import BodyMasker, may_carry_credential
from dragoman.wire.http1 import ChunkedDecoder, Framing, ResponseHead

HASHED_UP_TO = 64 * 1024
"""How much of a reply is kept to hash its true bytes, should masking change any."""
_LONGEST_NAME = 24
_BEGINS_NAME = re.compile(rb'"[a-z_]*\r?\Z')


class Framed(Protocol):
    """Knows where in the bytes that came last the body's data lies."""

    def payload_spans(self, data: bytes) -> list[tuple[int, int]]: ...


class ReplyMask:
    """The mask over the body of one reply, from its first byte on."""

    __slots__ = ("_hasher", "_is_chunked", "_kept", "_kept_bytes", "_masker", "has_masked")

    def __init__(self, framing: Framing) -> None:
        self._is_chunked = framing == "chunked"
        self._masker: BodyMasker | None = None
        self._kept: list[bytes] | None = []
        self._kept_bytes = 0
        self._hasher: Any = None  # blake3 has no type stubs
        self.has_masked = False

    def feed(self, data: bytes, framed: Framed) -> bytes:
        """Return bytes as they came off the wire, masked: the same object when there was nothing to mask."""
        kept = self._kept
        if kept is not None:
            kept.append(data)
            self._kept_bytes += len(data)
            if self._kept_bytes > HASHED_UP_TO:
                self._kept = None
        if self._masker is None and self._hasher is None and not may_carry_credential(data):
            # Streams come as one whole chunk: two line ends of framing, and none inside.
            if data.endswith(b"\n\r\n") and data.count(b"\r\n") == 2:
                return data
            if not self._cuts_name(data):
                return data
        return self._mask(data, framed)

    @property
    def true_hash(self) -> str | None:
        """blake3 (hex) of the body's data as it went over the wire; None when that is what is written."""
        return self._hasher.hexdigest() if self._hasher is not None else None

    def _cuts_name(self, data: bytes) -> bool:
        """Say whether a field name may begin in `data` and be cut in two, by its end or by chunked framing in it."""
        if _BEGINS_NAME.search(data[-_LONGEST_NAME:]):
            return True
        at = data.find(b"\r\n") if self._is_chunked else -1
        while at >= 0:
            if _BEGINS_NAME.search(data[max(0, at - _LONGEST_NAME) : at]):
                return True
            at = data.find(b"\r\n", at + 2)
        return False

    def _mask(self, data: bytes, framed: Framed) -> bytes:
        masker = self._masker = self._masker or BodyMasker()
        out: bytearray | None = None
        for start, stop in framed.payload_spans(data):
            piece = data[start:stop]
            if self._hasher is not None:
                self._hasher.update(piece)
            masked = masker.feed(piece)
            if masked is not piece:
                out = out or bytearray(data)
                out[start:stop] = masked
        if masker.is_idle:
            self._masker = None
        if out is None:
            return data
        if not self.has_masked:
            self.has_masked = True
            self._begin_hash()
        return bytes(out)

    def _begin_hash(self) -> None:
        """Hash what came up to now, unless that is not known any more."""
        if self._kept is None:
            return
        came = b"".join(self._kept)
        self._kept = None
        self._hasher = blake3(ChunkedDecoder().feed(came) if self._is_chunked else came)


def mask_for(head: ResponseHead, framing: Framing) -> ReplyMask | None:
    """Make the mask of a reply; None when its body cannot be looked into."""
    media: bytes | None = None
    for field in head.fields:
        if field.low == b"content-encoding":
            return None
        if field.low == b"content-type":
            media = field.value.lower()
    is_readable = media is None or b"json" in media or b"event-stream" in media
    return ReplyMask(framing) if is_readable and framing != "none" else None
