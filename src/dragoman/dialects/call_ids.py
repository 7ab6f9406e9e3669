"""Ids for tool calls that have none, and the results that belong to them.

Ollama's calls have no ids and its results name the tool only; every other dialect joins the two by id.
A result gets the name of its call too, which only Ollama asks for.
Promise: ids that are there stay; made-up ones follow from the place in the conversation, so that a longer history
begins with the same ids (providers' caches hold). A result without an id gets that of the first call of its name
that still waits for one, else of the first that waits.
"""

import msgspec

from dragoman.canonical import AnyPart, Message, Prompt, ToolCall, ToolResult


def with_call_ids(prompt: Prompt) -> Prompt:
    """Return a prompt whose calls have ids, and whose results have ids and names; the same one if nothing lacks."""
    if not any(_lacks(part) for message in prompt.messages for part in message.parts):
        return prompt
    waiting: list[ToolCall] = []
    messages = [_with_ids(message, number, waiting) for number, message in enumerate(prompt.messages)]
    return msgspec.structs.replace(prompt, messages=messages)


def _lacks(part: AnyPart) -> bool:
    match part:
        case ToolCall():
            return part.id is None
        case ToolResult():
            return part.call_id is None or part.name is None
        case _:
            return False


def _with_ids(message: Message, number: int, waiting: list[ToolCall]) -> Message:
    parts: list[AnyPart] = []
    for position, part in enumerate(message.parts):
        if isinstance(part, ToolCall):
            if part.id is None:
                part = msgspec.structs.replace(part, id=f"call_{number}_{position}")
            waiting.append(part)
        elif isinstance(part, ToolResult):
            call = _call_of(part, waiting)
            if call is not None:
                waiting.remove(call)
                part = msgspec.structs.replace(part, call_id=call.id, name=part.name or call.name)
            elif part.call_id is None:
                part = msgspec.structs.replace(part, call_id=f"call_{number}_{position}")
        parts.append(part)
    return msgspec.structs.replace(message, parts=parts)


def _call_of(result: ToolResult, waiting: list[ToolCall]) -> ToolCall | None:
    if result.call_id is not None:
        return next((call for call in waiting if call.id == result.call_id), None)
    named = next((call for call in waiting if call.name == result.name), None)
    return named or (waiting[0] if waiting and result.name is None else None)
