"""Header names and values as raw bytes: what is a legal name, what is hop-by-hop, what a list header says.

Promise: headers stay what they are on the wire, `(name, value)` in order, spelling and duplicates kept; names
are only compared in lower case. Does not know which headers carry secrets (see `records.redaction`).
"""

from collections.abc import Iterable
from functools import lru_cache

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

NEVER_NOMINATED = frozenset({b"content-length", b"transfer-encoding", b"host", b"content-type", b"content-encoding"})
"""What `connection` may name without that we drop it: a message without these would be another one."""


@lru_cache(maxsize=4096)
def lower_name(name: bytes) -> bytes:
    """Return a header's name in lower case. Raises ValueError when it is no token.

    The cache makes the common names cost one look-up; what does not fit in it is merely slower.
    """
    if not name or name.translate(None, _TOKEN):
        raise ValueError(
            f"header name {name[:60]!r} is no token: only letters, digits and !#$%&'*+-.^_`|~ may stand there"
        )
    return name.lower()


def is_token(text: bytes) -> bool:
    return bool(text) and not text.translate(None, _TOKEN)


def list_items(value: bytes) -> list[bytes]:
    """Read a comma-separated list in lower case, empty items left out."""
    return [item for one in value.lower().split(b",") if (item := one.strip(b" \t"))]


def nominated(connection_values: Iterable[bytes]) -> frozenset[bytes]:
    """Name the headers that `connection` declares to be hop-by-hop."""
    names = {item for value in connection_values for item in list_items(value)}
    return frozenset(names - NEVER_NOMINATED - {b"close", b"keep-alive", b"upgrade"})
