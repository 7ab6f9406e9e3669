"""Gemini, written: requests, replies and streams of other dialects."""

import base64
import json
from typing import Any

import pytest

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
from dragoman.dialects.base import ReplyTarget, RequestTarget, Untranslatable
from dragoman.dialects.exact import bare
from dragoman.dialects.gemini_generate.rendering import NO_SIGNATURE
from dragoman.dialects.translate import read_prompt, stream_media_type, without_foreign_seals
from fakes.decoding import decode
from fakes.genai_sdk import gemini_pieces, gemini_reply

NAME = "gemini_generate"
GEMINI = ALL[NAME]
Wire = dict[str, Any]
CALL = ToolCall(id="c1", name="f", arguments='{"a":1}')
RESULT = ToolResult(call_id="c1", parts=[Text(text="x")])
SEALED = Reasoning(text="hm", signature="c2ln", maker="anthropic")
TO = ReplyTarget(model="m", seed="X1")


def says(role: Any, *parts: Any) -> Message:
    return Message(role=role, parts=[Text(text=part) if isinstance(part, str) else part for part in parts])


def written(*messages: Message, model: str = "gemini-2.5-pro", **fields: Any) -> tuple[Wire, list[str]]:
    rendered = GEMINI.render_request(Prompt(messages=list(messages), **fields), RequestTarget(model=model))
    return json.loads(rendered.body), [loss.path for loss in rendered.losses]


def test_the_path_names_model_and_stream() -> None:
    assert GEMINI.path("gemini-3-pro", is_streamed=False) == "/v1beta/models/gemini-3-pro:generateContent"
    assert GEMINI.path("models/a/b", is_streamed=True) == "/v1beta/models/a%2Fb:streamGenerateContent?alt=sse"


def test_results_stand_in_a_content_of_their_own() -> None:
    body, losses = written(
        says("system", "s"), says("user", "q"), says("assistant", CALL), says("tool", RESULT), says("user", "go on")
    )
    assert body["systemInstruction"] == {"parts": [{"text": "s"}]}
    assert [(one["role"], [next(iter(part)) for part in one["parts"]]) for one in body["contents"]] == [
        ("user", ["text"]),
        ("model", ["functionCall"]),
        ("user", ["functionResponse"]),
        ("user", ["text"]),
    ]
    assert body["contents"][1]["parts"] == [{"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}}]
    assert body["contents"][2]["parts"] == [
        {"functionResponse": {"id": "c1", "name": "f", "response": {"output": "x"}}}
    ]
    assert losses == []


def test_a_failed_result_is_an_error_and_pictures_are_parts_of_it() -> None:
    picture = Media(kind="image", mime="image/png", data="QUJD")
    body, _ = written(
        says("user", "q"),
        says("assistant", CALL),
        says("tool", ToolResult(call_id="c1", parts=[Text(text="no"), picture], is_error=True)),
    )
    assert body["contents"][2]["parts"] == [
        {
            "functionResponse": {
                "id": "c1",
                "name": "f",
                "response": {"error": "no"},
                "parts": [{"inlineData": {"mimeType": "image/png", "data": "QUJD"}}],
            }
        }
    ]


def test_google_s_signature_goes_back_on_the_call_it_led_to() -> None:
    seal = Reasoning(signature="c2ln", maker="google")
    body, losses = written(says("user", "q"), says("assistant", seal, CALL), says("tool", RESULT), model="gemini-3-pro")
    assert body["contents"][1]["parts"][0]["thoughtSignature"] == "c2ln"
    assert losses == []


@pytest.mark.parametrize(("model", "found"), [("gemini-3-pro", NO_SIGNATURE), ("gemini-2.5-pro", None)])
def test_others_thoughts_stay_out_and_gemini_3_is_told_that_there_are_none(model: str, found: str | None) -> None:
    second = ToolCall(id="c2", name="g", arguments="")
    body, losses = written(
        says("user", "q"), says("assistant", SEALED, CALL, second), says("tool", RESULT), model=model
    )
    parts = body["contents"][1]["parts"]
    assert [one.get("thoughtSignature") for one in parts] == [found, None]
    assert losses[-1] == "messages[1].parts[0]"


def test_settings_are_written() -> None:
    settings = Settings(
        max_tokens=5,
        temperature=0.5,
        top_p=0.9,
        top_k=3,
        stop=["a", "b", "c", "d", "e", "f"],
        seed=1,
        tool_choice={"name": "f"},
        response_format={"schema": {"type": "object"}, "name": "n"},
        parallel_tools=False,
        user="u",
    )
    body, losses = written(says("user", "q"), tools=[Tool(name="f", schema={"type": "object"})], settings=settings)
    assert body["generationConfig"] == {
        "maxOutputTokens": 5,
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 3,
        "stopSequences": ["a", "b", "c", "d", "e"],
        "seed": 1,
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object"},
    }
    assert body["tools"] == [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object"}}]}]
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}}
    assert losses == ["settings.parallel_tools", "settings.stop", "settings.user"]


@pytest.mark.parametrize(
    ("model", "settings", "found", "losses"),
    [
        ("gemini-3-pro", Settings(effort="xhigh"), {"thinkingLevel": "high"}, []),
        ("gemini-flash-latest", Settings(effort="low"), {"thinkingLevel": "low"}, []),
        ("gemini-2.5-flash", Settings(effort="low"), {"thinkingBudget": 1024}, []),
        ("gemini-2.5-flash", Settings(effort="none"), {"thinkingBudget": 0}, []),
        ("gemini-2.5-flash", Settings(thinking_budget=99), {"thinkingBudget": 99, "includeThoughts": True}, []),
        ("gemini-2.0-flash", Settings(effort="low"), None, ["settings.effort"]),
    ],
)
def test_thinking_is_asked_for_in_the_model_s_words(
    model: str, settings: Settings, found: Any, losses: list[str]
) -> None:
    body, lost = written(says("user", "q"), model=model, settings=settings)
    assert (body.get("generationConfig", {}).get("thinkingConfig"), lost) == (found, losses)


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(Untranslatable, match="another provider"):
        written(says("user", Media(kind="image", file_id="file_1")))
    with pytest.raises(Untranslatable, match="n is 2"):
        written(says("user", "q"), settings=Settings(n=2))


def test_a_picture_s_address_goes_with_its_type() -> None:
    body, _ = written(says("user", Media(kind="image", url="https://x.org/a.webp?b=1")))
    assert body["contents"][0]["parts"] == [
        {"fileData": {"mimeType": "image/webp", "fileUri": "https://x.org/a.webp?b=1"}}
    ]


REPLY = Reply(
    message=says("assistant", SEALED, "Hi", ToolCall(name="f", arguments="")),
    id="r",
    stop_reason="tool_use",
    usage=Usage(input_fresh=10, cache_read=5, output=7, reasoning=3),
)


def test_a_reply_is_written_and_its_seal_comes_back() -> None:
    body = GEMINI.render_reply(REPLY, TO).body
    found = gemini_reply(body)
    assert (found.text, found.candidates[0].finish_reason, found.model_version) == ("Hi", "STOP", "m")
    assert found.function_calls[0].id == "call_X1_2"
    figures = found.usage_metadata
    assert (figures.prompt_token_count, figures.candidates_token_count, figures.thoughts_token_count) == (15, 4, 3)
    assert figures.total_token_count == 22
    again = found.candidates[0].content.model_dump(mode="json", by_alias=True, exclude_none=True)
    prompt = GEMINI.parse_request(json.dumps({"contents": [again]}).encode())
    assert bare(prompt.messages[0].parts[0]) == SEALED


def test_a_seal_of_another_maker_is_taken_out_before_google_sees_it() -> None:
    content = json.loads(GEMINI.render_reply(REPLY, TO).body)["candidates"][0]["content"]
    raw = json.dumps({"contents": [content]}).encode()
    assert base64.b64encode(b"dragoman.1.")[:14] in raw
    left = json.loads(without_foreign_seals(NAME, raw))
    assert [next(iter(part)) for part in left["contents"][0]["parts"]] == ["text", "functionCall"]


DELTAS = [
    ReplyStarted(id="r", model="other"),
    PartStarted(part=0, value=Reasoning(maker="anthropic")),
    PartGrew(part=0, text="h"),
    PartGrew(part=0, text="m"),
    PartGrew(part=0, signature="c2ln"),
    PartEnded(part=0),
    PartStarted(part=1, value=Text(text="")),
    PartGrew(part=1, text="Hé"),
    PartStarted(part=2, value=ToolCall(id="c1", name="f")),
    PartGrew(part=2, arguments='{"a"'),
    PartGrew(part=1, text="llo"),
    PartGrew(part=2, arguments=":1}"),
    PartEnded(part=1),
    PartEnded(part=2),
    ReplyProgressed(stop_reason="tool_use", usage=Usage(input_fresh=1, output=2)),
    ReplyEnded(),
]


def test_a_stream_is_written_as_the_sdk_takes_it() -> None:
    encoder = GEMINI.encoder(TO)
    body = b"".join(encoder.feed([delta]) for delta in DELTAS) + encoder.end()
    pieces = gemini_pieces(body)
    assert "".join(one.text or "" for one in pieces) == "Héllo"
    assert pieces[-1].candidates[0].finish_reason == "STOP"
    assert {one.model_version for one in pieces} == {"m"}
    reply, _, warnings = decode(NAME, body)
    assert warnings == []
    assert [type(part) for part in reply.message.parts] == [Reasoning, Text, ToolCall]
    assert reply.message.parts[2] == CALL
    assert (reply.stop_reason, reply.is_complete, encoder.losses) == ("tool_use", True, [])


def test_each_delta_is_written_at_once() -> None:
    encoder = GEMINI.encoder(TO)
    encoder.feed(DELTAS[:7])
    assert "Hé".encode() in encoder.feed([DELTAS[7]])


ASKED_ARRAY = read_prompt(NAME, "stream_generate", "/v1beta/models/m:streamGenerateContent", b'{"contents":[]}')


@pytest.mark.parametrize("is_broken", [False, True])
def test_a_client_that_did_not_ask_for_events_gets_an_array(is_broken: bool) -> None:
    encoder = GEMINI.encoder(ReplyTarget(model="m", seed="X1", prompt=ASKED_ARRAY))
    deltas = DELTAS[:8] if is_broken else DELTAS
    body = b"".join(encoder.feed([delta]) for delta in deltas) + encoder.end()
    assert next(iter(json.loads(body)[-1])) == ("error" if is_broken else "candidates")
    reply, _, _ = decode(NAME, body)
    assert reply.is_complete is not is_broken
    assert stream_media_type(NAME, ASKED_ARRAY) == "application/json"


def test_a_client_that_asks_for_events_gets_events() -> None:
    path = "/v1beta/models/m:streamGenerateContent?key=k&alt=sse"
    prompt = read_prompt(NAME, "stream_generate", path, b'{"contents":[]}')
    assert (prompt.model, prompt.is_streamed) == ("m", True)
    assert stream_media_type(NAME, prompt) == "text/event-stream"


def test_a_stream_that_breaks_off_tells_it() -> None:
    encoder = GEMINI.encoder(TO)
    body = encoder.feed(DELTAS[:8]) + encoder.fail(ReplyError(message="busy"), 503)
    with pytest.raises(Exception, match="503 UNAVAILABLE"):
        gemini_pieces(body)
    assert encoder.end() == b""
    silent = GEMINI.encoder(TO)
    assert b"ended before" in silent.feed(DELTAS[:8]) + silent.end()


@pytest.mark.parametrize(
    ("reason", "word"), [("length", "MAX_TOKENS"), ("refusal", "SAFETY"), ("stop_sequence", "STOP")]
)
def test_reasons_of_ending_are_written(reason: Any, word: str) -> None:
    rendered = GEMINI.render_reply(Reply(message=says("assistant", "a"), stop_reason=reason), TO)
    assert json.loads(rendered.body)["candidates"][0]["finishReason"] == word
    assert [loss.path for loss in rendered.losses] == (["reply.stop_reason"] if reason == "stop_sequence" else [])
