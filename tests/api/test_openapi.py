"""The description: committed as it is, complete, and true of what the routes answer."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dragoman.api.app import build
from dragoman.api.openapi import text
from dragoman.dialects.detect import OLLAMA_PATHS

COMMITTED = Path(__file__).parents[2] / "frontend" / "openapi.json"


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return json.loads(text(build(None)))


def operations(described: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in described["paths"].values() for operation in path.values()]


def test_the_committed_description_is_the_one_that_is_served(described: dict[str, Any]) -> None:
    assert json.loads(COMMITTED.read_text()) == described, (
        "the API changed: run `python -m dragoman.api.openapi > frontend/openapi.json`"
    )


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    named = set(re.findall(r"#/components/schemas/([\w.]+)", json.dumps(described)))
    assert named <= set(described["components"]["schemas"])
    assert all("." not in name for name in described["components"]["schemas"])


def test_every_operation_is_named_described_and_tagged(described: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(described)]
    assert len(names) == len(set(names))
    tags = {tag["name"] for tag in described["tags"]}
    for operation in operations(described):
        assert re.fullmatch(r"[a-z][A-Za-z]+", operation["operationId"])
        assert operation["description"]
        assert set(operation["tags"]) <= tags
        assert "default" in operation["responses"]
        assert "422" not in operation["responses"]


def test_what_is_always_sent_is_required(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    for name in ("Row", "Detail", "Page", "Changes", "Status", "ProviderView", "StreamFrame"):
        assert schemas[name]["required"] == list(schemas[name]["properties"]), name
    assert schemas["Text"]["required"] == ["type", "text"]
    assert set(schemas["NewProviderBody"]["required"]) == {"slug", "base_url"}


def test_fields_are_described_by_the_text_under_them(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    assert schemas["ExplainBody"]["properties"]["path"]["description"].startswith("Path and query that the client")


def test_no_route_takes_a_path_of_ollama(described: dict[str, Any]) -> None:
    ours = {path.split("/")[2] for path in described["paths"] if path.startswith("/api/")}
    assert not ours & {path.split("/")[2] for path in OLLAMA_PATHS}
