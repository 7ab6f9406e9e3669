"""Old bodies and facts go, what others still carry stays, and the space comes back."""

import random
import sqlite3
from pathlib import Path

import pytest

from dragoman.clock import FakeClock
from dragoman.ids import IdMaker
from dragoman.records.query import parse
from dragoman.store import Batch, Policy, StepResult, Store, packs, retention, sweep
from fakes.session import START_MS, recording, session_recordings

MS = 1_000_000
TURN = 5_000 * MS


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(wall=(START_MS + 20 * 5_000) * MS)


@pytest.fixture
def session(store: Store) -> list[str]:
    """Twenty turns, the last one just now."""
    return [store.commit(Batch(finished=[one]))[0].id for one in session_recordings(20)]


def settle(store: Store, policy: Policy) -> list[StepResult]:
    steps: list[StepResult] = []
    while not steps or not steps[-1].is_done:
        steps.append(store.retention_step(policy))
        assert len(steps) < 500
    return steps


def search(store: Store, text: str) -> list[str]:
    return [row.id for row in store.list_rows(parse(text, now_ns=0)).items]


def test_a_policy_without_limits_removes_nothing(store: Store, session: list[str]) -> None:
    assert [step.phase for step in settle(store, Policy())] == ["rest"]
    assert store.storage().bodies == 20


def test_old_bodies_go_and_their_facts_stay(store: Store, session: list[str]) -> None:
    steps = settle(store, Policy(bodies_ns=10 * TURN))
    assert sum(step.bodies for step in steps) == 10
    assert store.request_body(session[0]) is None
    assert store.response_body(session[0]) is None
    detail = store.detail(session[0])
    assert detail is not None
    assert not detail.request_body.is_stored
    assert len(store.list_rows().items) == 20
    report = store.verify()
    assert (report.checked, report.failures, report.skipped) == (20, [], 20)


def test_old_facts_take_their_bodies_along(store: Store, session: list[str]) -> None:
    settle(store, Policy(facts_ns=5 * TURN))
    assert [row.id for row in store.list_rows().items] == session[:14:-1]
    assert store.verify().failures == []
    assert store.storage().rows == 5


def test_nothing_is_left_when_all_bodies_went(store: Store, path: Path, session: list[str]) -> None:
    settle(store, Policy(bodies_ns=0))
    kinds = store.storage().kinds
    assert (kinds["segments"], kinds["nodes"], kinds["replies"]) == (0, 0, 0)
    assert store.storage().raw_bytes == 0
    with sqlite3.connect(path) as database:
        for table in ("request", "reply", "node", "segment", "pack", "search_source"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
    database.close()


def test_text_that_others_still_carry_stays_findable(store: Store) -> None:
    ids = IdMaker()

    def put(number: int, *said: str) -> str:
        messages = ",".join(f'{{"content":"{one}"}}' for one in said)
        ms = START_MS + 5_000 * number
        return store.commit(Batch(finished=[recording(b'{"messages":[%s]}' % messages.encode(), b"", ids=ids, ms=ms)]))[
            0
        ].id

    first, second, lonely = put(1, "alpha"), put(2, "alpha", "beta"), put(3, "delta")
    third = put(19, "alpha", "beta", "gamma")
    settle(store, Policy(bodies_ns=5 * TURN))
    assert [search(store, word) for word in ("alpha", "beta", "gamma", "delta")] == [[third], [third], [third], []]
    assert {first, second, lonely} < {row.id for row in store.list_rows().items}
    settle(store, Policy(bodies_ns=0))
    assert search(store, "alpha") == []


def test_the_oldest_bodies_go_while_the_store_is_too_large(store: Store, clock: FakeClock) -> None:
    ids = IdMaker()
    noise = random.Random(1)
    for at in range(100):
        body = b'{"messages":[{"content":"%s"}]}' % noise.randbytes(6_000).hex().encode()
        store.commit(Batch(finished=[recording(body, noise.randbytes(3_000), ids=ids, ms=START_MS + at)]))
    used = sum(store.storage().kinds.values())
    assert [step.phase for step in settle(store, Policy(max_bytes=used))] == ["rest"]
    settle(store, Policy(max_bytes=used * 2 // 3))
    left = store.storage()
    assert used // 2 < sum(left.kinds.values()) <= used * 2 // 3
    assert left.rows == 100
    assert 20 < left.bodies < 80
    assert store.request_body(store.list_rows().items[0].id)
    assert store.verify().failures == []


def test_what_was_deleted_goes_after_the_time_to_undo(store: Store, session: list[str], clock: FakeClock) -> None:
    store.delete(session[:4])
    settle(store, Policy(undo_ns=10 * TURN))
    assert store.restore(session[:1]) == 1
    clock.advance(11 * TURN)
    settle(store, Policy(undo_ns=10 * TURN))
    assert store.restore(session[:4]) == 0
    assert store.storage().rows == 17
    assert store.verify().failures == []


@pytest.mark.parametrize("stop_after", range(1, 8))
def test_a_turn_that_comes_in_the_middle_of_a_sweep_keeps_what_it_needs(
    store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    monkeypatch.setattr(sweep, "ROWS_AT_ONCE", 20)
    given = list(session_recordings(12))
    for one in given[:10]:
        store.commit(Batch(finished=[one]))
    policy = Policy(bodies_ns=0)
    for _ in range(stop_after):
        store.retention_step(policy)
    names = [store.commit(Batch(finished=[one]))[0].id for one in given[10:]]
    clock.wall = (START_MS + 10 * 5_000) * MS
    settle(store, policy)
    assert [store.request_body(name) for name in names] == [one.request_body for one in given[10:]]
    assert store.verify().failures == []
    words = given[0].search_texts[0].split()[:6]
    found = search(store, '"' + " ".join(words) + '"')
    assert len(found) == 1
    assert found[0] in names


def test_a_mostly_empty_pack_is_packed_anew(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "GATHER_PACKS", 4)
    ids = IdMaker()
    kept: bytes = b""
    for number in range(12):
        kept = b'{"messages":[{"content":"%s"}]}' % (b"word%d " % number * 200)
        store.commit(Batch(finished=[recording(kept, b"", ids=ids, ms=START_MS + 5_000 * number)]))
    before = store.storage().kinds["segments"]
    settle(store, Policy(bodies_ns=10 * TURN))
    assert store.storage().kinds["segments"] < before / 2
    assert store.request_body(store.list_rows().items[0].id) == kept


def test_the_preview_says_what_would_go(store: Store, session: list[str], clock: FakeClock) -> None:
    clock.advance(3_600_000 * MS)
    nothing = store.retention_preview(Policy(bodies_ns=7_200_000 * MS))
    assert (nothing.rows, nothing.bodies, nothing.freed_bytes) == (0, 0, 0)
    found = store.retention_preview(Policy(bodies_ns=1_800_000 * MS, facts_ns=1_800_000 * MS))
    assert (found.rows, found.bodies) == (20, 20)
    assert found.freed_bytes > 10_000
    assert store.retention_preview(Policy(max_bytes=1)).bodies == 20


def test_an_emptied_store_gives_its_pages_back(
    store: Store, path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = sum(store.storage().kinds.values())
    monkeypatch.setattr(retention, "SPARE_BYTES", 0)
    for one in session_recordings(40):
        store.commit(Batch(finished=[one]))
    clock.advance(60 * TURN)
    steps = settle(store, Policy(facts_ns=0))
    assert "vacuum" in {step.phase for step in steps}
    assert store.storage().free_bytes == 0
    assert sum(store.storage().kinds.values()) < empty + 50_000


def test_storage_tells_what_there_is(store: Store, session: list[str]) -> None:
    found = store.storage()
    assert (found.rows, found.bodies) == (20, 20)
    assert found.oldest_ns == START_MS * MS
    assert found.newest_ns == START_MS * MS + 19 * TURN
    assert found.raw_bytes == sum(len(one.request_body) + len(one.response_body) for one in session_recordings(20))
    assert all(found.kinds[kind] > 0 for kind in ("segments", "nodes", "replies", "facts", "rows_and_search"))
    assert found.file_bytes > sum(found.kinds.values())
