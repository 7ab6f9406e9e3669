"""Write the journal of one gateway: one write for all that came in a turn of the loop, before it is sent on.

Promise: whoever waits with `wait_for_flush` is let go, in the same turn, only after the frames appended before
were handed to the kernel; where nobody waits (a request on its way up), frames are written within `LATE_S`, or
with the next that somebody waits for. A file always ends in a whole frame: after a short write or a failed one
it is cut back, and the rest goes to the next file. Nothing here raises into the traffic: where the disk is full
or `max_size` is reached (`is_full`), frames that carry bytes are dropped, the others wait in a bounded backlog
for space, and every running exchange is told on record that its capture stopped. The same when an append took
longer than `max_stall`: the journal stalls the loop once, not for every chunk.
Frames come in masked. Old files are removed by the keeper.
"""

import contextlib
import errno
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from dragoman.clock import Clock
from dragoman.errors import BadConfig
from dragoman.journal.format import MAGIC, CaptureStopped, FileHeader, Record, encode_frame
from dragoman.records.setup import JournalSettings

try:
    import fcntl
except ImportError:  # Windows has no flock: there is one gateway, and its supervisor alone keeps it single
    fcntl = None

VERSION = 1
LEAST_FILES = 8
"""A file holds at most this part of `max_size`: the newest one is never removed, and must not fill it alone."""
BACKLOG_RECORDS = 2000
"""Records without bodies that wait for space on a full disk; past it the oldest are lost."""
LOCK_TRIES = 20
LOCK_PAUSE_S = 0.01
LATE_S = 0.005
_JOIN_BELOW = 32 * 1024
_MAX_BUFFERS = 512
"""Buffers for one writev; IOV_MAX is 1024 on Linux and macOS."""

_log = logging.getLogger("dragoman.journal")

Frame = list[bytes]
"""One frame as buffers that are written one after the other."""


class Sink(Protocol):
    """Where bytes go to: the seam at which tests put a slow or a full disk."""

    def write(self, fd: int, buffers: list[bytes]) -> int:
        """Write as much as possible; returns the bytes written, raises OSError when none could be."""
        ...


class FileSink:
    """The disk."""

    __slots__ = ()

    def write(self, fd: int, buffers: list[bytes]) -> int:
        return os.write(fd, buffers[0]) if len(buffers) == 1 else os.writev(fd, buffers)


class Loop(Protocol):
    """What is needed of an event loop."""

    def call_soon(self, callback: Callable[[], None], /) -> object: ...

    def call_later(self, delay: float, callback: Callable[[], None], /) -> object: ...


class Flushable(Protocol):
    """Holds bytes for somebody outside until the journal has them."""

    def flush_out(self) -> None: ...


class Journal:
    """The journal of one gateway's process. Single-threaded: all calls come from the loop.

    `generation` rises whenever capture stops for the running exchanges; one that began under an older
    generation appends no bytes any more. `running` names the ids of the running exchanges.
    """

    def __init__(
        self,
        directory: Path,
        *,
        session: str,
        settings: JournalSettings,
        clock: Clock,
        loop: Loop,
        running: Callable[[], Iterable[str]],
        on_written: Callable[[], None] = lambda: None,
        sink: Sink | None = None,
    ) -> None:
        self.directory = directory
        self.gateway = directory.name
        self.settings = settings
        self.generation = 0
        self.is_full = False
        self.written_bytes = 0
        self.stopped_total = 0
        """How often capture stopped for the running exchanges."""
        self._session = session
        self._clock = clock
        self._loop = loop
        self._running = running
        self.on_written = on_written
        """Called after each write."""
        self._sink = sink or FileSink()
        self._fd = -1
        self._lock_fd = -1
        self._sequence = 0
        self._file_bytes = 0
        self._file_limit = 0
        self._pending: list[Frame | Record] = []
        self._waiting: list[Flushable] = []
        self._is_scheduled = False
        self._has_timer = False
        self._backlog: deque[Record] = deque(maxlen=BACKLOG_RECORDS)

    def open(self) -> None:
        """Take the directory's lock and begin a new file. Raises BadConfig when another process holds it."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock_fd = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not self._take_lock():
            os.close(self._lock_fd)
            raise BadConfig(f"another gateway writes to {self.directory}; stop it first")
        numbers = [int(path.stem) for path in self.directory.glob("*.journal") if path.stem.isdigit()]
        self._sequence = max(numbers, default=0)
        self._rotate()

    def _take_lock(self) -> bool:
        """Try a few times: a keeper that looks whether a gateway lives holds the lock for an instant."""
        if fcntl is None:
            return True
        for _ in range(LOCK_TRIES):
            try:
                fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(LOCK_PAUSE_S)
                continue
            return True
        return False

    def close(self) -> None:
        """Write what is pending and let the lock go."""
        self.flush()
        for fd in (self._fd, self._lock_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._lock_fd = -1

    def append(self, frame: Frame) -> None:
        """Take a frame that carries bytes, made by `DataFrames`: it may be dropped when the journal is full."""
        self._pending.append(frame)
        if not self._has_timer:
            self._has_timer = True
            self._loop.call_later(LATE_S, self._flush_late)

    def append_record(self, record: Record) -> None:
        """Take a record that is never dropped; it is encoded when its turn to be written has come."""
        self._pending.append(record)
        if not self._has_timer:
            self._has_timer = True
            self._loop.call_later(LATE_S, self._flush_late)

    def wait_for_flush(self, flushable: Flushable) -> None:
        """Call `flush_out` once all that was appended up to now is written (or given up)."""
        self._waiting.append(flushable)
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what is pending, then let go who waits."""
        self._is_scheduled = False
        if self._pending:
            pending, self._pending = self._pending, []
            if self.is_full:
                self._keep_for_later(pending)
            else:
                self._write(pending)
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for one in waiting:
                one.flush_out()

    def _flush_late(self) -> None:
        self._has_timer = False
        if not self._is_scheduled and self._lock_fd >= 0:
            self.flush()

    def tick(self) -> None:
        """Look whether there is space again; to be called about twice a second."""
        if not self.is_full:
            return
        if self._measure() >= self.settings.max_size:
            return
        self._rotate()
        if self._fd < 0:
            return
        self.is_full = False
        late = [*self._backlog, *self._stop_marks("full")]
        self._backlog.clear()
        _log.info("journal: there is space again")
        if late:
            self._write(late)

    def _write(self, pending: Sequence[Frame | Record]) -> None:
        begun = self._clock.mono_ns()
        buffers: list[bytes] = []
        for one in pending:
            if isinstance(one, list):
                buffers += one
            else:
                buffers.append(encode_frame(one))
        written = self._put(buffers)
        if written < sum(map(len, buffers)):
            self._go_on_elsewhere(pending, written)
            return
        self._file_bytes += written
        self.written_bytes += written
        if self.settings.fsync == "always" and not self._sync():
            return
        if self._clock.mono_ns() - begun > self.settings.max_stall * 1e9:
            self._stop_for_stall()
        elif self._file_bytes >= self._file_limit:
            self._rotate()
        self.on_written()

    def _sync(self) -> bool:
        try:
            os.fsync(self._fd)
        except OSError as error:
            self._become_full(f"fsync failed: {error}")
            return False
        return True

    def _put(self, buffers: list[bytes]) -> int:
        """Hand buffers to the kernel; returns how many bytes it took. What was wrong is logged."""
        if self._fd < 0:
            return 0
        written = 0
        try:
            if sum(map(len, buffers)) < _JOIN_BELOW:
                return self._sink.write(self._fd, [b"".join(buffers)])
            for start in range(0, len(buffers), _MAX_BUFFERS):
                part = buffers[start : start + _MAX_BUFFERS]
                got = self._sink.write(self._fd, part)
                written += got
                if got < sum(map(len, part)):
                    break
        except OSError as error:
            _log.warning("journal: write failed: %s", errno.errorcode.get(error.errno or 0, error))
        return written

    def _go_on_elsewhere(self, pending: Sequence[Frame | Record], written: int) -> None:
        """The file took `written` bytes of these only: cut it back, and put the rest into the next one."""
        frames = [one if isinstance(one, list) else [encode_frame(one)] for one in pending]
        done = self._cut_back(frames, written)
        self._rotate()
        if not self.is_full:
            rest = frames[done:]
            added = self._cut_back(rest, self._put([buffer for frame in rest for buffer in frame]))
            done += added
            if not added:
                self._remove_empty()
        if done < len(frames):
            self._become_full("the disk takes no more")
            self._keep_for_later(pending[done:])
        self.on_written()

    def _cut_back(self, frames: list[Frame], written: int) -> int:
        """Keep the whole ones of the frames, of which `written` bytes reached the file."""
        kept_bytes = kept = 0
        for frame in frames:
            size = sum(map(len, frame))
            if kept_bytes + size > written:
                break
            kept_bytes += size
            kept += 1
        self._file_bytes += kept_bytes
        self.written_bytes += kept_bytes
        if self._fd >= 0 and kept_bytes < written:
            with contextlib.suppress(OSError):  # then a torn tail stays, which the reader passes over
                os.ftruncate(self._fd, self._file_bytes)
                os.lseek(self._fd, self._file_bytes, os.SEEK_SET)
        return kept

    def _rotate(self) -> None:
        """Begin the next file; when that fails, or `max_size` is reached, the journal is full."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        limit = self.settings.max_size
        left = limit - self._measure()
        self._file_limit = min(self.settings.file_size, limit // LEAST_FILES, left)
        if left <= 0:
            self._become_full(f"journal.max_size ({self.settings.max_size} bytes) is reached")
            return
        self._sequence += 1
        header = FileHeader(
            version=VERSION,
            gateway=self.gateway,
            session=self._session,
            sequence=self._sequence,
            wall_ns=self._clock.wall_ns(),
            mono_ns=self._clock.mono_ns(),
        )
        first = MAGIC + encode_frame(header)
        try:
            self._fd = os.open(self._path(), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            if self._sink.write(self._fd, [first]) < len(first):
                raise OSError(errno.ENOSPC, "short write")
        except OSError as error:
            if self._fd >= 0:
                self._remove_empty()
            else:
                self._sequence -= 1
            self._become_full(f"no new file could be begun: {error}")
            return
        self._file_bytes = len(first)

    def _remove_empty(self) -> None:
        """Take back a file in which nothing but its header found room."""
        os.close(self._fd)
        self._fd = -1
        self._path().unlink(missing_ok=True)
        self._sequence -= 1

    def _path(self) -> Path:
        return self.directory / f"{self._sequence:010d}.journal"

    def _become_full(self, why: str) -> None:
        if not self.is_full:
            _log.error("journal: capture stops, %s", why)
            self.is_full = True
            self.generation += 1
            self.stopped_total += 1

    def _stop_for_stall(self) -> None:
        """The disk made everybody wait: no more bytes of what runs now; new exchanges are captured again."""
        self.generation += 1
        self.stopped_total += 1
        _log.warning("journal: an append took longer than journal.max_stall, capture stops for running exchanges")
        self._rotate()
        for mark in self._stop_marks("stall"):
            self.append_record(mark)

    def _stop_marks(self, why: str) -> list[Record]:
        now = self._clock.mono_ns()
        return [CaptureStopped(id=one, mono_ns=now, why=why) for one in self._running()]

    def _keep_for_later(self, pending: Sequence[Frame | Record]) -> None:
        self._backlog.extend(one for one in pending if not isinstance(one, list))

    def _measure(self) -> int:
        """Sum the journal files of all gateways of this data directory."""
        total = 0
        for path in self.directory.parent.glob("*/*.journal"):
            try:
                total += path.stat().st_size
            except FileNotFoundError:
                continue  # the keeper has just removed it
        return total
