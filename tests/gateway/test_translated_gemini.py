"""Gemini over routes: as the model that a client of Messages asks, as the client, and renamed and edited in its own."""

import json
from pathlib import Path
from typing import Any

from dragoman.journal.format import Alteration
from dragoman.records.route import Route, SystemEdits, Target
from dragoman.records.setup import Setup
from fakes.client import Reply
from fakes.gateway import RunningGateway, running_gateway
from fakes.upstream import FakeUpstream

TO_GEMINI = Route(name="to-gemini", model="claude-*", targets=[Target(provider="gemini", model="gemini-3-pro")])
TO_CLAUDE = Route(name="to-claude", model="gemini-a", targets=[Target(provider="anthropic", model="claude-x")])
RENAMED = Route(
    name="renamed",
    model="gemini-b",
    targets=[Target(provider="gemini", model="gemini-2.5-pro")],
    system=SystemEdits(append="More."),
)
TOOL = {"name": "f", "input_schema": {"type": "object"}}
MESSAGES_REPLY = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "stop_reason": "end_turn",
    "stop_sequence": None, "content": [{"type": "text", "text": "Hello"}],
    "usage": {"input_tokens": 3, "output_tokens": 2},
}  # fmt: skip


def running(tmp_path: Path, **urls: str) -> Any:
    return running_gateway(tmp_path, setup=Setup(version=1, routes=[TO_GEMINI, TO_CLAUDE, RENAMED]), **urls)


def request(path: str, body: Any, *headers: str) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(data)}", "", ""]).encode() + data


def answer(body: bytes, media: str = "application/json") -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def events(*values: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(value).encode() + b"\r\n\r\n" for value in values)


def piece(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, **more}], "modelVersion": "g"}


async def ask(gateway: RunningGateway, data: bytes) -> Reply:
    async with gateway.client() as client:
        return await client.ask(data)


def told(body: bytes, kind: str) -> list[Any]:
    values = [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: ")]
    return [value for value in values if value["type"] == kind]


async def test_a_client_of_messages_gets_gemini_s_stream_and_brings_its_signature_back(tmp_path: Path) -> None:
    call = {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"}
    stream = events(piece({"text": "hm", "thought": True}), piece(call, finishReason="STOP"))
    question = [{"role": "user", "content": "q"}]
    asked = {"model": "claude-1", "max_tokens": 99, "messages": question, "tools": [TOOL]}
    headers = ("anthropic-version: 2023-06-01", "x-api-key: k")
    async with FakeUpstream() as gemini, running(tmp_path, gemini=gemini.url) as gateway:
        gemini.reply(answer(stream, "text/event-stream"))
        reply = await ask(gateway, request("/v1/messages", {**asked, "stream": True}, *headers))
        starts = [one["content_block"] for one in told(reply.body, "content_block_start")]
        sealed = next(one for one in starts if one["type"] == "redacted_thinking")
        use = next(one for one in starts if one["type"] == "tool_use")
        turns = [
            *question,
            {"role": "assistant", "content": [sealed, {**use, "input": {"a": 1}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use["id"], "content": "x"}]},
        ]
        gemini.reply(answer(json.dumps(piece({"text": "done"}, finishReason="STOP")).encode()))
        last = await ask(gateway, request("/v1/messages", {**asked, "messages": turns}, *headers))
        first, second = gemini.received
    assert first.line == b"POST /v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse HTTP/1.1"
    assert (first.header(b"x-goog-api-key"), first.header(b"x-api-key")) == (b"k", None)
    assert told(reply.body, "message_delta")[0]["delta"]["stop_reason"] == "tool_use"
    assert second.line == b"POST /v1beta/models/gemini-3-pro:generateContent HTTP/1.1"
    contents = json.loads(second.body)["contents"]
    assert contents[1]["parts"][0]["thoughtSignature"] == "c2ln"
    assert contents[2]["parts"][0]["functionResponse"]["name"] == "f"
    assert json.loads(last.body)["content"][0]["text"] == "done"


async def test_a_client_of_gemini_gets_claude_s_answer(tmp_path: Path) -> None:
    body = {"contents": [{"parts": [{"text": "q"}]}]}
    async with FakeUpstream() as anthropic, running(tmp_path, anthropic=anthropic.url) as gateway:
        anthropic.reply(answer(json.dumps(MESSAGES_REPLY).encode()))
        reply = await ask(gateway, request("/v1beta/models/gemini-a:generateContent", body, "x-goog-api-key: k"))
        got = anthropic.received[0]
    assert json.loads(got.body)["model"] == "claude-x"
    assert got.header(b"x-api-key") == b"k"
    said = json.loads(reply.body)
    assert (said["candidates"][0]["content"]["parts"], said["modelVersion"]) == ([{"text": "Hello"}], "gemini-a")


async def test_a_client_that_did_not_ask_for_events_gets_an_array(tmp_path: Path) -> None:
    body = {"contents": [{"parts": [{"text": "q"}]}]}
    async with FakeUpstream() as anthropic, running(tmp_path, anthropic=anthropic.url) as gateway:
        anthropic.reply(answer(json.dumps(MESSAGES_REPLY).encode()))  # a server that does not stream
        target = "/v1beta/models/gemini-a:streamGenerateContent"
        reply = await ask(gateway, request(target, body, "x-goog-api-key: k"))
    assert reply.header(b"content-type") == b"application/json"
    said = [one["candidates"][0]["content"]["parts"][0]["text"] for one in json.loads(reply.body)]
    assert "".join(said) == "Hello"


async def test_in_its_own_dialect_a_route_changes_model_and_system_prompt_alone(tmp_path: Path) -> None:
    raw = b'{ "contents": [{"parts": [{"text": "q"}]}], "system_instruction": {"parts": [{"text": "s"}]}, "x": 1.50 }'
    stream = events(piece({"text": "a"}, finishReason="STOP"))
    async with FakeUpstream() as gemini, running(tmp_path, gemini=gemini.url) as gateway:
        gemini.reply(answer(stream, "text/event-stream"))
        target = "/v1beta/models/gemini-b:streamGenerateContent?alt=sse"
        reply = await ask(gateway, request(target, raw, "x-goog-api-key: k"))
        records = await gateway.records(reply.exchange)
        got = gemini.received[0]
    assert got.line == b"POST /v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse HTTP/1.1"
    assert got.body == raw.replace(b'"s"', b'"s\\n\\nMore."')
    assert reply.body == stream
    done = [one.what for one in records if isinstance(one, Alteration)]
    assert "model: gemini-b -> gemini-2.5-pro" in done
    assert "system edited" in done
