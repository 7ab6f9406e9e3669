"""HTTP/1.1 messages: heads, how their bodies are framed, and chunked bodies cut anywhere.

Promise: what two parsers could read differently is refused. Of a request, that is a bare CR or LF, a control
character, a folded line, a space before a colon, a name that is no token, more than one `host` or
`content-length`, `content-length` beside `transfer-encoding`, any transfer coding but `chunked`, a chunk size
that is not plain hex. Replies are read with the same strictness, but for what RFC 9112 6.3 settles (there
`transfer-encoding` wins over `content-length`, equal duplicates count once).
Keeps every header as it came. No I/O, no meaning: does not know hosts, credentials or dialects.
"""

import re
from typing import Literal

from dragoman.wire.headers import OURS, Field, FieldBook, Fields, is_token, list_items

Framing = Literal["none", "length", "chunked", "close"]

MAX_HEADERS = 1000
MAX_LINE_BYTES = 8192
"""Longest line inside a chunked body: size with extensions, or a trailer."""
MAX_TRAILER_BYTES = 32 * 1024

_TEXT = b"\t" + bytes(range(32, 127)) + bytes(range(128, 256))
_DIGITS = re.compile(rb"[0-9]{1,18}")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})\r\n")
_BARE_LF = re.compile(rb"(?<!\r)\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")


class BadMessage(ValueError):
    """Not one clear HTTP message. `status` is what a server should answer."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class RequestHead:
    """A request's head."""

    __slots__ = (
        "connection", "expect", "fetch_site", "fields", "framing", "has_ours", "host", "is_persistent", "length",
        "method", "minor", "origin", "special", "target", "upgrade",
    )  # fmt: skip

    method: str
    target: bytes
    minor: int
    fields: list[Field]
    special: list[Field]
    """Those of the fields that are `is_special`."""
    framing: Framing
    length: int
    """Bytes of the body with framing `length`, else 0."""
    is_persistent: bool
    host: bytes | None
    connection: list[bytes]
    """All values of `connection`."""
    expect: bytes | None
    upgrade: bytes | None
    origin: bytes | None
    fetch_site: bytes | None
    """`sec-fetch-site`."""
    has_ours: bool
    """True when a header begins with `x-dragoman-`."""

    def get(self, name: bytes) -> bytes | None:
        """Return the first value of a header, named in lower case."""
        return next((field.value for field in self.fields if field.low == name), None)

    def has(self, name: bytes) -> bool:
        return any(field.low == name for field in self.fields)


class ResponseHead:
    """A reply's head."""

    __slots__ = ("codings", "connection", "fields", "lengths", "minor", "raw", "reason", "special", "status")

    raw: bytes
    """As it came, its empty line included."""
    status: int
    reason: bytes
    minor: int
    fields: list[Field]
    special: list[Field]
    connection: list[bytes]
    lengths: list[bytes]
    codings: list[bytes]

    def is_persistent(self) -> bool:
        words = [item for value in self.connection for item in list_items(value)] if self.connection else ()
        return b"close" not in words and (self.minor == 1 or b"keep-alive" in words)


def find_head_end(buffer: bytes | bytearray, start: int = 0) -> int:
    """Return the offset behind the empty line that ends a head, or -1 when it has not come yet.

    `start` is how far an earlier call has looked.
    Raises BadMessage as soon as a line ends in a bare LF: such a head would never end for us, while another
    parser may take it as whole.
    """
    end = buffer.find(b"\r\n\r\n", max(0, start - 3))
    if end >= 0:
        return end + 4
    if _BARE_LF.search(buffer, start):
        raise BadMessage("a line of the head ends in LF without CR")
    return -1


def parse_request_head(raw: bytes, book: FieldBook) -> RequestHead:
    """Read a whole head, its empty line included. Raises BadMessage."""
    lines = _split(raw)
    head = RequestHead()
    parts = lines[0].split(b" ")
    if len(parts) != 3 or not is_token(parts[0]) or not parts[1]:
        raise BadMessage(f"request line {lines[0][:60]!r} is not `METHOD target HTTP/1.1`")
    head.method = parts[0].decode()
    head.target = parts[1]
    version = parts[2]
    if version == b"HTTP/1.1":
        head.minor = 1
    elif version == b"HTTP/1.0":
        head.minor = 0
    elif re.fullmatch(rb"HTTP/[0-9]\.[0-9]", version):
        raise BadMessage(f"{version.decode()} is not spoken here; HTTP/1.1 and HTTP/1.0 are", 505)
    else:
        raise BadMessage(f"request line {lines[0][:60]!r} does not end in HTTP/1.1")
    if b"#" in head.target or b"\t" in head.target:
        raise BadMessage("the request's target holds a sign that must be percent-encoded")
    head.fields = _read_fields(lines, book)
    head.special = [field for field in head.fields if field.is_special]
    _settle_request(head)
    return head


def _split(raw: bytes) -> list[bytes]:
    """Cut a head into lines; proves at the same time that CR and LF stand only in pairs and no controls do."""
    text = raw[:-4]
    breaks = text.count(b"\r\n")
    if len(text.translate(None, _TEXT)) != 2 * breaks:
        raise BadMessage("the head holds a control character, or a CR or LF alone")
    if breaks > MAX_HEADERS:
        raise BadMessage(f"more than {MAX_HEADERS} headers", 431)
    return text.split(b"\r\n")


def _read_fields(lines: list[bytes], book: FieldBook) -> list[Field]:
    try:
        return [book[line] for line in lines[1:]]
    except ValueError as error:
        raise BadMessage(str(error)) from error


def _settle_request(head: RequestHead) -> None:
    """Decide framing and persistence from the headers that bear on them."""
    head.host = head.expect = head.upgrade = head.origin = head.fetch_site = None
    head.connection = []
    head.has_ours = False
    length: bytes | None = None
    coding: bytes | None = None
    for field in head.special:
        name = field.low
        if name == b"host":
            if head.host is not None:
                raise BadMessage("more than one Host header")
            head.host = field.value
        elif name == b"content-length":
            if length is not None:
                raise BadMessage("more than one Content-Length header")
            length = field.value
        elif name == b"transfer-encoding":
            if coding is not None:
                raise BadMessage("more than one Transfer-Encoding header")
            coding = field.value
        elif name == b"connection":
            head.connection.append(field.value)
        elif name == b"expect":
            head.expect = field.value
        elif name == b"upgrade":
            head.upgrade = field.value
        elif name == b"origin":
            head.origin = field.value
        elif name == b"sec-fetch-site":
            head.fetch_site = field.value
        elif name.startswith(OURS):
            head.has_ours = True
    if head.host is None and head.minor == 1:
        raise BadMessage("an HTTP/1.1 request needs a Host header")
    head.framing, head.length = _request_framing(head, length, coding)
    head.is_persistent = _is_persistent(head)


def _request_framing(head: RequestHead, length: bytes | None, coding: bytes | None) -> tuple[Framing, int]:
    if coding is not None:
        if length is not None:
            raise BadMessage("Content-Length and Transfer-Encoding contradict each other; send one of them")
        if coding.lower() != b"chunked":
            raise BadMessage(f"Transfer-Encoding {coding[:60]!r} is not understood; expected chunked")
        if head.minor == 0:
            raise BadMessage("Transfer-Encoding does not exist in HTTP/1.0")
        return "chunked", 0
    if length is None:
        return "none", 0
    if not _DIGITS.fullmatch(length):
        raise BadMessage(f"Content-Length {length[:60]!r} is no number")
    return "length", int(length)


def _is_persistent(head: RequestHead) -> bool:
    if not head.connection:
        return head.minor == 1
    words = [item for value in head.connection for item in list_items(value)]
    return b"close" not in words and (head.minor == 1 or b"keep-alive" in words)


def parse_response_head(raw: bytes, book: FieldBook) -> ResponseHead:
    """Read a whole head of a reply, its empty line included. Raises BadMessage."""
    lines = _split(raw)
    line = _STATUS_LINE.fullmatch(lines[0])
    if line is None:
        raise BadMessage(f"status line {lines[0][:60]!r} is not `HTTP/1.1 200 OK`")
    head = ResponseHead()
    head.raw = raw
    head.minor, head.status, head.reason = int(line[1]), int(line[2]), line[3] or b""
    head.fields = _read_fields(lines, book)
    head.special = [field for field in head.fields if field.is_special]
    head.connection, head.lengths, head.codings = [], [], []
    for field in head.special:
        if field.low == b"content-length":
            head.lengths.append(field.value)
        elif field.low == b"transfer-encoding":
            head.codings.append(field.value)
        elif field.low == b"connection":
            head.connection.append(field.value)
    return head


def response_framing(head: ResponseHead, method: str) -> tuple[Framing, int]:
    """Say how a reply's body ends: framing, and its length where that is known. Raises BadMessage."""
    status = head.status
    if method == "HEAD" or status == 204 or status == 304 or status < 200:
        return "none", 0
    if head.codings:
        items = [item for value in head.codings for item in list_items(value)]
        if items == [b"chunked"]:
            return "chunked", 0
        if items != [b"identity"]:
            raise BadMessage(f"the reply's Transfer-Encoding {b', '.join(items)[:60]!r} is not understood")
    if not head.lengths:
        return "close", 0
    if len(set(head.lengths)) > 1 or not _DIGITS.fullmatch(head.lengths[0]):
        raise BadMessage(f"the reply's Content-Length {b', '.join(head.lengths)[:60]!r} is not one number")
    length = int(head.lengths[0])
    return ("length", length) if length else ("none", 0)


_SIZE, _DATA, _DATA_END, _TRAILER = range(4)


class ChunkedDecoder:
    """Finds the data, the end and the trailers of a chunked body that comes cut anywhere.

    `is_done` once the last line has come; what follows it belongs to the next message and is not taken.
    """

    __slots__ = ("_began", "_held", "_left", "_state", "_trailer_bytes", "is_done", "trailers")

    def __init__(self) -> None:
        self._state = _SIZE
        self._left = 0
        self._held = b""
        self._began = (self._state, self._left, self._held)
        """Where the last `scan` began."""
        self._trailer_bytes = 0
        self.is_done = False
        self.trailers: Fields = []

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes and return the data in them. Raises BadMessage."""
        pieces: list[bytes] = []
        self.scan(data, pieces)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def scan(self, data: bytes, pieces: list[bytes] | None = None, spans: list[tuple[int, int]] | None = None) -> int:
        """Take the next bytes, put the data in them into `pieces`, and say how many bytes belong to this body.

        `spans` gets where that data lies. Raises BadMessage.
        """
        self._began = (self._state, self._left, self._held)
        held = len(self._held)
        if held:
            data = self._held + data
            self._held = b""
        at, end = 0, len(data)
        while at < end and not self.is_done:
            if self._state == _SIZE and (line := _CHUNK_LINE.match(data, at)) is not None:
                start = line.end()
                stop = start + int(line[1], 16)
                if stop > start and data[stop : stop + 2] == b"\r\n":  # a whole chunk at hand: most are like this
                    if pieces is not None:
                        pieces.append(data[start:stop])
                    if spans is not None:
                        spans.append((start - held, stop - held))
                    at = stop + 2
                    continue
            if self._state == _DATA:
                stop = min(at + self._left, end)
                if pieces is not None:
                    pieces.append(data[at:stop])
                if spans is not None:
                    spans.append((at - held, stop - held))
                self._left -= stop - at
                at = stop
                if self._left == 0:
                    self._state = _DATA_END
                continue
            line_end = data.find(b"\r\n", at)
            if line_end < 0:
                self._hold(data[at:])
                at = end
                break
            self._take_line(data[at:line_end])
            at = line_end + 2
        return at - held

    def spans(self, data: bytes) -> list[tuple[int, int]]:
        """Say where the data lies in the bytes that the last `scan` was given (or in the first of them)."""
        again = ChunkedDecoder()
        again._state, again._left, again._held = self._began
        found: list[tuple[int, int]] = []
        again.scan(data, None, found)
        return found

    def _hold(self, rest: bytes) -> None:
        if len(rest) > MAX_LINE_BYTES or _BARE_LF.search(rest) or (self._state == _DATA_END and rest != b"\r"):
            raise BadMessage(f"chunked body: {rest[:40]!r} begins no line of its framing")
        self._held = rest

    def _take_line(self, line: bytes) -> None:
        if self._state == _SIZE:
            match = _CHUNK_SIZE.fullmatch(line)
            if match is None:
                raise BadMessage(f"chunked body: {line[:40]!r} is no chunk size")
            self._left = int(match[1], 16)
            self._state = _DATA if self._left else _TRAILER
        elif self._state == _DATA_END:
            if line:
                raise BadMessage("chunked body: data goes on where its chunk should end")
            self._state = _SIZE
        elif line:
            self._take_trailer(line)
        else:
            self.is_done = True

    def _take_trailer(self, line: bytes) -> None:
        self._trailer_bytes += len(line)
        name, colon, value = line.partition(b":")
        if not colon or not is_token(name) or line.translate(None, _TEXT) or self._trailer_bytes > MAX_TRAILER_BYTES:
            raise BadMessage(f"chunked body: {line[:40]!r} is no trailer")
        self.trailers.append((name, value.strip(b" \t")))
