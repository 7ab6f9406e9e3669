"""The one place where asyncio tasks are made.

Promise: each task has a name and an owner who awaits or cancels it; a task that dies is logged, never lost
to the garbage collector. Ruff bans `asyncio.create_task` and `ensure_future` everywhere else.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

_log = logging.getLogger("dragoman.tasks")


class TaskOwner:
    """Holds the tasks of one object with a life; `close` cancels and awaits them."""

    __slots__ = ("_tasks", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    async def close(self) -> None:
        """Cancel what still runs and wait for its clean-up."""
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("task %s of %s died", task.get_name(), self.name, exc_info=error)


_T = TypeVar("_T")


def spawn(coroutine: Coroutine[Any, Any, _T], *, name: str, owner: TaskOwner) -> asyncio.Task[_T]:
    """Start a task that `owner` keeps, awaits and cancels."""
    task = asyncio.get_running_loop().create_task(coroutine, name=name)
    owner._tasks.add(task)
    task.add_done_callback(owner._done)
    return task
