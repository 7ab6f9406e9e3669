"""What a provider's entry may say: whatever passes here can be made into a request."""

import pytest

from dragoman.records.setup import BUILTIN_PROVIDERS, Auth, Provider, provider_fault, url_fault


@pytest.mark.parametrize("provider", BUILTIN_PROVIDERS, ids=lambda one: one.slug)
def test_what_is_built_in_has_no_fault(provider: Provider) -> None:
    assert provider_fault(provider) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com",
        "http://127.0.0.1:11434/v1",
        "http://[::1]:8080",
        "https://exałmple.com",
        "HTTP://A/b%20c",
    ],
)
def test_urls_that_can_be_asked(url: str) -> None:
    assert url_fault(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "", "h", "file:///etc/passwd", "unix:///var/run/docker.sock", "gopher://h", "http://", "http://[::1",
        "http://h:99999", "http://h:0", "http://h:x", "http://h\r\nx: y", "http://h/a b", "http://h/\t", "http://a b",
        "http://user:secret@h", "http://h/?a=b", "http://h/#x", "http://" + "ł" * 80 + ".com", "http://h\x7f",
    ],
)  # fmt: skip
def test_urls_that_cannot(url: str) -> None:
    assert url_fault(url) is not None


@pytest.mark.parametrize("name", ["a\r\nb", "a b", "", "content-length", "Transfer-Encoding", "x-dragoman-key", "ü"])
def test_headers_that_break_a_request_are_faults(name: str) -> None:
    assert provider_fault(Provider(slug="p", base_url="http://h", headers={name: "x"})) is not None
    assert provider_fault(Provider(slug="p", base_url="http://h", auth=Auth(scheme="header", name=name))) is not None


def test_a_value_with_a_line_end_is_a_fault() -> None:
    found = provider_fault(Provider(slug="p", base_url="http://h", headers={"x-team": "a\r\nx-other: b"}))
    assert found == ("headers", "'x-team' cannot be sent: its value has a line end or another control sign")


@pytest.mark.parametrize("proxy", [None, "none", "http://proxy.example.com:3128", "http://[::1]:3128", "http://proxy"])
def test_proxies_that_can_be_used(proxy: str | None) -> None:
    assert provider_fault(Provider(slug="x", base_url="https://api.example.com", proxy=proxy)) is None


@pytest.mark.parametrize("proxy", ["", "proxy:3128", "https://proxy", "socks5://proxy", "http://", "http://proxy:0"])
def test_proxies_that_cannot(proxy: str) -> None:
    fault = provider_fault(Provider(slug="x", base_url="https://api.example.com", proxy=proxy))
    assert fault is not None
    assert fault[0] == "proxy"


@pytest.mark.parametrize("proxy", ["http://pen:sesame@proxy:3128", "pen:sesame@proxy", "http://[pen:sesame@proxy"])
def test_a_password_in_a_proxys_url_is_refused_and_not_repeated(proxy: str) -> None:
    fault = provider_fault(Provider(slug="x", base_url="https://api.example.com", proxy=proxy))
    assert fault is not None
    assert "HTTPS_PROXY" in fault[1]
    assert "sesame" not in fault[1]
