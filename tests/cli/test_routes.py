"""`dragoman routes` as a user runs it: from the files alone, and through a Dragoman that runs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dragoman.security.vault import read_key
from fakes.dragoman import clean_env, running_dragoman

SECRET = "sk-planted-in-a-foreign-file-5f2b"
SETTINGS = """
providers:
  - {slug: up, base_url: "http://127.0.0.1:9", dialects: [anthropic_messages], auth: {key_env: UP_KEY}}
routes:
  - {name: late, priority: 90, targets: [{provider: openai}]}
  - {name: main, model: gpt-*, targets: [{provider: up, model: claude-x}, {provider: openai}]}
  - {name: apart, prefix: /apart, model: m, is_active: false, targets: [{provider: openai}]}
"""
FOREIGN = [
    {"model": "fast", "upstream_url": "http://127.0.0.1:8000/v1", "api_key": SECRET, "fixes": ["x"]},
    {"model": "slow", "upstream_url": "https://api.openai.com/v1", "api_key_env": "OPENAI_API_KEY"},
]


def run(place: Path, *words: str, text: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "dragoman", "routes", *words, "--data-dir", str(place / "data")],
        cwd=place, env=clean_env(place) | env, input=text, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "named.yaml").write_text(SETTINGS)
    (tmp_path / "foreign.json").write_text(json.dumps(FOREIGN))
    return tmp_path


def test_routes_are_listed_in_their_order_with_file_and_line(place: Path) -> None:
    done = run(place, "list", "--config", "named.yaml")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == ["NAME", "apart", "->", "main", "->", "late", "->"]
    assert lines[3][-1] == "named.yaml:6"
    assert "(off)" in done.stdout and "-> up claude-x, then openai" in done.stdout


def test_what_is_told_fits_the_terminal(place: Path) -> None:
    for words in (["list"], ["explain", "gpt-5.5"]):
        done = run(place, *words, "--config", "named.yaml", COLUMNS="80")
        told, _, _ = done.stdout.partition("POST ")  # what would be sent stands there as it is
        assert max(len(line) for line in told.splitlines()) <= 80


def test_without_routes_the_list_says_what_happens_then(tmp_path: Path) -> None:
    assert "default provider" in run(tmp_path, "list").stdout
    assert json.loads(run(tmp_path, "list", "--json").stdout) == []


def test_a_model_is_explained_from_the_files_alone(place: Path) -> None:
    done = run(place, "explain", "gpt-5.5", "--config", "named.yaml", UP_KEY=SECRET)
    assert done.returncode == 0, done.stderr
    assert "main   wins" in done.stdout
    assert "main comes first" in done.stdout
    assert "the route is switched off" in done.stdout
    assert "POST http://127.0.0.1:9/v1/messages" in done.stdout
    assert "Changed: translated: openai_chat -> anthropic_messages" in done.stdout
    assert SECRET not in done.stdout
    assert not (place / "data").exists()


def test_a_missing_key_and_a_model_that_nobody_takes_end_with_1(place: Path) -> None:
    done = run(place, "explain", "gpt-5.5", "--config", "named.yaml")
    assert done.returncode == 1
    assert "UP_KEY" in done.stdout
    done = run(place, "explain", "x", "--path", "/apart/v1/chat/completions", "--config", "named.yaml")
    assert done.returncode == 1
    assert "No route takes it" in done.stdout


def test_a_request_is_explained_from_a_file_or_standard_input(place: Path) -> None:
    body = '{"model": "gpt-9", "input": "hi", "truncation": "auto"}'
    done = run(place, "explain", "--body", "-", "--json", "--config", "named.yaml", text=body, UP_KEY=SECRET)
    found = json.loads(done.stdout)
    assert (found["dialect"], found["model"], found["route"]) == ("openai_responses", "gpt-9", "main")
    assert run(place, "explain", "--config", "named.yaml").returncode == 2
    assert run(place, "explain", "--body", "none.json", "--config", "named.yaml").returncode == 2
    assert run(place, "explain", "x", "--dialect", "klingon", "--config", "named.yaml").returncode == 2


def test_an_import_is_shown_first_and_names_what_is_left_out(place: Path) -> None:
    done = run(place, "import", "foreign.json")
    assert done.returncode == 0, done.stderr
    assert "name: fast" in done.stdout
    assert "not taken over: [0].fixes" in done.stderr
    assert "local-8000" in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert not (place / "data").exists()


def test_an_import_is_written_with_its_keys_in_the_vault(place: Path) -> None:
    done = run(place, "import", "foreign.json", "--write", "own.yaml")
    assert done.returncode == 0, done.stderr
    assert SECRET not in (place / "own.yaml").read_text()
    assert read_key(place / "data", "local-8000") == SECRET
    listed = json.loads(run(place, "list", "--json", "--config", "own.yaml").stdout)
    assert [one["name"] for one in listed] == ["fast", "slow"]
    again = run(place, "import", "foreign.json", "--write", "own.yaml")
    assert "left as it was: route fast" in again.stderr


def test_saving_needs_a_dragoman_that_runs(place: Path) -> None:
    done = run(place, "import", "foreign.json", "--save")
    assert done.returncode == 2
    assert "--write" in done.stderr


def test_a_running_dragoman_is_asked_and_told(place: Path) -> None:
    with running_dragoman(place):
        saved = run(place, "import", "foreign.json", "--save")
        assert saved.returncode == 0, saved.stderr
        listed = json.loads(run(place, "list", "--json").stdout)
        assert [(one["name"], one["source"]) for one in listed] == [("fast", "edited"), ("slow", "edited")]
        done = run(place, "explain", "fast")
        assert done.returncode == 0, done.stdout
        assert "key: vault:local-8000 (configured)" in done.stdout
    done = run(place, "explain", "fast")  # and what was edited last is known while none runs
    assert done.returncode == 0, done.stdout
