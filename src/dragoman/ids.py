"""Sortable ids: ULIDs (48 bits of milliseconds, 80 random bits, 26 signs of Crockford's base 32).

Promise: ids made by one `IdMaker` rise strictly, also within a millisecond and when the clock steps back.
Reads no clock: the caller gives the time.
"""

import os

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_RANDOM_BITS = 80
_STEP_BITS = 32
_DRAWN_BYTES = 4096
"""Random bytes are drawn from the system this many at a time: a call costs more than the bytes."""


class IdMaker:
    """Make rising ULIDs; one per process and task that needs an order."""

    __slots__ = ("_drawn", "_last", "_ms", "_prefix", "_used")

    def __init__(self) -> None:
        self._last = 0
        self._ms = -1
        self._prefix = ""
        self._drawn = b""
        self._used = _DRAWN_BYTES

    def make(self, wall_ms: int) -> str:
        """Return a ULID for `wall_ms` (milliseconds since 1970), above each one made before."""
        value = (wall_ms << _RANDOM_BITS) | int.from_bytes(self._draw(_RANDOM_BITS // 8), "big")
        if value <= self._last:
            value = self._last + 1 + int.from_bytes(self._draw(_STEP_BITS // 8), "big")
        self._last = value
        ms = value >> _RANDOM_BITS
        if ms != self._ms:
            self._ms = ms
            self._prefix = encode(value)[:10]
        pairs = _PAIRS
        return (
            f"{self._prefix}{pairs[value >> 70 & 1023]}{pairs[value >> 60 & 1023]}{pairs[value >> 50 & 1023]}"
            f"{pairs[value >> 40 & 1023]}{pairs[value >> 30 & 1023]}{pairs[value >> 20 & 1023]}"
            f"{pairs[value >> 10 & 1023]}{pairs[value & 1023]}"
        )

    def _draw(self, count: int) -> bytes:
        start = self._used
        if start + count > _DRAWN_BYTES:
            self._drawn = os.urandom(_DRAWN_BYTES)
            start = 0
        self._used = start + count
        return self._drawn[start : self._used]


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
