"""Stored bodies in the canonical form, read anew by the dialects of this version.

Long media are taken out of the form and given a URL of their own, so that megabytes of base64 do not travel with
every look at a conversation. What cannot be read raises `NotUnderstood`, which says why.
"""

import base64
import binascii
from collections.abc import Callable, Collection, Iterable

import msgspec

from dragoman.canonical import (
    AnyPart,
    Delta,
    Media,
    Message,
    PartStarted,
    Prompt,
    Reply,
    ReplyEnded,
    ReplyProgressed,
    ReplyStarted,
    ToolResult,
)
from dragoman.dialects import ALL
from dragoman.dialects.assembler import Assembler
from dragoman.dialects.base import Dialect, Unreadable
from dragoman.dialects.detect import PROMPT_ENDPOINTS, REPLY_ENDPOINTS
from dragoman.errors import BadRequest
from dragoman.records.exchange import Detail, Frame
from dragoman.records.frames import decode_timed, framing_of
from dragoman.wire.encodings import decode

INLINE_SIGNS = 2048
"""Media shorter than this stay where they are."""


class NotUnderstood(BadRequest):
    code = "not_understood"


def prompt_of(detail: Detail, body: bytes) -> Prompt:
    """Read a request's body."""
    dialect = _dialect_of(detail, PROMPT_ENDPOINTS)
    try:
        return dialect.parse_request(decode(body, detail.request_body.encoding or "").data)
    except Unreadable as error:
        raise NotUnderstood(f"the request is no {dialect.name} request: {error}") from error


def reply_of(detail: Detail, body: bytes) -> Reply:
    """Read a reply's body: a stream as far as it came, a whole one, or an error."""
    dialect = _dialect_of(detail, REPLY_ENDPOINTS)
    if framing_of(detail.response_body.media_type) != "raw":
        assembler = Assembler()
        assembler.add(delta for delta, _ in _streamed(dialect, detail, body, []))
        return assembler.reply()
    plain = decode(body, detail.response_body.encoding or "").data
    status = detail.row.status or 0
    try:
        if status >= 400:
            headers = {name.lower(): value for name, value in (detail.response.headers if detail.response else [])}
            return dialect.parse_error(status, headers, plain)
        return dialect.parse_reply(plain)
    except Unreadable as error:
        raise NotUnderstood(f"the reply is no {dialect.name} reply: {error}") from error


def deltas_of(detail: Detail, body: bytes, frames: list[Frame]) -> list[tuple[Delta, int | None]]:
    """Return a reply as deltas with the times at which they came; one that was not streamed comes as one piece."""
    if framing_of(detail.response_body.media_type) != "raw":
        return _streamed(_dialect_of(detail, REPLY_ENDPOINTS), detail, body, frames)
    return [(delta, detail.row.duration_ns) for delta in _as_deltas(reply_of(detail, body))]


_ENDPOINTS = {
    "openai_chat": "chat",
    "openai_responses": "responses",
    "anthropic_messages": "messages",
    "bedrock_invoke": "invoke",
    "bedrock_converse": "converse",
    "ollama_chat": "chat",
    "gemini_generate": "generate",
}
"""Where a translated request goes in each dialect."""


def as_upstream(detail: Detail) -> Detail:
    """Give the facts as if the provider's view were the client's, to be read by the provider's dialect."""
    row, side = detail.row, detail.upstream
    assert side is not None
    if row.upstream_dialect is not None and row.upstream_dialect != row.dialect:
        endpoint = _ENDPOINTS.get(row.upstream_dialect)
        row = msgspec.structs.replace(row, dialect=row.upstream_dialect, endpoint=endpoint)
    if side.response is not None:
        row = msgspec.structs.replace(row, status=_status_of(side.response.line) or row.status)
    return msgspec.structs.replace(
        detail,
        row=row,
        request_body=side.request_body or detail.request_body,
        response=side.response or detail.response,
        response_body=side.response_body or detail.response_body,
    )


def _status_of(line: str) -> int | None:
    """Read the status of a reply's first line, such as `200 OK`."""
    word = next((one for one in line.split(" ") if one.isdecimal()), "")
    return int(word) if len(word) == 3 else None


def _dialect_of(detail: Detail, endpoints: Collection[tuple[str, str]]) -> Dialect:
    dialect = ALL.get(detail.row.dialect or "")
    if dialect is None:
        raise NotUnderstood(
            f"the exchange's dialect is {detail.row.dialect or 'unknown'}; understood are {', '.join(ALL)}"
        )
    if (detail.row.dialect, detail.row.endpoint) not in endpoints:
        raise NotUnderstood(f"the endpoint {detail.row.endpoint or detail.row.path} carries no prompt and no reply")
    return dialect


def _streamed(dialect: Dialect, detail: Detail, body: bytes, frames: list[Frame]) -> list[tuple[Delta, int | None]]:
    timed = decode_timed(body, frames, detail.response_body.encoding)
    decoder = dialect.decoder()
    found: list[tuple[Delta, int | None]] = []
    start = 0
    for end, at_ns in zip(timed.ends, timed.at_ns, strict=True):
        found += [(delta, at_ns) for delta in decoder.feed(timed.body[start:end])]
        start = end
    found += [(delta, detail.row.duration_ns) for delta in decoder.end()]
    return found


def _as_deltas(reply: Reply) -> Iterable[Delta]:
    yield ReplyStarted(id=reply.id, model=reply.model)
    for number, part in enumerate(reply.message.parts):
        yield PartStarted(part=number, value=part)
    for choice, other in enumerate(reply.others, 1):
        for number, part in enumerate(other.message.parts):
            yield PartStarted(part=number, value=part, choice=choice)
        yield ReplyProgressed(choice=choice, stop_reason=other.stop_reason, native_stop_reason=other.native_stop_reason)
    yield ReplyProgressed(
        stop_reason=reply.stop_reason,
        native_stop_reason=reply.native_stop_reason,
        stop_sequence=reply.stop_sequence,
        usage=reply.usage,
        error=reply.error,
    )
    yield ReplyEnded()


# Media


class Medium(msgspec.Struct, frozen=True, kw_only=True):
    mime: str | None
    data: bytes


def refer_to_media(form: Prompt | Reply, url: Callable[[int], str]) -> Prompt | Reply:
    """Replace long media by what `url` gives for their number."""
    numbers = iter(range(1_000_000))

    def refer(media: Media) -> Media:
        number = next(numbers)
        if len(_inline_of(media)) <= INLINE_SIGNS:
            return media
        mime = media.mime or _mime_in(media.url)
        return msgspec.structs.replace(media, data=None, url=url(number), mime=mime)

    return _with_media(form, refer)


def medium_of(form: Prompt | Reply, number: int) -> Medium | None:
    """Return the medium that `refer_to_media` gave a number."""
    found: list[Media] = []

    def note(media: Media) -> Media:
        found.append(media)
        return media

    _with_media(form, note)
    if number >= len(found):
        return None
    media = found[number]
    try:
        return Medium(mime=media.mime or _mime_in(media.url), data=base64.b64decode(_inline_of(media)))
    except binascii.Error:
        return None


def _with_media(form: Prompt | Reply, change: Callable[[Media], Media]) -> Prompt | Reply:
    if isinstance(form, Prompt):
        return msgspec.structs.replace(form, messages=[_in_message(one, change) for one in form.messages])
    return msgspec.structs.replace(
        form,
        message=_in_message(form.message, change),
        others=[msgspec.structs.replace(one, message=_in_message(one.message, change)) for one in form.others],
    )


def _in_message(message: Message, change: Callable[[Media], Media]) -> Message:
    return msgspec.structs.replace(message, parts=_in_parts(message.parts, change))


def _in_parts(parts: list[AnyPart], change: Callable[[Media], Media]) -> list[AnyPart]:
    out: list[AnyPart] = []
    for part in parts:
        match part:
            case Media():
                out.append(change(part))
            case ToolResult():
                out.append(msgspec.structs.replace(part, parts=_in_parts(part.parts, change)))
            case _:
                out.append(part)
    return out


def _inline_of(media: Media) -> str:
    """Return a medium's base64, which lies in `data` or in a data URL."""
    if media.data is not None:
        return media.data
    if media.url is not None and media.url.startswith("data:") and ";base64," in media.url[:200]:
        return media.url.partition(",")[2]
    return ""


def _mime_in(url: str | None) -> str | None:
    return url[5:].partition(";")[0] if url is not None and url.startswith("data:") else None
