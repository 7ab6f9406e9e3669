"""What every request passes before it reaches a route: who may call, the login, and the headers of safety.

Promise: with a password set, nothing but health, the login page and its API is reached without a session or the
password. On the admin listener (no gateway in front) host and origin are checked here as the gateway does.
`x-dragoman-peer` is believed only from the gateway's socket.
"""

from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dragoman.api import errors
from dragoman.api.context import Context
from dragoman.security.login import TooManyAttempts
from dragoman.security.origin import OriginPolicy

COOKIE = "dragoman_session"
CONTENT_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "media-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_SAFETY = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with `no-referrer` a browser sends the login form with `Origin: null`
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_OPEN = frozenset({"/healthz", "/readyz", "/login", "/api/login", "/api/session"})


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self._app = app
        self._context = context
        self._policy_version = -1
        self._policy: OriginPolicy | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = self._refusal(scope)
        if answer is not None:
            await answer(scope, receive, _with_safety(send))
            return
        await self._app(scope, receive, _with_safety(send))

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if scope.get("client") is not None:
            reason = self._foreign(headers)
            if reason is not None:
                return errors.answer(403, "refused", reason)
        login = self._context.login
        if login is None or scope["path"] in _OPEN:
            return None
        try:
            if is_logged_in(self._context, headers, peer_of(scope, headers)):
                return None
        except TooManyAttempts as error:
            return errors.of(error)
        return _wants_login(scope, headers)

    def _foreign(self, headers: Headers) -> str | None:
        """Say why a page of somebody else may not call the admin listener."""
        setup = self._context.keeper.setup.current
        if self._policy is None or self._policy_version != setup.version:
            self._policy_version = setup.version
            self._policy = OriginPolicy(
                hosts=setup.hosts, allowed_hosts=setup.allowed_hosts, allowed_origins=setup.allowed_origins
            )
        values = [headers.get(name) for name in ("host", "origin", "sec-fetch-site")]
        return self._policy.refusal(*(value.encode("latin-1") if value is not None else None for value in values))


def is_logged_in(context: Context, headers: Headers, peer: str) -> bool:
    """Say whether a request has a session or the password. Raises TooManyAttempts."""
    login = context.login
    if login is None:
        return True
    token = session_of(headers)
    if token is not None and login.sessions.is_open(token):
        return True
    scheme, _, password = headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and login.accepts(_as_typed(password.strip()), peer)


def _as_typed(value: str) -> str:
    """Return a header's text as its sender meant it: UTF-8 where it is, for headers arrive as latin-1."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return value


def session_of(headers: Headers) -> str | None:
    for cookie in headers.get("cookie", "").split(";"):
        name, _, value = cookie.strip().partition("=")
        if name == COOKIE:
            return value
    return None


def peer_of(scope: Scope, headers: Headers) -> str:
    """Return the address of who calls, without its port."""
    client = scope.get("client")
    if client is not None:
        return client[0]
    return headers.get("x-dragoman-peer", "unknown").rpartition(":")[0] or "unknown"


def _wants_login(scope: Scope, headers: Headers) -> Response:
    if scope["method"] in ("GET", "HEAD") and "text/html" in headers.get("accept", ""):
        target = scope["path"] + ("?" + scope["query_string"].decode("latin-1") if scope["query_string"] else "")
        return RedirectResponse(f"/login?next={quote(target, safe='/')}", 303)
    return errors.answer(
        401,
        "login_required",
        "a password is wanted: log in at /login, or send `Authorization: Bearer PASSWORD`",
        www_authenticate='Bearer realm="Dragoman"',
    )


def _with_safety(send: Send) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _SAFETY.items():
                headers.setdefault(name, value)
        await send(message)

    return wrapped
