"""What one target of a route is asked: where, in which dialect, with which head and body; or why it cannot be asked.

Promise: a head that many calls share is made once; one that is signed is signed anew each time. Knows nothing of how
the body came about (see `calling`) and how often the call is tried (see `tries`).
"""

from typing import TYPE_CHECKING

from dragoman.canonical import Loss, Prompt
from dragoman.gateway.heads import OutgoingRequest, signed
from dragoman.gateway.prepared import Prepared
from dragoman.gateway.upstream import Upstream
from dragoman.wire.headers import Fields

if TYPE_CHECKING:
    from dragoman.dialects.base import ReplyTarget


class CannotCall(Exception):
    """A target that this request cannot be sent to; `status` is what the client would be answered."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class Call:
    """A request as one target gets it."""

    __slots__ = (
        "_hash", "_outgoing", "_prepared", "alterations", "asked", "body", "dialect", "is_rewritten", "losses",
        "method", "model", "prompt", "retold", "target", "upstream",
    )  # fmt: skip

    def __init__(self, upstream: Upstream, target: bytes, body: bytes) -> None:
        self.upstream = upstream
        self.target = target
        """Path and query."""
        self.body = body
        self.is_rewritten = False
        """True when the body is not the client's."""
        self.method = "POST"
        self.dialect: str | None = None
        """What is spoken, when it is not the client's dialect: the call is translated."""
        self.model: str | None = None
        """What the target is asked for, when the route names it."""
        self.asked = ""
        """The name that the client asked for."""
        self.prompt: Prompt | None = None
        """What the client asked, without the conversation, where the call is translated."""
        self.losses: list[Loss] = []
        self.alterations: list[str] = []
        """What the route did, in words."""
        self.retold: list[str] = []
        """What the provider's entry did to the headers, in words."""
        self._outgoing: OutgoingRequest | None = None
        self._prepared: Prepared | None = None
        self._hash: str | None = None

    def use(self, prepared: Prepared) -> None:
        """Take a head that many calls share."""
        self._prepared = prepared
        self.retold = prepared.alterations

    def use_own(self, outgoing: OutgoingRequest) -> None:
        """Take a head made for this call."""
        self._outgoing = outgoing
        self.retold = outgoing.alterations

    def hash_body(self) -> None:
        """Do the long part of signing beforehand."""
        from dragoman.wire.sigv4 import payload_hash

        self._hash = payload_hash(self.body)

    def head(self) -> tuple[bytes, Fields]:
        """Make the head as bytes, and its headers as they may be written down; signed anew each time where that is
        wanted."""
        digits = b"%d" % len(self.body)
        if self._prepared is not None and self.upstream.sign is None:
            return self._prepared.head_with(digits), self._prepared.sent_with(digits)
        outgoing = self._outgoing if self._prepared is None else self._prepared.outgoing_with(digits)
        assert outgoing is not None
        outgoing = signed(outgoing, self.upstream, self.method, self.target, self._hash or self.body)
        return b"\r\n".join(outgoing.lines) + b"\r\n\r\n", outgoing.written

    def reply_target(self, seed: str, created: int) -> "ReplyTarget":
        """Say for whom the reply is written."""
        from dragoman.dialects.base import ReplyTarget

        return ReplyTarget(model=self.asked, seed=seed, created=created, prompt=self.prompt or Prompt())
