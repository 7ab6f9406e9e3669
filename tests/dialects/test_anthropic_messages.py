"""Messages: what recorded traffic has too little of, each fact by itself."""

import json
from typing import Any

import msgspec
import pytest

from dragoman.canonical import Media, Other, Prompt, Reasoning, Reply, Text, Tool, ToolCall, ToolResult, Usage
from dragoman.dialects import ALL
from fakes.decoding import decode, sse_of

MESSAGES = ALL["anthropic_messages"]
NAME = "anthropic_messages"
Wire = dict[str, Any]


def asked(**fields: Any) -> Prompt:
    return MESSAGES.parse_request(json.dumps({"model": "m", "max_tokens": 9, "messages": [], **fields}).encode())


def block(wire: Wire) -> Any:
    [part] = asked(messages=[{"role": "user", "content": [wire]}]).messages[0].parts
    return without_notes(part)


def without_notes(part: Any) -> Any:
    """A part without the notes of how it was spelled."""
    left = {key: value for key, value in part.extra.get(NAME, {}).items() if key != "$"}
    return msgspec.structs.replace(part, extra={NAME: left} if left else {})


START: Wire = {
    "type": "message_start",
    "message": {"id": "msg_1", "model": "claude", "content": [], "usage": {"input_tokens": 5, "output_tokens": 1}},
}


def begun(index: int, **fields: Any) -> Wire:
    return {"type": "content_block_start", "index": index, "content_block": fields}


def grown(index: int, kind: str, **fields: Any) -> Wire:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def ended(index: int) -> Wire:
    return {"type": "content_block_stop", "index": index}


def stopped(reason: str, **usage: Any) -> list[Wire]:
    delta = {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}
    return [delta, {"type": "message_stop"}]


def streamed(*events: Wire, reason: str = "end_turn") -> Reply:
    reply, _, warnings = decode(NAME, sse_of(START, *events, *stopped(reason, output_tokens=7)))
    assert warnings == []
    return reply


def usage_of(usage: Wire) -> Usage | None:
    return MESSAGES.parse_reply(json.dumps({"content": [], "usage": usage}).encode()).usage


def test_the_system_prompt_comes_first_and_messages_keep_their_place() -> None:
    prompt = asked(
        system=[{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}],
        messages=[
            {"role": "user", "content": "hi"},
            {"role": "system", "content": [{"type": "text", "text": "Now be brief."}]},
        ],
    )
    assert [message.role for message in prompt.messages] == ["system", "user", "system"]
    assert prompt.messages[0].parts == [Text(text="Be kind.", cache="")]


@pytest.mark.parametrize(
    ("wire", "part"),
    [
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}},
            Media(kind="image", mime="image/png", data="QUJD"),
        ),
        ({"type": "image", "source": {"type": "url", "url": "https://x"}}, Media(kind="image", url="https://x")),
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, Media(kind="image", file_id="f")),
        (
            {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "abc"}},
            Media(kind="document", mime="text/plain", text="abc", name="T"),
        ),
        (
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            Reasoning(text="hm", signature="s", maker="anthropic"),
        ),
        ({"type": "redacted_thinking", "data": "x"}, Reasoning(encrypted="x", maker="anthropic")),
        (
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
            ToolCall(id="t", name="f", arguments='{"a":1}'),
        ),
        (
            {"type": "tool_result", "tool_use_id": "t", "content": "boom", "is_error": True},
            ToolResult(call_id="t", parts=[Text(text="boom")], is_error=True),
        ),
        (
            {
                "type": "tool_result",
                "tool_use_id": "t",
                "cache_control": {"type": "ephemeral", "ttl": "1h"},
                "content": [{"type": "image", "source": {"type": "url", "url": "https://x"}}],
            },
            ToolResult(call_id="t", parts=[Media(kind="image", url="https://x")], cache="1h"),
        ),
        (
            {"type": "mcp_tool_use", "id": "t", "name": "f", "server_name": "s", "input": {}},
            ToolCall(
                id="t",
                name="f",
                arguments="{}",
                kind="server",
                extra={NAME: {"server_name": "s", "type": "mcp_tool_use"}},
            ),
        ),
        (
            {"type": "container_upload", "file_id": "f"},
            Other(dialect=NAME, kind="container_upload", value={"type": "container_upload", "file_id": "f"}),
        ),
    ],
)
def test_each_kind_of_block_is_read(wire: Wire, part: Any) -> None:
    assert block(wire) == part


def test_a_search_result_of_a_server_tool_is_kept_whole() -> None:
    found = {"type": "web_search_result", "url": "https://x", "encrypted_content": "e"}
    result = block({"type": "web_search_tool_result", "tool_use_id": "t", "content": [found]})
    assert result.parts == [Other(dialect=NAME, kind="web_search_result", value=found)]
    assert (result.kind, result.extra) == ("server", {NAME: {"type": "web_search_tool_result"}})
    failed = {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}
    assert block({"type": "web_search_tool_result", "tool_use_id": "t", "content": failed}).is_error


def test_settings_and_tools_are_read_and_the_rest_is_kept() -> None:
    prompt = asked(
        stop_sequences=["x"],
        thinking={"type": "enabled", "budget_tokens": 2048},
        output_config={"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        tool_choice={"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        metadata={"user_id": "u"},
        tools=[
            {"name": "f", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
        ],
    )
    settings = prompt.settings
    assert (settings.max_tokens, settings.stop, settings.thinking_budget, settings.effort) == (9, ["x"], 2048, "high")
    assert (settings.tool_choice, settings.parallel_tools, settings.user) == ({"name": "f"}, False, "u")
    assert settings.response_format == {"schema": {"type": "object"}}
    assert prompt.tools == [
        Tool(name="f", schema={"type": "object"}, cache=""),
        Tool(name="web_search", kind="server", extra={NAME: {"type": "web_search_20250305", "max_uses": 3}}),
    ]
    assert prompt.extra[NAME]["thinking"] == {"type": "enabled", "budget_tokens": 2048}


def test_text_thinking_and_calls_grow() -> None:
    reply = streamed(
        begun(0, type="thinking", thinking="", signature=""),
        grown(0, "thinking_delta", thinking="I "),
        grown(0, "thinking_delta", thinking="think"),
        grown(0, "signature_delta", signature="one"),
        grown(0, "signature_delta", signature="two"),
        ended(0),
        begun(1, type="redacted_thinking", data="x"),
        ended(1),
        {"type": "ping"},
        begun(2, type="text", text=""),
        grown(2, "text_delta", text="Hel"),
        grown(2, "citations_delta", citation={"url": "https://x"}),
        grown(2, "text_delta", text="lo"),
        ended(2),
        begun(3, type="tool_use", id="t", name="f", input={}),
        grown(3, "input_json_delta", partial_json=""),
        grown(3, "input_json_delta", partial_json='{"a": '),
        grown(3, "input_json_delta", partial_json="1}"),
        ended(3),
        reason="tool_use",
    )
    assert reply.message.parts == [
        Reasoning(text="I think", signature="two"),
        Reasoning(encrypted="x"),
        Text(text="Hello", annotations=[{"url": "https://x"}]),
        ToolCall(id="t", name="f", arguments='{"a": 1}'),
    ]
    assert (reply.id, reply.model, reply.stop_reason, reply.is_complete) == ("msg_1", "claude", "tool_use", True)


@pytest.mark.parametrize(
    ("start", "pieces", "arguments"),
    [({}, [""], "{}"), ({}, [], "{}"), ({"a": 1}, [], '{"a":1}'), ({"a": 1}, ['{"b":2}'], '{"b":2}')],
)
def test_a_call_without_pieces_has_the_input_of_its_start(start: Wire, pieces: list[str], arguments: str) -> None:
    deltas = [grown(0, "input_json_delta", partial_json=piece) for piece in pieces]
    reply = streamed(begun(0, type="tool_use", id="t", name="f", input=start), *deltas, ended(0))
    assert reply.message.parts == [ToolCall(id="t", name="f", arguments=arguments)]
    assert reply.stop_reason == "tool_use"


def test_the_first_piece_may_stand_in_the_start() -> None:
    reply = streamed(begun(0, type="text", text="Hel"), grown(0, "text_delta", text="lo"), ended(0))
    assert reply.message.parts == [Text(text="Hello")]


def test_a_delta_without_its_start_is_read() -> None:
    reply = streamed(grown(0, "thinking_delta", thinking="hm"), grown(1, "text_delta", text="a"))
    assert reply.message.parts == [Reasoning(text="hm"), Text(text="a")]


def test_what_the_last_delta_says_of_usage_replaces_what_was_known() -> None:
    first = {**START["message"]["usage"], "cache_read_input_tokens": 3, "cache_creation_input_tokens": 0}
    start = {**START, "message": {**START["message"], "usage": first}}
    end = stopped("end_turn", output_tokens=20, input_tokens=6, cache_read_input_tokens=None)
    reply, _, _ = decode(NAME, sse_of(start, *end))
    assert reply.usage and (reply.usage.input_fresh, reply.usage.cache_read, reply.usage.output) == (6, 3, 20)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            {
                "input_tokens": 3,
                "output_tokens": 4,
                "cache_read_input_tokens": 5,
                "cache_creation_input_tokens": 9,
                "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 7},
                "output_tokens_details": {"thinking_tokens": 1},
            },
            {
                "input_fresh": 3,
                "cache_read": 5,
                "cache_write_5m": 2,
                "cache_write_1h": 7,
                "output": 4,
                "reasoning": 1,
            },
        ),
        (
            {"input_tokens": 3, "output_tokens": 4, "cache_creation_input_tokens": 9},
            {"input_fresh": 3, "output": 4, "cache_write_5m": 9},
        ),
        ({"input_tokens": 3}, {"input_fresh": 3}),
        ({}, None),
    ],
)
def test_usage_is_kept_apart_and_unknown_stays_unknown(usage: Wire, expected: Any) -> None:
    assert usage_of(usage) == (Usage(**expected, native=usage) if expected else None)


@pytest.mark.parametrize(
    ("native", "reason"),
    [
        ("end_turn", "end"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("stop_sequence", "stop_sequence"),
        ("refusal", "refusal"),
        ("pause_turn", "pause"),
        ("brand_new", "other"),
    ],
)
def test_each_stop_reason_has_its_word(native: str, reason: str) -> None:
    reply = streamed(reason=native)
    assert (reply.stop_reason, reply.native_stop_reason) == (reason, native)


def test_an_error_in_mid_stream_ends_it() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    reply, _, _ = decode(NAME, sse_of(START, begun(0, type="text", text="a"), error))
    assert reply.error and (reply.error.kind, reply.error.message) == ("overloaded_error", "Overloaded")
    assert (reply.stop_reason, reply.is_complete, reply.message.parts) == ("error", False, [Text(text="a")])


def test_unknown_events_and_deltas_are_noted_and_skipped() -> None:
    body = sse_of(
        START, {"type": "message_glow"}, begun(0, type="text", text="a"), grown(0, "hum"), *stopped("end_turn")
    )
    reply, _, warnings = decode(NAME, body)
    assert reply.message.parts == [Text(text="a")]
    assert warnings == ["event 'message_glow' is unknown and was skipped", "delta 'hum' is unknown and was skipped"]


def test_a_compaction_is_kept_whole() -> None:
    reply = streamed(
        begun(0, type="compaction", content=None), grown(0, "compaction_delta", content="So far: …"), ended(0)
    )
    value = {"type": "compaction", "content": "So far: …"}
    assert reply.message.parts == [Other(dialect=NAME, kind="compaction", value=value)]


def test_a_count_of_tokens_is_no_usage() -> None:
    reply = MESSAGES.parse_reply(b'{"input_tokens":14}')
    assert (reply.usage, reply.extra) == (None, {NAME: {"input_tokens": 14}})


def test_old_completions_are_read() -> None:
    assert MESSAGES.parse_request(b'{"model":"m","prompt":"Human: hi"}').messages[0].parts == [Text(text="Human: hi")]
    whole = MESSAGES.parse_reply(b'{"completion":" Hi","stop_reason":"stop_sequence","stop":"H:","model":"m"}')
    stream = sse_of(
        {"type": "completion", "completion": " H", "stop_reason": None, "model": "m"},
        {"type": "completion", "completion": "i", "stop_reason": "stop_sequence", "stop": "H:", "model": "m"},
    )
    assert decode(NAME, stream)[0] == whole
    assert (whole.message.parts, whole.stop_sequence) == ([Text(text=" Hi")], "H:")


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (b'{"type":"error","error":{"type":"api_error","message":"m"},"request_id":"r"}', "api_error", "m"),
        (b'{"error":{"message":"m"}}', None, "m"),
        (b'{"detail":"m"}', None, "m"),
        (b"upstream timed out", None, "upstream timed out"),
    ],
)
def test_errors_are_read(body: bytes, kind: str | None, message: str) -> None:
    error = MESSAGES.parse_error(500, {}, body).error
    assert error and (error.kind, error.message) == (kind, message)


def test_halves_of_an_emoji_in_two_deltas_become_one() -> None:
    body = sse_of(
        START,
        begun(0, type="tool_use", id="t", name="f", input={}),
        r'{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"\"\ud83d"}}',
        r'{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"\ude00\""}}',
        ended(0),
        *stopped("tool_use"),
    )
    reply, deltas, _ = decode(NAME, body)
    assert reply.message.parts == [ToolCall(id="t", name="f", arguments='"😀"')]
    assert msgspec.json.encode(deltas)
