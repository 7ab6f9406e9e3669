"""Count what the status bar shows, and tell viewers once a second when it changed."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from dragoman.clock import Clock
from dragoman.events.bus import Bus
from dragoman.keeper.ingest import Lag
from dragoman.keeper.links import GatewayLinks
from dragoman.records.control import Breaker, Status
from dragoman.tasks import TaskOwner, spawn

TICK_S = 1.0
WINDOW_NS = 60_000_000_000


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """Data of the event `status`."""

    in_flight: int = 0
    requests_per_min: int = 0
    """Requests that began in the last minute, or since the keeper's start if that is less ago."""
    connections: int = 0
    lag_bytes: int = 0
    lag_s: float = 0.0
    capture_drops: int = 0
    """Exchanges whose capture was stopped since the gateways began."""
    gateways: int = 0
    """Gateways that answer."""
    setup_version: int = 0
    is_panicking: bool = False
    trouble: str | None = None
    """Why nothing can be stored at the moment."""


class StatusTicker:
    """`counters` are those of the last tick; `gateways` what each gateway answered then."""

    def __init__(
        self,
        links: GatewayLinks,
        bus: Bus,
        clock: Clock,
        *,
        lag: Callable[[], Lag],
        complete: Callable[[Counters], Counters],
    ) -> None:
        self._links = links
        self._bus = bus
        self._clock = clock
        self._lag = lag
        self._complete = complete
        self._rates = RequestRate()
        self._tasks = TaskOwner("status")
        self.counters = Counters()
        self.gateways: dict[str, Status] = {}

    async def start(self) -> None:
        spawn(self._tick_on(), name="status", owner=self._tasks)

    async def close(self) -> None:
        await self._tasks.close()

    async def tick(self) -> None:
        """Count now, and publish what changed."""
        gateways = await self._links.status()
        lag = await asyncio.to_thread(self._lag)
        counters = Counters(
            in_flight=sum(one.in_flight for one in gateways.values()),
            connections=sum(one.connections for one in gateways.values()),
            requests_per_min=self._rates.take(self._clock.mono_ns(), gateways),
            lag_bytes=lag.bytes,
            lag_s=lag.seconds if lag.seconds >= 1 else 0.0,  # what is being stored right now is no lag
            capture_drops=sum(one.capture_stopped_total for one in gateways.values()),
            gateways=len(gateways),
        )
        counters = self._complete(counters)
        self.gateways = gateways
        if counters != self.counters:
            self.counters = counters
            self._bus.publish("status", counters)

    def breakers(self) -> dict[str, Breaker]:
        """Say by provider how its breakers stood at the last tick; those of none are closed."""
        return worst_breakers(self.gateways.values())

    async def _tick_on(self) -> None:
        while True:
            await self.tick()
            await asyncio.sleep(TICK_S)


_SEVERITY = {"closed": 0, "half_open": 1, "open": 2}


def worst_breakers(gateways: Iterable[Status]) -> dict[str, Breaker]:
    """Join what several gateways say of the same providers: each has breakers of its own, the worst is shown."""
    worst: dict[str, Breaker] = {}
    for status in gateways:
        for one in status.breakers:
            known = worst.get(one.provider)
            if known is None or _weight(one) > _weight(known):
                worst[one.provider] = one
    return worst


def _weight(breaker: Breaker) -> tuple[int, int]:
    return _SEVERITY[breaker.state], breaker.failures


class RequestRate:
    """Counts requests over the last minute from totals that begin again when a gateway does."""

    def __init__(self) -> None:
        self._totals: dict[str, int] = {}
        self._steps: deque[tuple[int, int]] = deque()

    def take(self, now_ns: int, gateways: dict[str, Status]) -> int:
        step = 0
        for name, status in gateways.items():
            before = self._totals.get(name)
            if before is not None:
                step += status.requests_total - before if status.requests_total >= before else status.requests_total
            self._totals[name] = status.requests_total
        self._steps.append((now_ns, step))
        while self._steps[0][0] <= now_ns - WINDOW_NS:
            self._steps.popleft()
        return sum(count for _, count in self._steps)
