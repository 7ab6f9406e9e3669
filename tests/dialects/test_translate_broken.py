"""Broken bodies and broken streams through every translation: no crash, no hang, a clear word on what was wrong."""

import itertools
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from dragoman.canonical import ReplyError
from dragoman.dialects import ALL
from dragoman.dialects.base import ReplyTarget, RequestTarget, Unreadable, Untranslatable
from dragoman.dialects.translate import (
    DIALECTS,
    StreamTranslator,
    read_prompt,
    translate_error,
    translate_reply,
    translate_request,
)
from fakes.corpus import SAMPLE, all_records_of
from fakes.replay import body_of

PAIRS = [pytest.param(*pair, id="-".join(pair)) for pair in itertools.permutations(sorted(DIALECTS), 2)]
TO = ReplyTarget(model="m", seed="X1", created=1)
ENDPOINTS = {
    "openai_responses": "responses",
    "anthropic_messages": "messages",
    "bedrock_invoke": "invoke",
    "bedrock_converse": "converse",
    "gemini_generate": "generate",
}

BODIES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"\xff\xfe\x00",
    b"<html>busy</html>",
    b'{"choices":[]}',
    b'{"choices":[{"message":{"content":[1,null,{"type":7}],"tool_calls":[null,{"function":3}]}}]}',
    b'{"output":[null,7,{"type":[]},{"type":"function_call"},{"type":"message","content":{"a":1}}]}',
    b'{"content":[null,7,{"type":{}},{"type":"tool_use"},{"type":"text","text":null}],"stop_reason":9}',
    b'{"message":{"content":[],"tool_calls":[{"function":{"arguments":"x"}}]},"done":"yes"}',
    b'{"error":{"message":null,"type":[],"code":{}}}',
    b'{"error":"text"}',
    b"[" * 5000,
]


def sampled(source: str, count: int, *, is_streamed: bool) -> list[bytes]:
    """Pick some recorded replies, small ones first."""
    records = [one for one in all_records_of(source, SAMPLE) if one["streamed"] == is_streamed and one["status"] == 200]
    bodies = sorted((body_of(one, "response") for one in records), key=len)
    return [body for body in bodies if len(body) < 40_000][:count]


def bent(body: bytes, seed: int) -> Iterator[bytes]:
    """Break a body in several ways: cut, doubled, bytes changed, pieces taken out."""
    chance = random.Random(seed)
    yield body[: len(body) // 2]
    yield body + body
    for _ in range(6):
        at, size = chance.randrange(len(body)), chance.randrange(1, 40)
        yield body[:at] + body[at + size :]
        yield body[:at] + bytes(chance.randrange(256) for _ in range(3)) + body[at:]
        yield body.replace(chance.choice([b"}", b'"', b":", b"\n", b"null", b"1", b"type"]), b"[", 3)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_no_broken_stream_crashes_or_goes_unsaid(source: str, target: str) -> None:
    for seed, body in enumerate([*sampled(source, 6, is_streamed=True), *BODIES]):
        for broken in [*bent(body, seed), *BODIES] if body else BODIES:
            translator = StreamTranslator(source, target, TO)
            written = b"".join(translator.feed(broken[at : at + 97]) for at in range(0, len(broken), 97))
            written += translator.end()
            assert written, "a stream that says nothing is told as broken off"
            assert translator.feed(b"data: {}\n\n") == translator.end() == translator.ping() == b""
            decoder = ALL[target].decoder()
            decoder.feed(written)
            decoder.end()
            assert decoder.warnings == [], (source, target, broken[:200], written[:300])


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_no_broken_reply_crashes(source: str, target: str) -> None:
    for seed, body in enumerate([*sampled(source, 6, is_streamed=False), *BODIES]):
        for broken in [*bent(body, seed), *BODIES] if body else BODIES:
            try:
                rendered = translate_reply(source, target, broken, TO)
            except Unreadable:
                continue
            ALL[target].parse_reply(rendered.body)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_every_error_has_a_body_that_says_something(source: str, target: str) -> None:
    for body in BODIES:
        for status in (400, 401, 403, 404, 408, 413, 424, 429, 500, 502, 503, 529):
            answered, written = translate_error(source, target, status, {}, body)
            assert 400 <= answered < 600
            error = ALL[target].parse_error(answered, {}, written).error
            assert error is not None and error.message


def shapes(value: Any, seed: int) -> Iterator[Any]:
    """Put odd values in the place of others, at any depth."""
    chance = random.Random(seed)
    for _ in range(12):
        yield _with_odd(value, chance, chance.choice([None, 7, -1, "x", [], {}, [None], {"type": 3}, True, 1.5]))


def _with_odd(value: Any, chance: random.Random, odd: Any) -> Any:
    if isinstance(value, dict) and value:
        key = chance.choice(list(value))
        return {**value, key: odd if chance.random() < 0.4 else _with_odd(value[key], chance, odd)}
    if isinstance(value, list) and value:
        at = chance.randrange(len(value))
        return [*value[:at], odd if chance.random() < 0.4 else _with_odd(value[at], chance, odd), *value[at + 1 :]]
    return odd


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_no_odd_request_crashes(source: str, target: str) -> None:
    records = [one for one in all_records_of(source, SAMPLE) if isinstance(one.get("request_body"), dict)]
    records.sort(key=lambda one: len(body_of(one, "request")))
    for seed, record in enumerate(records[:40:2]):
        for odd in shapes(record["request_body"], seed):
            try:
                path = f"/model/m/{ENDPOINTS.get(source, 'chat')}"
                prompt = read_prompt(source, ENDPOINTS.get(source, "chat"), path, json.dumps(odd).encode())
                request = translate_request(source, target, prompt, RequestTarget(model="m"))
            except (Unreadable, Untranslatable):
                continue
            ALL[target].parse_request(request.body)


@pytest.mark.parametrize("target", sorted(DIALECTS))
def test_an_error_of_ours_ends_any_stream_once(target: str) -> None:
    translator = StreamTranslator("openai_chat" if target != "openai_chat" else "ollama_chat", target, TO)
    assert translator.fail(ReplyError(message="gone"), 502)
    assert translator.has_failed and translator.fail(ReplyError(message="again"), 502) == b""
