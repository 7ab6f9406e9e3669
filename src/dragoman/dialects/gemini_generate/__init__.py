"""Google's Gemini: generateContent, whole and streamed, countTokens and embedContent.

Model and stream stand in the path. The input figure of its usage holds the cache, the output figure leaves the
thoughts out. A thought's signature stands on the part that it led to.
Facts: wire-facts 6, google-genai 3.4.0 (`google.genai.types`), https://ai.google.dev/api/generate-content,
seen 2026-11-21, corpus/gemini.
"""

from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from dragoman.canonical import Prompt, Reply
from dragoman.dialects.base import Framing, Rendered, ReplyTarget, RequestTarget
from dragoman.dialects.errors import render_error
from dragoman.dialects.gemini_generate.encoder import GeminiEncoder
from dragoman.dialects.gemini_generate.rendering import write_request
from dragoman.dialects.gemini_generate.reply import read_reply
from dragoman.dialects.gemini_generate.reply_writing import write_reply
from dragoman.dialects.gemini_generate.request import locate, read_request
from dragoman.dialects.gemini_generate.stream import GeminiDecoder
from dragoman.dialects.gemini_generate.wire import NAME, read_error
from dragoman.wire.slices import Chains, Slices, cut

_CHAINS: Chains = {
    "systemInstruction": "system",
    "system_instruction": "system",
    "tools": "tools",
    "contents": "messages",
    "content": "messages",
    "requests": "messages",
}


class GeminiGenerate:
    name = NAME
    stream_framing: Framing = "sse"
    stream_media_type = "text/event-stream"

    def slices(self, body: bytes) -> Slices:
        return cut(body, _CHAINS)

    def parse_request(self, body: bytes) -> Prompt:
        return read_request(body)

    def render_request(self, prompt: Prompt, target: RequestTarget) -> Rendered:
        body, losses = write_request(prompt, target)
        return Rendered(msgspec.json.encode(body), losses)

    def path(self, model: str, *, is_streamed: bool) -> str:
        verb = "streamGenerateContent?alt=sse" if is_streamed else "generateContent"
        return f"/v1beta/models/{quote(model.removeprefix('models/'), safe='')}:{verb}"

    def request_headers(self, prompt: Prompt) -> list[tuple[str, str]]:
        return []

    def locate(self, prompt: Prompt, message: int, part: int | None = None) -> str:
        return locate(prompt, message, part)

    def parse_reply(self, body: bytes) -> Reply:
        return read_reply(body)

    def render_reply(self, reply: Reply, target: ReplyTarget) -> Rendered:
        body, losses = write_reply(reply, target)
        return Rendered(msgspec.json.encode(body), losses)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> Reply:
        return Reply(error=read_error(status, body), is_complete=False)

    def decoder(self) -> GeminiDecoder:
        return GeminiDecoder()

    def encoder(self, target: ReplyTarget) -> GeminiEncoder:
        return GeminiEncoder(target)

    def render_error(self, status: int, code: str, message: str) -> bytes:
        return render_error(NAME, status, code, message)


DIALECT = GeminiGenerate()
