"""What is asked beside conversations: model lists in each dialect, Ollama's table of models, embeddings."""

import base64
import hashlib
import struct
from typing import Any

from dragoman.simulator.answer import Answer, Unfit, as_json
from dragoman.simulator.ask import tokens_in
from dragoman.simulator.openai_chat import CREATED
from dragoman.simulator.plan import MODELS

DIMENSIONS = 64
_SINCE = "2026-01-01T00:00:00Z"
_DETAILS = {
    "parent_model": "",
    "format": "gguf",
    "family": "simulated",
    "families": ["simulated"],
    "parameter_size": "7B",
    "quantization_level": "Q4_K_M",
}


def openai_models() -> Answer:
    return as_json({"object": "list", "data": [_openai_model(one) for one in MODELS]})


def openai_model(name: str) -> Answer | None:
    return as_json(_openai_model(name)) if name in MODELS else None


def anthropic_models() -> Answer:
    data = [_anthropic_model(one) for one in MODELS]
    return as_json({"data": data, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]})


def anthropic_model(name: str) -> Answer | None:
    return as_json(_anthropic_model(name)) if name in MODELS else None


def ollama_tags() -> Answer:
    return as_json({"models": [_ollama_model(one) for one in MODELS]})


def ollama_loaded(names: list[str]) -> Answer:
    models = [
        {
            **_ollama_model(one),
            "expires_at": "2030-01-01T00:00:00Z",
            "size_vram": 4_000_000_000,
            "context_length": 32768,
        }
        for one in names
    ]
    return as_json({"models": models})


def ollama_show(body: dict[str, Any]) -> Answer:
    name = str(body.get("model") or body.get("name") or "")
    if name.startswith("sim-") and name not in MODELS:
        return as_json({"error": f"model '{name}' not found"}, 404)
    return as_json(
        {
            "modelfile": f"# simulated\nFROM {name}",
            "parameters": "temperature 0.7",
            "template": "{{ .Prompt }}",
            "details": _DETAILS,
            "model_info": {
                "general.architecture": "simulated",
                "general.parameter_count": 7_000_000_000,
                "simulated.context_length": 32768,
            },
            "capabilities": ["completion", "tools", "vision", "thinking"],
            "modified_at": _SINCE,
        }
    )


def openai_embeddings(body: dict[str, Any]) -> Answer:
    """Answer with unit-less numbers made of each text's hash; base64 when asked for."""
    texts = _texts(body.get("input"))
    size = int(body.get("dimensions") or DIMENSIONS)
    is_base64 = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": number, "embedding": _packed(text, size) if is_base64 else _vector(text, size)}
        for number, text in enumerate(texts)
    ]
    count = sum(tokens_in(text) for text in texts)
    usage = {"prompt_tokens": count, "total_tokens": count}
    return as_json({"object": "list", "data": data, "model": body.get("model"), "usage": usage})


def ollama_embed(body: dict[str, Any]) -> Answer:
    texts = _texts(body.get("input"))
    vectors = [_vector(text, DIMENSIONS) for text in texts]
    count = sum(tokens_in(text) for text in texts)
    return as_json(
        {
            "model": body.get("model"),
            "embeddings": vectors,
            "total_duration": 14_000_000,
            "load_duration": 1_000_000,
            "prompt_eval_count": count,
        }
    )


def ollama_embeddings(body: dict[str, Any]) -> Answer:
    return as_json({"embedding": _vector(str(body.get("prompt") or ""), DIMENSIONS)})


def _openai_model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "simulator"}


def _anthropic_model(name: str) -> dict[str, Any]:
    return {
        "type": "model",
        "id": name,
        "display_name": name.replace("-", " ").title(),
        "created_at": _SINCE,
        "lifecycle": "active",
    }


def _ollama_model(name: str) -> dict[str, Any]:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return {
        "name": name,
        "model": name,
        "modified_at": _SINCE,
        "size": 4_000_000_000,
        "digest": digest,
        "details": _DETAILS,
    }


def _texts(given: Any) -> list[str]:
    if isinstance(given, str):
        return [given]
    if isinstance(given, list) and given:
        return [one if isinstance(one, str) else str(one) for one in given]
    raise Unfit("input: expected text or a list of texts")


def _vector(text: str, size: int) -> list[float]:
    raw = hashlib.shake_128(text.encode()).digest(size * 2)
    return [value / 32768 for value in struct.unpack(f"<{size}h", raw)]


def _packed(text: str, size: int) -> str:
    return base64.b64encode(struct.pack(f"<{size}f", *_vector(text, size))).decode()
