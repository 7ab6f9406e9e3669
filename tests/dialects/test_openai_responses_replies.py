"""Replies of other models written as Responses, whole and streamed, and read by the official SDK."""

import json
from typing import Any

import pytest

from dragoman.canonical import (
    Choice,
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
from dragoman.dialects.seals import PREFIX
from fakes.decoding import decode
from fakes.sdk_reading import response_of, responses_events

RESPONSES = ALL["openai_responses"]
USAGE = Usage(input_fresh=6, cache_read=4, output=5, reasoning=2)


def target(**asked: Any) -> ReplyTarget:
    prompt = RESPONSES.parse_request(json.dumps({"model": "mine", "input": "hi", **asked}).encode())
    return ReplyTarget(model="mine", seed="X1", created=1_700_000_000, prompt=prompt)


def whole(*parts: Any, to: ReplyTarget | None = None, **fields: Any) -> Any:
    reply = Reply(message=Message(role="assistant", parts=list(parts)), **{"stop_reason": "end", **fields})
    return RESPONSES.render_reply(reply, to or target())


def streamed(*deltas: Delta, ends: bool = True) -> tuple[list[Any], Reply]:
    """Encode deltas; returns the events as the SDK sees them, and the reply as our decoder does."""
    encoder = RESPONSES.encoder(target())
    body = b"".join(encoder.feed([delta]) for delta in [ReplyStarted(id="up", model="theirs"), *deltas])
    body += encoder.feed([ReplyEnded()]) if ends else b""
    body += encoder.end()
    reply, _, warnings = decode("openai_responses", body)
    assert warnings == []
    return responses_events(body), reply


def kinds(events: list[Any]) -> list[str]:
    return [event.type.removeprefix("response.") for event in events]


def test_a_whole_reply_is_taken_by_the_sdk() -> None:
    found = response_of(
        whole(
            Reasoning(text="hm", signature="sig", maker="anthropic"),
            Text(text="Sun.", annotations=[{"type": "url_citation", "url": "https://x", "title": "t"}]),
            ToolCall(id="toolu_1", name="weather", arguments='{"city":"Brest"}'),
            ToolCall(id="toolu_2", name="patch", arguments="*** Begin", kind="custom"),
            stop_reason="tool_use",
            usage=USAGE,
        ).body
    )
    assert [item.type for item in found.output] == ["reasoning", "message", "function_call", "custom_tool_call"]
    assert (found.status, found.model, found.output_text) == ("completed", "mine", "Sun.")
    assert found.output[0].summary[0].text == "hm"
    assert found.output[0].encrypted_content.startswith(PREFIX)
    assert found.output[1].content[0].annotations[0].url == "https://x"
    assert (found.output[2].call_id, found.output[3].input) == ("toolu_1", "*** Begin")
    usage = found.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (10, 5, 15)
    assert (usage.input_tokens_details.cached_tokens, usage.output_tokens_details.reasoning_tokens) == (4, 2)


def test_a_reply_repeats_what_was_asked_and_says_that_nothing_is_stored() -> None:
    tool = {"type": "function", "name": "f", "parameters": {}, "strict": True}
    found = response_of(
        whole(Text(text="a"), to=target(instructions="Be kind.", tools=[tool], temperature=0.5, store=True)).body
    )
    assert (found.instructions, found.temperature, found.tools[0].name, found.store) == ("Be kind.", 0.5, "f", False)


@pytest.mark.parametrize(
    ("stop", "parts", "status", "reason"),
    [
        ("end", [Text(text="a")], "completed", None),
        ("stop_sequence", [Text(text="a")], "completed", None),
        ("pause", [Text(text="a")], "completed", None),
        ("tool_use", [ToolCall(id="c", name="f")], "completed", None),
        ("length", [Text(text="a")], "incomplete", "max_output_tokens"),
        ("refusal", [Text(text="a")], "incomplete", "content_filter"),
        ("refusal", [Refusal(text="no")], "completed", None),
    ],
)
def test_each_stop_reason_has_its_status(stop: Any, parts: list[Any], status: str, reason: str | None) -> None:
    found = json.loads(whole(*parts, stop_reason=stop).body)
    assert found["status"] == status
    assert (found["incomplete_details"] or {}).get("reason") == reason
    again = RESPONSES.parse_reply(json.dumps(found).encode())
    assert again.stop_reason == ("end" if stop in ("stop_sequence", "pause") else stop)


def test_what_cannot_be_said_is_a_loss() -> None:
    rendered = whole(
        Text(text="a", annotations=[{"type": "page_location"}]),
        ToolCall(id="s", name="web_search", kind="server"),
        ToolResult(call_id="s", kind="server"),
        Other(dialect="anthropic_messages", kind="container_upload"),
        Media(kind="audio", data="QUJD"),
        stop_reason="stop_sequence",
        others=[Choice(message=Message(role="assistant"))],
    )
    assert [loss.path for loss in rendered.losses] == [
        *("reply.parts[0].citations", "reply.parts[1]", "reply.parts[2]", "reply.parts[3]", "reply.parts[4]"),
        *("$.stop_sequence", "$.choices"),
    ]
    assert [item["type"] for item in json.loads(rendered.body)["output"]] == ["message"]


def test_a_failed_reply_says_why() -> None:
    found = json.loads(whole(Text(text="a"), error=ReplyError(message="m", kind="overloaded_error")).body)
    assert (found["status"], found["error"]) == ("failed", {"code": "server_is_overloaded", "message": "m"})


def test_a_stream_is_taken_by_the_sdk_in_its_order() -> None:
    events, reply = streamed(
        PartStarted(part=0, value=Reasoning(maker="anthropic")),
        PartGrew(part=0, text="h"),
        PartGrew(part=0, text="m"),
        PartGrew(part=0, signature="sig"),
        PartEnded(part=0),
        PartStarted(part=1, value=Text(text="")),
        PartGrew(part=1, text="Su"),
        PartGrew(part=1, text="n."),
        PartGrew(part=1, annotation={"type": "web_search_result_location", "url": "https://x", "title": "t"}),
        PartEnded(part=1),
        PartStarted(part=2, value=ToolCall(id="t1", name="weather")),
        PartGrew(part=2, arguments='{"city":'),
        PartGrew(part=2, arguments='"Brest"}'),
        PartEnded(part=2),
        ReplyProgressed(stop_reason="tool_use", usage=USAGE),
    )
    assert kinds(events) == [
        *("created", "in_progress"),
        *("output_item.added", "reasoning_summary_part.added"),
        *("reasoning_summary_text.delta", "reasoning_summary_text.delta"),
        *("reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done"),
        *("output_item.added", "content_part.added", "output_text.delta", "output_text.delta"),
        *("output_text.annotation.added", "output_text.done", "content_part.done", "output_item.done"),
        *("output_item.added", "function_call_arguments.delta", "function_call_arguments.delta"),
        *("function_call_arguments.done", "output_item.done", "completed"),
    ]
    final = events[-1].response
    assert (final.id, final.model, final.output_text, final.usage.total_tokens) == ("resp_X1", "mine", "Sun.", 15)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    thought, said, call = reply.message.parts
    assert thought == Reasoning(text="hm", signature="sig", maker="anthropic")
    page = {"type": "url_citation", "url": "https://x", "title": "t", "start_index": 0, "end_index": 4}
    assert isinstance(said, Text) and (said.text, said.annotations) == ("Sun.", [page])
    assert isinstance(call, ToolCall) and (call.id, call.arguments) == ("t1", '{"city":"Brest"}')
    assert (reply.stop_reason, reply.is_complete) == ("tool_use", True)


def test_whole_and_streamed_say_the_same() -> None:
    parts = [Reasoning(text="hm"), Text(text="a"), Text(text="b"), Refusal(text="no"), ToolCall(id="c", name="f")]
    deltas = [PartStarted(part=number, value=part) for number, part in enumerate(parts)]
    events, _ = streamed(*deltas, ReplyProgressed(stop_reason="tool_use", usage=USAGE))
    said = json.loads(whole(*parts, stop_reason="tool_use", usage=USAGE).body)
    final = events[-1].response.model_dump(mode="json", exclude_unset=True)
    for piece in final["output"][1]["content"]:
        piece.pop("parsed", None)  # the accumulator's own
    final["output"][2].pop("parsed_arguments", None)
    assert final == said


def test_calls_that_grow_by_turns_stay_apart() -> None:
    """Trap 2 of wire-facts 8: parallel calls merged."""
    _, reply = streamed(
        PartStarted(part=0, value=ToolCall(id="a", name="f")),
        PartStarted(part=1, value=ToolCall(id="b", name="g")),
        PartGrew(part=1, arguments="[1"),
        PartGrew(part=0, arguments="[0"),
        PartGrew(part=1, arguments="]"),
        PartGrew(part=0, arguments="]"),
        ReplyProgressed(stop_reason="tool_use"),
    )
    calls = [(one.id, one.arguments) for one in reply.message.parts if isinstance(one, ToolCall)]
    assert calls == [("a", "[0]"), ("b", "[1]")]


def test_text_and_calls_in_one_step_are_both_kept() -> None:
    """Trap 3: of a chunk with both text and calls, only the text came through; and trap 1: first deltas lost."""
    encoder = RESPONSES.encoder(target())
    body = encoder.feed(
        [
            PartStarted(part=0, value=Text(text="Lo")),
            PartGrew(part=0, text="ok"),
            PartStarted(part=1, value=ToolCall(id="a", name="f", arguments='{"a"')),
            PartGrew(part=1, arguments=":1}"),
            ReplyProgressed(stop_reason="end"),
            ReplyEnded(),
        ]
    )
    reply = decode("openai_responses", body + encoder.end())[0]
    assert [getattr(part, "text", None) or getattr(part, "arguments", None) for part in reply.message.parts] == [
        "Look",
        '{"a":1}',
    ]


def test_a_call_whose_name_comes_last_opens_then() -> None:
    events, reply = streamed(
        PartStarted(part=0, value=ToolCall()),
        PartGrew(part=0, arguments='{"a":1}'),
        PartEnded(part=0, value=ToolCall(id="c", name="f", arguments='{"a":1}')),
        ReplyProgressed(stop_reason="tool_use"),
    )
    assert next(one for one in events if one.type == "response.output_item.added").item.name == "f"
    assert [(one.id, one.name, one.arguments) for one in reply.message.parts] == [("c", "f", '{"a":1}')]  # type: ignore[union-attr]


def test_a_call_without_arguments_says_an_empty_object() -> None:
    _, reply = streamed(PartStarted(part=0, value=ToolCall(id="c", name="f")), PartEnded(part=0))
    assert [part.arguments for part in reply.message.parts] == ["{}"]  # type: ignore[union-attr]


def test_empty_parts_open_nothing() -> None:
    """Traps 4 and 6: a spurious empty block in front."""
    events, _ = streamed(
        PartStarted(part=0, value=Text(text="")),
        PartStarted(part=1, value=Reasoning()),
        PartEnded(part=1),
        PartGrew(part=0, text=""),
        PartStarted(part=2, value=ToolCall(id="c", name="f")),
    )
    assert [item.type for item in events[-1].response.output] == ["function_call"]


def test_a_seal_that_comes_late_is_kept_with_what_was_thought() -> None:
    _, reply = streamed(
        PartStarted(part=0, value=Reasoning(maker="openai")),
        PartGrew(part=0, text="hm"),
        PartStarted(part=1, value=Text(text="")),
        PartGrew(part=1, text="Sun."),
        PartGrew(part=0, signature="sig"),
    )
    shown, said, sealed = reply.message.parts
    assert (shown, said) == (Reasoning(id="rs_X1_0", summary="hm"), Text(text="Sun.", extra=said.extra))
    assert sealed == Reasoning(text="hm", signature="sig", maker="openai")


def test_reasoning_of_openais_keeps_its_own_seal_and_id() -> None:
    part = Reasoning(id="rs_9", summary="s", text="raw", encrypted="gAAA", maker="openai")
    item = json.loads(whole(part).body)["output"][0]
    assert (item["id"], item["encrypted_content"]) == ("rs_9", "gAAA")
    assert (item["summary"][0]["text"], item["content"][0]["text"]) == ("s", "raw")


def test_an_image_that_was_made_is_an_item() -> None:
    events, reply = streamed(PartStarted(part=0, value=Media(kind="image", mime="image/png", data="QUJD")))
    assert events[-1].response.output[0].result == "QUJD"
    assert isinstance(reply.message.parts[0], Media)


def test_an_error_in_the_middle_is_a_failed_response() -> None:
    """Codex does not hear a bare `error` (codex-proxy-rs#90)."""
    encoder = RESPONSES.encoder(target())
    body = encoder.feed([PartStarted(part=0, value=Text(text="Su"))])
    body += encoder.fail(ReplyError(message="busy", kind="overloaded_error"), 529)
    events = responses_events(body)
    assert kinds(events)[-1] == "failed"
    failed = events[-1].response
    assert (failed.status, failed.error.code, failed.error.message) == ("failed", "server_is_overloaded", "busy")
    assert failed.output[0].content[0].text == "Su"
    assert encoder.end() == encoder.fail(ReplyError(message="again"), 500) == b""


def test_an_error_before_the_first_word_still_begins_a_response() -> None:
    encoder = RESPONSES.encoder(target())
    assert kinds(responses_events(encoder.fail(ReplyError(message="m"), 500))) == ["created", "in_progress", "failed"]


def test_a_stream_that_broke_off_is_no_success() -> None:
    """Trap 18: a truncated stream reported as success."""
    events, reply = streamed(PartStarted(part=0, value=Text(text="Su")), ends=False)
    assert kinds(events)[-1] == "failed"
    assert reply.error is not None


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ReplyError(message="m", kind="rate_limit_error"), 429, "rate_limit_exceeded"),
        (ReplyError(message="m", code="insufficient_quota"), 429, "insufficient_quota"),
        (ReplyError(message="prompt is too long: 9 tokens"), 400, "context_length_exceeded"),
        (ReplyError(message="m"), 400, "invalid_prompt"),
        (ReplyError(message="m"), 500, "server_error"),
    ],
)
def test_errors_have_the_codes_that_clients_act_on(error: ReplyError, status: int, code: str) -> None:
    events = responses_events(RESPONSES.encoder(target()).fail(error, status))
    assert events[-1].response.error.code == code


def test_pings_are_comments_between_events() -> None:
    encoder = RESPONSES.encoder(target())
    body = encoder.feed([ReplyStarted()]) + encoder.ping() + encoder.feed([ReplyEnded()])
    assert kinds(responses_events(body)) == ["created", "in_progress", "completed"]


def test_ids_are_the_same_each_time_and_unique() -> None:
    deltas = [PartStarted(part=n, value=ToolCall(name="f")) for n in range(3)]
    first, second = streamed(*deltas)[0][-1].response, streamed(*deltas)[0][-1].response
    ids = [(item.id, item.call_id) for item in first.output]
    assert ids == [(item.id, item.call_id) for item in second.output]
    assert len(set(ids)) == 3


def test_further_choices_are_a_loss() -> None:
    encoder = RESPONSES.encoder(target())
    encoder.feed([PartStarted(part=0, choice=1, value=Text(text="b")), PartGrew(part=0, choice=1, text="c")])
    assert encoder.losses == [Loss(path="$.choices", reason="openai_responses gives one answer; 1 more were left out")]


def test_nothing_is_said_of_a_prompt_from_elsewhere() -> None:
    rendered = RESPONSES.render_reply(Reply(), ReplyTarget(model="m", prompt=Prompt(model="other")))
    assert json.loads(rendered.body)["instructions"] is None
