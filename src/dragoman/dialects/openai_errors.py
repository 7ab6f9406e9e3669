"""Error bodies in OpenAI's shape, and in the shapes of those who nearly speak it.

{"error": {"message", "type", "param", "code"}}     OpenAI; Azure, Groq, OpenRouter with more fields
{"code": "…", "error": "text"}                      xAI
{"detail": "…"} / {"detail": [{"msg", "loc"}]}      Mistral, and servers built on FastAPI
{"message": "…", …}                                 Mistral, gateways
"""

from typing import Any

from dragoman.canonical import ReplyError
from dragoman.dialects.values import JsonObject, Leftovers, as_text, load, mend

_KNOWN = frozenset({"message", "type", "code"})
_MAX_TEXT = 2000


def read_error(name: str, error: Any) -> ReplyError:
    """Read the value of `error`: an object or a text. `name` is the dialect's, for what it keeps."""
    if not isinstance(error, dict):
        return ReplyError(message=as_text(error))
    message = error.get("message")
    code = error.get("code")
    kind = error.get("type")
    return ReplyError(
        message=as_text(message) if message is not None else as_text(error),
        kind=None if kind is None else as_text(kind),
        code=None if code is None else as_text(code),
        extra=Leftovers(name).rest(error, _KNOWN),
    )


def read_error_body(name: str, status: int, body: bytes) -> ReplyError:
    """Read a body of status 4xx or 5xx, whatever it is; a page of HTML or plain text is taken as the message."""
    try:
        value = mend(load(body)[0])
    except ValueError:
        text = body[:_MAX_TEXT].decode("utf-8", "replace").strip()
        return ReplyError(message=text or f"status {status} without a body")
    if isinstance(value, list) and len(value) == 1:
        value = value[0]  # Google's OpenAI-compatible endpoint wraps the object in a list.
    if not isinstance(value, dict):
        return ReplyError(message=as_text(value) or f"status {status} without a message")
    return _from_object(name, value)


def _from_object(name: str, value: JsonObject) -> ReplyError:
    error = value.get("error")
    if isinstance(error, dict):
        return read_error(name, error)
    if error is not None:
        return read_error(name, _renamed(value, "error"))
    if "message" in value:
        return read_error(name, value)
    detail = value.get("detail")
    if isinstance(detail, list):
        texts = [as_text(one.get("msg", one)) if isinstance(one, dict) else as_text(one) for one in detail]
        return ReplyError(message="; ".join(texts), extra=Leftovers(name).these(value))
    return read_error(name, _renamed(value, "detail")) if detail is not None else read_error(name, value)


def _renamed(value: JsonObject, key: str) -> JsonObject:
    """Take the text under `key` for the message."""
    return {**{name: one for name, one in value.items() if name != key}, "message": value[key]}
