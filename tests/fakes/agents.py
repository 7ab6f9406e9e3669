"""Claude Code and Codex as they are installed, driven without a terminal and with no way out of this machine.

with agent_home(tmp_path) as home:
    ran = Claude(installed, home).ask(f"{dragoman.url}/prefix", "claude-sonnet-4-5", "Which number?")

Homes are made anew, credentials are planted, telemetry is off, and every address but loopback is behind a proxy that
does not exist, so that nothing of a test reaches anybody.
"""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT_S = 90.0
KEY = "sk-planted-0123456789abcdef"
NOWHERE = "http://127.0.0.1:9"
"""The discard port: nothing listens there."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a program printed: its events, and all of it as text for messages."""

    code: int
    events: list[dict[str, Any]]
    text: str


def installed_at() -> Path | None:
    """Give the directory with both programs' commands, or None when they are not there."""
    place = Path(os.environ.get("DRAGOMAN_CLIENTS", "")) / "node_modules" / ".bin"
    is_there = all((place / name).exists() for name in ("claude", "codex"))
    return place.absolute() if is_there else None


@dataclass(frozen=True, slots=True)
class Claude:
    """Claude Code; `settings` are further environment variables."""

    commands: Path
    home: Path

    def ask(self, base_url: str, model: str, prompt: str, *more: str, **settings: str) -> Ran:
        own = {
            "ANTHROPIC_BASE_URL": base_url,
            "ANTHROPIC_API_KEY": KEY,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_TELEMETRY": "1",
            "DISABLE_ERROR_REPORTING": "1",
            "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_CODE_MAX_RETRIES": "0",
            "IS_SANDBOX": "1",
        }
        words = ["-p", prompt, "--model", model, "--dangerously-skip-permissions", "--output-format", "stream-json"]
        return _run(self.commands / "claude", [*words, "--verbose", *more], self.home, own | settings)


@dataclass(frozen=True, slots=True)
class Codex:
    """Codex, with a provider of its own (POST), or as the built-in one (WebSocket first)."""

    commands: Path
    home: Path

    def ask(self, base_url: str, model: str, prompt: str, *, built_in: bool = False) -> Ran:
        settings = {
            "model": model,
            "approval_policy": "never",
            "sandbox_mode": "danger-full-access",
            "check_for_update_on_startup": False,
        }
        settings |= {"openai_base_url": f"{base_url}/v1"} if built_in else {"model_provider": "dragoman"}
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        lines += ["[analytics]", "enabled = false"]
        if not built_in:
            provider = {
                "name": "Dragoman",
                "base_url": f"{base_url}/v1",
                "env_key": "OPENAI_API_KEY",
                "wire_api": "responses",
                "request_max_retries": 0,
                "stream_max_retries": 0,
            }
            lines += ["[model_providers.dragoman]"]
            lines += [f"{name} = {json.dumps(value)}" for name, value in provider.items()]
        place = self.home / ".codex"
        place.mkdir(exist_ok=True)
        (place / "config.toml").write_text("\n".join(lines) + "\n")
        own = {"CODEX_HOME": str(place), "OPENAI_API_KEY": KEY, "CODEX_API_KEY": KEY}
        return _run(self.commands / "codex", ["exec", "--skip-git-repo-check", "--json", prompt], self.home, own)


def _run(command: Path, words: list[str], home: Path, own: dict[str, str]) -> Ran:
    """Run to its end, or kill it after LIMIT_S with everything it started."""
    proxies = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"), NOWHERE)
    direct = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "SHELL": "/bin/sh"}
    done = subprocess.run(
        [command, *words],
        cwd=home,
        env=env | proxies | direct | own,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LIMIT_S,
        check=False,
    )
    text = done.stdout.decode(errors="replace")
    events = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return Ran(done.returncode, events, text)
