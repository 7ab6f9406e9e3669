"""The heads of translated calls: a request's in the target's dialect, a reply's in the client's.

Promise: what speaks of the body or of a dialect is ours; a credential of the client's goes on under the name that the
other dialect has for it; ids of requests get the client's name for them; all else passes with spelling and order.
What is dropped that may have meant something is named. Pure.
"""

import json
from http import HTTPStatus

from dragoman.canonical import Loss
from dragoman.gateway.heads import OutgoingRequest
from dragoman.gateway.upstream import CREDENTIAL_HEADERS, DROP, HOST, REPLACED, Upstream
from dragoman.records.redaction import mask_header
from dragoman.wire.headers import HOP_BY_HOP, OURS, Fields, nominated
from dragoman.wire.http1 import RequestHead, ResponseHead

_OF_THE_BODY = frozenset(
    {
        *(b"accept", b"accept-encoding", b"content-type", b"content-length", b"content-encoding", b"content-md5"),
        *(b"content-digest", b"digest", b"transfer-encoding", b"trailer", b"range", b"if-none-match"),
    }
)
_OF_A_DIALECT = (b"anthropic-", b"openai-", b"x-amz-", b"x-amzn-", b"amz-sdk-", b"x-goog-")
_OWN = {"anthropic_messages": b"anthropic-", "openai_chat": b"openai-", "openai_responses": b"openai-"}
"""Which of these the target itself knows: a client that sends them means it."""
_SAYS_NOTHING = frozenset({b"anthropic-version", b"anthropic-dangerous-direct-browser-access"})
"""Headers of a dialect that no call loses anything by."""
_BEARER = b"bearer "
_KEY_HEADER = {"anthropic_messages": b"x-api-key", "gemini_generate": b"x-goog-api-key"}
"""Where a dialect's key stands when it is no Bearer token."""
_OAUTH = b"sk-ant-oat"
"""Anthropic's tokens of a login go as Bearer. Observed only: Claude Code."""

LOSSES_BYTES = 1024

_REPLY_DROPPED = HOP_BY_HOP | {
    *(b"content-type", b"content-length", b"content-encoding", b"content-md5", b"content-digest", b"digest"),
    *(b"transfer-encoding", b"trailer", b"etag", b"content-disposition", b"accept-ranges", b"x-amzn-errortype"),
}
_REQUEST_IDS = (b"x-request-id", b"request-id", b"x-amzn-requestid", b"apim-request-id")
_REQUEST_ID_OF = {
    "anthropic_messages": b"request-id",
    "bedrock_invoke": b"x-amzn-RequestId",
    "bedrock_converse": b"x-amzn-RequestId",
}


def translated_head(
    head: RequestHead,
    target: bytes,
    upstream: Upstream,
    dialect: str,
    demanded: list[tuple[str, str]],
    length: int | None,
) -> OutgoingRequest:
    """Make the head of a call in another dialect. `length` None: a GET."""
    passed, removed = _passed(head, upstream, _OWN.get(dialect))
    fields: Fields = [(b"Host", upstream.host_header), *passed]
    credential, said = _credential(head, upstream, dialect)
    if credential is not None:
        fields.append(credential)
    set_there = {name.lower() for name, _ in (*upstream.headers, *passed)}
    fields += upstream.headers
    fields += [(name.encode(), value.encode()) for name, value in demanded if name.lower().encode() not in set_there]
    if length is not None:
        fields.append((b"Content-Type", b"application/json"))
    fields.append((b"Accept-Encoding", b"identity"))  # what is read here need not be unfolded first
    if length is not None:
        fields.append((b"Content-Length", b"%d" % length))
    method = b"GET" if length is None else b"POST"
    lines = [b"%b %b HTTP/1.1" % (method, target), *(name + b": " + value for name, value in fields)]
    written = [(name, mask_header(name, value)) for name, value in fields]
    return OutgoingRequest(lines, written, [*removed, *said, *upstream.alterations])


def _passed(head: RequestHead, upstream: Upstream, own: bytes | None) -> tuple[Fields, list[str]]:
    """Say which of the client's headers go on, and what was removed that may have meant something."""
    dropped = _OF_THE_BODY | CREDENTIAL_HEADERS | nominated(head.connection)
    passed: Fields = []
    removed: list[str] = []
    for field in head.fields:
        low = field.low
        action = upstream.actions.get(low)
        if low in dropped or low.startswith(OURS) or action in (DROP, HOST):
            continue
        if action == REPLACED:
            removed.append(f"header replaced: {low.decode('latin-1')}")
        elif low.startswith(_OF_A_DIALECT) and not (own is not None and low.startswith(own)):
            if low not in _SAYS_NOTHING:
                removed.append(f"header removed: {low.decode('latin-1')}")
        else:
            passed.append((field.name, field.value))
    return passed, removed


def _credential(head: RequestHead, upstream: Upstream, dialect: str) -> tuple[tuple[bytes, bytes] | None, list[str]]:
    """Give ours, or the client's under the name that the target's dialect has for it."""
    given = next((field for field in head.fields if field.low in CREDENTIAL_HEADERS), None)
    if upstream.has_own_auth:
        return upstream.credential, [f"credential removed: {given.low.decode()}"] if given is not None else []
    if given is None:
        return None, []
    key = given.value
    if given.low == b"authorization":
        if key[: len(_BEARER)].lower() != _BEARER:
            return None, ["credential removed: authorization"]  # Basic, or a signature over another request
        key = key[len(_BEARER) :].strip()
    elif given.low == b"x-amz-security-token":
        return None, ["credential removed: x-amz-security-token"]
    name = _KEY_HEADER.get(dialect, b"authorization")
    if name == b"x-api-key" and key.startswith(_OAUTH):
        name = b"authorization"
    said = [] if name == given.low else [f"credential moved: {given.low.decode()} -> {name.decode()}"]
    return (name, b"Bearer " + key if name == b"authorization" else key), said


def translated_reply_fields(head: ResponseHead, dialect: str | None, media_type: bytes, *, hides_cors: bool) -> Fields:
    """Make the headers of a translated reply, but for its framing and those of our own.

    `hides_cors`: we answer the calling page ourselves.
    """
    dropped = _REPLY_DROPPED | nominated(head.connection)
    fields: Fields = [(b"content-type", media_type)]
    own_id = _REQUEST_ID_OF.get(dialect or "", b"x-request-id")
    has_id = False
    for field in head.fields:
        low = field.low
        if low in dropped or low.startswith(OURS) or (hides_cors and low.startswith(b"access-control-")):
            continue
        if low in _REQUEST_IDS:
            if not has_id:
                fields.append((own_id, field.value))
                has_id = True
            continue
        fields.append((field.name, field.value))
    return fields


def reply_lines(status: int, fields: Fields, ours: bytes) -> bytes:
    """Make a reply's head. `ours` are lines of our own."""
    reason = HTTPStatus(status).phrase.encode() if status in _KNOWN else b""
    lines = [b"HTTP/1.1 %d %b" % (status, reason), *(name + b": " + value for name, value in fields)]
    return b"\r\n".join(lines) + b"\r\n" + ours + b"\r\n"


_KNOWN = {one.value for one in HTTPStatus}


def losses_line(losses: list[Loss]) -> bytes:
    """Make `x-dragoman-losses`: a JSON list of [path, reason] within 1 KB; what does not fit is counted at its end."""
    shown: list[object] = []
    left = LOSSES_BYTES - len('[{"more":99999}]')
    for at, loss in enumerate(losses):
        item = [loss.path, loss.reason]
        left -= len(json.dumps(item)) + 1
        if left < 0:
            shown.append({"more": len(losses) - at})
            break
        shown.append(item)
    text = json.dumps(shown, separators=(",", ":")).replace("\x7f", "\\u007f")  # the one sign that JSON lets stand bare
    return b"x-dragoman-losses: " + text.encode() + b"\r\n"
