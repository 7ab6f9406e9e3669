"""Recorded replies and streams of each dialect, written in each other: taken by its SDK, and saying the same.

What may differ is what is listed as lost, and the ids that the upstream did not give.
"""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.canonical import Loss, Reply, ToolCall
from dragoman.dialects import ALL
from dragoman.dialects.assembler import Assembler
from dragoman.dialects.base import ReplyTarget, Unreadable
from dragoman.dialects.translate import DIALECTS, StreamTranslator, translate_reply
from fakes.corpus import SAMPLE, Record, all_records_of, whole_corpus
from fakes.meaning import PLAIN, again, meaning
from fakes.replay import body_of
from fakes.sdk_reading import STREAMED, WHOLE

PLACES = [pytest.param(SAMPLE, id="sample"), pytest.param(whole_corpus(), id="whole", marks=pytest.mark.corpus)]
PAIRS = [pytest.param(*pair, id="-".join(pair)) for pair in itertools.permutations(sorted(DIALECTS), 2)]

_USAGE_ASKED = b'{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}'
TO = ReplyTarget(model="m", seed="X1", created=1, prompt=ALL["openai_chat"].parse_request(_USAGE_ASKED))

_STARTS = re.compile(rb'"type": ?"(?:message_start|response\.created)"')

SHORTENED = {"3b682e890be3dc25"}
"""A picture that the recorder cut short: no base64 any more, which google-genai refuses."""

Translated = tuple[Record, Reply, bytes, list[Loss]]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Path:
    if request.param is None:
        pytest.skip("the whole corpus lies neither beside the project nor where DRAGOMAN_CORPUS says")
    return request.param


def whole_replies(source: str, target: str, place: Path) -> Iterator[Translated]:
    for record in all_records_of(source, place):
        if record["streamed"] or record["status"] != 200:
            continue
        body = body_of(record, "response")
        try:
            reply = ALL[source].parse_reply(body)
        except Unreadable:
            continue
        if reply.error is None and reply.message.parts and not calls_others_tools(reply, target):
            rendered = translate_reply(source, target, body, TO)
            yield record, reply, rendered.body, rendered.losses


def streams(source: str, target: str, place: Path) -> Iterator[Translated]:
    """Give each recorded stream; those that hold several replies, as some test suites keep them, are left out."""
    for record in all_records_of(source, place):
        body = body_of(record, "response")
        if not record["streamed"] or record["status"] != 200 or len(_STARTS.findall(body)) > 1:
            continue
        reply = read_stream(source, body)
        if calls_others_tools(reply, target):
            continue
        translator = StreamTranslator(source, target, TO)
        pieces = [translator.feed(body[at : at + 700]) for at in range(0, len(body), 700)]
        yield record, reply, b"".join([*pieces, translator.end()]), translator.losses


def calls_others_tools(reply: Reply, target: str) -> bool:
    """Say whether a reply calls tools that no client of `target` can have asked for: free-form ones, OpenAI's shell."""
    calls = [part for part in reply.message.parts if isinstance(part, ToolCall) and part.kind == "custom"]
    return any(target in PLAIN or "type" in part.extra.get("openai_responses", {}) for part in calls)


def read_stream(dialect: str, body: bytes) -> Reply:
    decoder, assembler = ALL[dialect].decoder(), Assembler()
    assembler.add(decoder.feed(body))
    assembler.add(decoder.end())
    return assembler.reply()


def compared(told: dict[str, Any], found: dict[str, Any], *, is_sealed_anew: bool) -> None:
    """Compare; a call without an id gets one, and OpenAI seals an item anew in its last event."""
    assert len(told["parts"]) == len(found["parts"])
    for one, other in zip(told["parts"], found["parts"], strict=True):
        if one[0] == "call" and one[1] is None:
            other = (other[0], None, *other[2:])
        if one[0] == "thought" and is_sealed_anew:
            one, other = (*one[:2], bool(one[2]), one[3]), (*other[:2], bool(other[2]), other[3])
        assert one == other
    assert (told["stop"], told["usage"]) == (found["stop"], found["usage"])


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_whole_reply_says_the_same_in_the_other_dialect(source: str, target: str, place: Path) -> None:
    for record, reply, body, losses in whole_replies(source, target, place):
        told = meaning(reply, source, target, losses)
        found = again(ALL[target].parse_reply(body), target, losses)
        try:
            compared(told, found, is_sealed_anew=False)
        except AssertionError as difference:
            raise AssertionError(record["id"]) from difference


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_stream_says_the_same_in_the_other_dialect(source: str, target: str, place: Path) -> None:
    for record, reply, body, losses in streams(source, target, place):
        result = read_stream(target, body)
        if reply.error is not None or not reply.is_complete:
            assert result.error is not None, record["id"]
            continue
        try:
            told = meaning(reply, source, target, losses)
            compared(told, again(result, target, losses), is_sealed_anew=source == "openai_responses")
        except AssertionError as difference:
            raise AssertionError(record["id"]) from difference


@pytest.mark.parametrize("target", sorted(DIALECTS))
def test_the_official_sdk_takes_every_translated_reply(target: str) -> None:
    for source in DIALECTS - {target}:
        for _, _, body, _ in whole_replies(source, target, SAMPLE):
            WHOLE[target](body)
        for record, reply, body, _ in streams(source, target, SAMPLE):
            if reply.error is None and reply.is_complete and record["id"] not in SHORTENED:
                STREAMED[target](body)
