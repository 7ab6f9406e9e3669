"""Exports over HTTP: each form, many at once, and never a credential."""

import json
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

from dragoman.ids import IdMaker
from dragoman.journal.format import Record
from fakes.api_server import Api, serving
from fakes.playbook import CHAT_BODY, STREAM_BODY, asked, whole

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "sk-planted-8f14e45fceea167a-in-clear"
_ids = IdMaker()
FIRST, SECOND, OPEN = (_ids.make(1_700_000_000_000 + number) for number in range(3))


def careless(records: list[Record]) -> list[Record]:
    """As a gateway would write that forgot to mask."""
    headers = [(b"Authorization", f"Bearer {SECRET}".encode()), (b"Cookie", SECRET.encode())]
    opened = msgspec.structs.replace(records[0], target=f"/v1/chat/completions?key={SECRET}".encode(), headers=headers)
    return [opened, *records[1:]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    tmp_path = tmp_path_factory.mktemp("api")
    async with serving(tmp_path, base_url="http://127.0.0.1:8123") as served:
        served.journal.write(*careless(whole(FIRST)), *whole(SECOND), *asked(OPEN))
        await served.stored(FIRST, SECOND)
        yield served


@pytest.mark.parametrize("form", ["json", "curl", "python", "typescript", "har"])
async def test_every_form_says_what_was_sent_and_no_credential(api: Api, form: str) -> None:
    reply = await api.get(f"/api/exchanges/{FIRST}/export", params={"format": form})
    assert reply.status_code == 200
    assert SECRET not in reply.text
    assert "Say hello to the sea." in reply.text
    if form in ("curl", "python", "typescript"):
        assert "OPENAI_API_KEY" in reply.text
        assert "127.0.0.1:8123" in reply.text
        assert reply.headers["content-type"].startswith("text/plain")


async def test_json_holds_both_bodies(api: Api) -> None:
    made = (await api.get(f"/api/exchanges/{FIRST}/export")).json()
    assert made["request_body"]["text"] == CHAT_BODY.decode()
    assert made["response_body"]["text"] == STREAM_BODY.decode()
    assert made["exchange"]["row"]["id"] == FIRST


async def test_a_download_has_a_name(api: Api) -> None:
    reply = await api.get(f"/api/exchanges/{FIRST}/export", params={"format": "python", "download": "true"})
    assert reply.headers["content-disposition"] == f'attachment; filename="dragoman-{FIRST}.py"'


@pytest.mark.parametrize("form", ["json", "jsonl", "har"])
async def test_many_exchanges_are_one_file(api: Api, form: str) -> None:
    reply = await api.send("POST", "/api/exchanges/export", {"q": "", "format": form})
    assert SECRET not in reply.text
    match form:
        case "json":
            ids = [one["exchange"]["row"]["id"] for one in reply.json()]
        case "jsonl":
            ids = [json.loads(line)["exchange"]["row"]["id"] for line in reply.text.splitlines()]
        case _:
            ids = [entry["_id"] for entry in reply.json()["log"]["entries"]]
    assert ids == [FIRST, SECOND]


async def test_named_exchanges_are_exported(api: Api) -> None:
    reply = await api.send("POST", "/api/exchanges/export", {"ids": [SECOND], "format": "json"})
    assert [one["exchange"]["row"]["id"] for one in reply.json()] == [SECOND]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "q"),
        ({"q": "", "ids": []}, "q"),
        ({"q": "colour:red"}, "q"),
        ({"q": "", "format": "pdf"}, "format"),
        ({"q": "", "more": 1}, None),
    ],
)
async def test_a_wrong_wish_is_said(api: Api, body: object, field: str | None) -> None:
    reply = await api.send("POST", "/api/exchanges/export", body)
    assert reply.status_code == 400
    assert reply.json()["error"].get("field") == field


async def test_a_running_exchange_is_not_exported(api: Api) -> None:
    reply = await api.get(f"/api/exchanges/{OPEN}/export")
    assert (reply.status_code, reply.json()["error"]["code"]) in {(409, "running"), (404, "not_found")}
