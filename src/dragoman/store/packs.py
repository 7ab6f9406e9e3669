"""Segments packed together: small packs are made when they come, and larger ones of them now and then.

A turn's few new segments compress poorly alone. When enough small packs have gathered they become one, which is
smaller by a quarter and wastes no space in the file; so the cost of it is spread evenly over the turns.
"""

import sqlalchemy as sa

from dragoman.store.book import Book
from dragoman.store.compression import Packer, unpack
from dragoman.store.statements import INSERT_PACK, delete_in, many, select_in

SMALL_BYTES = 16 * 1024
"""Packs of less than this are gathered."""
GATHER_BYTES = 64 * 1024
GATHER_PACKS = 128
"""How much lies in small packs when they are gathered."""
_MOVE = "UPDATE segment SET pack = ?, start = start + ? WHERE pack = ?"


def note(book: Book, length: int) -> None:
    """Count a pack of so many bytes that was written."""
    if length < SMALL_BYTES:
        book.add("loose_bytes", length)
        book.add("loose_packs")


def gather(connection: sa.Connection, book: Book, packer: Packer) -> None:
    """Make one pack of the small ones, when there are enough."""
    if book["loose_bytes"] < GATHER_BYTES and book["loose_packs"] < GATHER_PACKS:
        return
    statement = "SELECT id, data FROM pack WHERE id > ? AND length(data) < ? ORDER BY id"
    found = connection.exec_driver_sql(statement, (book["gathered_upto"], SMALL_BYTES)).fetchall()
    book["gathered_upto"], book["loose_bytes"], book["loose_packs"] = book["pack"], 0, 0
    pieces = [(number, unpack(data)) for number, data in found]
    if len(pieces) > 1:
        _join(connection, book, packer, pieces, sum(len(data) for _, data in found))


def _join(connection: sa.Connection, book: Book, packer: Packer, pieces: list[tuple[int, bytes]], size: int) -> None:
    whole = book.add("pack")
    book["gathered_upto"] = whole
    packed = packer.pack(b"".join(data for _, data in pieces))
    start = 0
    moves: list[tuple[int, int, int]] = []
    for number, data in pieces:
        moves.append((whole, start, number))
        start += len(data)
    many(connection, _MOVE, moves)
    many(connection, INSERT_PACK, [(whole, packed)])
    delete_in(connection, "pack", "id", [number for number, _ in pieces])
    book.add("segment_bytes", len(packed) - size)


def tighten(connection: sa.Connection, book: Book, packer: Packer, numbers: set[int]) -> None:
    """Remove packs that no segment lies in any more; pack anew those that are mostly empty."""
    statement = "SELECT pack, id, start, length FROM segment WHERE pack IN"
    kept: dict[int, list[tuple[int, int, int]]] = {number: [] for number in numbers}
    for pack, *segment in select_in(connection, statement, numbers):
        kept[pack].append((segment[0], segment[1], segment[2]))
    empty = [number for number, segments in kept.items() if not segments]
    sizes = select_in(connection, "SELECT length(data) FROM pack WHERE id IN", empty)
    book.add("segment_bytes", -sum(row[0] for row in sizes))
    delete_in(connection, "pack", "id", empty)
    for number, data in select_in(connection, "SELECT id, data FROM pack WHERE id IN", numbers - set(empty)):
        book.add("segment_bytes", -_repack(connection, packer, number, data, kept[number]))


def _repack(
    connection: sa.Connection, packer: Packer, number: int, stored: bytes, kept: list[tuple[int, int, int]]
) -> int:
    """Pack anew without what nobody needs, if that is more than half; returns the bytes saved."""
    data = unpack(stored)
    if 2 * sum(length for _, _, length in kept) > len(data):
        return 0
    packed = packer.pack(b"".join(data[start : start + length] for _, start, length in kept))
    connection.exec_driver_sql("UPDATE pack SET data = ? WHERE id = ?", (packed, number))
    at = 0
    starts: list[tuple[int, int]] = []
    for segment, _, length in kept:
        starts.append((at, segment))
        at += length
    many(connection, "UPDATE segment SET start = ? WHERE id = ?", starts)
    return len(stored) - len(packed)
