"""A whole reply and a stream of the same content give the same Reply."""

import json
from typing import Any

import msgspec
import pytest

from dragoman.canonical import AnyPart, Message, Reply, ToolCall
from dragoman.dialects import ALL
from dragoman.dialects.assembler import Assembler
from fakes.corpus import SAMPLE, all_records_of, whole_corpus
from fakes.replay import body_of
from fakes.streamed import chat_stream, messages_stream, ollama_stream, responses_stream

PLACE = whole_corpus() or SAMPLE


def told(dialect: str, body: bytes) -> Reply:
    decoder = ALL[dialect].decoder()
    assembler = Assembler()
    for at in range(0, len(body), 1000):
        assembler.add(decoder.feed(body[at : at + 1000]))
    assembler.add(decoder.end())
    assert decoder.warnings == []
    return assembler.reply()


def even(reply: Reply) -> Reply:
    """Leave out how the JSON of arguments is spaced, which a whole reply of objects does not tell."""
    return msgspec.structs.replace(reply, message=_even(reply.message), extra={})


def _even(message: Message) -> Message:
    return msgspec.structs.replace(message, parts=[_even_part(part) for part in message.parts])


def _even_part(part: AnyPart) -> AnyPart:
    if not isinstance(part, ToolCall) or not part.arguments:
        return part
    return msgspec.structs.replace(part, arguments=_compact(part.arguments))


def _compact(text: str) -> str:
    try:
        return json.dumps(json.loads(text))
    except ValueError:
        return text


def whole_replies(dialect: str, key: str) -> list[tuple[str, bytes, dict[str, Any]]]:
    found = []
    for record in all_records_of(dialect, PLACE):
        body = body_of(record, "response")
        if record["status"] == 200 and not record["streamed"]:
            value = json.loads(body)
            if isinstance(value, dict) and value.get(key):
                found.append((record["id"], body, value))
    assert found
    return found


def test_chat() -> None:
    for record, body, value in whole_replies("openai_chat", "choices"):
        if "text" not in value["choices"][0]:
            whole = ALL["openai_chat"].parse_reply(body)
            streamed = told("openai_chat", chat_stream(value))
            assert even(streamed) == even(whole), record
            assert streamed.extra == whole.extra, record


def test_messages() -> None:
    for record, body, value in whole_replies("anthropic_messages", "content"):
        whole = ALL["anthropic_messages"].parse_reply(body)
        assert even(told("anthropic_messages", messages_stream(value))) == even(whole), record


@pytest.mark.parametrize("is_told_at_the_end", [True, False])
def test_responses(is_told_at_the_end: bool) -> None:
    for record, body, value in whole_replies("openai_responses", "output"):
        if value.get("status") not in ("completed", "incomplete"):
            continue
        whole = ALL["openai_responses"].parse_reply(body)
        stream = responses_stream(value, is_told_at_the_end=is_told_at_the_end)
        assert even(told("openai_responses", stream)) == even(whole), record


def test_ollama() -> None:
    for record, body, value in whole_replies("ollama_chat", "model"):
        whole = ALL["ollama_chat"].parse_reply(body)
        streamed = told("ollama_chat", ollama_stream(value))
        assert even(streamed) == even(whole), record
        assert streamed.extra == whole.extra, record


def test_ollama_with_thinking_and_calls() -> None:
    """Made up after ollama 0.6.3's types: recorded traffic has no such reply."""
    reply = {
        "model": "qwen3",
        "created_at": "2026-01-01T00:00:00Z",
        "message": {
            "role": "assistant",
            "content": "I look.",
            "thinking": "What is the weather? Let me see.",
            "tool_calls": [
                {"id": "call_1", "function": {"index": 0, "name": "weather", "arguments": {"city": "Graz"}}}
            ],
        },
        "done": True,
        "done_reason": "stop",
        "eval_count": 12,
        "eval_duration": 5,
    }
    whole = ALL["ollama_chat"].parse_reply(json.dumps(reply).encode())
    assert told("ollama_chat", ollama_stream(reply)) == whole
    assert whole.stop_reason == "tool_use"
    assert [type(part).__name__ for part in whole.message.parts] == ["Reasoning", "Text", "ToolCall"]
