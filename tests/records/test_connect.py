"""Connect: every snippet names this Dragoman, and the variables are those that clients read."""

import tomllib

import pytest

from dragoman.records.connect import ENV_TARGETS, connect, env, env_all

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
