"""The frames of a recorded reply: where each stands in the decoded body, and when its last byte came.

Promise: every byte's time is that of the piece it arrived in, compressed bodies included (a coded piece is
decoded by itself to see what it let appear). Pure; does not understand what the frames say, but for the name
that a viewer can filter by.
"""

import binascii
import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Literal, NamedTuple

from dragoman.records.exchange import Frame
from dragoman.wire.encodings import Decompressor
from dragoman.wire.eventstream import EventStreamParser, Message
from dragoman.wire.ndjson import NdjsonParser
from dragoman.wire.sse import SseParser

Framing = Literal["sse", "ndjson", "eventstream", "raw"]

_TYPE = re.compile(rb'"(?:type|object)"\s*:\s*"([^"\\]{1,80})"')
_TYPE_WITHIN = 200
_PACKED = re.compile(rb'\s*\{\s*"bytes"\s*:\s*"([A-Za-z0-9+/=]*)"')


class Piece(NamedTuple):
    """Bytes `start` to `end` of the decoded body; `at_ns` is None when no time is on record."""

    start: int
    end: int
    at_ns: int | None
    type: str | None
    data: bytes


class Timed(NamedTuple):
    """A decoded body and the times at which it grew: `ends[i]` bytes were known at `at_ns[i]`."""

    body: bytes
    ends: list[int]
    at_ns: list[int | None]

    def time_of(self, end: int) -> int | None:
        """Say when the byte before `end` was there."""
        place = bisect_right(self.ends, end - 1)
        return self.at_ns[place] if place < len(self.at_ns) else None


def framing_of(media_type: str | None) -> Framing:
    match (media_type or "").partition(";")[0].strip().lower():
        case "text/event-stream":
            return "sse"
        case "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/stream+json":
            return "ndjson"
        case "application/vnd.amazon.eventstream":
            return "eventstream"
        case _:
            return "raw"


def decode_timed(body: bytes, frames: Sequence[Frame], encoding: str | None) -> Timed:
    """Undo the content coding piece by piece, so that decoded bytes keep the time of the piece they came in."""
    starts = [frame.offset for frame in frames]
    times: list[int | None] = [frame.at_ns for frame in frames]
    if not starts or starts[0] > 0:
        starts, times = [0, *starts], [times[0] if times else None, *times]
    decompressor = Decompressor(encoding or "")
    out: list[bytes] = []
    ends: list[int] = []
    size = 0
    for start, stop in zip(starts, [*starts[1:], len(body)], strict=True):
        piece = decompressor.feed(body[start:stop])
        size += len(piece)
        out.append(piece)
        ends.append(size)
    return Timed(b"".join(out), ends, times)


def split(timed: Timed, framing: Framing) -> list[Piece]:
    """Cut a decoded body into its frames; `raw` has the pieces as they arrived."""
    match framing:
        case "sse":
            parser = SseParser()
            return [
                Piece(event.start, event.end, timed.time_of(event.end), event.type or _type_in(event.data), event.data)
                for event in (*parser.feed(timed.body), *parser.end())
            ]
        case "ndjson":
            lines = NdjsonParser()
            return [
                Piece(line.start, line.end, timed.time_of(line.end), _type_in(line.data), line.data)
                for line in (*lines.feed(timed.body), *lines.end())
            ]
        case "eventstream":
            return [_amazon_piece(message, timed) for message in EventStreamParser().feed(timed.body)]
        case "raw":
            starts = [0, *timed.ends[:-1]]
            return [
                Piece(start, end, at_ns, None, timed.body[start:end])
                for start, end, at_ns in zip(starts, timed.ends, timed.at_ns, strict=True)
                if end > start
            ]


def _amazon_piece(message: Message, timed: Timed) -> Piece:
    """Take a frame of Amazon's; what InvokeModel packs as base64 is given unpacked."""
    data, name = message.payload, message.headers.get(":event-type") or message.headers.get(":exception-type")
    packed = _PACKED.match(data)
    if packed is not None:
        try:
            data = binascii.a2b_base64(packed[1])
        except binascii.Error:
            data = message.payload
    kind = _type_in(data) if packed is not None else None
    return Piece(message.start, message.end, timed.time_of(message.end), kind or (str(name) if name else None), data)


def _type_in(data: bytes) -> str | None:
    found = _TYPE.search(data, 0, _TYPE_WITHIN)
    return found.group(1).decode("utf-8", "replace") if found else None
