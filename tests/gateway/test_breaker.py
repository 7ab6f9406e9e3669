"""When a provider is left out, when it is tried again, and what is told of it."""

from dragoman.clock import FakeClock
from dragoman.gateway.breaker import FAILURES, FIRST_PAUSE_S, LONGEST_PAUSE_S, WINDOW_S, Breakers

S = 10**9


def opened() -> tuple[FakeClock, Breakers]:
    clock = FakeClock()
    breakers = Breakers(clock)
    for _ in range(FAILURES):
        assert breakers.lets_pass("a")
        breakers.failed("a", "no connection")
    return clock, breakers


def test_failures_in_a_row_open_it_for_one_provider_alone() -> None:
    _, breakers = opened()
    assert not breakers.lets_pass("a")
    assert breakers.lets_pass("b")
    (shown,) = breakers.shown()
    assert (shown.provider, shown.state, shown.failures, shown.retry_in_s) == ("a", "open", FAILURES, FIRST_PAUSE_S)
    assert shown.last_error == "no connection"


def test_one_success_between_closes_it() -> None:
    breakers = Breakers(FakeClock())
    for _ in range(FAILURES * 3):
        breakers.failed("a", "500")
        breakers.failed("a", "500")
        breakers.succeeded("a")
    assert breakers.lets_pass("a")
    assert breakers.shown() == []


def test_failures_far_apart_do_not_open_it() -> None:
    clock = FakeClock()
    breakers = Breakers(clock)
    for _ in range(FAILURES * 2):
        breakers.failed("a", "500")
        clock.advance(int(WINDOW_S / 2) * S)
    assert breakers.lets_pass("a")


def test_one_request_is_let_through_when_the_pause_is_over() -> None:
    clock, breakers = opened()
    clock.advance(int(FIRST_PAUSE_S) * S)
    assert breakers.shown()[0].state == "half_open"
    assert breakers.lets_pass("a")
    assert not breakers.lets_pass("a")
    breakers.succeeded("a")
    assert breakers.lets_pass("a")


def test_each_failed_probe_doubles_the_pause_up_to_a_limit() -> None:
    clock, breakers = opened()
    pauses = []
    for _ in range(8):
        clock.advance(int(LONGEST_PAUSE_S) * S)
        assert breakers.lets_pass("a")
        breakers.failed("a", "still down")
        pauses.append(breakers.shown()[0].retry_in_s)
    assert pauses == [20, 40, 80, 160, 300, 300, 300, 300]


def test_a_probe_whose_client_left_makes_room_for_another() -> None:
    clock, breakers = opened()
    clock.advance(int(FIRST_PAUSE_S) * S)
    assert breakers.lets_pass("a")
    breakers.ended("a")
    assert breakers.lets_pass("a")


def test_a_changed_entry_begins_anew() -> None:
    _, breakers = opened()
    breakers.forget(["a"])
    assert breakers.lets_pass("a")
