"""How to point a client at Dragoman: the one source for the Connect panel and for `dragoman env`.

Pure: the caller says under which URL this Dragoman is reached. Every line is meant to work as pasted; keys stay
where the client already has them. Client facts: seen on the wire, 2026-11, with the versions named beside them.
"""

import json
import shlex

import msgspec


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to paste: `language` is for the highlighter, `note` says where it goes."""

    note: str
    language: str
    text: str


class Snippet(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    title: str
    blocks: list[Block]


class Connect(msgspec.Struct, frozen=True, kw_only=True):
    base_url: str
    snippets: list[Snippet]


ENV_TARGETS = ("claude", "codex", "gemini", "openai", "anthropic", "ollama", "bedrock")


def env(target: str, base_url: str) -> dict[str, str]:
    """Return the variables that lead one client to `base_url`. Raises KeyError for an unknown target."""
    v1 = f"{base_url}/v1"
    return {
        "claude": {"ANTHROPIC_BASE_URL": base_url},
        "codex": {"OPENAI_BASE_URL": v1},
        "gemini": {"GOOGLE_GEMINI_BASE_URL": base_url},
        "openai": {"OPENAI_BASE_URL": v1},
        "anthropic": {"ANTHROPIC_BASE_URL": base_url},
        "ollama": {"OLLAMA_HOST": base_url},
        "bedrock": {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": base_url},
    }[target]


def arguments(program: str, base_url: str) -> list[str]:
    """Return what a program wants on its command line since no variable leads it here; most want nothing.

    Codex 0.169.0 does not read OPENAI_BASE_URL; earlier ones did.
    """
    return ["-c", f"openai_base_url={json.dumps(base_url + '/v1')}"] if program == "codex" else []


def shell_lines(target: str, base_url: str, *, is_fish: bool = False) -> list[str]:
    """Return the lines to `eval`, so that a shell leads one client to `base_url`."""
    lines = [
        f"set -gx {name} {shlex.quote(value)}" if is_fish else f"export {name}={shlex.quote(value)}"
        for name, value in env(target, base_url).items()
    ]
    more = shlex.join(arguments(target, base_url))
    if more and is_fish:
        lines.append(f"function {target}; command {target} {more} $argv; end")
    elif more:
        lines.append(f'{target}() {{ command {target} {more} "$@"; }}')
    return lines


def start_line(target: str, base_url: str) -> str:
    """Return the one line that a person types for this client."""
    more = arguments(target, base_url)
    return shlex.join([target, *more]) if more else "; ".join(shell_lines(target, base_url))


def env_all(base_url: str) -> dict[str, str]:
    """Return the variables of all clients at once, for a child process."""
    return {name: value for target in ENV_TARGETS for name, value in env(target, base_url).items()}


def connect(base_url: str) -> Connect:
    base_url = base_url.rstrip("/")
    makers = (_claude_code, _codex, _gemini, _cursor, _openai, _anthropic, _ollama, _bedrock, _curl)
    return Connect(base_url=base_url, snippets=[make(base_url) for make in makers])


def _exports(target: str, base_url: str) -> str:
    return "\n".join(shell_lines(target, base_url))


def _shell(note: str, text: str) -> Block:
    return Block(note=note, language="sh", text=text)


def _claude_code(base_url: str) -> Snippet:
    text = f"{_exports('claude', base_url)}\nclaude"
    return Snippet(id="claude-code", title="Claude Code", blocks=[_shell("In a shell", text)])


def _codex(base_url: str) -> Snippet:
    # A provider of one's own speaks plain HTTP; the built-in one tries a WebSocket first. Codex 0.169.0.
    settings = "\n".join(
        [
            'model_provider = "dragoman"',
            "",
            "[model_providers.dragoman]",
            'name = "Dragoman"',
            f"base_url = {json.dumps(base_url + '/v1')}",
            'env_key = "OPENAI_API_KEY"',
            'wire_api = "responses"',
        ]
    )
    once = start_line("codex", base_url)
    return Snippet(
        id="codex",
        title="Codex",
        blocks=[Block(note="In ~/.codex/config.toml", language="toml", text=settings), _shell("Or for once", once)],
    )


def _gemini(base_url: str) -> Snippet:
    text = f"{_exports('gemini', base_url)}\ngemini"
    return Snippet(id="gemini-cli", title="Gemini CLI", blocks=[_shell("In a shell, with GEMINI_API_KEY set", text)])


def _cursor(base_url: str) -> Snippet:
    note = (
        "Cursor Settings → Models → OpenAI API Key → Override OpenAI Base URL. Cursor calls from its own servers, so "
        "this address must be reachable from the internet: set a password first"
    )
    return Snippet(id="cursor", title="Cursor", blocks=[Block(note=note, language="text", text=f"{base_url}/v1")])


def _openai(base_url: str) -> Snippet:
    python = "\n".join(
        [
            "from openai import OpenAI",
            "",
            f"client = OpenAI(base_url={json.dumps(base_url + '/v1')})",
            "print(client.models.list())",
        ]
    )
    typescript = "\n".join(
        [
            'import OpenAI from "openai";',
            "",
            f"const client = new OpenAI({{ baseURL: {json.dumps(base_url + '/v1')} }});",
            "console.log(await client.models.list());",
        ]
    )
    return Snippet(
        id="openai-sdk",
        title="OpenAI SDK",
        blocks=[
            _shell("For any program that uses it", _exports("openai", base_url)),
            Block(note="Python", language="python", text=python),
            Block(note="TypeScript", language="typescript", text=typescript),
        ],
    )


def _anthropic(base_url: str) -> Snippet:
    python = "\n".join(
        [
            "from anthropic import Anthropic",
            "",
            f"client = Anthropic(base_url={json.dumps(base_url)})",
            "print(client.models.list())",
        ]
    )
    typescript = "\n".join(
        [
            'import Anthropic from "@anthropic-ai/sdk";',
            "",
            f"const client = new Anthropic({{ baseURL: {json.dumps(base_url)} }});",
            "console.log(await client.models.list());",
        ]
    )
    return Snippet(
        id="anthropic-sdk",
        title="Anthropic SDK",
        blocks=[
            _shell("For any program that uses it", _exports("anthropic", base_url)),
            Block(note="Python", language="python", text=python),
            Block(note="TypeScript", language="typescript", text=typescript),
        ],
    )


def _ollama(base_url: str) -> Snippet:
    python = "\n".join(
        [
            "from ollama import Client",
            "",
            f"client = Client(host={json.dumps(base_url)})",
            "print(client.list())",
        ]
    )
    return Snippet(
        id="ollama",
        title="Ollama",
        blocks=[
            _shell("For the ollama command and its SDKs (not for `ollama serve`)", _exports("ollama", base_url)),
            Block(note="Python", language="python", text=python),
        ],
    )


def _bedrock(base_url: str) -> Snippet:
    # A signature covers the host, so AWS refuses it once the host has changed; and boto3 sends a bearer key over
    # TLS alone. So the key is Dragoman's, and takes the place of the signature. boto3 1.44.5.
    settings = "\n".join(
        [
            "providers:",
            "  - slug: bedrock",
            "    base_url: https://bedrock-runtime.us-east-1.amazonaws.com   # your region",
            "    dialects: [bedrock_invoke, bedrock_converse]",
            "    default_for: [bedrock_invoke, bedrock_converse]",
            "    auth: {scheme: bearer, key_env: AWS_BEARER_TOKEN_BEDROCK}",
            f"# reached at {base_url}/model/… once Dragoman was started with that key in its environment",
        ]
    )
    shell = "\n".join(
        [
            _exports("bedrock", base_url),
            "export AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=none AWS_SECRET_ACCESS_KEY=none   # the SDK wants some",
        ]
    )
    return Snippet(
        id="bedrock",
        title="Bedrock",
        blocks=[
            Block(note="In dragoman.yaml, with a Bedrock API key", language="yaml", text=settings),
            _shell("In the program's shell", shell),
        ],
    )


def _curl(base_url: str) -> Snippet:
    openai = " \\\n  ".join(
        [
            f"curl {base_url}/v1/chat/completions",
            '-H "authorization: Bearer $OPENAI_API_KEY"',
            "-H 'content-type: application/json'",
            """-d '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}'""",
        ]
    )
    anthropic = " \\\n  ".join(
        [
            f"curl {base_url}/v1/messages",
            '-H "x-api-key: $ANTHROPIC_API_KEY"',
            "-H 'anthropic-version: 2023-06-01' -H 'content-type: application/json'",
            """-d '{"model": "claude-sonnet-4-5", "max_tokens": 64,"""
            """ "messages": [{"role": "user", "content": "Hello"}]}'""",
        ]
    )
    return Snippet(id="curl", title="curl", blocks=[_shell("OpenAI", openai), _shell("Anthropic", anthropic)])
