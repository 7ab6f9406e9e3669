"""A request whose body is gathered whole before anything is done with it.

Promise: the pieces go on record as they come, and count in `gateway.held_bytes` until somebody lets go of them. All
held bodies have one budget: past it the clients are not read any further, but for the oldest that gathers, so that
always one can go on. Past four times the budget no further body is held beside others: it is refused with 503 and the
word when to come back. What follows is up to who inherits.
"""

from dragoman.gateway.endpoint import Exchange
from dragoman.gateway.request import Refusal
from dragoman.wire.headers import Fields

_BUSY: Refusal = (503, "busy", "Dragoman holds as many requests as it may until they are answered; try again soon")


class GatheredExchange(Exchange):
    """One request, held back until it is whole; then `_gathered` is called."""

    __slots__ = ("_trailers",)

    _trailers: Fields

    def begin(self) -> None:
        self.gateway.gathering[self.id] = None
        self._is_let_in()

    def begin_whole(self, body: bytes) -> None:
        self.is_request_whole = True
        self._looked_at(body)
        if not self._is_let_in():
            return
        if body:
            self._request_bytes = len(body)
            self._hold(body)
            self.recorder.request_body(body)
        self.on_request_end([])

    def _refusal_now(self) -> Refusal | None:
        refusal = super()._refusal_now()
        if refusal is None and self.head.framing != "none" and not self.gateway.has_room_for(int(self._length)):
            return _BUSY
        return refusal

    def on_request_body(self, data: bytes) -> None:
        self._request_bytes += len(data)
        if self._request_bytes > self._plan.limits.body:
            self.refuse(413, "body_too_long", f"the body is above limits.body ({self._plan.limits.body} bytes)")
            return
        if not self.gateway.has_room_for(len(data), self._held_bytes):
            self.refuse(*_BUSY)
            return
        self.recorder.request_body(data)
        self._hold(data)
        if self._must_wait_with_body():
            self.client.hold_upload()

    def on_request_end(self, trailers: Fields) -> None:
        self.recorder.request_ended(trailers)
        self._trailers = trailers
        self._has_ended_request = True
        self.gateway.gathering.pop(self.id, None)
        self.client.release_upload()
        self._gathered()

    def _looked_at(self, body: bytes) -> None:
        """Look at a body that came with its head, before anything is on record."""

    def _gathered(self) -> None:
        """The request is whole."""
        raise NotImplementedError

    def _hold(self, data: bytes) -> None:
        assert self._held is not None
        self._held.append(data)
        self._held_bytes += len(data)
        self.gateway.held_bytes += len(data)

    def _hold_beside(self, more_bytes: int) -> None:
        """Count what is held of the body in another form."""
        if self._held is not None:
            self._held_bytes += more_bytes
            self.gateway.held_bytes += more_bytes

    def _must_wait_with_body(self) -> bool:
        return self.gateway.is_holding_too_much and next(iter(self.gateway.gathering), None) != self.id

    def tick(self, now_ns: int) -> None:
        if not self._has_ended_request and not self._must_wait_with_body():
            self.client.release_upload()
        super().tick(now_ns)

    def _let_go_of_more(self) -> None:
        self.gateway.gathering.pop(self.id, None)
