"""Conversations by chance: what a client may ask, in the canonical form, for properties of translation."""

import json
from typing import Any

from hypothesis import strategies as st

from dragoman.canonical import AnyPart, Media, Message, Prompt, Reasoning, Settings, Text, Tool, ToolCall, ToolResult

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

_texts = st.text(min_size=1, max_size=30).map(str.strip).filter(bool)
_names = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
_ids = st.from_regex(r"(call|toolu|chatcmpl-tool)[_-][A-Za-z0-9]{4,10}", fullmatch=True)
_arguments = st.dictionaries(_names, st.one_of(_texts, st.integers(-9, 9), st.booleans(), st.none()), max_size=3)
_images = st.just(Media(kind="image", mime="image/png", data=PNG))
_schemas = st.fixed_dictionaries(
    {
        "type": st.just("object"),
        "properties": st.dictionaries(_names, st.just({"type": "string"}), max_size=2),
    }
)
_tools = st.builds(Tool, name=_names, description=st.none() | _texts, schema=_schemas)

settings = st.builds(
    Settings,
    max_tokens=st.none() | st.integers(16, 4096),
    temperature=st.none() | st.sampled_from([0.0, 0.5, 1.0]),
    top_p=st.none() | st.just(0.9),
    stop=st.none() | st.lists(_texts, min_size=1, max_size=3, unique=True),
    seed=st.none() | st.integers(0, 99),
    effort=st.none() | st.sampled_from(["low", "medium", "high"]),
    tool_choice=st.none() | st.sampled_from(["auto", "required", "none"]),
    parallel_tools=st.none() | st.booleans(),
    response_format=st.none() | st.fixed_dictionaries({"schema": _schemas}),
)


@st.composite
def prompts(draw: st.DrawFn, *, has_images_in_results: bool = True) -> Prompt:
    """A conversation: perhaps a system prompt, then turns, of which some call tools and get their results.

    Chat has no place for images in results: they go into the turn after them.
    """
    messages: list[Message] = []
    if draw(st.booleans()):
        messages.append(_message("system", [Text(text=draw(_texts))]))
    used: set[str] = set()
    for _ in range(draw(st.integers(1, 3))):
        messages.append(_message("user", draw(_user_parts())))
        for _ in range(draw(st.integers(0, 2))):
            messages += draw(_round(used, has_images_in_results))
        messages.append(_message("assistant", draw(_answers())))
    messages.append(_message("user", draw(_user_parts())))
    called = {part.name for message in messages for part in message.parts if isinstance(part, ToolCall)}
    tools = [Tool(name=name, schema={"type": "object", "properties": {}}) for name in sorted(called)]
    tools += draw(
        st.lists(_tools.filter(lambda tool: tool.name not in called), max_size=2, unique_by=lambda one: one.name)
    )
    return Prompt(model="m", messages=messages, tools=tools, settings=draw(settings), is_streamed=draw(st.booleans()))


def _message(role: Any, parts: list[AnyPart]) -> Message:
    return Message(role=role, parts=parts)


@st.composite
def _user_parts(draw: st.DrawFn) -> list[AnyPart]:
    parts: list[AnyPart] = [Text(text=draw(_texts))]
    return [*parts, draw(_images)] if draw(st.integers(0, 4)) == 0 else parts


@st.composite
def _answers(draw: st.DrawFn) -> list[AnyPart]:
    thoughts: list[AnyPart] = []
    if draw(st.integers(0, 3)) == 0:
        maker = draw(st.sampled_from(["anthropic", "openai"]))
        seal = {"signature": "c2ln"} if maker == "anthropic" else {"encrypted": "gAAA", "id": "rs_1"}
        thoughts = [Reasoning(text=draw(_texts), maker=maker, **seal)]
    return [*thoughts, Text(text=draw(_texts))]


@st.composite
def _round(draw: st.DrawFn, used: set[str], has_images: bool) -> list[Message]:
    """Calls, and their results in the same order."""
    parts: list[AnyPart] = [Text(text=draw(_texts))] if draw(st.booleans()) else []
    calls: list[ToolCall] = []
    for _ in range(draw(st.integers(1, 2))):
        call_id = draw(_ids.filter(lambda one: one not in used))
        used.add(call_id)
        calls.append(ToolCall(id=call_id, name=draw(_names), arguments=json.dumps(draw(_arguments))))
    results = [
        _message(
            "tool",
            [ToolResult(call_id=call.id, name=call.name, parts=draw(_results(has_images)), is_error=draw(_faults))],
        )
        for call in calls
    ]
    return [_message("assistant", [*parts, *calls]), *results]


_faults = st.integers(0, 5).map(lambda number: number == 0)


@st.composite
def _results(draw: st.DrawFn, has_images: bool) -> list[AnyPart]:
    parts: list[AnyPart] = [Text(text=draw(_texts))]
    return [*parts, draw(_images)] if has_images and draw(st.integers(0, 5)) == 0 else parts
