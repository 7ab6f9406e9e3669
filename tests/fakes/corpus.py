"""Recorded traffic and the truth about it, for tests.

The whole corpus is used when it lies beside the project (or where `DRAGOMAN_CORPUS` says), else the sample in
`tests/corpus`. The truth is what the official SDK makes of a stream; where we differ on purpose, record by record,
stands in `docs/corpus-deviations.md`.
"""

import json
import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from dragoman.canonical import Message, Other, Reasoning, Refusal, Reply, Text, ToolCall, ToolResult

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Record = dict[str, Any]

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "tests" / "corpus"
DEVIATIONS = ROOT / "docs" / "corpus-deviations.md"

FILES = {
    "openai_chat": ("openai-chat",),
    "openai_responses": ("openai-responses",),
    "anthropic_messages": ("anthropic-messages",),
    "bedrock_invoke": ("bedrock-invoke",),
    "bedrock_converse": ("bedrock-converse",),
    "ollama_chat": ("ollama-chat", "ollama-generate"),
    "gemini_generate": ("gemini",),
}
BESIDE = {
    "openai_chat": ("openai-completions", "openai-embeddings"),
    "openai_responses": ("openai-responses-aux",),
    "anthropic_messages": ("anthropic-complete", "anthropic-count-tokens"),
    "bedrock_invoke": (),
    "bedrock_converse": (),
    "ollama_chat": (),
    "gemini_generate": ("gemini-count-tokens",),
}
"""Other endpoints of the same dialects."""


def whole_corpus() -> Path | None:
    """Where the whole corpus lies, if it does."""
    place = Path(os.environ.get("DRAGOMAN_CORPUS") or ROOT.parent / "shared" / "corpus")
    return place if (place / "openai-chat.jsonl.zst").exists() else None


def records_of(dialect: str) -> list[Record]:
    """Records of the dialect's main endpoints."""
    return [record for name in FILES[dialect] for record in read_records(corpus(), name) if _is_of(dialect, record)]


def all_records_of(dialect: str, place: Path) -> list[Record]:
    """Records of all endpoints of the dialect that we decode."""
    names = (*FILES[dialect], *BESIDE[dialect])
    return [record for name in names for record in read_records(place, name) if _is_of(dialect, record)]


def _is_of(dialect: str, record: Record) -> bool:
    """InvokeModel carries other vendors' bodies too, which are no dialect of ours."""
    return dialect != "bedrock_invoke" or "anthropic." in record["path"]


def truths_of(dialect: str, place: Path | None = None) -> dict[str, Record]:
    """What the official SDK made of each stream, by record; those that it failed on are left out."""
    found = [one for name in FILES[dialect] for one in _read_truth(place or corpus(), name)]
    return {one["id"]: one for one in found if one["ok"]}


def corpus() -> Path:
    return whole_corpus() or SAMPLE


@cache
def read_records(place: Path, name: str) -> tuple[Record, ...]:
    path = place / f"{name}.jsonl.zst"
    if not path.exists():
        return ()
    with zstd.open(path, "rt", encoding="utf-8", errors="surrogatepass") as lines:
        return tuple(json.loads(line) for line in lines)


def _read_truth(place: Path, name: str) -> list[Record]:
    path = place / "truth" / f"{name}.truth.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@cache
def deviations() -> dict[tuple[str, str], str]:
    """The list of deviations: (record, what) and why."""
    rows = re.findall(r"^\| `([0-9a-f]{16})` \| (\w+) \| (.+) \|$", DEVIATIONS.read_text(), re.MULTILINE)
    return {(record, what): why for record, what, why in rows}


def agrees_with_truth(dialect: str, reply: Reply | Record, truth: Record) -> list[str]:
    """Say where a reply (or its JSON) differs from the truth, deviations that are listed left out."""
    if isinstance(reply, dict):
        reply = msgspec.convert(reply, Reply)
    listed = deviations()
    found = disagreements(dialect, reply, truth)
    return [f"{what}: {why}" for what, why in found if (truth["id"], what) not in listed]


def disagreements(dialect: str, reply: Reply, truth: Record) -> list[tuple[str, str]]:
    """Say where a reply differs from the truth: what, and what was found and expected."""
    compare = {
        "openai_chat": _compare_chat,
        "openai_responses": _compare_responses,
        "anthropic_messages": _compare_messages,
        "bedrock_invoke": _compare_invoke,
        "bedrock_converse": _compare_converse,
        "ollama_chat": _compare_ollama,
        "gemini_generate": _compare_gemini,
    }[dialect]
    pairs = list(compare(reply, truth["expect"]))
    return [(what, f"found {ours!r}, expected {theirs!r}") for what, ours, theirs in pairs if ours != theirs]


Pairs = Iterator[tuple[str, Any, Any]]


def _compare_chat(reply: Reply, expected: Record) -> Pairs:
    if "stream_error" in expected:
        yield "error", reply.error and reply.error.message, expected["stream_error"]["message"]
        return
    by_number = [
        (reply.message, reply.native_stop_reason),
        *((o.message, o.native_stop_reason) for o in reply.others),
    ]
    for choice in expected["choices"]:
        message, reason = by_number[choice["index"]]
        yield "text", text_of(message), choice.get("text") or ""
        yield "thinking", thinking_of(message), choice.get("thinking") or ""
        yield "refusal", refusal_of(message), choice.get("refusal") or ""
        yield "tool_calls", calls_of(message), _calls(choice.get("tool_calls"))
        yield "stop_reason", reason, choice.get("stop_reason")
    yield from _usage(reply, expected)
    yield "id", reply.id, expected["id"] or None
    yield "model", reply.model, expected["model"] or None


def _compare_responses(reply: Reply, expected: Record) -> Pairs:
    if expected.get("no_terminal"):
        yield "end", reply.is_complete, False
        return
    message = reply.message
    yield "text", text_of(message), expected["text"]
    # The truth puts another separator between the parts of a summary.
    yield "thinking", "".join(thinking_of(message).split()), "".join(expected.get("thinking", "").split())
    yield "tool_calls", calls_of(message, kinds=("function",)), _calls(expected["tool_calls"])
    yield "stop_reason", reply.native_stop_reason, expected.get("stop_reason") or expected["status"]
    sealed = [part for part in message.parts if isinstance(part, Reasoning) and part.encrypted]
    yield "encrypted", len(sealed), expected.get("encrypted_reasoning", 0)
    yield from _usage(reply, expected)
    yield "id", reply.id, expected["id"]


def _compare_messages(reply: Reply, expected: Record) -> Pairs:
    message = reply.message
    yield "text", text_of(message), expected["text"]
    yield "thinking", thinking_of(message), expected.get("thinking", "")
    yield "tool_calls", calls_of(message), _calls(expected["tool_calls"])
    yield "blocks", [_block_of(part) for part in message.parts], expected["block_types"]
    yield "stop_reason", reply.native_stop_reason, expected["stop_reason"]
    yield "stop_sequence", reply.stop_sequence, expected.get("stop_sequence")
    signatures = [part.signature for part in message.parts if isinstance(part, Reasoning) and not part.encrypted]
    yield "signatures", [one for one in signatures if one], [one for one in expected.get("signatures", []) if one]
    texts = [part for part in message.parts if isinstance(part, Text)]
    yield "citations", sum(len(part.annotations) for part in texts), expected.get("citations", 0)
    yield from _usage(reply, expected)
    yield "id", reply.id, expected["id"]


def _compare_ollama(reply: Reply, expected: Record) -> Pairs:
    yield "text", text_of(reply.message), expected["text"]
    yield "tool_calls", calls_of(reply.message), _calls(expected["tool_calls"])
    yield "stop_reason", reply.native_stop_reason, expected["stop_reason"]
    yield from _usage(reply, expected)


def _compare_invoke(reply: Reply, expected: Record) -> Pairs:
    yield "text", text_of(reply.message), expected["text"]


def _compare_converse(reply: Reply, expected: Record) -> Pairs:
    yield "text", text_of(reply.message), expected["text"]
    yield "thinking", thinking_of(reply.message), expected.get("thinking", "")
    yield "tool_calls", calls_of(reply.message), _calls(expected["tool_calls"])
    signatures = [part.signature for part in reply.message.parts if isinstance(part, Reasoning)]
    yield "signatures", [one for one in signatures if one], expected.get("signatures", [])
    yield "stop_reason", reply.native_stop_reason, expected["stop_reason"]
    native = _known(reply.usage.native) if reply.usage else {}
    told = expected.get("usage") or {}
    yield "usage", {key: native.get(key) for key in told}, told


def _usage(reply: Reply, expected: Record) -> Pairs:
    yield "usage", _known(reply.usage.native) if reply.usage else {}, _known(expected.get("usage") or {})


def _compare_gemini(reply: Reply, expected: Record) -> Pairs:
    yield "text", text_of(reply.message), expected["text"]
    yield "thinking", thinking_of(reply.message), expected.get("thinking", "")
    yield "tool_calls", calls_of(reply.message), _calls(expected["tool_calls"])
    yield "stop_reason", reply.native_stop_reason, expected["stop_reason"]
    yield from _usage(reply, expected)


def _known(value: Any) -> Any:
    """A value without its nulls: the SDKs' types drop them."""
    if isinstance(value, dict):
        return {key: _known(one) for key, one in value.items() if one is not None}
    return [_known(one) for one in value] if isinstance(value, list) else value


def text_of(message: Message) -> str:
    return "".join(part.text for part in message.parts if isinstance(part, Text))


def thinking_of(message: Message) -> str:
    return "".join(part.text or part.summary for part in message.parts if isinstance(part, Reasoning))


def refusal_of(message: Message) -> str:
    return "".join(part.text for part in message.parts if isinstance(part, Refusal))


def calls_of(message: Message, kinds: tuple[str, ...] = ("function", "custom")) -> list[tuple[Any, str, Any]]:
    """Tool calls as (id, name, arguments), the arguments read where they are JSON."""
    calls = [part for part in message.parts if isinstance(part, ToolCall) and part.kind in kinds]
    return [(call.id, call.name, _read(call.arguments)) for call in calls]


def _calls(calls: list[Record] | None) -> list[tuple[Any, Any, Any]]:
    return [(call.get("id"), call.get("name"), _read(call["arguments"])) for call in calls or []]


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _block_of(part: Any) -> str:
    kept = part.extra.get("anthropic_messages", {}).get("type")
    match part:
        case Text():
            return "text"
        case Reasoning():
            return "redacted_thinking" if part.encrypted else "thinking"
        case ToolCall():
            return kept or ("tool_use" if part.kind == "function" else "server_tool_use")
        case ToolResult():
            return kept or "tool_result"
        case Other():
            return part.kind
        case _:
            return type(part).__name__
