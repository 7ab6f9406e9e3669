"""What goes into the store and what comes out of it, as plain values.

Times are nanoseconds since 1970 (`_ns`), sizes are bytes. Unknown is None. No I/O.
"""

import msgspec

from dragoman.records.exchange import Recording, Row


class Position(msgspec.Struct, frozen=True):
    """How far a gateway's journal is stored: all before this place is."""

    sequence: int
    offset: int


class Checkpoint(msgspec.Struct, frozen=True):
    """The journal's raw frames of an exchange that is still open, so that old files need not be kept for it."""

    exchange: str
    gateway: str
    frames: bytes


class Batch(msgspec.Struct, kw_only=True):
    """What one transaction takes: all of it, or nothing."""

    opened: list[Row] = []
    """Rows of running exchanges; one that is here again replaces what was known of it."""
    finished: list[Recording] = []
    positions: dict[str, Position] = {}
    """By gateway."""
    checkpoints: list[Checkpoint] = []
    """Each replaces the exchange's earlier one; it goes when the exchange is finished."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Rows, newest first. `next_cursor` is None at the end.

    A page may hold fewer rows than asked for, even none, and still name a `next_cursor`: a search that finds
    little is cut into pages by time spent, so that each answers quickly.
    """

    items: list[Row]
    next_cursor: str | None
    since_seq: int
    """Ask `changes` from here for what happened after this page was read."""


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    items: list[Row]
    """Oldest change first."""
    deleted: list[str]
    since_seq: int
    is_truncated: bool
    """More changes wait behind `since_seq`, or it lies so far back that deletions are forgotten: load afresh."""


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """How many exchanges began from `start_ns` up to the next bucket; `other` ran, stopped or broke off."""

    start_ns: int
    done: int = 0
    error: int = 0
    other: int = 0


class Count(msgspec.Struct, frozen=True, kw_only=True):
    count: int
    is_capped: bool
    """There are more than `count`."""


class Deletion(msgspec.Struct, frozen=True, kw_only=True):
    """`token` undoes it by `restore(token=…)` until it is purged."""

    token: str
    count: int


class Storage(msgspec.Struct, frozen=True, kw_only=True):
    """What the record takes up. The kinds are content as stored (compressed), without the engine's own overhead."""

    rows: int
    bodies: int
    """Exchanges whose bodies are kept."""
    oldest_ns: int | None
    newest_ns: int | None
    raw_bytes: int
    """Bytes of all bodies kept, as they went over the wire."""
    kinds: dict[str, int]
    """`segments`, `nodes`, `replies`, `facts`, `search`."""
    file_bytes: int
    """The database with its log."""
    free_bytes: int
    """Of it, pages that wait to be used again or given back."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What to keep; None is without limit. Facts that go take their bodies with them."""

    bodies_ns: int | None = None
    facts_ns: int | None = None
    max_bytes: int | None = None
    undo_ns: int = 3600 * 1_000_000_000
    """How long what was deleted can be restored."""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy would delete now. `freed_bytes` is an estimate from the mean size."""

    rows: int
    bodies: int
    freed_bytes: int
    oldest_kept_ns: int | None
    oldest_kept_body_ns: int | None


class StepResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one small step of retention did. `is_done` when there is nothing left to do for now."""

    phase: str
    is_done: bool
    rows: int = 0
    bodies: int = 0
    segments: int = 0
    freed_bytes: int = 0


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    checked: int
    """Bodies that were rebuilt and hashed."""
    failures: list[tuple[str, str]]
    """Exchange and what is wrong with it."""
    skipped: int
    """Bodies that are not kept, or have no hash to compare with."""
