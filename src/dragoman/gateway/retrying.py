"""When a failed attempt is made again, and after how long.

Promise: pure but for the dice of the back-off. A provider that says when to come back (`retry-after-ms`,
`retry-after`) is taken at its word up to the route's `max_wait`; otherwise the wait is anything between nothing and a
limit that doubles (full jitter), so that many clients do not come back together.
https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3, seen 2026-11-21; `retry-after-ms` is read by the SDKs of
OpenAI and Anthropic (openai 3.52.0, anthropic 2.11.0, `_base_client`).
"""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from dragoman.journal.format import Ending
from dragoman.records.route import Retry, RetryReason
from dragoman.wire.http1 import ResponseHead

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 8.0
NEVER = Retry(attempts=1, on=())
"""Of requests that no route takes: nothing is tried again."""


class Failed(NamedTuple):
    """An attempt that brought no reply to pass on."""

    reason: RetryReason
    code: str
    message: str
    status: int = 0
    """What the upstream answered; 0 when it did not."""
    answer: int = 502
    """What the client is answered when nothing else is tried."""
    ending: Ending = "upstream_failed"
    wait_s: float | None = None
    """When the upstream says to come back."""

    @property
    def is_breakage(self) -> bool:
        """Say whether it tells that the provider is not well; a rate limit tells nothing of it."""
        return self.status == 0 or self.status >= 500


def failed_by_status(head: ResponseHead, now_ns: int) -> Failed:
    """Describe a reply that was not passed on; `now_ns` is wall time."""
    status = head.status
    message = f"{status} {head.reason.decode('latin-1')}".strip()
    return Failed(status, f"upstream_{status}", message, status, status, wait_s=retry_after_s(head, now_ns))


def retry_after_s(head: ResponseHead, now_ns: int) -> float | None:
    """Read when the upstream says to come back, in seconds from now; None when it says nothing that can be read."""
    in_ms = in_s = None
    for field in head.fields:
        if field.low == b"retry-after-ms":
            in_ms = _number(field.value)
        elif field.low == b"retry-after":
            in_s = _number(field.value)
            if in_s is None:
                in_s = _until(field.value, now_ns)
    return in_ms / 1000 if in_ms is not None else in_s


def _number(value: bytes) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 <= number < 1e9 else None


def _until(value: bytes, now_ns: int) -> float | None:
    try:
        moment = parsedate_to_datetime(value.decode("latin-1"))
    except ValueError:
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.fromtimestamp(now_ns / 1e9, UTC)).total_seconds())


def may_repeat(failed: Failed, retry: Retry, tries: int) -> bool:
    """Say whether the same target is tried again after `tries` attempts."""
    is_in_time = failed.wait_s is None or failed.wait_s <= retry.max_wait
    return failed.reason in retry.on and tries < retry.attempts and is_in_time


def backoff_s(failed: Failed, tries: int) -> float:
    """Say how long to wait before the next attempt at the same target."""
    if failed.wait_s is not None:
        return failed.wait_s
    return random.uniform(0, min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** (tries - 1)))
