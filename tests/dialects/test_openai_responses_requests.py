"""Requests written as Responses: those of its own clients as they came, those of others in its words."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.canonical import (
    Media,
    Message,
    Other,
    Prompt,
    Reasoning,
    Settings,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from dragoman.dialects import ALL
from dragoman.dialects.base import RequestTarget, Untranslatable
from dragoman.dialects.exact import is_exact
from dragoman.dialects.seals import PREFIX, wrap
from fakes.corpus import SAMPLE, all_records_of, whole_corpus
from fakes.replay import body_of

RESPONSES = ALL["openai_responses"]
PLACES = [pytest.param(SAMPLE, id="sample"), pytest.param(whole_corpus(), id="whole", marks=pytest.mark.corpus)]
Wire = dict[str, Any]


def rendered(prompt: Prompt, **to: Any) -> tuple[Wire, list[str]]:
    done = RESPONSES.render_request(prompt, RequestTarget(is_streamed=prompt.is_streamed, **to))
    return json.loads(done.body), [loss.path for loss in done.losses]


def foreign(*messages: Message, **fields: Any) -> tuple[Wire, list[str]]:
    """Write a prompt that came from elsewhere."""
    to = fields.pop("to", {})
    return rendered(Prompt(model="m", messages=list(messages), **fields), **to)


def user(*parts: Any) -> Message:
    return Message(role="user", parts=list(parts))


def assistant(*parts: Any) -> Message:
    return Message(role="assistant", parts=list(parts))


HI = user(Text(text="hi"))


@pytest.mark.parametrize("place", PLACES)
def test_every_recorded_request_is_written_as_it_came(place: Path | None) -> None:
    if place is None:
        pytest.skip("the whole corpus lies neither beside the project nor where DRAGOMAN_CORPUS says")
    for record in all_records_of("openai_responses", place):
        if isinstance(record.get("request_body"), dict):
            body = body_of(record, "request")
            found, losses = rendered(RESPONSES.parse_request(body))
            assert is_exact(found, json.loads(body)), record["id"]
            assert losses == [], record["id"]


@pytest.mark.parametrize(
    "fields",
    [
        {"input": "hi"},
        {"input": ""},
        {"input": [], "instructions": ""},
        {"input": None, "previous_response_id": "resp_1"},
        {"input": [{"role": "user", "content": []}, {"role": "user", "content": ""}, "text", 7, None]},
        {"input": [{"type": "item_reference", "id": "x"}, {"type": "unheard_of", "a": [1.0, 1, True]}]},
        {
            "input": [
                {"role": "tutor", "content": "x"},
                {"role": "system", "content": [{"type": "input_text", "text": "s"}]},
            ]
        },
        {"input": [{"type": "reasoning", "id": "r", "summary": [{"text": "a"}, {"text": "b"}], "content": None}]},
        {"input": "a", "tools": [{"type": "web_search"}, {"type": "function", "name": "f"}, 5], "tool_choice": "auto"},
        {"input": "a", "stream": False, "temperature": 1, "top_p": None, "max_output_tokens": "many", "user": 7},
        {"input": "a", "reasoning": {"effort": "low", "summary": "auto"}, "text": {"format": {"type": "text"}}},
        {"input": "a", "include": [], "metadata": None, "stream": "yes", "store": True, "tools": []},
        {"instructions": [{"type": "input_text", "text": "list"}], "input": "a"},
    ],
)
def test_odd_spellings_come_back(fields: Wire) -> None:
    asked = {"model": "m", **fields}
    found, losses = rendered(RESPONSES.parse_request(json.dumps(asked).encode()))
    assert is_exact(found, asked)
    assert losses == []


def test_an_edit_is_never_hidden_by_a_note() -> None:
    asked = {
        "model": "m",
        "instructions": "Be kind.",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "a", "odd": None}], "id": None}],
        "reasoning": {"effort": "low", "summary": "auto"},
        "stream": False,
        "tools": [{"type": "function", "name": "f", "parameters": None, "strict": None}],
    }
    prompt = RESPONSES.parse_request(json.dumps(asked).encode())
    system, question = prompt.messages
    changed = msgspec.structs.replace(
        prompt,
        messages=[
            msgspec.structs.replace(system, parts=[Text(text="Be brief.")]),
            msgspec.structs.replace(question, parts=[Text(text="b")]),
        ],
        settings=msgspec.structs.replace(prompt.settings, effort="high", max_tokens=9),
    )
    found = json.loads(RESPONSES.render_request(changed, RequestTarget(model="other", is_streamed=True)).body)
    assert (found["instructions"], found["input"][0]["content"][0]["text"]) == ("Be brief.", "b")
    assert found["reasoning"] == {"effort": "high", "summary": "auto"}
    assert (found["max_output_tokens"], found["model"], found["stream"]) == (9, "other", True)
    assert found["tools"] == asked["tools"]


def test_a_place_is_named_as_the_body_has_it() -> None:
    asked = {
        "instructions": "s",
        "input": [
            {"role": "user", "content": "a"},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "b"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        ],
    }
    prompt = RESPONSES.parse_request(json.dumps(asked).encode())
    assert [RESPONSES.locate(prompt, at, 0) for at in range(4)] == [
        *("$.instructions", "$.input[0]", "$.input[1].content[0]", "$.input[2]"),
    ]
    assert RESPONSES.locate(RESPONSES.parse_request(b'{"input":"hi"}'), 0, 0) == "$.input"


def test_system_turns_lead_as_instructions_and_stay_in_place_later() -> None:
    found, _ = foreign(
        Message(role="system", parts=[Text(text="a"), Text(text="b")]),
        Message(role="developer", parts=[Text(text="d")]),
        HI,
        Message(role="system", parts=[Text(text="later")]),
    )
    assert found["instructions"] == "a\n\nb"
    assert [item["role"] for item in found["input"]] == ["developer", "user", "system"]


def test_what_another_client_asks_is_not_stored_and_reasoning_comes_back_encrypted() -> None:
    plain, _ = foreign(HI)
    assert plain["store"] is False and "include" not in plain
    thinking, _ = foreign(HI, to={"model": "gpt-5"})
    assert thinking["include"] == ["reasoning.encrypted_content"]
    asked, _ = foreign(HI, settings=Settings(effort="high"))
    assert (asked["reasoning"], asked["include"]) == ({"effort": "high"}, ["reasoning.encrypted_content"])
    assert "include" not in foreign(HI, to={"model": "gpt-5-chat-latest"})[0]


def test_a_thinking_client_gets_a_summary() -> None:
    extra = {"anthropic_messages": {"thinking": {"type": "enabled", "budget_tokens": 20000}}}
    found, _ = foreign(HI, settings=Settings(thinking_budget=20000), extra=extra)
    assert found["reasoning"] == {"summary": "auto", "effort": "high"}


def test_tools_are_flat_with_their_required_keys() -> None:
    tools = [Tool(name="f", description="d"), Tool(name="g", schema={"type": "object"}, strict=True)]
    found, _ = foreign(HI, tools=tools, settings=Settings(tool_choice={"name": "g"}, parallel_tools=False))
    assert found["tools"] == [
        {
            "type": "function",
            "name": "f",
            "description": "d",
            "parameters": {"type": "object", "properties": {}},
            "strict": False,
        },
        {"type": "function", "name": "g", "parameters": {"type": "object"}, "strict": True},
    ]
    assert found["tool_choice"] == {"type": "function", "name": "g"}
    assert found["parallel_tool_calls"] is False


def test_no_parallel_switch_without_tools() -> None:
    """Trap 19 of wire-facts 8."""
    found, _ = foreign(HI, settings=Settings(parallel_tools=False, tool_choice="auto"))
    assert not found.keys() & {"parallel_tool_calls", "tool_choice"}


def test_settings_in_this_dialects_words() -> None:
    schema = {"schema": {"type": "object"}, "name": "n", "strict": True}
    found, losses = foreign(
        HI,
        settings=Settings(
            max_tokens=5,
            temperature=0.5,
            top_p=0.9,
            service_tier="flex",
            user="u",
            response_format=schema,
            stop=["x"],
            top_k=3,
            seed=1,
        ),
    )
    assert (found["max_output_tokens"], found["temperature"], found["top_p"]) == (5, 0.5, 0.9)
    assert found["text"] == {"format": {"type": "json_schema", **schema}}
    assert (found["service_tier"], found["user"]) == ("flex", "u")
    assert sorted(losses) == ["settings.seed", "settings.stop", "settings.top_k"]


def test_openai_gets_no_smaller_limit_than_it_takes() -> None:
    found, losses = foreign(HI, settings=Settings(max_tokens=1), to={"is_openai": True})
    assert (found["max_output_tokens"], losses) == (16, ["settings.max_tokens"])


def test_several_answers_and_sound_are_refused() -> None:
    with pytest.raises(Untranslatable, match="n is 2"):
        foreign(HI, settings=Settings(n=2))
    with pytest.raises(Untranslatable, match="audio"):
        foreign(user(Media(kind="audio", data="QUJD")))


def test_media_go_where_they_belong() -> None:
    """Trap 11: pictures in tools' results were dropped, or put in as text."""
    picture = Media(kind="image", data="iVBORw0KGgo=")
    found, losses = foreign(
        user(
            Text(text="see"),
            picture,
            Media(kind="image", url="https://x/a.png"),
            Media(kind="document", mime="application/pdf", data="JVBERi0=", name="a.pdf"),
            Media(kind="document", url="https://x/a.pdf"),
            Media(kind="document", text="plain", name="title"),
        ),
        assistant(ToolCall(id="c", name="f")),
        Message(role="tool", parts=[ToolResult(call_id="c", parts=[Text(text="so"), picture])]),
    )
    data = "data:image/png;base64,iVBORw0KGgo="
    assert found["input"][0]["content"] == [
        {"type": "input_text", "text": "see"},
        {"type": "input_image", "image_url": data, "detail": "auto"},
        {"type": "input_image", "image_url": "https://x/a.png", "detail": "auto"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
        {"type": "input_file", "file_url": "https://x/a.pdf"},
        {"type": "input_text", "text": "title\n\nplain"},
    ]
    assert found["input"][2]["output"] == [
        {"type": "input_text", "text": "so"},
        {"type": "input_image", "image_url": data, "detail": "auto"},
    ]
    assert losses == []


def test_a_round_of_calls_keeps_ids_and_order() -> None:
    """Traps 6 and 9: no empty text beside the calls, and no id lost."""
    found, losses = foreign(
        HI,
        assistant(Text(text=""), ToolCall(id="a", name="f"), ToolCall(name="g", arguments='{"x":1}')),
        user(ToolResult(call_id="a", parts=[Text(text="1")]), ToolResult(name="g", is_error=True), Text(text="go on")),
    )
    call_f, call_g, out_f, out_g, said = found["input"][1:]
    assert (call_f["call_id"], call_f["arguments"], out_f["call_id"], out_f["output"]) == ("a", "{}", "a", "1")
    assert call_g["call_id"] == out_g["call_id"] != ""
    assert (out_g["output"], said["content"][0]["text"]) == ("Error:", "go on")
    assert losses == ["messages[2].parts[1].is_error"]


def test_custom_tools_are_native_here() -> None:
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "s"}}
    found, losses = foreign(
        HI,
        assistant(ToolCall(id="c", name="patch", arguments="*** Begin", kind="custom")),
        Message(role="tool", parts=[ToolResult(call_id="c", parts=[Text(text="done")])]),
        tools=[Tool(name="patch", kind="custom", schema=grammar)],
    )
    assert found["tools"][0]["format"] == {"type": "grammar", "syntax": "lark", "definition": "s"}
    assert [item["type"] for item in found["input"][1:]] == ["custom_tool_call", "custom_tool_call_output"]
    assert losses == []


def test_a_provider_s_own_tools_are_a_loss_with_their_findings() -> None:
    """Trap 10: the result of a server's tool dropped while its call is kept."""
    found, losses = foreign(
        HI,
        assistant(ToolCall(id="s", name="web_search", kind="server"), ToolResult(call_id="s", kind="server")),
        assistant(Other(dialect="anthropic_messages", kind="container_upload"), Text(text="a")),
        tools=[Tool(name="web_search", kind="server")],
    )
    assert [item["type"] for item in found["input"]] == ["message", "message"]
    assert sorted(losses) == ["messages[1].parts[0]", "messages[1].parts[1]", "messages[2].parts[0]", "tools[0]"]


def test_only_openais_own_reasoning_goes_back() -> None:
    own = Reasoning(id="rs_1", summary="s", encrypted="gAAA", maker="openai")
    others = [Reasoning(text="hm", signature="c2ln", maker="anthropic"), Reasoning(text="unsigned")]
    found, losses = foreign(HI, assistant(own, *others, Text(text="a")))
    assert found["input"][1] == {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "s"}],
        "encrypted_content": "gAAA",
    }
    assert losses == ["messages[1].parts[1]", "messages[1].parts[2]"]


def test_our_wrapper_is_read_and_never_sent() -> None:
    seal = wrap(Reasoning(text="hm", signature="c2ln", maker="anthropic"))
    body = {"model": "m", "input": [{"type": "reasoning", "summary": [], "encrypted_content": seal}]}
    prompt = RESPONSES.parse_request(json.dumps(body).encode())
    [part] = prompt.messages[0].parts
    assert isinstance(part, Reasoning) and (part.text, part.maker) == ("hm", "anthropic")
    assert PREFIX not in json.dumps(rendered(prompt)[0])


def test_cache_marks_are_kept_where_they_can_be_and_else_said() -> None:
    """Trap 13: marks dropped in silence, which only the bill shows."""
    marked = Message(role="system", parts=[Text(text="s", cache="5m")])
    found, losses = foreign(marked, user(Text(text="q", cache="")), to={"model": "gpt-5.6", "is_openai": True})
    assert [item["content"][0]["prompt_cache_breakpoint"] for item in found["input"]] == [{"mode": "explicit"}] * 2
    assert losses == []
    found, losses = foreign(marked, user(Text(text="q", cache="")), to={"model": "gpt-4o", "is_openai": True})
    assert "prompt_cache_breakpoint" not in json.dumps(found)
    assert losses == ["messages[0].parts[0].cache_control", "messages[1].parts[0].cache_control"]


def test_an_empty_conversation_still_has_its_input() -> None:
    assert foreign()[0]["input"] == []
