"""Prompts of other dialects written as Messages: what Anthropic demands of a request (wire-facts 7.1 and 8)."""

import json
import re
from typing import Any

import msgspec
import pytest

from dragoman.canonical import (
    Loss,
    Media,
    Message,
    Other,
    Prompt,
    Reasoning,
    Refusal,
    Settings,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from dragoman.dialects import ALL
from dragoman.dialects.base import RequestTarget, Untranslatable
from dragoman.dialects.seals import wrap

MESSAGES = ALL["anthropic_messages"]
SONNET_45 = "claude-sonnet-4-5"
PNG = "iVBORw0KGgoAAAANSUhEUg=="
Wire = dict[str, Any]


def written(prompt: Prompt, **target: Any) -> tuple[Wire, list[Loss]]:
    rendered = MESSAGES.render_request(prompt, RequestTarget(**{"model": SONNET_45, **target}))
    return json.loads(rendered.body), rendered.losses


def body_of(*messages: Message, model: str = SONNET_45, **fields: Any) -> Wire:
    settings = fields.pop("settings", Settings())
    return written(Prompt(messages=list(messages), settings=settings, **fields), model=model)[0]


def losses_of(*messages: Message, model: str = SONNET_45, **fields: Any) -> list[str]:
    settings = fields.pop("settings", Settings())
    return [loss.path for loss in written(Prompt(messages=list(messages), settings=settings, **fields), model=model)[1]]


def user(*parts: Any) -> Message:
    return Message(role="user", parts=[Text(text=part) if isinstance(part, str) else part for part in parts])


def model(*parts: Any) -> Message:
    return Message(role="assistant", parts=[Text(text=part) if isinstance(part, str) else part for part in parts])


def system(*parts: Any, role: Any = "system") -> Message:
    return Message(role=role, parts=[Text(text=part) if isinstance(part, str) else part for part in parts])


def result(call: str | None, *parts: Any, **fields: Any) -> Message:
    texts = [Text(text=part) if isinstance(part, str) else part for part in parts]
    return Message(role="tool", parts=[ToolResult(call_id=call, parts=texts, **fields)])


def call(name: str, call_id: str | None = None, arguments: str = "{}") -> ToolCall:
    return ToolCall(id=call_id, name=name, arguments=arguments)


def said(text: str) -> Wire:
    return {"type": "text", "text": text}


def test_a_limit_is_written_where_none_was_asked() -> None:
    assert body_of(user("hi"))["max_tokens"] == 8192
    assert body_of(user("hi"), settings=Settings(max_tokens=5))["max_tokens"] == 5


def test_system_and_developer_turns_at_the_beginning_are_the_system_prompt() -> None:
    body = body_of(system("Be kind."), system("Be brief.", role="developer"), user("hi"))
    assert body["system"] == [said("Be kind."), said("Be brief.")]
    assert body_of(system("Be kind."), user("hi"))["system"] == "Be kind."


def test_a_late_system_turn_stays_where_the_model_takes_it_and_is_the_users_elsewhere() -> None:
    turns = (user("a"), model("b"), user("c"), system("Be brief."))
    body = body_of(*turns, model="claude-opus-4-8")
    assert body["messages"][-1] == {"role": "system", "content": [said("Be brief.")]}
    body = body_of(*turns)
    assert body["messages"][-1] == {"role": "user", "content": [said("c"), said("Be brief.")]}
    assert losses_of(*turns) == ["messages[3]"]
    assert losses_of(*turns, model="claude-opus-4-8") == []


def test_neighbours_of_one_role_are_one_turn() -> None:
    """anthropic-sdk-typescript#565"""
    body = body_of(user("a"), user("b"), model("c"), model("d"), user("e"))
    assert [len(one["content"]) for one in body["messages"]] == [2, 2, 1]


def test_all_results_of_a_round_stand_in_one_user_turn_before_its_text() -> None:
    """mlflow#24296, crewAI#4772, semantic-kernel#14074"""
    body = body_of(
        user("go"), model(call("f", "a"), call("g", "b")), result("b", "2"), result("a", "1"), user("and now?")
    )
    assert body["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "a", "content": "1"},
        {"type": "tool_result", "tool_use_id": "b", "content": "2"},
        said("and now?"),
    ]


def test_a_result_that_comes_late_is_put_after_its_call() -> None:
    body = body_of(user("go"), model(call("f", "a")), user("wait"), model("ok"), result("a", "1"), user("so?"))
    assert body["messages"][2]["content"][0] == {"type": "tool_result", "tool_use_id": "a", "content": "1"}
    assert body["messages"][4]["content"] == [said("so?")]


def test_a_call_without_a_result_gets_one_that_says_so() -> None:
    """OpenHands#7512, opencodex#620"""
    turns = (user("go"), model("", call("f", "a")), user("never mind"))
    assert body_of(*turns)["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "a", "content": "(no result)", "is_error": True},
        said("never mind"),
    ]
    assert losses_of(*turns) == ["messages[1].parts[1]"]


def test_a_result_without_a_call_is_sent_as_text() -> None:
    turns = (user("go"), model("ok"), result("gone", "42"))
    assert body_of(*turns)["messages"][2]["content"] == [said("42")]
    assert losses_of(*turns) == ["messages[2].parts[0]"]


def test_empty_and_blank_texts_are_never_written() -> None:
    """anthropic-sdk-python#461, hermes-agent#11929"""
    body = body_of(user("go", ""), model("", call("f", "a")), result("a", " \n"), model(" "), user("on"))
    assert body["messages"] == [
        {"role": "user", "content": [said("go")]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a"}, said("on")]},
    ]


def test_a_conversation_begins_with_the_user() -> None:
    assert body_of(system("Say hello."))["messages"] == [{"role": "user", "content": [said(".")]}]
    assert [one["role"] for one in body_of(model("a"), user("b"))["messages"]] == ["user", "assistant", "user"]


def test_ids_are_made_to_fit_and_two_that_differ_stay_different() -> None:
    """llmgateway#3389"""
    ids = ["call_1", "a.b", "a_b", "a/b", "é", "x" * 90]
    body = body_of(user("go"), model(*[call("f", one) for one in ids]), *[result(one, one) for one in ids])
    calls = [block["id"] for block in body["messages"][1]["content"]]
    assert len(set(calls)) == len(ids) and calls[0] == "call_1" and calls[2] == "a_b"
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", one) for one in calls)
    assert [block["tool_use_id"] for block in body["messages"][2]["content"]] == calls
    assert [block["content"] for block in body["messages"][2]["content"]] == ids


def test_calls_without_ids_and_ids_used_twice_are_told_apart() -> None:
    """Ollama's calls have no ids; some servers number each round from 0 again (vercel/ai#14277)."""
    named = Message(role="tool", parts=[ToolResult(name="g", parts=[Text(text="2")])])
    body = body_of(user("go"), model(call("f"), call("g")), named, result(None, "1"))
    pairs = [(block["tool_use_id"], block["content"]) for block in body["messages"][2]["content"]]
    assert [block["id"] for block in body["messages"][1]["content"]] == [pairs[0][0], pairs[1][0]]
    assert [text for _, text in pairs] == ["1", "2"]
    body = body_of(user("go"), model(call("f", "0")), result("0", "1"), model(call("f", "0")), result("0", "2"))
    ids = [block["id"] for turn in body["messages"] for block in turn["content"] if block["type"] == "tool_use"]
    assert len(set(ids)) == 2
    assert [body["messages"][n]["content"][0]["tool_use_id"] for n in (2, 4)] == ids


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", {}),
        ("{}", {}),
        ('{"a": 1.0}', {"a": 1.0}),
        ('{"a": ', {"_raw": '{"a": '}),
        ("[1]", {"_raw": "[1]"}),
    ],
)
def test_arguments_are_an_object_whatever_they_were(arguments: str, expected: Wire) -> None:
    body = body_of(user("go"), model(call("f", "a", arguments)), result("a", "1"))
    assert body["messages"][1]["content"][0]["input"] == expected


def test_images_in_results_and_in_turns_are_kept() -> None:
    """llama.cpp#22536, litellm#25476, claude-code-router#1678"""
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    linked = {"type": "image", "source": {"type": "url", "url": "https://x/a.png"}}
    body = body_of(
        user("look", Media(kind="image", data=PNG), Media(kind="image", url="https://x/a.png")),
        model(call("f", "a")),
        result("a", "seen", Media(kind="image", mime="image/png", data=PNG), is_error=True),
    )
    assert body["messages"][0]["content"] == [said("look"), image, linked]
    assert body["messages"][2]["content"][0]["content"] == [said("seen"), image]
    assert body["messages"][2]["content"][0]["is_error"] is True


def test_documents_are_pdf_or_text() -> None:
    pdf = Media(kind="document", mime="application/pdf", data="JVBERi0=", name="a.pdf")
    note = Media(kind="document", mime="text/markdown", data="IyBIaQ==")
    content = body_of(user(pdf, note))["messages"][0]["content"]
    assert content[0]["source"] == {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
    assert content[0]["title"] == "a.pdf"
    assert content[1]["source"] == {"type": "text", "media_type": "text/plain", "data": "# Hi"}


@pytest.mark.parametrize(
    "media",
    [
        Media(kind="audio", mime="audio/wav", data="UklG"),
        Media(kind="video", url="https://x"),
        Media(kind="image", file_id="file_1"),
        Media(kind="image", url="gs://bucket/a.png"),
        Media(kind="image", mime="image/svg+xml", data="PHN2Zz4="),
        Media(kind="document", mime="application/msword", data="0M8R4A=="),
    ],
)
def test_what_the_model_cannot_see_or_hear_is_refused(media: Media) -> None:
    with pytest.raises(Untranslatable):
        body_of(user(media))


def test_several_answers_and_a_history_elsewhere_are_refused() -> None:
    with pytest.raises(Untranslatable, match="n is 2"):
        body_of(user("hi"), settings=Settings(n=2))
    with pytest.raises(Untranslatable, match="resp_1"):
        body_of(user("hi"), previous_id="resp_1")


TOOLS = [Tool(name="f", schema={"type": "object"}), Tool(name="g")]


def test_tools_are_written_and_those_of_servers_are_lost() -> None:
    """Codex sends some in every request."""
    tools = [
        Tool(name="f", description="d", strict=True),
        Tool(name="patch", kind="custom"),
        Tool(name="s", kind="server"),
    ]
    body, losses = written(Prompt(messages=[user("hi")], tools=tools))
    schema = {"type": "object", "properties": {}}
    assert body["tools"] == [{"name": "f", "description": "d", "input_schema": schema, "strict": True}]
    assert [loss.path for loss in losses] == ["tools[1]", "tools[2]"]


def test_a_conversation_with_calls_declares_tools() -> None:
    body = body_of(user("go"), model(call("f", "a")), result("a", "1"))
    assert [tool["name"] for tool in body["tools"]] == ["f"]
    assert body["tool_choice"] == {"type": "none"}


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        (None, None, None),
        (None, True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("auto", True, {"type": "auto", "disable_parallel_tool_use": False}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        ({"name": "g"}, None, {"type": "tool", "name": "g"}),
        ("none", False, {"type": "none"}),
    ],
)
def test_tool_choice_and_the_inverse_switch_of_parallel_calls(choice: Any, parallel: Any, expected: Any) -> None:
    """edutelligence#923, claude-code-proxy#97"""
    settings = Settings(tool_choice=choice, parallel_tools=parallel)
    assert body_of(user("hi"), tools=TOOLS, settings=settings).get("tool_choice") == expected
    assert "tool_choice" not in body_of(user("hi"), settings=settings)


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]},
        {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]},
        },
    ],
)
def test_allowed_tools_leave_the_others_out(choice: Wire) -> None:
    body = body_of(user("hi"), tools=TOOLS, settings=Settings(tool_choice=choice))
    assert ([tool["name"] for tool in body["tools"]], body["tool_choice"]) == (["g"], {"type": "any"})


def test_effort_is_a_budget_below_the_limit_or_effort_by_the_models_generation() -> None:
    body = body_of(user("hi"), settings=Settings(effort="medium"))
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 8192}
    assert body["max_tokens"] > 8192
    body = body_of(user("hi"), settings=Settings(effort="high", max_tokens=4000))
    assert body["thinking"]["budget_tokens"] == 2000
    assert losses_of(user("hi"), settings=Settings(effort="high", max_tokens=1500)) == ["settings.effort"]
    body = body_of(user("hi"), model="claude-opus-4-8", settings=Settings(effort="minimal"))
    assert (body["thinking"], body["output_config"]) == ({"type": "adaptive"}, {"effort": "low"})
    assert "thinking" not in body_of(user("hi"), settings=Settings(effort="none"))
    assert losses_of(user("hi"), model="claude-3-5-haiku-latest", settings=Settings(effort="low")) == [
        "settings.effort"
    ]


def test_a_model_that_thinks_takes_no_sampling() -> None:
    settings = Settings(effort="low", temperature=0.2, top_k=3, top_p=0.5)
    body, losses = written(Prompt(messages=[user("hi")], settings=settings))
    assert not {"temperature", "top_k", "top_p"} & body.keys()
    assert [loss.path for loss in losses] == ["settings.temperature", "settings.top_p", "settings.top_k"]
    assert body_of(user("hi"), settings=Settings(effort="low", temperature=1))["temperature"] == 1


def test_sampling_follows_the_generation_and_its_range() -> None:
    both = Settings(temperature=1.5, top_p=0.5)
    body = body_of(user("hi"), settings=both)
    assert (body["temperature"], "top_p" in body) == (1, False)
    assert body_of(user("hi"), model="claude-3-5-sonnet-20241022", settings=both)["top_p"] == 0.5
    assert "temperature" not in body_of(user("hi"), model="claude-opus-5", settings=both)


def test_thought_of_another_model_is_dropped_and_its_own_seal_goes_back() -> None:
    own = Reasoning(text="hm", signature="s", maker="anthropic")
    other = Reasoning(summary="hm", encrypted="x", maker="openai")
    unsealed = Reasoning(text="hm")
    turns = (user("go"), model(own, other, unsealed, "ok"), user("on"))
    assert body_of(*turns)["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        said("ok"),
    ]
    assert losses_of(*turns) == ["messages[1].parts[1]", "messages[1].parts[2]"]


def test_thinking_is_left_out_where_the_last_calls_have_no_sealed_thought() -> None:
    """litellm#8961, opencode#3077: "Expected thinking or redacted_thinking, but found tool_use" """
    asked = Settings(effort="low", max_tokens=9000)
    bare = (user("go"), model(call("f", "a")), result("a", "1"))
    assert "thinking" not in body_of(*bare, settings=asked)
    assert losses_of(*bare, settings=asked) == ["settings.effort"]
    sealed = model(Reasoning(text="hm", signature="s", maker="anthropic"), call("f", "a"))
    assert "thinking" in body_of(user("go"), sealed, result("a", "1"), settings=asked)
    assert "thinking" in body_of(*bare, model("done"), user("on"), settings=asked)


def test_our_wrapper_comes_back_as_the_seal_that_it_holds() -> None:
    part = Reasoning(text="hm", encrypted="x", id="rs_1", maker="openai")
    block = {"type": "thinking", "thinking": "hm", "signature": wrap(part)}
    asked = {
        "model": "m",
        "max_tokens": 5000,
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "messages": [
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": [block, {"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "1"}]},
        ],
    }
    prompt = MESSAGES.parse_request(json.dumps(asked).encode())
    found = prompt.messages[1].parts[0]
    assert isinstance(found, Reasoning)
    assert (found.maker, found.encrypted, found.id, found.text) == ("openai", "x", "rs_1", "hm")
    body, losses = written(prompt)
    assert [one["type"] for one in body["messages"][1]["content"]] == ["tool_use"]
    assert "thinking" not in body
    assert [loss.path for loss in losses] == ["messages[1].parts[0]", "$.thinking"]


def test_cache_marks_are_kept_and_at_most_four() -> None:
    """envoy ai-gateway#2477, litellm#41424"""
    turns = [user(Text(text=str(number), cache="")) for number in range(3)]
    tools = [Tool(name="f", cache="1h"), Tool(name="g", cache="")]
    body, losses = written(Prompt(messages=[system(Text(text="s", cache="5m")), *turns], tools=tools))
    assert "cache_control" not in body["tools"][0] and "cache_control" not in body["tools"][1]
    assert body["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "5m"}
    assert [block["cache_control"] for block in body["messages"][0]["content"]] == [{"type": "ephemeral"}] * 3
    assert len(losses) == 1


def test_a_schema_is_closed_and_loses_its_name() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "object", "properties": {}}}}
    settings = Settings(response_format={"schema": schema, "name": "n", "strict": True})
    body, losses = written(Prompt(messages=[user("hi")], settings=settings))
    form = body["output_config"]["format"]
    assert (form["type"], form["schema"]["additionalProperties"]) == ("json_schema", False)
    assert form["schema"]["properties"]["a"]["additionalProperties"] is False
    assert [loss.path for loss in losses] == ["settings.response_format", "settings.response_format.name"]
    assert losses_of(user("hi"), settings=Settings(response_format="json")) == ["settings.response_format"]


@pytest.mark.parametrize(("name", "kept"), [("u-17", True), ("a@b.example", False), ("+43 660 1234567", False)])
def test_a_user_is_named_unless_it_is_an_address(name: str, kept: bool) -> None:
    body = body_of(user("hi"), settings=Settings(user=name))
    assert ("metadata" in body) == kept
    assert losses_of(user("hi"), settings=Settings(user=name)) == ([] if kept else ["settings.user"])


def test_what_has_no_place_is_a_loss() -> None:
    settings = Settings(seed=1, metadata={"a": "b"}, service_tier="flex", stop=["x", " "])
    turns = (
        Message(role="user", name="Ada", parts=[Text(text="hi")]),
        model(Refusal(text="No."), Other(dialect="o", kind="k")),
    )
    body = body_of(*turns, settings=settings)
    assert body["stop_sequences"] == ["x"]
    assert body["messages"][1]["content"] == [said("No.")]
    assert set(losses_of(*turns, settings=settings)) == {
        *("settings.seed", "settings.metadata", "settings.service_tier", "settings.stop"),
        *("messages[0].name", "messages[1].parts[1]"),
    }


def test_a_tool_use_block_and_its_server_result_stay_together() -> None:
    """litellm#22240: a server tool's result that is dropped on replay while its call is kept gives 400."""
    turns = (
        user("go"),
        model(ToolCall(id="s", name="web_search", kind="server"), ToolResult(call_id="s", kind="server"), "ok"),
    )
    assert [one["type"] for one in body_of(*turns)["messages"][1]["content"]] == ["text"]
    assert losses_of(*turns) == ["messages[1].parts[0]", "messages[1].parts[1]"]


def test_a_place_is_named_as_it_stood_in_the_body() -> None:
    asked = {"system": "s", "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}
    prompt = MESSAGES.parse_request(json.dumps(asked).encode())
    assert MESSAGES.locate(prompt, 0, 0) == "$.system"
    assert MESSAGES.locate(prompt, 1, 0) == "$.messages[0].content[0]"
    assert MESSAGES.locate(prompt, 1) == "$.messages[0]"


def test_an_edited_prompt_of_its_own_is_written_with_the_edit() -> None:
    asked = {
        "model": "m",
        "max_tokens": 5,
        "system": "s",
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "messages": [],
    }
    prompt = MESSAGES.parse_request(json.dumps(asked).encode())
    edited = msgspec.structs.replace(prompt, messages=[system("t", role="system")], model="n")
    body = json.loads(MESSAGES.render_request(edited, RequestTarget()).body)
    assert (body["model"], body["system"], body["thinking"]["budget_tokens"]) == ("n", [said("t")], 1024)
    assert body["messages"] == []
