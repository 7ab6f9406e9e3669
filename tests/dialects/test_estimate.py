"""Counts of tokens that nobody counted."""

import json
import re
from typing import Any

import pytest

from dragoman.canonical import Media, Message, Prompt, Text, Tool
from dragoman.dialects import ALL
from dragoman.dialects.estimate import count_reply, estimate
from fakes.corpus import SAMPLE, read_records
from fakes.replay import body_of


def said(text: str) -> Prompt:
    return Prompt(messages=[Message(role="user", parts=[Text(text=text)])])


@pytest.mark.parametrize(
    ("dialect", "field"),
    [
        ("anthropic_messages", "input_tokens"),
        ("openai_responses", "input_tokens"),
        ("bedrock_converse", "inputTokens"),
        ("gemini_generate", "totalTokens"),
    ],
)
def test_the_answer_says_that_it_is_an_estimate(dialect: str, field: str) -> None:
    answer = json.loads(count_reply(dialect, said("hello there")))
    assert answer["estimated"] is True
    assert answer[field] == estimate(said("hello there")) > 0


def test_more_of_anything_counts_more() -> None:
    plain = said("hello")
    more: list[dict[str, Any]] = [
        {"messages": [*plain.messages, *plain.messages]},
        {"tools": [Tool(name="f", schema={"type": "object"})]},
        {"messages": [Message(role="user", parts=[Text(text="hello"), Media(kind="image", data="QUJD")])]},
        {"messages": [Message(role="user", parts=[Text(text="hello"), Media(kind="document", text="a b c")])]},
    ]
    for fields in more:
        assert estimate(Prompt(**{"messages": plain.messages, **fields})) > estimate(plain)


def test_chinese_is_denser_than_english() -> None:
    assert estimate(said("你好" * 100)) > 2 * estimate(said("hi" * 100))


def test_recorded_counts_are_met_within_half() -> None:
    """What Anthropic counted, against the estimate: of use for deciding when to compact, and no more."""
    checked = 0
    for record in read_records(SAMPLE, "anthropic-count-tokens"):
        found = re.search(rb'"input_tokens": ?(\d+)', body_of(record, "response"))
        if record["status"] != 200 or found is None:
            continue
        count = int(found[1])
        guess = estimate(ALL["anthropic_messages"].parse_request(body_of(record, "request")))
        assert 0.5 * count - 20 <= guess <= 2 * count + 60, (record["id"], guess, count)
        checked += 1
    assert checked
