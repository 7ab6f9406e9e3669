"""Gemini's calls on the record: prompt, reply, tokens and model; whole, as events and as an array."""

import json

import pytest

from dragoman.journal.format import Chunk, RequestBody, RequestEnded
from dragoman.keeper.assemble import Assembly, TimeBase
from dragoman.keeper.understand import understand
from dragoman.records.exchange import Row
from fakes.corpus import SAMPLE, Record, all_records_of
from fakes.playbook import MS, START, closed, head, opened
from fakes.replay import body_of

MEDIA = {"none": b"application/json", "sse": b"text/event-stream", "json-array": b"application/json; charset=UTF-8"}
QUERY = {"sse": "?alt=sse"}


def row_of(record: Record) -> tuple[Row, list[str]]:
    request = body_of(record, "request")
    endpoint = "stream_generate" if ":streamGenerateContent" in record["path"] else "generate"
    target = record["path"] + QUERY.get(record["framing"], "")
    assembly = Assembly(
        opened("a", target=target.encode(), dialect="gemini_generate", endpoint=endpoint),
        TimeBase(1_700_000_000_000_000_000, 5_000_000_000),
    )
    for one in (
        RequestBody("a", START, request),
        RequestEnded("a", START, len(request)),
        head("a", status=record["status"], media=MEDIA[record["framing"]], framing="length"),
        Chunk("a", START + 20 * MS, body_of(record, "response")),
        closed("a", status=record["status"]),
    ):
        assembly.take(one)
    detail = understand(assembly.recording()).detail
    return detail.row, detail.warnings


def records(framing: str) -> list[Record]:
    found = all_records_of("gemini_generate", SAMPLE)
    return [one for one in found if one["framing"] == framing and ":countTokens" not in one["path"]]


@pytest.mark.parametrize("framing", MEDIA)
def test_a_call_is_shown_decoded(framing: str) -> None:
    told = [one for one in records(framing) if one["status"] == 200 and one.get("request_body")]
    assert told
    for record in told:
        row, warnings = row_of(record)
        assert (row.state, warnings) == ("done", []), record["id"]
        assert "unparsed" not in row.flags
        assert row.model_asked and row.model_asked in record["path"]
        assert row.is_streamed == (framing != "none"), record["id"]
        assert row.preview or '"text": ""' in str(body_of(record, "request")), record["id"]
        assert row.reply_preview, record["id"]
        assert row.stop_reason is not None and row.output is not None, record["id"]
        assert row.model_served is not None or "router" in record["path"], record["id"]


def test_an_error_tells_its_word() -> None:
    told = [one for one in records("none") if one["status"] >= 400]
    assert told
    for record in told:
        row, _ = row_of(record)
        assert (row.state, row.error_code) == ("error", record_error(record)), record["id"]


def record_error(record: Record) -> str:
    return json.loads(record["response_body"])["error"]["status"]
