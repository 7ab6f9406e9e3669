"""Tools written flat, as this dialect has them."""

from dragoman.canonical import Tool
from dragoman.dialects.custom_tools import flat_format
from dragoman.dialects.losses import tool_path
from dragoman.dialects.openai_responses.items import NAME
from dragoman.dialects.openai_responses.pieces import Writing
from dragoman.dialects.values import JsonObject

_NO_ARGUMENTS: JsonObject = {"type": "object", "properties": {}}


def write_tool(tool: Tool, number: int, out: Writing) -> JsonObject | None:
    """Write one tool; None when the target does not know it."""
    own = {key: value for key, value in (tool.extra.get(NAME) or {}).items() if key != "$"}
    if "raw" in (tool.extra.get(NAME) or {}).get("$", {}):
        return tool.extra[NAME]["$"]["raw"]
    if tool.cache is not None:
        out.lose(tool_path(number, "cache_control"), f"{NAME} caches by itself; tools take no cache marks")
    named = {"name": tool.name, **({"description": tool.description} if tool.description else {})}
    if tool.kind == "function":
        # `strict` and `parameters` are required keys, and strict is on when it is left out (wire-facts 2).
        schema = _NO_ARGUMENTS if tool.schema is None else tool.schema
        return {"type": "function", **named, "parameters": schema, "strict": tool.strict or False, **own}
    if tool.kind == "custom" and "type" not in own:
        form = flat_format(tool.schema)
        return {"type": "custom", **named, **({"format": form} if form else {}), **own}
    out.lose(tool_path(number), f"{NAME} does not know this provider's own tools")
    return None
