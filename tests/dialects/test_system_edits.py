"""Edits of the system prompt: what changes, what stays the very same object, and the summary's words."""

from dragoman.canonical import Message, Prompt, Text, ToolCall, ToolResult
from dragoman.dialects.system_edits import REQUEST_SIGNS, edit_system, summarize


def said(role, *texts: str, cache: str | None = None) -> Message:
    return Message(role=role, parts=[Text(text=text, cache=cache) for text in texts])


def texts(prompt: Prompt) -> list[list[str]]:
    return [[part.text for part in message.parts if isinstance(part, Text)] for message in prompt.messages]


def calls(*names: str) -> Message:
    return Message(role="assistant", parts=[ToolCall(id=f"c{n}", name=name) for n, name in enumerate(names)])


TALK = Prompt(
    messages=[
        said("system", "You are old. Be old."),
        said("user", "old question"),
        said("assistant", "old answer"),
        said("developer", "Stay old."),
        said("user", "again"),
    ]
)


def test_replacements_go_in_order_through_every_system_turn_and_nothing_else() -> None:
    edited = edit_system(TALK, replace=[("old", "new"), ("new. Be", "newest. Be")])
    assert texts(edited) == [
        ["You are newest. Be new."],
        ["old question"],
        ["old answer"],
        ["Stay new."],
        ["again"],
    ]
    assert edited.messages[1] is TALK.messages[1]
    assert edited.tools is TALK.tools


def test_what_changes_nothing_is_the_very_prompt() -> None:
    assert edit_system(TALK, replace=[("absent", "x"), ("", "y")]) is TALK
    assert edit_system(TALK) is TALK


def test_a_text_of_which_nothing_is_left_goes() -> None:
    prompt = Prompt(messages=[said("system", "drop me", "keep"), said("developer", "drop me"), said("user", "hi")])
    assert texts(edit_system(prompt, replace=[("drop me", "")])) == [["keep"], ["hi"]]


def test_appending_goes_to_the_end_of_the_system_prompt() -> None:
    prompt = Prompt(messages=[said("system", "one"), said("developer", "two"), said("user", "hi"), said("system", "x")])
    assert texts(edit_system(prompt, append="More.")) == [["one"], ["two\n\nMore."], ["hi"], ["x"]]


def test_without_a_system_prompt_it_becomes_one() -> None:
    edited = edit_system(Prompt(messages=[said("user", "hi")]), append="Be brief.")
    assert [message.role for message in edited.messages] == ["system", "user"]
    assert texts(edited)[0] == ["Be brief."]


def test_replacing_comes_before_appending() -> None:
    edited = edit_system(Prompt(messages=[said("system", "a")]), replace=[("a", "b")], append="a")
    assert texts(edited) == [["b\n\na"]]


def test_the_summary_tells_turns_calls_failures_and_the_last_request() -> None:
    prompt = Prompt(
        messages=[
            said("system", "s"),
            said("user", "first"),
            calls("bash", "read"),
            Message(role="tool", parts=[ToolResult(call_id="c0", is_error=True)]),
            calls("bash"),
            said("user", "<system-reminder>do not\nshow</system-reminder>\n fix   the\ntests "),
        ]
    )
    assert summarize(prompt) == (
        "[Progress: turn 2 of the user. 3 tool calls so far: bash 2, read 1; 1 failed. "
        "The user's last request: fix the tests]"
    )
    assert texts(edit_system(prompt, progress=True))[0] == ["s\n\n" + summarize(prompt)]


def test_the_summary_is_short_whatever_was_said() -> None:
    many = calls(*(f"tool{number}" for number in range(30)))
    summary = summarize(Prompt(messages=[said("user", "x" * 9999), many]))
    assert "and 22 other tools" in summary
    assert len(summary) < REQUEST_SIGNS + 300
    assert summary.endswith("…]")


def test_the_first_turn_has_no_summary() -> None:
    first = Prompt(messages=[said("system", "s"), said("user", "hi")])
    assert edit_system(first, progress=True) is first


def test_the_summary_stands_behind_a_cache_mark_and_what_is_appended_before_it() -> None:
    prompt = Prompt(messages=[said("system", "long", cache="5m"), said("user", "hi"), said("assistant", "yes")])
    edited = edit_system(prompt, append="More.", progress=True)
    assert texts(edited)[0] == ["long\n\nMore.", "[Progress: turn 1 of the user. The user's last request: hi]"]
    first, second = edited.messages[0].parts
    assert (first.cache, second.cache) == ("5m", None)
