"""Whole responses read into a Reply: all items of `output`, in order, are parts of one message.

`extra` holds the response's other fields, the request's echo among them. A count of tokens is no usage: it
lies in `extra` as `input_tokens`.
"""

from typing import Any

from dragoman.canonical import AnyPart, Message, Refusal, Reply, ReplyError, StopReason
from dragoman.dialects.assembler import settle_stop
from dragoman.dialects.base import Unreadable
from dragoman.dialects.openai_errors import read_error
from dragoman.dialects.openai_responses.items import LEFT, NAME, read_item
from dragoman.dialects.openai_usage import read_usage
from dragoman.dialects.values import JsonObject, list_of, load_object, object_of, text_of

REPLY_KEYS = frozenset({"id", "object", "model", "output", "status", "usage", "error"})

_FINAL = frozenset({"completed", "complete", "incomplete", "failed", "cancelled"})

_INCOMPLETE: dict[str, StopReason] = {"max_output_tokens": "length", "content_filter": "refusal"}


def read_reply(body: bytes) -> Reply:
    """Read a whole response. Raises Unreadable when it has neither output nor a count nor an error."""
    given, warnings = load_object(body, "openai_responses reply")
    if not isinstance(given.get("output"), list):
        if given.get("error"):
            return Reply(error=read_error(NAME, given["error"]), is_complete=False, warnings=warnings)
        if "input_tokens" in given:
            return Reply(extra=LEFT.these(given), warnings=warnings)
        raise Unreadable(f"openai_responses reply: found keys {sorted(given)[:12]}, expected output")
    parts = read_output(given)
    return Reply(
        message=Message(role="assistant", parts=parts),
        id=text_of(given, "id"),
        model=text_of(given, "model"),
        stop_reason=settle_stop(stop_of(given, parts), parts),
        native_stop_reason=native_stop_of(given),
        usage=read_usage(object_of(given, "usage")),
        error=error_of(given),
        extra=leftovers(given),
        is_complete=is_final(given),
        warnings=warnings,
    )


def read_output(given: JsonObject) -> list[AnyPart]:
    return [part for item in list_of(given, "output") for part in read_item(item)]


def stop_of(given: JsonObject, parts: list[AnyPart]) -> StopReason | None:
    """Tell why a response ended by its status; a compaction has none."""
    match given.get("status"):
        case "completed" | "complete":
            return "refusal" if parts and isinstance(parts[-1], Refusal) else "end"
        case "incomplete":
            return _INCOMPLETE.get(native_stop_of(given) or "", "other")
        case "failed":
            return "error"
        case "cancelled":
            return "other"
        case _:
            return None


def native_stop_of(given: JsonObject) -> str | None:
    """Name the reason in the wire's words: why it is incomplete, else the status."""
    return text_of(object_of(given, "incomplete_details"), "reason") or text_of(given, "status")


def is_final(given: JsonObject) -> bool:
    status = text_of(given, "status")
    return status is None or status in _FINAL


def error_of(given: JsonObject) -> ReplyError | None:
    return read_error(NAME, given["error"]) if given.get("error") else None


def leftovers(given: JsonObject) -> dict[str, Any]:
    return LEFT.these({key: value for key, value in given.items() if key not in REPLY_KEYS and value is not None})
