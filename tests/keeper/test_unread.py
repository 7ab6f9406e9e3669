"""Calls of wire formats that nobody reads yet still say whether they streamed, which model, and what went wrong."""

import json

import pytest

from dragoman.journal.format import Chunk, RequestBody, RequestEnded
from dragoman.keeper.assemble import Assembly, TimeBase
from dragoman.keeper.understand import understand
from dragoman.records.exchange import Row
from fakes.playbook import MS, START, closed, head, opened

GOOGLE_ERROR = {"error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}}
GEMINI = "/v1/models/gemini-3-pro"


def row_of(
    target: str,
    dialect: str | None,
    endpoint: str,
    *,
    reply: object = None,
    status: int = 200,
    media: bytes = b"application/json",
    more: list[tuple[bytes, bytes]] | None = None,
    body: bytes = b"{}",
) -> Row:
    assembly = Assembly(
        opened("a", target=target.encode(), dialect=dialect, endpoint=endpoint),
        TimeBase(1_700_000_000_000_000_000, 5_000_000_000),
    )
    for record in (
        RequestBody("a", START, body),
        RequestEnded("a", START, len(body)),
        head("a", status=status, media=media, framing="length", more=more),
        Chunk("a", START + 20 * MS, json.dumps(reply or {"candidates": []}).encode()),
        closed("a", status=status),
    ):
        assembly.take(record)
    return understand(assembly.recording()).detail.row


def test_an_error_of_google_is_told() -> None:
    row = row_of(f"{GEMINI}:generateContent", "gemini_generate", "generate", reply=GOOGLE_ERROR, status=429)
    assert (row.state, row.error_code, row.error_message) == ("error", "RESOURCE_EXHAUSTED", "Quota exceeded")
    assert row.model_asked == "gemini-3-pro"


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ([(b"x-amzn-ErrorType", b"ThrottlingException:http://internal.amazon.com/coral/")], {"message": "slow down"}),
        ([], {"__type": "com.amazon.coral.service#ThrottlingException", "message": "slow down"}),
    ],
)
def test_an_error_of_amazon_is_told(header: list[tuple[bytes, bytes]], body: object) -> None:
    row = row_of("/model/m/converse", "bedrock_converse", "converse", reply=body, status=429, more=header)
    assert (row.error_code, row.error_message) == ("ThrottlingException", "slow down")


def test_an_error_under_an_unknown_path_is_told() -> None:
    row = row_of("/anything/at/all", None, "", reply={"detail": "Not Found"}, status=404)
    assert (row.error_code, row.error_message) == (None, "Not Found")


@pytest.mark.parametrize(
    ("target", "dialect", "endpoint", "media", "is_streamed"),
    [
        (f"{GEMINI}:streamGenerateContent?alt=sse", "gemini_generate", "stream_generate", "text/event-stream", True),
        (f"{GEMINI}:streamGenerateContent", "gemini_generate", "stream_generate", "application/json", True),
        (f"{GEMINI}:generateContent", "gemini_generate", "generate", "application/json", None),
        ("/model/m/converse-stream", "bedrock_converse", "converse_stream", "application/vnd.amazon.eventstream", True),
        ("/model/m/converse", "bedrock_converse", "converse", "application/json", None),
    ],
)
def test_a_stream_is_known_as_one(
    target: str, dialect: str, endpoint: str, media: str, is_streamed: bool | None
) -> None:
    assert row_of(target, dialect, endpoint, media=media.encode()).is_streamed is is_streamed


def test_a_model_in_the_path_is_shown_as_the_client_named_it() -> None:
    row = row_of("/model/anthropic.claude-sonnet-4-5%3A0/converse", "bedrock_converse", "converse")
    assert row.model_asked == "anthropic.claude-sonnet-4-5:0"


def test_an_embedding_is_never_a_stream() -> None:
    body = b'{"model": "nomic", "prompt": "one"}'  # no `stream`, which for Ollama's chat would mean yes
    row = row_of("/api/embeddings", "ollama_chat", "embeddings", reply={"embedding": [0.1]}, body=body)
    assert (row.model_asked, row.is_streamed) == ("nomic", False)


def test_the_older_name_of_the_model_field_is_read() -> None:
    row = row_of("/api/show", "ollama_chat", "show", reply={"details": {}}, body=b'{"name": "llama3"}')
    assert row.model_asked == "llama3"


def test_another_vendor_s_body_through_bedrock_is_kept_without_complaint() -> None:
    counts = [(b"x-amzn-bedrock-input-token-count", b"7"), (b"x-amzn-bedrock-output-token-count", b"3")]
    row = row_of(
        "/model/meta.llama3-8b-instruct-v1%3A0/invoke", "bedrock_invoke", "invoke",
        body=b'{"prompt":"hi"}', reply={"generation": "ho", "stop_reason": "stop"}, more=counts,
    )  # fmt: skip
    assert (row.state, row.flags, row.model_asked) == ("done", [], "meta.llama3-8b-instruct-v1:0")
    assert (row.input_fresh, row.output, row.is_streamed) == (7, 3, False)


def test_another_vendor_s_stream_through_bedrock_is_known_as_one() -> None:
    row = row_of(
        "/model/amazon.titan/invoke-with-response-stream", "bedrock_invoke", "invoke_stream",
        body=b'{"inputText":"hi"}', media=b"application/vnd.amazon.eventstream",
    )  # fmt: skip
    assert (row.is_streamed, row.flags) == (True, [])


def test_claude_through_bedrock_is_read() -> None:
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    usage = {"input_tokens": 5, "output_tokens": 2}
    reply = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "ho"}], "usage": usage,
    }  # fmt: skip
    row = row_of(
        "/model/anthropic.claude-x/invoke", "bedrock_invoke", "invoke", body=json.dumps(body).encode(), reply=reply
    )
    assert (row.model_asked, row.model_served, row.preview, row.reply_preview) == (
        "anthropic.claude-x",
        "claude",
        "hi",
        "ho",
    )
    assert (row.input_fresh, row.output, row.is_streamed, row.flags) == (5, 2, False, [])
