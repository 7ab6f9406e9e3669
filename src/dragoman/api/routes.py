"""Routes: see, add, edit, remove; say what one would do; take over those of other tools."""

import asyncio
import hashlib
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Header

from dragoman.api import explain, imported
from dragoman.api.answers import Json, body_of, gives, takes
from dragoman.api.context import Context, Here, NotReady
from dragoman.api.explain import key_of
from dragoman.api.route_schemas import (
    ExplainBody,
    Explanation,
    ImportBody,
    Imported,
    RouteBody,
    Routes,
    RouteView,
)
from dragoman.api.shapes import route_shape
from dragoman.config import imports
from dragoman.errors import BadRequest
from dragoman.records import query as language
from dragoman.records.route import Route, RouteTable

router = APIRouter(tags=["routes"], prefix="/routes")

HITS_SINCE = "24h"
MOST_HITS = 10_000

IfMatch = Annotated[
    str | None, Header(description="The `revision` that was edited; a route that changed since is a 409.")
]


@router.get("", operation_id="listRoutes", responses=gives(Routes))
def list_routes(here: Here) -> Json:
    """List routes in the order in which they are asked."""
    table = RouteTable(here.keeper.setup.current.routes)
    return Json(Routes(items=[view(here, one) for one in table.routes]))


@router.get("/{name}", operation_id="getRoute", responses=gives(RouteView))
def get_route(here: Here, name: str) -> Json:
    """Return one route."""
    return Json(view(here, here.keeper.setup.route(name)))


@router.post(
    "", operation_id="createRoute", status_code=201, responses=gives(RouteView, status=201),
    openapi_extra=takes(RouteBody),
)  # fmt: skip
async def create_route(here: Here, body: Annotated[RouteBody, Depends(body_of(RouteBody))]) -> Json:
    """Add a route; it takes the next request."""
    if not body.name:
        raise BadRequest("a route needs a name: small letters, digits and hyphens", field="name")
    _check_is_free(here, body.name)
    return Json(await _save(here, body.name, body, None), 201)


@router.put("/{name}", operation_id="replaceRoute", responses=gives(RouteView), openapi_extra=takes(RouteBody))
async def replace_route(
    here: Here, name: str, body: Annotated[RouteBody, Depends(body_of(RouteBody))], if_match: IfMatch = None
) -> Json:
    """Edit a route, or bring back one that was deleted."""
    old = next((one for one in here.keeper.setup.current.routes if one.name == name), None)
    _check_revision(old, if_match)
    if body.name is not None and body.name != name:
        _check_is_free(here, body.name)
    return Json(await _save(here, body.name or name, body, old))


@router.delete("/{name}", operation_id="deleteRoute", responses=gives(RouteView))
async def delete_route(here: Here, name: str, if_match: IfMatch = None) -> Json:
    """Remove an edited route. The answer is the route as it was; a `PUT` of it brings it back."""
    here.check_ready()
    old = here.keeper.setup.route(name)
    _check_revision(old, if_match)
    shown = await asyncio.to_thread(view, here, old)
    await here.keeper.setup.delete_route(name)
    return Json(shown)


@router.post("/explain", operation_id="explainRoute", responses=gives(Explanation), openapi_extra=takes(ExplainBody))
async def explain_route(here: Here, body: Annotated[ExplainBody, Depends(body_of(ExplainBody))]) -> Json:
    """Say which route takes a request and why, and what its first target would be sent. Sends nothing."""
    keeper = here.keeper
    place = explain.Place(setup=keeper.setup.current, data_dir=here.data_dir, base_url=here.base_url)
    return Json(await asyncio.to_thread(explain.explain, place, body, keeper.status.breakers()))


@router.post("/import", operation_id="importRoutes", responses=gives(Imported), openapi_extra=takes(ImportBody))
async def import_routes(here: Here, body: Annotated[ImportBody, Depends(body_of(ImportBody))]) -> Json:
    """Read the configuration of another tool as routes and providers; a preview, unless `save` is true."""
    book = here.keeper.setup
    found = await asyncio.to_thread(imports.read, body.text, body.format, book.current.providers)
    shown = imported.show(found, book, is_saved=body.save)
    if body.save:
        here.check_ready()
        shown.problems += await imported.save(found, book, here.data_dir)
    return Json(shown)


def view(here: Context, route: Route) -> RouteView:
    """Show a route with what is known of it here."""
    setup = here.keeper.setup
    reason = None
    if route.source.startswith("file:"):
        reason = f"defined in {route.source.removeprefix('file:')}; edit it there"
    elif route.source != "edited":
        reason = f"made for the {route.source}"
    key = key_of(setup.current, route.targets[0].provider, here.data_dir) if route.targets else None
    return RouteView(
        **msgspec.structs.asdict(route_shape(route)),
        source=route.source,
        is_editable=reason is None,
        read_only_reason=reason,
        problem=setup.route_problems.get(route.name),
        position=setup.position(route.name) if reason is None else None,
        key_source=key.source if key else None,
        key_state=key.state if key else None,
        hits=_hits(here, route.name),
        revision=revision(route),
    )


def revision(route: Route) -> str:
    return hashlib.blake2b(msgspec.json.encode(route_shape(route)), digest_size=8).hexdigest()


def _hits(here: Context, name: str) -> int | None:
    try:
        store = here.store
    except NotReady:
        return None
    query = language.parse(f"route:{name} since:{HITS_SINCE}", now_ns=here.clock.wall_ns())
    return store.count(query, MOST_HITS).count


def _check_is_free(here: Context, name: str) -> None:
    if any(one.name == name for one in here.keeper.setup.current.routes):
        raise BadRequest(f"there is a route {name!r} already; edit it", code="conflict", field="name")


def _check_revision(old: Route | None, if_match: str | None) -> None:
    if if_match is None or if_match == "*":
        return
    if old is None or if_match.strip('"') != revision(old):
        raise BadRequest("the route was changed meanwhile; look at it again", code="conflict")


async def _save(here: Context, name: str, body: RouteBody, old: Route | None) -> RouteView:
    here.check_ready()
    route = Route(
        name=name,
        prefix=body.prefix or None,
        model=body.model or None,
        priority=body.priority,
        is_active=body.is_active,
        system=body.system,
        targets=body.targets,
        retry=body.retry,
    )
    saved = await here.keeper.setup.save_route(route, instead_of=old.name if old else None, position=body.position)
    return await asyncio.to_thread(view, here, saved)
