"""What passed between Dragoman and the provider, beside what passed with the client."""

import base64
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from dragoman.ids import IdMaker
from dragoman.records.exchange import BodyFacts, Detail, Frame, Head, Recording, Row, UpstreamSide
from fakes.api_server import Api, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

_ids = IdMaker()
TRANSLATED, RENAMED, PLAIN = (_ids.make(1_700_000_000_000 + number) for number in range(3))
PICTURE = bytes(range(256)) * 12
CHAT = json.dumps({"model": "gpt-5.5", "messages": [{"role": "user", "content": "hi"}]}).encode()
CHAT_REPLY = b'{"id": "c1", "model": "gpt-5.5", "choices": [{"message": {"role": "assistant", "content": "Hi"}}]}'
CLAUDE = json.dumps(
    {
        "model": "claude-x",
        "max_tokens": 9,
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "hi"},
                    {
                        "type": "image",
                        "source": {
                            "type": "base64",
                            "media_type": "image/png",
                            "data": base64.b64encode(PICTURE).decode(),
                        },
                    },
                ],
            }
        ],
    }
).encode()
CLAUDE_STREAM = b"".join(
    b"event: " + json.loads(data)["type"].encode() + b"\ndata: " + data + b"\n\n"
    for data in (
        b'{"type": "message_start", "message": {"id": "m1", "model": "claude-x", "content": [], "usage": {}}}',
        b'{"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}',
        b'{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}',
        b'{"type": "content_block_stop", "index": 0}',
        b'{"type": "message_stop"}',
    )
)


def facts(body: bytes, media: str) -> BodyFacts:
    return BodyFacts(bytes=len(body), media_type=media)


def kept(name: str, upstream: UpstreamSide | None, *, dialect: str | None = None, **bodies: object) -> Recording:
    row = Row(
        id=name, path="/v1/chat/completions", dialect="openai_chat", endpoint="chat", status=200, ending="complete",
        state="done", started_ns=1, duration_ns=5, upstream_dialect=dialect, route="mine" if upstream else None,
    )  # fmt: skip
    detail = Detail(
        row=row,
        request=Head(line="POST /v1/chat/completions"),
        response=Head(line="200 OK"),
        request_body=facts(CHAT, "application/json"),
        response_body=facts(CHAT_REPLY, "application/json"),
        upstream=upstream,
    )
    return Recording(detail=detail, request_body=CHAT, response_body=CHAT_REPLY, **bodies)  # type: ignore[arg-type]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    side = UpstreamSide(
        request_body=facts(CLAUDE, "application/json"),
        response=Head(line="200 OK"),
        response_body=facts(CLAUDE_STREAM, "text/event-stream"),
    )
    async with serving(tmp_path_factory.mktemp("api")) as served:
        await served.keep(
            kept(
                TRANSLATED, side, dialect="anthropic_messages", upstream_request=CLAUDE,
                upstream_response=CLAUDE_STREAM, upstream_frames=[Frame(offset=0, at_ns=3)],
            ),
            kept(
                RENAMED, UpstreamSide(request_body=facts(CHAT.replace(b"gpt-5.5", b"gpt-x"), "application/json")),
                upstream_request=CHAT.replace(b"gpt-5.5", b"gpt-x"),
            ),
            kept(PLAIN, None),
        )  # fmt: skip
        yield served


async def get(api: Api, name: str, path: str) -> bytes:
    reply = await api.get(f"/api/exchanges/{name}/{path}")
    assert reply.status_code == 200, reply.text
    return reply.content


async def test_both_views_are_the_very_bytes(api: Api) -> None:
    assert await get(api, TRANSLATED, "request") == CHAT
    assert await get(api, TRANSLATED, "response") == CHAT_REPLY
    assert await get(api, TRANSLATED, "upstream/request") == CLAUDE
    assert await get(api, TRANSLATED, "upstream/response") == CLAUDE_STREAM


async def test_what_nothing_changed_is_the_clients_own(api: Api) -> None:
    assert json.loads(await get(api, RENAMED, "upstream/request"))["model"] == "gpt-x"
    assert await get(api, RENAMED, "upstream/response") == CHAT_REPLY
    assert await get(api, PLAIN, "upstream/request") == CHAT


async def test_the_providers_view_is_read_in_the_providers_dialect(api: Api) -> None:
    prompt = json.loads(await get(api, TRANSLATED, "upstream/request?as=canonical&media=inline"))
    assert (prompt["model"], prompt["settings"]["max_tokens"]) == ("claude-x", 9)
    reply = json.loads(await get(api, TRANSLATED, "upstream/response?as=canonical"))
    assert reply["message"]["parts"][0]["text"] == "Hi"
    assert json.loads(await get(api, RENAMED, "upstream/request?as=canonical"))["model"] == "gpt-x"


async def test_media_of_the_providers_view_have_a_url_of_their_own(api: Api) -> None:
    prompt = json.loads(await get(api, TRANSLATED, "upstream/request?as=canonical"))
    url = prompt["messages"][0]["parts"][1]["url"]
    assert url == f"/api/exchanges/{TRANSLATED}/upstream/request/media/0"
    assert (await api.get(url)).content == PICTURE


async def test_frames_are_those_that_came_from_the_provider(api: Api) -> None:
    frames = json.loads(await get(api, TRANSLATED, "upstream/frames"))
    assert (frames["framing"], frames["total"]) == ("sse", 5)
    assert json.loads(await get(api, TRANSLATED, "frames"))["framing"] == "raw"


async def test_both_views_are_cached_and_saved_apart(api: Api) -> None:
    ours = await api.get(f"/api/exchanges/{TRANSLATED}/request?download=true")
    theirs = await api.get(f"/api/exchanges/{TRANSLATED}/upstream/request?download=true")
    assert ours.headers["etag"] != theirs.headers["etag"]
    assert "upstream-request" in theirs.headers["content-disposition"]
