"""A request that routes decide on: who takes it, in which order its targets are tried, what is answered here.

The steps: gather the body (see `gathered`), read what is asked (see `question`), find the route, make the call to a
target (see `calling`), try it (see `tries` and `breaker`), relay. Where no route takes it, it goes to the default
provider as it came. When no target works, the client gets the last one's own answer, or one of ours that says what was
tried.
Bodies that are long, or compressed, are read and rewritten in a thread.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from dragoman.gateway.attempt import IN_THREAD_BYTES
from dragoman.gateway.call import Call, CannotCall
from dragoman.gateway.calling import is_count, is_translated, make_call, needs_work, plain_call
from dragoman.gateway.question import Question, unfolded_limit
from dragoman.gateway.request import PANIC, Refusal, Request
from dragoman.gateway.retrying import Failed
from dragoman.gateway.tried_relay import TriedRelay
from dragoman.gateway.tries import TryingExchange
from dragoman.gateway.upstream_side import UpstreamSide
from dragoman.records.route import Target
from dragoman.tasks import spawn

if TYPE_CHECKING:
    from dragoman.gateway.client_side import ClientSide
    from dragoman.gateway.listing import Listing
    from dragoman.gateway.server import Gateway

_MOST_NAMED = 20
_P = ParamSpec("_P")
_T = TypeVar("_T")


class RoutedExchange(TryingExchange):
    """One request that a route may take."""

    __slots__ = ("_listing", "_question")

    def __init__(self, gateway: "Gateway", client: "ClientSide", request: Request, length: bytes) -> None:
        super().__init__(gateway, client, request, length)
        self._question: Question | None = None
        self._listing: Listing | None = None
        """The list of models that is asked for, when it is made here."""

    # Ask

    def _looked_at(self, body: bytes) -> None:
        if self.head.has(b"content-encoding") or len(body) > IN_THREAD_BYTES:
            return
        try:
            self._ask(Question(self._request, body, self._plan.limits.body))  # nothing is to be unfolded
        except Exception:  # noqa: BLE001 the same happens again under the guard of `_run`, when all is open on record
            self._question = None

    def _gathered(self) -> None:
        self._connecting = spawn(self._run(), name=f"call for {self.id}", owner=self.gateway.pool.tasks)

    def _ask(self, question: Question) -> None:
        """Find the route that takes what is asked."""
        self._question = question
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
        if self._route is None and self.way.asks_routes and self._question is not None:
            too_long = self._question.too_long  # a route for its model may stand there: no default provider gets it
            if too_long is not None:
                return too_long
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

    async def _run(self) -> None:
        """Try until a reply is on its way to the client, or nothing is left. The one guard of a routed request."""
        try:
            if self._question is None:
                body = b"".join(self._held or ())
                limit = unfolded_limit(self._plan.limits)
                question = await self._off_the_loop(len(body), Question, self._request, body, limit)
                self._hold_beside(question.unfolded_bytes)
                self._ask(question)
            refusal = self._refusal_of_route()
            if refusal is not None:
                self._refuse_from_task(refusal)
            elif not await self._answers_itself():
                await self._try_all()
        except CannotCall as error:
            self._refuse_from_task((error.status, error.code, error.message))
        except Exception as error:  # noqa: BLE001 the guard of one request
            self._connecting = None
            self.stumbled(error)

    async def _off_the_loop(self, size: int, make: Callable[_P, _T], *args: _P.args, **named: _P.kwargs) -> _T:
        """Do pure work on so many bytes: in a thread when they are many, or still to be unfolded."""
        if size > IN_THREAD_BYTES or self.head.has(b"content-encoding"):
            return await asyncio.to_thread(make, *args, **named)
        return make(*args, **named)

    async def _try_all(self) -> None:
        targets: list[Target | None] = [*self._targets()] or [None]
        problem: CannotCall | None = None
        failed: Failed | None = None
        for at, target in enumerate(targets):
            self._has_other = at + 1 < len(targets)
            if self.gateway.plan.setup.is_panicking:
                self._refuse_from_task(PANIC)
                return
            if target is not None and self._has_other:
                if not self.gateway.breakers.lets_pass(target.provider):
                    self._tried.append(f"{target.provider}: left out, since it failed several times lately")
                    continue
                self._probed = target.provider
            try:
                call = await self._make(target)
                if call.upstream.sign is not None and len(call.body) > IN_THREAD_BYTES:
                    await asyncio.to_thread(call.hash_body)
            except CannotCall as error:
                problem = error
                if target is not None:
                    self.gateway.breakers.ended(target.provider)
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

    async def _answers_itself(self) -> bool:
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

        dialect = self.way.dialect or ""
        body = await self._off_the_loop(len(question.body), lambda: count_reply(dialect, question.prompt))
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
        size = len(question.body) if needs_work(self._plan, question, route, target) else 0
        call = await self._off_the_loop(size, make_call, self._plan, question, route, target)
        call.is_rewritten = call.body is not question.body
        return call

    def _relay_for(self, side: UpstreamSide, call: Call) -> TriedRelay:
        if self._listing is None:
            return super()._relay_for(side, call)
        from dragoman.gateway.listing import ListRelay

        return ListRelay(self, side, self.gateway.clock.mono_ns(), call, self._listing)

    def on_reply_begun(self) -> None:
        super().on_reply_begun()
        self._question = None

    # The end

    def _let_go_of_more(self) -> None:
        super()._let_go_of_more()
        self._question = None

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
