"""Credentials are masked before anything is written: headers, targets, URLs and a short list of body fields.

Promise: no value that authenticates somebody leaves here in clear. Headers and URLs are masked to a short form
that still tells two keys apart; body fields at equal length, so that all offsets hold. A body that carries none
is returned as the very object that came in. Works alike on `str` and `bytes`. Pure.

Masked in bodies are the fields in which MCP tools carry credentials: `authorization_token` (Anthropic's
`mcp_servers`), `authorization` (OpenAI's tools of type `mcp`), and the values in such a tool's `headers`.
Compressed bodies and the frames of a tunnel are not looked into.
"""

import re
from typing import TypeVar
from urllib.parse import unquote_to_bytes

Text = TypeVar("Text", str, bytes)

SECRET_HEADERS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "cookie",
        "set-cookie",
        "sec-websocket-protocol",  # browsers send keys as a subprotocol: openai-insecure-api-key.sk-…
        "x-dragoman-key",
        "x-dragoman-workbench",
        "x-amz-security-token",
        "x-goog-iam-authorization-token",
        "ocp-apim-subscription-key",
        "x-functions-key",
        "cf-aig-authorization",
        "helicone-auth",
    }
)
"""The one list; a name that ends like a credential's counts as well (see `_SECRET_ENDINGS`)."""

_SECRET_ENDINGS = ("api-key", "api_key", "apikey", "-authorization", "-auth-token", "-access-token", "-secret")
_OPAQUE = frozenset({"cookie", "set-cookie", "sec-websocket-protocol"})
"""Lists of things, any of which may be secret: nothing of them is shown."""
_URL_HEADERS = frozenset({"location", "content-location", "referer", "x-goog-upload-url", "operation-location"})
SECRET_PARAMETERS = frozenset(
    {
        *("key", "api_key", "api-key", "apikey", "access_token", "token", "auth", "sig", "signature"),
        *("x-amz-signature", "x-amz-security-token", "x-goog-signature", "client_secret", "password"),
    }
)

MASK = "[REDACTED]"
_SHOWN_FROM = 16
"""A shorter value would be told by its ends."""
_SCHEME = re.compile(r"(bearer|basic|token|key)( +)(.+)", re.IGNORECASE | re.DOTALL)
_SIGV4 = re.compile(r"(Signature=)[0-9A-Za-z]+")


def is_secret_header(name: str | bytes) -> bool:
    text = name.decode("latin-1") if isinstance(name, bytes) else name
    text = text.lower()
    return text in SECRET_HEADERS or text.endswith(_SECRET_ENDINGS)


def mask_value(value: str) -> str:
    """Shorten a credential to what tells it from others: `Bearer sk-p...9f3a`; a short one to nothing.

    A SigV4 authorization keeps all but its signature. What is masked already stays as it is.
    """
    if value.startswith("AWS4-HMAC-SHA256"):
        return _SIGV4.sub(rf"\1{MASK}", value)
    match = _SCHEME.fullmatch(value)
    if match:
        return match[1] + match[2] + _shorten(match[3])
    return _shorten(value)


def _shorten(value: str) -> str:
    if not value or value == MASK or (len(value) == 11 and value[4:7] == "..."):
        return value
    return f"{value[:4]}...{value[-4:]}" if len(value) >= _SHOWN_FROM else MASK


def mask_headers(headers: list[tuple[Text, Text]]) -> list[tuple[Text, Text]]:
    """Return the headers with the values of credentials masked; order and spelling stay."""
    return [(name, mask_header(name, value)) for name, value in headers]


def mask_header(name: Text, value: Text) -> Text:
    """Return a header's value as it may be written down."""
    kind = header_kind(name)
    if kind == "":
        return value
    if isinstance(value, bytes):
        return _mask_by(kind, value.decode("latin-1")).encode("latin-1")
    return _mask_by(kind, value)


def header_kind(name: str | bytes) -> str:
    """Say how a header must be masked: `secret`, `opaque`, `url`, or an empty string for not at all."""
    text = (name.decode("latin-1") if isinstance(name, bytes) else name).lower()
    if text in _OPAQUE:
        return "opaque"
    if is_secret_header(text):
        return "secret"
    return "url" if text in _URL_HEADERS else ""


def _mask_by(kind: str, value: str) -> str:
    if kind == "opaque":
        return MASK
    return mask_url(value) if kind == "url" else mask_value(value)


def mask_target(target: Text) -> Text:
    """Mask the credentials in the query of a path or URL: `?key=…` and its like. All other bytes stay."""
    if isinstance(target, bytes):
        return _mask_query(target.decode("latin-1")).encode("latin-1") if b"?" in target else target
    return _mask_query(target) if "?" in target else target


def mask_url(url: Text) -> Text:
    """Mask user info and the credentials in the query of a URL."""
    if isinstance(url, bytes):
        return _mask_url(url.decode("latin-1")).encode("latin-1")
    return _mask_url(url)


def _mask_url(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if separator:
        authority, slash, path = rest.partition("/")
        user, at, host = authority.rpartition("@")
        if at and user:
            url = f"{scheme}://{MASK}@{host}{slash}{path}"
    return mask_target(url)


def _mask_query(target: str) -> str:
    path, _, query = target.partition("?")
    parts = query.split("&")
    masked = [_mask_parameter(part) for part in parts]
    return target if masked == parts else f"{path}?{'&'.join(masked)}"


def _mask_parameter(part: str) -> str:
    name, equals, value = part.partition("=")
    return f"{name}={_shorten(value)}" if equals and is_secret_parameter(name) else part


def is_secret_parameter(name: str) -> bool:
    """Say whether a query parameter (its name as it stands in the URL) carries a credential."""
    plain = unquote_to_bytes(name).decode("latin-1") if "%" in name else name
    return plain.lower() in SECRET_PARAMETERS


_TRIGGER = re.compile(rb'"(?:authorization|headers")')
_LONGEST_TRIGGER = len(b'"authorization_token"')
_BEGUN_NAME = re.compile(rb'"[a-z_]*\Z')
_KEY = re.compile(rb'"(authorization|authorization_token|headers)"')
_PLAIN_HEADERS = frozenset(
    {
        *(b"accept", b"accept-encoding", b"accept-language", b"cache-control", b"content-length", b"content-type"),
        *(b"host", b"origin", b"referer", b"user-agent"),
        *(b"$ref", b"default", b"description", b"format", b"pattern", b"title", b"type"),  # a schema, no headers
    }
)
"""What stays readable inside a `headers` object."""

_SPACE = b" \t\r\n"
_QUOTE, _BACKSLASH, _COLON, _COMMA = b'"\\:,'
_OPENING, _CLOSING = b"{[", b"}]"
_STAR = ord("*")


def may_carry_credential(data: bytes) -> bool:
    """Say whether one of the field names stands in `data`; a name cut in two at its ends is not seen."""
    return _TRIGGER.search(data) is not None


class BodyMasker:
    """Masks the credentials in a JSON body that comes cut anywhere, at equal length.

    Looks at each byte twice at most and parses nothing until one of the field names comes by. Holds no byte
    back: what `feed` is given it returns, masked.
    """

    __slots__ = ("_depth", "_is_escaped", "_is_name", "_kind", "_name", "_state", "_tail", "has_masked")

    def __init__(self) -> None:
        self._state = "scan"
        self._kind = b""
        self._depth = 0
        self._is_escaped = False
        self._is_name = False
        self._name = bytearray()
        self._tail = b""
        self.has_masked = False
        """True once a byte was changed."""

    @property
    def is_idle(self) -> bool:
        """True while no field of ours, nor its name, has begun: from here on a new masker does the same."""
        return self._state == "scan" and _BEGUN_NAME.search(self._tail) is None

    def feed(self, data: bytes) -> bytes:
        """Return `data` with credentials masked: the same object when there were none."""
        if self._state == "scan" and not self._may_hold_key(data):
            self._tail = (
                (self._tail + data)[-_LONGEST_TRIGGER:] if len(data) < _LONGEST_TRIGGER else data[-_LONGEST_TRIGGER:]
            )
            return data
        return self._walk(data)

    def _may_hold_key(self, data: bytes) -> bool:
        return may_carry_credential(data) or may_carry_credential(self._tail + data[:_LONGEST_TRIGGER])

    def _walk(self, data: bytes) -> bytes:
        out = bytearray(data)
        at = 0
        while at < len(data):
            if self._state == "scan":
                at = self._find_key(data, at)
            else:
                out[at] = self._step(data[at])
                at += 1
        self._tail = (self._tail + data)[-_LONGEST_TRIGGER:]
        if out == data:
            return data
        self.has_masked = True
        return bytes(out)

    def _find_key(self, data: bytes, at: int) -> int:
        """Move behind the next field name of ours; a name may have begun in the bytes before."""
        seam = self._tail if at == 0 else b""
        window = seam + data[at:] if seam else data
        start = 0 if seam else at
        for match in _KEY.finditer(window, start):
            end = match.end() - len(seam) if seam else match.end()
            if end <= (0 if seam else at):
                continue
            if match.start() and window[match.start() - 1] == _BACKSLASH:
                continue
            self._state, self._kind = "colon", match[1]
            return end
        return len(data)

    def _step(self, byte: int) -> int:
        """Take one byte behind a field name; returns it, or a star in its place."""
        match self._state:
            case "colon":
                if byte == _COLON:
                    self._state = "value"
                elif byte not in _SPACE:
                    self._state = "scan"
            case "value":
                self._begin_value(byte)
            case "secret":
                return self._mask_string(byte)
            case _:
                return self._walk_headers(byte)
        return byte

    def _begin_value(self, byte: int) -> None:
        if byte in _SPACE:
            return
        if byte == _QUOTE and self._kind != b"headers":
            self._state = "secret"
        elif byte == _OPENING[0] and self._kind == b"headers":
            self._state, self._depth, self._is_name = "object", 1, True
        else:
            self._state = "scan"

    def _mask_string(self, byte: int) -> int:
        if self._ends_string(byte):
            self._state = "scan" if self._depth == 0 else "object"
            return byte
        return _STAR

    def _ends_string(self, byte: int) -> bool:
        if self._is_escaped:
            self._is_escaped = False
        elif byte == _BACKSLASH:
            self._is_escaped = True
        else:
            return byte == _QUOTE
        return False

    def _walk_headers(self, byte: int) -> int:
        """Inside a `headers` object: read names, mask the strings that are values at its first level."""
        if self._state in ("name", "text"):
            if self._ends_string(byte):
                self._state = "object"
            elif self._state == "name" and len(self._name) < 64:
                self._name.append(byte)
            return byte
        if byte == _QUOTE:
            self._begin_string()
        elif byte in _OPENING:
            self._depth += 1
        elif byte in _CLOSING:
            self._depth -= 1
            if self._depth == 0:
                self._state = "scan"
        elif byte == _COLON:
            self._is_name = False
        elif byte == _COMMA:
            self._is_name = True
        return byte

    def _begin_string(self) -> None:
        if self._depth > 1:
            self._state = "text"
        elif self._is_name:
            self._state = "name"
            self._name.clear()
        else:
            self._state = "text" if bytes(self._name).lower() in _PLAIN_HEADERS else "secret"
