"""Which application sent a request, and by which ids it knows its conversation, its user and its trace.

Told by what the application says of itself: headers made for it, its `user-agent`, the headers that OpenRouter
asks for, and words in its system prompt; the words stand in `client_table.py`. Unknown is None. Nothing here is
proof: any client can claim any name.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from dragoman.canonical import Prompt, Text
from dragoman.records.client_table import (
    HEADERS,
    IDS,
    LIBRARIES,
    PROGRAMS,
    PROMPTS,
    TRANSPORTS,
    VERSION_IN_PROMPT,
    Mark,
)

_Headers = dict[str, str]


class Identity(NamedTuple):
    """`client` is a label such as `claude-code`; `ids` has `session`, `user`, `trace`, `run`, … where known."""

    client: str | None
    version: str | None
    ids: dict[str, str]
    tags: list[str]


_TAGS = ("x-dragoman-tags", "x-litellm-tags")
_PROPERTIES = ("x-dragoman-property-", "helicone-property-")
_SYSTEM_CHARS = 4000
"""Of the system prompt, this much is looked at."""


def identify(headers: Iterable[tuple[str, str]], prompt: Prompt | None = None) -> Identity:
    """Tell who asks, by a request's headers (any case) and, when it was read, its prompt."""
    named = {name.lower(): value for name, value in reversed(list(headers))}
    client, version = _client(named, prompt)
    return Identity(client, version, _ids(named, prompt), _tags(named))


def _client(headers: _Headers, prompt: Prompt | None) -> tuple[str | None, str | None]:
    agent = headers.get("user-agent", "")
    by_header = _by_header(headers)
    if by_header is not None:
        return by_header, _version_of(by_header, agent)
    return (
        _program(agent)
        or (_by_prompt(_system_text(prompt)) if prompt is not None else None)
        or _program(headers.get("editor-version", ""))
        or _library(agent)
        or _by_stainless(headers)
        or _transport(agent)
        or (None, None)
    )


@lru_cache(1024)
def _program(agent: str) -> tuple[str, str | None] | None:
    return _first(PROGRAMS, agent)


@lru_cache(1024)
def _library(agent: str) -> tuple[str, str | None] | None:
    return _first(LIBRARIES, agent)


@lru_cache(1024)
def _transport(agent: str) -> tuple[str, str | None] | None:
    return _first(TRANSPORTS, agent)


def _by_header(headers: _Headers) -> str | None:
    for name, marks in HEADERS:
        value = headers.get(name)
        if value is not None:
            found = next((mark.client for mark in marks if mark.pattern.search(value)), None)
            if found is not None:
                return _copilots_editor(headers) if found == "github-copilot" else found
    return None


def _copilots_editor(headers: _Headers) -> str:
    """Tell in which editor GitHub's Copilot runs."""
    editor = headers.get("editor-version", "").lower()
    if any(name.startswith("x-vscode-") for name in headers) or editor.startswith("vscode"):
        return "vscode-copilot"
    if editor.startswith("jetbrains"):
        return "jetbrains-copilot"
    return "neovim-copilot" if "vim" in editor else "github-copilot"


def _by_prompt(text: str) -> tuple[str, str | None] | None:
    client = next((client for client, words in PROMPTS if words in text), None)
    version = VERSION_IN_PROMPT.search(text) if client == "claude-code" else None
    return (client, version.group(1) if version else None) if client else None


def _version_of(client: str, agent: str) -> str | None:
    """Find the version in the user-agent of a client that another header gave away."""
    for mark in PROGRAMS:
        if mark.client == client and (found := mark.pattern.search(agent)):
            return _group(found)
    return None


def _first(marks: list[Mark], text: str) -> tuple[str, str | None] | None:
    if not text:
        return None
    for mark in marks:
        found = mark.pattern.search(text)
        if found:
            return mark.client, _group(found)
    return None


def _group(found: re.Match[str]) -> str | None:
    return found.group(1) if found.re.groups else None


def _by_stainless(headers: _Headers) -> tuple[str, str | None] | None:
    """Know the official SDKs by the headers that their generator gives them."""
    language = headers.get("x-stainless-lang")
    vendor = "anthropic" if "anthropic-version" in headers else "openai"
    if language is None:
        return ("anthropic-sdk", None) if vendor == "anthropic" else None
    language = "node" if language == "js" else language
    return f"{vendor}-{language}", headers.get("x-stainless-package-version")


def _system_text(prompt: Prompt) -> str:
    for message in prompt.messages[:2]:
        if message.role in ("system", "developer"):
            text = "\n".join(part.text[:_SYSTEM_CHARS] for part in message.parts[:3] if isinstance(part, Text))
            return text[:_SYSTEM_CHARS]
    return ""


def _ids(headers: _Headers, prompt: Prompt | None) -> dict[str, str]:
    ids = _ids_in_prompt(prompt) if prompt is not None else {}
    for name, carriers in IDS.items():
        value = next((headers[carrier] for carrier in carriers if headers.get(carrier)), None)
        if value is not None:
            ids[name] = value
    parts = ids.get("trace", "").split("-")
    if len(parts) == 4 and len(parts[1]) == 32:  # https://www.w3.org/TR/trace-context/#traceparent-header
        ids["trace"] = parts[1]
    for name, value in headers.items():
        for prefix in _PROPERTIES:
            if name.startswith(prefix):
                ids["property." + name.removeprefix(prefix)] = value
    return ids


def _ids_in_prompt(prompt: Prompt) -> dict[str, str]:
    """Find the ids that clients put into the body; a header says more, and wins."""
    ids: dict[str, str] = {}
    for fields in prompt.extra.values():
        conversation = fields.get("conversation")
        if isinstance(conversation, dict):
            conversation = conversation.get("id")
        session = conversation or fields.get("prompt_cache_key")
        if isinstance(session, str) and session:
            ids["session"] = session
        if isinstance(fields.get("prompt_cache_key"), str):
            ids["cache_key"] = fields["prompt_cache_key"]
    if prompt.previous_id:
        ids["previous"] = prompt.previous_id
    if prompt.settings.user:
        ids.update(_split_user(prompt.settings.user))
    return ids


def _split_user(user: str) -> dict[str, str]:
    """Take Claude Code's `metadata.user_id` apart: a JSON object, before that `user_…_account_…_session_…`.

    Seen in Claude Code 2.1.329 and 1.0.
    """
    if user.startswith("{"):
        try:
            fields: Any = msgspec.json.decode(user)
        except (msgspec.DecodeError, RecursionError):
            return {"user": user}
        session = fields.get("session_id")
        person = fields.get("account_uuid") or fields.get("device_id")
        found = {"session": session, "user": person}
        return {name: value for name, value in found.items() if isinstance(value, str) and value} or {"user": user}
    person, mark, session = user.partition("_session_")
    return {"user": person, "session": session} if mark and session else {"user": user}


def _tags(headers: _Headers) -> list[str]:
    values = ",".join(headers[name] for name in _TAGS if headers.get(name))
    return list(dict.fromkeys(tag.strip() for tag in values.split(",") if tag.strip()))
