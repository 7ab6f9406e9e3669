"""What one Dragoman holds and no second one may take."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from dragoman import config
from dragoman.config import Start
from dragoman.errors import DragomanError
from dragoman.records.setup import Provider, Setup
from dragoman.supervisor import place
from dragoman.supervisor.place import hold, read_run_file


@pytest.fixture
def start(tmp_path: Path) -> Start:
    return config.load({"data_dir": str(tmp_path)}, env={}, directory=tmp_path, user_directory=tmp_path)


def test_the_data_directory_is_for_this_user_alone(tmp_path: Path) -> None:
    with hold(tmp_path / "a" / "data"):
        assert (tmp_path / "a" / "data").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "a" / "data" / "run").is_dir()


def test_a_second_one_is_told_who_holds_it(tmp_path: Path) -> None:
    with (
        hold(tmp_path),
        place.announced(tmp_path, url="http://127.0.0.1:1", admin_url=None),
        pytest.raises(DragomanError, match=rf"pid {os.getpid()}, http://127\.0\.0\.1:1.*--data-dir"),
        hold(tmp_path),
    ):
        pass
    with hold(tmp_path):
        assert read_run_file(tmp_path) is None


def test_a_child_that_outlives_its_supervisor_keeps_the_next_one_out(tmp_path: Path) -> None:
    with hold(tmp_path) as lock:
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"], pass_fds=(lock,), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    with pytest.raises(DragomanError, match="another Dragoman holds"), hold(tmp_path, wait_s=0.1):
        pass
    child.communicate(b"\n")
    with hold(tmp_path):
        pass


def test_the_port_of_a_listener_is_taken(tmp_path: Path) -> None:
    with place.listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(DragomanError, match=rf"port {port} on 127\.0\.0\.1 is taken by .*\(pid {os.getpid()}\)"):
            place.listen("127.0.0.1", port)


def test_a_host_that_is_not_here_is_named() -> None:
    with pytest.raises(DragomanError, match=r"192\.0\.2\.1 is no address of this machine"):
        place.listen("192.0.2.1", 0)


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_it_listens_on_ipv6() -> None:
    try:
        listener = place.listen("::1", 0)
    except DragomanError:
        pytest.skip("this machine has no IPv6 loopback")
    with listener:
        assert place.url_of("::1", listener.getsockname()[1]).startswith("http://[::1]:")


def test_the_url_leads_there_from_this_machine() -> None:
    assert place.url_of("0.0.0.0", 80) == "http://127.0.0.1:80"
    assert place.url_of("localhost", 80) == "http://localhost:80"


def test_the_first_setup_holds_what_was_edited_last_time(start: Start, tmp_path: Path) -> None:
    edited = Provider(slug="mine", base_url="http://127.0.0.1:1", source="edited")
    gone = Provider(slug="gone", base_url="http://127.0.0.1:2", source="file:x:1")
    (tmp_path / "run").mkdir()
    last = Setup(version=41, providers=[edited, gone], is_panicking=True)
    place.write_private(tmp_path / "run" / "setup.json", last)
    setup = place.settled(start, tmp_path, 7).setup
    slugs = [one.slug for one in setup.providers]
    assert "mine" in slugs
    assert "openai" in slugs
    assert "gone" not in slugs
    assert setup.version == 42
    assert setup.is_panicking


def test_the_port_that_was_taken_is_written_down(start: Start, tmp_path: Path) -> None:
    assert place.settled(start, tmp_path, 7).config.server.port == 7


def test_a_path_too_long_for_sockets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DragomanError, match="too long for the sockets"), hold(tmp_path / ("x" * 120)):
        pass


def test_a_setup_that_cannot_be_read_counts_as_none(start: Start, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "setup.json").write_bytes(b"{")
    assert place.settled(start, tmp_path, 7).setup.providers == start.setup.providers


def test_each_start_has_a_secret_of_its_own(start: Start, tmp_path: Path) -> None:
    secrets = {place.settled(start, tmp_path, 7).setup.workbench_secret for _ in range(3)}
    assert len(secrets) == 3


def test_private_files_are_for_this_user_alone(tmp_path: Path) -> None:
    place.write_private(tmp_path / "x.json", {"a": 1})
    assert (tmp_path / "x.json").stat().st_mode & 0o777 == 0o600
    assert msgspec.json.decode((tmp_path / "x.json").read_bytes()) == {"a": 1}
