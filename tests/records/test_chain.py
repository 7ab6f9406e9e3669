"""Bodies come apart and together again, and what stays the same keeps its name."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.records.chain import Links, Stretch, cut, join, link_hashes, segment_hash
from dragoman.wire.slices import Slice
from dragoman.wire.slices import cut as slices_of

CHAINS = {"system": "system", "tools": "tools", "messages": "messages"}
MARK = {"type": "ephemeral"}
SPACINGS = [(",", ":"), (", ", ": ")]

texts = st.text(max_size=30)
blocks = st.fixed_dictionaries({"type": st.just("text"), "text": texts}, optional={"cache_control": st.just(MARK)})
messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant"]), "content": st.one_of(texts, st.lists(blocks, max_size=3))}
)
bodies = st.fixed_dictionaries(
    {"model": texts, "messages": st.lists(messages, max_size=6)},
    optional={
        "system": st.one_of(texts, st.lists(blocks, max_size=3)),
        "tools": st.lists(st.fixed_dictionaries({"name": texts}, optional={"cache_control": st.just(MARK)})),
        "max_tokens": st.integers(),
    },
)


def conversation(turns: int, *, spacing: tuple[str, str] = (",", ":"), marked: bool = True) -> bytes:
    made: list[dict[str, object]] = []
    for turn in range(turns):
        block: dict[str, object] = {"type": "text", "text": f"turn {turn}"}
        if marked and turn == turns - 1:
            block["cache_control"] = MARK
        made.append({"role": "user", "content": [block]})
    body = {"model": "m", "system": [{"type": "text", "text": "be brief"}], "messages": made, "stream": True}
    return json.dumps(body, separators=spacing).encode()


def chain_of(body: bytes, kind: str) -> list[bytes]:
    made = cut(body, slices_of(body, CHAINS))
    assert made is not None
    return next(part.items for part in made.parts if isinstance(part, Links) and part.kind == kind)


@given(bodies, st.sampled_from([*SPACINGS, (",\n ", ":\t")]), st.booleans())
def test_a_cut_body_joins_to_the_same_bytes(body: dict[str, object], spacing: tuple[str, str], as_ascii: bool) -> None:
    raw = json.dumps(body, separators=spacing, ensure_ascii=as_ascii).encode("utf-8", "surrogatepass")
    made = cut(raw, slices_of(raw, CHAINS))
    assert made is None or join(made) == raw


@given(st.binary(max_size=200))
def test_bytes_that_are_no_body_stay_whole_or_join_again(raw: bytes) -> None:
    made = cut(raw, slices_of(raw, CHAINS))
    assert made is None or join(made) == raw


@pytest.mark.parametrize("spacing", SPACINGS)
def test_a_turn_more_keeps_all_earlier_items_though_the_mark_moves(spacing: tuple[str, str]) -> None:
    shorter = chain_of(conversation(5, spacing=spacing), "messages")
    longer = chain_of(conversation(6, spacing=spacing), "messages")
    assert longer[:5] == shorter


@pytest.mark.parametrize("spacing", SPACINGS)
def test_the_parts_do_not_grow_with_the_turns(spacing: tuple[str, str]) -> None:
    body = conversation(40, spacing=spacing)
    made = cut(body, slices_of(body, CHAINS))
    assert made is not None
    assert len(made.parts) == 5
    assert len(made.marks) == 1


def test_a_message_has_the_same_name_with_and_without_its_mark() -> None:
    assert chain_of(conversation(3), "messages") == chain_of(conversation(3, marked=False), "messages")


def test_a_body_without_chains_stays_whole() -> None:
    body = b'{"input":"text to embed"}'
    assert cut(body, slices_of(body, CHAINS)) is None


def test_slices_that_leave_bytes_out_are_refused() -> None:
    assert cut(b"abcdef", [Slice("head", 0, 2), Slice("messages", 2, 4, 0)]) is None


def test_a_mark_outside_of_a_chain_is_refused() -> None:
    assert cut(b"abcdef", [Slice("mark", 0, 2), Slice("messages", 2, 6, 0)]) is None


def test_stretches_keep_their_place() -> None:
    made = cut(b"<a|b>", [Slice("head", 0, 1), Slice("messages", 1, 4, 0), Slice("tail", 4, 5)])
    assert made is not None
    assert made.parts == [Stretch(b"<"), Links("messages", [b"a|b"]), Stretch(b">")]


def test_link_names_cover_all_that_lies_before() -> None:
    a, b, c = (segment_hash(one) for one in (b"a", b"b", b"c"))
    assert link_hashes("messages", [a, b])[0] == link_hashes("messages", [a, c])[0]
    assert link_hashes("messages", [a, b])[1] != link_hashes("messages", [c, b])[1]
    assert link_hashes("messages", [a]) != link_hashes("system", [a])
