"""Chat's requests written: to the letter where they came from Chat, in its words where they came from elsewhere."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.canonical import (
    AnyPart,
    Loss,
    Media,
    Message,
    Other,
    Prompt,
    Reasoning,
    Refusal,
    Role,
    Settings,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from dragoman.dialects import ALL
from dragoman.dialects.base import RequestTarget, Untranslatable
from dragoman.dialects.exact import is_exact
from dragoman.dialects.seals import wrap
from dragoman.wire.splice import splice
from fakes.corpus import SAMPLE, all_records_of, whole_corpus
from fakes.replay import body_of

CHAT = ALL["openai_chat"]
NAME = "openai_chat"
PLACES = [pytest.param(SAMPLE, id="sample"), pytest.param(whole_corpus(), id="whole", marks=pytest.mark.corpus)]
OPENAI = RequestTarget(model="gpt-5.6", is_openai=True)
OTHER = RequestTarget(model="qwen3")


def again(body: dict[str, Any], target: RequestTarget = RequestTarget()) -> dict[str, Any]:
    prompt = CHAT.parse_request(json.dumps(body).encode())
    assert msgspec.json.decode(msgspec.json.encode(prompt), type=Prompt) == prompt
    done = CHAT.render_request(prompt, target)
    assert done.losses == []
    return json.loads(done.body)


def says(role: Role, *parts: AnyPart | str) -> Message:
    return Message(role=role, parts=[Text(text=one) if isinstance(one, str) else one for one in parts])


def put(*messages: Message, to: RequestTarget = OTHER, **more: Any) -> tuple[dict[str, Any], list[Loss]]:
    """Write a prompt that came from elsewhere."""
    settings = {name: more.pop(name) for name in Settings.__struct_fields__ if name in more}
    done = CHAT.render_request(Prompt(messages=list(messages), settings=Settings(**settings), **more), to)
    return json.loads(done.body), done.losses


def messages_of(*messages: Message, to: RequestTarget = OTHER) -> list[dict[str, Any]]:
    body, losses = put(*messages, to=to)
    assert losses == []
    return body["messages"]


CALL = ToolCall(id="a", name="f", arguments='{"x":1}')
WIRE_CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}

# -- to the letter


@pytest.mark.parametrize("place", PLACES)
def test_every_recorded_request_comes_out_as_it_came_in(place: Path | None) -> None:
    if place is None:
        pytest.skip("the whole corpus lies neither beside the project nor where DRAGOMAN_CORPUS says")
    count = 0
    for record in all_records_of(NAME, place):
        if isinstance(record.get("request_body"), dict):
            body = body_of(record, "request")
            done = CHAT.render_request(CHAT.parse_request(body), RequestTarget())
            assert is_exact(json.loads(done.body), json.loads(body)), record["id"]
            assert splice(body, json.loads(done.body)) == body, record["id"]
            count += 1
    assert count > 100


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [], "temperature": 1, "top_p": 1.0, "n": None, "stop": None, "stream": False, "tools": []},
        {"messages": [], "max_tokens": 5, "max_completion_tokens": 6, "stop": "x", "user": "", "seed": 1.0},
        {"messages": [], "temperature": "hot", "model": 7, "tools": {"a": 1}, "stream": "yes"},
        {"messages": [], "stop": ["a", 1], "metadata": {"a": "b"}, "brand_new": {"x": [1.0, {}]}},
        {"messages": [], "response_format": {"type": "json_schema", "json_schema": {"name": "n", "x": 1}}},
        {"messages": [], "response_format": {"type": "text"}, "tool_choice": "any", "function_call": {"name": "f"}},
        {"messages": [], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
        {"messages": [], "reasoning": {"effort": "low", "max_tokens": 5, "exclude": True}, "safety_identifier": "s"},
        {"messages": [], "functions": [{"name": "f", "parameters": {}, "x": 1}], "tools": [{"type": "web_search"}]},
        {"messages": [], "tools": [{"function": {"name": "f"}}, {"type": "function", "function": {}}, {}]},
        {"messages": [], "tools": [{"type": "function", "function": {"name": "f", "strict": None, "new": 1}, "b": 2}]},
        {"messages": [], "tools": [{"type": "custom", "custom": {"name": "c", "format": {"type": "text"}}}]},
        {"messages": [], "tools": ["f", None, 1]},
        {"messages": ["hi", None, 7, {"role": "critic", "content": "?"}, {}]},
        {"messages": [{"role": "user", "content": ""}, {"role": "user", "content": None}, {"role": "user"}]},
        {"messages": [{"role": "user", "content": []}, {"role": "user", "content": [{"type": "text", "text": "a"}]}]},
        {"messages": [{"role": "user", "content": 7}, {"role": "user", "content": ["a", {"type": "text"}, {}]}]},
        {"messages": [{"role": "assistant", "content": "", "tool_calls": [WIRE_CALL], "refusal": None}]},
        {"messages": [{"role": "assistant", "tool_calls": [{**WIRE_CALL, "index": 0}, {"id": 1}, {}], "name": "n"}]},
        {"messages": [{"role": "assistant", "content": None, "tool_calls": [{"function": {"arguments": {}}}]}]},
        {"messages": [{"role": "assistant", "content": "a", "function_call": {"name": "f", "arguments": "{}"}}]},
        {"messages": [{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "refusal": "no"}]},
        {"messages": [{"role": "assistant", "content": "a", "audio": {"id": "x"}, "annotations": [{"type": "u"}]}]},
        {"messages": [{"role": "assistant", "reasoning": "r", "reasoning_content": "c", "content": "a"}]},
        {"messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": [{"type": "text"}]}]}]},
        {"messages": [{"role": "assistant", "reasoning_details": [{"type": "reasoning.text", "signature": "s"}]}]},
        {"messages": [{"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "t"}], "name": "f"}]},
        {"messages": [{"role": "function", "name": "f", "content": "t"}, {"role": "tool", "content": None}]},
        {"messages": [{"role": "tool", "tool_call_id": 5, "content": "a", "refusal": "r", "tool_calls": []}]},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": "https://x/y.png"},
                        {
                            "type": "image_url",
                            "image_url": {"url": "data:image/png;base64,QQ==", "detail": "low", "x": 1},
                        },
                        {"type": "image_url", "image_url": {"url": "data:image/svg+xml;utf8,<svg/>"}},
                        {"type": "image_url", "image_url": None},
                        {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "mp3"}},
                        {"type": "input_audio", "input_audio": "QQ=="},
                        {"type": "file", "file": {"file_data": "QQ==", "filename": "a.pdf", "x": 1}},
                        {"type": "file", "file": {"file_data": "https://x/a.pdf"}},
                        {
                            "type": "file",
                            "file": {"file_id": "file-1"},
                            "prompt_cache_breakpoint": {"mode": "explicit"},
                        },
                        {"type": "document_url", "document_url": "https://x/a.pdf", "document_name": "a"},
                        {"type": "file_url", "file_url": {"url": "QQ=="}},
                        {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,QQ=="}},
                        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
                        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h", "x": 1}},
                        {"type": "text", "text": "a", "cache_control": None},
                        {"type": "input_text", "text": "a"},
                        {"type": "hologram", "x": 1},
                    ],
                }
            ]
        },
        {"prompt": "a", "suffix": "b"},
        {"prompt": ["a"], "echo": True},
        {"prompt": [1, 2], "model": None},
        {"prompt": [[1], [2]]},
        {"prompt": ""},
        {"prompt": []},
        {"prompt": None},
        {"input": {}},
        {"input": "a", "encoding_format": "base64"},
        {"input": ["a", "b"]},
        {"input": [{"text": "a"}]},
    ],
)
def test_odd_spellings_come_out_as_they_came_in(body: dict[str, Any]) -> None:
    assert is_exact(again(body), body)


def test_seals_of_other_makers_are_not_shown_to_chats_own_providers() -> None:
    ours, others = (Reasoning(text="hm", signature="S", maker=maker) for maker in ("openai", "anthropic"))
    details = [{"type": "reasoning.encrypted", "data": wrap(one), "index": 0} for one in (ours, others)]
    wire = {"role": "assistant", "content": "a", "reasoning_content": "hmhm", "reasoning_details": details}
    prompt = CHAT.parse_request(json.dumps({"messages": [wire]}).encode())
    assert prompt.messages[0].parts == [ours, others, Text(text="a")]
    (written,) = again({"messages": [wire]})["messages"]
    assert written == {**wire, "reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "S"}]}
    (alone,) = again({"messages": [{**wire, "reasoning_details": details[1:]}]})["messages"]
    assert "reasoning_details" not in alone


def test_an_edit_changes_what_was_edited_and_nothing_else() -> None:
    body = (
        b'{"model":"a", "messages":[ {"role":"system","content":"Be kind."},\n'
        b'{"content":[{"type":"text","text":"hi"}], "role":"user"} ], "temperature":1.0}'
    )
    prompt = CHAT.parse_request(body)
    system = msgspec.structs.replace(prompt.messages[0], parts=[Text(text="Be brief.")])
    edited = msgspec.structs.replace(prompt, messages=[system, *prompt.messages[1:]])
    done = CHAT.render_request(edited, RequestTarget(model="b"))
    expected = body.replace(b'"a"', b'"b"').replace(b"kind", b"brief")
    assert splice(body, json.loads(done.body)) == expected


CHOICE_OF_F = {"type": "function", "function": {"name": "f"}}
JSON_MODE = {"type": "json_object"}


@pytest.mark.parametrize(
    ("body", "change", "expected"),
    [
        ({"max_tokens": 5}, {"max_tokens": 9}, {"max_tokens": 9}),
        ({"max_completion_tokens": 5}, {"max_tokens": 9}, {"max_completion_tokens": 9}),
        ({"stop": "x"}, {"stop": ["y"]}, {"stop": ["y"]}),
        ({"stop": "x"}, {"temperature": 0.5}, {"stop": "x", "temperature": 0.5}),
        ({"tool_choice": "any"}, {"tool_choice": {"name": "f"}}, {"tool_choice": CHOICE_OF_F}),
        ({"response_format": {"type": "text"}}, {"response_format": "json"}, {"response_format": JSON_MODE}),
        ({"reasoning": {"effort": "low"}}, {"effort": "high"}, {"reasoning_effort": "high"}),
        ({"user": "u"}, {"user": None}, {}),
    ],
)
def test_a_changed_setting_wins_over_how_it_came(
    body: dict[str, Any], change: dict[str, Any], expected: dict[str, Any]
) -> None:
    prompt = CHAT.parse_request(json.dumps({"messages": [], **body}).encode())
    changed = msgspec.structs.replace(prompt, settings=msgspec.structs.replace(prompt.settings, **change))
    assert json.loads(CHAT.render_request(changed, RequestTarget()).body) == {"messages": [], **expected}


def test_a_changed_part_wins_over_how_it_came() -> None:
    wire = {"role": "assistant", "content": "", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": {}}}]}
    prompt = CHAT.parse_request(json.dumps({"messages": [wire]}).encode())
    call = msgspec.structs.replace(prompt.messages[0].parts[0], arguments='{"x":1}')
    message = msgspec.structs.replace(prompt.messages[0], parts=[Text(text="now"), call])
    done = CHAT.render_request(msgspec.structs.replace(prompt, messages=[message]), RequestTarget())
    (written,) = json.loads(done.body)["messages"]
    assert written["content"] == "now"
    assert written["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"x":1}'}


def test_parts_are_found_where_they_stood() -> None:
    body = {
        "messages": [
            {"role": "system", "content": "s"},
            {
                "role": "user",
                "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "u"}}],
            },
            {"role": "assistant", "reasoning_content": "r", "content": "c", "tool_calls": [WIRE_CALL, WIRE_CALL]},
            {"role": "tool", "tool_call_id": "a", "content": "t"},
        ]
    }
    prompt = CHAT.parse_request(json.dumps(body).encode())
    places = [CHAT.locate(prompt, m, p) for m, message in enumerate(prompt.messages) for p in range(len(message.parts))]
    assert places == [
        "$.messages[0].content",
        "$.messages[1].content[0]",
        "$.messages[1].content[1]",
        "$.messages[2].reasoning_content",
        "$.messages[2].content",
        "$.messages[2].tool_calls[0]",
        "$.messages[2].tool_calls[1]",
        "$.messages[3]",
    ]
    assert CHAT.locate(prompt, 2) == "$.messages[2]"
    assert CHAT.locate(CHAT.parse_request(b'{"prompt":["a","b"]}'), 0, 1) == "$.prompt[1]"


# -- from elsewhere


def test_results_follow_their_calls_before_anything_else() -> None:
    """OpenHands#7512, opencodex#620: calls of one round are one message, and each has its result right after."""
    written = messages_of(
        says("user", "hi"),
        says("assistant", "I look.", CALL),
        says("assistant", ToolCall(id="b", name="g")),
        says(
            "user",
            "also",
            ToolResult(call_id="b", parts=[Text(text="2")]),
            ToolResult(call_id="a", parts=[Text(text="1")]),
        ),
    )
    assert written == [
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [WIRE_CALL, {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": "2"},
        {"role": "user", "content": "also"},
    ]


def test_a_call_without_a_result_gets_one_that_says_so() -> None:
    """claude-code#8210: a call that was broken off makes every later request fail."""
    body, losses = put(says("assistant", CALL), says("user", "go on"))
    assert body["messages"][1] == {"role": "tool", "tool_call_id": "a", "content": "(no result)"}
    assert [loss.path for loss in losses] == ["messages[0].parts[0]"]


def test_a_result_of_no_call_is_said_as_text() -> None:
    body, losses = put(says("tool", ToolResult(call_id="z", parts=[Text(text="lost")])))
    assert body["messages"] == [{"role": "user", "content": "lost"}]
    assert [loss.path for loss in losses] == ["messages[0].parts[0]"]


def test_an_empty_answer_with_calls_has_no_content() -> None:
    """anthropic-sdk-python#461, OmniRoute#427: empty and blank texts are no parts."""
    written = messages_of(says("assistant", "", " \n", CALL), says("tool", ToolResult(call_id="a")))
    assert written[0] == {"role": "assistant", "content": None, "tool_calls": [WIRE_CALL]}
    assert written[1] == {"role": "tool", "tool_call_id": "a", "content": ""}


def test_images_of_results_move_into_a_user_message_after_all_results() -> None:
    """llama.cpp#22536, litellm#25476: a tool's content is text, so an image there was dropped or became text."""
    image = Media(kind="image", mime="image/png", data="QQ==")
    written = messages_of(
        says("assistant", CALL, ToolCall(id="b", name="g")),
        says("tool", ToolResult(call_id="a", parts=[Text(text="see"), image])),
        says("tool", ToolResult(call_id="b", parts=[image, image])),
        says("user", "and now?"),
    )
    assert [one["role"] for one in written] == ["assistant", "tool", "tool", "user", "user"]
    assert written[1]["content"] == "see\n\n[image in the next user message]"
    assert written[2]["content"] == "[2 images in the next user message]"
    wire = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}}
    assert written[3]["content"] == [
        {"type": "text", "text": "[image that the tool call a gave]"},
        wire,
        {"type": "text", "text": "[2 images that the tool call b gave]"},
        wire,
        wire,
    ]


@pytest.mark.parametrize(
    ("parts", "content"),
    [([Text(text="no such file")], "Error: no such file"), ([Text(text="ERROR 5")], "ERROR 5"), ([], "Error")],
)
def test_a_failed_result_says_so_in_its_text(parts: list[AnyPart], content: str) -> None:
    written = messages_of(
        says("assistant", CALL), says("tool", ToolResult(call_id="a", parts=parts, is_error=True)), says("user", "hm")
    )
    assert written[1]["content"] == content


def test_calls_without_ids_are_joined_with_their_results() -> None:
    written = messages_of(
        says("assistant", ToolCall(name="f"), ToolCall(name="g")),
        says("tool", ToolResult(name="g", parts=[Text(text="2")])),
        says("tool", ToolResult(name="f", parts=[Text(text="1")])),
    )
    assert [call["id"] for call in written[0]["tool_calls"]] == ["call_0_0", "call_0_1"]
    assert [(one["tool_call_id"], one["content"]) for one in written[1:]] == [("call_0_0", "1"), ("call_0_1", "2")]


def test_system_prompts_are_joined_where_only_one_is_taken() -> None:
    parts = [says("system", "a", "b"), says("developer", "c"), says("user", "hi"), says("system", "late")]
    assert messages_of(*parts) == [
        {"role": "system", "content": "a\n\nb\n\nc"},
        {"role": "user", "content": "hi"},
        {"role": "system", "content": "late"},
    ]
    assert [one["role"] for one in messages_of(*parts, to=OPENAI)] == ["system", "developer", "user", "system"]


def test_a_limit_has_the_name_that_the_model_takes() -> None:
    """litellm#13381, copilot-api#222: OpenAI's newer models refuse `max_tokens`, others know nothing else."""
    hi = says("user", "hi")
    assert put(hi, to=OPENAI, max_tokens=9)[0]["max_completion_tokens"] == 9
    assert put(hi, to=OTHER, max_tokens=9)[0]["max_tokens"] == 9
    assert put(hi, to=RequestTarget(model="openai/o3-mini"), max_tokens=9)[0]["max_completion_tokens"] == 9
    assert "max_tokens" not in put(hi)[0]


def test_settings_cross_or_are_said_to_be_lost() -> None:
    body, losses = put(
        says("user", "hi"),
        temperature=0.2,
        top_p=0.9,
        top_k=4,
        stop=["a", "b", "c", "d", "e"],
        seed=1,
        n=2,
        thinking_budget=9000,
        service_tier="priority",
        user="u" * 80,
        response_format={"schema": {"type": "object"}},
    )
    assert {key: value for key, value in body.items() if key not in ("model", "messages", "user")} == {
        "temperature": 0.2,
        "top_p": 0.9,
        "stop": ["a", "b", "c", "d"],
        "seed": 1,
        "n": 2,
        "reasoning_effort": "medium",
        "response_format": {"type": "json_schema", "json_schema": {"name": "response", "schema": {"type": "object"}}},
    }
    assert len(body["user"]) == 64
    assert {loss.path for loss in losses} == {f"settings.{name}" for name in ("top_k", "stop", "service_tier", "user")}


def test_models_that_take_one_temperature_get_none() -> None:
    body, losses = put(says("user", "hi"), to=RequestTarget(model="o3", is_openai=True), temperature=0.2, top_p=1)
    assert body.keys() == {"model", "messages"}
    assert [loss.path for loss in losses] == ["settings.temperature"]
    assert put(says("user", "hi"), to=RequestTarget(model="o3", is_openai=True), temperature=1)[1] == []


def test_models_that_do_not_think_are_not_asked_to() -> None:
    body, losses = put(says("user", "hi"), to=RequestTarget(model="gpt-4o", is_openai=True), thinking_budget=2048)
    assert ("reasoning_effort" in body, [loss.path for loss in losses]) == (False, ["settings.thinking_budget"])


@pytest.mark.parametrize(
    ("effort", "to", "written", "is_lossy"),
    [
        ("max", OPENAI, "max", False),
        ("none", OPENAI, "none", False),
        ("none", RequestTarget(model="gpt-5", is_openai=True), None, True),
        ("max", OTHER, "high", True),
        ("medium", OTHER, "medium", False),
    ],
)
def test_effort_is_said_in_words_that_the_server_knows(
    effort: str, to: RequestTarget, written: str | None, is_lossy: bool
) -> None:
    body, losses = put(says("user", "hi"), to=to, effort=effort)
    assert (body.get("reasoning_effort"), bool(losses)) == (written, is_lossy)


def test_a_stream_is_asked_for_its_usage() -> None:
    body, _ = put(says("user", "hi"), to=RequestTarget(model="m", is_streamed=True))
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})


TOOLS = [
    Tool(name="f", description="d", schema={"type": "object"}, strict=True, extra={"anthropic_messages": {"x": 1}}),
    Tool(name="c", kind="custom"),
    Tool(name="web_search", kind="server", extra={"anthropic_messages": {"type": "web_search_20250305"}}),
]


def test_tools_cross_and_those_of_other_kinds_are_a_loss() -> None:
    f = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}, "strict": True}
    body, losses = put(says("user", "hi"), tools=TOOLS, tool_choice="required", parallel_tools=False)
    assert body["tools"] == [{"type": "function", "function": f}]
    assert (body["tool_choice"], body["parallel_tool_calls"]) == ("required", False)
    assert [loss.path for loss in losses] == ["tools[1]", "tools[2]"]
    body, losses = put(says("user", "hi"), to=OPENAI, tools=TOOLS, tool_choice={"name": "c"})
    assert body["tools"][1] == {"type": "custom", "custom": {"name": "c"}}
    assert body["tool_choice"] == {"type": "custom", "custom": {"name": "c"}}
    assert [loss.path for loss in losses] == ["tools[2]"]


def test_what_needs_tools_is_left_out_without_them() -> None:
    """edutelligence#923: the switch for parallel calls is refused when no tools are given."""
    body, _ = put(says("user", "hi"), tools=TOOLS[2:], tool_choice="auto", parallel_tools=True)
    assert body.keys() == {"model", "messages"}


def test_allowed_tools_are_nested_for_openai_and_filtered_for_others() -> None:
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]}
    tools = [Tool(name="f"), Tool(name="g")]
    body, _ = put(says("user", "hi"), to=OPENAI, tools=tools, tool_choice=choice)
    assert len(body["tools"]) == 2
    nested = {"mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]}
    assert body["tool_choice"] == {"type": "allowed_tools", "allowed_tools": nested}
    body, _ = put(says("user", "hi"), tools=tools, tool_choice=choice)
    assert ([tool["function"]["name"] for tool in body["tools"]], body["tool_choice"]) == (["g"], "required")


def test_a_custom_call_becomes_one_of_a_function_where_there_is_no_other() -> None:
    call = ToolCall(id="a", name="sql", arguments="SELECT 1", kind="custom")
    result = says("tool", ToolResult(call_id="a", parts=[Text(text="1")], kind="custom"))
    other, own = (messages_of(says("assistant", call), result, to=to)[0]["tool_calls"][0] for to in (OTHER, OPENAI))
    assert other["function"] == {"name": "sql", "arguments": '{"input":"SELECT 1"}'}
    assert own == {"id": "a", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}


def test_cache_marks_go_to_models_that_take_them_and_else_are_a_loss() -> None:
    """ai-gateway#2477, litellm#41424: a mark that is dropped in silence shows on the bill only."""
    messages = [
        says("system", Text(text="s", cache="1h")),
        says("user", Text(text="a", cache="5m")),
        says("assistant", CALL),
        says("user", ToolResult(call_id="a", parts=[Text(text="r")], cache="")),
    ]
    body, losses = put(*messages, to=OPENAI)
    marks = [one["content"][0].get("prompt_cache_breakpoint") for one in body["messages"] if one["content"]]
    assert (marks, losses) == ([{"mode": "explicit", "ttl": "12h"}, {"mode": "explicit"}, {"mode": "explicit"}], [])
    for to in (OTHER, RequestTarget(model="gpt-4.1", is_openai=True)):
        body, losses = put(*messages, to=to, tools=[Tool(name="f", cache="5m")])
        assert "cache" not in json.dumps(body)
        assert len(losses) == 4


def test_reasoning_goes_to_servers_that_want_it_and_seals_only_to_their_maker() -> None:
    messages = [
        says("user", "hi"),
        says(
            "assistant",
            Reasoning(text="hm", signature="S", maker="anthropic"),
            Reasoning(encrypted="E", maker="anthropic"),
            "42",
        ),
        says("user", "why?"),
    ]
    body, losses = put(*messages)
    assert body["messages"][1] == {"role": "assistant", "content": "42", "reasoning_content": "hm"}
    assert [loss.path for loss in losses] == ["messages[1].parts[0]", "messages[1].parts[1]"]
    body, losses = put(*messages, to=OPENAI)
    assert body["messages"][1] == {"role": "assistant", "content": "42"}
    assert len(losses) == 2
    native = says("assistant", Reasoning(text="hm", signature="S", maker="openai"), "42")
    assert messages_of(native, says("user", "why?"))[0]["reasoning_details"] == [
        {"type": "reasoning.text", "text": "hm", "signature": "S"}
    ]


def test_a_reply_that_was_begun_is_not_continued() -> None:
    _, losses = put(says("user", "hi"), says("assistant", "{"))
    assert [loss.path for loss in losses] == ["messages[1].parts[0]"]


def test_media_cross_in_chats_words() -> None:
    parts = [
        Media(kind="image", data="iVBORw0KGgo="),
        Media(kind="image", url="https://x/y.png", extra={"openai_responses": {"detail": "low"}}),
        Media(kind="document", mime="application/pdf", data="QQ==", name="a.pdf"),
        Media(kind="document", data="QQ=="),
        Media(kind="document", text="plain", name="t.txt"),
        Media(kind="document", file_id="file-1"),
        Media(kind="audio", mime="audio/mpeg", data="QQ=="),
    ]
    (message,) = messages_of(says("user", *parts))
    assert message["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,QQ==", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,QQ==", "filename": "document.pdf"}},
        {"type": "text", "text": "t.txt\n\nplain"},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "mp3"}},
    ]


@pytest.mark.parametrize(
    ("part", "why"),
    [
        (Media(kind="audio", mime="audio/ogg", data="QQ=="), "WAV or MP3"),
        (Media(kind="audio", url="https://x"), "WAV or MP3"),
        (Media(kind="video", url="https://x"), "video"),
        (Media(kind="document", url="https://x/a.pdf"), "URL"),
        (Media(kind="image", file_id="file_011"), "another provider"),
        (Media(kind="document", file_id="file_011"), "another provider"),
    ],
)
def test_what_would_not_be_seen_or_heard_is_refused(part: Media, why: str) -> None:
    with pytest.raises(Untranslatable, match=why):
        put(says("user", part), to=OPENAI)


def test_a_history_that_lies_elsewhere_is_refused() -> None:
    with pytest.raises(Untranslatable, match="previous_response_id"):
        put(says("user", "hi"), previous_id="resp_1")
    with pytest.raises(Untranslatable, match="conversation"):
        put(says("user", "hi"), extra={"openai_responses": {"conversation": {"id": "c"}}})


def test_what_responses_shares_with_chat_goes_to_openai_alone() -> None:
    kept = {"prompt_cache_key": "k", "text": {"verbosity": "low"}, "top_logprobs": 2, "store": False}
    body, losses = put(says("user", "hi"), to=OPENAI, extra={"openai_responses": kept})
    assert (body["prompt_cache_key"], body["verbosity"], body["logprobs"], body["top_logprobs"]) == (
        "k",
        "low",
        True,
        2,
    )
    assert losses == []
    body, losses = put(says("user", "hi"), extra={"openai_responses": kept})
    assert body.keys() == {"model", "messages"}
    assert {loss.path for loss in losses} == {"$.prompt_cache_key", "$.text.verbosity", "$.top_logprobs"}


def test_odd_parts_of_others_are_losses() -> None:
    other = Other(dialect="anthropic_messages", kind="search_result", value={"a": 1})
    body, losses = put(
        says("system", Media(kind="image", data="QQ=="), "s"),
        says("user", other, Refusal(text="no")),
        says("assistant", Refusal(text="I can't"), Media(kind="image", data="QQ=="), other),
        says("user", "so?"),
    )
    assert [one["content"] for one in body["messages"]] == ["s", "no", "I can't", "so?"]
    places = ["messages[0].parts[0]", "messages[1].parts[0]", "messages[2].parts[1]", "messages[2].parts[2]"]
    assert [loss.path for loss in losses] == places
