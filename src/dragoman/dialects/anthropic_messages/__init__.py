"""Anthropic's Messages, token counting, and the older text completions.

The input figure of its usage excludes the cache; the output figure includes thinking.
Facts: anthropic 2.11.0 (`anthropic.types`), https://docs.anthropic.com/en/api/messages, seen 2026-11-21,
and the recorded traffic in corpus/anthropic-messages.
"""

from collections.abc import Mapping

from dragoman.canonical import Prompt, Reply
from dragoman.dialects.anthropic_messages.content import NAME
from dragoman.dialects.anthropic_messages.reply import read_error_body, read_reply
from dragoman.dialects.anthropic_messages.request import read_request
from dragoman.dialects.anthropic_messages.stream import MessagesDecoder
from dragoman.dialects.base import Framing
from dragoman.dialects.errors import render_error
from dragoman.wire.slices import Chains, Slices, cut

_CHAINS: Chains = {"system": "system", "tools": "tools", "messages": "messages", "prompt": "messages"}


class AnthropicMessages:
    name = NAME
    stream_framing: Framing = "sse"

    def slices(self, body: bytes) -> Slices:
        return cut(body, _CHAINS)

    def parse_request(self, body: bytes) -> Prompt:
        return read_request(body)

    def parse_reply(self, body: bytes) -> Reply:
        return read_reply(body)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> Reply:
        return Reply(error=read_error_body(status, body), is_complete=False)

    def decoder(self) -> MessagesDecoder:
        return MessagesDecoder()

    def render_error(self, status: int, code: str, message: str) -> bytes:
        return render_error(NAME, status, code, message)


DIALECT = AnthropicMessages()
