"""Gemini's subset of OpenAPI schemas, read as JSON Schema.

Types are in capitals, `nullable` stands for a type of null, and keys come in either spelling. What is no such schema
stays as it is. Facts: google-genai 3.4.0 (`Schema`), https://ai.google.dev/api/caching#Schema, seen 2026-11-21.
"""

from typing import Any

from dragoman.dialects.gemini_generate.wire import camel
from dragoman.dialects.values import JsonObject

_WITH_SCHEMA = ("items", "additionalProperties")
_WITH_SCHEMAS = ("properties", "defs", "$defs")
_WITH_LIST = ("anyOf", "prefixItems")
_COUNTS = ("minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength")
_OWN = ("propertyOrdering", "nullable")
_DEPTH = 64


def to_json_schema(schema: Any, depth: int = _DEPTH) -> Any:
    """Write a schema of Gemini's as JSON Schema."""
    if not isinstance(schema, dict) or not depth:
        return schema
    given = camel(schema)
    told: JsonObject = {key: one for key, one in given.items() if key not in _OWN}
    for key in _WITH_SCHEMA:
        if key in told:
            told[key] = to_json_schema(told[key], depth - 1)
    for key in _WITH_SCHEMAS:
        if isinstance(told.get(key), dict):
            told[key] = {name: to_json_schema(one, depth - 1) for name, one in told[key].items()}
    for key in _WITH_LIST:
        if isinstance(told.get(key), list):
            told[key] = [to_json_schema(one, depth - 1) for one in told[key]]
    for key in _COUNTS:  # 64 bit numbers come as texts
        if isinstance(told.get(key), str) and told[key].isdecimal():
            told[key] = int(told[key])
    return _with_type(told, is_nullable=given.get("nullable") is True)


def _with_type(told: JsonObject, *, is_nullable: bool) -> JsonObject:
    kind = told.get("type")
    if isinstance(kind, str):
        told["type"] = kind.lower()
        if kind == "TYPE_UNSPECIFIED":
            del told["type"]
        elif is_nullable:
            told["type"] = [kind.lower(), "null"]
    if told.get("format") == "enum":
        del told["format"]
    return told
