"""Remove what is older or bigger than the policy allows, in small steps beside the traffic.

The policy is what was set in the interface, else what the configuration says. Each step is one short
transaction of the store, with a pause after it, so that storing never waits long.
"""

import asyncio
import logging
from typing import Any, Protocol

from dragoman import config
from dragoman.store import Policy, StepResult
from dragoman.tasks import TaskOwner, spawn

SETTING = "retention"
"""Name of the stored setting: `{"bodies_s": …, "facts_s": …, "max_bytes": …}`, null without limit."""
ROUND_S = 60.0
STEP_PAUSE_S = 0.05
RETRY_S = 30.0

_log = logging.getLogger("dragoman.keeper")


class RetentionStore(Protocol):
    """What retention asks of the store; all calls block."""

    def settings(self) -> dict[str, Any]: ...

    def save_setting(self, name: str, value: Any, /) -> object: ...

    def retention_step(self, policy: Policy, /) -> StepResult: ...


class Retention:
    """Runs from `start` to `close`, a round each minute."""

    def __init__(self, configured: config.Retention, store: RetentionStore) -> None:
        self._configured = configured
        self._store = store
        self._asked = asyncio.Event()
        self._tasks = TaskOwner("retention")
        self.last: StepResult | None = None

    async def start(self) -> None:
        spawn(self._keep_on(), name="retention", owner=self._tasks)

    async def close(self) -> None:
        await self._tasks.close()

    def policy(self) -> Policy:
        """Give the policy that holds now. Blocks: it asks the store."""
        return policy_of(self._store.settings().get(SETTING), self._configured)

    async def change(self, *, bodies_s: float | None, facts_s: float | None, max_bytes: int | None) -> None:
        """Set another policy and begin to apply it."""
        value = {"bodies_s": bodies_s, "facts_s": facts_s, "max_bytes": max_bytes}
        await asyncio.to_thread(self._store.save_setting, SETTING, value)
        self._asked.set()

    def configure(self, configured: config.Retention) -> None:
        """Take what the files say now; it holds from the next round on, unless the interface set another policy."""
        self._configured = configured

    async def apply(self) -> None:
        """Step until there is nothing left to do for now."""
        policy = await asyncio.to_thread(self.policy)
        while True:
            self.last = await asyncio.to_thread(self._store.retention_step, policy)
            if self.last.is_done:
                return
            await asyncio.sleep(STEP_PAUSE_S)

    async def _keep_on(self) -> None:
        while True:
            pause_s = ROUND_S
            try:
                await self.apply()
            except Exception:  # noqa: BLE001 the guard of this task: a store that fails now may do well later
                _log.exception("retention failed, next try in %.0f s", RETRY_S)
                pause_s = RETRY_S
            self._asked.clear()
            try:
                await asyncio.wait_for(self._asked.wait(), pause_s)
            except TimeoutError:
                continue


def policy_of(edited: dict[str, Any] | None, configured: config.Retention) -> Policy:
    """Make the policy from the stored setting, or from the configuration when there is none."""
    if edited is None:
        return Policy(bodies_ns=_ns(configured.bodies), facts_ns=_ns(configured.facts), max_bytes=configured.max_size)
    return Policy(
        bodies_ns=_ns(edited.get("bodies_s")), facts_ns=_ns(edited.get("facts_s")), max_bytes=edited.get("max_bytes")
    )


def _ns(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1e9)
