"""Deltas put together to a Reply."""

from dragoman.canonical import (
    Message,
    PartEnded,
    PartGrew,
    PartStarted,
    Reasoning,
    Refusal,
    Reply,
    ReplyEnded,
    ReplyProgressed,
    ReplyStarted,
    Text,
    ToolCall,
    Usage,
)
from dragoman.dialects.assembler import Assembler, merge_extra, settle_stop


def test_nothing_gives_an_empty_reply_that_is_not_whole() -> None:
    assert Assembler().reply() == Reply(message=Message(role="assistant"), is_complete=False)


def test_a_reply_may_be_asked_for_at_any_time() -> None:
    assembler = Assembler()
    assembler.add(
        [ReplyStarted(id="1", model="m"), PartStarted(part=0, value=Text(text="a")), PartGrew(part=0, text="b")]
    )
    assert assembler.reply().message.parts == [Text(text="ab")]
    assembler.add([PartGrew(part=0, text="c"), PartGrew(part=0, annotation={"url": "x"})])
    assembler.add([ReplyProgressed(stop_reason="end", usage=Usage(output=1)), ReplyEnded()])
    assert assembler.reply() == Reply(
        message=Message(role="assistant", parts=[Text(text="abc", annotations=[{"url": "x"}])]),
        id="1",
        model="m",
        stop_reason="end",
        usage=Usage(output=1),
    )


def test_texts_are_appended_but_seals_replace() -> None:
    assembler = Assembler()
    assembler.add([PartStarted(part=0, value=Reasoning(text="a", summary="s", signature="1"))])
    assembler.add([PartGrew(part=0, text="b", summary="t", signature="2", encrypted="x")])
    assert assembler.reply().message.parts == [Reasoning(text="ab", summary="st", signature="2", encrypted="x")]


def test_the_final_form_replaces_what_was_gathered() -> None:
    assembler = Assembler()
    assembler.add([PartStarted(part=0, value=ToolCall(name="f")), PartGrew(part=0, arguments="{")])
    assembler.add([PartEnded(part=0, value=ToolCall(name="g", arguments="{}"))])
    assert assembler.reply().message.parts == [ToolCall(name="g", arguments="{}")]


def test_growth_without_a_beginning_is_text() -> None:
    assembler = Assembler()
    assembler.add([PartGrew(part=0, text="a"), PartGrew(part=0, choice=2, text="b")])
    reply = assembler.reply()
    assert reply.message.parts == [Text(text="a")]
    assert [one.message.parts for one in reply.others] == [[Text(text="b")]]


def test_later_facts_win_and_silence_changes_nothing() -> None:
    assembler = Assembler()
    assembler.add([ReplyStarted(id="1", model="asked", extra={"d": {"a": 1}})])
    assembler.add([ReplyProgressed(model="served", extra={"d": {"b": 2}}), ReplyProgressed(stop_sequence="x")])
    reply = assembler.reply()
    assert (reply.id, reply.model, reply.stop_sequence, reply.extra) == ("1", "served", "x", {"d": {"a": 1, "b": 2}})


def test_the_message_corrects_the_reason() -> None:
    call, served = ToolCall(name="f"), ToolCall(name="search", kind="server")
    assert settle_stop("end", [Text(text="a"), call]) == "tool_use"
    assert settle_stop("length", [call]) == "length"
    assert settle_stop(None, [call]) is None
    assert settle_stop("end", [served, Text(text="a")]) == "end"
    assert settle_stop("end", [Reasoning(text="hm"), Refusal(text="no")]) == "refusal"
    assert settle_stop("end", [Text(text="a"), Refusal(text="no")]) == "end"


def test_what_dialects_keep_is_joined_field_by_field() -> None:
    assert merge_extra({"x": {"a": 1}, "y": {}}, {"x": {"a": 2, "b": 3}}) == {"x": {"a": 2, "b": 3}, "y": {}}
