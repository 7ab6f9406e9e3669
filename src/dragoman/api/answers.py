"""What goes in and out of a route: msgspec values, encoded once, described once.

Promise: the shape that a route sends and the shape that OpenAPI shows come from the same Struct. A body that
does not fit is a `BadRequest` that names the field. Does not know any route.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from fastapi import Request
from fastapi.responses import Response

from dragoman.api.misfit import misfit
from dragoman.errors import BadRequest

BODY_LIMIT = 4 * 1024 * 1024
SCHEMA_REF = "#/components/schemas/{name}"

_encoder = msgspec.json.Encoder()
_T = TypeVar("_T")


class Json(Response):
    """A Struct as JSON bytes."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return _encoder.encode(content)


def reference(kind: type) -> dict[str, str]:
    return {"$ref": SCHEMA_REF.format(name=kind.__name__)}


def gives(*kinds: type, status: int = 200, says: str = "As asked.") -> dict[int | str, dict[str, Any]]:
    """Describe the JSON of a route's answer; several kinds are alternatives."""
    schema = reference(kinds[0]) if len(kinds) == 1 else {"anyOf": [reference(kind) for kind in kinds]}
    return {status: {"description": says, "content": {"application/json": {"schema": schema}}}}


def sends(media_types: dict[str, dict[str, Any]], *, says: str) -> dict[int | str, dict[str, Any]]:
    """Describe an answer that is not (only) JSON: media type → schema."""
    return {200: {"description": says, "content": {kind: {"schema": each} for kind, each in media_types.items()}}}


def takes(kind: type, *, is_required: bool = True) -> dict[str, Any]:
    """Describe the JSON body that a route wants, for `openapi_extra`."""
    content = {"application/json": {"schema": reference(kind)}}
    return {"requestBody": {"required": is_required, "content": content}}


def body_of(kind: type[_T], *, empty: bytes = b"") -> Callable[[Request], Awaitable[_T]]:
    """Make the dependency that reads a route's body; `empty` stands for one that was left out."""
    decoder = msgspec.json.Decoder(kind)

    async def read(request: Request) -> _T:
        try:
            return decoder.decode(await read_body(request) or empty)
        except msgspec.ValidationError as error:
            raise misfit(kind, str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRequest(f"the body is no JSON: {error}") from error

    return read


async def read_body(request: Request) -> bytes:
    """Read a request's body. Raises BadRequest when it is longer than `BODY_LIMIT`."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > BODY_LIMIT:
            raise BadRequest(f"the body is longer than {BODY_LIMIT} bytes", code="too_large")
        parts.append(part)
    return b"".join(parts)
