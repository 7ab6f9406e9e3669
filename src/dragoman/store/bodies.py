"""Bodies in the store: requests as plans over segments and chains, replies as one blob with a table of times.

A plan lists a body's parts in byte order: bytes for a short stretch, a number above 0 for a segment, one below 0
for the end of a chain (the node's number, negated); and its cache marks by place. So a body of any length has a
plan of a few dozen bytes. What cannot be cut is one segment.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa

from dragoman.dialects import ALL
from dragoman.records.chain import Cut, CutMark, Links, Stretch, cut, join, link_hashes, segment_hash
from dragoman.records.exchange import Frame, Recording
from dragoman.store import packs, search
from dragoman.store.book import NODE_ROW_BYTES, SEGMENT_ROW_BYTES, Book
from dragoman.store.compression import Packer, bytes_to_frames, frames_to_bytes, unpack
from dragoman.store.statements import (
    INSERT_NODE,
    INSERT_PACK,
    INSERT_REPLY,
    INSERT_REQUEST,
    INSERT_SEGMENT,
    many,
    select_in,
)

INLINE_BYTES = 16
"""A stretch or mark up to this long lies in the plan itself."""
PACK_BYTES = 64 * 1024
"""New segments are packed together up to this size; what is longer has a pack of its own."""
ROOT = 0
_TAIL = 8
"""How many of a chain's last places are looked up at once: a turn adds two or three."""


class Plan(msgspec.Struct, frozen=True, array_like=True):
    parts: list[bytes | int]
    marks: list[tuple[int, int, int, bytes | int]] = []


_plan_encoder = msgspec.msgpack.Encoder()
_plan_decoder = msgspec.msgpack.Decoder(Plan)


class Placed(msgspec.Struct, frozen=True):
    """Where a request's body went: the end of its chain of messages, the place in it known before, what is new."""

    node: int | None = None
    known_node: int = ROOT
    new_segments: list[int] = []
    new_texts: list[str] = []


def cut_request(recording: Recording) -> Cut | None:
    """Cut a request's body by its dialect; None when it must stay whole."""
    detail = recording.detail
    dialect = ALL.get(detail.row.dialect or "")
    if dialect is None or detail.request_body.encoding not in (None, "", "identity"):
        return None
    try:
        slices = dialect.slices(recording.request_body)
    except (ValueError, RecursionError):
        return None
    return cut(recording.request_body, slices)


class BodyWriter:
    """Takes the bodies of one transaction; `flush` writes what is new of all of them."""

    def __init__(self, connection: sa.Connection, book: Book, packer: Packer) -> None:
        self._connection = connection
        self._book = book
        self._packer = packer
        self._segments: dict[bytes, int] = {}
        self._nodes: dict[bytes, int] = {}
        self._rows: dict[str, list[tuple[Any, ...]]] = {
            statement: [] for statement in (INSERT_PACK, INSERT_SEGMENT, INSERT_NODE, INSERT_REQUEST, INSERT_REPLY)
        }
        self._waiting: list[tuple[int, bytes, bytes, int | None]] = []
        self.new_parents: dict[int, int] = {}
        """Nodes of this transaction, which the tables do not have yet, and what each follows."""
        self.reused: dict[int, tuple[set[int], set[int]]] = {}
        """Nodes and segments by exchange that were there before."""

    def put_request(self, key: int, recording: Recording) -> Placed:
        body = recording.request_body
        old_nodes, old_segments = self.reused.setdefault(key, (set(), set()))
        made = cut_request(recording) or Cut([Stretch(body)], [])
        is_whole = len(made.parts) == 1 and isinstance(made.parts[0], Stretch)
        new: list[tuple[int, str]] = []
        hashes = [[segment_hash(one) for one in part.items] if isinstance(part, Links) else [] for part in made.parts]
        links = [
            link_hashes(part.kind, hashes[at]) if isinstance(part, Links) else [] for at, part in enumerate(made.parts)
        ]
        depths = self._known_depths(links)
        stretches = [part.data for part in made.parts if isinstance(part, Stretch)] + [one.data for one in made.marks]
        self._look_up(
            [one for at, chain in enumerate(hashes) for one in chain[depths[at] :]]
            + [segment_hash(data) for data in stretches if len(data) > INLINE_BYTES]
        )

        def place(data: bytes, name: bytes, *, is_text: bool) -> int:
            known = self._segments.get(name)
            if known is not None:
                old_segments.add(known)
                return known
            text = search.text_of(data) if is_text else ""
            number = self._new_segment(data, name, key if text else None)
            if text:
                new.append((number, text))
            return number

        def stretch(data: bytes, *, is_text: bool) -> bytes | int:
            return data if len(data) <= INLINE_BYTES else place(data, segment_hash(data), is_text=is_text)

        parts: list[bytes | int] = []
        node: int | None = None
        known_node = ROOT
        for at, part in enumerate(made.parts):
            if isinstance(part, Stretch):
                parts.append(stretch(part.data, is_text=not is_whole))
                continue
            depth = depths[at]
            end = self._nodes[links[at][depth - 1]] if depth else ROOT
            if part.kind == "messages":
                known_node = end
            if depth:
                old_nodes.add(end)
            for item, name, link in zip(part.items[depth:], hashes[at][depth:], links[at][depth:], strict=True):
                end = self._new_node(link, end, place(item, name, is_text=True))
            if part.kind == "messages":
                node = end
            parts.append(-end)
        marks = [(one.part, one.item, one.offset, stretch(one.data, is_text=False)) for one in made.marks]
        self._rows[INSERT_REQUEST].append((key, node, len(body), _plan_encoder.encode(Plan(parts, marks))))
        self._pack()
        return Placed(node, known_node, [one for one, _ in new], [text for _, text in new])

    def put_reply(self, key: int, recording: Recording) -> None:
        sent = recording.tunnel_sent
        is_tunnel = bool(sent or recording.tunnel_frames)
        body = self._packer.pack(recording.response_body)
        frames = self._packer.pack(frames_to_bytes(recording.frames)) if recording.frames else None
        values = (
            key,
            len(recording.response_body),
            frames,
            body,
            len(sent) if is_tunnel else None,
            self._packer.pack(frames_to_bytes(recording.tunnel_frames)) if is_tunnel else None,
            self._packer.pack(sent) if is_tunnel else None,
        )
        self._book.add("reply_bytes", sum(len(one) for one in values if isinstance(one, bytes)))
        self._rows[INSERT_REPLY].append(values)

    def flush(self) -> None:
        for statement, rows in self._rows.items():
            many(self._connection, statement, rows)
            rows.clear()
        packs.gather(self._connection, self._book, self._packer)

    def _known_depths(self, links: list[list[bytes]]) -> list[int]:
        """Return for each chain how many of its places exist. If one does, all before it do."""
        tails = [link for chain in links for link in chain[-_TAIL:] if link not in self._nodes]
        self._find_nodes(tails)
        return [self._depth(chain) for chain in links]

    def _depth(self, chain: list[bytes]) -> int:
        for depth in range(len(chain), max(0, len(chain) - _TAIL), -1):
            if chain[depth - 1] in self._nodes:
                return depth
        low, high = 0, max(0, len(chain) - _TAIL)
        while low < high:
            middle = (low + high + 1) // 2
            if chain[middle - 1] not in self._nodes:
                self._find_nodes([chain[middle - 1]])
            if chain[middle - 1] in self._nodes:
                low = middle
            else:
                high = middle - 1
        return low

    def _find_nodes(self, names: list[bytes]) -> None:
        for number, name in select_in(self._connection, "SELECT id, hash FROM node WHERE hash IN", names):
            self._nodes[name] = number

    def _look_up(self, names: Iterable[bytes]) -> None:
        wanted = {name for name in names if name not in self._segments}
        for number, name in select_in(self._connection, "SELECT id, hash FROM segment WHERE hash IN", wanted):
            self._segments[name] = number

    def _new_node(self, name: bytes, parent: int, segment: int) -> int:
        number = self._book.add("node")
        self._book.add("node_bytes", NODE_ROW_BYTES)
        self._nodes[name] = number
        self.new_parents[number] = parent
        self._rows[INSERT_NODE].append((number, name, parent, segment, None, self._book["epoch"]))
        return number

    def _new_segment(self, data: bytes, name: bytes, owner: int | None) -> int:
        number = self._book.add("segment")
        self._segments[name] = number
        self._waiting.append((number, name, data, owner))
        return number

    def _pack(self) -> None:
        """Pack the segments that wait, in their order, into as few packs as `PACK_BYTES` allows."""
        group: list[tuple[int, bytes, bytes, int | None]] = []
        size = 0
        for one in self._waiting:
            if group and size + len(one[2]) > PACK_BYTES:
                self._write_pack(group)
                group, size = [], 0
            group.append(one)
            size += len(one[2])
        if group:
            self._write_pack(group)
        self._waiting.clear()

    def _write_pack(self, group: list[tuple[int, bytes, bytes, int | None]]) -> None:
        number = self._book.add("pack")
        whole = b"".join(data for _, _, data, _ in group)
        packed = self._packer.pack(whole)
        packs.note(self._book, len(whole))
        self._book.add("segment_bytes", len(packed) + SEGMENT_ROW_BYTES * len(group))
        self._rows[INSERT_PACK].append((number, packed))
        start = 0
        for segment, name, data, owner in group:
            self._rows[INSERT_SEGMENT].append((segment, name, number, start, len(data), owner, self._book["epoch"]))
            start += len(data)


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
        found = self._connection.exec_driver_sql("SELECT plan FROM request WHERE key = ?", (key,)).scalar()
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
        found = self._connection.exec_driver_sql("SELECT body, frames FROM reply WHERE key = ?", (key,)).first()
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
