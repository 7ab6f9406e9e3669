"""The same scene under the same model's name in every dialect, and refusals of requests put together wrongly."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from dragoman.simulator.routes import Request, Upstream

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
PICTURE_BYTES = 70

Body = dict[str, Any]


def post(path: str, body: Body, upstream: Upstream | None = None, **headers: str) -> tuple[int, Any]:
    """Answer one request, whole; gives status and JSON (None for a dropped connection)."""
    answer = (upstream or Upstream()).answer(Request("POST", path, headers, json.dumps(body).encode()))
    data = b"".join(answer.pieces)
    return (0, None) if answer.is_dropped else (answer.status, json.loads(data))


def chat(model: str, **more: Any) -> tuple[str, Body]:
    return "/v1/chat/completions", {"model": model, "messages": [{"role": "user", "content": "Hi"}], **more}


def responses(model: str, **more: Any) -> tuple[str, Body]:
    return "/v1/responses", {"model": model, "input": [{"role": "user", "content": "Hi"}], **more}


def anthropic(model: str, **more: Any) -> tuple[str, Body]:
    body = {"model": model, "max_tokens": 900, "messages": [{"role": "user", "content": "Hi"}], **more}
    return "/v1/messages", body


def bedrock(model: str, **more: Any) -> tuple[str, Body]:
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 900}
    return f"/model/{model}/invoke", {**body, "messages": [{"role": "user", "content": "Hi"}], **more}


def converse(model: str, **more: Any) -> tuple[str, Body]:
    body = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}], "inferenceConfig": {"maxTokens": 900}}
    return f"/model/{model}/converse", {**body, **more}


def ollama(model: str, **more: Any) -> tuple[str, Body]:
    return "/api/chat", {"model": model, "messages": [{"role": "user", "content": "Hi"}], "stream": False, **more}


DIALECTS: dict[str, Callable[..., tuple[str, Body]]] = {
    "chat": chat,
    "responses": responses,
    "anthropic": anthropic,
    "bedrock": bedrock,
    "converse": converse,
    "ollama": ollama,
}
FLAT = [{"name": name, "input_schema": SCHEMA} for name in ("weather", "tide")]
TOOLS: dict[str, Any] = {
    "chat": [{"type": "function", "function": {"name": one["name"], "parameters": SCHEMA}} for one in FLAT],
    "responses": [{"type": "function", "name": one["name"], "parameters": SCHEMA, "strict": False} for one in FLAT],
    "anthropic": FLAT,
    "bedrock": FLAT,
}
SPECS = [{"toolSpec": {"name": one["name"], "inputSchema": {"json": SCHEMA}}} for one in FLAT]
TOOLS["ollama"] = TOOLS["chat"]


def text_of(dialect: str, reply: Any) -> str:
    match dialect:
        case "chat":
            return reply["choices"][0]["message"]["content"]
        case "responses":
            return "".join(one["content"][0]["text"] for one in reply["output"] if one["type"] == "message")
        case "ollama":
            return reply["message"]["content"]
        case "converse":
            return "".join(one.get("text", "") for one in reply["output"]["message"]["content"])
        case _:
            return "".join(one["text"] for one in reply["content"] if one["type"] == "text")


def go_on(dialect: str, body: Body, reply: Any, results: list[str]) -> int:
    """Append the reply and the results of its calls to the conversation; gives how many calls there were."""
    match dialect:
        case "chat":
            message = reply["choices"][0]["message"]
            ids = [one["id"] for one in message.get("tool_calls", [])]
            body["messages"].append({name: message[name] for name in message if name in _CHAT and message[name]})
            found = zip(ids, results, strict=False)
            body["messages"] += [{"role": "tool", "tool_call_id": one, "content": said} for one, said in found]
        case "responses":
            ids = [one["call_id"] for one in reply["output"] if one["type"] == "function_call"]
            found = zip(ids, results, strict=False)
            body["input"] += reply["output"]
            body["input"] += [{"type": "function_call_output", "call_id": one, "output": said} for one, said in found]
        case "ollama":
            ids = [one["id"] for one in reply["message"].get("tool_calls", [])]
            body["messages"].append(reply["message"])
            body["messages"] += [{"role": "tool", "content": said} for said in results[: len(ids)]]
        case "converse":
            message = reply["output"]["message"]
            ids = [one["toolUse"]["toolUseId"] for one in message["content"] if "toolUse" in one]
            body["messages"].append(message)
            found = zip(ids, results, strict=False)
            given = [{"toolResult": {"toolUseId": one, "content": [{"text": said}]}} for one, said in found]
            body["messages"] += [{"role": "user", "content": given}] if given else []
        case _:
            ids = [one["id"] for one in reply["content"] if one["type"] == "tool_use"]
            found = zip(ids, results, strict=False)
            body["messages"].append({"role": "assistant", "content": reply["content"]})
            given = [{"type": "tool_result", "tool_use_id": one, "content": said} for one, said in found]
            body["messages"] += [{"role": "user", "content": given}] if given else []
    return len(ids)


def words(dialect: str, text: str) -> Any:
    return [{"text": text}] if dialect == "converse" else text


_CHAT = ("role", "content", "tool_calls", "reasoning_details")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_tools_are_called_over_three_turns(dialect: str) -> None:
    tools = {"toolConfig": {"tools": SPECS}} if dialect == "converse" else {"tools": TOOLS[dialect]}
    path, body = DIALECTS[dialect]("sim-tools-turns", **tools)
    status, first = post(path, body)
    assert status == 200
    assert go_on(dialect, body, first, ["rain", "high at 4"]) == 2
    _, second = post(path, body)
    assert "after rain" in json.dumps(second)
    assert go_on(dialect, body, second, ["sun"]) == 1
    _, third = post(path, body)
    assert text_of(dialect, third) == "After 3 results: rain; high at 4; sun."


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_picture_is_measured(dialect: str) -> None:
    url = f"data:image/png;base64,{PICTURE}"
    source = {"type": "base64", "media_type": "image/png", "data": PICTURE}
    content: dict[str, Any] = {
        "chat": {"content": [{"type": "image_url", "image_url": {"url": url}}]},
        "responses": {"content": [{"type": "input_image", "image_url": url}]},
        "anthropic": {"content": [{"type": "image", "source": source}]},
        "bedrock": {"content": [{"type": "image", "source": source}]},
        "ollama": {"content": "What?", "images": [PICTURE]},
        "converse": {"content": [{"image": {"format": "png", "source": {"bytes": PICTURE}}}]},
    }[dialect]
    key = "input" if dialect == "responses" else "messages"
    path, body = DIALECTS[dialect]("sim-image", **{key: [{"role": "user", **content}]})
    assert text_of(dialect, post(path, body)[1]) == f"I see 1 image: image/png of {PICTURE_BYTES} bytes."


@pytest.mark.parametrize("scene", ["sim-reason", "sim-reason-hidden"])
@pytest.mark.parametrize("dialect", ["chat", "responses", "anthropic", "bedrock", "converse"])
def test_a_seal_comes_back(dialect: str, scene: str) -> None:
    more = {"include": ["reasoning.encrypted_content"]} if dialect == "responses" else {}
    path, body = DIALECTS[dialect](scene, **more)
    _, first = post(path, body)
    go_on(dialect, body, first, [])
    key = "input" if dialect == "responses" else "messages"
    body[key].append({"role": "user", "content": words(dialect, "And now?")})
    _, second = post(path, body)
    assert text_of(dialect, second) == "After some thought: And now? Seals that came back unchanged: 1."
    forged = json.loads(
        re.sub(r'("(?:signature|data|encrypted_content|redactedContent)": ")......', r"\1AAAAAA", json.dumps(body))
    )
    assert forged != body
    assert post(path, forged)[0] == 400


@pytest.mark.parametrize("dialect", DIALECTS)
def test_that_no_seal_came_back_is_said(dialect: str) -> None:
    path, body = DIALECTS[dialect]("sim-reason")
    key = "input" if dialect == "responses" else "messages"
    for role, said in (("assistant", "Well."), ("user", "So?")):
        body[key].append({"role": role, "content": words(dialect, said)})
    assert text_of(dialect, post(path, body)[1]) == "After some thought: So? No seal came back."


@pytest.mark.parametrize("dialect", ["chat", "anthropic", "bedrock", "converse", "ollama"])
def test_a_stop_sequence_ends_the_reply(dialect: str) -> None:
    more: dict[str, Any] = {
        "chat": {"stop": ["HALT"]},
        "ollama": {"options": {"stop": ["HALT"]}},
        "converse": {"inferenceConfig": {"stopSequences": ["HALT"]}},
    }.get(dialect, {"stop_sequences": ["HALT"]})
    path, body = DIALECTS[dialect]("sim-stop", **more)
    _, reply = post(path, body)
    assert text_of(dialect, reply) == "One, two, three. "
    if "stop_sequence" in reply:
        assert (reply["stop_reason"], reply["stop_sequence"]) == ("stop_sequence", "HALT")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_flaky_model_fails_twice_then_works_and_begins_anew(dialect: str) -> None:
    upstream = Upstream()
    path, body = DIALECTS[dialect]("sim-flaky-2")
    assert [post(path, body, upstream)[0] for _ in range(6)] == [429, 429, 200, 429, 429, 200]
    keyed = [post(path, body, upstream, **{"x-simulate-key": key})[0] for key in ("a", "b", "a", "a")]
    assert keyed == [429, 429, 429, 200]


def test_a_flaky_model_can_fail_otherwise() -> None:
    upstream = Upstream()
    assert [post(*chat("sim-flaky-529-1"), upstream)[0] for _ in range(2)] == [529, 200]
    assert [post(*chat("sim-flaky-close-1"), upstream)[0] for _ in range(2)] == [0, 200]


def test_the_time_to_wait_can_be_set() -> None:
    request = Request(
        "POST", "/v1/messages", {"x-simulate-retry-after": "7"}, json.dumps(anthropic("sim-error-429")[1]).encode()
    )
    assert [value for name, value in Upstream().answer(request).headers if name == "retry-after"] == ["7"]


# What Anthropic refuses.

CALL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
CALL_2 = {**CALL, "id": "toolu_2"}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"}
RESULT_2 = {**RESULT, "tool_use_id": "toolu_2"}
USER = {"role": "user", "content": "Hi"}
THINKING = {"type": "enabled", "budget_tokens": 1024}


def turns(*contents: Any) -> dict[str, Any]:
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[at % 2], "content": one} for at, one in enumerate(contents)], "tools": FLAT}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"n": 2}, "n: Extra inputs are not permitted"),
        ({"temperature": 1.5}, "temperature: range: 0..1"),
        ({"stop_sequences": [" "]}, "non-whitespace"),
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{**USER, "name": "Ann"}]}, "messages.0.name: Extra inputs"),
        ({"messages": [{"role": "user", "content": ""}]}, "non-empty content"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]}, "must be non-empty"),
        ({"messages": [{"role": "user", "content": "  "}]}, "non-whitespace text"),
        ({"system": [{"type": "text", "text": ""}]}, "must be non-empty"),
        ({"messages": [USER, {"role": "assistant", "content": "So "}]}, "trailing whitespace"),
        (turns("a", [CALL]), "without `tool_result` blocks immediately after: toolu_1"),
        (turns("a", [CALL], "b"), "without `tool_result`"),
        (turns("a", [CALL], [{"type": "text", "text": "well"}, RESULT]), "without `tool_result`"),
        (turns("a", [CALL, CALL_2], [RESULT]), "toolu_2"),
        (turns("a", "b", [RESULT]), "unexpected `tool_use_id`"),
        (turns("a", [{**CALL, "input": "{}"}], [RESULT]), "valid dictionary"),
        (turns("a", [{**CALL, "id": "call:1"}], [{**RESULT, "tool_use_id": "call:1"}]), "pattern"),
        (turns("a", [{"type": "thinking", "thinking": "hm", "signature": ""}]), "signature: Field required"),
        (turns("a", [{"type": "thinking", "thinking": "hm", "signature": "forged"}]), "Invalid `signature`"),
        (turns([{"type": "image_url", "image_url": {"url": "x"}}]), "image_url"),
        ({"tools": [{"type": "function", "function": {"name": "x"}}]}, "tools.0"),
        ({"tools": [*FLAT, FLAT[0]]}, "unique"),
        ({"tools": FLAT, "tool_choice": "auto"}, "tool_choice"),
        ({"tools": FLAT, "tool_choice": {"type": "required"}}, "tool_choice"),
        ({"tool_choice": {"type": "auto"}}, "while providing tools"),
        ({"thinking": THINKING, "max_tokens": 1024}, "greater than `thinking.budget_tokens`"),
        ({"thinking": {"type": "enabled", "budget_tokens": 100}, "max_tokens": 2048}, "1024"),
        ({"thinking": THINKING, "max_tokens": 2048, "temperature": 0}, "`temperature` may only be set to 1"),
        (
            {"thinking": THINKING, "max_tokens": 2048, "tools": FLAT, "tool_choice": {"type": "any"}},
            "forces tool use",
        ),
        ({**turns("a", [CALL], [RESULT]), "thinking": THINKING, "max_tokens": 2048}, "but found `tool_use`"),
    ],
)
def test_anthropic_refuses(more: dict[str, Any], message: str) -> None:
    for make in (anthropic, bedrock):
        path, body = make("sim-chat", **more)
        status, reply = post(path, {name: value for name, value in body.items() if value is not None})
        assert status == 400
        assert message in json.dumps(reply)


def test_anthropic_joins_turns_of_one_role_but_not_split_results() -> None:
    joined = [USER, USER, {"role": "assistant", "content": [CALL, CALL_2]}]
    split = [*joined, {"role": "user", "content": [RESULT]}, {"role": "user", "content": [RESULT_2]}]
    whole = [*joined, {"role": "user", "content": [RESULT, RESULT_2]}]
    assert post(*anthropic("sim-chat", messages=split, tools=FLAT))[0] == 400
    assert post(*anthropic("sim-chat", messages=whole, tools=FLAT))[0] == 200


# What OpenAI and Ollama refuse.

CHAT_CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CHAT_CALL]}
ITEM_CALL = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"}


@pytest.mark.parametrize(
    ("make", "more", "message"),
    [
        (chat, {"system": "x"}, "Unrecognized request argument supplied: system"),
        (chat, {"messages": []}, "empty array"),
        (chat, {"stop": list("abcde")}, "array too long"),
        (chat, {"messages": [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}]}, "Invalid value"),
        (chat, {"messages": [USER, CALLED]}, "did not have response messages: call_1"),
        (chat, {"messages": [USER, CALLED, USER]}, "did not have response messages: call_1"),
        (chat, {"messages": [USER, {"role": "tool", "tool_call_id": "x", "content": "y"}]}, "preceeding message"),
        (chat, {"tools": FLAT}, "tools[0].type"),
        (chat, {"messages": [USER, {**CALLED, "tool_calls": [{"id": "1", "function": {"arguments": {}}}]}]}, "string"),
        (responses, {"messages": []}, "Unknown parameter: 'messages'."),
        (responses, {"stream_options": {"include_usage": True}}, "stream_options.include_usage"),
        (responses, {"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}, "Invalid value: 'text'"),
        (responses, {"input": [ITEM_CALL]}, "No tool output found for function call call_1."),
        (responses, {"input": [{"type": "function_call_output", "call_id": "x", "output": ""}]}, "No tool call found"),
        (responses, {"tools": TOOLS["chat"]}, "tools[0].name"),
        (
            ollama,
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]},
            "cannot unmarshal array",
        ),
        (ollama, {"messages": [{"role": "assistant", "tool_calls": [CHAT_CALL]}]}, "cannot unmarshal string"),
        (ollama, {"messages": [{"role": "user", "images": ["data:image/png;base64,AA=="]}]}, "illegal base64"),
    ],
)
def test_openai_and_ollama_refuse(make: Callable[..., tuple[str, Body]], more: dict[str, Any], message: str) -> None:
    status, reply = post(*make("sim-chat", **more))
    assert status == 400
    assert message in json.dumps(reply)


USE = {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {}}}
RESULTS = [{"toolResult": {"toolUseId": one, "content": [{"text": "rain"}]}} for one in ("t1", "t2")]
FORGED = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "forged"}}}


def talk(*contents: Any, has_tools: bool = True) -> dict[str, Any]:
    roles = ("user", "assistant")
    messages = [{"role": roles[at % 2], "content": one} for at, one in enumerate(contents)]
    return {"messages": messages, **({"toolConfig": {"tools": SPECS}} if has_tools else {})}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"max_tokens": 5}, "Unknown field max_tokens"),
        ({"messages": []}, "must start with a user message"),
        (talk([{"text": " "}]), "messages.0.content.0 is blank"),
        (talk([{"text": "a"}], [USE]), "Expected toolResult blocks"),
        (talk([{"text": "a"}], [USE], [{"text": "b"}]), "Expected toolResult blocks at messages.2.content"),
        (talk([{"text": "a"}], [USE], RESULTS), "exceeds the number of toolUse blocks"),
        (talk([{"text": "a"}], [USE], RESULTS[:1], has_tools=False), "toolConfig field must be defined"),
        (talk([{"text": "a"}], [{"toolUse": {**USE["toolUse"], "toolUseId": "a.b"}}], RESULTS[:1]), "expected an id"),
        (talk([{"text": "a"}], [FORGED]), "Invalid `signature`"),
        ({"messages": [{"role": "user", "content": [{"text": "a"}]}] * 2}, "must alternate"),
    ],
)
def test_converse_refuses(more: dict[str, Any], message: str) -> None:
    status, reply = post(*converse("sim-chat", **more))
    assert status == 400
    assert message in json.dumps(reply)


def test_a_vendors_dress_is_seen_through() -> None:
    for name in ("anthropic.sim-echo-v1:0", "us.anthropic.sim-echo-v2:0", "openai/sim-echo", "sim-echo"):
        assert "You said: Hi" in json.dumps(post(*chat(name)))
    assert "You said" not in json.dumps(post(*chat("my-sim-echo")))
