"""The simulator as a process: alone (`dragoman simulate`), or beside the demo, playing its traffic."""

import asyncio
import signal
import socket

from dragoman.simulator.server import start
from dragoman.tasks import TaskOwner, spawn


def run(descriptor: int, play_to: str | None) -> None:
    """Serve on an inherited socket, and send the demo's traffic to the Dragoman at `play_to`."""
    run_alone(socket.socket(fileno=descriptor), play_to)


def run_alone(listener: socket.socket, play_to: str | None = None) -> None:
    """Serve on a listening socket until SIGTERM or SIGINT."""
    asyncio.run(_serve(listener, play_to))


async def _serve(listener: socket.socket, play_to: str | None) -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    server = await start(listener=listener)
    owner = TaskOwner("demo")
    try:
        if play_to is not None:
            from dragoman.simulator.traffic import play  # its HTTP client takes long to import

            spawn(play(play_to), name="traffic", owner=owner)
        await over.wait()
    finally:
        await owner.close()
        await server.close()
