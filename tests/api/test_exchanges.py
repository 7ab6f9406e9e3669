"""Lists and single exchanges over HTTP, from a journal and a real store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dragoman.ids import IdMaker
from fakes.api_server import Api, serving
from fakes.playbook import whole

_ids = IdMaker()
NAMES = [_ids.make(1_700_000_000_000 + number) for number in range(5)]
NOBODY = _ids.make(1_600_000_000_000)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as served:
        for name in NAMES:
            served.journal.write(*whole(name))
        await served.stored(*NAMES)
        yield served


async def test_a_list_is_newest_first_and_pages_by_cursor(api: Api) -> None:
    first = (await api.get("/api/exchanges", params={"limit": 3})).json()
    assert [row["id"] for row in first["items"]] == NAMES[:1:-1]
    second = (await api.get("/api/exchanges", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [row["id"] for row in second["items"]] == NAMES[1::-1]
    assert second["next_cursor"] is None
    assert set(first) == {"items", "next_cursor", "since_seq"}


async def test_a_filter_narrows_the_list(api: Api) -> None:
    assert len((await api.get("/api/exchanges", params={"q": "model:gpt*"})).json()["items"]) == 5
    assert (await api.get("/api/exchanges", params={"q": "status:>=400"})).json()["items"] == []
    assert (await api.get("/api/count", params={"q": "model:gpt*"})).json() == {"count": 5, "is_capped": False}


async def test_a_wrong_filter_says_where_and_what(api: Api) -> None:
    reply = await api.get("/api/exchanges", params={"q": "modell:gpt"})
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["field"]) == (400, "bad_query", "q")
    assert "model" in error["message"]


async def test_changes_since_a_list_was_read(api: Api) -> None:
    since = (await api.get("/api/exchanges")).json()["since_seq"]
    late = _ids.make(1_700_000_009_000)
    api.journal.write(*whole(late))
    await api.stored(late)
    await api.send("DELETE", f"/api/exchanges/{NAMES[0]}")
    changes = (await api.get("/api/exchanges", params={"since_seq": since})).json()
    assert [row["id"] for row in changes["items"]] == [late]
    assert changes["deleted"] == [NAMES[0]]
    assert changes["since_seq"] > since
    assert changes["is_truncated"] is False


async def test_facets_and_timeline_count(api: Api) -> None:
    facets = (await api.get("/api/facets", params={"names": "model,status"})).json()["facets"]
    assert facets["status"] == [{"value": "200", "count": 5}]
    start = 1_700_000_000_000_000_000
    given = {"start_ns": start, "end_ns": start + 60_000_000_000, "buckets": 6}
    timeline = (await api.get("/api/timeline", params=given)).json()
    assert sum(bucket["done"] for bucket in timeline["buckets"]) == 5
    assert timeline["step_ns"] == 10_000_000_000
    assert (await api.get("/api/facets", params={"names": "colour"})).status_code == 400
    assert (await api.get("/api/timeline", params={"start_ns": 5, "end_ns": 5})).json()["error"]["field"] == "start_ns"


async def test_the_query_language_describes_itself(api: Api) -> None:
    described = (await api.get("/api/query-fields")).json()
    names = {field["name"] for field in described["fields"]}
    assert {"model", "status", "since", "body"} <= names
    facets = (await api.get("/api/facets", params={"names": ",".join(described["facets"])})).json()["facets"]
    assert set(facets) == set(described["facets"])


async def test_one_exchange_has_all_facts(api: Api) -> None:
    detail = (await api.get(f"/api/exchanges/{NAMES[0]}")).json()
    assert detail["row"]["model_served"] == "gpt-4o-2024"
    assert detail["request"]["line"] == "POST /v1/chat/completions"
    assert detail["attempts"][0]["provider"] == "openai"


@pytest.mark.parametrize("name", [NOBODY, "x", "%2e%2e"])
async def test_what_is_not_there_is_not_found(api: Api, name: str) -> None:
    for path in ("", "/request", "/response", "/frames", "/stream", "/export", "/request/media/0"):
        reply = await api.get(f"/api/exchanges/{name}{path}")
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not_found"), path


async def test_a_deletion_is_taken_back(api: Api) -> None:
    deleted = (await api.send("DELETE", f"/api/exchanges/{NAMES[1]}")).json()
    assert deleted["count"] == 1
    assert (await api.get(f"/api/exchanges/{NAMES[1]}")).status_code == 404
    assert (await api.send("DELETE", f"/api/exchanges/{NAMES[1]}")).status_code == 404
    restored = await api.send("POST", "/api/exchanges/restore", {"token": deleted["token"]})
    assert restored.json() == {"count": 1}
    assert (await api.get(f"/api/exchanges/{NAMES[1]}")).status_code == 200


async def test_a_deletion_by_filter_is_taken_back(api: Api) -> None:
    deleted = (await api.send("DELETE", "/api/exchanges", params={"q": "status:200"})).json()
    assert deleted["count"] == 5
    assert (await api.get("/api/exchanges")).json()["items"] == []
    assert (await api.send("POST", "/api/exchanges/restore", {"token": deleted["token"]})).json() == {"count": 5}
    assert len((await api.get("/api/exchanges")).json()["items"]) == 5
    assert (await api.send("POST", "/api/exchanges/restore", {"ids": NAMES})).json() == {"count": 0}


async def test_everything_is_deleted_only_when_said(api: Api) -> None:
    refused = await api.send("DELETE", "/api/exchanges")
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "q")
    assert (await api.send("DELETE", "/api/exchanges", params={"all": "true"})).json()["count"] == 5


async def test_viewers_hear_of_deletion_and_return(api: Api) -> None:
    subscription = api.context.keeper.bus.subscribe()
    token = (await api.send("DELETE", f"/api/exchanges/{NAMES[2]}")).json()["token"]
    event = await anext(subscription)
    assert (event.type, event.data.ids) == ("exchange.deleted", [NAMES[2]])
    await api.send("POST", "/api/exchanges/restore", {"token": token})
    event = await anext(subscription)
    assert (event.type, event.data.id) == ("exchange.changed", NAMES[2])
    subscription.close()


async def test_cancelling_what_does_not_run_finds_nothing(api: Api) -> None:
    assert (await api.send("POST", f"/api/exchanges/{NAMES[0]}/cancel")).json() == {"is_found": False}
