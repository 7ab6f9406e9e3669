"""What happens now, as server-sent events: all exchanges at row size, or one exchange token by token."""

from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from dragoman.api.answers import sends
from dragoman.api.context import Here

router = APIRouter(tags=["live"])

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
    raise NotImplementedError


@router.get(
    "/exchanges/{exchange}/stream",
    operation_id="streamExchange",
    responses=sends(_EVENTS, says="Events `delta` with a LiveDelta each, then `end` with a LiveEnd."),
)
async def stream_exchange(
    here: Here,
    exchange: str,
    offset: Annotated[int, Query(ge=0, description="Number of the first delta wanted.")] = 0,
) -> StreamingResponse:
    """Follow one reply from its beginning; a finished one is replayed."""
    raise NotImplementedError
