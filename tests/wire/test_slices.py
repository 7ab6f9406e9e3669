"""Where system, tools and messages lie in a body, byte for byte."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.wire.slices import MAX_ITEMS, Slice, Slices, cut

CHAINS: dict[str, Any] = {"system": "system", "tools": "tools", "messages": "messages"}


def texts(body: bytes, slices: Slices) -> list[tuple[str, int, bytes]]:
    return [(one.kind, one.item, body[one.start : one.end]) for one in slices]


def joined(body: bytes, slices: Slices) -> bytes:
    return b"".join(body[one.start : one.end] for one in slices)


def item(body: bytes, kind: str, number: int) -> bytes:
    return b"".join(body[s.start : s.end] for s in cut(body, CHAINS) if s.kind == kind and s.item == number)


def test_a_body_is_cut_at_its_items_and_separators_go_to_the_later_slice() -> None:
    body = b'{"model":"m","messages":[{"role":"user"}, {"role":"assistant"}],"stream":true}'
    assert texts(body, cut(body, CHAINS)) == [
        ("head", -1, b'{"model":"m","messages":['),
        ("messages", 0, b'{"role":"user"}'),
        ("messages", 1, b', {"role":"assistant"}'),
        ("tail", -1, b'],"stream":true}'),
    ]


def test_system_tools_and_messages_come_in_the_bodys_own_order() -> None:
    body = b'{ "tools" : [ 1 , 2 ] , "system":"be kind","messages":[{}]}'
    assert texts(body, cut(body, CHAINS)) == [
        ("head", -1, b'{ "tools" : [ '),
        ("tools", 0, b"1"),
        ("tools", 1, b" , 2"),
        ("between", -1, b' ] , "system":'),
        ("system", 0, b'"be kind"'),
        ("between", -1, b',"messages":['),
        ("messages", 0, b"{}"),
        ("tail", -1, b"]}"),
    ]


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_a_moving_mark_does_not_renew_the_message(separators: tuple[str, str]) -> None:
    def body(marked: int) -> bytes:
        messages = [{"role": "user", "content": [{"type": "text", "text": f"turn {n}"}]} for n in range(3)]
        messages[marked]["content"][0]["cache_control"] = {"type": "ephemeral", "ttl": "5m"}  # type: ignore[index]
        return json.dumps({"system": [], "messages": messages}, separators=separators).encode()

    first, second = body(1), body(2)
    for number in range(3):
        assert item(first, "messages", number) == item(second, "messages", number)
    assert b"cache_control" not in item(first, "messages", 1)
    assert [one.kind for one in cut(first, CHAINS)] == ["head", *["messages"] * 2, "mark", *["messages"] * 2, "tail"]


def test_a_mark_in_front_takes_the_comma_after_it() -> None:
    body = b'{"messages":[{ "cache_control": {"type":"ephemeral"}, "role":"user"}]}'
    assert item(body, "messages", 0) == b'{ "role":"user"}'
    alone = b'{"messages":[{"cache_control":{}}]}'
    assert item(alone, "messages", 0) == b"{}"


def test_a_mark_inside_a_string_is_text() -> None:
    content = json.dumps({"role": "user", "content": 'say {"cache_control": {"a": 1}}, "cache_control": {}'}).encode()
    body = b'{"messages":[' + content + b"]}"
    assert [one.kind for one in cut(body, CHAINS)] == ["head", "messages", "tail"]


def test_a_mark_outside_of_items_belongs_to_the_stretch() -> None:
    body = b'{"cache_control":{"type":"ephemeral"},"messages":[{}],"x":{"cache_control":{}}}'
    assert [one.kind for one in cut(body, CHAINS)] == ["head", "messages", "tail"]


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"nonsense",
        b'{"messages":[{}],"messages":[{},{}]}',
        b'{"messages":[1],"messages":[1]}',
        b'{"messages":1,"messages":12}',
        b'{"messages":[NaN]}',
        b'{"messages":[',
        b"\xff\xfe",
        b'{"\xff":1,"messages":[{}]}',
        b'{"\\ud83d":1,"\\ud83e":2,"messages":[{}]}',
        b"{}",
        b'{"messages":[]}',
        b'{"messages":null,"system":""}',
        b"[" * 100_000,
        b'{"messages":' + b"[" * 100_000,
    ],
)
def test_what_cannot_be_cut_stays_whole(body: bytes) -> None:
    assert cut(body, CHAINS) == [Slice("head", 0, len(body))]


def test_an_empty_body_has_no_slices() -> None:
    assert cut(b"", CHAINS) == []


def test_half_an_emoji_does_not_hinder_cutting() -> None:
    body = rb'{"messages":[{"content":"\ud83d"},{"content":"\\ud83d"}]}'
    assert texts(body, cut(body, CHAINS))[1:3] == [
        ("messages", 0, rb'{"content":"\ud83d"}'),
        ("messages", 1, rb',{"content":"\\ud83d"}'),
    ]


def test_an_escaped_key_is_known() -> None:
    body = rb'{"mess\u0061ges":[{},{}]}'
    assert [one.kind for one in cut(body, CHAINS)] == ["head", "messages", "messages", "tail"]


def test_a_very_long_array_is_one_slice() -> None:
    body = json.dumps({"messages": [1] * (MAX_ITEMS + 1)}).encode()
    assert [one.kind for one in cut(body, CHAINS)] == ["head", "messages", "tail"]


calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just({"cache_control": {"type": "ephemeral"}}),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["cache_control", "text", 'a"b', "\\"]) | st.text(max_size=4), inner, max_size=3
        )
    ),
    max_leaves=12,
)
bodies = st.dictionaries(st.sampled_from(["system", "tools", "messages", "model", "é"]), values)


@calm
@given(bodies, st.sampled_from([None, 1]), st.booleans(), st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :\t")]))
def test_joined_slices_are_the_body(body, indent, ascii_only, separators) -> None:
    data = json.dumps(body, indent=indent, ensure_ascii=ascii_only, separators=separators).encode(
        "utf-8", "surrogatepass"
    )
    slices = cut(data, CHAINS)
    assert joined(data, slices) == data
    assert all(one.start < one.end for one in slices)
    for name in CHAINS:
        items = body.get(name)
        if isinstance(items, list):
            assert len({one.item for one in slices if one.kind == name}) == len(items)


@calm
@given(st.binary(max_size=60), bodies)
def test_joined_slices_are_the_body_whatever_it_is(junk: bytes, body: dict[str, Any]) -> None:
    good = json.dumps(body).encode()
    for data in (junk, good + junk, junk + good, good[: len(junk)]):
        assert joined(data, cut(data, CHAINS)) == data


@calm
@given(bodies, values)
def test_an_appended_message_leaves_all_earlier_slices_as_they_were(body: dict[str, Any], more: Any) -> None:
    before = {"model": "m", "messages": [body]}
    after = {"model": "m", "messages": [body, more]}
    old, new = json.dumps(before).encode(), json.dumps(after).encode()
    assert item(old, "messages", 0) == item(new, "messages", 0)
