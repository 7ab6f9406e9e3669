"""The control socket as a keeper uses it."""

import asyncio
from pathlib import Path

import msgspec

from dragoman.gateway.control import ControlServer
from dragoman.records.control import (
    Answer,
    AskStatus,
    Bell,
    Cancel,
    Command,
    Done,
    Drain,
    Hello,
    Publish,
    Resume,
    Status,
    encode,
)
from fakes.gateway import running_gateway
from fakes.upstream import FakeUpstream

POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"


class Link:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    async def heard(self) -> Answer:
        length = int.from_bytes(await asyncio.wait_for(self._reader.readexactly(4), 10), "little")
        return msgspec.msgpack.decode(await self._reader.readexactly(length), type=Answer)

    async def ask(self, command: Command) -> Answer:
        """The answer to a command; bells are passed over."""
        self.writer.write(encode(command))
        while isinstance(answer := await self.heard(), Bell):
            pass
        return answer


async def test_commands_are_answered(tmp_path: Path) -> None:
    drained = asyncio.Event()
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        control = ControlServer(gateway.gateway, tmp_path / "run" / "g0.sock", drained.set)
        await control.start()
        assert (tmp_path / "run" / "g0.sock").stat().st_mode & 0o777 == 0o600
        link = Link(*await asyncio.open_unix_connection(str(tmp_path / "run" / "g0.sock")))
        hello = await link.heard()
        assert isinstance(hello, Hello)
        assert (hello.gateway, hello.session) == ("g0", gateway.gateway.session)
        async with gateway.client() as client:
            await client.send(POST)
            call = await upstream.call()
            await call.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx")
            reply = await client.head()
            assert isinstance(await link.heard(), Bell)
            status = await link.ask(AskStatus(1))
            assert isinstance(status, Status)
            assert (status.in_flight, status.connections, status.requests_total) == (1, 1, 1)
            assert await link.ask(Cancel(2, reply.exchange)) == Done(2)
            assert await link.ask(Cancel(3, reply.exchange)) == Done(3, found=False)
        setup = gateway.gateway.plan.setup
        newer = msgspec.structs.replace(setup, version=9)
        assert await link.ask(Publish(4, newer)) == Done(4)
        assert await link.ask(Publish(5, setup)) == Done(5)
        assert gateway.gateway.plan.setup.version == 9
        assert await link.ask(Resume(6, "x")) == Done(6, found=False)
        assert await link.ask(Drain(7)) == Done(7)
        assert drained.is_set()
        link.writer.write(b"\x01\x00\x00\x00\xc1")
        assert await link._reader.read() == b""
        link.writer.close()
        await control.close()
        assert not (tmp_path / "run" / "g0.sock").exists()
