"""Hand a batch to the store so that one exchange which cannot be understood or stored never stops the others."""

import logging
from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec

from dragoman.keeper.open import OpenExchange
from dragoman.records.exchange import Recording, Row
from dragoman.store import Batch, Checkpoint, Position

_log = logging.getLogger("dragoman.keeper")
_T = TypeVar("_T")


class RecordStore(Protocol):
    """What the ingest asks of the store; all calls block."""

    def commit(self, batch: Batch) -> list[Row]: ...

    def sync(self) -> None: ...

    def positions(self) -> dict[str, Position]: ...

    def checkpoints(self, gateway: str) -> list[Checkpoint]: ...

    def open_rows(self) -> list[Row]: ...


def commit(store: RecordStore, batch: Batch) -> list[Row]:
    """Store the batch; when the store refuses it, find the exchange that it cannot take and store its bytes alone.

    Raises what the store raised when it takes nothing at all; OSError says so at once.
    """
    try:
        return store.commit(batch)
    except OSError:
        raise
    except Exception:
        if not batch.finished:
            raise
        _log.exception("a batch of %d exchanges was refused, trying them one by one", len(batch.finished))
    rows = [row for recording in batch.finished for row in _commit_alone(store, recording)]
    return [*rows, *store.commit(msgspec.structs.replace(batch, finished=[]))]


def understood(exchange: OpenExchange) -> Recording:
    """Make the Recording; when reading its bodies fails, one with the bytes alone."""
    recording = guarded(exchange, exchange.recording)
    if recording is not None:
        return recording
    recording = exchange.assembly.recording()
    recording.detail.row.flags.append("unparsed")
    recording.detail.warnings.append("reply: reading this exchange failed; its bytes are kept and can be parsed again")
    return recording


def guarded(exchange: OpenExchange, act: Callable[[], _T]) -> _T | None:
    """Do something with one exchange; None when it fails, so that the others go on."""
    try:
        return act()
    except Exception:  # noqa: BLE001 the guard of one exchange
        _log.exception("exchange %s cannot be understood", exchange.id)
        return None


def _commit_alone(store: RecordStore, recording: Recording) -> list[Row]:
    try:
        return store.commit(Batch(finished=[recording]))
    except OSError:
        raise  # locked or full by now: nothing is wrong with this exchange
    except Exception:  # noqa: BLE001 the guard of one exchange; a store that takes none raises below
        _log.exception("exchange %s cannot be stored as understood, storing its bytes", recording.detail.row.id)
    row = recording.detail.row
    bare = msgspec.structs.replace(recording, search_texts=[])
    bare.detail.row = msgspec.structs.replace(row, dialect=None, endpoint=None, flags=sorted({*row.flags, "unparsed"}))
    return store.commit(Batch(finished=[bare]))
