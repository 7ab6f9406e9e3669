"""Lists of models, read from one dialect's form and written in another's.

Promise: a name is never lost or changed; what a form demands and nobody told (when, whose) is filled with what says
nothing. Facts: openai 3.52.0 (`types.Model`), anthropic 2.11.0 (`types.ModelInfo`), ollama 0.6.3 (`ListResponse`),
google-genai 3.4.0 (`types.Model`), botocore 1.44.5 (bedrock, `ListFoundationModels`).
"""

import calendar
import re
from collections.abc import Callable
from typing import Any

import msgspec

from dragoman.dialects.base import Unreadable
from dragoman.dialects.values import JsonObject, count_of, load_object, objects_of, text_of, whole_of


class Model(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model that a provider serves."""

    id: str
    name: str | None = None
    """For people to read."""
    created: int | None = None
    """Seconds since 1970."""
    owner: str | None = None
    context: int | None = None
    """How many tokens it takes in."""


def read_models(dialect: str, body: bytes) -> list[Model]:
    """Read a list of models. Raises Unreadable when the body is no such list."""
    given, _ = load_object(body, f"{dialect} models")
    for key, read in _READERS.items():
        if isinstance(given.get(key), list):
            return [model for one in objects_of(given, key) if (model := read(one)) is not None]
    raise Unreadable(f"{dialect} models: found keys {sorted(given)[:12]}, expected {' or '.join(_READERS)}")


def write_models(dialect: str, models: list[Model]) -> bytes:
    """Write a list of models as `dialect` has it, as one page."""
    return msgspec.json.encode(_WRITERS.get(dialect, _openais)(models))


def _read_data(one: JsonObject) -> Model | None:
    """Read an entry of OpenAI's list, or of Anthropic's: both lie under `data`."""
    found = text_of(one, "id")
    if found is None:
        return None
    return Model(
        id=found,
        name=text_of(one, "display_name") or text_of(one, "name"),
        created=count_of(one, "created") or _seconds(one.get("created_at")),
        owner=text_of(one, "owned_by"),
        context=whole_of(one, "max_input_tokens") or whole_of(one, "context_length"),
    )


def _read_named(one: JsonObject) -> Model | None:
    """Read an entry of Ollama's list, or of Gemini's (`models/…`): both lie under `models`."""
    found = text_of(one, "model") or text_of(one, "name")
    if found is None:
        return None
    return Model(
        id=found.removeprefix("models/"),
        name=text_of(one, "displayName"),
        created=_seconds(one.get("modified_at")),
        context=whole_of(one, "inputTokenLimit"),
    )


def _read_summary(one: JsonObject) -> Model | None:
    found = text_of(one, "modelId")
    return Model(id=found, name=text_of(one, "modelName"), owner=text_of(one, "providerName")) if found else None


_READERS: dict[str, Callable[[JsonObject], Model | None]] = {
    "data": _read_data,
    "models": _read_named,
    "modelSummaries": _read_summary,
}


def _openais(models: list[Model]) -> JsonObject:
    data = [
        {"id": one.id, "object": "model", "created": one.created or 0, "owned_by": one.owner or "unknown"}
        for one in models
    ]
    return {"object": "list", "data": data}


def _anthropics(models: list[Model]) -> JsonObject:
    data = [
        {"type": "model", "id": one.id, "display_name": one.name or one.id, "created_at": _instant(one.created)}
        for one in models
    ]
    first, last = (models[0].id, models[-1].id) if models else (None, None)
    return {"data": data, "has_more": False, "first_id": first, "last_id": last}


def _ollamas(models: list[Model]) -> JsonObject:
    entries = [
        {
            "name": one.id,
            "model": one.id,
            "modified_at": _instant(one.created),
            "size": 0,
            "digest": "",
            "details": {"parent_model": "", "format": "", "family": "", "families": None, "parameter_size": ""},
        }
        for one in models
    ]
    return {"models": entries}


def _geminis(models: list[Model]) -> JsonObject:
    entries: list[JsonObject] = []
    for one in models:
        entry: JsonObject = {"name": f"models/{one.id}", "displayName": one.name or one.id}
        if one.context is not None:
            entry["inputTokenLimit"] = one.context
        entries.append({**entry, "supportedGenerationMethods": ["generateContent", "streamGenerateContent"]})
    return {"models": entries}


def _bedrocks(models: list[Model]) -> JsonObject:
    entries = [
        {"modelId": one.id, "modelName": one.name or one.id, "providerName": one.owner or "unknown"} for one in models
    ]
    return {"modelSummaries": entries}


_WRITERS: dict[str, Callable[[list[Model]], JsonObject]] = {
    "anthropic_messages": _anthropics,
    "ollama_chat": _ollamas,
    "gemini_generate": _geminis,
    "bedrock_invoke": _bedrocks,
    "bedrock_converse": _bedrocks,
}
"""All others have OpenAI's form."""


_INSTANT = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|([+-])(\d\d):?(\d\d))")
_SECONDS_PER_DAY = 86_400
_LAST = 253_402_300_799
"""The end of the year 9999."""


def _seconds(value: Any) -> int | None:
    """Read an instant of RFC 3339 as seconds since 1970; the clock's library stays out of this floor."""
    found = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    year, month, day, *time = (int(one) for one in found.groups()[:6])
    if not 1 <= month <= 12:
        return None
    offset = int(found[8] or 0) * 3600 + int(found[9] or 0) * 60
    seconds = calendar.timegm((year, month, day, *time))
    return seconds + offset if found[7] == "-" else seconds - offset


def _instant(seconds: int | None) -> str:
    """Write seconds since 1970 as an instant of RFC 3339."""
    days, rest = divmod(min(max(seconds or 0, 0), _LAST), _SECONDS_PER_DAY)
    year = 1970
    while days >= _days_of(year):
        days -= _days_of(year)
        year += 1
    month = 1
    while days >= calendar.monthrange(year, month)[1]:
        days -= calendar.monthrange(year, month)[1]
        month += 1
    hour, rest = divmod(rest, 3600)
    minute, second = divmod(rest, 60)
    return f"{year:04}-{month:02}-{days + 1:02}T{hour:02}:{minute:02}:{second:02}Z"


def _days_of(year: int) -> int:
    return 366 if calendar.isleap(year) else 365
