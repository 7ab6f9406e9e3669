"""Claude over Bedrock's InvokeModel: the body of Messages without model and stream, streams in Amazon's frames.

The body is Anthropic's, so what only Anthropic has lies under `anthropic_messages`; version and betas, which stand in
this body and elsewhere in headers, lie under `bedrock_invoke`. InvokeModel carries other vendors' bodies too: they
are unreadable here and stay what they are.
Facts: wire-facts 4; anthropic 2.11.0 (`lib/bedrock`), botocore 1.44.5, corpus/bedrock-invoke.
"""

from collections.abc import Mapping

import msgspec

from dragoman.canonical import Prompt, Reply
from dragoman.dialects.amazon import MEDIA_TYPE, model_path, read_amazon_error
from dragoman.dialects.anthropic_messages.reply import read_reply
from dragoman.dialects.anthropic_messages.reply_writing import write_reply
from dragoman.dialects.anthropic_messages.wire import locate
from dragoman.dialects.base import Framing, Rendered, ReplyTarget, RequestTarget
from dragoman.dialects.bedrock_invoke.request import NAME, read_request, write_request
from dragoman.dialects.bedrock_invoke.stream import InvokeDecoder, InvokeEncoder
from dragoman.dialects.errors import render_error
from dragoman.wire.slices import Chains, Slices, cut

_CHAINS: Chains = {"system": "system", "tools": "tools", "messages": "messages", "prompt": "messages"}


class BedrockInvoke:
    name = NAME
    stream_framing: Framing = "eventstream"
    stream_media_type = MEDIA_TYPE

    def slices(self, body: bytes) -> Slices:
        return cut(body, _CHAINS)

    def parse_request(self, body: bytes) -> Prompt:
        return read_request(body)

    def render_request(self, prompt: Prompt, target: RequestTarget) -> Rendered:
        body, losses = write_request(prompt, target)
        return Rendered(msgspec.json.encode(body), losses)

    def path(self, model: str, *, is_streamed: bool) -> str:
        return model_path(model, "invoke-with-response-stream" if is_streamed else "invoke")

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
        return Reply(error=read_amazon_error(NAME, status, headers, body), is_complete=False)

    def decoder(self) -> InvokeDecoder:
        return InvokeDecoder()

    def encoder(self, target: ReplyTarget) -> InvokeEncoder:
        return InvokeEncoder(target)

    def render_error(self, status: int, code: str, message: str) -> bytes:
        return render_error(NAME, status, code, message)


DIALECT = BedrockInvoke()
