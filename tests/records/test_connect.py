"""Connect: every snippet names this Dragoman, and the variables are those that clients read."""

import subprocess
import tomllib
from pathlib import Path

import pytest

from dragoman.config.load import load
from dragoman.records.connect import ENV_TARGETS, arguments, connect, env, env_all, shell_lines, start_line

BASE = "http://127.0.0.1:8123"


def test_every_snippet_names_this_dragoman() -> None:
    made = connect(BASE + "/")
    assert made.base_url == BASE
    assert len({snippet.id for snippet in made.snippets}) == len(made.snippets) == 9
    for snippet in made.snippets:
        assert all(BASE in block.text for block in snippet.blocks), snippet.id


def test_the_settings_of_codex_are_toml() -> None:
    (codex,) = (snippet for snippet in connect(BASE).snippets if snippet.id == "codex")
    read = tomllib.loads(codex.blocks[0].text)
    assert read["model_providers"][read["model_provider"]]["base_url"] == f"{BASE}/v1"


def test_python_snippets_are_python() -> None:
    for snippet in connect(BASE).snippets:
        for block in snippet.blocks:
            if block.language == "python":
                compile(block.text, snippet.id, "exec")


def test_variables_lead_each_client_here() -> None:
    assert env("claude", BASE) == {"ANTHROPIC_BASE_URL": BASE}
    assert env("openai", BASE) == {"OPENAI_BASE_URL": f"{BASE}/v1"}
    assert set(env_all(BASE)) == {name for target in ENV_TARGETS for name in env(target, BASE)}
    with pytest.raises(KeyError):
        env("emacs", BASE)


def test_codex_which_reads_no_variable_is_led_by_an_argument() -> None:
    setting = f'openai_base_url="{BASE}/v1"'
    assert arguments("codex", BASE) == ["-c", setting]
    assert arguments("claude", BASE) == []
    assert start_line("codex", BASE) == f"codex -c '{setting}'"
    assert start_line("claude", BASE) == f"export ANTHROPIC_BASE_URL={BASE}"


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_what_env_prints_leads_a_shells_codex_here(shell: str, tmp_path: Path) -> None:
    program = tmp_path / "codex"
    program.write_text('#!/bin/sh\nprintf "%s|" "$@"')
    program.chmod(0o755)
    lines = "\n".join([*shell_lines("codex", BASE), "codex exec 'two words'"])
    done = subprocess.run(
        [shell, "-c", lines], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True
    )
    assert done.stdout == f'-c|openai_base_url="{BASE}/v1"|exec|two words|'
    assert "$argv" in shell_lines("codex", BASE, is_fish=True)[-1]


def test_the_settings_for_bedrock_are_taken_as_they_stand(tmp_path: Path) -> None:
    (bedrock,) = (snippet for snippet in connect(BASE).snippets if snippet.id == "bedrock")
    settings = tmp_path / "dragoman.yaml"
    settings.write_text(bedrock.blocks[0].text)
    (provider,) = load(env={}, directory=tmp_path, user_directory=tmp_path / "none").file_providers
    assert provider.slug == "bedrock"
    assert provider.auth is not None
    assert provider.auth.key_env == "AWS_BEARER_TOKEN_BEDROCK"
