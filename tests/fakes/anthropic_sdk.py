"""What Anthropic's own SDK makes of a reply or a stream, given as bytes; and of Bedrock's form of it."""

from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
from anthropic.types import Message


def whole_message(body: bytes) -> Message:
    with _client(body, "application/json") as client:
        return client.messages.create(model="m", max_tokens=9, messages=_ASKED)


def streamed_message(body: bytes) -> Message:
    """Read a stream to its end; an error in it is raised."""
    with (
        _client(body, "text/event-stream") as client,
        client.messages.stream(model="m", max_tokens=9, messages=_ASKED) as stream,
    ):
        return stream.get_final_message()


def bedrock_message(body: bytes, *, is_streamed: bool) -> Message:
    """Read InvokeModel's reply with the SDK's client for Bedrock."""
    media_type = "application/vnd.amazon.eventstream" if is_streamed else "application/json"
    transport = httpx2.MockTransport(_answering(body, media_type))
    http = anthropic.DefaultHttpxClient(transport=transport)
    with anthropic.AnthropicBedrock(api_key="none", aws_region="us-east-1", http_client=http) as client:
        if not is_streamed:
            return client.messages.create(model="m", max_tokens=9, messages=_ASKED)
        with client.messages.stream(model="m", max_tokens=9, messages=_ASKED) as stream:
            return stream.get_final_message()


_ASKED: Any = [{"role": "user", "content": "hi"}]


def _client(body: bytes, media_type: str) -> anthropic.Anthropic:
    http = anthropic.DefaultHttpxClient(transport=httpx2.MockTransport(_answering(body, media_type)))
    return anthropic.Anthropic(api_key="none", max_retries=0, http_client=http)


def _answering(body: bytes, media_type: str) -> Callable[[httpx2.Request], httpx2.Response]:
    return lambda _: httpx2.Response(200, content=body, headers={"content-type": media_type})
