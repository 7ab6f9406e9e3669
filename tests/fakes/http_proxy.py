"""A small HTTP proxy on loopback: CONNECT tunnels and absolute-form requests, to places of the test's choosing.

    async with FakeProxy({"api.example.com:443": upstream.port}) as proxy: ...

What it was asked is kept head by head; names that it does not know are answered 502.
"""

import asyncio
import contextlib
from collections.abc import Mapping


class FakeProxy:
    def __init__(self, places: Mapping[str, int], *, wants: bytes | None = None, answer: bytes | None = None) -> None:
        self._places = places
        self._wants = wants
        """The `Proxy-Authorization` without which nobody passes."""
        self._answer = answer
        """Said to everybody instead of a tunnel; empty: it hangs up."""
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self.heads: list[bytes] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> "FakeProxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            refusal = self._refusal(head)
            if refusal is None:
                await self._pass_on(head, reader, writer)
            else:
                writer.write(refusal)
        writer.close()

    def _refusal(self, head: bytes) -> bytes | None:
        if self._answer is not None:
            return self._answer
        if self._wants is not None and b"\r\nProxy-Authorization: " + self._wants + b"\r\n" not in head:
            return b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n"
        return None if self._place(head) else b"HTTP/1.1 502 Bad Gateway\r\n\r\n"

    def _place(self, head: bytes) -> int | None:
        method, target, _ = head.split(b" ", 2)
        if method != b"CONNECT":
            target = target.removeprefix(b"http://").partition(b"/")[0]
        return self._places.get(target.decode())

    async def _pass_on(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to_there = await asyncio.open_connection("127.0.0.1", self._place(head))
        self._writers.append(to_there)
        if head.startswith(b"CONNECT "):
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            to_there.write(head)
        await asyncio.gather(_pump(reader, to_there), _pump(there, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
