"""What the bodies say: whole and streamed, coded, broken, unknown; and that reading again finds the same."""

import gzip
import json

import msgspec
import pytest

from dragoman.dialects import PARSER_VERSION
from dragoman.journal.format import AttemptOpened, Chunk, Opened, Record, RequestBody, RequestEnded, SentChunk
from dragoman.keeper.assemble import Assembly, TimeBase
from dragoman.keeper.reply import replay
from dragoman.keeper.understand import understand, understand_again
from dragoman.records.exchange import Recording
from fakes.playbook import (
    CHAT_BODY,
    MESSAGES_BODY,
    MS,
    SENT_EVENTS,
    START,
    STREAM_BODY,
    asked,
    asked_through_route,
    chunked,
    closed,
    head,
    opened,
    sent_head,
    streamed,
    translated,
    whole,
)

ANSWER = {
    "id": "c1",
    "object": "chat.completion",
    "model": "gpt-4o-2024",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Looking.",
                "tool_calls": [
                    {"id": "t1", "type": "function", "function": {"name": "bash", "arguments": '{"cmd":"ls"}'}}
                ],
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {
        "prompt_tokens": 20,
        "completion_tokens": 7,
        "total_tokens": 27,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 3},
    },
}


def read(*records: Record) -> Recording:
    first, *rest = records
    assert isinstance(first, Opened)
    assembly = Assembly(first, TimeBase(1_700_000_000_000_000_000, 5_000_000_000))
    for record in rest:
        assembly.take(record)
    return understand(assembly.recording())


def answered(
    body: bytes, *, status: int = 200, media: bytes = b"application/json", request: bytes = CHAT_BODY
) -> Recording:
    return read(
        *asked("a"),
        head("a", status=status, media=media, framing="length"),
        Chunk("a", START + 20 * MS, body),
        closed("a", status=status),
    )


def test_a_whole_reply_gives_all_its_facts() -> None:
    made = answered(json.dumps(ANSWER).encode())
    row = made.detail.row
    assert (row.model_asked, row.model_served, row.turns) == ("gpt-4o", "gpt-4o-2024", 1)
    assert (row.input_fresh, row.cache_read, row.output, row.reasoning) == (12, 8, 7, 3)
    assert (row.stop_reason, row.native_stop_reason) == ("tool_use", "tool_calls")
    assert row.tools_called == ["bash"]
    assert row.is_streamed is False
    assert row.first_token_ns is None
    assert {"tools", "reasoning"} <= set(row.flags)
    assert made.search_texts == ["Looking.", 'bash {"cmd":"ls"}']
    assert row.parser_version == PARSER_VERSION
    assert "Say hello" in row.preview


def test_a_streamed_reply_gives_times_and_text() -> None:
    made = read(*whole("a"))
    row = made.detail.row
    assert (row.is_streamed, row.first_token_ns, row.last_token_ns) == (True, 20 * MS, 60 * MS)
    assert row.output is None  # the provider said nothing: unknown, not an estimate
    assert not row.is_estimated
    assert made.search_texts == ["Hello, great sea."]


def test_a_compressed_stream_is_read_from_a_copy() -> None:
    packed = gzip.compress(STREAM_BODY)
    made = read(
        *asked("a"),
        head("a", more=[(b"content-encoding", b"gzip")]),
        Chunk("a", START + 20 * MS, chunked(packed[:40])),
        Chunk("a", START + 30 * MS, chunked(packed[40:]) + b"0\r\n\r\n"),
        closed("a"),
    )
    assert made.response_body == packed
    assert made.search_texts == ["Hello, great sea."]
    assert made.detail.response_body.encoding == "gzip"
    assert "compressed" in made.detail.row.flags


def test_a_compressed_request_is_read_from_a_copy() -> None:
    packed = gzip.compress(CHAT_BODY)
    start = opened("a")
    start = msgspec.structs.replace(start, headers=[*start.headers, (b"Content-Encoding", b"gzip")])
    made = read(start, RequestBody("a", START, packed), RequestEnded("a", START, len(packed)), closed("a", status=500))
    assert made.request_body == packed
    assert made.detail.row.model_asked == "gpt-4o"
    assert made.search_texts == [CHAT_BODY.decode()]


def test_a_stream_that_broke_off_keeps_what_came() -> None:
    made = read(*asked("a"), *streamed("a"), closed("a", ending="upstream_cut", error_code="upstream_cut"))
    row = made.detail.row
    assert (row.state, row.stop_reason) == ("error", None)
    assert made.search_texts == ["Hello, great sea."]
    assert not made.detail.response_body.is_whole


def test_a_stream_that_broke_off_knows_what_went_in_but_not_what_came_out() -> None:
    start = {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "content": [],
             "model": "claude-x", "usage": {"input_tokens": 25, "output_tokens": 1}}}  # fmt: skip
    wire = b"event: message_start\ndata: " + json.dumps(start).encode() + b"\n\n"
    body = b'{"model": "claude-x", "max_tokens": 9, "stream": true, "messages": [{"role": "user", "content": "hi"}]}'
    made = read(
        opened("a", target=b"/v1/messages", dialect="anthropic_messages", endpoint="messages"),
        RequestBody("a", START, body),
        RequestEnded("a", START, len(body)),
        head("a"),
        Chunk("a", START + 20 * MS, chunked(wire)),
        closed("a", ending="client_closed"),
    )
    row = made.detail.row
    assert (row.state, row.model_served) == ("stopped", "claude-x")
    assert (row.input_fresh, row.output) == (25, None)


@pytest.mark.parametrize("status", [401, 429, 500])
def test_an_error_of_the_provider_is_read(status: int) -> None:
    body = {"error": {"message": "too many", "type": "rate", "code": "rate_limit"}}
    row = answered(json.dumps(body).encode(), status=status).detail.row
    assert (row.state, row.error_code, row.error_message) == ("error", "rate_limit", "too many")


def test_an_error_in_the_middle_of_a_stream_is_an_error() -> None:
    broken = b'data: {"error": {"message": "overloaded", "code": "busy"}}\n\n'
    made = read(*asked("a"), *streamed("a"), Chunk("a", START + 90 * MS, chunked(broken)), closed("a"))
    assert (made.detail.row.status, made.detail.row.state) == (200, "error")
    assert made.detail.row.error_message == "overloaded"


def test_a_reply_that_is_no_json_is_kept_and_marked() -> None:
    made = answered(b"<html>gateway time-out</html>", media=b"text/html")
    assert "unparsed" in made.detail.row.flags
    assert made.response_body == b"<html>gateway time-out</html>"
    assert made.detail.warnings[0].startswith("reply: ")
    assert any("gateway time-out" in text for text in made.search_texts)


def test_a_stream_under_a_wrong_media_type_is_read_as_what_it_is() -> None:
    made = answered(STREAM_BODY, media=b"text/plain")
    assert made.detail.row.is_streamed
    assert made.search_texts == ["Hello, great sea."]


def test_json_in_place_of_the_stream_that_was_asked_for_is_read_as_json() -> None:
    row = answered(json.dumps(ANSWER).encode(), media=b"application/octet-stream").detail.row
    assert row.is_streamed is False
    assert row.output == 7


def test_a_path_that_no_dialect_reads_gives_model_and_text() -> None:
    body = b'{"model": "whisper-1", "prompt": "seagulls"}'
    made = read(
        opened("a", target=b"/v1/audio/speech", endpoint="audio"),
        RequestBody("a", START, body),
        RequestEnded("a", START, len(body)),
        AttemptOpened("a", START, 1, "openai", "https://api.openai.com/v1/audio/speech", False),
        head("a", media=b"audio/mpeg", framing="length"),
        Chunk("a", START + MS, b"ID3\0\0\0sound"),
        closed("a"),
    )
    assert made.detail.row.model_asked == "whisper-1"
    assert made.search_texts == [body.decode()]
    assert "unparsed" not in made.detail.row.flags


def facts(recording: Recording) -> bytes:
    return msgspec.json.encode((recording.detail, sorted(recording.search_texts)))


@pytest.mark.parametrize(
    "made",
    [
        read(*whole("a")),
        answered(json.dumps(ANSWER).encode()),
        answered(b'{"error": {"message": "no"}}', status=500),
        answered(b"<html>", media=b"text/html"),
        read(*asked("a"), *streamed("a"), closed("a", ending="upstream_cut", error_code="upstream_cut")),
    ],
    ids=["stream", "whole", "error", "html", "cut"],
)
def test_reading_again_finds_the_same(made: Recording) -> None:
    before = facts(made)
    assert facts(understand_again(made)) == before


def test_reading_again_keeps_facts_whose_bodies_are_gone() -> None:
    made = read(*whole("a"))
    made.detail.row.parser_version = 0
    made.detail.response_body.is_stored = False
    made.request_body = made.response_body = b""
    again = understand_again(made)
    assert again.detail.row.model_served == "gpt-4o-2024"
    assert again.detail.row.parser_version == PARSER_VERSION


def test_a_stored_stream_is_replayed_with_its_times() -> None:
    made = read(*whole("a"))
    deltas = replay(made)
    assert [one.at_ns for one in deltas] == sorted(one.at_ns for one in deltas)
    assert "".join(getattr(one.delta, "text", "") for one in deltas).endswith("sea.")


def test_a_translated_call_is_read_from_the_provider_s_bytes() -> None:
    made = read(*translated("a"))
    row = made.detail.row
    assert (row.model_asked, row.model_served) == ("claude-x", "gpt-4o-2024")
    assert (row.stop_reason, row.native_stop_reason) == ("end", "stop")
    assert (row.first_token_ns, row.last_token_ns) == (20 * MS, 60 * MS)
    assert made.search_texts == ["Hello, great sea."]
    assert made.reply_id is None
    assert [one.at_ns // MS for one in replay(made)][:2] == [20, 20]
    again = understand_again(made)
    assert again.detail.row == row
    assert "translated" in row.flags


def test_a_translated_error_is_the_provider_s_own() -> None:
    told = b'{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}'
    sent = b'{"type":"error","error":{"type":"rate_limit_error","message":"Rate limit reached"}}'
    made = read(
        *asked_through_route("a"),
        head("a", status=429, media=b"application/json", framing="length"),
        sent_head("a", status=429, media=b"application/json"),
        Chunk("a", START + 20 * MS, told),
        SentChunk("a", START + 20 * MS, sent),
        closed("a", status=429),
    )
    row = made.detail.row
    assert (row.state, row.error_code, row.error_message) == ("error", "rate_limit_exceeded", "Rate limit reached")
    assert (made.response_body, made.upstream_response) == (sent, told)


def test_a_translated_reply_streams_as_the_client_sees_it() -> None:
    """The provider answered whole; the client asked for a stream and got one. And the other way round."""
    whole_reply = [
        *asked_through_route("a"),
        head("a", media=b"application/json", framing="length"),
        Chunk("a", START + 20 * MS, json.dumps(ANSWER).encode()),
        sent_head("a"),
        *(SentChunk("a", START + 21 * MS, event) for event in SENT_EVENTS),
        closed("a"),
    ]
    row = read(*whole_reply).detail.row
    assert (row.is_streamed, row.first_token_ns, row.output) == (True, None, 7)
    whole_asked = json.dumps({**json.loads(MESSAGES_BODY), "stream": False}).encode()
    stream = translated("a")
    stream[1:3] = [RequestBody("a", START, whole_asked), RequestEnded("a", START, len(whole_asked))]
    row = read(*stream).detail.row
    assert (row.is_streamed, row.first_token_ns, row.reply_preview) == (False, 20 * MS, "Hello, great sea.")
