"""Following one exchange: late, early, several at once, from another thread, and after the end."""

import asyncio
import threading

from dragoman.canonical import PartGrew
from dragoman.keeper.follow import Live
from dragoman.keeper.reading import TimedDelta
from dragoman.records.exchange import Row


def timed(*texts: str) -> list[TimedDelta]:
    return [TimedDelta(PartGrew(part=0, text=text), at_ns) for at_ns, text in enumerate(texts)]


async def read(live: Live, from_n: int = 0) -> list[tuple[int, str]]:
    return [(number, getattr(delta, "text", "")) async for number, delta, _ in live.follow(from_n)]


def test_deltas_are_asked_for_once_and_only_when_somebody_follows() -> None:
    asked: list[Live] = []
    live = Live(Row(id="a"), lambda: asked.append(live))

    async def follow_twice() -> None:
        first, second = asyncio.ensure_future(read(live)), asyncio.ensure_future(read(live))
        await asyncio.sleep(0)
        assert len(asked) == 1
        live.restart(timed("x"))
        live.end()
        assert await first == await second == [(0, "x")]

    assert not live.is_watched
    asyncio.run(follow_twice())


async def test_a_late_follower_begins_with_what_was_there_before() -> None:
    live = Live(Row(id="a"), lambda: live.restart(timed("one", "two")))
    live.is_watched = False
    follower = asyncio.ensure_future(read(live))
    await asyncio.sleep(0)
    live.extend([TimedDelta(PartGrew(part=0, text="three"), 9)])
    live.end()
    assert await follower == [(0, "one"), (1, "two"), (2, "three")]


async def test_following_may_begin_in_the_middle() -> None:
    live = Live(Row(id="a"), lambda: live.restart(timed("one", "two", "three")))
    live.end()
    assert await read(live, 2) == [(2, "three")]
    assert await read(live, 3) == []


async def test_the_end_waits_for_the_deltas_that_were_asked_for() -> None:
    live = Live(Row(id="a"), lambda: None)
    live.end()
    follower = asyncio.ensure_future(read(live))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not follower.done()
    live.restart(timed("late"))
    assert await follower == [(0, "late")]


async def test_another_thread_extends_while_the_loop_follows() -> None:
    live = Live(Row(id="a"), lambda: live.restart([]))

    def extend() -> None:
        for number in range(500):
            live.extend([TimedDelta(PartGrew(part=0, text=str(number)), number)])
        live.end()

    follower = asyncio.ensure_future(read(live))
    await asyncio.sleep(0)
    thread = threading.Thread(target=extend)
    thread.start()
    assert await asyncio.wait_for(follower, 30) == [(number, str(number)) for number in range(500)]
    thread.join()


async def test_a_follower_that_leaves_is_forgotten() -> None:
    live = Live(Row(id="a"), lambda: live.restart(timed("one")))
    following = live.follow()
    await anext(following)
    await following.aclose()
    assert live._bells == set()
    live.extend(timed("two"))


def test_a_follower_whose_loop_is_closed_is_no_error() -> None:
    live = Live(Row(id="a"), lambda: live.restart(timed("one")))

    async def begin() -> None:
        following = live.follow()
        await anext(following)
        live._bells.add((asyncio.get_running_loop(), asyncio.Event()))
        await following.aclose()

    asyncio.run(begin())
    live.extend(timed("two"))
    assert live._bells == set()
