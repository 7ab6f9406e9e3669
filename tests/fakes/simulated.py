"""A simulator in a thread of its own, for clients that block."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from dragoman.simulator import Server, start


@contextlib.contextmanager
def running_simulator() -> Iterator[Server]:
    """Run a simulator on an ephemeral port of loopback until the block is left."""
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    servers: list[Server] = []

    async def begin() -> None:
        servers.append(await start())
        ready.set()

    def run() -> None:
        loop.run_until_complete(begin())
        loop.run_forever()

    thread = threading.Thread(target=run, name="simulator", daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield servers[0]
    finally:
        asyncio.run_coroutine_threadsafe(servers[0].close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
