"""Which application sent a request."""

import pytest

from dragoman.canonical import Message, Prompt, Settings, Text
from dragoman.records.clients import identify

AGENTS = [
    ("claude-cli/2.1.329 (external, cli)", "claude-code", "2.1.329"),
    ("codex_cli_rs/0.169.0 (Debian 12; x86_64) xterm", "codex", "0.169.0"),
    ("codex_exec/0.169.0", "codex", "0.169.0"),
    ("GeminiCLI/0.9.0/gemini-3-pro (linux; x64)", "gemini-cli", "0.9.0"),
    ("QwenCode/0.0.14 (linux; x64)", "qwen-code", "0.0.14"),
    ("KimiCLI/1.2", "kimi-cli", "1.2"),
    ("opencode/1.0.55 ai-sdk/provider-utils/3.0.9", "opencode", "1.0.55"),
    ("RooCode/3.28", "roo", "3.28"),
    ("Zed/0.210.1 (linux; x86_64)", "zed", "0.210.1"),
    ("OpenAI/Python 3.52.0", "openai-python", "3.52.0"),
    ("AsyncOpenAI/Python 1.0.0-beta.3", "openai-python", "1.0.0-beta.3"),
    ("OpenAI/JS 6.16.0", "openai-node", "6.16.0"),
    ("AsyncAnthropic/Python 0.76.0", "anthropic-python", "0.76.0"),
    ("AnthropicBedrock/Python 0.76.0", "anthropic-python", "0.76.0"),
    ("Anthropic/JS 0.71.2", "anthropic-node", "0.71.2"),
    ("ollama-python/0.6.3 (x86_64 linux) Python/3.11", "ollama-python", "0.6.3"),
    ("ollama/0.12.10 (amd64 linux) Go/go1.24", "ollama-cli", "0.12.10"),
    ("google-genai-sdk/3.4.0 gl-python/3.11.7", "google-genai", "3.4.0"),
    ("pydantic-ai/1.37.0", "pydantic-ai", "1.37.0"),
    ("litellm/1.81.0", "litellm", "1.81.0"),
    ("langchain-anthropic/1.4.1", "langchain", "1.4.1"),
    ("Agents/Python 0.2.7", "openai-agents", "0.2.7"),
    ("ai/5.0.9 ai-sdk/provider-utils/3.0.1 runtime/node.js/22", "ai-sdk", "5.0.9"),
    ("ai-sdk/openai/3.0.141 ai-sdk/provider-utils/4.0.66 runtime/node.js/v20.20.2", "ai-sdk", "3.0.141"),
    ("python-httpx/0.28.1", "httpx", "0.28.1"),
    ("python-requests/2.32.3", "requests", "2.32.3"),
    ("curl/8.5.0", "curl", "8.5.0"),
    ("Mozilla/5.0 (X11) Gecko/20100101 Firefox/140.0", "firefox", "140.0"),
    ("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36", "chrome", "156.0.0.0"),
    ("something of my own", None, None),
    ("", None, None),
]


@pytest.mark.parametrize(("agent", "client", "version"), AGENTS)
def test_a_user_agent_names_the_client(agent: str, client: str | None, version: str | None) -> None:
    assert identify([("User-Agent", agent)])[:2] == (client, version)


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ({"X-Claude-Code-Session-Id": "s"}, "claude-code"),
        ({"originator": "codex_exec", "user-agent": "x"}, "codex"),
        ({"copilot-integration-id": "vscode-chat", "editor-version": "vscode/1.99"}, "vscode-copilot"),
        ({"copilot-integration-id": "x", "editor-version": "JetBrains-IC/2025"}, "jetbrains-copilot"),
        ({"x-title": "Cline", "http-referer": "https://cline.bot"}, "cline"),
        ({"http-referer": "https://aider.chat", "user-agent": "litellm/1.8"}, "aider"),
        ({"x-title": "My own app", "user-agent": "OpenAI/Python 1.0"}, "openai-python"),
        ({"anthropic-version": "2023-06-01", "user-agent": "python-httpx/0.1"}, "anthropic-sdk"),
        ({"anthropic-version": "2023-06-01", "x-stainless-lang": "js"}, "anthropic-node"),
        ({"x-stainless-lang": "python", "x-stainless-package-version": "3"}, "openai-python"),
        ({}, None),
    ],
)
def test_headers_of_its_own_name_the_client(headers: dict[str, str], client: str | None) -> None:
    assert identify(headers.items()).client == client


@pytest.mark.parametrize(
    ("system", "client", "version"),
    [
        (
            "x-anthropic-billing-header: cc_version=2.1.329.abc; cc_entrypoint=sdk-py; cch=00;",
            "claude-code",
            "2.1.329",
        ),
        ("You are Claude Code, Anthropic's official CLI", "claude-code", None),
        ("You are opencode, an agent", "opencode", None),
        ("You are a helpful assistant", "anthropic-python", "1.0"),
    ],
)
def test_the_system_prompt_names_the_program_before_its_library(system: str, client: str, version: str | None) -> None:
    prompt = Prompt(messages=[Message(role="system", parts=[Text(text=system)])])
    found = identify([("user-agent", "Anthropic/Python 1.0")], prompt)
    assert found[:2] == (client, version)


def test_ours_come_before_the_headers_of_others() -> None:
    found = identify(
        [
            ("x-litellm-session-id", "theirs"),
            ("X-Dragoman-Session", "ours"),
            ("helicone-user-id", "u1"),
            ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            ("x-dragoman-tags", "a, b,,a"),
            ("x-litellm-tags", "c"),
            ("x-dragoman-property-team", "research"),
            ("x-dragoman-run", "r1"),
        ]
    )
    assert found.tags == ["a", "b", "c"]
    assert found.ids == {
        "session": "ours",
        "user": "u1",
        "trace": "4bf92f3577b34da6a3ce929d0e0e4736",
        "run": "r1",
        "property.team": "research",
    }


@pytest.mark.parametrize(
    ("user", "ids"),
    [
        ("user_0a_account_1b_session_2c", {"user": "user_0a_account_1b", "session": "2c"}),
        ('{"device_id":"d","account_uuid":"","session_id":"s"}', {"user": "d", "session": "s"}),
        ("{broken", {"user": "{broken"}),
        ('{"a":' * 9000, {"user": '{"a":' * 9000}),
        ("alice", {"user": "alice"}),
    ],
)
def test_the_bodys_user_is_taken_apart(user: str, ids: dict[str, str]) -> None:
    assert identify([], Prompt(settings=Settings(user=user))).ids == ids


def test_ids_of_the_body_give_way_to_headers() -> None:
    prompt = Prompt(
        previous_id="resp_1",
        extra={"openai_responses": {"prompt_cache_key": "key", "conversation": {"id": "conv"}}},
    )
    assert identify([], prompt).ids == {"session": "conv", "cache_key": "key", "previous": "resp_1"}
    assert identify([("session_id", "s")], prompt).ids["session"] == "s"
