"""Claude over InvokeModel: bodies, frames and errors; Anthropic's SDK for Bedrock and botocore are the judges."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import msgspec
import pytest
from botocore.eventstream import EventStreamBuffer

from dragoman.canonical import (
    Media,
    Message,
    PartEnded,
    PartGrew,
    PartStarted,
    Prompt,
    Reply,
    ReplyEnded,
    ReplyError,
    ReplyProgressed,
    ReplyStarted,
    Text,
    ToolCall,
    Usage,
)
from dragoman.dialects import ALL
from dragoman.dialects.assembler import Assembler
from dragoman.dialects.base import ReplyTarget, RequestTarget, Unreadable, Untranslatable
from dragoman.wire.eventstream import encode_message
from fakes.anthropic_sdk import bedrock_message
from fakes.corpus import SAMPLE, all_records_of, read_records, text_of, whole_corpus
from fakes.decoding import decode
from fakes.replay import body_of

NAME = "bedrock_invoke"
INVOKE = ALL[NAME]
MESSAGES = ALL["anthropic_messages"]
PLACE = whole_corpus() or SAMPLE
Wire = dict[str, Any]


def asked(**fields: Any) -> Wire:
    return {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
        **fields,
    }


def read(body: Wire) -> Prompt:
    return INVOKE.parse_request(json.dumps(body).encode())


def chunk(value: Any) -> bytes:
    payload = {"bytes": base64.b64encode(json.dumps(value).encode()).decode(), "p": "abc"}
    headers = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    return encode_message(headers, json.dumps(payload).encode())


def test_every_recorded_request_is_written_as_it_came() -> None:
    for record in all_records_of(NAME, PLACE):
        prompt = INVOKE.parse_request(body_of(record, "request"))
        rendered = INVOKE.render_request(prompt, RequestTarget(model="m", is_streamed=record["streamed"]))
        assert json.loads(rendered.body) == record["request_body"], record["id"]
        assert rendered.losses == []


def test_other_vendors_bodies_are_unreadable_and_crash_nothing() -> None:
    others = [one for one in read_records(PLACE, "bedrock-invoke") if "anthropic." not in one["path"]]
    assert others
    for record in others:
        with pytest.raises(Unreadable, match="bedrock_invoke request: found"):
            INVOKE.parse_request(body_of(record, "request"))
        body = body_of(record, "response")
        if record["status"] >= 400:
            assert INVOKE.parse_error(record["status"], {}, body).error
        elif record["streamed"]:
            reply, _, warnings = decode(NAME, body)
            assert warnings and not reply.message.parts, record["id"]
        else:
            with pytest.raises(Unreadable, match="expected content"):
                INVOKE.parse_reply(body)


def test_a_request_has_no_model_and_no_stream_but_a_version() -> None:
    prompt = Prompt(messages=[Message(role="user", parts=[Text(text="hi")])], model="x", is_streamed=True)
    body = json.loads(INVOKE.render_request(prompt, RequestTarget(model="m", is_streamed=True)).body)
    assert body == {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 8192,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }


def test_the_model_stands_in_the_path_encoded_whole() -> None:
    assert INVOKE.path("anthropic.claude-v2:0", is_streamed=False) == "/model/anthropic.claude-v2%3A0/invoke"
    arn = "arn:aws:bedrock:us-east-1:1:inference-profile/x"
    assert INVOKE.path(arn, is_streamed=True) == (
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx/invoke-with-response-stream"
    )


def test_betas_go_from_the_body_into_the_header() -> None:
    prompt = read(asked(anthropic_beta=["a", "b"]))
    assert MESSAGES.request_headers(prompt) == [("anthropic-version", "2023-06-01"), ("anthropic-beta", "a,b")]
    body = json.loads(MESSAGES.render_request(prompt, RequestTarget(model="m")).body)
    assert body == {"model": "m", "max_tokens": 9, "messages": asked()["messages"]}


def test_what_only_anthropics_service_has_is_lost_on_bedrock() -> None:
    tools = [
        {"type": "web_search_20250305", "name": "web_search"},
        {"type": "bash_20250124", "name": "bash"},
        {"name": "f", "input_schema": {"type": "object"}},
    ]
    wire = {"model": "m", "max_tokens": 9, "messages": asked()["messages"], "service_tier": "auto", "tools": tools}
    rendered = INVOKE.render_request(MESSAGES.parse_request(json.dumps(wire).encode()), RequestTarget(model="m"))
    body = json.loads(rendered.body)
    assert [tool["name"] for tool in body["tools"]] == ["bash", "f"]
    assert "service_tier" not in body and "model" not in body
    assert [loss.path for loss in rendered.losses] == ["tools[0]", "$.service_tier"]


@pytest.mark.parametrize("source", [{"type": "url", "url": "https://x"}, {"type": "file", "file_id": "f"}])
def test_an_image_that_would_have_to_be_fetched_is_refused(source: Wire) -> None:
    content = [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": source}]}]
    wire = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": content}]}
    with pytest.raises(Untranslatable):
        INVOKE.render_request(MESSAGES.parse_request(json.dumps(wire).encode()), RequestTarget(model="m"))
    linked = Message(role="user", parts=[Media(kind="image", url="https://x")])
    with pytest.raises(Untranslatable):
        INVOKE.render_request(Prompt(messages=[linked]), RequestTarget(model="m"))


def told(reply: Reply) -> Reply:
    usage = msgspec.structs.replace(reply.usage or Usage(), native=None)
    parts = [
        msgspec.structs.replace(part, arguments=json.dumps(json.loads(part.arguments)))
        if isinstance(part, ToolCall)
        else part
        for part in reply.message.parts
        if part != Text(text="")
    ]
    message = msgspec.structs.replace(reply.message, parts=parts)
    return msgspec.structs.replace(reply, usage=usage, message=message, provider_timings_ns={})


def test_recorded_streams_written_anew_say_the_same_and_the_sdk_takes_them() -> None:
    streams = [one for one in all_records_of(NAME, PLACE) if one["streamed"]]
    assert streams
    for record in streams:
        body = body_of(record, "response")
        decoder, assembler = INVOKE.decoder(), Assembler()
        encoder = INVOKE.encoder(ReplyTarget())
        out = b""
        for at in range(0, len(body), 400):
            deltas = decoder.feed(body[at : at + 400])
            assembler.add(deltas)
            out += encoder.feed(deltas)
        deltas = decoder.end()
        assembler.add(deltas)
        out += encoder.feed(deltas) + encoder.end()
        reply = assembler.reply()
        again, _, warnings = decode(NAME, out)
        assert warnings == []
        if "completion" not in record["request_body"].get("prompt", ""):
            assert told(again).message == told(reply).message, record["id"]
            assert (again.stop_reason, again.usage and again.usage.output) == (
                reply.stop_reason,
                reply.usage and reply.usage.output,
            )
        message = bedrock_message(out, is_streamed=True)
        assert "".join(block.text for block in message.content if block.type == "text") == text_of(reply.message)


def test_the_last_chunk_says_what_was_counted() -> None:
    """And what was measured is read."""
    metrics = {"inputTokenCount": 5, "outputTokenCount": 7, "invocationLatency": 20, "firstByteLatency": 3}
    key = "amazon-bedrock-invocationMetrics"
    reply, _, _ = decode(NAME, chunk({"completion": "a", "stop_reason": "stop_sequence", key: metrics}))
    assert reply.usage and (reply.usage.input_fresh, reply.usage.output) == (5, 7)
    assert reply.provider_timings_ns == {"invocationLatency": 20_000_000, "firstByteLatency": 3_000_000}
    out = INVOKE.encoder(ReplyTarget()).feed(
        [
            ReplyStarted(),
            ReplyProgressed(stop_reason="end", usage=Usage(input_fresh=2, cache_read=4, output=3)),
            ReplyEnded(),
        ]
    )
    last = list(payloads(out))[-1]
    assert last[key] == {
        "inputTokenCount": 2,
        "outputTokenCount": 3,
        "cacheReadInputTokenCount": 4,
        "cacheWriteInputTokenCount": 0,
    }


def payloads(body: bytes) -> Iterator[Any]:
    """The events of a stream, by botocore's own reader."""
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    for event in buffer:
        yield json.loads(base64.b64decode(json.loads(event.payload)["bytes"]))


def test_every_frame_is_one_event_and_goes_out_at_once() -> None:
    encoder = INVOKE.encoder(ReplyTarget(model="m"))
    first = encoder.feed([ReplyStarted(id="a"), PartStarted(part=0, value=Text(text="He"))])
    assert [one["type"] for one in payloads(first)] == ["message_start", "content_block_start", "content_block_delta"]
    assert next(payloads(encoder.feed([PartGrew(part=0, text="y")])))["delta"] == {"type": "text_delta", "text": "y"}
    assert encoder.ping() == b""
    rest = encoder.feed([PartEnded(part=0), ReplyProgressed(stop_reason="end"), ReplyEnded()]) + encoder.end()
    assert [one["type"] for one in payloads(rest)] == ["content_block_stop", "message_delta", "message_stop"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "validationException"),
        (429, "throttlingException"),
        (500, "internalServerException"),
        (529, "serviceUnavailableException"),
        (502, "modelStreamErrorException"),
    ],
)
def test_an_error_in_the_stream_is_an_exception_frame(status: int, kind: str) -> None:
    """litellm#32686: a stream that breaks off is no success."""
    encoder = INVOKE.encoder(ReplyTarget(model="m"))
    out = encoder.feed([ReplyStarted(), PartStarted(part=0, value=Text(text="He"))])
    out += encoder.fail(ReplyError(message="too much"), status)
    assert encoder.feed([PartGrew(part=0, text="y")]) + encoder.end() == b""
    reply, _, _ = decode(NAME, out)
    assert reply.error == ReplyError(message="too much", kind=kind)
    assert (reply.is_complete, reply.stop_reason) == (False, "error")
    with pytest.raises(anthropic.APIError, match="too much"):
        bedrock_message(out, is_streamed=True)


def test_a_stream_that_ends_before_it_said_so_is_broken_off() -> None:
    encoder = INVOKE.encoder(ReplyTarget(model="m"))
    out = encoder.feed([PartStarted(part=0, value=Text(text="He"))]) + encoder.end()
    assert decode(NAME, out)[0].error


@pytest.mark.parametrize(
    ("headers", "body", "kind", "message"),
    [
        ({"x-amzn-errortype": "ThrottlingException:http://x/"}, {"message": "slow"}, "ThrottlingException", "slow"),
        ({"x-amzn-errortype": "ValidationException"}, {"Message": "bad"}, "ValidationException", "bad"),
        (
            {},
            {"__type": "com.amazon.coral.service#AccessDeniedException", "message": "no"},
            "AccessDeniedException",
            "no",
        ),
    ],
)
def test_an_error_answer_is_named_by_its_header(headers: Any, body: Wire, kind: str, message: str) -> None:
    error = INVOKE.parse_error(400, headers, json.dumps(body).encode()).error
    assert error == ReplyError(message=message, kind=kind)


def test_a_broken_frame_is_noted_and_what_came_is_kept() -> None:
    start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "He"}}
    body = chunk(start) + b"\0" * 40
    reply, _, warnings = decode(NAME, body)
    assert text_of(reply.message) == "He"
    assert "broken frame" in warnings[0]
    assert not reply.is_complete


def test_a_whole_reply_is_taken_by_the_sdk() -> None:
    reply = Reply(
        message=Message(role="assistant", parts=[Text(text="hi"), ToolCall(id="a", name="f", arguments='{"a":1}')]),
        stop_reason="tool_use",
        usage=Usage(input_fresh=1, output=2),
    )
    body = INVOKE.render_reply(reply, ReplyTarget(model="m", seed="s")).body
    message = bedrock_message(body, is_streamed=False)
    assert (message.stop_reason, message.id, message.model) == ("tool_use", "msg_s", "m")
    assert told(INVOKE.parse_reply(body)).message == told(reply).message
