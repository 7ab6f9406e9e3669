"""Exchanges as files and as code to run again. What they say is made in `records.export` and `records.code`."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from dragoman.api.answers import body_of, sends, takes
from dragoman.api.bodies import find, load
from dragoman.api.context import Context, Here, check_id
from dragoman.api.exchanges import parse
from dragoman.api.schemas import ExportBody
from dragoman.errors import BadRequest
from dragoman.records import code
from dragoman.records.exchange import Detail
from dragoman.records.export import Exported, document, har

router = APIRouter(tags=["exchanges"])

MOST_EXCHANGES = 1000
MOST_BYTES = 256 * 1024 * 1024

_TEXT = {"type": "string"}
_FORMS = {"application/json": {}, "text/plain": _TEXT}
_ENDINGS = {"json": "json", "jsonl": "jsonl", "har": "har", "curl": "sh", "python": "py", "typescript": "ts"}


@router.get(
    "/exchanges/{exchange}/export",
    operation_id="exportExchange",
    responses=sends(_FORMS, says="The exchange; credentials are named, never held."),
)
def export_exchange(
    here: Here,
    exchange: str,
    form: Annotated[Literal["json", "curl", "python", "typescript", "har"], Query(alias="format")] = "json",
    download: Annotated[bool, Query(description="Send as a file.")] = False,
) -> Response:
    """Return one exchange as data (`json`, `har`) or as code that sends it again."""
    source = _source(here, find(here, exchange))
    match form:
        case "json":
            content = msgspec.json.format(msgspec.json.encode(document(source)))
        case "har":
            content = msgspec.json.format(msgspec.json.encode(har([source], here.base_url)))
        case "curl" | "python" | "typescript":
            writers = {"curl": code.curl, "python": code.python, "typescript": code.typescript}
            content = writers[form](source.detail, source.request_body, here.base_url).encode()
    return _file(content, form, exchange if download else None)


@router.post(
    "/exchanges/export",
    operation_id="exportExchanges",
    responses=sends({"application/json": {}, "application/jsonl": _TEXT}, says="The exchanges."),
    openapi_extra=takes(ExportBody),
)
def export_exchanges(here: Here, body: Annotated[Any, Depends(body_of(ExportBody))]) -> Response:
    """Return many finished exchanges as one file, oldest first."""
    if (body.ids is None) == (body.q is None):
        raise BadRequest("expected either ids or q", field="q")
    sources = list(_bounded(here, _wanted(here, body)))
    match body.format:
        case "har":
            content = msgspec.json.encode(har(sources, here.base_url))
        case "jsonl":
            content = b"".join(msgspec.json.encode(document(source)) + b"\n" for source in sources)
        case _:
            content = msgspec.json.encode([document(source) for source in sources])
    return _file(content, body.format, "exchanges")


def _wanted(here: Context, body: ExportBody) -> list[str]:
    """Return the ids, oldest first. Raises BadRequest when they are too many."""
    if body.ids is not None:
        ids = [check_id(one) for one in body.ids]
    else:
        ids = list(_found(here, body.q or ""))
    if len(ids) > MOST_EXCHANGES:
        raise BadRequest(
            f"more than {MOST_EXCHANGES} exchanges were asked for; narrow the filter, or use `dragoman export`",
            code="too_large",
        )
    return sorted(set(ids))


def _found(here: Context, q: str) -> Iterator[str]:
    cursor: str | None = None
    count = 0
    while count <= MOST_EXCHANGES:
        page = here.store.list_rows(parse(here, q), limit=500, cursor=cursor)
        yield from (row.id for row in page.items if row.ending is not None)
        count += len(page.items)
        cursor = page.next_cursor
        if cursor is None:
            return


def _bounded(here: Context, ids: list[str]) -> Iterator[Exported]:
    size = 0
    for one in ids:
        source = _source(here, find(here, one))
        size += len(source.request_body) + len(source.response_body)
        size += len(source.upstream_request) + len(source.upstream_response)
        if size > MOST_BYTES:
            raise BadRequest(f"the bodies are more than {MOST_BYTES} bytes; narrow the filter", code="too_large")
        yield source


def _source(here: Context, detail: Detail) -> Exported:
    """Gather an exchange; bodies that retention removed are left out, and the export says so."""
    request = load(here, detail, "request") if detail.request_body.is_stored else b""
    response = load(here, detail, "response") if detail.response_body.is_stored else b""
    upstream_request = upstream_response = None
    if detail.upstream is not None:
        upstream_request = here.store.upstream_request_body(detail.row.id)
        upstream_response = here.store.upstream_response_body(detail.row.id)
    return Exported(
        detail=detail,
        request_body=request,
        response_body=response,
        upstream_request=upstream_request or b"",
        upstream_response=upstream_response or b"",
    )


def _file(content: bytes, form: str, name: str | None) -> Response:
    kinds = {"json": "application/json", "har": "application/json", "jsonl": "application/jsonl"}
    headers = {"content-disposition": f'attachment; filename="dragoman-{name}.{_ENDINGS[form]}"'} if name else {}
    return Response(content, media_type=kinds.get(form, "text/plain; charset=utf-8"), headers=headers)
