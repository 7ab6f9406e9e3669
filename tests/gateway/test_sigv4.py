"""The official AWS client through the gateway: its own signature goes, ours is made, and the provider accepts it."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from dragoman.journal.format import Alteration, AttemptOpened
from dragoman.records.setup import Auth, Setup
from dragoman.simulator import Server
from dragoman.simulator.bedrock import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from fakes.client import FakeClient
from fakes.gateway import RunningGateway, provider, running_gateway
from fakes.simulated import running_simulator
from fakes.upstream import FakeUpstream, dechunk

MODEL = "anthropic.sim-{}-v1:0"
SIGNS = Auth(scheme="sigv4", region="eu-central-1")


@pytest.fixture(scope="module")
def simulator() -> Iterator[Server]:
    with running_simulator() as server:
        yield server


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
    return monkeypatch


def body(**more: Any) -> bytes:
    asked = {"max_tokens": 500, "messages": [{"role": "user", "content": "Hello"}]}
    return json.dumps({"anthropic_version": "bedrock-2023-05-31", **asked, **more}).encode()


@contextlib.contextmanager
def client(gateway: RunningGateway, prefix: str = "") -> Iterator[Any]:
    made = boto3.client(
        "bedrock-runtime",
        endpoint_url=f"http://127.0.0.1:{gateway.port}{prefix}",
        region_name="us-east-1",
        aws_access_key_id="AKIATHECLIENTSOWN",
        aws_secret_access_key="the client's own",
        config=Config(retries={"total_max_attempts": 1}),
    )
    with contextlib.closing(made):
        yield made


def invoke(gateway: RunningGateway, model: str, prefix: str = "", **more: Any) -> tuple[Any, str]:
    with client(gateway, prefix) as bedrock:
        reply = bedrock.invoke_model(modelId=model, body=body(**more))
        return json.loads(reply["body"].read()), reply["ResponseMetadata"]["HTTPHeaders"]["x-dragoman-exchange"]


def invoke_streamed(gateway: RunningGateway, model: str) -> list[Any]:
    with client(gateway) as bedrock:
        reply = bedrock.invoke_model_with_response_stream(modelId=model, body=body())
        with contextlib.closing(reply["body"]) as stream:
            return [json.loads(one["chunk"]["bytes"]) for one in stream]


async def in_thread(work: Callable[..., Any], *values: Any, **named: Any) -> Any:
    return await asyncio.to_thread(work, *values, **named)


@pytest.mark.parametrize("prefix", ["", "/bedrock", "/~a-run"])
async def test_a_request_is_signed_anew(tmp_path: Path, simulator: Server, prefix: str) -> None:
    entry = provider("bedrock", simulator.url, auth=SIGNS)
    async with running_gateway(tmp_path, providers=[entry]) as gateway:
        message, exchange = await in_thread(invoke, gateway, MODEL.format("echo"), prefix)
        assert message["content"][0]["text"] == "You said: Hello"
        await gateway.closed(exchange)
        (attempt,) = gateway.of(exchange, AttemptOpened)
        assert attempt.url == f"{simulator.url}/model/anthropic.sim-echo-v1%3A0/invoke"
        said = [one.what for one in gateway.of(exchange, Alteration)]
        assert said == ["credential removed: authorization", "request signed for bedrock in eu-central-1"]
        sent = {name.lower(): value for name, value in attempt.headers}
        assert sent[b"authorization"].startswith(b"AWS4-HMAC-SHA256 Credential=" + ACCESS_KEY_ID[:4].encode())
        assert [name.lower() for name, _ in attempt.headers].count(b"x-amz-date") == 1
        assert SECRET_ACCESS_KEY.encode() not in gateway.journal_bytes()


async def test_streams_are_signed_too(tmp_path: Path, simulator: Server) -> None:
    entry = provider("bedrock", simulator.url, auth=SIGNS)
    async with running_gateway(tmp_path, providers=[entry]) as gateway:
        events = await in_thread(invoke_streamed, gateway, MODEL.format("tools-parallel"))
        assert events[0]["type"] == "message_start"
        assert events[-1]["type"] == "message_stop"


@pytest.mark.parametrize(
    "model",
    [
        "sim-echo",
        "us.anthropic.sim-echo-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.sim-echo-v1:0",
    ],
)
async def test_odd_names_of_models_are_signed_as_they_are_sent(tmp_path: Path, simulator: Server, model: str) -> None:
    entry = provider("bedrock", simulator.url, auth=SIGNS)
    async with running_gateway(tmp_path, providers=[entry]) as gateway:
        message, _ = await in_thread(invoke, gateway, model)
        assert message["content"][0]["text"] == "You said: Hello"


async def test_large_bodies_are_signed_whole(tmp_path: Path, simulator: Server) -> None:
    entry = provider("bedrock", simulator.url, auth=SIGNS)
    text = "tide " * 400_000
    async with running_gateway(tmp_path, providers=[entry]) as gateway:
        more = {"messages": [{"role": "user", "content": text.strip()}], "max_tokens": 4_000_000}
        message, _ = await in_thread(invoke, gateway, MODEL.format("echo"), **more)
        assert len(message["content"][0]["text"]) == len("You said: ") + len(text) - 1


async def test_a_token_of_a_session_goes_along(tmp_path: Path, simulator: Server, keys: pytest.MonkeyPatch) -> None:
    keys.setenv("AWS_SESSION_TOKEN", "the session's token")
    entry = provider("bedrock", simulator.url, auth=SIGNS)
    async with running_gateway(tmp_path, providers=[entry]) as gateway:
        _, exchange = await in_thread(invoke, gateway, MODEL.format("echo"))
        await gateway.closed(exchange)
        assert b"the session's token" not in gateway.journal_bytes()


async def test_a_wrong_secret_is_the_providers_to_refuse(
    tmp_path: Path, simulator: Server, keys: pytest.MonkeyPatch
) -> None:
    keys.setenv("AWS_SECRET_ACCESS_KEY", "another")
    entry = provider("bedrock", simulator.url, auth=SIGNS)
    async with running_gateway(tmp_path, providers=[entry]) as gateway:
        with pytest.raises(ClientError) as raised:
            await in_thread(invoke, gateway, MODEL.format("echo"))
        assert raised.value.response["Error"]["Code"] == "InvalidSignatureException"


async def test_a_profiles_keys_sign(tmp_path: Path, simulator: Server, keys: pytest.MonkeyPatch) -> None:
    keys.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    credentials = tmp_path / "credentials"
    credentials.write_text(
        f"[team]\naws_access_key_id={ACCESS_KEY_ID}\naws_secret_access_key={SECRET_ACCESS_KEY}\nregion=eu-west-3\n"
    )
    keys.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    keys.delenv("AWS_REGION", raising=False)
    keys.delenv("AWS_DEFAULT_REGION", raising=False)
    entry = provider("bedrock", simulator.url, auth=Auth(scheme="sigv4", profile="team"))
    async with running_gateway(tmp_path, providers=[entry]) as gateway:
        _, exchange = await in_thread(invoke, gateway, MODEL.format("echo"))
        await gateway.closed(exchange)
        assert "request signed for bedrock in eu-west-3" in [one.what for one in gateway.of(exchange, Alteration)]


async def test_a_bearer_key_takes_the_signatures_place(
    tmp_path: Path, simulator: Server, keys: pytest.MonkeyPatch
) -> None:
    keys.setenv("OUR_BEDROCK_KEY", "bedrock-api-key-of-ours")
    entry = provider("bedrock", simulator.url, auth=Auth(scheme="bearer", key_env="OUR_BEDROCK_KEY"))
    async with running_gateway(tmp_path, providers=[entry]) as gateway:
        message, exchange = await in_thread(invoke, gateway, MODEL.format("echo"))
        assert message["stop_reason"] == "end_turn"
        await gateway.closed(exchange)
        said = [one.what for one in gateway.of(exchange, Alteration)]
        assert said == ["credential removed: authorization", "credential set: authorization"]


async def test_a_signature_for_dragoman_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, running_gateway(tmp_path, bedrock=upstream.url) as gateway:
        with pytest.raises(ClientError, match="scheme: sigv4") as raised:
            await in_thread(invoke, gateway, MODEL.format("echo"))
        assert raised.value.response["Error"]["Code"] == "AccessDeniedException"
        assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        assert upstream.connection_count == 0


async def test_missing_credentials_are_said_before_anything_is_sent(
    tmp_path: Path, simulator: Server, keys: pytest.MonkeyPatch
) -> None:
    keys.delenv("AWS_SECRET_ACCESS_KEY")
    entry = provider("bedrock", simulator.url, auth=SIGNS)
    async with running_gateway(tmp_path, providers=[entry]) as gateway:
        with pytest.raises(ClientError, match="AWS_SECRET_ACCESS_KEY is not"):
            await in_thread(invoke, gateway, MODEL.format("echo"))
        with pytest.raises(ClientError, match="AWS_SECRET_ACCESS_KEY is not"):
            await in_thread(invoke_streamed, gateway, MODEL.format("echo"))


async def test_a_chunked_body_is_gathered_and_signed(tmp_path: Path) -> None:
    """Nobody can sign a body that is still coming; what arrives is the same body."""
    head = b"POST /model/m/invoke HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with FakeUpstream() as upstream:
        upstream.reply(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        entry = provider("bedrock", upstream.url, auth=SIGNS)
        async with running_gateway(tmp_path, providers=[entry]) as gateway, gateway.client() as raw:
            await raw.send(head + b'2\r\n{"\r\n')
            reply = await raw.ask(b'5\r\na":1}\r\n0\r\n\r\n')
            assert reply.body == b"ok"
        received = upstream.received[0]
        sent = received.body if received.header(b"content-length") else dechunk(received.body)
        assert sent == b'{"a":1}'
        assert (received.header(b"authorization") or b"").startswith(b"AWS4-HMAC-SHA256 Credential=")


async def test_a_request_without_a_body_is_signed(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        upstream.reply(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        entry = provider("bedrock", upstream.url, auth=SIGNS)
        async with running_gateway(tmp_path, providers=[entry]) as gateway, gateway.client() as raw:
            reply = await raw.ask(b"GET /bedrock/async-invoke?maxResults=2 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert reply.body == b"ok"
        received = upstream.received[0]
        assert received.line == b"GET /async-invoke?maxResults=2 HTTP/1.1"
        assert (received.header(b"authorization") or b"").startswith(b"AWS4-HMAC-SHA256 Credential=")
        assert received.body == b""


async def test_a_signature_is_not_lent_without_the_password(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        upstream.reply(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        entry = provider("bedrock", upstream.url, auth=SIGNS)
        setup = Setup(version=1, password_required=True)
        async with running_gateway(tmp_path, setup=setup, providers=[entry]) as gateway, gateway.client() as raw:
            for path in (b"/bedrock/model/m/invoke", b"/model/m/invoke"):
                reply = await raw.ask(b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}" % path)
                assert reply.status == 401
                assert b"x-dragoman-key" in reply.body
        assert upstream.connection_count == 0


async def test_what_does_not_cover_the_host_is_no_signature_for_ours(tmp_path: Path) -> None:
    """Recorders cut signatures short, and proxies between sign other headers: such a request passes as it is."""
    async with FakeUpstream() as upstream, running_gateway(tmp_path, bedrock=upstream.url) as gateway:
        upstream.reply(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        for given in (
            "AWS4-HMAC-SHA256 REDACTED",
            "AWS4-HMAC-SHA256 Credential=k, SignedHeaders=x-amz-date, Signature=0",
        ):
            head = "POST /model/m/invoke HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
            async with FakeClient(gateway.port) as client:
                assert (await client.ask(f"{head}Authorization: {given}\r\n\r\n{{}}".encode())).status == 200
