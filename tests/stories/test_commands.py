"""Commands beside a running Dragoman, and on its data when it is over."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dragoman.simulator import Server
from fakes.dragoman import clean_env, running_dragoman, simulator_as_provider
from fakes.sdk_scenarios import SCENARIOS

PLANTED = "sk-test"  # the key that the scenarios use


@pytest.fixture(scope="module")
def place(simulator: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the data of a Dragoman that is over."""
    place = tmp_path_factory.mktemp("commands")
    with running_dragoman(place, providers=simulator_as_provider(simulator.url)) as dragoman:
        for name in ("openai_chat", "anthropic_streamed", "ollama_chat", "openai_errors"):
            SCENARIOS[name](dragoman.url)
        dragoman.wait_exchanges(10)
        live = run(place, "export", "--format", "jsonl")
        (place / "live.jsonl").write_text(live.stdout)
        (place / "doctor.json").write_text(run(place, "doctor", "--json").stdout)
        (place / "env.txt").write_text(run(place, "env", "claude").stdout)
        (place / "url.txt").write_text(dragoman.url)
    return place


def run(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "dragoman", *words, "--data-dir", str(place / "data")],
        cwd=place,
        env=clean_env(place),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def lines(text: str) -> Iterator[dict[str, object]]:
    return (json.loads(line) for line in text.splitlines())


def test_export_is_the_same_from_the_api_and_from_the_store(place: Path) -> None:
    live = (place / "live.jsonl").read_text()
    stored = run(place, "export", "--format", "jsonl")
    assert stored.returncode == 0, stderr(stored)
    assert list(lines(stored.stdout)) == list(lines(live))
    assert len(list(lines(live))) == 10


def test_exports_hold_no_key(place: Path) -> None:
    for form in ("json", "jsonl", "har", "curl", "python", "typescript"):
        done = run(place, "export", "--format", form)
        assert done.returncode == 0, stderr(done)
        assert done.stdout
        assert PLANTED not in done.stdout


def test_export_filters_and_limits(place: Path) -> None:
    done = run(place, "export", "status:429", "--format", "har", "--output", str(place / "one.har"))
    assert done.returncode == 0, stderr(done)
    assert "1 exchanges written" in done.stderr
    entries = json.loads((place / "one.har").read_text())["log"]["entries"]
    assert [entry["response"]["status"] for entry in entries] == [429]
    assert len(json.loads(run(place, "export", "--limit", "2").stdout)) == 2


def test_a_wrong_query_is_misuse(place: Path) -> None:
    done = run(place, "export", "colour:red")
    assert done.returncode == 2
    assert "colour" in done.stderr
    assert not done.stdout  # no half of a document


def test_an_export_of_nothing_is_a_whole_document(place: Path) -> None:
    assert json.loads(run(place, "export", "status:599").stdout) == []


def test_verify_rebuilds_every_body(place: Path) -> None:
    done = run(place, "verify", "--json")
    assert done.returncode == 0, stderr(done)
    report = json.loads(done.stdout)
    assert report["checked"] >= 20
    assert report["failures"] == []


def test_env_names_the_running_dragoman(place: Path) -> None:
    assert (place / "env.txt").read_text() == f"export ANTHROPIC_BASE_URL={(place / 'url.txt').read_text()}\n"


def test_doctor_asks_the_running_dragoman(place: Path) -> None:
    findings = {one["what"]: one for one in json.loads((place / "doctor.json").read_text())}
    assert findings["process"]["state"] == "fine"
    assert not any(one["state"] == "failed" for one in findings.values())


def stderr(done: subprocess.CompletedProcess[str]) -> str:
    return done.stderr[-3000:]
