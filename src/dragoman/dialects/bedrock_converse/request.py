"""Converse's requests read into a Prompt, and one that was read from here written as it came."""

from typing import Any

import msgspec

from dragoman.canonical import Message, Prompt, Reasoning, Role, Settings, Tool
from dragoman.dialects.base import Unreadable
from dragoman.dialects.bedrock_converse.content import (
    LEFT,
    NAME,
    cache_point,
    read_content,
    write_content,
)
from dragoman.dialects.seals import restore
from dragoman.dialects.spelling import difference, form_of, noted, spell
from dragoman.dialects.values import (
    JsonObject,
    as_text,
    flag_of,
    list_of,
    load,
    load_object,
    number_of,
    object_of,
    text_of,
    texts_of,
    to_json,
    whole_of,
)

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}
_KNOWN = frozenset({"messages", "system", "requestMetadata"})
"""Keys whose values are wholly taken up; those with several readings stay in `extra` as they came."""


def read_request(body: bytes) -> Prompt:
    """Read a body. Raises Unreadable when it is none of Converse's."""
    asked, warnings = load_object(body, "bedrock_converse request")
    if not isinstance(asked.get("messages"), list):
        raise Unreadable(f"bedrock_converse request: found keys {sorted(asked)[:12]}, expected messages")
    system = read_content(asked.get("system"), is_noted=True)
    leading = [Message(role="system", parts=system)] if system else []
    prompt = Prompt(
        messages=[*leading, *map(_message, asked["messages"])],
        tools=read_tools(object_of(asked, "toolConfig")),
        settings=read_settings(asked),
        extra=LEFT.rest(asked, _KNOWN),
        warnings=warnings,
    )
    prompt = noted(prompt, NAME, {"own": True})
    return noted(prompt, NAME, difference(write_own_body(prompt), asked))


def _message(value: Any) -> Message:
    if not isinstance(value, dict):
        return noted(Message(role="user"), NAME, {"raw": value})
    role = as_text(value.get("role"))
    left = {key: one for key, one in value.items() if key not in ("role", "content")}
    if role not in _ROLES:
        left["role"] = value.get("role")
    parts = read_content(value.get("content"), is_noted=True)
    parts = [restore(part, NAME) if isinstance(part, Reasoning) else part for part in parts]
    message = Message(role=_ROLES.get(role, "user"), parts=parts, extra=LEFT.these(left))
    written = write_message(message)
    if written.get("content") != value.get("content") and value.get("content") and not parts:
        return noted(message, NAME, {"raw": value})
    return noted(message, NAME, difference(written, value))


def read_tools(config: JsonObject) -> list[Tool]:
    """Read `toolConfig.tools`; a cache point belongs to the tool before it."""
    tools: list[Tool] = []
    for one in list_of(config, "tools"):
        spec = object_of(one, "toolSpec") if isinstance(one, dict) else {}
        if spec:
            tools.append(
                Tool(
                    name=as_text(spec.get("name")),
                    description=text_of(spec, "description"),
                    schema=object_of(spec, "inputSchema").get("json"),
                    strict=flag_of(spec, "strict"),
                )
            )
        elif isinstance(one, dict) and isinstance(one.get("cachePoint"), dict) and tools:
            tools[-1] = msgspec.structs.replace(tools[-1], cache=as_text(one["cachePoint"].get("ttl")))
        elif isinstance(one, dict):
            name = text_of(object_of(one, "systemTool"), "name") or next(iter(one), "")
            tools.append(Tool(name=name, kind="server", extra=LEFT.these(one)))
    return tools


def read_settings(asked: JsonObject) -> Settings:
    config, more = object_of(asked, "inferenceConfig"), object_of(asked, "additionalModelRequestFields")
    output, choice = object_of(asked, "outputConfig"), object_of(object_of(asked, "toolConfig"), "toolChoice")
    effort = text_of(output, "effort") or text_of(object_of(more, "output_config"), "effort")
    return Settings(
        max_tokens=whole_of(config, "maxTokens"),
        temperature=number_of(config, "temperature"),
        top_p=number_of(config, "topP"),
        top_k=whole_of(more, "top_k"),
        stop=texts_of(config, "stopSequences"),
        effort=effort or text_of(more, "reasoning_effort"),
        thinking_budget=whole_of(object_of(more, "thinking"), "budget_tokens"),
        tool_choice=_tool_choice(choice),
        response_format=_response_format(object_of(output, "textFormat")),
        service_tier=text_of(object_of(asked, "serviceTier"), "type"),
        metadata=asked.get("requestMetadata"),
    )


def _tool_choice(choice: JsonObject) -> Any:
    if "any" in choice:
        return "required"
    if "auto" in choice:
        return "auto"
    name = text_of(object_of(choice, "tool"), "name")
    return {"name": name} if name else None


def _response_format(form: JsonObject) -> Any:
    """Read the answer's schema, which stands in the body as text."""
    told = object_of(object_of(form, "structure"), "jsonSchema")
    try:
        schema = load(as_text(told.get("schema")).encode())[0] if told else None
    except ValueError:
        return None
    return {"schema": schema, **({"name": told["name"]} if text_of(told, "name") else {})} if told else None


def is_own(prompt: Prompt) -> bool:
    return form_of(prompt.extra, NAME).get("own") is True


def write_message(message: Message) -> Any:
    form = form_of(message.extra, NAME)
    if "raw" in form:
        return form["raw"]
    return spell({"role": message.role, "content": write_content(message.parts)}, message.extra, NAME)


def write_own_body(prompt: Prompt) -> JsonObject:
    """Write a prompt that was read from this dialect as the object that it came as, with what was changed since."""
    count = _leading(prompt)
    body: JsonObject = {"messages": [write_message(message) for message in prompt.messages[count:]]}
    system = [block for message in prompt.messages[:count] for block in write_content(message.parts)]
    if system:
        body["system"] = system
    if prompt.settings.metadata is not None:
        body["requestMetadata"] = prompt.settings.metadata
    body = spell(body, prompt.extra, NAME)
    came = read_settings(body)
    if prompt.settings != came:
        body.update(write_settings(prompt.settings, body))
    if prompt.tools != read_tools(object_of(body, "toolConfig")):
        body["toolConfig"] = {**object_of(body, "toolConfig"), "tools": write_tools(prompt.tools)}
    return body


def write_settings(settings: Settings, body: JsonObject) -> JsonObject:
    """Write the settings that every model takes, beside what `body` says of others."""
    known = {
        "maxTokens": settings.max_tokens,
        "temperature": settings.temperature,
        "topP": settings.top_p,
        "stopSequences": settings.stop,
    }
    kept = {key: value for key, value in object_of(body, "inferenceConfig").items() if key not in known}
    config = {**kept, **{key: value for key, value in known.items() if value is not None}}
    return {"inferenceConfig": config} if config or "inferenceConfig" in body else {}


def write_tools(tools: list[Tool]) -> list[JsonObject]:
    written: list[JsonObject] = []
    for tool in tools:
        if tool.kind == "server":
            written.append(dict(tool.extra.get(NAME, {})))
        else:
            written.append({"toolSpec": _spec(tool)})
        if tool.cache is not None:
            written.append(cache_point(tool.cache))
    return written


def _spec(tool: Tool) -> JsonObject:
    schema = tool.schema if isinstance(tool.schema, dict) and tool.schema else {"type": "object", "properties": {}}
    spec: JsonObject = {"name": tool.name, "inputSchema": {"json": {"type": "object", **schema}}}
    if tool.description:
        spec["description"] = tool.description
    if tool.strict is not None:
        spec["strict"] = tool.strict
    return spec


def write_schema(form: JsonObject) -> JsonObject:
    """Write the schema of the answer, as text."""
    named = {"name": form["name"]} if form.get("name") else {"name": "answer"}
    schema = {"schema": to_json(form["schema"]), **named}
    return {"type": "json_schema", "structure": {"jsonSchema": schema}}


def locate(prompt: Prompt, message: int, part: int | None = None) -> str:
    """Say where a message or part stood. A cache point before it is a block too, and is counted."""
    count = _leading(prompt)
    place = "$.system" if message < count else f"$.messages[{message - count}]"
    if part is None:
        return place
    before = prompt.messages[message].parts[:part]
    number = part + sum(1 for one in before if one.cache is not None)
    return f"{place}[{number}]" if message < count else f"{place}.content[{number}]"


def _leading(prompt: Prompt) -> int:
    """Count the messages at the beginning that stand in `system`."""
    if prompt.messages and prompt.messages[0].role in ("system", "developer"):
        roles = [message.role in ("system", "developer") for message in prompt.messages]
        return roles.index(False) if False in roles else len(roles)
    return 0
