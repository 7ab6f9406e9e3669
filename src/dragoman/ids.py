"""Sortable ids: ULIDs (48 bits of milliseconds, 80 random bits, 26 signs of Crockford's base 32).

Promise: ids made by one `IdMaker` rise strictly, also within a millisecond and when the clock steps back.
Reads no clock: the caller gives the time.
A call that was decoded from a tunnel is named by the tunnel and its ordinal, so that it has the same id each time
it is decoded: `01JD0Z6V9C…-0001`.
"""

import os
import re

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_RANDOM_BITS = 80
_IN_TUNNEL = re.compile(r"(.{26})-[0-9]{4,9}")
_COUNTED_BITS = 30


class IdMaker:
    """Make rising ULIDs; one per process and task that needs an order.

    For each millisecond 80 bits are drawn; the lowest 30 of them count up within it.
    """

    __slots__ = ("_count", "_ms", "_prefix")

    def __init__(self) -> None:
        self._ms = -1
        self._count = 0
        self._prefix = ""

    def make(self, wall_ms: int) -> str:
        """Return a ULID for `wall_ms` (milliseconds since 1970), above each one made before."""
        count = self._count = self._count + 1
        if wall_ms > self._ms or count >> _COUNTED_BITS:
            count = self._begin(max(wall_ms, self._ms + (count >> _COUNTED_BITS)))
        pairs = _PAIRS
        return f"{self._prefix}{pairs[count >> 20]}{pairs[count >> 10 & 1023]}{pairs[count & 1023]}"

    def _begin(self, ms: int) -> int:
        self._ms = ms
        drawn = int.from_bytes(os.urandom(_RANDOM_BITS // 8), "big")
        self._count = drawn & ((1 << _COUNTED_BITS - 1) - 1)  # half of the range is left to count
        self._prefix = encode(ms << _RANDOM_BITS | drawn)[:20]
        return self._count


def encode(value: int) -> str:
    """Write a 128-bit number as 26 signs."""
    pairs = _PAIRS
    return "".join([pairs[(value >> shift) & 1023] for shift in range(120, -1, -10)])


def wall_ms_of(ulid: str) -> int:
    """Read the milliseconds since 1970 out of a ULID. Raises ValueError when it is none."""
    if not is_ulid(ulid):
        raise ValueError(f"{ulid!r} is no ULID: expected 26 signs of Crockford's base 32")
    value = 0
    for sign in ulid[:10]:
        value = value * 32 + _ALPHABET.index(sign)
    return value


def is_ulid(text: str) -> bool:
    return len(text) == 26 and text[0] <= "7" and all(sign in _ALPHABET for sign in text)


def id_in_tunnel(tunnel: str, ordinal: int) -> str:
    """Name a call that a tunnel carried; the first has ordinal 1."""
    return f"{tunnel}-{ordinal:04}"


def tunnel_of(exchange: str) -> str | None:
    """Return the id of the tunnel that carried a call; None when the call came by itself."""
    found = _IN_TUNNEL.fullmatch(exchange)
    return found[1] if found else None


def is_exchange_id(text: str) -> bool:
    return is_ulid(tunnel_of(text) or text)
