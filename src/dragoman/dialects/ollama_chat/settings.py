"""What steers the model: Ollama's `options`, `think` and `format`, read and written.

They stay in `extra` as they came, and are written so as long as the canonical form still says the same.
"""

from typing import Any

from dragoman.canonical import Settings
from dragoman.dialects.exact import is_exact
from dragoman.dialects.values import JsonObject, number_of, object_of, text_of, texts_of, whole_of

OPTIONS = {
    "max_tokens": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stop": "stop",
    "seed": "seed",
}
"""Name in `options` of each setting that has one."""

_THINK = {True: "medium", False: "none"}
"""Thinking switched on or off, without a word of how hard."""


def read_settings(asked: JsonObject) -> Settings:
    """Read all settings of a request."""
    options = object_of(asked, "options")
    think = asked.get("think")
    return Settings(
        max_tokens=whole_of(options, "num_predict"),
        temperature=number_of(options, "temperature"),
        top_p=number_of(options, "top_p"),
        top_k=whole_of(options, "top_k"),
        stop=texts_of(options, "stop"),
        seed=whole_of(options, "seed"),
        effort=_THINK[think] if isinstance(think, bool) else text_of(asked, "think"),
        response_format=_response_format(asked.get("format")),
    )


def own_settings(settings: Settings, kept: JsonObject) -> JsonObject:
    """Write settings that were read from Ollama; `kept` are the fields as they came."""
    wire = dict(kept)
    as_kept = read_settings(kept)
    options = dict(object_of(kept, "options"))
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        if is_exact(getattr(as_kept, name), value):
            continue
        if name in OPTIONS:
            options.pop(OPTIONS[name], None)
            if value is not None:
                options[OPTIONS[name]] = value
        elif name == "effort":
            wire["think"] = value != "none" and value
        elif name == "response_format":
            wire["format"] = write_format(value)
    return {**wire, "options": options} if options != object_of(kept, "options") else wire


def write_format(form: Any) -> Any:
    """Write `format`: a schema, `json`, or nothing."""
    if isinstance(form, dict):
        return form.get("schema", "json")
    return "json" if form == "json" else ""


def _response_format(form: Any) -> Any:
    if isinstance(form, dict):
        return {"schema": form}
    return "json" if form == "json" else None
