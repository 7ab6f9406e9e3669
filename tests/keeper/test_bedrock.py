"""Bedrock's calls on the record: prompt, reply, tokens and model, whole and streamed, in both of its dialects."""

import pytest

from dragoman.journal.format import Chunk, RequestBody, RequestEnded
from dragoman.keeper.assemble import Assembly, TimeBase
from dragoman.keeper.understand import understand
from dragoman.records.exchange import Row
from fakes.corpus import SAMPLE, Record, all_records_of
from fakes.playbook import MS, START, closed, head, opened
from fakes.replay import body_of

ENDPOINTS = {
    ("bedrock_invoke", False): "invoke",
    ("bedrock_invoke", True): "invoke_stream",
    ("bedrock_converse", False): "converse",
    ("bedrock_converse", True): "converse_stream",
}


def row_of(dialect: str, record: Record) -> tuple[Row, list[str]]:
    endpoint = ENDPOINTS[dialect, record["streamed"]]
    target = record["path"].encode()
    media = b"application/vnd.amazon.eventstream" if record["streamed"] else b"application/json"
    request = body_of(record, "request")
    assembly = Assembly(
        opened("a", target=target, dialect=dialect, endpoint=endpoint),
        TimeBase(1_700_000_000_000_000_000, 5_000_000_000),
    )
    for one in (
        RequestBody("a", START, request),
        RequestEnded("a", START, len(request)),
        head("a", status=200, media=media, framing="length"),
        Chunk("a", START + 20 * MS, body_of(record, "response")),
        closed("a", status=200),
    ):
        assembly.take(one)
    detail = understand(assembly.recording()).detail
    return detail.row, detail.warnings


@pytest.mark.parametrize(("dialect", "is_streamed"), ENDPOINTS)
def test_a_call_is_shown_decoded(dialect: str, is_streamed: bool) -> None:
    records = [
        one
        for one in all_records_of(dialect, SAMPLE)
        if one["status"] == 200
        and one["streamed"] == is_streamed
        and one["source"]["provenance"] == "cassette"
        and "messages" in one["request_body"]
    ]
    assert records
    for record in records:
        row, warnings = row_of(dialect, record)
        assert (row.state, warnings) == ("done", []), record["id"]
        assert "unparsed" not in row.flags
        assert row.model_asked and row.model_asked in record["path"].replace("%3A", ":").replace("%2F", "/")
        assert (row.is_streamed, bool(row.preview), bool(row.reply_preview)) == (is_streamed, True, True), record["id"]
        assert row.stop_reason is not None and row.output is not None, record["id"]
