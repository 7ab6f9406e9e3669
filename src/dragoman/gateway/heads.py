"""The heads that go out: a request's to the provider, a reply's to the client.

Promise: headers pass with value, spelling, order and duplicates as they came, but for those of one connection,
`host`, replaced credentials, what the provider's entry sets, and our own `x-dragoman-*`. Whatever else is
changed is named, so that it can be put on record. Pure.
"""

import re
from typing import NamedTuple

from dragoman.gateway.routing import Way
from dragoman.gateway.upstream import CREDENTIAL, DROP, HOST, REPLACED, Upstream, is_credential_parameter
from dragoman.records.redaction import mask_header
from dragoman.wire.headers import HOP_BY_HOP, OURS, Fields, nominated
from dragoman.wire.http1 import RequestHead, ResponseHead

_PLAIN_CONNECTION = ([], [b"keep-alive"], [b"close"], [b"Keep-Alive"], [b"Close"])
"""Values of `connection` that nominate no header."""
_CORS = b"access-control-"
_NONE: frozenset[bytes] = frozenset()
_SIGNED_HEADERS = re.compile(rb"SignedHeaders=([^,\s]*)")


class OutgoingRequest(NamedTuple):
    lines: list[bytes]
    """Request line and headers."""
    written: Fields
    """The headers as they may be written down."""
    alterations: list[str]
    """What differs from what the client sent, in words."""


def request_head(head: RequestHead, way: Way, upstream: Upstream, *, upgrades: bool) -> OutgoingRequest:
    """Make the head for the provider. `upgrades` keeps what asks for a WebSocket."""
    extra: Fields = []
    actions = upstream.actions
    dropped = _NONE if head.connection in _PLAIN_CONNECTION else nominated(head.connection)
    looks_at_all = bool(dropped or upstream.headers or upstream.sign is not None)
    lines = [b"%b %b HTTP/1.1" % (head.method.encode(), way.target)]
    written: Fields = []
    alterations: list[str] = []
    credential = upstream.credential
    for field in head.fields:
        if field.is_special or looks_at_all:
            action = actions.get(field.low)
            if action == HOST:
                lines.append(field.name + b": " + upstream.host_header)
                written.append((field.name, upstream.host_header))
                continue
            if action == CREDENTIAL:
                alterations.append(f"credential removed: {field.low.decode()}")
                if credential is not None:
                    _set(credential, lines, written)
                    credential = None
                continue
            if action == REPLACED:
                alterations.append(f"header replaced: {field.low.decode()}")
                continue
            if action == DROP or field.low in dropped or field.low.startswith(OURS):
                continue
        lines.append(field.line)
        written.append(field.written)
    if head.host is None and upstream.host_header:  # HTTP/1.0 may come without
        extra.append((b"Host", upstream.host_header))
    if upgrades:
        extra += [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]
    if credential is not None:
        _set(credential, lines, written)
    for one in (*upstream.headers, *extra):
        _set(one, lines, written)
    alterations += upstream.alterations
    if upstream.has_own_auth and b"?" in head.target:
        alterations += _removed_from_query(head.target)
    return OutgoingRequest(lines, written, alterations)


def signature_fault(head: RequestHead, upstream: Upstream) -> str | None:
    """Say why a request that its client signed (AWS's SigV4) cannot go on: the signature holds for our host alone.

    What does not say that it covers the host is no such signature, and passes like any credential.
    """
    if upstream.has_own_auth or head.host == upstream.host_header:
        return None
    given = head.get(b"authorization")
    signed = _SIGNED_HEADERS.search(given) if given is not None and given.startswith(b"AWS4-") else None
    if signed is None or b"host" not in signed[1].split(b";"):
        return None
    host = (head.host or b"another host").decode("latin-1")
    return (
        f"the request is signed for {host}, and {upstream.host_header.decode('latin-1')} would not take it: "
        f"give Dragoman credentials for the provider {upstream.slug}, with `auth: {{scheme: sigv4}}` (signs anew, with "
        "AWS_ACCESS_KEY_ID or a profile) or `auth: {scheme: bearer, key_env: AWS_BEARER_TOKEN_BEDROCK}`"
    )


def signed(
    outgoing: OutgoingRequest, upstream: Upstream, method: str, target: bytes, body: bytes | str
) -> OutgoingRequest:
    """Sign a head, for a provider that wants that; `body` is the whole body, or its SHA-256 in hex."""
    if upstream.sign is None:
        return outgoing
    lines, written = outgoing.lines.copy(), outgoing.written.copy()
    fields = [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines[1:])]
    for one in upstream.sign(method, target, fields, body):
        _set(one, lines, written)
    return outgoing._replace(lines=lines, written=written)


def _set(field: tuple[bytes, bytes], lines: list[bytes], written: Fields) -> None:
    name, value = field
    lines.append(name + b": " + value)
    written.append((name, mask_header(name, value)))


def _removed_from_query(target: bytes) -> list[str]:
    names = {part.partition(b"=")[0] for part in target.partition(b"?")[2].split(b"&") if part}
    return [f"credential removed: ?{name.decode('latin-1')}" for name in names if is_credential_parameter(name)]


def reply_head(head: ResponseHead, *, extra: bytes, cors: bytes, is_http10: bool = False) -> bytes:
    """Make the head for the client. `extra` are lines of our own; `cors` replaces the provider's CORS headers.

    With `is_http10` the transfer coding goes, since the body is passed on without it.
    """
    if not head.connection and not cors and not is_http10 and head.minor and _is_plain(head):
        return head.raw[:-2] + extra + b"\r\n"
    dropped = _NONE if head.connection in _PLAIN_CONNECTION else nominated(head.connection)
    lines = [b"HTTP/1.1 %d %b" % (head.status, head.reason)]
    for field in head.fields:
        low = field.low
        if low in HOP_BY_HOP or low in dropped or low.startswith(OURS):
            continue
        if low == b"content-length" and head.codings:
            continue
        if is_http10 and low in (b"transfer-encoding", b"trailer"):
            continue
        if cors and low.startswith(_CORS):
            continue
        lines.append(field.line)
    return b"\r\n".join(lines) + b"\r\n" + cors + extra + b"\r\n"


def _is_plain(head: ResponseHead) -> bool:
    """Say whether the one header that needs a look is the body's framing: then the head passes as it is."""
    special = head.special
    return not special or (len(special) == 1 and (bool(head.lengths) or bool(head.codings)))


def upgrade_head(head: ResponseHead, *, extra: bytes) -> bytes:
    """Make the head of a 101: here `connection` and `upgrade` say what was agreed on, so they pass."""
    lines = [b"HTTP/1.1 %d %b" % (head.status, head.reason)]
    lines += [field.line for field in head.fields if not field.low.startswith(OURS)]
    return b"\r\n".join(lines) + b"\r\n" + extra + b"\r\n"
