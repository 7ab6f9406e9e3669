"""The gateway's side of the control socket, as a test plays it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from dragoman.records.control import Answer, AskStatus, Cancel, Command, Done, Hello, Publish, Status, encode


class FakeGateway:
    """Listens like a gateway; keeps what it was told and answers by `answer`."""

    def __init__(self, path: Path, *, running: set[str] | None = None, is_silent: bool = False) -> None:
        self._path = path
        self._is_silent = is_silent
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self.running = running or set()
        self.requests_total = 0
        self.commands: asyncio.Queue[Command] = asyncio.Queue()

    async def __aenter__(self) -> "FakeGateway":
        self._server = await asyncio.start_unix_server(self._serve, str(self._path))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()
        self._path.unlink(missing_ok=True)

    def say(self, answer: Answer) -> None:
        for writer in self._writers:
            writer.write(encode(answer))

    def drop(self) -> None:
        """Break all connections."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def heard(self, matches: Callable[[Command], bool]) -> Command:
        """Wait for a command."""
        while True:
            command = await asyncio.wait_for(self.commands.get(), 10)
            if matches(command):
                return command

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        writer.write(encode(Hello(self._path.stem, "S", 1)))
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(4), "little")
                command = msgspec.msgpack.decode(await reader.readexactly(length), type=Command)
                await self.commands.put(command)
                if not self._is_silent:
                    writer.write(encode(self._answer(command)))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, command: Command) -> Answer:
        match command:
            case Cancel():
                return Done(command.number, found=command.exchange in self.running)
            case AskStatus():
                return Status(command.number, len(self.running), 3, self.requests_total, 100, 1, 0, 2)
            case Publish() | _:
                return Done(command.number)
