"""Ollama's requests, replies and streams written; its own client judges what a client would read."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import ollama
import pytest

from dragoman.canonical import (
    AnyPart,
    Delta,
    Loss,
    Media,
    Message,
    Other,
    PartEnded,
    PartGrew,
    PartStarted,
    Prompt,
    Reasoning,
    Refusal,
    Reply,
    ReplyEnded,
    ReplyError,
    ReplyProgressed,
    ReplyStarted,
    Role,
    Settings,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)
from dragoman.dialects import ALL
from dragoman.dialects.base import ReplyTarget, RequestTarget, Untranslatable
from dragoman.dialects.exact import is_exact
from dragoman.dialects.ollama_chat.encoder import dated
from dragoman.wire.splice import splice
from fakes.corpus import SAMPLE, all_records_of, whole_corpus
from fakes.decoding import decode
from fakes.replay import body_of

OLLAMA = ALL["ollama_chat"]
NAME = "ollama_chat"
PLACES = [pytest.param(SAMPLE, id="sample"), pytest.param(whole_corpus(), id="whole", marks=pytest.mark.corpus)]
TARGET = ReplyTarget(model="asked-for", seed="01EX", created=1_700_000_000)
GENERATED = OLLAMA.parse_request(b'{"model":"m","prompt":"hi"}')
CALL = ToolCall(id="a", name="f", arguments='{"x":1}')


def again(body: dict[str, Any]) -> dict[str, Any]:
    prompt = OLLAMA.parse_request(json.dumps(body).encode())
    assert msgspec.json.decode(msgspec.json.encode(prompt), type=Prompt) == prompt
    return json.loads(OLLAMA.render_request(prompt, RequestTarget()).body)


def says(role: Role, *parts: AnyPart | str) -> Message:
    return Message(role=role, parts=[Text(text=one) if isinstance(one, str) else one for one in parts])


def put(*messages: Message, model: str = "llama3", **more: Any) -> tuple[dict[str, Any], list[Loss]]:
    settings = {name: more.pop(name) for name in Settings.__struct_fields__ if name in more}
    prompt = Prompt(messages=list(messages), settings=Settings(**settings), **more)
    done = OLLAMA.render_request(prompt, RequestTarget(model=model))
    body = json.loads(done.body)
    ollama._types.ChatRequest.model_validate(body)
    return body, done.losses


def messages_of(*messages: Message) -> list[dict[str, Any]]:
    body, losses = put(*messages)
    assert losses == []
    return body["messages"]


# -- to the letter


@pytest.mark.parametrize("place", PLACES)
def test_every_recorded_request_comes_out_as_it_came_in(place: Path | None) -> None:
    if place is None:
        pytest.skip("the whole corpus lies neither beside the project nor where DRAGOMAN_CORPUS says")
    count = 0
    for record in all_records_of(NAME, place):
        body = body_of(record, "request")
        done = OLLAMA.render_request(OLLAMA.parse_request(body), RequestTarget())
        assert is_exact(json.loads(done.body), json.loads(body)), record["id"]
        assert splice(body, json.loads(done.body)) == body, record["id"]
        count += 1
    assert count


@pytest.mark.parametrize(
    "body",
    [
        {"model": "m"},
        {"model": "m", "messages": []},
        {"model": "m", "messages": [], "stream": None, "tools": [], "think": True, "format": "", "keep_alive": 0},
        {"model": "m", "messages": [], "think": False, "format": "json", "options": {"num_ctx": 8192, "stop": "x"}},
        {"model": "m", "messages": [], "think": "low", "format": {"type": "object"}, "options": None, "new": 1.0},
        {"model": 5, "messages": ["hi", None, {}, {"role": "critic", "content": "?"}], "stream": False},
        {"messages": [{"role": "user", "content": "a", "images": ["QUJD"]}, {"role": "user", "images": [], "x": 1}]},
        {"messages": [{"role": "assistant", "content": "", "thinking": "", "tool_calls": []}]},
        {
            "messages": [
                {
                    "role": "assistant",
                    "thinking": "t",
                    "tool_calls": [
                        {"function": {"name": "f", "arguments": {"x": 1.0, "y": []}}},
                        {"id": "a", "type": "function", "function": {"index": 1, "name": "f", "arguments": {}, "z": 1}},
                        {"function": {"name": "f", "arguments": '{"x": 1}'}},
                        {"function": {}},
                    ],
                }
            ]
        },
        {
            "messages": [
                {"role": "tool", "content": "t", "name": "f"},
                {"role": "tool", "tool_name": "f", "images": ["Q"]},
            ]
        },
        {"messages": [{"role": "tool", "content": None, "tool_call_id": "a", "tool_calls": [{"x": 1}]}]},
        {"model": "m", "messages": [], "tools": [{"type": "function", "function": {"name": "f", "new": 1}}, {}, "f"]},
        {"model": "m", "prompt": "a", "system": "s", "images": ["QUJD"], "suffix": "b", "raw": True, "context": [1]},
        {"model": "m", "prompt": "", "system": "", "stream": False},
        {"model": "m", "input": ["a"], "truncate": True},
        {"model": "m", "input": ["a", "b"]},
        {"model": "m", "input": "a", "stream": False},
        {"model": "m", "prompt": 7, "system": ["s"]},
    ],
)
def test_odd_spellings_come_out_as_they_came_in(body: dict[str, Any]) -> None:
    assert is_exact(again(body), body)


def test_an_edit_changes_what_was_edited_and_nothing_else() -> None:
    body = b'{"model":"a", "messages":[ {"content":"Be kind.","role":"system"} ], "options":{"top_k" :4, "num_ctx":9}}'
    prompt = OLLAMA.parse_request(body)
    system = msgspec.structs.replace(prompt.messages[0], parts=[Text(text="Be brief.")])
    edited = msgspec.structs.replace(
        prompt, messages=[system], settings=msgspec.structs.replace(prompt.settings, top_k=5, effort="none")
    )
    done = OLLAMA.render_request(edited, RequestTarget(model="b"))
    expected = body.replace(b'"a"', b'"b"').replace(b"kind", b"brief").replace(b":4", b":5")
    assert splice(body, json.loads(done.body)) == expected[:-1] + b', "think":false}'


def test_generate_is_edited_too() -> None:
    prompt = OLLAMA.parse_request(b'{"model":"m","prompt":"a","system":""}')
    edited = msgspec.structs.replace(prompt, messages=[says("system", "s"), says("user", "b")])
    assert json.loads(OLLAMA.render_request(edited, RequestTarget()).body) == {
        "model": "m",
        "prompt": "b",
        "system": "s",
    }


def test_parts_are_found_where_they_stood() -> None:
    body = {
        "messages": [
            {"role": "user", "content": "a", "images": ["Q", "Q"]},
            {"role": "assistant", "thinking": "t", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]},
            {"role": "tool", "content": "r"},
        ]
    }
    prompt = OLLAMA.parse_request(json.dumps(body).encode())
    places = [
        OLLAMA.locate(prompt, m, p) for m, message in enumerate(prompt.messages) for p in range(len(message.parts))
    ]
    assert places == [
        "$.messages[0].content",
        "$.messages[0].images[0]",
        "$.messages[0].images[1]",
        "$.messages[1].thinking",
        "$.messages[1].tool_calls[0]",
        "$.messages[2]",
    ]
    generate = OLLAMA.parse_request(b'{"prompt":"a","system":"s","images":["Q"]}')
    assert [OLLAMA.locate(generate, 0, 0), OLLAMA.locate(generate, 1, 0), OLLAMA.locate(generate, 1, 1)] == [
        "$.system",
        "$.prompt",
        "$.images[0]",
    ]


def test_images_get_the_media_type_that_their_bytes_tell() -> None:
    prompt = OLLAMA.parse_request(b'{"messages":[{"role":"user","content":"","images":["iVBORw0KGgo="]}]}')
    assert prompt.messages[0].parts == [Media(kind="image", mime="image/png", data="iVBORw0KGgo=")]


@pytest.mark.parametrize(("think", "effort"), [(True, "medium"), (False, "none"), ("high", "high"), (None, None)])
def test_thinking_may_be_a_switch_or_a_word(think: Any, effort: str | None) -> None:
    prompt = OLLAMA.parse_request(json.dumps({"messages": [], "think": think}).encode())
    assert prompt.settings.effort == effort


# -- from elsewhere


def test_a_conversation_with_calls_crosses() -> None:
    image = Media(kind="image", mime="image/png", data="QQ==")
    written = messages_of(
        says("developer", "s"),
        says("user", "look", image),
        says("assistant", Reasoning(text="hm"), "I look.", CALL),
        says("assistant", ToolCall(id="b", name="g")),
        says(
            "user",
            "also",
            ToolResult(call_id="a", parts=[Text(text="1"), image]),
            ToolResult(call_id="b", is_error=True),
        ),
    )
    assert written == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "look", "images": ["QQ=="]},
        {
            "role": "assistant",
            "content": "I look.",
            "thinking": "hm",
            "tool_calls": [
                {"id": "a", "function": {"name": "f", "arguments": {"x": 1}}},
                {"id": "b", "function": {"name": "g", "arguments": {}}},
            ],
        },
        {"role": "tool", "content": "1", "images": ["QQ=="], "tool_name": "f", "tool_call_id": "a"},
        {"role": "tool", "content": "Error", "tool_name": "g", "tool_call_id": "b"},
        {"role": "user", "content": "also"},
    ]


@pytest.mark.parametrize("arguments", ['{"x":', "[1]", "text"])
def test_arguments_that_are_no_object_are_kept_in_one(arguments: str) -> None:
    call = ToolCall(id="a", name="f", arguments=arguments)
    assert messages_of(says("assistant", call))[0]["tool_calls"][0]["function"]["arguments"] == {"arguments": arguments}


def test_settings_cross_or_are_said_to_be_lost() -> None:
    body, losses = put(
        says("user", "hi"),
        max_tokens=9,
        temperature=0.2,
        top_p=0.9,
        top_k=4,
        stop=["a"],
        seed=1,
        effort="high",
        response_format={"schema": {"type": "object"}, "name": "n"},
        parallel_tools=False,
        user="u",
        service_tier="auto",
        metadata={"user_id": "u"},
    )
    assert body["options"] == {
        "num_predict": 9,
        "temperature": 0.2,
        "top_p": 0.9,
        "top_k": 4,
        "stop": ["a"],
        "seed": 1,
    }
    assert (body["format"], body["stream"], "think" in body) == ({"type": "object"}, False, False)
    assert {loss.path for loss in losses} == {"settings.user", "settings.parallel_tools", "settings.effort"}


@pytest.mark.parametrize(
    ("model", "settings", "think"),
    [
        ("gpt-oss:20b", {"effort": "max"}, "high"),
        ("qwen3:8b", {"thinking_budget": 2000}, True),
        ("llama3", {"effort": "none"}, False),
    ],
)
def test_models_that_think_are_told_to(model: str, settings: dict[str, Any], think: Any) -> None:
    body, losses = put(says("user", "hi"), model=model, **settings)
    assert (body["think"], losses) == (think, [])


def test_tools_cross_and_choice_is_made_by_leaving_some_out() -> None:
    tools = [
        Tool(name="f", description="d", schema={"type": "object"}, strict=True),
        Tool(name="g"),
        Tool(name="s", kind="server"),
    ]
    body, losses = put(says("user", "hi"), tools=tools, tool_choice={"name": "f"})
    f = {"name": "f", "description": "d", "parameters": {"type": "object"}}
    assert body["tools"] == [{"type": "function", "function": f}]
    assert [loss.path for loss in losses] == ["settings.tool_choice", "tools[0].strict", "tools[2]"]
    assert "tools" not in put(says("user", "hi"), tools=tools, tool_choice="none")[0]
    assert len(put(says("user", "hi"), tools=tools, tool_choice="required")[0]["tools"]) == 2


def test_what_has_no_place_is_a_loss() -> None:
    sealed = Reasoning(text="hm", signature="S", maker="anthropic", cache="5m")
    body, losses = put(
        says("user", Other(dialect="x", kind="y")),
        says("assistant", sealed, Text(text="a", annotations=[{}]), Refusal(text="no")),
        says("user", Media(kind="document", mime="text/plain", data="aGk=", name="t.txt")),
    )
    assert body["messages"] == [
        {"role": "assistant", "content": "a\n\nno", "thinking": "hm"},
        {"role": "user", "content": "t.txt\n\nhi"},
    ]
    assert [loss.path for loss in losses] == [
        "messages[0].parts[0]",
        "messages[1].parts[0].cache_control",
        "messages[1].parts[0]",
        "messages[1].parts[1].annotations",
    ]


@pytest.mark.parametrize(
    ("part", "why"),
    [
        (Media(kind="image", url="https://x"), "data only"),
        (Media(kind="document", mime="application/pdf", data="QQ=="), "images and text"),
        (Media(kind="audio", mime="audio/wav", data="QQ=="), "images and text"),
    ],
)
def test_what_would_not_be_seen_or_heard_is_refused(part: Media, why: str) -> None:
    with pytest.raises(Untranslatable, match=why):
        put(says("user", part))
    with pytest.raises(Untranslatable, match="n = 2"):
        put(says("user", "hi"), n=2)


# -- replies and streams


def client(body: bytes) -> ollama.Client:
    return ollama.Client(host="http://test", transport=httpx.MockTransport(lambda _: httpx.Response(200, content=body)))


def sdk_lines(body: bytes) -> list[ollama.ChatResponse]:
    sdk = client(body)
    try:
        return list(sdk.chat(model="m", messages=[], stream=True))
    finally:
        sdk._client.close()


def sdk_reply(body: bytes) -> ollama.ChatResponse:
    sdk = client(body)
    try:
        return sdk.chat(model="m", messages=[])
    finally:
        sdk._client.close()


def rendered(*parts: AnyPart, **more: Any) -> tuple[dict[str, Any], list[Loss]]:
    done = OLLAMA.render_reply(Reply(message=says("assistant", *parts), **more), TARGET)
    sdk_reply(done.body)
    return json.loads(done.body), done.losses


def written(*deltas: Delta, target: ReplyTarget = TARGET) -> tuple[bytes, list[Loss]]:
    encoder = OLLAMA.encoder(target)
    body = b"".join(encoder.feed([delta]) for delta in deltas) + encoder.end()
    again = OLLAMA.encoder(target)
    assert again.feed(list(deltas)) + again.end() == body
    return body, encoder.losses


END = [ReplyProgressed(stop_reason="end", usage=Usage(input_fresh=7, output=2)), ReplyEnded()]


def test_a_whole_reply_says_all_that_ollamas_do() -> None:
    body, losses = rendered(
        Reasoning(text="hm"),
        Text(text="I look."),
        CALL,
        ToolCall(name="g"),
        usage=Usage(input_fresh=3, output=2),
        stop_reason="tool_use",
        provider_timings_ns={"total_duration": 9, "queue_time": 1},
    )
    assert losses == []
    assert body == {
        "model": "asked-for",
        "created_at": "2023-11-14T22:13:20Z",
        "message": {
            "role": "assistant",
            "content": "I look.",
            "thinking": "hm",
            "tool_calls": [
                {"id": "a", "function": {"index": 0, "name": "f", "arguments": {"x": 1}}},
                {"id": "call_01EX_1", "function": {"index": 1, "name": "g", "arguments": {}}},
            ],
        },
        "done": True,
        "done_reason": "stop",
        "total_duration": 9,
        "prompt_eval_count": 3,
        "eval_count": 2,
    }


@pytest.mark.parametrize(
    "seconds", [0, 951_782_399, 951_782_400, 1_709_164_800, 1_735_689_599, 1_735_689_600, 4_107_542_400]
)
def test_dates_are_those_of_the_calendar(seconds: int) -> None:
    assert dated(seconds) == datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_unknown_figures_stay_unknown() -> None:
    assert not rendered("a", usage=Usage(output=4))[0].keys() & {"prompt_eval_count", "total_duration"}
    assert "eval_count" not in rendered("a")[0]


@pytest.mark.parametrize(
    ("reason", "word", "is_lossy"),
    [
        ("end", "stop", False),
        ("length", "length", False),
        ("tool_use", "stop", False),
        ("stop_sequence", "stop", True),
        ("refusal", "stop", True),
    ],
)
def test_each_stop_reason_has_its_word(reason: Any, word: str, is_lossy: bool) -> None:
    body, losses = rendered("a", stop_reason=reason)
    assert (body["done_reason"], bool(losses)) == (word, is_lossy)


def test_what_a_reply_cannot_say_is_lost() -> None:
    parts = [
        Reasoning(text="hm", signature="S", maker="anthropic"),
        Text(text="a", annotations=[{}]),
        ToolCall(id="s", name="web", kind="server"),
    ]
    body, losses = rendered(*parts)
    assert (body["message"]["content"], "tool_calls" in body["message"]) == ("a", False)
    paths = ["reply.parts[0].seal", "reply.parts[1].annotations", "reply.parts[2]"]
    assert [loss.path for loss in losses] == paths
    grown = [
        PartStarted(part=0, value=Reasoning(maker="anthropic")),
        PartGrew(part=0, text="hm", signature="S"),
        PartStarted(part=1, value=Text(text="")),
        PartGrew(part=1, text="a", annotation={}),
        PartStarted(part=2, value=parts[2]),
        PartGrew(part=2, arguments="{}"),
    ]
    _, losses = written(ReplyStarted(), *grown, *END)
    assert [loss.path for loss in losses] == paths


def test_a_stream_is_one_that_the_client_reads() -> None:
    body, losses = written(
        ReplyStarted(id="x", model="upstream"),
        PartStarted(part=0, value=Reasoning(text="h")),
        PartGrew(part=0, text="m"),
        PartEnded(part=0),
        PartStarted(part=1, value=Text(text="")),
        PartGrew(part=1, text="Hel"),
        PartEnded(part=1, value=Text(text="Hello")),
        *END,
    )
    lines = sdk_lines(body)
    assert losses == []
    assert [(one.message.thinking, one.message.content, one.done) for one in lines] == [
        ("h", "", False),
        ("m", "", False),
        (None, "Hel", False),
        (None, "lo", False),
        (None, "", True),
    ]
    assert (lines[-1].model, lines[-1].prompt_eval_count, lines[-1].eval_count) == ("asked-for", 7, 2)


def test_calls_come_whole_though_they_came_in_pieces_and_interleaved() -> None:
    """ollama#7881, vercel/ai#14277: each call is a whole one with a number of its own."""
    body, _ = written(
        ReplyStarted(),
        PartStarted(part=0, value=ToolCall(id="a", name="f")),
        PartStarted(part=1, value=ToolCall(name="g", arguments='{"y"')),
        PartGrew(part=0, arguments='{"x":'),
        PartGrew(part=1, arguments=":2}"),
        PartGrew(part=0, arguments="1}"),
        PartEnded(part=0),
        ReplyProgressed(stop_reason="tool_use"),
        ReplyEnded(),
    )
    calls = [call.function for line in sdk_lines(body) for call in line.message.tool_calls or []]
    assert [(call.name, call.arguments) for call in calls] == [("f", {"x": 1}), ("g", {"y": 2})]
    reply, _, _ = decode(NAME, body)
    assert (reply.stop_reason, [part.id for part in reply.message.parts]) == ("tool_use", ["a", "call_01EX_1"])  # type: ignore[union-attr]


def test_what_was_told_otherwise_before_is_not_told_twice() -> None:
    body, losses = written(
        ReplyStarted(),
        PartStarted(part=0, value=Text(text="")),
        PartGrew(part=0, text="one thing"),
        PartEnded(part=0, value=Text(text="another thing, longer")),
        *END,
    )
    assert decode(NAME, body)[0].message.parts == [Text(text="one thing")]
    assert [loss.path for loss in losses] == ["reply.parts[0]"]


def test_an_error_ends_the_stream() -> None:
    encoder = OLLAMA.encoder(TARGET)
    body = encoder.feed([ReplyStarted(), PartStarted(part=0, value=Text(text="a"))])
    body += encoder.fail(ReplyError(message="overloaded"), 503)
    assert encoder.feed(list(END)) + encoder.end() + encoder.ping() == b""
    with pytest.raises(ollama.ResponseError, match="overloaded"):
        sdk_lines(body)
    body, _ = written(ReplyStarted(), ReplyProgressed(error=ReplyError(message="gone")), *END)
    with pytest.raises(ollama.ResponseError, match="gone"):
        sdk_lines(body)


def test_a_stream_that_ended_early_is_not_written_as_whole() -> None:
    body, _ = written(ReplyStarted(), PartStarted(part=0, value=Text(text="a")))
    with pytest.raises(ollama.ResponseError, match="before the reply was complete"):
        sdk_lines(body)


def test_generate_is_answered_in_its_own_shape() -> None:
    target = msgspec.structs.replace(TARGET, prompt=GENERATED)
    reply = Reply(message=says("assistant", Reasoning(text="hm"), "hi"), stop_reason="end")
    body = OLLAMA.render_reply(reply, target).body
    answer = ollama.GenerateResponse.model_validate_json(body)
    assert (answer.response, answer.thinking, answer.done, "message" in json.loads(body)) == ("hi", "hm", True, False)
    stream, _ = written(ReplyStarted(), PartStarted(part=0, value=Text(text="hi")), *END, target=target)
    answers = [ollama.GenerateResponse.model_validate_json(line) for line in stream.splitlines()]
    assert [(one.response, one.done) for one in answers] == [("hi", False), ("", True)]


def test_every_recorded_reply_is_written_so_that_the_client_and_we_read_the_same() -> None:
    count = 0
    for record in all_records_of(NAME, whole_corpus() or SAMPLE):
        body = body_of(record, "response")
        if record["status"] != 200:
            continue
        target = ReplyTarget(model="m", prompt=OLLAMA.parse_request(body_of(record, "request")))
        if record["streamed"]:
            decoder = OLLAMA.decoder()
            deltas = decoder.feed(body) + decoder.end()
            reply, _, _ = decode(NAME, body)
            if not reply.is_complete:
                continue
            encoder = OLLAMA.encoder(target)
            found, _, _ = decode(NAME, b"".join(encoder.feed([delta]) for delta in deltas) + encoder.end())
        else:
            reply = OLLAMA.parse_reply(body)
            found = OLLAMA.parse_reply(OLLAMA.render_reply(reply, target).body)
        assert (found.message, found.stop_reason, found.usage, found.provider_timings_ns) == (
            reply.message,
            reply.stop_reason,
            reply.usage,
            reply.provider_timings_ns,
        ), record["id"]
        count += 1
    assert count


def test_what_was_read_from_a_cache_is_counted_as_input_and_said_to_be_lost() -> None:
    body, losses = rendered("a", usage=Usage(input_fresh=3, cache_read=4, output=2))
    assert (body["prompt_eval_count"], [loss.path for loss in losses]) == (7, ["reply.usage.cache_read"])
