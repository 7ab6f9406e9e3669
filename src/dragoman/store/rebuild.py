"""Bodies put together again from what `bodies` stored: byte for byte, or a ValueError that says what is missing."""

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa

from dragoman.records.chain import Cut, CutMark, Links, Stretch, join
from dragoman.records.exchange import Frame
from dragoman.store.compression import bytes_to_frames, unpack
from dragoman.store.statements import select_in

ROOT = 0


class Plan(msgspec.Struct, frozen=True, array_like=True):
    """A body's parts in byte order, and its cache marks; see `bodies`."""

    parts: list[bytes | int]
    marks: list[tuple[int, int, int, bytes | int]] = []


_plan_decoder = msgspec.msgpack.Decoder(Plan)

_CHAIN = """
WITH RECURSIVE up (id, parent, segment, depth) AS (
    SELECT id, parent, segment, 0 FROM node WHERE id = ?
    UNION ALL SELECT node.id, node.parent, node.segment, up.depth + 1 FROM up JOIN node ON node.id = up.parent
)
SELECT segment FROM up ORDER BY depth DESC
"""


class BodyReader:
    """Rebuilds bodies. Keeps the packs it opened, up to a limit, since neighbours in time share them."""

    def __init__(self, connection: sa.Connection, *, kept_packs: int = 400) -> None:
        self._connection = connection
        self._kept = kept_packs
        self._packs: dict[int, bytes] = {}

    def request(self, key: int) -> bytes | None:
        """Return the body of a request; None when it is not kept. Raises ValueError when it cannot be rebuilt."""
        return self._planned("request", key)

    def upstream_request(self, key: int) -> bytes | None:
        """Return the body that the provider got; None when it was the client's, or is not kept."""
        return self._planned("upstream_request", key)

    def _planned(self, table: str, key: int) -> bytes | None:
        found = self._connection.exec_driver_sql(f"SELECT plan FROM {table} WHERE key = ?", (key,)).scalar()
        return None if found is None else self._join(_plan_decoder.decode(found))

    def _join(self, plan: Plan) -> bytes:
        chains = {part: self._chain(-part) for part in plan.parts if isinstance(part, int) and part < 0}
        loose = [one for one in plan.parts if isinstance(one, int) and one > 0]
        loose += [mark[3] for mark in plan.marks if isinstance(mark[3], int)]
        data = self.segments({*loose, *(one for chain in chains.values() for one in chain)})
        parts: list[Stretch | Links] = []
        for part in plan.parts:
            if isinstance(part, bytes):
                parts.append(Stretch(part))
            elif part > 0:
                parts.append(Stretch(data[part]))
            else:
                parts.append(Links("messages", [data[one] for one in chains.get(part, [])]))
        marks = [
            CutMark(part, item, offset, what if isinstance(what, bytes) else data[what])
            for part, item, offset, what in plan.marks
        ]
        return join(Cut(parts, marks))

    def _chain(self, node: int) -> list[int]:
        if node == ROOT:
            return []
        return [row[0] for row in self._connection.exec_driver_sql(_CHAIN, (node,))]

    def segments(self, numbers: Iterable[int]) -> dict[int, bytes]:
        """Return the bytes of segments. Raises ValueError when one is missing or broken."""
        wanted = set(numbers)
        found = select_in(self._connection, "SELECT id, pack, start, length FROM segment WHERE id IN", wanted)
        if len(found) < len(wanted):
            missing = sorted(wanted - {row[0] for row in found})
            raise ValueError(f"{len(missing)} segments are missing, the first is {missing[0]}")
        opened = self._open({row[1] for row in found})
        return {number: opened[pack][start : start + length] for number, pack, start, length in found}

    def _open(self, numbers: set[int]) -> dict[int, bytes]:
        missing = numbers - self._packs.keys()
        if len(self._packs) + len(missing) > self._kept:
            self._packs = {number: self._packs[number] for number in numbers - missing}
        for number, data in select_in(self._connection, "SELECT id, data FROM pack WHERE id IN", missing):
            self._packs[number] = unpack(data)
        if lost := numbers - self._packs.keys():
            raise ValueError(f"{len(lost)} packs are missing, the first is {min(lost)}")
        return self._packs

    def reply(self, key: int) -> tuple[bytes, list[Frame]] | None:
        """Return the reply's body and frames (a tunnel's server side); None when they are not kept."""
        return self._timed("reply", key)

    def upstream_reply(self, key: int) -> tuple[bytes, list[Frame]] | None:
        """Return what the provider answered; None when the client got that very reply, or it is not kept."""
        return self._timed("upstream_reply", key)

    def _timed(self, table: str, key: int) -> tuple[bytes, list[Frame]] | None:
        found = self._connection.exec_driver_sql(f"SELECT body, frames FROM {table} WHERE key = ?", (key,)).first()
        return None if found is None else (unpack(found[0]), _frames(found[1]))

    def sent(self, key: int) -> tuple[bytes, list[Frame]] | None:
        """Return the client's side of a tunnel; None when this was none, or is not kept."""
        found = self._connection.exec_driver_sql("SELECT sent, sent_frames FROM reply WHERE key = ?", (key,)).first()
        return None if found is None or found[0] is None else (unpack(found[0]), _frames(found[1]))


def _frames(stored: bytes | None) -> list[Frame]:
    return bytes_to_frames(unpack(stored)) if stored else []


def plan_segments(plan: bytes) -> tuple[list[int], list[int]]:
    """Return the segments and the chain ends that a stored plan names; for the sweep."""
    decoded = _plan_decoder.decode(plan)
    numbers = [one for one in decoded.parts if isinstance(one, int)]
    numbers += [mark[3] for mark in decoded.marks if isinstance(mark[3], int)]
    return [one for one in numbers if one > 0], [-one for one in numbers if one < 0]
