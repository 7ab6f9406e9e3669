"""The words of Gemini's API: both spellings of keys, reasons of ending, figures, errors.

Google writes camelCase and takes snake_case too, at every level. Here a key is looked up in camelCase.
Facts: google-genai 3.4.0 (`google.genai.types`), https://ai.google.dev/api/generate-content, seen 2026-11-21,
corpus/gemini.
"""

import re
from functools import cache
from typing import Any

import msgspec

from dragoman.canonical import ReplyError, StopReason, Usage
from dragoman.dialects.openai_errors import read_error_body
from dragoman.dialects.values import JsonObject, Leftovers, as_text, count_of

NAME = "gemini_generate"
LEFT = Leftovers(NAME)

_UNDERSCORE = re.compile(r"_([a-z0-9])")

_STOP_REASONS: dict[str, StopReason] = {
    "STOP": "end",
    "MAX_TOKENS": "length",
    "SAFETY": "refusal",
    "RECITATION": "refusal",
    "LANGUAGE": "refusal",
    "BLOCKLIST": "refusal",
    "PROHIBITED_CONTENT": "refusal",
    "SPII": "refusal",
    "MODEL_ARMOR": "refusal",
    "IMAGE_SAFETY": "refusal",
    "IMAGE_PROHIBITED_CONTENT": "refusal",
    "IMAGE_RECITATION": "refusal",
}
_NUMBERED = {1: "STOP", 2: "MAX_TOKENS", 3: "SAFETY", 4: "RECITATION"}
"""Some recorders write the numbers of the enumeration; those beyond differ between Google's two services."""

_UNSPECIFIED = "FINISH_REASON_UNSPECIFIED"


@cache
def _camel(key: str) -> str:
    return _UNDERSCORE.sub(lambda found: found[1].upper(), key)


def camel(value: Any) -> JsonObject:
    """Return an object with its own keys in camelCase (those below stay); an empty one for anything else."""
    if not isinstance(value, dict):
        return {}
    if not any("_" in key for key in value):
        return value
    return {_camel(key) if len(key) < _LONGEST else key: one for key, one in value.items()}


_LONGEST = 64
"""No key of the API is longer; others are not remembered."""


def camel_of(source: JsonObject, key: str) -> JsonObject:
    """Return an object field, its keys in camelCase."""
    return camel(source.get(key))


def read_stop(reason: Any) -> tuple[StopReason | None, str | None]:
    """Read `finishReason`: what it means, and its own word; None while none was given."""
    word = _NUMBERED.get(reason, str(reason)) if type(reason) is int and reason else reason
    if not isinstance(word, str) or not word or word == _UNSPECIFIED:
        return None, None
    return _STOP_REASONS.get(word, "other"), word


def read_usage(usage: JsonObject) -> Usage | None:
    """Read `usageMetadata`: the prompt holds the cache, the candidates leave the thoughts out.

    What Google's own tools put into the prompt is counted apart, and is input too.
    """
    asked, thought = count_of(usage, "promptTokenCount"), count_of(usage, "thoughtsTokenCount")
    said = count_of(usage, "candidatesTokenCount")
    if asked is None and said is None and thought is None:
        return None
    cached, found = count_of(usage, "cachedContentTokenCount"), count_of(usage, "toolUsePromptTokenCount")
    return Usage(
        input_fresh=None if asked is None else max(asked - (cached or 0), 0) + (found or 0),
        cache_read=cached,
        output=None if said is None and thought is None else (said or 0) + (thought or 0),
        reasoning=thought,
        native=usage,
    )


def read_error(status: int, body: bytes) -> ReplyError:
    """Read an error: its word (`RESOURCE_EXHAUSTED`) tells more than its number, which is the HTTP status again."""
    return worded(read_error_body(NAME, status, body))


def worded(error: ReplyError) -> ReplyError:
    """Put Google's word for an error where others have theirs."""
    left = dict(error.extra.get(NAME, {}))
    word = left.pop("status", None)
    if not isinstance(word, str):
        return error
    return msgspec.structs.replace(error, code=word, kind=word, extra=LEFT.these(left))


def name_of_model(value: Any) -> str | None:
    """Read `models/…` as the model's name."""
    return as_text(value).removeprefix("models/") or None
