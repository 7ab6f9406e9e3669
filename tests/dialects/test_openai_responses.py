"""Responses: what recorded traffic has too little of, each fact by itself."""

import json
from typing import Any

import pytest

from dragoman.canonical import Media, Other, Prompt, Reasoning, Refusal, Reply, Text, Tool, ToolCall, ToolResult
from dragoman.dialects import ALL
from fakes.decoding import decode, sse_of

RESPONSES = ALL["openai_responses"]
NAME = "openai_responses"
Wire = dict[str, Any]


def asked(**fields: Any) -> Prompt:
    return RESPONSES.parse_request(json.dumps({"model": "m", "input": [], **fields}).encode())


def replied(*output: Wire, **fields: Any) -> Reply:
    return RESPONSES.parse_reply(json.dumps({"id": "r", "status": "completed", "output": output, **fields}).encode())


def event(kind: str, **fields: Any) -> Wire:
    return {"type": f"response.{kind}", **fields}


def added(index: int, **item: Any) -> Wire:
    return event("output_item.added", output_index=index, item=item)


CREATED = event("created", response={"id": "r1", "model": "gpt", "status": "in_progress", "output": []})


def completed(*output: Wire, **fields: Any) -> Wire:
    return event("completed", response={"id": "r1", "model": "gpt", "status": "completed", "output": output, **fields})


def streamed(*events: Wire) -> Reply:
    reply, _, warnings = decode(NAME, sse_of(CREATED, *events))
    assert warnings == []
    return reply


def test_items_become_messages_in_place() -> None:
    prompt = asked(
        instructions="Be kind.",
        input=[
            {"role": "developer", "content": "And brief."},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
            {"type": "reasoning", "id": "rs", "summary": [{"text": "a"}, {"text": "b"}], "encrypted_content": "e"},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "id": "fc"},
            {
                "type": "function_call_output",
                "call_id": "c",
                "output": [{"type": "input_image", "image_url": "data:image/png;base64,QUJD"}],
            },
            {"type": "item_reference", "id": "x"},
        ],
    )
    roles = [message.role for message in prompt.messages]
    assert roles == ["system", "developer", "user", "assistant", "assistant", "tool", "assistant"]
    assert prompt.messages[3].parts == [Reasoning(id="rs", summary="a\n\nb", encrypted="e", maker="openai")]
    assert prompt.messages[4].parts == [ToolCall(id="c", name="f", arguments="{}", extra={NAME: {"id": "fc"}})]
    assert prompt.messages[5].parts == [
        ToolResult(call_id="c", parts=[Media(kind="image", mime="image/png", data="QUJD")])
    ]
    assert isinstance(prompt.messages[6].parts[0], Other)


@pytest.mark.parametrize(
    ("piece", "part"),
    [
        ({"type": "input_image", "file_id": "f"}, Media(kind="image", file_id="f")),
        (
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,QUJD"},
            Media(kind="document", mime="application/pdf", data="QUJD", name="a.pdf"),
        ),
        ({"type": "input_file", "file_url": "https://x"}, Media(kind="document", url="https://x")),
        ({"type": "refusal", "refusal": "no"}, Refusal(text="no")),
    ],
)
def test_each_kind_of_piece_is_read(piece: Wire, part: Any) -> None:
    assert asked(input=[{"role": "user", "content": [piece]}]).messages[0].parts == [part]


def test_settings_and_tools_are_read_and_the_rest_is_kept() -> None:
    prompt = asked(
        input="hi",
        reasoning={"effort": "low", "summary": "auto"},
        text={"format": {"type": "json_schema", "name": "n", "schema": {}, "strict": True}},
        previous_response_id="resp_0",
        store=False,
        tools=[
            {"type": "function", "name": "f", "parameters": {}, "strict": False},
            {"type": "custom", "name": "patch", "format": {"type": "grammar"}},
            {"type": "local_shell"},
            {"type": "mcp", "server_label": "docs", "server_url": "https://x"},
        ],
    )
    assert prompt.messages[0].parts == [Text(text="hi")]
    assert (prompt.settings.effort, prompt.previous_id) == ("low", "resp_0")
    assert prompt.settings.response_format == {"name": "n", "schema": {}, "strict": True}
    assert [(tool.name, tool.kind) for tool in prompt.tools] == [
        ("f", "function"),
        ("patch", "custom"),
        ("local_shell", "custom"),
        ("docs", "server"),
    ]
    assert prompt.tools[0] == Tool(name="f", schema={}, strict=False)
    assert prompt.extra[NAME]["store"] is False


def test_built_in_tools_are_calls_of_the_server_and_the_clients_are_not() -> None:
    reply = replied(
        {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "mcp_call", "id": "m", "name": "read", "arguments": "{}", "output": "text", "server_label": "docs"},
        {"type": "code_interpreter_call", "id": "ci", "code": "1+1", "outputs": None},
    )
    calls = [(part.name, part.kind, part.arguments) for part in reply.message.parts if isinstance(part, ToolCall)]
    assert calls == [
        ("web_search", "server", '{"type":"search","query":"q"}'),
        ("read", "server", "{}"),
        ("code_interpreter", "server", "1+1"),
    ]
    assert reply.stop_reason == "end"
    shell = replied({"type": "local_shell_call", "call_id": "c", "action": {"command": ["ls"]}})
    assert shell.stop_reason == "tool_use"


def test_an_image_that_was_made_is_a_medium() -> None:
    [part] = replied({"type": "image_generation_call", "id": "ig", "result": "QUJD"}).message.parts
    assert isinstance(part, Media) and (part.kind, part.mime, part.data) == ("image", "image/png", "QUJD")


@pytest.mark.parametrize(
    ("fields", "reason", "native"),
    [
        ({"status": "completed"}, "end", "completed"),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            "length",
            "max_output_tokens",
        ),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "refusal", "content_filter"),
        ({"status": "failed", "error": {"code": "server_error", "message": "m"}}, "error", "failed"),
        ({"status": "queued"}, None, "queued"),
    ],
)
def test_each_status_has_its_word(fields: Wire, reason: str | None, native: str) -> None:
    reply = replied(**fields)
    assert (reply.stop_reason, reply.native_stop_reason) == (reason, native)
    assert reply.is_complete == (reason is not None)


def test_a_refusal_is_a_reason() -> None:
    item = {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}
    assert replied(item).stop_reason == "refusal"


def test_usage_includes_the_cache() -> None:
    usage = {"input_tokens": 10, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 4}}
    found = replied(usage=usage).usage
    assert found and (found.input_fresh, found.cache_read, found.output) == (6, 4, 5)


def test_ids_may_change_between_added_and_done() -> None:
    def call(item_id: str, arguments: str) -> Wire:
        return {"type": "function_call", "id": item_id, "call_id": "c", "name": "f", "arguments": arguments}

    reply = streamed(
        added(0, **call("one", "")),
        event("function_call_arguments.delta", output_index=0, item_id="two", delta='{"a"'),
        event("function_call_arguments.delta", output_index=0, item_id="three", delta=":1}"),
        event("output_item.done", output_index=0, item=call("four", '{"a":1}')),
        completed(call("five", '{"a":1}')),
    )
    assert [(part.id, part.arguments) for part in reply.message.parts] == [("c", '{"a":1}')]  # type: ignore[union-attr]
    assert reply.stop_reason == "tool_use"


def test_items_may_come_interleaved() -> None:
    reply = streamed(
        added(0, type="function_call", call_id="a", name="f", arguments=""),
        added(1, type="function_call", call_id="b", name="g", arguments=""),
        event("function_call_arguments.delta", output_index=1, delta="[1"),
        event("function_call_arguments.delta", output_index=0, delta="[0"),
        event("function_call_arguments.delta", output_index=1, delta="]"),
        event("function_call_arguments.delta", output_index=0, delta="]"),
        completed(),
    )
    calls = [(part.id, part.arguments) for part in reply.message.parts if isinstance(part, ToolCall)]
    assert calls == [("a", "[0]"), ("b", "[1]")]


def test_what_the_last_event_leaves_out_stays() -> None:
    reply = streamed(
        added(0, type="reasoning", id="rs", summary=[]),
        event("reasoning_summary_part.added", output_index=0, summary_index=0),
        event("reasoning_summary_text.delta", output_index=0, summary_index=0, delta="a"),
        event("reasoning_summary_part.added", output_index=0, summary_index=1),
        event("reasoning_summary_text.delta", output_index=0, summary_index=1, delta="b"),
        event("output_item.done", output_index=0, item={"type": "reasoning", "id": "rs", "summary": []}),
        event("output_text.delta", output_index=1, content_index=0, delta="hi"),
        completed(),
    )
    assert reply.message.parts == [Reasoning(id="rs", summary="a\n\nb"), Text(text="hi")]
    assert reply.is_complete


def test_annotations_are_gathered() -> None:
    reply = streamed(
        added(0, type="message", role="assistant", content=[]),
        event("content_part.added", output_index=0, content_index=0, part={"type": "output_text", "text": ""}),
        event("output_text.delta", output_index=0, content_index=0, delta="hi"),
        event("output_text.annotation.added", output_index=0, content_index=0, annotation={"url": "https://x"}),
        completed(),
    )
    assert reply.message.parts == [Text(text="hi", annotations=[{"url": "https://x"}])]


def test_a_stream_that_only_ends_is_read() -> None:
    item = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}
    reply = streamed(completed(item))
    assert reply.message.parts[0].text == "hi"  # type: ignore[union-attr]


def test_a_failed_response_and_an_error_event() -> None:
    failed = event(
        "failed", response={"status": "failed", "error": {"code": "server_error", "message": "m"}, "output": []}
    )
    reply = streamed(failed)
    assert reply.error and (reply.error.code, reply.error.message, reply.stop_reason) == ("server_error", "m", "error")
    bare, _, _ = decode(NAME, sse_of(CREATED, {"type": "error", "code": "c", "message": "m", "param": None}))
    assert bare.error and (bare.error.code, bare.error.message) == ("c", "m")
    assert not bare.is_complete


def test_a_stream_without_its_last_event_is_not_whole() -> None:
    reply = streamed(event("output_text.delta", output_index=0, content_index=0, delta="hi"))
    assert (reply.message.parts, reply.is_complete) == ([Text(text="hi")], False)


def test_a_done_of_chat_does_no_harm() -> None:
    reply, _, warnings = decode(NAME, sse_of(CREATED, completed(), done=True))
    assert reply.is_complete and warnings == []


def test_unknown_events_are_noted_and_skipped() -> None:
    assert decode(NAME, sse_of(CREATED, {"type": "glow"}, completed()))[2] == [
        "event 'glow' is unknown and was skipped"
    ]


def test_a_count_of_tokens_is_no_usage() -> None:
    reply = RESPONSES.parse_reply(b'{"object":"response.input_tokens","input_tokens":14}')
    assert reply.usage is None
    assert reply.extra[NAME]["input_tokens"] == 14
