"""Whole replies and errors read into a Reply.

A count of tokens is no usage: it lies in `extra` as `input_tokens`.
"""

from typing import Any

from dragoman.canonical import AnyPart, Message, Reply, ReplyError, Text
from dragoman.dialects.anthropic_messages.content import LEFT, NAME, read_content, read_stop, read_usage
from dragoman.dialects.assembler import settle_stop
from dragoman.dialects.base import Unreadable
from dragoman.dialects.openai_errors import read_error_body as read_any_error_body
from dragoman.dialects.values import JsonObject, as_text, load, load_object, mend, object_of, text_of

REPLY_KEYS = frozenset(
    {"id", "type", "role", "model", "content", "completion", "stop_reason", "stop_sequence", "stop", "usage", "error"}
)


def read_reply(body: bytes) -> Reply:
    """Read a whole reply. Raises Unreadable when it is no message, completion, count or error."""
    given, warnings = load_object(body, "anthropic_messages reply")
    if given.get("type") == "error" or ("error" in given and "content" not in given):
        return Reply(error=read_error(given), is_complete=False, warnings=warnings)
    if "content" not in given and "completion" not in given:
        if "input_tokens" in given:
            return Reply(extra=LEFT.these(given), warnings=warnings)
        raise Unreadable(f"anthropic_messages reply: found keys {sorted(given)[:12]}, expected content")
    parts = _parts(given)
    reason = text_of(given, "stop_reason")
    return Reply(
        message=Message(role="assistant", parts=parts),
        id=text_of(given, "id"),
        model=text_of(given, "model"),
        stop_reason=settle_stop(read_stop(reason), parts),
        native_stop_reason=reason,
        stop_sequence=stop_sequence_of(given),
        usage=read_usage(object_of(given, "usage")),
        extra=leftovers(given),
        is_complete=reason is not None,
        warnings=warnings,
    )


def stop_sequence_of(given: JsonObject) -> str | None:
    return text_of(given, "stop_sequence") or text_of(given, "stop")


def leftovers(given: JsonObject) -> JsonObject:
    """What a message carries beside its content: container, stop_details, context_management, …"""
    return LEFT.these({key: value for key, value in given.items() if key not in REPLY_KEYS and value is not None})


def _parts(given: JsonObject) -> list[AnyPart]:
    if "content" in given:
        return read_content(given["content"])
    text = as_text(given.get("completion"))
    return [Text(text=text)] if text else []


def read_error(given: JsonObject) -> ReplyError:
    """Read `{"type": "error", "error": {"type", "message"}, "request_id"}`."""
    error = given.get("error")
    if not isinstance(error, dict):
        return ReplyError(message=as_text(error if error is not None else given))
    left: dict[str, Any] = {key: value for key, value in error.items() if key not in ("type", "message", "code")}
    if given.get("request_id"):
        left["request_id"] = given["request_id"]
    message, kind, code = error.get("message"), error.get("type"), error.get("code")
    return ReplyError(
        message=as_text(message) if message is not None else as_text(error),
        kind=None if kind is None else as_text(kind),
        code=None if code is None else as_text(code),
        extra=LEFT.these(left),
    )


def read_error_body(status: int, body: bytes) -> ReplyError:
    """Read a body of status 4xx or 5xx; gateways in between answer in other shapes, or in none."""
    try:
        value = mend(load(body)[0])
    except ValueError:
        value = None
    if isinstance(value, dict) and isinstance(value.get("error"), dict):
        return read_error(value)
    return read_any_error_body(NAME, status, body)
