"""What can be said of a reply whose wire format nobody here reads: whether it is streamed, which error it is, and
what Amazon counted of it.

Pure. Enough for a list: a failed call of a vendor that Bedrock carries shows its code and message, one that went
well its tokens, though the reply is kept as bytes alone.
Facts: https://cloud.google.com/apis/design/errors (`error.status`), https://smithy.io/2.0/aws/protocols/
aws-restjson1-protocol.html#operation-error-serialization (`x-amzn-errortype`, `__type`); boto3 1.44.5 and
google-genai 3.4.0 read the same.
"""

from collections.abc import Sequence

import msgspec

from dragoman.canonical import ReplyError, Usage
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


_COUNTS = {
    "input_fresh": "x-amzn-bedrock-input-token-count",
    "output": "x-amzn-bedrock-output-token-count",
    "cache_read": "x-amzn-bedrock-cache-read-input-token-count",
    "cache_write_5m": "x-amzn-bedrock-cache-write-input-token-count",
}
"""Headers of Bedrock's replies. Observed: corpus/bedrock-invoke."""


def is_other_vendors(dialect: str | None, body: bytes) -> bool:
    """Say whether InvokeModel carries a body that is none of Claude's: each vendor has a form of its own."""
    return dialect == "bedrock_invoke" and b'"anthropic_version"' not in body


def is_stream(endpoint: str | None, headers: Sequence[tuple[str, str]]) -> bool:
    """Say whether this reply came, or would have come, piece by piece."""
    media_type = (header_of(headers, "content-type") or "").partition(";")[0].strip().lower()
    return media_type in STREAM_TYPES or endpoint in STREAM_ENDPOINTS


def read_usage(headers: Sequence[tuple[str, str]]) -> Usage | None:
    """Read the tokens that Bedrock counts for whole replies of any vendor's model."""
    counts = {field: header_of(headers, name) for field, name in _COUNTS.items()}
    known = {field: int(count) for field, count in counts.items() if count is not None and count.isdecimal()}
    return Usage(**known) if known else None


def read_error(status: int, headers: Sequence[tuple[str, str]], body: bytes) -> ReplyError:
    """Read an error of Google's, Amazon's, or of most others' shape."""
    error = read_error_body("other", status, body)
    left = error.extra.get("other", {})
    code = header_of(headers, "x-amzn-errortype") or left.get("__type") or left.get("status")
    if not isinstance(code, str):
        return error
    # Amazon writes `ThrottlingException:http://…` and `com.amazon.coral.service#ThrottlingException`.
    return msgspec.structs.replace(error, code=code.partition(":")[0].rpartition("#")[2])
