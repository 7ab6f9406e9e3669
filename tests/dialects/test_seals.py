"""Seals of one maker that travel through another's dialect."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.canonical import Reasoning
from dragoman.dialects.seals import PREFIX, is_native, restore, unwrap, wrap

TEXTS = st.text(max_size=40)
SEALS = st.none() | st.text(min_size=1, max_size=40)


@given(TEXTS, TEXTS, SEALS, SEALS, SEALS, st.sampled_from(["anthropic", "openai", "google"]))
def test_what_was_wrapped_comes_back(
    text: str, summary: str, signature: str, encrypted: str, item: str, maker: str
) -> None:
    part = Reasoning(text=text, summary=summary, signature=signature, encrypted=encrypted, id=item, maker=maker)
    wrapped = wrap(part)
    if signature or encrypted:
        assert wrapped and wrapped.startswith(PREFIX) and unwrap(wrapped) == part
    else:
        assert wrapped is None


def test_a_part_without_a_seal_or_a_maker_is_not_wrapped() -> None:
    assert wrap(Reasoning(text="hm", maker="openai")) is None
    assert wrap(Reasoning(text="hm", signature="s")) is None


def packed(value: object) -> str:
    return PREFIX + base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "odd",
    [
        *(None, 7, "", "EqoB", PREFIX, PREFIX + "%%", PREFIX + "a", PREFIX + "ä", PREFIX + "AAAA"),
        *(packed([]), packed({}), packed({"m": 1, "s": "x"}), packed({"m": "openai"}), packed({"s": "x"})),
        packed({"m": "openai", "s": "x"})[:-3],
    ],
)
def test_what_is_no_wrapper_is_none(odd: object) -> None:
    assert unwrap(odd) is None


@given(st.text(max_size=60))
def test_any_text_after_the_prefix_does_no_harm(text: str) -> None:
    unwrap(PREFIX + text)


def test_a_part_gets_its_own_maker_back() -> None:
    own = Reasoning(text="hm", signature="s", maker="anthropic")
    carried = Reasoning(summary="shown", encrypted=wrap(own), id="rs_1", extra={"openai_responses": {"x": 1}})
    restored = restore(carried, "openai_responses")
    assert (restored.text, restored.signature, restored.maker) == ("hm", "s", "anthropic")
    assert restored.extra == carried.extra
    assert is_native(restored, "bedrock_invoke") and not is_native(restored, "openai_responses")


def test_an_unwrapped_seal_is_the_dialects_own() -> None:
    assert restore(Reasoning(signature="s"), "anthropic_messages").maker == "anthropic"
    assert restore(Reasoning(text="hm"), "anthropic_messages").maker is None


def test_a_damaged_wrapper_is_left_out() -> None:
    assert restore(Reasoning(text="hm", signature=PREFIX + "AAAA"), "anthropic_messages") == Reasoning(text="hm")
