"""Chat's whole replies read into a Reply; those of legacy completions and embeddings too.

`extra` holds what the form has no word for: the body's own fields, and under `choices`, by number, those of
each choice (log probabilities, filters' findings) and of its message.
"""

from typing import Any

from dragoman.canonical import AnyPart, Choice, Message, Reply, Text, Usage
from dragoman.dialects.assembler import settle_stop
from dragoman.dialects.base import Unreadable
from dragoman.dialects.openai_chat.content import LEFT, MESSAGE_KEYS, NAME, read_parts, read_stop
from dragoman.dialects.openai_errors import read_error
from dragoman.dialects.openai_usage import measured_ns, read_timings, read_usage
from dragoman.dialects.values import JsonObject, as_text, load_object, object_of, objects_of, text_of

REPLY_KEYS = frozenset({"id", "model", "object", "choices", "usage", "error", "obfuscation", "p", "timings"})
"""`obfuscation` (OpenAI) and `p` (Bedrock) are padding."""
CHOICE_KEYS = frozenset({"index", "message", "delta", "finish_reason", "text", "usage", "error"})


def read_reply(body: bytes) -> Reply:
    """Read a whole reply. Raises Unreadable when it has neither choices nor embeddings nor an error."""
    given, warnings = load_object(body, "openai_chat reply")
    if not isinstance(given.get("choices"), list):
        return _without_choices(given, warnings)
    choices = objects_of(given, "choices")
    first, *others = choices or [{}]
    error = first.get("error") or given.get("error")
    parts = _parts(first)
    return Reply(
        message=Message(role="assistant", parts=parts),
        id=text_of(given, "id"),
        model=text_of(given, "model"),
        stop_reason=settle_stop(_stop(first), parts),
        native_stop_reason=text_of(first, "finish_reason"),
        usage=usage_of(given),
        error=read_error(NAME, error) if error else None,
        others=[_choice(one) for one in others],
        extra=LEFT.these(_leftovers(given, choices)),
        provider_timings_ns=timings_of(given),
        warnings=warnings,
    )


def usage_of(given: JsonObject) -> Usage | None:
    """Find the usage of a reply or chunk: its own, a choice's (Moonshot), Groq's, or llama.cpp's timings."""
    usage = object_of(given, "usage") or object_of(object_of(given, "x_groq"), "usage")
    if not usage:
        usage = next((one["usage"] for one in objects_of(given, "choices") if object_of(one, "usage")), {})
    if usage:
        return read_usage(usage)
    timings = object_of(given, "timings")
    return read_timings(timings) if timings else None


def timings_of(given: JsonObject) -> dict[str, int]:
    """Find what the provider measured, in nanoseconds."""
    usage = object_of(given, "usage") or object_of(object_of(given, "x_groq"), "usage")
    return measured_ns({**object_of(given, "time_info"), **usage}, object_of(given, "timings"))


def _without_choices(given: JsonObject, warnings: list[str]) -> Reply:
    if given.get("error") is not None:
        return Reply(error=read_error(NAME, given["error"]), is_complete=False, warnings=warnings)
    if given.get("object") == "list" and isinstance(given.get("data"), list):
        extra = {key: value for key, value in given.items() if key not in {*REPLY_KEYS, "data"}}
        return Reply(
            model=text_of(given, "model"),
            usage=usage_of(given),
            extra=LEFT.these({**extra, "embeddings": len(given["data"])}),
            warnings=warnings,
        )
    raise Unreadable(f"openai_chat reply: found keys {sorted(given)[:12]}, expected choices, data or error")


def _parts(choice: JsonObject) -> list[AnyPart]:
    message = object_of(choice, "message")
    if message:
        return read_parts(message)
    return [Text(text=as_text(choice["text"]))] if choice.get("text") else []


def _stop(choice: JsonObject) -> Any:
    return "error" if choice.get("error") else read_stop(text_of(choice, "finish_reason"))


def _choice(choice: JsonObject) -> Choice:
    parts = _parts(choice)
    return Choice(
        message=Message(role="assistant", parts=parts),
        stop_reason=settle_stop(_stop(choice), parts),
        native_stop_reason=text_of(choice, "finish_reason"),
    )


def _leftovers(given: JsonObject, choices: list[JsonObject]) -> JsonObject:
    left = {key: value for key, value in given.items() if key not in REPLY_KEYS and value is not None}
    by_number: JsonObject = {}
    for number, choice in enumerate(choices):
        fields = {key: value for key, value in choice.items() if key not in CHOICE_KEYS and value is not None}
        message = object_of(choice, "message")
        in_message = {key: value for key, value in message.items() if key not in MESSAGE_KEYS and value is not None}
        if in_message:
            fields["message"] = in_message
        if fields:
            by_number[str(number)] = fields
    return {**left, "choices": by_number} if by_number else left
