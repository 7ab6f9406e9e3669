"""Bytes made small: zstd with a dictionary of what model traffic is full of.

The first byte of what is stored tells how: 0 as it is, 1 zstd with dictionary 1. A dictionary never changes
once released, since what was packed with it needs it; a better one gets the next number.
"""

from importlib.resources import files

from backports import zstd

from dragoman.records.exchange import Frame

_AS_IT_IS = b"\x00"
_ZSTD_1 = b"\x01"
_LEVEL = 3

_dictionary_1 = zstd.ZstdDict(files("dragoman.store").joinpath("dictionary_1.txt").read_bytes(), is_raw=True)


class Packer:
    """Compresses; holds working memory, so it belongs to one thread."""

    def __init__(self) -> None:
        self._zstd = zstd.ZstdCompressor(level=_LEVEL, zstd_dict=_dictionary_1.as_digested_dict)

    def pack(self, data: bytes) -> bytes:
        packed = self._zstd.compress(data, self._zstd.FLUSH_FRAME)
        return _ZSTD_1 + packed if len(packed) < len(data) else _AS_IT_IS + data


def unpack(stored: bytes) -> bytes:
    """Return what `Packer.pack` was given. Raises ValueError when it cannot be."""
    how, rest = stored[:1], stored[1:]
    if how == _AS_IT_IS:
        return rest
    if how != _ZSTD_1:
        raise ValueError(f"packed in an unknown way: {how!r}")
    try:
        return zstd.decompress(rest, zstd_dict=_dictionary_1)
    except zstd.ZstdError as error:
        raise ValueError(f"broken: {error}") from error


def frames_to_bytes(frames: list[Frame]) -> bytes:
    """Write offsets and times (to the microsecond), each as steps from the one before, in two columns."""
    offsets, times = bytearray(), bytearray()
    offset = time = 0
    for frame in frames:
        micros = frame.at_ns // 1000
        _write_step(offsets, frame.offset - offset)
        _write_step(times, micros - time)
        offset, time = frame.offset, micros
    return bytes(offsets + times)


def bytes_to_frames(data: bytes) -> list[Frame]:
    steps = list(_read_steps(data))
    half = len(steps) // 2
    frames: list[Frame] = []
    offset = time = 0
    for by, after in zip(steps[:half], steps[half:], strict=True):
        offset += by
        time += after
        frames.append(Frame(offset, time * 1000))
    return frames


def _write_step(into: bytearray, step: int) -> None:
    """Seven bits a byte, low ones first; the lowest bit is the sign."""
    value = step << 1 if step >= 0 else (-step << 1) | 1
    while value > 127:
        into.append(value & 127 | 128)
        value >>= 7
    into.append(value)


def _read_steps(data: bytes) -> list[int]:
    steps: list[int] = []
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            steps.append(-(value >> 1) if value & 1 else value >> 1)
            value = shift = 0
    return steps
