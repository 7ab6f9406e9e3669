"""Translation as the gateway uses it: prompts read, requests and replies written, tools, seals, errors."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.canonical import Loss, Prompt, Reasoning, ToolCall
from dragoman.dialects import ALL
from dragoman.dialects.base import ReplyTarget, RequestTarget, Unreadable, Untranslatable
from dragoman.dialects.custom_calls import GrowingText
from dragoman.dialects.seals import PREFIX, wrap
from dragoman.dialects.translate import (
    StreamTranslator,
    can_translate,
    read_prompt,
    translate_error,
    translate_reply,
    translate_request,
    without_foreign_seals,
)
from fakes.decoding import decode, sse_of

Wire = dict[str, Any]

CLAUDES = {"anthropic_version": "bedrock-2023-05-31", "messages": []}

PATCH = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edit files.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"},
}
DOCS = {
    "type": "namespace",
    "name": "mcp__docs",
    "description": "Docs.",
    "tools": [{"type": "function", "name": "read", "parameters": {"type": "object"}, "strict": False}],
}


def asked(*items: Wire, **fields: Any) -> Prompt:
    body = {"model": "m", "input": list(items) or "hi", "store": False, **fields}
    return read_prompt("openai_responses", "responses", "/v1/responses", json.dumps(body).encode())


def sent(prompt: Prompt, target: str, source: str = "openai_responses", **to: Any) -> tuple[Any, list[Loss]]:
    request = translate_request(source, target, prompt, RequestTarget(model="theirs", **to))
    return json.loads(request.body), request.losses


@pytest.mark.parametrize(
    ("dialect", "endpoint", "path", "body", "model", "is_streamed"),
    [
        ("openai_chat", "chat", "/v1/chat/completions", {"model": "a", "messages": [], "stream": True}, "a", True),
        ("openai_chat", "chat", "/openai/deployments/dep/chat/completions", {"messages": []}, "dep", False),
        ("bedrock_invoke", "invoke", "/model/a.b-v1%3A0/invoke", CLAUDES, "a.b-v1:0", False),
        (
            *("bedrock_invoke", "invoke_stream", "/model/a.b/invoke-with-response-stream"),
            *(CLAUDES, "a.b", True),
        ),
        ("ollama_chat", "chat", "/api/chat", {"model": "l", "messages": []}, "l", True),
        ("ollama_chat", "chat", "/api/chat", {"model": "l", "messages": [], "stream": False}, "l", False),
    ],
)
def test_model_and_stream_come_from_where_the_dialect_says_them(
    dialect: str, endpoint: str, path: str, body: Wire, model: str, is_streamed: bool
) -> None:
    prompt = read_prompt(dialect, endpoint, path, json.dumps(body).encode())
    assert (prompt.model, prompt.is_streamed) == (model, is_streamed)


def test_only_calls_that_have_an_answer_elsewhere_are_translated() -> None:
    assert can_translate("openai_chat", "chat", "anthropic_messages")
    assert not can_translate("openai_chat", "embeddings", "anthropic_messages")
    assert not can_translate(None, None, "openai_chat")
    assert not can_translate("openai_chat", "chat", "unheard_of")


@pytest.mark.parametrize(
    "fields",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"prompt": {"id": "pmpt_1"}},
        {"input": [{"type": "item_reference", "id": "rs_1"}]},
    ],
)
def test_what_another_provider_stores_is_refused_with_a_word_on_what_to_do(fields: Wire) -> None:
    with pytest.raises(Untranslatable, match="send the whole input"):
        sent(asked(**fields), "anthropic_messages")


@pytest.mark.parametrize("target", ["anthropic_messages", "bedrock_invoke", "ollama_chat", "openai_chat"])
def test_codex_tools_reach_a_model_that_has_functions_only(target: str) -> None:
    prompt = asked(
        {"role": "user", "content": "go"},
        {"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": "*** Begin"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "done"},
        {"type": "function_call", "call_id": "c2", "namespace": "mcp__docs", "name": "read", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c2", "output": "text"},
        tools=[PATCH, {"type": "web_search"}, DOCS],
    )
    body, losses = sent(prompt, target)
    again = ALL[target].parse_request(json.dumps({"model": "m", **body}).encode())
    assert [(tool.name, tool.kind) for tool in again.tools] == [
        ("apply_patch", "function"),
        ("mcp__docs__read", "function"),
    ]
    assert "start: /.+/" in (again.tools[0].description or "")
    calls = [part for message in again.messages for part in message.parts if isinstance(part, ToolCall)]
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [
        ("apply_patch", {"input": "*** Begin"}),
        ("mcp__docs__read", {}),
    ]
    assert [loss.path for loss in losses] == ["$.tools[1]"]


def test_openais_own_chat_takes_custom_tools_as_they_are() -> None:
    body, losses = sent(asked(tools=[PATCH]), "openai_chat", is_openai=True)
    assert body["tools"][0]["type"] == "custom"
    assert body["tools"][0]["custom"]["format"]["grammar"]["syntax"] == "lark"
    assert losses == []


def calling(name: str, arguments: list[str]) -> bytes:
    start = {"index": 0, "id": "c9", "type": "function", "function": {"name": name, "arguments": ""}}
    pieces = [{"index": 0, "function": {"arguments": piece}} for piece in arguments]
    deltas = [{"tool_calls": [one]} for one in [start, *pieces]]
    chunks: list[Wire] = [{"id": "x", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({"id": "x", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    return sse_of(*chunks, done=True)


def test_a_functions_text_streams_back_as_a_custom_call() -> None:
    text = '*** Begin\n"a" \\ \t😀é'
    told = json.dumps({"input": text})
    to = ReplyTarget(model="m", seed="X", prompt=asked(tools=[PATCH]))
    for size in (1, 2, 3, 7, 100):
        pieces = [told[at : at + size] for at in range(0, len(told), size)]
        translator = StreamTranslator("openai_chat", "openai_responses", to)
        body = translator.feed(calling("apply_patch", pieces)) + translator.end()
        assert body.count(b"custom_tool_call_input.delta") > (5 if size < 3 else 0)
        reply = decode("openai_responses", body)[0]
        [call] = reply.message.parts
        assert isinstance(call, ToolCall)
        assert (call.kind, call.name, call.id, call.arguments) == ("custom", "apply_patch", "c9", text)
        assert reply.stop_reason == "tool_use"


def test_a_namespaced_call_gets_its_own_name_back() -> None:
    to = ReplyTarget(model="m", seed="X", prompt=asked(tools=[DOCS]))
    translator = StreamTranslator("openai_chat", "openai_responses", to)
    reply = decode("openai_responses", translator.feed(calling("mcp__docs__read", ['{"a":1}'])) + translator.end())[0]
    [call] = reply.message.parts
    assert isinstance(call, ToolCall)
    assert (call.name, call.extra["openai_responses"]["namespace"], call.arguments) == ("read", "mcp__docs", '{"a":1}')


def test_a_whole_reply_gives_the_custom_call_back() -> None:
    to = ReplyTarget(model="m", seed="X", prompt=asked(tools=[PATCH]))
    reply = {"content": [{"type": "tool_use", "id": "t", "name": "apply_patch", "input": {"input": "*** Begin"}}]}
    rendered = translate_reply("anthropic_messages", "openai_responses", json.dumps(reply).encode(), to)
    [item] = json.loads(rendered.body)["output"]
    assert (item["type"], item["call_id"], item["input"]) == ("custom_tool_call", "t", "*** Begin")


@given(st.text(), st.integers(1, 5), st.booleans())
@settings(max_examples=60, deadline=None)
def test_text_in_json_grows_to_the_text(text: str, size: int, is_ascii: bool) -> None:
    told = json.dumps({"input": text}, ensure_ascii=is_ascii)
    growing = GrowingText()
    pieces = [growing.feed(told[at : at + size]) for at in range(0, len(told), size)]
    assert "".join(pieces) + growing.end() == text


@pytest.mark.parametrize("told", ["plain text", '{"patch": "x"}', '["a"]', '{"input": 7}', "", '{"inp'])
def test_arguments_of_another_shape_come_through_as_they_are(told: str) -> None:
    growing = GrowingText()
    assert growing.feed(told) + growing.end() == told


def thought(seal: str) -> Wire:
    return {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "s"}],
        "encrypted_content": seal,
    }


def test_a_seal_goes_home_through_another_dialect() -> None:
    """Trap 12: thinking whose signature was lost is refused."""
    seal = wrap(Reasoning(text="hm", signature="c2ln", maker="anthropic"))
    assert seal
    prompt = asked(
        {"role": "user", "content": "q"}, thought(seal), {"role": "assistant", "content": "a"}, thought("gA")
    )
    body, losses = sent(prompt, "anthropic_messages")
    assert body["messages"][1]["content"][0] == {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
    assert [loss.path for loss in losses] == ["$.input[3]"]


def test_no_provider_gets_to_see_a_wrapper() -> None:
    seal = wrap(Reasoning(text="hm", signature="c2ln", maker="anthropic"))
    assert seal
    items = [{"role": "user", "content": "q"}, thought(seal), {"role": "assistant", "content": "a"}, thought("gA")]
    body = json.dumps({"model": "m", "input": items, "stream": True}, indent=1).encode()
    cleaned = without_foreign_seals("openai_responses", body)
    assert PREFIX.encode() not in cleaned
    assert json.loads(cleaned) == {"model": "m", "input": [items[0], items[2], items[3]], "stream": True}
    assert cleaned.startswith(b'{\n "model": "m"')
    plain = b'{"model":"m","input":"hi"}'
    assert without_foreign_seals("openai_responses", plain) is plain


@pytest.mark.parametrize(
    ("source", "target", "status", "body", "expected"),
    [
        ("anthropic_messages", "openai_chat", 529, {"error": {"type": "overloaded_error", "message": "m"}}, 503),
        ("openai_chat", "anthropic_messages", 503, {"error": {"code": "server_is_overloaded", "message": "m"}}, 529),
        ("openai_chat", "anthropic_messages", 429, {"error": {"code": "rate_limit_exceeded", "message": "m"}}, 429),
        ("openai_chat", "anthropic_messages", 401, {"error": {"code": "invalid_api_key", "message": "m"}}, 401),
        ("bedrock_invoke", "openai_chat", 424, {"message": "the model failed"}, 502),
        ("ollama_chat", "openai_responses", 404, {"error": "model not found"}, 404),
    ],
)
def test_an_error_has_the_status_that_the_clients_dialect_gives_it(
    source: str, target: str, status: int, body: Wire, expected: int
) -> None:
    answered, written = translate_error(source, target, status, {}, json.dumps(body).encode())
    assert answered == expected
    error = ALL[target].parse_error(answered, {}, written).error
    assert error and error.message


def test_an_answer_that_is_an_error_is_none() -> None:
    with pytest.raises(Unreadable, match="found an error"):
        translate_reply("openai_chat", "anthropic_messages", b'{"error":{"message":"m"}}', ReplyTarget())


def test_losses_name_the_places_of_the_clients_body() -> None:
    body = {
        "model": "m",
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "name": "Ada", "content": [{"type": "text", "text": "q", "oddity": 1}]},
        ],
        "logit_bias": {"5": 1},
        "stop": ["x"],
        "stream_options": {"include_usage": True},
        "frequency_penalty": 0,
    }
    prompt = read_prompt("openai_chat", "chat", "/v1/chat/completions", json.dumps(body).encode())
    _, losses = sent(prompt, "openai_responses", "openai_chat")
    assert {loss.path for loss in losses} == {
        *("$.messages[1].name", "$.messages[1].content[0].oddity", "$.logit_bias", "$.stop"),
    }


def test_fields_of_a_reply_that_nobody_else_has_are_losses() -> None:
    reply = {"content": [{"type": "text", "text": "a"}], "stop_reason": "end_turn", "container": {"id": "c"}}
    rendered = translate_reply("anthropic_messages", "openai_chat", json.dumps(reply).encode(), ReplyTarget())
    assert "$.container" in {loss.path for loss in rendered.losses}


def test_messages_and_chat_are_cleaned_of_wrappers_too() -> None:
    others = wrap(Reasoning(summary="s", encrypted="gA", id="rs_1", maker="openai"))
    own = {"type": "thinking", "thinking": "t", "signature": "own"}
    blocks = [
        {"type": "thinking", "thinking": "s", "signature": others},
        own,
        {"type": "redacted_thinking", "data": others},
    ]
    body: Wire = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": [{"role": "assistant", "content": blocks}]}
    cleaned = json.loads(without_foreign_seals("anthropic_messages", json.dumps(body).encode()))
    assert cleaned["messages"][-1]["content"] == [own]
    detail = {"type": "reasoning.encrypted", "data": wrap(Reasoning(text="hm", signature="s", maker="anthropic"))}
    said = {"role": "assistant", "content": "a", "reasoning_details": [detail]}
    chat = json.dumps({"model": "m", "messages": [said]}).encode()
    assert PREFIX.encode() not in without_foreign_seals("openai_chat", chat)
