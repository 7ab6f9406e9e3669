"""What goes in once comes out whole: idempotency, order, threading of turns, crashes."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy
from sqlalchemy.exc import IntegrityError

from dragoman.clock import FakeClock
from dragoman.ids import IdMaker
from dragoman.records.exchange import Frame, Recording, Row
from dragoman.store import Batch, Checkpoint, Position, Store
from fakes.session import START_MS, recording, session_recordings


def small(ids: IdMaker, number: int, **row: object) -> Recording:
    body = b'{"model":"m","messages":[{"role":"user","content":"question %d"}]}' % number
    return recording(body, b'{"answer":%d}' % number, ids=ids, ms=START_MS + 1_000 * number, **row)


def test_all_of_a_recording_comes_back(store: Store) -> None:
    frames = [Frame(0, 1_000), Frame(7, 2_000_000)]
    given = recording(
        b'{"messages":[]}', b"data: x\n\ndata: y", ids=IdMaker(), ms=START_MS, frames=frames, texts=["said"]
    )
    (row,) = store.commit(Batch(finished=[given]))
    found = store.recording(row.id)
    assert found == msgspec.structs.replace(given, detail=msgspec.structs.replace(given.detail, row=row))
    assert store.detail(row.id) == msgspec.structs.replace(given.detail, row=row)
    assert store.request_body(row.id) == given.request_body
    assert store.response_body(row.id) == given.response_body
    assert store.frames(row.id) == frames
    assert store.tunnel(row.id) is None


def test_a_row_comes_back_as_it_was_given(store: Store) -> None:
    given = small(IdMaker(), 1, tags=["a", "ü"], is_untouched=False, is_estimated=True, input_fresh=0, run="nightly")
    (row,) = store.commit(Batch(finished=[given]))
    expected = msgspec.structs.replace(given.detail.row, seq=1, conversation=row.id)
    assert row == expected
    assert store.row(row.id) == expected


def test_what_is_not_there_is_none(store: Store) -> None:
    assert store.row("x") is None
    assert store.detail("x") is None
    assert store.request_body("x") is None
    assert store.frames("x") == []
    assert store.recording("x") is None


def test_an_exchange_is_stored_once(store: Store) -> None:
    given = small(IdMaker(), 1)
    assert len(store.commit(Batch(finished=[given]))) == 1
    assert store.commit(Batch(finished=[given], opened=[given.detail.row])) == []
    assert store.count().count == 1
    assert store.storage().rows == 1


def test_a_running_exchange_is_completed_in_place(store: Store) -> None:
    given = small(IdMaker(), 1)
    running = msgspec.structs.replace(given.detail.row, state="waiting", ending=None, duration_ns=None)
    (opened,) = store.commit(Batch(opened=[running]))
    assert [row.id for row in store.open_rows()] == [running.id]
    assert store.detail(running.id).row == opened
    store.commit(Batch(opened=[running]))
    (row,) = store.commit(Batch(finished=[given]))
    assert row.seq > opened.seq
    assert store.open_rows() == []
    assert [one.state for one in store.list_rows().items] == ["done"]


def test_an_exchange_opened_and_finished_in_one_batch_is_one_row(store: Store) -> None:
    given = small(IdMaker(), 1)
    rows = store.commit(Batch(opened=[given.detail.row], finished=[given]))
    assert [row.state for row in rows] == ["done"]


def test_seq_rises_over_restarts(path: Path) -> None:
    ids = IdMaker()
    seen: list[int] = []
    for number in range(3):
        with Store(f"sqlite:///{path}") as store:
            seen += [row.seq for row in store.commit(Batch(finished=[small(ids, number)]))]
    assert seen == [1, 2, 3]


def test_positions_and_checkpoints_go_with_the_rows(store: Store) -> None:
    given = small(IdMaker(), 1)
    name = given.detail.row.id
    open_one = Checkpoint(name, "g0", b"frames" * 100)
    store.commit(Batch(opened=[given.detail.row], positions={"g0": Position(1, 100)}, checkpoints=[open_one]))
    assert store.positions() == {"g0": Position(1, 100)}
    assert store.checkpoints("g0") == [open_one]
    assert store.checkpoints("g1") == []
    store.commit(Batch(finished=[given], positions={"g0": Position(2, 8), "g1": Position(1, 8)}))
    assert store.positions() == {"g0": Position(2, 8), "g1": Position(1, 8)}
    assert store.checkpoints("g0") == []


def test_many_exchanges_of_one_millisecond_keep_the_order_of_their_ids(store: Store) -> None:
    ids = IdMaker()
    given = [small(ids, 1) for _ in range(300)]
    for one in given:
        store.commit(Batch(finished=[one]))
    assert [row.id for row in store.list_rows(limit=300).items] == [one.detail.row.id for one in reversed(given)]


def test_an_exchange_that_comes_late_takes_its_place_in_time(store: Store) -> None:
    early, late, last = (small(IdMaker(), number) for number in (1, 2, 3))
    store.commit(Batch(finished=[early, last]))
    store.commit(Batch(finished=[late, small(IdMaker(), 2)]))
    listed = [row.started_ns for row in store.list_rows().items]
    assert listed == sorted(listed, reverse=True)


def test_exchanges_that_come_late_to_a_crowded_millisecond_are_placed_without_searching_it_each_time(
    store: Store,
) -> None:
    searches: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "used.key + 1" in statement:
            searches.append(statement)

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", note)
    try:
        ids = IdMaker()
        given = [small(ids, 1) for _ in range(600)]
        for number in range(4, -1, -1):  # the newest first: all later batches come late
            store.commit(Batch(finished=given[number * 120 : number * 120 + 120]))
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", note)
    assert {row.id for row in store.list_rows(limit=600).items} == {one.detail.row.id for one in given}
    assert 0 < len(searches) <= 480 + 5


def test_a_tunnel_keeps_both_sides(store: Store) -> None:
    given = recording(b"", b"from the server", ids=IdMaker(), ms=START_MS, frames=[Frame(0, 5_000)])
    given.tunnel_sent, given.tunnel_frames = b"from the client", [Frame(0, 3_000), Frame(5, 4_000)]
    (row,) = store.commit(Batch(finished=[given]))
    assert store.tunnel(row.id) == (given.tunnel_sent, given.tunnel_frames)
    assert store.response_body(row.id) == b"from the server"


def test_each_turn_has_the_one_before_as_its_parent(store: Store) -> None:
    rows: list[Row] = []
    for given in session_recordings(6):
        given.detail.row.session = None
        rows += store.commit(Batch(finished=[given]))
    assert [row.parent for row in rows] == [None, *(row.id for row in rows[:-1])]
    assert {row.conversation for row in rows} == {rows[0].id}


def test_turns_of_one_batch_find_each_other(store: Store) -> None:
    given = list(session_recordings(4))
    rows = sorted(store.commit(Batch(finished=given[::-1])), key=lambda row: row.id)
    assert [row.parent for row in rows] == [None, *(row.id for row in rows[:-1])]


def test_a_fork_and_a_retry_share_parent_and_conversation(store: Store) -> None:
    first, second, third, _ = session_recordings(4)
    retry, fork = (
        msgspec.convert(msgspec.to_builtins(third), Recording),
        msgspec.convert(msgspec.to_builtins(third), Recording),
    )
    retry.detail.row.id = IdMaker().make(START_MS + 60_000)
    fork.detail.row.id = IdMaker().make(START_MS + 70_000)
    fork.request_body = (
        third.request_body[:-80].replace(b'"role":"user"', b'"role": "user"', 1) + third.request_body[-80:]
    )
    rows = [row for one in (first, second, third, retry) for row in store.commit(Batch(finished=[one]))]
    assert rows[3].parent == rows[2].parent == rows[1].id
    assert rows[3].conversation == rows[0].id


def test_a_session_that_the_client_names_is_one_conversation(store: Store) -> None:
    ids = IdMaker()
    rows = [store.commit(Batch(finished=[small(ids, number, session="s1")]))[0] for number in range(3)]
    other = store.commit(Batch(finished=[small(ids, 9, session="s2")]))[0]
    assert {row.conversation for row in rows} == {rows[0].id}
    assert other.conversation == other.id


def test_equal_requests_are_not_one_conversation(store: Store) -> None:
    ids = IdMaker()
    rows = [store.commit(Batch(finished=[small(ids, 1)]))[0] for _ in range(2)]
    assert [row.conversation for row in rows] == [row.id for row in rows]


def test_readers_see_whole_batches_while_one_writes(store: Store) -> None:
    ids = IdMaker()
    batches = [[small(ids, 2 * number), small(ids, 2 * number + 1)] for number in range(40)]
    odd: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            odd.append(len(store.list_rows(limit=500).items) % 2)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for batch in batches:
        store.commit(Batch(finished=batch))
    done.set()
    for reader in readers:
        reader.join()
    assert odd
    assert not any(odd)


def test_a_failed_batch_leaves_nothing(store: Store) -> None:
    good, bad = small(IdMaker(), 1), small(IdMaker(), 2)
    bad.detail.row.seq = 0
    bad.detail.row.path = None  # type: ignore[assignment]
    with pytest.raises(IntegrityError, match="NOT NULL"):
        store.commit(Batch(finished=[good, bad], positions={"g0": Position(5, 5)}))
    assert store.list_rows().items == []
    assert store.positions() == {}
    (row,) = store.commit(Batch(finished=[good]))
    assert row.seq == 1
    assert store.verify().failures == []


_KILLED = """
import os, sys
sys.path.insert(0, {tests!r})
from fakes.session import session_recordings
from dragoman.store import Batch, Position, Store
from dragoman.store.bodies import BodyWriter

store = Store("sqlite:///{path}")
store.open()
flush, left = BodyWriter.flush, [{after}]
def die(self):
    flush(self)
    left[0] -= 1
    if not left[0]:
        os._exit(9)
BodyWriter.flush = die
for number, one in enumerate(session_recordings(6)):
    store.commit(Batch(finished=[one], positions={{"g0": Position(1, number)}}))
"""


def test_a_process_killed_in_the_middle_of_a_commit_leaves_the_store_whole(path: Path) -> None:
    code = _KILLED.format(tests=str(Path(__file__).parents[1]), path=path, after=4)
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 9
    with Store(f"sqlite:///{path}", clock=FakeClock()) as store:
        assert len(store.list_rows().items) == 3
        assert store.positions() == {"g0": Position(1, 2)}
        given = list(session_recordings(6))
        rows = store.commit(Batch(finished=given[3:]))
        assert [row.seq for row in rows] == [4, 5, 6]
        report = store.verify()
        assert (report.checked, report.failures) == (12, [])
