"""The gateway's process: from its first Setup to a clean end.

Serves at once with the last Setup that was published, without waiting for the keeper. SIGTERM (and SIGINT)
drains: no new connections, running exchanges may end within `DRAIN_LIMIT_S`, a second signal breaks them off.
"""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
from pathlib import Path

import msgspec

from dragoman.gateway.control import ControlServer
from dragoman.gateway.server import Gateway
from dragoman.records.setup import Setup

DRAIN_LIMIT_S = 30.0

_log = logging.getLogger("dragoman.gateway")


class _Server(msgspec.Struct):
    admin_listen: str | None = None
    password_env: str = "DRAGOMAN_PASSWORD"


class _Config(msgspec.Struct):
    server: _Server = msgspec.field(default_factory=_Server)


class _Start(msgspec.Struct):
    """What a gateway needs of `dragoman.config.Start`."""

    setup: Setup
    config: _Config = msgspec.field(default_factory=_Config)


def run(name: str, fd: int, data_dir: Path) -> None:
    """Serve the listening socket `fd` until SIGTERM. Blocking; the process ends with it."""
    _raise_file_limit()
    if sys.platform == "win32":
        asyncio.run(_serve(name, fd, data_dir))
        return
    import uvloop

    uvloop.run(_serve(name, fd, data_dir))


def read_start(data_dir: Path) -> _Start:
    """Read the first Setup: the one last published when it is newer than the one written at the start."""
    start = msgspec.json.decode((data_dir / "run" / "start.json").read_bytes(), type=_Start)
    try:
        published = msgspec.json.decode((data_dir / "run" / "setup.json").read_bytes(), type=Setup)
    except (OSError, msgspec.MsgspecError):
        return start  # nothing was published yet, or by another version of Dragoman
    if published.version > start.setup.version:
        start.setup = msgspec.structs.replace(published, workbench_secret=start.setup.workbench_secret)
    return start


async def _serve(name: str, fd: int, data_dir: Path) -> None:
    start = read_start(data_dir)
    gateway = Gateway(
        name,
        data_dir,
        start.setup,
        hands_over=start.config.server.admin_listen is None,
        password_env=start.config.server.password_env,
    )
    _collect_rarely()
    told_to_end = asyncio.Event()

    def end() -> None:
        if told_to_end.is_set():
            gateway.drained.set()
        told_to_end.set()

    with contextlib.suppress(NotImplementedError):  # Windows
        for number in (signal.SIGTERM, signal.SIGINT):
            gateway.loop.add_signal_handler(number, end)
    control = ControlServer(gateway, data_dir / "run" / f"{name}.sock", told_to_end.set)
    await gateway.start(socket.socket(fileno=fd))
    await control.start()
    _log.info("gateway %s serves, Setup %d", name, start.setup.version)
    await told_to_end.wait()
    await _drain(gateway)
    await control.close()
    await gateway.close()


async def _drain(gateway: Gateway) -> None:
    gateway.begin_drain()
    try:
        async with asyncio.timeout(DRAIN_LIMIT_S):
            await gateway.drained.wait()
    except TimeoutError:
        _log.warning("%d exchanges still ran after %g s and are broken off", len(gateway.exchanges), DRAIN_LIMIT_S)


def _collect_rarely() -> None:
    """Exchanges leave no circles behind, so the collector has little to find; by default it would look at each
    few requests, at a quarter of their cost."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _raise_file_limit() -> None:
    """Each exchange needs two sockets; systems start processes with as few as 256 files."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
