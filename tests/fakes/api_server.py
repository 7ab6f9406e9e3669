"""The API over a real socket, a real store and a journal that the test writes.

async with serving(tmp_path) as api:
    api.journal.write(*whole(name))
    await api.stored(name)
    reply = await api.get(f"/api/exchanges/{name}")
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from dragoman.api.context import Context
from dragoman.api.main import listen_openly, listen_privately
from dragoman.api.server import assemble, make_server
from dragoman.config import Retention, load
from dragoman.records.exchange import Recording
from dragoman.records.route import Route
from dragoman.records.setup import Edited, Provider, merge
from dragoman.security.login import Login
from dragoman.store import Batch
from dragoman.tasks import TaskOwner, spawn
from fakes.journal import FakeJournal

WAIT_S = 20
PEER = "192.0.2.7:4321"


class Api:
    """A running API; calls go over the gateway's socket with the header that the gateway adds."""

    def __init__(self, context: Context, client: httpx2.AsyncClient, journal: FakeJournal, admin_url: str) -> None:
        self.context = context
        self.client = client
        self.journal = journal
        self.admin_url = admin_url

    async def get(self, path: str, **more: Any) -> httpx2.Response:
        return await self.client.get(path, **more)

    async def send(self, method: str, path: str, body: object = None, **more: Any) -> httpx2.Response:
        content = msgspec.json.encode(body) if body is not None else None
        return await self.client.request(method, path, content=content, **more)

    async def stored(self, *names: str) -> None:
        """Wait until these exchanges are in the store, whole."""
        subscription = self.context.keeper.bus.subscribe(f"{self.context.keeper.bus.epoch}-0")
        waiting = set(names)
        try:
            async with asyncio.timeout(WAIT_S):
                async for event in subscription:
                    if event.type == "exchange.finished":
                        waiting.discard(event.data.id)
                    if not waiting:
                        return
        finally:
            subscription.close()

    async def keep(self, *recordings: Recording) -> None:
        """Put exchanges into the store directly."""
        await asyncio.to_thread(self.context.store.commit, Batch(finished=list(recordings)))


@asynccontextmanager
async def serving(
    data_dir: Path,
    *,
    password: str | None = None,
    providers: tuple[Provider, ...] = (),
    routes: tuple[Route, ...] = (),
    base_url: str | None = None,
    change: Callable[[Context], None] | None = None,
) -> AsyncIterator[Api]:
    (data_dir / "run").mkdir(exist_ok=True)
    start = load({"data_dir": str(data_dir)}, env={}, directory=data_dir, user_directory=data_dir / "none")
    start.file_providers, start.file_routes = list(providers), list(routes)
    start.setup = merge(start.setup, list(providers), Edited(), version=1, file_routes=routes)
    keep_all = Retention(bodies=None, facts=None, max_size=None)  # what the fake journal tells is years old
    start.config = msgspec.structs.replace(start.config, retention=keep_all)
    context = assemble(start, data_dir)
    context.base_url = base_url or context.base_url
    context.login = Login(password, data_dir) if password else None
    if change is not None:
        change(context)
    path = data_dir / "run" / "keeper.sock"
    listeners = [listen_privately(path), listen_openly("127.0.0.1:0")]
    journal = FakeJournal(data_dir)
    server = make_server(context)
    owner = TaskOwner("api server")
    task = spawn(server.serve(listeners), name="api server", owner=owner)
    client = httpx2.AsyncClient(
        transport=httpx2.AsyncHTTPTransport(uds=str(path)),
        base_url="http://localhost",
        headers={"x-dragoman-peer": PEER},
        timeout=WAIT_S,
    )
    try:
        await asyncio.wait_for(context.keeper.ready.wait(), WAIT_S)
        yield Api(context, client, journal, "http://{}:{}".format(*listeners[1].getsockname()))
    finally:
        await client.aclose()
        server.end()
        await asyncio.wait_for(task, WAIT_S)
        journal.close()
        for listener in listeners:
            listener.close()
