"""Processes die, are started again, and end in order; clients notice as little as can be."""

import contextlib
import http.client
import json
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from dragoman.simulator import Server
from fakes.dragoman import Dragoman, running_dragoman, simulator_as_provider


@pytest.fixture
def own(simulator: Server, tmp_path: Path) -> Iterator[Dragoman]:
    """A Dragoman that this test may break."""
    with running_dragoman(tmp_path, providers=simulator_as_provider(simulator.url)) as running:
        yield running


@contextlib.contextmanager
def begin(url: str, model: str, *, streams: bool = True) -> Iterator[http.client.HTTPResponse]:
    """Send a chat request and give its reply as soon as the head is there."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "stream": streams}
    with contextlib.closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)) as connection:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
        yield connection.getresponse()


def ask(url: str, model: str = "sim-echo") -> int:
    with begin(url, model, streams=False) as reply:
        reply.read()
        return reply.status


def test_a_gateway_that_dies_is_started_again_behind_the_same_socket(own: Dragoman) -> None:
    assert ask(own.url) == 200
    gateway = own.child("g0")
    gateway.kill()
    gateway.wait(10)
    assert ask(own.url) == 200
    assert own.child("g0").pid != gateway.pid
    assert len(own.wait_exchanges(2)) == 2


def test_traffic_flows_while_the_keeper_is_dead_and_is_on_record_afterwards(own: Dragoman) -> None:
    keeper = own.child("_keeper")
    keeper.kill()
    for _ in range(5):
        assert ask(own.url) == 200
    own.wait_ready()
    assert len(own.wait_exchanges(5)) == 5


def test_a_running_stream_is_finished_before_the_end(own: Dragoman) -> None:
    with begin(own.url, "sim-slow-20") as reply:
        first = reply.read(10)
        own.process.send_signal(signal.SIGTERM)
        rest = reply.read()
    assert (first + rest).endswith(b"data: [DONE]\n\n")
    assert own.stop() == 0
    assert not (own.data_dir / "run.json").exists()


def test_a_second_signal_does_not_wait(own: Dragoman) -> None:
    with begin(own.url, "sim-slow-2000") as reply:
        reply.read(10)
        gateway = own.child("g0")
        own.process.send_signal(signal.SIGTERM)
        own.wait_until(lambda: not _is_listening(own), "the end of listening")
        own.process.send_signal(signal.SIGTERM)
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            reply.read()
    assert own.stop() == 0
    assert not gateway.is_running()


def test_what_was_cut_by_the_end_is_on_record_after_the_next_start(simulator: Server, tmp_path: Path) -> None:
    providers = simulator_as_provider(simulator.url)
    with running_dragoman(tmp_path, providers=providers) as first, begin(first.url, "sim-slow-200") as reply:
        got = reply.read1(65536)
        first.child("g0").kill()
        first.stop()
    with running_dragoman(tmp_path, providers=providers) as second:
        (row,) = second.wait_exchanges(1)
        assert row["state"] == "interrupted"
        assert second.raw(f"/api/exchanges/{row['id']}/response").startswith(got)


def test_children_end_when_their_supervisor_is_killed(own: Dragoman) -> None:
    children = psutil.Process(own.process.pid).children()
    assert len(children) >= 2
    own.process.kill()
    own.process.wait(10)
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    assert len(gone) == len(children)


def test_a_second_dragoman_on_the_same_data_is_refused(own: Dragoman, tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match=rf"another Dragoman \(pid {own.process.pid}, {own.url}\) holds"),
        running_dragoman(tmp_path / "two", flags=["--data-dir", str(own.data_dir)]),
    ):
        pass


def test_several_gateways_share_the_socket(simulator: Server, tmp_path: Path) -> None:
    providers = simulator_as_provider(simulator.url)
    with running_dragoman(tmp_path, providers=providers, flags=["--gateways", "2"]) as dragoman:
        assert dragoman.child("g0").pid != dragoman.child("g1").pid
        threads = [threading.Thread(target=ask, args=(dragoman.url,)) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(dragoman.wait_exchanges(12)) == 12


def test_a_second_listener_takes_the_interface(simulator: Server, tmp_path: Path) -> None:
    port = _free_port()
    flags = ["--admin-listen", f"127.0.0.1:{port}"]
    providers = simulator_as_provider(simulator.url)
    with running_dragoman(tmp_path, providers=providers, flags=flags, waits=False) as dragoman:
        proxy = dragoman.url
        dragoman.url = f"http://127.0.0.1:{port}"
        dragoman.wait_ready()
        assert ask(proxy) == 200
        assert dragoman.api("/api/status")
        connection = http.client.HTTPConnection(urlsplit(proxy).netloc, timeout=10)
        connection.request("GET", "/api/status")
        assert connection.getresponse().status == 404
        connection.close()


def test_start_files_are_private(dragoman: Dragoman) -> None:
    for name in ("run/start.json", "run.json"):
        assert (dragoman.data_dir / name).stat().st_mode & 0o077 == 0


def test_the_demo_plays_its_traffic(tmp_path: Path) -> None:
    with running_dragoman(tmp_path, command="demo") as dragoman:
        rows = dragoman.wait_exchanges(6, limit_s=60)
        assert len({row["dialect"] for row in rows}) >= 2


def _is_listening(dragoman: Dragoman) -> bool:
    connection = http.client.HTTPConnection(urlsplit(dragoman.url).netloc, timeout=5)
    try:
        connection.connect()
    except OSError:
        return False
    finally:
        connection.close()
    return True


def _free_port() -> int:
    """Find a port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
