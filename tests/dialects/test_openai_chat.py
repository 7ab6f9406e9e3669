"""Chat Completions: what recorded traffic has too little of, each fact by itself."""

import json
from typing import Any

import msgspec
import pytest

from dragoman.canonical import Media, Other, Prompt, Reasoning, Refusal, Reply, Text, Tool, ToolCall, ToolResult, Usage
from dragoman.dialects import ALL
from fakes.decoding import decode, sse_of

CHAT = ALL["openai_chat"]
NAME = "openai_chat"


def asked(**fields: Any) -> Prompt:
    return CHAT.parse_request(json.dumps({"model": "m", "messages": [], **fields}).encode())


def parts_of(message: dict[str, Any]) -> list[Any]:
    return asked(messages=[message]).messages[0].parts


def chunk(
    delta: dict[str, Any] | None = None, reason: str | None = None, index: int = 0, **more: Any
) -> dict[str, Any]:
    choices = [{"index": index, "delta": delta or {}, "finish_reason": reason}]
    return {"id": "c1", "model": "m", "object": "chat.completion.chunk", "choices": choices, **more}


def streamed(*chunks: dict[str, Any]) -> Reply:
    return decode(NAME, sse_of(*chunks, done=True))[0]


def calls(*wire: dict[str, Any]) -> list[tuple[str | None, str, str]]:
    """Calls of a stream whose chunks have these entries of `tool_calls`."""
    reply = streamed(*(chunk({"tool_calls": [one]}) for one in wire), chunk(reason="stop"))
    assert reply.stop_reason == "tool_use"
    return [(part.id, part.name, part.arguments) for part in reply.message.parts if isinstance(part, ToolCall)]


def usage_of(usage: dict[str, Any]) -> Usage:
    reply = CHAT.parse_reply(json.dumps({"choices": [], "usage": usage}).encode())
    assert reply.usage
    return reply.usage


def test_messages_become_messages_in_place() -> None:
    prompt = asked(
        messages=[
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": "hi", "name": "ann"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": ""}}],
            },
            {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "42"}]},
            {"role": "function", "name": "g", "content": "43"},
            {"role": "critic", "content": "?"},
        ]
    )
    assert [message.role for message in prompt.messages] == ["developer", "user", "assistant", "tool", "tool", "user"]
    assert prompt.messages[1].name == "ann"
    assert prompt.messages[2].parts == [ToolCall(id="1", name="f")]
    assert prompt.messages[3].parts == [ToolResult(call_id="1", parts=[Text(text="42")])]
    assert prompt.messages[4].parts == [ToolResult(name="g", parts=[Text(text="43")])]
    assert prompt.messages[5].extra[NAME]["role"] == "critic"


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "text", "text": "a"}, Text(text="a")),
        (
            {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            Text(text="a", cache="1h"),
        ),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD", "detail": "low"}},
            Media(kind="image", mime="image/png", data="QUJD", extra={NAME: {"detail": "low"}}),
        ),
        ({"type": "image_url", "image_url": {"url": "https://x/y.png"}}, Media(kind="image", url="https://x/y.png")),
        (
            {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}},
            Media(kind="audio", mime="audio/wav", data="QUJD"),
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QUJD"}},
            Media(kind="document", mime="application/pdf", data="QUJD", name="a.pdf"),
        ),
        ({"type": "file", "file": {"file_id": "file-1"}}, Media(kind="document", file_id="file-1")),
        ({"type": "video_url", "video_url": {"url": "https://x/y.mp4"}}, Media(kind="video", url="https://x/y.mp4")),
        ({"type": "refusal", "refusal": "no"}, Refusal(text="no")),
        ({"type": "hologram", "x": 1}, Other(dialect=NAME, kind="hologram", value={"type": "hologram", "x": 1})),
    ],
)
def test_each_kind_of_part_is_read(part: dict[str, Any], expected: Any) -> None:
    assert parts_of({"role": "user", "content": [part]}) == [expected]


def test_settings_and_tools_are_read_and_the_rest_is_kept() -> None:
    prompt = asked(
        max_tokens=5,
        stop="x",
        temperature=0,
        reasoning_effort="low",
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {"type": "object"}},
        },
        tool_choice={"type": "function", "function": {"name": "f"}},
        tools=[
            {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}},
            {"type": "custom", "custom": {"name": "c", "format": {"type": "text"}}},
            {"type": "web_search"},
        ],
        brand_new={"a": 1},
        stream=True,
    )
    settings = prompt.settings
    assert (settings.max_tokens, settings.stop, settings.temperature, settings.effort) == (5, ["x"], 0, "low")
    assert settings.response_format == {"schema": {"type": "object"}, "name": "n"}
    assert settings.tool_choice == {"name": "f"}
    assert prompt.tools == [
        Tool(name="f", schema={"type": "object"}, strict=True),
        Tool(name="c", schema={"type": "text"}, kind="custom"),
        Tool(name="web_search", kind="server", extra={NAME: {"type": "web_search"}}),
    ]
    assert prompt.is_streamed
    assert prompt.extra[NAME]["brand_new"] == {"a": 1}


def test_completions_and_embeddings_are_known_by_their_keys() -> None:
    prompt = CHAT.parse_request(b'{"model":"m","prompt":["a","b"]}')
    assert prompt.messages[0].parts == [Text(text="a"), Text(text="b")]
    assert CHAT.parse_request(b'{"model":"m","input":"text"}').messages[0].parts == [Text(text="text")]
    reply = CHAT.parse_reply(b'{"object":"list","data":[{"embedding":[1]}],"model":"m","usage":{"prompt_tokens":3}}')
    assert (reply.model, reply.usage and reply.usage.input_fresh, reply.extra) == ("m", 3, {NAME: {"embeddings": 1}})


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        pytest.param(
            [
                {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x"'}},
                {"index": 1, "id": "b", "function": {"name": "g", "arguments": ""}},
                {"index": 0, "function": {"arguments": ":1}"}},
                {"index": 1, "function": {"arguments": "{}"}},
            ],
            [("a", "f", '{"x":1}'), ("b", "g", "{}")],
            id="interleaved by index, the first piece with data",
        ),
        pytest.param(
            [
                {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}},
                {"index": 0, "id": "b", "function": {"name": "f", "arguments": "{}"}},
            ],
            [("a", "f", "{}"), ("b", "f", "{}")],
            id="index 0 for each, told apart by id",
        ),
        pytest.param(
            [
                {"id": "a", "function": {"name": "f", "arguments": "{}"}},
                {"id": "b", "function": {"name": "g", "arguments": '{"y":'}},
                {"function": {"arguments": "2}"}},
            ],
            [("a", "f", "{}"), ("b", "g", '{"y":2}')],
            id="no index",
        ),
        pytest.param(
            [
                {"index": 0, "id": "", "function": {"name": "f", "arguments": '{"x":1}'}},
                {"index": 0, "id": "", "function": {"name": "f", "arguments": '{"x":2}'}},
            ],
            [(None, "f", '{"x":1}'), (None, "f", '{"x":2}')],
            id="no ids, each call whole",
        ),
        pytest.param(
            [
                {"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}},
                {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x":'}},
                {"index": 0, "id": "a", "function": {"name": "f", "arguments": "1}"}},
            ],
            [("a", "f", '{"x":1}')],
            id="id and name repeated",
        ),
        pytest.param(
            [
                {"index": 0, "id": "a"},
                {"index": 0, "function": {"name": "f"}},
                {"index": 0, "function": {"arguments": "{}"}},
            ],
            [("a", "f", "{}")],
            id="the name comes late",
        ),
        pytest.param(
            [{"index": 0, "id": "a", "function": {"name": "f", "arguments": {"x": 1}}}],
            [("a", "f", '{"x":1}')],
            id="arguments as an object",
        ),
        pytest.param(
            [
                {"index": 0, "id": "a", "type": "custom", "custom": {"name": "sql", "input": ""}},
                {"index": 0, "custom": {"input": "SELECT 1"}},
            ],
            [("a", "sql", "SELECT 1")],
            id="custom tool",
        ),
    ],
)
def test_tool_calls_are_told_apart(wire: list[dict[str, Any]], expected: list[Any]) -> None:
    assert calls(*wire) == expected


def test_one_chunk_may_hold_several_calls_and_text() -> None:
    two = [{"id": "a", "function": {"name": "f", "arguments": "{}"}}, {"function": {"name": "g", "arguments": "{}"}}]
    reply = streamed(chunk({"content": "hm", "tool_calls": two}), chunk({"tool_calls": []}, "tool_calls"))
    assert reply.message.parts[0] == Text(text="hm")
    assert [part.name for part in reply.message.parts[1:]] == ["f", "g"]  # type: ignore[union-attr]


def test_what_a_call_carries_beside_is_kept() -> None:
    wire = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}, "extra_content": {"sig": "x"}}
    reply = streamed(chunk({"tool_calls": [wire]}), chunk(reason="tool_calls"))
    assert reply.message.parts == [
        ToolCall(id="a", name="f", arguments="{}", extra={NAME: {"extra_content": {"sig": "x"}}})
    ]


def test_several_choices_stay_apart() -> None:
    reply = streamed(
        chunk({"content": "a"}), chunk({"content": "b"}, index=1), chunk({}, "stop"), chunk({}, "length", index=1)
    )
    assert (reply.message.parts, reply.stop_reason) == ([Text(text="a")], "end")
    assert [(one.message.parts, one.stop_reason) for one in reply.others] == [([Text(text="b")], "length")]


def test_log_probabilities_are_gathered() -> None:
    first, second = ({"content": [{"token": token, "logprob": -1}]} for token in "ab")
    reply = streamed(
        {"id": "c", "choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": first}]},
        {"id": "c", "choices": [{"index": 0, "delta": {"content": "b"}, "logprobs": second, "finish_reason": "stop"}]},
    )
    assert reply.extra[NAME]["choices"]["0"]["logprobs"]["content"] == [*first["content"], *second["content"]]


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_reasoning_has_many_names(key: str) -> None:
    reply = streamed(chunk({key: "I "}), chunk({key: "think"}), chunk({"content": "42"}, "stop"))
    assert reply.message.parts == [Reasoning(text="I think"), Text(text="42")]


def test_reasoning_under_two_names_is_heard_once() -> None:
    both = {"reasoning": "hm", "reasoning_content": "hm"}
    assert streamed(chunk(both), chunk({}, "stop")).message.parts == [Reasoning(text="hm")]


def test_reasoning_details_bring_signature_and_are_joined() -> None:
    def piece(**fields: Any) -> dict[str, Any]:
        return chunk({"reasoning_details": [{"type": "reasoning.text", "index": 0, **fields}]})

    reply = streamed(piece(text="I "), piece(text="think"), piece(signature="sig"), chunk({"content": "42"}, "stop"))
    assert reply.message.parts == [Reasoning(text="I think", signature="sig"), Text(text="42")]
    assert reply.extra[NAME]["choices"]["0"]["message"]["reasoning_details"] == [
        {"type": "reasoning.text", "index": 0, "text": "I think", "signature": "sig"}
    ]


def test_a_refusal_is_a_part_and_a_reason() -> None:
    reply = streamed(chunk({"refusal": "I "}), chunk({"refusal": "can't"}, "stop"))
    assert (reply.message.parts, reply.stop_reason) == ([Refusal(text="I can't")], "refusal")


def test_spoken_output_is_a_medium_with_its_transcript() -> None:
    reply = streamed(
        chunk({"audio": {"id": "a1", "transcript": "Hel"}}),
        chunk({"audio": {"data": "QUJD", "transcript": "lo"}}),
        chunk({"audio": {"data": "REVG"}}, "stop"),
    )
    assert reply.message.parts == [Media(kind="audio", file_id="a1", data="QUJDREVG", text="Hello")]


def test_halves_of_an_emoji_in_two_chunks_become_one() -> None:
    body = sse_of(
        r'{"id":"c","choices":[{"index":0,"delta":{"content":"a\ud83d"}}]}',
        r'{"id":"c","choices":[{"index":0,"delta":{"content":"\ude00b"}}]}',
        r'{"id":"c","choices":[{"index":0,"delta":{"content":"\ud83d"},"finish_reason":"stop"}]}',
        done=True,
    )
    reply, deltas, warnings = decode(NAME, body)
    assert reply.message.parts == [Text(text="a😀b\ufffd")]
    assert "read leniently" in warnings[0]
    assert msgspec.json.encode(deltas)


def test_numbers_that_are_none_are_read_and_said() -> None:
    reply = CHAT.parse_reply(b'{"choices":[{"message":{"content":"\\ud83d"},"logprobs":{"x":NaN}}]}')
    assert reply.message.parts == [Text(text="\ufffd")]
    assert "read leniently" in reply.warnings[0]
    assert msgspec.json.encode(reply)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}},
            {"input_fresh": 6, "cache_read": 4, "output": 5},
        ),
        (
            {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3}},
            {"input_fresh": 3, "cache_read": 4, "cache_write_5m": 3},
        ),
        ({"prompt_tokens": 10, "prompt_cache_hit_tokens": 4}, {"input_fresh": 6, "cache_read": 4}),
        ({"prompt_tokens": 10, "cached_tokens": 10}, {"input_fresh": 0, "cache_read": 10}),
        ({"prompt_tokens": 10}, {"input_fresh": 10}),
        (
            {
                "prompt_tokens": 12,
                "completion_tokens": 1,
                "total_tokens": 241,
                "completion_tokens_details": {"reasoning_tokens": 228},
            },
            {"input_fresh": 12, "output": 229, "reasoning": 228},
        ),
        (
            {
                "prompt_tokens": 12,
                "completion_tokens": 300,
                "total_tokens": 312,
                "completion_tokens_details": {"reasoning_tokens": 228},
            },
            {"input_fresh": 12, "output": 300, "reasoning": 228},
        ),
    ],
)
def test_usage_is_kept_apart_and_unknown_stays_unknown(usage: dict[str, Any], expected: dict[str, int]) -> None:
    assert usage_of(usage) == Usage(**expected, native=usage)  # type: ignore[arg-type]


def test_usage_comes_first_last_or_on_every_chunk() -> None:
    def usage(n: int) -> dict[str, int]:
        return {"prompt_tokens": 3, "completion_tokens": n}

    first = streamed(chunk(usage=usage(0)) | {"choices": []}, chunk({"content": "a"}, "stop"))
    assert first.message.parts == [Text(text="a")]
    each = streamed(chunk({"content": "a"}, usage=usage(1)), chunk({"content": "b"}, "stop", usage=usage(2)))
    assert each.usage and each.usage.output == 2
    assert streamed(chunk({}, "stop", usage=None)).usage is None


def test_llama_cpps_timings_stand_in_for_usage() -> None:
    timings = {"prompt_n": 5, "cache_n": 7, "predicted_n": 9, "prompt_ms": 1.5, "predicted_ms": 20.0}
    reply = streamed(chunk({"content": "a"}, "stop", timings=timings))
    assert reply.usage == Usage(input_fresh=5, cache_read=7, output=9, native=timings)
    assert reply.provider_timings_ns == {"prompt_ms": 1_500_000, "predicted_ms": 20_000_000}


@pytest.mark.parametrize("end", [b"", b"data: [DONE]\n\n"])
def test_an_error_in_mid_stream_is_no_clean_end(end: bytes) -> None:
    body = sse_of(chunk({"content": "a"}), {"error": {"message": "overloaded", "type": "server_error", "code": 503}})
    reply, _, _ = decode(NAME, body + end)
    assert reply.error and (reply.error.message, reply.error.kind, reply.error.code) == (
        "overloaded",
        "server_error",
        "503",
    )
    assert (reply.stop_reason, reply.is_complete, reply.message.parts) == ("error", False, [Text(text="a")])


def test_a_stream_without_done_is_whole_when_it_gave_its_reason() -> None:
    assert decode(NAME, sse_of(chunk({"content": "a"}, "stop")))[0].is_complete
    assert not decode(NAME, sse_of(chunk({"content": "a"})))[0].is_complete


def test_odd_frames_are_noted_and_skipped() -> None:
    reply, _, warnings = decode(NAME, sse_of("{broken", "[1]", chunk({"content": "a"}, "stop"), done=True))
    assert reply.message.parts == [Text(text="a")]
    assert len(warnings) == 2 and warnings[0].startswith("frame at byte 0 skipped")


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (b'{"error":{"message":"m","type":"t","param":null,"code":"c"}}', "m", "c"),
        (b'{"error":{"message":"m","code":429}}', "m", "429"),
        (b'{"code":"c","error":"m"}', "m", "c"),
        (b'{"detail":"m"}', "m", None),
        (b'{"detail":[{"loc":["body"],"msg":"m"},{"msg":"n"}]}', "m; n", None),
        (b'{"message":"m","code":"c"}', "m", "c"),
        (b'[{"error":{"message":"m","code":400}}]', "m", "400"),
        (b"<html>Bad Gateway</html>", "<html>Bad Gateway</html>", None),
        (b"", "status 502 without a body", None),
        (b'"m"', "m", None),
        (b"{}", "{}", None),
    ],
)
def test_errors_come_in_many_shapes(body: bytes, message: str, code: str | None) -> None:
    error = CHAT.parse_error(502, {}, body).error
    assert error and (error.message, error.code) == (message, code)
