"""What happens now, as server-sent events: all exchanges at row size, or one exchange token by token."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from dragoman.api import sse
from dragoman.api.answers import sends
from dragoman.api.bodies import find, load
from dragoman.api.context import Context, Here, check_id, missing
from dragoman.api.schemas import LiveDelta, LiveEnd
from dragoman.api.understood import deltas_of
from dragoman.canonical import Delta
from dragoman.errors import BadRequest
from dragoman.records.exchange import Row

router = APIRouter(tags=["live"])

STORED_S = 5.0
"""How long the end of a stream waits for the stored row; then it tells the row as far as it is known."""

_EVENTS = {"text/event-stream": {"type": "string"}}


@router.get(
    "/events",
    operation_id="streamEvents",
    responses=sends(_EVENTS, says="Events; `event:` is an EventType, `data:` what `Event` says of it."),
)
async def stream_events(
    here: Here,
    last_event_id: Annotated[str | None, Header()] = None,
    resume: Annotated[str | None, Query(alias="last_event_id", max_length=80)] = None,
) -> StreamingResponse:
    """Follow all that happens; go on after `Last-Event-ID`, or be told to `resync`."""
    return sse.respond(_events(here, last_event_id or resume), here.closing)


async def _events(here: Context, last_event_id: str | None) -> AsyncIterator[bytes]:
    subscription = here.keeper.bus.subscribe(last_event_id)
    try:
        async for event in subscription:
            yield sse.event(event.type, event.data, number=event.id)
    finally:
        subscription.close()


@router.get(
    "/exchanges/{exchange}/stream",
    operation_id="streamExchange",
    responses=sends(_EVENTS, says="Events `delta` with a LiveDelta each, then `end` with a LiveEnd."),
)
async def stream_exchange(
    here: Here,
    exchange: str,
    offset: Annotated[int, Query(ge=0, description="Number of the first delta wanted.")] = 0,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """Follow one reply from its beginning; a finished one is replayed. Resumes after `Last-Event-ID`."""
    if last_event_id is not None and last_event_id.isdecimal():
        offset = int(last_event_id) + 1
    live = here.keeper.ingest.live(check_id(exchange))
    if live is None and await asyncio.to_thread(here.store.row, exchange) is None:
        raise missing(exchange)
    return sse.respond(_deltas(here, exchange, offset), here.closing)


async def _deltas(here: Context, exchange: str, offset: int) -> AsyncIterator[bytes]:
    live = here.keeper.ingest.live(exchange)
    if live is not None:
        async for number, delta, at_ns in live.follow(offset):
            yield sse.event("delta", LiveDelta(n=number, at_ns=at_ns, delta=delta), number=str(number))
        yield sse.event("end", LiveEnd(row=await _final_row(here, exchange) or live.row))
        return
    for number, (delta, at_ns) in enumerate(await asyncio.to_thread(_stored, here, exchange)):
        if number >= offset:
            yield sse.event("delta", LiveDelta(n=number, at_ns=at_ns, delta=delta), number=str(number))
    yield sse.event("end", LiveEnd(row=await asyncio.to_thread(here.store.row, exchange)))


async def _final_row(here: Context, exchange: str) -> Row | None:
    """Wait until an exchange that is over is stored; None when the store takes too long."""
    subscription = here.keeper.bus.subscribe()
    try:
        row = await asyncio.to_thread(here.store.row, exchange)
        if row is not None and row.ending is not None:
            return row
        async with asyncio.timeout(STORED_S):
            async for event in subscription:
                if event.type == "exchange.finished" and event.data.id == exchange:
                    return event.data
    except TimeoutError:
        pass
    finally:
        subscription.close()
    return None


def _stored(here: Context, exchange: str) -> list[tuple[Delta, int | None]]:
    """Return the deltas of a stored reply; none when it is not understood or no longer kept."""
    try:
        detail = find(here, exchange)
        return deltas_of(detail, load(here, detail, "response"), here.store.frames(exchange))
    except BadRequest:
        return []
