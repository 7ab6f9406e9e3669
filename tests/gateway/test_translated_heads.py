"""Heads of translated calls: whose credential goes under which name, what passes, and the header of losses."""

import json
from pathlib import Path

import pytest

from dragoman.canonical import Loss
from dragoman.gateway.heads import OutgoingRequest
from dragoman.gateway.translated_heads import LOSSES_BYTES, losses_line, translated_head, translated_reply_fields
from dragoman.gateway.upstream import provider_upstream
from dragoman.records.setup import Auth, Provider
from dragoman.wire.headers import FieldBook
from dragoman.wire.http1 import parse_request_head, parse_response_head


def outgoing(
    *fields: str, dialect: str = "openai_chat", demanded: list[tuple[str, str]] | None = None, **entry
) -> OutgoingRequest:  # type: ignore[no-untyped-def]
    lines = "".join(f"{one}\r\n" for one in ("Host: localhost", "Content-Length: 9", *fields))
    head = parse_request_head(f"POST /v1/x HTTP/1.1\r\n{lines}\r\n".encode(), FieldBook())
    upstream = provider_upstream(Provider(slug="p", base_url="https://p.test/base", **entry), Path("/nowhere"))
    return translated_head(head, b"/base/y", upstream, dialect, demanded or [], 5)


def named(made: OutgoingRequest, *names: bytes) -> list[bytes]:
    fields = [line.split(b": ", 1) for line in made.lines[1:]]
    return [value for name, value in fields if name.lower() in names]


@pytest.mark.parametrize(
    ("given", "dialect", "name", "value"),
    [
        ("x-api-key: k1", "openai_chat", b"authorization", b"Bearer k1"),
        ("Authorization: Bearer k1", "anthropic_messages", b"x-api-key", b"k1"),
        ("authorization: bearer  k1", "openai_responses", b"authorization", b"Bearer k1"),
        ("api-key: k1", "bedrock_invoke", b"authorization", b"Bearer k1"),
        ("x-goog-api-key: k1", "ollama_chat", b"authorization", b"Bearer k1"),
        ("Authorization: Bearer k1", "gemini_generate", b"x-goog-api-key", b"k1"),
        ("Authorization: Bearer sk-ant-oat01-k1", "anthropic_messages", b"authorization", b"Bearer sk-ant-oat01-k1"),
    ],
)
def test_the_client_s_key_goes_under_the_other_dialect_s_name(
    given: str, dialect: str, name: bytes, value: bytes
) -> None:
    made = outgoing(given, dialect=dialect)
    assert named(made, name) == [value]
    assert len(named(made, b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key")) == 1


@pytest.mark.parametrize("given", ["Authorization: Basic abc", "Authorization: AWS4-HMAC-SHA256 Credential=x"])
def test_what_is_no_key_goes_nowhere(given: str) -> None:
    made = outgoing(given)
    assert named(made, b"authorization") == []
    assert made.alterations == ["credential removed: authorization"]


def test_without_a_credential_for_the_provider_the_client_s_is_removed() -> None:
    assert named(outgoing("Authorization: Bearer k1", auth=Auth(scheme="none")), b"authorization") == []


def test_what_speaks_of_body_connection_or_dialect_is_ours_and_the_rest_passes() -> None:
    made = outgoing(
        "Connection: X-Hop", "X-Hop: 1", "X-Mine:  2", "Accept: a/b", "Accept-Encoding: br", "Content-Type: text/plain",
        "anthropic-version: 2023-06-01", "anthropic-beta: b", "x-dragoman-run: r", "User-Agent: me",
        demanded=[("anthropic-version", "2099-01-01")], headers={"X-Team": "t"},
    )  # fmt: skip
    assert made.lines == [
        b"POST /base/y HTTP/1.1",
        b"Host: p.test",
        b"X-Mine: 2",
        b"User-Agent: me",
        b"X-Team: t",
        b"anthropic-version: 2099-01-01",
        b"Content-Type: application/json",
        b"Accept-Encoding: identity",
        b"Content-Length: 5",
    ]
    assert made.alterations == ["header removed: anthropic-beta", "header added: x-team"]


def test_a_header_of_the_provider_s_entry_wins_over_the_dialect_s() -> None:
    made = outgoing(demanded=[("anthropic-version", "a")], headers={"Anthropic-Version": "b"})
    assert named(made, b"anthropic-version") == [b"b"]


def test_headers_of_the_target_s_own_dialect_pass() -> None:
    made = outgoing(
        "anthropic-beta: context-1m-2025-08-07", "openai-organization: o", "Authorization: Bearer k",
        dialect="anthropic_messages", demanded=[("anthropic-version", "2023-06-01")],
    )  # fmt: skip
    assert named(made, b"anthropic-beta") == [b"context-1m-2025-08-07"]
    assert named(made, b"anthropic-version") == [b"2023-06-01"]
    assert named(made, b"openai-organization") == []


def test_a_reply_s_headers_are_told_in_the_client_s_words() -> None:
    raw = (
        b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\nx-request-id: r1\r\n"
        b"apim-request-id: r2\r\nretry-after: 3\r\nx-ratelimit-remaining-tokens: 7\r\nSet-Cookie: a=1\r\n"
        b"Access-Control-Allow-Origin: *\r\nConnection: close\r\nx-dragoman-exchange: other\r\n\r\n"
    )
    head = parse_response_head(raw, FieldBook())
    fields = translated_reply_fields(head, "anthropic_messages", b"application/json", hides_cors=True)
    assert fields == [
        (b"content-type", b"application/json"),
        (b"request-id", b"r1"),
        (b"retry-after", b"3"),
        (b"x-ratelimit-remaining-tokens", b"7"),
        (b"Set-Cookie", b"a=1"),
    ]


@pytest.mark.parametrize("count", [1, 5, 500])
def test_losses_fit_into_their_header_and_say_how_many_more(count: int) -> None:
    losses = [Loss(path=f"$.messages[{at}]", reason="gr\u00f6\u00dfer \U0001f600 than\r\nthat") for at in range(count)]
    name, value = losses_line(losses).split(b": ", 1)
    assert name == b"x-dragoman-losses"
    assert value.endswith(b"\r\n")
    assert len(value) - 2 <= LOSSES_BYTES
    assert value[:-2].isascii()
    assert value[:-2].decode().isprintable()
    told = json.loads(value)
    assert told[0] == ["$.messages[0]", losses[0].reason]
    shown = [one for one in told if isinstance(one, list)]
    more = told[-1]["more"] if len(shown) < len(told) else 0
    assert len(shown) + more == count


def test_no_sign_of_a_client_s_field_breaks_the_line() -> None:
    line = losses_line([Loss(path="$.a\r\nx: y\x7f\0\u2028\ud800", reason="no word for it")])
    assert line.count(b"\r\n") == 1
    assert all(32 <= sign < 127 for sign in line[:-2])
    assert json.loads(line.partition(b": ")[2])[0][0] == "$.a\r\nx: y\x7f\0\u2028\ud800"
