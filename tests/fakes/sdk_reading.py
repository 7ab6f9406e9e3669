"""What the official SDKs make of bodies that we wrote, with no server between: a transport that answers with them."""

from collections.abc import Callable
from typing import Any

import httpx2
import ollama
import openai

from fakes.anthropic_sdk import bedrock_message, streamed_message, whole_message
from fakes.botocore_sdk import converse_events, converse_reply
from fakes.genai_sdk import gemini_pieces, gemini_reply


def response_of(body: bytes) -> Any:
    """Read a whole response; it must fit the SDK's types exactly."""
    with _client(body, "application/json") as client:
        return _checked(client.responses.create(model="m", input="hi"))


def responses_events(body: bytes) -> list[Any]:
    """Read a stream of Responses, event by event, put together by the SDK's own accumulator."""
    with _client(body, "text/event-stream") as client, client.responses.stream(model="m", input="hi") as stream:
        return list(stream)


def completion_of(body: bytes) -> Any:
    with _client(body, "application/json") as client:
        return _checked(client.chat.completions.create(model="m", messages=[]))


def gathered_completion(body: bytes) -> Any:
    """Read a Chat stream with the SDK's own accumulator.

    It stumbles over calls of custom tools, and raises at a reply that was cut or filtered: those are read by chunk.
    """
    if b'"custom"' in body or b'"finish_reason":"length"' in body or b'"content_filter"' in body:
        return _chunks(body)
    with (
        _client(body, "text/event-stream") as client,
        client.chat.completions.stream(model="m", messages=[]) as stream,
    ):
        return stream.get_final_completion()


def _chunks(body: bytes) -> list[Any]:
    with (
        _client(body, "text/event-stream") as client,
        client.chat.completions.create(model="m", messages=[], stream=True) as stream,
    ):
        return list(stream)


def ollama_reply(body: bytes) -> Any:
    return ollama.ChatResponse.model_validate_json(body)


def ollama_lines(body: bytes) -> list[Any]:
    return [ollama.ChatResponse.model_validate_json(line) for line in body.splitlines()]


WHOLE: dict[str, Callable[[bytes], Any]] = {
    "openai_chat": completion_of,
    "openai_responses": response_of,
    "anthropic_messages": whole_message,
    "bedrock_invoke": lambda body: bedrock_message(body, is_streamed=False),
    "bedrock_converse": converse_reply,
    "ollama_chat": ollama_reply,
    "gemini_generate": gemini_reply,
}
STREAMED: dict[str, Callable[[bytes], Any]] = {
    "openai_chat": gathered_completion,
    "openai_responses": responses_events,
    "anthropic_messages": streamed_message,
    "bedrock_invoke": lambda body: bedrock_message(body, is_streamed=True),
    "bedrock_converse": converse_events,
    "ollama_chat": ollama_lines,
    "gemini_generate": gemini_pieces,
}
"""By dialect: how its SDK reads a reply and a stream. Each raises on what it does not take."""


def _checked(found: Any) -> Any:
    """Check every field against the SDK's types, which it does not do of itself."""
    return type(found).model_validate(found.model_dump(mode="json", by_alias=True, exclude_unset=True))


def _client(body: bytes, media_type: str) -> openai.OpenAI:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": media_type}, content=body)

    http: Any = openai.DefaultHttpxClient(transport=httpx2.MockTransport(answer))
    return openai.OpenAI(api_key="k", base_url="http://x/v1", max_retries=0, http_client=http)
