"""Efforts, budgets, media types and ids of calls: the small tables that several dialects share."""

import base64

import pytest

from dragoman.canonical import Message, Prompt, ToolCall, ToolResult
from dragoman.dialects.call_ids import with_call_ids
from dragoman.dialects.efforts import budget_of, effort_of
from dragoman.dialects.media import data_url, sniff


@pytest.mark.parametrize("effort", ["low", "medium", "high"])
def test_an_effort_comes_back_from_its_budget(effort: str) -> None:
    assert effort_of(budget_of(effort) or 0) == effort


def test_more_effort_is_never_a_smaller_budget() -> None:
    budgets = [budget_of(effort) or 0 for effort in ("none", "minimal", "low", "medium", "high", "xhigh", "max")]
    assert budgets == sorted(budgets)


@pytest.mark.parametrize(
    ("data", "mime"),
    [
        (b"\x89PNG\r\n\x1a\n0000", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x01\x02\x03\x04WEBPVP8 ", "image/webp"),
        (b"RIFF\x01\x02\x03\x04WAVEfmt ", None),
        (b"%PDF-1.7", "application/pdf"),
        (b"ABC", None),
        (b"", None),
    ],
)
def test_the_first_bytes_tell_the_media_type(data: bytes, mime: str | None) -> None:
    coded = base64.b64encode(data).decode()
    assert sniff(coded) == mime
    assert data_url(None, coded, "image/png").startswith(f"data:{mime or 'image/png'};base64,")


def test_calls_without_ids_get_some_and_results_find_them() -> None:
    prompt = Prompt(
        messages=[
            Message(role="assistant", parts=[ToolCall(name="f"), ToolCall(name="g"), ToolCall(name="f")]),
            Message(role="tool", parts=[ToolResult(name="g")]),
            Message(role="tool", parts=[ToolResult(name="f")]),
            Message(role="tool", parts=[ToolResult()]),
        ]
    )
    given = with_call_ids(prompt)
    assert [part.id for part in given.messages[0].parts] == ["call_0_0", "call_0_1", "call_0_2"]  # type: ignore[union-attr]
    results = [message.parts[0] for message in given.messages[1:]]
    assert [part.call_id for part in results] == ["call_0_1", "call_0_0", "call_0_2"]  # type: ignore[union-attr]
    longer = longer_by(prompt, Message(role="user"))
    assert with_call_ids(longer).messages[:4] == given.messages


def test_ids_that_are_there_stay() -> None:
    call, result = ToolCall(id="a", name="f"), ToolResult(call_id="a", name="f")
    prompt = Prompt(messages=[Message(role="assistant", parts=[call]), Message(role="tool", parts=[result])])
    assert with_call_ids(prompt) is prompt
    nameless = Prompt(messages=[prompt.messages[0], Message(role="tool", parts=[ToolResult(call_id="a")])])
    assert with_call_ids(nameless) == prompt


def test_a_result_of_no_call_gets_an_id_of_its_own() -> None:
    given = with_call_ids(Prompt(messages=[Message(role="tool", parts=[ToolResult(name="h")])]))
    assert given.messages[0].parts == [ToolResult(call_id="call_0_0", name="h")]


def longer_by(prompt: Prompt, message: Message) -> Prompt:
    return Prompt(messages=[*prompt.messages, message])
