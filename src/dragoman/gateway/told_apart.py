"""What a translated reply is: a stream, an answer in one piece, or an error in the clothes of an answer.

Some servers answer in one piece whatever was asked, some send a stream and call it JSON or plain text, and some put an
error into a reply of status 200 (OpenRouter: https://openrouter.ai/docs/api/reference/errors-and-debugging, seen
2026-11-21). Pure.
"""

from dragoman.canonical import ReplyError
from dragoman.dialects import ALL
from dragoman.dialects.assembler import Assembler
from dragoman.dialects.base import Unreadable
from dragoman.wire.http1 import ResponseHead

_EVENTS = "text/event-stream"
_BEGIN_A_FIELD = b"de:ir"
"""`data`, `event`, a comment, `id`, `retry`; no JSON object begins so."""


def says_stream(head: ResponseHead) -> bool:
    """Say whether a reply calls itself a stream."""
    media = next((one.value.lower() for one in head.fields if one.low == b"content-type"), b"")
    return b"stream" in media or b"ndjson" in media


def looks_like_stream(dialect: str, data: bytes) -> bool | None:
    """Say by its first byte whether a body is a stream; None when it cannot be told (yet)."""
    if dialect not in ALL or not ALL[dialect].stream_media_type.startswith(_EVENTS):
        return None
    first = data.lstrip()[:1]
    if not first or (first not in _BEGIN_A_FIELD and first != b"{"):
        return None
    return first != b"{"


def error_told(dialect: str, body: bytes, *, is_stream: bool) -> ReplyError | None:
    """Read the error in a reply that has no answer; None when there is none."""
    if is_stream:
        decoder, assembler = ALL[dialect].decoder(), Assembler()
        assembler.add(decoder.feed(body))
        return assembler.reply().error
    try:
        return ALL[dialect].parse_reply(body).error
    except Unreadable:
        return None
