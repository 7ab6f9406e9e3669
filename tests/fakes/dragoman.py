"""A whole Dragoman as users start it: `dragoman serve` in a process of its own, on an ephemeral port.

with running_dragoman(tmp_path, providers=simulator_as_provider(server.url)) as dragoman:
    httpx2.post(f"{dragoman.url}/v1/chat/completions", …)
    dragoman.api("/api/exchanges")
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

START_S = 20.0
DIALECTS = ["openai_chat", "openai_responses", "anthropic_messages", "ollama_chat"]


class Dragoman:
    """A running Dragoman. `log` is the file with what it printed and logged."""

    def __init__(
        self, process: subprocess.Popen[bytes], url: str, data_dir: Path, log: Path, password: str | None
    ) -> None:
        self.process = process
        self.url = url
        self.data_dir = data_dir
        self.log = log
        self._password = password

    def api(self, path: str, *, method: str = "GET", body: object = None) -> Any:
        """Call the API and give the JSON it answers with; raises HTTPError for an error status."""
        data = self.raw(path, method=method, body=body)
        return json.loads(data) if data else None

    def raw(self, path: str, *, method: str = "GET", body: object = None) -> bytes:
        request = urllib.request.Request(f"{self.url}{path}", method=method)
        if self._password:
            request.add_header("authorization", f"Bearer {self._password}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("content-type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.read()

    def child(self, word: str) -> psutil.Process:
        """Find a child by the word it was started with: `_keeper`, or `g0`."""
        for one in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):
                if word in one.cmdline():
                    return one
        raise LookupError(f"no child {word!r} runs; log:\n{self.log.read_text()}")

    def wait_ready(self, limit_s: float = START_S) -> None:
        """Wait until store, gateways and journals work."""
        self.wait_until(self._is_ready, "readiness", limit_s)

    def wait_until(self, holds: Any, what: str, limit_s: float = START_S) -> Any:
        """Look again and again until `holds()` gives something true, and give that."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            found = holds()
            if found:
                return found
            if self.process.poll() is not None:
                raise AssertionError(f"Dragoman ended with {self.process.returncode}:\n{self.log.read_text()}")
            time.sleep(0.02)
        raise AssertionError(f"{what} did not come within {limit_s} s:\n{self.log.read_text()[-8000:]}")

    def exchanges(self, query: str = "") -> list[Any]:
        """Give the finished exchanges that a query finds, newest first."""
        page = self.api(f"/api/exchanges?{urllib.parse.urlencode({'q': query, 'limit': 500})}")
        return [row for row in page["items"] if row["ending"] is not None]

    def wait_exchanges(self, count: int, query: str = "", limit_s: float = START_S) -> list[Any]:
        """Wait until that many finished exchanges are on record."""

        def enough() -> list[Any] | None:
            found = self.exchanges(query)
            return found if len(found) >= count else None

        return self.wait_until(enough, f"{count} exchanges", limit_s)

    def stop(self, limit_s: float = 30.0) -> int:
        """Ask it to end, and give its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(limit_s)

    def _is_ready(self) -> bool:
        try:
            self.raw("/readyz")
        except urllib.error.HTTPError as error:
            error.close()
            return False
        except OSError:
            return False
        return True


@contextlib.contextmanager
def running_dragoman(
    place: Path,
    *,
    providers: Sequence[Mapping[str, Any]] = (),
    settings: Mapping[str, Any] | None = None,
    flags: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    command: str = "serve",
    waits: bool = True,
) -> Iterator[Dragoman]:
    """Start a Dragoman with its data in `place`/data, wait until it is ready, and stop it when the block is left.

    `settings` is the rest of its dragoman.yaml; `waits=False` returns as soon as the socket listens.
    """
    place.mkdir(parents=True, exist_ok=True)
    config_file = place / "named.yaml"
    config_file.write_text(json.dumps({**(settings or {}), "providers": list(providers)}))  # JSON is YAML
    data_dir = place / "data"
    log = place / "dragoman.log"
    words = [command, "--port", "0", "--data-dir", str(data_dir), "--config", str(config_file), *flags]
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "dragoman", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=sink,
            env=clean_env(place) | dict(env or {}),
            cwd=place,
        )
    try:
        password = (env or {}).get("DRAGOMAN_PASSWORD")
        dragoman = Dragoman(process, _read_url(process, log), data_dir, log, password)
        if waits:
            dragoman.wait_ready()
        yield dragoman
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(45)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            assert process.stdout
            process.stdout.close()


def simulator_as_provider(url: str, **more: Any) -> list[dict[str, Any]]:
    """Make the simulator at `url` the default provider of every dialect it speaks."""
    return [{"slug": "sim", "base_url": url, "dialects": DIALECTS, "default_for": DIALECTS, **more}]


def clean_env(home: Path) -> dict[str, str]:
    """Give this environment without what would lead the process to the user's own files and proxies."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not re.match(r"DRAGOMAN_|XDG_|.*_PROXY$|.*_BASE_URL$", name, re.IGNORECASE)
    }
    return kept | {"HOME": str(home)}


def _read_url(process: subprocess.Popen[bytes], log: Path) -> str:
    """Read where it listens from the first line it prints."""
    assert process.stdout
    line = process.stdout.readline().decode()
    found = re.search(r"http://\S+", line)
    if found is None:
        process.kill()
        process.wait()
        raise AssertionError(f"Dragoman did not start:\n{line}{log.read_text()}")
    # The rest is short and stays in the pipe.
    return found[0]
