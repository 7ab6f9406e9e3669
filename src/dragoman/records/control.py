"""What keeper and gateway say to each other over the control socket.

Socket: `{data_dir}/run/{gateway}.sock`, mode 0600; the gateway listens, the keeper connects (again and again).
Frames: u32 little endian length, then a msgpack array with the record's tag first.
Each command carries a `number`; the gateway answers `Done` with the same number. Commands are idempotent, so a
keeper may send them again after a reconnect. `Bell` comes unasked and may be lost: the keeper also looks by
itself every 50 ms.
"""

from typing import Literal

import msgspec

from dragoman.records.setup import Setup


class _Words(msgspec.Struct, frozen=True, array_like=True):
    pass


class Publish(_Words, frozen=True, array_like=True, tag=0):
    """Take this Setup for all requests that begin from now on."""

    number: int
    setup: Setup


class Cancel(_Words, frozen=True, array_like=True, tag=1):
    """End a running exchange: upstream closed, client cut, `cancelled` on record."""

    number: int
    exchange: str


class Resume(_Words, frozen=True, array_like=True, tag=2):
    number: int
    exchange: str


class Drain(_Words, frozen=True, array_like=True, tag=3):
    """Take no new connections; end when the running exchanges are over."""

    number: int


class AskStatus(_Words, frozen=True, array_like=True, tag=4):
    number: int


class Hello(_Words, frozen=True, array_like=True, tag=5):
    """First words of the gateway on each connection."""

    gateway: str
    session: str
    pid: int


class Done(_Words, frozen=True, array_like=True, tag=6):
    """`found` is False when the exchange named by the command does not run here (any more)."""

    number: int
    found: bool = True
    error: str | None = None


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a provider is asked at all: after failures in a row it is left out for a while."""

    provider: str
    state: Literal["closed", "open", "half_open"]
    """`closed` is the normal state; `half_open` lets one request through to see."""
    failures: int
    """In a row, up to now."""
    retry_in_s: float = 0.0
    """How long it stays open."""
    last_error: str | None = None


class Status(_Words, frozen=True, array_like=True, tag=7):
    number: int
    in_flight: int
    connections: int
    requests_total: int
    journal_bytes: int
    setup_version: int
    capture_stopped_total: int
    upstream_idle: int
    """Pooled upstream connections that wait."""
    breakers: list[Breaker] = []
    """Of providers that failed lately; all others are closed."""


class Bell(_Words, frozen=True, array_like=True, tag=8):
    """The journal has grown."""


Command = Publish | Cancel | Resume | Drain | AskStatus
Answer = Hello | Done | Status | Bell


def encode(words: Command | Answer) -> bytes:
    payload = msgspec.msgpack.encode(words)
    return len(payload).to_bytes(4, "little") + payload
