"""Bedrock's Converse: one form for all vendors' models, streams in Amazon's frames.

The input figure of its usage leaves the cache out. Model and stream stand in the path.
Facts: wire-facts 4, botocore 1.44.5 (`data/bedrock-runtime/2023-09-30/service-2.json`), corpus/bedrock-converse.
"""

from collections.abc import Mapping

import msgspec

from dragoman.canonical import Prompt, Reply
from dragoman.dialects.amazon import MEDIA_TYPE, model_path, read_amazon_error
from dragoman.dialects.base import Framing, Rendered, ReplyTarget, RequestTarget
from dragoman.dialects.bedrock_converse.content import NAME
from dragoman.dialects.bedrock_converse.encoder import ConverseEncoder
from dragoman.dialects.bedrock_converse.rendering import write_request
from dragoman.dialects.bedrock_converse.reply import read_reply, write_reply
from dragoman.dialects.bedrock_converse.request import locate, read_request
from dragoman.dialects.bedrock_converse.stream import ConverseDecoder
from dragoman.dialects.errors import render_error
from dragoman.wire.slices import Chains, Slices, cut

_CHAINS: Chains = {"system": "system", "messages": "messages"}


class BedrockConverse:
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
        return model_path(model, "converse-stream" if is_streamed else "converse")

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

    def decoder(self) -> ConverseDecoder:
        return ConverseDecoder()

    def encoder(self, target: ReplyTarget) -> ConverseEncoder:
        return ConverseEncoder(target)

    def render_error(self, status: int, code: str, message: str) -> bytes:
        return render_error(NAME, status, code, message)


DIALECT = BedrockConverse()
