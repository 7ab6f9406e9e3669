"""A pin in a model's name reaches the broker in the broker's own words."""

from typing import Any

import pytest

from dragoman.dialects.pins import pin


def test_openrouter_gets_an_order_without_fallbacks() -> None:
    body = {"model": "anthropic/claude-sonnet-4.5@google-vertex", "stream": True}
    assert pin(body, "openrouter.ai") == {
        "model": "anthropic/claude-sonnet-4.5",
        "stream": True,
        "provider": {"order": ["google-vertex"], "allow_fallbacks": False},
    }


def test_variants_and_several_hosts() -> None:
    pinned = pin({"model": "qwen/qwen3:free@deepinfra/fp8, novita"}, "eu.openrouter.ai")
    assert pinned["model"] == "qwen/qwen3:free"
    assert pinned["provider"]["order"] == ["deepinfra/fp8", "novita"]


def test_what_the_client_said_of_the_provider_stays() -> None:
    body = {"model": "m@a", "provider": {"data_collection": "deny", "order": ["b"], "allow_fallbacks": True}}
    assert pin(body, "openrouter.ai")["provider"] == {
        "data_collection": "deny",
        "order": ["a"],
        "allow_fallbacks": False,
    }


@pytest.mark.parametrize(
    ("body", "host"),
    [
        ({"model": "m@a"}, "api.openai.com"),
        ({"model": "m@a"}, "notopenrouter.ai"),
        ({"model": "meta-llama/Llama-3.3-70B-Instruct:groq"}, "router.huggingface.co"),
        ({"model": "m"}, "openrouter.ai"),
        ({"model": "@a"}, "openrouter.ai"),
        ({"model": "m@"}, "openrouter.ai"),
        ({"model": None}, "openrouter.ai"),
        ({}, "openrouter.ai"),
    ],
)
def test_all_else_is_the_same_object(body: dict[str, Any], host: str) -> None:
    assert pin(body, host) is body
