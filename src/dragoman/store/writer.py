"""The one thread that writes.

Each job is one transaction: it is committed whole, or rolled back and its error handed to who asked. Jobs run in
the order in which they came; callers wait for theirs.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import sqlalchemy as sa

from dragoman.store.book import Book
from dragoman.store.compression import Packer

_T = TypeVar("_T")
Job = Callable[["Hand"], _T]
MAX_WAITING = 64
"""Jobs that may wait; past it callers are held back."""


class Hand:
    """What a job works with; belongs to the writer's thread."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        self.packer = Packer()
        self.book = Book.read(connection)
        self.newest_id = ""
        """The highest id that was given a key by this writer."""
        self.full = range(0)
        """Keys that were last found to be given, one after the other."""
        connection.rollback()


class Writer:
    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._jobs: queue.Queue[tuple[Job[Any], Future[Any]] | None] = queue.Queue(MAX_WAITING)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="store-writer", daemon=True)
        self._thread.start()
        ready.result()

    def close(self) -> None:
        """Finish the jobs that wait, then end."""
        if self._thread is None:
            return
        self._jobs.put(None)
        self._thread.join()
        self._thread = None

    def do(self, job: Job[_T]) -> _T:
        """Run a job in a transaction of its own and return what it returns."""
        if self._thread is None:
            raise RuntimeError("the store is not open")
        done: Future[_T] = Future()
        self._jobs.put((job, done))
        return done.result()

    def _run(self, ready: "Future[None]") -> None:
        with self._engine.connect() as connection:
            try:
                hand = Hand(connection)
            except BaseException as error:  # noqa: BLE001 - handed to who starts the writer
                ready.set_exception(error)
                return
            ready.set_result(None)
            while (waiting := self._jobs.get()) is not None:
                self._work(hand, *waiting)

    def _work(self, hand: Hand, job: Job[Any], done: "Future[Any]") -> None:
        try:
            with hand.connection.begin():
                result = job(hand)
                hand.book.write(hand.connection)
        except BaseException as error:  # noqa: BLE001 - handed to who asked; the thread must live on
            hand.book.drop()
            done.set_exception(error)
            return
        hand.book.keep()
        done.set_result(result)
