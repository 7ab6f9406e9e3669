"""Short ways to decode made-up streams in tests of dialects."""

import json
from typing import Any

from dragoman.canonical import Delta, Reply
from dragoman.dialects import ALL
from dragoman.dialects.assembler import Assembler


def sse_of(*values: Any, done: bool = False) -> bytes:
    """Server-sent events of JSON values (a text goes as it is)."""
    texts = [value if isinstance(value, str) else json.dumps(value) for value in values]
    return b"".join(f"data: {text}\n\n".encode() for text in [*texts, *(["[DONE]"] if done else [])])


def decode(dialect: str, body: bytes) -> tuple[Reply, list[Delta], list[str]]:
    """Decode a streamed body, whole; it must come out the same byte by byte."""
    reply, deltas, warnings = _decode(dialect, [body])
    again, _, _ = _decode(dialect, [body[at : at + 1] for at in range(len(body))])
    assert again == reply
    return reply, deltas, warnings


def _decode(dialect: str, pieces: list[bytes]) -> tuple[Reply, list[Delta], list[str]]:
    decoder = ALL[dialect].decoder()
    deltas = [delta for piece in pieces for delta in decoder.feed(piece)]
    deltas += decoder.end()
    assembler = Assembler()
    assembler.add(deltas)
    return assembler.reply(), deltas, decoder.warnings
