"""Settings changed under a running Dragoman: routes of the file and of the interface, from the next request on."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.simulator import Server
from fakes.dragoman import Dragoman, running_dragoman, simulator_as_provider


class Place:
    """A Dragoman and its `dragoman.yaml`."""

    def __init__(self, dragoman: Dragoman, file: Path, simulator: Server) -> None:
        self.dragoman = dragoman
        self.file = file
        self.providers = simulator_as_provider(simulator.url)

    def write(self, **settings: Any) -> None:
        self.file.write_text(json.dumps({"providers": self.providers, **settings}, indent=1))

    def ask(self, path: str = "/v1/chat/completions") -> Any:
        """Say something under a model that only a route knows; gives what the model says again."""
        body = {"model": "mine", "messages": [{"role": "user", "content": "over the hills"}]}
        request = urllib.request.Request(f"{self.dragoman.url}{path}", data=json.dumps(body).encode())
        request.add_header("content-type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.loads(reply.read())["choices"][0]["message"]["content"]

    def until_echoed(self, path: str = "/v1/chat/completions", *, is_echoed: bool = True) -> None:
        self.dragoman.wait_until(lambda: ("over the hills" in self.ask(path)) == is_echoed, f"echo: {is_echoed}")

    def problems(self) -> list[str]:
        return self.dragoman.api("/api/status")["problems"]


def to(model: str, **more: Any) -> dict[str, Any]:
    return {"name": "mine", "model": "mine", "targets": [{"provider": "sim", "model": model}], **more}


@pytest.fixture
def place(simulator: Server, tmp_path: Path) -> Iterator[Place]:
    with running_dragoman(tmp_path, providers=simulator_as_provider(simulator.url)) as dragoman:
        yield Place(dragoman, tmp_path / "named.yaml", simulator)


def test_a_changed_file_counts_from_the_next_request_and_a_wrong_one_changes_nothing(place: Place) -> None:
    assert "over the hills" not in place.ask()
    place.write(routes=[to("sim-echo")])
    place.until_echoed()
    place.write(routes=[to("sim-echo", targets=[{"provider": "nobody"}])])
    (problem,) = place.dragoman.wait_until(place.problems, "the problem")
    assert str(place.file) in problem and "routes[0].targets[0].provider: found 'nobody'" in problem
    line = int(problem.split(str(place.file) + ":")[1].split(":")[0])
    assert '"nobody"' in place.file.read_text().splitlines()[line - 1]
    assert "over the hills" in place.ask()
    place.write()
    place.until_echoed(is_echoed=False)
    assert place.problems() == []


def test_a_route_of_the_interface_takes_the_next_request_and_outlives_a_restart_of_the_gateway(place: Place) -> None:
    made = place.dragoman.api("/api/routes", method="POST", body=to("sim-echo", prefix="/word"))
    assert made["source"] == "edited"
    place.until_echoed("/word/v1/chat/completions")
    found = place.dragoman.wait_exchanges(1, "route:mine")
    assert found[0]["upstream_model"] == "sim-echo"
    gateway = place.dragoman.child("g0")
    gateway.kill()
    gateway.wait(20)
    place.until_echoed("/word/v1/chat/completions")
    gone = place.dragoman.api("/api/routes/mine", method="DELETE")
    assert gone["prefix"] == "/word"


def test_what_only_a_restart_brings_is_named(place: Place) -> None:
    place.write(server={"gateways": 2}, limits={"body": "1KB"})
    place.dragoman.wait_until(place.problems, "the problem")
    assert [one.split(" ")[0] for one in place.problems()] == ["server.gateways"]
    body = json.dumps({"model": "x", "messages": [{"role": "user", "content": "x" * 2000}]}).encode()
    request = urllib.request.Request(f"{place.dragoman.url}/v1/chat/completions", data=body)
    with pytest.raises(urllib.error.HTTPError) as refused, urllib.request.urlopen(request, timeout=30):
        pass
    assert refused.value.code == 413
    refused.value.close()


def test_the_demo_shows_a_translation_and_a_fallback(tmp_path: Path) -> None:
    with running_dragoman(tmp_path, command="demo") as dragoman:
        (translated,) = dragoman.wait_exchanges(1, "route:house-model", limit_s=60)[:1]
        assert (translated["dialect"], translated["upstream_dialect"]) == ("openai_chat", "anthropic_messages")
        (fallen_back,) = dragoman.wait_exchanges(1, "route:team-fast", limit_s=60)[:1]
        assert (fallen_back["status"], fallen_back["attempts"]) == (200, 2)
