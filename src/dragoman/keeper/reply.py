"""Read what came back: a streamed reply frame by frame, a whole one, or an error.

Promise: pure. A reply that broke off gives what came of it; one that cannot be read keeps its bytes, the flag
`unparsed` and a warning.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from dragoman.canonical import AnyPart, Reasoning, Refusal, Reply, Text, ToolCall, Usage
from dragoman.dialects import ALL
from dragoman.dialects.base import Dialect, Unreadable
from dragoman.dialects.detect import REPLY_ENDPOINTS
from dragoman.journal.format import ResponseHead
from dragoman.keeper.heads import header_of, text_headers
from dragoman.keeper.reading import StreamReading, TimedDelta
from dragoman.keeper.request import RequestFacts, dialect_of, media_flags, read_request, text_of
from dragoman.keeper.unread import is_stream, read_error
from dragoman.records.exchange import Frame, Recording, Row
from dragoman.records.summary import reply_preview
from dragoman.wire.encodings import decode

_STREAM_TYPES = ("text/event-stream", "application/x-ndjson", "application/ndjson", "application/jsonl")
_STREAM_BEGINS = {"sse": b"deir:\r\n\xef", "ndjson": b"{\r\n", "json": b""}
"""First bytes of a stream: `data`, `event`, `id`, `retry`, a comment, an empty line, a byte order mark; an object."""


def stream_reading(
    row: Row, head: ResponseHead, first_piece: bytes, request: RequestFacts | None
) -> StreamReading | None:
    """Make the reading for a reply that has begun to come; None when it is no stream that a dialect reads."""
    return _reading_of(row, head.status, text_headers(head.headers), first_piece, request)


def replay(recording: Recording) -> list[TimedDelta]:
    """Give the deltas of a stored streamed reply with their times; empty when it was none."""
    request = read_request(recording.detail.row, recording.detail.request, recording.request_body)
    reading = _begin_reading(recording, request)
    return _read_frames(reading, recording) if reading is not None else []


def preview_of(reply: Reply) -> str:
    return reply_preview(reply)


def read_reply(recording: Recording, request: RequestFacts, reading: StreamReading | None) -> None:
    row, body = recording.detail.row, recording.response_body
    if not body or row.status is None:
        return
    if reading is None and (reading := _begin_reading(recording, request)) is not None:
        _read_frames(reading, recording)
    if reading is not None:
        row.is_streamed = True
        row.first_token_ns, row.last_token_ns = reading.first_token_ns, reading.last_token_ns
        recording.detail.warnings += [f"reply: {warning}" for warning in reading.warnings]
        if not reading.deltas_total and recording.detail.response_body.is_whole:
            row.flags.append("unparsed")
            recording.detail.warnings.append("reply: no frame of the stream could be understood")
        _add_reply(recording, reading.reply())
        return
    row.is_streamed = _came_in_pieces(recording)
    _read_whole_reply(recording)


def _came_in_pieces(recording: Recording) -> bool | None:
    """Say whether a reply that no dialect reads as a stream was one all the same."""
    row, head = recording.detail.row, recording.detail.response
    if head is not None and (row.status or 0) < 400 and row.dialect not in ALL and is_stream(row, head):
        return True
    return False if row.is_streamed is not None else None


def _begin_reading(recording: Recording, request: RequestFacts) -> StreamReading | None:
    row, head = recording.detail.row, recording.detail.response
    if head is None or row.status is None:
        return None
    return _reading_of(row, row.status, head.headers, recording.response_body[:16], request)


def _reading_of(
    row: Row, status: int, headers: Sequence[tuple[str, str]], first_piece: bytes, request: RequestFacts | None
) -> StreamReading | None:
    dialect = dialect_of(row, REPLY_ENDPOINTS)
    if dialect is None or not 200 <= status < 300:
        return None
    encoding = header_of(headers, "content-encoding")
    media_type = (header_of(headers, "content-type") or "").partition(";")[0].strip().lower()
    asked = request is not None and bool(request.is_streamed)
    if not _is_stream(media_type, asked, None if encoding else first_piece, dialect):
        return None
    return StreamReading(dialect, encoding)


def _is_stream(media_type: str, asked: bool, first_piece: bytes | None, dialect: Dialect) -> bool:
    """Some servers name the wrong media type: of a plain body, its first bytes tell."""
    if media_type in _STREAM_TYPES:
        return True
    if not first_piece:
        return False
    if dialect.stream_framing == "sse" and first_piece.startswith((b"data:", b"event:")):
        return True
    return asked and first_piece[:1] in _STREAM_BEGINS[dialect.stream_framing]


def _read_frames(reading: StreamReading, recording: Recording) -> list[TimedDelta]:
    body, deltas = recording.response_body, []
    frames = recording.frames or [Frame(0, recording.detail.row.duration_ns or 0)]
    ends = [*(frame.offset for frame in frames[1:]), len(body)]
    for frame, end in zip(frames, ends, strict=True):
        deltas += reading.feed(body[frame.offset : end], frame.at_ns)
    return deltas + reading.end(frames[-1].at_ns)


def _read_whole_reply(recording: Recording) -> None:
    detail, row = recording.detail, recording.detail.row
    plain = decode(recording.response_body, detail.response_body.encoding or "")
    if plain.problem:
        detail.warnings.append(f"reply: {plain.problem}")
    dialect = dialect_of(row, REPLY_ENDPOINTS)
    is_error = row.status is not None and row.status >= 400
    if is_error:
        dialect = ALL.get(row.dialect) if row.dialect else None
    if dialect is None:
        _keep_text(recording, plain.data)
        if is_error and detail.response is not None:
            error = read_error(row.status or 0, detail.response.headers, plain.data)
            _add_reply(recording, Reply(error=error, is_complete=False))
        return
    try:
        reply = _parse_whole(dialect, recording, plain.data, is_error=is_error)
    except Unreadable as error:
        row.flags.append("unparsed")
        detail.warnings.append(f"reply: {error}")
        _keep_text(recording, plain.data)
        return
    if not detail.response_body.is_whole:
        reply = msgspec.structs.replace(reply, is_complete=False)
    _add_reply(recording, reply)


def _parse_whole(dialect: Dialect, recording: Recording, body: bytes, *, is_error: bool) -> Reply:
    row, head = recording.detail.row, recording.detail.response
    if not is_error:
        return dialect.parse_reply(body)
    headers = {name.lower(): value for name, value in head.headers} if head else {}
    return dialect.parse_error(row.status or 0, headers, body)


def _add_reply(recording: Recording, reply: Reply) -> None:
    detail, row = recording.detail, recording.detail.row
    row.model_served = reply.model
    row.stop_reason, row.native_stop_reason = reply.stop_reason, reply.native_stop_reason
    row.reply_preview = preview_of(reply)
    row.output, row.is_estimated = None, False
    detail.provider_timings_ns = dict(reply.provider_timings_ns)
    if reply.usage is not None:
        detail.usage = reply.usage
        _add_usage(row, reply.usage)
        if reply.stop_reason is None and not reply.is_complete:
            row.output = row.reasoning = None  # what a stream says at its start is not what it came to
    parts = [*reply.message.parts, *(part for choice in reply.others for part in choice.message.parts)]
    row.tools_called = [part.name for part in parts if isinstance(part, ToolCall)]
    row.flags.extend(_reply_flags(reply, parts))
    recording.search_texts += list(_texts(parts))
    if reply.error is not None:
        _add_error(recording, reply)


def _add_usage(row: Row, usage: Usage) -> None:
    row.input_fresh = usage.input_fresh
    row.cache_read = usage.cache_read
    row.cache_write_5m = usage.cache_write_5m
    row.cache_write_1h = usage.cache_write_1h
    row.output = usage.output
    row.reasoning = usage.reasoning


def _add_error(recording: Recording, reply: Reply) -> None:
    """The provider's own error; what went wrong with the exchange itself was noted before and counts for more."""
    row, error = recording.detail.row, reply.error
    assert error is not None
    row.error_code = row.error_code or error.code or error.kind
    row.error_message = row.error_message or error.message
    if row.state == "done":
        row.state = "error"  # it came in the middle of a stream of status 200
    if error.message:
        recording.search_texts.append(error.message)


def _reply_flags(reply: Reply, parts: list[AnyPart]) -> Iterator[str]:
    if any(isinstance(part, ToolCall) for part in parts):
        yield "tools"
    if any(isinstance(part, Reasoning) for part in parts) or (reply.usage and reply.usage.reasoning):
        yield "reasoning"
    if reply.stop_reason == "refusal" or any(isinstance(part, Refusal) for part in parts):
        yield "refusal"
    yield from media_flags(parts)


def _texts(parts: Iterable[AnyPart]) -> Iterator[str]:
    """Give what a person may search for in a reply."""
    for part in parts:
        match part:
            case Text(text=text) | Refusal(text=text):
                found = text
            case Reasoning(text=text, summary=summary):
                found = text or summary
            case ToolCall(name=name, arguments=arguments):
                found = f"{name} {arguments}"
            case _:
                found = ""
        if found:
            yield found


def _keep_text(recording: Recording, body: bytes) -> None:
    """Let a reply that nobody can read be found by its text."""
    if text := text_of(body):
        recording.search_texts.append(text)
