"""Logging in and out, for scripts and for the interface."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from dragoman.api.answers import Json, body_of, gives, takes
from dragoman.api.context import Here
from dragoman.api.schemas import LoginBody, Session

router = APIRouter(tags=["session"])


@router.get("/session", operation_id="getSession", responses=gives(Session))
def get_session(here: Here) -> Json:
    """Say whether a password is wanted, and whether it was given."""
    raise NotImplementedError


@router.post("/login", operation_id="logIn", responses=gives(Session), openapi_extra=takes(LoginBody))
async def log_in(here: Here, body: Annotated[Any, Depends(body_of(LoginBody))]) -> Json:
    """Give the password; the answer sets a session cookie."""
    raise NotImplementedError


@router.post("/logout", operation_id="logOut", status_code=204)
def log_out(here: Here) -> None:
    """End the session."""
    raise NotImplementedError
