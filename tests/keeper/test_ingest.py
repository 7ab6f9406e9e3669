"""From journal to store: order, batches, exactly once, checkpoints, interruptions, failures."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dragoman.clock import FakeClock
from dragoman.events.bus import Bus
from dragoman.journal.format import Chunk, RequestBody, encode_frame
from dragoman.keeper.ingest import Ingest
from fakes.journal import FakeJournal
from fakes.playbook import MS, START, STREAM_BODY, WORDS, asked, ended, head, opened, streamed, whole
from fakes.store_memory import MemoryStore

TIMEOUT_S = 30


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[FakeJournal]:
    fake = FakeJournal(tmp_path)
    yield fake
    fake.close()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(mono=START)


@pytest.fixture
def make(tmp_path: Path, store: MemoryStore, clock: FakeClock) -> Iterator[Callable[[], Ingest]]:
    made: list[Ingest] = []

    def make_one() -> Ingest:
        made.append(Ingest(tmp_path / "journal", store, Bus(f"e{len(made)}", pause_s=0), clock))
        return made[-1]

    yield make_one
    for one in made:
        one.close()


def test_a_finished_exchange_is_stored_with_its_bytes_and_facts(
    journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest]
) -> None:
    journal.write(*whole("a"))
    make().drain()
    recording = store.finished["a"]
    row = recording.detail.row
    assert recording.response_body == STREAM_BODY
    assert (row.state, row.ending, row.status) == ("done", "complete", 200)
    assert (row.model_asked, row.model_served, row.stop_reason) == ("gpt-4o", "gpt-4o-2024", "end")
    assert row.is_streamed
    assert (row.first_byte_ns, row.first_token_ns, row.last_token_ns) == (10 * MS, 20 * MS, 60 * MS)
    assert row.duration_ns == 100 * MS
    assert "".join(WORDS) in recording.search_texts


def test_interleaved_exchanges_are_told_apart(
    journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest]
) -> None:
    for records in zip(*(whole(name) for name in "abc"), strict=True):
        journal.write(*records)
    make().drain()
    assert [store.finished[name].response_body for name in "abc"] == [STREAM_BODY] * 3
    assert len(store.batches) == 1


def test_all_gateways_are_read(tmp_path: Path, store: MemoryStore, make: Callable[[], Ingest]) -> None:
    first, second = FakeJournal(tmp_path, "g0"), FakeJournal(tmp_path, "g1")
    first.write(*whole("a"))
    second.write(*whole("b"))
    make().drain()
    assert set(store.finished) == {"a", "b"}
    assert set(store.places) == {"g0", "g1"}
    first.close()
    second.close()


def test_after_a_restart_nothing_is_stored_twice_and_nothing_is_missing(
    journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest]
) -> None:
    journal.write(*asked("long"), *whole("a"))
    make().drain()
    journal.write(*streamed("long"), *ended("long"), *whole("b"))
    make().drain()
    assert set(store.finished) == {"a", "b", "long"}
    assert store.finished["long"].response_body == STREAM_BODY


def test_the_position_never_passes_what_is_not_stored(
    journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest]
) -> None:
    start = journal.path.stat().st_size
    journal.write(*asked("long"))
    journal.write(*whole("a"))
    make().drain()
    assert (store.places["g0"].sequence, store.places["g0"].offset) == (1, start)


def test_a_new_session_means_that_what_was_open_is_interrupted(
    journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest]
) -> None:
    journal.write(*asked("cut"), *streamed("cut"))
    journal.die(tail=encode_frame(Chunk("cut", START, b"never sent"))[:-3])
    journal.live()
    journal.write(*whole("b"))
    make().drain()
    recording = store.finished["cut"]
    row = recording.detail.row
    assert (row.state, row.ending, row.status, row.duration_ns) == ("interrupted", "interrupted", 200, None)
    assert recording.response_body == STREAM_BODY[: len(recording.response_body)]
    assert len(recording.frames) == len(WORDS)
    assert row.capture == "full"
    assert not recording.detail.response_body.is_whole
    assert store.finished["b"].detail.row.state == "done"


def test_a_free_lock_means_that_what_was_open_is_interrupted(
    journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest]
) -> None:
    journal.write(*asked("cut"), *streamed("cut"))
    ingest = make()
    ingest.drain()
    assert store.finished == {}
    journal.die()
    ingest.drain()
    assert store.finished["cut"].detail.row.state == "interrupted"
    assert store.finished["cut"].detail.row.first_token_ns == 20 * MS


def test_a_gap_in_a_living_journal_makes_what_was_open_partial(
    journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest]
) -> None:
    journal.write(*asked("a"))
    broken = bytearray(encode_frame(head("a")))
    broken[-1] ^= 1
    journal.append(bytes(broken))
    journal.rotate()
    journal.write(*streamed("a")[1:], *ended("a"), *whole("b"))
    make().drain()
    assert store.finished["a"].detail.row.capture == "partial"
    assert "could not be read" in store.finished["a"].detail.warnings[0]
    assert store.finished["b"].detail.row.capture == "full"


def test_files_are_removed_when_all_they_hold_is_stored(
    journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest]
) -> None:
    for name in "abc":
        journal.write(*whole(name))
        journal.rotate()
    make().drain()
    assert journal.sequences == [4]
    make().drain()
    assert store.repeated == []


def test_a_long_exchange_is_checkpointed_and_pins_no_file(
    journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest]
) -> None:
    journal.write(*asked("long"), head("long"))
    pieces = streamed("long")[1:]
    for piece in pieces:
        journal.write(piece, *whole(f"x{journal.sequence}"))
        journal.rotate()
        make().drain()
        assert journal.sequences == [journal.sequence]
        assert set(store.kept) == {"long"}
    journal.write(*ended("long"))
    make().drain()
    assert store.finished["long"].response_body == STREAM_BODY
    assert [frame.at_ns // MS for frame in store.finished["long"].frames] == [20, 30, 40, 50, 60, 90]
    assert store.kept == {}
    assert store.repeated == []


def test_a_checkpointed_exchange_of_a_dead_gateway_is_interrupted_with_all_it_had(
    journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest]
) -> None:
    journal.write(*asked("long"), *streamed("long"))
    journal.rotate()
    make().drain()
    journal.die()
    journal.live()
    make().drain()
    assert store.finished["long"].detail.row.state == "interrupted"
    assert len(store.finished["long"].frames) == len(WORDS)


def test_an_exchange_that_stays_open_gets_a_row(
    journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest], clock: FakeClock
) -> None:
    journal.write(*asked("long"))
    ingest = make()
    ingest.drain()
    assert store.opened == {}
    clock.advance(600 * MS)
    ingest.drain()
    assert store.opened["long"].state == "waiting"
    assert store.opened["long"].model_asked == "gpt-4o"
    batches = len(store.batches)
    ingest.drain()
    assert len(store.batches) == batches
    journal.write(*streamed("long"))
    ingest.drain()
    assert store.opened["long"].state == "streaming"


def test_a_row_whose_journal_is_gone_is_interrupted(
    journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest], clock: FakeClock
) -> None:
    journal.write(*asked("lost"))
    ingest = make()
    ingest.drain()
    clock.advance(600 * MS)
    ingest.drain()
    journal.die()
    journal.path.unlink()
    journal.live()
    store.places.clear()
    make().drain()
    assert store.finished["lost"].detail.row.state == "interrupted"


def test_a_store_that_fails_gets_the_same_batch_again(
    journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest]
) -> None:
    store.failures = [OSError("disk full")] * 6
    journal.write(*whole("a"), *whole("b"))
    ingest = make()
    ingest.start()
    assert ingest.drain(TIMEOUT_S)
    assert set(store.finished) == {"a", "b"}
    assert store.repeated == []
    assert store.failures == []


def test_an_exchange_that_the_store_cannot_take_stops_no_other(
    journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest]
) -> None:
    store.poison = {"bad"}
    journal.write(*whole("a"), *whole("bad"), *whole("b"))
    make().drain()
    assert set(store.finished) == {"a", "bad", "b"}
    assert "unparsed" in store.finished["bad"].detail.row.flags
    assert store.finished["bad"].response_body == STREAM_BODY
    assert store.places["g0"].offset == journal.path.stat().st_size


def test_a_stopped_ingest_leaves_the_rest_to_the_next_one(
    journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest]
) -> None:
    ingest = make()
    ingest.start()
    journal.write(*whole("a"))
    assert ingest.drain(TIMEOUT_S)
    ingest.close()
    journal.write(*whole("b"))
    again = make()
    again.start()
    assert again.drain(TIMEOUT_S)
    assert set(store.finished) == {"a", "b"}
    assert store.repeated == []


def test_a_body_that_is_no_json_is_kept_and_marked(
    journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest]
) -> None:
    records = [
        RequestBody("a", one.mono_ns, b"not json") if isinstance(one, RequestBody) else one for one in whole("a")
    ]
    journal.write(*records)
    make().drain()
    assert store.finished["a"].request_body == b"not json"
    assert "unparsed" in store.finished["a"].detail.row.flags
    assert "not json" in store.finished["a"].search_texts


async def test_viewers_hear_of_an_exchange_while_it_runs_and_at_its_end(
    journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest]
) -> None:
    ingest = make()
    subscription = ingest._bus.subscribe()
    ingest.start()
    journal.write(*asked("a"))
    ingest.wake()
    event = await asyncio.wait_for(anext(subscription), TIMEOUT_S)
    assert (event.type, event.data.id, event.data.model_asked) == ("exchange.started", "a", "gpt-4o")
    journal.write(*streamed("a"))
    ingest.wake()
    event = await asyncio.wait_for(anext(subscription), TIMEOUT_S)
    assert (event.type, event.data.first_token_ns) == ("exchange.first_token", 20 * MS)
    journal.write(*ended("a"))
    ingest.wake()
    while (event := await asyncio.wait_for(anext(subscription), TIMEOUT_S)).type != "exchange.finished":
        assert event.type == "exchange.progress"
    assert event.data.seq == 1
    subscription.close()


async def test_a_short_exchange_makes_one_event(
    journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest]
) -> None:
    ingest = make()
    subscription = ingest._bus.subscribe()
    journal.write(*whole("a"), *whole("b"))
    ingest.drain()
    events = [await asyncio.wait_for(anext(subscription), TIMEOUT_S) for _ in range(2)]
    assert [(one.type, one.data.id) for one in events] == [("exchange.finished", "a"), ("exchange.finished", "b")]
    subscription.close()


async def test_live_events_go_on_while_the_store_stands_still(
    journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest]
) -> None:
    store.may_commit.clear()
    ingest = make()
    subscription = ingest._bus.subscribe()
    ingest.start()
    journal.write(*whole("a"), *asked("b"))
    ingest.wake()
    event = await asyncio.wait_for(anext(subscription), TIMEOUT_S)
    assert (event.type, event.data.id) == ("exchange.started", "b")
    assert store.finished == {}
    store.may_commit.set()
    subscription.close()


async def test_a_late_follower_gets_all_deltas_and_then_the_new_ones(
    journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest]
) -> None:
    ingest = make()
    ingest.start()
    journal.write(*asked("a"), *streamed("a"))
    await asyncio.to_thread(ingest.drain, TIMEOUT_S)
    live = ingest.live("a")
    assert live is not None
    text, numbers = "", []
    async for number, delta, at_ns in live.follow():
        numbers.append(number)
        grown = getattr(delta, "text", "") or getattr(getattr(delta, "value", None), "text", "")
        text += grown
        if grown == WORDS[-1]:
            assert at_ns == 60 * MS
            assert not live.is_ended
            journal.write(*ended("a"))
            ingest.wake()
    assert text == "".join(WORDS)
    assert numbers == list(range(len(live.deltas)))
    assert live.row.state == "done"
    again = [one async for one in live.follow(numbers[-1])]
    assert [one[0] for one in again] == numbers[-1:]


async def test_an_exchange_that_is_over_but_not_stored_can_be_followed(
    journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest]
) -> None:
    ingest = make()
    ingest.start()
    journal.write(*asked("a"), *streamed("a"))
    await asyncio.to_thread(ingest.drain, TIMEOUT_S)
    live = ingest.live("a")
    assert live is not None
    store.may_commit.clear()
    journal.write(*ended("a"))
    ingest.wake()
    deltas = [delta async for _, delta, _ in live.follow()]
    assert "".join(getattr(one, "text", "") for one in deltas).endswith("sea.")
    store.may_commit.set()


def test_lag_counts_what_is_not_read_and_not_stored(
    journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest]
) -> None:
    ingest = make()
    journal.write(*asked("a"))
    ingest.drain()
    journal.write(*streamed("a"))
    lag = ingest.lag()
    assert lag.bytes > 0
    assert lag.open_exchanges == 1
    ingest.drain()
    assert ingest.lag().bytes == 0


def test_records_of_an_exchange_that_never_opened_are_passed(
    journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest]
) -> None:
    journal.write(*streamed("ghost"), *ended("ghost"), *whole("a"))
    make().drain()
    assert set(store.finished) == {"a"}


def test_a_get_without_a_body_is_stored(journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest]) -> None:
    records = whole("a")
    get = opened("a", framing="none", method="GET", target=b"/v1/models", endpoint="models")
    journal.write(get, *records[3:])
    make().drain()
    row = store.finished["a"].detail.row
    assert (row.method, row.path, row.endpoint) == ("GET", "/v1/models", "models")
    assert store.finished["a"].detail.request_body.is_whole


def test_journal_files_go_only_once_what_they_held_is_safe_from_a_power_cut(
    journal: FakeJournal, store: MemoryStore, make: Callable[[], Ingest]
) -> None:
    store.sync_failures = [OSError("I/O error")]
    ingest = make()
    journal.write(*whole("a"))
    ingest.drain()
    assert store.synced == []  # nothing was to be removed
    journal.rotate()
    journal.write(*whole("b"))
    ingest.drain()
    assert store.synced == [["a", "b"]]
    assert journal.sequences == [1, 2]
    journal.rotate()
    journal.write(*whole("c"))
    ingest.drain()
    assert store.synced == [["a", "b"], ["a", "b", "c"]]
    assert journal.sequences == [3]
