"""A gateway's journal as a test writes it: files, sessions, rotation, torn tails, and the writer's lock."""

import fcntl
import os
from pathlib import Path

from dragoman.ids import IdMaker
from dragoman.journal.format import MAGIC, FileHeader, Record, encode_frame

WALL_NS = 1_700_000_000_000_000_000
MONO_NS = 5_000_000_000


class FakeJournal:
    """Writes `{data_dir}/journal/{gateway}/…` the way a gateway does."""

    def __init__(self, data_dir: Path, gateway: str = "g0") -> None:
        self.gateway = gateway
        self.directory = data_dir / "journal" / gateway
        self.directory.mkdir(parents=True, exist_ok=True)
        self.sequence = max((int(path.stem) for path in self.directory.glob("*.journal")), default=0)
        self.session = ""
        self._lock: int | None = None
        self._ids = IdMaker()
        self.live()

    def live(self) -> None:
        """Begin a session: take the lock and open the next file."""
        self._lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.session = self._ids.make(WALL_NS // 1_000_000)
        self.rotate()

    def die(self, tail: bytes = b"") -> None:
        """End like a killed process: perhaps in the middle of a frame, the lock given up by the kernel."""
        self.append(tail)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def rotate(self) -> None:
        self.sequence += 1
        header = FileHeader(1, self.gateway, self.session, self.sequence, WALL_NS, MONO_NS)
        self.path.write_bytes(MAGIC + encode_frame(header))

    def write(self, *records: Record) -> None:
        self.append(b"".join(encode_frame(record) for record in records))

    def append(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)

    @property
    def path(self) -> Path:
        return self.directory / f"{self.sequence:010d}.journal"

    @property
    def sequences(self) -> list[int]:
        return sorted(int(path.stem) for path in self.directory.glob("*.journal"))

    def close(self) -> None:
        self.die()
