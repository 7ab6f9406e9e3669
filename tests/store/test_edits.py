"""A better reading of an old record; settings and providers."""

import msgspec
import pytest

from dragoman.errors import NotFound
from dragoman.ids import IdMaker
from dragoman.records.query import parse
from dragoman.records.route import Route, Target
from dragoman.records.setup import Provider
from dragoman.store import Batch, Store
from fakes.session import START_MS, recording, session_recordings


def test_older_readings_are_named_and_replaced(store: Store) -> None:
    ids = IdMaker()
    given = [
        recording(b'{"messages":[{"content":"ask"}]}', b"{}", ids=ids, ms=START_MS + at, texts=["old words"],
                  tools_called=["old"], state="error", parser_version=1 + at)
        for at in range(3)
    ]  # fmt: skip
    rows = store.commit(Batch(finished=given))
    assert store.reparse_candidates(3) == [rows[0].id, rows[1].id]
    found = store.recording(rows[0].id)
    assert found is not None
    assert found.search_texts == ["old words"]
    found.search_texts = ["new words"]
    found.detail.row.tools_called, found.detail.row.parser_version = ["new"], 3
    found.detail.row.state, found.detail.row.conversation = "done", None
    found.detail.warnings = ["read again"]
    row = store.replace_facts(found)
    assert row.seq == 4
    assert row.conversation == rows[0].id
    assert store.detail(row.id).warnings == ["read again"]
    assert store.reparse_candidates(3) == [rows[1].id]
    finds = {"tool:old": 2, "tool:new": 1, "state:done": 1, '"old words"': 2, '"new words"': 1, "ask": 1}
    for text, many in finds.items():
        assert len(store.list_rows(parse(text, now_ns=0)).items) == many, text
    start = START_MS // 60_000 * 60_000 * 1_000_000
    (bucket,) = store.timeline(None, start, start + 60_000_000_000, 1)
    assert (bucket.done, bucket.error) == (1, 2)
    assert store.verify().failures == []


def test_bodies_survive_a_new_reading(store: Store) -> None:
    given = list(session_recordings(3))
    rows = [store.commit(Batch(finished=[one]))[0] for one in given]
    found = store.recording(rows[1].id)
    assert found is not None
    store.replace_facts(found)
    assert store.recording(rows[1].id).request_body == given[1].request_body
    assert store.verify().checked == 6


def test_an_exchange_that_is_not_there_cannot_be_read_anew(store: Store) -> None:
    with pytest.raises(NotFound, match="no exchange"):
        store.replace_facts(recording(b"", b"", ids=IdMaker(), ms=START_MS))


def test_settings_are_kept_and_forgotten(store: Store) -> None:
    store.save_setting("retention", {"bodies": "30d"})
    store.save_setting("panic", True)
    store.save_setting("panic", False)
    assert store.settings() == {"retention": {"bodies": "30d"}, "panic": False}
    store.save_setting("panic", None)
    assert store.settings() == {"retention": {"bodies": "30d"}}


def test_edited_providers_are_kept(store: Store) -> None:
    given = Provider(slug="mine", base_url="http://127.0.0.1:9", dialects=["openai_chat"], source="builtin")
    store.save_provider(given)
    store.save_provider(msgspec.structs.replace(given, name="Mine"))
    assert store.edited_providers() == [msgspec.structs.replace(given, name="Mine", source="edited")]
    assert store.delete_provider("mine")
    assert not store.delete_provider("mine")
    assert store.edited_providers() == []


def test_edited_routes_are_kept_in_their_order_and_are_no_setting(store: Store) -> None:
    routes = [Route(name=name, targets=[Target(provider="openai")], source="file:x:1") for name in ("b", "a")]
    store.save_routes(routes)
    assert store.edited_routes() == [msgspec.structs.replace(one, source="edited") for one in routes]
    assert store.settings() == {}
    store.save_routes([])
    assert store.edited_routes() == []
