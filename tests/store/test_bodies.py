"""A long session costs what is new in it, and every body comes back byte for byte."""

import itertools
import json
import sqlite3
from pathlib import Path

import pytest

from dragoman.ids import IdMaker
from dragoman.records.exchange import Recording
from dragoman.store import Batch, Store
from fakes.session import START_MS, recording, session_recordings

SPACINGS = [(",", ":"), (", ", ": ")]
TABLES = ("pack", "segment", "node", "request", "reply")


@pytest.mark.parametrize("spacing", SPACINGS, ids=["compact", "spaced"])
def test_a_session_of_150_turns_takes_one_percent_and_the_whole_store_three(
    store: Store, path: Path, spacing: tuple[str, str]
) -> None:
    raw = 0
    sizes: list[int] = []
    for given in session_recordings(150, spacing=spacing):
        raw += len(given.request_body) + len(given.response_body)
        sizes.append(len(given.request_body))
        (row,) = store.commit(Batch(finished=[given]))
    assert sizes[0] < 61_000
    assert sizes[-1] > 570_000
    assert store.request_body(row.id) == given.request_body
    report = store.verify()
    assert (report.checked, report.failures, report.skipped) == (300, [], 0)
    kinds = store.storage().kinds
    assert kinds["segments"] + kinds["nodes"] + kinds["replies"] < 0.01 * raw
    store.close()
    assert path.stat().st_size < 0.03 * raw


def test_a_turn_adds_two_segments_and_two_nodes(store: Store, path: Path) -> None:
    counts: list[tuple[int, ...]] = []
    for given in session_recordings(30):
        store.commit(Batch(finished=[given]))
        with sqlite3.connect(path) as database:
            counts.append(
                tuple(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("segment", "node"))
            )
        database.close()
    steps = {(one[0] - other[0], one[1] - other[1]) for other, one in itertools.pairwise(counts)}
    assert steps == {(2, 2)}


def test_the_plan_of_a_body_does_not_grow(store: Store, path: Path) -> None:
    for given in session_recordings(40):
        store.commit(Batch(finished=[given]))
    with sqlite3.connect(path) as database:
        lengths = [row[0] for row in database.execute("SELECT length(plan) FROM request ORDER BY key")]
    database.close()
    assert max(lengths) - lengths[0] < 12
    assert max(lengths) < 120


def body(ids: IdMaker, data: bytes, **row: object) -> Recording:
    return recording(data, b"", ids=ids, ms=START_MS, **row)


def test_bodies_of_every_kind_come_back(store: Store) -> None:
    bodies = [
        b"",
        b"\x1f\x8b\x08 compressed, not JSON",
        b'{"messages": [{"role": "user", "content": "\\ud83d"}]}',
        b'{"messages":[],"messages":[{"role":"user","content":"twice"}]}',
        b'{"messages":[{"role":"user","content":"cut off',
        b'[1, 2, 3]',
        json.dumps({"system": "s", "messages": [{"role": "user", "content": "x" * 300_000}]}).encode(),
        json.dumps({"messages": [{"content": "a"}] * 500, "tools": [{"name": "t"}]}, indent=2).encode(),
        '{"messages":[{"role":"user","content":"übergroß 京都 🙂"}]}'.encode(),
    ]  # fmt: skip
    ids = IdMaker()
    rows = store.commit(Batch(finished=[body(ids, one) for one in bodies]))
    assert [store.request_body(row.id) for row in sorted(rows, key=lambda row: row.id)] == bodies
    assert store.verify().failures == []


def test_an_encoded_body_is_kept_as_it_is(store: Store) -> None:
    given = body(IdMaker(), b'{"messages":[{"role":"user","content":"not what it seems"}]}')
    given.detail.request_body.encoding = "gzip"
    (row,) = store.commit(Batch(finished=[given]))
    assert store.request_body(row.id) == given.request_body


def test_a_body_of_an_unknown_dialect_is_stored_once(store: Store) -> None:
    ids = IdMaker()
    data = b'{"input":"' + b"embed me " * 2_000 + b'"}'
    before = store.storage().kinds["segments"]
    store.commit(Batch(finished=[body(ids, data, dialect=None) for _ in range(20)]))
    assert store.storage().kinds["segments"] - before < 1_000


def test_a_rotating_line_in_the_system_prompt_does_not_renew_the_messages(store: Store, path: Path) -> None:
    ids = IdMaker()
    messages = [{"role": "user", "content": f"message {number}"} for number in range(50)]
    for number in range(5):
        system = [{"type": "text", "text": f"billing {number}"}, {"type": "text", "text": "be brief"}]
        data = json.dumps({"system": system, "messages": messages}).encode()
        store.commit(Batch(finished=[body(ids, data)]))
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM segment").fetchone()[0] < 50 + 2 + 4 + 5
    database.close()


def test_verify_names_a_body_that_changed(store: Store, path: Path) -> None:
    given = list(session_recordings(3))
    rows = [store.commit(Batch(finished=[one]))[0] for one in given]
    with sqlite3.connect(path) as database:
        database.execute("UPDATE reply SET body = x'00' || 'other' WHERE key = (SELECT max(key) FROM reply)")
        database.execute("DELETE FROM node WHERE id = (SELECT max(id) FROM node)")
    database.close()
    seen: list[int] = []
    report = store.verify(seen.append)
    assert {name for name, _ in report.failures} == {rows[2].id}
    assert len(report.failures) == 2
    assert seen == [3]
