"""What the routes of one process share; made once in `app.build`, handed to routes as `Here`."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from dragoman.clock import Clock, SystemClock
from dragoman.errors import NotFound
from dragoman.ids import is_ulid
from dragoman.tasks import TaskOwner

if TYPE_CHECKING:
    from dragoman.keeper import Keeper
    from dragoman.store import Store

WEB = Path(__file__).parents[1] / "web"
UNDO_S = 3600
"""How long a deletion can be taken back."""


@dataclass(slots=True)
class Context:
    keeper: "Keeper"
    data_dir: Path
    base_url: str
    """Under which clients reach the proxy, without a slash at the end."""
    password: str | None = None
    clock: Clock = field(default_factory=SystemClock)
    web: Path = WEB
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process is asked to end: streams end then."""
    tasks: TaskOwner = field(default_factory=lambda: TaskOwner("api"))

    @property
    def store(self) -> "Store":
        return self.keeper.store


def _context(request: Request) -> Context:
    return request.app.state.context


Here = Annotated[Context, Depends(_context)]


def check_id(exchange: str) -> str:
    """Return the id. Raises NotFound for what can be none."""
    if not is_ulid(exchange):
        raise NotFound(f"{exchange[:40]!r} is no id of an exchange: expected 26 signs such as 01JD0Z6V9C…")
    return exchange


def missing(exchange: str) -> NotFound:
    return NotFound(f"there is no exchange {exchange}: it was deleted, or never recorded here")
