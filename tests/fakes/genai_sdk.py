"""What google-genai makes of Gemini's replies and streams, given as bytes; each raises on what it does not take."""

from functools import cache
from typing import Any

import httpx2
from google import genai
from google.genai import types


class _Sdk:
    """One client (they are slow to make), whose server answers with `reply`."""

    def __init__(self) -> None:
        self.reply = httpx2.Response(200)
        http = httpx2.Client(transport=httpx2.MockTransport(lambda _: self.reply))
        self.models = genai.Client(api_key="k", http_options=types.HttpOptions(httpx_client=http)).models

    def answering(self, body: bytes, media_type: str) -> Any:
        self.reply = httpx2.Response(200, headers={"content-type": media_type}, content=body)
        return self.models


_sdk = cache(_Sdk)


def gemini_reply(body: bytes) -> Any:
    return _sdk().answering(body, "application/json").generate_content(model="m", contents="hi")


def gemini_pieces(body: bytes) -> list[Any]:
    return list(_sdk().answering(body, "text/event-stream").generate_content_stream(model="m", contents="hi"))
