"""Ollama's own API: chat, generate and embed.

A reply is streamed unless the request says `stream: false`. Its input figure may be missing when the prompt
was cached: unknown, not 0. Durations are nanoseconds.
Facts: ollama 0.6.3 (`ollama._types`), https://github.com/ollama/ollama/blob/main/docs/api.md, seen 2026-11-21,
and the recorded traffic in corpus/ollama-chat and corpus/ollama-generate.
"""

from collections.abc import Mapping

from dragoman.canonical import Prompt, Reply
from dragoman.dialects.base import Framing, Rendered, ReplyTarget, RequestTarget
from dragoman.dialects.errors import render_error
from dragoman.dialects.ollama_chat.encoder import OllamaEncoder, render_reply
from dragoman.dialects.ollama_chat.render import render_request
from dragoman.dialects.ollama_chat.reply import NAME, OllamaDecoder, read_reply
from dragoman.dialects.ollama_chat.request import locate, read_request
from dragoman.dialects.openai_errors import read_error_body
from dragoman.wire.slices import Chains, Slices, cut

_CHAINS: Chains = {
    "system": "system",
    "tools": "tools",
    "messages": "messages",
    "prompt": "messages",
    "input": "messages",
}


class OllamaChat:
    name = NAME
    stream_framing: Framing = "ndjson"
    stream_media_type = "application/x-ndjson"

    def slices(self, body: bytes) -> Slices:
        return cut(body, _CHAINS)

    def parse_request(self, body: bytes) -> Prompt:
        return read_request(body)

    def render_request(self, prompt: Prompt, target: RequestTarget) -> Rendered:
        return render_request(prompt, target)

    def path(self, model: str, *, is_streamed: bool) -> str:
        return "/api/chat"

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

    def decoder(self) -> OllamaDecoder:
        return OllamaDecoder()

    def encoder(self, target: ReplyTarget) -> OllamaEncoder:
        return OllamaEncoder(target)

    def render_error(self, status: int, code: str, message: str) -> bytes:
        return render_error(NAME, status, code, message)


DIALECT = OllamaChat()
