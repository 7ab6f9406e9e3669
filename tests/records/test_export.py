"""Exports: complete, in shape, and without credentials."""

import base64
import gzip
import random
from datetime import UTC, datetime

import msgspec

from dragoman.records.exchange import Attempt, BodyFacts, Detail, Head, Loss, Row, UpstreamSide
from dragoman.records.export import Exported, _iso, document, har

SECRET = "sk-planted-8f14e45fceea167a"
START_NS = 1_700_000_000_123_000_000


def source(**changes: bytes) -> Exported:
    row = Row(
        id="01JD0000000000000000000000", method="POST", path=f"/v1/x?key={SECRET}&b=2", status=200, started_ns=START_NS,
        duration_ns=9_000_000, first_byte_ns=5_000_000, provider="openai", ending="complete",
    )  # fmt: skip
    detail = Detail(
        row=row,
        request=Head(
            line=f"POST /v1/x?key={SECRET}&b=2",
            headers=[("Authorization", f"Bearer {SECRET}"), ("Content-Type", "application/json")],
        ),
        response=Head(line="200 OK", headers=[("Content-Encoding", "gzip"), ("Set-Cookie", f"a={SECRET}")]),
        request_body=BodyFacts(bytes=2, media_type="application/json"),
        response_body=BodyFacts(bytes=30, media_type="application/json", encoding="gzip"),
        attempts=[
            Attempt(
                number=1, provider="openai", url=f"https://u:{SECRET}@x/", dns_ns=1_000_000, connect_ns=2_000_000,
                tls_ns=3_000_000, headers=[("x-api-key", SECRET)],
            ),
        ],
        request_end_ns=1_000_000,
    )  # fmt: skip
    bodies = {"request_body": b"{}", "response_body": gzip.compress('{"ü": 1}'.encode())} | changes
    return Exported(detail=detail, **bodies)


def test_no_credential_leaves_even_if_the_store_held_one() -> None:
    for made in (document(source()), har([source()], "http://localhost:8080")):
        text = msgspec.json.encode(made).decode()
        assert SECRET not in text
        assert "sk-p" in text


def test_bodies_are_text_where_they_are_text() -> None:
    made = document(source())
    assert made.request_body.text == "{}"
    assert made.response_body.text == '{"ü": 1}'
    assert made.response_body.encoding == "gzip"


def test_other_bodies_are_base64() -> None:
    made = document(source(request_body=b"\xff\x00"))
    assert base64.b64decode(made.request_body.base64 or "") == b"\xff\x00"
    assert made.request_body.text is None


def test_a_body_that_does_not_decode_is_kept_as_it_came() -> None:
    made = document(source(response_body=b"no gzip"))
    assert made.response_body.text == "no gzip"
    assert made.response_body.problem


def test_a_har_has_what_the_format_wants() -> None:
    log = har([source()], "http://localhost:8080")["log"]
    assert log["version"] == "1.2"
    (entry,) = log["entries"]
    assert entry["startedDateTime"] == "2023-11-14T22:13:20.123Z"
    assert entry["time"] == 9.0
    assert entry["timings"] == {
        "blocked": -1, "dns": 1.0, "connect": 5.0, "ssl": 3.0, "send": 1.0, "wait": 4.0, "receive": 4.0
    }  # fmt: skip
    assert entry["request"]["url"].startswith("http://localhost:8080/v1/x?key=")
    assert [pair["name"] for pair in entry["request"]["queryString"]] == ["key", "b"]
    assert entry["request"]["postData"] == {"mimeType": "application/json", "text": "{}"}
    assert entry["response"]["content"]["text"] == '{"ü": 1}'
    assert entry["response"]["statusText"] == "OK"


def test_a_har_of_an_exchange_without_a_reply_is_whole() -> None:
    bare = Exported(detail=Detail(row=Row(id="01JD0000000000000000000000", method="GET", path="/v1/models")))
    (entry,) = har([bare], "http://localhost:8080")["log"]["entries"]
    assert entry["response"]["status"] == 0
    assert entry["request"]["queryString"] == []


def test_times_are_those_of_the_calendar() -> None:
    chance = random.Random(7)
    for _ in range(2000):
        seconds = chance.randrange(0, 4_102_444_800)
        expected = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        assert _iso(seconds * 1_000_000_000) == expected


def through_route() -> Exported:
    made = source()
    made.detail.row.upstream_dialect, made.detail.row.upstream_model = "openai_chat", "gpt-4o"
    made.detail.losses = [Loss(direction="request", path="$.thinking", reason="has none")]
    made.detail.upstream = UpstreamSide(
        request_body=BodyFacts(bytes=5, media_type="application/json"),
        response=Head(line="429 Too Many", headers=[("x-amz-security-token", SECRET)]),
        response_body=BodyFacts(bytes=5, media_type="text/event-stream"),
    )
    return msgspec.structs.replace(made, upstream_request=b"there", upstream_response=b"here!")


def test_the_provider_s_side_stands_beside_the_client_s() -> None:
    made = document(through_route())
    assert made.request_body.text == "{}"
    assert made.upstream_request_body is not None
    assert made.upstream_response_body is not None
    assert (made.upstream_request_body.text, made.upstream_response_body.text) == ("there", "here!")
    assert "upstream_request_body" not in msgspec.json.decode(msgspec.json.encode(document(source())))


def test_a_har_tells_of_the_provider_s_side_in_a_field_of_its_own() -> None:
    (entry,) = har([through_route()], "http://localhost:8080")["log"]["entries"]
    assert entry["response"]["status"] == 200
    upstream = entry["_upstream"]
    assert (upstream["dialect"], upstream["model"]) == ("openai_chat", "gpt-4o")
    assert upstream["request"]["postData"] == {"mimeType": "application/json", "text": "there"}
    assert (upstream["response"]["status"], upstream["response"]["content"]["text"]) == (429, "here!")
    assert upstream["losses"] == [{"direction": "request", "path": "$.thinking", "reason": "has none"}]
    assert "_upstream" not in har([source()], "")["log"]["entries"][0]


def test_no_credential_leaves_on_the_provider_s_side() -> None:
    for made in (document(through_route()), har([through_route()], "http://localhost:8080")):
        assert SECRET not in msgspec.json.encode(made).decode()
