"""The provider's side of a call: stored like a body, verified, searched once, forgotten with the bodies."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from dragoman.clock import FakeClock
from dragoman.ids import IdMaker
from dragoman.records.chain import body_hash
from dragoman.records.exchange import BodyFacts, Frame, Head, Loss, Recording, UpstreamSide
from dragoman.records.query import parse
from dragoman.store import Batch, Policy, Position, Store
from fakes.session import START_MS, agent_session, recording

OLD_STORE = Path(__file__).parent / "dragoman-0001.db.zst"
"""A store as release 0001 of the tables left it: six turns of a session, a tunnel, an exchange without a dialect,
a deleted one, an open one with its checkpoint, a setting and a provider."""


def as_chat(body: bytes) -> bytes:
    """Say the same in Chat Completions, roughly: what counts is that it grows as the other does."""
    given: dict[str, Any] = json.loads(body)
    messages: list[dict[str, Any]] = [{"role": "system", "content": given["system"][1]["text"]}]
    for one in given["messages"]:
        for block in one["content"]:
            said = {key: value for key, value in block.items() if key != "cache_control"}
            messages.append({"role": "assistant" if one["role"] == "assistant" else "tool", "content": str(said)})
    tools = [{"type": "function", "function": one} for one in given["tools"]]
    return json.dumps({"model": "gpt-4o", "messages": messages, "tools": tools, "stream": True}).encode()


def add_upstream(made: Recording, request: bytes, reply: bytes, frames: list[Frame] | None = None) -> Recording:
    made.upstream_request, made.upstream_response, made.upstream_frames = request, reply, frames or []
    made.detail.upstream = UpstreamSide(
        request_body=BodyFacts(bytes=len(request), hash=body_hash(request)),
        response=Head(line="200 OK"),
        response_body=BodyFacts(bytes=len(reply), hash=body_hash(reply)),
    )
    return made


def translated_session(turns: int, **options: Any) -> Iterator[Recording]:
    ids = IdMaker()
    for number, turn in enumerate(agent_session(turns, **options)):
        made = recording(
            turn.request, turn.reply, ids=ids, ms=START_MS + 5_000 * number, texts=[turn.reply_text], session="5f3c",
            route="to-openai", upstream_dialect="openai_chat", upstream_model="gpt-4o", losses=2, flags=["translated"],
        )  # fmt: skip
        made.detail.losses = [Loss(direction="request", path="$.thinking", reason="has none")] * 2
        yield add_upstream(made, as_chat(turn.request), b"data: upstream\n\n", [Frame(0, 7_000)])


def test_both_sides_come_back_byte_for_byte(store: Store) -> None:
    given = list(translated_session(4))
    rows = [store.commit(Batch(finished=[one]))[0] for one in given]
    for row, one in zip(rows, given, strict=True):
        assert store.request_body(row.id) == one.request_body
        assert store.upstream_request_body(row.id) == one.upstream_request
        assert store.upstream_response_body(row.id) == b"data: upstream\n\n"
        assert store.upstream_frames(row.id) == [Frame(0, 7_000)]
        again = store.recording(row.id)
        assert again is not None
        assert (again.upstream_request, again.upstream_response) == (one.upstream_request, one.upstream_response)
        assert again.detail.losses == one.detail.losses
        assert (again.detail.row.route, again.detail.row.losses) == ("to-openai", 2)
    report = store.verify()
    assert (report.checked, report.failures) == (16, [])
    assert [row.parent for row in rows] == [None, *(row.id for row in rows[:-1])]


def test_an_untouched_call_has_no_upstream_side(store: Store) -> None:
    (row,) = store.commit(Batch(finished=[recording(b"{}", b"{}", ids=IdMaker(), ms=START_MS)]))
    assert store.upstream_request_body(row.id) is None
    assert store.upstream_response_body(row.id) is None
    assert store.upstream_frames(row.id) == []


def test_what_providers_are_sent_grows_with_what_is_new(store: Store) -> None:
    grown: list[int] = []
    for one in translated_session(40):
        before = sum(store.storage().kinds[kind] for kind in ("segments", "nodes"))
        store.commit(Batch(finished=[one]))
        grown.append(sum(store.storage().kinds[kind] for kind in ("segments", "nodes")) - before)
    assert max(grown[1:]) < 6_000  # a turn brings 3.6 KB of text to each side, of bodies of 60 to 200 KB


def test_a_renamed_model_costs_next_to_nothing(store: Store) -> None:
    ids = IdMaker()
    for number, turn in enumerate(agent_session(8)):
        made = recording(turn.request, turn.reply, ids=ids, ms=START_MS + number, upstream_model="other")
        made.upstream_request = turn.request.replace(b'"claude-sonnet-4-5-20250929"', b'"other"')
        made.detail.upstream = UpstreamSide(
            request_body=BodyFacts(bytes=len(made.upstream_request), hash=body_hash(made.upstream_request))
        )
        store.commit(Batch(finished=[made]))
    with store._read() as connection:
        ends = dict(connection.exec_driver_sql("SELECT key, plan FROM upstream_request").fetchall())
        nodes = connection.exec_driver_sql("SELECT count(*) FROM node").scalar_one()
        assert all(len(plan) < 80 for plan in ends.values())
        assert nodes == 2 + 25 + 1 + 2 * 7  # system, tools, messages: the client's own
    assert store.verify().failures == []


def chat(*texts: str) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": text} for text in texts]}).encode()


def finds(store: Store, text: str) -> list[str]:
    return [row.id for row in store.list_rows(parse(text, now_ns=0)).items]


def test_text_that_a_provider_saw_first_is_found_with_the_client_that_says_it(store: Store) -> None:
    ids = IdMaker()
    body = b'{"messages":[{"role":"user","content":"zebra crossing ahead of us"}]}'
    first = recording(b'{"asks":"whole"}', b"{}", ids=ids, ms=START_MS, upstream_dialect="openai_chat")
    add_upstream(first, body, b"{}")
    store.commit(Batch(finished=[first]))
    assert finds(store, "zebra") == []
    second = recording(body, b"{}", ids=ids, ms=START_MS + 1, dialect="openai_chat", endpoint="chat")
    (row,) = store.commit(Batch(finished=[second]))
    assert finds(store, "zebra") == [row.id]
    assert store.carriers(row.id) == [row.id]


def test_a_sweep_keeps_what_only_a_provider_was_sent(store: Store, clock: FakeClock) -> None:
    given = list(translated_session(6))
    rows = [store.commit(Batch(finished=[one]))[0] for one in given]
    store.delete([row.id for row in rows[3:]])
    clock.advance(10_000_000_000)
    policy = Policy(undo_ns=0)
    while not store.retention_step(policy).is_done:
        pass
    for row, one in zip(rows[:3], given, strict=False):
        assert store.upstream_request_body(row.id) == one.upstream_request
        assert store.request_body(row.id) == one.request_body
    assert store.verify().failures == []
    with store._read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM segment WHERE owner = 0").scalar_one() == 0
        assert connection.exec_driver_sql("SELECT count(*) FROM upstream_request").scalar_one() == 3


def test_retention_takes_both_sides_and_says_so(store: Store, clock: FakeClock) -> None:
    rows = [store.commit(Batch(finished=[one]))[0] for one in translated_session(3)]
    clock.advance(10**15)
    while not store.retention_step(Policy(bodies_ns=1)).is_done:
        pass
    for row in rows:
        assert store.upstream_request_body(row.id) is None
        assert store.upstream_response_body(row.id) is None
        detail = store.detail(row.id)
        assert detail is not None
        assert detail.upstream is not None
        assert detail.upstream.request_body is not None
        assert detail.upstream.response_body is not None
        assert not detail.upstream.request_body.is_stored
        assert not detail.upstream.response_body.is_stored
    storage = store.storage()
    assert (storage.raw_bytes, storage.bodies, storage.kinds["segments"], storage.kinds["replies"]) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("text", "many"),
    [
        ("route:to-openai", 3), ("route:*", 3), ("-route:*", 1), ("upstream:openai*", 3), ("losses:>0", 3),
        ("losses:0", 1), ("losses:<1", 1), ("losses:>=3", 0), ("has:translated", 3), ("-has:translated", 1),
        ("losses:>0 upstream:openai_chat", 3),
    ],
)  # fmt: skip
def test_lists_are_filtered_by_what_a_route_did(store: Store, text: str, many: int) -> None:
    for one in translated_session(3):
        store.commit(Batch(finished=[one]))
    store.commit(Batch(finished=[recording(b"{}", b"{}", ids=IdMaker(), ms=START_MS + 90_000, session=None)]))
    assert len(finds(store, text)) == many


def test_routes_and_upstream_dialects_are_counted(store: Store) -> None:
    for one in translated_session(2):
        store.commit(Batch(finished=[one]))
    assert store.facets(None, ["route", "upstream"]) == {"route": [("to-openai", 2)], "upstream": [("openai_chat", 2)]}


def continuing(previous: str | None, reply: str | None, *, ids: IdMaker, ms: int, **row: Any) -> Recording:
    made = recording(
        b'{"input":"%d"}' % ms, b"{}", ids=ids, ms=ms, dialect="openai_responses", endpoint="responses", **row
    )
    made.reply_id = reply
    made.detail.client_ids = {"previous": previous} if previous else {}
    return made


def test_a_reply_that_is_named_gives_the_parent(store: Store) -> None:
    ids = IdMaker()
    one = continuing(None, "resp_1", ids=ids, ms=START_MS, session=None)
    two = continuing("resp_1", "resp_2", ids=ids, ms=START_MS + 1, session=None)
    fork = continuing("resp_1", "resp_3", ids=ids, ms=START_MS + 2, session=None)
    rows = {row.id: row for row in store.commit(Batch(finished=[one, two]))}
    rows |= {row.id: row for row in store.commit(Batch(finished=[fork]))}
    names = [each.detail.row.id for each in (one, two, fork)]
    assert [rows[name].parent for name in names] == [None, names[0], names[0]]
    assert {rows[name].conversation for name in names} == {names[0]}
    unknown = continuing("resp_nobody", None, ids=ids, ms=START_MS + 3, session=None)
    (row,) = store.commit(Batch(finished=[unknown]))
    assert (row.parent, row.conversation) == (None, row.id)


def test_a_reply_s_name_goes_with_its_exchange_and_comes_with_a_new_reading(store: Store) -> None:
    ids = IdMaker()
    one = continuing(None, None, ids=ids, ms=START_MS, session=None)
    store.commit(Batch(finished=[one]))
    one.reply_id = "resp_1"
    store.replace_facts(one)
    (row,) = store.commit(Batch(finished=[continuing("resp_1", None, ids=ids, ms=START_MS + 1, session=None)]))
    assert row.parent == one.detail.row.id
    store.delete([one.detail.row.id])
    store.purge(2**62)
    (row,) = store.commit(Batch(finished=[continuing("resp_1", None, ids=ids, ms=START_MS + 2, session=None)]))
    assert row.parent is None


def test_the_previous_release_s_store_is_brought_forward(path: Path, clock: FakeClock) -> None:
    path.write_bytes(zstd.decompress(OLD_STORE.read_bytes()))
    with Store(f"sqlite:///{path}", clock=clock) as store:
        report = store.verify()
        assert (report.checked, report.failures) == (17, [])
        rows = store.list_rows().items
        assert [row.losses for row in rows] == [0] * 9
        assert all(row.route is None and row.upstream_dialect is None for row in rows)
        assert len(finds(store, "losses:0")) == 9
        assert store.positions() == {"g0": Position(3, 4711)}
        assert [one.frames for one in store.checkpoints("g0")] == [b"frames"]
        assert store.settings() == {"retention": {"bodies_s": 3600}}
        assert [one.slug for one in store.edited_providers()] == ["mine"]
        tunnel = next(row for row in rows if "tunnel" in row.flags)
        assert store.tunnel(tunnel.id) == (b"up", [Frame(0, 9_000)])
        # the session goes on, now through a route: chains of before are continued
        before = sum(store.storage().kinds[kind] for kind in ("segments", "nodes"))
        seventh = list(translated_session(7))[-1]
        (row,) = store.commit(Batch(finished=[seventh]))
        assert row.parent == next(one.id for one in rows if one.session)
        assert store.upstream_request_body(row.id) == seventh.upstream_request
        assert sum(store.storage().kinds[kind] for kind in ("segments", "nodes")) - before < 60_000
        store.delete([tunnel.id])
        while not store.retention_step(Policy(bodies_ns=1, undo_ns=0)).is_done:
            pass
        assert store.verify().failures == []
