"""Retention: which policy holds, and that it is applied to its end."""

import asyncio
import threading
from typing import Any

from dragoman.config import Retention as Configured
from dragoman.keeper.retention import Retention, policy_of
from dragoman.store import Policy, StepResult

DAY_NS = 86400 * 10**9


class Steps:
    """A store with some steps of work."""

    def __init__(self, steps: int) -> None:
        self.left = steps
        self.saved: dict[str, Any] = {}
        self.policies: list[Policy] = []
        self.failures: list[Exception] = []
        self.is_limited = threading.Event()

    def settings(self) -> dict[str, Any]:
        return self.saved

    def save_setting(self, name: str, value: Any) -> None:
        self.saved[name] = value

    def retention_step(self, policy: Policy) -> StepResult:
        if self.failures:
            raise self.failures.pop()
        self.policies.append(policy)
        if policy.max_bytes == 5:
            self.is_limited.set()
        self.left -= 1
        return StepResult(phase="facts", is_done=self.left <= 0)


def test_the_configured_policy_holds_until_another_is_set() -> None:
    configured = Configured(bodies=86400.0, facts=None, max_size=1000)
    assert policy_of(None, configured) == Policy(bodies_ns=DAY_NS, facts_ns=None, max_bytes=1000)
    edited = {"bodies_s": None, "facts_s": 2 * 86400, "max_bytes": None}
    assert policy_of(edited, configured) == Policy(bodies_ns=None, facts_ns=2 * DAY_NS, max_bytes=None)


async def test_steps_go_on_until_nothing_is_left() -> None:
    store = Steps(4)
    retention = Retention(Configured(), store)
    await retention.apply()
    assert len(store.policies) == 4
    assert retention.last is not None and retention.last.is_done


async def test_a_changed_policy_is_kept_and_applied_at_once() -> None:
    store = Steps(1)
    retention = Retention(Configured(), store)
    await retention.start()
    await retention.change(bodies_s=1.0, facts_s=None, max_bytes=5)
    assert await asyncio.to_thread(store.is_limited.wait, 10)
    assert store.policies[-1] == Policy(bodies_ns=10**9, facts_ns=None, max_bytes=5)
    await retention.close()
