"""The keeper's process as the supervisor starts it: its socket, its answer, its end."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import msgspec
import pytest

from dragoman.api.main import listen_openly, listen_privately
from dragoman.api.server import base_url
from dragoman.config import Start, load
from dragoman.errors import BadConfig

SERVE = "import sys; from pathlib import Path; from dragoman.api.main import run; run(Path(sys.argv[1]))"


def starting(tmp_path: Path, **server: object) -> Start:
    (tmp_path / "run").mkdir(exist_ok=True)
    flags = {"data_dir": str(tmp_path), "server": server}
    return load(flags, env={}, directory=tmp_path, user_directory=tmp_path / "none")


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until somebody listens there, or fail with the process."""
    while process.poll() is None:
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.connect(str(path))
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
    raise AssertionError("the process ended before it listened")


def test_the_process_serves_and_ends_at_sigterm(tmp_path: Path) -> None:
    start = starting(tmp_path)
    (tmp_path / "run" / "start.json").write_bytes(msgspec.json.encode(start))
    path = tmp_path / "run" / "keeper.sock"
    environment = os.environ | {"DRAGOMAN_PASSWORD": "fünf"}
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(tmp_path)], env=environment, stderr=subprocess.PIPE)
    try:
        wait_for(path, process)
        transport = httpx2.HTTPTransport(uds=str(path))
        with httpx2.Client(transport=transport, base_url="http://localhost", timeout=30) as client:
            assert client.get("/healthz").status_code == 200
            assert path.stat().st_mode & 0o777 == 0o600
            assert client.get("/api/count").status_code == 401
            assert client.post("/api/login", json={"password": "fünf"}).status_code == 200
            with client.stream("GET", "/api/events") as events:
                assert events.status_code == 200
                process.send_signal(signal.SIGTERM)
                assert process.wait(30) in (0, -signal.SIGTERM)
                assert b"Traceback" not in b"".join(events.iter_raw())
    finally:
        if process.poll() is None:
            process.kill()
        _, errors = process.communicate()
    assert b"Traceback" not in errors
    assert b"f\xc3\xbcnf" not in errors


def test_the_sockets_do_not_wait_for_the_libraries() -> None:
    code = "import sys, dragoman.api.main; print({'fastapi', 'sqlalchemy', 'uvicorn'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_a_socket_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "keeper.sock"
    listen_privately(path).close()
    with listen_privately(path):
        assert path.stat().st_mode & 0o777 == 0o600


def test_an_admin_address_that_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(BadConfig, match="cannot listen on"):
            listen_openly("127.0.0.1:{1}".format(*taken.getsockname()))


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8123"),
        ("0.0.0.0", "http://127.0.0.1:8123"),
        ("::", "http://[::1]:8123"),
        ("::1", "http://[::1]:8123"),
        ("box.local", "http://box.local:8123"),
    ],
)
def test_clients_are_told_an_address_that_they_can_call(tmp_path: Path, host: str, url: str) -> None:
    start = starting(tmp_path)
    server = msgspec.structs.replace(start.config.server, host=host, port=8123)
    assert base_url(Start(config=msgspec.structs.replace(start.config, server=server), setup=start.setup)) == url
