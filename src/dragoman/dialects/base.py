"""The contract of a dialect: what each file in this folder gives.

A dialect turns frames and bodies into the canonical form. It is pure: no I/O, no clock, no state outside the
decoder it hands out. What it does not know it keeps; on input that is no such body it raises `Unreadable`.
"""

from collections.abc import Mapping
from typing import Literal, Protocol

from dragoman.canonical import Delta, Prompt, Reply
from dragoman.wire.slices import Slices

Framing = Literal["sse", "ndjson", "json"]


class Unreadable(ValueError):
    """The bytes are no body of this dialect; the message says what was found and what was expected."""


class Decoder(Protocol):
    """Turns the frames of one streamed reply into deltas. Never raises on odd frames: it skips and notes them."""

    def feed(self, data: bytes) -> list[Delta]:
        """Take the next bytes of the body (content-encoding already removed), cut anywhere."""
        ...

    def end(self) -> list[Delta]:
        """Say that the body is over; returns what was still held back."""
        ...

    @property
    def warnings(self) -> list[str]:
        """What could not be understood, in words, at most 20 lines."""
        ...


class Dialect(Protocol):
    name: str
    """`openai_chat`, `openai_responses`, `anthropic_messages`, `ollama_chat`, …"""
    stream_framing: Framing

    def slices(self, body: bytes) -> Slices:
        """Say where system, tools and messages lie in a request body, as exact byte ranges."""
        ...

    def parse_request(self, body: bytes) -> Prompt: ...

    def parse_reply(self, body: bytes) -> Reply:
        """Read a whole (not streamed) reply of status 2xx."""
        ...

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> Reply:
        """Read an error body into a Reply that has `error` set."""
        ...

    def decoder(self) -> Decoder: ...

    def render_error(self, status: int, code: str, message: str) -> bytes:
        """Write an error of Dragoman's own as a body of this dialect."""
        ...
