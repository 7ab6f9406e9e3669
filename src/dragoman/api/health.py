"""Liveness and readiness for those who watch the process."""

from fastapi import APIRouter

from dragoman.api.answers import Json, gives
from dragoman.api.context import Here
from dragoman.api.schemas import Readiness

router = APIRouter(tags=["system"])


@router.get("/healthz", operation_id="getHealth", responses=gives(Readiness))
async def get_health() -> Json:
    """Say that the keeper answers; touches nothing."""
    return Json(Readiness(is_ready=True, checks=[]))


@router.get(
    "/readyz", operation_id="getReadiness", responses=gives(Readiness) | gives(Readiness, status=503, says="Not yet.")
)
async def get_readiness(here: Here) -> Json:
    """Say whether store, gateways and journals work; 503 names what does not."""
    raise NotImplementedError
