"""The way to a provider through an HTTP proxy: which proxy, what it is told, what happens when it says no."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from dragoman.gateway.proxying import Proxy, is_exempt, parse_proxy, proxy_for
from dragoman.journal.format import AttemptOpened, Closed
from fakes.gateway import provider, running_gateway
from fakes.http_proxy import FakeProxy
from fakes.upstream import FakeUpstream

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
NAMES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
SECRET = b"Basic cGVuOnNlc2FtZQ=="
"""pen:sesame"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("api.provider.test").configure_cert(context)
    return context


async def test_https_goes_through_a_tunnel(
    tmp_path: Path, authority: trustme.CA, environment: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with (
        FakeUpstream(tls=tls(authority)) as upstream,
        FakeProxy({"api.provider.test:443": upstream.port}) as proxy,
    ):
        upstream.reply(OK)
        environment.setenv("HTTPS_PROXY", proxy.url)
        entry = provider("openai", "https://api.provider.test", ca_file=str(tmp_path / "ca.pem"))
        async with running_gateway(tmp_path, providers=[entry]) as gateway, gateway.client() as client:
            for _ in range(2):
                reply = await client.ask(POST)
                assert reply.body == b"ok"
            assert proxy.heads == [
                b"CONNECT api.provider.test:443 HTTP/1.1\r\nHost: api.provider.test:443\r\n\r\n"
            ]  # the tunnel was used again
            assert upstream.received[0].line == b"POST /v1/chat/completions HTTP/1.1"
            assert upstream.received[0].header(b"host") == b"api.provider.test"
            attempt = gateway.of(reply.exchange, AttemptOpened)[0]
            assert attempt.url == "https://api.provider.test/v1/chat/completions"


async def test_the_times_of_a_tunnel_are_on_record(
    tmp_path: Path, authority: trustme.CA, environment: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with (
        FakeUpstream(tls=tls(authority)) as upstream,
        FakeProxy({"api.provider.test:443": upstream.port}) as proxy,
    ):
        upstream.reply(OK)
        environment.setenv("https_proxy", f"127.0.0.1:{proxy.port}")
        entry = provider("openai", "https://api.provider.test", ca_file=str(tmp_path / "ca.pem"))
        async with running_gateway(tmp_path, providers=[entry]) as gateway, gateway.client() as client:
            reply = await client.ask(POST)
            attempt = gateway.of(reply.exchange, AttemptOpened)[0]
            assert (attempt.connect_ns or 0) > 0
            assert (attempt.tls_ns or 0) > 0


async def test_http_is_asked_for_with_its_whole_address_and_the_password_is_not_written_down(
    tmp_path: Path, environment: pytest.MonkeyPatch
) -> None:
    places = {"api.provider.test:80": 0}
    async with FakeUpstream() as upstream, FakeProxy(places, wants=SECRET) as proxy:
        places["api.provider.test:80"] = upstream.port
        upstream.reply(OK)
        environment.setenv("HTTP_PROXY", f"http://pen:sesame@127.0.0.1:{proxy.port}")
        async with running_gateway(tmp_path, openai="http://api.provider.test") as gateway, gateway.client() as client:
            for _ in range(2):
                reply = await client.ask(POST)
                assert reply.body == b"ok"
            received = upstream.received[0]
            assert received.line == b"POST http://api.provider.test:80/v1/chat/completions HTTP/1.1"
            assert received.header(b"host") == b"api.provider.test"
            await gateway.closed(reply.exchange)
            journal = gateway.journal_bytes()
            assert b"sesame" not in journal
            assert SECRET not in journal
            assert b"http://api.provider.test/v1/chat/completions" in journal


async def test_a_providers_own_proxy_wins_also_for_loopback(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    async with FakeUpstream() as upstream, FakeProxy({f"127.0.0.1:{upstream.port}": upstream.port}) as proxy:
        upstream.reply(OK)
        environment.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        entries = [provider("openai", upstream.url, proxy=proxy.url), provider("anthropic", upstream.url)]
        async with running_gateway(tmp_path, providers=entries) as gateway, gateway.client() as client:
            assert (await client.ask(POST)).body == b"ok"
            assert len(proxy.heads) == 1
            assert (await client.ask(POST.replace(b"/v1/chat/completions", b"/v1/messages"))).body == b"ok"
            assert len(proxy.heads) == 1  # nobody asked for a proxy there: loopback is reached straight


async def test_none_goes_straight(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    entry = provider("openai", "https://provider.invalid", proxy="none")
    async with running_gateway(tmp_path, providers=[entry]) as gateway, gateway.client() as client:
        reply = await client.ask(POST)
        assert b"the name provider.invalid was not found" in reply.body


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "did not connect to api.provider.test:443: HTTP/1.1 403 Forbidden"),
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "wants credentials (407) and none were given"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no HTTP"),
        (b"", "closed the connection instead of opening a tunnel"),
    ],
)  # fmt: skip
async def test_a_refusal_says_what_the_proxy_said(tmp_path: Path, answer: bytes, message: str) -> None:
    async with FakeProxy({}, answer=answer) as proxy:
        entry = provider("openai", "https://api.provider.test", proxy=proxy.url)
        async with running_gateway(tmp_path, providers=[entry]) as gateway, gateway.client() as client:
            reply = await client.ask(POST)
            assert reply.status == 502
            assert message in reply.body.decode()
            await gateway.closed(reply.exchange)
            assert gateway.of(reply.exchange, Closed)[0].error_code == "proxy_refused"


async def test_wrong_credentials_are_told_from_none(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    async with FakeProxy({}, wants=SECRET) as proxy:
        environment.setenv("HTTPS_PROXY", f"http://pen:close@127.0.0.1:{proxy.port}")
        async with running_gateway(tmp_path, openai="https://api.provider.test") as gateway, gateway.client() as client:
            reply = await client.ask(POST)
            assert b"wrong ones were given" in reply.body
            assert b"close" not in reply.body.replace(b"closed", b"")


async def test_a_proxy_that_is_not_there_is_named(tmp_path: Path) -> None:
    async with FakeProxy({}) as proxy:
        url = proxy.url
    entry = provider("openai", "https://api.provider.test", proxy=url)
    async with running_gateway(tmp_path, providers=[entry]) as gateway, gateway.client() as client:
        reply = await client.ask(POST)
        assert reply.status == 502
        assert f"no connection to the proxy {url.removeprefix('http://')}" in reply.body.decode()


async def test_a_proxy_that_cannot_be_used_is_said_at_once(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ALL_PROXY", "socks5://pen:sesame@127.0.0.1:1080")
    async with running_gateway(tmp_path, openai="https://api.provider.test") as gateway, gateway.client() as client:
        reply = await client.ask(POST)
        assert b"socks5 are not supported" in reply.body
        assert b"ALL_PROXY" in reply.body
        assert b"sesame" not in reply.body


def test_the_setting_comes_before_the_environment() -> None:
    environ = {"HTTPS_PROXY": "http://a:1", "https_proxy": "http://b:2", "HTTP_PROXY": "http://c:3", "ALL_PROXY": "d"}
    chosen = [
        proxy_for(setting, scheme, "x.test", 443, environ)
        for setting, scheme in ((None, "https"), (None, "http"), ("http://e:5", "https"), ("none", "https"))
    ]
    assert chosen == [Proxy("b", 2), Proxy("c", 3), Proxy("e", 5), None]
    assert proxy_for(None, "http", "x.test", 80, {"all_proxy": "d"}) == Proxy("d", 80)
    assert proxy_for(None, "https", "x.test", 443, {}) is None


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "api.localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_this_machine_needs_no_proxy(host: str) -> None:
    assert proxy_for(None, "http", host, 80, {"HTTP_PROXY": "http://a:1"}) is None


def test_a_proxys_password_is_decoded_and_does_not_show() -> None:
    proxy = parse_proxy("http://pen:s%40same@[::1]:3128", "HTTPS_PROXY")
    assert (proxy.host, proxy.port, proxy.authorization) == ("::1", 3128, b"Basic cGVuOnNAc2FtZQ==")
    assert repr(proxy) == "Proxy('[::1]:3128')"
    for wrong in ("https://pen:sesame@x", "http://pen:sesame@", "http://x:port", "socks5h://pen:sesame@x"):
        with pytest.raises(ValueError, match="HTTPS_PROXY: expected the URL") as raised:
            parse_proxy(wrong, "HTTPS_PROXY")
        assert "sesame" not in str(raised.value)


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "is_covered"),
    [
        ("*", "x.test", 443, True),
        ("", "x.test", 443, False),
        ("x.test", "x.test", 443, True),
        ("X.Test", "x.test", 443, True),
        ("x.test", "a.x.test", 443, True),
        ("x.test", "ax.test", 443, False),
        (".x.test", "a.x.test", 443, True),
        (".x.test", "x.test", 443, True),
        ("*.x.test", "a.x.test", 443, True),
        ("y.test, x.test", "x.test", 443, True),
        ("y.test x.test", "x.test", 443, True),
        ("x.test:443", "x.test", 443, True),
        ("x.test:8443", "x.test", 443, False),
        ("10.0.0.1", "10.0.0.1", 443, True),
        ("10.0.0.1:80", "10.0.0.1", 443, False),
        ("10.0.0.0/8", "10.9.8.7", 443, True),
        ("10.0.0.0/8", "11.0.0.1", 443, False),
        ("10.0.0.0/8", "10.test", 443, False),
        ("0.0.1", "10.0.0.1", 443, False),
        ("fd00::/8", "fd12::1", 443, True),
        ("[fd12::1]:443", "fd12::1", 443, True),
        ("fd12::1", "fd12::1", 443, True),
        ("[fd12::1]:80", "fd12::1", 443, False),
        ("nonsense/99,,:", "x.test", 443, False),
    ],
)
def test_no_proxy(no_proxy: str, host: str, port: int, is_covered: bool) -> None:
    assert is_exempt(no_proxy, host, port) is is_covered
