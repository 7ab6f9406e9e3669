"""A head that is made once and sent many times: only the body's length differs.

Promise: whatever stands in the head stays as it was made, but for the digits of `content-length`; what was made is
never changed. Pure.
"""

import re

from dragoman.gateway.heads import OutgoingRequest
from dragoman.wire.headers import Fields

LENGTH = re.compile(rb"\r\n(?:Content-Length|content-length): ([0-9]{1,18})(?=\r\n)")


class Prepared:
    """A head for a provider, with a hole where the body's length stands."""

    __slots__ = ("_after", "_before", "_sent", "_sent_at", "alterations")

    def __init__(self, outgoing: OutgoingRequest) -> None:
        self._sent = outgoing.written
        self._sent_at = -1
        self.alterations = outgoing.alterations
        """What differs from what the client sent, in words."""
        whole = b"\r\n".join(outgoing.lines) + b"\r\n\r\n"
        match = LENGTH.search(whole)
        self._before, self._after = whole, b""
        if match is not None:
            self._before, self._after = whole[: match.start(1)], whole[match.end(1) :]
            self._sent_at = length_at(self._sent)

    def head_with(self, digits: bytes) -> bytes:
        """Make the head for a body of this length."""
        return self._before + digits + self._after if self._after else self._before

    def sent_with(self, digits: bytes) -> Fields:
        """Return its headers as they may be written down."""
        return patched(self._sent, self._sent_at, digits)

    def outgoing_with(self, digits: bytes) -> OutgoingRequest:
        """Make the head once more in parts, for who adds to it."""
        return OutgoingRequest(self.head_with(digits)[:-4].split(b"\r\n"), self.sent_with(digits), self.alterations)


def length_at(fields: Fields) -> int:
    """Find where `content-length` stands; -1 when it does not."""
    return next((at for at, (name, _) in enumerate(fields) if name.lower() == b"content-length"), -1)


def patched(fields: Fields, at: int, digits: bytes) -> Fields:
    """Put another length at that place; the same list where nothing changes."""
    if at < 0 or fields[at][1] == digits:
        return fields
    fields = fields.copy()
    fields[at] = (fields[at][0], digits)
    return fields
