"""Lists of models in each dialect's form."""

import json
from typing import Any

import anthropic.types
import ollama
import openai.types
import pytest

from dragoman.dialects.base import Unreadable
from dragoman.dialects.models import Model, read_models, write_models
from fakes.corpus import read_records, whole_corpus

GIVEN: dict[str, dict[str, Any]] = {
    "openai_chat": {"object": "list", "data": [{"id": "gpt-5", "object": "model", "created": 5, "owned_by": "openai"}]},
    "anthropic_messages": {
        "data": [
            {"type": "model", "id": "claude", "display_name": "Claude", "created_at": "2025-02-19T00:00:00Z"},
        ],
        "has_more": False,
    },
    "ollama_chat": {
        "models": [{"name": "llama3:8b", "model": "llama3:8b", "modified_at": "2025-05-10T08:06:48.639712648+02:00"}]
    },
    "gemini_generate": {"models": [{"name": "models/gemini", "displayName": "Gemini", "inputTokenLimit": 9}]},
    "bedrock_invoke": {"modelSummaries": [{"modelId": "a.b-v1:0", "modelName": "B", "providerName": "A"}]},
}
READ = {
    "openai_chat": Model(id="gpt-5", created=5, owner="openai"),
    "anthropic_messages": Model(id="claude", name="Claude", created=1_739_923_200),
    "ollama_chat": Model(id="llama3:8b", created=1_746_857_208),
    "gemini_generate": Model(id="gemini", name="Gemini", context=9),
    "bedrock_invoke": Model(id="a.b-v1:0", name="B", owner="A"),
}


@pytest.mark.parametrize("dialect", GIVEN)
def test_each_form_is_read(dialect: str) -> None:
    assert read_models(dialect, json.dumps(GIVEN[dialect]).encode()) == [READ[dialect]]


@pytest.mark.parametrize("source", GIVEN)
@pytest.mark.parametrize("target", GIVEN)
def test_a_name_crosses_from_each_form_to_each(source: str, target: str) -> None:
    models = [READ[source], Model(id="second")]
    again = read_models(target, write_models(target, models))
    assert [one.id for one in again] == [one.id for one in models]


def test_the_official_sdks_take_what_is_written() -> None:
    models = [Model(id="a", created=5), Model(id="b")]
    openais = json.loads(write_models("openai_responses", models))
    assert [openai.types.Model.model_validate(one).id for one in openais["data"]] == ["a", "b"]
    anthropics = json.loads(write_models("anthropic_messages", models))
    assert [anthropic.types.ModelInfo.construct(**one).id for one in anthropics["data"]] == ["a", "b"]
    assert (anthropics["first_id"], anthropics["last_id"], anthropics["has_more"]) == ("a", "b", False)
    listed = ollama.ListResponse.model_validate_json(write_models("ollama_chat", models))
    assert [one.model for one in listed.models] == ["a", "b"]


def test_an_empty_list_is_one() -> None:
    assert read_models("openai_chat", b'{"object":"list","data":[]}') == []
    assert json.loads(write_models("anthropic_messages", []))["first_id"] is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"data":{}}', b"<html>"])
def test_what_is_no_list_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_models("openai_chat", body)


def test_odd_entries_are_left_out() -> None:
    body = b'{"data":[1,{"id":7},{"id":"a","created":"x","created_at":"yesterday"}]}'
    assert read_models("openai_chat", body) == [Model(id="a")]


@pytest.mark.corpus
def test_recorded_lists_are_read() -> None:
    place = whole_corpus()
    if place is None:
        pytest.skip("the whole corpus lies neither beside the project nor where DRAGOMAN_CORPUS says")
    records = read_records(place, "models")
    assert records
    for record in records:
        body = record["response_body"]
        if '"data"' in body or '"models"' in body:
            assert read_models("any", body.encode()), record["id"]


@pytest.mark.parametrize(
    ("seconds", "instant"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_399, "2000-02-28T23:59:59Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (1_767_225_599, "2025-12-31T23:59:59Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
    ],
)
def test_instants_are_written_and_read(seconds: int, instant: str) -> None:
    written = write_models("anthropic_messages", [Model(id="a", created=seconds)])
    assert json.loads(written)["data"][0]["created_at"] == instant
    assert read_models("anthropic_messages", written)[0].created == seconds


@pytest.mark.parametrize("when", ["2025-13-01T00:00:00Z", "2025-01-01", "soon", None, 5])
def test_what_is_no_instant_is_unknown(when: Any) -> None:
    assert read_models("any", json.dumps({"data": [{"id": "a", "created_at": when}]}).encode())[0].created is None
