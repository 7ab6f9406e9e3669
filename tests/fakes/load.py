"""Clients that send all the time and note each byte they receive, by exchange.

They speak HTTP by themselves, so that a reply that was cut counts up to its last byte.
"""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from dragoman.tasks import TaskOwner, spawn
from dragoman.wire.http1 import ChunkedDecoder

MODELS = ("sim-chat", "sim-echo", "sim-long-400", "sim-slow-5")
ANSWER_S = 60.0


@dataclass(slots=True)
class Received:
    """What one client got of one exchange. `problem` says why it is not whole."""

    nonce: str
    request: bytes
    exchange: str | None = None
    status: int = 0
    body: bytes = b""
    is_whole: bool = False
    problem: str | None = None
    took_s: float = 0.0


@dataclass(slots=True)
class Load:
    """`received` grows with each exchange that ended, well or not."""

    url: str
    seed: int
    received: list[Received] = field(default_factory=list)
    _owner: TaskOwner = field(default_factory=lambda: TaskOwner("load"))
    _is_ending: bool = False
    _grown: asyncio.Event = field(default_factory=asyncio.Event)

    @contextlib.asynccontextmanager
    async def running(self, clients: int) -> AsyncIterator["Load"]:
        """Send until the block is left, then let each client finish what it is at."""
        workers = [
            spawn(_Client(self, number).work(), name=f"client-{number}", owner=self._owner) for number in range(clients)
        ]
        try:
            yield self
            self._is_ending = True
            await asyncio.gather(*workers)
        finally:
            await self._owner.close()

    async def more(self, count: int) -> None:
        """Wait until that many further exchanges ended well."""
        wanted = self.whole_total + count
        while self.whole_total < wanted:
            self._grown.clear()
            await asyncio.wait_for(self._grown.wait(), ANSWER_S)

    @property
    def whole_total(self) -> int:
        return sum(one.is_whole for one in self.received)

    @property
    def is_ending(self) -> bool:
        return self._is_ending

    def note(self, received: Received) -> None:
        self.received.append(received)
        self._grown.set()


class _Client:
    """One connection at a time, made again when it breaks."""

    def __init__(self, load: Load, number: int) -> None:
        self._load = load
        self._number = number
        self._random = random.Random(load.seed * 1000 + number)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._count = 0

    async def work(self) -> None:
        try:
            while not self._load.is_ending:
                await self._one()
        finally:
            self._leave()

    async def _one(self) -> None:
        received = self._ask()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            async with asyncio.timeout(ANSWER_S):
                reader, writer = await self._connection()
                writer.write(received.request)
                await _read_reply(reader, received)
                received.is_whole = True
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            received.problem = f"{type(error).__name__}: {error}"
            self._leave()
        received.took_s = loop.time() - begun
        self._load.note(received)

    def _ask(self) -> Received:
        self._count += 1
        nonce = f"load-{self._load.seed}-{self._number}-{self._count}"
        body = {
            "model": self._random.choice(MODELS),
            "stream": self._random.random() < 0.6,
            "messages": [{"role": "user", "content": nonce + " " + "sea " * self._random.randrange(400)}],
        }
        data = json.dumps(body).encode()
        host = urlsplit(self._load.url).netloc
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n"
        )
        return Received(nonce, head.encode() + data)

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None or self._streams[0].at_eof():
            self._leave()
            parts = urlsplit(self._load.url)
            self._streams = await asyncio.open_connection(parts.hostname, parts.port)
        return self._streams

    def _leave(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _read_reply(reader: asyncio.StreamReader, received: Received) -> None:
    """Read a reply to its end; what came is kept in `received` byte by byte. Raises when it is cut."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    received.status = int(first.split()[1])
    received.exchange = headers.get("x-dragoman-exchange")
    if headers.get("transfer-encoding") == "chunked":
        decoder = ChunkedDecoder()
        while not decoder.is_done:
            received.body += decoder.feed(await _some(reader))
        return
    left = int(headers["content-length"])
    while left:
        data = await _some(reader, left)
        received.body += data
        left -= len(data)


async def _some(reader: asyncio.StreamReader, limit: int = 65536) -> bytes:
    data = await reader.read(limit)
    if not data:
        raise EOFError("the reply was cut")
    return data
