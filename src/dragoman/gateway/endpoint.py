"""One exchange: a request's way to its provider, and the life of both until the record is closed.

The steps: open (checks, route, `opened` on record), send (a kept connection or a new one), relay (see `relay`).
Promise: an exchange is closed on record exactly once, with the reason, whatever happens on either side; the
request's body streams through and only its first megabyte is kept, for the one retry that a kept connection
allows which the provider had already closed. Nothing here waits: it all happens in callbacks, and only a new
connection takes a task.
"""

import hmac
from typing import TYPE_CHECKING

from dragoman.gateway import answers
from dragoman.gateway.heads import OutgoingRequest, request_head
from dragoman.gateway.pool import ConnectFailed
from dragoman.gateway.recorder import UNRECORDED, WORKBENCH_HEADER, Recorder, Unrecorded
from dragoman.gateway.relay import Relay
from dragoman.gateway.routing import Way
from dragoman.gateway.upstream import Upstream
from dragoman.gateway.upstream_side import UpstreamSide
from dragoman.journal.format import Ending
from dragoman.tasks import spawn
from dragoman.wire.headers import Fields, list_items
from dragoman.wire.http1 import BadMessage, RequestHead

if TYPE_CHECKING:
    import asyncio

    from dragoman.gateway.client_side import ClientSide
    from dragoman.gateway.server import Gateway

HELD_BYTES = 1024 * 1024
"""How much of a body is kept for a retry."""
UNSENT_BYTES = 256 * 1024
"""How much of a body is read before there is a connection to send it on."""
_NOWHERE = Way("none", status=400)
_ORIGINS = frozenset({"client", "workbench", "replay", "connect"})


class Exchange:
    """One request and all that comes of it."""

    __slots__ = (
        "_connecting", "_has_ended_request", "_held", "_held_bytes", "_number", "_outgoing", "_plan", "_relay",
        "_request_bytes", "_side", "client", "cors", "gateway", "has_invited", "head", "id", "is_over",
        "is_request_whole", "recorder", "upgrades", "way",
    )  # fmt: skip

    def __init__(self, gateway: "Gateway", client: "ClientSide", head: RequestHead | None) -> None:
        self.gateway = gateway
        self.client = client
        self.head = head or _unreadable_head()
        self.id = gateway.make_id()
        self.way = _NOWHERE
        self.recorder: Recorder | Unrecorded = UNRECORDED
        self.is_request_whole = False
        """True when all of the request has come, also while it is still being sent on."""
        self.is_over = False
        self.has_invited = False
        """True once the client was told to send its body (`100 Continue`)."""
        self.upgrades = False
        self.cors = b""
        self._plan = gateway.plan
        self._outgoing: OutgoingRequest | None = None
        self._side: UpstreamSide | None = None
        self._relay: Relay | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._number = 0
        self._held: list[bytes] | None = []
        self._held_bytes = 0
        self._request_bytes = 0
        self._has_ended_request = False

    @property
    def upstream(self) -> Upstream:
        assert self.way.upstream is not None
        return self.way.upstream

    @property
    def client_write_ns(self) -> int:
        """How long the client may take no bytes."""
        return self.way.upstream.client_write_ns if self.way.upstream else 120 * 10**9

    # Open

    def begin(self) -> None:
        """The head is read: check it, find its way, send it. The body follows."""
        if self._is_let_in():
            self._send()

    def begin_whole(self, body: bytes) -> None:
        """The same for a request whose body is at hand."""
        self.is_request_whole = True
        if not self._is_let_in():
            return
        if body:
            self._request_bytes = len(body)
            self._held_bytes = len(body)
            self._held = [body]
            self.gateway.held_bytes += len(body)
            self.recorder.request_body(body)
        self.recorder.request_ended([])
        self._has_ended_request = True
        self._send()

    def _is_let_in(self) -> bool:
        """Open the exchange and check its head; what is not sent on is answered here."""
        head = self.head
        origins = self._plan.origins
        way = self.way = self._plan.route(head)
        refusal = origins.refusal(head.host, head.origin, head.fetch_site)
        if head.origin is not None and origins.allows_origin(head.origin):
            self.cors = answers.cors_lines(head.origin)
        self._open(way)
        if refusal is not None:
            self.refuse(403, "origin_refused", refusal)
        elif self.cors and answers.is_preflight(head):
            self._answer(204, answers.preflight(head), b"", "answered")
        elif way.kind == "hello":
            self._answer(200, *answers.hello(), "answered")
        elif (fault := self._fault(head, way)) is not None:
            self.refuse(*fault)
        else:
            return True
        return False

    def _open(self, way: Way) -> None:
        self.gateway.opened(self)
        if way.kind == "keeper":
            return
        origin = self._take_own_headers() if self.head.has_ours else "client"
        plan = self._plan
        recorder = Recorder(self.id, self.gateway.journal, self.gateway.clock, plan.limits.capture)
        self.recorder = recorder
        recorder.opened(self.head, self.way, self.client, plan.setup.version, origin)

    def _take_own_headers(self) -> str:
        """Read `x-dragoman-run`, and the origin when the workbench's secret stands beside it."""
        run = self.head.get(b"x-dragoman-run")
        if run and self.way.run is None:
            self.way = self.way._replace(run=run.decode("utf-8", "replace")[:128])
        origin = (self.head.get(b"x-dragoman-origin") or b"client").decode("latin-1")
        return origin if self._is_workbench() and origin in _ORIGINS else "client"

    def _is_workbench(self) -> bool:
        secret = self._plan.workbench_secret
        given = self.head.get(WORKBENCH_HEADER)
        return secret is not None and given is not None and hmac.compare_digest(given, secret)

    def _fault(self, head: RequestHead, way: Way) -> tuple[int, str, str] | None:
        """Say why this request is not sent: status, code and message; None when it is."""
        if way.kind == "none":
            return way.status, "not_found" if way.status == 404 else "bad_request", way.message
        limit = self._plan.limits.body
        if head.length > limit:
            return 413, "body_too_long", f"a body of {head.length} bytes is above limits.body ({limit} bytes)"
        if head.expect is not None and head.expect.lower() != b"100-continue":
            return 417, "expectation_failed", f"expectation {head.expect[:60]!r} is not known; expected 100-continue"
        if way.kind == "keeper":
            return None
        if self._plan.setup.is_panicking:
            return 503, "panic", "the panic switch is on: Dragoman passes nothing on until somebody turns it off"
        if self.gateway.journal.is_full and self._plan.setup.journal.when_full == "refuse":
            return 503, "journal_full", "the journal takes no more and journal.when_full is `refuse`"
        return self._fault_of_provider(head, self.upstream)

    def _fault_of_provider(self, head: RequestHead, upstream: Upstream) -> tuple[int, str, str] | None:
        if upstream.has_own_auth and self._plan.setup.password_required and not self._is_workbench():
            given = head.get(b"x-dragoman-key")
            if given is None or not self.gateway.password_matches(given):
                message = f"provider {upstream.slug} uses a key of this server: send its password as x-dragoman-key"
                return 401, "password_required", message
        if upstream.fault is not None:
            return 401, "no_credential", upstream.fault
        if head.upgrade is not None and head.upgrade.lower() == b"websocket" and head.method == "GET":
            if upstream.refuses_websocket:
                return 426, "no_websocket", f"provider {upstream.slug} is set not to speak WebSocket; use POST"
            self.upgrades = head.minor == 1 and any(b"upgrade" in list_items(value) for value in head.connection)
        return None

    # Send

    def _send(self) -> None:
        upstream = self.upstream
        extra: Fields = [(b"x-dragoman-peer", self.client.peer.encode())] if self.way.kind == "keeper" else []
        self._outgoing = request_head(self.head, self.way, upstream, upgrades=self.upgrades, extra=extra)
        for what in self._outgoing.alterations:
            self.recorder.altered(f"provider:{upstream.slug}", what)
        side = self.gateway.pool.take(upstream.address)
        if side is not None:
            self._attempt(side)
        else:
            self._connect()

    def _connect(self) -> None:
        self._connecting = spawn(self._connect_and_send(), name=f"connect for {self.id}", owner=self.gateway.pool.tasks)

    async def _connect_and_send(self) -> None:
        upstream = self.upstream
        try:
            side = await self.gateway.pool.connect(upstream.address, upstream.connect_s)
        except ConnectFailed as error:
            self._connecting = None
            self._number += 1
            self._note_attempt(0, (0, 0, 0))
            self.fail(error.status, error.code, error.message)
            return
        self._connecting = None
        if self.is_over:
            side.transport.close()
        else:
            self._attempt(side)

    def _note_attempt(self, use_count: int, times_ns: tuple[int, int, int]) -> None:
        assert self._outgoing is not None
        upstream = self.upstream
        url = upstream.url_start + self.way.target.decode("latin-1")
        self.recorder.attempt_opened(
            self._number,
            upstream.slug,
            url,
            self._outgoing.written,
            is_reused=use_count > 0,
            times_ns=times_ns if not use_count else (0, 0, 0),
        )

    def _attempt(self, side: UpstreamSide) -> None:
        """Send on a connection what has come up to now."""
        assert self._outgoing is not None
        self._number += 1
        self._side = side
        self._relay = Relay(self, side, self.gateway.clock.mono_ns())
        self._note_attempt(side.use_count, side.times_ns)
        side.start(self._relay, self.head.method, self._outgoing.head, self._held)
        self.client.release_upload()
        if side.use_count == 1 and self._held is not None:
            self._drop_held()  # a new connection is not tried again
        else:
            self._keep_within_bounds()
        side.is_request_whole = self._has_ended_request

    def invite_body(self) -> None:
        """The client waits with its body until it is told to send it."""
        self.has_invited = True
        self.client.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_request_body(self, data: bytes) -> None:
        """Take a piece of the body, transfer coding removed."""
        self._request_bytes += len(data)
        if self._request_bytes > self._plan.limits.body:
            self.refuse(413, "body_too_long", f"the body is above limits.body ({self._plan.limits.body} bytes)")
            return
        self.recorder.request_body(data)
        if self.head.framing == "chunked":
            self._forward(b"%x\r\n%b\r\n" % (len(data), data))
        else:
            self._forward(data)

    def on_request_end(self, trailers: Fields) -> None:
        """The body is whole."""
        self.recorder.request_ended(trailers)
        self._has_ended_request = True
        if self.head.framing == "chunked":
            lines = [name + b": " + value + b"\r\n" for name, value in trailers]
            self._forward(b"0\r\n" + b"".join(lines) + b"\r\n")
        if self._side is not None and self._relay is not None:
            self._side.is_request_whole = True

    def _forward(self, piece: bytes) -> None:
        if self._side is not None:
            self._side.write(piece)
            if self._relay is not None and not self._relay.status:
                self._relay.last_ns = self.gateway.clock.mono_ns()
        if self._held is not None:
            self._held.append(piece)
            self._held_bytes += len(piece)
            self.gateway.held_bytes += len(piece)
            self._keep_within_bounds()

    def _keep_within_bounds(self) -> None:
        if self._side is None:
            if self._held_bytes > UNSENT_BYTES:
                self.client.hold_upload()
        elif self._held_bytes > HELD_BYTES or self.gateway.is_holding_too_much:
            self._drop_held()

    def _drop_held(self) -> None:
        self.gateway.held_bytes -= self._held_bytes
        self._held_bytes = 0
        self._held = None

    # What the relay tells

    def own_lines(self, *, is_kept: bool) -> bytes:
        """Make the header lines of our own, and those of this connection."""
        lines = b"" if self.recorder is UNRECORDED else b"x-dragoman-exchange: " + self.id.encode() + b"\r\n"
        if self._number > 1:
            lines += b"x-dragoman-attempts: %d\r\n" % self._number
        if not is_kept:
            return lines + b"connection: close\r\n"
        return lines + b"connection: keep-alive\r\n" if self.head.minor == 0 else lines

    def on_reply_begun(self) -> None:
        """The head has come: from here on nothing is tried again."""
        if self._held is not None:
            self._drop_held()

    def on_reply_whole(self, trailers: Fields, *, is_kept: bool) -> None:
        has_left = self.client.has_left
        self._close("client_closed" if has_left else "complete", trailers=trailers)
        if not has_left:
            self.client.exchange_over(is_kept=is_kept)

    def on_tunnel_closed(self) -> None:
        self._close("complete")
        self.client.cut()

    def on_attempt_lost(self, error: Exception | None, *, has_spoken: bool) -> None:
        """The connection went before a reply: once, on a kept one that was silent, that is no failure yet."""
        side, self._side = self._side, None
        why = f": {error}" if error is not None else ""
        message = f"the provider closed the connection before replying{why}"
        is_stale = side is not None and side.use_count > 1 and not has_spoken and self._number == 1
        if is_stale and self._held is not None and not self.client.has_left:
            self.recorder.attempt_closed(self._number, "stale_connection", message)
            self._relay = None
            self._connect()
            return
        self.fail(502, "upstream_closed", message)

    # The end

    def refuse(self, status: int, code: str, message: str) -> None:
        """Say no by an answer of our own."""
        self.fail(status, code, message, ending="refused")

    def refuse_message(self, error: BadMessage) -> None:
        """The client's bytes are no clear HTTP."""
        if self.recorder is UNRECORDED and self.way is _NOWHERE:
            self._open(_NOWHERE)
        self.fail(error.status, "bad_request", str(error), ending="refused", is_kept=False)

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
        if self._held is not None:
            self._drop_held()
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
        relay, side = self._relay, self._side
        if side is not None and side.owner is relay and relay is not None:
            side.abandon()
        self._side = None
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
        )


def _unreadable_head() -> RequestHead:
    """Stand in for a head that could not be read."""
    head = RequestHead()
    head.method, head.target, head.minor = "", b"", 1
    head.fields, head.special, head.connection, head.has_ours = [], [], [], False
    head.framing, head.length, head.is_persistent = "none", 0, False
    head.host = head.expect = head.upgrade = head.origin = head.fetch_site = None
    return head
