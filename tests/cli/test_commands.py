"""Commands as a user runs them: what they print, where, and with which exit code."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from fakes.dragoman import clean_env


def run(place: Path, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command in `place`, away from the user's own settings."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "dragoman", *words],
        cwd=place,
        env=clean_env(place) | (env or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_version_is_printed_without_loading_the_command_line(tmp_path: Path) -> None:
    assert re.fullmatch(r"dragoman \d+\.\d+\.\d+\S*\n", run(tmp_path, "--version").stdout)
    script = "import sys; sys.argv = ['dragoman', '--version']; import dragoman.__main__ as m; m.main(); "
    script += "print('typer' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("False\n")


@pytest.mark.parametrize("command", ["serve", "demo", "simulate", "env", "run", "export", "routes", "doctor", "verify"])
def test_each_command_explains_itself(tmp_path: Path, command: str) -> None:
    done = run(tmp_path, command, "--help")
    assert done.returncode == 0
    assert f"dragoman {command}" in done.stdout


def test_an_unknown_command_is_misuse(tmp_path: Path) -> None:
    done = run(tmp_path, "sevre")
    assert done.returncode == 2
    assert "sevre" in done.stderr


def test_env_names_the_address_of_the_settings(tmp_path: Path) -> None:
    done = run(tmp_path, "env", "claude", env={"DRAGOMAN_SERVER__PORT": "9", "SHELL": "/bin/bash"})
    assert done.stdout == "export ANTHROPIC_BASE_URL=http://127.0.0.1:9\n"
    done = run(tmp_path, "env", "openai", "--json")
    assert json.loads(done.stdout) == {"OPENAI_BASE_URL": "http://127.0.0.1:8080/v1"}
    done = run(tmp_path, "env", "ollama", env={"SHELL": "/usr/bin/fish"})
    assert done.stdout == "set -gx OLLAMA_HOST http://127.0.0.1:8080\n"
    done = run(tmp_path, "env", "codex", env={"SHELL": "/bin/bash"})
    assert """codex() { command codex -c 'openai_base_url="http://127.0.0.1:8080/v1"' "$@"; }""" in done.stdout
    assert run(tmp_path, "env", "nobody").returncode == 2


def test_run_sets_the_environment_of_the_child_and_passes_its_exit_code(tmp_path: Path) -> None:
    script = "import os; print(os.environ['OPENAI_BASE_URL'], os.environ['ANTHROPIC_BASE_URL']); raise SystemExit(7)"
    done = run(tmp_path, "run", "--", sys.executable, "-c", script)
    assert done.stdout == "http://127.0.0.1:8080/v1 http://127.0.0.1:8080\n"
    assert done.returncode == 7
    done = run(tmp_path, "run", "--", "no-such-program-anywhere")
    assert done.returncode == 2
    assert "no-such-program-anywhere" in done.stderr


def test_run_leads_codex_here_by_an_argument(tmp_path: Path) -> None:
    program = tmp_path / "codex"
    program.write_text('#!/bin/sh\nprintf "%s|" "$@"')
    program.chmod(0o755)
    done = run(tmp_path, "run", "--", str(program), "exec", "hi")
    assert done.stdout == '-c|openai_base_url="http://127.0.0.1:8080/v1"|exec|hi|'


def test_a_wrong_file_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "dragoman.yaml").write_text("server:\n  prot: 1\n")
    done = run(tmp_path, "serve")
    assert done.returncode == 2
    assert re.search(r"dragoman\.yaml:2: server\.prot: .*did you mean `port`", done.stderr)
    assert "Traceback" not in done.stderr


def test_listening_for_others_without_a_password_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "--host", "0.0.0.0")
    assert done.returncode == 2
    assert "DRAGOMAN_PASSWORD" in done.stderr


def test_a_taken_port_is_named_with_who_has_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run(tmp_path, "serve", "--port", str(port), "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 1
    assert f"port {port} on 127.0.0.1 is taken by" in done.stderr
    assert f"(pid {os.getpid()})" in done.stderr


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(tmp_path, "serve", "--port", "0", "--data-dir", str(tmp_path / "file"))
    assert done.returncode == 1
    assert f"{tmp_path / 'file'} cannot be written to" in done.stderr


def test_simulate_answers_until_it_is_told_to_end(tmp_path: Path) -> None:
    words = [sys.executable, "-P", "-m", "dragoman", "simulate", "--port", "0"]
    with subprocess.Popen(words, cwd=tmp_path, env=clean_env(tmp_path), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found
        with urllib.request.urlopen(f"{found[0]}/v1/models", timeout=10) as reply:
            assert "sim-echo" in reply.read().decode()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_verify_without_a_record_says_so(tmp_path: Path) -> None:
    done = run(tmp_path, "verify", "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 2
    assert "there is no record in" in done.stderr


def test_doctor_reports_each_thing_as_json(tmp_path: Path) -> None:
    settings = tmp_path / "s.yaml"
    settings.write_text(
        "providers: [{slug: gone, base_url: 'http://127.0.0.1:9', auth: {key_env: NO_SUCH_KEY_IS_SET}}]\n"
    )
    done = run(
        tmp_path, "doctor", "--json", "--port", "0", "--data-dir", str(tmp_path / "data"), "--config", str(settings)
    )
    findings = {one["what"]: one for one in json.loads(done.stdout)}
    assert done.returncode == 1
    assert findings["settings"]["state"] == "fine"
    assert findings["data directory"]["state"] == "fine"
    assert findings["port"]["state"] == "fine"
    assert findings["store"]["state"] == "fine"
    assert "NO_SUCH_KEY_IS_SET" in findings["provider gone"]["message"]
    assert findings["provider gone"]["state"] == "failed"
