"""Server-sent events on the way to a browser: lines out of values, with a heartbeat while nothing happens.

Promise: a stream ends when its source does, when the viewer leaves, or when the process is asked to end; the
source is closed in each case. At most `QUEUED` items wait here: a slow viewer slows its own source only.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import msgspec
from fastapi.responses import StreamingResponse

from dragoman.tasks import TaskOwner, spawn

HEARTBEAT_S = 15.0
QUEUED = 64
_HEARTBEAT = b": \n\n"
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
_encoder = msgspec.json.Encoder()


def event(kind: str, data: Any, *, number: str | None = None) -> bytes:
    """Write one event. JSON holds no bare line end, so one `data:` line is enough."""
    identity = b"id: %b\n" % number.encode() if number is not None else b""
    return b"event: %b\n%bdata: %b\n\n" % (kind.encode(), identity, _encoder.encode(data))


def respond(
    source: AsyncIterator[bytes], closing: asyncio.Event, *, heartbeat_s: float = HEARTBEAT_S
) -> StreamingResponse:
    """Answer with a stream of events."""
    return StreamingResponse(
        _with_heartbeat(source, closing, heartbeat_s), media_type="text/event-stream", headers=_HEADERS
    )


async def _with_heartbeat(
    source: AsyncIterator[bytes], closing: asyncio.Event, heartbeat_s: float
) -> AsyncIterator[bytes]:
    yield _HEARTBEAT  # the head goes out at once, so that the browser knows that it is connected
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUED)
    owner = TaskOwner("event stream")
    pump = spawn(_pump(source, queue), name="pump", owner=owner)
    spawn(_end_on(closing, queue), name="closing", owner=owner)
    try:
        while True:
            try:
                async with asyncio.timeout(heartbeat_s):
                    item = await queue.get()
            except TimeoutError:
                item = None if pump.done() else _HEARTBEAT  # a source that failed is in the log
            if item is None:
                return
            yield item
    finally:
        await owner.close()


async def _pump(source: AsyncIterator[bytes], queue: asyncio.Queue[bytes | None]) -> None:
    try:
        async for item in source:
            await queue.put(item)
    finally:
        if isinstance(source, AsyncGenerator):
            await source.aclose()
    await queue.put(None)


async def _end_on(closing: asyncio.Event, queue: asyncio.Queue[bytes | None]) -> None:
    await closing.wait()
    await queue.put(None)
