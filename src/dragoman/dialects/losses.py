"""What could not cross from one dialect to another, and where it stood.

A renderer does not know from which dialect a prompt came. It names places in canonical words (`message_path`,
`tool_path`, `setting_path`); `located` turns these into paths of the body that the client sent. `foreign` lists what
only the source's dialect has a word for: the `extra` of prompt, messages, parts and tools.

Promise: what the canonical form holds, what says nothing (null, empty, false, 0) and what is service noise is no
loss. Does not look into values beyond the first level.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from dragoman.canonical import AnyPart, Extra, Loss, Prompt, Reply, Tool, ToolResult
from dragoman.dialects.base import Dialect
from dragoman.dialects.loss_tables import CARRIED, NOISE, REPLY_NOISE, SAYS_NOTHING, SETTINGS, SHARED, TOOLS

_PLACE = re.compile(r"messages\[(\d+)\](?:\.parts\[(\d+)\])?")
_TOOL = re.compile(r"tools\[(\d+)\]")
_SETTING = re.compile(r"settings\.(\w+)")


def message_path(message: int, part: int | None = None) -> str:
    """Name a message, or one of its parts, by their numbers in the prompt."""
    return f"messages[{message}]" if part is None else f"messages[{message}].parts[{part}]"


def tool_path(tool: int, field: str = "") -> str:
    """Name a tool, or a field of it, by its number in the prompt."""
    return f"tools[{tool}].{field}" if field else f"tools[{tool}]"


def no_such_tool(tool: Tool) -> str:
    """Give the reason for which a tool is left out that is no function, such as a search of the provider's own."""
    return f"the model has no tool of kind {tool.kind}: {tool.name}"


def setting_path(name: str) -> str:
    """Name a setting by its canonical word."""
    return f"settings.{name}"


def family(dialect: str) -> str:
    """Name the dialect whose words a body has: InvokeModel carries Anthropic's."""
    return "anthropic_messages" if dialect == "bedrock_invoke" else dialect


def located(
    losses: list[Loss], prompt: Prompt, source: Dialect, tool_places: Sequence[int] | None = None
) -> list[Loss]:
    """Turn canonical places into paths of the body that was read; other paths stay.

    `tool_places` says for each tool that was rendered which tool of the body it came from, if some were split.
    """
    places = range(len(prompt.tools)) if tool_places is None else tool_places
    return [msgspec.structs.replace(loss, path=_wire_path(loss.path, prompt, source, places)) for loss in losses]


def _wire_path(path: str, prompt: Prompt, source: Dialect, tool_places: Sequence[int]) -> str:
    tool = _TOOL.match(path)
    if tool:
        number = int(tool[1])
        place = tool_places[number] if number < len(tool_places) else number
        return f"{TOOLS.get(source.name, '$.tools')}[{place}]{path[tool.end() :]}"
    place = _PLACE.match(path)
    if place:
        message, part = int(place[1]), place[2]
        return source.locate(prompt, message, None if part is None else int(part)) + path[place.end() :]
    setting = _SETTING.match(path)
    if setting:
        return SETTINGS.get(family(source.name), {}).get(setting[1], f"$.{setting[1]}") + path[setting.end() :]
    return path


def foreign(prompt: Prompt, source: Dialect, target: str) -> list[Loss]:
    """List what the prompt holds in words that `target` does not have."""
    return [Loss(path=path, reason=f"{target} has no such field") for path in _foreign_paths(prompt, source, target)]


def _foreign_paths(prompt: Prompt, source: Dialect, target: str) -> Iterator[str]:
    for key in _lost_keys(prompt.extra, source.name, target):
        yield f"$.{key}"
    for number, tool in enumerate(prompt.tools):
        if tool.kind != "server":  # a tool of the server's is lost as a whole, or taken as a whole
            yield from ("$." + tool_path(number, key) for key in _lost_keys(tool.extra, source.name, target))
    for number, message in enumerate(prompt.messages):
        for key in _lost_keys(message.extra, source.name, target):
            yield f"{source.locate(prompt, number)}.{key}"
        for position, part in enumerate(message.parts):
            place = source.locate(prompt, number, position)
            for key in _lost_keys(part.extra, source.name, target) if _is_carried(part) else ():
                around = source.locate(prompt, number) if key.startswith("item.") else place
                yield f"{around}.{key.removeprefix('item.')}"
            for inner in part.parts if isinstance(part, ToolResult) else ():
                yield from (f"{place}.{key}" for key in _lost_keys(inner.extra, source.name, target))


def _is_carried(part: AnyPart) -> bool:
    """A server tool's call or finding is lost, or taken, as a whole."""
    return getattr(part, "kind", None) != "server"


def foreign_in_reply(reply: Reply, source: str, target: str) -> list[Loss]:
    """List what a reply holds in words that `target` does not have."""
    found = foreign_in_delta(reply.extra, None, source, target)
    for position, part in enumerate(reply.message.parts):
        if _is_carried(part):
            found += foreign_in_delta(part.extra, position, source, target)
    return found


def foreign_in_delta(extra: Extra, part: int | None, source: str, target: str) -> list[Loss]:
    """List what one `extra` of a reply, or of its part `part`, holds in words that `target` does not have."""
    place = "$" if part is None else reply_path(part)
    keys = _lost_keys(extra, source, target, is_reply=True)
    return [Loss(path=f"{place}.{key}", reason=f"{target} has no such field") for key in keys]


def reply_path(part: int) -> str:
    """Name a part of a reply by its number."""
    return f"reply.parts[{part}]"


def _lost_keys(extra: Extra, source: str, target: str, *, is_reply: bool = False) -> Iterator[str]:
    """Name the fields of `extra` that say something, and that neither the canonical form nor `target` holds."""
    for name, fields in extra.items():
        if family(name) == family(target) or not isinstance(fields, dict):
            continue
        kept = CARRIED.get(family(name), frozenset()) | SHARED.get((family(name), family(target)), frozenset())
        noise = NOISE | REPLY_NOISE if is_reply else NOISE
        for key, value in fields.items():
            if key == "item" and isinstance(value, dict):  # what an item carries beside its content
                yield from (f"item.{inner}" for inner, one in value.items() if one and inner not in noise)
            elif key not in noise:
                yield from _lost_below(key, value, kept)


def _lost_below(key: str, value: Any, kept: frozenset[str]) -> Iterator[str]:
    if key in kept or not value or SAYS_NOTHING.get(key) == value:
        return
    below = {one[len(key) + 1 :] for one in kept if one.startswith(key + ".")}
    if not below or not isinstance(value, dict):
        yield key
        return
    yield from (f"{key}.{inner}" for inner, one in value.items() if inner not in below and one)
