"""The official SDK's WebSocket through a gateway to a real server: what the keeper makes of the tunnel."""

import asyncio
import json
from pathlib import Path

import openai
import pytest
from openai.types.responses.responses_client_event_param import ResponseCreate
from websockets.asyncio.server import ServerConnection, serve
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

from dragoman.clock import SystemClock
from dragoman.events.bus import Bus
from dragoman.journal.format import Closed
from dragoman.keeper.ingest import Ingest
from dragoman.store import Store
from fakes.gateway import running_gateway
from fakes.tunnels import events

WORDS = ("Hello", ", great", " sea", "." * 70_000)


async def answer(connection: ServerConnection) -> None:
    count = 0
    async for message in connection:
        asked = json.loads(message)
        count += 1
        for event in events(f"resp_{count}", *WORDS, str(asked["input"]), lane=asked.get("stream_id")):
            await connection.send(json.dumps(event))


@pytest.mark.parametrize("keeps", [True, False, None])
async def test_each_response_over_a_real_websocket_is_on_record(tmp_path: Path, keeps: bool | None) -> None:
    compress = ServerPerMessageDeflateFactory(
        server_no_context_takeover=not keeps, client_no_context_takeover=not keeps
    )
    server = serve(
        answer, "127.0.0.1", 0, compression=None, extensions=None if keeps is None else [compress], max_size=None
    )
    async with server as running:
        port = running.sockets[0].getsockname()[1]
        async with running_gateway(tmp_path, openai=f"http://127.0.0.1:{port}") as gateway:
            await converse(f"http://127.0.0.1:{gateway.port}/v1")
            async with asyncio.timeout(10):
                await gateway.closed()
        (closed,) = [one for one in gateway.all_records() if isinstance(one, Closed)]
    with Store(f"sqlite:///{tmp_path}/dragoman.db") as store:
        ingest = Ingest(tmp_path / "journal", store, Bus("e"), SystemClock())
        ingest.drain()
        ingest.close()
        rows = {row.id: row for row in store.list_rows().items}
        names = [f"{closed.id}-{number:04}" for number in (1, 2, 3)]
        assert set(rows) == {closed.id, *names}
        assert [rows[name].reply_preview[:17] for name in names] == ["Hello, great sea."] * 3
        assert [rows[name].parent for name in names] == [None, names[0], names[1]]
        assert [json.loads(store.request_body(name) or b"")["input"] for name in names] == ["one", "two", "three"]
        assert {rows[name].client for name in names} == {"openai-python"}
        assert [(rows[name].state, rows[name].output) for name in names] == [("done", 7)] * 3
        assert store.verify().failures == []


async def converse(base_url: str) -> None:
    """Three turns on one connection, each naming the one before."""
    async with (
        openai.AsyncOpenAI(base_url=base_url, api_key="sk-test") as client,
        client.responses.connect(websocket_connection_options={"max_size": None}) as connection,
    ):
        previous: str | None = None
        for text in ("one", "two", "three"):
            event: ResponseCreate = {"type": "response.create", "model": "gpt-5", "input": text}
            if previous is not None:
                event["previous_response_id"] = previous
            await connection.send(event)
            async for received in connection:
                if received.type == "response.completed":
                    previous = received.response.id
                    break
