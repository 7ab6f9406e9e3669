"""Gemini, read: recorded traffic, both spellings, signatures, both framings, refusals, errors."""

import json
from typing import Any

import pytest

from dragoman.canonical import (
    Media,
    Message,
    Other,
    PartStarted,
    Reasoning,
    Refusal,
    Reply,
    Settings,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)
from dragoman.dialects import ALL
from dragoman.dialects.base import RequestTarget, Unreadable
from dragoman.dialects.exact import is_exact
from dragoman.dialects.system_edits import edit_system
from dragoman.wire.splice import splice
from fakes.corpus import SAMPLE, all_records_of, whole_corpus
from fakes.decoding import decode, sse_of
from fakes.replay import body_of

NAME = "gemini_generate"
GEMINI = ALL[NAME]
PLACE = whole_corpus() or SAMPLE
Wire = dict[str, Any]


def content(*parts: Wire, role: str = "user") -> Wire:
    return {"role": role, "parts": list(parts)}


def asked(*parts: Wire, **fields: Any) -> Any:
    return GEMINI.parse_request(json.dumps({"contents": [content(*parts)], **fields}).encode())


def piece(*parts: Wire, reason: str | None = None, **fields: Any) -> Wire:
    candidate = {"content": content(*parts, role="model"), **({"finishReason": reason} if reason else {}), "index": 0}
    return {"candidates": [candidate], **fields}


def whole(*parts: Wire, reason: str = "STOP", **fields: Any) -> Reply:
    return GEMINI.parse_reply(json.dumps(piece(*parts, reason=reason, **fields)).encode())


def test_every_recorded_request_is_written_as_it_came() -> None:
    count = 0
    for record in all_records_of(NAME, PLACE):
        if record.get("request_body"):
            count += 1
            prompt = GEMINI.parse_request(body_of(record, "request"))
            rendered = GEMINI.render_request(prompt, RequestTarget(model="m"))
            assert is_exact(json.loads(rendered.body), record["request_body"]), record["id"]
            assert rendered.losses == []
    assert count > 20


def test_an_edited_system_prompt_changes_its_own_bytes_alone() -> None:
    for record in all_records_of(NAME, PLACE):
        if "systemInstruction" in (record.get("request_body") or {}):
            raw = body_of(record, "request")
            prompt = edit_system(GEMINI.parse_request(raw), append="More.")
            edited = splice(raw, json.loads(GEMINI.render_request(prompt, RequestTarget()).body))
            assert edited.replace(b"\\n\\nMore.", b"", 1) == raw, record["id"]


@pytest.mark.parametrize("key", ["systemInstruction", "system_instruction"])
def test_an_edit_keeps_the_spelling_of_the_body(key: str) -> None:
    raw = (
        b'{"contents": [{"parts": [{"text": "hi"}]}], "%s": {"parts": [{"text": "Be old."}]}, "x": 1.50}' % key.encode()
    )
    prompt = edit_system(GEMINI.parse_request(raw), replace=[("old", "new")])
    rendered = GEMINI.render_request(prompt, RequestTarget())
    assert splice(raw, json.loads(rendered.body)) == raw.replace(b"old", b"new")


def test_a_system_prompt_is_made_where_there_is_none() -> None:
    prompt = edit_system(asked({"text": "hi"}), append="Be new.")
    body = json.loads(GEMINI.render_request(prompt, RequestTarget()).body)
    assert body["systemInstruction"] == {"parts": [{"text": "Be new."}]}


PARTS = [
    ({"text": "a"}, [Text(text="a")]),
    ({"text": "hm", "thought": True}, [Reasoning(text="hm")]),
    (
        {"text": "hm", "thought": True, "thoughtSignature": "c2ln"},
        [Reasoning(text="hm", signature="c2ln", maker="google")],
    ),
    (
        {"functionCall": {"id": "1", "name": "f", "args": {"a": 1}}},
        [ToolCall(id="1", name="f", arguments='{"a":1}')],
    ),
    (
        {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2ln"},
        [Reasoning(signature="c2ln", maker="google"), ToolCall(name="f", arguments="{}")],
    ),
    (
        {"functionResponse": {"id": "1", "name": "f", "response": {"output": "x"}}},
        [ToolResult(call_id="1", name="f", parts=[Text(text="x")])],
    ),
    (
        {"functionResponse": {"name": "f", "response": {"error": "no"}}},
        [ToolResult(name="f", parts=[Text(text="no")], is_error=True)],
    ),
    (
        {"inlineData": {"mimeType": "image/png", "data": "QUJD"}},
        [Media(kind="image", mime="image/png", data="QUJD")],
    ),
    (
        {"fileData": {"mimeType": "application/pdf", "fileUri": "https://x.org/a.pdf"}},
        [Media(kind="document", mime="application/pdf", url="https://x.org/a.pdf")],
    ),
    (
        {"fileData": {"fileUri": "https://www.youtube.com/watch?v=1"}},
        [Media(kind="video", url="https://www.youtube.com/watch?v=1")],
    ),
]


@pytest.mark.parametrize(("part", "found"), PARTS)
def test_each_kind_of_part_is_read_and_written(part: Wire, found: list[Any]) -> None:
    prompt = asked(part)
    assert prompt.messages == [Message(role="user", parts=found)]
    body = json.loads(GEMINI.render_request(prompt, RequestTarget()).body)
    assert body["contents"][0]["parts"] == [part]


def plain(message: Message) -> list[tuple[Any, ...]]:
    """Parts without the notes of their spelling."""
    return [
        (type(one), getattr(one, "text", None), getattr(one, "name", None), getattr(one, "data", None))
        for one in message.parts
    ]


@pytest.mark.parametrize(
    ("snake", "camel"),
    [
        ({"function_call": {"name": "f", "args": {"a_b": 1}}}, {"functionCall": {"name": "f", "args": {"a_b": 1}}}),
        (
            {"inline_data": {"mime_type": "image/png", "data": "QUJD"}},
            {"inlineData": {"mimeType": "image/png", "data": "QUJD"}},
        ),
        ({"text": "a", "thought_signature": "c2ln"}, {"text": "a", "thoughtSignature": "c2ln"}),
    ],
)
def test_both_spellings_mean_the_same_and_come_back_as_they_were(snake: Wire, camel: Wire) -> None:
    prompt = asked(snake)
    assert plain(prompt.messages[0]) == plain(asked(camel).messages[0])
    assert json.loads(GEMINI.render_request(prompt, RequestTarget()).body)["contents"][0]["parts"] == [snake]
    if "function_call" in snake:
        assert prompt.messages[0].parts[0].arguments == '{"a_b":1}'


def test_base64_of_urls_becomes_that_of_others_and_comes_back() -> None:
    part = {"inlineData": {"mimeType": "image/png", "data": "-_-_QQ"}}
    prompt = asked(part)
    assert prompt.messages[0].parts[0].data == "+/+/QQ=="
    assert json.loads(GEMINI.render_request(prompt, RequestTarget()).body)["contents"][0]["parts"] == [part]


def test_a_file_that_lies_with_google_is_no_url() -> None:
    place = "https://generativelanguage.googleapis.com/v1beta/files/abc"
    assert asked({"fileData": {"fileUri": place}}).messages[0].parts == [Media(kind="document", file_id=place)]


def test_a_signature_stands_on_the_part_after_it() -> None:
    prompt = asked(
        {"text": "hm", "thought": True}, {"functionCall": {"name": "f"}, "thoughtSignature": "c2ln"}, {"text": "x"}
    )
    kinds = [type(part).__name__ for part in prompt.messages[0].parts]
    assert kinds == ["Reasoning", "Reasoning", "ToolCall", "Text"]
    places = [GEMINI.locate(prompt, 0, number) for number in range(4)]
    assert places == [f"$.contents[0].parts[{number}]" for number in (0, 1, 1, 2)]


def test_google_s_own_tools_are_the_servers() -> None:
    code = {"executableCode": {"language": "PYTHON", "code": "print(1)"}}
    result = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}
    parts = asked(code, result).messages[0].parts
    assert [(type(part), part.kind) for part in parts] == [(ToolCall, "server"), (ToolResult, "server")]
    assert parts[1].parts == [Text(text="1")]


def test_an_unknown_part_is_kept() -> None:
    assert asked({"hologram": {"a": 1}}).messages[0].parts == [
        Other(dialect=NAME, kind="hologram", value={"hologram": {"a": 1}})
    ]


def test_settings_and_tools_are_read() -> None:
    prompt = asked(
        {"text": "a"},
        generationConfig={
            "maxOutputTokens": 5,
            "temperature": 0.5,
            "topP": 0.9,
            "topK": 3.0,
            "stopSequences": ["x"],
            "seed": 1,
            "responseMimeType": "application/json",
            "responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": True}}},
            "thinkingConfig": {"thinkingLevel": "HIGH"},
        },
        tools=[
            {"functionDeclarations": [{"name": "f", "description": "d", "parameters": {"type": "OBJECT"}}]},
            {"google_search": {}},
        ],
        toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        systemInstruction={"parts": [{"text": "s"}]},
    )
    schema = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}
    assert prompt.settings == Settings(
        max_tokens=5,
        temperature=0.5,
        top_p=0.9,
        top_k=3,
        stop=["x"],
        seed=1,
        effort="high",
        tool_choice={"name": "f"},
        response_format={"schema": schema},
    )
    assert prompt.tools == [
        Tool(name="f", description="d", schema={"type": "object"}),
        Tool(name="googleSearch", kind="server", extra={NAME: {"googleSearch": {}}}),
    ]
    assert prompt.messages[0] == Message(role="system", parts=[Text(text="s")])


@pytest.mark.parametrize(
    ("thinking", "found"),
    [
        ({"thinkingBudget": 0}, ("none", None)),
        ({"thinkingBudget": 99}, (None, 99)),
        ({"thinkingBudget": -1}, (None, None)),
    ],
)
def test_budgets_of_thought(thinking: Wire, found: tuple[Any, Any]) -> None:
    settings = asked({"text": "a"}, generationConfig={"thinkingConfig": thinking}).settings
    assert (settings.effort, settings.thinking_budget) == found


def test_a_changed_setting_is_written_beside_the_others() -> None:
    import msgspec

    prompt = asked({"text": "a"}, generationConfig={"temperature": 1, "speechConfig": {"a": 1}})
    prompt = msgspec.structs.replace(prompt, settings=Settings(temperature=0.5))
    body = json.loads(GEMINI.render_request(prompt, RequestTarget()).body)
    assert body["generationConfig"] == {"speechConfig": {"a": 1}, "temperature": 0.5}


def test_usage_holds_the_cache_in_and_leaves_the_thoughts_out() -> None:
    figures = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 60,
        "candidatesTokenCount": 7,
        "thoughtsTokenCount": 30,
        "toolUsePromptTokenCount": 5,
        "totalTokenCount": 142,
    }
    assert whole({"text": "a"}, usageMetadata=figures).usage == Usage(
        input_fresh=45, cache_read=60, output=37, reasoning=30, native=figures
    )


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        *(("STOP", "end"), ("MAX_TOKENS", "length"), ("SAFETY", "refusal"), ("MODEL_ARMOR", "refusal")),
        *(("MALFORMED_FUNCTION_CALL", "other"), ("SOMETHING_NEW", "other")),
    ],
)
def test_reasons_of_ending(word: str, reason: str) -> None:
    reply = whole({"text": "a"}, reason=word)
    assert (reply.stop_reason, reply.native_stop_reason, reply.is_complete) == (reason, word, True)


def test_stop_is_said_of_calls_too() -> None:
    assert whole({"functionCall": {"name": "f"}}).stop_reason == "tool_use"


def test_a_refused_prompt_has_no_candidates() -> None:
    feedback = {"blockReason": "SAFETY", "blockReasonMessage": "no"}
    given = {"promptFeedback": feedback, "usageMetadata": {"promptTokenCount": 3}}
    reply = GEMINI.parse_reply(json.dumps(given).encode())
    streamed, _, _ = decode(NAME, sse_of(given))
    for one in (reply, streamed):
        assert (one.stop_reason, one.native_stop_reason, one.is_complete) == ("refusal", "SAFETY", True)
        assert one.message.parts == [Refusal(text="no")]
        assert one.usage and one.usage.input_fresh == 3


def test_further_candidates_are_choices() -> None:
    first, second = piece({"text": "a"}, reason="STOP"), piece({"text": "b"}, reason="MAX_TOKENS")
    second["candidates"][0]["index"] = 1
    both = {"candidates": [*second["candidates"], *first["candidates"]]}
    for reply in (GEMINI.parse_reply(json.dumps(both).encode()), decode(NAME, sse_of(first, second))[0]):
        assert reply.message.parts == [Text(text="a")]
        assert [(one.message.parts, one.stop_reason) for one in reply.others] == [([Text(text="b")], "length")]


PIECES = [
    piece({"text": "I th", "thought": True}, responseId="r", modelVersion="m"),
    piece({"text": "ink", "thought": True}),
    piece({"text": "Hel"}),
    piece({"text": "lo"}),
    piece({"functionCall": {"name": "f", "args": {"a": "}]"}}, "thoughtSignature": "c2ln"}),
    piece({"text": ""}, reason="STOP", usageMetadata={"promptTokenCount": 3, "candidatesTokenCount": 4}),
]


@pytest.mark.parametrize("body", [sse_of(*PIECES), json.dumps(PIECES).encode(), json.dumps(PIECES, indent=2).encode()])
def test_events_and_arrays_are_read_alike(body: bytes) -> None:
    reply, _, warnings = decode(NAME, body)
    assert warnings == []
    assert reply.message.parts == [
        Reasoning(text="I think"),
        Text(text="Hello"),
        Reasoning(signature="c2ln", maker="google"),
        ToolCall(name="f", arguments='{"a":"}]"}'),
    ]
    assert (reply.id, reply.model, reply.stop_reason, reply.is_complete) == ("r", "m", "tool_use", True)
    assert reply.usage and (reply.usage.input_fresh, reply.usage.output) == (3, 4)


def test_pieces_of_an_array_come_as_soon_as_they_are_whole() -> None:
    decoder = GEMINI.decoder()
    body = json.dumps(PIECES).encode()
    end = body.index(b']}, "index": 0}], "responseId"')
    assert not any(isinstance(one, PartStarted) for one in decoder.feed(body[:end]))
    assert any(isinstance(one, PartStarted) for one in decoder.feed(body[end : end + 80]))


def test_arguments_that_come_one_by_one_are_put_together() -> None:
    def more(path: str, **value: Any) -> Wire:
        return piece({"functionCall": {"partialArgs": [{"jsonPath": path, **value}], "willContinue": True}})

    reply, _, _ = decode(
        NAME,
        sse_of(
            piece({"functionCall": {"name": "f", "willContinue": True}, "thoughtSignature": "c2ln"}),
            more("$.a.b[0].c", stringValue="x", willContinue=True),
            more("$.a.b[0].c", stringValue="y"),
            more("$.a.b[1]", numberValue=2),
            more("$.d", boolValue=True),
            more("$.e", nullValue="NULL_VALUE"),
            more("nonsense", stringValue="z"),
            piece({"functionCall": {}}),
            piece({"functionCall": {"name": "g", "args": {}}}, reason="STOP"),
        ),
    )
    assert [(one.name, json.loads(one.arguments)) for one in reply.message.parts if isinstance(one, ToolCall)] == [
        ("f", {"a": {"b": [{"c": "xy"}, 2]}, "d": True, "e": None}),
        ("g", {}),
    ]


def test_a_signature_on_an_empty_text_stands_alone() -> None:
    reply, _, _ = decode(
        NAME, sse_of(piece({"text": "a"}), piece({"text": "", "thoughtSignature": "c2ln"}, reason="STOP"))
    )
    assert [type(part) for part in reply.message.parts] == [Text, Reasoning]
    assert reply.message.parts[0] == Text(text="a")


@pytest.mark.parametrize("is_array", [False, True])
def test_an_error_in_the_stream_ends_it(is_array: bool) -> None:
    pieces = [piece({"text": "a"}), {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}]
    reply, _, _ = decode(NAME, json.dumps(pieces).encode() if is_array else sse_of(*pieces))
    assert reply.error and (reply.error.message, reply.error.code) == ("busy", "UNAVAILABLE")
    assert not reply.is_complete
    assert reply.message.parts == [Text(text="a")]


def test_a_stream_without_a_reason_is_not_complete() -> None:
    for body in (sse_of(piece({"text": "a"})), json.dumps([piece({"text": "a"})]).encode()[:-3]):
        assert not decode(NAME, body)[0].is_complete


def test_a_whole_reply_where_a_stream_was_asked_for() -> None:
    reply, _, _ = decode(NAME, json.dumps(piece({"text": "a"}, reason="STOP")).encode())
    assert (reply.message.parts, reply.is_complete) == ([Text(text="a")], True)


@pytest.mark.parametrize("is_listed", [False, True])
def test_an_error_tells_google_s_word_for_it(is_listed: bool) -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}]
    body: Any = {"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED", "details": details}}
    error = GEMINI.parse_error(429, {}, json.dumps([body] if is_listed else body).encode()).error
    assert error and (error.message, error.code, error.kind) == (
        "slow down",
        "RESOURCE_EXHAUSTED",
        "RESOURCE_EXHAUSTED",
    )
    assert error.extra == {NAME: {"details": details}}


@pytest.mark.parametrize("key", ["generateContentRequest", "generate_content_request"])
def test_a_question_for_the_number_of_tokens(key: str) -> None:
    given = {
        key: {
            "model": "models/m",
            "contents": [content({"text": "a"})],
            "system_instruction": {"parts": [{"text": "s"}]},
        }
    }
    raw = json.dumps(given).encode()
    prompt = GEMINI.parse_request(raw)
    assert [message.parts for message in prompt.messages] == [[Text(text="s")], [Text(text="a")]]
    assert GEMINI.locate(prompt, 0) == f"$.{key}.system_instruction"
    assert json.loads(GEMINI.render_request(prompt, RequestTarget()).body) == given
    reply = GEMINI.parse_reply(b'{"totalTokens": 8, "cachedContentTokenCount": 3}')
    assert reply.usage and (reply.usage.input_fresh, reply.usage.cache_read) == (5, 3)


@pytest.mark.parametrize(
    "given",
    [
        {"content": {"parts": [{"text": "a"}]}, "taskType": "X", "outputDimensionality": 3},
        {"requests": [{"model": "models/m", "content": {"parts": [{"text": "a"}]}}], "x": 1},
        {"contents": {"parts": [{"text": "a"}]}},
        {"contents": "a"},
        {"contents": [{"parts": {"text": "a"}}]},
        {"contents": [{"role": "function", "parts": [{"text": "a"}]}], "systemInstruction": "s"},
    ],
)
def test_other_forms_of_a_body_are_read_and_written(given: Wire) -> None:
    prompt = GEMINI.parse_request(json.dumps(given).encode())
    assert prompt.messages[-1].parts[0].text == "a"  # type: ignore[union-attr]
    assert json.loads(GEMINI.render_request(prompt, RequestTarget()).body) == given


def test_vectors_are_counted() -> None:
    reply = GEMINI.parse_reply(b'{"embeddings": [{"values": [0.1]}, {"values": [0.2]}]}')
    assert reply.extra == {NAME: {"embeddings": 2}}


@pytest.mark.parametrize("body", [b'{"messages": []}', b"[1]", b"x"])
def test_what_is_no_request_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable, match="expected"):
        GEMINI.parse_request(body)
