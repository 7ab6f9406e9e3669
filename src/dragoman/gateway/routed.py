"""A request that routes decide on: gathered whole, then sent to the targets of its route until one answers.

The steps: gather (the body is held, counted in `gateway.held_bytes`), find the route, make the call to a target (see
`call`), try it (see `retrying` and `breaker`), relay. Promise: nothing is tried again once a byte of a reply was
passed on; each try is an attempt on record; leaving, stopping and the panic switch end it also while it waits. When
no target works, the client gets the last one's own answer, or one of ours that says what was tried.
Held bodies have one budget: past it all but the oldest that gathers wait.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from dragoman.gateway.call import Call, CannotCall, Question, is_count, is_translated, make_call, needs_work, plain_call
from dragoman.gateway.endpoint import Exchange
from dragoman.gateway.pool import ConnectFailed
from dragoman.gateway.recorder import Recorder
from dragoman.gateway.request import PANIC, Refusal, Request
from dragoman.gateway.retrying import NEVER, Failed, backoff_s, failed_by_status, may_repeat
from dragoman.gateway.tried_relay import TriedRelay
from dragoman.gateway.upstream import Upstream
from dragoman.gateway.upstream_side import UpstreamSide
from dragoman.journal.format import Ending
from dragoman.records.route import Retry, RetryReason, Route, Target
from dragoman.tasks import spawn
from dragoman.wire.headers import Fields
from dragoman.wire.http1 import ResponseHead

if TYPE_CHECKING:
    from dragoman.gateway.client_side import ClientSide
    from dragoman.gateway.listing import Listing
    from dragoman.gateway.server import Gateway

IN_THREAD_BYTES = 256 * 1024
"""A longer body is read and rewritten in a thread, so that other calls need not wait."""
_MOST_NAMED = 20

_log = logging.getLogger("dragoman.gateway")
_T = TypeVar("_T")


class RoutedExchange(Exchange):
    """One request that a route may take."""

    __slots__ = (
        "_call", "_has_other", "_is_waiting", "_listing", "_noted", "_outcome", "_question", "_route", "_trailers",
        "_tried", "_tries",
    )  # fmt: skip

    def __init__(self, gateway: "Gateway", client: "ClientSide", request: Request, length: bytes) -> None:
        super().__init__(gateway, client, request, length)
        self._question: Question | None = None
        self._route: Route | None = None
        self._listing: Listing | None = None
        """The list of models that is asked for, when it is made here."""
        self._call: Call | None = None
        self._noted: Call | None = None
        """The call whose body stands on record."""
        self._trailers: Fields = []
        self._outcome: asyncio.Future[Failed | None] | None = None
        """Of the present attempt: None when its reply is passed on."""
        self._tries = 0
        """Attempts at the present target."""
        self._has_other = False
        """True when another target follows."""
        self._is_waiting = False
        self._tried: list[str] = []

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

    # Gather

    def begin(self) -> None:
        self.gateway.gathering[self.id] = None
        self._is_let_in()

    def begin_whole(self, body: bytes) -> None:
        self.is_request_whole = True
        self._ask(body)
        if not self._is_let_in():
            return
        if body:
            self._request_bytes = len(body)
            self._hold(body)
            self.recorder.request_body(body)
        self.recorder.request_ended([])
        self._gathered()

    def on_request_body(self, data: bytes) -> None:
        self._request_bytes += len(data)
        if self._request_bytes > self._plan.limits.body:
            self.refuse(413, "body_too_long", f"the body is above limits.body ({self._plan.limits.body} bytes)")
            return
        self.recorder.request_body(data)
        self._hold(data)
        if self._must_wait_with_body():
            self.client.hold_upload()

    def on_request_end(self, trailers: Fields) -> None:
        self.recorder.request_ended(trailers)
        self._trailers = trailers
        self._gathered()

    def _hold(self, data: bytes) -> None:
        assert self._held is not None
        self._held.append(data)
        self._held_bytes += len(data)
        self.gateway.held_bytes += len(data)

    def _must_wait_with_body(self) -> bool:
        return self.gateway.is_holding_too_much and next(iter(self.gateway.gathering), None) != self.id

    def _gathered(self) -> None:
        """The request is whole: find out who gets it."""
        self._has_ended_request = True
        self.gateway.gathering.pop(self.id, None)
        self.client.release_upload()
        if self._question is None:
            self._ask(b"".join(self._held or ()))
        refusal = self._refusal_of_route()
        if refusal is not None:
            self.refuse(*refusal)
            return
        self._connecting = spawn(self._run(), name=f"call for {self.id}", owner=self.gateway.pool.tasks)

    def _ask(self, body: bytes) -> None:
        """Read what is asked, and find the route that takes it."""
        question = self._question = Question(self._request, body, self._plan.limits.body)
        if not self.way.asks_routes:
            return
        self._route = self._plan.routes.find(self.way.prefix, question.model)
        if self.way.endpoint in ("models", "tags"):
            self._ask_for_list()

    def _ask_for_list(self) -> None:
        from dragoman.gateway.listing import Listing, is_listing  # the dialects come with it

        if is_listing(self.way, self.head.method):
            listing = Listing(self._plan, self.way)
            self._route = listing.source
            self._listing = None if listing.is_plain else listing

    def _first_provider(self) -> str | None:
        return self._route.targets[0].provider if self._route is not None else super()._first_provider()

    def _refusal_of_route(self) -> Refusal | None:
        """Say why nobody gets it: no route takes it, or its target's credential is ours and wants our password."""
        if self._route is None and self.way.upstream is None and self._listing is None:
            return 404, "no_route", self.way.message or self._no_match()
        slugs = [one.provider for one in self._targets()]
        upstreams = [found for slug in slugs if (found := self._plan.provider(slug)) is not None]
        refusal = self._request.password_refusal
        if self._plan.setup.password_required and any(
            one.has_own_auth for one in upstreams or [self.way.upstream] if one
        ):
            return self._too_many_guesses(refusal)
        return None

    def _no_match(self) -> str:
        routes = self._plan.routes.under(self.way.prefix)
        patterns = ", ".join(one.model or "any" for one in routes[:_MOST_NAMED])
        more = f" and {len(routes) - _MOST_NAMED} more" if len(routes) > _MOST_NAMED else ""
        assert self._question is not None
        model = self._question.model
        asked = f"model {model[:200]!r}" if model is not None else "a request that names no model"
        return f"no route under {self.way.prefix} takes {asked}; routes there take: {patterns}{more}"

    def _targets(self) -> list[Target]:
        return self._route.targets if self._route is not None else []

    # Try

    @property
    def _retry(self) -> Retry:
        return self._route.retry if self._route is not None else NEVER

    async def _run(self) -> None:
        """Try until a reply is on its way to the client, or nothing is left. The one guard of a routed request."""
        try:
            await self._try_all()
        except Exception as error:  # noqa: BLE001 the guard of one request
            self._connecting = None
            self.stumbled(error)

    async def _try_all(self) -> None:
        if self._answers_itself():
            return
        targets: list[Target | None] = [*self._targets()] or [None]
        problem: CannotCall | None = None
        failed: Failed | None = None
        for at, target in enumerate(targets):
            self._has_other = at + 1 < len(targets)
            if target is not None and self._has_other and not self.gateway.breakers.lets_pass(target.provider):
                self._tried.append(f"{target.provider}: left out, since it failed several times lately")
                continue
            try:
                call = await self._make(target)
                if call.upstream.sign is not None and len(call.body) > IN_THREAD_BYTES:
                    await asyncio.to_thread(call.hash_body)
            except CannotCall as error:
                problem = error
                self._tried.append(error.message)
                continue
            if self.is_over:
                return
            failed = await self._try_target(call)
            if failed is None:
                return
            if failed.reason not in self._retry.on:
                break
        self._give_up(failed, problem)

    def _answers_itself(self) -> bool:
        """Answer what no target can: a list without an upstream, a count of tokens where none speaks the dialect."""
        route, question = self._route, self._question
        if self._listing is not None and route is None:
            self._answer_list(self._listing)
            return True
        if (
            route is None
            or question is None
            or not is_count(self.way)
            or not is_translated(self._plan, self.way, route)
        ):
            return False
        from dragoman.dialects.estimate import count_reply

        try:
            body = count_reply(self.way.dialect or "", question.prompt)
        except CannotCall as error:
            self._connecting = None
            self.refuse(error.status, error.code, error.message)
            return True
        self.recorder.altered(f"route:{route.name}", "answered: tokens estimated")
        self._answer_by_ourselves(body)
        return True

    def _answer_list(self, listing: "Listing") -> None:
        self._answer_by_ourselves(listing.own_reply())

    def _answer_by_ourselves(self, body: bytes) -> None:
        self._connecting = None
        self._answer(200, [(b"content-type", b"application/json")], body, "answered")

    async def _make(self, target: Target | None) -> Call:
        question, route = self._question, self._route
        assert question is not None
        if self._listing is not None:
            return self._listing.call(self._plan, self.head)
        if target is None or route is None:
            assert self.way.upstream is not None
            return plain_call(question, self.way.upstream, self.way.target)
        if len(question.body) > IN_THREAD_BYTES and needs_work(self._plan, question, route, target):
            return await asyncio.to_thread(make_call, self._plan, question, route, target)
        return make_call(self._plan, question, route, target)

    async def _try_target(self, call: Call) -> Failed | None:
        """Try one target as often as the route says. None: nothing more is to be done."""
        self._call = call
        self._tries = 0
        for what in call.retold:
            self.recorder.altered(f"provider:{call.upstream.slug}", what)
        if self._route is not None:
            for what in call.alterations:
                self.recorder.altered(f"route:{self._route.name}", what)
        if call.losses:
            self.record.lost("request", call.losses)
        while True:
            self._tries += 1
            failed = await self._try_once(call)
            if failed is None or self.is_over:
                return None
            self._tell_breaker(failed)
            self._tried.append(f"{_named(call)}: {failed.message[:300]}")
            if not self._is_followed(failed):
                return failed
            wait_s = backoff_s(failed, self._tries) if may_repeat(failed, self._retry, self._tries) else None
            self._note_failed(failed, wait_s or 0.0)
            if wait_s is None:
                return failed
            if not await self._wait(wait_s):
                return None

    def _is_followed(self, failed: Failed) -> bool:
        """Say whether another attempt follows a failed one."""
        if failed.reason not in self._retry.on:
            return False
        return self._has_other or may_repeat(failed, self._retry, self._tries)

    def _note_failed(self, failed: Failed, wait_s: float) -> None:
        wait_ns = int(wait_s * 1e9)
        self.record.attempt_closed(self._number, failed.code, failed.message, status=failed.status, wait_ns=wait_ns)

    async def _wait(self, wait_s: float) -> bool:
        """Wait before the next attempt. False: it is over."""
        self._is_waiting = True
        await asyncio.sleep(wait_s)
        self._is_waiting = False
        if self.is_over:
            return False
        if self.gateway.plan.setup.is_panicking:
            self._connecting = None
            self.refuse(*PANIC)
            return False
        return True

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
        relay = self._relay = self._relay_for(side, call)
        assert self._question is not None
        if call.body is not self._question.body and call is not self._noted:
            self._noted = call
            self.record.upstream_body(self._number, call.body)
        head, written = call.head()
        self._note_call(call, side.use_count, side.times_ns, written)
        side.start(relay, call.method, head, self._framed(call))
        side.is_request_whole = True

    def _relay_for(self, side: UpstreamSide, call: Call) -> TriedRelay:
        now_ns = self.gateway.clock.mono_ns()
        if call.dialect is None:
            return TriedRelay(self, side, now_ns)
        if self._listing is not None:
            from dragoman.gateway.listing import ListRelay

            relay = ListRelay(self, side, now_ns, call)
            relay.listing = self._listing
            return relay
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
        if head.status < 400 or head.status not in self._retry.on:
            return None
        failed = failed_by_status(head, self.gateway.clock.wall_ns())
        return failed if self._is_followed(failed) else None

    def may_fall_back(self, status: int) -> bool:
        """Say whether a reply that tells an error of this status before anything was passed on is tried again."""
        return self._is_followed(Failed(status, "", "", status))

    def on_reply_begun(self) -> None:
        """A reply is passed on: nothing is tried any more."""
        super().on_reply_begun()
        self._question = None
        relay, call = self._relay, self._call
        assert call is not None
        call.body = b""
        if self._route is not None:
            if relay is not None and relay.status >= 500:
                self.gateway.breakers.failed(call.upstream.slug, f"status {relay.status}")
            else:
                self.gateway.breakers.succeeded(call.upstream.slug)
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

    def on_told_error(self, status: int, message: str) -> None:
        """The reply began with an error in place of an answer, and another attempt follows."""
        self.on_rejected(
            Failed(status, f"upstream_{status}", f"{status} in the stream: {message[:2048]}", status, status)
        )

    def work(self, size: int, make: Callable[[], _T], then: Callable[[_T], None]) -> None:
        """Do pure work on so many bytes, in a thread when they are many, and hand on what it made."""
        if size > IN_THREAD_BYTES:
            task = self._work_in_thread(make, then)
            self._connecting = spawn(task, name=f"translate for {self.id}", owner=self.gateway.pool.tasks)
            return
        try:
            made = make()
        except Exception as error:  # noqa: BLE001 the guard of one request
            self.stumbled(error)
            return
        then(made)

    async def _work_in_thread(self, make: Callable[[], _T], then: Callable[[_T], None]) -> None:
        try:
            made = await asyncio.to_thread(make)
        except Exception as error:  # noqa: BLE001 the guard of one request
            self._connecting = None
            self.stumbled(error)
            return
        self._connecting = None
        if not self.is_over:
            then(made)

    def stumbled(self, error: Exception) -> None:
        """A dialect could not cope: that ends this exchange alone."""
        _log.error("exchange %s: the call could not be translated", self.id, exc_info=error)
        message = f"the call could not be translated: {type(error).__name__} (see the log)"
        if self._relay is not None and self._relay.status:
            self.break_off("upstream_failed", "internal", message)
        else:
            self.fail(500, "internal", message)

    def _let_go(self) -> None:
        relay, side = self._relay, self._side
        if side is not None and relay is not None and side.owner is relay:
            side.abandon()
        self._side = self._relay = None

    def _settle(self, failed: Failed | None) -> None:
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(failed)

    def _tell_breaker(self, failed: Failed) -> None:
        if self._route is None or self._call is None:
            return
        slug = self._call.upstream.slug
        if failed.is_breakage:
            self.gateway.breakers.failed(slug, failed.message)
        else:
            self.gateway.breakers.ended(slug)

    def own_lines(self, *, is_kept: bool) -> bytes:
        lines = super().own_lines(is_kept=is_kept)
        if self._call is not None and self._call.losses:
            from dragoman.gateway.translated_heads import losses_line

            lines += losses_line(self._call.losses)
        return lines

    # The end

    def _give_up(self, failed: Failed | None, problem: CannotCall | None) -> None:
        """Say what was tried on which target."""
        self._connecting = None
        if self._listing is not None and self._listing.names:
            self._answer_list(self._listing)
            return
        message = self._what_was_tried() if len(self._tried) > 1 else None
        if failed is not None:
            self.fail(failed.answer, failed.code, message or failed.message, ending=failed.ending)
        elif problem is not None:
            self.refuse(problem.status, problem.code, message or problem.message)

    def _what_was_tried(self) -> str:
        name = self._route.name if self._route is not None else "none"
        return f"no target of route {name} answered. Tried: " + "; ".join(self._tried)

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

    def on_client_gone(self) -> None:
        if self._is_waiting and not self.is_over:
            self._close("client_closed")
            return
        super().on_client_gone()

    def tick(self, now_ns: int) -> None:
        if not self._has_ended_request and not self._must_wait_with_body():
            self.client.release_upload()
        super().tick(now_ns)

    def _let_go_of_more(self) -> None:
        self.gateway.gathering.pop(self.id, None)
        if self._outcome is not None and not self._outcome.done():
            self._outcome.cancel()
            if self._route is not None and self._call is not None:
                self.gateway.breakers.ended(self._call.upstream.slug)
        self._question = self._outcome = None


def _named(call: Call) -> str:
    return f"{call.upstream.slug}/{call.model}" if call.model else call.upstream.slug


def _reason(code: str) -> RetryReason:
    return "timeout" if code.endswith("_timeout") else "connect"
