"""What is deleted can come back for a while, and then cannot."""

import sqlite3
from pathlib import Path

import pytest

from dragoman.clock import FakeClock
from dragoman.errors import BadRequest
from dragoman.ids import IdMaker
from dragoman.records.query import parse
from dragoman.store import Batch, Store
from fakes.session import START_MS, recording, session_recordings

MINUTE = 60_000_000_000


def fill(store: Store, count: int = 5) -> list[str]:
    ids = IdMaker()
    given = [
        recording(b'{"messages":[{"content":"say %d"}]}' % at, b"{}", ids=ids, ms=START_MS + at, tools_called=["t"])
        for at in range(count)
    ]
    return [row.id for row in store.commit(Batch(finished=given))]


def listed(store: Store, text: str = "") -> list[str]:
    return [row.id for row in store.list_rows(parse(text, now_ns=0)).items]


def minute_total(store: Store) -> int:
    start = START_MS * 1_000_000 // MINUTE * MINUTE
    (bucket,) = store.timeline(None, start, start + MINUTE, 1)
    return bucket.done + bucket.error + bucket.other


def test_deleted_exchanges_are_gone_everywhere_and_come_back(store: Store) -> None:
    names = fill(store)
    since = store.list_rows().since_seq
    assert store.delete([names[1], names[2], "unknown"]) == 2
    assert store.delete([names[1]]) == 0
    assert sorted(listed(store)) == sorted([names[0], names[3], names[4]])
    assert listed(store, "say") == [names[4], names[3], names[0]]
    assert store.row(names[1]) is None
    assert store.detail(names[1]) is None
    assert minute_total(store) == 3
    assert sorted(store.changes(None, since).deleted) == names[1:3]
    assert store.restore(names[:2]) == 1
    assert names[1] in listed(store)
    assert minute_total(store) == 4
    assert [row.id for row in store.changes(None, since).items] == [names[1]]


def test_deleting_by_query_gives_a_token_that_undoes_it(store: Store) -> None:
    names = fill(store)
    first = store.delete_matching(parse('"say 1" OR "say 2"', now_ns=0))
    second = store.delete_matching(parse("tool:t", now_ns=0))
    assert (first.count, second.count) == (2, 3)
    assert listed(store) == []
    assert store.restore(token=first.token) == 2
    assert listed(store) == [names[2], names[1]]
    assert store.restore(token=second.token) == 3
    assert store.restore(token=second.token) == 0


def test_a_token_that_is_none_is_refused(store: Store) -> None:
    with pytest.raises(BadRequest, match="token of a deletion"):
        store.restore(token="x")
    with pytest.raises(BadRequest, match="either ids or the token"):
        store.restore()


def test_an_exchange_deleted_while_it_runs_stays_deleted(store: Store) -> None:
    given = recording(b"{}", b"", ids=IdMaker(), ms=START_MS)
    store.commit(Batch(opened=[given.detail.row]))
    store.delete([given.detail.row.id])
    store.commit(Batch(finished=[given]))
    assert listed(store) == []
    assert minute_total(store) == 0
    store.restore([given.detail.row.id])
    assert minute_total(store) == 1


def test_purging_leaves_no_trace_but_a_tombstone(store: Store, path: Path, clock: FakeClock) -> None:
    names = fill(store)
    store.delete(names[:3])
    since = store.list_rows().since_seq
    assert store.purge(clock.wall_ns()) == 0
    assert store.purge(clock.wall_ns() + 1) == 3
    assert store.restore(names) == 0
    assert sorted(store.changes(None, since).deleted) == names[:3]
    assert store.storage().rows == 2
    with sqlite3.connect(path) as database:
        for table in ("exchange", "facts", "request", "reply", "search_source"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (2,), table
        assert database.execute("SELECT count(*) FROM label").fetchone() == (2,)
        assert database.execute("SELECT count(*) FROM search WHERE search MATCH 'say'").fetchone() == (2,)
    database.close()
    assert store.verify().failures == []


def test_purging_a_turn_leaves_the_later_ones_whole(store: Store, clock: FakeClock) -> None:
    names = [store.commit(Batch(finished=[one]))[0].id for one in session_recordings(5)]
    store.delete(names[:3])
    store.purge(clock.wall_ns() + 1)
    report = store.verify()
    assert (report.checked, report.failures) == (4, [])
