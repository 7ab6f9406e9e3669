"""What the official SDKs make of bodies that we wrote, with no server between: a transport that answers with them."""

from typing import Any

import httpx
import openai


def _client(body: bytes, media_type: str) -> openai.OpenAI:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": media_type}, content=body)

    transport = httpx.MockTransport(answer)
    return openai.OpenAI(
        api_key="k", base_url="http://x/v1", max_retries=0, http_client=httpx.Client(transport=transport)
    )


def response_of(body: bytes) -> Any:
    """Read a whole response; it must fit the SDK's types exactly."""
    with _client(body, "application/json") as client:
        found = client.responses.create(model="m", input="hi")
    return type(found).model_validate(found.model_dump(mode="json", by_alias=True, exclude_unset=True))


def responses_events(body: bytes) -> list[Any]:
    """Read a stream of Responses, event by event, put together by the SDK's own accumulator."""
    with _client(body, "text/event-stream") as client, client.responses.stream(model="m", input="hi") as stream:
        return list(stream)
