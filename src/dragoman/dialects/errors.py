"""Errors of Dragoman's own, written in the shape that the client's dialect has for errors.

Promise: importing this costs no decoder, so that the gateway can use it; the shapes are those that the
official SDKs of each dialect read their message, type and code from (wire-facts, sections 1 to 6).
"""

from typing import Any

import msgspec

_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
# https://docs.anthropic.com/en/api/errors; the same list stands in anthropic 2.11.0, `anthropic.types.shared`

_GOOGLE_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

_BEDROCK_TYPES = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}


def render_error(dialect: str | None, status: int, code: str, message: str) -> bytes:
    """Write an error as a body of `dialect`; without one, in OpenAI's shape, which most clients can show."""
    return msgspec.json.encode(_body(dialect or "", status, code, message))


def error_headers(dialect: str | None, status: int) -> list[tuple[bytes, bytes]]:
    """Name the headers that this dialect's clients read an error from, beside the body."""
    if dialect in ("bedrock_invoke", "bedrock_converse"):
        return [(b"x-amzn-errortype", _BEDROCK_TYPES.get(status, "InternalServerException").encode())]
    return []


def _body(dialect: str, status: int, code: str, message: str) -> Any:
    match dialect:
        case "anthropic_messages":
            kind = _ANTHROPIC_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
            return {"type": "error", "error": {"type": kind, "message": message, "code": code}}
        case "ollama_chat":
            return {"error": message}
        case "gemini_generate":
            state = _GOOGLE_STATUSES.get(status, "INTERNAL" if status >= 500 else "FAILED_PRECONDITION")
            return {"error": {"code": status, "message": message, "status": state}}
        case "bedrock_invoke" | "bedrock_converse":
            return {"message": message}
        case _:
            kind = "server_error" if status >= 500 else "invalid_request_error"
            return {"error": {"message": message, "type": kind, "param": None, "code": code}}
