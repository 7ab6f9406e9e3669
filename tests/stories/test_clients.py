"""Programs that nobody here wrote: their requests pass untouched, and the record tells who they are.

The SDKs that are our dependencies run for themselves (`test_sdks.py`); here they break off, and others are played
as they were seen on the wire.
"""

import http.client
import urllib.error
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import anthropic
import ollama
import openai
import pytest

from dragoman.simulator import Server
from fakes.client_shapes import SHAPES, Shape, reply_to, running_provider
from fakes.dragoman import Dragoman, running_dragoman

ALL_DIALECTS = ["openai_chat", "openai_responses", "anthropic_messages", "ollama_chat", "gemini_generate",
                "bedrock_invoke", "bedrock_converse"]  # fmt: skip
UNREAD = ("bedrock_converse",)
"""Its streams are played by bytes that mean nothing."""


class Place:
    def __init__(self, dragoman: Dragoman, provider: Any) -> None:
        self.dragoman = dragoman
        self.provider = provider


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with running_provider() as provider:
        entry = {"slug": "any", "base_url": provider.url, "dialects": ALL_DIALECTS, "default_for": ALL_DIALECTS}
        with running_dragoman(tmp_path_factory.mktemp("clients"), providers=[entry]) as dragoman:
            yield Place(dragoman, provider)


def send(url: str, shape: Shape, prefix: str = "") -> tuple[http.client.HTTPResponse, bytes]:
    """Send a request as it was seen, header for header."""
    address = urlsplit(url)
    assert address.hostname
    assert address.port
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    try:
        connection.putrequest("POST", prefix + shape.path, skip_accept_encoding=True)
        for name, value in shape.headers:
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(shape.body)))
        connection.endheaders(shape.body)
        reply = connection.getresponse()
        return reply, reply.read()
    finally:
        connection.close()


def is_signed(shape: Shape) -> bool:
    return any(value.startswith("AWS4-") for _, value in shape.headers)


PASSING = [one for one in SHAPES if not is_signed(one)]


@pytest.mark.parametrize("prefix", ["", "/any"])
def test_a_request_signed_for_dragoman_is_refused_before_it_is_sent(place: Place, prefix: str) -> None:
    (shape,) = [one for one in SHAPES if is_signed(one)]
    before = len(place.provider.received)
    reply, body = send(place.dragoman.url, shape, prefix)
    assert (reply.status, reply.headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
    assert b"scheme: sigv4" in body
    assert len(place.provider.received) == before


@pytest.mark.parametrize("prefix", ["", "/any", "/~a-run"])
@pytest.mark.parametrize("shape", PASSING, ids=[f"{one.client}-{one.dialect}" for one in PASSING])
def test_a_request_as_it_was_seen_passes_untouched_and_is_understood(place: Place, shape: Shape, prefix: str) -> None:
    reply, body = send(place.dragoman.url, shape, prefix)
    received = place.provider.received[-1]
    assert received.path == shape.path
    assert [one for one in received.headers if one[0].lower() not in ("host", "content-length")] == shape.headers
    assert (received.body, body) == (shape.body, reply_to(shape.path)[1])

    name = reply.headers["x-dragoman-exchange"]
    detail = place.dragoman.wait_until(lambda: finished(place.dragoman, name), name)
    row = detail["row"]
    assert (row["client"], row["client_version"]) == (shape.client, shape.version)
    assert (row["dialect"], row["model_asked"], row["session"]) == (shape.dialect, shape.model, shape.session)
    assert (row["state"], row["ending"], row["is_streamed"], row["is_untouched"]) == ("done", "complete", True, True)
    assert row["run"] == ("a-run" if prefix == "/~a-run" else None)
    assert detail["warnings"] == []
    if shape.dialect not in UNREAD:
        assert (row["model_served"], row["stop_reason"]) == ("served", "end")
        assert row["reply_preview"].startswith("Hi")
        assert row["preview"]
        assert row["first_token_ns"] is not None
    assert place.dragoman.raw(f"/api/exchanges/{name}/request") == shape.body
    assert place.dragoman.raw(f"/api/exchanges/{name}/response") == body


def finished(dragoman: Dragoman, name: str) -> Any:
    """Ask for an exchange until it has ended; just after its last byte the keeper may not have heard of it yet."""
    try:
        detail = dragoman.api(f"/api/exchanges/{name}")
    except urllib.error.HTTPError as error:
        error.close()
        return None
    return detail if detail["row"]["ending"] else None


ASK: Any = [{"role": "user", "content": "Tell me of the tides."}]
MODEL = "sim-slow-20"


def leave_openai(url: str, headers: dict[str, str]) -> None:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="sk-test", max_retries=0, default_headers=headers) as client:
        stream = client.chat.completions.create(model=MODEL, messages=ASK, stream=True)
        next(iter(stream))
        stream.close()


def leave_anthropic(url: str, headers: dict[str, str]) -> None:
    with anthropic.Anthropic(base_url=url, api_key="sk-test", max_retries=0, default_headers=headers) as client:
        stream = client.messages.create(model=MODEL, max_tokens=900, messages=ASK, stream=True)
        for event in stream:
            if event.type == "content_block_delta":
                break
        stream.close()


def leave_ollama(url: str, headers: dict[str, str]) -> None:
    with ollama.Client(url, headers=headers) as client:
        stream: Any = client.chat(MODEL, ASK, stream=True)
        next(stream)
        stream.close()


@pytest.mark.parametrize("leave", [leave_openai, leave_anthropic, leave_ollama])
def test_a_client_that_leaves_stops_the_provider(dragoman: Dragoman, simulator: Server, leave: Any) -> None:
    leave(dragoman.url, {"x-dragoman-tags": leave.__name__})
    (row,) = dragoman.wait_exchanges(1, f"tag:{leave.__name__}")
    assert (row["state"], row["ending"], row["status"]) == ("stopped", "client_closed", 200)
    assert row["response_bytes"] > 0
    assert row["model_served"] == MODEL
    dragoman.wait_until(lambda: simulator.running == 0, "the simulator's rest")
