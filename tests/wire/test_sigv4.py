"""Signatures are those of botocore, and can be read back."""

import random
from datetime import UTC, datetime
from unittest.mock import patch

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from dragoman.wire import sigv4

NOW = datetime(2026, 11, 21, 18, 5, 9, tzinfo=UTC)
STAMP = "20261121T180509Z"
HOST = "bedrock-runtime.eu-central-1.amazonaws.com"
KEY = sigv4.Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
WITH_TOKEN = KEY._replace(session_token="IQoJb3JpZ2luX2VjEXAMPLE//////////token==")


def by_botocore(
    method: str, target: str, fields: list[tuple[str, str]], body: bytes, key: sigv4.Credentials, region: str
) -> dict[str, str]:
    request = AWSRequest(method=method, url=f"https://{HOST}{target}", data=body)
    for name, value in fields:
        request.headers.add_header(name, value)
    with patch.object(botocore.auth, "get_current_datetime", return_value=NOW):
        botocore.auth.SigV4Auth(BotoCredentials(*key), "bedrock", region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


def by_us(
    method: str, target: str, fields: list[tuple[str, str]], body: bytes, key: sigv4.Credentials, region: str
) -> dict[str, str]:
    given = [(name.encode(), value.encode("latin-1")) for name, value in [*fields, ("Host", HOST)]]
    added = sigv4.sign(
        method=method,
        target=target.encode(),
        fields=given,
        body=body,
        credentials=key,
        region=region,
        service="bedrock",
        stamp=STAMP,
    )
    return {name.decode().lower(): value.decode() for name, value in added}


TARGETS = [
    "/",
    "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke",
    "/model/anthropic.claude-sonnet-4-5-20250929-v1:0/invoke-with-response-stream",
    "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.anthropic.claude/converse",
    "/model/a b/invoke".replace(" ", "%20"),
    "/model/~tilde_under-dash.dot/invoke",
    "/model/%E6%BD%AE/invoke",
    "/a//b/./c/../d/",
    "/x?b=2&a=1&a=0&c",
    "/x?prefix=some%2Fthing&list-type=2&=empty",
    "/!$&'()*+,;=@",
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("key", [KEY, WITH_TOKEN], ids=["plain", "token"])
def test_a_signature_is_botocores(target: str, key: sigv4.Credentials) -> None:
    fields = [("Content-Type", "application/json"), ("X-Amzn-Bedrock-Trace", "ENABLED")]
    expected = by_botocore("POST", target, fields, b'{"a":1}', key, "eu-central-1")
    ours = by_us("POST", target, fields, b'{"a":1}', key, "eu-central-1")
    assert ours.items() <= expected.items()
    assert "authorization" in ours


def test_odd_headers_are_signed_as_botocore_signs_them() -> None:
    fields = [
        ("X-Many", "one"),
        ("x-many", "two"),
        ("X-Spaces", "  a   b\t c "),
        ("User-Agent", "Boto3/1.44.5"),
        ("Connection", "keep-alive"),
        ("X-Amzn-Trace-Id", "Root=1"),
        ("Traceparent", "00-1-2-01"),
        ("Accept", "application/json"),
        ("X-Empty", ""),
    ]
    for body in (b"", b"\x00\xff" * 5000):
        expected = by_botocore("POST", "/x", fields, body, WITH_TOKEN, "us-east-1")
        assert by_us("POST", "/x", fields, body, WITH_TOKEN, "us-east-1").items() <= expected.items()


def test_random_requests_are_signed_as_botocore_signs_them() -> None:
    chance = random.Random(7)
    signs = "abcXYZ019-_.~!$'()*,;:@/"
    for _ in range(300):
        path = "/" + "".join(
            chance.choice([*signs, "%3A", "%2F", "%20", "%C3%A9", "%25"]) for _ in range(chance.randrange(40))
        )
        query = "&".join(f"{chance.choice(signs)}={chance.choice(signs)}" for _ in range(chance.randrange(4)))
        target = f"{path}?{query}" if query else path
        fields = [(f"X-H{number}", " ".join(chance.choices(signs, k=3))) for number in range(chance.randrange(4))]
        method, body = chance.choice(["GET", "POST", "PUT"]), chance.randbytes(chance.randrange(100))
        key, region = chance.choice([KEY, WITH_TOKEN]), chance.choice(["us-east-1", "ap-southeast-2"])
        expected = by_botocore(method, target, fields, body, key, region)
        assert by_us(method, target, fields, body, key, region).items() <= expected.items(), target


def test_the_bodys_hash_can_be_given_instead() -> None:
    head = {"method": "POST", "target": b"/x", "fields": [(b"host", HOST.encode())], "stamp": STAMP}
    more = {"credentials": KEY, "region": "us-east-1", "service": "bedrock"}
    assert sigv4.sign(body=b"abc", **head, **more) == sigv4.sign(body=sigv4.payload_hash(b"abc"), **head, **more)  # pyright: ignore[reportArgumentType]


def test_a_signature_can_be_read() -> None:
    line = by_us("POST", "/x", [("Content-Type", "a/b")], b"", WITH_TOKEN, "us-west-2")["authorization"]
    parsed = sigv4.parse_authorization(line)
    assert parsed is not None
    assert (parsed.access_key_id, parsed.region, parsed.service) == ("AKIDEXAMPLE", "us-west-2", "bedrock")
    assert parsed.signed_headers == ["content-type", "host", "x-amz-date", "x-amz-security-token"]
    assert sigv4.parse_authorization(line.replace(", ", ",")) == parsed
    for wrong in ("", "Bearer x", "AWS4-HMAC-SHA256 Credential=a/b", line + "0", line.replace("aws4_request", "x")):
        assert sigv4.parse_authorization(wrong) is None


def test_the_secret_does_not_show() -> None:
    assert KEY.secret_access_key not in repr(KEY)
    assert KEY.secret_access_key not in f"{KEY}"
