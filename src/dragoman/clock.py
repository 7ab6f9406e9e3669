"""Time as a value that can be given: real in the product, driven by hand in tests.

Durations are measured with `mono_ns`, stamps are `wall_ns` (UTC, since 1970). Never mix the two.
"""

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    def mono_ns(self) -> int: ...

    def wall_ns(self) -> int: ...


class SystemClock:
    """The machine's clock. This is the only place that reads it by default."""

    __slots__ = ()

    mono_ns = staticmethod(time.monotonic_ns)  # bound to the C function: the gateway asks a dozen times a request
    wall_ns = staticmethod(time.time_ns)


@dataclass(slots=True)
class FakeClock:
    """A clock that stands still until `advance` is called."""

    mono: int = 1_000_000_000
    wall: int = 1_700_000_000_000_000_000

    def mono_ns(self) -> int:
        return self.mono

    def wall_ns(self) -> int:
        return self.wall

    def advance(self, ns: int) -> None:
        self.mono += ns
        self.wall += ns
