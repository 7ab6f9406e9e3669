"""Keep the Setup: merge what the files say with what was edited, and publish each new version.

Promise: only a Setup that was checked is published; a file that became wrong keeps the old one and says what is
wrong in `problems`. The last Setup lies in `run/setup.json` (mode 0600, secrets as references), so that a
gateway starts without waiting for the keeper. Providers added for this process alone are never written down.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from dragoman.config import Start, without_redirects
from dragoman.errors import BadRequest, NotFound
from dragoman.keeper.files import ConfigFiles
from dragoman.records.names import RESERVED_SEGMENTS, SLUG
from dragoman.records.route import Route, route_fault, unspoken
from dragoman.records.setup import BUILTIN_PROVIDERS, Edited, Provider, Setup, merge
from dragoman.tasks import TaskOwner, spawn

LOOK_S = 0.25
PANIC_SETTING = "is_panicking"
_LIVE = ("limits", "journal", "allowed_hosts", "allowed_origins")
"""What a changed file brings into a running Setup, beside providers and routes."""

_log = logging.getLogger("dragoman.keeper")


class SetupStore(Protocol):
    """What the book asks of the store; all calls block."""

    def edited_providers(self) -> list[Provider]: ...

    def save_provider(self, provider: Provider, /) -> object: ...

    def delete_provider(self, slug: str, /) -> object: ...

    def edited_routes(self) -> list[Route]: ...

    def save_routes(self, routes: list[Route], /) -> object: ...

    def settings(self) -> dict[str, Any]: ...

    def save_setting(self, name: str, value: Any, /) -> object: ...


class SetupBook:
    """`current` is what requests that begin now are served by."""

    def __init__(
        self,
        start: Start,
        run_dir: Path,
        store: SetupStore,
        *,
        on_publish: Callable[[Setup], Awaitable[None]],
        on_reload: Callable[[Start], None] = lambda _: None,
    ) -> None:
        """`on_reload` is told of files that were read again, for what lies outside the Setup."""
        self._files = ConfigFiles(start)
        self._base = msgspec.structs.replace(start.setup, is_panicking=False)
        self._file = run_dir / "setup.json"
        self._store = store
        self._on_publish = on_publish
        self._on_reload = on_reload
        self._file_providers = list(start.file_providers)
        self._file_routes = list(start.file_routes)
        self._project_file = start.project_file
        self._edited = Edited(is_panicking=start.setup.is_panicking)
        self._redirects: list[str] = []
        self._passing: dict[str, Provider] = {}
        self._turn = asyncio.Lock()
        self._looking = asyncio.Lock()
        self._tasks = TaskOwner("setup")
        self.current = start.setup
        self.route_problems: dict[str, str] = {}
        """Why an edited route is left out: what it names has gone since it was saved."""

    @property
    def problems(self) -> list[str]:
        """What is wrong at the moment: with the files, with file and line, and with edited routes."""
        return [
            *self._files.problems,
            *self._redirects,
            *(f"route {name} is left out: {why}" for name, why in self.route_problems.items()),
        ]

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
        for route in self.current.routes:
            if route.prefix == f"/{provider.slug}":
                message = f"/{provider.slug} is the prefix of the route {route.name}; choose another slug"
                raise BadRequest(message, field="slug")
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
        self._check_is_unused(slug)
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

    def route(self, name: str) -> Route:
        """Give a route of the current Setup. Raises NotFound."""
        for one in self.current.routes:
            if one.name == name:
                return one
        known = ", ".join(one.name for one in self.current.routes) or "none"
        raise NotFound(f"there is no route {name!r}; known: {known}")

    def position(self, name: str) -> int | None:
        """Say which of the edited routes this is, from 0 on; None for one that was not edited here."""
        names = [one.name for one in self._edited.routes]
        return names.index(name) if name in names else None

    async def save_route(self, route: Route, *, instead_of: str | None = None, position: int | None = None) -> Route:
        """Add an edited route, or put it in the place of another; `position` moves it. Raises BadRequest."""
        route = msgspec.structs.replace(route, source="edited")
        self._check_route_is_ours(route.name)
        known = {one.slug: one.dialects for one in self.current.providers}
        if (fault := route_fault(route, known) or unspoken(route, known)) is not None:
            raise BadRequest(fault[1], field=fault[0])
        async with self._turn:
            routes = list(self._edited.routes)
            replaced = {route.name, instead_of or route.name}
            at = next((number for number, one in enumerate(routes) if one.name in replaced), len(routes))
            routes = [one for one in routes if one.name not in replaced]
            routes.insert(at if position is None else position, route)
            await self._keep_routes(routes)
        return self.route(route.name)

    async def delete_route(self, name: str) -> None:
        """Remove an edited route. Raises BadRequest, NotFound."""
        self._check_route_is_ours(name)
        self.route(name)
        async with self._turn:
            await self._keep_routes([one for one in self._edited.routes if one.name != name])

    async def look(self) -> None:
        """Take the files again if one of them changed."""
        async with self._looking:
            before = self.problems
            fresh = await asyncio.to_thread(self._files.look)
            if fresh is not None:
                await self._take(fresh)
            elif self.problems != before:
                await self._on_publish(self.current)  # so that viewers see what is wrong

    async def _take(self, fresh: Start) -> None:
        async with self._turn:
            live = {name: getattr(fresh.setup, name) for name in _LIVE}
            self._base = msgspec.structs.replace(self._base, **live)
            self._file_providers, self._file_routes = fresh.file_providers, fresh.file_routes
            self._on_reload(fresh)
            await self._publish()

    async def _follow_files(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def _keep_routes(self, routes: list[Route]) -> None:
        await asyncio.to_thread(self._store.save_routes, routes)
        self._edited = msgspec.structs.replace(self._edited, routes=routes)
        await self._publish()

    def _merge(self, passing: Iterable[Provider], version: int) -> Setup:
        edited = msgspec.structs.replace(self._edited, providers=[*passing, *self._edited.providers])
        providers, self._redirects = without_redirects(self._file_providers, self._edited.providers, self._project_file)
        return merge(self._base, providers, edited, version=version, file_routes=self._file_routes)

    async def _publish(self) -> None:
        version = self.current.version + 1
        lasting, _ = _without_faulty(self._merge((), version))
        self.current, self.route_problems = _without_faulty(self._merge(self._passing.values(), version))
        try:
            await asyncio.to_thread(_write, self._file, msgspec.json.encode(lasting))
        except OSError as error:
            _log.error(
                "%s cannot be written, a gateway that restarts begins with an older Setup: %s", self._file, error
            )
        await self._on_publish(self.current)

    def _read_edited(self) -> Edited:
        is_panicking = bool(self._store.settings().get(PANIC_SETTING, False))
        providers, routes = self._store.edited_providers(), self._store.edited_routes()
        return Edited(providers=providers, routes=routes, is_panicking=is_panicking)

    def _check_is_ours(self, slug: str) -> None:
        for one in self.current.providers:
            if one.slug == slug and one.source not in ("builtin", "edited"):
                where = one.source.removeprefix("file:")
                raise BadRequest(f"{slug} is set in {where}; change it there", code="read_only", field="slug")

    def _check_route_is_ours(self, name: str) -> None:
        for one in self._file_routes:
            if one.name == name:
                where = one.source.removeprefix("file:")
                raise BadRequest(f"{name} is set in {where}; change it there", code="read_only", field="name")

    def _check_is_unused(self, slug: str) -> None:
        if slug in {one.slug for one in BUILTIN_PROVIDERS}:
            return  # the built-in one takes its place
        users = [one.name for one in self.current.routes if slug in {target.provider for target in one.targets}]
        if users:
            message = f"{slug} is a target of the routes {', '.join(users)}; change or remove them first"
            raise BadRequest(message, code="conflict", field="slug")


def _without_faulty(setup: Setup) -> tuple[Setup, dict[str, str]]:
    """Switch off the edited routes that cannot work any more, and say why.

    Files are checked as a whole; but one that changed may take away what an edited route leans on.
    """
    known = {one.slug for one in setup.providers}
    faults = {one.name: fault for one in setup.routes if (fault := route_fault(one, known)) is not None}
    routes = [msgspec.structs.replace(one, is_active=False) if one.name in faults else one for one in setup.routes]
    problems = {name: f"{field}: {message}" for name, (field, message) in faults.items()}
    return msgspec.structs.replace(setup, routes=routes), problems


def _check_slug(slug: str) -> None:
    if not SLUG.match(slug):
        raise BadRequest(
            f"{slug!r} is no slug: expected small letters, digits and hyphens, at most 63, beginning with a letter "
            "or digit",
            field="slug",
        )
    if slug in RESERVED_SEGMENTS:
        raise BadRequest(f"{slug!r} is a path of Dragoman itself; choose another", field="slug")


def _write(path: Path, data: bytes) -> None:
    """Replace a file at once, readable by its owner alone."""
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    os.replace(fresh, path)
