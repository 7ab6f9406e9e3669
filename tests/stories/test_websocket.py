"""Calls over the Responses API's WebSocket as the API tells of them: a whole Dragoman, the official SDK, a real server.

The server is told by the test when to go on, so that a call can be seen while it runs; the keeper is killed in the
middle of the second.
"""

import contextlib
import json
import queue
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import psutil
from websockets.sync.server import Server, ServerConnection, serve

from fakes.dragoman import Dragoman, running_dragoman
from fakes.tunnels import events


class Speaker:
    """Answers each message with a response, one event for each permit."""

    def __init__(self) -> None:
        self.permits: queue.Queue[int] = queue.Queue()
        self._count = 0

    def __call__(self, connection: ServerConnection) -> None:
        for message in connection:
            self._count += 1
            said = events(f"resp_{self._count}", "Hello", f" {json.loads(message)['input']}")
            for event in said:
                self.permits.get(timeout=60)
                connection.send(json.dumps(event))


@contextlib.contextmanager
def speaking(speaker: Speaker) -> Iterator[Server]:
    with serve(speaker, "127.0.0.1", 0) as server:  # offers permessage-deflate, as all of them do
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_calls_over_a_websocket_are_seen_live_and_survive_a_killed_keeper(tmp_path: Path) -> None:
    speaker = Speaker()
    with speaking(speaker) as server:
        port = server.socket.getsockname()[1]
        providers = [
            {"slug": "openai", "base_url": f"http://127.0.0.1:{port}", "dialects": ["openai_responses"],
             "default_for": ["openai_responses"]},
        ]  # fmt: skip
        with running_dragoman(tmp_path, providers=providers) as dragoman:
            with openai.OpenAI(base_url=f"{dragoman.url}/v1", api_key="sk-test") as client:
                converse(dragoman, client, speaker)
            rows = {row["reply_preview"]: row for row in dragoman.wait_exchanges(2, "method:WS")}
            check(dragoman, rows["Hello one"], rows["Hello two"])


def converse(dragoman: Dragoman, client: openai.OpenAI, speaker: Speaker) -> None:
    options: Any = {"legacy": True}  # the SDK keeps the connection in a way that websockets 17 calls so
    with client.responses.connect(websocket_connection_options=options) as connection:
        connection.send({"type": "response.create", "model": "gpt-5", "input": "one"})
        for _ in range(3):
            speaker.permits.put(1)
            connection.recv()
        live = dragoman.wait_until(lambda: running(dragoman), "the running call")
        assert (live["state"], live["model_asked"], live["endpoint"]) == ("streaming", "gpt-5", "responses")
        assert first_delta(dragoman, live["id"])
        for _ in range(2):
            speaker.permits.put(1)
            connection.recv()
        connection.send({
            "type": "response.create", "model": "gpt-5", "input": "two", "previous_response_id": "resp_1",
        })  # fmt: skip
        speaker.permits.put(1)
        connection.recv()
        psutil.Process(dragoman.child("_keeper").pid).kill()
        for _ in range(4):
            speaker.permits.put(1)
            connection.recv()
    dragoman.wait_ready()


def running(dragoman: Dragoman) -> Any:
    rows = dragoman.api("/api/exchanges?q=method:WS")["items"]
    return next((row for row in rows if row["ending"] is None and row["state"] == "streaming"), None)


def first_delta(dragoman: Dragoman, exchange: str) -> str:
    """Follow the live stream up to the first text."""
    with urllib.request.urlopen(f"{dragoman.url}/api/exchanges/{exchange}/stream", timeout=30) as reply:
        for line in reply:
            if b"Hello" in line:
                return line.decode()
    return ""


def check(dragoman: Dragoman, first: Any, second: Any) -> None:
    assert first["id"].endswith("-0001")
    assert second["parent"] == first["id"]
    assert second["conversation"] == first["conversation"]
    assert (first["output"], first["state"], first["client"]) == (7, "done", "openai-python")
    base = f"/api/exchanges/{first['id']}"
    assert json.loads(dragoman.raw(f"{base}/request"))["input"] == "one"
    assert dragoman.api(f"{base}/request?as=canonical")["messages"][0]["parts"][0]["text"] == "one"
    assert dragoman.api(f"{base}/response?as=canonical")["message"]["parts"][0]["text"] == "Hello one"
    frames = dragoman.api(f"{base}/frames")["frames"]
    assert [frame["type"] for frame in frames][::4] == ["response.created", "response.completed"]
    assert b"curl" in dragoman.raw(f"{base}/export?format=curl")
    tunnel = dragoman.api(base)["client_ids"]["tunnel"]
    assert dragoman.wait_exchanges(1, f"id:{tunnel}")[0]["flags"] == ["tunnel"]
    assert len(dragoman.exchanges(f"id:{tunnel}-*")) == 2
