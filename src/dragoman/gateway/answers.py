"""Answers that Dragoman gives by itself, as bytes: errors in the client's dialect, preflights, small greetings.

Pure. What an error looks like in a dialect is known to `dialects.errors`; the HTTP around it is made here.
"""

from http import HTTPStatus

import msgspec

from dragoman.dialects.errors import error_headers, render_error
from dragoman.wire.headers import Fields
from dragoman.wire.http1 import RequestHead

_JSON = (b"content-type", b"application/json")


def own_reply(status: int, headers: Fields, body: bytes, *, to_head: bool = False, extra: bytes = b"") -> bytes:
    """Make a whole reply. `to_head` leaves the body away, as a HEAD wants it."""
    lines = [b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode() if status in _KNOWN else b"")]
    lines += [name + b": " + value for name, value in headers]
    if status != HTTPStatus.NO_CONTENT:
        lines.append(b"content-length: %d" % len(body))
    head = b"\r\n".join(lines) + b"\r\n" + extra + b"\r\n"
    return head if to_head else head + body


_KNOWN = {one.value for one in HTTPStatus}


def error_of(dialect: str | None, status: int, code: str, message: str) -> tuple[Fields, bytes]:
    """Make headers and body of an error in a dialect's shape."""
    headers = [_JSON, *error_headers(dialect, status)]
    if status == HTTPStatus.UPGRADE_REQUIRED:
        headers.append((b"upgrade", b"HTTP/1.1"))
    if code == "busy":
        headers.append((b"retry-after", b"1"))
    return headers, render_error(dialect, status, code, message)


def management_error(code: str, message: str) -> tuple[Fields, bytes]:
    """Make an error in the one shape that `/api` has."""
    return [_JSON], msgspec.json.encode({"error": {"code": code, "message": message}})


def health_without_keeper() -> tuple[Fields, bytes]:
    return [_JSON], b'{"status":"ok","keeper":"down"}'


def hello() -> tuple[Fields, bytes]:
    """Claude Code asks `HEAD /api/hello`, or the head of its base URL, whether somebody is there."""
    return [(b"content-type", b"text/plain; charset=utf-8")], b"hello\n"


def is_preflight(head: RequestHead) -> bool:
    return head.method == "OPTIONS" and head.has(b"origin") and head.has(b"access-control-request-method")


def preflight(head: RequestHead) -> Fields:
    """Allow what a page of an allowed origin asks for."""
    fields: Fields = [(b"access-control-allow-methods", head.get(b"access-control-request-method") or b"POST")]
    wanted = head.get(b"access-control-request-headers")
    if wanted is not None:
        fields.append((b"access-control-allow-headers", wanted))
    if head.has(b"access-control-request-private-network"):
        fields.append((b"access-control-allow-private-network", b"true"))
    fields.append((b"access-control-max-age", b"600"))
    return fields


def cors_lines(origin: bytes) -> bytes:
    """Make the header lines that let a page of this origin read the reply."""
    return b"access-control-allow-origin: " + origin + b"\r\naccess-control-expose-headers: *\r\nvary: Origin\r\n"
