"""Login sessions: opaque random tokens, kept as marks in `sessions.json` (mode 0600).

Promise: a session survives a restart, ends at logout or after 30 days, and ends with the password that opened
it (the mark of a token depends on the password). The file holds no token and no password. A broken or missing
file means that nobody is logged in.
"""

import secrets
from pathlib import Path

import msgspec

from dragoman.clock import Clock, SystemClock
from dragoman.security.files import write_private
from dragoman.security.passwords import Password

LIFE_NS = 30 * 86_400 * 1_000_000_000
SESSIONS_KEPT = 200


class Sessions:
    """Open sessions by mark, with the time at which each ends. Small enough to be written whole."""

    __slots__ = ("_clock", "_ends", "_password", "_path")

    def __init__(self, path: Path, password: Password, clock: Clock | None = None) -> None:
        self._path = path
        self._password = password
        self._clock = clock or SystemClock()
        self._ends = _read(path)

    def open(self) -> str:
        """Begin a session and return its token."""
        token = secrets.token_urlsafe(32)
        now = self._clock.wall_ns()
        living = sorted(((end, mark) for mark, end in self._ends.items() if end > now), reverse=True)
        self._ends = {mark: end for end, mark in living[: SESSIONS_KEPT - 1]}
        self._ends[self._mark(token)] = now + LIFE_NS
        self._write()
        return token

    def is_open(self, token: str) -> bool:
        return self._ends.get(self._mark(token), 0) > self._clock.wall_ns()

    def close(self, token: str) -> None:
        if self._ends.pop(self._mark(token), None) is not None:
            self._write()

    def _mark(self, token: str) -> str:
        return self._password.seal(token.encode("utf-8", "surrogateescape")).hex()

    def _write(self) -> None:
        write_private(self._path, msgspec.json.encode(self._ends))


def _read(path: Path) -> dict[str, int]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, int])
    except (OSError, msgspec.DecodeError):
        return {}
