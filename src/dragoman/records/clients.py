"""Which application sent a request, and by which ids it knows its conversation, its user and its trace.

Told by what the application says of itself: headers made for it, its `user-agent`, the headers that OpenRouter
asks for, and words in its system prompt. The tables are data: a line each, the first match wins, programs
before the libraries that they are written with. Unknown is None. Nothing here is proof: any client can claim
any name.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from dragoman.canonical import Prompt, Text

_Headers = dict[str, str]


class Identity(NamedTuple):
    """`client` is a label such as `claude-code`; `ids` has `session`, `user`, `trace`, `run`, … where known."""

    client: str | None
    version: str | None
    ids: dict[str, str]
    tags: list[str]


class Mark(NamedTuple):
    """One line of a table: a client, and the pattern it is known by; group 1, if any, is the version."""

    client: str
    pattern: re.Pattern[str]


def _marks(*lines: tuple[str, str]) -> list[Mark]:
    return [Mark(client, re.compile(pattern, re.IGNORECASE)) for client, pattern in lines]


_VERSION = r"[/ ]v?(\d[\w.+-]*)"

HEADERS: list[tuple[str, list[Mark]]] = [
    # header, and what its value says; "" matches any
    ("x-claude-code-session-id", _marks(("claude-code", ""))),
    ("originator", _marks(("codex", r"^codex"))),
    ("copilot-integration-id", _marks(("copilot-cli", r"copilot.*(?:cli|developer)"), ("github-copilot", ""))),
    ("x-onbehalf-extension-id", _marks(("github-copilot", r"github\.copilot"))),
    ("x-opencode-session", _marks(("opencode", ""))),
    ("x-opencode-client", _marks(("opencode", ""))),
    ("x-openwebui-user-id", _marks(("open-webui", ""))),
    (
        "x-title",  # what OpenRouter asks of applications: https://openrouter.ai/docs/app-attribution
        _marks(
            ("cline", r"^cline"),
            ("roo", r"^roo"),
            ("kilo-code", r"^kilo"),
            ("goose", r"^goose"),
            ("openhands", r"openhands"),
            ("aider", r"^aider"),
            ("opencode", r"^opencode"),
            ("zed", r"^zed"),
            ("open-webui", r"open ?webui"),
        ),
    ),
    ("http-referer", _marks(("aider", r"aider\.chat"), ("openhands", r"all-hands"), ("zed", r"zed\.dev"))),
]

PROGRAMS: list[Mark] = _marks(
    ("claude-code", r"claude-?(?:cli|code)(?:/v?(\d[\w.+-]*))?"),
    ("codex", r"\bcodex[\w-]*" + _VERSION),
    ("gemini-cli", r"GeminiCLI(?:-[\w.-]+)?" + _VERSION),
    ("qwen-code", r"Qwen-?Code" + _VERSION),
    ("kimi-cli", r"Kimi-?(?:CLI|Code)" + _VERSION),
    ("grok-cli", r"grok-?(?:cli|code)?" + _VERSION),
    ("copilot-cli", r"copilot-?cli" + _VERSION),
    ("github-copilot", r"GithubCopilot\w*" + _VERSION),
    ("opencode", r"opencode" + _VERSION),
    ("pi", r"^pi(?:-coding-agent)?" + _VERSION),
    ("goose", r"\bgoose" + _VERSION),
    ("openhands", r"openhands" + _VERSION),
    ("roo", r"Roo-?Code" + _VERSION),
    ("kilo-code", r"Kilo-?Code" + _VERSION),
    ("cline", r"\bcline" + _VERSION),
    ("aider", r"\baider" + _VERSION),
    ("zed", r"\bZed" + _VERSION),
    ("cursor", r"\bcursor" + _VERSION),
    ("continue", r"continue(?:\.dev)?" + _VERSION),
    ("open-webui", r"open-?webui"),
    ("lm-studio", r"lm-?studio"),
    ("vscode", r"vscode|Visual Studio Code"),
)

PROMPTS: list[tuple[str, str]] = [
    # client, words of its system prompt
    ("claude-code", "cc_version="),
    ("claude-code", "cc_entrypoint="),
    ("claude-code", "You are Claude Code"),
    ("codex", "You are Codex"),
    ("codex", "You are a coding agent running in the Codex"),
    ("gemini-cli", "You are an interactive CLI agent specializing in software engineering"),
    ("qwen-code", "You are Qwen Code"),
    ("opencode", "You are opencode"),
    ("kilo-code", "You are Kilo"),
    ("roo", "You are Roo"),
    ("cline", "You are Cline"),
    ("goose", "general-purpose AI agent called goose"),
    ("openhands", "You are OpenHands"),
]
_VERSION_IN_PROMPT = re.compile(r"cc_version=(\d+\.\d+\.\d+)")
"""Claude Code's attribution line; what follows the third number changes with each request."""

LIBRARIES: list[Mark] = _marks(
    ("pydantic-ai", r"pydantic-ai" + _VERSION),
    ("litellm", r"litellm" + _VERSION),
    ("langchain", r"langchain[\w-]*" + _VERSION),
    ("llama-index", r"llama-?index[\w-]*(?:[/ ](\d[\w.]*))?"),
    ("openai-agents", r"^Agents/(?:Python|JS|JavaScript)" + _VERSION),
    ("agent-framework", r"agent-framework[\w-]*" + _VERSION),
    ("ai-sdk", r"\bai-sdk/[\w-]+" + _VERSION),
    ("ai-sdk", r"^ai" + _VERSION),
    ("openai-python", r"(?:OpenAI|AzureOpenAI)/Python" + _VERSION),
    ("openai-node", r"(?:OpenAI|AzureOpenAI)/(?:JS|NodeJS)" + _VERSION),
    ("openai-go", r"OpenAI/Go" + _VERSION),
    ("openai-java", r"OpenAI\w*/Java" + _VERSION),
    ("openai-dotnet", r"OpenAI/(\d[\w.]*) \(\.NET"),
    ("openai-python", r"openai-python" + _VERSION),
    ("anthropic-python", r"Anthropic\w*/Python" + _VERSION),
    ("anthropic-node", r"Anthropic\w*/(?:JS|TypeScript)" + _VERSION),
    ("anthropic-go", r"Anthropic/Go" + _VERSION),
    ("anthropic-java", r"Anthropic\w*/Java" + _VERSION),
    ("anthropic-python", r"anthropic-python" + _VERSION),
    ("groq-python", r"Groq/Python" + _VERSION),
    ("google-genai", r"google-genai-sdk" + _VERSION),
    ("mistral-python", r"mistral-client-python" + _VERSION),
    ("ollama-python", r"ollama-python" + _VERSION),
    ("ollama-js", r"ollama-js" + _VERSION),
    ("ollama-cli", r"^ollama" + _VERSION),
    ("boto3", r"Boto3" + _VERSION),
    ("aws-sdk-js", r"aws-sdk-js" + _VERSION),
)

TRANSPORTS: list[Mark] = _marks(
    ("httpx", r"httpx\d?" + _VERSION),
    ("requests", r"python-requests" + _VERSION),
    ("aiohttp", r"aiohttp" + _VERSION),
    ("urllib", r"Python-urllib" + _VERSION),
    ("axios", r"axios" + _VERSION),
    ("node-fetch", r"node-fetch(?:/(\d[\w.]*))?"),
    ("undici", r"^(?:undici|node)(?:/v?(\d[\w.]*))?$"),
    ("bun", r"^Bun" + _VERSION),
    ("deno", r"^Deno" + _VERSION),
    ("go", r"Go-http-client" + _VERSION),
    ("faraday", r"Faraday" + _VERSION),
    ("okhttp", r"okhttp" + _VERSION),
    ("reqwest", r"reqwest" + _VERSION),
    ("curl", r"^curl" + _VERSION),
    ("wget", r"^Wget" + _VERSION),
    ("postman", r"PostmanRuntime" + _VERSION),
    ("insomnia", r"insomnia" + _VERSION),
    ("httpie", r"HTTPie" + _VERSION),
    ("firefox", r"Firefox" + _VERSION),
    ("edge", r"Edg(?:e|A|iOS)?" + _VERSION),
    ("chrome", r"Chrome" + _VERSION),
    ("safari", r"Version/(\d[\w.]*).*Safari"),
    ("browser", r"^Mozilla/"),
)

IDS: dict[str, tuple[str, ...]] = {
    # id: the headers that may carry it, ours first
    "session": (
        *("x-dragoman-session", "x-claude-code-session-id", "session-id", "session_id", "x-session-id"),
        *("x-opencode-session", "helicone-session-id", "x-litellm-session-id", "x-openwebui-chat-id"),
        *("thread-id", "conversation_id"),
    ),
    "parent_session": ("x-parent-session-id",),
    "user": (
        *("x-dragoman-user", "helicone-user-id", "x-litellm-end-user-id", "x-litellm-customer-id"),
        "x-openwebui-user-id",
    ),
    "trace": (
        *("traceparent", "x-litellm-trace-id", "x-portkey-trace-id", "helicone-request-id"),
        *("x-request-id", "x-client-request-id"),
    ),
    "run": ("x-dragoman-run",),
    "metadata": ("x-dragoman-metadata", "x-litellm-spend-logs-metadata", "x-portkey-metadata"),
    "session_path": ("helicone-session-path",),
    "session_name": ("helicone-session-name",),
}

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
    version = _VERSION_IN_PROMPT.search(text) if client == "claude-code" else None
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
