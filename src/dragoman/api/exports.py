"""Exchanges as files and as code to run again. What they say is made in `records.export`."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from dragoman.api.answers import body_of, sends, takes
from dragoman.api.context import Here
from dragoman.api.schemas import ExportBody

router = APIRouter(tags=["exchanges"])

_TEXT = {"type": "string"}
_FORMS = {"application/json": {}, "text/plain": _TEXT}


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
    raise NotImplementedError


@router.post(
    "/exchanges/export",
    operation_id="exportExchanges",
    responses=sends({"application/json": {}, "application/jsonl": _TEXT}, says="The exchanges."),
    openapi_extra=takes(ExportBody),
)
def export_exchanges(here: Here, body: Annotated[Any, Depends(body_of(ExportBody))]) -> Response:
    """Return many exchanges as one file."""
    raise NotImplementedError
