"""What goes wrong around a whole Dragoman: the record loses little, says so, and traffic flows on."""

import http.client
import json
import signal
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dragoman.simulator import Server
from fakes.dragoman import Dragoman, running_dragoman, simulator_as_provider


@pytest.fixture
def own(simulator: Server, tmp_path: Path) -> Iterator[Dragoman]:
    """A Dragoman that this test may break."""
    with running_dragoman(tmp_path, providers=simulator_as_provider(simulator.url)) as running:
        yield running


def ask(dragoman: Dragoman, model: str = "sim-echo", *, streams: bool = False) -> int:
    """Send one chat request, and read as much of its reply as comes."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "stream": streams}
    connection = http.client.HTTPConnection(urlsplit(dragoman.url).netloc, timeout=30)
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
        reply = connection.getresponse()
        try:
            reply.read()
        except http.client.IncompleteRead:
            pass
        return reply.status
    finally:
        connection.close()


def status_of(dragoman: Dragoman, path: str) -> int:
    try:
        dragoman.raw(path)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    return 200


def test_a_database_taken_away_loses_nothing_of_what_came_after(simulator: Server, tmp_path: Path) -> None:
    providers = simulator_as_provider(simulator.url)
    with running_dragoman(tmp_path, providers=providers) as first:
        assert ask(first) == 200
        first.wait_exchanges(1)
        for path in first.data_dir.glob("dragoman.db*"):
            path.unlink()
        assert [ask(first) for _ in range(3)] == [200, 200, 200]
        first.wait_until(lambda: status_of(first, "/readyz") == 503, "word that the store is gone")
        assert "was removed or replaced" in first.log.read_text()
    with running_dragoman(tmp_path, providers=providers) as second:
        assert len(second.wait_exchanges(3)) >= 3


def test_a_damaged_journal_costs_one_exchange_and_is_put_aside(simulator: Server, tmp_path: Path) -> None:
    providers = simulator_as_provider(simulator.url)
    with running_dragoman(tmp_path, providers=providers) as first:
        keeper = first.child("_keeper")
        keeper.send_signal(signal.SIGSTOP)
        for _ in range(9):
            assert ask(first) == 200
        first.process.kill()
        keeper.kill()
        first.process.wait(10)
    (journal,) = (tmp_path / "data" / "journal" / "g0").glob("*.journal")
    data = bytearray(journal.read_bytes())
    data[len(data) // 2] ^= 0xFF
    journal.write_bytes(data)
    with running_dragoman(tmp_path, providers=providers) as second:
        assert ask(second) == 200
        assert len(second.wait_exchanges(9)) >= 9
        second.wait_until(lambda: list(journal.parent.glob("*.damaged")), "the damaged file put aside")


def test_a_provider_that_cannot_be_asked_is_refused_and_breaks_nothing(own: Dragoman) -> None:
    for url in ("http://h:99999", "http://[::1", "file:///etc/passwd", "http://h/a b"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            own.api("/api/providers", method="POST", body={"slug": "odd", "base_url": url})
        with caught.value as error:
            assert error.code == 400
            assert json.load(error)["error"]["field"] == "base_url"
    own.api("/api/providers", method="POST", body={"slug": "even", "base_url": "http://127.0.0.1:1"})
    assert ask(own) == 200
    own.wait_until(lambda: status_of(own, "/even/v1/models") == 502, "the new provider")


def test_an_upstream_that_breaks_off_leaves_no_trace_but_its_record(own: Dragoman) -> None:
    assert ask(own, "sim-cut", streams=True) == 200
    (row,) = own.wait_exchanges(1)
    assert (row["state"], row["ending"], row["error_code"]) == ("error", "upstream_cut", "upstream_cut")
    (gateway,) = own.api("/api/status")["gateways"]
    assert gateway["in_flight"] == 0
    assert "Traceback" not in own.log.read_text()
