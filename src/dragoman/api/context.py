"""What the routes of one process share; made once in `app.build`, handed to routes as `Here`."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from dragoman.api.first_request import FirstRequests
from dragoman.clock import Clock, SystemClock
from dragoman.config import Start
from dragoman.errors import DragomanError, NotFound
from dragoman.ids import is_exchange_id
from dragoman.keeper import Keeper
from dragoman.security.login import Login
from dragoman.store import Store
from dragoman.tasks import TaskOwner

WEB = Path(__file__).parents[1] / "web"


class NotReady(DragomanError):
    code = "not_ready"


@dataclass(slots=True)
class Context:
    keeper: Keeper
    start: Start
    data_dir: Path
    base_url: str
    """Under which clients reach the proxy, without a slash at the end."""
    login: Login | None = None
    """None: no password is set, everybody who can connect is let in."""
    clock: Clock = field(default_factory=SystemClock)
    web: Path = WEB
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process is asked to end: streams end then."""
    first_requests: FirstRequests = field(default_factory=FirstRequests)
    tasks: TaskOwner = field(default_factory=lambda: TaskOwner("api"))

    @property
    def store(self) -> Store:
        """The open store. Raises NotReady while it cannot be used."""
        self.check_ready()
        return self.keeper.store

    def check_ready(self) -> None:
        if not self.keeper.ready.is_set():
            raise NotReady(self.keeper.trouble or "the store is not open yet; try again in a moment")


def _context(request: Request) -> Context:
    return request.app.state.context


Here = Annotated[Context, Depends(_context)]


def check_id(exchange: str) -> str:
    """Return the id. Raises NotFound for what can be none."""
    if not is_exchange_id(exchange):
        raise NotFound(f"{exchange[:40]!r} is no id of an exchange: expected 26 signs such as 01JD0Z6V9C…")
    return exchange


def missing(exchange: str) -> NotFound:
    return NotFound(f"there is no exchange {exchange}: it was deleted, or never recorded here")
