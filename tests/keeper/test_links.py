"""The keeper's side of the control sockets."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dragoman.keeper.links import GatewayLinks
from dragoman.records.control import Bell, Publish
from dragoman.records.setup import Setup
from fakes.gateway_socket import FakeGateway


class Changes:
    def __init__(self) -> None:
        self.setup = Setup(version=5)
        self.rung = asyncio.Event()

    def ring(self) -> None:
        self.rung.set()


@pytest.fixture
def changes() -> Changes:
    return Changes()


@pytest.fixture
async def links(tmp_path: Path, changes: Changes) -> AsyncIterator[GatewayLinks]:
    made = GatewayLinks(tmp_path, setup=lambda: changes.setup, on_change=changes.ring, look_s=0.01)
    await made.start()
    yield made
    await made.close()


async def until_published(gateway: FakeGateway) -> Publish:
    command = await gateway.heard(lambda one: isinstance(one, Publish))
    assert isinstance(command, Publish)
    return command


async def test_a_gateway_gets_the_setup_as_soon_as_it_is_found(tmp_path: Path, links: GatewayLinks) -> None:
    async with FakeGateway(tmp_path / "g0.sock") as gateway:
        assert (await until_published(gateway)).setup.version == 5
        assert links.names == ["g0"]
        assert links.is_connected("g0")


async def test_the_keepers_own_socket_is_no_gateway(tmp_path: Path, links: GatewayLinks) -> None:
    async with FakeGateway(tmp_path / "keeper.sock"), FakeGateway(tmp_path / "g0.sock") as gateway:
        await until_published(gateway)
        assert links.names == ["g0"]


async def test_a_new_setup_goes_to_all_gateways(tmp_path: Path, links: GatewayLinks, changes: Changes) -> None:
    async with FakeGateway(tmp_path / "g0.sock") as first, FakeGateway(tmp_path / "g1.sock") as second:
        await until_published(first)
        await until_published(second)
        changes.setup = Setup(version=6)
        await links.publish()
        assert (await until_published(first)).setup.version == 6
        assert (await until_published(second)).setup.version == 6


async def test_cancel_is_found_where_the_exchange_runs(tmp_path: Path, links: GatewayLinks) -> None:
    async with FakeGateway(tmp_path / "g0.sock") as first, FakeGateway(tmp_path / "g1.sock", running={"x"}) as second:
        await until_published(first)
        await until_published(second)
        assert await links.cancel("x")
        assert not await links.cancel("y")


async def test_without_a_gateway_nothing_is_found_and_nothing_fails(links: GatewayLinks) -> None:
    assert not await links.cancel("x")
    assert await links.status() == {}
    await links.publish()


async def test_a_bell_is_passed_on(tmp_path: Path, links: GatewayLinks, changes: Changes) -> None:
    async with FakeGateway(tmp_path / "g0.sock") as gateway:
        await until_published(gateway)
        changes.rung.clear()
        gateway.say(Bell())
        await asyncio.wait_for(changes.rung.wait(), 10)


async def test_a_gateway_that_breaks_off_is_found_again(tmp_path: Path, links: GatewayLinks) -> None:
    async with FakeGateway(tmp_path / "g0.sock", running={"x"}) as gateway:
        await until_published(gateway)
        gateway.drop()
        await until_published(gateway)
        status = await links.status()
        assert status["g0"].in_flight == 1


async def test_a_gateway_that_is_killed_and_starts_again_is_found_again(tmp_path: Path, links: GatewayLinks) -> None:
    async with FakeGateway(tmp_path / "g0.sock") as gateway:
        await until_published(gateway)
    async with FakeGateway(tmp_path / "g0.sock") as gateway:
        await until_published(gateway)
        assert links.is_connected("g0")


async def test_nonsense_from_a_gateway_breaks_only_its_link(tmp_path: Path, links: GatewayLinks) -> None:
    async with FakeGateway(tmp_path / "g0.sock") as gateway:
        await until_published(gateway)
        for writer in gateway._writers:
            writer.write((2**31).to_bytes(4, "little") + b"nonsense")
        await until_published(gateway)
