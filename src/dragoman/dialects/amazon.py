"""What Bedrock's dialects share: errors, and the frames of its event stream.

Facts: botocore 1.44.5 (`data/bedrock-runtime/2023-09-30/service-2.json`), wire-facts 4, and
https://smithy.io/2.0/aws/amazon-eventstream.html, seen 2026-11-21.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from dragoman.canonical import ReplyError
from dragoman.dialects.frames import Notes
from dragoman.dialects.openai_errors import read_error_body
from dragoman.dialects.values import JsonObject, as_text, load, mend
from dragoman.wire.eventstream import EventStreamParser, FrameWriter, Message

MEDIA_TYPE = "application/vnd.amazon.eventstream"

_EXCEPTIONS = {
    400: "validationException",
    403: "validationException",
    404: "validationException",
    408: "modelTimeoutException",
    424: "modelStreamErrorException",
    429: "throttlingException",
    502: "modelStreamErrorException",
    503: "serviceUnavailableException",
    504: "modelTimeoutException",
    529: "serviceUnavailableException",
}
"""Exceptions that a stream may end with, by the nearest status; any other is `internalServerException`."""


class Frame(NamedTuple):
    """One frame of a stream: its event's name, its JSON, and whether it is an exception."""

    name: str
    value: Any
    is_exception: bool


class AmazonFrames:
    """Frames as JSON values. Never raises: what cannot be read is noted."""

    __slots__ = ("_parser", "notes")

    def __init__(self) -> None:
        self._parser = EventStreamParser()
        self.notes = Notes()

    def feed(self, data: bytes) -> list[Frame]:
        return [frame for one in self._parser.feed(data) if (frame := self._read(one)) is not None]

    def end(self) -> None:
        """Say that the body is over; a frame that broke off is noted."""
        self._parser.end()
        if self._parser.problem is not None:
            self.notes.warn(self._parser.problem)

    def _read(self, message: Message) -> Frame | None:
        headers = message.headers
        is_exception = headers.get(":message-type") in ("exception", "error")
        name = headers.get(":exception-type") or headers.get(":error-code") or headers.get(":event-type") or ""
        value = self.notes.read(message.payload, message.start) if message.payload else {}
        if value is None:
            return None
        if is_exception and not value and headers.get(":error-message"):
            value = {"message": headers[":error-message"]}
        return Frame(str(name), value, is_exception)


def exception_of(frame: Frame) -> ReplyError:
    """Read an exception that ends a stream."""
    value = frame.value if isinstance(frame.value, dict) else {}
    text = value.get("message") or value.get("Message") or value.get("originalMessage")
    return ReplyError(message=as_text(text) or frame.name, kind=frame.name or None)


def write_exception(error: ReplyError, status: int) -> bytes:
    """Write the frame that ends a stream with an error."""
    kind = _EXCEPTIONS.get(status, "internalServerException" if status >= 500 else "validationException")
    headers = {":message-type": "exception", ":exception-type": kind, ":content-type": "application/json"}
    value: JsonObject = {"message": error.message}
    if kind == "modelStreamErrorException":
        value["originalStatusCode"], value["originalMessage"] = status, error.message
    return FrameWriter(headers).write(msgspec.json.encode(value))


def event_headers(name: str) -> dict[str, str]:
    return {":event-type": name, ":content-type": "application/json", ":message-type": "event"}


def read_amazon_error(name: str, status: int, headers: Mapping[str, str], body: bytes) -> ReplyError:
    """Read an error answer. Its name stands in a header, as `ThrottlingException:http://…`, or in `__type`."""
    error = read_error_body(name, status, body)
    left = dict(error.extra.get(name, {}))
    if "Message" in left and not _says_message(body):
        error = msgspec.structs.replace(error, message=as_text(left.pop("Message")))
    told = headers.get("x-amzn-errortype") or as_text(left.pop("__type", None))
    kind = told.partition(":")[0].rpartition("#")[2]
    return msgspec.structs.replace(error, kind=kind or error.kind, extra={name: left} if left else {})


def _says_message(body: bytes) -> bool:
    try:
        value = mend(load(body)[0])
    except ValueError:
        return False
    return isinstance(value, dict) and "message" in value


def model_path(model: str, verb: str) -> str:
    """Name the path of a model; its name is encoded whole, colons and slashes too."""
    return f"/model/{quote(model, safe='')}/{verb}"
