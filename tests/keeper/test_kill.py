"""A keeper killed at any moment stores each exchange exactly once, with each byte."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from dragoman.clock import SystemClock
from dragoman.events.bus import Bus
from dragoman.ids import IdMaker
from dragoman.keeper.ingest import Ingest
from dragoman.store import Store
from fakes import ingest_process
from fakes.journal import FakeJournal
from fakes.playbook import CHAT_BODY, MESSAGES_BODY, STREAM_BODY, asked, ended, streamed, translated, whole
from fakes.tunnels import ASKS, FakeTunnel, events

KILLS = 4
PER_ROUND = 60


def begin(data_dir: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, ingest_process.__file__, str(data_dir)], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_keeper_stores_each_exchange_once(tmp_path: Path, seed: int) -> None:
    chance, ids = random.Random(seed), IdMaker()
    journal = FakeJournal(tmp_path)
    written: list[str] = []
    long = ids.make(1)
    journal.write(*asked(long), *streamed(long))
    for _ in range(KILLS):
        process = begin(tmp_path)
        assert process.stdout is not None
        batches = chance.randrange(1, 4)
        for number in range(PER_ROUND):
            written.append(ids.make(len(written) + 2))
            journal.write(*whole(written[-1]))
            if number % 25 == 0:
                journal.rotate()
            if number % (PER_ROUND // batches) == 0:
                process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close()
    journal.write(*ended(long))
    journal.close()

    with Store(f"sqlite:///{tmp_path}/dragoman.db") as store:
        ingest = Ingest(tmp_path / "journal", store, Bus("e"), SystemClock())
        ingest.drain()
        ingest.close()
        page = store.list_rows(limit=200)
        found = [row.id for row in page.items]
        while page.next_cursor:
            page = store.list_rows(limit=200, cursor=page.next_cursor)
            found += [row.id for row in page.items]
        assert sorted(found) == sorted([*written, long])
        assert {row.state for row in page.items} == {"done"}
        for name in found:
            assert store.request_body(name) == CHAT_BODY
            assert store.response_body(name) == STREAM_BODY
        assert store.verify().failures == []
    assert journal.sequences == [journal.sequence]


@pytest.mark.parametrize("seed", [3])
def test_a_killed_keeper_stores_routed_calls_and_those_of_a_tunnel_once(tmp_path: Path, seed: int) -> None:
    chance, ids = random.Random(seed), IdMaker()
    journal, tunnel = FakeJournal(tmp_path), FakeTunnel(ids.make(1), deflate="permessage-deflate")
    routed: list[str] = []
    calls = 0
    journal.write(*tunnel.begin())
    for _ in range(KILLS):
        process = begin(tmp_path)
        assert process.stdout is not None
        for number in range(20):
            routed.append(ids.make(len(routed) + 2))
            journal.write(*translated(routed[-1]))
            calls += 1
            said = tunnel.answer(*events(f"resp_{calls}", "Hello", f" {calls}"))
            journal.write(*tunnel.ask({**ASKS, "previous_response_id": f"resp_{calls - 1}"}), *said[:2])
            if number % 7 == 0:
                journal.rotate()
            if number == chance.randrange(5):
                process.stdout.readline()
            journal.write(*said[2:])
        process.kill()
        process.wait()
        process.stdout.close()
    journal.write(*tunnel.end())
    journal.close()

    with Store(f"sqlite:///{tmp_path}/dragoman.db") as store:
        ingest = Ingest(tmp_path / "journal", store, Bus("e"), SystemClock())
        ingest.drain()
        ingest.close()
        rows = {row.id: row for row in store.list_rows(limit=1000).items}
        named = [tunnel.call(number + 1) for number in range(calls)]
        assert sorted(rows) == sorted([*routed, *named, tunnel.name])
        assert store.storage().rows == len(rows)
        assert {row.state for row in rows.values() if row.id != tunnel.name} == {"done"}
        for name in routed:
            assert store.request_body(name) == MESSAGES_BODY
            assert store.upstream_request_body(name) == CHAT_BODY
            assert store.upstream_response_body(name) == STREAM_BODY
        assert [rows[name].reply_preview for name in named] == [f"Hello {number + 1}" for number in range(calls)]
        assert [rows[name].parent for name in named] == [None, *named[:-1]]
        assert store.verify().failures == []
