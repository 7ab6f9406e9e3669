"""Requests of programs that are no dependencies of ours, as they were seen on the wire, and a provider for them.

Each line of `client_shapes.jsonl` is one request: headers as sent (credentials, ids and long texts replaced), the
body's fields, and what the record must say of it. Seen 2026-11-21 with the versions named there. `agent_turns.jsonl`
has the second requests of Claude Code and Codex, in the same form: after a call of their shell, with its result and
the sealed thinking before it (the simulator's seals, of Anthropic's kind in the first, of OpenAI's in the others).
"""

import contextlib
import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

Headers = list[tuple[str, str]]


class Shape(NamedTuple):
    client: str
    version: str | None
    dialect: str
    model: str
    session: str | None
    path: str
    headers: Headers
    body: bytes


class Received(NamedTuple):
    path: str
    headers: Headers
    body: bytes


def _read(line: str) -> Shape:
    fields: dict[str, Any] = json.loads(line)
    fields["headers"] = [(name, value) for name, value in fields["headers"]]
    fields["body"] = json.dumps(fields["body"], ensure_ascii=False).encode()
    return Shape(**fields)


def _read_all(name: str) -> list[Shape]:
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return [_read(line) for line in text.splitlines()]


SHAPES = _read_all("client_shapes.jsonl")
AGENT_TURNS = _read_all("agent_turns.jsonl")

_EVENTS = {
    "anthropic_messages": [
        {"type": "message_start", "message": {"id": "m", "model": "served", "content": []}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi \u2028 there"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
        {"type": "message_stop"},
    ],
    "openai_chat": [
        {"id": "c", "model": "served", "choices": [{"index": 0, "delta": {"content": "Hi \u2028 there"}}]},
        {"id": "c", "model": "served", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ],
    "openai_responses": [
        {"type": "response.created", "response": {"id": "r", "model": "served", "status": "in_progress"}},
        {"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "id": "i"}},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hi \u2028 there"},
        {"type": "response.completed", "response": {"id": "r", "model": "served", "status": "completed"}},
    ],
    "gemini_generate": [
        {"candidates": [{"content": {"parts": [{"text": "Hi \u2028 there"}]}}], "modelVersion": "served"},
        {"candidates": [{"content": {"parts": [{"text": ""}]}, "finishReason": "STOP"}], "modelVersion": "served"},
    ],
}  # fmt: skip


def reply_to(path: str) -> tuple[str, bytes]:
    """Give media type and body of the streamed answer that this path gets."""
    if path.startswith("/api/"):
        lines = [{"model": "served", "message": {"role": "assistant", "content": "Hi"}, "done": False},
                 {"model": "served", "message": {"content": ""}, "done": True, "done_reason": "stop"}]  # fmt: skip
        return "application/x-ndjson", b"".join(json.dumps(one).encode() + b"\n" for one in lines)
    if path.startswith("/model/"):
        return "application/vnd.amazon.eventstream", bytes(range(256))
    kinds = {"/v1/messages": "anthropic_messages", "/v1/responses": "openai_responses", ":stream": "gemini_generate"}
    kind = next((kind for mark, kind in kinds.items() if mark in path), "openai_chat")
    data = (json.dumps(one, ensure_ascii=False).encode() for one in _EVENTS[kind])
    return "text/event-stream", b"".join(b"data: " + one + b"\n\n" for one in data)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Provider"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append(Received(self.path, self.headers.items(), body))
        media_type, reply = reply_to(self.path)
        self.send_response(200)
        self.send_header("content-type", media_type)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for at in range(0, len(reply), 100):
            piece = reply[at : at + 100]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: Any) -> None:
        pass


class _Provider(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[Received] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # without a look-up of this machine's name


@contextlib.contextmanager
def running_provider() -> Iterator[_Provider]:
    """Run a provider that answers every path, in a thread of its own, and keeps what it was sent."""
    provider = _Provider()
    thread = threading.Thread(target=provider.serve_forever, name="provider", daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        provider.shutdown()
        provider.server_close()
        thread.join(10)
