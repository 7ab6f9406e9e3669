"""What may be written down of headers, targets, URLs and bodies."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.records.redaction import (
    BodyMasker,
    is_secret_header,
    mask_headers,
    mask_target,
    mask_url,
    mask_value,
    may_carry_credential,
)

SECRET = "sk-planted-0123456789abcdef"


@pytest.mark.parametrize(
    "name",
    ["Authorization", "proxy-authorization", "X-Api-Key", "api-key", "x-goog-api-key", "Cookie", "set-cookie",
     "Sec-WebSocket-Protocol", "x-dragoman-key", "xi-api-key", "X-Amz-Security-Token", "x-my-auth-token"],
)  # fmt: skip
def test_credentials_in_headers_are_masked(name: str) -> None:
    for value in (SECRET, f"Bearer {SECRET}", f"a={SECRET}; b=c"):
        assert SECRET not in str(mask_headers([(name, value)]))
        assert SECRET.encode() not in mask_headers([(name.encode(), value.encode())])[0][1]
    assert is_secret_header(name) and is_secret_header(name.encode())


@pytest.mark.parametrize("name", ["content-type", "x-ratelimit-remaining-tokens", "anthropic-version", "x-request-id"])
def test_other_headers_stay(name: str) -> None:
    assert mask_headers([(name, SECRET)]) == [(name, SECRET)]


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ("Bearer sk-planted-0123456789abcdef", "Bearer sk-p...cdef"),
        ("sk-planted-0123456789abcdef", "sk-p...cdef"),
        ("short", "[REDACTED]"),
        ("Bearer short", "Bearer [REDACTED]"),
        ("Basic dXNlcjpwYXNzd29yZHBhc3N3b3Jk", "Basic dXNl...b3Jk"),
        ("", ""),
        (
            "AWS4-HMAC-SHA256 Credential=AKIA/20261121/us-east-1/bedrock/aws4_request, SignedHeaders=host, "
            "Signature=00ff",
            "AWS4-HMAC-SHA256 Credential=AKIA/20261121/us-east-1/bedrock/aws4_request, SignedHeaders=host, "
            "Signature=[REDACTED]",
        ),
    ],
)
def test_a_masked_value_still_tells_two_keys_apart(value: str, masked: str) -> None:
    assert mask_value(value) == masked
    assert mask_value(masked) == masked


@pytest.mark.parametrize(
    ("target", "masked"),
    [
        ("/v1/models", "/v1/models"),
        ("/v1/models?a=%2F&b", "/v1/models?a=%2F&b"),
        (f"/v1?key={SECRET}&a=b", "/v1?key=sk-p...cdef&a=b"),
        (f"/v1?a=b&API_KEY={SECRET}", "/v1?a=b&API_KEY=sk-p...cdef"),
        (f"/v1?%6bey={SECRET}", "/v1?%6bey=sk-p...cdef"),
        ("/v1?key=", "/v1?key="),
        ("/v1?key", "/v1?key"),
        ("/v1?monkey=banana", "/v1?monkey=banana"),
    ],
)
def test_credentials_in_targets_are_masked(target: str, masked: str) -> None:
    assert mask_target(target) == masked
    assert mask_target(target.encode()) == masked.encode()


def test_credentials_in_urls_are_masked() -> None:
    assert mask_url(f"https://user:{SECRET}@h:1/p?token={SECRET}") == "https://[REDACTED]@h:1/p?token=sk-p...cdef"
    assert mask_url(b"https://h/p") == b"https://h/p"
    assert mask_headers([("Location", f"https://h/?key={SECRET}")]) == [("Location", "https://h/?key=sk-p...cdef")]


BODY = json.dumps(
    {
        "model": "m",
        "tools": [
            {
                "type": "mcp",
                "server_url": "https://h",
                "authorization": SECRET,
                "headers": {"X-Key": SECRET, "Accept": "a/b"},
            },
            {"type": "function", "parameters": {"properties": {"headers": {"type": "object", "description": "kept"}}}},
            {"type": "function", "parameters": {"properties": {"authorization": {"type": "string"}}}},
        ],
        "mcp_servers": [{"url": "u", "authorization_token": SECRET + '\\"' + "\u00e4"}],
        "messages": [{"role": "user", "content": '{"authorization": "said in a text"}'}],
    },
    ensure_ascii=False,
).encode()


def test_credentials_in_bodies_are_masked_at_equal_length() -> None:
    masker = BodyMasker()
    masked = masker.feed(BODY)
    assert masker.has_masked
    assert len(masked) == len(BODY) and SECRET.encode() not in masked
    true, kept = json.loads(BODY), json.loads(masked)
    mcp = kept["tools"][0]
    assert set(mcp["authorization"]) == set(mcp["headers"]["X-Key"]) == {"*"}
    assert mcp["headers"]["Accept"] == "a/b"
    assert set(kept["mcp_servers"][0]["authorization_token"]) == {"*"}
    for name in ("model", "messages"):
        assert kept[name] == true[name]
    assert kept["tools"][1:] == true["tools"][1:]


@given(st.lists(st.integers(0, len(BODY)), max_size=20))
def test_bodies_are_masked_alike_however_they_are_cut(cuts: list[int]) -> None:
    masker, whole = BodyMasker(), b""
    marks = sorted({0, *cuts, len(BODY)})
    for start, stop in itertools.pairwise(marks):
        whole += masker.feed(BODY[start:stop])
    assert whole == BodyMasker().feed(BODY)


@given(st.binary(max_size=200))
def test_a_body_without_credentials_is_the_same_object(data: bytes) -> None:
    if not may_carry_credential(data):
        assert BodyMasker().feed(data) is data


@given(
    st.lists(st.sampled_from([b'"headers"', b'"authorization"', b":", b"{", b"}", b'"', b"\\", b"[", b"]", b",", b"a"]))
)
def test_whatever_comes_the_length_stays(parts: list[bytes]) -> None:
    data = b"".join(parts)
    assert len(BodyMasker().feed(data)) == len(data)
