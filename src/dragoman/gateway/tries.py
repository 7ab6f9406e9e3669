"""The attempts of a routed request: one after the other, until a reply is passed on or nothing is left to try.

Promise: nothing is tried again once a byte of a reply was passed on; each try is an attempt on record with its own
end (see `attempt`); leaving, stopping and the panic switch end it also while it waits for the next. What is sent was
made elsewhere (see `calling`); whether and when an attempt is repeated is arithmetic (see `retrying`).
"""

import asyncio
from typing import TYPE_CHECKING

from dragoman.gateway.attempt import AttemptingExchange
from dragoman.gateway.call import Call
from dragoman.gateway.request import PANIC, Refusal, Request
from dragoman.gateway.retrying import NEVER, Failed, backoff_s, failed_by_status, may_repeat
from dragoman.records.route import Retry
from dragoman.wire.http1 import ResponseHead

if TYPE_CHECKING:
    from dragoman.gateway.client_side import ClientSide
    from dragoman.gateway.server import Gateway


class TryingExchange(AttemptingExchange):
    """One request that may take several attempts."""

    __slots__ = ("_has_other", "_is_waiting", "_probed", "_tried", "_tries")

    def __init__(self, gateway: "Gateway", client: "ClientSide", request: Request, length: bytes) -> None:
        super().__init__(gateway, client, request, length)
        self._tries = 0
        """Attempts at the present target."""
        self._has_other = False
        """True when another target follows."""
        self._is_waiting = False
        self._probed: str | None = None
        """The provider that a breaker let pass, until it is told how that went."""
        self._tried: list[str] = []

    @property
    def _retry(self) -> Retry:
        return self._route.retry if self._route is not None else NEVER

    # Try

    async def _try_target(self, call: Call) -> Failed | None:
        """Try one target as often as the route says. None: nothing more is to be done."""
        has_lost = bool(call.losses or (self._call is not None and self._call.losses))
        self._call = call
        self._tries = 0
        for what in call.retold:
            self.recorder.altered(f"provider:{call.upstream.slug}", what)
        if self._route is not None:
            for what in call.alterations:
                self.recorder.altered(f"route:{self._route.name}", what)
        if has_lost:  # an empty list too, when it stands in place of an earlier target's
            self.record.lost("request", call.losses)
        while True:
            self._tries += 1
            failed = await self._try_once(call)
            if failed is None or self.is_over:
                return None
            failed = failed._replace(message=self._without_keys(failed.message))
            self._tell_breaker(failed)
            if self.client.has_left:
                self._connecting = None
                self._close("client_closed")
                return None
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

    async def _wait(self, wait_s: float) -> bool:
        """Wait before the next attempt. False: it is over."""
        self._is_waiting = True
        await asyncio.sleep(wait_s)
        self._is_waiting = False
        if self.is_over:
            return False
        if self.gateway.plan.setup.is_panicking:
            self._refuse_from_task(PANIC)
            return False
        return True

    def _refuse_from_task(self, refusal: Refusal) -> None:
        self._connecting = None  # who ends here must not cancel itself
        self.refuse(*refusal)

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
        super().on_reply_begun()
        relay, slug = self._relay, self.upstream.slug
        self._probed = None
        if self._route is None:
            return
        if relay is not None and relay.status >= 500:
            self.gateway.breakers.failed(slug, f"status {relay.status}")
        else:
            self.gateway.breakers.succeeded(slug)

    def _tell_breaker(self, failed: Failed) -> None:
        self._probed = None
        if self._route is None or self._call is None:
            return
        slug = self._call.upstream.slug
        if failed.is_breakage:
            self.gateway.breakers.failed(slug, failed.message)
        else:
            self.gateway.breakers.ended(slug)

    # The end

    def on_client_gone(self) -> None:
        if self._is_waiting and not self.is_over:
            self._close("client_closed")
            return
        super().on_client_gone()

    def _let_go_of_more(self) -> None:
        super()._let_go_of_more()
        if self._probed is not None:  # nobody knows how it would have gone
            self.gateway.breakers.ended(self._probed)


def _named(call: Call) -> str:
    return f"{call.upstream.slug}/{call.model}" if call.model else call.upstream.slug
