"""A replaying upstream and a raw client for recorded traffic: real sockets, exact bytes, random cuts.

The upstream answers each request by the record that its `x-case` header names, and keeps the body it got. Whole
replies go with content-length, streams chunked or until close, cut at random places. The client sends a request and
gives back the reply's body with its transfer coding removed.
"""

import asyncio
import random
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import httptools

HOP_BY_HOP = {"connection", "content-length", "transfer-encoding", "content-encoding", "keep-alive"}


def body_of(record: dict[str, Any], which: str) -> bytes:
    """Bytes of `request` or `response` of a corpus record, in the recorder's spelling."""
    import base64
    import json

    if (text := record.get(f"{which}_text")) is not None:
        return str(text).encode("utf-8", "surrogatepass")
    if (coded := record.get(f"{which}_b64")) is not None:
        return base64.b64decode(coded)
    value = record.get(f"{which}_body")
    if value is None:
        return b""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": ")).encode("utf-8", "surrogatepass")


class _Message:
    """Collects what httptools finds in one message."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = bytearray()
        self.is_done = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.is_done = True

    def header(self, name: bytes) -> bytes:
        return next((value for key, value in self.headers if key == name), b"")


@dataclass
class ReplayUpstream:
    """Serves corpus records by `x-case`; `received` holds the request bodies by case."""

    records: dict[str, dict[str, Any]]
    seed: int = 1
    received: dict[str, bytes] = field(default_factory=dict)
    port: int = 0
    _server: asyncio.Server | None = None
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)
    _serving: list[asyncio.Future[None]] = field(default_factory=list)

    async def __aenter__(self) -> "ReplayUpstream":
        self._random = random.Random(self.seed)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server
        self._server.close()
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        is_over = asyncio.get_running_loop().create_future()
        self._serving.append(is_over)
        try:
            while (message := await self._read(reader)) is not None:
                case = message.header(b"x-case").decode()
                self.received[case] = bytes(message.body)
                if not await self._answer(writer, self.records[case]):
                    break
        except ConnectionError:
            pass
        finally:
            writer.close()
            is_over.set_result(None)

    async def _read(self, reader: asyncio.StreamReader) -> _Message | None:
        message = _Message()
        parser = httptools.HttpRequestParser(message)
        while not message.is_done:
            data = await reader.read(65536)
            if not data:
                return None
            parser.feed_data(data)
        return message

    async def _answer(self, writer: asyncio.StreamWriter, record: dict[str, Any]) -> bool:
        """Send the record's reply; False when the connection ends with it."""
        body = body_of(record, "response")
        head = [f"HTTP/1.1 {record['status']} Recorded"]
        head += [f"{name}: {value}" for name, value in record["response_headers"].items() if name not in HOP_BY_HOP]
        form = self._random.choice(["chunked", "close"]) if record["streamed"] else "length"
        if form == "length":
            head.append(f"content-length: {len(body)}")
        elif form == "chunked":
            head.append("transfer-encoding: chunked")
        else:
            head.append("connection: close")
        writer.write("\r\n".join([*head, "", ""]).encode("latin-1", "replace"))
        for piece in self._cut(body) if record["streamed"] else [body]:
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if form == "chunked" else piece)
            await writer.drain()
            await asyncio.sleep(0)
        if form == "chunked":
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return form != "close"

    def _cut(self, body: bytes) -> list[bytes]:
        count = min(len(body), self._random.randint(1, 12))
        places = sorted({0, len(body), *(self._random.randrange(len(body)) for _ in range(count))}) if body else []
        return [body[a:b] for a, b in pairwise(places)]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> bytes:
        return next((value for key, value in self.headers if key == name), b"")


async def send(port: int, record: dict[str, Any], path: str, *, extra: dict[str, str] | None = None) -> Answer:
    """Send a record's request to `path` on a connection of its own."""
    body = body_of(record, "request")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = [f"{record['method']} {path} HTTP/1.1", f"host: 127.0.0.1:{port}", f"x-case: {record['id']}"]
    recorded = {name: value for name, value in record["request_headers"].items() if name not in {*HOP_BY_HOP, "host"}}
    head += [f"{name}: {value}" for name, value in {**recorded, **(extra or {})}.items()]
    head.append(f"content-length: {len(body)}")
    writer.write("\r\n".join([*head, "", ""]).encode("latin-1", "replace") + body)
    message = _Message()
    parser = httptools.HttpResponseParser(message)
    try:
        while not message.is_done:
            data = await reader.read(65536)
            if not data:
                break
            parser.feed_data(data)
    finally:
        writer.close()
    return Answer(parser.get_status_code(), message.headers, bytes(message.body))
