"""The settings of a request, read and written.

A setting that lies inside an object (`reasoning.effort`, `text.format`) is written into what that object held.
"""

from typing import Any

from dragoman.canonical import Settings
from dragoman.dialects.losses import setting_path
from dragoman.dialects.openai_responses.items import NAME
from dragoman.dialects.openai_responses.pieces import Writing
from dragoman.dialects.values import JsonObject, flag_of, number_of, object_of, objects_of, text_of, whole_of


def read_settings(asked: JsonObject) -> Settings:
    return Settings(
        max_tokens=whole_of(asked, "max_output_tokens"),
        temperature=number_of(asked, "temperature"),
        top_p=number_of(asked, "top_p"),
        effort=text_of(object_of(asked, "reasoning"), "effort"),
        tool_choice=_tool_choice(asked.get("tool_choice")),
        parallel_tools=flag_of(asked, "parallel_tool_calls"),
        response_format=_response_format(object_of(object_of(asked, "text"), "format")),
        service_tier=text_of(asked, "service_tier"),
        user=text_of(asked, "user") or text_of(asked, "safety_identifier"),
        metadata=asked.get("metadata"),
    )


def _tool_choice(choice: Any) -> Any:
    if not isinstance(choice, dict):
        return choice if isinstance(choice, str) else None
    name = text_of(choice, "name")
    return {"name": name} if name else choice


def _response_format(form: JsonObject) -> Any:
    match form.get("type"):
        case "json_object":
            return "json"
        case "json_schema":
            return {key: form[key] for key in ("schema", "name", "strict") if key in form}
        case _:
            return None


_PLAIN = {
    "max_tokens": "max_output_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "parallel_tools": "parallel_tool_calls",
    "service_tier": "service_tier",
    "user": "user",
    "metadata": "metadata",
}
"""Settings that have a key of their own."""

_UNKNOWN = ("top_k", "stop", "seed")
"""Settings that this dialect has no word for."""


def write_settings(settings: Settings, body: JsonObject, out: Writing) -> None:
    """Write the settings into `body`, where it does not say them already."""
    said = read_settings(body)
    for name, key in _PLAIN.items():
        value = getattr(settings, name)
        if value != getattr(said, name):
            _put(body, key, value)
    if settings.effort != said.effort:
        _put_inside(body, "reasoning", "effort", settings.effort)
    if settings.response_format != said.response_format:
        _put_inside(body, "text", "format", write_format(settings.response_format))
    if settings.tool_choice != said.tool_choice:
        _put(body, "tool_choice", write_tool_choice(settings.tool_choice, out))
    for name in _UNKNOWN:
        if getattr(settings, name) is not None:
            out.lose(setting_path(name), f"{NAME} has no {name}")


def write_format(form: Any) -> JsonObject | None:
    """Write what the answer must look like: any JSON, or JSON of a schema, said flat."""
    if form == "json":
        return {"type": "json_object"}
    if not isinstance(form, dict):
        return None
    # A name is required (openai 3.52.0, ResponseFormatTextJSONSchemaConfigParam).
    return {"type": "json_schema", "name": "answer", "schema": {}, **form}


def write_tool_choice(choice: Any, out: Writing) -> Any:
    """Write which tools the model may call, or must: a word, one by name, or a choice of some."""
    if not isinstance(choice, dict):
        return choice
    name = text_of(choice, "name")
    if name and choice.keys() == {"name"}:
        return {"type": "custom" if out.tool_kinds.get(name) == "custom" else "function", "name": name}
    allowed = object_of(choice, "allowed_tools")
    if not allowed:
        out.lose(setting_path("tool_choice"), f"{NAME} does not know this choice of tools")
        return None
    tools = [{"type": one.get("type"), **object_of(one, as_key(one))} for one in objects_of(allowed, "tools")]
    return {"type": "allowed_tools", "mode": allowed.get("mode"), "tools": tools}


def as_key(tool: JsonObject) -> str:
    """Chat says a tool's name inside of an object that is called like its type."""
    return text_of(tool, "type") or ""


def _put(body: JsonObject, key: str, value: Any) -> None:
    if value is None:
        body.pop(key, None)
    else:
        body[key] = value


def _put_inside(body: JsonObject, key: str, inner: str, value: Any) -> None:
    """Set or remove one field of an object that other fields may stand in; the object read is left as it was."""
    changed = {name: one for name, one in object_of(body, key).items() if name != inner}
    if value is not None:
        changed[inner] = value
    _put(body, key, changed or None)
