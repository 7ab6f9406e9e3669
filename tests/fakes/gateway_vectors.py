"""Another gateway's translations, compared with ours: what it wrote for the same input, and where we differ.

They record that gateway's choices, not the truth; each difference is explained by the wire fact that we follow.
`tests/dialects/test_gateway_vectors.py` holds the table of `docs/gateway-vectors.md` against what is found here.
"""

import base64
import json
from typing import Any

from dragoman.canonical import Prompt, Reply
from dragoman.dialects import ALL
from dragoman.dialects.assembler import Assembler
from dragoman.dialects.base import ReplyTarget, RequestTarget, Unreadable, Untranslatable
from dragoman.dialects.translate import StreamTranslator, translate_reply, translate_request
from fakes.corpus import SAMPLE, Record, read_records
from fakes.meaning import conversation, is_without_tools, said, settled

DIALECTS = {
    "completions": "openai_chat",
    "responses": "openai_responses",
    "messages": "anthropic_messages",
    "anthropic": "anthropic_messages",
    "bedrock": "bedrock_converse",
    "gemini": "openai_chat",  # Responses to Gemini goes over its Chat endpoint there
    "vertex-gemini": "gemini_generate",
    "gemini-native": "gemini_generate",
}

AGREES, UNTOUCHED, OUTSIDE = "agrees", "same dialect", "outside"

OUTSIDE_WHY = {
    "get-messages": "the other gateway's own list of messages, no dialect",
    "embeddings": "embeddings pass untouched",
    "rerank": "reranking passes untouched",
    "vertex": "Vertex' envelope around Claude passes untouched",
    "bedrock-cohere": "embeddings of Bedrock's models pass untouched",
    "bedrock-titan": "embeddings of Bedrock's models pass untouched",
}

_CHAT_ASKS = b'{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}'
TO = ReplyTarget(model="m", seed="X1", created=1, prompt=ALL["openai_chat"].parse_request(_CHAT_ASKS))


def vectors() -> list[Record]:
    return list(read_records(SAMPLE, "gateway-vectors"))


def verdict(vector: Record) -> tuple[str, list[str]]:
    """Say how our translation compares: agrees, or in what it differs; or why there is nothing to compare."""
    source, target = ends(vector)
    if source is None or target is None:
        return OUTSIDE, []
    if source == target:
        return UNTOUCHED, []
    try:
        differing = _request(vector, source, target) if vector["kind"] == "request" else _reply(vector, source, target)
    except Untranslatable:
        return "refused", []
    except Unreadable:
        return "unreadable", []
    return ("differs", differing) if differing else (AGREES, [])


def ends(vector: Record) -> tuple[str | None, str | None]:
    """Name both dialects; None for what is none of ours."""
    come, go = vector["from"], vector["to"]
    if vector["kind"] == "request":
        return DIALECTS.get("gemini-native" if come == "gemini" else come), DIALECTS.get(go)
    spoken = go.removesuffix("-streaming").split("-")
    if come in ("bedrock-cohere", "bedrock-titan", "vertex"):
        return None, None
    if go == "gemini-native":
        return DIALECTS.get(come), DIALECTS[go]
    if spoken[-1] == "detect":
        return "openai_chat", "openai_chat"
    return DIALECTS.get(spoken[0] if come == "detect" else come), DIALECTS.get(spoken[-1])


def why_outside(vector: Record) -> str:
    words = [vector["from"], vector["to"], vector["to"].rsplit("-", 1)[0]]
    return next((OUTSIDE_WHY[word] for word in words if word in OUTSIDE_WHY), OUTSIDE_WHY["get-messages"])


def _request(vector: Record, source: str, target: str) -> list[str]:
    prompt = ALL[source].parse_request(json.dumps(vector["input"]).encode())
    to = RequestTarget(
        model=prompt.model or "m", is_streamed=prompt.is_streamed, is_openai=source == "anthropic_messages"
    )
    ours = ALL[target].parse_request(translate_request(source, target, prompt, to).body)
    theirs = ALL[target].parse_request(json.dumps(vector["expected"]).encode())
    return sorted({name for name, one, other in _facts(ours, theirs) if one != other})


def _facts(ours: Prompt, theirs: Prompt) -> list[tuple[str, Any, Any]]:
    facts: list[tuple[str, Any, Any]] = [("messages", conversation(ours), conversation(theirs))]
    if not is_without_tools(theirs):
        facts.append(("tools", [tool.name for tool in ours.tools], [tool.name for tool in theirs.tools]))
    mine, other = settled(ours), settled(theirs)
    return [*facts, *((name, mine[name], other[name]) for name in mine if name not in ("model", "is_streamed"))]


def _reply(vector: Record, source: str, target: str) -> list[str]:
    body, expected = _bytes(vector, "input"), _bytes(vector, "expected")
    if vector["kind"] == "stream":
        translator = StreamTranslator(source, target, TO)
        ours = _read(target, translator.feed(body) + translator.end())
        theirs = _read(target, expected)
    else:
        ours = ALL[target].parse_reply(translate_reply(source, target, body, TO).body)
        theirs = ALL[target].parse_reply(expected)
    found = {
        "content": (_content(ours, target), _content(theirs, target)),
        "stop reason": (ours.stop_reason, theirs.stop_reason),
        "usage": (_usage(ours), _usage(theirs)),
    }
    return sorted(name for name, (one, other) in found.items() if one != other)


def _content(reply: Reply, target: str) -> list[tuple[Any, ...]]:
    return [(one[0], *one[1:2]) if one[0] == "thought" else one for one in said(reply.message.parts, target)]


def _usage(reply: Reply) -> tuple[int | None, ...]:
    usage = reply.usage
    return (usage.input_total, usage.output, usage.cache_read or 0) if usage else (0, 0, 0)


def _read(dialect: str, body: bytes) -> Reply:
    decoder, assembler = ALL[dialect].decoder(), Assembler()
    assembler.add(decoder.feed(body))
    assembler.add(decoder.end())
    return assembler.reply()


def _bytes(vector: Record, what: str) -> bytes:
    if f"{what}_b64" in vector:
        return base64.b64decode(vector[f"{what}_b64"])
    if f"{what}_text" in vector:
        return vector[f"{what}_text"].encode()
    value = vector[what]
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()
