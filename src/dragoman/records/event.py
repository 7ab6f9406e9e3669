"""Events: what happened, for live viewers and exporters.

`id` is `{epoch}-{number}`: the epoch is the keeper's start, the number rises by one. A viewer that names an
id of another epoch, or one that has left the replay ring, gets `resync` and fills the gap by `since_seq`.
"""

from typing import Any, Literal

import msgspec

EventType = Literal[
    "exchange.started",  # data: Row
    "exchange.first_token",  # data: Row
    "exchange.progress",  # data: Progress; at most 4 a second for each exchange
    "exchange.finished",  # data: Row
    "exchange.changed",  # data: Row (restored, re-parsed)
    "exchange.deleted",  # data: {"ids": [...]} or {"filter": "…", "count": n}
    "config.changed",  # data: {"version": n}
    "status",  # data: counters for the status bar, at most once a second
    "resync",  # data: {"since_seq": n}
]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    type: EventType
    data: Any


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a running exchange is. `output` is an estimate while `is_estimated`."""

    id: str
    state: str
    elapsed_ns: int
    response_bytes: int
    output: int | None = None
    is_estimated: bool = True
    tokens_per_s: float | None = None
    reply_preview: str = ""
