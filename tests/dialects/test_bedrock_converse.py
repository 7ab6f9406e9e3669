"""Converse, read and written: recorded traffic, and botocore as the judge of what we write."""

import json
from typing import Any

import msgspec
import pytest
from botocore.exceptions import EventStreamError

from dragoman.canonical import (
    Media,
    Message,
    PartEnded,
    PartGrew,
    PartStarted,
    Prompt,
    Reasoning,
    Reply,
    ReplyEnded,
    ReplyError,
    ReplyProgressed,
    ReplyStarted,
    Settings,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)
from dragoman.dialects import ALL
from dragoman.dialects.assembler import Assembler
from dragoman.dialects.base import ReplyTarget, RequestTarget, Untranslatable
from dragoman.wire.eventstream import encode_message
from fakes.botocore_sdk import complaints, converse_events, converse_reply
from fakes.corpus import SAMPLE, all_records_of, text_of, whole_corpus
from fakes.decoding import decode
from fakes.replay import body_of

NAME = "bedrock_converse"
CONVERSE = ALL[NAME]
PLACE = whole_corpus() or SAMPLE
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
PNG = "iVBORw0KGgoAAAANSUhEUg=="
Wire = dict[str, Any]


def event(name: str, **value: Any) -> bytes:
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return encode_message(headers, json.dumps({**value, "p": "abc"}).encode())


def delta(index: int, **value: Any) -> bytes:
    return event("contentBlockDelta", contentBlockIndex=index, delta=value)


def stopped(index: int) -> bytes:
    return event("contentBlockStop", contentBlockIndex=index)


START = event("messageStart", role="assistant")


def over(reason: str = "end_turn", **usage: Any) -> bytes:
    return event("messageStop", stopReason=reason) + event(
        "metadata", usage=usage or {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}, metrics={"latencyMs": 7}
    )


def asked(*content: Wire, **fields: Any) -> Prompt:
    body = {"messages": [{"role": "user", "content": list(content)}], **fields}
    return CONVERSE.parse_request(json.dumps(body).encode())


def written(prompt: Prompt, model: str = CLAUDE) -> tuple[Wire, list[str]]:
    rendered = CONVERSE.render_request(prompt, RequestTarget(model=model))
    assert complaints(rendered.body) == ""
    return json.loads(rendered.body), [loss.path for loss in rendered.losses]


def user(*parts: Any) -> Message:
    return Message(role="user", parts=[Text(text=part) if isinstance(part, str) else part for part in parts])


def model(*parts: Any) -> Message:
    return Message(role="assistant", parts=[Text(text=part) if isinstance(part, str) else part for part in parts])


def test_every_recorded_request_is_written_as_it_came() -> None:
    for record in all_records_of(NAME, PLACE):
        if record.get("request_body"):
            prompt = CONVERSE.parse_request(body_of(record, "request"))
            rendered = CONVERSE.render_request(prompt, RequestTarget(model="m"))
            assert json.loads(rendered.body) == record["request_body"], record["id"]
            assert rendered.losses == []


def told(reply: Reply) -> Reply:
    usage = msgspec.structs.replace(reply.usage or Usage(input_fresh=0, output=0), native=None)
    parts = [part for part in reply.message.parts if part != Text(text="")]
    message = msgspec.structs.replace(reply.message, parts=parts)
    return msgspec.structs.replace(reply, usage=usage, message=message)


def test_recorded_replies_written_anew_say_the_same_and_botocore_takes_them() -> None:
    for record in all_records_of(NAME, PLACE):
        if record["status"] == 200 and not record["streamed"]:
            reply = CONVERSE.parse_reply(body_of(record, "response"))
            rendered = CONVERSE.render_reply(reply, ReplyTarget())
            assert told(CONVERSE.parse_reply(rendered.body)) == told(reply), record["id"]
            assert converse_reply(rendered.body)["stopReason"] == reply.native_stop_reason


def test_recorded_streams_written_anew_say_the_same_and_botocore_takes_them() -> None:
    for record in all_records_of(NAME, PLACE):
        if record["status"] != 200 or not record["streamed"]:
            continue
        decoder, assembler, encoder = CONVERSE.decoder(), Assembler(), CONVERSE.encoder(ReplyTarget())
        deltas = decoder.feed(body_of(record, "response")) + decoder.end()
        assembler.add(deltas)
        out = encoder.feed(deltas) + encoder.end()
        reply = assembler.reply()
        again, _, warnings = decode(NAME, out)
        assert warnings == []
        if reply.error is None and reply.is_complete:
            assert text_of(again.message) == text_of(reply.message), record["id"]
            assert again.stop_reason == reply.stop_reason, record["id"]
            names = [next(iter(one)) for one in converse_events(out)]
            assert (names[0], names[-2], names[-1]) == ("messageStart", "messageStop", "metadata")


@pytest.mark.parametrize(
    ("block", "part"),
    [
        ({"text": "a"}, Text(text="a")),
        (
            {"image": {"format": "png", "source": {"bytes": "QUJD"}}},
            Media(kind="image", mime="image/png", data="QUJD"),
        ),
        (
            {"document": {"format": "pdf", "name": "a", "source": {"bytes": "QUJD"}}},
            Media(kind="document", mime="application/pdf", name="a", data="QUJD"),
        ),
        (
            {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://b/k"}}}},
            Media(kind="video", mime="video/mp4", url="s3://b/k"),
        ),
        (
            {"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": 1}}},
            ToolCall(id="t", name="f", arguments='{"a":1}'),
        ),
        (
            {"toolResult": {"toolUseId": "t", "content": [{"text": "x"}], "status": "error"}},
            ToolResult(call_id="t", parts=[Text(text="x")], is_error=True),
        ),
        (
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
            Reasoning(text="hm", signature="s", maker="anthropic"),
        ),
        ({"reasoningContent": {"redactedContent": "eA=="}}, Reasoning(encrypted="eA==", maker="anthropic")),
    ],
)
def test_each_kind_of_block_is_read(block: Wire, part: Any) -> None:
    assert asked(block).messages[0].parts == [part]


def test_a_cache_point_marks_what_stands_before_it() -> None:
    prompt = asked({"text": "a"}, {"cachePoint": {"type": "default", "ttl": "1h"}}, {"text": "b"})
    assert prompt.messages[0].parts == [Text(text="a", cache="1h"), Text(text="b")]
    assert CONVERSE.locate(prompt, 0, 1) == "$.messages[0].content[2]"


def test_settings_and_tools_are_read() -> None:
    prompt = asked(
        {"text": "a"},
        system=[{"text": "s"}],
        inferenceConfig={"maxTokens": 5, "temperature": 0.5, "topP": 0.9, "stopSequences": ["x"]},
        additionalModelRequestFields={"top_k": 3, "thinking": {"type": "enabled", "budget_tokens": 2048}},
        toolConfig={
            "tools": [
                {"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}},
                {"cachePoint": {"type": "default"}},
                {"systemTool": {"name": "nova_grounding"}},
            ],
            "toolChoice": {"any": {}},
        },
        outputConfig={
            "textFormat": {
                "type": "json_schema",
                "structure": {"jsonSchema": {"schema": '{"type":"object"}', "name": "n"}},
            }
        },
    )
    settings = prompt.settings
    assert (settings.max_tokens, settings.temperature, settings.top_p, settings.stop) == (5, 0.5, 0.9, ["x"])
    assert (settings.top_k, settings.thinking_budget, settings.tool_choice) == (3, 2048, "required")
    assert settings.response_format == {"schema": {"type": "object"}, "name": "n"}
    assert [(tool.name, tool.kind, tool.cache) for tool in prompt.tools] == [
        ("f", "function", ""),
        ("nova_grounding", "server", None),
    ]


def test_text_and_thought_have_no_start_and_calls_have() -> None:
    body = START + delta(0, reasoningContent={"text": "h"}) + delta(0, reasoningContent={"text": "m"})
    body += delta(0, reasoningContent={"signature": "s"}) + stopped(0)
    body += delta(1, text="Hel") + delta(1, text="lo") + delta(1, citation={"title": "T"}) + stopped(1)
    body += event("contentBlockStart", contentBlockIndex=2, start={"toolUse": {"toolUseId": "t", "name": "f"}})
    body += delta(2, toolUse={"input": '{"a":'}) + delta(2, toolUse={"input": "1}"}) + stopped(2)
    body += event("contentBlockStart", contentBlockIndex=3, start={"toolUse": {"toolUseId": "u", "name": "g"}})
    body += stopped(3) + over("tool_use")
    reply, _, warnings = decode(NAME, body)
    assert warnings == []
    assert reply.message.parts == [
        Reasoning(text="hm", signature="s"),
        Text(text="Hello", annotations=[{"title": "T"}]),
        ToolCall(id="t", name="f", arguments='{"a":1}'),
        ToolCall(id="u", name="g", arguments="{}"),
    ]
    assert (reply.stop_reason, reply.is_complete) == ("tool_use", True)
    assert reply.provider_timings_ns == {"latencyMs": 7_000_000}


def test_usage_leaves_the_cache_out_and_tells_writes_of_an_hour_apart() -> None:
    """genkit#5412, litellm#26919"""
    usage = {
        "inputTokens": 3,
        "outputTokens": 4,
        "totalTokens": 21,
        "cacheReadInputTokens": 5,
        "cacheWriteInputTokens": 9,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 7}, {"ttl": "5m", "inputTokens": 2}],
    }
    reply, _, _ = decode(NAME, START + delta(0, text="a") + stopped(0) + over(**usage))
    found = reply.usage
    assert found and (found.input_fresh, found.cache_read, found.cache_write_5m, found.cache_write_1h) == (3, 5, 2, 7)
    assert found.input_total == 17


def test_a_stream_that_breaks_off_is_no_success() -> None:
    """litellm#32686"""
    assert not decode(NAME, START + delta(0, text="a") + stopped(0))[0].is_complete
    headers = {":message-type": "exception", ":exception-type": "throttlingException"}
    body = START + delta(0, text="a") + encode_message(headers, b'{"message":"slow"}')
    reply, _, _ = decode(NAME, body)
    assert reply.error == ReplyError(message="slow", kind="throttlingException")
    assert (text_of(reply.message), reply.is_complete) == ("a", False)


@pytest.mark.parametrize(("reason", "stop"), [("guardrail_intervened", "refusal"), ("content_filtered", "refusal")])
def test_what_a_guardrail_stopped_is_a_refusal(reason: str, stop: str) -> None:
    """any-llm#1358"""
    assert decode(NAME, START + delta(0, text="a") + stopped(0) + over(reason))[0].stop_reason == stop


def test_all_results_of_a_round_stand_in_one_user_turn() -> None:
    """mlflow#24296, agentgateway#1358: "Expected toolResult blocks" """
    calls = [ToolCall(id="a.b", name="f", arguments="{}"), ToolCall(id="c", name="g", arguments='{"x": 1}')]
    results = [
        Message(role="tool", parts=[ToolResult(call_id=one, parts=[Text(text=one)], is_error=one == "c")])
        for one in ("c", "a.b")
    ]
    body, losses = written(Prompt(messages=[user("go"), model(*calls), *results, user("so?")], tools=[Tool(name="f")]))
    content = body["messages"][2]["content"]
    ids = [block["toolUse"]["toolUseId"] for block in body["messages"][1]["content"]]
    assert [block["toolResult"]["toolUseId"] for block in content[:2]] == ids
    assert content[1]["toolResult"]["status"] == "error" and content[2] == {"text": "so?"}
    assert losses == []


def test_images_are_bytes_and_documents_have_names_of_their_own() -> None:
    pdf = Media(kind="document", mime="application/pdf", data="JVBERi0=", name="a_b.pdf")
    body, _ = written(Prompt(messages=[user("look", Media(kind="image", data=PNG), pdf, pdf)]))
    assert body["messages"][0]["content"][1] == {"image": {"format": "png", "source": {"bytes": PNG}}}
    names = [block["document"]["name"] for block in body["messages"][0]["content"][2:]]
    assert names == ["a b pdf", "a b pdf 2"]
    with pytest.raises(Untranslatable, match="send the data"):
        written(Prompt(messages=[user(Media(kind="image", url="https://x/a.png"))]))


def test_settings_of_others_are_written_in_its_words() -> None:
    settings = Settings(
        max_tokens=9000,
        stop=["x"],
        effort="low",
        tool_choice="required",
        response_format={"schema": {"type": "object"}, "name": "n"},
        metadata={"a": "b"},
        parallel_tools=False,
    )
    body, losses = written(Prompt(messages=[user("hi")], tools=[Tool(name="f", cache="")], settings=settings))
    assert body["inferenceConfig"] == {"maxTokens": 9000, "stopSequences": ["x"]}
    assert body["toolConfig"]["toolChoice"] == {"any": {}}
    assert body["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default"}}
    assert json.loads(body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"]) == {"type": "object"}
    assert body["requestMetadata"] == {"a": "b"}
    assert losses == ["settings.parallel_tools", "settings.effort"]
    body, losses = written(Prompt(messages=[user("hi")], settings=Settings(effort="low", max_tokens=9000)))
    assert body["additionalModelRequestFields"]["thinking"] == {"type": "enabled", "budget_tokens": 1024}
    _, losses = written(
        Prompt(messages=[user("hi")], settings=Settings(effort="low", seed=3)), model="amazon.nova-pro-v1:0"
    )
    assert losses == ["settings.effort", "settings.seed"]


def test_no_tool_is_said_by_leaving_the_tools_out() -> None:
    prompt = Prompt(messages=[user("hi")], tools=[Tool(name="f")], settings=Settings(tool_choice="none"))
    assert "toolConfig" not in written(prompt)[0]


def test_the_encoder_writes_what_botocore_reads() -> None:
    encoder = CONVERSE.encoder(ReplyTarget(seed="s"))
    out = encoder.feed(
        [
            ReplyStarted(),
            PartStarted(part=0, value=Reasoning(maker="openai")),
            PartGrew(part=0, summary="hm"),
            PartGrew(part=0, encrypted="x"),
            PartEnded(part=0),
            PartStarted(part=1, value=Text(text="He")),
            PartGrew(part=1, text="y"),
            PartStarted(part=2, value=ToolCall(name="f")),
            PartGrew(part=2, arguments='{"a":1}'),
            ReplyProgressed(stop_reason="end", usage=Usage(input_fresh=1, cache_read=4, output=2)),
            ReplyEnded(),
        ]
    )
    events = converse_events(out + encoder.end())
    assert [next(iter(one)) for one in events] == [
        "messageStart",
        *("contentBlockDelta", "contentBlockDelta", "contentBlockStop"),
        *("contentBlockDelta", "contentBlockDelta", "contentBlockStop"),
        *("contentBlockStart", "contentBlockDelta", "contentBlockStop"),
        *("messageStop", "metadata"),
    ]
    assert events[7]["contentBlockStart"]["start"] == {"toolUse": {"toolUseId": "toolu_s_2", "name": "f"}}
    assert events[-2]["messageStop"]["stopReason"] == "tool_use"
    assert events[-1]["metadata"]["usage"] == {
        "inputTokens": 1,
        "outputTokens": 2,
        "totalTokens": 7,
        "cacheReadInputTokens": 4,
    }


def test_an_error_in_the_stream_is_raised_by_botocore() -> None:
    encoder = CONVERSE.encoder(ReplyTarget())
    out = encoder.feed([ReplyStarted(), PartStarted(part=0, value=Text(text="a"))])
    with pytest.raises(EventStreamError, match="too much"):
        converse_events(out + encoder.fail(ReplyError(message="too much"), 429))


def test_a_wrapped_seal_is_base64_on_the_wire_and_comes_back() -> None:
    """botocore reads `redactedContent` as bytes, and refuses what is no base64."""
    part = Reasoning(maker="openai", encrypted="x", id="rs_1")
    reply = Reply(message=Message(role="assistant", parts=[part]), stop_reason="end")
    body = CONVERSE.render_reply(reply, ReplyTarget()).body
    assert converse_reply(body)["output"]["message"]["content"][0]["reasoningContent"]["redactedContent"]
    [block] = json.loads(body)["output"]["message"]["content"]
    encoder = CONVERSE.encoder(ReplyTarget())
    out = encoder.feed([PartStarted(part=0, value=part), ReplyProgressed(stop_reason="end"), ReplyEnded()])
    assert converse_events(out)[1]["contentBlockDelta"]["delta"]["reasoningContent"]["redactedContent"]
    assert asked(block).messages[0].parts == [part]
