"""Recorded traffic, whole and streamed, cut anywhere, against the truth.

The sample that the project carries always runs; the whole corpus runs when it lies beside the project.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from dragoman.canonical import Delta, Prompt, Reply
from dragoman.dialects import ALL
from dragoman.dialects.assembler import Assembler
from dragoman.dialects.base import Unreadable
from dragoman.dialects.detect import PROMPT_ENDPOINTS, REPLY_ENDPOINTS, detect
from fakes.corpus import (
    SAMPLE,
    Record,
    all_records_of,
    deviations,
    disagreements,
    truths_of,
    whole_corpus,
)
from fakes.replay import body_of

PLACES = [pytest.param(SAMPLE, id="sample"), pytest.param(whole_corpus(), id="whole", marks=pytest.mark.corpus)]

NO_REPLY = {"829e198500e8ee68"}
"""A server that echoes what it was asked, with status 200."""


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Path:
    if request.param is None:
        pytest.skip("the whole corpus lies neither beside the project nor where DRAGOMAN_CORPUS says")
    return request.param


def whole(body: bytes) -> Iterator[bytes]:
    yield body


def bytewise(body: bytes) -> Iterator[bytes]:
    return (body[at : at + 1] for at in range(len(body)))


def at_random(body: bytes, seed: int) -> Iterator[bytes]:
    chance = random.Random(seed)
    at = 0
    while at < len(body):
        size = chance.choice([1, 3, 20, 200, 5000])
        yield body[at : at + size]
        at += size


def decode(dialect: str, pieces: Iterator[bytes]) -> tuple[Reply, list[Delta], list[str]]:
    decoder = ALL[dialect].decoder()
    deltas = [delta for piece in pieces for delta in decoder.feed(piece)]
    deltas += decoder.end()
    assembler = Assembler()
    assembler.add(deltas)
    return assembler.reply(), deltas, decoder.warnings


def streams(dialect: str, place: Path) -> list[Record]:
    return [one for one in all_records_of(dialect, place) if one["streamed"] and one["status"] == 200]


@pytest.mark.parametrize("dialect", ALL)
def test_every_request_is_understood(dialect: str, place: Path) -> None:
    for record in all_records_of(dialect, place):
        body = body_of(record, "request")
        if record.get("request_body") is None:
            continue
        prompt = ALL[dialect].parse_request(body)
        assert prompt.warnings == [], record["id"]
        assert prompt.model == record["request_body"].get("model"), record["id"]
        assert prompt.messages or prompt.previous_id or "prompt" in record["request_body"], record["id"]
        assert msgspec.json.decode(msgspec.json.encode(prompt), type=Prompt) == prompt, record["id"]


@pytest.mark.parametrize("dialect", ALL)
def test_every_request_is_cut_without_loss(dialect: str, place: Path) -> None:
    for record in all_records_of(dialect, place):
        body = body_of(record, "request")
        slices = ALL[dialect].slices(body)
        assert b"".join(body[one.start : one.end] for one in slices) == body, record["id"]
        asked = record.get("request_body") or {}
        for key, kind in (("messages", "messages"), ("input", "messages"), ("tools", "tools"), ("system", "system")):
            if isinstance(asked.get(key), list):
                assert len({one.item for one in slices if one.kind == kind}) == len(asked[key]), record["id"]


@pytest.mark.parametrize("dialect", ALL)
def test_every_whole_reply_and_error_is_understood(dialect: str, place: Path) -> None:
    for record in all_records_of(dialect, place):
        if (record["streamed"] and record["status"] == 200) or record["id"] in NO_REPLY:
            continue
        body = body_of(record, "response")
        if record["status"] >= 400:
            reply = ALL[dialect].parse_error(record["status"], {}, body)
            assert reply.error and reply.error.message, record["id"]
            assert not reply.error.message.startswith("{"), record["id"]
        else:
            reply = ALL[dialect].parse_reply(body)
        assert msgspec.json.decode(msgspec.json.encode(reply), type=Reply) == reply, record["id"]


@pytest.mark.parametrize("dialect", ALL)
def test_every_stream_is_understood_however_it_is_cut(dialect: str, place: Path) -> None:
    for record in streams(dialect, place):
        body = body_of(record, "response")
        reply, _, warnings = decode(dialect, whole(body))
        assert warnings == [], record["id"]
        assert msgspec.json.decode(msgspec.json.encode(reply), type=Reply) == reply, record["id"]
        for seed in range(2):
            assert decode(dialect, at_random(body, seed))[0] == reply, record["id"]
        if len(body) < 4000:
            assert decode(dialect, bytewise(body))[0] == reply, record["id"]


@pytest.mark.parametrize("dialect", ALL)
def test_streams_agree_with_the_truth_but_for_the_listed_deviations(dialect: str, place: Path) -> None:
    truths = truths_of(dialect, place)
    found: dict[tuple[str, str], str] = {}
    for record in streams(dialect, place):
        truth = truths.get(record["id"])
        if truth is not None:
            reply, _, _ = decode(dialect, whole(body_of(record, "response")))
            found.update({(record["id"], what): why for what, why in disagreements(dialect, reply, truth)})
    listed = {(record, what) for record, what in deviations() if record in truths}
    assert found.keys() - listed == set(), [f"{key}: {found[key]}" for key in found.keys() - listed]
    assert listed - found.keys() == set(), "listed as a deviation, but it is none"


@pytest.mark.parametrize("dialect", ALL)
def test_a_stream_that_breaks_off_gives_what_came_and_says_so(dialect: str, place: Path) -> None:
    for record in streams(dialect, place)[:40]:
        body = body_of(record, "response")
        for share in (0.3, 0.7):
            cut = body[: int(len(body) * share)]
            reply, _, _ = decode(dialect, whole(cut))
            assert not reply.is_complete or reply.stop_reason, record["id"]
            assert msgspec.json.encode(reply), record["id"]


@pytest.mark.parametrize("dialect", ALL)
def test_deltas_number_parts_in_the_order_of_their_beginning(dialect: str, place: Path) -> None:
    for record in streams(dialect, place):
        begun: dict[int, list[int]] = {}
        for delta in decode(dialect, whole(body_of(record, "response")))[1]:
            match type(delta).__name__:
                case "PartStarted":
                    begun.setdefault(delta.choice, []).append(delta.part)  # type: ignore[union-attr]
                case "PartGrew" | "PartEnded":
                    assert delta.part in begun.get(delta.choice, []), record["id"]  # type: ignore[union-attr]
        for parts in begun.values():
            assert parts == list(range(len(parts))), record["id"]


@pytest.mark.parametrize("dialect", ALL)
def test_every_call_is_known_by_its_path(dialect: str, place: Path) -> None:
    for record in all_records_of(dialect, place):
        present = {name.lower().encode() for name in record["request_headers"]}
        found = detect(record["method"], record["path"], record["query"] or "", present.__contains__)
        assert found[0] == dialect, record["path"]
        assert found in (PROMPT_ENDPOINTS if record["method"] == "POST" else REPLY_ENDPOINTS), record["path"]


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"{}", b'{"foo": 1}', b'{"a":', b"\xff\xfe", b"1"])
def test_a_body_of_another_kind_is_unreadable(dialect: str, body: bytes) -> None:
    with pytest.raises(Unreadable, match="expected"):
        ALL[dialect].parse_request(body)
    with pytest.raises(Unreadable, match="expected"):
        ALL[dialect].parse_reply(body)
    assert ALL[dialect].parse_error(502, {}, body).error
    reply, _, _ = decode(dialect, whole(body))
    assert not reply.is_complete
