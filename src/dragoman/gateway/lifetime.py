"""What an exchange is while it runs, and how it ends: answered here, broken off, left by its client, stopped.

Promise: an exchange is closed on record exactly once, with the reason, whatever happens on either side; what it held
is let go then. An error before the reply's head is an answer in the client's dialect, one after it a cut. Sends
nothing to a provider; the `Exchange` does.
"""

import logging
from typing import TYPE_CHECKING

from dragoman.gateway import answers
from dragoman.gateway.recorder import UNRECORDED, Recorder, Unrecorded
from dragoman.gateway.request import Request
from dragoman.gateway.upstream import Upstream
from dragoman.journal.format import Ending
from dragoman.wire.headers import Fields

if TYPE_CHECKING:
    import asyncio

    from dragoman.gateway.client_side import ClientSide
    from dragoman.gateway.relay import Relay
    from dragoman.gateway.server import Gateway
    from dragoman.gateway.upstream_side import UpstreamSide

_log = logging.getLogger("dragoman.gateway")


class Lifetime:
    """The state of one exchange, and its end."""

    __slots__ = (
        "_connecting", "_depth", "_has_ended_request", "_held", "_held_bytes", "_length", "_number", "_plan", "_relay",
        "_request", "_request_bytes", "_side", "client", "cors", "gateway", "has_invited", "head", "id", "is_over",
        "is_request_whole", "recorder", "upgrades", "way",
    )  # fmt: skip

    def __init__(self, gateway: "Gateway", client: "ClientSide", request: Request, length: bytes) -> None:
        self.gateway = gateway
        self.client = client
        self.head = request.head
        self.way = request.way
        self.cors = request.cors
        self.upgrades = request.upgrades
        self.id = gateway.make_id()
        self.recorder: Recorder | Unrecorded = UNRECORDED
        self.is_request_whole = False
        """True when all of the request has come, also while it is still being sent on."""
        self.is_over = False
        self.has_invited = False
        """True once the client was told to send its body (`100 Continue`)."""
        self._plan = gateway.requests.plan
        self._request = request
        self._depth = 0
        self._length = length
        """Digits of `content-length`."""
        self._side: UpstreamSide | None = None
        self._relay: Relay | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._number = 0
        self._held: list[bytes] | None = []
        self._held_bytes = 0
        self._request_bytes = 0
        self._has_ended_request = False

    _stumbling = "Dragoman could not cope with this call"

    @property
    def upstream(self) -> Upstream:
        assert self.way.upstream is not None
        return self.way.upstream

    @property
    def client_write_ns(self) -> int:
        """How long the client may take no bytes."""
        return self.way.upstream.client_write_ns if self.way.upstream else 120 * 10**9

    def _route_without_attempt(self) -> str | None:
        """Name the route that took the request, where no attempt does."""
        return None

    def own_lines(self, *, is_kept: bool) -> bytes:
        """Make the header lines of our own, and those of this connection."""
        lines = b"" if self.recorder is UNRECORDED else b"x-dragoman-exchange: " + self.id.encode() + b"\r\n"
        if self._number > 1:
            lines += b"x-dragoman-attempts: %d\r\n" % self._number
        if not is_kept:
            return lines + b"connection: close\r\n"
        return lines + b"connection: keep-alive\r\n" if self.head.minor == 0 else lines

    def _drop_held(self) -> None:
        self.gateway.held_bytes -= self._held_bytes
        self._held_bytes = 0
        self._held = None

    # The end

    def refuse(self, status: int, code: str, message: str) -> None:
        """Say no by an answer of our own."""
        self.fail(status, code, message, ending="refused")

    def stumbled(self, error: Exception) -> None:
        """Something here could not cope with what came: that ends this exchange alone, whatever state it was in."""
        _log.error("exchange %s: %s", self.id, self._stumbling, exc_info=error)
        try:
            self.fail(500, "internal", f"{self._stumbling}: {type(error).__name__} (see the log)")
        except Exception:  # noqa: BLE001 there is nobody left to tell
            _log.exception("exchange %s: it could not be ended properly", self.id)
            if not self.is_over:
                self._close("upstream_failed", status=500, code="internal", message=self._stumbling)
        self.client.let_go(self)

    def fail(
        self, status: int, code: str, message: str, *, ending: Ending = "upstream_failed", is_kept: bool = True
    ) -> None:
        """Answer an error in the client's dialect; when the reply has already begun, break it off."""
        if self.is_over:
            return
        if self._relay is not None and self._relay.status:
            self.break_off(ending, code, message)
        elif self.way.kind == "keeper":
            self._answer_for_keeper(status, code, message, ending)
        else:
            headers, body = answers.error_of(self.way.dialect, status, code, message)
            self._answer(status, headers, body, ending, code=code, message=message, is_kept=is_kept)

    def _answer_for_keeper(self, status: int, code: str, message: str, ending: Ending) -> None:
        if code == "keeper_down" and self.way.target.partition(b"?")[0] == b"/healthz":
            self._answer(200, *answers.health_without_keeper(), ending)
            return
        self._answer(status, *answers.management_error(code, message), ending)

    def _answer(
        self,
        status: int,
        headers: Fields,
        body: bytes,
        ending: Ending,
        *,
        code: str | None = None,
        message: str | None = None,
        is_kept: bool = True,
    ) -> None:
        is_kept = is_kept and self.is_request_whole and self.head.is_persistent and not self.gateway.is_draining
        self._close(ending, status=status, code=code, message=message, body=body)
        extra = self.cors + self.own_lines(is_kept=is_kept)
        reply = answers.own_reply(status, headers, body, to_head=self.head.method == "HEAD", extra=extra)
        if not self.client.has_left:
            self.client.write(reply)
            self.client.exchange_over(is_kept=is_kept)

    def break_off(self, ending: Ending, code: str, message: str) -> None:
        """End in the middle: the client sees the cut."""
        if self.is_over:
            return
        ends_by_close = self._relay is not None and self._relay.ends_by_close
        self._close(ending, code=code, message=message)
        if self.client.has_left:
            return
        if ends_by_close:
            self.client.cut_hard()
        else:
            self.client.cut()

    def cancel(self, code: str = "cancelled", message: str = "somebody stopped this exchange") -> None:
        self.break_off("cancelled", code, message)

    def on_client_gone(self) -> None:
        """The client left: so does the request, unless replies are to be read to their end."""
        if self.is_over:
            return
        relay = self._relay
        if self._plan.setup.reads_to_end and self._has_ended_request and not (relay and relay.is_tunnel):
            if relay is not None:
                relay.release()
            return
        self._close("client_closed")

    def on_client_stuck(self) -> None:
        """The client took no bytes for longer than `timeouts.client_write`."""
        limit_s = self.client_write_ns / 1e9
        if not self.is_over:
            message = f"the client took no bytes for {limit_s:g} s (timeouts.client_write)"
            self._close("timeout", code="client_write_timeout", message=message)

    def on_client_full(self, *, is_full: bool) -> None:
        if self._relay is None:
            return
        if is_full:
            self._relay.hold()
        else:
            self._relay.release()

    def on_tunnel_from_client(self, data: bytes) -> None:
        if self._relay is not None:
            self._relay.on_tunnel_from_client(data)

    def tick(self, now_ns: int) -> None:
        if self._relay is not None:
            self._relay.tick(now_ns, is_request_whole=self._has_ended_request)

    def _close(
        self,
        ending: Ending,
        *,
        status: int = 0,
        code: str | None = None,
        message: str | None = None,
        trailers: Fields | None = None,
        body: bytes = b"",
    ) -> None:
        """Let go of everything and close the record."""
        self.is_over = True
        self._let_go_of_more()
        if self._held is not None:
            self._drop_held()
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
        relay, side = self._relay, self._side
        if side is not None and side.owner is relay and relay is not None:
            side.abandon()
        self._side = self._relay = None  # the relay points here: without a circle all of it is freed at once
        self.gateway.closed(self)
        self.recorder.closed(
            ending,
            status=status or (relay.status if relay is not None else 0),
            sent_bytes=relay.sent_bytes if relay is not None else len(body),
            code=code,
            message=message,
            trailers=trailers,
            body=body,
            paused_ns=relay.paused_ns if relay is not None else 0,
            route=self._route_without_attempt(),
        )

    def _let_go_of_more(self) -> None:
        """Let go of what a kind of exchange holds beside; it is over."""
