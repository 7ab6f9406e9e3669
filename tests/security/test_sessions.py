"""Sessions: what opens, ends and outlives them."""

from pathlib import Path

from dragoman.clock import FakeClock
from dragoman.security.passwords import Password
from dragoman.security.sessions import LIFE_NS, SESSIONS_KEPT, Sessions


def test_a_session_outlives_a_restart_and_ends_at_logout(tmp_path: Path) -> None:
    path = tmp_path / "sessions.json"
    token = Sessions(path, Password("fünf"), FakeClock()).open()
    sessions = Sessions(path, Password("fünf"), FakeClock())
    assert sessions.is_open(token)
    sessions.close(token)
    assert not sessions.is_open(token)
    assert not Sessions(path, Password("fünf"), FakeClock()).is_open(token)


def test_a_session_ends_with_its_time_and_with_its_password(tmp_path: Path) -> None:
    path = tmp_path / "sessions.json"
    clock = FakeClock()
    sessions = Sessions(path, Password("fünf"), clock)
    token = sessions.open()
    assert not Sessions(path, Password("sechs"), clock).is_open(token)
    clock.advance(LIFE_NS)
    assert not sessions.is_open(token)


def test_the_file_is_private_and_holds_no_token(tmp_path: Path) -> None:
    path = tmp_path / "sessions.json"
    token = Sessions(path, Password("fünf"), FakeClock()).open()
    assert path.stat().st_mode & 0o777 == 0o600
    assert token not in path.read_text()
    assert "fünf" not in path.read_text()


def test_a_broken_file_means_that_nobody_is_logged_in(tmp_path: Path) -> None:
    path = tmp_path / "sessions.json"
    path.write_text("{")
    sessions = Sessions(path, Password("fünf"), FakeClock())
    assert not sessions.is_open("anything")
    assert sessions.is_open(sessions.open())


def test_the_oldest_sessions_go_when_there_are_too_many(tmp_path: Path) -> None:
    clock = FakeClock()
    sessions = Sessions(tmp_path / "sessions.json", Password("fünf"), clock)
    tokens = []
    for _ in range(SESSIONS_KEPT + 1):
        clock.advance(1)
        tokens.append(sessions.open())
    assert not sessions.is_open(tokens[0])
    assert all(sessions.is_open(token) for token in tokens[1:])
