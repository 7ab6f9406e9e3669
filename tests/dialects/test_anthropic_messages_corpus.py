"""Recorded Messages traffic written again: requests as they were; replies and streams that say the same."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from anthropic.types import Message as SdkMessage

from dragoman.canonical import AnyPart, Delta, Reply, ToolCall, Usage
from dragoman.dialects import ALL
from dragoman.dialects.assembler import Assembler
from dragoman.dialects.base import ReplyTarget, RequestTarget
from fakes.anthropic_sdk import streamed_message, whole_message
from fakes.corpus import SAMPLE, Record, all_records_of, text_of, whole_corpus
from fakes.replay import body_of

NAME = "anthropic_messages"
MESSAGES = ALL[NAME]
PLACES = [pytest.param(SAMPLE, id="sample"), pytest.param(whole_corpus(), id="whole", marks=pytest.mark.corpus)]


@pytest.fixture(params=PLACES)
def records(request: pytest.FixtureRequest) -> list[Record]:
    if request.param is None:
        pytest.skip("the whole corpus lies neither beside the project nor where DRAGOMAN_CORPUS says")
    return all_records_of(NAME, request.param)


def same(found: Any, expected: Any, path: str = "$") -> None:
    """Equal as JSON, kinds of numbers included."""
    assert type(found) is type(expected), f"{path}: found {found!r}, expected {expected!r}"
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), path
        for key, value in expected.items():
            same(found[key], value, f"{path}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), path
        for number, value in enumerate(expected):
            same(found[number], value, f"{path}[{number}]")
    else:
        assert found == expected, path


def test_every_request_is_written_as_it_came(records: list[Record]) -> None:
    for record in records:
        asked = record.get("request_body")
        if isinstance(asked, dict):
            prompt = MESSAGES.parse_request(body_of(record, "request"))
            rendered = MESSAGES.render_request(prompt, RequestTarget(is_streamed=prompt.is_streamed))
            same(json.loads(rendered.body), asked, record["id"])
            assert rendered.losses == [], record["id"]


def told(reply: Reply) -> Reply:
    """What a reply says: without the provider's own figures, and the spacing of arguments. Unknown usage is written
    as 0, since the SDK demands numbers."""
    usage = msgspec.structs.replace(reply.usage or Usage(input_fresh=0, output=0), native=None)
    parts = [_told_part(part) for part in reply.message.parts if getattr(part, "text", None) != ""]
    message = msgspec.structs.replace(reply.message, parts=parts)
    return msgspec.structs.replace(reply, message=message, usage=usage, warnings=[])


def _told_part(part: AnyPart) -> AnyPart:
    if not isinstance(part, ToolCall):
        return part
    try:
        return msgspec.structs.replace(part, arguments=json.dumps(json.loads(part.arguments)))
    except ValueError:
        return part


def test_every_whole_reply_is_written_to_say_the_same(records: list[Record]) -> None:
    for record in records:
        if record["streamed"] or record["status"] != 200:
            continue
        reply = MESSAGES.parse_reply(body_of(record, "response"))
        rendered = MESSAGES.render_reply(reply, ReplyTarget())
        again = MESSAGES.parse_reply(rendered.body)
        if reply.is_complete and "completion" not in record["response_body"][:200]:
            assert told(again) == told(reply), record["id"]
            if reply.message.parts:
                assert text_in(whole_message(rendered.body)) == text_of(reply.message), record["id"]
        assert rendered.losses == [], record["id"]


def deltas_of(body: bytes) -> Iterator[list[Delta]]:
    decoder = MESSAGES.decoder()
    for at in range(0, len(body), 300):
        yield decoder.feed(body[at : at + 300])
    yield decoder.end()


def encoded(body: bytes) -> tuple[bytes, Reply]:
    """A stream decoded and written anew, and the reply that it told."""
    encoder, assembler = MESSAGES.encoder(ReplyTarget()), Assembler()
    out = b""
    for deltas in deltas_of(body):
        out += encoder.feed(deltas)
        assembler.add(deltas)
    out += encoder.end()
    assert encoder.losses == []
    return out, assembler.reply()


def test_every_stream_is_written_to_say_the_same_and_the_sdk_takes_it(records: list[Record]) -> None:
    for record in records:
        if not record["streamed"] or record["status"] != 200 or record["response_body"].count('"message_start"') > 1:
            continue
        out, reply = encoded(body_of(record, "response"))
        assembler = Assembler()
        for deltas in deltas_of(out):
            assembler.add(deltas)
        again = assembler.reply()
        if reply.error is not None or not reply.is_complete:
            assert again.error is not None, record["id"]
            continue
        if reply.native_stop_reason is not None:
            assert told(again) == told(reply), record["id"]
        assert text_in(streamed_message(out)) == text_of(reply.message), record["id"]


def text_in(message: SdkMessage) -> str:
    """The text of what Anthropic's SDK read."""
    return "".join(block.text for block in message.content if block.type == "text")
