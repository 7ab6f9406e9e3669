"""The application: routes, errors and guards put together around one keeper."""

from typing import Any

from fastapi import APIRouter, FastAPI

from dragoman import __version__
from dragoman.api import (
    bodies,
    errors,
    exchanges,
    exports,
    health,
    live,
    openapi,
    pages,
    providers,
    routes,
    session,
    system,
)
from dragoman.api.answers import reference
from dragoman.api.context import Context
from dragoman.api.guard import Guard
from dragoman.api.schemas import Error

DESCRIPTION = (
    "All that the interface of Dragoman can do. Durations and times are nanoseconds, sizes are bytes, unknown is null. "
    'Errors have one shape: {"error": {"code", "message", "field"?}}.'
)
_PROBLEM: dict[int | str, dict[str, Any]] = {
    "default": {"description": "An error.", "content": {"application/json": {"schema": reference(Error)}}}
}


def build(context: Context | None) -> FastAPI:
    """Build the application; without a context it can only describe itself."""
    app = FastAPI(
        title="Dragoman",
        version=__version__,
        description=DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        responses=_PROBLEM,
        redirect_slashes=False,
    )
    app.state.context = context
    app.openapi = lambda: openapi.document(app)
    errors.install(app)
    api = APIRouter(prefix="/api")
    for noun in (exchanges, bodies, exports, live, providers, routes, system, session):
        api.include_router(noun.router)
    app.include_router(api)
    app.include_router(health.router)
    app.include_router(session.page)
    app.include_router(pages.router)
    if context is not None:
        app.add_middleware(Guard, context=context)
    return app
