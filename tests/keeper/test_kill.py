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
from fakes.playbook import CHAT_BODY, STREAM_BODY, asked, ended, streamed, whole

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
