"""One attempt of a request that was gathered whole: a connection, the call sent on it, and how it ended.

Promise: each attempt stands on record with its own end; a kept connection that was closed already is no failure, a new
one is made. An attempt ends once: its reply is passed on, or it is a `Failed` for whoever decides what follows (see
`tries`). What is sent was made elsewhere (see `calling`).
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from dragoman.gateway.call import Call
from dragoman.gateway.calling import is_renamed
from dragoman.gateway.gathered import GatheredExchange
from dragoman.gateway.pool import ConnectFailed
from dragoman.gateway.recorder import Recorder
from dragoman.gateway.request import Request
from dragoman.gateway.retrying import Failed
from dragoman.gateway.tried_relay import TriedRelay
from dragoman.gateway.upstream import CREDENTIAL_HEADERS, Upstream
from dragoman.gateway.upstream_side import UpstreamSide
from dragoman.journal.format import Ending
from dragoman.records.redaction import mask_header
from dragoman.records.route import RetryReason, Route
from dragoman.tasks import spawn
from dragoman.wire.headers import Fields
from dragoman.wire.http1 import ResponseHead

if TYPE_CHECKING:
    from dragoman.gateway.client_side import ClientSide
    from dragoman.gateway.server import Gateway

IN_THREAD_BYTES = 256 * 1024
"""A longer body is read and rewritten in a thread, so that other calls need not wait."""

_SHORTEST_KEY = 8
_T = TypeVar("_T")


class AttemptingExchange(GatheredExchange):
    """One request that is sent as the call which was made of it."""

    __slots__ = ("_call", "_noted", "_outcome", "_route")

    def __init__(self, gateway: "Gateway", client: "ClientSide", request: Request, length: bytes) -> None:
        super().__init__(gateway, client, request, length)
        self._route: Route | None = None
        self._call: Call | None = None
        self._noted: Call | None = None
        """The call whose body stands on record."""
        self._outcome: asyncio.Future[Failed | None] | None = None
        """Of the present attempt: None when its reply is passed on."""

    _stumbling = "the call could not be made, or its reply not translated"

    @property
    def upstream(self) -> Upstream:
        assert self._call is not None
        return self._call.upstream

    @property
    def client_write_ns(self) -> int:
        return self._call.upstream.client_write_ns if self._call is not None else super().client_write_ns

    @property
    def record(self) -> Recorder:
        assert isinstance(self.recorder, Recorder)
        return self.recorder

    def _route_without_attempt(self) -> str | None:
        return self._route.name if self._route is not None and not self._number else None

    # Send

    async def _try_once(self, call: Call) -> Failed | None:
        """Make one attempt, on a new connection where a kept one was closed already. None: the reply is passed on."""
        pool, upstream = self.gateway.pool, call.upstream
        side = pool.take(upstream.address)
        while True:
            if side is None:
                try:
                    side = await pool.connect(upstream.address, upstream.connect_s)
                except ConnectFailed as error:
                    self._number += 1
                    self._note_call(call, 0, (0, 0, 0), call.head()[1])
                    return Failed(_reason(error.code), error.code, error.message, answer=error.status)
            if self.is_over:
                side.transport.close()
                return None
            self._outcome = self.gateway.loop.create_future()
            self._send_on(side, call)
            failed = await self._outcome
            if failed is None or failed.code != "stale_connection":
                return failed
            self._note_failed(failed, 0.0)
            side = None

    def _send_on(self, side: UpstreamSide, call: Call) -> None:
        self._number += 1
        self._side = side
        side.depth = self._depth
        try:
            relay = self._relay = self._relay_for(side, call)
            if call.is_rewritten and call is not self._noted:
                self._noted = call
                self.record.upstream_body(self._number, call.body)
            head, written = call.head()
            self._note_call(call, side.use_count, side.times_ns, written)
        except Exception:
            side.abandon()  # it belongs to nobody yet
            raise
        side.start(relay, call.method, head, self._framed(call))
        side.is_request_whole = True

    def _relay_for(self, side: UpstreamSide, call: Call) -> TriedRelay:
        now_ns = self.gateway.clock.mono_ns()
        if is_renamed(call, self.way):
            from dragoman.gateway.renamed import RenamedRelay

            return RenamedRelay(self, side, now_ns, call)
        if call.dialect is None:
            return TriedRelay(self, side, now_ns)
        from dragoman.gateway.translated import TranslatedRelay  # the dialects come with it

        return TranslatedRelay(self, side, now_ns, call)

    def _framed(self, call: Call) -> list[bytes]:
        if call.dialect is not None or self.head.framing != "chunked":
            return [call.body] if call.body else []
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in self._trailers)
        data = [b"%x\r\n" % len(call.body), call.body, b"\r\n"] if call.body else []
        return [*data, b"0\r\n" + lines + b"\r\n"]

    def _note_call(self, call: Call, use_count: int, times_ns: tuple[int, int, int], written: Fields) -> None:
        upstream = call.upstream
        self.record.attempt_opened(
            self._number,
            upstream.slug,
            upstream.url_start + call.target.decode("latin-1"),
            written,
            is_reused=use_count > 0,
            times_ns=times_ns if not use_count else (0, 0, 0),
            dialect=call.dialect,
            model=call.model,
            route=self._route.name if self._route is not None else None,
        )

    # What the relay tells

    def judge(self, head: ResponseHead) -> Failed | None:
        """Say whether another attempt is made in place of this reply; None: it is passed on."""
        raise NotImplementedError

    def may_fall_back(self, status: int) -> bool:
        """Say whether a reply that tells an error of this status before anything was passed on is tried again."""
        raise NotImplementedError

    def on_reply_begun(self) -> None:
        """A reply is passed on: nothing is tried any more."""
        super().on_reply_begun()
        assert self._call is not None
        self._call.body = b""
        self._settle(None)

    def on_rejected(self, failed: Failed) -> None:
        """The reply that is not passed on has ended."""
        self._let_go()
        self._settle(failed)

    def on_attempt_lost(self, error: Exception | None, *, has_spoken: bool) -> None:
        side = self._side
        why = f": {error}" if error is not None else ""
        message = f"the provider closed the connection before replying{why}"
        is_stale = side is not None and side.use_count > 1 and not has_spoken
        code = "stale_connection" if is_stale else "upstream_closed"
        self.on_rejected(Failed("connect", code, message))

    def on_no_reply(self, status: int, code: str, message: str, *, ending: Ending = "upstream_failed") -> None:
        self.on_rejected(Failed(_reason(code), code, message, answer=status, ending=ending))

    def on_reply_unusable(self, code: str, message: str, *, is_kept: bool) -> None:
        """The reply has ended and could not be used: the client was answered an error of ours in its place."""
        has_left = self.client.has_left
        self._close("client_closed" if has_left else "upstream_failed", code=code, message=self._without_keys(message))
        if not has_left:
            self.client.exchange_over(is_kept=is_kept)

    def on_told_error(self, status: int, message: str) -> None:
        """The reply began with an error in place of an answer, and another attempt follows."""
        self.on_rejected(
            Failed(status, f"upstream_{status}", f"{status} in the stream: {message[:2048]}", status, status)
        )

    def _let_go(self) -> None:
        relay, side = self._relay, self._side
        if side is not None and relay is not None and side.owner is relay:
            side.abandon()
        self._side = self._relay = None

    def _settle(self, failed: Failed | None) -> None:
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(failed)

    def own_lines(self, *, is_kept: bool) -> bytes:
        lines = super().own_lines(is_kept=is_kept)
        if self._call is not None and self._call.losses:
            from dragoman.gateway.translated_heads import losses_line

            lines += losses_line(self._call.losses)
        return lines

    def _note_failed(self, failed: Failed, wait_s: float) -> None:
        wait_ns = int(wait_s * 1e9)
        self.record.attempt_closed(self._number, failed.code, failed.message, status=failed.status, wait_ns=wait_ns)

    def _without_keys(self, message: str) -> str:
        """Mask in a provider's words the keys that it may have been sent: some repeat them in their errors."""
        given = [(one.low, one.value) for one in self.head.fields if one.low in CREDENTIAL_HEADERS]
        if self.upstream.credential is not None:
            given.append(self.upstream.credential)
        for name, value in given:
            key = value.split(b" ")[-1]
            if len(key) >= _SHORTEST_KEY:
                message = message.replace(key.decode("latin-1"), mask_header(name, key).decode("latin-1"))
        return message

    # Work on what came

    def work(self, size: int, make: Callable[[], _T], then: Callable[[_T], None]) -> None:
        """Do pure work on so many bytes, in a thread when they are many, and hand on what it made."""
        if size > IN_THREAD_BYTES:
            task = self._work_in_thread(make, then)
            self._connecting = spawn(task, name=f"translate for {self.id}", owner=self.gateway.pool.tasks)
            return
        then(make())

    async def _work_in_thread(self, make: Callable[[], _T], then: Callable[[_T], None]) -> None:
        relay = self._relay
        try:
            made = await asyncio.to_thread(make)
            self._connecting = None
            if self._relay is relay and not self.is_over:  # else it was given up meanwhile
                then(made)
        except Exception as error:  # noqa: BLE001 the guard of one request
            self._connecting = None
            self.stumbled(error)

    # The end

    def break_off(self, ending: Ending, code: str, message: str) -> None:
        """End in the middle: a translated stream says so in its own way, any other is cut."""
        relay = self._relay
        if (
            self.is_over
            or relay is None
            or not isinstance(relay, TriedRelay)
            or not relay.say_broken_off(code, message)
        ):
            super().break_off(ending, code, message)
            return
        is_kept = relay.is_kept
        self._close(ending, code=code, message=message)
        if not self.client.has_left:
            self.client.exchange_over(is_kept=is_kept)

    def _let_go_of_more(self) -> None:
        super()._let_go_of_more()
        if self._outcome is not None and not self._outcome.done():
            self._outcome.cancel()
        self._outcome = None


def _reason(code: str) -> RetryReason:
    return "timeout" if code.endswith("_timeout") else "connect"
