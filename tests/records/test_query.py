"""The query language: what each form means, and what its errors say."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.errors import BadRequest
from dragoman.records.query import FIELDS, All, Any, Between, Condition, Not, Query, Text, Words, Yes, parse

NOW = 1_800_000_000_000_000_000
S = 1_000_000_000
HOUR = 3600 * S

MEANINGS: list[tuple[str, Condition | None]] = [
    ("", None),
    ("   ", None),
    ("model:opus*", Words("model", ["opus*"])),
    ("MODEL:x", Words("model", ["x"])),
    ("model:a,b", Words("model", ["a", "b"])),
    ('model:"a b",c', Words("model", ["a b", "c"])),
    ("tool:a tool:b", All([Words("tool", ["a"]), Words("tool", ["b"])])),
    ("status:404", Between("status", 404, 405)),
    ("status:>=400", Between("status", 400, None)),
    ("status:4xx,5xx", Any([Between("status", 400, 500), Between("status", 500, 600)])),
    ("status:500..599", Between("status", 500, 600)),
    ("state:Error", Words("state", ["error"])),
    ("stream:yes", Yes("stream", True)),
    ("stream:no", Yes("stream", False)),
    ("dur:>5s", Between("dur", 5 * S + 1, None)),
    ("dur:<=1.5s", Between("dur", None, 1_500_000_001)),
    ("dur:300ms..2s", Between("dur", 300_000_000, 2 * S + 1)),
    ("ttft:>1s", Between("ttft", S + 1, None)),
    ("in:>50k", Between("in", 50_001, None)),
    ("out:<1.5m", Between("out", None, 1_500_000)),
    ("cached:0", Between("cached", 0, 1)),
    ("has:image,error", Words("has", ["image", "error"])),
    ("since:1h", Between("since", NOW - HOUR, None)),
    ("until:30m", Between("until", None, NOW - HOUR // 2)),
    ("since:1970-01-02", Between("since", 86_400 * S, None)),
    ("since:1970-01-01T01:00:00.5+01:00", Between("since", 500_000_000, None)),
    ("timeout", Text("timeout")),
    ("connection reset", All([Text("connection"), Text("reset")])),
    ('"connection reset"', Text("connection reset")),
    ('body:"say \\"hi\\""', Text('say "hi"')),
    ("timeou*", Text("timeou*")),
    ("well-known", Text("well-known")),
    ("-client:codex", Not(Words("client", ["codex"]))),
    ("-(a OR b)", Not(Any([Text("a"), Text("b")]))),
    ("a b OR c", Any([All([Text("a"), Text("b")]), Text("c")])),
    ("a AND b", All([Text("a"), Text("b")])),
    ("a (b OR c)", All([Text("a"), Any([Text("b"), Text("c")])])),
    ("or", Text("or")),
    ("path:/v1/chat*", Words("path", ["/v1/chat*"])),
    ("model:llama3.2:1b", Words("model", ["llama3.2:1b"])),
    ("京都", Text("京都")),
]

COMPLAINTS = [
    ("nope:1", 1, "known: model, status"),
    ("a nope:1", 3, "`nope`"),
    ("status:many", 8, "`status:>=400`"),
    ("dur:>5", 5, "`dur:>5s`"),
    ("model:", 7, "no value"),
    ("state:fine", 7, "one of waiting, streaming"),
    ("has:nothing", 5, "one of tools"),
    ("stream:perhaps", 8, "yes or no"),
    ("since:yesterday", 7, "2026-11-20T08:30"),
    ("since:2026-13-01", 7, "no date"),
    ('"open', 1, "never closed"),
    ("(a", 1, "without its `)`"),
    ("a)", 2, "without its `(`"),
    ("a OR", 5, "the end"),
    ("OR a", 1, "expected a term"),
    ("()", 2, "expected a term"),
    ("?!", 1, "no letter or digit"),
    ("(" * 50 + "a", 41, "40 parentheses"),
]


@pytest.mark.parametrize(("text", "meaning"), MEANINGS)
def test_a_query_means(text: str, meaning: Condition | None) -> None:
    assert parse(text, now_ns=NOW).root == meaning


@pytest.mark.parametrize(("text", "column", "part"), COMPLAINTS)
def test_an_error_says_where_and_what_is_known(text: str, column: int, part: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(text, now_ns=NOW)
    assert caught.value.message.startswith(f"column {column}: ")
    assert part in caught.value.message
    assert caught.value.field == "q"


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_each_example_of_a_field_is_a_query(field: object) -> None:
    assert field.description
    for example in field.examples:
        assert parse(f"{field.name}:{example}", now_ns=NOW).fields() == {field.name}


@given(st.text(max_size=40))
def test_any_text_is_a_query_or_a_bad_request(text: str) -> None:
    try:
        made = parse(text, now_ns=NOW)
    except BadRequest:
        return
    assert isinstance(made, Query)


@given(st.integers(0, 7_258_118_400))
def test_dates_are_counted_like_the_calendar_does(seconds: int) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    found = parse(f"since:{moment.strftime('%Y-%m-%dT%H:%M:%S')}", now_ns=NOW).root
    assert found == Between("since", seconds * S, None)


def test_the_fields_in_use_are_named() -> None:
    assert parse('model:a (-tool:b OR "c")', now_ns=NOW).fields() == {"model", "tool", "body"}
