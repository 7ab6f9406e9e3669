"""A client over a raw socket: sends bytes as given, and reads replies without mending anything.

async with FakeClient(port) as client:
    await client.send(b"GET /v1/models HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
    reply = await client.reply()              # head and body, framing included
    await client.ended()                      # the rest up to the end of the connection
"""

import asyncio
import socket
import struct
from dataclasses import dataclass


class Cut(Exception):
    """The connection ended in the middle of a reply; `so_far` is what came of its body."""

    def __init__(self, so_far: bytes) -> None:
        super().__init__(f"connection ended after {len(so_far)} bytes")
        self.so_far = so_far


@dataclass
class Reply:
    """A reply as it arrived."""

    head: bytes
    body: bytes
    """With chunked framing: as it came, framing included."""

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        fields = []
        for line in self.head.rstrip(b"\r\n").split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            fields.append((name, value.strip()))
        return fields

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def exchange(self) -> str:
        value = self.header(b"x-dragoman-exchange")
        assert value is not None, self.head
        return value.decode()


class FakeClient:
    """One connection."""

    def __init__(self, port: int, *, receive_buffer: int | None = None) -> None:
        self._port = port
        self._receive_buffer = receive_buffer
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def __aenter__(self) -> "FakeClient":
        sock = socket.socket()
        if self._receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self._port))
        limit = self._receive_buffer or 2**24
        self.reader, self.writer = await asyncio.open_connection(sock=sock, limit=limit)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()
        await asyncio.sleep(0)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def leave(self) -> None:
        """Close the connection."""
        self.writer.close()

    def reset(self) -> None:
        """Close it the hard way."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def ask(self, data: bytes, *, to_head: bool = False) -> Reply:
        await self.send(data)
        return await self.reply(to_head=to_head)

    async def head(self) -> Reply:
        """Read a head alone, also of a 1xx."""
        return Reply(await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10), b"")

    async def reply(self, *, to_head: bool = False) -> Reply:
        """Read one whole reply (1xx are given as replies of their own). Raises Cut when it ends too early."""
        reply = await self.head()
        if to_head or reply.status in (204, 304) or reply.status < 200:
            return reply
        length = reply.header(b"content-length")
        try:
            if length is not None:
                reply.body = await self.exactly(int(length))
            elif (reply.header(b"transfer-encoding") or b"").lower() == b"chunked":
                await self._chunked(reply)
            else:
                reply.body = await self.ended()
        except asyncio.IncompleteReadError as error:
            raise Cut(reply.body + error.partial) from error
        return reply

    async def exactly(self, size: int) -> bytes:
        return await asyncio.wait_for(self.reader.readexactly(size), 10)

    async def until(self, mark: bytes) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(mark), 10)

    async def ended(self) -> bytes:
        """Read up to the end of the connection. Raises ConnectionResetError after a reset."""
        return await asyncio.wait_for(self.reader.read(-1), 10)

    async def chunk(self) -> bytes:
        """Read the next chunk of a chunked body and give its data; empty at the end."""
        size = int(await self.until(b"\r\n"), 16)
        return (await self.exactly(size + 2))[:-2]

    async def rest_of_chunks(self) -> bytes:
        """Read the data of all chunks that still come."""
        data = b""
        while piece := await self.chunk():
            data += piece
        return data

    async def _chunked(self, reply: Reply) -> None:
        while True:
            line = await self.until(b"\r\n")
            reply.body += line
            size = int(line.split(b";")[0], 16)
            if size == 0:
                break
            reply.body += await self.exactly(size + 2)
        while True:
            line = await self.until(b"\r\n")
            reply.body += line
            if line == b"\r\n":
                return
