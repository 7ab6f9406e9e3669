"""Every error of the API in one shape: `{"error": {"code", "message", "field"?}}`.

A fault of our own answers 500 with an id that the log line carries too; its text never leaves the process.
"""

import logging
import secrets
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from dragoman.api.answers import Json
from dragoman.api.schemas import Error, Problem
from dragoman.errors import BadRequest, DragomanError, NotFound, Refused, UpstreamFailed
from dragoman.security.login import TooManyAttempts

_log = logging.getLogger("dragoman.api")

_CODES = {404: "not_found", 405: "method_not_allowed", 401: "login_required", 403: "refused"}
_STATUS_OF_CODE = {"conflict": 409, "read_only": 409, "running": 409, "too_large": 413, "login_required": 401,
                   "too_many_attempts": 429, "not_understood": 422, "not_stored": 410,
                   "not_ready": 503}  # fmt: skip


def answer(status: int, code: str, message: str, *, field: str | None = None, **headers: str) -> Response:
    """Make an error answer; header names come with `_` for `-`."""
    body = Error(error=Problem(code=code, message=message, field=field))
    return Json(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


def install(app: FastAPI) -> None:
    app.add_exception_handler(DragomanError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _fault)


def status_of(error: DragomanError) -> int:
    if error.code in _STATUS_OF_CODE:
        return _STATUS_OF_CODE[error.code]
    match error:
        case NotFound():
            return 404
        case BadRequest():
            return 400
        case Refused():
            return 403
        case UpstreamFailed():
            return 502
        case _:
            return 500


def _ours(_: Request, error: Exception) -> Response:
    assert isinstance(error, DragomanError)
    return of(error)


def of(error: DragomanError) -> Response:
    """Answer one of our own errors."""
    headers = {"retry_after": str(error.wait_s)} if isinstance(error, TooManyAttempts) else {}
    return answer(status_of(error), error.code, error.message, field=error.field, **headers)


def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first: dict[str, Any] = error.errors()[0]
    where = [str(part) for part in first["loc"] if part not in ("query", "path", "header", "body")]
    message = f"{first['msg']}; found {str(first.get('input'))[:80]!r}"
    return answer(400, "bad_request", message, field=".".join(where) or None)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = str(error.detail)
    if error.status_code == 404:
        message = f"there is nothing at {request.url.path}; the API is described at /api/docs"
    if error.status_code == 405:
        message = f"{request.url.path} does not take {request.method}"
    headers = {name.replace("-", "_"): value for name, value in (error.headers or {}).items()}
    return answer(error.status_code, _CODES.get(error.status_code, "error"), message, **headers)


def _fault(request: Request, error: Exception) -> Response:
    number = secrets.token_hex(6)
    _log.error("request failed: id=%s %s %s", number, request.method, request.url.path, exc_info=error)
    problem = Problem(code="fault", message=f"a fault in Dragoman; the log has it under {number}", id=number)
    return Json(Error(error=problem), 500)
