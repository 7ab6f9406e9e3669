"""Errors of our own are understood by the official SDKs' own code, and by our own parsers."""

import json

import anthropic
import httpx2
import openai
import pytest

from dragoman.dialects import ALL
from dragoman.dialects.errors import error_headers, render_error

STATUSES = [400, 401, 403, 404, 408, 413, 421, 429, 500, 502, 503, 504]
DIALECTS = [*ALL, "gemini_generate", "bedrock_invoke", "bedrock_converse", None]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("status", STATUSES)
def test_every_dialect_has_a_shape_that_holds_the_message(dialect: str | None, status: int) -> None:
    body = render_error(dialect, status, "no_provider", "no provider named “x”")
    assert "no provider named “x”" in body.decode()
    assert isinstance(json.loads(body), dict)


@pytest.mark.parametrize("dialect", ALL)
def test_what_we_write_we_read(dialect: str) -> None:
    body = ALL[dialect].render_error(502, "upstream_failed", "cannot connect")
    error = ALL[dialect].parse_error(502, {}, body).error
    assert error and error.message == "cannot connect"
    if dialect not in ("ollama_chat", "bedrock_invoke", "bedrock_converse", "gemini_generate"):  # no code of ours
        assert error.code == "upstream_failed"


def test_openais_sdk_finds_message_type_and_code() -> None:
    body = json.loads(render_error("openai_chat", 404, "no_provider", "no such provider"))
    client = openai.OpenAI(api_key="x", base_url="http://localhost")
    with client:
        error = client._make_status_error("m", body=body["error"], response=_response(404))
    assert isinstance(error, openai.NotFoundError)
    assert (error.code, error.type) == ("no_provider", "invalid_request_error")


def test_anthropics_sdk_finds_the_type() -> None:
    body = json.loads(render_error("anthropic_messages", 429, "limit", "slow down"))
    with anthropic.Anthropic(api_key="x", base_url="http://localhost") as client:
        error = client._make_status_error("m", body=body, response=_response(429))
    assert isinstance(error, anthropic.RateLimitError)
    assert error.type == "rate_limit_error"


def test_bedrock_reads_its_type_from_a_header() -> None:
    assert error_headers("bedrock_converse", 429) == [(b"x-amzn-errortype", b"ThrottlingException")]
    assert error_headers("openai_chat", 429) == []


def _response(status: int) -> httpx2.Response:
    return httpx2.Response(status, request=httpx2.Request("POST", "http://localhost"))
