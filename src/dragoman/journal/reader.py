"""Read the journal of one gateway, file after file, while it is being written.

Promise: each whole frame is given once, in the order in which it was written, with the place where it stood;
what cannot be read is given as a `Gap` and never holds up what follows. A broken frame before a whole one is
skipped alone. Another incomplete or broken frame is "not yet" while no later file exists, since the writer may
still be at it; once a later file exists the rest of its file is skipped. Memory is bounded by one block and one
frame.
Does not know exchanges, and removes only what it is told to remove; a file with damage is put aside instead.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from struct import Struct as Layout
from typing import NamedTuple

import msgspec
import xxhash

from dragoman.journal.format import FRAME_HEAD_BYTES, MAGIC, FileHeader, Record

try:
    import fcntl
except ImportError:  # Windows has no flock: the writer then counts as alive, and a new session tells of its end
    fcntl = None

BLOCK_BYTES = 1024 * 1024
MAX_FRAME_BYTES = 1024**3
"""No writer makes frames this long; a greater length is damage."""

_SUFFIX = ".journal"
_ASIDE = ".damaged"
_frame_head = Layout("<IQ")
_WRONG_CHECKSUM = "the checksum does not match"
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


class Found(NamedTuple):
    """A record and the frame's place: bytes `start` up to `end` of file `sequence`."""

    record: Record
    sequence: int
    start: int
    end: int


class Gap(NamedTuple):
    """Bytes that could not be read: why, and how many."""

    sequence: int
    offset: int
    lost_bytes: int
    why: str


class JournalReader:
    """Tails one gateway's directory from (`sequence`, `offset`) on; the start of a file is offset 0."""

    def __init__(self, directory: Path, *, sequence: int = 0, offset: int = 0, block_bytes: int = BLOCK_BYTES) -> None:
        self.directory = directory
        self.gateway = directory.name
        self._sequence = sequence
        self._offset = offset
        self._block_bytes = block_bytes
        self._fd: int | None = None
        self._trouble: str | None = None
        self._damaged: set[int] = set()

    @property
    def place(self) -> tuple[int, int]:
        """File and offset where reading goes on."""
        return self._sequence, self._offset

    @property
    def trouble(self) -> str | None:
        """Why the frame at `place` cannot be read (yet), None when there is nothing wrong."""
        return self._trouble

    def read(self) -> list[Found | Gap]:
        """Give what comes next, about one block at most; empty when there is nothing more at the moment."""
        items: list[Found | Gap] = []
        while not items:
            if self._fd is None and not self._open(items):
                break
            is_final = self._next_sequence() is not None  # asked before the read: what it misses is never written
            self._read_block(items)
            if items or not is_final:
                break
            self._move_on(items)
        return items

    def has_writer(self) -> bool:
        """Say whether a living gateway holds the directory's lock.

        The lock is shared for an instant to find out, so a gateway that starts must try more than once.
        """
        if fcntl is None:
            return True
        try:
            fd = os.open(self.directory / "lock", os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def backlog_bytes(self) -> int:
        """Count the bytes that were written and not read."""
        total = 0
        for sequence in self._sequences():
            if sequence >= self._sequence:
                size = self._size_of(sequence)
                total += max(0, size - self._offset) if sequence == self._sequence else size
        return total

    def removable(self, sequence: int) -> list[int]:
        """List the files below `sequence`, but never the newest one."""
        return [one for one in self._sequences()[:-1] if one < sequence]

    def remove_before(self, sequence: int) -> int:
        """Remove the files that are `removable`; returns how many went.

        A file in which something was unreadable is renamed: another version, or a person, may make sense of it.
        """
        doomed = self.removable(sequence)
        for one in doomed:
            path = self._path(one)
            if one in self._damaged:
                self._damaged.discard(one)
                path.rename(path.with_name(path.name + _ASIDE))
            else:
                path.unlink(missing_ok=True)
        return len(doomed)

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self, items: list[Found | Gap]) -> bool:
        """Open the file at the position, or the first one after it; of a file begun before, give the header."""
        sequences = self._sequences()
        ahead = [one for one in sequences if one >= self._sequence]
        # A journal that begins anew below the known position (it was moved away) is read from its start.
        chosen = ahead or sequences
        if not chosen:
            return False
        if chosen[0] != self._sequence:
            self._sequence, self._offset = chosen[0], 0
        try:
            self._fd = os.open(self._path(self._sequence), os.O_RDONLY)
        except FileNotFoundError:
            return False
        if self._offset > os.fstat(self._fd).st_size:
            self._offset = 0
        if self._offset > len(MAGIC):
            items += self._header_items()
        return True

    def _header_items(self) -> list[Found | Gap]:
        resume, self._offset = self._offset, 0
        items: list[Found | Gap] = []
        self._read_block(items, only_first=True)
        self._offset = max(resume, self._offset)
        return [one for one in items if isinstance(one, Found) and isinstance(one.record, FileHeader)]

    def _read_block(self, items: list[Found | Gap], *, only_first: bool = False) -> None:
        assert self._fd is not None
        self._trouble = None
        if self._offset == 0 and not self._pass_magic():
            return
        block = os.pread(self._fd, self._block_bytes, self._offset)
        self._decode(block, items, only_first=only_first)
        needed = FRAME_HEAD_BYTES + int.from_bytes(block[:4], "little") if len(block) >= FRAME_HEAD_BYTES else 0
        if not items and self._trouble is None and needed > self._block_bytes:
            self._read_long(needed, items)

    def _read_long(self, needed: int, items: list[Found | Gap]) -> None:
        """Read one frame that is longer than a block, when all of it is there."""
        assert self._fd is not None
        if os.fstat(self._fd).st_size - self._offset >= needed:
            self._decode(os.pread(self._fd, needed, self._offset), items)

    def _pass_magic(self) -> bool:
        assert self._fd is not None
        magic = os.pread(self._fd, len(MAGIC), 0)
        if magic == MAGIC:
            self._offset = len(MAGIC)
            return True
        if not MAGIC.startswith(magic):
            self._trouble = "this is no journal file of a version that is known here"
        return False

    def _decode(self, block: bytes, items: list[Found | Gap], *, only_first: bool = False) -> None:
        """Take the whole frames at the front of `block`; stops at the first that is not whole or broken."""
        at, end, base, sequence = 0, len(block), self._offset, self._sequence
        head, digest, decode = _frame_head.unpack_from, xxhash.xxh3_64_intdigest, _decoder.decode
        while end - at >= FRAME_HEAD_BYTES:
            length, checksum = head(block, at)
            start = at + FRAME_HEAD_BYTES
            stop = start + length
            if stop > end:
                if length > MAX_FRAME_BYTES:
                    self._trouble = f"a frame of {length} bytes cannot be"
                break
            payload = block[start:stop]
            if digest(payload) != checksum:
                if not _is_whole_frame(block, stop):
                    self._trouble = _WRONG_CHECKSUM
                    break
                self._damaged.add(sequence)
                items.append(Gap(sequence, base + at, stop - at, _WRONG_CHECKSUM))
                at = stop
                continue
            try:
                items.append(Found(decode(payload), sequence, base + at, base + stop))
            except msgspec.DecodeError as error:  # whole, but of a kind that a later version writes
                self._damaged.add(sequence)
                items.append(Gap(sequence, base + at, stop - at, f"a record that is not known here: {error}"))
            at = stop
            if only_first:
                break
        self._offset = base + at

    def _move_on(self, items: list[Found | Gap]) -> None:
        """Leave the file for the next one, and say so when bytes of it were not read."""
        left = self._size_of(self._sequence) - self._offset
        if left > 0:
            if self._trouble is not None:
                self._damaged.add(self._sequence)
            why = self._trouble or "the last frame is not whole"
            items.append(Gap(self._sequence, self._offset, left, why))
        following = self._next_sequence()
        assert following is not None
        self.close()
        self._sequence, self._offset, self._trouble = following, 0, None

    def _next_sequence(self) -> int | None:
        if self._path(self._sequence + 1).exists():
            return self._sequence + 1
        return next((one for one in self._sequences() if one > self._sequence), None)

    def _sequences(self) -> list[int]:
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return []
        return sorted(_sequences_in(names))

    def _size_of(self, sequence: int) -> int:
        try:
            return self._path(sequence).stat().st_size
        except FileNotFoundError:
            return 0

    def _path(self, sequence: int) -> Path:
        return self.directory / f"{sequence:010d}{_SUFFIX}"


def _is_whole_frame(block: bytes, at: int) -> bool:
    """Say whether a whole frame stands in `block` at `at`."""
    if len(block) - at < FRAME_HEAD_BYTES:
        return False
    length, checksum = _frame_head.unpack_from(block, at)
    payload = block[at + FRAME_HEAD_BYTES : at + FRAME_HEAD_BYTES + length]
    return 0 < length == len(payload) and xxhash.xxh3_64_intdigest(payload) == checksum


def _sequences_in(names: list[str]) -> Iterator[int]:
    for name in names:
        stem = name.removesuffix(_SUFFIX)
        if stem != name and stem.isdecimal():
            yield int(stem)
