"""Circuit breakers: a provider that failed several times lately is left out by routes for a while.

Promise: one breaker for each provider, fed by routed attempts alone. It opens after `FAILURES` failures in a row
within `WINDOW_S`; then the provider is left out for `FIRST_PAUSE_S`, and after each further failure for twice as
long, up to `LONGEST_PAUSE_S`. When the pause is over, one request is let through to see (half open): its outcome
closes or opens the breaker again. Whoever decides what a failure is decides it elsewhere; a rate limit is none, since
it says itself how long it lasts and for whom. Does no I/O; the clock is given.
"""

from collections import deque
from collections.abc import Iterable

from dragoman.clock import Clock
from dragoman.records.control import Breaker

FAILURES = 5
WINDOW_S = 60.0
FIRST_PAUSE_S = 10.0
LONGEST_PAUSE_S = 300.0
PROBE_LIMIT_S = 60.0
"""A probe that says nothing for so long is forgotten, and the next request becomes one."""
_S = 10**9


class _State:
    """What is known of one provider."""

    __slots__ = ("failed_at", "failures", "last_error", "open_until", "pause_s", "probed_at")

    def __init__(self) -> None:
        self.failures = 0
        self.failed_at: deque[int] = deque(maxlen=FAILURES)
        self.open_until: int | None = None
        """None: closed. A time that is past: half open."""
        self.pause_s = FIRST_PAUSE_S
        self.probed_at: int | None = None
        self.last_error = ""


class Breakers:
    """The breakers of all providers that failed lately; who is not among them is closed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._states: dict[str, _State] = {}

    def lets_pass(self, provider: str) -> bool:
        """Say whether a provider may be asked now. A True of a half-open one is its probe: tell how it went."""
        state = self._states.get(provider)
        if state is None or state.open_until is None:
            return True
        now = self._clock.mono_ns()
        is_probed = state.probed_at is not None and now - state.probed_at < PROBE_LIMIT_S * _S
        if now < state.open_until or is_probed:
            return False
        state.probed_at = now
        return True

    def succeeded(self, provider: str) -> None:
        self._states.pop(provider, None)

    def ended(self, provider: str) -> None:
        """An attempt ended without telling how the provider is: the client left. The next one may be the probe."""
        state = self._states.get(provider)
        if state is not None:
            state.probed_at = None

    def failed(self, provider: str, error: str) -> None:
        now = self._clock.mono_ns()
        state = self._states.setdefault(provider, _State())
        state.failures += 1
        state.last_error = error[:300]
        state.failed_at.append(now)
        if state.open_until is not None:
            if now >= state.open_until:  # the probe, or a last target that was asked all the same
                state.pause_s = min(state.pause_s * 2, LONGEST_PAUSE_S)
                self._open(state, now)
        elif len(state.failed_at) == FAILURES and now - state.failed_at[0] <= WINDOW_S * _S:
            self._open(state, now)

    @staticmethod
    def _open(state: _State, now: int) -> None:
        state.open_until = now + int(state.pause_s * _S)
        state.probed_at = None

    def forget(self, providers: Iterable[str]) -> None:
        """Begin anew for providers whose entry has changed."""
        for provider in providers:
            self._states.pop(provider, None)

    def shown(self) -> list[Breaker]:
        """Tell the states of those that failed within the window, or are left out."""
        now = self._clock.mono_ns()
        return [
            _shown(provider, state, now)
            for provider, state in sorted(self._states.items())
            if state.open_until is not None or now - state.failed_at[-1] <= WINDOW_S * _S
        ]


def _shown(provider: str, state: _State, now: int) -> Breaker:
    left_ns = 0 if state.open_until is None else max(0, state.open_until - now)
    return Breaker(
        provider=provider,
        state="closed" if state.open_until is None else "open" if left_ns else "half_open",
        failures=state.failures,
        retry_in_s=round(left_ns / _S, 3),
        last_error=state.last_error,
    )
