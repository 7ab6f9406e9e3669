"""Keeper and HTTP put together: one application, one server, one life.

Promise: SIGTERM ends streams at once, lets other requests finish, and stores what was read. Says nothing about
sockets; those are `main`'s.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from dragoman.api.app import build
from dragoman.api.context import Context
from dragoman.config import Start
from dragoman.keeper import Keeper
from dragoman.security.login import Login
from dragoman.store import Store

GRACE_S = 5
"""How long running requests may take once the process is asked to end."""


def assemble(start: Start, data_dir: Path) -> Context:
    """Put keeper and context together; nothing runs yet."""
    store = Store(f"sqlite:///{data_dir / 'dragoman.db'}")
    keeper = Keeper(start, data_dir, store)
    password = os.environ.get(start.config.server.password_env) or None
    return Context(
        keeper=keeper,
        start=start,
        data_dir=data_dir,
        base_url=base_url(start),
        login=Login(password, data_dir) if password else None,
    )


def base_url(start: Start) -> str:
    """Say under which URL this machine's clients reach the proxy."""
    server = start.config.server
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(server.host, server.host)
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"http://{host}:{server.port}"


def make_server(context: Context) -> "Server":
    """Make the HTTP server whose life is the keeper's."""
    app = build(context)
    app.router.lifespan_context = _lifespan(context)
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http="httptools",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    return Server(config, context)


class Server(uvicorn.Server):
    """Ends the streams when the process is asked to end; uvicorn alone would wait for them."""

    def __init__(self, config: uvicorn.Config, context: Context) -> None:
        super().__init__(config)
        self._context = context
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def end(self) -> None:
        """Take no new connections, end the streams, let the other requests finish."""
        self._context.closing.set()
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._context.closing.set)
        # Uvicorn takes a second SIGINT as "drop everything"; here it is as good as SIGTERM.
        super().handle_exit(signal.SIGTERM if sig == signal.SIGINT else sig, frame)


def _lifespan(context: Context):
    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await context.keeper.start()
        try:
            yield
        finally:
            context.closing.set()
            await context.tasks.close()
            await context.first_requests.close()
            await context.keeper.close()

    return lifespan
