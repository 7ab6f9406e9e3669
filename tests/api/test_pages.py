"""Pages: the built interface, its caching and its safety; the description of the API."""

import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from dragoman.api.context import Context
from fakes.api_server import Api, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCRIPT = 'document.documentElement.dataset.theme = "dark"'
INDEX = f'<!doctype html><script>{SCRIPT}</script><script type="module" src="/ui/assets/a-1.js"></script>'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    tmp_path = tmp_path_factory.mktemp("api")
    web = tmp_path / "web"
    (web / "assets").mkdir(parents=True)
    (web / "index.html").write_text(INDEX)
    (web / "assets" / "a-1.js").write_text("1")
    (web / "favicon.svg").write_text("<svg/>")
    (tmp_path / "secret.txt").write_text("secret")

    def use(context: Context) -> None:
        context.web = web

    async with serving(tmp_path, change=use) as served:
        yield served


async def test_the_root_leads_to_the_interface(api: Api) -> None:
    for path in ("/", "/ui"):
        assert (await api.get(path)).headers["location"] == "/ui/"


async def test_a_path_of_the_interface_gets_its_page(api: Api) -> None:
    for path in ("/ui/", "/ui/traffic/01JD", "/ui/settings?tab=storage", "/ui/index.html"):
        reply = await api.get(path)
        assert reply.text == INDEX
        assert reply.headers["cache-control"] == "no-cache"


async def test_only_named_scripts_run(api: Api) -> None:
    policy = (await api.get("/ui/")).headers["content-security-policy"]
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    assert f"script-src 'self' 'sha256-{digest}';" in policy
    assert "frame-ancestors 'none'" in policy


async def test_hashed_files_are_cached_for_ever(api: Api) -> None:
    asset = await api.get("/ui/assets/a-1.js")
    assert asset.text == "1"
    assert "immutable" in asset.headers["cache-control"]
    assert asset.headers["content-type"].startswith("text/javascript")
    assert (await api.get("/ui/favicon.svg")).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/ui/../secret.txt", "/ui/%2e%2e/secret.txt", "/ui/..%2fsecret.txt", "/ui/assets/b.js"]
)
async def test_nothing_else_is_served(api: Api, path: str) -> None:
    reply = await api.get(path)
    assert reply.status_code == 404
    assert "secret" not in reply.text.replace("secret.txt", "")


async def test_an_interface_that_is_not_built_says_how(tmp_path: Path) -> None:
    def use(context: Context) -> None:
        context.web = tmp_path / "nowhere"

    async with serving(tmp_path, change=use) as api:
        reply = await api.get("/ui/")
        assert reply.status_code == 200
        assert "make run" in reply.text


async def test_every_answer_has_the_headers_of_safety(api: Api) -> None:
    for path in ("/ui/", "/api/exchanges", "/api/nothing", "/login", "/healthz", "/api/docs"):
        headers = (await api.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "same-origin"
        assert "frame-ancestors" in headers["content-security-policy"]
        assert "server" not in headers


async def test_the_description_is_a_page_of_our_own(api: Api) -> None:
    page = await api.get("/api/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert (await api.get("/api/docs/docs.js")).headers["content-type"].startswith("text/javascript")
    assert (await api.get("/api/docs/docs.css")).status_code == 200
    assert (await api.get("/api/docs/login.html")).status_code == 404
    assert (await api.get("/api/openapi.json")).json()["openapi"] == "3.1.0"
