"""What a request asks for, in the few words that the simulator's plans need, and how tokens are counted."""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any, Literal

Mark = Literal["", "5m", "1h"]
_PIECE = re.compile(r"\s*\S{1,12}|\s+$")


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    schema: dict[str, Any]
    kind: Literal["function", "custom"] = "function"


@dataclass(frozen=True, slots=True)
class Image:
    mime: str
    size_bytes: int | None
    """None for an image that is only named by URL."""


@dataclass(slots=True)
class Turn:
    role: str
    text: str = ""
    results: list[str] = field(default_factory=list)
    """What tools gave back."""
    images: list[Image] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of the prompt as the cache sees it; `mark` says that a cache mark ends here."""

    tokens: int
    mark: Mark = ""


@dataclass(slots=True)
class Ask:
    model: str
    turns: list[Turn]
    tools: list[Tool]
    seed: str
    """Decides every id and choice; made of the request's body."""
    blocks: list[Block]
    earlier: int
    """How many leading blocks an earlier prompt of this conversation held already."""
    is_cache_explicit: bool = False
    """Only what lies before a mark is cached."""
    max_tokens: int | None = None
    is_streamed: bool = False
    thinks: bool = False
    must_call: bool = False
    wants_json: bool = False
    stops: list[str] = field(default_factory=list)
    """Stop sequences."""
    seals: int = 0
    """How much sealed reasoning came back; each seal was found unchanged."""
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def last_text(self) -> str:
        """The last words of the user."""
        for turn in reversed(self.turns):
            if turn.role == "user" and turn.text:
                return turn.text
        return ""

    @property
    def results(self) -> list[str]:
        """What tools gave back since the user last said something, in order."""
        found: list[str] = []
        for turn in reversed(self.turns):
            if turn.role == "user" and turn.text and not turn.results:
                break
            found = turn.results + found
        return found

    @property
    def has_earlier_reply(self) -> bool:
        return any(turn.role == "assistant" for turn in self.turns)

    @property
    def images(self) -> list[Image]:
        return [image for turn in self.turns for image in turn.images]


def seed_of(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def identifier(prefix: str, seed: str, number: int = 0) -> str:
    """Make an id that looks like the provider's own and is the same for the same request."""
    return prefix + hashlib.blake2b(f"{seed}/{prefix}/{number}".encode(), digest_size=12).hexdigest()


def tokens_in(text: str) -> int:
    """Count about as providers do: four signs to a token."""
    return (len(text) + 3) // 4


def pieces_of(text: str) -> list[str]:
    """Cut a text into what a model would stream at a time."""
    return _PIECE.findall(text)


def image_of(data_url: str) -> Image:
    """Read kind and size out of `data:image/png;base64,…`; any other URL is only named."""
    if not data_url.startswith("data:"):
        return Image("url", None)
    head, _, data = data_url.partition(",")
    return Image(head[5:].split(";")[0] or "image/png", base64_size(data))


def base64_size(data: str) -> int:
    return len(data.rstrip("=")) * 3 // 4


def mime_of(data: str) -> str:
    """Tell an image by the first signs of its base64."""
    for start, mime in (("iVBOR", "image/png"), ("/9j/", "image/jpeg"), ("R0lG", "image/gif"), ("UklG", "image/webp")):
        if data.startswith(start):
            return mime
    return "image/unknown"
