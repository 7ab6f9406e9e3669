"""Bodies over HTTP: the stored bytes, what they decode to, what they mean; never something a browser would run."""

import base64
import gzip
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from blake3 import blake3

from dragoman.ids import IdMaker
from dragoman.journal.format import Chunk
from dragoman.keeper.understand import understand
from dragoman.records.exchange import BodyFacts, Detail, Frame, Head, Recording, Row, state_of
from fakes.api_server import Api, serving
from fakes.playbook import CHAT_BODY, MS, START, STREAM_BODY, WORDS, asked, chunked, closed, event, head, whole

pytestmark = pytest.mark.asyncio(loop_scope="module")

_ids = IdMaker()
STREAM, PACKED, HTML, IMAGE, OPEN = (_ids.make(1_700_000_000_000 + number) for number in range(5))
PICTURE = bytes(range(256)) * 12


def kept(
    name: str, *, media: str, reply: bytes, request: bytes = CHAT_BODY, encoding: str | None = None, status: int = 200
) -> Recording:
    row = Row(
        id=name, method="POST", path="/v1/chat/completions", dialect="openai_chat", endpoint="chat", status=status,
        ending="complete", state=state_of("complete", status), started_ns=1, duration_ns=5,
    )  # fmt: skip
    detail = Detail(
        row=row,
        request=Head(line="POST /v1/chat/completions"),
        response=Head(line=str(status)),
        request_body=facts(request, "application/json", None),
        response_body=facts(reply, media, encoding),
    )
    frames = [Frame(offset=0, at_ns=3)]
    return understand(Recording(detail=detail, request_body=request, response_body=reply, frames=frames))


def facts(body: bytes, media: str, encoding: str | None) -> BodyFacts:
    return BodyFacts(bytes=len(body), hash=blake3(body).hexdigest(), media_type=media, encoding=encoding)


def picture_request() -> bytes:
    url = f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"
    parts = [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": url}}]
    return json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": parts}]}).encode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    tmp_path = tmp_path_factory.mktemp("api")
    async with serving(tmp_path) as served:
        packed = b'{"id": "c1", "model": "m", "choices": [{"message": {"role": "assistant", "content": "Hi"}}]}'
        await served.keep(
            kept(PACKED, media="application/json", reply=gzip.compress(packed), encoding="gzip"),
            kept(HTML, media="text/html", reply=b"<script>alert(1)</script>", status=502),
            kept(IMAGE, media="image/png", reply=PICTURE, request=picture_request()),
        )
        served.journal.write(*whole(STREAM))
        await served.stored(STREAM)
        yield served


async def test_raw_is_the_very_bytes(api: Api) -> None:
    reply = await api.get(f"/api/exchanges/{STREAM}/response")
    assert reply.content == STREAM_BODY
    assert (await api.get(f"/api/exchanges/{STREAM}/request")).content == CHAT_BODY
    coded = await api.get(f"/api/exchanges/{PACKED}/response")
    assert gzip.decompress(coded.content).startswith(b'{"id"')
    assert coded.headers["content-type"] == "application/octet-stream"
    assert coded.headers["x-dragoman-encoding"] == "gzip"
    assert "content-encoding" not in coded.headers


async def test_decoded_is_without_content_coding(api: Api) -> None:
    reply = await api.get(f"/api/exchanges/{PACKED}/response", params={"as": "decoded"})
    assert reply.json()["id"] == "c1"
    assert reply.headers["content-type"] == "application/json"


async def test_a_body_is_never_shown_as_a_page(api: Api) -> None:
    for form in ("raw", "decoded"):
        reply = await api.get(f"/api/exchanges/{HTML}/response", params={"as": form})
        assert reply.content == b"<script>alert(1)</script>"
        assert reply.headers["content-type"].startswith("text/plain")
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["content-security-policy"].startswith("sandbox")
    picture = await api.get(f"/api/exchanges/{IMAGE}/response")
    assert picture.headers["content-type"] == "image/png"


async def test_a_stream_is_text_to_the_browser(api: Api) -> None:
    assert (await api.get(f"/api/exchanges/{STREAM}/response")).headers["content-type"].startswith("text/plain")


async def test_a_body_is_cached_for_ever_by_its_hash(api: Api) -> None:
    path = f"/api/exchanges/{STREAM}/response"
    first = await api.get(path)
    assert blake3(STREAM_BODY).hexdigest() in first.headers["etag"]
    assert "immutable" in first.headers["cache-control"]
    again = await api.get(path, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await api.get(path, params={"as": "canonical"}, headers={"if-none-match": first.headers["etag"]})
    assert other.status_code == 200


async def test_a_download_is_a_file(api: Api) -> None:
    reply = await api.get(f"/api/exchanges/{STREAM}/response", params={"download": "1"})
    assert reply.headers["content-disposition"] == f'attachment; filename="{STREAM}-response.sse"'


async def test_canonical_is_what_was_asked_and_answered(api: Api) -> None:
    prompt = (await api.get(f"/api/exchanges/{STREAM}/request", params={"as": "canonical"})).json()
    assert prompt["messages"][0]["parts"] == [{"type": "text", "text": "Say hello to the sea."}]
    reply = (await api.get(f"/api/exchanges/{STREAM}/response", params={"as": "canonical"})).json()
    assert reply["message"]["parts"] == [{"type": "text", "text": "".join(WORDS)}]
    whole_reply = (await api.get(f"/api/exchanges/{PACKED}/response", params={"as": "canonical"})).json()
    assert whole_reply["message"]["parts"][0]["text"] == "Hi"


async def test_what_cannot_be_read_says_why(api: Api) -> None:
    reply = await api.get(f"/api/exchanges/{IMAGE}/response", params={"as": "canonical"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "not_understood")


async def test_long_media_travel_by_themselves(api: Api) -> None:
    path = f"/api/exchanges/{IMAGE}/request"
    prompt = (await api.get(path, params={"as": "canonical"})).json()
    media = prompt["messages"][0]["parts"][1]
    assert media["url"] == f"{path}/media/0"
    assert "data" not in media
    picture = await api.get(media["url"])
    assert (picture.content, picture.headers["content-type"]) == (PICTURE, "image/png")
    inline = (await api.get(path, params={"as": "canonical", "media": "inline"})).json()
    assert base64.b64encode(PICTURE).decode() in json.dumps(inline)
    assert (await api.get(f"{path}/media/1")).status_code == 404


async def test_frames_come_with_place_and_time(api: Api) -> None:
    found = (await api.get(f"/api/exchanges/{STREAM}/frames")).json()
    assert (found["framing"], found["total"], found["next_from"]) == ("sse", len(WORDS) + 2, None)
    assert [frame["at_ns"] for frame in found["frames"]] == [
        20 * MS,
        30 * MS,
        40 * MS,
        50 * MS,
        60 * MS,
        90 * MS,
        90 * MS,
    ]
    assert [frame["gap_ns"] for frame in found["frames"]][:2] == [None, 10 * MS]
    first = found["frames"][0]
    assert STREAM_BODY[first["offset"] : first["offset"] + first["bytes"]] == event(WORDS[0])
    assert first["type"] == "chat.completion.chunk"
    part = (await api.get(f"/api/exchanges/{STREAM}/frames", params={"from": 2, "limit": 3})).json()
    assert [frame["n"] for frame in part["frames"]] == [2, 3, 4]
    assert part["next_from"] == 5
    assert part["frames"][0]["gap_ns"] == 10 * MS


async def test_a_running_exchange_has_no_body_yet(api: Api) -> None:
    api.journal.write(*asked(OPEN), head(OPEN), Chunk(OPEN, START + 20 * MS, chunked(event("He"))))
    subscription = api.context.keeper.bus.subscribe(f"{api.context.keeper.bus.epoch}-0")
    async for told in subscription:
        if told.type == "exchange.started" and told.data.id == OPEN:
            break
    subscription.close()
    assert (await api.get(f"/api/exchanges/{OPEN}")).json()["row"]["ending"] is None
    reply = await api.get(f"/api/exchanges/{OPEN}/response")
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "running")
    api.journal.write(closed(OPEN))
    await api.stored(OPEN)
    assert (await api.get(f"/api/exchanges/{OPEN}/response")).content == event("He")
