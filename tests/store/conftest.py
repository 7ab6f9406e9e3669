"""A store in a fresh directory, with a clock that stands still."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dragoman.clock import FakeClock
from dragoman.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dragoman.db"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(wall=1_790_000_000_000_000_000)


@pytest.fixture
def store(path: Path, clock: FakeClock) -> Iterator[Store]:
    with Store(f"sqlite:///{path}", clock=clock) as opened:
        yield opened
