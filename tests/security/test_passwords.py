"""The password: right or wrong, and what many wrong ones cost."""

import argon2

from dragoman.clock import FakeClock
from dragoman.security.passwords import LONGEST_WAIT_NS, PEERS_WATCHED, Attempts, Password, matches


def test_only_the_very_password_matches() -> None:
    assert matches("fünf Hühner", "fünf Hühner")
    assert not matches("fünf Hühner", "fünf Huhner")
    assert not matches("fünf Hühner", "")


def test_a_hash_may_stand_for_the_password() -> None:
    password = Password(argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("fünf"))
    assert password.matches("fünf")
    assert password.matches("fünf")
    assert not password.matches("sechs")
    assert not matches("$argon2id$broken", "$argon2id$broken")


def test_a_password_is_not_printed() -> None:
    assert "fünf" not in repr(Password("fünf"))


def test_wrong_passwords_cost_the_peer_longer_and_longer() -> None:
    clock = FakeClock()
    attempts = Attempts(clock)
    waits = []
    for _ in range(12):
        attempts.failed("192.0.2.1")
        waits.append(attempts.wait_ns("192.0.2.1") // 1_000_000_000)
    assert waits == [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert attempts.wait_ns("192.0.2.2") == 0
    clock.advance(LONGEST_WAIT_NS)
    assert attempts.wait_ns("192.0.2.1") == 0


def test_a_right_password_clears_the_peer() -> None:
    attempts = Attempts(FakeClock())
    for _ in range(5):
        attempts.failed("192.0.2.1")
    attempts.succeeded("192.0.2.1")
    assert attempts.wait_ns("192.0.2.1") == 0


def test_peers_are_forgotten_before_they_fill_the_memory() -> None:
    attempts = Attempts(FakeClock())
    for number in range(PEERS_WATCHED + 1):
        for _ in range(3):
            attempts.failed(f"peer-{number}")
    assert attempts.wait_ns("peer-0") == 0
    assert attempts.wait_ns("peer-1") > 0
