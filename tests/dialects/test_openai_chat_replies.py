"""Chat's replies and streams written from the canonical form; OpenAI's own SDK judges them."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import msgspec
import openai
import pytest

from dragoman.canonical import (
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
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from dragoman.dialects import ALL
from dragoman.dialects.base import ReplyTarget
from dragoman.dialects.seals import unwrap
from fakes.corpus import SAMPLE, all_records_of, whole_corpus
from fakes.decoding import decode
from fakes.replay import body_of

CHAT = ALL["openai_chat"]
NAME = "openai_chat"
PLACE = whole_corpus() or SAMPLE
ASKED = Prompt(extra={NAME: {"stream_options": {"include_usage": True}}})
TARGET = ReplyTarget(model="asked-for", seed="01EX", created=7, prompt=ASKED)
END = [ReplyProgressed(stop_reason="end", usage=Usage(input_fresh=3, output=2)), ReplyEnded()]


def client(body: bytes, media_type: str) -> openai.OpenAI:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=body, headers={"content-type": media_type})

    transport = httpx2.MockTransport(answer)
    return openai.OpenAI(api_key="x", base_url="http://test", http_client=httpx2.Client(transport=transport))


def sdk_reply(body: bytes) -> Any:
    with client(body, "application/json") as sdk:
        reply = sdk.chat.completions.create(model="m", messages=[])
    return openai.types.chat.ChatCompletion.model_validate(reply.model_dump())


def sdk_chunks(body: bytes) -> list[Any]:
    with (
        client(body, CHAT.stream_media_type) as sdk,
        sdk.chat.completions.create(model="m", messages=[], stream=True) as stream,
    ):
        return [openai.types.chat.ChatCompletionChunk.model_validate(one.model_dump()) for one in stream]


def sdk_gathered(body: bytes) -> Any:
    """What the SDK's own accumulator makes of a stream."""
    with client(body, CHAT.stream_media_type) as sdk, sdk.chat.completions.stream(model="m", messages=[]) as stream:
        return stream.get_final_completion()


def written(*deltas: Delta, target: ReplyTarget = TARGET) -> tuple[bytes, list[Loss]]:
    """Feed deltas one by one, and say that the upstream is over."""
    encoder = CHAT.encoder(target)
    body = b"".join(encoder.feed([delta]) for delta in deltas) + encoder.end()
    again = CHAT.encoder(target)
    assert again.feed(list(deltas)) + again.end() == body
    return body, encoder.losses


def deltas_of(body: bytes) -> list[dict[str, Any]]:
    lines = [line[6:] for line in body.decode().split("\n") if line.startswith("data: {")]
    return [choice["delta"] for line in lines for choice in json.loads(line).get("choices", [])]


def rendered(reply: Reply) -> tuple[dict[str, Any], list[Loss]]:
    done = CHAT.render_reply(reply, TARGET)
    sdk_reply(done.body)
    return json.loads(done.body), done.losses


def said(*parts: Any, **more: Any) -> Reply:
    return Reply(message=Message(role="assistant", parts=list(parts)), usage=Usage(input_fresh=3, output=2), **more)


# -- whole replies


def test_a_whole_reply_says_all_that_openais_do() -> None:
    body, losses = rendered(said(Text(text="hi"), id="msg_1", stop_reason="end"))
    assert losses == []
    assert body == {
        "id": "msg_1",
        "object": "chat.completion",
        "created": 7,
        "model": "asked-for",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "hi", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }


def test_text_and_calls_of_one_reply_are_both_kept() -> None:
    """litellm#18238: a chunk, or reply, with both kept only the text."""
    body, _ = rendered(
        said(Text(text="hm"), ToolCall(id="a", name="f", arguments='{"x":1}'), ToolCall(name="g"), stop_reason="end")
    )
    message = body["choices"][0]["message"]
    assert message["content"] == "hm"
    assert message["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
        {"id": "call_01EX_1", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]
    assert body["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("reason", "has_call", "finish"),
    [
        ("end", False, "stop"),
        ("end", True, "tool_calls"),
        ("tool_use", True, "tool_calls"),
        ("other", True, "tool_calls"),
        ("length", True, "length"),
        ("length", False, "length"),
        ("refusal", False, "content_filter"),
        ("stop_sequence", False, "stop"),
        ("pause", False, "stop"),
        (None, False, "stop"),
    ],
)
def test_each_stop_reason_has_its_word(reason: Any, has_call: bool, finish: str) -> None:
    """litellm#34718, spring-ai#4374: calls say so themselves, but a limit that was reached stays one."""
    part = ToolCall(id="a", name="f") if has_call else Text(text="a")
    body, losses = rendered(said(part, stop_reason=reason))
    assert body["choices"][0]["finish_reason"] == finish
    assert bool(losses) == (reason in ("stop_sequence", "pause"))
    stream, losses = written(
        ReplyStarted(), PartStarted(part=0, value=part), ReplyProgressed(stop_reason=reason), ReplyEnded()
    )
    assert [one.finish_reason for chunk in sdk_chunks(stream) for one in chunk.choices][-1] == finish


def test_usage_counts_the_cache_once() -> None:
    """litellm#26919, #28354: the input figure holds what was read from the cache and written to it."""
    usage = Usage(input_fresh=5, cache_read=20, cache_write_5m=3, cache_write_1h=4, output=9, reasoning=6)
    body, losses = rendered(msgspec.structs.replace(said(Text(text="a")), usage=usage))
    assert (body["usage"], losses) == (
        {
            "prompt_tokens": 32,
            "completion_tokens": 9,
            "total_tokens": 41,
            "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 7},
            "completion_tokens_details": {"reasoning_tokens": 6},
        },
        [],
    )


def test_unknown_figures_are_said_to_be_lost() -> None:
    body, losses = rendered(msgspec.structs.replace(said(Text(text="a")), usage=Usage(output=4)))
    assert body["usage"] == {"prompt_tokens": 0, "completion_tokens": 4, "total_tokens": 4}
    assert [loss.path for loss in losses] == ["reply.usage"]


def test_a_seal_of_another_maker_travels_wrapped_and_comes_back() -> None:
    """litellm#8961, opencode#3077: a signature that is lost on the way makes the next turn fail."""
    sealed = Reasoning(text="thinking", signature="SIG", maker="anthropic")
    hidden = Reasoning(encrypted="ENC", maker="anthropic")
    body, losses = rendered(said(sealed, hidden, ToolCall(id="a", name="f"), stop_reason="tool_use"))
    message = body["choices"][0]["message"]
    assert (message["reasoning_content"], losses) == ("thinking", [])
    assert [unwrap(one["data"]) for one in message["reasoning_details"]] == [sealed, hidden]
    history = {"model": "m", "messages": [message]}
    prompt = CHAT.parse_request(json.dumps(history).encode())
    assert prompt.messages[0].parts[:2] == [sealed, hidden]


def test_citations_of_pages_cross_and_others_are_lost() -> None:
    page = {"type": "web_search_result_location", "url": "https://x", "title": "X", "cited_text": "a"}
    body, losses = rendered(said(Text(text="abc", annotations=[page, {"type": "char_location"}])))
    (cited,) = body["choices"][0]["message"]["annotations"]
    assert (cited["type"], cited["url_citation"]["url"]) == ("url_citation", "https://x")
    assert [loss.path for loss in losses] == ["reply.parts[0].annotations"]


def test_what_a_server_did_is_a_loss_and_no_error() -> None:
    parts = [
        ToolCall(id="s", name="web_search", kind="server"),
        ToolResult(call_id="s", kind="server"),
        Other(dialect="anthropic_messages", kind="container_upload"),
        Media(kind="image", data="QUJD"),
        Text(text="found"),
    ]
    body, losses = rendered(said(*parts, stop_reason="end"))
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "found", "refusal": None}
    assert [loss.path for loss in losses] == [f"reply.parts[{number}]" for number in range(4)]
    starts = [PartStarted(part=number, value=part) for number, part in enumerate(parts)]
    stream, losses = written(ReplyStarted(), *starts, PartGrew(part=0, arguments="{}"), PartEnded(part=0), *END)
    assert sdk_gathered(stream).choices[0].message.content == "found"
    assert [loss.path for loss in losses] == [f"reply.parts[{number}]" for number in range(4)]


# -- streams


def test_a_stream_is_one_that_the_sdk_gathers() -> None:
    body, losses = written(
        ReplyStarted(id="msg_1", model="upstream"),
        PartStarted(part=0, value=Reasoning()),
        PartGrew(part=0, text="hm"),
        PartEnded(part=0),
        PartStarted(part=1, value=Text(text="")),
        PartGrew(part=1, text="Hel"),
        PartGrew(part=1, text="lo"),
        PartEnded(part=1),
        *END,
    )
    assert losses == []
    assert body.endswith(b"data: [DONE]\n\n")
    gathered = sdk_gathered(body)
    message = gathered.choices[0].message
    assert (gathered.id, gathered.model, gathered.created) == ("msg_1", "asked-for", 7)
    assert (message.content, message.reasoning_content, message.role) == ("Hello", "hm", "assistant")
    assert (gathered.choices[0].finish_reason, gathered.usage.total_tokens) == ("stop", 5)
    chunks = sdk_chunks(body)
    assert {chunk.id for chunk in chunks} == {"msg_1"}
    assert chunks[0].choices[0].delta.role == "assistant"


def test_the_usage_chunk_has_no_choices_and_comes_only_when_asked() -> None:
    """litellm#28735, #36553: choices in the usage chunk break clients, and so does a chunk that nobody asked for."""
    deltas = [ReplyStarted(), PartStarted(part=0, value=Text(text="a")), *END]
    *before, last = sdk_chunks(written(*deltas)[0])
    assert (last.choices, last.usage.prompt_tokens) == ([], 3)
    assert all(chunk.usage is None for chunk in before)
    unasked, _ = written(*deltas, target=ReplyTarget(model="m"))
    assert b"usage" not in unasked
    assert sdk_chunks(unasked)[-1].choices[0].finish_reason == "stop"


def test_the_first_delta_of_a_part_is_not_lost() -> None:
    """litellm#25321, #30014: what a part brings at its beginning is written too."""
    body, _ = written(
        ReplyStarted(),
        PartStarted(part=0, value=Text(text="He")),
        PartGrew(part=0, text="y"),
        PartStarted(part=1, value=ToolCall(id="a", name="f", arguments='{"x"')),
        PartGrew(part=1, arguments=":1}"),
        *END,
    )
    message = sdk_gathered(body).choices[0].message
    assert message.content == "Hey"
    assert [(call.id, call.function.arguments) for call in message.tool_calls] == [("a", '{"x":1}')]


def test_calls_that_interleave_stay_apart() -> None:
    """litellm#15307, vercel/ai#14277: parallel calls have numbers of their own, from 0, whatever their part's is."""
    body, _ = written(
        ReplyStarted(),
        PartStarted(part=0, value=Text(text="I call.")),
        PartStarted(part=1, value=ToolCall(id="a", name="f")),
        PartStarted(part=2, value=ToolCall(id="b", name="g")),
        PartGrew(part=2, arguments='{"y"'),
        PartGrew(part=1, arguments='{"x"'),
        PartGrew(part=2, arguments=":2}"),
        PartGrew(part=1, arguments=":1}"),
        PartEnded(part=1),
        PartEnded(part=2),
        ReplyProgressed(stop_reason="tool_use"),
        ReplyEnded(),
    )
    choice = sdk_gathered(body).choices[0]
    calls = [(call.index, call.id, call.function.name, call.function.arguments) for call in choice.message.tool_calls]
    assert calls == [(0, "a", "f", '{"x":1}'), (1, "b", "g", '{"y":2}')]
    assert choice.finish_reason == "tool_calls"


def test_a_call_whose_name_comes_late_waits_for_it() -> None:
    body, _ = written(
        ReplyStarted(),
        PartStarted(part=0, value=ToolCall(id="a")),
        PartGrew(part=0, arguments='{"x"'),
        PartGrew(part=0, arguments=":1}"),
        PartEnded(part=0, value=ToolCall(id="a", name="f", arguments='{"x":1}')),
        *END,
    )
    (call,) = sdk_gathered(body).choices[0].message.tool_calls
    assert (call.id, call.function.name, call.function.arguments) == ("a", "f", '{"x":1}')


def test_a_part_that_comes_whole_at_its_end_is_told_once() -> None:
    body, _ = written(
        ReplyStarted(),
        PartStarted(part=0, value=Text(text="")),
        PartGrew(part=0, text="Hel"),
        PartEnded(part=0, value=Text(text="Hello")),
        PartStarted(part=1, value=ToolCall(name="f")),
        PartEnded(part=1, value=ToolCall(name="f", arguments="{}")),
        *END,
    )
    message = sdk_gathered(body).choices[0].message
    assert message.content == "Hello"
    assert [(call.id, call.function.arguments) for call in message.tool_calls] == [("call_01EX_0", "{}")]


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


def test_a_seal_is_told_after_what_it_covers() -> None:
    body, _ = written(
        ReplyStarted(),
        PartStarted(part=0, value=Reasoning(maker="anthropic")),
        PartGrew(part=0, text="I "),
        PartGrew(part=0, text="think"),
        PartGrew(part=0, signature="SIG"),
        PartEnded(part=0),
        PartStarted(part=1, value=Reasoning(encrypted="ENC", maker="anthropic")),
        PartStarted(part=2, value=Text(text="42")),
        *END,
    )
    details = [one for delta in deltas_of(body) for one in delta.get("reasoning_details", [])]
    assert [unwrap(one["data"]) for one in details] == [
        Reasoning(text="I think", signature="SIG", maker="anthropic"),
        Reasoning(encrypted="ENC", maker="anthropic"),
    ]
    assert [one["index"] for one in details] == [0, 1]
    assert sdk_gathered(body).choices[0].message.content == "42"


def test_refusals_citations_and_custom_calls_are_streamed() -> None:
    page = {"type": "url_citation", "url": "https://x", "title": "X", "start_index": 0, "end_index": 1}
    body, losses = written(
        ReplyStarted(),
        PartStarted(part=0, value=Text(text="a")),
        PartGrew(part=0, annotation=page),
        PartGrew(part=0, annotation=page),
        PartStarted(part=1, value=Refusal(text="")),
        PartGrew(part=1, text="no"),
        PartStarted(part=2, value=ToolCall(id="c", name="sql", kind="custom")),
        PartGrew(part=2, arguments="SELECT 1"),
        *END,
    )
    assert losses == []
    reply, _, _ = decode(NAME, body)
    text, refusal, call = reply.message.parts
    assert text == Text(text="a", annotations=[{"type": "url_citation", "url_citation": _without_type(page)}] * 2)
    assert (refusal, call) == (Refusal(text="no"), ToolCall(id="c", name="sql", arguments="SELECT 1", kind="custom"))


def _without_type(page: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in page.items() if key != "type"}


def test_several_choices_are_streamed_side_by_side() -> None:
    body, _ = written(
        ReplyStarted(),
        PartStarted(part=0, value=Text(text="a")),
        PartStarted(part=0, choice=1, value=Text(text="b")),
        PartGrew(part=0, choice=1, text="!"),
        ReplyProgressed(stop_reason="end"),
        ReplyProgressed(choice=1, stop_reason="length"),
        ReplyEnded(),
    )
    reply, _, _ = decode(NAME, body)
    assert (reply.message.parts, reply.stop_reason) == ([Text(text="a")], "end")
    assert [(one.message.parts, one.stop_reason) for one in reply.others] == [([Text(text="b!")], "length")]
    assert [one.index for chunk in sdk_chunks(body) for one in chunk.choices] == [0, 0, 1, 1, 1, 0, 1]


def test_an_error_ends_the_stream_without_reason_or_done() -> None:
    """Marinara-Engine#2659, any-llm#847: an error in mid-stream must not look like the end of a reply."""
    encoder = CHAT.encoder(TARGET)
    body = encoder.feed([ReplyStarted(), PartStarted(part=0, value=Text(text="a"))])
    body += encoder.fail(ReplyError(message="overloaded", kind="overloaded_error"), 503)
    assert encoder.feed(list(END)) + encoder.end() + encoder.ping() == b""
    assert b"[DONE]" not in body and b'"finish_reason":"' not in body
    assert b"\n\n\ndata: {" in body  # a blank line first, so that no half frame swallows it (talon#393)
    with pytest.raises(openai.APIError, match="overloaded") as caught:
        sdk_chunks(body)
    assert caught.value.code == "503"


def test_an_error_told_among_the_deltas_ends_the_stream() -> None:
    body, _ = written(ReplyStarted(), ReplyProgressed(error=ReplyError(message="gone"), stop_reason="error"), *END)
    with pytest.raises(openai.APIError, match="gone"):
        sdk_chunks(body)


def test_a_stream_that_ended_early_is_not_written_as_whole() -> None:
    """litellm#32686: a cut-off stream was reported as success."""
    body, _ = written(ReplyStarted(), PartStarted(part=0, value=Text(text="a")))
    with pytest.raises(openai.APIError, match="before the reply was complete"):
        sdk_chunks(body)


def test_an_empty_reply_is_a_whole_stream() -> None:
    chunks = sdk_chunks(written(ReplyEnded())[0])
    assert [one.finish_reason for chunk in chunks for one in chunk.choices] == [None, "stop"]
    assert {chunk.id for chunk in chunks} == {"chatcmpl-01EX"}


def test_pings_are_skipped_by_the_sdk() -> None:
    encoder = CHAT.encoder(TARGET)
    body = encoder.ping() + encoder.feed([ReplyStarted()]) + encoder.ping() + encoder.feed(list(END))
    assert sdk_chunks(body)[-1].usage


def test_half_an_emoji_is_written_as_utf8() -> None:
    body, _ = written(ReplyStarted(), PartStarted(part=0, value=Text(text="")), PartGrew(part=0, text="\ud83d"), *END)
    assert sdk_gathered(body).choices[0].message.content == "\ufffd"


# -- recorded traffic


def replies() -> Iterator[tuple[str, Reply, list[Delta] | None]]:
    for record in all_records_of(NAME, PLACE):
        if record["status"] != 200 or "/embeddings" in record["path"]:
            continue
        body = body_of(record, "response")
        if record["streamed"]:
            decoder = CHAT.decoder()
            deltas = decoder.feed(body) + decoder.end()
            yield record["id"], decode_all(deltas), deltas
        elif b'"choices"' in body:
            yield record["id"], CHAT.parse_reply(body), None


def decode_all(deltas: list[Delta]) -> Reply:
    from dragoman.dialects.assembler import Assembler

    assembler = Assembler()
    assembler.add(deltas)
    return assembler.reply()


def same(reply: Reply) -> dict[str, Any]:
    """What must be the same after a way through the canonical form: no native words, texts and thoughts joined."""
    message = reply.message
    texts = [part for part in message.parts if isinstance(part, Text)]
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    thoughts = [part for part in message.parts if isinstance(part, Reasoning)]
    usage = reply.usage
    return {
        "text": "".join(part.text for part in texts),
        "annotations": [one for part in texts for one in part.annotations],
        "calls": [(call.id, call.name, call.arguments or "{}", call.kind) for call in calls],
        "thoughts": "".join(part.text for part in thoughts),
        "seals": [part.signature or part.encrypted for part in thoughts if part.signature or part.encrypted],
        "refusals": "".join(part.text for part in message.parts if isinstance(part, Refusal)),
        "stop": reply.stop_reason,
        "usage": usage and (usage.input_total, usage.cache_read, usage.output, usage.reasoning),
        "others": [(len(one.message.parts), one.stop_reason) for one in reply.others],
    }


LOSSY = {"stop_sequence": "end", "pause": "end", "other": "end", "error": "end", None: "end"}


def test_every_recorded_reply_is_written_so_that_the_sdk_and_we_read_the_same() -> None:
    count = 0
    for record, reply, deltas in replies():
        if reply.error or not reply.is_complete:
            continue
        wanted = same(reply)
        wanted["stop"] = LOSSY.get(reply.stop_reason, reply.stop_reason)
        if wanted["calls"] and wanted["stop"] == "end":
            wanted["stop"] = "tool_use"
        target = ReplyTarget(model="m", seed="s", created=1, prompt=ASKED)
        bodies = [CHAT.render_reply(reply, target).body]
        openai.types.chat.ChatCompletion.model_validate_json(bodies[0])
        found = [CHAT.parse_reply(bodies[0])]
        if deltas is not None:
            encoder = CHAT.encoder(target)
            stream = b"".join(encoder.feed([delta]) for delta in deltas) + encoder.end()
            for line in stream.split(b"\n"):
                if line.startswith(b"data: {"):
                    openai.types.chat.ChatCompletionChunk.model_validate_json(line[6:])
            found.append(decode(NAME, stream)[0])
        for one in found:
            got = same(one)
            if None in [call[0] for call in wanted["calls"]]:
                got["calls"] = [(None, *call[1:]) for call in got["calls"]]
            if wanted["usage"] is None or None in wanted["usage"][::2]:
                got["usage"] = wanted["usage"]
            if wanted["usage"] and got["usage"]:
                got["usage"] = tuple(
                    b if a is not None else a for a, b in zip(wanted["usage"], got["usage"], strict=True)
                )
            got["others"] = [(a, s or "end") for a, s in got["others"]]
            wanted["others"] = [(a, LOSSY.get(s, s)) for a, s in wanted["others"]]
            assert got == wanted, record
        count += 1
    assert count > 50
