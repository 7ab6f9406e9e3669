"""Programs that use the official SDKs get through Dragoman what they get without it, and it is on record."""

import pytest

from dragoman.simulator import Server
from fakes.dragoman import Dragoman
from fakes.sdk_scenarios import SCENARIOS


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_program_gets_the_same_through_dragoman(name: str, dragoman: Dragoman, simulator: Server) -> None:
    assert SCENARIOS[name](dragoman.url) == SCENARIOS[name](simulator.url)
