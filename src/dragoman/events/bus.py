"""Carry events from the keeper's threads to live viewers in the same process.

Promise: `publish` never waits and may be called from any thread. A subscriber gets events in order of their
ids; of what waits for it, only the newest state of each exchange is kept, and it is handed out at most ten
times a second, so an open tab costs the same whatever the traffic. One that is too slow, or resumes at an id
that has left the ring, gets `resync` and fills the gap by `since_seq`.
Does not cross processes and keeps nothing on disk.
"""

import asyncio
import threading
from collections import deque
from typing import Any

from dragoman.records.event import Event, EventType

RING_EVENTS = 1000
QUEUE_EVENTS = 1000
PAUSE_S = 0.1

_PASSING = frozenset({"exchange.progress", "status"})
"""Of no use when they are old: not kept for resuming."""

_REPLACES: dict[str, tuple[str, ...]] = {
    "exchange.progress": ("exchange.progress",),
    "exchange.finished": (
        "exchange.started",
        "exchange.first_token",
        "exchange.progress",
        "exchange.changed",
        "exchange.finished",
    ),
    "exchange.changed": ("exchange.changed",),
    "config.changed": ("config.changed",),
    "status": ("status",),
}
"""Which waiting events of the same exchange a later one makes superfluous."""


class Bus:
    """One per keeper. `epoch` must differ from start to start."""

    def __init__(
        self, epoch: str, *, ring: int = RING_EVENTS, queue: int = QUEUE_EVENTS, pause_s: float = PAUSE_S
    ) -> None:
        self.epoch = epoch
        self._lock = threading.Lock()
        self._number = 0
        self._ring: deque[Event] = deque()
        self._ring_size = ring
        self._forgotten = 0
        self._queue_size = queue
        self._pause_s = pause_s
        self._newest_seq = 0
        self._subscriptions: set[Subscription] = set()

    @property
    def last_id(self) -> str:
        return f"{self.epoch}-{self._number}"

    def publish(self, kind: EventType, data: Any) -> Event:
        """Give `data` to all subscribers; any thread."""
        with self._lock:
            self._number += 1
            event = Event(id=self.last_id, type=kind, data=data)
            self._newest_seq = max(self._newest_seq, getattr(data, "seq", 0))
            if kind not in _PASSING:
                self._remember(event)
            subscriptions = list(self._subscriptions)
            for subscription in subscriptions:
                subscription._take(event)
        for subscription in subscriptions:
            subscription._ring_bell()
        return event

    def subscribe(self, last_event_id: str | None = None) -> "Subscription":
        """Begin to listen, from `last_event_id` on if it is still known; call it on the loop that will read."""
        with self._lock:
            subscription = Subscription(self, self._queue_size, self._pause_s)
            if last_event_id is not None and last_event_id != self.last_id:
                for event in self._missed_since(last_event_id):
                    subscription._take(event)
                subscription._woken.set()
            self._subscriptions.add(subscription)
        return subscription

    def _remember(self, event: Event) -> None:
        self._ring.append(event)
        if len(self._ring) > self._ring_size:
            self._forgotten = _number_of(self._ring.popleft().id)

    def _missed_since(self, last_event_id: str) -> list[Event]:
        epoch, _, number = last_event_id.rpartition("-")
        if epoch != self.epoch or not number.isdecimal() or not self._forgotten <= int(number) <= self._number:
            return [self._resync()]
        return [event for event in self._ring if _number_of(event.id) > int(number)]

    def _resync(self) -> Event:
        return Event(id=self.last_id, type="resync", data={"since_seq": self._newest_seq})

    def _leave(self, subscription: "Subscription") -> None:
        with self._lock:
            self._subscriptions.discard(subscription)


class Subscription:
    """What one viewer has yet to see: an async iterator of events, ended by `close`.

    Cancelling a wait for the next event loses none.
    """

    def __init__(self, bus: Bus, limit: int, pause_s: float) -> None:
        self._bus = bus
        self._limit = limit
        self._pause_s = pause_s
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._waiting: dict[str, Event] = {}
        self._batch: deque[Event] = deque()
        self._next_batch_at = 0.0
        self._is_closed = False

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Event:
        while not self._batch:
            await self._woken.wait()
            if self._is_closed:
                raise StopAsyncIteration
            if (wait_s := self._next_batch_at - self._loop.time()) > 0:
                await asyncio.sleep(wait_s)
            self._gather()
        return self._batch.popleft()

    def close(self) -> None:
        """Stop listening; a reader that waits gets the end."""
        self._bus._leave(self)
        self._is_closed = True
        self._woken.set()

    def _gather(self) -> None:
        self._woken.clear()
        with self._bus._lock:
            self._batch.extend(self._waiting.values())
            self._waiting.clear()
        self._next_batch_at = self._loop.time() + self._pause_s

    def _take(self, event: Event) -> None:
        """Queue an event and drop what it makes superfluous; the bus's lock is held."""
        subject = getattr(event.data, "id", "")
        for kind in _REPLACES.get(event.type, ()):
            self._waiting.pop(kind + subject, None)
        key = event.type + (subject or (event.id if event.type not in _REPLACES else ""))
        self._waiting[key] = event
        if len(self._waiting) > self._limit:
            self._waiting.clear()
            self._waiting["resync"] = self._bus._resync()

    def _ring_bell(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._woken.set)
        except RuntimeError:  # the loop is closed: nobody reads here any more
            self._bus._leave(self)


def _number_of(event_id: str) -> int:
    return int(event_id.rpartition("-")[2])
