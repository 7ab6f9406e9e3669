"""Files of other tools: what they become, what they cannot become, and that no key comes out in clear."""

import json
from pathlib import Path

import pytest

from dragoman import config
from dragoman.config import imports
from dragoman.config.imports import Found
from dragoman.config.imports.written import as_yaml, write_into
from dragoman.errors import BadConfig, BadRequest
from dragoman.records.route import Replacement, Target

SECRET = "sk-planted-in-a-foreign-file-5f2b"

LLM_PROXY = f"""
server: {{port: 9000}}
models:
  - frontend_model_name: gpt-4o
    frontend_base_url: /openai-compat
    frontend_dialect: openai-chat
    backend_model_name: claude-sonnet-4-5
    backend_base_url: https://api.anthropic.com
    backend_api_key: {SECRET}
    backend_auth_header: x-api-key
    backend_auth_schema: ""
    backend_dialect: claude
    system_replacements: {{old: new, two: ""}}
    system_append: Be brief.
    inject_progress: true
  - frontend_model_name: gpt-4o-mini
    frontend_base_url: /openai-compat
    frontend_dialect: openai-chat
    backend_model_name: gpt-5.5-mini
    backend_base_url: https://api.openai.com
    backend_api_key: ""
    backend_dialect: openai-responses
  - frontend_model_name: odd
    frontend_base_url: /a/b/v1
    backend_base_url: http://10.0.0.7:9000
    backend_api_key: ${{ODD_KEY}}
    backend_auth_header: Authorization
    backend_auth_schema: Token
    backend_dialect: openai-chat
  - {{frontend_model_name: bad, backend_base_url: 'ftp://h', backend_dialect: openai-chat}}
  - {{frontend_model_name: bad, backend_base_url: 'http://h', backend_dialect: klingon}}
"""

LLM_OBSERVE = [
    {"model": "local-qwen", "upstream_url": "http://localhost:8000/v1", "upstream_model": "qwen3-coder-30b",
     "fixes": ["qwen-tagged-tool-call-rewrite"]},
    {"model": "mini", "upstream_url": "https://api.openai.com/v1", "upstream_model": "gpt-5.5-mini",
     "provider_slug": "openai", "api_key_env": "OPENAI_API_KEY", "priority": 3, "active": False},
    {"model": "qwen-", "match_type": "prefix", "upstream_url": "http://localhost:8000/v1"},
    {"model": "own", "upstream_url": "http://localhost:8000/v1", "api_key": SECRET},
    {"upstream_url": "http://localhost:8000/v1"},
]  # fmt: skip

LITELLM = f"""
model_list:
  - model_name: fast
    litellm_params: {{model: anthropic/claude-haiku-4-5, api_key: os.environ/ANTHROPIC_API_KEY}}
  - model_name: fast
    litellm_params: {{model: groq/llama-4, api_key: {SECRET}, rpm: 10}}
  - model_name: slow
    litellm_params: {{model: gpt-5.5, api_key: os.environ/OPENAI_API_KEY}}
  - model_name: claude-*
    litellm_params: {{model: anthropic/claude-*, api_key: os.environ/ANTHROPIC_API_KEY}}
  - model_name: anthropic/*
    litellm_params: {{model: anthropic/*}}
  - model_name: east
    litellm_params: {{model: azure/my-gpt, api_base: 'https://me.openai.azure.com', api_key: os.environ/AZ,
                      api_version: 2025-01-01-preview}}
  - model_name: rock
    litellm_params: {{model: bedrock/anthropic.claude-sonnet-4-5, aws_region_name: eu-west-1}}
  - model_name: nova
    litellm_params: {{model: bedrock/amazon.nova-pro-v1:0}}
  - model_name: what
    litellm_params: {{model: sagemaker/x}}
  - model_name: local
    litellm_params: {{model: hosted_vllm/qwen, api_base: 'http://127.0.0.1:8000/v1', api_key: none}}
litellm_settings: {{drop_params: true, fallbacks: [{{slow: [fast, gone]}}]}}
router_settings: {{num_retries: 2, model_group_alias: {{quick: fast, lost: nowhere}}}}
general_settings: {{master_key: sk-1234}}
"""


def routes(found: Found) -> dict[str, object]:
    return {one.name: one for one in found.routes}


def problems(found: Found) -> str:
    return "\n".join(f"{one.where}: {one.message}" for one in found.problems)


def providers(found: Found) -> dict[str, object]:
    return {one.provider.slug: one for one in found.providers}


def test_a_model_map_becomes_prefixed_routes_with_edits() -> None:
    found = imports.read(LLM_PROXY)
    assert found.format == "llm-proxy"
    route = routes(found)["openai-compat-gpt-4o"]
    assert (route.prefix, route.model) == ("/openai-compat", "gpt-4o")
    assert route.system.replace == [Replacement(old="old", new="new"), Replacement(old="two")]
    assert (route.system.append, route.system.progress) == ("Be brief.", True)
    assert route.targets == [Target(provider="anthropic-2", dialect="anthropic_messages", model="claude-sonnet-4-5")]
    made = providers(found)["anthropic-2"]
    assert (made.provider.auth.scheme, made.provider.auth.name) == ("header", "x-api-key")
    assert (made.secret, made.provider.auth.key_vault) == (SECRET, "anthropic-2")


def test_without_a_key_the_clients_own_passes_to_the_provider_that_is_there() -> None:
    assert routes(imports.read(LLM_PROXY))["openai-compat-gpt-4o-mini"].targets[0].provider == "openai"


def test_any_header_and_scheme_is_taken_and_a_long_prefix_becomes_one_word() -> None:
    found = imports.read(LLM_PROXY)
    route = routes(found)["a-b-odd"]
    auth = providers(found)[route.targets[0].provider].provider.auth
    assert (auth.scheme, auth.name, auth.prefix, auth.key_env) == ("header", "Authorization", "Token", "ODD_KEY")
    assert route.prefix == "/a-b"
    assert "models[2].frontend_base_url: /a/b cannot be a prefix here; /a-b is taken" in problems(found)


def test_what_cannot_be_taken_over_is_named() -> None:
    said = problems(imports.read(LLM_PROXY))
    assert "models[3]: base_url: found 'ftp://h'" in said
    assert "models[4].backend_dialect: found 'klingon'" in said
    assert "server: " in said


def test_a_list_of_routes_keeps_priority_pattern_and_state() -> None:
    found = imports.read(json.dumps(LLM_OBSERVE))
    assert found.format == "llm-observe"
    made = routes(found)
    assert [(one.model, one.priority, one.is_active) for one in found.routes] == [
        ("local-qwen", 0, True),
        ("mini", 3, False),
        ("qwen-*", 0, True),
        ("own", 0, True),
    ]
    assert made["local-qwen"].targets == [Target(provider="local-8000", model="qwen3-coder-30b")]
    assert made["qwen"].targets[0].provider == "local-8000"
    assert made["own"].targets[0].provider == "local-8000-2"
    assert providers(found)["openai-2"].provider.auth.key_env == "OPENAI_API_KEY"
    assert "[0].fixes" in problems(found) and "[4]: it names no `model`" in problems(found)


def test_the_object_form_is_read_too() -> None:
    found = imports.read(json.dumps({"default_fixes": ["x"], "model_routes": LLM_OBSERVE[:1]}))
    assert [one.name for one in found.routes] == ["local-qwen"]
    assert "default_fixes" in problems(found)


def test_a_model_list_becomes_routes_with_fallbacks_aliases_and_retries() -> None:
    found = imports.read(LITELLM)
    assert found.format == "litellm"
    made = routes(found)
    assert [(one.provider, one.model) for one in made["fast"].targets] == [
        ("anthropic-2", "claude-haiku-4-5"),
        ("groq", "llama-4"),
    ]
    assert [one.model for one in made["slow"].targets] == ["gpt-5.5", "claude-haiku-4-5", "llama-4"]
    assert made["quick"].targets == made["fast"].targets
    assert made["fast"].retry.attempts == 3
    assert made["claude"].targets == [Target(provider="anthropic-2", dialect="anthropic_messages")]
    assert providers(found)["groq"].secret == SECRET
    assert providers(found)["bedrock-2"].provider.auth.region == "eu-west-1"
    azure = providers(found)["azure"].provider
    assert (azure.form, azure.query, azure.auth.name) == ("azure", {"api-version": "2025-01-01-preview"}, "api-key")
    assert providers(found)["hosted-vllm"].provider.auth.scheme == "none"


def test_what_a_model_list_says_beyond_is_named() -> None:
    said = problems(imports.read(LITELLM))
    for words in (
        "rpm",
        "sagemaker",
        "wildcard",
        "gone is no model",
        "drop_params",
        "general_settings",
        "lost stands",
        "nova-pro",
    ):
        assert words in said


@pytest.mark.parametrize("text", [LLM_PROXY, json.dumps(LLM_OBSERVE), LITELLM])
def test_no_key_is_shown_or_written(text: str) -> None:
    found = imports.read(text)
    assert SECRET not in repr(found)
    assert SECRET not in as_yaml(found)
    assert any(one.secret == SECRET for one in found.providers)


@pytest.mark.parametrize("text", [LLM_PROXY, json.dumps(LLM_OBSERVE), LITELLM])
def test_what_was_found_loads_as_settings(text: str, tmp_path: Path) -> None:
    path = tmp_path / "dragoman.yaml"
    found = imports.read(text)
    assert write_into(found, path) == []
    start = config.load(config_file=path, env={}, user_directory=tmp_path / "none")
    assert [one.name for one in start.file_routes] == [one.name for one in found.routes]
    assert {one.slug for one in start.file_providers} == set(providers(found))


def test_a_file_that_is_there_keeps_its_words(tmp_path: Path) -> None:
    path = tmp_path / "dragoman.yaml"
    path.write_text("# mine\nserver: {port: 9}  # kept\nroutes:\n  - {name: mini, targets: [{provider: openai}]}\n")
    left = write_into(imports.read(json.dumps(LLM_OBSERVE)), path)
    assert left == ["route mini"]
    text = path.read_text()
    assert "# mine" in text and "# kept" in text
    start = config.load(config_file=path, env={}, user_directory=tmp_path / "none")
    assert [one.name for one in start.file_routes] == ["mini", "local-qwen", "qwen", "own"]


def test_a_file_that_does_not_load_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "dragoman.yaml"
    path.write_text("sever: {}\n")
    with pytest.raises(BadConfig, match="did you mean `server`"):
        write_into(imports.read(LITELLM), path)
    assert path.read_text() == "sever: {}\n"
    assert [one.name for one in tmp_path.iterdir()] == ["dragoman.yaml"]


@pytest.mark.parametrize("text", ["", "a: 1", "[1, 2]", "nothing", "a: [", "[" * 5000])
def test_another_file_is_refused_with_what_is_known(text: str) -> None:
    with pytest.raises(BadRequest):
        imports.read(text)


def test_an_entry_of_litellm_without_a_key_takes_its_usual_variable() -> None:
    found = imports.read(
        """
model_list:
  - {model_name: a, litellm_params: {model: groq/llama-4}}
  - {model_name: b, litellm_params: {model: openai/gpt-5.5, api_base: "http://127.0.0.1:7/v1"}}
  - {model_name: c, litellm_params: {model: hosted_vllm/qwen, api_base: "http://127.0.0.1:8/v1"}}
"""
    )
    keys = [one.provider.auth and one.provider.auth.key_env for one in found.providers]
    assert keys == ["GROQ_API_KEY", None, None]
