"""JSON from outside, taken with care."""

import msgspec
import pytest

from dragoman.dialects.base import Unreadable
from dragoman.dialects.values import (
    as_text,
    count_of,
    load,
    load_object,
    mend,
    merge_grown,
    number_of,
    texts_of,
    to_json,
    whole_of,
)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (rb'{"a":"\ud83d"}', {"a": "\ufffd"}),
        (rb'{"a":"\ud83d\ude00"}', {"a": "😀"}),
        (b'{"a":"\xff"}', {"a": "\ufffd"}),
        (b'{"a":"\xed\xa0\xbd"}', {"a": "\ufffd"}),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        (b'{"a":123456789012345678901234567890}', {"a": 123456789012345678901234567890}),
    ],
)
def test_odd_json_is_read_and_can_be_written_again(body: bytes, value: object) -> None:
    read, _ = load_object(body, "body")
    assert read == value
    assert msgspec.json.encode(read)


def test_the_lenient_way_is_told() -> None:
    assert load(b'{"a":1}')[1] is False
    assert load(b'{"a":NaN}')[1] is True
    assert load_object(rb'{"a":"\ud83d"}', "body")[1][0].startswith("unparsed")


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", "found nothing"),
        (b"<html>", "found '<html>'"),
        (b"[1]", "found a JSON list"),
        (b"[" * 100_000, "expected JSON"),
        (b'{"a":', "expected JSON"),
    ],
)
def test_what_is_no_object_is_unreadable_and_said(body: bytes, found: str) -> None:
    with pytest.raises(Unreadable, match="a chat request") as caught:
        load_object(body, "a chat request")
    assert found in str(caught.value)


def test_numbers_are_taken_only_when_they_are_some() -> None:
    source = {"a": 1, "b": True, "c": -1, "d": 2.0, "e": 2.5, "f": "3"}
    assert [count_of(source, key) for key in "abcdefg"] == [1, None, None, 2, None, None, None]
    assert [whole_of(source, key) for key in "abc"] == [1, None, -1]
    assert [number_of(source, key) for key in "abe"] == [1, None, 2.5]


def test_texts() -> None:
    assert texts_of({"stop": "a"}, "stop") == ["a"]
    assert texts_of({"stop": ["a", 1]}, "stop") == ["a"]
    assert texts_of({}, "stop") is None
    assert (as_text(None), as_text({"a": 1})) == ("", '{"a":1}')
    assert to_json({"a": "\ud83d"}) == '{"a":"\ufffd"}'
    assert mend(["\ud83d\ude00", {"\ud83d": 1}]) == ["😀", {"\ufffd": 1}]


def test_pieces_of_a_field_are_joined() -> None:
    old, new = {"a": [1], "b": 1}, {"a": [2], "b": None, "c": 3}
    assert merge_grown(old, new, lists="grow") == {"a": [1, 2], "b": 1, "c": 3}
    assert merge_grown(old, new, lists="replace") == {"a": [2], "b": 1, "c": 3}
    assert merge_grown("x", "y", lists="grow") == "y"
