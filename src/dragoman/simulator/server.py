"""The simulator's HTTP server: HTTP/1.1 with keep-alive, on loopback.

Promise: a piece of a stream is written as a chunk of its own; a client that leaves ends the answer; a client that
does not read is waited for. Requests of one connection are answered in turn. Small on purpose: no TLS, no limits.
"""

import asyncio
import contextlib
import socket
from collections import Counter
from http import HTTPStatus

import httptools

from dragoman.simulator.answer import Answer
from dragoman.simulator.routes import Request, Upstream
from dragoman.tasks import TaskOwner, spawn


class Server:
    """A running simulator."""

    def __init__(self, server: asyncio.Server, life: "_Life", host: str) -> None:
        self._server = server
        self._life = life
        self.host = host
        self.port: int = server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def running(self) -> int:
        """How many answers are being written."""
        return len(self._life.answers)

    @property
    def answered(self) -> Counter[tuple[str, int]]:
        """What was answered how often, by path and status."""
        return self._life.upstream.answered

    async def close(self) -> None:
        """Stop listening and break off what runs."""
        self._server.close()
        for transport in list(self._life.transports):
            transport.abort()
        await self._life.answers.close()
        await self._server.wait_closed()


class _Life:
    """What lives as long as one server."""

    def __init__(self) -> None:
        self.upstream = Upstream()
        self.transports: set[asyncio.Transport] = set()
        self.answers = TaskOwner("simulator")


async def start(host: str = "127.0.0.1", port: int = 0, *, listener: socket.socket | None = None) -> Server:
    """Start a simulator on `host` and `port` (0 takes any free one), or on a socket that already listens."""
    life = _Life()
    loop = asyncio.get_running_loop()

    def make() -> _Connection:
        return _Connection(life)

    if listener is not None:
        server = await loop.create_server(make, sock=listener)
        host = listener.getsockname()[0]
    else:
        server = await loop.create_server(make, host, port)
    return Server(server, life, host)


class _Connection(asyncio.Protocol):
    """One client. The parser calls the `on_…` methods."""

    def __init__(self, life: _Life) -> None:
        self._life = life
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: list[tuple[Request, bool]] = []
        """Requests, and whether the connection goes on after each."""
        self._answering: asyncio.Task[None] | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._life.transports.add(transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # answered like any request; no other protocol is spoken
        except httptools.HttpParserError:
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._life.transports.discard(self._transport)
        if self._answering is not None:
            self._answering.cancel()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    # The parser's side.

    def on_message_begin(self) -> None:
        self._target, self._headers, self._body = b"", {}, []

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode()
        request = Request(method, self._target.decode("latin-1"), self._headers, b"".join(self._body))
        self._waiting.append((request, self._parser.should_keep_alive()))
        if self._answering is None:
            self._answering = spawn(self._answer_all(), name="answer", owner=self._life.answers)

    # Answering.

    async def _answer_all(self) -> None:
        while self._waiting and not self._transport.is_closing():
            request, goes_on = self._waiting.pop(0)
            await self._write(request, self._life.upstream.answer(request))
            if not goes_on:
                self._transport.close()
        self._answering = None

    async def _write(self, request: Request, answer: Answer) -> None:
        if answer.never_comes:
            await asyncio.Event().wait()
        if answer.is_dropped:
            self._transport.close()
            return
        if answer.is_streamed and request.method != "HEAD":
            await self._write_stream(answer)
        else:
            if answer.delay_s:
                await asyncio.sleep(answer.delay_s)
            body = b"".join(answer.pieces)
            head = _head(answer, [] if answer.is_cut else [("content-length", str(len(body)))])
            self._transport.write(head if request.method == "HEAD" else head + body)
        if answer.is_cut:
            await self._break_off()

    async def _write_stream(self, answer: Answer) -> None:
        self._transport.write(_head(answer, [("transfer-encoding", "chunked")]))
        for piece in answer.pieces:
            if answer.delay_s:
                await asyncio.sleep(answer.delay_s)
            await self._may_write.wait()
            if self._transport.is_closing():
                return
            if piece:
                self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        if not answer.is_cut:
            self._transport.write(b"0\r\n\r\n")

    async def _break_off(self) -> None:
        """Close without ending the message, after what was written has left."""
        self._transport.set_write_buffer_limits(high=0)
        await self._may_write.wait()
        self._transport.close()


def _head(answer: Answer, more: list[tuple[str, str]]) -> bytes:
    with contextlib.suppress(ValueError):
        return _lines(f"{answer.status} {HTTPStatus(answer.status).phrase}", answer.headers + more)
    return _lines(f"{answer.status} Overloaded", answer.headers + more)


def _lines(status: str, headers: list[tuple[str, str]]) -> bytes:
    lines = [f"HTTP/1.1 {status}", "server: dragoman-simulator", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
