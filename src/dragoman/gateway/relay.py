"""The way back of one attempt: what a provider sends goes into the journal and to the client, as it came.

Promise: each piece of a reply is journalled and handed on in the turn in which it came, with the framing it
came in (an HTTP/1.0 client gets the data without it). While the client takes no more, the provider's connection
is not read. A reply that breaks off breaks off for the client too: its end is never made up.
Decides nothing about retries, and does not close the record; the `Exchange` does.
"""

from typing import TYPE_CHECKING

from dragoman.gateway.heads import reply_head, upgrade_head
from dragoman.gateway.upstream_side import UpstreamSide
from dragoman.wire.headers import Fields
from dragoman.wire.http1 import BadMessage, Framing, ResponseHead

if TYPE_CHECKING:
    from dragoman.gateway.endpoint import Exchange

TUNNEL_IDLE_NS = 3600 * 10**9
"""A tunnel may be silent for an hour, or as long as the provider's `idle` says if that is longer."""


class Relay:
    """Owner of an upstream connection for the time of one attempt."""

    __slots__ = (
        "_exchange", "_pause_began_ns", "_side", "_unframes", "ends_by_close", "is_kept", "is_tunnel", "last_ns",
        "paused_ns", "sent_bytes", "status",
    )  # fmt: skip

    def __init__(self, exchange: "Exchange", side: UpstreamSide, now_ns: int) -> None:
        self.status = 0
        """What the client was answered; 0 while no head has come."""
        self.sent_bytes = 0
        self.paused_ns = 0
        self.last_ns = now_ns
        """When something last came, or went up."""
        self.is_tunnel = False
        self.ends_by_close = False
        """True when the client takes the connection's end for the reply's end."""
        self.is_kept = False
        """True when the client's connection serves further requests after the reply."""
        self._exchange = exchange
        self._side = side
        self._unframes = False
        self._pause_began_ns = 0

    @property
    def is_paused(self) -> bool:
        return self._pause_began_ns > 0

    def on_informational(self, head: ResponseHead) -> None:
        exchange = self._exchange
        self.last_ns = exchange.gateway.clock.mono_ns()
        exchange.recorder.response_head(head, "none")
        if exchange.head.minor == 1 and not (head.status == 100 and exchange.has_invited):
            exchange.client.write(reply_head(head, extra=b"", cors=b""))

    def on_head(self, head: ResponseHead, framing: Framing) -> bool:
        exchange = self._exchange
        self.last_ns = exchange.gateway.clock.mono_ns()
        self.status = head.status
        self._unframes = framing == "chunked" and exchange.head.minor == 0
        self.ends_by_close = framing == "close" or self._unframes
        self.is_kept = exchange.head.is_persistent and not self.ends_by_close and not exchange.gateway.is_draining
        exchange.recorder.response_head(head, framing)
        exchange.on_reply_begun()
        exchange.client.write(
            reply_head(
                head,
                extra=exchange.own_lines(is_kept=self.is_kept),
                cors=exchange.cors,
                is_http10=exchange.head.minor == 0,
            )
        )
        if exchange.client.full_since_ns:
            self.hold()
        return self._unframes

    def on_body(self, data: bytes, pieces: list[bytes] | None) -> None:
        exchange = self._exchange
        now = self.last_ns = exchange.gateway.clock.mono_ns()
        exchange.recorder.chunk(data, now, self._side)
        if pieces is not None:
            data = b"".join(pieces)
        if data and not exchange.client.has_left:
            self.sent_bytes += len(data)
            exchange.client.write(data)

    def on_end(self, trailers: Fields) -> None:
        self.release()
        self._exchange.on_reply_whole(trailers, is_kept=self.is_kept)

    def on_upgrade(self, head: ResponseHead, rest: bytes) -> None:
        exchange = self._exchange
        if not exchange.upgrades:
            raise BadMessage("the provider switched protocols without being asked to")
        self.last_ns = exchange.gateway.clock.mono_ns()
        self.status = head.status
        self.is_tunnel = True
        self.ends_by_close = True
        exchange.recorder.response_head(head, "close")
        exchange.on_reply_begun()
        exchange.client.write(upgrade_head(head, extra=exchange.own_lines(is_kept=True)))
        ahead = exchange.client.begin_tunnel()
        if rest:
            self.on_tunnel(rest)
        if ahead:
            self.on_tunnel_from_client(ahead)

    def on_tunnel(self, data: bytes) -> None:
        exchange = self._exchange
        self.last_ns = exchange.gateway.clock.mono_ns()
        exchange.recorder.tunnel_data(data, is_from_client=False)
        self.sent_bytes += len(data)
        exchange.client.write(data)

    def on_tunnel_from_client(self, data: bytes) -> None:
        exchange = self._exchange
        self.last_ns = exchange.gateway.clock.mono_ns()
        exchange.recorder.tunnel_data(data, is_from_client=True)
        self._side.write(data)

    def on_lost(self, error: Exception | None, *, has_spoken: bool) -> None:
        if not self.status:
            self._exchange.on_attempt_lost(error, has_spoken=has_spoken)
        elif self.is_tunnel and error is None:
            self._exchange.on_tunnel_closed()
        else:
            why = f": {error}" if error is not None else ""
            message = f"the provider closed the connection in the middle of its reply{why}"
            self._exchange.break_off("upstream_cut", "upstream_cut", message)

    def on_broken(self, error: BadMessage) -> None:
        message = f"the provider's reply is not HTTP: {error}"
        if self.status:
            self._exchange.break_off("upstream_cut", "upstream_protocol", message)
        else:
            self._exchange.on_no_reply(502, "upstream_protocol", message)

    def on_stumbled(self, error: Exception) -> None:
        self._exchange.stumbled(error)

    def on_upstream_full(self, *, is_full: bool) -> None:
        if is_full:
            self._exchange.client.hold_upload()
        else:
            self.last_ns = self._exchange.gateway.clock.mono_ns()
            self._exchange.client.release_upload()

    def hold(self) -> None:
        """The client takes no more: stop reading from the provider."""
        if not self._pause_began_ns and not self._side.is_closed and self._side.owner is self:
            self._pause_began_ns = self._exchange.gateway.clock.mono_ns()
            self._side.transport.pause_reading()

    def release(self) -> None:
        """Read on."""
        if self._pause_began_ns:
            now = self.last_ns = self._exchange.gateway.clock.mono_ns()
            self.paused_ns += now - self._pause_began_ns
            self._pause_began_ns = 0
            if not self._side.is_closed and not self._side.transport.is_closing():
                self._side.transport.resume_reading()

    def tick(self, now_ns: int, *, is_request_whole: bool) -> None:
        """Look at the limits for the first byte and for silence."""
        if self.is_paused:
            return
        upstream = self._exchange.upstream
        silent_ns = now_ns - self.last_ns
        if self.is_tunnel:
            if silent_ns > max(upstream.idle_ns, TUNNEL_IDLE_NS):
                self._exchange.break_off("timeout", "idle_timeout", "the tunnel was silent for too long")
        elif self.status:
            if silent_ns > upstream.idle_ns:
                message = f"the provider was silent for {upstream.idle_ns / 1e9:g} s (timeouts.idle)"
                self._exchange.break_off("timeout", "idle_timeout", message)
        elif is_request_whole and not self._side.is_full:
            if silent_ns > upstream.first_byte_ns:
                message = f"the provider sent nothing for {upstream.first_byte_ns / 1e9:g} s (timeouts.first_byte)"
                self._exchange.on_no_reply(504, "first_byte_timeout", message, ending="timeout")
        elif self._side.is_full and silent_ns > upstream.idle_ns:
            message = f"the provider took none of the request for {upstream.idle_ns / 1e9:g} s (timeouts.idle)"
            self._exchange.on_no_reply(504, "upload_timeout", message, ending="timeout")
