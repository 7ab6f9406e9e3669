"""OpenAI's Chat Completions, as OpenAI and the many who imitate it speak it; legacy completions and embeddings too.

The input figure of its usage includes the cache, the output figure includes reasoning.
Facts: openai 3.52.0 (`openai.types.chat`), https://platform.openai.com/docs/api-reference/chat, seen 2026-11-21,
and the recorded traffic in corpus/openai-chat.
"""

from collections.abc import Mapping

from dragoman.canonical import Prompt, Reply
from dragoman.dialects.base import Framing
from dragoman.dialects.errors import render_error
from dragoman.dialects.openai_chat.content import NAME
from dragoman.dialects.openai_chat.reply import read_reply
from dragoman.dialects.openai_chat.request import read_request
from dragoman.dialects.openai_chat.stream import ChatDecoder
from dragoman.dialects.openai_errors import read_error_body
from dragoman.wire.slices import Chains, Slices, cut

_CHAINS: Chains = {
    "messages": "messages",
    "tools": "tools",
    "functions": "tools",
    "prompt": "messages",
    "input": "messages",
}


class OpenAIChat:
    name = NAME
    stream_framing: Framing = "sse"

    def slices(self, body: bytes) -> Slices:
        return cut(body, _CHAINS)

    def parse_request(self, body: bytes) -> Prompt:
        return read_request(body)

    def parse_reply(self, body: bytes) -> Reply:
        return read_reply(body)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> Reply:
        return Reply(error=read_error_body(NAME, status, body), is_complete=False)

    def decoder(self) -> ChatDecoder:
        return ChatDecoder()

    def render_error(self, status: int, code: str, message: str) -> bytes:
        return render_error(NAME, status, code, message)


DIALECT = OpenAIChat()
