"""The keeper: everything behind the gateways, put together and given a life.

Promise: `start` returns at once; a store that cannot be opened yet (locked, disk full) is tried again until it
can, and traffic never notices. Closing loses nothing: what is not stored is read from the journal next time.
Does not serve HTTP; `api` does.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from dragoman.clock import Clock, SystemClock
from dragoman.config import Start
from dragoman.events.bus import Bus
from dragoman.ids import IdMaker
from dragoman.keeper.ingest import Ingest, Lag
from dragoman.keeper.links import GatewayLinks
from dragoman.keeper.reparse import Reparse
from dragoman.keeper.retention import Retention
from dragoman.keeper.setup import SetupBook
from dragoman.keeper.status import Counters, StatusTicker
from dragoman.records.setup import Setup
from dragoman.store import Store
from dragoman.tasks import TaskOwner, spawn

RETRY_FIRST_S = 0.25
RETRY_MOST_S = 15.0
DRAIN_S = 15.0
"""How long storing what is left may take at the end."""

_log = logging.getLogger("dragoman.keeper")


class Keeper:
    """One per data directory. `ready` is set once the store is open and journals are being read."""

    def __init__(self, start: Start, data_dir: Path, store: Store, clock: Clock | None = None) -> None:
        clock = clock or SystemClock()
        run_dir = data_dir / "run"
        self.started_ns = clock.wall_ns()
        self.store = store
        self.bus = Bus(IdMaker().make(self.started_ns // 1_000_000))
        self.ingest = Ingest(data_dir / "journal", store, self.bus, clock)
        self.setup = SetupBook(start, run_dir, store, on_publish=self._published, on_reload=self._reloaded)
        self.links = GatewayLinks(run_dir, setup=lambda: self.setup.current, on_change=self.ingest.wake)
        self.retention = Retention(start.config.retention, store)
        self.reparse = Reparse(store, on_changed=lambda row: self.bus.publish("exchange.changed", row))
        self.status = StatusTicker(self.links, self.bus, clock, lag=self.ingest.lag, complete=self._complete)
        self.ready = asyncio.Event()
        self.trouble: str | None = None
        """Why the store is not in use yet, None once it is."""
        self._tasks = TaskOwner("keeper")

    async def start(self) -> None:
        """Begin; links and events work from now on, the store as soon as it can."""
        await self.links.start()
        await self.status.start()
        spawn(self._begin(), name="keeper-begin", owner=self._tasks)

    async def close(self) -> None:
        """Store what the journals hold, as far as the time allows, and end."""
        await self._tasks.close()
        for part in (self.status, self.reparse, self.retention, self.setup, self.links):
            await part.close()
        if self.ready.is_set() and self.ingest.trouble is None:
            await asyncio.to_thread(self.ingest.drain, DRAIN_S)
        await asyncio.to_thread(self.ingest.close)
        await asyncio.to_thread(self.store.close)

    def lag(self) -> Lag:
        return self.ingest.lag()

    def checks(self) -> dict[str, str | None]:
        """Say of each part what is wrong with it, None for those that are well."""
        connected = any(self.links.is_connected(name) for name in self.links.names)
        return {
            "store": self.trouble,
            "ingest": self.ingest.trouble,
            "gateway": None if connected else "no gateway is connected",
        }

    async def _begin(self) -> None:
        self.trouble = "the store is being opened"
        await self._insist(lambda: asyncio.to_thread(self.store.open), "the store cannot be opened")
        self.ready.set()
        self.ingest.start()
        await self._insist(self.setup.start, "the edited configuration cannot be read")
        await self.retention.start()

    async def _insist(self, step: Callable[[], Awaitable[None]], complaint: str) -> None:
        """Try a step until it works, with pauses that grow."""
        pause_s = RETRY_FIRST_S
        while True:
            try:
                await step()
            except Exception as error:  # noqa: BLE001 the guard of this task: the disk may have room again later
                self.trouble = f"{complaint}: {error}"
                _log.exception("%s, next try in %.1f s", complaint, pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, RETRY_MOST_S)
                continue
            self.trouble = None
            return

    async def _published(self, setup: Setup) -> None:
        self.bus.publish("config.changed", {"version": setup.version})
        await self.links.publish()

    def _reloaded(self, start: Start) -> None:
        self.retention.configure(start.config.retention)

    def _complete(self, counters: Counters) -> Counters:
        setup = self.setup.current
        return msgspec.structs.replace(
            counters,
            setup_version=setup.version,
            is_panicking=setup.is_panicking,
            trouble=self.ingest.trouble or self.trouble,
        )
