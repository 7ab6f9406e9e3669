"""One exchange, or many, as data for other tools: JSON (all that is on record) and HAR 1.2.

Promise: no credential leaves. Headers and targets are masked once more on the way out, whatever the store holds.
Bodies are given as text when they are text (content coding undone), else as base64; what retention removed is
said. Of a call that was rewritten or translated, the client's view stands where it always does, and what passed
with the provider beside it (in HAR under `_upstream`). Pure. Code that sends an exchange again is made in `code`.
"""

import base64
from typing import Any

import msgspec

from dragoman import __version__
from dragoman.records.exchange import BodyFacts, Detail, Head, UpstreamSide
from dragoman.records.redaction import mask_headers, mask_target, mask_url
from dragoman.wire.encodings import decode


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange with its bodies, as the store gives them (content coding kept)."""

    detail: Detail
    request_body: bytes = b""
    response_body: bytes = b""
    upstream_request: bytes = b""
    upstream_response: bytes = b""


class Body(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A body to read: `text` or `base64`; neither when it is empty or no longer kept."""

    bytes: int
    media_type: str | None = None
    encoding: str | None = None
    """The content coding that it had on the wire; undone here."""
    hash: str | None = None
    is_whole: bool = True
    is_stored: bool = True
    text: str | None = None
    base64: str | None = None
    problem: str | None = None


class Document(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The JSON form of one exchange."""

    format: str
    exchange: Detail
    request_body: Body
    response_body: Body
    upstream_request_body: Body | None = None
    """What the provider got, when it was not the client's body."""
    upstream_response_body: Body | None = None
    """What the provider answered, when the client got a translation of it."""


def document(source: Exported) -> Document:
    upstream = source.detail.upstream or UpstreamSide()
    return Document(
        format="dragoman-exchange-1",
        exchange=masked(source.detail),
        request_body=body(source.detail.request_body, source.request_body),
        response_body=body(source.detail.response_body, source.response_body),
        upstream_request_body=_body_or_none(upstream.request_body, source.upstream_request),
        upstream_response_body=_body_or_none(upstream.response_body, source.upstream_response),
    )


def masked(detail: Detail) -> Detail:
    """Return the detail with every place masked that can hold a credential."""
    replace = msgspec.structs.replace
    return replace(
        detail,
        row=replace(detail.row, path=mask_target(detail.row.path)),
        request=_masked_head(detail.request),
        response=_masked_head(detail.response) if detail.response else None,
        informational=[_masked_head(head) for head in detail.informational],
        upstream=_masked_upstream(detail.upstream) if detail.upstream else None,
        attempts=[replace(one, url=mask_url(one.url), headers=mask_headers(one.headers)) for one in detail.attempts],
    )


def _masked_head(head: Head) -> Head:
    return msgspec.structs.replace(
        head, line=mask_target(head.line), headers=mask_headers(head.headers), trailers=mask_headers(head.trailers)
    )


def _masked_upstream(side: UpstreamSide) -> UpstreamSide:
    return msgspec.structs.replace(side, response=_masked_head(side.response) if side.response else None)


def _body_or_none(facts: BodyFacts | None, data: bytes) -> Body | None:
    return None if facts is None else body(facts, data)


def body(facts: BodyFacts, data: bytes) -> Body:
    """Make a body readable."""
    decoded = decode(data, facts.encoding or "")
    plain = decoded.data if decoded.problem is None else data
    text = _text_of(plain)
    return Body(
        bytes=facts.bytes,
        media_type=facts.media_type,
        encoding=facts.encoding,
        hash=facts.hash,
        is_whole=facts.is_whole,
        is_stored=facts.is_stored,
        text=text or None,
        base64=base64.b64encode(plain).decode() if text is None else None,
        problem=decoded.problem,
    )


def _text_of(data: bytes) -> str | None:
    if b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


# HAR 1.2: http://www.softwareishard.com/blog/har-12-spec/, seen 2026-11-21. Own fields begin with `_`, as it asks.


def har(sources: list[Exported], base_url: str) -> dict[str, Any]:
    """Write exchanges as one HAR log."""
    creator = {"name": "Dragoman", "version": __version__}
    return {"log": {"version": "1.2", "creator": creator, "entries": [_entry(each, base_url) for each in sources]}}


def _entry(source: Exported, base_url: str) -> dict[str, Any]:
    detail = masked(source.detail)
    row = detail.row
    entry = {
        "startedDateTime": _iso(row.started_ns),
        "time": _ms(row.duration_ns),
        "request": _har_request(
            row.method, base_url + row.path, detail.request, detail.request_body, source.request_body
        ),
        "response": _har_response(
            row.status or 0, detail.response or Head(), detail.response_body, source.response_body
        )
        | {"_error": row.error_message},
        "cache": {},
        "timings": _timings(detail),
        "_id": row.id,
        "_provider": row.provider,
        "_model": row.model_served or row.model_asked,
        "_ending": row.ending,
    }
    return entry if detail.upstream is None else {**entry, "_upstream": _har_upstream(source, detail, detail.upstream)}


def _har_upstream(source: Exported, detail: Detail, side: UpstreamSide) -> dict[str, Any]:
    """Write what passed with the provider in HAR's own shapes; None where it is what passed with the client."""
    last = detail.attempts[-1] if detail.attempts else None
    request = None
    if side.request_body is not None and last is not None:
        head = Head(http_version=detail.request.http_version, headers=last.headers)
        request = _har_request("POST", last.url, head, side.request_body, source.upstream_request)
    response = None
    if side.response is not None:
        status = int(side.response.line.partition(" ")[0])
        response = _har_response(status, side.response, side.response_body or BodyFacts(), source.upstream_response)
    return {
        "dialect": detail.row.upstream_dialect,
        "model": detail.row.upstream_model,
        "request": request,
        "response": response,
        "losses": [{"direction": one.direction, "path": one.path, "reason": one.reason} for one in detail.losses],
    }


def _har_request(method: str, url: str, head: Head, facts: BodyFacts, data: bytes) -> dict[str, Any]:
    read = body(facts, data)
    query = url.partition("?")[2]
    request: dict[str, Any] = {
        "method": method,
        "url": url,
        "httpVersion": f"HTTP/{head.http_version}",
        "cookies": [],
        "headers": _pairs(head.headers),
        "queryString": _pairs([(name, value) for name, _, value in (each.partition("=") for each in query.split("&"))])
        if query
        else [],
        "headersSize": -1,
        "bodySize": read.bytes,
    }
    if data:
        request["postData"] = {"mimeType": read.media_type or "", "text": read.text or ""}
        if read.base64 is not None:
            request["postData"] |= {"text": read.base64, "_encoding": "base64"}
    return request


def _har_response(status: int, head: Head, facts: BodyFacts, data: bytes) -> dict[str, Any]:
    read = body(facts, data)
    content: dict[str, Any] = {"size": read.bytes, "mimeType": read.media_type or "", "text": read.text or ""}
    if read.base64 is not None:
        content |= {"text": read.base64, "encoding": "base64"}
    return {
        "status": status,
        "statusText": head.line.partition(" ")[2],
        "httpVersion": f"HTTP/{head.http_version}",
        "cookies": [],
        "headers": _pairs(head.headers),
        "content": content,
        "redirectURL": next((value for name, value in head.headers if name.lower() == "location"), ""),
        "headersSize": -1,
        "bodySize": read.bytes,
    }


def _timings(detail: Detail) -> dict[str, float]:
    """-1 is HAR's word for unknown; `connect` includes TLS, as the format wants."""
    row = detail.row
    sent, first, end = detail.request_end_ns, row.first_byte_ns, row.duration_ns
    last = detail.attempts[-1] if detail.attempts else None
    is_new = last is not None and not last.is_reused
    return {
        "blocked": -1,
        "dns": _ms(last.dns_ns) if last and is_new else -1,
        "connect": _ms(last.connect_ns + last.tls_ns) if last and is_new else -1,
        "ssl": _ms(last.tls_ns) if last and is_new and last.tls_ns else -1,
        "send": _ms(sent) if sent is not None else 0,
        "wait": _ms(max(0, first - (sent or 0))) if first is not None else 0,
        "receive": _ms(max(0, end - first)) if end is not None and first is not None else 0,
    }


def _pairs(items: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in items]


def _iso(wall_ns: int) -> str:
    """Write a time as ISO 8601 in UTC; floors 0 to 2 have no `datetime`."""
    milliseconds = wall_ns // 1_000_000
    days, rest = divmod(milliseconds, 86_400_000)
    year, month, day = _civil(days)
    hours, minutes, seconds = rest // 3_600_000, rest // 60_000 % 60, rest // 1000 % 60
    return f"{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{rest % 1000:03}Z"


def _civil(days: int) -> tuple[int, int, int]:
    """Turn days since 1970 into a date: `civil_from_days` of https://howardhinnant.github.io/date_algorithms.html"""
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1


def _ms(ns: int | None) -> float:
    return round(ns / 1e6, 3) if ns is not None else 0
