"""Another gateway's recorded translations: ours agree, or the page says by which wire fact they differ.

To write the table anew after a change that is meant: `WRITE_VECTORS=1 pytest tests/dialects/test_gateway_vectors.py`.
"""

import os
from collections import Counter

import pytest

from fakes.corpus import ROOT, Record
from fakes.gateway_vectors import vectors, verdict, why_outside

PAGE = ROOT / "docs" / "gateway-vectors.md"

_LIMIT = "Anthropic demands a limit; ours is 8,192 unless the route says otherwise, theirs 4,096 (wire-facts 7.1)"
_CACHE = "Anthropic's input figure excludes the cache, Responses' and Chat's include it (wire-facts 7.3, trap 14)"
_STOP = "`incomplete` names its reason, `max_output_tokens`; theirs leaves it out (wire-facts 7.2)"
_THOUGHT = "reasoning is an item of its own; theirs puts it into the text, or drops it (wire-facts 2, 7.4)"
_HISTORY = "a history with calls needs a tool list: ours names the tools that were called, theirs a dummy (traps 7, 8)"
_UNKNOWN_THINKER = "the model is no Gemini that is known to think, so the effort is a loss; theirs asks all models"

EXPLAINED = {
    "e1bf199f504d983d": _LIMIT,
    "c793fb83c6d24de5": _LIMIT,
    "a6f4f601d3e54205": f"{_LIMIT}; and `medium` has a budget of 8,192 here, the published table of Google's",
    "1f2dd37807c69296": "Converse needs no limit; only Claude gets fields of Claude's, so the effort is a loss",
    "ac746cb510f57cb0": "Converse needs no limit: none is made up",
    "8e5d5f6f1a71fd90": "Chat's tool results hold text: ours says that a picture follows (wire-facts 7.1, trap 11)",
    "3ec49397b71febe8": "adaptive thinking names no effort, so none is asked for; theirs turns it off",
    "dc69227dedf91abf": "a thinking budget is an effort in Chat (wire-facts 7.1); theirs drops it",
    "f31644f66c793024": f"{_HISTORY}; and a conversation begins with the user",
    "22c7fb7764e09368": _HISTORY,
    "aa3d20c5a86cb3ca": _CACHE,
    "240dd321d4779d8a": _CACHE,
    "a2e692d5dcbacaa0": _CACHE,
    "6d699d1ff90f550b": _STOP,
    "75b77a3cee255f93": _STOP,
    "34c40434b22198fa": f"{_STOP}; and 0 tokens stay 0, where theirs takes the total less the input",
    "58b3cd8ae5c8825e": _THOUGHT,
    "169932ed90a40958": _THOUGHT,
    "4c921adda581fc90": _THOUGHT,
    "d194f4b994f89507": "several answers are refused, since one would come (wire-facts 7.1); theirs asks for them",
    "c17a6c37b09417b5": "a result is `output`, the API's word (google-genai, FunctionResponse); theirs `content`",
    "10ce79f963e0c684": _UNKNOWN_THINKER,
    "2b7d97ba16360cb2": _UNKNOWN_THINKER,
    "10667ac0f754adee": "JSON Schema goes as it is, references too (`responseJsonSchema`); theirs is unfolded",
    "9b44ab8d602e1112": "`input` is an object: broken JSON is kept raw in one; theirs is a text (wire-facts 7.1)",
}

_HEAD = """# Translations of another gateway, beside ours

The tests of [agentgateway](https://github.com/agentgateway/agentgateway) (commit 75b4e6ce, Apache-2.0) hold
118 translations: what goes in, and what that gateway makes of it. They are a comparison, not the truth. Each is run
through Dragoman by `tests/dialects/test_gateway_vectors.py`, which also holds this table; what counts is what the
result means when it is read again: content, calls, reasoning, stop reason, figures, settings.

"""


def row(vector: Record, found: str, differing: list[str]) -> str:
    words = {
        "same dialect": "same dialect: the bytes pass untouched",
        "outside": f"not compared: {why_outside(vector)}",
        "agrees": "agrees",
    }
    said = words.get(found) or f"**{', '.join(differing) or found}**: {EXPLAINED.get(vector['id'], 'UNEXPLAINED')}"
    return f"| {vector['id']} | {vector['kind']} | {vector['from']} | {vector['to']} | {vector['name']} | {said} |\n"


def table() -> str:
    found = [(vector, *verdict(vector)) for vector in vectors()]
    counts = Counter(kind for _, kind, _ in found)
    sums = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items(), key=lambda one: -one[1]))
    rows = "".join(row(*one) for one in found)
    columns = "| vector | kind | from | to | name | ours |\n|---|---|---|---|---|---|\n"
    return f"{_HEAD}{len(found)} in all: {sums}.\n\n{columns}{rows}"


def test_the_page_says_how_each_vector_compares() -> None:
    written = table()
    if os.environ.get("WRITE_VECTORS"):
        PAGE.write_text(written)
    assert PAGE.read_text() == written


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["id"])
def test_a_vector_agrees_or_its_difference_is_explained(vector: Record) -> None:
    found, differing = verdict(vector)
    assert found in ("agrees", "same dialect", "outside") or vector["id"] in EXPLAINED, (found, differing)
    if found in ("agrees", "same dialect", "outside"):
        assert vector["id"] not in EXPLAINED, "no longer differs: take the explanation out"


def test_all_vectors_are_there() -> None:
    assert len(vectors()) == 118
    assert all(vector["source"]["licence"] == "Apache-2.0" for vector in vectors())
