"""The contract of a dialect: what each file in this folder gives.

A dialect turns frames and bodies into the canonical form and back. It is pure: no I/O, no clock, no chance, no
state outside the decoder or encoder it hands out. What it does not know it keeps; on input that is no such body it
raises `Unreadable`. `render_request(parse_request(body))` equals `body` as JSON.
"""

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec

from dragoman.canonical import Delta, Loss, Prompt, Reply, ReplyError
from dragoman.wire.slices import Slices

Framing = Literal["sse", "ndjson", "json", "eventstream"]


class Unreadable(ValueError):
    """The bytes are no body of this dialect; the message says what was found and what was expected."""


class Untranslatable(ValueError):
    """The request cannot be put into the other dialect without changing what is asked: the client gets this as a 400.

    For what would silently give a wrong answer (several choices, audio the other side cannot hear, an image that
    would have to be fetched). All that a reply can do without becomes a `Loss` instead.
    """


class RequestTarget(msgspec.Struct, frozen=True, kw_only=True):
    """For whom a request is rendered."""

    model: str = ""
    """The model's name there; empty keeps the prompt's own."""
    is_streamed: bool = False
    max_tokens: int = 8192
    """Written where the dialect demands a limit and the client gave none."""
    is_openai: bool = False
    """The upstream is OpenAI's own (or Azure's), and not one that merely speaks its dialect."""


class ReplyTarget(msgspec.Struct, frozen=True, kw_only=True):
    """For whom a reply is rendered."""

    model: str = ""
    """The name under which the client asked; what its reply says."""
    seed: str = ""
    """Ids that the upstream did not give are made from this (the exchange's id): unique, and the same each time."""
    created: int = 0
    """Seconds since 1970, for dialects that date their replies."""
    prompt: Prompt = Prompt()
    """What the client asked, as read from its own body."""


class Rendered(msgspec.Struct, frozen=True):
    """A body of one dialect made from the canonical form, and what could not be said in it."""

    body: bytes
    losses: list[Loss] = []


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


class Encoder(Protocol):
    """Writes the frames of one streamed reply, in this dialect, from the deltas of another's.

    Each delta is written at once, whatever follows. Between the first `feed` and `end` or `fail` the bytes written
    are a stream that the dialect's official SDK takes; after either nothing more may be written.
    """

    def feed(self, deltas: list[Delta]) -> bytes:
        """Write what the deltas say; empty when nothing can be said yet."""
        ...

    def ping(self) -> bytes:
        """Write something that keeps the connection alive and says nothing; empty where the dialect has no such."""
        ...

    def fail(self, error: ReplyError, status: int) -> bytes:
        """Write that the reply broke off, in the dialect's own way. `status` is the nearest HTTP status."""
        ...

    def end(self) -> bytes:
        """Say that the upstream's stream is over. One that ended before it said so is written as broken off."""
        ...

    @property
    def losses(self) -> list[Loss]: ...


class Dialect(Protocol):
    name: str
    """`openai_chat`, `openai_responses`, `anthropic_messages`, `ollama_chat`, …"""
    stream_framing: Framing
    stream_media_type: str
    """`content-type` of a streamed reply."""

    def slices(self, body: bytes) -> Slices:
        """Say where system, tools and messages lie in a request body, as exact byte ranges."""
        ...

    def parse_request(self, body: bytes) -> Prompt: ...

    def render_request(self, prompt: Prompt, target: RequestTarget) -> Rendered:
        """Write a request. Raises Untranslatable. What only other dialects know (their `extra`) becomes a Loss."""
        ...

    def path(self, model: str, *, is_streamed: bool) -> str:
        """Where such a request is posted, as the provider's bare host knows it (`/v1/messages`)."""
        ...

    def request_headers(self, prompt: Prompt) -> list[tuple[str, str]]:
        """Headers that the dialect demands beside the credential, such as `anthropic-version`."""
        ...

    def locate(self, prompt: Prompt, message: int, part: int | None = None) -> str:
        """Say where a message or part of a prompt that was read from this dialect stood: `$.messages[3].content[0]`."""
        ...

    def parse_reply(self, body: bytes) -> Reply:
        """Read a whole (not streamed) reply of status 2xx."""
        ...

    def render_reply(self, reply: Reply, target: ReplyTarget) -> Rendered:
        """Write a whole reply."""
        ...

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> Reply:
        """Read an error body into a Reply that has `error` set."""
        ...

    def decoder(self) -> Decoder: ...

    def encoder(self, target: ReplyTarget) -> Encoder: ...

    def render_error(self, status: int, code: str, message: str) -> bytes:
        """Write an error of Dragoman's own, or one that came in another dialect, as a body of this dialect."""
        ...
