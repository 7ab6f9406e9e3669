"""Read a request's head and body: who asks, and for what.

Promise: pure. A body that cannot be read leaves its facts unknown, the flag `unparsed` and a warning.
"""

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote

import msgspec

from dragoman.canonical import AnyPart, Media, Prompt, ToolResult
from dragoman.dialects.base import Dialect, Unreadable
from dragoman.dialects.detect import model_in_path
from dragoman.keeper.answer import with_client
from dragoman.keeper.heads import header_of
from dragoman.keeper.unread import STREAM_ENDPOINTS, is_other_vendors
from dragoman.records.clients import identify
from dragoman.records.exchange import Head, Row
from dragoman.records.summary import prompt_preview
from dragoman.wire.encodings import decode

SEARCH_CHARS = 256 * 1024
"""Of a body that nobody can cut into messages, this much is searched."""

_MEDIA_FLAGS = {"image": "image", "audio": "audio", "document": "document"}


class RequestFacts(msgspec.Struct, kw_only=True):
    """What a request's head and body say."""

    prompt: Prompt | None = None
    model: str | None = None
    is_streamed: bool | None = None
    preview: str = ""
    client: str | None = None
    client_version: str | None = None
    client_ids: dict[str, str] = {}
    tags: list[str] = []
    flags: set[str] = set()
    warnings: list[str] = []
    search_text: str | None = None
    is_foreign: bool = False
    """The body is of a form that no dialect reads, and so is the reply."""


_NEVER_STREAMED = frozenset({"embed", "embeddings", "count_tokens"})
_STREAMED_BY_PATH = frozenset({"bedrock_invoke", "bedrock_converse", "gemini_generate"})
"""Dialects whose path says whether a stream is wanted, and not the body."""


class _Peek(msgspec.Struct):
    """The fields that requests of all kinds share; `name` is what Ollama's older clients call the model."""

    model: str | None = None
    name: Any = None
    stream: bool | None = None


def read_request(row: Row, head: Head, body: bytes) -> RequestFacts:
    """Read who asks, and for what."""
    path = row.path.partition("?")[0]
    named = model_in_path(path)
    facts = RequestFacts(model=unquote(named) if named else None, flags=set(), warnings=[])
    if body:
        _read_body(facts, row, header_of(head.headers, "content-encoding") or "", body)
    identity = identify(head.headers, facts.prompt)
    facts.client, facts.client_version = identity.client, identity.version
    facts.client_ids, facts.tags = identity.ids, identity.tags
    return facts


def _read_body(facts: RequestFacts, row: Row, encoding: str, body: bytes) -> None:
    plain = decode(body, encoding)
    if plain.problem:
        facts.warnings.append(f"request: {plain.problem}")
    dialect = with_client(row).prompt_reader
    if dialect is None:
        _peek(facts, row, plain.data)
    else:
        _read_prompt(facts, row, dialect, plain.data)
    if facts.prompt is None or encoding:
        facts.search_text = text_of(plain.data)


def add_request_facts(row: Row, facts: RequestFacts) -> None:
    """Put what the request says into a row."""
    row.model_asked = facts.model
    row.is_streamed = facts.is_streamed
    row.preview = facts.preview
    row.client, row.client_version = facts.client, facts.client_version
    row.session, row.user = facts.client_ids.get("session"), facts.client_ids.get("user")
    row.run = row.run or facts.client_ids.get("run")
    row.tags = list(dict.fromkeys([*row.tags, *facts.tags]))
    row.flags.extend(facts.flags)
    if facts.prompt is not None:
        row.turns = len(facts.prompt.messages)
        row.tools_declared = len(facts.prompt.tools)


def _read_prompt(facts: RequestFacts, row: Row, dialect: Dialect, body: bytes) -> None:
    try:
        prompt = dialect.parse_request(body)
    except Unreadable as error:
        facts.is_foreign = is_other_vendors(row.dialect, body)
        if facts.is_foreign:
            facts.is_streamed = row.endpoint in STREAM_ENDPOINTS
            return
        facts.flags.add("unparsed")
        facts.warnings.append(f"request: {error}")
        _peek(facts, row, body)
        return
    facts.prompt = prompt
    facts.model = prompt.model or facts.model
    is_streamed = row.endpoint in STREAM_ENDPOINTS if row.dialect in _STREAMED_BY_PATH else prompt.is_streamed
    facts.is_streamed = is_streamed and row.endpoint not in _NEVER_STREAMED
    facts.preview = prompt_preview(prompt)
    facts.flags |= set(media_flags(part for message in prompt.messages for part in message.parts))
    if prompt.tools:
        facts.flags.add("tools")


def _peek(facts: RequestFacts, row: Row, body: bytes) -> None:
    """Read model and stream of a body that no dialect reads."""
    try:
        peeked = msgspec.json.decode(body, type=_Peek)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    facts.model = peeked.model or facts.model
    if facts.model is None and row.dialect == "ollama_chat" and isinstance(peeked.name, str):
        facts.model = peeked.name
    facts.is_streamed = peeked.stream


def media_flags(parts: Iterable[AnyPart]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, Media) and part.kind in _MEDIA_FLAGS:
            yield _MEDIA_FLAGS[part.kind]
        elif isinstance(part, ToolResult):
            yield from media_flags(part.parts)


def text_of(body: bytes) -> str | None:
    if b"\0" in body[:1024]:
        return None
    text = body[:SEARCH_CHARS].decode("utf-8", "replace")
    return None if text.count("�") > len(text) // 50 else text
