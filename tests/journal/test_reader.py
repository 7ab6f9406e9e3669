"""Reading a journal while it is written: order, places, rotation, torn and broken frames."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.journal.format import MAGIC, Chunk, FileHeader, RequestBody, encode_frame
from dragoman.journal.reader import Found, Gap, JournalReader
from fakes.journal import FakeJournal


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[FakeJournal]:
    fake = FakeJournal(tmp_path)
    yield fake
    fake.close()


@pytest.fixture
def reader(journal: FakeJournal) -> Iterator[JournalReader]:
    made = JournalReader(journal.directory)
    yield made
    made.close()


def chunk(text: bytes, at: int = 1) -> Chunk:
    return Chunk("x", at, text)


def read_all(reader: JournalReader) -> list[Found | Gap]:
    items: list[Found | Gap] = []
    while more := reader.read():
        items += more
    return items


def data_of(items: list[Found | Gap]) -> list[bytes]:
    return [one.record.data for one in items if isinstance(one, Found) and isinstance(one.record, Chunk)]


def gaps_of(items: list[Found | Gap]) -> list[Gap]:
    return [one for one in items if isinstance(one, Gap)]


def test_the_header_comes_first_and_then_each_record_in_order(journal: FakeJournal, reader: JournalReader) -> None:
    journal.write(chunk(b"one"), chunk(b"two"))
    items = read_all(reader)
    assert isinstance(items[0], Found) and isinstance(items[0].record, FileHeader)
    assert items[0].record.session == journal.session
    assert data_of(items) == [b"one", b"two"]


def test_what_is_written_later_is_read_later_and_once(journal: FakeJournal, reader: JournalReader) -> None:
    journal.write(chunk(b"one"))
    read_all(reader)
    assert reader.read() == []
    journal.write(chunk(b"two"))
    assert data_of(read_all(reader)) == [b"two"]


def test_a_directory_that_does_not_exist_yet_is_empty(tmp_path: Path) -> None:
    reader = JournalReader(tmp_path / "none")
    assert reader.read() == []
    assert reader.backlog_bytes() == 0
    assert not reader.has_writer()


def test_a_torn_frame_is_not_yet_while_no_later_file_exists(journal: FakeJournal, reader: JournalReader) -> None:
    frame = encode_frame(chunk(b"whole"))
    journal.append(frame[:-2])
    assert data_of(read_all(reader)) == []
    journal.append(frame[-2:])
    assert data_of(read_all(reader)) == [b"whole"]


def test_a_torn_tail_is_passed_and_named_when_a_later_file_exists(journal: FakeJournal, reader: JournalReader) -> None:
    journal.write(chunk(b"kept"))
    torn = encode_frame(chunk(b"torn"))[:-1]
    journal.append(torn)
    journal.rotate()
    journal.write(chunk(b"next"))
    items = read_all(reader)
    assert data_of(items) == [b"kept", b"next"]
    assert [gap.lost_bytes for gap in gaps_of(items)] == [len(torn)]


def test_a_tail_that_the_writer_cut_back_leaves_no_gap(journal: FakeJournal, reader: JournalReader) -> None:
    journal.write(chunk(b"kept"))
    good = journal.path.stat().st_size
    journal.append(encode_frame(chunk(b"torn"))[:-1])
    assert data_of(read_all(reader)) == [b"kept"]
    with journal.path.open("r+b") as file:
        file.truncate(good)
    journal.rotate()
    journal.write(chunk(b"next"))
    items = read_all(reader)
    assert data_of(items) == [b"next"]
    assert gaps_of(items) == []


def broken(text: bytes) -> bytes:
    frame = bytearray(encode_frame(chunk(text)))
    frame[-1] ^= 1
    return bytes(frame)


def test_a_broken_frame_before_a_whole_one_is_skipped_alone(journal: FakeJournal, reader: JournalReader) -> None:
    journal.write(chunk(b"before"))
    journal.append(broken(b"broken"))
    assert data_of(read_all(reader)) == [b"before"]
    assert reader.trouble == "the checksum does not match"
    journal.write(chunk(b"after"))
    items = read_all(reader)
    assert data_of(items) == [b"after"]
    assert [(gap.lost_bytes, gap.why) for gap in gaps_of(items)] == [
        (len(broken(b"broken")), "the checksum does not match")
    ]


def test_a_broken_frame_at_the_end_of_its_file_is_skipped_for_the_next(
    journal: FakeJournal, reader: JournalReader
) -> None:
    journal.append(broken(b"broken") + b"\x05\x00")
    assert data_of(read_all(reader)) == []
    journal.rotate()
    journal.write(chunk(b"next"))
    items = read_all(reader)
    assert data_of(items) == [b"next"]
    (gap,) = gaps_of(items)
    assert gap.why == "the checksum does not match"


@pytest.mark.parametrize("damage", ["frame", "magic"])
def test_a_damaged_file_is_put_aside_instead_of_removed(
    journal: FakeJournal, reader: JournalReader, damage: str
) -> None:
    first = journal.path
    if damage == "magic":
        first.write_bytes(b"DRGMJ999" + first.read_bytes()[8:])
    else:
        journal.append(broken(b"broken"))
    journal.rotate()
    read_all(reader)
    assert reader.remove_before(2) == 1
    assert journal.sequences == [2]
    assert first.with_name(first.name + ".damaged").exists()


def test_a_torn_tail_is_no_damage(journal: FakeJournal, reader: JournalReader) -> None:
    first = journal.path
    journal.append(encode_frame(chunk(b"torn"))[:-3])
    journal.rotate()
    assert len(gaps_of(read_all(reader))) == 1
    reader.remove_before(2)
    assert not list(first.parent.glob("*.damaged"))


def test_a_length_that_cannot_be_is_damage(journal: FakeJournal, reader: JournalReader) -> None:
    journal.append(b"\xff" * 40)
    read_all(reader)
    assert reader.trouble == "a frame of 4294967295 bytes cannot be"


def test_a_record_of_a_later_version_is_named_and_passed(journal: FakeJournal, reader: JournalReader) -> None:
    payload = msgspec.msgpack.encode([99, "x"])
    journal.append(
        len(payload).to_bytes(4, "little") + xxhash.xxh3_64_intdigest(payload).to_bytes(8, "little") + payload
    )
    journal.write(chunk(b"after"))
    items = read_all(reader)
    assert data_of(items) == [b"after"]
    assert len(gaps_of(items)) == 1


def test_a_frame_longer_than_a_block_is_read_when_it_is_whole(journal: FakeJournal) -> None:
    reader = JournalReader(journal.directory, block_bytes=256)
    frame = encode_frame(RequestBody("x", 1, b"b" * 5000))
    journal.append(frame[:1000])
    read_all(reader)
    assert reader.read() == []
    journal.append(frame[1000:])
    (found,) = read_all(reader)
    assert isinstance(found, Found) and isinstance(found.record, RequestBody)
    assert found.record.data == b"b" * 5000
    reader.close()


def test_reading_goes_on_at_a_known_place_and_gives_the_header_again(
    journal: FakeJournal, reader: JournalReader
) -> None:
    journal.write(chunk(b"one"), chunk(b"two"))
    second = read_all(reader)[-1]
    assert isinstance(second, Found)
    again = JournalReader(journal.directory, sequence=second.sequence, offset=second.start)
    items = read_all(again)
    assert isinstance(items[0], Found) and isinstance(items[0].record, FileHeader)
    assert data_of(items) == [b"two"]
    again.close()


def test_a_place_in_a_file_that_is_gone_means_the_next_file(journal: FakeJournal) -> None:
    journal.rotate()
    journal.write(chunk(b"next"))
    (journal.directory / "0000000001.journal").unlink()
    reader = JournalReader(journal.directory, sequence=1, offset=400)
    assert data_of(read_all(reader)) == [b"next"]
    reader.close()


def test_a_journal_that_begins_anew_is_read_from_its_start(journal: FakeJournal) -> None:
    journal.write(chunk(b"one"))
    reader = JournalReader(journal.directory, sequence=700, offset=90)
    assert data_of(read_all(reader)) == [b"one"]
    reader.close()


def test_a_file_that_is_no_journal_is_named_and_passed(journal: FakeJournal, reader: JournalReader) -> None:
    journal.path.write_bytes(b"something else entirely")
    journal.rotate()
    journal.write(chunk(b"next"))
    items = read_all(reader)
    assert data_of(items) == [b"next"]
    assert len(gaps_of(items)) == 1


def test_a_file_whose_magic_is_not_whole_is_not_yet(journal: FakeJournal, reader: JournalReader) -> None:
    whole = journal.path.read_bytes()
    journal.path.write_bytes(MAGIC[:3])
    assert reader.read() == []
    assert reader.trouble is None
    journal.path.write_bytes(whole)
    assert len(read_all(reader)) == 1


def test_the_lock_tells_whether_a_writer_lives(journal: FakeJournal, reader: JournalReader) -> None:
    assert reader.has_writer()
    journal.die()
    assert not reader.has_writer()
    journal.live()
    assert reader.has_writer()


def test_backlog_counts_what_was_not_read_in_all_files(journal: FakeJournal, reader: JournalReader) -> None:
    read_all(reader)
    assert reader.backlog_bytes() == 0
    frame = encode_frame(chunk(b"one"))
    journal.append(frame)
    assert reader.backlog_bytes() == len(frame)
    journal.rotate()
    assert reader.backlog_bytes() == len(frame) + journal.path.stat().st_size


def test_removing_never_takes_the_newest_file(journal: FakeJournal, reader: JournalReader) -> None:
    journal.rotate()
    journal.rotate()
    assert reader.remove_before(3) == 2
    assert reader.remove_before(9) == 0
    assert journal.sequences == [3]


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, 60), max_size=12), block=st.integers(64, 400))
def test_any_cut_of_the_writes_gives_the_same_records(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], block: int
) -> None:
    journal = FakeJournal(tmp_path_factory.mktemp("cuts"))
    reader = JournalReader(journal.directory, block_bytes=block)
    wanted = [b"a" * (7 * n) for n in range(9)]
    stream = b"".join(encode_frame(chunk(data)) for data in wanted)
    got: list[bytes] = []
    for cut in cuts:
        journal.append(stream[:cut])
        stream = stream[cut:]
        got += data_of(read_all(reader))
    journal.append(stream)
    got += data_of(read_all(reader))
    assert got == wanted
    reader.close()
    journal.close()
