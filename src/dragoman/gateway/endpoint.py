"""One exchange: a request's way to its provider.

The steps: open (checks, route, `opened` on record), send (a kept connection or a new one), relay (see `relay`); how it
ends is told in `lifetime`.
Promise: the request's body streams through and only its first megabyte is kept, for the one retry that a kept
connection allows which the provider had already closed. Nothing here waits: it all happens in callbacks, and only a
new connection takes a task.
"""

from dragoman.gateway import answers
from dragoman.gateway.lifetime import Lifetime
from dragoman.gateway.pool import ConnectFailed
from dragoman.gateway.prepared import Prepared
from dragoman.gateway.recorder import UNRECORDED, Recorder
from dragoman.gateway.relay import Relay
from dragoman.gateway.request import NOWHERE, Refusal
from dragoman.gateway.upstream_side import UpstreamSide
from dragoman.journal.format import Ending
from dragoman.tasks import spawn
from dragoman.wire.headers import Fields
from dragoman.wire.http1 import BadMessage

HELD_BYTES = 1024 * 1024
"""How much of a body is kept for a retry."""
MAX_DEPTH = 4
"""How often a request may come back to this gateway through a provider that leads to itself."""
UNSENT_BYTES = 256 * 1024
"""How much of a body is read before there is a connection to send it on."""


class Exchange(Lifetime):
    """One request and all that comes of it."""

    __slots__ = ()

    @property
    def _prepared(self) -> Prepared:
        assert self._request.prepared is not None
        return self._request.prepared

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
        """Open the exchange; what is not sent on is answered here."""
        request = self._request
        self._open()
        refusal = request.refusal
        if request.wants_password:
            refusal = self._too_many_guesses(refusal)
        refusal = refusal or self._refusal_now()
        if refusal is not None:
            self.refuse(*refusal)
        elif request.is_preflight:
            self._answer(204, answers.preflight(self.head), b"", "answered")
        elif self.way.kind == "hello":
            self._answer(200, *answers.hello(), "answered")
        else:
            return True
        return False

    def _open(self) -> None:
        self.gateway.opened(self)
        if self.way.kind == "keeper":
            return
        recorder = Recorder(self.id, self.gateway.journal, self.gateway.clock, self._plan.limits.capture)
        self.recorder = recorder
        recorder.opened(self._request, self._length, self.client, self._plan.setup.version, self._first_provider())

    def _first_provider(self) -> str | None:
        """Name the provider that the request goes to, as far as it is known yet."""
        return self.way.upstream.slug if self.way.upstream is not None else None

    def _too_many_guesses(self, refusal: Refusal | None) -> Refusal | None:
        """Slow down a peer that guesses the password; a right one has to wait as well, so that guesses tell nothing."""
        attempts = self.gateway.attempts
        peer = self.client.peer.rpartition(":")[0]
        wait_ns = attempts.wait_ns(peer)
        if wait_ns:
            return 429, "too_many_attempts", f"too many wrong passwords; try again in {wait_ns / 1e9:.0f} s"
        if refusal is None:
            attempts.succeeded(peer)
        elif refusal[1] == "password_wrong":
            attempts.failed(peer)
        return refusal

    def _refusal_now(self) -> Refusal | None:
        """Say why this request may not pass at this moment, whatever its head says."""
        caller = self.gateway.pool.by_local.get(self.client.peer)
        if caller is not None:
            self._depth = caller.depth + 1
            if self._depth > MAX_DEPTH:
                return 508, "loop", f"the request came back {MAX_DEPTH} times: a provider's base_url leads to Dragoman"
        limit = self._plan.limits.body
        if int(self._length) > limit:
            return 413, "body_too_long", f"a body of {int(self._length)} bytes is above limits.body ({limit} bytes)"
        if self.gateway.journal.is_full and self._plan.setup.journal.when_full == "refuse":
            return 503, "journal_full", "the journal takes no more and journal.when_full is `refuse`"
        return None

    def refuse_message(self, error: BadMessage) -> None:
        """The client's bytes are no clear HTTP."""
        if self.recorder is UNRECORDED and self.way is NOWHERE:
            self._open()
        self.fail(error.status, "bad_request", str(error), ending="refused", is_kept=False)

    # Send

    def _send(self) -> None:
        upstream = self.upstream
        for what in self._prepared.alterations:
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
        except Exception as error:  # noqa: BLE001 the guard of one exchange
            self._connecting = None
            self.stumbled(error)
            return
        self._connecting = None
        if self.is_over:
            side.transport.close()
        else:
            self._attempt(side)

    def _note_attempt(self, use_count: int, times_ns: tuple[int, int, int]) -> None:
        upstream = self.upstream
        url = upstream.url_start + self.way.target.decode("latin-1")
        self.recorder.attempt_opened(
            self._number,
            upstream.slug,
            url,
            self._prepared.sent_with(self._length),
            is_reused=use_count > 0,
            times_ns=times_ns if not use_count else (0, 0, 0),
        )

    def _attempt(self, side: UpstreamSide) -> None:
        """Send on a connection what has come up to now."""
        self._number += 1
        self._side = side
        side.depth = self._depth
        self._relay = Relay(self, side, self.gateway.clock.mono_ns())
        self._note_attempt(side.use_count, side.times_ns)
        head = self._prepared.head_with(self._length)
        if self.way.kind == "keeper":
            head = head[:-2] + b"x-dragoman-peer: " + self.client.peer.encode() + b"\r\n\r\n"
        side.start(self._relay, self.head.method, head, self._held)
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

    # What the relay tells

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

    def on_no_reply(self, status: int, code: str, message: str, *, ending: Ending = "upstream_failed") -> None:
        """The attempt came to its end before a reply: what came is no HTTP, or too long nothing came."""
        self.fail(status, code, message, ending=ending)
