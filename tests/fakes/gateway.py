"""A gateway on an ephemeral port in the test's own loop, with its journal read back.

async with running_gateway(tmp_path, openai=upstream.url) as gateway:
    async with gateway.client() as client: ...
    records = await gateway.records(reply.exchange)      # once the exchange is closed
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from dragoman.gateway.server import Gateway
from dragoman.journal.format import MAGIC, Closed, Record, decode_frame
from dragoman.journal.writer import Sink
from dragoman.records.setup import Provider, Setup
from fakes.client import FakeClient

DIALECTS = {
    "openai": ["openai_chat", "openai_responses"],
    "anthropic": ["anthropic_messages"],
    "ollama": ["ollama_chat"],
    "gemini": ["gemini_generate"],
    "bedrock": ["bedrock_invoke", "bedrock_converse"],
}
_R = TypeVar("_R")


class RunningGateway:
    """What a test asks of a gateway."""

    def __init__(self, gateway: Gateway, port: int, directory: Path) -> None:
        self.gateway = gateway
        self.port = port
        self.directory = directory

    def client(self, *, receive_buffer: int | None = None) -> FakeClient:
        return FakeClient(self.port, receive_buffer=receive_buffer)

    def change(self, **values: Any) -> None:
        """Publish a Setup with other values."""
        setup = self.gateway.plan.setup
        self.gateway.publish(msgspec.structs.replace(setup, version=setup.version + 1, **values))

    def all_records(self) -> list[Record]:
        return read_journal(self.directory)

    def of(self, exchange: str, kind: type[_R]) -> list[_R]:
        """The records of one kind of an exchange, as they stand now."""
        return [one for one in self.all_records() if isinstance(one, kind) and getattr(one, "id", None) == exchange]

    async def records(self, exchange: str) -> list[Record]:
        """All records of an exchange, once it is closed."""
        await self.closed(exchange)
        return [one for one in self.all_records() if getattr(one, "id", None) == exchange]

    async def closed(self, exchange: str | None = None) -> Closed:
        """Wait until an exchange (or any) is closed on record."""
        async with asyncio.timeout(10):
            while True:
                found = [
                    one
                    for one in self.all_records()
                    if isinstance(one, Closed) and (exchange is None or one.id == exchange)
                ]
                if found:
                    return found[-1]
                await asyncio.sleep(0.005)

    def journal_bytes(self) -> bytes:
        """All bytes of all journal files."""
        return b"".join(path.read_bytes() for path in sorted(self.directory.glob("*.journal")))


def read_journal(directory: Path) -> list[Record]:
    """Read all whole frames of a journal directory."""
    records: list[Record] = []
    for path in sorted(directory.glob("*.journal")):
        data = path.read_bytes()
        assert data.startswith(MAGIC)
        at = len(MAGIC)
        while (found := decode_frame(data, at)) is not None:
            record, at = found
            records.append(record)
    return records


def provider(slug: str, url: str, **values: Any) -> Provider:
    dialects: Any = DIALECTS.get(slug, [])
    return Provider(slug=slug, base_url=url, dialects=dialects, default_for=dialects, **values)


@contextlib.asynccontextmanager
async def running_gateway(
    data_dir: Path, *, setup: Setup | None = None, sink: Sink | None = None, providers: list[Provider] | None = None,
    **urls: str,
) -> AsyncIterator[RunningGateway]:  # fmt: skip
    """Start a gateway whose providers lie at `urls` (slug=url)."""
    entries = [*(provider(slug, url) for slug, url in urls.items()), *(providers or [])]
    setup = msgspec.structs.replace(setup or Setup(version=1), providers=entries)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    gateway = Gateway("g0", data_dir, setup, sink=sink)
    await gateway.start(sock)
    try:
        yield RunningGateway(gateway, sock.getsockname()[1], data_dir / "journal" / "g0")
    finally:
        await gateway.close()
        await asyncio.sleep(0)
