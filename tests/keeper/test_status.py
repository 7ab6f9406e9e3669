"""The counters of the status bar."""

import asyncio
from pathlib import Path

import msgspec

from dragoman.clock import FakeClock
from dragoman.events.bus import Bus
from dragoman.keeper.ingest import Lag
from dragoman.keeper.links import GatewayLinks
from dragoman.keeper.status import Counters, RequestRate, StatusTicker
from dragoman.records.control import Publish, Status
from dragoman.records.setup import Setup
from fakes.gateway_socket import FakeGateway

SECOND = 10**9


def status(total: int) -> Status:
    return Status(1, 0, 0, total, 0, 0, 0, 0)


def test_the_rate_counts_the_last_minute_over_all_gateways() -> None:
    rate = RequestRate()
    assert rate.take(0, {"g0": status(500)}) == 0  # what came before the keeper began is not counted
    assert rate.take(10 * SECOND, {"g0": status(510), "g1": status(7)}) == 10
    assert rate.take(20 * SECOND, {"g0": status(511), "g1": status(9)}) == 13
    assert rate.take(75 * SECOND, {"g0": status(511), "g1": status(9)}) == 3


def test_a_gateway_that_began_anew_does_not_count_backwards() -> None:
    rate = RequestRate()
    rate.take(0, {"g0": status(500)})
    assert rate.take(SECOND, {"g0": status(4)}) == 4


async def test_counters_are_published_when_they_changed(tmp_path: Path) -> None:
    links = GatewayLinks(tmp_path, setup=Setup, on_change=lambda: None, look_s=0.01)
    bus = Bus("e", pause_s=0)
    ticker = StatusTicker(
        links,
        bus,
        FakeClock(),
        lag=lambda: Lag(bytes=9, seconds=2.5, open_exchanges=1),
        complete=lambda counters: msgspec.structs.replace(counters, setup_version=4),
    )
    subscription = bus.subscribe()
    async with FakeGateway(tmp_path / "g0.sock", running={"x"}) as gateway:
        await links.start()
        await gateway.heard(lambda one: isinstance(one, Publish))
        await ticker.tick()
        event = await asyncio.wait_for(anext(subscription), 10)
        assert event.type == "status"
        assert event.data == Counters(in_flight=1, connections=3, lag_bytes=9, lag_s=2.5, gateways=1, setup_version=4)
        last = bus.last_id
        await ticker.tick()
        assert bus.last_id == last
        await links.close()
    subscription.close()
