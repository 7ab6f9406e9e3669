"""Processes of the benchmark: start, find, measure, stop. CPU comes from the operating system's accounting."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
BUILD = HERE / "build"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, all its threads, in seconds (nanosecond accounting of the scheduler)."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def children_of(pid: int) -> dict[int, str]:
    """Child processes with their command lines."""
    found: dict[int, str] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found[int(child)] = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def wait_for_port(port: int, limit_s: float = 20) -> None:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port} after {limit_s} s")


@contextlib.contextmanager
def process(command: list[str], **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command and end it, and only it, at the close."""
    with tempfile.TemporaryFile() as output:
        started = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **options)  # type: ignore[call-overload]
        try:
            yield started
        finally:
            if started.poll() is None:
                started.send_signal(signal.SIGTERM)
                try:
                    started.wait(20)
                except subprocess.TimeoutExpired:
                    started.kill()
                    started.wait()
            elif started.returncode not in (0, -signal.SIGTERM, -signal.SIGKILL):
                output.seek(0)
                print(output.read().decode(errors="replace")[-3000:], file=sys.stderr)


@contextlib.contextmanager
def upstream() -> Iterator[int]:
    """The C upstream on a free port."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise SystemExit("bench: no C compiler was found; the upstream of the benchmark needs one (install gcc)")
    BUILD.mkdir(exist_ok=True)
    binary, source = BUILD / "upstream", HERE / "upstream.c"
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        subprocess.run([compiler, "-O2", "-o", str(binary), str(source)], check=True)
    port = free_port()
    with process([str(binary), str(port)]):
        wait_for_port(port)
        yield port


@dataclass(frozen=True, slots=True)
class Target:
    """Something between load and upstream: where it listens, and the processes whose CPU counts."""

    name: str
    port: int
    path: str
    pids: tuple[int, ...]
    keeper: int | None = None
    """Waited for after each round, and its CPU measured."""


@contextlib.contextmanager
def nginx(upstream_port: int) -> Iterator[Target]:
    """nginx as a plain reverse proxy: one worker, keep-alive both sides, no buffering, no log."""
    port = free_port()
    with tempfile.TemporaryDirectory() as place:
        config = Path(place) / "nginx.conf"
        config.write_text(f"""
daemon off; worker_processes 1; pid {place}/pid; error_log {place}/error.log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {place}/body; proxy_temp_path {place}/proxy;
  fastcgi_temp_path {place}/f; uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;
  client_max_body_size 64m; keepalive_requests 1000000000;
  upstream up {{ server 127.0.0.1:{upstream_port}; keepalive 512; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_request_buffering off;
    }}
  }}
}}
""")
        with process(["nginx", "-p", place, "-c", str(config)]) as master:
            wait_for_port(port)
            workers = [pid for pid, line in children_of(master.pid).items() if "worker" in line]
            yield Target("nginx", port, "/v1/chat/completions", tuple(workers))


@contextlib.contextmanager
def dragoman(upstream_port: int, *, keeper_stopped: bool = False) -> Iterator[Target]:
    """Dragoman with everything captured. With `keeper_stopped` its keeper stands still, and all is thrown away."""
    port = free_port()
    with tempfile.TemporaryDirectory() as place:
        config = Path(place) / "dragoman.yaml"
        url = f"http://127.0.0.1:{upstream_port}"
        config.write_text(f"""
providers:
  - {{slug: bench, base_url: '{url}', dialects: [openai_chat], default_for: [openai_chat]}}
  - {{slug: bench-messages, base_url: '{url}', dialects: [anthropic_messages]}}
routes:
  - {{name: to-chat, prefix: /to-chat, targets: [{{provider: bench}}]}}
  - {{name: to-messages, prefix: /to-messages, targets: [{{provider: bench-messages}}]}}
""")
        command = [sys.executable, "-m", "dragoman", "serve", "--port", str(port), "--config", str(config)]
        with process([*command, "--data-dir", f"{place}/data"]) as supervisor:
            wait_for_port(port)
            wait_until_ready(port)
            lines = children_of(supervisor.pid)
            gateways = tuple(pid for pid, line in lines.items() if "_gateway" in line)
            keeper = next(pid for pid, line in lines.items() if "_keeper" in line)
            if not keeper_stopped:
                yield Target("dragoman", port, "/v1/chat/completions", gateways, keeper)
                return
            os.kill(keeper, signal.SIGSTOP)
            yield Target("dragoman", port, "/v1/chat/completions", gateways)
            supervisor.kill()  # its children end with it


def wait_until_ready(port: int, limit_s: float = 30) -> None:
    """Wait until the keeper answers that it is ready."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        url = f"http://127.0.0.1:{port}/readyz"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"port {port}: not ready after {limit_s} s")


def get_json(port: int, path: str) -> dict[str, object]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        return json.load(answer)


def wait_until_drained(target: Target, limit_s: float = 600) -> None:
    """Wait until the keeper has stored all that the journal holds."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        lag = get_json(target.port, "/api/status")["lag"]
        assert isinstance(lag, dict)
        if not lag["bytes"]:
            return
        time.sleep(0.1)
    raise TimeoutError("the keeper did not catch up")


def load(target: Target, kind: str, *, connections: int, seconds: float) -> dict[str, float]:
    """Run wrk against a target; returns its summary."""
    answer = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "30s", "-s", str(HERE / "load.lua"),
         f"http://127.0.0.1:{target.port}"],
        env={**os.environ, "BENCH_KIND": kind, "BENCH_PATH": target.path},
        capture_output=True, text=True, check=True, timeout=seconds + 60,
    )  # fmt: skip
    summary = json.loads(answer.stdout.strip().splitlines()[-1])
    if summary["errors"]:
        raise RuntimeError(f"{target.name}, {kind}: {summary['errors']} errors in {summary['requests']} requests")
    return summary


def time_to_first_request(upstream_port: int) -> float:
    """Seconds from the command to the first proxied answer, on a fresh data directory."""
    port = free_port()
    with tempfile.TemporaryDirectory() as place:
        config = Path(place) / "dragoman.yaml"
        config.write_text(
            f"providers: [{{slug: bench, base_url: 'http://127.0.0.1:{upstream_port}', dialects: [openai_chat],"
            " default_for: [openai_chat]}]\n"
        )
        begun = time.monotonic()
        command = [sys.executable, "-m", "dragoman", "serve", "--port", str(port), "--config", str(config)]
        with process([*command, "--data-dir", f"{place}/data"]):
            while True:
                request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions", b'{"model":"x"}')
                with contextlib.suppress(OSError):
                    with urllib.request.urlopen(request, timeout=5) as answer:
                        answer.read()
                    return time.monotonic() - begun
                if time.monotonic() - begun > 30:
                    raise TimeoutError("no request was proxied within 30 s")
                time.sleep(0.005)
