"""One line for a list."""

import pytest

from dragoman.canonical import (
    AnyPart,
    Media,
    Message,
    Prompt,
    Reasoning,
    Refusal,
    Reply,
    ReplyError,
    Text,
    ToolCall,
    ToolResult,
)
from dragoman.records.summary import PREVIEW_CHARS, prompt_preview, reply_preview


def asked(*messages: Message) -> str:
    return prompt_preview(Prompt(messages=list(messages)))


def user(*parts: AnyPart) -> Message:
    return Message(role="user", parts=list(parts))


def replied(*parts: AnyPart) -> str:
    return reply_preview(Reply(message=Message(role="assistant", parts=list(parts))))


SYSTEM = Message(role="system", parts=[Text(text="You are kind.")])


def test_the_users_last_text_counts() -> None:
    answer = Message(role="assistant", parts=[Text(text="yes?")])
    assert asked(SYSTEM, user(Text(text="first")), answer, user(Text(text=" second\n line "))) == "second line"


def test_what_a_program_put_around_it_is_left_out() -> None:
    typed = user(Text(text="<system-reminder>today is\nFriday</system-reminder>"), Text(text="fix the bug"))
    assert asked(typed) == "fix the bug"
    assert asked(user(Text(text="<environment_context>only</environment_context>"))).startswith("<environment_context>")


def test_a_tool_result_names_its_tool() -> None:
    call = Message(role="assistant", parts=[ToolCall(id="c1", name="bash", arguments="{}")])
    result = ToolResult(call_id="c1", parts=[Text(text="README.md\nsrc"), Media(kind="image", data="x")])
    assert asked(call, user(result)) == "bash → README.md src [image]"
    failed = ToolResult(call_id="zz", parts=[Text(text="no such file")], is_error=True)
    assert asked(Message(role="tool", parts=[failed])) == "tool → error: no such file"


def test_media_are_told_by_their_kind() -> None:
    assert asked(user(Media(kind="image", data="x"), Text(text="what is this?"))) == "[image] what is this?"
    assert asked(user(Media(kind="document", name="a.pdf", data="x"))) == "[document a.pdf]"


def test_a_system_prompt_alone_is_shown() -> None:
    assert asked(SYSTEM) == "You are kind."
    assert asked() == ""


@pytest.mark.parametrize(
    ("parts", "preview"),
    [
        ([Text(text="Hello\n\nthere")], "Hello there"),
        ([Reasoning(text="hm"), Text(text="Hello")], "Hello"),
        ([ToolCall(name="bash", arguments='{"command": "ls"}')], '→ bash({"command": "ls"})'),
        ([Text(text="I look."), ToolCall(name="ls", arguments="{}")], "I look. → ls()"),
        ([ToolCall(name="web_search", arguments="{}", kind="server"), Text(text="Found")], "Found"),
        ([ToolCall(name="web_search", arguments="{}", kind="server")], "→ web_search()"),
        ([Refusal(text="No.")], "No."),
        ([Reasoning(text="only thought")], "only thought"),
        ([Media(kind="image", data="x")], "[image]"),
        ([], ""),
    ],
)
def test_a_reply_is_told_by_its_text_or_its_calls(parts: list[AnyPart], preview: str) -> None:
    assert replied(*parts) == preview


def test_a_reply_without_a_message_tells_why() -> None:
    assert reply_preview(Reply(error=ReplyError(message="overloaded"))) == "overloaded"
    assert reply_preview(Reply(extra={"anthropic_messages": {"input_tokens": 12}})) == "12 input tokens"
    assert reply_preview(Reply(extra={"openai_chat": {"embeddings": 3}})) == "3 embeddings"


def test_previews_are_short() -> None:
    long = "word " * 100_000
    assert len(asked(user(Text(text=long)))) == PREVIEW_CHARS
    assert len(replied(Text(text=long), ToolCall(name="x" * 200, arguments=long))) <= PREVIEW_CHARS
