"""When an attempt is repeated, and after how long."""

import pytest

from dragoman.gateway.retrying import (
    FIRST_BACKOFF_S,
    LONGEST_BACKOFF_S,
    NEVER,
    Failed,
    backoff_s,
    failed_by_status,
    may_repeat,
    retry_after_s,
)
from dragoman.records.route import Retry
from dragoman.wire.headers import FieldBook
from dragoman.wire.http1 import ResponseHead, parse_response_head

NOW_NS = 1_445_412_480 * 10**9
"""Wed, 21 Oct 2015 07:28:00 GMT"""


def head(*fields: str, status: int = 429) -> ResponseHead:
    lines = "".join(f"{one}\r\n" for one in fields)
    return parse_response_head(f"HTTP/1.1 {status} No\r\n{lines}\r\n".encode(), FieldBook())


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ((), None),
        (("retry-after: 7",), 7.0),
        (("Retry-After: 0",), 0.0),
        (("retry-after: 1.5",), 1.5),
        (("retry-after-ms: 250", "retry-after: 9"), 0.25),
        (("retry-after: 9", "retry-after-ms: soon"), 9.0),
        (("retry-after: Wed, 21 Oct 2015 07:28:30 GMT",), 30.0),
        (("retry-after: Wed, 21 Oct 2015 07:00:00 GMT",), 0.0),
        (("retry-after: -5",), None),
        (("retry-after: nan",), None),
        (("retry-after: tomorrow",), None),
    ],
)
def test_an_upstream_may_say_when_to_come_back(fields: tuple[str, ...], seconds: float | None) -> None:
    assert retry_after_s(head(*fields), NOW_NS) == seconds


def test_a_target_is_tried_as_often_as_the_route_says_and_for_its_reasons_alone() -> None:
    retry = Retry(attempts=2, on=(429, "connect"), max_wait=10)
    limited = failed_by_status(head("retry-after: 10"), NOW_NS)
    assert may_repeat(limited, retry, 1)
    assert not may_repeat(limited, retry, 2)
    assert not may_repeat(limited._replace(wait_s=10.1), retry, 1)
    assert may_repeat(Failed("connect", "c", "m"), retry, 1)
    assert not may_repeat(Failed("timeout", "c", "m"), retry, 1)
    assert not may_repeat(failed_by_status(head(status=500), NOW_NS), retry, 1)
    assert not may_repeat(limited, NEVER, 1)


def test_the_wait_is_what_was_asked_for_or_random_below_a_limit_that_doubles() -> None:
    assert backoff_s(Failed(429, "c", "m", wait_s=3.0), 5) == 3.0
    failed = Failed("connect", "c", "m")
    for tries in range(1, 12):
        limit = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** (tries - 1))
        waits = {backoff_s(failed, tries) for _ in range(50)}
        assert len(waits) > 10
        assert all(0 <= one <= limit for one in waits)


@pytest.mark.parametrize(("status", "is_breakage"), [(0, True), (429, False), (401, False), (500, True), (529, True)])
def test_a_rate_limit_tells_nothing_of_the_provider_s_health(status: int, is_breakage: bool) -> None:
    assert Failed(status if status else "connect", "c", "m", status).is_breakage is is_breakage
