"""Header names and values as raw bytes: what is a legal name, what is hop-by-hop, what a list header says.

Promise: headers stay what they are on the wire, `(name, value)` in order, spelling and duplicates kept; names
are only compared in lower case. Does not know which headers carry secrets (see `records.redaction`).
"""

from collections.abc import Iterable

Fields = list[tuple[bytes, bytes]]
"""Headers in the order in which they came."""

_TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"  # RFC 9110, 5.6.2

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"upgrade",
    }
)
"""Headers that speak of one connection only. `trailer` is not among them: trailers pass on (RFC 9110, 7.6.1)."""

OURS = b"x-dragoman-"

SPECIAL = HOP_BY_HOP | {
    *(b"host", b"content-length", b"transfer-encoding", b"expect", b"trailer", b"http2-settings"),
    *(b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key", b"x-amz-security-token"),
    *(b"origin", b"sec-fetch-site"),
}
"""Headers that somebody here may have to look at; all others only pass."""

LONGEST_KEPT = 512
MOST_KEPT = 4096

NEVER_NOMINATED = frozenset({b"content-length", b"transfer-encoding", b"host", b"content-type", b"content-encoding"})
"""What `connection` may name without that we drop it: a message without these would be another one."""


class Field:
    """One header line, read."""

    __slots__ = ("is_special", "line", "low", "name", "value", "written")

    def __init__(self, line: bytes) -> None:
        """Read a line without its CR LF. Raises ValueError when it has no colon or its name is no token."""
        name, colon, value = line.partition(b":")
        if not colon:
            raise ValueError(f"header line {line[:60]!r} has no colon")
        if not name or name.translate(None, _TOKEN):
            raise ValueError(
                f"header name {name[:60]!r} is no token: only letters, digits and !#$%&'*+-.^_`|~ may stand there"
            )
        self.line = line
        """As it came; what passes on unchanged passes on as this."""
        self.name = name
        self.low = name.lower()
        """The name in lower case."""
        self.value = value.strip(b" \t")
        self.written = (name, self.value)
        """As it may be written down; a book that knows of secrets masks it."""
        self.is_special = self.low in SPECIAL or self.low.startswith(OURS)


class FieldBook(dict[bytes, Field]):
    """Header lines that were read before: programs send the same ones again and again.

    `book[line]` reads a line that is new. Bounded: when it is full it begins anew.
    """

    __slots__ = ()

    def __missing__(self, line: bytes) -> Field:
        field = self.read(line)
        if len(line) <= LONGEST_KEPT:
            if len(self) >= MOST_KEPT:
                self.clear()
            self[line] = field
        return field

    def read(self, line: bytes) -> Field:
        return Field(line)


def is_token(text: bytes) -> bool:
    return bool(text) and not text.translate(None, _TOKEN)


def list_items(value: bytes) -> list[bytes]:
    """Read a comma-separated list in lower case, empty items left out."""
    return [item for one in value.lower().split(b",") if (item := one.strip(b" \t"))]


def nominated(connection_values: Iterable[bytes]) -> frozenset[bytes]:
    """Name the headers that `connection` declares to be hop-by-hop."""
    names = {item for value in connection_values for item in list_items(value)}
    return frozenset(names - NEVER_NOMINATED - {b"close", b"keep-alive", b"upgrade"})
