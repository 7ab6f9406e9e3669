"""A made-up agent session, as an agent sends it: the whole history with every turn, cache marks that move.

150 turns give bodies from about 60 KB to 600 KB, 49 MB in all. The words are random but seeded, so that nothing
compresses by accident; both JSON spacings that clients use can be had.
"""

import json
import random
from collections.abc import Iterator
from typing import Any

Spacing = tuple[str, str]
COMPACT: Spacing = (",", ":")
SPACED: Spacing = (", ", ": ")


def bodies(*, turns: int = 150, spacing: Spacing = COMPACT, seed: int = 1) -> Iterator[tuple[bytes, bytes]]:
    """Yield the request and reply body (Anthropic Messages, streamed) of each turn."""
    rng = random.Random(seed)
    system = [_text(rng, 200), _text(rng, 20_000)]
    tools = [_tool(rng, number) for number in range(25)]
    history: list[dict[str, Any]] = [{"role": "user", "content": [{"type": "text", "text": _text(rng, 1500)}]}]
    for turn in range(turns):
        request = {
            "model": "claude-sonnet-4-5",
            "max_tokens": 32000,
            "stream": True,
            "system": [
                {"type": "text", "text": f"x-anthropic-billing-header: cc_version=2.1; cch={rng.getrandbits(20):05x};"},
                {"type": "text", "text": system[0]},
                {"type": "text", "text": system[1], "cache_control": {"type": "ephemeral"}},
            ],
            "tools": tools,
            "messages": _marked(history),
            "metadata": {"user_id": '{"session_id":"7d1f0c7e-0000-4000-8000-5e5510000000"}'},
        }
        text, call = _text(rng, 700), {"command": _text(rng, 200)}
        call_id = f"toolu_{turn:024d}"
        yield (
            json.dumps(request, separators=spacing, ensure_ascii=False).encode(),
            _reply(turn, text, call_id, call),
        )
        history.append(
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": text},
                    {"type": "tool_use", "id": call_id, "name": "tool_3", "input": call},
                ],
            }
        )
        result = {"type": "tool_result", "tool_use_id": call_id, "content": _text(rng, 2500)}
        history.append({"role": "user", "content": [result]})


def _marked(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The history with a cache mark on its last block and on the one two messages before."""
    marked = list(history)
    for index in {len(history) - 1, max(0, len(history) - 3)}:
        message = history[index]
        *rest, last = message["content"]
        content = [*rest, {**last, "cache_control": {"type": "ephemeral"}}]
        marked[index] = {**message, "content": content}
    return marked


def _tool(rng: random.Random, number: int) -> dict[str, Any]:
    return {
        "name": f"tool_{number}",
        "description": _text(rng, 900),
        "input_schema": {
            "type": "object",
            "properties": {"command": {"type": "string", "description": _text(rng, 200)}},
        },
    }


def _reply(turn: int, text: str, call_id: str, call: dict[str, Any]) -> bytes:
    """The streamed reply, a few words a delta."""
    usage = {"input_tokens": 5, "cache_read_input_tokens": 12_000 + turn * 900, "output_tokens": 1}
    start = {"id": f"msg_{turn:024d}", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
             "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}  # fmt: skip
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
    events.append({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    events += [_delta(0, {"type": "text_delta", "text": piece}) for piece in _pieces(text, 12)]
    events.append({"type": "content_block_stop", "index": 0})
    block = {"type": "tool_use", "id": call_id, "name": "tool_3", "input": {}}
    events.append({"type": "content_block_start", "index": 1, "content_block": block})
    events += [_delta(1, {"type": "input_json_delta", "partial_json": part}) for part in _pieces(json.dumps(call), 16)]
    events.append({"type": "content_block_stop", "index": 1})
    ending = {"stop_reason": "tool_use", "stop_sequence": None}
    events.append({"type": "message_delta", "delta": ending, "usage": {"output_tokens": 240}})
    events.append({"type": "message_stop"})
    return "".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in events).encode()


def _delta(index: int, delta: dict[str, str]) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def _pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def _text(rng: random.Random, length: int) -> str:
    """Random words, about as compressible as prose."""
    words: list[str] = []
    size = 0
    while size < length:
        word = rng.choice(_WORDS) if rng.random() < 0.8 else f"{rng.getrandbits(28):x}"
        words.append(word)
        size += len(word) + 1
    return " ".join(words)


_vocabulary = random.Random(0)
_WORDS = [
    "".join(_vocabulary.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(_vocabulary.randint(2, 9)))
    for _ in range(3000)
]
