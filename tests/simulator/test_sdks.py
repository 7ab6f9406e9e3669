"""The official SDKs understand the simulator, and get from it what the model's name promises."""

from collections.abc import Iterator
from typing import Any

import pytest

from dragoman.simulator.scenes import PICTURE
from fakes.sdk_scenarios import SCENARIOS
from fakes.simulated import running_simulator


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_simulator() as server:
        yield server.url


def run(name: str, url: str) -> Any:
    return SCENARIOS[name](url)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_same_request_gets_the_same_answer(name: str, url: str) -> None:
    assert run(name, url) == run(name, url)


def test_echo_says_it_again(url: str) -> None:
    said = "You said: What is the tide in Brest?"
    assert run("openai_chat", url)["choices"][0]["message"]["content"] == said
    assert run("anthropic_messages", url)["content"][0]["text"] == said
    assert run("ollama_chat", url)["message"]["content"] == said
    assert run("responses", url)["output"][0]["content"][0]["text"] == "You said: Hello"


def test_tools_are_called_and_their_results_heard(url: str) -> None:
    first, second = run("openai_chat_tools", url)
    calls = first["choices"][0]["message"]["tool_calls"]
    assert [one["function"]["name"] for one in calls] == ["weather", "tide"]
    assert first["choices"][0]["finish_reason"] == "tool_calls"
    assert second["choices"][0]["message"]["content"] == "The tools said: high at 4; high at 4"
    first, second = run("anthropic_tools", url)
    assert [one["type"] for one in first["content"]] == ["text", "tool_use", "tool_use"]
    assert first["content"][1]["input"] == {"city": "weather 1"}
    assert first["stop_reason"] == "tool_use"
    assert second["content"][0]["text"] == "The tools said: high at 4; high at 4"
    assert run("responses_tools", url)[2] == "The tools said: high at 4"
    first, second, streamed = run("ollama_tools", url)
    assert len(first["message"]["tool_calls"]) == 2
    assert second["message"]["content"] == "The tools said: high at 4; high at 4"
    assert sum(len(one["message"]["tool_calls"] or []) for one in streamed) == 2


def test_streamed_tool_calls_assemble(url: str) -> None:
    _, final = run("openai_chat_tools_streamed", url)
    assert [one["function"]["arguments"] for one in final["choices"][0]["message"]["tool_calls"]] == [
        '{"city": "weather 1"}',
        '{"city": "tide 2"}',
    ]
    events, final = run("responses_tools_streamed", url)
    assert events[0] == "response.created"
    assert events[-1] == "response.completed"
    assert [one["type"] for one in final["output"]] == ["message", "function_call", "function_call"]


def test_reasoning_comes_with_what_the_dialect_has_for_it(url: str) -> None:
    chunks = run("openai_chat_streamed", url)
    assert any(one["choices"] and one["choices"][0]["delta"].get("reasoning_content") for one in chunks)
    assert chunks[-1]["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
    events, final = run("anthropic_streamed", url)
    assert "signature" in events
    assert final["content"][0]["signature"]
    reasoning = run("responses_streamed", url)[-1]["response"]["output"][0]
    assert reasoning["encrypted_content"]
    assert any(one["message"]["thinking"] for one in run("ollama_chat_streamed", url))


def test_images_arrive_with_kind_and_size(url: str) -> None:
    for name in ("openai_chat_image", "responses_image", "anthropic_image", "ollama_image"):
        assert f"I see 1 image: image/png of {len(PICTURE)} bytes." in str(run(name, url)), name


def test_errors_have_the_dialects_classes(url: str) -> None:
    assert [one[0] for one in run("openai_errors", url)] == [
        "BadRequestError",
        "AuthenticationError",
        "PermissionDeniedError",
        "NotFoundError",
        "RateLimitError",
        "InternalServerError",
        "InternalServerError",
    ]
    kinds = [one[2]["error"]["type"] for one in run("anthropic_errors", url)]
    assert kinds == [
        "invalid_request_error",
        "authentication_error",
        "permission_error",
        "not_found_error",
        "request_too_large",
        "rate_limit_error",
        "api_error",
        "overloaded_error",
    ]
    assert [one[0] for one in run("ollama_errors", url)[:4]] == [401, 429, 500, 404]


def test_streams_break_in_the_middle(url: str) -> None:
    text, kind, _ = run("openai_error_in_mid_stream", url)
    assert text
    assert kind == "APIError"
    text, kind = run("openai_cut_in_mid_stream", url)
    assert text
    assert "Error" in kind
    assert run("anthropic_error_in_mid_stream", url)[0]
    assert run("responses_errors", url)[-1]["type"] == "response.failed"
    assert "mid-stream" in run("ollama_errors", url)[-1]


def test_stop_reasons(url: str) -> None:
    assert run("openai_length", url)["choices"][0]["finish_reason"] == "length"
    cut, refused = run("responses_incomplete", url)
    assert cut["incomplete_details"]["reason"] == "max_output_tokens"
    assert refused["output"][0]["content"][0]["type"] == "refusal"
    assert [one["stop_reason"] for one in run("anthropic_stop_reasons", url)] == ["max_tokens", "refusal"]


def test_anthropic_caches_up_to_its_marks(url: str) -> None:
    first, second = run("anthropic_cache", url)
    assert first["cache_read_input_tokens"] == 0
    assert first["cache_creation_input_tokens"] > 1000
    assert second["cache_read_input_tokens"] == first["cache_creation_input_tokens"]
    assert 0 < second["cache_creation_input_tokens"] < first["cache_creation_input_tokens"]


def test_model_lists(url: str) -> None:
    assert run("openai_models", url)[1]["id"] == "sim-echo"
    assert run("anthropic_models", url)[1]["display_name"] == "Sim Echo"
    _, shown, was_loaded, is_loaded = run("ollama_models", url)
    assert "tools" in shown["capabilities"]
    assert was_loaded
    assert not is_loaded


def test_azures_client_finds_its_deployment(url: str) -> None:
    from openai import AzureOpenAI, NotFoundError, OpenAI

    hello = [{"role": "user", "content": "Hello"}]
    with AzureOpenAI(azure_endpoint=url, api_key="k", api_version="2024-10-21", max_retries=0) as client:
        said = client.chat.completions.create(model="sim-echo", messages=hello)
        assert said.choices[0].message.content == "You said: Hello"
        with pytest.raises(NotFoundError):
            client.images.generate(model="sim-echo", prompt="x")
    with OpenAI(base_url=f"{url}/openai/v1", api_key="k", max_retries=0) as client:
        assert client.responses.create(model="sim-echo", input="Hello").output_text == "You said: Hello"
