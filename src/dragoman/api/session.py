"""Logging in and out: as JSON for scripts and the interface, as a page for people."""

import asyncio
from html import escape
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from dragoman.api.answers import Json, body_of, gives, read_body, takes
from dragoman.api.context import Context, Here
from dragoman.api.guard import COOKIE, is_logged_in, peer_of, session_of
from dragoman.api.schemas import LoginBody, Session
from dragoman.errors import Refused
from dragoman.security.login import TooManyAttempts
from dragoman.security.sessions import LIFE_NS

router = APIRouter(tags=["session"])
page = APIRouter(include_in_schema=False)

_PAGE = Path(__file__).parent / "pages" / "login.html"
_HOME = "/ui/"


@router.get("/session", operation_id="getSession", responses=gives(Session))
async def get_session(here: Here, request: Request) -> Json:
    """Say whether a password is wanted, and whether it was given."""
    is_in = is_logged_in(here, request.headers, peer_of(request.scope, request.headers))
    return Json(Session(is_password_required=here.login is not None, is_logged_in=is_in))


@router.post("/login", operation_id="logIn", responses=gives(Session), openapi_extra=takes(LoginBody))
async def log_in(here: Here, request: Request, body: Annotated[LoginBody, Depends(body_of(LoginBody))]) -> Json:
    """Give the password; the answer sets a session cookie. Wrong ones are slowed down."""
    answer = Json(Session(is_password_required=here.login is not None, is_logged_in=True))
    if here.login is not None:
        if not await _accepts(here, request, body.password):
            raise Refused("the password is wrong", code="login_required", field="password")
        await _open_session(here, answer)
    return answer


@router.post("/logout", operation_id="logOut", status_code=204)
async def log_out(here: Here, request: Request) -> Response:
    """End the session."""
    token = session_of(request.headers)
    if here.login is not None and token is not None:
        await asyncio.to_thread(here.login.sessions.close, token)
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


@page.get("/login")
async def show_login(here: Here, target: Annotated[str, Query(alias="next")] = _HOME) -> Response:
    if here.login is None:
        return RedirectResponse(_inside(target), 303)
    return _render(target)


@page.post("/login")
async def take_login(here: Here, request: Request) -> Response:
    form = parse_qs((await read_body(request)).decode("utf-8", "replace"))
    target = form.get("next", [_HOME])[0]
    answer = RedirectResponse(_inside(target), 303)
    if here.login is None:
        return answer
    try:
        if not await _accepts(here, request, form.get("password", [""])[0]):
            return _render(target, "That was not the password.", 401)
    except TooManyAttempts as error:
        refused = _render(target, error.message[0].upper() + error.message[1:] + ".", 429)
        refused.headers["retry-after"] = str(error.wait_s)
        return refused
    await _open_session(here, answer)
    return answer


async def _accepts(here: Context, request: Request, password: str) -> bool:
    assert here.login is not None
    return await asyncio.to_thread(here.login.accepts, password, peer_of(request.scope, request.headers))


async def _open_session(here: Context, answer: Response) -> None:
    assert here.login is not None
    token = await asyncio.to_thread(here.login.sessions.open)
    answer.set_cookie(COOKIE, token, max_age=LIFE_NS // 1_000_000_000, httponly=True, samesite="strict")


def _render(target: str, problem: str = "", status: int = 200) -> Response:
    text = _PAGE.read_text(encoding="utf-8")
    shown = f'<p class="problem" id="problem" role="alert">{escape(problem)}</p>' if problem else ""
    text = text.replace("{{problem}}", shown).replace("{{next}}", escape(_inside(target)))
    return HTMLResponse(text, status, {"cache-control": "no-store"})


def _inside(target: str) -> str:
    """Return where to go after the login: a page of our own, nothing else."""
    is_ours = target.startswith(("/ui/", "/api/")) and "\\" not in target and target.isprintable()
    return target if is_ours else _HOME
