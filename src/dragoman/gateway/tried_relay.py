"""The way back of an attempt that may be followed by another: its reply is passed on, or dropped.

Promise: what is dropped never reaches the client; of its body the first 2 KB are kept for the record, and no more
than 64 KB or five seconds are spent on reading it to its end (so that the connection can be used again). What is
passed on passes as in `Relay`.
"""

from typing import TYPE_CHECKING

from dragoman.gateway.relay import Relay
from dragoman.gateway.retrying import Failed
from dragoman.gateway.upstream_side import UpstreamSide
from dragoman.records.redaction import BodyMasker
from dragoman.wire.headers import Fields
from dragoman.wire.http1 import BadMessage, Framing, ResponseHead

if TYPE_CHECKING:
    from dragoman.gateway.attempt import AttemptingExchange

KEPT_BYTES = 2048
MOST_READ_BYTES = 64 * 1024
LONGEST_READ_NS = 5 * 10**9


class TriedRelay(Relay):
    """Owner of an upstream connection for the time of one attempt of a route."""

    __slots__ = ("_coding", "_dropped", "_failed", "_failed_at", "_trying")

    def __init__(self, exchange: "AttemptingExchange", side: UpstreamSide, now_ns: int) -> None:
        super().__init__(exchange, side, now_ns)
        self._trying = exchange
        self._failed: Failed | None = None
        """Why the reply is dropped."""
        self._failed_at = 0
        self._dropped = bytearray()
        self._coding = ""

    def on_head(self, head: ResponseHead, framing: Framing) -> bool:
        failed = self._trying.judge(head)
        if failed is None:
            return self._pass_head(head, framing)
        self._failed = failed
        self._failed_at = self.last_ns = self._trying.gateway.clock.mono_ns()
        self._coding = content_coding(head)
        return framing == "chunked"

    def on_body(self, data: bytes, pieces: list[bytes] | None) -> None:
        if self._failed is None:
            self._pass_body(data, pieces)
            return
        self._dropped += data if pieces is None else b"".join(pieces)
        if len(self._dropped) > MOST_READ_BYTES:
            self._drop()

    def on_end(self, trailers: Fields) -> None:
        if self._failed is None:
            self._pass_end(trailers)
        else:
            self._drop()

    def on_lost(self, error: Exception | None, *, has_spoken: bool) -> None:
        if self._failed is None:
            self._pass_lost(error, has_spoken=has_spoken)
        else:
            self._drop()

    def on_broken(self, error: BadMessage) -> None:
        if self._failed is None:
            super().on_broken(error)
        else:
            self._drop()

    def tick(self, now_ns: int, *, is_request_whole: bool) -> None:
        if self._failed is None:
            self._pass_tick(now_ns, is_request_whole=is_request_whole)
        elif now_ns - self._failed_at > LONGEST_READ_NS:
            self._drop()

    def say_broken_off(self, code: str, message: str) -> bool:
        """Tell the client that the reply broke off, and end the message; False where it can only be cut."""
        return False

    # What becomes of a reply that is passed on

    def _pass_head(self, head: ResponseHead, framing: Framing) -> bool:
        return super().on_head(head, framing)

    def _pass_body(self, data: bytes, pieces: list[bytes] | None) -> None:
        super().on_body(data, pieces)

    def _pass_end(self, trailers: Fields) -> None:
        super().on_end(trailers)

    def _pass_lost(self, error: Exception | None, *, has_spoken: bool) -> None:
        super().on_lost(error, has_spoken=has_spoken)

    def _pass_tick(self, now_ns: int, *, is_request_whole: bool) -> None:
        super().tick(now_ns, is_request_whole=is_request_whole)

    def _drop(self) -> None:
        failed = self._failed
        assert failed is not None
        text = _shown(bytes(self._dropped), self._coding)
        self._trying.on_rejected(failed._replace(message=f"{failed.message}: {text}" if text else failed.message))


def content_coding(head: ResponseHead) -> str:
    return next((one.value.decode("latin-1") for one in head.fields if one.low == b"content-encoding"), "")


def _shown(body: bytes, coding: str) -> str:
    """Give the first of an error's body for the record."""
    if coding:
        from dragoman.wire.encodings import decode

        body = decode(body, coding, KEPT_BYTES).data
    return BodyMasker().feed(body)[:KEPT_BYTES].decode("utf-8", "replace").strip()
