"""A WebSocket of the Responses API as a gateway records it: both sides written by a real implementation."""

import json
from typing import Any

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.protocol import Protocol, Side, State

from dragoman.journal.format import AttemptOpened, Closed, Ending, Opened, Record, ResponseHead, TunnelData
from fakes.playbook import MS, START, opened

ASKS = {"type": "response.create", "model": "gpt-5", "input": [{"role": "user", "content": "Say hello to the sea."}]}
USAGE = {
    "input_tokens": 20, "input_tokens_details": {"cached_tokens": 8}, "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 27,
}  # fmt: skip


def response(name: str, status: str, text: str = "") -> dict[str, Any]:
    output = [
        {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
    ]
    made = {"id": name, "object": "response", "model": "gpt-5-2025", "status": status}
    return {**made, "output": output if text else [], "usage": USAGE if text else None}


def events(name: str, *words: str, lane: str | None = None, last: str = "completed") -> list[dict[str, Any]]:
    """What a server sends for one response."""
    made: list[dict[str, Any]] = [{"type": "response.created", "response": response(name, "in_progress")}]
    item = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
    made.append({"type": "response.output_item.added", "output_index": 0, "item": item})
    made += [
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": word} for word in words
    ]
    made.append({"type": f"response.{last}", "response": response(name, last, "".join(words))})
    return [{**one, "stream_id": lane} for one in made] if lane else made


class FakeTunnel:
    """Builds the records, each message 10 ms after the one before."""

    def __init__(self, name: str, *, deflate: str = "", at: int = START) -> None:
        self.name = name
        self._at = at
        self._deflate = deflate
        self._client, self._server = Protocol(Side.CLIENT, state=State.OPEN), Protocol(Side.SERVER, state=State.OPEN)
        if deflate:
            keeps = "no_context" not in deflate
            for side in (self._client, self._server):
                side.extensions = [PerMessageDeflate(not keeps, not keeps, 15, 15)]

    def begin(self) -> list[Record]:
        start = opened(
            self.name, at=self._at, framing="none", method="GET", target=b"/v1/responses",
            dialect="openai_responses", endpoint="responses",
        )  # fmt: skip
        headers = [(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade")]
        if self._deflate:
            headers.append((b"Sec-WebSocket-Extensions", self._deflate.encode()))
        return [
            start,
            AttemptOpened(self.name, self._at, 1, "openai", "wss://api.openai.com/v1/responses", False, 1, 2, 3),
            ResponseHead(self.name, self._at + MS, 101, b"Switching Protocols", "1.1", headers, "none"),
        ]

    def ask(self, message: dict[str, Any] | bytes, *, pieces: int = 1) -> list[Record]:
        return self._send(self._client, message, pieces, is_from_client=True)

    def answer(self, *messages: dict[str, Any] | bytes, pieces: int = 1) -> list[Record]:
        return [one for each in messages for one in self._send(self._server, each, pieces, is_from_client=False)]

    def end(self, ending: Ending = "complete") -> list[Record]:
        self._at += 10 * MS
        return [Closed(self.name, self._at, ending, 101, 1000)]

    def call(self, ordinal: int) -> str:
        return f"{self.name}-{ordinal:04}"

    def _send(
        self, side: Protocol, message: dict[str, Any] | bytes, pieces: int, *, is_from_client: bool
    ) -> list[Record]:
        side.send_text(message if isinstance(message, bytes) else json.dumps(message).encode())
        data = b"".join(side.data_to_send())
        made: list[Record] = []
        step = -(-len(data) // pieces)
        for at in range(0, len(data), step):
            self._at += 10 * MS
            made.append(TunnelData(self.name, self._at, is_from_client, data[at : at + step]))
        return made


def first_of(records: list[Record]) -> Opened:
    first = records[0]
    assert isinstance(first, Opened)
    return first
