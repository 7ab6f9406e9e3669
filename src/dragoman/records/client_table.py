"""The table of client applications: by which words of theirs they are known, and where they put their ids.

Data alone: a line each, the first match wins, programs before the libraries that they are written with. Add a
line for a new client, and a case in `tests/records/test_clients.py`.
"""

import re
from typing import NamedTuple


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
    ("pi", "operating inside pi, a coding agent harness"),
]
VERSION_IN_PROMPT = re.compile(r"cc_version=(\d+\.\d+\.\d+)")
"""Claude Code's attribution line; what follows the third number changes with each request."""

LIBRARIES: list[Mark] = _marks(
    ("pydantic-ai", r"pydantic-ai" + _VERSION),
    ("litellm", r"litellm" + _VERSION),
    ("langchain", r"langchain[\w-]*" + _VERSION),
    ("llama-index", r"llama-?index[\w-]*(?:[/ ](\d[\w.]*))?"),
    ("openai-agents", r"^Agents/(?:Python|JS|JavaScript)" + _VERSION),
    ("agent-framework", r"agent-framework[\w-]*" + _VERSION),
    ("ai-sdk", r"^ai" + _VERSION),
    ("ai-sdk", r"\bai-sdk/[\w-]+" + _VERSION),  # streams of some of its releases name the provider's package alone
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
