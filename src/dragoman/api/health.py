"""Liveness and readiness for those who watch the process."""

from fastapi import APIRouter

from dragoman.api.answers import Json, gives
from dragoman.api.context import Here
from dragoman.api.schemas import Check, Readiness

router = APIRouter(tags=["system"])


@router.get("/healthz", operation_id="getHealth", responses=gives(Readiness))
async def get_health() -> Json:
    """Say that the keeper answers; touches nothing."""
    return Json(Readiness(is_ready=True, checks=[]))


@router.get(
    "/readyz",
    operation_id="getReadiness",
    responses=gives(Readiness) | gives(Readiness, status=503, says="Not yet, or not any more."),
)
async def get_readiness(here: Here) -> Json:
    """Say whether store, ingest and gateways work; 503 names what does not."""
    checks = [
        Check(name=name, is_ready=problem is None, message=problem or "ok")
        for name, problem in here.keeper.checks().items()
    ]
    is_ready = all(check.is_ready for check in checks)
    return Json(Readiness(is_ready=is_ready, checks=checks), 200 if is_ready else 503)
