"""Which dialect and endpoint a request means."""

import subprocess
import sys

import pytest

from dragoman.dialects.detect import OLLAMA_PATHS, detect, is_ollama_path, model_in_path

CASES = [
    # method, path, query, headers, expected
    ("POST", "/v1/chat/completions", "", "", ("openai_chat", "chat")),
    ("POST", "/chat/completions", "", "", ("openai_chat", "chat")),
    ("GET", "/v1/chat/completions", "", "", ("openai_chat", "stored_chat")),
    ("GET", "/v1/chat/completions/chatcmpl-1", "", "", ("openai_chat", "stored_chat")),
    ("POST", "/openai/deployments/gpt-4o/chat/completions", "api-version=2024-10-21", "", ("openai_chat", "chat")),
    ("POST", "/openai/v1/responses", "", "", ("openai_responses", "responses")),
    ("POST", "/v1beta/openai/chat/completions", "", "", ("openai_chat", "chat")),
    ("POST", "/api/v2/cortex/v1/chat/completions", "", "", ("openai_chat", "chat")),
    ("POST", "/v1/completions", "", "", ("openai_chat", "completions")),
    ("POST", "/v1/embeddings", "", "", ("openai_chat", "embeddings")),
    ("GET", "/v1/responses", "", "upgrade", ("openai_responses", "responses")),
    ("GET", "/v1/responses/resp_1", "stream=true", "", ("openai_responses", "stored_response")),
    ("POST", "/v1/responses/compact", "", "", ("openai_responses", "compact")),
    ("POST", "/v1/responses/input_tokens", "", "", ("openai_responses", "count_tokens")),
    ("POST", "/v1/responses/resp_1/cancel", "", "", ("openai_responses", None)),
    ("POST", "/v1/messages", "beta=true", "anthropic-version", ("anthropic_messages", "messages")),
    ("POST", "/v1/messages/count_tokens", "", "anthropic-version", ("anthropic_messages", "count_tokens")),
    ("GET", "/v1/messages/batches/b/results", "", "anthropic-version", ("anthropic_messages", "batches")),
    ("POST", "/v1/complete", "", "anthropic-version", ("anthropic_messages", "complete")),
    ("POST", "/v1/threads/t/messages", "", "", ("openai_chat", "threads")),
    ("GET", "/v1/models", "", "", ("openai_chat", "models")),
    ("GET", "/v1/models", "", "anthropic-version", ("anthropic_messages", "models")),
    ("GET", "/v1/models", "", "x-goog-api-key", ("gemini_generate", "models")),
    ("GET", "/v1/models", "pageSize=5&key=abc", "", ("gemini_generate", "models")),
    ("GET", "/v1/models", "monkey=abc", "", ("openai_chat", "models")),
    ("GET", "/v1/files/f", "", "anthropic-version", ("anthropic_messages", "files")),
    ("POST", "/v1/batches", "", "", ("openai_chat", "batches")),
    ("POST", "/v1/audio/speech", "", "", ("openai_chat", "audio")),
    ("POST", "/v1/models/gemini-3:generateContent", "", "", ("gemini_generate", "generate")),
    ("POST", "/v1beta/models/g:streamGenerateContent", "alt=sse", "", ("gemini_generate", "stream_generate")),
    ("POST", "/v1beta/models/g:countTokens", "", "", ("gemini_generate", "count_tokens")),
    ("GET", "/v1beta/models", "", "", ("gemini_generate", "models")),
    (
        *("POST", "/v1/projects/p/locations/l/publishers/anthropic/models/c:streamRawPredict", "", ""),
        ("anthropic_messages", "messages"),
    ),
    ("POST", "/model/anthropic.claude%3A0/invoke", "", "", ("bedrock_invoke", "invoke")),
    ("POST", "/model/a/invoke-with-response-stream", "", "", ("bedrock_invoke", "invoke_stream")),
    ("POST", "/model/a/converse-stream", "", "", ("bedrock_converse", "converse_stream")),
    ("POST", "/api/chat", "", "", ("ollama_chat", "chat")),
    ("HEAD", "/api/blobs/sha256:0", "", "", ("ollama_chat", "blobs")),
    ("DELETE", "/api/delete", "", "", ("ollama_chat", "delete")),
    ("POST", "/v1/brand/new", "", "", ("openai_chat", None)),
    ("POST", "/v1/brand/new", "", "anthropic-version", ("anthropic_messages", None)),
    ("GET", "/brand/new", "", "", (None, None)),
    ("GET", "/", "", "", (None, None)),
]


@pytest.mark.parametrize(("method", "path", "query", "headers", "expected"), CASES)
def test_method_path_and_headers_name_dialect_and_endpoint(method, path, query, headers, expected) -> None:
    present = {headers.encode()} - {b""}
    assert detect(method, path, query, lambda name: name in present) == expected


def test_ollamas_paths_are_a_closed_table() -> None:
    words = "chat generate tags show ps version embed embeddings pull push create copy delete blobs"
    assert {f"/api/{word}" for word in words.split()} == OLLAMA_PATHS
    assert is_ollama_path("/api/blobs/sha256:12")
    assert not is_ollama_path("/api/exchanges")
    assert not is_ollama_path("/api/chat/x")


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/openai/deployments/gpt-4o/chat/completions", "gpt-4o"),
        ("/model/anthropic.claude%3A0/converse", "anthropic.claude%3A0"),
        ("/v1beta/models/gemini-3-pro:generateContent", "gemini-3-pro"),
        ("/v1/models/gpt-5", "gpt-5"),
        ("/models/chat/completions", None),
        ("/v1/chat/completions", None),
    ],
)
def test_a_path_can_name_the_model(path: str, model: str | None) -> None:
    assert model_in_path(path) == model


def test_detecting_loads_no_decoder() -> None:
    code = "import sys, dragoman.dialects.detect, dragoman.dialects.errors; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    decoders = {"openai_chat", "openai_responses", "anthropic_messages", "ollama_chat", "assembler"}
    assert not {f"dragoman.dialects.{name}" for name in decoders} & set(loaded)
