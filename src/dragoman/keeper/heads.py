"""Records of heads and bodies turned into the values that are kept: text headers, Head, Attempt, BodyFacts."""

from collections.abc import Sequence

from blake3 import blake3

from dragoman.journal.format import AttemptOpened, Headers, ResponseHead, SentHead
from dragoman.records.exchange import Attempt, BodyFacts, Head


def text_headers(headers: Headers) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


def header_of(headers: Sequence[tuple[str, str]], name: str) -> str | None:
    """Give the first value of a header (`name` in lower case)."""
    return next((value for key, value in headers if key.lower() == name), None)


def head_of(head: ResponseHead) -> Head:
    return Head(
        line=f"{head.status} {head.reason.decode('latin-1')}".rstrip(),
        http_version=head.http_version,
        headers=text_headers(head.headers),
        framing=head.framing,
    )


def sent_head_of(head: SentHead) -> Head:
    return Head(line=str(head.status), headers=text_headers(head.headers), framing=head.framing)


def attempt_of(record: AttemptOpened, at_ns: int) -> Attempt:
    return Attempt(
        number=record.number,
        provider=record.provider,
        url=record.url,
        is_reused=record.is_reused,
        started_ns=at_ns,
        dns_ns=record.dns_ns,
        connect_ns=record.connect_ns,
        tls_ns=record.tls_ns,
        headers=text_headers(record.headers),
        dialect=record.dialect,
        model=record.model,
        route=record.route,
    )


def body_facts(body: bytes, headers: Headers) -> BodyFacts:
    return facts_of(body, text_headers(headers))


def facts_of(body: bytes, headers: Sequence[tuple[str, str]]) -> BodyFacts:
    media_type = header_of(headers, "content-type")
    return BodyFacts(
        bytes=len(body),
        hash=blake3(body).hexdigest() if body else None,
        media_type=media_type.partition(";")[0].strip().lower() if media_type else None,
        encoding=_encoding_of(header_of(headers, "content-encoding")),
    )


def _encoding_of(value: str | None) -> str | None:
    value = value.strip().lower() if value else None
    return None if value in (None, "", "identity") else value
