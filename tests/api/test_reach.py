"""A provider is asked as the gateway would ask it: with a signature, by Azure's paths, through a proxy."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dragoman.api.reach import Reach, has_credential
from dragoman.api.trials import trial
from dragoman.records.setup import Auth, Provider
from dragoman.simulator import Server
from dragoman.simulator.bedrock import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from fakes.http_proxy import FakeProxy
from fakes.simulated import running_simulator
from fakes.upstream import FakeUpstream

MODELS = b'{"object":"list","data":[{"id":"one"}]}'
REPLY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(MODELS), MODELS)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Server]:
    with running_simulator() as server:
        yield server


async def test_a_trial_of_bedrock_is_signed(simulator: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
    auth = Auth(scheme="sigv4", region="us-east-1")
    entry = Provider(slug="bedrock", base_url=simulator.url, dialects=["bedrock_invoke"], auth=auth)
    assert has_credential(entry, tmp_path) is True
    async with Reach(entry, tmp_path) as reach:
        check = await trial(reach, "simple", "anthropic.sim-echo-v1:0")
    assert (check.outcome, check.status) == ("ok", 200)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    async with Reach(entry, tmp_path) as reach:
        check = await trial(reach, "simple", "anthropic.sim-echo-v1:0")
    assert check.outcome == "unauthorized"
    assert "signature we calculated" in (check.reply or "")


def test_half_a_key_is_no_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    entry = Provider(
        slug="bedrock", base_url="https://bedrock-runtime.us-east-1.amazonaws.com", auth=Auth(scheme="sigv4")
    )
    assert has_credential(entry, tmp_path) is False


async def test_azure_is_asked_by_its_paths(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        upstream.reply(REPLY)
        query = {"api-version": "2024-10-21"}
        entry = Provider(slug="azure", base_url=upstream.url, form="azure", query=query, dialects=["openai_chat"])
        async with Reach(entry, tmp_path) as reach:
            assert (await reach.check()).models == 1
            assert reach.url("/v1/chat/completions", "mine").endswith(
                "/openai/deployments/mine/chat/completions?api-version=2024-10-21"
            )
        assert upstream.received[0].line == b"GET /openai/models?api-version=2024-10-21 HTTP/1.1"


async def test_a_proxy_is_gone_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        FakeUpstream() as upstream,
        FakeProxy(
            {"api.provider.test:80": upstream.port, "api.provider.test": upstream.port}, wants=b"Basic cGVuOnNlc2FtZQ=="
        ) as proxy,
    ):
        upstream.reply(REPLY)
        monkeypatch.setenv("HTTP_PROXY", f"http://pen:sesame@127.0.0.1:{proxy.port}")
        monkeypatch.delenv("http_proxy", raising=False)
        monkeypatch.setenv("NO_PROXY", "")
        entry = Provider(slug="x", base_url="http://api.provider.test", dialects=["openai_chat"])
        async with Reach(entry, tmp_path) as reach:
            check = await reach.check()
        assert (check.outcome, check.models) == ("ok", 1)
        assert "sesame" not in str(check)
