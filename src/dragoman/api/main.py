"""The keeper's process: the keeper and the HTTP in front of it, on a socket that only this user can open.

Promise: the Unix socket has mode 0600 from its first moment; SIGTERM ends streams at once, lets other requests
finish, and stores what was read. With `server.admin_listen` the same application answers there too, behind its own
checks of host and origin.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from types import FrameType

import msgspec
import uvicorn
from fastapi import FastAPI

from dragoman.api.app import build
from dragoman.api.context import Context
from dragoman.config import Start, split_address
from dragoman.errors import BadConfig
from dragoman.keeper import Keeper
from dragoman.security.login import Login
from dragoman.store import Store

GRACE_S = 5
"""How long running requests may take once the process is asked to end."""
_BACKLOG = 256


def run(data_dir: Path) -> None:
    """Serve until SIGTERM. Blocks."""
    start = msgspec.json.decode((data_dir / "run" / "start.json").read_bytes(), type=Start)
    sockets = [listen_privately(data_dir / "run" / "keeper.sock")]
    if start.config.server.admin_listen:
        sockets.append(listen_openly(start.config.server.admin_listen))
    make_server(assemble(start, data_dir)).run(sockets)


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


def listen_privately(path: Path) -> socket.socket:
    """Listen on a Unix socket; one that a dead process left is replaced."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    old = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(old)
    listener.listen(_BACKLOG)
    return listener


def listen_openly(address: str) -> socket.socket:
    """Listen on the admin address. Raises BadConfig when it is taken."""
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise BadConfig(f"cannot listen on {address}: {error.strerror}", field="server.admin_listen") from error
    listener.listen(_BACKLOG)
    return listener
