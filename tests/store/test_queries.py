"""Lists find what the query says, in order, page by page."""

import pytest

from dragoman.clock import FakeClock
from dragoman.errors import BadRequest
from dragoman.ids import IdMaker
from dragoman.records.exchange import Row
from dragoman.records.query import FIELDS, Query, parse
from dragoman.store import Batch, Store, queries
from fakes.session import START_MS, recording

S = 1_000_000_000
NOW = (START_MS + 100_000) * 1_000_000

ROWS: dict[str, dict[str, object]] = {
    "plain": {"model_asked": "gpt-5", "client": "curl", "dialect": "openai_chat", "provider": "openai"},
    "served": {"model_asked": "alias", "model_served": "gpt-5-2025", "is_streamed": True, "first_token_ns": 2 * S},
    "failed": {"status": 429, "state": "error", "error_code": "rate_limit_error", "duration_ns": 100_000_000},
    "long": {"duration_ns": 60 * S, "input_fresh": 10, "cache_read": 60_000, "output": 900, "turns": 40},
    "tools": {"tools_called": ["Bash", "mcp__files__read"], "flags": ["tools", "image"], "stop_reason": "tool_use"},
    "named": {
        "session": "s-1", "run": "nightly", "tags": ["keep", "50%_off"], "origin": "workbench", "path": "/v1/x?a=1",
    },
    "get": {"method": "GET", "endpoint": "models", "path": "/v1/models", "is_streamed": False},
}  # fmt: skip

FINDS = [
    ("model:gpt-5", {"plain"}),
    ("model:GPT-5*", {"plain", "served"}),
    ("model:*2025", {"served"}),
    ("client:curl", {"plain"}),
    ("dialect:openai*", {"plain"}),
    ("provider:openai,ollama", {"plain"}),
    ("status:429", {"failed"}),
    ("status:4xx", {"failed"}),
    ("status:>=400", {"failed"}),
    ("state:error", {"failed"}),
    ("has:error", {"failed"}),
    ("error:rate*", {"failed"}),
    ("dur:>10s", {"long"}),
    ("dur:<1s", {"failed"}),
    ("ttft:>1s", {"served"}),
    ("in:>50k", {"long"}),
    ("out:>=900", {"long"}),
    ("cached:>0", {"long"}),
    ("has:cached", {"long"}),
    ("turns:>30", {"long"}),
    ("tool:bash", {"tools"}),
    ("tool:mcp__*", {"tools"}),
    ("tool:mcp*read", {"tools"}),
    ("tool:bash tool:mcp__files__read", {"tools"}),
    ("tool:bas", set()),
    ("has:image", {"tools"}),
    ("has:image,error", {"tools", "failed"}),
    ("has:image has:error", set()),
    ("stop:tool_use", {"tools"}),
    ("session:s-1", {"named"}),
    ("session:s*", {"named"}),
    ("run:nightly", {"named"}),
    ("tag:keep", {"named"}),
    ("tag:50%_off", {"named"}),
    ("tag:50x*", set()),
    ("origin:workbench", {"named"}),
    ("path:/v1/x*", {"named"}),
    ("path:*a=1", {"named"}),
    ("method:get", {"get"}),
    ("endpoint:models", {"get"}),
    ("stream:yes", {"served"}),
    ("stream:no", {"get"}),
    ("since:1s", {"get"}),
    ("client:curl OR status:429", {"plain", "failed"}),
    ("-client:curl -has:tools -status:429 -turns:>30", {"served", "named", "get"}),
    ("-(client:curl OR has:tools) dur:>10s", {"long"}),
    ("-stream:yes -stream:no", {"plain", "failed", "long", "tools", "named"}),
    ("model:gpt-5 status:429", set()),
    ("question", set(ROWS)),
    ("tools", {"tools"}),
    ("question named", {"named"}),
    ("question -named client:claude-code", {"served", "failed", "long", "tools", "get"}),
    ("named OR status:429", {"named", "failed"}),
    ('"question of named"', {"named"}),
    ('"named of question"', set()),
    ("nam*", {"named"}),
]


@pytest.fixture
def filled(store: Store) -> Store:
    ids = IdMaker()
    given = []
    for number, (name, row) in enumerate(ROWS.items()):
        body = b'{"messages":[{"role":"user","content":"question of %s"}]}' % name.encode()
        ms = START_MS + 1_000 * number + (94_000 - 1_000 * number if name == "get" else 0) + 6_000 * (name == "get")
        given.append(recording(body, b"{}", ids=ids, ms=ms, **{"peer": name, **row}))
    store.commit(Batch(finished=given))
    return store


def find(store: Store, text: str) -> list[Row]:
    return store.list_rows(parse(text, now_ns=NOW)).items


@pytest.mark.parametrize(("text", "names"), FINDS)
def test_a_query_finds(filled: Store, text: str, names: set[str]) -> None:
    assert {row.peer for row in find(filled, text)} == names
    assert filled.count(parse(text, now_ns=NOW)).count == len(names)


@pytest.mark.parametrize(("text", "names"), FINDS)
def test_a_query_finds_the_same_by_walking(
    filled: Store, monkeypatch: pytest.MonkeyPatch, text: str, names: set[str]
) -> None:
    monkeypatch.setattr(queries, "FEW", -1)
    monkeypatch.setattr(queries, "FIRST_STRETCH", 2)
    assert {row.peer for row in find(filled, text)} == names


@pytest.mark.parametrize(("text", "names"), FINDS)
def test_changes_are_filtered_alike(filled: Store, text: str, names: set[str]) -> None:
    assert {row.peer for row in filled.changes(parse(text, now_ns=NOW), 0).items} == names


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_each_field_works_in_every_place(filled: Store, field: object) -> None:
    for example in field.examples:
        find(filled, f"{field.name}:{example}")
        find(filled, f"-{field.name}:{example}")
        find(filled, f"{field.name}:{example} OR client:curl")


def test_words_that_are_no_sql_are_taken_literally(filled: Store) -> None:
    for text in ("model:'\"--", "a\"b' OR 1=1", "tool:%", "path:_", '"NEAR(a b)"', "model:\\", "AND*"):
        try:
            found = find(filled, text)
        except BadRequest:
            continue
        assert found == []


def test_pages_follow_each_other_without_gap_or_repeat(filled: Store) -> None:
    whole = [row.id for row in find(filled, "")]
    paged: list[str] = []
    cursor = None
    while True:
        page = filled.list_rows(Query(), limit=2, cursor=cursor)
        paged += [row.id for row in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert paged == whole
    assert whole == sorted(whole, reverse=True)


def test_a_page_ends_when_its_time_is_spent_and_names_where_to_go_on(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "FEW", -1)
    monkeypatch.setattr(queries, "FIRST_STRETCH", 1)
    monkeypatch.setattr(queries, "PAGE_BUDGET_NS", -1)
    query = parse("client:curl", now_ns=NOW)
    found: list[str] = []
    pages = 0
    cursor = None
    while pages == 0 or cursor is not None:
        page = filled.list_rows(query, cursor=cursor)
        found += [row.peer or "" for row in page.items]
        cursor, pages = page.next_cursor, pages + 1
    assert found == ["plain"]
    assert pages > 3


def test_bad_limits_and_cursors_are_named(filled: Store) -> None:
    with pytest.raises(BadRequest, match="1 to 1000"):
        filled.list_rows(limit=0)
    with pytest.raises(BadRequest, match="next_cursor"):
        filled.list_rows(cursor="zz")


def test_a_new_row_is_seen_by_since_seq(filled: Store) -> None:
    page = filled.list_rows()
    assert filled.changes(None, page.since_seq).items == []
    (row,) = filled.commit(Batch(finished=[recording(b"{}", b"", ids=IdMaker(), ms=START_MS)]))
    found = filled.changes(None, page.since_seq)
    assert found.items == [row]
    assert found.since_seq == row.seq
    assert not found.is_truncated


def test_many_changes_come_in_pieces(filled: Store) -> None:
    seen: list[str] = []
    since, is_truncated = 0, True
    while is_truncated:
        found = filled.changes(None, since, limit=3)
        seen += [row.id for row in found.items]
        since, is_truncated = found.since_seq, found.is_truncated
    assert len(seen) == len(set(seen)) == len(ROWS)


def test_a_count_is_capped(filled: Store) -> None:
    assert filled.count(None, cap=3) == queries.Count(count=3, is_capped=True)
    assert filled.count(None, cap=7) == queries.Count(count=7, is_capped=False)


def test_facets_count_values(filled: Store) -> None:
    found = filled.facets(None, ["client", "tool", "model", "status"])
    assert found["client"] == [("claude-code", 6), ("curl", 1)]
    assert dict(found["tool"]) == {"Bash": 1, "mcp__files__read": 1}
    assert dict(found["model"]) == {"gpt-5": 1, "gpt-5-2025": 1}
    assert found["status"] == [("200", 6), ("429", 1)]
    assert filled.facets(parse("client:curl", now_ns=NOW), ["model"], limit=1) == {"model": [("gpt-5", 1)]}
    with pytest.raises(BadRequest, match="known: model"):
        filled.facets(None, ["colour"])


@pytest.mark.parametrize("text", ["", "client:claude-code OR client:curl"])
def test_the_timeline_counts_beginnings(filled: Store, text: str) -> None:
    running = recording(b"", b"", ids=IdMaker(), ms=START_MS, state="streaming").detail.row
    filled.commit(Batch(opened=[running]))
    start = START_MS * 1_000_000 // (60 * S) * 60 * S
    found = filled.timeline(parse(text, now_ns=NOW), start, start + 240 * S, 4)
    assert sum(one.done for one in found) == 6
    assert sum(one.error for one in found) == 1
    assert sum(one.other for one in found) == 1
    assert [one.start_ns for one in found] == [start + 60 * S * at for at in range(4)]


def test_a_still_clock_changes_nothing(filled: Store, clock: FakeClock) -> None:
    clock.advance(10**18)
    assert len(find(filled, "question")) == len(ROWS)
