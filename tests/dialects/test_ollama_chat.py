"""Ollama: recorded traffic is scarce, so that its SDK's types and made-up replies judge as well."""

import json
from typing import Any

import ollama
import pytest

from dragoman.canonical import Media, Reasoning, Reply, Text, Tool, ToolCall, ToolResult, Usage
from dragoman.dialects import ALL
from fakes.decoding import decode

OLLAMA = ALL["ollama_chat"]
NAME = "ollama_chat"
Wire = dict[str, Any]

DONE: Wire = {
    "model": "qwen3",
    "message": {"role": "assistant", "content": ""},
    "done": True,
    "done_reason": "stop",
    "total_duration": 9,
    "eval_count": 4,
}


def asked(**fields: Any) -> Any:
    return OLLAMA.parse_request(json.dumps({"model": "m", **fields}).encode())


def said(**message: Any) -> Wire:
    return {"model": "qwen3", "message": {"role": "assistant", "content": "", **message}, "done": False}


def streamed(*lines: Wire) -> Reply:
    reply, _, warnings = decode(NAME, b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    assert warnings == []
    return reply


def test_a_reply_is_streamed_unless_the_request_says_no() -> None:
    assert asked(messages=[]).is_streamed
    assert asked(messages=[], stream=True).is_streamed
    assert not asked(messages=[], stream=False).is_streamed
    assert not asked(input="embed me").is_streamed


def test_a_request_made_by_the_sdk_is_read() -> None:
    """The SDK's own types write it, so that names and places are theirs."""
    request = ollama._types.ChatRequest(
        model="qwen3",
        messages=[
            ollama.Message(role="system", content="Be kind."),
            ollama.Message(role="user", content="what is this?", images=[ollama.Image(value=b"ABC")]),
            ollama.Message(
                role="assistant",
                thinking="hm",
                tool_calls=[
                    ollama.Message.ToolCall(
                        function=ollama.Message.ToolCall.Function(name="look", arguments={"at": "it"})
                    )
                ],
            ),
            ollama.Message(role="tool", content="a cat", tool_name="look"),
        ],
        tools=[{"type": "function", "function": {"name": "look", "description": "see", "parameters": {}}}],
        options={"temperature": 0.5, "num_predict": 7, "seed": 1, "stop": ["x"]},
        format={"type": "object"},
        think="low",
        stream=True,
    )
    prompt = OLLAMA.parse_request(json.dumps(request.model_dump(exclude_none=True)).encode())
    assert [message.role for message in prompt.messages] == ["system", "user", "assistant", "tool"]
    assert prompt.messages[1].parts == [Text(text="what is this?"), Media(kind="image", data="QUJD")]
    assert prompt.messages[2].parts == [Reasoning(text="hm"), ToolCall(name="look", arguments='{"at":"it"}')]
    assert prompt.messages[3].parts == [ToolResult(name="look", parts=[Text(text="a cat")])]
    assert [(tool.name, tool.description) for tool in prompt.tools] == [("look", "see")]
    assert isinstance(prompt.tools[0], Tool)
    settings = prompt.settings
    assert (settings.temperature, settings.max_tokens, settings.seed, settings.stop) == (0.5, 7, 1, ["x"])
    assert (settings.effort, settings.response_format) == ("low", {"schema": {"type": "object"}})


def test_a_reply_that_the_sdk_reads_is_read_the_same() -> None:
    wire = {**DONE, "message": {"role": "assistant", "content": "a cat", "thinking": "hm"}, "prompt_eval_count": 3}
    theirs = ollama.ChatResponse.model_validate(wire)
    ours = OLLAMA.parse_reply(json.dumps(wire).encode())
    assert ours.message.parts == [
        Reasoning(text=theirs.message.thinking or ""),
        Text(text=theirs.message.content or ""),
    ]
    assert ours.usage == Usage(
        input_fresh=theirs.prompt_eval_count,
        output=theirs.eval_count,
        native={"prompt_eval_count": 3, "eval_count": 4},
    )
    assert ours.provider_timings_ns == {"total_duration": theirs.total_duration}


def test_generate_makes_messages_of_system_and_prompt() -> None:
    prompt = asked(system="Be kind.", prompt="why?", images=["QUJD"])
    assert [message.role for message in prompt.messages] == ["system", "user"]
    assert prompt.messages[1].parts == [Text(text="why?"), Media(kind="image", data="QUJD")]
    assert asked(keep_alive=0).messages == []


def test_a_missing_count_is_unknown() -> None:
    assert streamed(said(content="a"), DONE).usage == Usage(output=4, native={"eval_count": 4})


def test_thinking_text_and_calls_are_gathered() -> None:
    call = {"function": {"index": 0, "name": "look", "arguments": {"at": "it"}}}
    reply = streamed(
        said(thinking="h"), said(thinking="m"), said(content="I "), said(content="look."), said(tool_calls=[call]), DONE
    )
    assert reply.message.parts == [
        Reasoning(text="hm"),
        Text(text="I look."),
        ToolCall(name="look", arguments='{"at":"it"}'),
    ]
    assert (reply.stop_reason, reply.native_stop_reason, reply.is_complete) == ("tool_use", "stop", True)


@pytest.mark.parametrize(("native", "reason"), [("stop", "end"), ("length", "length"), ("load", "other")])
def test_each_reason_has_its_word(native: str, reason: str) -> None:
    assert streamed({**DONE, "done_reason": native}).stop_reason == reason


def test_an_error_line_in_mid_stream_is_no_clean_end() -> None:
    reply = streamed(said(content="a"), {"error": "out of memory"})
    assert reply.error and reply.error.message == "out of memory"
    assert (reply.stop_reason, reply.is_complete, reply.message.parts) == ("error", False, [Text(text="a")])


def test_errors_are_read() -> None:
    error = OLLAMA.parse_error(404, {}, b'{"error":"model \'x\' not found"}').error
    assert error and (error.message, error.extra) == ("model 'x' not found", {})


def test_embeddings_are_counted() -> None:
    reply = OLLAMA.parse_reply(b'{"model":"m","embeddings":[[1],[2]],"prompt_eval_count":5}')
    assert (reply.model, reply.extra, reply.usage and reply.usage.input_fresh) == ("m", {NAME: {"embeddings": 2}}, 5)
