"""The login: what is shut without it, how it opens, and what wrong passwords cost."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from dragoman.clock import FakeClock
from dragoman.security.login import Login
from fakes.api_server import Api, serving

PASSWORD = "zwölf Boxkämpfer"
CREDENTIAL = {"authorization": "Bearer zwölf Boxkämpfer".encode()}
COOKIE = "dragoman_session"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path, password=PASSWORD) as served:
        yield served


async def log_in(api: Api, password: str = PASSWORD, **more: object) -> httpx2.Response:
    return await api.send("POST", "/api/login", {"password": password}, **more)


async def test_without_a_password_everything_is_open(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        assert (await api.get("/api/exchanges")).status_code == 200
        assert (await api.get("/api/session")).json() == {"is_password_required": False, "is_logged_in": True}
        assert (await api.get("/login")).headers["location"] == "/ui/"


SHUT = (
    ("GET", "/api/exchanges"), ("GET", "/api/events"), ("GET", "/api/openapi.json"), ("GET", "/api/nothing"),
    ("POST", "/api/panic"), ("GET", "/ui/"), ("GET", "/mcp"), ("GET", "/metrics"), ("POST", "/api/logout"),
)  # fmt: skip


async def test_everything_else_is_shut(api: Api) -> None:
    for method, path in SHUT:
        reply = await api.send(method, path)
        assert (reply.status_code, reply.json()["error"]["code"]) == (401, "login_required"), path
        assert reply.headers["www-authenticate"].startswith("Bearer")


async def test_health_and_login_stay_open(api: Api) -> None:
    assert (await api.get("/healthz")).status_code == 200
    assert (await api.get("/readyz")).status_code == 503
    assert (await api.get("/login")).status_code == 200
    assert (await api.get("/api/session")).json() == {"is_password_required": True, "is_logged_in": False}


async def test_a_script_sends_the_password(api: Api) -> None:
    assert (await api.get("/api/exchanges", headers=CREDENTIAL)).status_code == 200
    assert (await api.get("/api/exchanges", headers={"authorization": "Bearer no"})).status_code == 401
    assert (await api.get("/api/exchanges", headers={"authorization": "Basic bm8="})).status_code == 401


async def test_a_session_is_a_cookie_that_no_script_reads(api: Api) -> None:
    opened = await log_in(api)
    cookie = opened.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert (await api.get("/api/exchanges")).status_code == 200
    assert (await api.get("/api/session")).json()["is_logged_in"] is True


async def test_logging_out_ends_the_session_for_good(api: Api) -> None:
    await log_in(api)
    token = api.client.cookies[COOKIE]
    assert (await api.send("POST", "/api/logout")).status_code == 204
    assert COOKIE not in api.client.cookies
    reply = await api.get("/api/exchanges", headers={"cookie": f"{COOKIE}={token}"})
    assert reply.status_code == 401


async def test_a_session_outlives_the_keeper(tmp_path: Path) -> None:
    async with serving(tmp_path, password=PASSWORD) as api:
        await log_in(api)
        token = api.client.cookies[COOKIE]
    async with serving(tmp_path, password=PASSWORD) as api:
        assert (await api.get("/api/exchanges", headers={"cookie": f"{COOKIE}={token}"})).status_code == 200
    async with serving(tmp_path, password="another") as api:
        assert (await api.get("/api/exchanges", headers={"cookie": f"{COOKIE}={token}"})).status_code == 401


async def test_a_browser_is_led_to_the_login_and_back(api: Api) -> None:
    led = await api.get("/ui/traffic?q=model:x", headers={"accept": "text/html,*/*"})
    assert led.status_code == 303
    page = await api.get(led.headers["location"])
    assert 'name="next" value="/ui/traffic?q=model:x"' in page.text
    form = {"password": "no", "next": "/ui/traffic?q=model:x"}
    wrong = await api.client.post("/login", data=form)
    assert wrong.status_code == 401
    assert "That was not the password." in wrong.text
    right = await api.client.post("/login", data=form | {"password": PASSWORD})
    assert (right.status_code, right.headers["location"]) == (303, "/ui/traffic?q=model:x")
    assert (await api.get("/api/exchanges")).status_code == 200


async def test_the_way_back_leads_nowhere_else(api: Api) -> None:
    for target in ("//evil.test/", "https://evil.test/", "/\\evil.test", "/ui\n", "javascript:x", '"><script>'):
        right = await api.client.post("/login", data={"password": PASSWORD, "next": target})
        assert right.headers["location"] == "/ui/", target
        assert "<script>" not in (await api.get("/login", params={"next": target})).text


async def test_wrong_passwords_are_slowed_down_by_peer(tmp_path: Path) -> None:
    clock = FakeClock()

    def slow(context: object) -> None:
        context.login = Login(PASSWORD, tmp_path, clock)  # type: ignore[attr-defined]

    async with serving(tmp_path, change=slow) as api:
        for _ in range(3):
            assert (await log_in(api, "no")).status_code == 401
        waiting = await log_in(api)
        assert (waiting.status_code, waiting.json()["error"]["code"]) == (429, "too_many_attempts")
        assert waiting.headers["retry-after"] == "1"
        bearer = await api.get("/api/exchanges", headers=CREDENTIAL)
        assert (bearer.status_code, bearer.headers["retry-after"]) == (429, "1")
        page = await api.client.post("/login", data={"password": PASSWORD})
        assert page.status_code == 429
        other = await log_in(api, headers={"x-dragoman-peer": "192.0.2.8:1"})
        assert other.status_code == 200
        api.client.cookies.clear()
        clock.advance(1_000_000_000)
        assert (await log_in(api)).status_code == 200


async def test_nobody_chooses_the_peer_on_the_admin_listener(tmp_path: Path) -> None:
    clock = FakeClock()

    def slow(context: object) -> None:
        context.login = Login(PASSWORD, tmp_path, clock)  # type: ignore[attr-defined]

    async with serving(tmp_path, change=slow) as api, httpx2.AsyncClient(base_url=api.admin_url) as client:
        for number in range(4):
            reply = await client.post("/api/login", content=b'{"password": "no"}',
                                      headers={"x-dragoman-peer": f"192.0.2.{number}:1"})  # fmt: skip
        assert reply.status_code == 429


async def test_the_admin_listener_refuses_foreign_pages(tmp_path: Path) -> None:
    async with serving(tmp_path) as api, httpx2.AsyncClient(base_url=api.admin_url) as client:
        assert (await client.get("/api/exchanges")).status_code == 200
        for headers in (
            {"host": "evil.test"},
            {"origin": "https://evil.test"},
            {"sec-fetch-site": "cross-site"},
        ):
            refused = await client.get("/api/exchanges", headers=headers)
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "refused")
