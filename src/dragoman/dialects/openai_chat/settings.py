"""What steers the model, read from Chat's many names for it and written again.

Several fields have more than one reading (a limit under two names, a schema in two coats); they stay in `extra` as
they came, and are written so as long as the canonical form still says the same.
"""

from typing import Any

from dragoman.canonical import Settings
from dragoman.dialects.exact import is_exact
from dragoman.dialects.values import JsonObject, flag_of, number_of, object_of, text_of, texts_of, whole_of

_PLAIN = {
    "max_completion_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stop": "stop",
    "seed": "seed",
    "n": "n",
    "reasoning_effort": "effort",
    "parallel_tool_calls": "parallel_tools",
    "service_tier": "service_tier",
    "user": "user",
    "metadata": "metadata",
}
"""Chat's own name for each setting that it says in one value."""

_OTHER_NAMES = {
    "max_tokens": ("max_tokens",),
    "seed": ("random_seed",),  # Mistral's name
    "effort": ("reasoning",),  # OpenRouter's {effort, max_tokens}
    "thinking_budget": ("reasoning",),
    "tool_choice": ("tool_choice", "function_call"),
    "response_format": ("response_format",),
    "user": ("safety_identifier",),
}
"""Further names under which a setting may have come."""


def read_settings(asked: JsonObject) -> Settings:
    """Read all settings of a request."""
    reasoning = object_of(asked, "reasoning")
    return Settings(
        max_tokens=_or(whole_of(asked, "max_completion_tokens"), whole_of(asked, "max_tokens")),
        temperature=number_of(asked, "temperature"),
        top_p=number_of(asked, "top_p"),
        top_k=whole_of(asked, "top_k"),
        stop=texts_of(asked, "stop"),
        seed=_or(whole_of(asked, "seed"), whole_of(asked, "random_seed")),
        n=whole_of(asked, "n"),
        effort=text_of(asked, "reasoning_effort") or text_of(reasoning, "effort"),
        thinking_budget=whole_of(reasoning, "max_tokens"),
        tool_choice=_tool_choice(asked),
        parallel_tools=flag_of(asked, "parallel_tool_calls"),
        response_format=_response_format(asked.get("response_format")),
        service_tier=text_of(asked, "service_tier"),
        user=text_of(asked, "user") or text_of(asked, "safety_identifier"),
        metadata=asked.get("metadata"),
    )


def is_told(asked: JsonObject, key: str, settings: Settings) -> bool:
    """Say whether the canonical form holds this field to the letter, so that it need not be kept beside."""
    if any(other in asked for other in _OTHER_NAMES.get(_PLAIN.get(key, ""), ())):
        return False  # two names for one setting: both stay as they came
    name = _PLAIN.get(key)
    return name is not None and asked[key] is not None and is_exact(getattr(settings, name), asked[key])


def own_settings(settings: Settings, kept: JsonObject) -> JsonObject:
    """Write settings that were read from Chat; `kept` are the fields that stayed as they came."""
    wire = dict(kept)
    as_kept = read_settings(kept)
    changed = [
        name for name in settings.__struct_fields__ if not is_exact(getattr(as_kept, name), getattr(settings, name))
    ]
    for name in changed:
        for key in _OTHER_NAMES.get(name, ()):
            if key in kept:
                _rename(wire, key, name, settings)
    for key, name in _PLAIN.items():
        if name in changed and not (name == "max_tokens" and "max_tokens" in wire):
            wire.pop(key, None)
            value = getattr(settings, name)
            if value is not None:
                wire[key] = value
    if "tool_choice" in changed:
        wire |= write_tool_choice(settings.tool_choice)
    if "response_format" in changed:
        wire |= write_response_format(settings.response_format)
    return wire


def _rename(wire: JsonObject, key: str, name: str, settings: Settings) -> None:
    """Set a changed setting under the other name under which it came, or take that name away."""
    wire.pop(key, None)
    value = getattr(settings, name)
    if key == "max_tokens" and value is not None:
        wire[key] = value
    elif key == "reasoning" and settings.thinking_budget is not None:
        wire[key] = {"max_tokens": settings.thinking_budget}


def write_tool_choice(choice: Any, *, is_custom: bool = False) -> JsonObject:
    """Write `tool_choice`; empty when there is none."""
    if choice is None:
        return {}
    if isinstance(choice, dict) and choice.keys() == {"name"}:
        kind = "custom" if is_custom else "function"
        return {"tool_choice": {"type": kind, kind: choice}}
    return {"tool_choice": choice}


def write_response_format(form: Any) -> JsonObject:
    """Write `response_format`; empty when any text will do. The schema's name is required, and free."""
    if form == "json":
        return {"response_format": {"type": "json_object"}}
    if isinstance(form, dict):
        return {"response_format": {"type": "json_schema", "json_schema": {"name": "response", **form}}}
    return {}


def _tool_choice(asked: JsonObject) -> Any:
    choice = asked.get("tool_choice", asked.get("function_call"))
    if isinstance(choice, str):
        return "required" if choice == "any" else choice  # Mistral's name
    if not isinstance(choice, dict):
        return None
    named = object_of(choice, "function") or object_of(choice, "custom") or choice
    name = text_of(named, "name")
    return {"name": name} if name else choice


def _response_format(form: Any) -> Any:
    if not isinstance(form, dict):
        return None
    match form.get("type"):
        case "json_object":
            return "json"
        case "json_schema":
            named = object_of(form, "json_schema")
            return {key: named[key] for key in ("schema", "name", "strict") if key in named}
        case _:
            return None


def _or(first: int | None, second: int | None) -> int | None:
    return second if first is None else first
