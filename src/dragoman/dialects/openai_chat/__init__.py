"""OpenAI's Chat Completions, as OpenAI and the many who imitate it speak it; legacy completions and embeddings too.

The input figure of its usage includes the cache, the output figure includes reasoning.
Facts: openai 3.52.0 (`openai.types.chat`), https://platform.openai.com/docs/api-reference/chat, seen 2026-11-21,
and the recorded traffic in corpus/openai-chat.
"""

from collections.abc import Mapping

from dragoman.canonical import Prompt, Reply
from dragoman.dialects.base import Framing, Rendered, ReplyTarget, RequestTarget
from dragoman.dialects.errors import render_error
from dragoman.dialects.openai_chat.content import NAME
from dragoman.dialects.openai_chat.encoder import ChatEncoder
from dragoman.dialects.openai_chat.noted import read_request
from dragoman.dialects.openai_chat.places import locate
from dragoman.dialects.openai_chat.render import render_request
from dragoman.dialects.openai_chat.render_reply import render_reply
from dragoman.dialects.openai_chat.reply import read_reply
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
    stream_media_type = "text/event-stream"

    def slices(self, body: bytes) -> Slices:
        return cut(body, _CHAINS)

    def parse_request(self, body: bytes) -> Prompt:
        return read_request(body)

    def render_request(self, prompt: Prompt, target: RequestTarget) -> Rendered:
        return render_request(prompt, target)

    def path(self, model: str, *, is_streamed: bool) -> str:
        return "/v1/chat/completions"

    def request_headers(self, prompt: Prompt) -> list[tuple[str, str]]:
        return []

    def locate(self, prompt: Prompt, message: int, part: int | None = None) -> str:
        return locate(prompt, message, part)

    def parse_reply(self, body: bytes) -> Reply:
        return read_reply(body)

    def render_reply(self, reply: Reply, target: ReplyTarget) -> Rendered:
        return render_reply(reply, target)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> Reply:
        return Reply(error=read_error_body(NAME, status, body), is_complete=False)

    def decoder(self) -> ChatDecoder:
        return ChatDecoder()

    def encoder(self, target: ReplyTarget) -> ChatEncoder:
        return ChatEncoder(target)

    def render_error(self, status: int, code: str, message: str) -> bytes:
        return render_error(NAME, status, code, message)


DIALECT = OpenAIChat()
