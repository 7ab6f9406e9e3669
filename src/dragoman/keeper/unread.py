"""What can be said of a reply whose wire format nobody here reads: whether it is streamed, and which error it is.

Pure. Enough for a list: a failed call of Gemini or Bedrock shows its code and message, though its reply is kept
as bytes alone.
Facts: https://cloud.google.com/apis/design/errors (`error.status`), https://smithy.io/2.0/aws/protocols/
aws-restjson1-protocol.html#operation-error-serialization (`x-amzn-errortype`, `__type`); boto3 1.44.5 and
google-genai 3.4.0 read the same.
"""

from collections.abc import Sequence

import msgspec

from dragoman.canonical import ReplyError
from dragoman.dialects.openai_errors import read_error_body
from dragoman.keeper.heads import header_of

STREAM_TYPES = frozenset(
    {
        *("text/event-stream", "application/x-ndjson", "application/ndjson", "application/jsonl"),
        "application/vnd.amazon.eventstream",
    }
)
STREAM_ENDPOINTS = frozenset({"stream_generate", "invoke_stream", "converse_stream"})
"""Gemini streams a JSON array when it is not asked for events; its media type says nothing."""


def is_stream(endpoint: str | None, headers: Sequence[tuple[str, str]]) -> bool:
    """Say whether this reply came, or would have come, piece by piece."""
    media_type = (header_of(headers, "content-type") or "").partition(";")[0].strip().lower()
    return media_type in STREAM_TYPES or endpoint in STREAM_ENDPOINTS


def read_error(status: int, headers: Sequence[tuple[str, str]], body: bytes) -> ReplyError:
    """Read an error of Google's, Amazon's, or of most others' shape."""
    error = read_error_body("other", status, body)
    left = error.extra.get("other", {})
    code = header_of(headers, "x-amzn-errortype") or left.get("__type") or left.get("status")
    if not isinstance(code, str):
        return error
    # Amazon writes `ThrottlingException:http://…` and `com.amazon.coral.service#ThrottlingException`.
    return msgspec.structs.replace(error, code=code.partition(":")[0].rpartition("#")[2])
