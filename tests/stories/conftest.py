"""One Dragoman with the simulator behind it, for all stories of a session."""

from collections.abc import Iterator

import pytest

from dragoman.simulator import Server
from fakes.dragoman import Dragoman, running_dragoman, simulator_as_provider
from fakes.simulated import running_simulator


@pytest.fixture(scope="session")
def simulator() -> Iterator[Server]:
    with running_simulator() as server:
        yield server


@pytest.fixture(scope="session")
def dragoman(simulator: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dragoman]:
    providers = simulator_as_provider(simulator.url)
    with running_dragoman(tmp_path_factory.mktemp("dragoman"), providers=providers) as running:
        yield running
