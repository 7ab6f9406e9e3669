"""What is indexed of a body, and how it is found."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.ids import IdMaker
from dragoman.records.query import parse
from dragoman.store import Batch, Store
from dragoman.store.search import fold, match_expression, text_of
from fakes.session import START_MS, recording

TEXTS = [
    (b'{"role":"user","content":"hello"}', "hello"),
    (b',{"role": "user", "content": [{"type": "text", "text": "a \\"b\\"\\n\\u00fc"}]}', 'a "b"\nü'),
    (b'"tools":[{"name":"Bash"', "Bash"),
    (b'{"content":["a","b"]}', "a\nb"),
    (b'{"data":"' + b"iVBORw0KGgo" * 40 + b'"}', ""),
    (b'{"url":"data:image/png;base64,AAAA"}', ""),
    (b'{"id":"toolu_01AbCdEfGhIjKlMnOpQr"}', ""),
    (b'{"text":"\\ud83d"}', "?"),
    ('{"text":"京都 is"}'.encode(), " 京  都  is"),
    (b"no json at all", ""),
    (b'{"text":"\xff"}', "\ufffd"),
]


@pytest.mark.parametrize(("segment", "text"), TEXTS)
def test_the_text_of_a_segment(segment: bytes, text: str) -> None:
    assert text_of(segment) == text


@given(st.text(), st.booleans())
def test_any_string_in_a_message_is_found_in_its_text(said: str, as_ascii: bool) -> None:
    segment = json.dumps({"role": "user", "content": f"a {said} z"}, ensure_ascii=as_ascii).encode("utf-8", "replace")
    assert text_of(segment).startswith(fold("a "))


@given(st.text(max_size=30))
def test_any_text_makes_an_expression_that_the_index_takes(text: str) -> None:
    assert match_expression([text]).count('"') % 2 == 0


def put(store: Store, ids: IdMaker, *messages: str, reply: str = "") -> str:
    body = {"messages": [{"role": "user", "content": one} for one in messages]}
    made = recording(
        json.dumps(body, ensure_ascii=False).encode(), b"{}", ids=ids, ms=START_MS, texts=[reply] if reply else []
    )
    return store.commit(Batch(finished=[made]))[0].id


def find(store: Store, text: str) -> list[str]:
    return [row.id for row in store.list_rows(parse(text, now_ns=0)).items]


def test_a_hit_names_the_exchange_that_first_carried_the_text(store: Store) -> None:
    ids = IdMaker()
    first = put(store, ids, "the quick fox")
    second = put(store, ids, "the quick fox", "a lazy dog", reply="woof indeed")
    third = put(store, ids, "the quick fox", "a lazy dog", "and more")
    other = put(store, ids, "unrelated")
    assert find(store, "fox") == [first]
    assert find(store, "dog") == [second]
    assert find(store, "woof") == [second]
    assert store.carriers(first) == [third, second, first]
    assert store.carriers(second) == [third, second]
    assert store.carriers(other) == [other]
    assert store.carriers("x") == []


@pytest.mark.parametrize(
    "text", ["京", "京都", "都市", '"京都市"', "Müller", "muller", "MÜLLER", '"Frau Müller"', "serif*"]
)
def test_scripts_accents_and_case(store: Store, text: str) -> None:
    name = put(store, IdMaker(), "京都市にて Frau Müller sans-serifs")
    assert find(store, text) == [name]


@pytest.mark.parametrize("text", ["都京", '"Müller Frau"', "serif", "ller"])
def test_what_was_not_said_is_not_found(store: Store, text: str) -> None:
    put(store, IdMaker(), "京都市にて Frau Müller sans-serifs")
    assert find(store, text) == []


def test_lone_surrogates_from_a_reply_do_no_harm(store: Store) -> None:
    name = put(store, IdMaker(), "x", reply="half \ud83d an emoji")
    assert find(store, "emoji") == [name]


def test_every_text_can_be_searched_for(store: Store) -> None:
    put(store, IdMaker(), "something")
    for text in ('a"b', "a*b*", "NEAR", "a:b", "^a", "a-b", "a+b", "{a}", "col : a", "\x00a", "a" * 5_000):
        find(store, '"' + text.replace('"', '\\"') + '"')
