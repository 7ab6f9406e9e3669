"""The calls within a WebSocket: each an exchange of its own, with bodies, times, tokens, and the same id each time."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from dragoman.clock import FakeClock
from dragoman.events.bus import Bus
from dragoman.ids import IdMaker, is_exchange_id, tunnel_of
from dragoman.journal.format import CaptureStopped, Record, TunnelData, encode_frame
from dragoman.keeper.ingest import Ingest
from dragoman.keeper.understand import understand_again
from dragoman.records.exchange import Recording
from dragoman.store import Store
from fakes.journal import FakeJournal
from fakes.playbook import MS, START
from fakes.store_memory import MemoryStore
from fakes.tunnels import ASKS, FakeTunnel, events, response

DEFLATES = ["", "permessage-deflate", "permessage-deflate; client_no_context_takeover; server_no_context_takeover"]
TUNNEL = IdMaker().make(1_700_000_000_000)


def stored(tmp_path: Path, records: list[Record]) -> dict[str, Recording]:
    journal, store = FakeJournal(tmp_path), MemoryStore()
    journal.write(*records)
    ingest = Ingest(tmp_path / "journal", store, Bus("e", pause_s=0), FakeClock(mono=START))
    ingest.drain()
    journal.close()
    ingest.drain()
    ingest.close()
    return store.finished


def lines(body: bytes) -> list[Any]:
    return [json.loads(one.removeprefix(b"data: ")) for one in body.split(b"\n\n") if one]


@pytest.mark.parametrize("deflate", DEFLATES)
@pytest.mark.parametrize("pieces", [1, 5])
def test_each_response_is_an_exchange_of_its_own(tmp_path: Path, deflate: str, pieces: int) -> None:
    tunnel = FakeTunnel(TUNNEL, deflate=deflate)
    said = events("resp_1", "Hello", ", great", " sea.")
    more = {**ASKS, "previous_response_id": "resp_1", "input": [{"role": "user", "content": "And the sky?"}]}
    found = stored(tmp_path, [
        *tunnel.begin(), *tunnel.ask(ASKS, pieces=pieces), *tunnel.answer(*said, pieces=pieces),
        *tunnel.answer({"type": "codex.rate_limits", "plan_type": "pro"}),
        *tunnel.ask(more), *tunnel.answer(*events("resp_2", "Hi.")), *tunnel.end("client_closed"),
    ])  # fmt: skip
    assert list(found) == [tunnel.call(1), tunnel.call(2), TUNNEL]
    first, second, whole = found.values()
    assert json.loads(first.request_body) == ASKS
    assert lines(first.response_body) == said
    row = first.detail.row
    assert (row.method, row.dialect, row.endpoint, row.status) == ("WS", "openai_responses", "responses", 200)
    assert (row.state, row.ending, row.stop_reason) == ("done", "complete", "end")
    assert (row.model_asked, row.model_served, row.provider) == ("gpt-5", "gpt-5-2025", "openai")
    assert (row.input_fresh, row.cache_read, row.output, row.reasoning) == (12, 8, 7, 3)
    assert (row.preview, row.reply_preview) == ("Say hello to the sea.", "Hello, great sea.")
    assert row.is_streamed
    assert row.first_token_ns == 30 * MS * pieces
    assert (row.is_untouched, row.flags, row.attempts) == (True, ["reasoning"], 1)
    assert len(first.frames) == len(said)
    assert first.reply_id == "resp_1"
    assert first.detail.client_ids["tunnel"] == TUNNEL
    assert second.detail.client_ids["previous"] == "resp_1"
    assert second.detail.row.started_ns > row.started_ns
    assert "tunnel" in whole.detail.row.flags
    assert whole.tunnel_sent
    assert is_exchange_id(row.id)
    assert tunnel_of(row.id) == TUNNEL
    assert tunnel_of(TUNNEL) is None
    before = row
    assert understand_again(first).detail.row == before


def test_lanes_run_side_by_side_and_each_is_first_in_first_out(tmp_path: Path) -> None:
    tunnel = FakeTunnel(TUNNEL)
    left, right, third = (events(f"resp_{one}", one, lane=lane) for one, lane in (("a", "l"), ("b", "r"), ("c", "l")))
    found = stored(tmp_path, [
        *tunnel.begin(), *tunnel.ask({**ASKS, "stream_id": "l"}), *tunnel.ask({**ASKS, "stream_id": "r"}),
        *tunnel.ask({**ASKS, "stream_id": "l"}),
        *tunnel.answer(left[0], right[0], left[1], right[1], left[2], right[2], right[3], left[3], *third),
        *tunnel.end(),
    ])  # fmt: skip
    said = {name: one.detail.row.reply_preview for name, one in found.items()}
    assert said == {tunnel.call(1): "a", tunnel.call(2): "b", tunnel.call(3): "c", TUNNEL: ""}


def test_a_response_that_the_server_begins_by_itself_answers_what_steered_it(tmp_path: Path) -> None:
    tunnel = FakeTunnel(TUNNEL)
    steer = {"type": "response.steer", "previous_response_id": "resp_1", "input": "Shorter, please."}
    found = stored(tmp_path, [
        *tunnel.begin(), *tunnel.ask(ASKS), *tunnel.answer(*events("resp_1", "Hel")[:-1]), *tunnel.ask(steer),
        *tunnel.answer(events("resp_1", "Hel", last="incomplete")[-1], *events("resp_2", "Hi.")), *tunnel.end(),
    ])  # fmt: skip
    made = found[tunnel.call(2)]
    assert json.loads(made.request_body) == steer
    assert (made.detail.row.reply_preview, made.detail.client_ids["previous"]) == ("Hi.", "resp_1")
    assert found[tunnel.call(1)].detail.row.native_stop_reason


def test_an_error_ends_its_call_with_the_status_it_names(tmp_path: Path) -> None:
    tunnel = FakeTunnel(TUNNEL)
    error = {"code": "previous_response_not_found", "message": "There is no resp_9.", "type": "invalid_request_error"}
    found = stored(tmp_path, [
        *tunnel.begin(), *tunnel.ask(ASKS), *tunnel.answer({"type": "error", "status": 400, "error": error}),
        *tunnel.ask(ASKS), *tunnel.answer(*events("resp_1", "Hi."), {"type": "error", "error": error}), *tunnel.end(),
    ])  # fmt: skip
    row = found[tunnel.call(1)].detail.row
    assert (row.state, row.status, row.error_code) == ("error", 400, "previous_response_not_found")
    assert found[tunnel.call(2)].detail.row.state == "done"


def test_a_response_that_failed_is_an_error(tmp_path: Path) -> None:
    tunnel = FakeTunnel(TUNNEL)
    failed = response("resp_1", "failed")
    failed["error"] = {"code": "server_error", "message": "Sorry."}
    found = stored(tmp_path, [
        *tunnel.begin(), *tunnel.ask(ASKS), *tunnel.answer({"type": "response.failed", "response": failed}),
        *tunnel.end(),
    ])  # fmt: skip
    row = found[tunnel.call(1)].detail.row
    assert (row.state, row.error_code, row.error_message) == ("error", "server_error", "Sorry.")


@pytest.mark.parametrize(
    ("ending", "expected"), [("complete", "upstream_cut"), ("client_closed", "client_closed"), ("timeout", "timeout")]
)
def test_a_call_that_runs_ends_with_its_tunnel(tmp_path: Path, ending: Any, expected: str) -> None:
    tunnel = FakeTunnel(TUNNEL)
    found = stored(
        tmp_path,
        [*tunnel.begin(), *tunnel.ask(ASKS), *tunnel.answer(*events("resp_1", "Hel")[:-1]), *tunnel.end(ending)],
    )
    made = found[tunnel.call(1)]
    assert (made.detail.row.ending, made.detail.row.reply_preview) == (expected, "Hel")
    assert not made.detail.response_body.is_whole


def test_calls_of_a_killed_gateway_are_interrupted_with_it(tmp_path: Path) -> None:
    tunnel = FakeTunnel(TUNNEL)
    found = stored(tmp_path, [*tunnel.begin(), *tunnel.ask(ASKS), *tunnel.answer(*events("resp_1", "Hel")[:-1])])
    assert {one.detail.row.state for one in found.values()} == {"interrupted"}
    assert found[tunnel.call(1)].detail.row.reply_preview == "Hel"


def test_where_capture_stopped_calls_say_so(tmp_path: Path) -> None:
    tunnel = FakeTunnel(TUNNEL)
    found = stored(tmp_path, [
        *tunnel.begin(), *tunnel.ask(ASKS), *tunnel.answer(*events("resp_1", "Hel")[:-1]),
        CaptureStopped(TUNNEL, START + 90 * MS, "limit"), *tunnel.answer(*events("resp_1", "lost")[-1:]),
        *tunnel.end(),
    ])  # fmt: skip
    made = found[tunnel.call(1)]
    assert (made.detail.row.capture, made.detail.row.reply_preview) == ("partial", "Hel")
    assert "limits.capture" in made.detail.warnings[0]


def test_frames_that_break_leave_the_tunnel_and_what_was_read(tmp_path: Path) -> None:
    tunnel = FakeTunnel(TUNNEL)
    good = [*tunnel.begin(), *tunnel.ask(ASKS), *tunnel.answer(*events("resp_1", "Hi."))]
    broken = [*tunnel.ask(ASKS), *tunnel.answer(*events("resp_2", "Hm."))]
    bad = broken[1]
    broken[1] = type(bad)(bad.id, bad.mono_ns, False, b"\xf3\x00rubbish")  # type: ignore[attr-defined]
    found = stored(tmp_path, [*good, *broken, *tunnel.end()])
    assert found[tunnel.call(1)].detail.row.reply_preview == "Hi."
    assert found[tunnel.call(2)].detail.row.capture == "partial"
    assert "broken WebSocket frame" in found[TUNNEL].detail.warnings[0]


def test_credentials_in_messages_are_masked_and_leave_the_tunnel_s_bytes(tmp_path: Path) -> None:
    tunnel = FakeTunnel(TUNNEL)
    tool = {"type": "mcp", "server_url": "https://x", "authorization": "planted-secret-value"}
    found = stored(tmp_path, [
        *tunnel.begin(), *tunnel.ask({**ASKS, "tools": [tool]}), *tunnel.answer(*events("resp_1", "Hi.")),
        *tunnel.end(),
    ])  # fmt: skip
    made = found[tunnel.call(1)]
    assert b"planted" not in made.request_body
    assert made.detail.request_body.true_hash
    assert found[TUNNEL].tunnel_sent == b""
    assert "masked" in found[TUNNEL].detail.warnings[0]


def test_other_tunnels_are_left_as_they_are(tmp_path: Path) -> None:
    tunnel = FakeTunnel(TUNNEL)
    records = tunnel.begin()
    records[0] = type(records[0])(**{  # type: ignore[call-arg]
        **{name: getattr(records[0], name) for name in records[0].__struct_fields__}, "endpoint": "realtime",
    })  # fmt: skip
    found = stored(tmp_path, [*records, *tunnel.ask(ASKS), *tunnel.answer(*events("resp_1", "Hi.")), *tunnel.end()])
    assert list(found) == [TUNNEL]


def test_calls_show_live_while_the_tunnel_runs(tmp_path: Path) -> None:
    journal, store, clock = FakeJournal(tmp_path), MemoryStore(), FakeClock(mono=START)
    tunnel = FakeTunnel(TUNNEL)
    ingest = Ingest(tmp_path / "journal", store, Bus("e", pause_s=0), clock)
    journal.write(*tunnel.begin(), *tunnel.ask(ASKS), *tunnel.answer(*events("resp_1", "Hello", " sea")[:-1]))
    ingest.drain()
    live = ingest.live(tunnel.call(1))
    assert live is not None
    assert (live.row.state, live.row.model_asked, live.row.output) == ("streaming", "gpt-5", 3)
    assert {row.id for row in ingest.running()} == {TUNNEL, tunnel.call(1)}
    journal.write(*tunnel.answer(events("resp_1", "Hello", " sea")[-1]))
    ingest.drain()
    assert store.finished[tunnel.call(1)].detail.row.output == 7
    assert {row.id for row in ingest.running()} == {TUNNEL}
    journal.close()
    ingest.close()


def test_a_tunnel_in_old_files_is_kept_and_its_calls_are_stored_once(tmp_path: Path) -> None:
    """Restarts at every step, with files that come and go, give the same calls with the same bytes."""
    journal, tunnel = FakeJournal(tmp_path), FakeTunnel(TUNNEL, deflate=DEFLATES[1])
    first, second = events("resp_1", "Hello", " sea"), events("resp_2", "Hi.")
    more = {**ASKS, "previous_response_id": "resp_1"}
    steps: list[list[Record]] = [
        tunnel.begin(), tunnel.ask(ASKS), tunnel.answer(*first[:2]), tunnel.answer(*first[2:]),
        tunnel.ask(more), tunnel.answer(*second[:3]), tunnel.answer(*second[3:]), tunnel.end(),
    ]  # fmt: skip
    for step in steps:
        journal.write(*step)
        journal.rotate()
        with Store(f"sqlite:///{tmp_path}/dragoman.db") as store:
            ingest = Ingest(tmp_path / "journal", store, Bus("e", pause_s=0), FakeClock(mono=START))
            ingest.drain()
            ingest.close()
    assert len(journal.sequences) == 1
    journal.close()
    with Store(f"sqlite:///{tmp_path}/dragoman.db") as store:
        rows = {row.id: row for row in store.list_rows().items}
        assert set(rows) == {TUNNEL, tunnel.call(1), tunnel.call(2)}
        assert rows[tunnel.call(2)].parent == tunnel.call(1)
        assert rows[tunnel.call(2)].conversation == rows[tunnel.call(1)].conversation
        assert lines(store.response_body(tunnel.call(1)) or b"") == first
        assert lines(store.response_body(tunnel.call(2)) or b"") == second
        assert store.request_body(tunnel.call(2)) == json.dumps(more).encode()
        assert store.verify().failures == []
        assert store.checkpoints("g0") == []


@pytest.mark.parametrize("seed", range(12))
def test_damaged_messages_cost_no_more_than_themselves(tmp_path: Path, seed: int) -> None:
    """Whatever bytes a tunnel carries, all of it is stored, and what came before the damage is read."""
    chance, tunnel = random.Random(seed), FakeTunnel(TUNNEL, deflate=DEFLATES[seed % 3])
    good = [*tunnel.begin(), *tunnel.ask(ASKS), *tunnel.answer(*events("resp_1", "Hi."))]
    rest: list[Record] = []
    for number in range(2, 6):
        odd: Any = [{**ASKS, "stream_id": 7}, b"[" * 50_000, b'{"type":"response.create"', b"\xff\xfe"][number - 2]
        rest += [*tunnel.ask(ASKS), *tunnel.ask(odd), *tunnel.answer(odd, *events(f"resp_{number}", "Ho."))]
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(rest))
        record = rest[at]
        assert isinstance(record, TunnelData)
        data = bytearray(record.data)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        rest[at] = TunnelData(record.id, record.mono_ns, record.is_from_client, bytes(data))
    found = stored(tmp_path, [*good, *rest, *tunnel.end()])
    assert found[tunnel.call(1)].detail.row.reply_preview == "Hi."
    assert found[TUNNEL].detail.row.ending == "complete"
    assert all(one.detail.row.ending for one in found.values())


def test_a_gap_in_the_journal_ends_the_reading_of_calls_but_not_their_record(tmp_path: Path) -> None:
    journal, store, tunnel = FakeJournal(tmp_path), MemoryStore(), FakeTunnel(TUNNEL)
    journal.write(*tunnel.begin(), *tunnel.ask(ASKS), *tunnel.answer(*events("resp_1", "Hel")[:-1]))
    frame = bytearray(encode_frame(tunnel.ask(ASKS)[0]))
    frame[-1] ^= 1
    journal.append(bytes(frame))
    journal.write(*tunnel.answer(*events("resp_1", "lost")[-1:]), *tunnel.end())
    ingest = Ingest(tmp_path / "journal", store, Bus("e", pause_s=0), FakeClock(mono=START))
    ingest.drain()
    ingest.close()
    journal.close()
    assert set(store.finished) == {TUNNEL, tunnel.call(1)}
    row = store.finished[tunnel.call(1)].detail.row
    assert (row.capture, row.reply_preview) == ("partial", "Hel")
