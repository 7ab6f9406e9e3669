"""Made-up calls of every operation: no fault of ours, and each answer as it is described.

Streams are left out, since they do not end; so is what asks a provider over the network.
"""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from dragoman.api.app import build
from dragoman.api.openapi import text
from dragoman.ids import IdMaker
from fakes.api_server import serving
from fakes.gateway_socket import FakeGateway
from fakes.playbook import whole

LEFT_OUT = ["streamEvents", "streamExchange", "testProvider", "listModels", "listLoadedModels", "unloadModel",
            "sendTestRequest"]  # fmt: skip
NAME = IdMaker().make(1_700_000_000_000)

described = json.loads(text(build(None)))
for path, item in described["paths"].items():
    if "{exchange}" in path:  # a made-up id would only ever be not found
        for operation in item.values():
            for parameter in operation["parameters"]:
                if parameter["name"] == "exchange":
                    parameter["schema"] = {"enum": [NAME, "nothing"]}
schema = schemathesis.openapi.from_dict(described).exclude(operation_id=LEFT_OUT)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An API with one exchange, on a loop and in a thread of its own."""
    found: list[str] = []
    is_up, is_over = threading.Event(), threading.Event()

    async def serve(directory: Path) -> None:
        async with serving(directory) as api, FakeGateway(directory / "run" / "g0.sock") as gateway:
            await gateway.heard(lambda _: True)
            api.journal.write(*whole(NAME))
            await api.stored(NAME)
            found.append(api.admin_url)
            is_up.set()
            await asyncio.to_thread(is_over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve(tmp_path_factory.mktemp("api"))))
    thread.start()
    assert is_up.wait(30)
    yield found[0]
    is_over.set()
    thread.join()


@schema.parametrize()
@settings(
    max_examples=12, deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_answers_are_as_described(case: schemathesis.Case, url: str) -> None:
    case.call_and_validate(
        base_url=url, checks=[not_a_server_error, content_type_conformance, response_schema_conformance], timeout=20
    )
