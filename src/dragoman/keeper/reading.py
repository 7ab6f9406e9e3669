"""Read one streamed reply while it comes: content coding undone, frames decoded, tokens timed, Reply assembled.

Promise: pure and incremental; the same bytes give the same Reply however they are cut. The time of a token is
that of the piece of the wire which completed it. What cannot be understood ends up in `warnings`.
"""

from typing import NamedTuple

from dragoman.canonical import Delta, PartGrew, PartStarted, Reasoning, Refusal, Reply, Text, ToolCall
from dragoman.dialects.assembler import Assembler
from dragoman.dialects.base import Dialect
from dragoman.wire.encodings import Decompressor

CHARS_PER_TOKEN = 3.5
"""Of an estimate: English prose and JSON lie between 3 and 4.5 in the tokenizers in use."""


class TimedDelta(NamedTuple):
    delta: Delta
    at_ns: int
    """Since the start of the exchange."""


class StreamReading:
    """Takes the pieces of one reply's body (transfer coding removed) in order."""

    def __init__(self, dialect: Dialect, encoding: str | None) -> None:
        self._decoder = dialect.decoder()
        self._assembler = Assembler()
        self._decompressor = Decompressor(encoding) if encoding else None
        self._is_ended = False
        self.first_token_ns: int | None = None
        self.last_token_ns: int | None = None
        self.deltas_total = 0
        self.chars = 0
        """How much text has come, for estimates."""

    def feed(self, data: bytes, at_ns: int) -> list[TimedDelta]:
        """Take the next piece, cut anywhere, and give what it said."""
        if self._decompressor is not None:
            data = self._decompressor.feed(data)
        return self._take(self._decoder.feed(data), at_ns) if data else []

    def end(self, at_ns: int) -> list[TimedDelta]:
        """Say that nothing follows, and give what was held back."""
        if self._is_ended:
            return []
        self._is_ended = True
        if self._decompressor is not None:
            self._decompressor.end()
        return self._take(self._decoder.end(), at_ns)

    def reply(self) -> Reply:
        """Give the reply as far as it has come."""
        return self._assembler.reply()

    @property
    def estimated_tokens(self) -> int:
        return round(self.chars / CHARS_PER_TOKEN)

    @property
    def warnings(self) -> list[str]:
        problem = self._decompressor.problem if self._decompressor else None
        return [*([problem] if problem else []), *self._decoder.warnings]

    def _take(self, deltas: list[Delta], at_ns: int) -> list[TimedDelta]:
        self._assembler.add(deltas)
        self.deltas_total += len(deltas)
        for delta in deltas:
            chars = _content_chars(delta)
            if chars:
                self.chars += chars
                self.last_token_ns = at_ns
                if self.first_token_ns is None:
                    self.first_token_ns = at_ns
        return [TimedDelta(delta, at_ns) for delta in deltas]


def _content_chars(delta: Delta) -> int:
    """Count what a delta adds of text, reasoning or tool call."""
    match delta:
        case PartGrew():
            return len(delta.text) + len(delta.summary) + len(delta.arguments)
        case PartStarted(value=Text(text=text) | Refusal(text=text)):
            return len(text)
        case PartStarted(value=Reasoning(text=text, summary=summary)):
            return len(text) + len(summary)
        case PartStarted(value=ToolCall(name=name, arguments=arguments)):
            return len(name) + len(arguments)
        case _:
            return 0
