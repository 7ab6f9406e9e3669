"""Rewrite a PNG of a screen with 256 colours: a third of the size, and no difference that one sees.

For 8-bit RGB without interlacing, as Chromium writes it. The commonest colours stay exact; of the rest,
those that are farthest from all others, so that a small bright dot keeps its hue.
"""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
EXACT, COLOURS = 150, 256


def shrink(png: bytes) -> bytes:
    chunks = list(_chunks(png))
    width, height, depth, kind = struct.unpack(">IIBB", chunks[0][1][:10])
    if (depth, kind) != (8, 2):
        raise ValueError(f"found a PNG of depth {depth} and colour type {kind}; expected 8 and 2 (RGB)")
    pixels = _pixels(zlib.decompress(b"".join(data for name, data in chunks if name == b"IDAT")), width, height)
    palette = _palette(Counter(pixels))
    nearest = {pixel: _nearest(palette, pixel) for pixel in set(pixels)}
    rows = b"".join(
        b"\0" + bytes(nearest[pixel] for pixel in pixels[at : at + width]) for at in range(0, len(pixels), width)
    )
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = [(b"IHDR", head), (b"PLTE", b"".join(palette)), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    return SIGNATURE + b"".join(_chunk(name, data) for name, data in parts)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(png):
        (size,) = struct.unpack_from(">I", png, at)
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        at += 12 + size


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _pixels(raw: bytes, width: int, height: int) -> list[bytes]:
    """Take the filters off (PNG specification, section 9) and cut into pixels."""
    stride = width * 3
    above = bytearray(stride)
    pixels: list[bytes] = []
    for row in range(height):
        start = row * (stride + 1)
        line = bytearray(raw[start + 1 : start + 1 + stride])
        _unfilter(raw[start], line, above)
        pixels += [bytes(line[at : at + 3]) for at in range(0, stride, 3)]
        above = line
    return pixels


def _unfilter(kind: int, line: bytearray, above: bytearray) -> None:
    for at in range(len(line)):
        left = line[at - 3] if at >= 3 else 0
        up, corner = above[at], above[at - 3] if at >= 3 else 0
        guess = (0, left, up, (left + up) >> 1, _paeth(left, up, corner) if kind == 4 else 0)[kind]
        line[at] = (line[at] + guess) & 255


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda one: abs(guess - one))


def _palette(counts: Counter[bytes]) -> list[bytes]:
    common = [colour for colour, _ in counts.most_common()]
    chosen = common[:EXACT]
    cells: dict[tuple[int, ...], bytes] = {}
    for colour in common[EXACT:]:
        cells.setdefault(tuple(part >> 4 for part in colour), colour)
    # Of the rest always the one that is farthest from all that were chosen.
    gaps = {colour: min(_distance(colour, one) for one in chosen) for colour in cells.values()}
    while gaps and len(chosen) < COLOURS:
        farthest = max(gaps, key=lambda colour: gaps[colour])
        chosen.append(farthest)
        del gaps[farthest]
        for colour, gap in gaps.items():
            gaps[colour] = min(gap, _distance(colour, farthest))
    return chosen


def _nearest(palette: list[bytes], colour: bytes) -> int:
    return min(range(len(palette)), key=lambda n: _distance(palette[n], colour))


def _distance(one: bytes, other: bytes) -> int:
    return (one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2 + (one[2] - other[2]) ** 2
