"""Elements of an array out of bytes cut anywhere."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.wire.json_array import Element, JsonArrayParser

values = st.recursive(
    st.none() | st.integers() | st.text(max_size=6) | st.sampled_from(['"', "\\", '\\"', "[{", "}]"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def parse(*pieces: bytes) -> list[Element]:
    parser = JsonArrayParser()
    return [element for piece in pieces for element in parser.feed(piece)]


def test_each_element_comes_with_its_place() -> None:
    assert parse(b'[{"a":"}"}\n,\r\n{"b":[{}]}', b"]") == [Element(b'{"a":"}"}', 1, 10), Element(b'{"b":[{}]}', 14, 24)]


def test_an_element_comes_with_its_last_bracket() -> None:
    parser = JsonArrayParser()
    assert parser.feed(b'[{"a":"\\') == []
    assert parser.feed(b'"') == []
    assert parser.feed(b'"}') == [Element(b'{"a":"\\""}', 1, 11)]
    assert parser.end() is None


def test_an_element_that_broke_off_is_given_at_the_end() -> None:
    parser = JsonArrayParser()
    parser.feed(b'[{"a":1},{"b":')
    assert parser.end() == Element(b'{"b":', 9, 14)


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=4), values, max_size=3), max_size=4), st.booleans())
def test_the_elements_are_the_same_however_the_body_is_cut(given_values: list[dict[str, object]], wide: bool) -> None:
    body = json.dumps(given_values, indent=2 if wide else None).encode()
    assert [json.loads(element.data) for element in parse(body)] == given_values
    assert parse(*[body[n : n + 1] for n in range(len(body))]) == parse(body)
