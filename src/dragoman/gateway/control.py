"""The gateway's end of the control socket: commands in, answers and the bell out.

Promise: commands are answered with their number, may come twice, and survive a reconnect of the keeper; a
broken frame ends that connection alone. The bell rings at most every `BELL_EVERY_NS` and may be lost, since the
keeper also looks by itself.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec

from dragoman.gateway.server import Gateway
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
    Status,
    encode,
)

MAX_FRAME_BYTES = 16 * 1024 * 1024
BELL_EVERY_NS = 5_000_000
_BELL = encode(Bell())

_log = logging.getLogger("dragoman.gateway")
_decoder: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)


class ControlServer:
    """Listens on `{data_dir}/run/{gateway}.sock`. `on_drain` is called when the keeper asks to drain."""

    def __init__(self, gateway: Gateway, path: Path, on_drain: Callable[[], None]) -> None:
        self.gateway = gateway
        self.on_drain = on_drain
        self._path = path
        self._links: set[ControlLink] = set()
        self._server: asyncio.Server | None = None
        self._rang_ns = 0

    async def start(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path.unlink(missing_ok=True)  # of a gateway that was killed
        before = os.umask(0o177)
        try:
            self._server = await self.gateway.loop.create_unix_server(lambda: ControlLink(self), str(self._path))
        finally:
            os.umask(before)
        self.gateway.journal.on_written = self.ring

    def ring(self) -> None:
        """Tell the keeper that the journal has grown."""
        if not self._links:
            return
        now = self.gateway.clock.mono_ns()
        if now - self._rang_ns > BELL_EVERY_NS:
            self._rang_ns = now
            for link in self._links:
                link.ring()

    def joined(self, link: "ControlLink") -> None:
        self._links.add(link)

    def left(self, link: "ControlLink") -> None:
        self._links.discard(link)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for link in list(self._links):
            link.close()
        self._path.unlink(missing_ok=True)


class ControlLink(asyncio.Protocol):
    """One keeper that is connected."""

    def __init__(self, server: ControlServer) -> None:
        self._server = server
        self._buffer = b""
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)  # set by connection_made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server.joined(self)
        gateway = self._server.gateway
        self._send(Hello(gateway=gateway.name, session=gateway.session, pid=os.getpid()))

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.left(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 4:
            length = int.from_bytes(self._buffer[:4], "little")
            if length > MAX_FRAME_BYTES:
                _log.warning("control: a frame of %d bytes is above %d, the link is closed", length, MAX_FRAME_BYTES)
                self._transport.close()
                return
            if len(self._buffer) < 4 + length:
                return
            payload, self._buffer = self._buffer[4 : 4 + length], self._buffer[4 + length :]
            try:
                command = _decoder.decode(payload)
            except msgspec.MsgspecError as error:
                _log.warning("control: a frame could not be read, the link is closed: %s", error)
                self._transport.close()
                return
            self._send(self._obey(command))

    def _obey(self, command: Command) -> Answer:
        gateway = self._server.gateway
        match command:
            case Publish(number, setup):
                gateway.publish(setup)
                return Done(number)
            case Cancel(number, exchange):
                return Done(number, found=gateway.cancel(exchange))
            case Drain(number):
                self._server.on_drain()
                return Done(number)
            case AskStatus(number):
                return _status(gateway, number)
            case _:  # Resume: nothing is held here, since no rule holds yet
                return Done(command.number, found=False)

    def ring(self) -> None:
        if not self._transport.get_write_buffer_size():
            self._transport.write(_BELL)

    def close(self) -> None:
        self._transport.close()

    def _send(self, answer: Answer) -> None:
        self._transport.write(encode(answer))


def _status(gateway: Gateway, number: int) -> Status:
    """What the gateway does; calls that it hands to the keeper (the interface's own) are not traffic."""
    return Status(
        number=number,
        in_flight=sum(one.way.kind != "keeper" for one in gateway.exchanges.values()),
        connections=len(gateway.connections),
        requests_total=gateway.requests_total,
        journal_bytes=gateway.journal.written_bytes,
        setup_version=gateway.plan.setup.version,
        capture_stopped_total=gateway.journal.stopped_total,
        upstream_idle=gateway.pool.idle_count,
        breakers=gateway.breakers.shown(),
    )
