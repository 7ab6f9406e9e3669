"""Bytes that came one after the other, with the time of each piece."""

from dragoman.records.exchange import Frame


class Pieces:
    """One direction of an exchange, as far as it has come. `data` and `frames` run side by side."""

    __slots__ = ("data", "frames", "size")

    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.frames: list[Frame] = []
        self.size = 0

    def add(self, data: bytes, at_ns: int) -> None:
        if data:
            self.frames.append(Frame(self.size, at_ns))
            self.data.append(data)
            self.size += len(data)

    def join(self) -> bytes:
        """Give all of it as one; the pieces themselves stay as they are."""
        return self.data[0] if len(self.data) == 1 else b"".join(self.data)
