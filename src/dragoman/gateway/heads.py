"""The heads that go out: a request's to the provider, a reply's to the client.

Promise: headers pass with value, spelling, order and duplicates as they came, but for those of one connection,
`host`, replaced credentials, what the provider's entry sets, and our own `x-dragoman-*`. Whatever else is
changed is named, so that it can be put on record. Pure.
"""

from typing import NamedTuple

from dragoman.gateway.routing import Way
from dragoman.gateway.upstream import CREDENTIAL, DROP, HOST, Upstream, is_credential_parameter
from dragoman.wire.headers import HOP_BY_HOP, Fields, nominated
from dragoman.wire.http1 import Framing, RequestHead, ResponseHead

_PLAIN_CONNECTION = ([], [b"keep-alive"], [b"close"], [b"Keep-Alive"], [b"Close"])
"""Values of `connection` that nominate no header."""
_LEFT_OUT_OF_REPLIES = HOP_BY_HOP
_CORS = b"access-control-"


class OutgoingRequest(NamedTuple):
    head: bytes
    headers: Fields
    alterations: list[str]
    """What differs from what the client sent, in words."""


def request_head(head: RequestHead, way: Way, upstream: Upstream, *, upgrades: bool, extra: Fields) -> OutgoingRequest:
    """Make the head for the provider. `upgrades` keeps what asks for a WebSocket; `extra` is put at the end."""
    actions = upstream.actions
    dropped = frozenset[bytes]() if head.connection in _PLAIN_CONNECTION else nominated(head.connection)
    fields: Fields = []
    alterations: list[str] = []
    credential_at = -1
    for (name, value), low in zip(head.headers, head.names, strict=True):
        action = actions.get(low)
        if action is None:
            if low not in dropped and low[:11] != b"x-dragoman-":
                fields.append((name, value))
        elif action == HOST:
            fields.append((name, upstream.host_header))
        elif action == CREDENTIAL:
            credential_at = len(fields) if credential_at < 0 else credential_at
            alterations.append(f"credential removed: {low.decode()}")
        elif action != DROP:
            alterations.append(f"header replaced: {low.decode()}")
    if upstream.credential is not None:
        fields.insert(credential_at if credential_at >= 0 else len(fields), upstream.credential)
        alterations.append(f"credential set: {upstream.credential[0].decode('latin-1').lower()}")
    for name, value in upstream.headers:
        fields.append((name, value))
        alterations.append(f"header added: {name.decode('latin-1').lower()}")
    fields += extra
    if upgrades:
        fields += [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]
    if upstream.has_own_auth or upstream.query:
        alterations += _query_alterations(head.target, upstream)
    lines = [head.method.encode() + b" " + way.target + b" HTTP/1.1"]
    if head.host is None and upstream.host_header:
        fields.insert(0, (b"Host", upstream.host_header))  # HTTP/1.0 may come without
    lines += [name + b": " + value for name, value in fields]
    return OutgoingRequest(b"\r\n".join(lines) + b"\r\n\r\n", fields, alterations)


def _query_alterations(target: bytes, upstream: Upstream) -> list[str]:
    said = [f"query added: {name.decode('latin-1')}" for name, _ in upstream.query]
    if upstream.has_own_auth:
        names = {part.partition(b"=")[0] for part in target.partition(b"?")[2].split(b"&") if part}
        said += [f"credential removed: ?{name.decode('latin-1')}" for name in names if is_credential_parameter(name)]
    return said


def reply_head(head: ResponseHead, framing: Framing, *, extra: bytes, cors: bytes, is_http10: bool = False) -> bytes:
    """Make the head for the client. `extra` are lines of our own; `cors` replaces the provider's CORS headers.

    With `is_http10` the transfer coding goes, since the body is passed on without it.
    """
    dropped = nominated(head.connection) if head.connection not in _PLAIN_CONNECTION else frozenset[bytes]()
    keeps_length = not head.codings
    lines = [b"HTTP/1.1 %d %s" % (head.status, head.reason)]
    for (name, value), low in zip(head.headers, head.names, strict=True):
        if low in HOP_BY_HOP or low in dropped or low[:11] == b"x-dragoman-":
            continue
        if low == b"content-length" and not keeps_length:
            continue
        if is_http10 and low in (b"transfer-encoding", b"trailer"):
            continue
        if cors and low[:15] == _CORS:
            continue
        lines.append(name + b": " + value)
    return b"\r\n".join(lines) + b"\r\n" + cors + extra + b"\r\n"


def upgrade_head(head: ResponseHead, *, extra: bytes) -> bytes:
    """Make the head of a 101: here `connection` and `upgrade` say what was agreed on, so they pass."""
    lines = [b"HTTP/1.1 %d %s" % (head.status, head.reason)]
    lines += [
        name + b": " + value
        for (name, value), low in zip(head.headers, head.names, strict=True)
        if low[:11] != b"x-dragoman-"
    ]
    return b"\r\n".join(lines) + b"\r\n" + extra + b"\r\n"
