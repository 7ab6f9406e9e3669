"""Bodies in the store: requests as plans over segments and chains, replies as one blob with a table of times.
What passed with a provider lies beside in the same way; `rebuild` puts all of it together again.

A plan lists a body's parts in byte order: bytes for a short stretch, a number above 0 for a segment, one below 0
for the end of a chain (the node's number, negated); and its cache marks by place. So a body of any length has a
plan of a few dozen bytes. What cannot be cut is one segment.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa

from dragoman.dialects import ALL
from dragoman.records.chain import Cut, Links, Stretch, cut, link_hashes, segment_hash
from dragoman.records.exchange import Frame, Recording
from dragoman.store import packs, search
from dragoman.store.book import NODE_ROW_BYTES, SEGMENT_ROW_BYTES, Book
from dragoman.store.compression import Packer, frames_to_bytes
from dragoman.store.indexing import SILENT
from dragoman.store.rebuild import ROOT, Plan
from dragoman.store.statements import (
    INSERT_NODE,
    INSERT_PACK,
    INSERT_REPLY,
    INSERT_REQUEST,
    INSERT_SEGMENT,
    INSERT_UPSTREAM_REPLY,
    INSERT_UPSTREAM_REQUEST,
    OWN_SEGMENT,
    many,
    select_in,
)

INLINE_BYTES = 16
"""A stretch or mark up to this long lies in the plan itself."""
PACK_BYTES = 64 * 1024
"""New segments are packed together up to this size; what is longer has a pack of its own."""
_TAIL = 8
"""How many of a chain's last places are looked up at once: a turn adds two or three."""
_IN_ORDER = (
    *(INSERT_PACK, INSERT_SEGMENT, OWN_SEGMENT, INSERT_NODE),
    *(INSERT_REQUEST, INSERT_REPLY, INSERT_UPSTREAM_REQUEST, INSERT_UPSTREAM_REPLY),
)

_plan_encoder = msgspec.msgpack.Encoder()


class Placed(msgspec.Struct, frozen=True):
    """Where a request's body went: the end of its chain of messages, the place in it known before, what is new."""

    node: int | None = None
    known_node: int = ROOT
    new_segments: list[int] = []
    new_texts: list[str] = []


class _Side(msgspec.Struct):
    """What one body brings, and what of it was there before."""

    key: int
    is_upstream: bool
    nodes: set[int]
    segments: set[int]
    new: list[tuple[int, str]] = []


def cut_body(body: bytes, dialect_name: str | None, encoding: str | None) -> Cut:
    """Cut a request's body by its dialect; what cannot be cut stays whole."""
    dialect = ALL.get(dialect_name or "")
    made: Cut | None = None
    if dialect is not None and encoding in (None, "", "identity"):
        try:
            made = cut(body, dialect.slices(body))
        except (ValueError, RecursionError):
            made = None
    return made or Cut([Stretch(body)], [])


class BodyWriter:
    """Takes the bodies of one transaction; `flush` writes what is new of all of them."""

    def __init__(self, connection: sa.Connection, book: Book, packer: Packer) -> None:
        self._connection = connection
        self._book = book
        self._packer = packer
        self._segments: dict[bytes, int] = {}
        self._silent: set[int] = set()
        self._nodes: dict[bytes, int] = {}
        self._rows: dict[str, list[tuple[Any, ...]]] = {statement: [] for statement in _IN_ORDER}
        self._waiting: list[tuple[int, bytes, bytes, int | None]] = []
        self.new_parents: dict[int, int] = {}
        """Nodes of this transaction, which the tables do not have yet, and what each follows."""
        self.reused: dict[int, tuple[set[int], set[int]]] = {}
        """Nodes and segments by exchange that were there before."""
        self.reused_upstream: tuple[set[int], set[int]] = (set(), set())
        """Those of bodies that providers were sent."""

    def put_request(self, key: int, recording: Recording) -> Placed:
        """Store what the client sent."""
        body, detail = recording.request_body, recording.detail
        side = _Side(key, False, *self.reused.setdefault(key, (set(), set())), new=[])
        made = cut_body(body, detail.row.dialect, detail.request_body.encoding)
        plan, ends = self._place(made, side)
        node, known_node = ends.get("messages", (None, ROOT))
        self._rows[INSERT_REQUEST].append((key, node, len(body), plan))
        return Placed(node, known_node, [one for one, _ in side.new], [text for _, text in side.new])

    def put_upstream(self, key: int, recording: Recording) -> None:
        """Store what passed with the provider, where it is not what passed with the client."""
        row, upstream = recording.detail.row, recording.detail.upstream
        if upstream is not None and upstream.request_body is not None:
            body = recording.upstream_request
            made = cut_body(body, row.upstream_dialect or row.dialect, upstream.request_body.encoding)
            plan, _ = self._place(made, _Side(key, True, *self.reused_upstream))
            self._rows[INSERT_UPSTREAM_REQUEST].append((key, len(body), plan))
        if upstream is not None and upstream.response_body is not None:
            body = recording.upstream_response
            values = (key, len(body), self._packed_frames(recording.upstream_frames), self._packer.pack(body))
            self._book.add("reply_bytes", sum(len(one) for one in values if isinstance(one, bytes)))
            self._rows[INSERT_UPSTREAM_REPLY].append(values)

    def _place(self, made: Cut, side: _Side) -> tuple[bytes, dict[str, tuple[int, int]]]:
        """Store the parts of a body; returns its plan, and of each chain its end and the place known before."""
        hashes = [[segment_hash(one) for one in part.items] if isinstance(part, Links) else [] for part in made.parts]
        links = [self._links(part.kind, hashes[at], side) if isinstance(part, Links) else []
                 for at, part in enumerate(made.parts)]  # fmt: skip
        depths = self._known_depths(links)
        stretches = [part.data for part in made.parts if isinstance(part, Stretch)] + [one.data for one in made.marks]
        self._look_up(
            [one for at, chain in enumerate(hashes) for one in chain[depths[at] :]]
            + [segment_hash(data) for data in stretches if len(data) > INLINE_BYTES]
        )
        is_whole = len(made.parts) == 1 and isinstance(made.parts[0], Stretch)
        parts: list[bytes | int] = []
        ends: dict[str, tuple[int, int]] = {}
        for at, part in enumerate(made.parts):
            if isinstance(part, Stretch):
                parts.append(self._stretch(part.data, side, is_text=not is_whole))
                continue
            depth = depths[at]
            known = end = self._nodes[links[at][depth - 1]] if depth else ROOT
            if depth:
                side.nodes.add(end)
            for item, name, link in zip(part.items[depth:], hashes[at][depth:], links[at][depth:], strict=True):
                end = self._new_node(link, end, self._segment(item, name, side, is_text=True))
            ends[part.kind] = (end, known)
            parts.append(-end)
        marks = [(one.part, one.item, one.offset, self._stretch(one.data, side, is_text=False)) for one in made.marks]
        self._pack()
        return _plan_encoder.encode(Plan(parts, marks)), ends

    def _links(self, kind: str, hashes: list[bytes], side: _Side) -> list[bytes]:
        """Name the places of a chain. What providers are sent has chains of its own, so that a client's request
        never finds a place whose text is not indexed; but it lies on the client's chain where that is the same."""
        links = link_hashes(kind, hashes)
        if not side.is_upstream or not links:
            return links
        self._find_nodes([one for one in links[-1:] if one not in self._nodes])
        return links if links[-1] in self._nodes else link_hashes(f"upstream:{kind}", hashes)

    def _stretch(self, data: bytes, side: _Side, *, is_text: bool) -> bytes | int:
        return data if len(data) <= INLINE_BYTES else self._segment(data, segment_hash(data), side, is_text=is_text)

    def _segment(self, data: bytes, name: bytes, side: _Side, *, is_text: bool) -> int:
        """Give the number of a segment, a new one when there is none, and note the text that a client is first with."""
        known = self._segments.get(name)
        if known is not None:
            side.segments.add(known)
            if side.is_upstream or not is_text or known not in self._silent:
                return known
        if side.is_upstream:
            number = self._new_segment(data, name, SILENT if is_text else None)
            if is_text:
                self._silent.add(number)
            return number
        text = search.text_of(data) if is_text else ""
        owner = side.key if text else None
        if known is None:
            known = self._new_segment(data, name, owner)
        else:
            self._silent.discard(known)
            self._rows[OWN_SEGMENT].append((owner, known))
        if text:
            side.new.append((known, text))
        return known

    def put_reply(self, key: int, recording: Recording) -> None:
        sent = recording.tunnel_sent
        is_tunnel = bool(sent or recording.tunnel_frames)
        body = self._packer.pack(recording.response_body)
        values = (
            key,
            len(recording.response_body),
            self._packed_frames(recording.frames),
            body,
            len(sent) if is_tunnel else None,
            self._packer.pack(frames_to_bytes(recording.tunnel_frames)) if is_tunnel else None,
            self._packer.pack(sent) if is_tunnel else None,
        )
        self._book.add("reply_bytes", sum(len(one) for one in values if isinstance(one, bytes)))
        self._rows[INSERT_REPLY].append(values)

    def _packed_frames(self, frames: list[Frame]) -> bytes | None:
        return self._packer.pack(frames_to_bytes(frames)) if frames else None

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
        statement = "SELECT id, hash, owner FROM segment WHERE hash IN"
        for number, name, owner in select_in(self._connection, statement, wanted):
            self._segments[name] = number
            if owner == SILENT:
                self._silent.add(number)

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
