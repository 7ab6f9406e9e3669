"""Edits of the system prompt as they reach the wire: in each dialect its own bytes alone change."""

import json
from typing import Any

import pytest

from dragoman.dialects import ALL, translate
from dragoman.dialects.base import RequestTarget
from dragoman.dialects.system_edits import edit_system
from dragoman.wire.splice import splice

USER = {"role": "user", "content": "hi, old friend"}
TOOL = {"name": "t", "description": "old"}
BODIES: dict[str, list[dict[str, Any]]] = {
    "openai_chat": [
        {"model": "m", "messages": [{"role": "system", "content": "Be old."}, USER], "unknown": {"a": 1.50}},
        {"messages": [{"role": "developer", "content": [{"type": "text", "text": "Be old."}]}, USER], "model": "m"},
    ],
    "openai_responses": [
        {"model": "m", "instructions": "Be old.", "input": "hi, old friend", "unknown": [1]},
        {
            "model": "m",
            "input": [
                {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be old."}]},
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi, old friend"}]},
            ],
        },
    ],
    "anthropic_messages": [
        {"model": "m", "max_tokens": 9, "system": "Be old.", "messages": [USER], "tools": [TOOL]},
        {
            "model": "m",
            "max_tokens": 9,
            "system": [{"type": "text", "text": "Be old.", "cache_control": {"type": "ephemeral"}}],
            "messages": [USER],
        },
    ],
    "bedrock_invoke": [
        {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "system": "Be old.", "messages": [USER]},
    ],
    "ollama_chat": [
        {"model": "m", "messages": [{"role": "system", "content": "Be old."}, USER], "options": {"seed": 1}},
    ],
}
CASES = [(dialect, body) for dialect, bodies in BODIES.items() for body in bodies]
WITHOUT = [
    ("openai_chat", {"model": "m", "messages": [USER]}),
    ("openai_responses", {"model": "m", "input": "hi, old friend"}),
    ("anthropic_messages", {"model": "m", "max_tokens": 9, "messages": [USER]}),
    ("bedrock_invoke", {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": [USER]}),
    ("ollama_chat", {"model": "m", "messages": [USER]}),
]


def edited(dialect: str, body: dict[str, Any], **edits: Any) -> bytes:
    """Do to a request what a route without translation does."""
    raw = json.dumps(body).encode()
    prompt = edit_system(ALL[dialect].parse_request(raw), **edits)
    rendered = ALL[dialect].render_request(prompt, RequestTarget(is_streamed=prompt.is_streamed))
    return splice(raw, json.loads(rendered.body))


@pytest.mark.parametrize(("dialect", "body"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_replacement_changes_its_own_bytes_alone(dialect: str, body: dict[str, Any]) -> None:
    raw = json.dumps(body)
    assert edited(dialect, body, replace=[("Be old", "Be new")]).decode() == raw.replace("Be old", "Be new")


@pytest.mark.parametrize(("dialect", "body"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_appended_ends_the_system_prompt(dialect: str, body: dict[str, Any]) -> None:
    raw = json.dumps(body)
    assert edited(dialect, body, append="More.").decode() == raw.replace("Be old.", "Be old.\\n\\nMore.")


@pytest.mark.parametrize(("dialect", "body"), WITHOUT, ids=[dialect for dialect, _ in WITHOUT])
def test_a_system_prompt_is_made_where_there_is_none(dialect: str, body: dict[str, Any]) -> None:
    made = edited(dialect, body, append="Be new.")
    prompt = ALL[dialect].parse_request(made)
    assert (prompt.messages[0].role, prompt.messages[0].parts[0].text) == ("system", "Be new.")  # type: ignore[union-attr]
    left = json.loads(made)
    for key, value in body.items():
        if key not in ("messages", "input"):
            assert left[key] == value


@pytest.mark.parametrize("target", list(BODIES))
@pytest.mark.parametrize(("source", "body"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_edits_cross_to_every_other_dialect(source: str, body: dict[str, Any], target: str) -> None:
    prompt = edit_system(ALL[source].parse_request(json.dumps(body).encode()), replace=[("old", "new")], append="More.")
    made = translate.translate_request(source, target, prompt, RequestTarget(model="m"))
    again = ALL[target].parse_request(made.body)
    said = [part.text for part in again.messages[0].parts]  # type: ignore[union-attr]
    assert "\n\n".join(said) == "Be new.\n\nMore."
    assert again.messages[0].role in ("system", "developer")
    assert "hi, old friend" in made.body.decode()
