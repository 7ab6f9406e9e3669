"""The keeper put together: over a real store, a fake gateway's journal and its control socket."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dragoman.config import Start, load
from dragoman.ids import IdMaker
from dragoman.keeper import Keeper
from dragoman.records.control import Bell, Publish
from dragoman.store import Store
from fakes.gateway_socket import FakeGateway
from fakes.journal import FakeJournal
from fakes.playbook import STREAM_BODY, whole

NAME = IdMaker().make(1_700_000_000_000)


class LockedStore(Store):
    """A store that cannot be opened the first times."""

    failures = 2

    def open(self) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("database is locked")
        super().open()


@pytest.fixture
def start(tmp_path: Path) -> Start:
    (tmp_path / "run").mkdir()
    return load({"data_dir": str(tmp_path)}, env={}, directory=tmp_path, user_directory=tmp_path / "none")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path}/dragoman.db")


@pytest.fixture
async def keeper(tmp_path: Path, start: Start, store: Store) -> AsyncIterator[Keeper]:
    made = Keeper(start, tmp_path, store)
    await made.start()
    yield made
    await made.close()


async def next_event(keeper: Keeper, kind: str, last_id: str) -> object:
    subscription = keeper.bus.subscribe(last_id)
    try:
        while (event := await asyncio.wait_for(anext(subscription), 20)).type != kind:
            pass
        return event.data
    finally:
        subscription.close()


async def test_what_a_gateway_wrote_is_stored_and_told(tmp_path: Path, keeper: Keeper) -> None:
    journal = FakeJournal(tmp_path)
    before = keeper.bus.last_id
    async with FakeGateway(tmp_path / "run" / "g0.sock") as gateway:
        await gateway.heard(lambda one: isinstance(one, Publish))
        journal.write(*whole(NAME))
        gateway.say(Bell())
        row = await next_event(keeper, "exchange.finished", before)
        assert getattr(row, "id", None) == NAME
        assert await asyncio.to_thread(keeper.store.response_body, NAME) == STREAM_BODY
        assert keeper.checks() == {"store": None, "ingest": None, "gateway": None}
    journal.close()


async def test_a_new_setup_reaches_the_gateway(tmp_path: Path, keeper: Keeper) -> None:
    await keeper.ready.wait()
    async with FakeGateway(tmp_path / "run" / "g0.sock") as gateway:
        await gateway.heard(lambda one: isinstance(one, Publish))
        await keeper.setup.set_panic(True)
        await gateway.heard(lambda one: isinstance(one, Publish) and one.setup.is_panicking)


async def test_a_store_that_cannot_be_opened_is_tried_again(tmp_path: Path, start: Start) -> None:
    store = LockedStore(f"sqlite:///{tmp_path}/dragoman.db")
    keeper = Keeper(start, tmp_path, store)
    await keeper.start()
    assert not keeper.ready.is_set()
    await asyncio.wait_for(keeper.ready.wait(), 20)
    assert keeper.trouble is None
    await keeper.close()


async def test_closing_before_the_store_is_open_is_clean(tmp_path: Path, start: Start, store: Store) -> None:
    keeper = Keeper(start, tmp_path, store)
    await keeper.start()
    await keeper.close()
    assert keeper.checks()["gateway"] == "no gateway is connected"


async def test_closing_stores_what_the_journals_hold(tmp_path: Path, start: Start, store: Store) -> None:
    keeper = Keeper(start, tmp_path, store)
    await keeper.start()
    await keeper.ready.wait()
    journal = FakeJournal(tmp_path)
    journal.write(*whole(NAME))
    journal.close()
    await keeper.close()
    with Store(f"sqlite:///{tmp_path}/dragoman.db") as again:
        assert again.response_body(NAME) == STREAM_BODY
