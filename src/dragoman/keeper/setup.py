"""Keep the Setup: merge what the files say with what was edited, and publish each new version.

Promise: only a Setup that was checked is published; a file that became wrong keeps the old one and says what is
wrong in `problems`. The last Setup lies in `run/setup.json` (mode 0600, secrets as references), so that a
gateway starts without waiting for the keeper. Providers added for this process alone are never written down.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from dragoman.config import Start, reload_providers
from dragoman.errors import BadConfig, BadRequest, NotFound
from dragoman.records.names import RESERVED_SEGMENTS, SLUG
from dragoman.records.setup import BUILTIN_PROVIDERS, Edited, Provider, Setup, merge
from dragoman.tasks import TaskOwner, spawn

LOOK_S = 1.0
PANIC_SETTING = "is_panicking"

_log = logging.getLogger("dragoman.keeper")


class SetupStore(Protocol):
    """What the book asks of the store; all calls block."""

    def edited_providers(self) -> list[Provider]: ...

    def save_provider(self, provider: Provider, /) -> object: ...

    def delete_provider(self, slug: str, /) -> object: ...

    def settings(self) -> dict[str, Any]: ...

    def save_setting(self, name: str, value: Any, /) -> object: ...


class SetupBook:
    """`current` is what requests that begin now are served by."""

    def __init__(
        self, start: Start, run_dir: Path, store: SetupStore, *, on_publish: Callable[[Setup], Awaitable[None]]
    ) -> None:
        self._start = start
        self._base = msgspec.structs.replace(start.setup, is_panicking=False)
        self._file = run_dir / "setup.json"
        self._store = store
        self._on_publish = on_publish
        self._file_providers = list(start.file_providers)
        self._edited = Edited(is_panicking=start.setup.is_panicking)
        self._passing: dict[str, Provider] = {}
        self._stamps = self._look_at_files()
        self._turn = asyncio.Lock()
        self._tasks = TaskOwner("setup")
        self.current = start.setup
        self.problems: list[str] = []
        """What is wrong with the files at the moment, with file and line."""

    async def start(self) -> None:
        """Read what was edited, publish, and look after the files from then on."""
        async with self._turn:
            self._edited = await asyncio.to_thread(self._read_edited)
            await self._publish()
        spawn(self._follow_files(), name="follow-config-files", owner=self._tasks)

    async def close(self) -> None:
        await self._tasks.close()

    def provider(self, slug: str) -> Provider:
        """Give a provider of the current Setup. Raises NotFound."""
        for one in self.current.providers:
            if one.slug == slug:
                return one
        known = ", ".join(one.slug for one in self.current.providers)
        raise NotFound(f"there is no provider {slug!r}; known: {known}")

    async def save_provider(self, provider: Provider) -> Provider:
        """Add or replace an edited provider. Raises BadRequest."""
        _check_slug(provider.slug)
        self._check_is_ours(provider.slug)
        provider = msgspec.structs.replace(provider, source="edited")
        async with self._turn:
            await asyncio.to_thread(self._store.save_provider, provider)
            others = [one for one in self._edited.providers if one.slug != provider.slug]
            self._edited = msgspec.structs.replace(self._edited, providers=[*others, provider])
            await self._publish()
        return self.provider(provider.slug)

    async def delete_provider(self, slug: str) -> None:
        """Remove an edited provider; a built-in one of the same slug comes back. Raises BadRequest, NotFound."""
        self._check_is_ours(slug)
        if slug not in {one.slug for one in self._edited.providers}:
            if slug in {one.slug for one in BUILTIN_PROVIDERS}:
                raise BadRequest(f"{slug} is built in and cannot be removed; an edited entry can replace it")
            self.provider(slug)
        async with self._turn:
            await asyncio.to_thread(self._store.delete_provider, slug)
            left = [one for one in self._edited.providers if one.slug != slug]
            self._edited = msgspec.structs.replace(self._edited, providers=left)
            await self._publish()

    async def add_passing(self, provider: Provider) -> None:
        """Add a provider for as long as this process runs, such as the simulator's."""
        _check_slug(provider.slug)
        async with self._turn:
            self._passing[provider.slug] = msgspec.structs.replace(provider, source="edited")
            await self._publish()

    async def set_panic(self, on: bool) -> None:
        """Throw or release the panic switch; it stays so over restarts."""
        async with self._turn:
            await asyncio.to_thread(self._store.save_setting, PANIC_SETTING, on)
            self._edited = msgspec.structs.replace(self._edited, is_panicking=on)
            await self._publish()

    async def look(self) -> None:
        """Take the files again if one of them changed."""
        stamps = await asyncio.to_thread(self._look_at_files)
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            providers = await asyncio.to_thread(reload_providers, self._start)
        except BadConfig as error:
            self.problems = [str(error)]
            _log.error("the configuration stays as it was: %s", error)
            return
        self.problems = []
        if providers != self._file_providers:
            async with self._turn:
                self._file_providers = providers
                await self._publish()

    async def _follow_files(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def _publish(self) -> None:
        version = self.current.version + 1
        lasting = merge(self._base, self._file_providers, self._edited, version=version)
        edited = msgspec.structs.replace(self._edited, providers=[*self._passing.values(), *self._edited.providers])
        self.current = merge(self._base, self._file_providers, edited, version=version)
        try:
            await asyncio.to_thread(_write, self._file, msgspec.json.encode(lasting))
        except OSError as error:
            _log.error(
                "%s cannot be written, a gateway that restarts begins with an older Setup: %s", self._file, error
            )
        await self._on_publish(self.current)

    def _read_edited(self) -> Edited:
        is_panicking = bool(self._store.settings().get(PANIC_SETTING, False))
        return Edited(providers=self._store.edited_providers(), is_panicking=is_panicking)

    def _look_at_files(self) -> list[tuple[int, int] | None]:
        return [_stamp(Path(name)) for name in self._start.config_files]

    def _check_is_ours(self, slug: str) -> None:
        for one in self._file_providers:
            if one.slug == slug:
                where = one.source.removeprefix("file:")
                raise BadRequest(f"{slug} is set in {where}; change it there", code="read_only", field="slug")


def _check_slug(slug: str) -> None:
    if not SLUG.match(slug):
        raise BadRequest(
            f"{slug!r} is no slug: expected small letters, digits and hyphens, at most 63, beginning with a letter "
            "or digit",
            field="slug",
        )
    if slug in RESERVED_SEGMENTS:
        raise BadRequest(f"{slug!r} is a path of Dragoman itself; choose another", field="slug")


def _stamp(path: Path) -> tuple[int, int] | None:
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_mtime_ns, found.st_size
    return None


def _write(path: Path, data: bytes) -> None:
    """Replace a file at once, readable by its owner alone."""
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    os.replace(fresh, path)
