"""A batch that the store refuses: whose fault it was decides what becomes of it."""

import pytest

from dragoman.ids import IdMaker
from dragoman.keeper.storing import commit
from dragoman.store import Batch
from fakes.session import START_MS, recording
from fakes.store_memory import MemoryStore


def batch_of(count: int) -> Batch:
    ids = IdMaker()
    made = [recording(b'{"model":"m"}', b"{}", ids=ids, ms=START_MS + n) for n in range(count)]
    for one in made:
        one.detail.row.dialect = "openai_chat"
    return Batch(finished=made)


def test_the_exchange_that_cannot_be_stored_is_stored_as_bytes_and_the_others_as_they_are() -> None:
    store, batch = MemoryStore(), batch_of(3)
    bad = batch.finished[1].detail.row.id
    store.poison.add(bad)
    assert len(commit(store, batch)) == 3
    flags = {name: one.detail.row.flags for name, one in store.finished.items()}
    assert [name for name, given in flags.items() if "unparsed" in given] == [bad]


def test_a_store_that_takes_nothing_for_a_while_is_no_fault_of_the_exchanges() -> None:
    store, batch = MemoryStore(), batch_of(2)
    store.failures = [OSError("the database is locked")]
    with pytest.raises(OSError, match="locked"):
        commit(store, batch)
    assert not store.finished
    assert len(commit(store, batch)) == 2
    assert not any("unparsed" in one.detail.row.flags for one in store.finished.values())


def test_a_store_that_locks_in_the_middle_leaves_the_rest_for_later() -> None:
    store, batch = MemoryStore(), batch_of(2)
    store.failures = [ValueError("something of the batch"), OSError("the database is locked")]
    with pytest.raises(OSError, match="locked"):
        commit(store, batch)
    assert len(commit(store, batch)) == 2
    assert not any("unparsed" in one.detail.row.flags for one in store.finished.values())
