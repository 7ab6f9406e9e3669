"""The journal under a good disk, a slow one and a full one."""

import asyncio
import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from dragoman.clock import FakeClock
from dragoman.errors import BadConfig
from dragoman.journal.format import (
    CaptureStopped,
    Chunk,
    Closed,
    DataFrames,
    FileHeader,
    Opened,
    RequestBody,
    SentChunk,
    decode_frame,
    encode_frame,
)
from dragoman.journal.writer import FileSink, Journal
from dragoman.records.setup import JournalSettings, Setup
from fakes.gateway import read_journal, running_gateway
from fakes.upstream import FakeUpstream

ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"


class Turns:
    """A loop that is driven by hand."""

    def __init__(self) -> None:
        self.soon: list = []  # type: ignore[type-arg]
        self.later: list = []  # type: ignore[type-arg]

    def call_soon(self, callback, /) -> None:  # type: ignore[no-untyped-def]
        self.soon.append(callback)

    def call_later(self, delay: float, callback, /) -> None:  # type: ignore[no-untyped-def]
        self.later.append(callback)

    def turn(self) -> None:
        due, self.soon, self.later = [*self.soon, *self.later], [], []
        for callback in due:
            callback()


class Disk:
    """A sink with a fault: it takes `room` bytes in all, and each write takes `slow_ns`."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.room = 10**12
        self.slow_ns = 0
        self.clock = clock
        self.writes = 0

    def write(self, fd: int, buffers: list[bytes]) -> int:
        self.writes += 1
        if self.clock is not None:
            self.clock.advance(self.slow_ns)
        data = b"".join(buffers)
        if self.room <= 0:
            raise OSError(errno.ENOSPC, "no space left")
        written = os.write(fd, data[: self.room])
        self.room -= written
        return written


class Waiter:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.saw: list[int] = []

    def flush_out(self) -> None:
        self.saw.append(len(read_journal(self.directory)))


def journal(directory: Path, *, running: tuple[str, ...] = (), **settings: object) -> tuple[Journal, Turns, Disk]:
    clock = FakeClock()
    disk, turns = Disk(clock), Turns()
    one = Journal(
        directory / "g0",
        session="S",
        settings=JournalSettings(**settings),  # type: ignore[arg-type]
        clock=clock,
        loop=turns,
        running=lambda: running,
        sink=disk,
    )
    one.open()
    return one, turns, disk


def chunk(data: bytes) -> list[bytes]:
    return DataFrames(ID).chunk(1, data)


def closed() -> Closed:
    return Closed(ID, 1, "complete", 200, 2)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 16383, 16384, 65535, 65536, 300_000])
def test_data_frames_are_what_the_encoder_writes(size: int) -> None:
    data = os.urandom(size)
    frames = DataFrames(ID)
    for buffers, record in (
        (frames.request_body(7, data), RequestBody(ID, 7, data)),
        (frames.chunk(2**62, data), Chunk(ID, 2**62, data)),
        (frames.sent_chunk(2**63, data), SentChunk(ID, 2**63, data)),
    ):
        assert decode_frame(b"".join(buffers), 0) == (record, sum(map(len, buffers)))
    if size >= 16384:
        assert frames.chunk(1, data)[-1] is data  # not copied


def test_one_write_for_a_turn_and_nobody_goes_on_before_it(tmp_path: Path) -> None:
    one, turns, disk = journal(tmp_path)
    waiter = Waiter(one.directory)
    before = disk.writes
    one.append(chunk(b"a"))
    one.wait_for_flush(waiter)
    one.append_record(closed())
    assert waiter.saw == []
    turns.turn()
    assert disk.writes == before + 1
    assert waiter.saw == [3]  # header, chunk, closed
    one.close()


def test_what_nobody_waits_for_is_written_a_little_later(tmp_path: Path) -> None:
    one, turns, _ = journal(tmp_path)
    one.append_record(closed())
    assert (len(turns.soon), len(turns.later)) == (0, 1)
    turns.turn()
    assert read_journal(one.directory)[1:] == [closed()]
    one.close()


def test_files_are_numbered_on_and_turned_over_by_size(tmp_path: Path) -> None:
    one, turns, _ = journal(tmp_path, file_size=1000)
    for _ in range(3):
        one.append(chunk(b"x" * 600))
        turns.turn()
        one.append(chunk(b"x" * 600))
        turns.turn()
    one.close()
    assert sorted(path.name for path in one.directory.glob("*.journal"))[-1] == "0000000004.journal"
    again, _, _ = journal(tmp_path)
    again.close()
    headers = [record for record in read_journal(one.directory) if isinstance(record, FileHeader)]
    assert [record.sequence for record in headers] == [1, 2, 3, 4, 5]
    for path in one.directory.glob("*"):
        assert path.stat().st_mode & 0o077 == 0


def test_a_directory_has_one_writer(tmp_path: Path) -> None:
    one, _, _ = journal(tmp_path)
    with pytest.raises(BadConfig, match="another gateway"):
        journal(tmp_path)
    one.close()
    again, _, _ = journal(tmp_path)
    again.close()


def test_short_write_is_cut_back_and_goes_on_in_the_next_file(tmp_path: Path) -> None:
    one, turns, disk = journal(tmp_path)
    frame = chunk(b"x" * 100)
    size = sum(map(len, frame))
    disk.room = size + 10  # the first frame and a piece of the second

    def write(fd: int, buffers: list[bytes]) -> int:
        written = Disk.write(disk, fd, buffers)
        disk.room = 10**12
        return written

    disk.write = write  # type: ignore[method-assign]
    for _ in range(3):
        one.append(frame)
    turns.turn()
    one.close()
    sizes = [
        len([r for r in read_one(path) if isinstance(r, Chunk)]) for path in sorted(one.directory.glob("*.journal"))
    ]
    assert sizes == [1, 2]
    assert not one.is_full


def read_one(path: Path) -> list[object]:
    data, at, records = path.read_bytes(), 8, []
    while (found := decode_frame(data, at)) is not None:
        record, at = found
        records.append(record)
    assert at == len(data), "a file ends in a whole frame"
    return records


def test_full_disk_drops_bytes_keeps_the_rest_and_says_so_later(tmp_path: Path) -> None:
    one, turns, disk = journal(tmp_path, running=(ID,))
    disk.room = 0
    one.append(chunk(b"lost"))
    one.append_record(closed())
    turns.turn()
    assert one.is_full
    generation = one.generation
    one.append(chunk(b"lost too"))
    turns.turn()
    one.tick()
    assert one.is_full
    disk.room = 10**12
    one.tick()
    assert not one.is_full
    assert one.generation == generation
    one.append(chunk(b"kept"))
    turns.turn()
    one.close()
    records = [record for record in read_journal(one.directory) if not isinstance(record, FileHeader)]
    assert [type(record).__name__ for record in records] == ["Closed", "CaptureStopped", "Chunk"]
    assert isinstance(records[1], CaptureStopped) and records[1].why == "full"


def test_max_size_fills_the_journal_until_files_are_removed(tmp_path: Path) -> None:
    one, turns, _ = journal(tmp_path, max_size=2000, file_size=1000)
    for _ in range(8):
        one.append(chunk(b"x" * 400))
        turns.turn()
    assert one.is_full
    assert sum(path.stat().st_size for path in one.directory.glob("*.journal")) < 3500
    for path in sorted(one.directory.glob("*.journal")):
        path.unlink()
    one.tick()
    assert not one.is_full
    one.close()


def test_a_journal_that_reached_its_limit_goes_on_once_all_but_the_newest_file_is_read(tmp_path: Path) -> None:
    one, turns, _ = journal(tmp_path, max_size=4000)  # file_size is far above it
    while not one.is_full:
        one.append(chunk(b"x" * 100))
        turns.turn()
    files = sorted(tmp_path.glob("*/*.journal"))
    assert len(files) > 2
    for path in files[:-1]:
        path.unlink()
    one.tick()
    assert not one.is_full
    one.close()


def test_slow_append_stops_capture_of_what_runs(tmp_path: Path) -> None:
    one, turns, disk = journal(tmp_path, running=(ID,), max_stall=0.1)
    disk.slow_ns = 200_000_000
    one.append(chunk(b"a"))
    turns.turn()
    disk.slow_ns = 0
    assert (one.generation, one.is_full, one.stopped_total) == (1, False, 1)
    turns.turn()
    one.close()
    first, second = sorted(one.directory.glob("*.journal"))
    assert [type(r).__name__ for r in read_one(first)] == ["FileHeader", "Chunk"]
    assert [r.why for r in read_one(second) if isinstance(r, CaptureStopped)] == ["stall"]


def test_fsync_when_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    one, turns, _ = journal(tmp_path, fsync="always")
    one.append(chunk(b"a"))
    turns.turn()
    assert len(synced) == 1
    one.close()


def test_a_disk_that_fails_to_sync_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(fd: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    one, turns, _ = journal(tmp_path, fsync="always")
    monkeypatch.setattr(os, "fsync", fail)
    waiter = Waiter(one.directory)
    one.append(chunk(b"x"))
    one.wait_for_flush(waiter)
    turns.turn()
    assert len(waiter.saw) == 1
    assert one.is_full
    monkeypatch.undo()
    one.tick()
    assert not one.is_full
    one.close()


async def test_traffic_flows_over_a_full_disk_and_the_record_says_what_it_lost(tmp_path: Path) -> None:
    disk = Disk()
    async with FakeUpstream() as upstream, running_gateway(tmp_path, sink=disk, openai=upstream.url) as gateway:
        async with gateway.client() as client:
            await client.send(POST)
            call = await upstream.call()
            await call.send(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc")
            running = await client.head()
            assert await client.exactly(3) == b"abc"
            disk.room = 0
            await call.send(b"def")
            assert await client.exactly(3) == b"def"
            upstream.reply(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            unseen = await client.ask(POST)
            assert unseen.body == b"ok"
            disk.room = 10**12
            while gateway.gateway.journal.is_full:
                await asyncio.sleep(0.01)
            seen = await client.ask(POST)
            await gateway.closed(seen.exchange)
        assert [one.data for one in gateway.of(running.exchange, Chunk)] == [b"abc"]
        assert gateway.of(unseen.exchange, Opened)[0].capture == "none"
        assert gateway.of(unseen.exchange, Chunk) == []
        assert gateway.of(unseen.exchange, Closed)[0].status == 200
        assert gateway.of(seen.exchange, Opened)[0].capture == "full"
        assert [one.data for one in gateway.of(seen.exchange, Chunk)] == [b"ok"]


async def test_traffic_is_refused_over_a_full_disk_when_asked_to(tmp_path: Path) -> None:
    disk = Disk()
    setup = Setup(version=1, journal=JournalSettings(when_full="refuse"))
    async with FakeUpstream() as upstream:
        upstream.reply(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        async with (
            running_gateway(tmp_path, setup=setup, sink=disk, openai=upstream.url) as gateway,
            gateway.client() as client,
        ):
            disk.room = 0
            assert (await client.ask(POST)).status == 200  # found out by this one
            reply = await client.ask(POST)
            assert (reply.status, b"journal" in reply.body) == (503, True)


def test_a_limit_of_file_size_is_like_a_full_disk(tmp_path: Path) -> None:
    """In a process of its own, since the limit holds for all files of a process."""
    code = f"""
import resource, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from journal_of_test import journal, chunk, read_journal, closed
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
one, turns, disk = journal(Path({str(tmp_path)!r}))
disk.write = lambda fd, buffers: __import__("os").writev(fd, buffers)
for _ in range(5):
    one.append(chunk(b"x" * 400)); turns.turn()
one.append(chunk(b"x" * 4000)); turns.turn()
assert one.is_full
one.tick()
assert not one.is_full
one.append_record(closed()); turns.turn()
one.close()
"""
    place = tmp_path / "journal_of_test.py"
    place.write_text(Path(__file__).read_text())
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[1]}"}
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, env=environment, timeout=30)
    files = sorted((tmp_path / "g0").glob("*.journal"))
    chunks = [record for path in files for record in read_one(path) if isinstance(record, Chunk)]
    assert [len(record.data) for record in chunks] == [400] * 5
    assert all(path.stat().st_size <= 1000 for path in files)
    assert [type(record).__name__ for record in read_one(files[-1])] == ["FileHeader", "Closed"]


def test_the_real_disk_takes_many_buffers(tmp_path: Path) -> None:
    one, turns, _ = journal(tmp_path)
    one._sink = FileSink()
    big = os.urandom(20_000)
    for _ in range(1200):
        one.append(chunk(big))
    turns.turn()
    one.close()
    assert len([r for r in read_journal(one.directory) if isinstance(r, Chunk)]) == 1200
    assert encode_frame(closed())
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 0
