"""Random conversations and streams written as Chat and Ollama have them: always in a legal order, never a crash."""

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.canonical import (
    AnyPart,
    Delta,
    Media,
    Message,
    Other,
    PartEnded,
    PartGrew,
    PartStarted,
    Prompt,
    Reasoning,
    Refusal,
    ReplyEnded,
    ReplyProgressed,
    ReplyStarted,
    Settings,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)
from dragoman.dialects import ALL
from dragoman.dialects.base import ReplyTarget, RequestTarget, Unreadable
from dragoman.dialects.exact import is_exact
from fakes.corpus import SAMPLE, all_records_of
from fakes.decoding import decode
from fakes.replay import body_of

CHAT, OLLAMA = ALL["openai_chat"], ALL["ollama_chat"]
WORD = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
NAME = st.sampled_from(["f", "g", "h"])
ID = st.none() | st.sampled_from(["a", "b", "c", "d"])
MARK = st.none() | st.sampled_from(["", "5m", "1h"])
ARGUMENTS = st.sampled_from(["", "{}", '{"x":1}', '{"x":', "text"])
IMAGE = st.builds(Media, kind=st.just("image"), data=st.just("QQ=="), cache=MARK)
TEXT = st.builds(Text, text=WORD, cache=MARK, annotations=st.sampled_from([[], [{"type": "char_location"}]]))
REASONING = st.builds(
    Reasoning,
    text=WORD,
    signature=st.none() | st.just("S"),
    maker=st.none() | st.sampled_from(["anthropic", "openai"]),
)
CALL = st.builds(
    ToolCall, id=ID, name=NAME, arguments=ARGUMENTS, kind=st.sampled_from(["function", "custom", "server"])
)
RESULT = st.builds(
    ToolResult,
    call_id=ID,
    name=st.none() | NAME,
    parts=st.lists(TEXT | IMAGE, max_size=3),
    is_error=st.booleans(),
    cache=MARK,
)
OTHER = st.builds(Other, dialect=st.just("x"), kind=st.just("y"), value=st.just({"z": 1}))
PART = TEXT | IMAGE | REASONING | CALL | RESULT | OTHER | st.builds(Refusal, text=WORD)
MESSAGE = st.builds(
    Message,
    role=st.sampled_from(["system", "developer", "user", "assistant", "tool"]),
    parts=st.lists(PART, max_size=5),
)
PROMPT = st.builds(
    Prompt,
    messages=st.lists(MESSAGE, max_size=8),
    tools=st.lists(st.builds(Tool, name=NAME, kind=st.sampled_from(["function", "custom", "server"])), max_size=3),
    settings=st.builds(
        Settings,
        stop=st.none() | st.lists(WORD, max_size=6),
        tool_choice=st.none() | st.sampled_from(["auto", "none", "required", {"name": "f"}, {"type": "web_search"}]),
        effort=st.none() | st.sampled_from(["none", "low", "max"]),
    ),
)
TARGETS = st.builds(
    RequestTarget,
    model=st.sampled_from(["gpt-5.6", "gpt-4o", "qwen3"]),
    is_openai=st.booleans(),
    is_streamed=st.booleans(),
)


def texts_of(prompt: Prompt) -> list[str]:
    """All that a conversation says in words, outside of reasoning."""
    found: list[str] = []
    for message in prompt.messages:
        for part in message.parts:
            inner = part.parts if isinstance(part, ToolResult) else [part]
            found += [one.text for one in inner if isinstance(one, Text | Refusal) and one.text.strip()]
    return found


@given(PROMPT, TARGETS)
@settings(max_examples=200, deadline=None)
def test_chat_requests_are_in_order_and_say_all(prompt: Prompt, target: RequestTarget) -> None:
    done = CHAT.render_request(prompt, target)
    body = json.loads(done.body)
    waiting: list[str] = []
    for message in body["messages"]:
        if waiting or message["role"] == "tool":
            assert message["role"] == "tool" and message["tool_call_id"] == waiting.pop(0)
        if message["role"] == "assistant":
            assert message.get("content") or message.get("tool_calls") or message.get("refusal")
            waiting = [call["id"] for call in message.get("tool_calls", [])]
        elif message["role"] != "tool":
            assert message["content"]
        if isinstance(message.get("content"), list):
            assert all(part["type"] != "text" or part["text"] for part in message["content"])
            assert message["role"] == "user" or all(part["type"] == "text" for part in message["content"])
    assert not waiting
    assert len(body.get("stop", [])) <= 4
    said = json.dumps(body["messages"], ensure_ascii=False)
    for text in texts_of(prompt):
        assert json.dumps(text, ensure_ascii=False)[1:-1] in said or any("result" in one.reason for one in done.losses)
    assert all(loss.path and loss.reason for loss in done.losses)
    assert CHAT.parse_request(done.body).warnings == []


@given(PROMPT, TARGETS)
@settings(max_examples=150, deadline=None)
def test_ollama_requests_say_all(prompt: Prompt, target: RequestTarget) -> None:
    done = OLLAMA.render_request(prompt, target)
    body = json.loads(done.body)
    assert {message["role"] for message in body["messages"]} <= {"system", "user", "assistant", "tool"}
    said = json.dumps(body["messages"], ensure_ascii=False)
    for text in texts_of(prompt):
        assert json.dumps(text, ensure_ascii=False)[1:-1] in said
    for message in body["messages"]:
        assert all(isinstance(call["function"]["arguments"], dict) for call in message.get("tool_calls", []))


PIECE = st.one_of(
    st.tuples(st.just("start"), st.integers(0, 3), TEXT | REASONING | CALL | OTHER | st.builds(Refusal, text=WORD)),
    st.tuples(st.just("grow"), st.integers(0, 3), WORD),
    st.tuples(st.just("end"), st.integers(0, 3), st.none()),
)


def deltas_of(pieces: list[tuple[str, int, Any]]) -> list[Delta]:
    """Make a stream of legal deltas: parts grow only between their beginning and their end."""
    deltas: list[Delta] = [ReplyStarted(id="x")]
    slots: dict[int, tuple[int, AnyPart]] = {}
    count = 0
    for kind, slot, value in pieces:
        if kind == "start":
            slots[slot] = (count, value)
            deltas.append(PartStarted(part=count, value=value))
            count += 1
        elif slot in slots:
            part, held = slots[slot]
            if kind == "end":
                deltas.append(PartEnded(part=part))
                del slots[slot]
            elif isinstance(held, ToolCall):
                deltas.append(PartGrew(part=part, arguments=value))
            elif isinstance(held, Text | Refusal | Reasoning):
                deltas.append(PartGrew(part=part, text=value))
    return [*deltas, ReplyProgressed(stop_reason="end", usage=Usage(input_fresh=1, output=1)), ReplyEnded()]


def said_in(parts: list[AnyPart]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Text))


@given(st.lists(PIECE, max_size=20))
@settings(max_examples=200, deadline=None)
def test_streams_say_what_the_deltas_said(pieces: list[tuple[str, int, Any]]) -> None:
    deltas = deltas_of(pieces)
    for dialect in (CHAT, OLLAMA):
        encoder = dialect.encoder(ReplyTarget(model="m", seed="s"))
        body = b"".join(encoder.feed([delta]) for delta in deltas) + encoder.end()
        reply, _, warnings = decode(dialect.name, body)
        assert warnings == []
        assert reply.is_complete and reply.error is None
        whole = dialect.encoder(ReplyTarget(model="m", seed="s"))
        assert whole.feed(deltas) + whole.end() == body
        calls = [
            delta.value for delta in deltas if isinstance(delta, PartStarted) and isinstance(delta.value, ToolCall)
        ]
        wanted = sum(call.kind != "server" for call in calls)
        assert sum(isinstance(part, ToolCall) for part in reply.message.parts) == wanted
        told = [
            delta.value.text for delta in deltas if isinstance(delta, PartStarted) and isinstance(delta.value, Text)
        ]
        assert all(text in said_in(reply.message.parts) for text in told)
        assert msgspec.json.encode(encoder.losses)


JUNK = [*(None, True, 0, -1, 1.0, "", "x", [], [1], ["a"], [None], [[]], [{}]), {}, {"a": 1}, {"type": "text"}]


def bent(value: Any, chance: random.Random) -> Any:
    if chance.random() < 0.04:
        return chance.choice(JUNK)
    if isinstance(value, dict):
        return {key: bent(one, chance) for key, one in value.items() if chance.random() > 0.02}
    return [bent(one, chance) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("dialect", ["openai_chat", "ollama_chat"])
def test_bent_requests_come_out_as_bent_as_they_came_in(dialect: str) -> None:
    chance = random.Random(1)
    records = [one for one in all_records_of(dialect, SAMPLE) if len(body_of(one, "request")) < 20_000]
    count = 0
    for record in records * (1 if len(records) > 100 else 20):
        body = bent(record.get("request_body"), chance)
        try:
            prompt = ALL[dialect].parse_request(json.dumps(body).encode())
        except Unreadable:
            continue
        assert is_exact(json.loads(ALL[dialect].render_request(prompt, RequestTarget()).body), body), record["id"]
        count += 1
    assert count > 40
