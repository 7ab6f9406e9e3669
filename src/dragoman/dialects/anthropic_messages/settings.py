"""What steers the model, read and written: limits, sampling, thinking, effort, tool choice, answer's form.

Several fields have more than one reading; they stay in `extra` as they came, and are written so as long as the
canonical form still says the same.
"""

from typing import Any

from dragoman.canonical import Settings
from dragoman.dialects.values import (
    JsonObject,
    as_text,
    flag_of,
    number_of,
    object_of,
    text_of,
    texts_of,
    whole_of,
)

SEVERAL = ("thinking", "tool_choice", "output_config", "output_format")
"""Keys with more than one reading."""

_PLAIN = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stop": "stop_sequences",
    "service_tier": "service_tier",
    "metadata": "metadata",
}


def read_settings(asked: JsonObject) -> Settings:
    output = object_of(asked, "output_config")
    choice = object_of(asked, "tool_choice")
    disables_parallel = flag_of(choice, "disable_parallel_tool_use")
    limit = whole_of(asked, "max_tokens")
    return Settings(
        max_tokens=whole_of(asked, "max_tokens_to_sample") if limit is None else limit,
        temperature=number_of(asked, "temperature"),
        top_p=number_of(asked, "top_p"),
        top_k=whole_of(asked, "top_k"),
        stop=texts_of(asked, "stop_sequences"),
        effort=text_of(output, "effort"),
        thinking_budget=whole_of(object_of(asked, "thinking"), "budget_tokens"),
        tool_choice=_tool_choice(choice),
        parallel_tools=None if disables_parallel is None else not disables_parallel,
        response_format=_response_format(object_of(output, "format") or object_of(asked, "output_format")),
        service_tier=text_of(asked, "service_tier"),
        user=text_of(object_of(asked, "metadata"), "user_id"),
        metadata=asked.get("metadata"),
    )


def write_own_settings(settings: Settings, kept: JsonObject) -> JsonObject:
    """Write settings that were read from this dialect; `kept` are the fields that came, for `SEVERAL`."""
    written: JsonObject = {}
    for name, key in _PLAIN.items():
        value = getattr(settings, name)
        if value is not None:
            written[key] = value
    came = read_settings({key: kept[key] for key in SEVERAL if key in kept})
    if settings.thinking_budget != came.thinking_budget:
        written["thinking"] = write_budget(settings.thinking_budget)
    if (settings.tool_choice, settings.parallel_tools) != (came.tool_choice, came.parallel_tools):
        written["tool_choice"] = write_tool_choice(settings)
    if (settings.effort, settings.response_format) != (came.effort, came.response_format):
        written["output_config"] = write_output(settings)
    return written


def write_budget(budget: int | None) -> JsonObject:
    return {"type": "disabled"} if budget is None else {"type": "enabled", "budget_tokens": budget}


def write_output(settings: Settings) -> JsonObject:
    """Write `output_config`: effort, and the schema of the answer."""
    written: JsonObject = {}
    if settings.effort is not None:
        written["effort"] = settings.effort
    form = settings.response_format
    if isinstance(form, dict) and "schema" in form:
        written["format"] = {"type": "json_schema", "schema": form["schema"]}
    return written


def write_tool_choice(settings: Settings) -> JsonObject | None:
    """Write `tool_choice`; a switch of parallel calls alone makes an `auto` to hang on. None when nothing was said.

    `none` takes no such switch [anthropic 2.11.0, `ToolChoiceNoneParam`].
    """
    choice, parallel = settings.tool_choice, settings.parallel_tools
    if choice is None and parallel is not False:
        return None
    written = _choice(choice)
    if parallel is not None and written.get("type") != "none":
        written["disable_parallel_tool_use"] = not parallel
    return written


def _choice(choice: Any) -> JsonObject:
    match choice:
        case "required":
            return {"type": "any"}
        case {"name": str(name)} if "type" not in choice:
            return {"type": "tool", "name": name}
        case "none":
            return {"type": "none"}
        case dict():
            return dict(choice)
        case _:
            return {"type": "auto"}


def _tool_choice(choice: JsonObject) -> Any:
    match choice.get("type"):
        case "any":
            return "required"
        case "tool":
            return {"name": as_text(choice.get("name"))}
        case "auto" | "none" as word:
            return word
        case _:
            return choice or None


def _response_format(form: JsonObject) -> Any:
    return {"schema": form["schema"]} if "schema" in form else None
