"""AWS's Signature Version 4: the headers that prove who sent a request.

Promise: pure; the same input gives the same signature as botocore's `SigV4Auth` (tested against it). The path is
signed as it stands on the wire, encoded once more: AWS takes the encoded path (`%3A`) as the name and encodes it
again, for every service but S3, which is not served here.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html, seen 2026-11-21;
botocore 1.44.5 `auth.SigV4Auth`
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import quote

from dragoman.wire.headers import Fields

ALGORITHM = "AWS4-HMAC-SHA256"
_EMPTY_HASH = hashlib.sha256(b"").hexdigest()
_UNSIGNED = frozenset(
    {
        b"authorization", b"baggage", b"connection", b"expect", b"keep-alive", b"proxy-authenticate",
        b"proxy-authorization", b"te", b"traceparent", b"tracestate", b"trailer", b"transfer-encoding", b"upgrade",
        b"user-agent", b"x-amzn-trace-id",
    }
)  # fmt: skip
"""What a hop may change on the way."""
_PARSED = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=([^/,\s]+)/(\d{8})/([^/,\s]+)/([^/,\s]+)/aws4_request\s*,\s*"
    r"SignedHeaders=([^,\s]+)\s*,\s*Signature=([0-9a-f]{64})"
)


class Credentials(NamedTuple):
    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return f"Credentials({self.access_key_id!r}, …)"


class Authorization(NamedTuple):
    """The parts of an `Authorization` header."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: list[str]
    signature: str


def sign(
    *,
    method: str,
    target: bytes,
    fields: Iterable[tuple[bytes, bytes]],
    body: bytes | str,
    credentials: Credentials,
    region: str,
    service: str,
    stamp: str,
) -> Fields:
    """Give the headers to add: `X-Amz-Date`, `X-Amz-Security-Token` where there is a token, `Authorization`.

    `target` is path and query as they go over the wire; `fields` are the headers to sign, `Host` among them; `body`
    is the body, or its SHA-256 in hex; `stamp` is the time (`20261121T180509Z`). Earlier signatures are gone already.
    """
    added: Fields = [(b"X-Amz-Date", stamp.encode())]
    if credentials.session_token:
        added.append((b"X-Amz-Security-Token", credentials.session_token.encode()))
    signed = [(name, value) for name, value in (*fields, *added) if name.lower() not in _UNSIGNED]
    signature = signature_of(
        method=method,
        target=target,
        fields=signed,
        payload_hash=body if isinstance(body, str) else payload_hash(body),
        secret_access_key=credentials.secret_access_key,
        stamp=stamp,
        region=region,
        service=service,
    )
    names = ";".join(sorted({name.decode("latin-1").lower() for name, _ in signed}))
    credential = f"{credentials.access_key_id}/{_scope(stamp, region, service)}"
    line = f"{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
    added.append((b"Authorization", line.encode()))
    return added


def signature_of(
    *,
    method: str,
    target: bytes,
    fields: Sequence[tuple[bytes, bytes]],
    payload_hash: str,
    secret_access_key: str,
    stamp: str,
    region: str,
    service: str,
) -> str:
    """Compute the signature over exactly these headers."""
    path, _, query = target.partition(b"?")
    names, lines = _canonical_headers(fields)
    request = "\n".join([method, _canonical_path(path), _canonical_query(query), lines, names, payload_hash])
    hashed = hashlib.sha256(request.encode("latin-1")).hexdigest()
    to_sign = "\n".join([ALGORITHM, stamp, _scope(stamp, region, service), hashed])
    key = b"AWS4" + secret_access_key.encode()
    for word in (stamp[:8], region, service, "aws4_request"):
        key = hmac.digest(key, word.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


def payload_hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest() if body else _EMPTY_HASH


def parse_authorization(value: str) -> Authorization | None:
    """Read an `Authorization` header; None when it is no whole signature of this kind."""
    match = _PARSED.fullmatch(value.strip())
    if match is None:
        return None
    access_key_id, date, region, service, names, signature = match.groups()
    return Authorization(access_key_id, date, region, service, names.split(";"), signature)


def _scope(stamp: str, region: str, service: str) -> str:
    return f"{stamp[:8]}/{region}/{service}/aws4_request"


def _canonical_path(path: bytes) -> str:
    """Normalise the path (RFC 3986, 5.2.4; empty segments go) and encode it once more."""
    segments: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            if segments:
                segments.pop()
        elif segment not in (b"", b"."):
            segments.append(segment)
    joined = b"/" + b"/".join(segments)
    if segments and path.endswith(b"/"):
        joined += b"/"
    return quote(joined, safe="/~")


def _canonical_query(query: bytes) -> str:
    """Sort by name, then by value, both as they stand."""
    pairs = [part.partition("=")[::2] for part in query.decode("latin-1").split("&") if part]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _canonical_headers(fields: Iterable[tuple[bytes, bytes]]) -> tuple[str, str]:
    """Give the names and the lines; values of one name are joined, white space is drawn together."""
    values: dict[str, list[str]] = {}
    for name, value in fields:
        text = b" ".join(value.split()).decode("latin-1")
        values.setdefault(name.decode("latin-1").lower(), []).append(text)
    names = sorted(values)
    return ";".join(names), "".join(f"{name}:{','.join(values[name])}\n" for name in names)
