"""Every error has one shape, whatever went wrong and wherever."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from dragoman.ids import IdMaker
from fakes.api_server import Api, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAME = IdMaker().make(1_700_000_000_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    tmp_path = tmp_path_factory.mktemp("api")
    async with serving(tmp_path) as served:
        yield served


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "field"),
    [
        ("GET", "/api/nothing", None, 404, "not_found", None),
        ("GET", "/nothing", None, 404, "not_found", None),
        ("PUT", "/api/exchanges", None, 405, "method_not_allowed", None),
        ("GET", "/api/exchanges?limit=0", None, 400, "bad_request", "limit"),
        ("GET", "/api/exchanges?limit=501", None, 400, "bad_request", "limit"),
        ("GET", "/api/exchanges?limit=x", None, 400, "bad_request", "limit"),
        ("GET", "/api/exchanges?cursor=x", None, 400, "bad_request", "cursor"),
        ("GET", f"/api/exchanges/{NAME}/export?format=pdf", None, 400, "bad_request", "format"),
        ("POST", "/api/panic", b"{", 400, "bad_request", None),
        ("POST", "/api/panic", b"\xff", 400, "bad_request", None),
        ("POST", "/api/panic", b'{"on": 1}', 400, "bad_request", "on"),
        ("POST", "/api/panic", b'{"on": true, "x": 1}', 400, "bad_request", None),
        ("POST", "/api/exchanges/restore", b"{}", 400, "bad_request", "token"),
        ("POST", "/api/exchanges/restore", b'{"token": "x"}', 400, "bad_request", "token"),
        ("POST", "/api/panic", b" " * (4 * 1024 * 1024 + 1), 413, "too_large", None),
        ("GET", "/api/providers/nobody", None, 404, "not_found", None),
    ],
)
async def test_an_error_has_code_message_and_field(
    api: Api, method: str, path: str, body: bytes | None, status: int, code: str, field: str | None
) -> None:
    reply = await api.client.request(method, path, content=body)
    assert reply.status_code == status
    error = reply.json()["error"]
    assert set(reply.json()) == {"error"}
    assert (error["code"], error.get("field")) == (code, field)
    assert len(error["message"]) > 10
    if status == 405:
        assert reply.headers["allow"]


async def test_a_fault_of_ours_tells_its_number_and_nothing_else(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def __getattr__(self, name: str) -> object:
            raise RuntimeError("the secret inside")

    api.context.keeper.store, store = Broken(), api.context.keeper.store  # type: ignore[assignment]
    try:
        reply = await api.get("/api/count")
    finally:
        api.context.keeper.store = store
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (500, "fault")
    assert "secret" not in reply.text
    assert error["id"] in caplog.text
    assert error["id"] in error["message"]
