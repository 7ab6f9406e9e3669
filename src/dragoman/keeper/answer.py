"""The reply that is read: the provider's own bytes, in the dialect that was spoken with it.

What the client got of a translated call is a rendering of that; tokens, stop reason and model stand in the
original. Pure.
"""

from collections.abc import Sequence
from typing import NamedTuple

from dragoman.dialects import ALL
from dragoman.dialects.base import Dialect
from dragoman.dialects.detect import PROMPT_ENDPOINTS, REPLY_ENDPOINTS
from dragoman.journal.format import ResponseHead
from dragoman.keeper.heads import header_of, text_headers
from dragoman.keeper.reading import StreamReading
from dragoman.keeper.unread import STREAM_ENDPOINTS, STREAM_TYPES
from dragoman.records.exchange import BodyFacts, Frame, Head, Recording, Row

_GENERATES: dict[str, tuple[str, str]] = {
    "openai_chat": ("chat", "chat"),
    "openai_responses": ("responses", "responses"),
    "anthropic_messages": ("messages", "messages"),
    "ollama_chat": ("chat", "chat"),
    "bedrock_invoke": ("invoke", "invoke_stream"),
    "bedrock_converse": ("converse", "converse_stream"),
    "gemini_generate": ("generate", "stream_generate"),
}
"""Where each dialect lets a model speak: whole, and as a stream."""

_STREAM_BEGINS = {"sse": b"deir:\r\n\xef", "ndjson": b"{\r\n", "eventstream": b"\0"}
"""First bytes of a stream: `data`, `event`, `id`, `retry`, a comment, an empty line, a byte order mark; an object;
a frame's length. A JSON array is told by its endpoint alone."""


class Spoken(NamedTuple):
    """A dialect and what was asked for in it."""

    dialect: str | None
    endpoint: str | None

    @property
    def reader(self) -> Dialect | None:
        """Give the dialect that reads replies of this endpoint; None when none does."""
        return self._among(REPLY_ENDPOINTS)

    @property
    def prompt_reader(self) -> Dialect | None:
        """Give the dialect that reads requests of this endpoint; None when none does."""
        return self._among(PROMPT_ENDPOINTS)

    def _among(self, endpoints: frozenset[tuple[str, str]]) -> Dialect | None:
        name, endpoint = self
        if name is None or endpoint is None or name not in ALL:
            return None
        is_read = (name, endpoint) in endpoints or endpoint in _GENERATES.get(name, ())
        return ALL[name] if is_read else None


def with_client(row: Row) -> Spoken:
    return Spoken(row.dialect, row.endpoint)


def with_provider(row: Row) -> Spoken:
    """Say what was spoken with the provider: of a translated call, the like endpoint of its dialect. Whether that
    streams is for its media type to say: a reply may come whole and leave as a stream, or the other way round."""
    if row.upstream_dialect is None or row.upstream_dialect == row.dialect:
        return with_client(row)
    if row.endpoint not in _GENERATES.get(row.dialect or "", ()):
        return Spoken(row.upstream_dialect, row.endpoint)
    return Spoken(row.upstream_dialect, _GENERATES.get(row.upstream_dialect, (None, None))[0])


class Answer(NamedTuple):
    """A whole recorded reply."""

    spoken: Spoken
    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes
    frames: Sequence[Frame]
    facts: BodyFacts


def answer_of(recording: Recording) -> Answer | None:
    """Give what the provider answered; else what the client was told; None when there was no reply."""
    detail = recording.detail
    row, upstream = detail.row, detail.upstream
    if upstream is not None and upstream.response is not None:
        return Answer(
            with_provider(row),
            _status_of(upstream.response) or row.status or 0,
            upstream.response.headers,
            recording.upstream_response,
            recording.upstream_frames,
            upstream.response_body or BodyFacts(),
        )
    if row.status is None or detail.response is None:
        return None
    return Answer(
        with_client(row),
        _status_of(detail.response) or row.status,
        detail.response.headers,
        recording.response_body,
        recording.frames,
        detail.response_body,
    )


def _status_of(head: Head) -> int | None:
    """Read the status of a head; that of a reply inside a tunnel's call says how its body is to be read."""
    status = head.line.partition(" ")[0]
    return int(status) if status.isdecimal() else None


def begin_reading(
    spoken: Spoken, status: int, headers: Sequence[tuple[str, str]], first_piece: bytes, *, is_asked: bool
) -> StreamReading | None:
    """Make the reading for a reply that begins so; None when it is no stream that a dialect reads."""
    dialect = spoken.reader
    if dialect is None or not 200 <= status < 300:
        return None
    encoding = header_of(headers, "content-encoding")
    media_type = (header_of(headers, "content-type") or "").partition(";")[0].strip().lower()
    is_stream = spoken.endpoint in STREAM_ENDPOINTS or _is_stream(
        media_type, None if encoding else first_piece, dialect, is_asked=is_asked
    )
    return StreamReading(dialect, encoding) if is_stream else None


def live_reading(row: Row, head: ResponseHead, first_piece: bytes, *, is_asked: bool) -> StreamReading | None:
    """Make the reading for a reply that has begun to come from the provider."""
    return begin_reading(with_provider(row), head.status, text_headers(head.headers), first_piece, is_asked=is_asked)


def _is_stream(media_type: str, first_piece: bytes | None, dialect: Dialect, *, is_asked: bool) -> bool:
    """Some servers name the wrong media type: of a plain body, its first bytes tell."""
    if media_type in STREAM_TYPES:
        return True
    if not first_piece:
        return False
    if dialect.stream_framing == "sse" and first_piece.startswith((b"data:", b"event:")):
        return True
    return is_asked and first_piece[:1] in _STREAM_BEGINS.get(dialect.stream_framing, b"")
