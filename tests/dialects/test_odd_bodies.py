"""Bodies bent at random: nothing is raised but Unreadable, and what comes out can be written again."""

import json
import random
from typing import Any

import msgspec
import pytest

from dragoman.canonical import Prompt, Reply
from dragoman.dialects import ALL
from dragoman.dialects.assembler import Assembler
from dragoman.dialects.base import Unreadable
from dragoman.records.clients import identify
from dragoman.records.summary import prompt_preview, reply_preview
from fakes.corpus import SAMPLE, Record, all_records_of
from fakes.replay import body_of

JUNK = [
    *(None, True, 0, -1, 1.5, "", "x", "\ud83d", 10**30, [], [1], ["a"], [None], [[]], [{}]),
    *({}, {"a": 1}, {"type": "x"}, {"text": 5}, {"url": 3}),
]
LARGEST = 20_000


def bend(value: Any, chance: random.Random, share: float) -> Any:
    if chance.random() < share:
        return chance.choice(JUNK)
    if isinstance(value, dict):
        return {key: bend(one, chance, share) for key, one in value.items() if chance.random() > share / 2}
    return [bend(one, chance, share) for one in value] if isinstance(value, list) else value


def bent_stream(body: bytes, chance: random.Random) -> bytes:
    lines = []
    for line in body.decode().split("\n"):
        name, text = ("data:", line[5:]) if line.startswith("data:") else ("", line)
        if text.strip().startswith("{"):
            line = name + json.dumps(bend(json.loads(text), chance, 0.02))
        lines.append(line)
    return "\n".join(lines).encode()


def small(dialect: str) -> list[Record]:
    return [one for one in all_records_of(dialect, SAMPLE) if len(body_of(one, "response")) < LARGEST]


@pytest.mark.parametrize("dialect", ALL)
def test_bent_requests(dialect: str) -> None:
    chance = random.Random(1)
    for record in small(dialect):
        body = json.dumps(bend(record.get("request_body"), chance, 0.05)).encode()
        slices = ALL[dialect].slices(body)
        assert b"".join(body[one.start : one.end] for one in slices) == body
        try:
            prompt = ALL[dialect].parse_request(body)
        except Unreadable:
            continue
        assert msgspec.json.decode(msgspec.json.encode(prompt), type=Prompt)
        assert identify([], prompt) is not None
        assert len(prompt_preview(prompt)) <= 240


@pytest.mark.parametrize("dialect", ALL)
def test_bent_replies(dialect: str) -> None:
    chance = random.Random(2)
    for record in small(dialect):
        if record["framing"] != "none" or not record["response_body"].lstrip().startswith("{"):
            continue
        body = json.dumps(bend(json.loads(record["response_body"]), chance, 0.05)).encode()
        try:
            reply = ALL[dialect].parse_reply(body)
        except Unreadable:
            reply = ALL[dialect].parse_error(500, {}, body)
        assert msgspec.json.decode(msgspec.json.encode(reply), type=Reply)
        assert len(reply_preview(reply)) <= 240


@pytest.mark.parametrize("dialect", ALL)
def test_bent_streams(dialect: str) -> None:
    chance = random.Random(3)
    for record in small(dialect):
        if record["framing"] not in ("sse", "ndjson") or "error: {" in record["response_body"]:
            continue
        decoder, assembler = ALL[dialect].decoder(), Assembler()
        deltas = decoder.feed(bent_stream(body_of(record, "response"), chance)) + decoder.end()
        assembler.add(deltas)
        assert msgspec.json.encode(deltas)
        assert msgspec.json.decode(msgspec.json.encode(assembler.reply()), type=Reply)
        assert len(decoder.warnings) <= 20
