"""Speak to the gateways: publish Setups, cancel exchanges, ask for status, hear their bells.

Promise: a gateway that appears (its socket lies in the run directory) is found within half a second, gets the
current Setup first, and is found again after a restart of either side. Commands are idempotent, so one that a
broken connection swallowed may be sent again. No gateway, no error: the answers are then empty.
Does not start or end gateways.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from dragoman.ids import tunnel_of
from dragoman.records.control import (
    Answer,
    AskStatus,
    Bell,
    Cancel,
    Command,
    Done,
    Hello,
    Publish,
    Status,
    encode,
)
from dragoman.records.setup import Setup
from dragoman.tasks import TaskOwner, spawn

LOOK_S = 0.5
ANSWER_S = 2.0
"""How long an answer may take; a gateway that is busier counts as silent."""
MAX_ANSWER_BYTES = 1024 * 1024
KEEPER_SOCKET = "keeper.sock"

_log = logging.getLogger("dragoman.keeper")
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


class GatewayLinks:
    """One link per gateway; use it on one loop."""

    def __init__(
        self, run_dir: Path, *, setup: Callable[[], Setup], on_change: Callable[[], None], look_s: float = LOOK_S
    ) -> None:
        self._run_dir = run_dir
        self._look_s = look_s
        self._setup = setup
        self._on_change = on_change
        self._links: dict[str, _Link] = {}
        self._tasks = TaskOwner("gateway-links")

    async def start(self) -> None:
        spawn(self._look(), name="look-for-gateways", owner=self._tasks)

    async def close(self) -> None:
        await self._tasks.close()

    @property
    def names(self) -> list[str]:
        """Gateways that were seen since the start."""
        return sorted(self._links)

    def is_connected(self, name: str) -> bool:
        return name in self._links and self._links[name].is_connected

    async def publish(self) -> None:
        """Hand the current Setup to all gateways."""
        setup = self._setup()
        await self._ask_all(lambda number: Publish(number, setup))

    async def cancel(self, exchange: str) -> bool:
        """End a running exchange, a call in a tunnel with its tunnel; False when it runs in no gateway (any more)."""
        running = tunnel_of(exchange) or exchange
        answers = await self._ask_all(lambda number: Cancel(number, running))
        return any(isinstance(answer, Done) and answer.found for answer in answers.values())

    async def status(self) -> dict[str, Status]:
        """Ask all gateways for their counters; those that do not answer are left out."""
        answers = await self._ask_all(AskStatus)
        return {name: answer for name, answer in answers.items() if isinstance(answer, Status)}

    async def _ask_all(self, make: Callable[[int], Command]) -> dict[str, Answer]:
        links = [link for link in self._links.values() if link.is_connected]
        answers = await asyncio.gather(*(link.ask(make) for link in links))
        return {link.name: answer for link, answer in zip(links, answers, strict=True) if answer is not None}

    async def _look(self) -> None:
        while True:
            for path in sorted(self._run_dir.glob("*.sock")):
                if path.name != KEEPER_SOCKET and path.stem not in self._links:
                    link = self._links[path.stem] = _Link(path, self._setup, self._on_change, self._look_s)
                    spawn(link.keep_up(), name=f"link-{path.stem}", owner=self._tasks)
            await asyncio.sleep(self._look_s)


class _Link:
    """The connection to one gateway, made again whenever it breaks."""

    def __init__(self, path: Path, setup: Callable[[], Setup], on_change: Callable[[], None], look_s: float) -> None:
        self.name = path.stem
        self.hello: Hello | None = None
        self._path = path
        self._look_s = look_s
        self._setup = setup
        self._on_change = on_change
        self._writer: asyncio.StreamWriter | None = None
        self._number = 0
        self._asked: dict[int, asyncio.Future[Answer]] = {}

    @property
    def is_connected(self) -> bool:
        return self._writer is not None

    async def ask(self, make: Callable[[int], Command]) -> Answer | None:
        """Send a command and wait for its answer; None when the gateway does not answer in time."""
        if self._writer is None:
            return None
        self._number += 1
        number = self._number
        future = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._writer.write(encode(make(number)))
            return await asyncio.wait_for(future, ANSWER_S)
        except (TimeoutError, OSError):
            return None
        finally:
            self._asked.pop(number, None)

    async def keep_up(self) -> None:
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._connect()
            await asyncio.sleep(self._look_s)

    async def _connect(self) -> None:
        reader, writer = await asyncio.open_unix_connection(str(self._path))
        self._writer = writer
        try:
            self._number += 1
            writer.write(encode(Publish(self._number, self._setup())))
            self._on_change()
            while True:
                self._take(await _next_answer(reader))
        except ValueError as error:
            _log.warning("gateway %s said something that is not understood: %s", self.name, error)
        finally:
            self._writer = None
            self._give_up()
            writer.close()
            self._on_change()

    def _take(self, answer: Answer) -> None:
        match answer:
            case Bell():
                self._on_change()
            case Hello():
                self.hello = answer
            case Done() | Status():
                future = self._asked.get(answer.number)
                if future is not None and not future.done():
                    future.set_result(answer)

    def _give_up(self) -> None:
        for future in self._asked.values():
            if not future.done():
                future.set_exception(ConnectionResetError(f"gateway {self.name} is gone"))


async def _next_answer(reader: asyncio.StreamReader) -> Answer:
    """Read one frame. Raises IncompleteReadError at the end, ValueError for what is no answer."""
    length = int.from_bytes(await reader.readexactly(4), "little")
    if length > MAX_ANSWER_BYTES:
        raise ValueError(f"an answer of {length} bytes cannot be")
    return _answers.decode(await reader.readexactly(length))
