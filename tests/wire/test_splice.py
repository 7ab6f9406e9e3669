"""Splicing: what is equal keeps its bytes, what differs is exact, in the body's own style."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.wire.splice import is_same, rename, splice

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALAR = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False) | TEXT
VALUE = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=25,
)
STYLES = st.fixed_dictionaries(
    {"ensure_ascii": st.booleans(), "indent": st.sampled_from([None, 0, 1, 2, 4, "\t"])},
    optional={"separators": st.sampled_from([(",", ":"), (", ", ": "), (" ,  ", " : ")])},
)

ODD = [
    b' {"a" :1.0 , "b": 1e0,\t"c":[ ] ,"d":"\\u00e9\\/"}\r\n',
    b'{"a":1,"a":2,"b":{"x":1,"x":[1]}}',
    b'\xef\xbb\xbf{"a": "\xc3\xa9"}',
    b'{"a":"\\ud83d","b":NaN,"c":"\\ud83d\\ude00"}',
    b"[1,2 , 3]",
    b'"text"',
    b"12.50",
    b"{}",
    b" [ ] ",
    b'{"\\u0061": 1, "": {"": []}}',
]


@pytest.mark.parametrize("body", ODD)
def test_an_unchanged_value_gives_the_same_bytes(body: bytes) -> None:
    assert splice(body, json.loads(body)) == body


@given(VALUE, STYLES)
@settings(max_examples=150, deadline=None)
def test_what_any_writer_wrote_stays(value: Any, style: dict[str, Any]) -> None:
    body = json.dumps(value, **style).encode()
    assert splice(body, value) == body


@given(VALUE, VALUE, STYLES)
@settings(max_examples=300, deadline=None)
def test_what_is_written_means_the_value(old: Any, new: Any, style: dict[str, Any]) -> None:
    written = splice(json.dumps(old, **style).encode(), new)
    assert is_same(json.loads(written), new)


@given(st.lists(VALUE, max_size=6), st.lists(VALUE, max_size=3), st.integers(0, 6), STYLES)
@settings(max_examples=150, deadline=None)
def test_elements_that_stay_keep_their_bytes(old: list[Any], added: list[Any], at: int, style: dict[str, Any]) -> None:
    new = old[:at] + added + old[at:]
    written = splice(json.dumps({"messages": old, "z": 1}, **style).encode(), {"messages": new, "z": 1})
    assert is_same(json.loads(written), {"messages": new, "z": 1})
    if style["indent"] is None and "separators" not in style:
        for one in old:
            assert json.dumps(one, **style).encode() in written


def test_only_the_touched_member_is_rendered() -> None:
    body = b'{ "model":"a",\n "t" : 1.0, "messages": [ {"role":"user", "content":"\\u0061"} , {"n":1e0} ] }'
    value = json.loads(body)
    value["messages"][1]["n"] = 2
    value["new"] = {"x": [1, 2]}
    assert splice(body, value) == (
        b'{ "model":"a",\n "t" : 1.0, "messages": [ {"role":"user", "content":"\\u0061"} , {"n":2} ],'
        b'\n "new":{"x":[1,2]} }'
    )


def test_numbers_keep_their_spelling_but_true_is_no_number() -> None:
    assert splice(b'{"a":1.0,"b":1e2}', {"a": 1, "b": 100.0}) == b'{"a":1.0,"b":1e2}'
    assert splice(b'{"a":1,"b":false}', {"a": True, "b": 0}) == b'{"a":true,"b":0}'


def test_an_indented_body_stays_indented() -> None:
    body = b'{\n  "a": [\n    1\n  ],\n  "b": {}\n}'
    assert splice(body, {"a": [1, {"x": 2}], "b": {"y": []}}).decode() == (
        '{\n  "a": [\n    1,\n    {\n      "x": 2\n    }\n  ],\n  "b": {\n    "y": []\n  }\n}'
    )


def test_a_body_in_ascii_stays_in_ascii() -> None:
    assert splice(b'{"a": "\\u00e9", "b": 1}', {"a": "\xe9", "b": "\xfc"}) == b'{"a": "\\u00e9", "b": "\\u00fc"}'
    assert splice(b'{"a":"x","b":1}', {"a": "x", "b": "\xfc"}) == '{"a":"x","b":"\xfc"}'.encode()


def test_removed_members_and_elements_take_their_commas_along() -> None:
    assert splice(b'{"a": 1, "b": 2, "c": 3}', {"b": 2, "c": 3}) == b'{"b": 2, "c": 3}'
    assert splice(b'{"a": 1, "b": 2, "c": 3}', {"a": 1, "b": 2}) == b'{"a": 1, "b": 2}'
    assert splice(b"[1, 2, 3]", [1, 3]) == b"[1, 3]"
    assert splice(b"[1, 2, 3]", []) == b"[]"


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    assert splice(b'{"a":1,"a":2,"b":3}', {"a": 2, "b": 4}) == b'{"a":2,"b":4}'


def test_half_an_emoji_does_not_make_the_rest_new() -> None:
    body = b'{"messages":[{"content":"\\ud83d"},{"content":"\\ud83d\\ude00"}], "n":1}'
    value = {"messages": [{"content": "\ufffd"}, {"content": "\U0001f600"}], "n": 2}
    assert splice(body, value) == body.replace(b'"n":1', b'"n":2')


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a":', b"\xff\xfe", b"[" * 100_000])
def test_over_what_is_no_json_the_value_is_written_plainly(body: bytes) -> None:
    assert splice(body, {"a": [1]}) == b'{"a":[1]}'


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{ "model" : "a", "x":"\\u0061"}', b'{ "model" : "new", "x":"\\u0061"}'),
        (b'{"messages":[{"model":"a"}],"model":null}', b'{"messages":[{"model":"a"}],"model":"new"}'),
        (b'{"model":"a","x":1,"model":"b"}', b'{"model":"new","x":1,"model":"new"}'),
        (b'{"m\\u006fdel":"a"}', b'{"m\\u006fdel":"new"}'),
        (b'{"x":NaN,"model":"\\ud83d"}', b'{"x":NaN,"model":"new"}'),
        (b"{}", b'{"model":"new"}'),
        (b'{"x": 1, "y": 2}', b'{"model": "new", "x": 1, "y": 2}'),
        (b'{\n  "x": 1\n}', b'{\n  "model": "new",\n  "x": 1\n}'),
        (b'\xef\xbb\xbf{"model":"a"}', b'\xef\xbb\xbf{"model":"new"}'),
    ],
)
def test_a_model_is_renamed_and_nothing_else(body: bytes, expected: bytes) -> None:
    assert rename(body, "model", "new") == expected


@given(st.dictionaries(TEXT, VALUE, max_size=6), STYLES, TEXT)
@settings(max_examples=150, deadline=None)
def test_renaming_means_setting_one_member(value: dict[str, Any], style: dict[str, Any], text: str) -> None:
    assert is_same(json.loads(rename(json.dumps(value, **style).encode(), "model", text)), {**value, "model": text})


@pytest.mark.parametrize("body", [b"", b"[1]", b'"x"', b'{"a":', b'{"a" 1}', b"{1:2}"])
def test_what_is_no_object_cannot_be_renamed(body: bytes) -> None:
    with pytest.raises(ValueError, match="expected"):
        rename(body, "model", "x")


def test_a_long_list_that_changed_all_over_is_written_in_time() -> None:
    old, new = list(range(30_000)), list(range(1, 30_001))
    assert json.loads(splice(json.dumps(old).encode(), new)) == new
