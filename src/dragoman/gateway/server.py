"""The gateway of one process: its listening socket, its connections, and what they share.

Promise: a Setup is swapped by reference, a request keeps the one it began with; one timer looks at all time
limits; draining ends idle connections at once and others after their reply. Asks no database and no other
process while it serves.
"""

import asyncio
import os
import socket
from pathlib import Path

from dragoman.clock import Clock, SystemClock
from dragoman.gateway.breaker import Breakers
from dragoman.gateway.client_side import ClientSide
from dragoman.gateway.endpoint import Exchange
from dragoman.gateway.lifetime import Lifetime
from dragoman.gateway.pool import Pool
from dragoman.gateway.recorder import MaskedFieldBook
from dragoman.gateway.request import RequestBook
from dragoman.gateway.routing import Plan
from dragoman.ids import IdMaker
from dragoman.journal.writer import Journal, Sink
from dragoman.records.setup import Setup
from dragoman.security.passwords import Attempts, Password

TICK_S = 0.5
HELD_BYTES = 64 * 1024 * 1024
"""How much of all requests' bodies is kept for retries."""
MOST_HELD_BYTES = 4 * HELD_BYTES
"""Past it no request is gathered that would be held beside others."""
BACKLOG = 1024


class Gateway:
    """What all connections of this process share."""

    def __init__(
        self,
        name: str,
        data_dir: Path,
        setup: Setup,
        *,
        clock: Clock | None = None,
        sink: Sink | None = None,
        hands_over: bool = True,
        password_env: str = "DRAGOMAN_PASSWORD",
    ) -> None:
        self.name = name
        self.clock = clock or SystemClock()
        self._ids = IdMaker()
        self.session = self.make_id()
        self.book = MaskedFieldBook()
        self.pool = Pool(self.clock, self.book)
        self.breakers = Breakers(self.clock)
        self.connections: set[ClientSide] = set()
        self.exchanges: dict[str, Exchange] = {}
        self.requests_total = 0
        self.held_bytes = 0
        self.gathering: dict[str, None] = {}
        """Exchanges whose body is being gathered, the oldest first: it alone goes on when too much is held."""
        self.is_draining = False
        self.loop = asyncio.get_running_loop()
        self.journal = Journal(
            data_dir / "journal" / name,
            session=self.session,
            settings=setup.journal,
            clock=self.clock,
            loop=self.loop,
            running=lambda: list(self.exchanges),
            sink=sink,
        )
        self._data_dir = data_dir
        self._hands_over = hands_over
        self._password_env = password_env
        self.requests = self._plan_for(setup)
        self.attempts = Attempts(self.clock)
        """Wrong passwords by peer."""
        self._connection_count = 0
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.drained = asyncio.Event()

    @property
    def plan(self) -> Plan:
        return self.requests.plan

    @property
    def is_holding_too_much(self) -> bool:
        return self.held_bytes > HELD_BYTES

    def has_room_for(self, more_bytes: int, own_bytes: int = 0) -> bool:
        """Say whether so much more of a body may be held; one that is held alone has room whatever its length."""
        return self.held_bytes + more_bytes <= MOST_HELD_BYTES or self.held_bytes == own_bytes

    def make_id(self) -> str:
        return self._ids.make(self.clock.wall_ns() // 1_000_000)

    async def start(self, sock: socket.socket) -> None:
        """Open the journal and serve the listening socket. Raises BadConfig when the journal is taken."""
        self.journal.open()
        self._server = await self.loop.create_server(lambda: ClientSide(self), sock=sock, backlog=BACKLOG)
        self._timer = self.loop.call_later(TICK_S, self._tick)

    def publish(self, setup: Setup) -> None:
        """Take a Setup for all requests that begin from now on. An older one than the present is left alone."""
        if setup.version < self.plan.setup.version:
            return
        before = {provider.slug: provider for provider in self.plan.setup.providers}
        after = {provider.slug: provider for provider in setup.providers}
        self.breakers.forget(slug for slug in before | after if before.get(slug) != after.get(slug))
        self.requests = self._plan_for(setup)
        self.journal.settings = setup.journal
        self.pool.forget_contexts()

    def _plan_for(self, setup: Setup) -> RequestBook:
        value = os.environ.get(self._password_env)
        password = Password(value) if value else None
        plan = Plan(setup, self._data_dir, hands_over=self._hands_over, password=password)
        return RequestBook(plan, self.book)

    def cancel(self, exchange: str) -> bool:
        """Stop a running exchange; says whether it runs here."""
        found = self.exchanges.get(exchange)
        if found is not None:
            found.cancel()
        return found is not None

    def begin_drain(self) -> None:
        """Take no new connections and let running exchanges end; `drained` is set after the last one.

        Requests to the interface are broken off: its event streams never end by themselves.
        """
        self.is_draining = True
        if self._server is not None:
            self._server.close()
        for exchange in list(self.exchanges.values()):
            if exchange.way.kind == "keeper":
                exchange.cancel()
        for client in list(self.connections):
            client.close_when_idle()
        if not self.exchanges:
            self.drained.set()

    async def close(self) -> None:
        """End at once what still runs, write the record to its end, close all sockets."""
        self.is_draining = True
        if self._timer is not None:
            self._timer.cancel()
        if self._server is not None:
            self._server.close()
        for exchange in list(self.exchanges.values()):
            exchange.cancel("shutdown", "Dragoman was stopped while this exchange ran")
        self.journal.flush()
        for client in list(self.connections):
            client.transport.close()
        await self.pool.close()
        self.journal.close()

    # Told by connections and exchanges

    def joined(self, client: ClientSide) -> int:
        """Count a new connection; gives its number."""
        self.connections.add(client)
        self._connection_count += 1
        return self._connection_count

    def left(self, client: ClientSide) -> None:
        self.connections.discard(client)

    def opened(self, exchange: Exchange) -> None:
        if exchange.way.kind != "keeper":
            self.requests_total += 1
        self.exchanges[exchange.id] = exchange

    def closed(self, exchange: Lifetime) -> None:
        self.exchanges.pop(exchange.id, None)
        if self.is_draining and not self.exchanges:
            self.drained.set()

    def _tick(self) -> None:
        self._timer = self.loop.call_later(TICK_S, self._tick)
        now = self.clock.mono_ns()
        for exchange in list(self.exchanges.values()):
            try:
                exchange.tick(now)
            except Exception as error:  # noqa: BLE001 the guard of one exchange: the others' limits hold
                exchange.stumbled(error)
        for client in list(self.connections):
            client.tick(now)
        self.pool.tick(now)
        self.journal.tick()
