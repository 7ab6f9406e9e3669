"""How Dragoman itself is: status, settings, re-parse, panic switch, how to connect, a first request."""

import asyncio
import os
import platform
from typing import Annotated

import psutil
from fastapi import APIRouter, Depends

from dragoman import __version__
from dragoman.api.answers import Json, body_of, gives, takes
from dragoman.api.context import Context, Here, NotReady, check_id
from dragoman.api.schemas import (
    FirstRequest,
    FirstRequestBody,
    GatewayView,
    PanicBody,
    PanicView,
    ReparseBody,
    Retention,
    SettingsBody,
    SettingsView,
    Status,
)
from dragoman.dialects import PARSER_VERSION
from dragoman.errors import BadRequest
from dragoman.keeper.reparse import ReparseProgress
from dragoman.keeper.retention import SETTING
from dragoman.records.connect import Connect, connect
from dragoman.store.types import Policy, Preview, Storage

router = APIRouter(tags=["system"])

MOST_REPARSED = 10_000


@router.get("/status", operation_id="getStatus", responses=gives(Status))
async def get_status(here: Here) -> Json:
    """Return versions, lag, storage, what retention would delete, gateways, configuration."""
    keeper = here.keeper
    await keeper.status.tick()
    counters = keeper.status.counters
    stored = await asyncio.to_thread(_stored, here)
    problems = [*keeper.setup.problems, *(text for text in keeper.checks().values() if text)]
    setup = keeper.setup.current
    return Json(
        Status(
            version=__version__,
            python=platform.python_version(),
            parser_version=PARSER_VERSION,
            started_ns=keeper.started_ns,
            now_ns=here.clock.wall_ns(),
            pid=os.getpid(),
            rss_bytes=psutil.Process().memory_info().rss,
            base_url=here.base_url,
            data_dir=str(here.data_dir),
            is_panicking=setup.is_panicking,
            is_password_required=here.login is not None,
            setup_version=setup.version,
            in_flight=counters.in_flight,
            capture_drops=counters.capture_drops,
            lag=await asyncio.to_thread(keeper.lag),
            gateways=_gateways(here),
            storage=stored[0] if stored else None,
            retention=stored[1] if stored else None,
            config_files=here.start.config_files,
            problems=problems,
            reparse=keeper.reparse.progress,
        )
    )


def _stored(here: Context) -> tuple[Storage, Preview] | None:
    try:
        store = here.store
    except NotReady:
        return None
    return store.storage(), store.retention_preview(here.keeper.retention.policy())


def _gateways(here: Context) -> list[GatewayView]:
    counters = here.keeper.status.gateways
    views: list[GatewayView] = []
    for name in here.keeper.links.names:
        one = counters.get(name)
        figures = {
            field: getattr(one, field) if one is not None else None
            for field in GatewayView.__struct_fields__
            if field not in ("name", "is_connected")
        }
        views.append(GatewayView(name=name, is_connected=here.keeper.links.is_connected(name), **figures))
    return views


@router.get("/settings", operation_id="getSettings", responses=gives(SettingsView))
def get_settings(here: Here) -> Json:
    """Return the settings that can be changed while it runs."""
    return Json(_settings(here))


@router.put(
    "/settings", operation_id="replaceSettings", responses=gives(SettingsView), openapi_extra=takes(SettingsBody)
)
async def replace_settings(here: Here, body: Annotated[SettingsBody, Depends(body_of(SettingsBody))]) -> Json:
    """Change settings; they hold at once and over restarts."""
    wanted = body.retention
    for name in Retention.__struct_fields__:
        value = getattr(wanted, name)
        if value is not None and not 0 < value < 2**53:
            raise BadRequest(f"found {value}, expected more than 0, or null for no limit", field=f"retention.{name}")
    if wanted.bodies_s is not None and wanted.facts_s is not None and wanted.bodies_s > wanted.facts_s:
        raise BadRequest("bodies cannot be kept longer than the facts they belong to", field="retention.bodies_s")
    here.check_ready()
    await here.keeper.retention.change(bodies_s=wanted.bodies_s, facts_s=wanted.facts_s, max_bytes=wanted.max_bytes)
    return Json(await asyncio.to_thread(_settings, here))


def _settings(here: Context) -> SettingsView:
    is_edited = here.store.settings().get(SETTING) is not None
    policy: Policy = here.keeper.retention.policy()
    return SettingsView(
        retention=Retention(
            bodies_s=_seconds(policy.bodies_ns), facts_s=_seconds(policy.facts_ns), max_bytes=policy.max_bytes
        ),
        retention_source="edited" if is_edited else "configuration",
    )


def _seconds(ns: int | None) -> float | None:
    return None if ns is None else ns / 1e9


@router.post(
    "/reparse",
    operation_id="startReparse",
    status_code=202,
    responses=gives(ReparseProgress, status=202),
    openapi_extra=takes(ReparseBody),
)
async def start_reparse(here: Here, body: Annotated[ReparseBody, Depends(body_of(ReparseBody))]) -> Json:
    """Read stored exchanges again with the parsers of this version; the status tells how far it is."""
    if body.ids is not None and len(body.ids) > MOST_REPARSED:
        raise BadRequest(f"at most {MOST_REPARSED} ids at once, or none for all", field="ids")
    ids = [check_id(one) for one in body.ids] if body.ids is not None else None
    here.check_ready()
    return Json(here.keeper.reparse.begin(ids), 202)


@router.post("/panic", operation_id="setPanic", responses=gives(PanicView), openapi_extra=takes(PanicBody))
async def set_panic(here: Here, body: Annotated[PanicBody, Depends(body_of(PanicBody))]) -> Json:
    """Turn the panic switch: every proxied request is answered 503 while it is on."""
    await here.keeper.setup.set_panic(body.on)
    return Json(PanicView(is_panicking=here.keeper.setup.current.is_panicking))


@router.get("/connect", operation_id="getConnect", responses=gives(Connect))
async def get_connect(here: Here) -> Json:
    """Say how to point clients at this Dragoman."""
    return Json(connect(here.base_url))


@router.post(
    "/test-request",
    operation_id="sendTestRequest",
    status_code=202,
    responses=gives(FirstRequest, status=202),
    openapi_extra=takes(FirstRequestBody),
)
async def send_test_request(here: Here, body: Annotated[FirstRequestBody, Depends(body_of(FirstRequestBody))]) -> Json:
    """Send a slow streamed request to the built-in simulator, through the proxy like any client. Works offline."""
    return Json(await here.first_requests.send(here, body.dialect), 202)
