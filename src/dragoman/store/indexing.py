"""What the text index holds for an exchange: put in, taken out, put in anew.

The index forgets a text only when it is given the very same again; `search_source` says what it was made of.
"""

import msgspec

from dragoman.store import search
from dragoman.store.compression import Packer, unpack
from dragoman.store.rebuild import BodyReader
from dragoman.store.statements import OWN_SEGMENT, UPSERT_SOURCE, delete_in, many, select_in
from dragoman.store.writer import Hand

ORPHAN = 0
"""`owner` of a segment whose text is indexed nowhere, though it should be."""
SILENT = -1
"""`owner` of a segment that only providers were sent: its text is indexed once a client's request brings it."""

_SOURCES = "SELECT key, segments, extra FROM search_source WHERE key IN"
_numbers = msgspec.msgpack.Decoder(list[int])


def source_values(key: int, segments: list[int], extra: str, packer: Packer) -> tuple[int, bytes, bytes | None]:
    """Write down what is indexed under a key, in the order of `UPSERT_SOURCE`."""
    return key, msgspec.msgpack.encode(segments), packer.pack(extra.encode()) if extra else None


def unindex(hand: Hand, keys: list[int]) -> None:
    """Take what is indexed under these keys out of the index; its segments become orphans."""
    reader = BodyReader(hand.connection)
    orphans: list[tuple[int]] = []
    texts: list[tuple[int, str]] = []
    for key, stored, extra in select_in(hand.connection, _SOURCES, keys):
        segments = _numbers.decode(stored)
        texts.append((key, _indexed_text(reader, segments, extra)))
        orphans += [(one,) for one in segments]
    many(hand.connection, search.DELETE, texts)
    many(hand.connection, f"UPDATE segment SET owner = {ORPHAN} WHERE id = ?", orphans)
    delete_in(hand.connection, "search_source", "key", keys)


def reindex(hand: Hand, key: int, *, extra: str | None = None, more: list[int] | None = None) -> None:
    """Index an exchange anew: with another text of its reply, or with segments that lost their owner."""
    reader = BodyReader(hand.connection)
    segments: list[int] = []
    packed = None
    for _, stored, old_extra in select_in(hand.connection, _SOURCES, [key]):
        segments, packed = _numbers.decode(stored), old_extra
        many(hand.connection, search.DELETE, [(key, _indexed_text(reader, segments, packed))])
    segments = [*segments, *(more or [])]
    if extra is not None:
        packed = hand.packer.pack(extra.encode()) if extra else None
    many(hand.connection, UPSERT_SOURCE, [(key, msgspec.msgpack.encode(segments), packed)])
    many(hand.connection, search.INSERT, [(key, _indexed_text(reader, segments, packed))])
    many(hand.connection, OWN_SEGMENT, [(key, one) for one in more or []])


def _indexed_text(reader: BodyReader, segments: list[int], extra: bytes | None) -> str:
    data = reader.segments(segments)
    texts = [search.text_of(data[one]) for one in segments]
    return search.document([*texts, unpack(extra).decode() if extra else ""])
