"""The simulator over a real socket: framing, steering headers, clients that leave."""

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator

import pytest

from dragoman.simulator import Server, start


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    running = await start()
    yield running
    await running.close()


def request(model: str, *headers: str, stream: bool = False) -> bytes:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hi"}], "stream": stream}).encode()
    lines = ["POST /v1/chat/completions HTTP/1.1", "host: sim", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def exchange(server: Server, data: bytes) -> bytes:
    """Send bytes, say that nothing follows by `connection: close`, and read to the end."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(data)
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
        await writer.wait_closed()


async def test_pipelined_requests_are_answered_in_turn(server: Server) -> None:
    got = await exchange(
        server, request("sim-echo") + request("sim-error-429") + request("sim-echo", "connection: close")
    )
    assert re.findall(rb"HTTP/1\.1 (\d+)", got) == [b"200", b"429", b"200"]


async def test_a_stream_is_chunked_and_ends(server: Server) -> None:
    got = await exchange(server, request("sim-echo", "connection: close", stream=True))
    assert b"transfer-encoding: chunked" in got
    assert b"data: [DONE]\n\n\r\n0\r\n\r\n" in got


async def test_a_cut_stream_does_not_end(server: Server) -> None:
    got = await exchange(server, request("sim-cut", stream=True))
    assert b"data: " in got
    assert not got.endswith(b"0\r\n\r\n")


async def test_a_cut_reply_is_shorter_than_it_said(server: Server) -> None:
    head, _, body = (await exchange(server, request("sim-cut"))).partition(b"\r\n\r\n")
    length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length: "))
    assert len(body) < int(length.split()[1])


async def test_the_body_is_compressed_when_asked(server: Server) -> None:
    got = await exchange(server, request("sim-echo", "x-simulate-encoding: gzip", "connection: close"))
    head, _, body = got.partition(b"\r\n\r\n")
    assert b"content-encoding: gzip" in head
    assert json.loads(gzip.decompress(body))["choices"][0]["message"]["content"] == "You said: Hi"


async def test_a_header_makes_any_model_act(server: Server) -> None:
    got = await exchange(server, request("gpt-5.5", "x-simulate: sim-echo", "connection: close"))
    assert b"You said: Hi" in got
    assert b'"model":"gpt-5.5"' in got


async def test_an_unknown_simulated_model_is_named(server: Server) -> None:
    got = await exchange(server, request("sim-ecco", "connection: close"))
    assert b"404" in got.split(b"\r\n")[0]
    assert b"known: sim-chat" in got


async def test_a_body_that_is_no_json_is_refused(server: Server) -> None:
    got = await exchange(server, b"POST /v1/messages HTTP/1.1\r\ncontent-length: 1\r\nconnection: close\r\n\r\n{")
    assert b"400" in got.split(b"\r\n")[0]
    assert b"invalid_request_error" in got


async def test_a_client_that_leaves_ends_the_answer(server: Server) -> None:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(request("sim-slow-20", stream=True))
    await reader.readuntil(b"data: ")
    assert server.running == 1
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(5):
        while server.running:
            await asyncio.sleep(0)


async def test_an_unread_stream_waits_for_the_client(server: Server) -> None:
    reader, writer = await asyncio.open_connection(server.host, server.port, limit=1024)
    writer.write(request("sim-long-200000", "connection: close", stream=True))
    size = 0
    while data := await reader.read(65536):
        size += len(data)
    assert size > 10_000_000
    writer.close()
    await writer.wait_closed()
