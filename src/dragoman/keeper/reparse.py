"""Read stored exchanges again with the parsers of this version, in the background.

Promise: an exchange that fails keeps what was known of it and is passed; traffic is stored in between, since
each exchange is a short transaction of its own. Only facts change, never bytes.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from dragoman.dialects import PARSER_VERSION
from dragoman.keeper.understand import understand_again
from dragoman.records.exchange import Recording, Row
from dragoman.tasks import TaskOwner, spawn

AT_ONCE = 200
_log = logging.getLogger("dragoman.keeper")


class ReparseStore(Protocol):
    """What re-parsing asks of the store; all calls block."""

    def reparse_candidates(self, below_version: int, limit: int) -> list[str]: ...

    def recording(self, exchange_id: str, /) -> Recording | None: ...

    def replace_facts(self, recording: Recording, /) -> Row: ...


class ReparseProgress(msgspec.Struct, frozen=True, kw_only=True):
    is_running: bool = False
    done: int = 0
    failed: int = 0
    total: int | None = None
    """None while it is not known."""


class Reparse:
    """One run at a time; `on_changed` gets each row that was read again."""

    def __init__(self, store: ReparseStore, *, on_changed: Callable[[Row], object]) -> None:
        self._store = store
        self._on_changed = on_changed
        self._tasks = TaskOwner("reparse")
        self.progress = ReparseProgress()

    async def close(self) -> None:
        await self._tasks.close()

    def begin(self, ids: list[str] | None = None) -> ReparseProgress:
        """Start a run over `ids`, or over all that an older parser read; one that runs goes on instead."""
        if not self.progress.is_running:
            self.progress = ReparseProgress(is_running=True, total=len(ids) if ids is not None else None)
            work = self._run(self._given(ids) if ids is not None else self._next_old)
            spawn(work, name="reparse", owner=self._tasks)
        return self.progress

    async def _run(self, following: Callable[[set[str]], Awaitable[list[str]]]) -> None:
        seen: set[str] = set()
        try:
            while names := await following(seen):
                for name in names:
                    seen.add(name)
                    await self._one(name)
        finally:
            self.progress = msgspec.structs.replace(self.progress, is_running=False, total=len(seen))

    def _given(self, ids: list[str]) -> Callable[[set[str]], Awaitable[list[str]]]:
        async def following(seen: set[str]) -> list[str]:
            return [name for name in ids if name not in seen]

        return following

    async def _next_old(self, seen: set[str]) -> list[str]:
        """Those that failed stay candidates, so that more are asked for than failed."""
        limit = AT_ONCE + self.progress.failed
        names = await asyncio.to_thread(self._store.reparse_candidates, PARSER_VERSION, limit)
        return [name for name in names if name not in seen]

    async def _one(self, name: str) -> None:
        progress = self.progress
        try:
            row = await asyncio.to_thread(self._read_again, name)
        except Exception:  # noqa: BLE001 the guard of one exchange
            _log.exception("exchange %s cannot be parsed again", name)
            self.progress = msgspec.structs.replace(progress, failed=progress.failed + 1)
            return
        self.progress = msgspec.structs.replace(progress, done=progress.done + 1)
        if row is not None:
            self._on_changed(row)

    def _read_again(self, name: str) -> Row | None:
        """None when the exchange was removed meanwhile."""
        recording = self._store.recording(name)
        return self._store.replace_facts(understand_again(recording)) if recording is not None else None
