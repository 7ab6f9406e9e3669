"""The way back of a Messages call whose model a route renamed: the client reads the name that it asked for.

Claude Code leaves out of its next request all thinking of a model that is not the one it asks, which Anthropic then
refuses after a call of tools: "must start with a thinking block" (Claude Code 2.1.197, seen 2026-11-21).
Promise: only the model's name changes, in the first event of a stream or at the top of a whole reply, and every byte
after it passes as it comes; errors pass untouched. A compressed reply is sent on unfolded. Other dialects need none of
this: their clients do not look, and their replies pass as they are.
"""

import json
import re
from typing import TYPE_CHECKING

from dragoman.canonical import Loss, ReplyError
from dragoman.gateway.call import Call
from dragoman.gateway.translated import TranslatedRelay
from dragoman.gateway.translated_answer import Answer, unusable
from dragoman.gateway.tried_relay import TriedRelay
from dragoman.wire.headers import Fields
from dragoman.wire.http1 import Framing, ResponseHead
from dragoman.wire.splice import rename

if TYPE_CHECKING:
    from dragoman.gateway.attempt import AttemptingExchange
    from dragoman.gateway.upstream_side import UpstreamSide

_MODEL = re.compile(rb'"message_start".*?"model"\s*:\s*("(?:[^"\\]|\\.)*")', re.DOTALL)
_MOST_HELD_BYTES = 64 * 1024
"""A stream that has not named its model by then passes as it is."""


class RenamedStream:
    """Puts a name into the first event of a stream. Looks to a relay as a translator does."""

    __slots__ = ("_held", "_is_named", "_name", "error", "has_begun", "has_failed", "losses")

    def __init__(self, model: str) -> None:
        self._name = json.dumps(model).encode()
        self._held = b""
        self._is_named = False
        self.has_begun = False
        self.has_failed = False
        self.losses: list[Loss] = []
        self.error: ReplyError | None = None

    def feed(self, data: bytes) -> bytes:
        if self._is_named:
            return data
        held = self._held = self._held + data
        found = _MODEL.search(held)
        if found is not None:
            held = held[: found.start(1)] + self._name + held[found.end(1) :]
        elif len(held) < _MOST_HELD_BYTES:
            return b""
        self._is_named = self.has_begun = True
        self._held = b""
        return held

    def end(self) -> bytes:
        held, self._held = self._held, b""
        self.has_begun = self.has_begun or bool(held)
        return held

    def ping(self) -> bytes:
        """The provider's own pings pass."""
        return b""

    def fail(self, error: ReplyError, status: int) -> bytes:
        """A reply that breaks off breaks off for the client too."""
        return b""


class RenamedRelay(TranslatedRelay):
    """Owner of an upstream connection for the time of one attempt under another model's name."""

    __slots__ = ("_is_plain",)

    def __init__(self, exchange: "AttemptingExchange", side: "UpstreamSide", now_ns: int, call: Call) -> None:
        super().__init__(exchange, side, now_ns, call)
        self._is_plain = False
        """The reply names no model, and passes as it comes."""

    def _pass_head(self, head: ResponseHead, framing: Framing) -> bool:
        self._is_plain = head.status >= 300
        if self._is_plain:
            return TriedRelay._pass_head(self, head, framing)
        return super()._pass_head(head, framing)

    def _translator(self) -> RenamedStream | None:
        return RenamedStream(self._target.model) if self._is_stream else None

    def _whole(self) -> Answer:
        assert self._head is not None
        if problem := self._folding_problem():
            message = f"the provider's reply cannot be unfolded{problem}"
            return unusable(self._client_dialect, "unreadable_reply", message)
        body = bytes(self._gathered)
        try:
            body = rename(body, "model", self._target.model)
        except ValueError:
            pass  # no JSON object, so no name in it
        return Answer(self._head.status, body, [])

    # A reply that passes as it comes

    def _pass_body(self, data: bytes, pieces: list[bytes] | None) -> None:
        if self._is_plain:
            TriedRelay._pass_body(self, data, pieces)
        else:
            super()._pass_body(data, pieces)

    def _pass_end(self, trailers: Fields) -> None:
        if self._is_plain:
            TriedRelay._pass_end(self, trailers)
        else:
            super()._pass_end(trailers)

    def _pass_lost(self, error: Exception | None, *, has_spoken: bool) -> None:
        if self._is_plain:
            TriedRelay._pass_lost(self, error, has_spoken=has_spoken)
        else:
            super()._pass_lost(error, has_spoken=has_spoken)

    def _pass_tick(self, now_ns: int, *, is_request_whole: bool) -> None:
        if self._is_plain:
            TriedRelay._pass_tick(self, now_ns, is_request_whole=is_request_whole)
        else:
            super()._pass_tick(now_ns, is_request_whole=is_request_whole)
