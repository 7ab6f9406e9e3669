"""A store for the ingest's tests: keeps batches in memory, and fails or stands still when told to."""

import threading

from dragoman.records.exchange import Recording, Row
from dragoman.store import Batch, Checkpoint, Position


class MemoryStore:
    def __init__(self) -> None:
        self.finished: dict[str, Recording] = {}
        self.opened: dict[str, Row] = {}
        self.kept: dict[str, Checkpoint] = {}
        self.places: dict[str, Position] = {}
        self.batches: list[Batch] = []
        self.repeated: list[str] = []
        self.failures: list[Exception] = []
        self.poison: set[str] = set()
        self.may_commit = threading.Event()
        self.may_commit.set()
        self.synced: list[list[str]] = []
        """What was stored each time that was to be made sure of."""
        self.sync_failures: list[OSError] = []
        self._seq = 0

    def commit(self, batch: Batch) -> list[Row]:
        self.may_commit.wait(30)
        if self.failures:
            raise self.failures.pop(0)
        for recording in batch.finished:
            if recording.detail.row.id in self.poison and recording.detail.row.dialect is not None:
                raise ValueError("this one cannot be cut")
        self.batches.append(batch)
        changed = [row for row in batch.opened if row.id not in self.finished]
        self.opened.update((row.id, row) for row in changed)
        for recording in batch.finished:
            changed += self._finish(recording)
        self.places.update(batch.positions)
        self.kept.update((one.exchange, one) for one in batch.checkpoints if one.exchange not in self.finished)
        return changed

    def _finish(self, recording: Recording) -> list[Row]:
        row = recording.detail.row
        if row.id in self.finished:
            self.repeated.append(row.id)
            return []
        self._seq += 1
        row.seq = self._seq
        self.finished[row.id] = recording
        self.opened.pop(row.id, None)
        self.kept.pop(row.id, None)
        return [row]

    def sync(self) -> None:
        self.synced.append(list(self.finished))
        if self.sync_failures:
            raise self.sync_failures.pop(0)

    def positions(self) -> dict[str, Position]:
        return dict(self.places)

    def checkpoints(self, gateway: str) -> list[Checkpoint]:
        return [one for one in self.kept.values() if one.gateway == gateway]

    def open_rows(self) -> list[Row]:
        return list(self.opened.values())
