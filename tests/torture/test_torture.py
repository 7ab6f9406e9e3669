"""Kill gateway and keeper with SIGKILL under load: nothing that a client received may be missing afterwards.

`make torture` does 50 rounds and stops the keeper for a minute; the plain test run does few and short ones.
Rounds and seconds come from DRAGOMAN_TORTURE_ROUNDS and DRAGOMAN_TORTURE_STOPPED_S.
"""

import asyncio
import json
import os
import random
import signal
import socket
from collections import Counter
from pathlib import Path

import pytest

from dragoman.canonical import PartGrew, PartStarted, Text
from dragoman.clock import SystemClock
from dragoman.dialects import ALL
from dragoman.events.bus import Bus
from dragoman.keeper.ingest import Ingest
from dragoman.records.exchange import Row
from dragoman.store import Store
from fakes.dragoman import Dragoman, running_dragoman, simulator_as_provider
from fakes.load import Load, Received
from fakes.simulated import running_simulator

ROUNDS = int(os.environ.get("DRAGOMAN_TORTURE_ROUNDS", "5"))
STOPPED_S = float(os.environ.get("DRAGOMAN_TORTURE_STOPPED_S", "2"))
CLIENTS = 12
SETTINGS = {"journal": {"file_size": "2MB", "max_stall": "30s"}}
"""Small files, so that rotation is hit as well; and a busy machine is no reason to stop capturing here."""
FLAGS = ("--gateways", "2")
SEED = 20261121

pytestmark = [pytest.mark.torture, pytest.mark.timeout(3600)]

_TARGETS = (["g0"], ["_keeper"], ["g0", "_keeper"], ["g1"], ["g0", "g1", "_keeper"])


ROUTES = [{"name": "all", "model": "sim-*", "targets": [{"provider": "gone"}, {"provider": "claude"}]}]
"""Each call is translated, after a target that is not there."""


def routed_providers(url: str) -> list[dict[str, object]]:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{closed.getsockname()[1]}"
    claude = {"slug": "claude", "base_url": url, "dialects": ["anthropic_messages"]}
    return [claude, {"slug": "gone", "base_url": gone, "dialects": ["openai_chat"]}, *simulator_as_provider(url)]


def kill(dragoman: Dragoman, words: list[str]) -> None:
    for word in words:
        dragoman.wait_until(lambda word=word: find(dragoman, word), f"child {word}").kill()


def find(dragoman: Dragoman, word: str) -> object:
    try:
        return dragoman.child(word)
    except LookupError:
        return None


async def play_round(dragoman: Dragoman, number: int, chance: random.Random) -> list[Received]:
    """Load, kill at a random moment, and go on until the clients are served again."""
    words = _TARGETS[number % len(_TARGETS)]
    await asyncio.to_thread(dragoman.wait_ready)  # a keeper that is killed while it starts has nothing to lose
    async with Load(dragoman.url, seed=number).running(CLIENTS) as load:
        await load.more(CLIENTS)
        await asyncio.sleep(chance.uniform(0.0, 0.6))
        await asyncio.to_thread(kill, dragoman, words)
        await load.more(3 * CLIENTS)
    failed = [one for one in load.received if not one.is_whole]
    if words == ["_keeper"]:
        assert not failed, f"a client noticed that the keeper was killed: {failed[0].problem}"
    print(f"round {number + 1}: killed {' and '.join(words)}; {len(load.received)} exchanges, {len(failed)} cut")
    return load.received


def is_whole_reply(body: bytes, row: Row) -> bool:
    """Say whether a body on record is a Chat reply to its end: the last word of a stream, or JSON that closes."""
    if row.is_streamed:
        return body.endswith(b"data: [DONE]\n\n")
    try:
        return "choices" in json.loads(body)
    except ValueError:
        return False


def read_record(data_dir: Path, received: list[Received]) -> None:
    """Compare what the clients hold with what is on record, once the journals are read to their end."""
    with Store(f"sqlite:///{data_dir / 'dragoman.db'}") as store:
        ingest = Ingest(data_dir / "journal", store, Bus("torture"), SystemClock())
        ingest.drain()
        ingest.close()
        print(f"left for the next start: {ingest.stored_total} exchanges")
        rows = [row for page in pages(store) for row in page]
        by_id = {row.id: row for row in rows}
        assert len(by_id) == len(rows)
        assert not [row.id for row in rows if row.ending is None], "an exchange was left running"
        nonces = Counter(nonce_of(store.request_body(row.id) or b"") for row in rows)
        assert not [nonce for nonce, count in nonces.items() if nonce and count > 1], "an exchange is there twice"
        for one in received:
            if one.exchange is None:
                continue  # cut before the head came: the client cannot know which one it was
            row = by_id.get(one.exchange)
            assert row is not None, f"{one.exchange} of {one.nonce} is not on record"
            stored = store.response_body(one.exchange) or b""
            assert stored[: len(one.body)] == one.body, f"{one.exchange}: a client received what is not on record"
            assert store.request_body(one.exchange) == one.request.partition(b"\r\n\r\n")[2]
            if one.is_whole:
                assert stored == one.body
                assert row.state == "done", f"{one.exchange}: whole, but {row.state}"
            elif row.state == "done":  # killed after the end was written down, before all of it was sent
                assert is_whole_reply(stored, row), f"{one.exchange}: cut, and done on record with a part of its reply"
            else:
                assert row.state in ("interrupted", "error", "stopped"), f"{one.exchange}: cut, but {row.state}"
        states = Counter(row.state for row in rows)
        print(f"{len(received)} exchanges by {CLIENTS} clients, {len(rows)} on record: {dict(states)}")
        report = store.verify()
        assert report.failures == []


def compare_views(data_dir: Path, received: list[Received]) -> None:
    """Compare what clients were told with what the provider said: no more, and the same where both are whole."""
    with Store(f"sqlite:///{data_dir / 'dragoman.db'}") as store:
        for one in received:
            upstream = store.upstream_response_body(one.exchange) if one.exchange else None
            if upstream is None or one.exchange is None:
                assert not one.body or one.status >= 400, f"{one.exchange}: the provider's reply is not on record"
                continue
            said = text_of("anthropic_messages", upstream)
            told = text_of("openai_chat", one.body)
            assert said.startswith(told), f"{one.exchange}: the client was told what the provider did not say"
            if one.is_whole:
                assert told == said
                assert told


def text_of(dialect: str, body: bytes) -> str:
    if body.startswith(b"{"):
        return "".join(part.text for part in ALL[dialect].parse_reply(body).message.parts if isinstance(part, Text))
    deltas = ALL[dialect].decoder().feed(body)
    begun = "".join(one.value.text for one in deltas if isinstance(one, PartStarted) and isinstance(one.value, Text))
    return begun + "".join(one.text for one in deltas if isinstance(one, PartGrew))


def pages(store: Store):
    cursor = None
    while True:
        page = store.list_rows(limit=200, cursor=cursor)
        yield page.items
        cursor = page.next_cursor
        if cursor is None:
            return


def nonce_of(body: bytes) -> bytes:
    begin = body.find(b"load-")
    return body[begin : body.find(b" ", begin)] if begin >= 0 else b""


def test_killing_gateway_and_keeper_loses_nothing(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    received: list[Received] = []
    with (
        running_simulator() as simulator,
        running_dragoman(
            tmp_path, providers=simulator_as_provider(simulator.url), settings=SETTINGS, flags=FLAGS
        ) as dragoman,
    ):
        for number in range(ROUNDS):
            received += asyncio.run(play_round(dragoman, number, chance))
        dragoman.wait_ready()
        assert dragoman.stop() == 0
    read_record(tmp_path / "data", received)
    cut = sum(not one.is_whole for one in received)
    assert cut or ROUNDS == 0, "no exchange was cut: the kills missed the load"


def test_killing_both_in_translated_calls_loses_nothing(tmp_path: Path) -> None:
    chance = random.Random(SEED + 1)
    received: list[Received] = []
    with (
        running_simulator() as simulator,
        running_dragoman(
            tmp_path, providers=routed_providers(simulator.url), settings=SETTINGS | {"routes": ROUTES}, flags=FLAGS
        ) as dragoman,
    ):
        for number in range(ROUNDS):
            received += asyncio.run(play_round(dragoman, number, chance))
        dragoman.wait_ready()
        assert dragoman.stop() == 0
    read_record(tmp_path / "data", received)
    compare_views(tmp_path / "data", received)
    assert any(not one.is_whole for one in received) or ROUNDS == 0, "no exchange was cut: the kills missed the load"


def test_a_keeper_that_stands_still_is_not_noticed_and_catches_up(tmp_path: Path) -> None:
    async def play(dragoman: Dragoman) -> list[Received]:
        keeper = dragoman.child("_keeper")
        async with Load(dragoman.url, seed=99).running(CLIENTS) as load:
            await load.more(CLIENTS)
            keeper.send_signal(signal.SIGSTOP)
            try:
                await asyncio.sleep(STOPPED_S)
                await load.more(CLIENTS)
            finally:
                keeper.send_signal(signal.SIGCONT)
            await load.more(CLIENTS)
        return load.received

    with (
        running_simulator() as simulator,
        running_dragoman(
            tmp_path, providers=simulator_as_provider(simulator.url), settings=SETTINGS, flags=FLAGS
        ) as dragoman,
    ):
        received = asyncio.run(play(dragoman))
        assert [one.problem for one in received if not one.is_whole] == []
        slowest = max(one.took_s for one in received)
        print(f"keeper stopped for {STOPPED_S} s: {len(received)} exchanges, the slowest took {slowest:.2f} s")
        assert dragoman.stop() == 0
    read_record(tmp_path / "data", received)
