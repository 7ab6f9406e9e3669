"""How Dragoman itself is: status, settings, re-parse, panic switch, how to connect, a first request."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from dragoman.api.answers import Json, body_of, gives, takes
from dragoman.api.context import Here
from dragoman.api.schemas import (
    FirstRequest,
    FirstRequestBody,
    PanicBody,
    PanicView,
    ReparseBody,
    ReparseView,
    SettingsBody,
    SettingsView,
    Status,
)
from dragoman.records.connect import Connect, connect

router = APIRouter(tags=["system"])


@router.get("/status", operation_id="getStatus", responses=gives(Status))
async def get_status(here: Here) -> Json:
    """Return versions, lag, storage, what retention would delete, gateways, configuration."""
    raise NotImplementedError


@router.get("/settings", operation_id="getSettings", responses=gives(SettingsView))
def get_settings(here: Here) -> Json:
    """Return the settings that can be changed while it runs."""
    raise NotImplementedError


@router.put(
    "/settings", operation_id="replaceSettings", responses=gives(SettingsView), openapi_extra=takes(SettingsBody)
)
async def replace_settings(here: Here, body: Annotated[Any, Depends(body_of(SettingsBody))]) -> Json:
    """Change settings; they hold at once and over restarts."""
    raise NotImplementedError


@router.post(
    "/reparse",
    operation_id="startReparse",
    status_code=202,
    responses=gives(ReparseView, status=202),
    openapi_extra=takes(ReparseBody),
)
async def start_reparse(here: Here, body: Annotated[Any, Depends(body_of(ReparseBody))]) -> Json:
    """Read stored exchanges again with the parsers of this version; the status tells how far it is."""
    raise NotImplementedError


@router.post("/panic", operation_id="setPanic", responses=gives(PanicView), openapi_extra=takes(PanicBody))
async def set_panic(here: Here, body: Annotated[Any, Depends(body_of(PanicBody))]) -> Json:
    """Turn the panic switch: every proxied request is answered 503 while it is on."""
    raise NotImplementedError


@router.get("/connect", operation_id="getConnect", responses=gives(Connect))
def get_connect(here: Here) -> Json:
    """Say how to point clients at this Dragoman."""
    return Json(connect(here.base_url))


@router.post(
    "/test-request",
    operation_id="sendTestRequest",
    status_code=202,
    responses=gives(FirstRequest, status=202),
    openapi_extra=takes(FirstRequestBody),
)
async def send_test_request(here: Here, body: Annotated[Any, Depends(body_of(FirstRequestBody))]) -> Json:
    """Send a slow streamed request to the built-in simulator, through the proxy like any client. Works offline."""
    raise NotImplementedError
