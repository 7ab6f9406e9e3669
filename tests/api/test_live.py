"""Live streams over HTTP: events with ids that can be resumed, and replies token by token."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dragoman.api import sse
from dragoman.ids import IdMaker
from fakes.api_server import Api, serving
from fakes.playbook import WORDS, asked, ended, streamed, whole

_ids = IdMaker()
FIRST, SECOND = (_ids.make(1_700_000_000_000 + number) for number in range(2))


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as served:
        yield served


@asynccontextmanager
async def events(api: Api, path: str, **headers: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """Open a stream and read it as a browser does."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with api.client.stream("GET", path, headers=named) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert reply.headers["cache-control"] == "no-store"
        yield read(reply.aiter_lines())


async def read(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, Any]]:
    fields: dict[str, Any] = {}
    async for line in lines:
        if not line and fields:
            yield fields
            fields = {}
        elif line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = json.loads(value) if name == "data" else value


async def until(stream: AsyncIterator[dict[str, Any]], kind: str) -> dict[str, Any]:
    async for each in stream:
        if each["event"] == kind:
            return each
    raise AssertionError(f"the stream ended before {kind}")


async def test_a_finished_exchange_comes_as_its_row(api: Api) -> None:
    async with events(api, "/api/events") as stream:
        api.journal.write(*whole(FIRST))
        told = await until(stream, "exchange.finished")
    row = (await api.get(f"/api/exchanges/{FIRST}")).json()["row"]
    assert told["data"] == row


@pytest.mark.parametrize("how", ["header", "query"])
async def test_a_stream_goes_on_where_it_broke(api: Api, how: str) -> None:
    async with events(api, "/api/events") as stream:
        api.journal.write(*whole(FIRST))
        last = (await until(stream, "exchange.finished"))["id"]
    api.journal.write(*whole(SECOND))
    await api.stored(SECOND)
    given = {"last_event_id": last} if how == "header" else {}
    path = "/api/events" if how == "header" else f"/api/events?last_event_id={last}"
    async with events(api, path, **given) as stream:
        told = await until(stream, "exchange.finished")
    assert told["data"]["id"] == SECOND


async def test_an_unknown_place_is_told_to_resync(api: Api) -> None:
    async with events(api, "/api/events", last_event_id="another-epoch-7") as stream:
        told = await until(stream, "resync")
    assert "since_seq" in told["data"]


async def test_tokens_come_while_they_stream(api: Api) -> None:
    api.journal.write(*asked(FIRST), *streamed(FIRST))
    subscription = api.context.keeper.bus.subscribe(f"{api.context.keeper.bus.epoch}-0")
    async for told in subscription:
        if told.type == "exchange.started":
            break
    subscription.close()
    async with events(api, f"/api/exchanges/{FIRST}/stream") as stream:
        text = ""
        numbers = []
        is_ended = False
        async for each in stream:
            if each["event"] == "end":
                break
            numbers.append(each["data"]["n"])
            text += each["data"]["delta"].get("text", "")
            if text == "".join(WORDS) and not is_ended:
                is_ended = True
                api.journal.write(*ended(FIRST))
    assert text == "".join(WORDS)
    assert numbers == list(range(len(numbers)))
    assert each["data"]["row"] == (await api.get(f"/api/exchanges/{FIRST}")).json()["row"]
    assert each["data"]["row"]["stop_reason"] == "end"


async def test_a_stored_reply_is_replayed_with_its_times(api: Api) -> None:
    api.journal.write(*whole(FIRST))
    await api.stored(FIRST)
    async with events(api, f"/api/exchanges/{FIRST}/stream") as stream:
        deltas = [each async for each in stream]
    assert deltas[-1]["event"] == "end"
    words = [each["data"] for each in deltas if each["data"].get("delta", {}).get("text")]
    assert [each["delta"]["text"] for each in words] == list(WORDS)
    assert [each["at_ns"] // 10_000_000 for each in words] == [2, 3, 4, 5, 6]
    async with events(api, f"/api/exchanges/{FIRST}/stream?offset={len(deltas) - 2}") as stream:
        assert [each["event"] async for each in stream] == ["delta", "end"]
    last = deltas[1]["id"]
    async with events(api, f"/api/exchanges/{FIRST}/stream", last_event_id=last) as stream:
        assert (await anext(stream))["data"]["n"] == int(last) + 1


async def test_silence_is_filled_with_heartbeats() -> None:
    async def silent() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    closing = asyncio.Event()
    answer = sse.respond(silent(), closing, heartbeat_s=0.001)
    pieces = answer.body_iterator
    beats = [await anext(pieces) for _ in range(3)]
    assert beats == [b": \n\n"] * 3
    closing.set()
    assert [piece async for piece in pieces if piece != b": \n\n"] == []


async def test_streams_end_when_the_process_is_asked_to_end(api: Api) -> None:
    async with events(api, "/api/events") as stream:
        api.context.closing.set()
        assert [each async for each in stream if each["event"] != "status" and each["event"] != "config.changed"] == []


async def test_a_viewer_that_leaves_is_forgotten(api: Api) -> None:
    bus = api.context.keeper.bus
    async with events(api, "/api/events", last_event_id="x-1") as stream:
        await until(stream, "resync")
        assert len(bus._subscriptions) == 1
    subscription = bus.subscribe()
    while len(bus._subscriptions) > 1:
        bus.publish("config.changed", {"version": 0})
        await anext(subscription)
    subscription.close()
