"""Settings and tools of Gemini's requests, read and written.

They stay in `extra` as they came too: a body is written with what was changed alone.
"""

from typing import Any

from dragoman.canonical import Settings, Tool
from dragoman.dialects.gemini_generate.schemas import to_json_schema
from dragoman.dialects.gemini_generate.wire import LEFT, NAME, camel, camel_of
from dragoman.dialects.values import JsonObject, as_text, list_of, number_of, text_of, texts_of, whole_of

_NUMBERS = {
    "maxOutputTokens": "max_tokens",
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "stopSequences": "stop",
    "seed": "seed",
    "candidateCount": "n",
}
"""Fields of `generationConfig` and their canonical words."""

_MODES = {"AUTO": "auto", "VALIDATED": "auto", "ANY": "required", "NONE": "none"}


def read_settings(asked: JsonObject) -> Settings:
    """Read the settings of a body whose keys are in camelCase."""
    config = camel_of(asked, "generationConfig")
    thinking = camel_of(config, "thinkingConfig")
    budget, level = _whole(thinking, "thinkingBudget"), text_of(thinking, "thinkingLevel")
    return Settings(
        max_tokens=_whole(config, "maxOutputTokens"),
        temperature=number_of(config, "temperature"),
        top_p=number_of(config, "topP"),
        top_k=_whole(config, "topK"),
        stop=texts_of(config, "stopSequences"),
        seed=_whole(config, "seed"),
        n=_whole(config, "candidateCount"),
        effort=level.lower() if level else "none" if budget == 0 else None,
        thinking_budget=budget if budget and budget > 0 else None,
        tool_choice=_tool_choice(camel_of(camel_of(asked, "toolConfig"), "functionCallingConfig")),
        response_format=_response_format(config),
        service_tier=text_of(asked, "serviceTier"),
        metadata=asked.get("labels") if isinstance(asked.get("labels"), dict) else None,
    )


def _whole(source: JsonObject, key: str) -> int | None:
    """Read a whole number that may be spelled with a point."""
    value = source.get(key)
    return int(value) if isinstance(value, float) and value.is_integer() else whole_of(source, key)


def _tool_choice(calling: JsonObject) -> Any:
    mode = _MODES.get(as_text(calling.get("mode")).upper())
    names = texts_of(calling, "allowedFunctionNames") or []
    if mode is None or not names:
        return mode
    if mode == "required" and len(names) == 1:
        return {"name": names[0]}
    return {"type": "allowed_tools", "mode": mode, "tools": [{"type": "function", "name": name} for name in names]}


def _response_format(config: JsonObject) -> Any:
    for key in ("responseJsonSchema", "responseSchema"):
        if isinstance(config.get(key), dict):
            schema = config[key]
            return {"schema": schema if key == "responseJsonSchema" else to_json_schema(schema)}
    return "json" if text_of(config, "responseMimeType") == "application/json" else None


def write_config(settings: Settings, config: JsonObject) -> JsonObject:
    """Write the settings that have one reading into a `generationConfig`, whose other fields stay."""
    kept = {key: one for key, one in camel(config).items() if key not in _NUMBERS}
    told = {key: getattr(settings, name) for key, name in _NUMBERS.items()}
    return {**kept, **{key: one for key, one in told.items() if one is not None}}


def read_tools(value: Any) -> list[Tool]:
    """Read `tools`: each may declare functions, and name tools of Google's own."""
    given = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
    return [tool for one in given for tool in _read_tool(camel(one))]


def _read_tool(one: JsonObject) -> list[Tool]:
    tools = [_function(camel(told)) for told in list_of(one, "functionDeclarations") if isinstance(told, dict)]
    servers = {key: told for key, told in one.items() if key != "functionDeclarations" and told is not None}
    return tools + [Tool(name=key, kind="server", extra=LEFT.these({key: told})) for key, told in servers.items()]


_FUNCTION_KEYS = frozenset({"name", "description", "parameters", "parametersJsonSchema"})


def _function(told: JsonObject) -> Tool:
    schema = told.get("parametersJsonSchema")
    return Tool(
        name=as_text(told.get("name")),
        description=text_of(told, "description"),
        schema=to_json_schema(told.get("parameters")) if schema is None else schema,
        extra=LEFT.rest(told, _FUNCTION_KEYS),
    )


def write_tools(tools: list[Tool]) -> list[JsonObject]:
    """Write tools: all functions in one, Google's own each apart."""
    functions = [write_function(tool) for tool in tools if tool.kind == "function"]
    servers = [dict(tool.extra.get(NAME, {})) for tool in tools if tool.kind == "server" and NAME in tool.extra]
    return [*([{"functionDeclarations": functions}] if functions else []), *servers]


def write_function(tool: Tool) -> JsonObject:
    told: JsonObject = {"name": tool.name}
    if tool.description:
        told["description"] = tool.description
    if isinstance(tool.schema, dict) and tool.schema:
        told["parametersJsonSchema"] = tool.schema
    return {**told, **tool.extra.get(NAME, {})}
