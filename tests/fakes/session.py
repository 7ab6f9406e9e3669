"""A made-up agent session in the shape of Anthropic's Messages: bodies that grow turn by turn, streamed replies.

System prompt and tools come first and stay; each turn appends the model's tool call and its result, and the cache
marks move to the newest message. Words follow a skewed frequency, as text does, so that they compress like it.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from dragoman.ids import IdMaker
from dragoman.records.chain import body_hash
from dragoman.records.exchange import BodyFacts, Detail, Frame, Head, Recording, Row

START_MS = 1_790_000_000_000
MARK = {"type": "ephemeral"}


@dataclass(frozen=True)
class Turn:
    request: bytes
    reply: bytes
    reply_text: str


class Writer:
    """Writes text of a wanted length from a vocabulary of its own."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        letters = "etaoinshrdlucmfwypvbgk"
        self._words = ["".join(self.random.choices(letters, k=self.random.randint(2, 9))) for _ in range(4_000)]
        self._weights = list(accumulate(1 / (rank + 3) for rank in range(len(self._words))))

    def text(self, length: int) -> str:
        words = self.random.choices(self._words, cum_weights=self._weights, k=length // 5)
        return " ".join(words)[:length]

    def name(self, prefix: str) -> str:
        return prefix + "".join(
            self.random.choices("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0123456789", k=24)
        )


def agent_session(
    turns: int, *, spacing: tuple[str, str] = (",", ":"), seed: int = 1, grows_by: int = 3_600
) -> Iterator[Turn]:
    """Yield the turns of one session; the first body has about 60 KB."""
    writer = Writer(seed)
    system = [
        {"type": "text", "text": "You are an agent."},
        {"type": "text", "text": writer.text(18_000), "cache_control": MARK},
    ]
    tools = [_tool(writer, number) for number in range(25)]
    messages: list[dict[str, Any]] = [{"role": "user", "content": [{"type": "text", "text": writer.text(8_000)}]}]
    for _ in range(turns):
        body = {
            "model": "claude-sonnet-4-5-20250929",
            "max_tokens": 32_000,
            "system": system,
            "tools": tools,
            "messages": _marked(messages),
            "metadata": {"user_id": "user_1_session_2"},
            "stream": True,
        }
        call, text = writer.name("toolu_"), writer.text(500)
        arguments = {"command": writer.text(160), "description": writer.text(40)}
        yield Turn(json.dumps(body, separators=spacing).encode(), _reply(writer, call, text, arguments), text)
        messages += [
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": text},
                    {"type": "tool_use", "id": call, "name": "Bash", "input": arguments},
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": call, "content": writer.text(grows_by - 1_100)}],
            },
        ]


def _marked(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Set cache marks on the last block of the newest two user messages, as Claude Code does."""
    made = list(messages)
    for at in [number for number, one in enumerate(messages) if one["role"] == "user"][-2:]:
        content = messages[at]["content"]
        made[at] = {**messages[at], "content": [*content[:-1], {**content[-1], "cache_control": MARK}]}
    return made


def _tool(writer: Writer, number: int) -> dict[str, Any]:
    properties = {f"field_{at}": {"type": "string", "description": writer.text(150)} for at in range(3)}
    return {
        "name": f"Tool{number}",
        "description": writer.text(600),
        "input_schema": {"type": "object", "properties": properties, "required": ["field_0"]},
    }


def _reply(writer: Writer, call: str, text: str, arguments: dict[str, str]) -> bytes:
    usage = {"input_tokens": 12, "cache_read_input_tokens": 60_000, "output_tokens": 1}
    message = {"id": writer.name("msg_"), "type": "message", "role": "assistant", "content": [], "usage": usage}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
    events.append({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    events += [_delta(0, {"type": "text_delta", "text": piece}) for piece in _pieces(text)]
    events.append({"type": "content_block_stop", "index": 0})
    block = {"type": "tool_use", "id": call, "name": "Bash", "input": {}}
    events.append({"type": "content_block_start", "index": 1, "content_block": block})
    written = json.dumps(arguments)
    events += [_delta(1, {"type": "input_json_delta", "partial_json": piece}) for piece in _pieces(written)]
    events.append({"type": "content_block_stop", "index": 1})
    events.append({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 240}})
    events.append({"type": "message_stop"})
    return b"".join(
        f"event: {one['type']}\ndata: {json.dumps(one, separators=(',', ':'))}\n\n".encode() for one in events
    )


def _delta(index: int, delta: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def _pieces(text: str) -> list[str]:
    return [text[at : at + 12] for at in range(0, len(text), 12)]


def recording(
    request: bytes,
    reply: bytes,
    *,
    ids: IdMaker,
    ms: int,
    texts: list[str] | None = None,
    frames: list[Frame] | None = None,
    **row: Any,
) -> Recording:
    """Make what the keeper would hand over for these bodies; `row` sets fields of the row."""
    fields: dict[str, Any] = {
        "id": ids.make(ms), "state": "done", "ending": "complete", "status": 200, "started_ns": ms * 1_000_000,
        "method": "POST", "path": "/v1/messages", "dialect": "anthropic_messages", "endpoint": "messages",
        "provider": "anthropic", "client": "claude-code", "duration_ns": 5_000_000_000, "parser_version": 1,
        "request_bytes": len(request), "response_bytes": len(reply), "preview": "", "attempts": 1,
    }  # fmt: skip
    headers = [("content-type", "application/json"), ("anthropic-version", "2023-06-01"), ("x-request", str(ms))]
    detail = Detail(
        row=Row(**{**fields, **row}),
        request=Head(line="POST /v1/messages HTTP/1.1", headers=headers, framing="length"),
        response=Head(line="HTTP/1.1 200 OK", headers=[("content-type", "text/event-stream")], framing="chunked"),
        request_body=BodyFacts(bytes=len(request), hash=body_hash(request), media_type="application/json"),
        response_body=BodyFacts(bytes=len(reply), hash=body_hash(reply), media_type="text/event-stream"),
    )
    return Recording(
        detail=detail, request_body=request, response_body=reply, frames=frames or [], search_texts=texts or []
    )


def session_recordings(turns: int, **options: Any) -> Iterator[Recording]:
    """Yield a session as recordings, five seconds apart, each reply in one frame for each event."""
    ids = IdMaker()
    for number, turn in enumerate(agent_session(turns, **options)):
        ends = [at for at in range(len(turn.reply)) if turn.reply.startswith(b"event: ", at)]
        frames = [Frame(at, 400_000_000 + 21_137_331 * order) for order, at in enumerate(ends)]
        yield recording(
            turn.request, turn.reply, ids=ids, ms=START_MS + 5_000 * number, texts=[turn.reply_text], frames=frames,
            turns=1 + 2 * number, model_asked="claude-sonnet-4-5-20250929", is_streamed=True,
            preview=turn.reply_text[:240], reply_preview=turn.reply_text[:240], tools_called=["Bash"], flags=["tools"],
            input_fresh=12, cache_read=60_000, output=240, stop_reason="tool_use", session="5f3c",
        )  # fmt: skip
