"""Read what came back: a streamed reply frame by frame, a whole one, or an error.

Promise: pure. A reply that broke off gives what came of it; one that cannot be read keeps its bytes, the flag
`unparsed` and a warning.
"""

from collections.abc import Iterable, Iterator

import msgspec

from dragoman.canonical import AnyPart, Reasoning, Refusal, Reply, Text, ToolCall, Usage
from dragoman.dialects import ALL
from dragoman.dialects.base import Dialect, Unreadable
from dragoman.keeper.answer import Answer, Spoken, answer_of, begin_reading
from dragoman.keeper.reading import StreamReading, TimedDelta
from dragoman.keeper.request import RequestFacts, media_flags, read_request, text_of
from dragoman.keeper.unread import is_stream, read_error, read_usage
from dragoman.records.exchange import Frame, Recording, Row
from dragoman.records.summary import reply_preview
from dragoman.wire.encodings import decode

_CONTINUED = frozenset({("openai_responses", "responses"), ("openai_responses", "compact")})
"""Where a reply's id can be named by a later request (`previous_response_id`)."""


def replay(recording: Recording) -> list[TimedDelta]:
    """Give the deltas of a stored streamed reply with their times; empty when it was none."""
    request = read_request(recording.detail.row, recording.detail.request, recording.request_body)
    answer = answer_of(recording)
    reading = _begin_reading(answer, request) if answer is not None and not request.is_foreign else None
    return _read_frames(reading, answer) if reading is not None and answer is not None else []


def preview_of(reply: Reply) -> str:
    return reply_preview(reply)


def read_reply(recording: Recording, request: RequestFacts, reading: StreamReading | None) -> None:
    """Read what the provider answered; `reading` is given when it was read while it came."""
    row, answer = recording.detail.row, answer_of(recording)
    if answer is None or not answer.body:
        return
    if request.is_foreign:
        answer = answer._replace(spoken=Spoken(None, answer.spoken.endpoint))
    if reading is None and (reading := _begin_reading(answer, request)) is not None:
        _read_frames(reading, answer)
    if reading is not None:
        row.is_streamed = True if row.upstream_dialect is None else row.is_streamed
        row.first_token_ns, row.last_token_ns = reading.first_token_ns, reading.last_token_ns
        recording.detail.warnings += [f"reply: {warning}" for warning in reading.warnings]
        if not reading.deltas_total and answer.facts.is_whole:
            row.flags.append("unparsed")
            recording.detail.warnings.append("reply: no frame of the stream could be understood")
        _add_reply(recording, reading.reply())
        return
    if row.upstream_dialect is None:
        row.is_streamed = _came_in_pieces(row, answer)
    _read_whole_reply(recording, answer)


def _came_in_pieces(row: Row, answer: Answer) -> bool | None:
    """Say whether a reply that no dialect reads as a stream was one all the same."""
    if answer.status < 400 and answer.spoken.dialect not in ALL and is_stream(answer.spoken.endpoint, answer.headers):
        return True
    return False if row.is_streamed is not None else None


def _begin_reading(answer: Answer, request: RequestFacts) -> StreamReading | None:
    is_asked = bool(request.is_streamed)
    return begin_reading(answer.spoken, answer.status, answer.headers, answer.body[:16], is_asked=is_asked)


def _read_frames(reading: StreamReading, answer: Answer) -> list[TimedDelta]:
    body, deltas = answer.body, []
    frames = answer.frames or [Frame(0, 0)]
    ends = [*(frame.offset for frame in frames[1:]), len(body)]
    for frame, end in zip(frames, ends, strict=True):
        deltas += reading.feed(body[frame.offset : end], frame.at_ns)
    return deltas + reading.end(frames[-1].at_ns)


def _read_whole_reply(recording: Recording, answer: Answer) -> None:
    detail, row = recording.detail, recording.detail.row
    plain = decode(answer.body, answer.facts.encoding or "")
    if plain.problem:
        detail.warnings.append(f"reply: {plain.problem}")
    is_error = answer.status >= 400
    dialect = ALL.get(answer.spoken.dialect or "") if is_error else answer.spoken.reader
    if dialect is None:
        _keep_text(recording, plain.data)
        if is_error:
            error = read_error(answer.status, answer.headers, plain.data)
            _add_reply(recording, Reply(error=error, is_complete=False))
        elif usage := read_usage(answer.headers):
            _add_reply(recording, Reply(usage=usage))
        return
    try:
        reply = _parse_whole(dialect, answer, plain.data)
    except Unreadable as error:
        row.flags.append("unparsed")
        detail.warnings.append(f"reply: {error}")
        _keep_text(recording, plain.data)
        return
    if not answer.facts.is_whole:
        reply = msgspec.structs.replace(reply, is_complete=False)
    _add_reply(recording, reply)


def _parse_whole(dialect: Dialect, answer: Answer, body: bytes) -> Reply:
    if answer.status < 400:
        return dialect.parse_reply(body)
    headers = {name.lower(): value for name, value in answer.headers}
    return dialect.parse_error(answer.status, headers, body)


def _add_reply(recording: Recording, reply: Reply) -> None:
    detail, row = recording.detail, recording.detail.row
    row.model_served = reply.model
    can_be_continued = (row.dialect, row.endpoint) in _CONTINUED and row.upstream_dialect is None
    recording.reply_id = reply.id if can_be_continued else None
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
