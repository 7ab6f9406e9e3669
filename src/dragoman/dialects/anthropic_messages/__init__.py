"""Anthropic's Messages, token counting, and the older text completions.

The input figure of its usage excludes the cache; the output figure includes thinking.
Facts: anthropic 2.11.0 (`anthropic.types`), https://docs.anthropic.com/en/api/messages, seen 2026-11-21,
and the recorded traffic in corpus/anthropic-messages.
"""

from collections.abc import Mapping

import msgspec

from dragoman.canonical import Prompt, Reply
from dragoman.dialects.anthropic_messages.content import NAME
from dragoman.dialects.anthropic_messages.encoder import MessagesEncoder
from dragoman.dialects.anthropic_messages.rendering import write_request
from dragoman.dialects.anthropic_messages.reply import read_error_body, read_reply
from dragoman.dialects.anthropic_messages.reply_writing import write_reply
from dragoman.dialects.anthropic_messages.request import read_request
from dragoman.dialects.anthropic_messages.stream import MessagesDecoder
from dragoman.dialects.anthropic_messages.wire import betas_of, locate
from dragoman.dialects.base import Framing, Rendered, ReplyTarget, RequestTarget
from dragoman.dialects.errors import render_error
from dragoman.wire.slices import Chains, Slices, cut

_CHAINS: Chains = {"system": "system", "tools": "tools", "messages": "messages", "prompt": "messages"}


VERSION = "2023-06-01"
"""The one `anthropic-version` that there is."""


class AnthropicMessages:
    name = NAME
    stream_framing: Framing = "sse"
    stream_media_type = "text/event-stream; charset=utf-8"

    def slices(self, body: bytes) -> Slices:
        return cut(body, _CHAINS)

    def parse_request(self, body: bytes) -> Prompt:
        return read_request(body)

    def render_request(self, prompt: Prompt, target: RequestTarget) -> Rendered:
        body, losses = write_request(prompt, target)
        return Rendered(msgspec.json.encode(body), losses)

    def path(self, model: str, *, is_streamed: bool) -> str:
        return "/v1/messages"

    def request_headers(self, prompt: Prompt) -> list[tuple[str, str]]:
        betas = betas_of(prompt)
        return [("anthropic-version", VERSION), *([("anthropic-beta", ",".join(betas))] if betas else [])]

    def locate(self, prompt: Prompt, message: int, part: int | None = None) -> str:
        return locate(prompt, message, part)

    def parse_reply(self, body: bytes) -> Reply:
        return read_reply(body)

    def render_reply(self, reply: Reply, target: ReplyTarget) -> Rendered:
        body, losses = write_reply(reply, target)
        return Rendered(msgspec.json.encode(body), losses)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> Reply:
        return Reply(error=read_error_body(status, body), is_complete=False)

    def decoder(self) -> MessagesDecoder:
        return MessagesDecoder()

    def encoder(self, target: ReplyTarget) -> MessagesEncoder:
        return MessagesEncoder(target)

    def render_error(self, status: int, code: str, message: str) -> bytes:
        return render_error(NAME, status, code, message)


DIALECT = AnthropicMessages()
