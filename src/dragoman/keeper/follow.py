"""Let viewers follow a running exchange, token by token.

Promise: whoever comes late gets all from the first delta on; the list of deltas is the buffer, so nothing is
held per viewer and a slow one never holds up the ingest. Deltas are kept from the moment somebody follows.
One thread extends, any number of loops follow. Does not decode: it is told the deltas.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

from dragoman.canonical import Delta
from dragoman.keeper.reading import TimedDelta
from dragoman.records.exchange import Row


class Live:
    """One exchange that is not stored yet. `on_watched` is called once, when the first viewer comes."""

    def __init__(self, row: Row, on_watched: Callable[[], None]) -> None:
        self.row = row
        """As far as the exchange has come; replaced, never changed."""
        self.deltas: list[TimedDelta] = []
        self.is_watched = False
        self.is_ended = False
        self._is_filling = False
        self._on_watched = on_watched
        self._lock = threading.Lock()
        self._bells: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    @property
    def id(self) -> str:
        return self.row.id

    async def follow(self, from_n: int = 0) -> AsyncIterator[tuple[int, Delta, int]]:
        """Give (number, delta, nanoseconds since the start) from number `from_n` on until the exchange ends."""
        bell = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._bells.add(bell)
            is_first, self.is_watched = not self.is_watched, True
            self._is_filling = self._is_filling or is_first
        try:
            if is_first:
                self._on_watched()
            async for numbered in self._from(from_n, bell[1]):
                yield numbered
        finally:
            with self._lock:
                self._bells.discard(bell)

    async def _from(self, number: int, bell: asyncio.Event) -> AsyncIterator[tuple[int, Delta, int]]:
        while True:
            bell.clear()
            is_over = self.is_ended and not self._is_filling  # asked before the list: what is missed now rings again
            while number < len(self.deltas):
                timed = self.deltas[number]
                yield number, timed.delta, timed.at_ns
                number += 1
            if is_over:
                return
            await bell.wait()

    # The ingest's side.

    def extend(self, deltas: list[TimedDelta]) -> None:
        """Add what came."""
        if deltas:
            self.deltas.extend(deltas)
            self._ring()

    def restart(self, deltas: list[TimedDelta]) -> None:
        """Begin with all that came before the first viewer did; the answer to `on_watched`, also after the end."""
        self.deltas = deltas
        self._is_filling = False
        self._ring()

    def end(self) -> None:
        """Say that nothing follows."""
        self.is_ended = True
        self._ring()

    def _ring(self) -> None:
        with self._lock:
            bells = list(self._bells)
        for loop, bell in bells:
            try:
                loop.call_soon_threadsafe(bell.set)
            except RuntimeError:  # its loop is closed: that viewer is gone
                with self._lock:
                    self._bells.discard((loop, bell))
