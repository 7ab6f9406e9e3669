"""Which provider gets a path, in which dialect an error comes, and who may call at all."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from dragoman.gateway.routing import Plan
from dragoman.gateway.upstream import provider_upstream
from dragoman.journal.format import Opened
from dragoman.records.setup import BUILTIN_PROVIDERS, Provider, Setup
from dragoman.wire.headers import FieldBook
from dragoman.wire.http1 import parse_request_head
from fakes.gateway import provider, running_gateway
from fakes.upstream import FakeUpstream

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
BUILTIN = Setup(version=1, providers=list(BUILTIN_PROVIDERS))


def way(path: str, *fields: str, method: str = "POST", setup: Setup = BUILTIN):  # type: ignore[no-untyped-def]
    lines = "".join(f"{one}\r\n" for one in ("Host: localhost", *fields))
    head = parse_request_head(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode(), FieldBook())
    plan = Plan(setup, Path("/nowhere"))
    assert plan.route(head) == plan.route(head)  # the second time from memory
    return plan.route(head)


@pytest.mark.parametrize(
    ("path", "fields", "slug", "target", "dialect", "endpoint"),
    [
        ("/v1/chat/completions", (), "openai", "/v1/chat/completions", "openai_chat", "chat"),
        ("/v1/responses", (), "openai", "/v1/responses", "openai_responses", "responses"),
        ("/v1/messages?beta=true", (), "anthropic", "/v1/messages?beta=true", "anthropic_messages", "messages"),
        ("/v1/messages/count_tokens", (), "anthropic", None, "anthropic_messages", "count_tokens"),
        ("/v1/embeddings", (), "openai", None, "openai_chat", "embeddings"),
        ("/v1/models", (), "openai", None, "openai_chat", "models"),
        ("/v1/models", ("anthropic-version: 2026-10-21",), "anthropic", None, "anthropic_messages", "models"),
        ("/v1/models", ("x-goog-api-key: k",), "gemini", None, "gemini_generate", "models"),
        ("/v1/models?key=k", (), "gemini", "/v1/models?key=k", "gemini_generate", "models"),
        ("/v1/files", ("anthropic-version: 1",), "anthropic", None, "anthropic_messages", "files"),
        ("/v1/something-new", (), "openai", "/v1/something-new", "openai_chat", None),
        ("/v1/models/gemini-3:generateContent", (), "gemini", None, "gemini_generate", "generate"),
        ("/v1beta/models/g:streamGenerateContent?alt=sse", (), "gemini", None, "gemini_generate", "stream_generate"),
        ("/model/a.b%3A0/invoke", (), "bedrock", "/model/a.b%3A0/invoke", "bedrock_invoke", "invoke"),
        ("/model/a/converse-stream", (), "bedrock", None, "bedrock_converse", "converse_stream"),
        ("/api/chat", (), "ollama", "/api/chat", "ollama_chat", "chat"),
        ("/api/blobs/sha256:00", (), "ollama", None, "ollama_chat", "blobs"),
        ("/ollama/v1/chat/completions", (), "ollama", "/v1/chat/completions", "openai_chat", "chat"),
        ("/anthropic/v1/models", (), "anthropic", "/v1/models", "anthropic_messages", "models"),
        ("/openai/anything/else?x=%20", (), "openai", "/anything/else?x=%20", None, None),
        ("/openai", (), "openai", "/", None, None),
        ("/~my%20run/v1/messages", (), "anthropic", "/v1/messages", "anthropic_messages", "messages"),
        ("/~r/openai/v1/models", (), "openai", "/v1/models", "openai_chat", "models"),
        ("/~r/api/chat", (), "ollama", "/api/chat", "ollama_chat", "chat"),
    ],
)
def test_paths_reach_their_provider(
    path: str, fields: tuple[str, ...], slug: str, target: str | None, dialect: str | None, endpoint: str | None
) -> None:
    found = way(path, *fields)
    assert found.kind == "provider"
    assert (found.upstream.slug, found.dialect, found.endpoint) == (slug, dialect, endpoint)
    if target is not None:
        assert found.target == target.encode()
    assert found.run == ({"/~my%20run": "my run", "/~r": "r"}.get("/" + path.split("/")[1]))


@pytest.mark.parametrize("path", ["/", "/ui/", "/ui/exchanges/1", "/api/exchanges", "/api/chats", "/mcp", "/metrics"])
def test_paths_of_the_interface_go_to_the_keeper(path: str) -> None:
    assert way(path, method="GET").kind == "keeper"


@pytest.mark.parametrize(
    "path", ["/nobody/v1/x", "/~/v1/x", "/~run", "/~run/ui/", "//v1/models", "/V1/models", "/%76%31/x"]
)
def test_other_paths_lead_nowhere(path: str) -> None:
    found = way(path)
    assert (found.kind, found.status) == ("none", 404)


@pytest.mark.parametrize(
    ("base_url", "strip", "path", "expected"),
    [
        ("https://api.openai.com", False, b"/v1/chat/completions", b"/v1/chat/completions"),
        ("https://api.openai.com/v1", False, b"/v1/chat/completions", b"/v1/chat/completions"),
        ("https://api.openai.com/v1/", False, b"/chat/completions", b"/v1/chat/completions"),
        ("https://api.groq.com/openai/v1", False, b"/v1/models", b"/openai/v1/models"),
        ("https://api.perplexity.ai", True, b"/v1/chat/completions", b"/chat/completions"),
        ("https://api.perplexity.ai", True, b"/v1", b"/"),
        ("https://x.example/v1beta", False, b"/v1beta/models/m:generateContent", b"/v1beta/models/m:generateContent"),
        ("https://x.example/base", False, b"/v1x/models", b"/base/v1x/models"),
    ],
)
def test_base_urls_join(base_url: str, strip: bool, path: bytes, expected: bytes, tmp_path: Path) -> None:
    upstream = provider_upstream(Provider(slug="x", base_url=base_url, strip_v1=strip), tmp_path)
    assert upstream.join(path, b"") == expected
    assert upstream.join(path, b"a=%2F&b") == expected + b"?a=%2F&b"


def test_first_provider_that_speaks_a_dialect_steps_in_for_a_default() -> None:
    setup = Setup(version=1, providers=[Provider(slug="mine", base_url="http://h", dialects=["anthropic_messages"])])
    assert way("/v1/messages", setup=setup).upstream.slug == "mine"
    assert way("/v1/chat/completions", setup=setup).status == 404


@pytest.mark.parametrize(
    ("path", "read"),
    [
        (b"/v1/chat/completions", lambda body: body["error"]["message"]),
        (b"/v1/responses", lambda body: body["error"]["message"]),
        (b"/v1/messages", lambda body: body["error"]["message"] if body["type"] == "error" else None),
        (b"/api/chat", lambda body: body["error"]),
        (b"/v1beta/models/m:generateContent", lambda body: body["error"]["message"]),
        (b"/model/m/invoke", lambda body: body["message"]),
        (b"/nobody/v1/messages", lambda body: body["error"]["message"] if body["type"] == "error" else None),
    ],
)
async def test_errors_come_in_the_dialect_of_the_client(tmp_path: Path, path: bytes, read) -> None:  # type: ignore[no-untyped-def]
    async with running_gateway(tmp_path) as gateway, gateway.client() as client:
        reply = await client.ask(b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}" % path)
        assert reply.status == 404
        assert "known providers" in read(msgspec.json.decode(reply.body))
        closed = await gateway.closed(reply.exchange)
        assert (closed.ending, closed.status, closed.error_code) == ("refused", 404, "not_found")
        assert closed.body == reply.body
        assert (await client.ask(b"HEAD %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path, to_head=True)).status == 404


@pytest.mark.parametrize("path", [b"/api/hello", b"/~run/api/hello", b"/~run", b"/~run/"])
async def test_claude_codes_greeting_is_answered(tmp_path: Path, path: bytes) -> None:
    async with running_gateway(tmp_path) as gateway, gateway.client() as client:
        reply = await client.ask(b"HEAD %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path, to_head=True)
        assert reply.status == 200
        assert (await gateway.closed(reply.exchange)).ending == "answered"


GET = b"GET /v1/models HTTP/1.1\r\nHost: %b\r\n%b\r\n"


@pytest.mark.parametrize(
    ("host", "fields", "status"),
    [
        (b"localhost", b"", 200),
        (b"localhost:8080", b"", 200),
        (b"x.localhost", b"", 200),
        (b"127.0.0.1:1", b"", 200),
        (b"[::1]:8080", b"", 200),
        (b"192.168.1.7", b"", 200),
        (b"box.lan:8080", b"", 200),
        (b"a.example.org", b"", 200),
        (b"evil.example", b"", 403),
        (b"localhost.evil.example", b"", 403),
        (b"127.0.0.1.evil.example", b"", 403),
        (b"", b"", 403),
        (b"localhost/evil", b"", 403),
        (b"localhost:8080", b"Origin: http://localhost:8080\r\n", 200),
        (b"localhost:8080", b"Origin: http://localhost:3000\r\n", 403),
        (b"localhost", b"Origin: https://evil.example\r\n", 403),
        (b"localhost", b"Origin: null\r\n", 403),
        (b"localhost", b"Origin: https://app.example\r\nsec-fetch-site: cross-site\r\n", 200),
        (b"localhost", b"sec-fetch-site: cross-site\r\n", 403),
        (b"localhost", b"sec-fetch-site: same-site\r\n", 403),
        (b"localhost", b"sec-fetch-site: same-origin\r\n", 200),
        (b"localhost", b"sec-fetch-mode: cors\r\naccept-language: *\r\n", 200),
    ],
)
async def test_hosts_and_origins(tmp_path: Path, host: bytes, fields: bytes, status: int) -> None:
    setup = Setup(
        version=1, hosts=["box.lan"], allowed_hosts=["*.example.org"], allowed_origins=["https://app.example"]
    )
    async with FakeUpstream() as upstream, running_gateway(tmp_path, setup=setup, openai=upstream.url) as gateway:
        upstream.reply(b"HTTP/1.1 200 OK\r\naccess-control-allow-origin: *\r\ncontent-length: 2\r\n\r\nok")
        async with gateway.client() as client:
            reply = await client.ask(GET % (host, fields))
        assert reply.status == status
        assert len(upstream.received) == (status == 200)
        allowed = [value for name, value in reply.headers if name == b"access-control-allow-origin"]
        if b"app.example" in fields:
            assert allowed == [b"https://app.example"]
        elif status == 403:
            assert allowed == []
        else:
            assert allowed == [b"*"]


async def test_preflights_are_answered_here(tmp_path: Path) -> None:
    setup = Setup(version=1, allowed_origins=["https://app.example"])
    ask = (
        b"OPTIONS /v1/messages HTTP/1.1\r\nHost: localhost\r\nOrigin: %b\r\nAccess-Control-Request-Method: POST\r\n"
        b"Access-Control-Request-Headers: x-api-key\r\n\r\n"
    )
    async with running_gateway(tmp_path, setup=setup) as gateway, gateway.client() as client:
        reply = await client.ask(ask % b"https://app.example")
        assert reply.status == 204
        assert reply.header(b"access-control-allow-origin") == b"https://app.example"
        assert reply.header(b"access-control-allow-methods") == b"POST"
        assert reply.header(b"access-control-allow-headers") == b"x-api-key"
        assert (await gateway.closed(reply.exchange)).ending == "answered"
        reply = await client.ask(ask % b"https://evil.example")
        assert (reply.status, reply.header(b"access-control-allow-origin")) == (403, None)


async def test_the_interface_is_handed_over_unrecorded(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    heads: list[bytes] = []

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nui\r\n0\r\n\r\n")
        await writer.drain()
        writer.close()

    keeper = await asyncio.start_unix_server(keep, str(tmp_path / "run" / "keeper.sock"))
    async with keeper, running_gateway(tmp_path) as gateway, gateway.client() as client:
        cookie = b"Cookie: session=s\r\nx-dragoman-peer: 1.2.3.4:5\r\n"
        reply = await client.ask(b"GET /api/exchanges?q=a HTTP/1.1\r\nHost: localhost:8080\r\n%b\r\n" % cookie)
        assert reply.body == b"2\r\nui\r\n0\r\n\r\n"
        assert reply.header(b"x-dragoman-exchange") is None
        assert heads[0].startswith(b"GET /api/exchanges?q=a HTTP/1.1\r\nHost: localhost:8080\r\nCookie: session=s\r\n")
        assert heads[0].lower().count(b"x-dragoman-peer: ") == 1
        assert b"x-dragoman-peer: 127.0.0.1:" in heads[0]
        assert (await client.ask(b"GET /ui/ HTTP/1.1\r\nHost: evil.example\r\n\r\n")).status == 403
        assert not [one for one in gateway.all_records() if isinstance(one, Opened)]
        assert len(heads) == 1


async def test_without_a_keeper_the_interface_says_so_and_health_stays(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as gateway, gateway.client() as client:
        reply = await client.ask(b"GET /api/exchanges HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (reply.status, msgspec.json.decode(reply.body)["error"]["code"]) == (503, "keeper_down")
        assert (await client.ask(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")).status == 200
        assert (await client.ask(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")).status == 503


async def test_a_request_keeps_the_setup_it_began_with(tmp_path: Path) -> None:
    async with FakeUpstream() as one, FakeUpstream() as other, running_gateway(tmp_path, openai=one.url) as gateway:
        async with gateway.client() as client:
            await client.send(GET % (b"localhost", b""))
            call = await one.call()
            gateway.change(providers=[provider("openai", other.url)])
            await call.send(OK)
            first = await client.reply()
            other.reply(OK)
            second = await client.ask(GET % (b"localhost", b""))
        versions = [gateway.of(reply.exchange, Opened)[0].setup_version for reply in (first, second)]
        assert versions == [1, 2]
        assert (len(one.received), len(other.received)) == (1, 1)


async def test_a_provider_that_cannot_be_asked_does_not_keep_others_from_being_published(tmp_path: Path) -> None:
    broken = ["http://h:99999", "http://[::1", "http://" + "ł" * 80]
    async with FakeUpstream() as upstream, running_gateway(tmp_path, openai=upstream.url) as gateway:
        upstream.reply(OK)
        known = gateway.gateway.plan.setup.providers
        gateway.change(providers=[*known, *(Provider(slug=f"b{n}", base_url=url) for n, url in enumerate(broken))])
        async with gateway.client() as client:
            assert (await client.ask(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")).status == 200
            reply = await client.ask(b"GET /b0/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"Port out of range" in reply.body
