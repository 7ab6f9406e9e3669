"""The bus: order, resuming, coalescing, and slow readers."""

import asyncio
import threading

import pytest

from dragoman.events.bus import Bus, Subscription
from dragoman.records.event import Event, Progress
from dragoman.records.exchange import Row


def row(name: str, seq: int = 0) -> Row:
    return Row(id=name, seq=seq)


def progress(name: str, output: int) -> Progress:
    return Progress(id=name, state="streaming", elapsed_ns=1, response_bytes=1, output=output)


@pytest.fixture
def bus() -> Bus:
    return Bus("e1", ring=5, queue=8, pause_s=0.0)


async def take(subscription: Subscription, count: int) -> list[Event]:
    return [await asyncio.wait_for(anext(subscription), 5) for _ in range(count)]


async def test_events_come_in_order_with_rising_ids(bus: Bus) -> None:
    subscription = bus.subscribe()
    bus.publish("exchange.started", row("a"))
    bus.publish("exchange.started", row("b"))
    events = await take(subscription, 2)
    assert [event.id for event in events] == ["e1-1", "e1-2"]
    assert [event.data.id for event in events] == ["a", "b"]
    subscription.close()


async def test_what_a_viewer_missed_comes_first_when_it_resumes(bus: Bus) -> None:
    first = bus.publish("exchange.started", row("a"))
    bus.publish("exchange.finished", row("a", seq=1))
    subscription = bus.subscribe(first.id)
    bus.publish("exchange.started", row("b"))
    events = await take(subscription, 2)
    assert [(event.type, event.data.id) for event in events] == [("exchange.finished", "a"), ("exchange.started", "b")]
    subscription.close()


@pytest.mark.parametrize("known", ["e0-3", "e1-1", "e1-999", "nonsense", ""])
async def test_an_id_that_is_not_known_any_more_means_resync(bus: Bus, known: str) -> None:
    for number in range(9):
        bus.publish("exchange.finished", row(f"x{number}", seq=number + 1))
    subscription = bus.subscribe(known)
    (event,) = await take(subscription, 1)
    assert event.type == "resync"
    assert event.data == {"since_seq": 9}
    assert event.id == bus.last_id
    subscription.close()


async def test_progress_does_not_push_other_events_out_of_the_ring(bus: Bus) -> None:
    first = bus.publish("exchange.started", row("a"))
    bus.publish("exchange.started", row("b"))
    for number in range(50):
        bus.publish("exchange.progress", progress("a", number))
    subscription = bus.subscribe(first.id)
    (event,) = await take(subscription, 1)
    assert (event.type, event.data.id) == ("exchange.started", "b")
    subscription.close()


async def test_only_the_newest_state_of_an_exchange_waits(bus: Bus) -> None:
    subscription = bus.subscribe()
    for number in range(100):
        bus.publish("exchange.progress", progress("a", number))
    bus.publish("exchange.progress", progress("b", 1))
    events = await take(subscription, 2)
    assert [(event.data.id, event.data.output) for event in events] == [("a", 99), ("b", 1)]
    subscription.close()


async def test_the_end_of_an_exchange_replaces_all_that_waits_of_it(bus: Bus) -> None:
    subscription = bus.subscribe()
    bus.publish("exchange.started", row("a"))
    bus.publish("exchange.started", row("b"))
    bus.publish("exchange.first_token", row("a"))
    bus.publish("exchange.progress", progress("a", 4))
    bus.publish("exchange.finished", row("a", seq=7))
    events = await take(subscription, 2)
    assert [(event.type, event.data.id) for event in events] == [("exchange.started", "b"), ("exchange.finished", "a")]
    subscription.close()


async def test_a_reader_that_is_too_slow_gets_resync_and_then_goes_on(bus: Bus) -> None:
    subscription = bus.subscribe()
    for number in range(9):
        bus.publish("exchange.finished", row(f"x{number}", seq=number + 1))
    bus.publish("exchange.started", row("after"))
    events = await take(subscription, 2)
    assert events[0].type == "resync"
    assert events[0].data == {"since_seq": 9}
    assert events[1].data.id == "after"
    subscription.close()


async def test_events_without_an_exchange_are_all_kept(bus: Bus) -> None:
    subscription = bus.subscribe()
    bus.publish("exchange.deleted", {"ids": ["a"]})
    bus.publish("exchange.deleted", {"ids": ["b"]})
    events = await take(subscription, 2)
    assert [event.data["ids"] for event in events] == [["a"], ["b"]]
    subscription.close()


async def test_events_of_another_thread_arrive(bus: Bus) -> None:
    subscription = bus.subscribe()
    thread = threading.Thread(target=lambda: bus.publish("exchange.started", row("a")))
    thread.start()
    (event,) = await take(subscription, 1)
    thread.join()
    assert event.data.id == "a"
    subscription.close()


async def test_a_batch_waits_for_its_turn() -> None:
    bus = Bus("e1", pause_s=3600)
    subscription = bus.subscribe()
    bus.publish("exchange.started", row("a"))
    await take(subscription, 1)
    bus.publish("exchange.started", row("b"))
    waiting = asyncio.ensure_future(anext(subscription))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    subscription.close()


async def test_a_cancelled_wait_loses_nothing(bus: Bus) -> None:
    subscription = bus.subscribe()
    waiting = asyncio.ensure_future(anext(subscription))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    bus.publish("exchange.started", row("a"))
    (event,) = await take(subscription, 1)
    assert event.data.id == "a"
    subscription.close()


async def test_closing_ends_a_reader_that_waits(bus: Bus) -> None:
    subscription = bus.subscribe()
    waiting = asyncio.ensure_future(anext(subscription))
    await asyncio.sleep(0)
    subscription.close()
    with pytest.raises(StopAsyncIteration):
        await waiting


def test_publishing_to_a_loop_that_has_ended_is_no_error(bus: Bus) -> None:
    async def begin() -> None:
        bus.subscribe()

    asyncio.run(begin())
    bus.publish("exchange.started", row("a"))
    assert not bus._subscriptions
