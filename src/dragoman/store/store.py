"""The store's face: one object for everything that is kept.

Promise: what `commit` returned for is kept, whole, also after a crash, and after `sync` also after a power cut;
each exchange is stored once. All calls block, and may come from any thread; those that write wait for the
writer's thread, those that read each see one moment. Does not parse wire formats beyond asking a dialect where a
body may be cut.
"""

import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from dragoman.clock import Clock, SystemClock
from dragoman.records.exchange import Detail, Frame, Recording, Row
from dragoman.records.query import Query
from dragoman.records.route import Route
from dragoman.records.setup import Provider
from dragoman.store import deletion, edits, queries, recordings, retention, settings, verify
from dragoman.store.commit import Commit
from dragoman.store.engine import Engines, takes_nothing
from dragoman.store.rebuild import BodyReader
from dragoman.store.types import (
    Batch,
    Bucket,
    Changes,
    Checkpoint,
    Count,
    Deletion,
    Page,
    Policy,
    Position,
    Preview,
    StepResult,
    Storage,
    VerifyReport,
)
from dragoman.store.writer import Writer


class Store:
    """Opened once by its owner, closed by it; only one process may have it open for writing."""

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        """`url` is such as `sqlite:////absolute/path/dragoman.db`."""
        self._clock = clock or SystemClock()
        self._engines = Engines(url)
        self._writer = Writer(self._engines.writer)

    def open(self) -> None:
        """Bring the tables to the newest form and start writing. Raises BadConfig with what to do."""
        self._engines.prepare()
        self._writer.start()

    def close(self) -> None:
        """Finish what was asked for, then let go of the database."""
        self._writer.close()
        self._engines.close()

    def __enter__(self) -> "Store":
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # taking in

    def commit(self, batch: Batch) -> list[Row]:
        """Store a batch in one transaction; returns the rows that changed, with `seq`, `parent`, `conversation`.

        Raises OSError when the database takes nothing at all at the moment (locked, full, its file gone): the same
        batch may be tried again later.
        """
        self._engines.require_file()
        try:
            return self._writer.do(lambda hand: Commit(hand).take(batch))
        except DBAPIError as error:
            if takes_nothing(error):
                raise OSError(errno.EIO, f"the store takes nothing at the moment: {error.orig}") from error
            raise

    def sync(self) -> None:
        """Make sure that what `commit` returned for survives a power cut. Raises OSError when the disk refuses."""
        self._engines.sync()

    def positions(self) -> dict[str, Position]:
        """Return how far each gateway's journal is stored."""
        with self._read() as connection:
            return recordings.positions(connection)

    def checkpoints(self, gateway: str) -> list[Checkpoint]:
        with self._read() as connection:
            return recordings.checkpoints(connection, gateway)

    def open_rows(self) -> list[Row]:
        """Return the rows that were never finished, oldest first."""
        with self._read() as connection:
            return recordings.open_rows(connection)

    # lists

    def list_rows(self, query: Query | None = None, *, limit: int = 200, cursor: str | None = None) -> Page:
        """Return a page, newest first. Raises BadRequest for a bad limit or cursor."""
        with self._read() as connection:
            return queries.list_rows(connection, query or Query(), limit, cursor, self._clock.mono_ns)

    def changes(self, query: Query | None, since_seq: int, limit: int = 200) -> Changes:
        """Return what happened after `since_seq`, oldest first."""
        with self._read() as connection:
            return queries.changes(connection, query or Query(), since_seq, limit)

    def count(self, query: Query | None = None, cap: int = 10_000) -> Count:
        with self._read() as connection:
            return queries.count(connection, query or Query(), cap, self._clock.mono_ns)

    def facets(self, query: Query | None, names: Iterable[str], limit: int = 20) -> dict[str, list[tuple[str, int]]]:
        """Count values among the newest `queries.FACET_ROWS` rows of the query, most frequent first."""
        with self._read() as connection:
            return queries.facets(connection, query or Query(), names, limit, self._clock.mono_ns)

    def timeline(self, query: Query | None, start_ns: int, end_ns: int, buckets: int) -> list[Bucket]:
        """Count beginnings by time; with a query, the newest `queries.TIMELINE_ROWS` rows of it."""
        with self._read() as connection:
            return queries.timeline(connection, query or Query(), start_ns, end_ns, buckets, self._clock.mono_ns)

    def carriers(self, name: str, *, limit: int = 200) -> list[str]:
        """Return all exchanges that carry text which this one was the first to bring, newest first.

        Search names an exchange by what was new in it; this is the second question.
        """
        return self._of(name, lambda connection, key, _: recordings.carriers(connection, key, limit)) or []

    # one exchange

    def row(self, name: str) -> Row | None:
        with self._read() as connection:
            found = queries.row(connection, name)
            return None if found is None else found[1]

    def detail(self, name: str) -> Detail | None:
        return self._of(name, recordings.detail)

    def request_body(self, name: str) -> bytes | None:
        """Return the exact bytes; b"" when there was no body, None when it is not kept, or no such exchange."""
        return self._of(name, recordings.request_body)

    def response_body(self, name: str) -> bytes | None:
        return self._of(name, recordings.response_body)

    def frames(self, name: str) -> list[Frame]:
        return self._of(name, lambda connection, key, _: (BodyReader(connection).reply(key) or (b"", []))[1]) or []

    def tunnel(self, name: str) -> tuple[bytes, list[Frame]] | None:
        """Return the client's side of a tunnel."""
        return self._of(name, lambda connection, key, _: BodyReader(connection).sent(key))

    def upstream_request_body(self, name: str) -> bytes | None:
        """Return the exact bytes that the provider got; None when they were the client's own, or are not kept."""
        return self._of(name, lambda connection, key, _: BodyReader(connection).upstream_request(key))

    def upstream_response_body(self, name: str) -> bytes | None:
        """Return what the provider answered; None when the client got that very reply, or it is not kept."""
        return self._of(name, lambda connection, key, _: (BodyReader(connection).upstream_reply(key) or (None,))[0])

    def upstream_frames(self, name: str) -> list[Frame]:
        return (
            self._of(name, lambda connection, key, _: (BodyReader(connection).upstream_reply(key) or (b"", []))[1])
            or []
        )

    def recording(self, name: str) -> Recording | None:
        """Return all that is kept of an exchange, to be understood anew."""
        return self._of(name, recordings.recording)

    def reparse_candidates(self, below_version: int, limit: int = 100) -> list[str]:
        """Name finished exchanges that an older parser read, newest first."""
        with self._read() as connection:
            return recordings.reparse_candidates(connection, below_version, limit)

    def replace_facts(self, recording: Recording) -> Row:
        """Store what a better parser found; the bodies stay. Raises NotFound."""
        return self._writer.do(lambda hand: edits.replace_facts(hand, recording))

    # deleting

    def delete(self, ids: Iterable[str]) -> int:
        """Delete exchanges; `restore` brings them back until they are purged. Returns how many there were."""
        wanted, now = list(ids), self._clock.wall_ns()
        return self._writer.do(lambda hand: deletion.delete(hand, wanted, now))

    def delete_matching(self, query: Query) -> Deletion:
        """Delete what a query finds, in small transactions."""
        return deletion.delete_matching(self._read, self._writer, query, self._clock)

    def restore(self, ids: Iterable[str] | None = None, *, token: str | None = None) -> int:
        """Bring back what was deleted: by exchange, or by the token of a deletion."""
        wanted = None if ids is None else list(ids)
        return deletion.restore(self._writer, wanted, token)

    def purge(self, older_than_ns: int) -> int:
        """Remove for good what was deleted before that time. The space comes back by `retention_step`."""
        return deletion.purge(self._writer, older_than_ns)

    # size and time

    def storage(self) -> Storage:
        with self._read() as connection:
            return retention.storage(connection, self._engines)

    def retention_preview(self, policy: Policy) -> Preview:
        with self._read() as connection:
            return retention.preview(connection, policy, self._clock.wall_ns())

    def retention_step(self, policy: Policy) -> StepResult:
        """Do a little of what the policy asks for; call again until `is_done`."""
        now = self._clock.wall_ns()
        return self._writer.do(lambda hand: retention.step(hand, policy, now))

    def verify(self, on_progress: Callable[[int], None] | None = None) -> VerifyReport:
        """Rebuild every body and compare it with its hash."""
        return verify.verify(self._read, on_progress)

    # settings

    def settings(self) -> dict[str, Any]:
        with self._read() as connection:
            return settings.all_settings(connection)

    def save_setting(self, name: str, value: Any) -> None:
        """Keep a JSON value; None forgets it."""
        self._writer.do(lambda hand: settings.save_setting(hand.connection, name, value))

    def edited_providers(self) -> list[Provider]:
        with self._read() as connection:
            return settings.edited_providers(connection)

    def save_provider(self, provider: Provider) -> None:
        self._writer.do(lambda hand: settings.save_provider(hand.connection, provider))

    def delete_provider(self, slug: str) -> bool:
        """Returns False when there was none."""
        return self._writer.do(lambda hand: settings.delete_provider(hand.connection, slug))

    def edited_routes(self) -> list[Route]:
        """Return them in their order."""
        with self._read() as connection:
            return settings.edited_routes(connection)

    def save_routes(self, routes: list[Route]) -> None:
        """Keep these routes, in this order, in place of all that were there."""
        self._writer.do(lambda hand: settings.save_routes(hand.connection, routes))

    # inside

    @contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        with self._engines.reader.connect() as connection, connection.begin():
            yield connection

    def _of(self, name: str, ask: Callable[[sa.Connection, int, Row], Any]) -> Any:
        with self._read() as connection:
            found = queries.row(connection, name)
            return None if found is None else ask(connection, *found)
