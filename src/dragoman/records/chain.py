"""Cut a request body into parts that repeat from turn to turn, and join them again.

A body becomes a few parts in byte order: stretches (head, between, tail) and chains (of system blocks, of
tools, of messages). A chain's items are told by their segment hash; each place in a chain by its link hash,
which covers all items up to it, so that two bodies that begin alike share their links. Cache marks are taken
out of the items and remembered by their place: a mark that moves renews nothing.
Promise: `join(cut(body, slices))` is the body byte for byte, or `cut` returns None. Pure.
"""

from collections.abc import Iterable, Sequence

import msgspec
from blake3 import blake3

from dragoman.wire.slices import Slice, SliceKind, Slices

HASH_BYTES = 16
MAX_MARKS = 64
"""A body with more marks than any dialect allows stays whole."""

_CHAIN_KINDS = frozenset({"system", "tools", "messages"})


class Stretch(msgspec.Struct, frozen=True):
    """Bytes that stand between chains."""

    data: bytes


class Links(msgspec.Struct, frozen=True):
    """A chain: its items in order, separators at the front of the later one, cache marks taken out."""

    kind: SliceKind
    items: list[bytes]


class CutMark(msgspec.Struct, frozen=True):
    """A cache mark: it stood `offset` bytes into item `item` of part `part` (counted without marks)."""

    part: int
    item: int
    offset: int
    data: bytes


class Cut(msgspec.Struct, frozen=True):
    parts: list[Stretch | Links]
    marks: list[CutMark]


def cut(body: bytes, slices: Slices) -> Cut | None:
    """Cut `body` along `slices`; None when nothing in it chains, or when the parts would not be the body again."""
    if not any(one.kind in _CHAIN_KINDS for one in slices):
        return None
    made = _cut(body, slices)
    return made if made is not None and join(made) == body else None


def _cut(body: bytes, slices: Slices) -> Cut | None:
    parts: list[Stretch | Links] = []
    marks: list[CutMark] = []
    item: list[bytes] = []
    current: Slice | None = None
    for one in slices:
        data = body[one.start : one.end]
        links = parts[-1] if parts and isinstance(parts[-1], Links) else None
        if one.kind == "mark":
            if links is None or current is None or len(marks) == MAX_MARKS:
                return None
            marks.append(CutMark(len(parts) - 1, len(links.items), sum(map(len, item)), data))
            continue
        if current is not None and (one.kind, one.item) == (current.kind, current.item):
            item.append(data)
            continue
        if links is not None and current is not None:
            links.items.append(b"".join(item))
        item, current = [], None
        if one.kind not in _CHAIN_KINDS:
            parts.append(Stretch(data))
            continue
        if links is None or links.kind != one.kind:
            parts.append(Links(one.kind, []))
        item, current = [data], one
    if current is not None and isinstance(parts[-1], Links):
        parts[-1].items.append(b"".join(item))
    return Cut(parts, marks)


def join(made: Cut) -> bytes:
    """Put the parts together again."""
    pieces: list[bytes] = []
    by_item: dict[tuple[int, int], list[CutMark]] = {}
    for mark in made.marks:
        by_item.setdefault((mark.part, mark.item), []).append(mark)
    for number, part in enumerate(made.parts):
        if isinstance(part, Stretch):
            pieces.append(part.data)
            continue
        for index, item in enumerate(part.items):
            marks = by_item.get((number, index)) if by_item else None
            pieces += [item] if marks is None else _with_marks(item, marks)
    return b"".join(pieces)


def _with_marks(item: bytes, marks: Iterable[CutMark]) -> list[bytes]:
    pieces: list[bytes] = []
    at = 0
    for mark in marks:
        pieces += (item[at : mark.offset], mark.data)
        at = mark.offset
    return [*pieces, item[at:]]


def segment_hash(data: bytes) -> bytes:
    """Name exact bytes."""
    return blake3(data).digest(HASH_BYTES)


def link_hashes(kind: str, segment_hashes: Sequence[bytes]) -> list[bytes]:
    """Name each place of a chain by all that lies up to it; chains of different kinds never meet."""
    link = kind.encode()
    links: list[bytes] = []
    for one in segment_hashes:
        link = blake3(link + one).digest(HASH_BYTES)
        links.append(link)
    return links


def body_hash(data: bytes) -> str:
    """Name a whole body, as `BodyFacts.hash` does."""
    return blake3(data).hexdigest()
