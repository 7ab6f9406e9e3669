"""A provider played over a raw socket: what it receives is kept byte for byte, what it sends is written by hand.

    async with FakeUpstream() as upstream:
        upstream.reply(b"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nhi")      # for each request
        ...
        request = await upstream.request()        # head and body of the next request, raw
        call = await upstream.call()              # the connection, to write to it by hand

Framing of requests is read simply (content-length, chunked, none): the gateway under test must not be its own judge.
"""

import asyncio
import ssl
from dataclasses import dataclass, field


@dataclass
class Received:
    """One request as it arrived."""

    head: bytes
    body: bytes
    """With chunked framing: as it came, framing included."""

    @property
    def line(self) -> bytes:
        return self.head.split(b"\r\n", 1)[0]

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        fields = []
        for line in self.head.rstrip(b"\r\n").split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            fields.append((name, value.strip()))
        return fields

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


@dataclass
class Call:
    """One connection to the fake, with the request that came last on it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    received: Received = field(default_factory=lambda: Received(b"", b""))
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the other side closed the connection."""

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def close(self) -> None:
        self.writer.close()

    def abort(self) -> None:
        self.writer.transport.abort()


class FakeUpstream:
    """Listens on an ephemeral port of loopback."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self._tls = tls
        self._host = host
        self._server: asyncio.Server | None = None
        self._reply: bytes | None = None
        self._closes = False
        self._calls: asyncio.Queue[Call] = asyncio.Queue()
        self._all: list[Call] = []
        self.connection_count = 0
        self.received: list[Received] = []
        self.port = 0
        self.reads_bodies = True
        """False: a call is announced at its head, and the body is left for the test to read."""

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    def reply(self, data: bytes, *, closes: bool = False) -> None:
        """Answer each request with these bytes from now on; without it, the test writes to the `call`."""
        self._reply = data
        self._closes = closes

    def by_hand(self) -> None:
        self._reply = None

    async def __aenter__(self) -> "FakeUpstream":
        self._server = await asyncio.start_server(self._serve, self._host, 0, ssl=self._tls, limit=2**24)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for call in self._all:
            call.writer.transport.abort()
        await self._server.wait_closed()
        await asyncio.sleep(0)

    async def call(self) -> Call:
        """Wait for the next request; gives the connection it came on."""
        return await asyncio.wait_for(self._calls.get(), 10)

    async def request(self) -> Received:
        return (await self.call()).received

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connection_count += 1
        call = Call(reader, writer, self.connection_count)
        self._all.append(call)
        try:
            while await self._take_one(call):
                pass
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError, ssl.SSLError):
            pass
        finally:
            call.gone.set()
            writer.close()

    async def _take_one(self, call: Call) -> bool:
        head = await call.reader.readuntil(b"\r\n\r\n")
        received = Received(head, b"")
        if self.reads_bodies:
            received.body = await self._body(call.reader, received)
        call.received = received
        self.received.append(received)
        reply = self._reply
        if reply is None:
            one = Call(call.reader, call.writer, call.number, received, call.gone)
            self._all.append(one)
            self._calls.put_nowait(one)
            if received.header(b"upgrade") or not self.reads_bodies:
                await call.gone.wait()
                return False
            return True
        self._calls.put_nowait(call)
        await call.send(reply)
        return not self._closes

    async def _body(self, reader: asyncio.StreamReader, received: Received) -> bytes:
        length = received.header(b"content-length")
        if length is not None:
            return await reader.readexactly(int(length))
        if (received.header(b"transfer-encoding") or b"").lower() != b"chunked":
            return b""
        whole = b""
        while True:
            line = await reader.readuntil(b"\r\n")
            size = int(line, 16)
            whole += line
            if size == 0:
                break
            whole += await reader.readexactly(size + 2)
        while True:
            line = await reader.readuntil(b"\r\n")
            whole += line
            if line == b"\r\n":
                return whole


def dechunk(body: bytes) -> bytes:
    """Take the data out of a whole chunked body."""
    data, at = b"", 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end].split(b";")[0], 16)
        if size == 0:
            return data
        data += body[end + 2 : end + 2 + size]
        at = end + 2 + size + 2
