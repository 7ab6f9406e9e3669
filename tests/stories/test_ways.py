"""Ways to a provider that want something of us: a signature, a proxy. What is secret about them stays so."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx2
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from dragoman.simulator import Server
from dragoman.simulator.bedrock import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from fakes.dragoman import Dragoman, running_dragoman
from fakes.http_proxy import FakeProxy

DIALECTS = ["bedrock_invoke", "bedrock_converse"]
KEYS = {"AWS_ACCESS_KEY_ID": ACCESS_KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY}
TOOLS = [{"name": name, "input_schema": {"type": "object"}} for name in ("weather", "tide")]


@contextlib.contextmanager
def bedrock(url: str) -> Iterator[Any]:
    made = boto3.client(
        "bedrock-runtime",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET_ACCESS_KEY,
        config=Config(retries={"total_max_attempts": 1}),
    )
    with contextlib.closing(made):
        yield made


def body(**more: Any) -> str:
    asked = {"max_tokens": 500, "messages": [{"role": "user", "content": "Hello"}], **more}
    return json.dumps({"anthropic_version": "bedrock-2023-05-31", **asked})


def all_of_it(url: str) -> Any:
    """What a program gets: replies whole and streamed, tools, errors before and in a stream."""
    got: list[Any] = []
    with bedrock(url) as client:
        reply = client.invoke_model(modelId="anthropic.sim-tools-parallel-v1:0", body=body(tools=TOOLS))
        got.append(json.loads(reply["body"].read()))
        streamed = client.invoke_model_with_response_stream(modelId="us.anthropic.sim-reason-v1:0", body=body())
        with contextlib.closing(streamed["body"]) as stream:
            got.append([json.loads(one["chunk"]["bytes"]) for one in stream])
        messages = [{"role": "user", "content": [{"text": "Hello"}]}]
        got.append(client.converse(modelId="sim-echo", messages=messages)["output"])
        for status in (400, 401, 429, 500):
            with pytest.raises(ClientError) as raised:
                client.invoke_model(modelId=f"sim-error-{status}", body=body())
            got.append(raised.value.response["Error"])
        streamed = client.invoke_model_with_response_stream(modelId="sim-error-mid", body=body())
        with contextlib.closing(streamed["body"]) as stream, pytest.raises(EventStreamError) as broken:
            list(stream)
        got.append(broken.value.response["Error"])
    return got


def found_in(place: Path, secret: str) -> list[str]:
    """Name the files under a place that hold a secret."""
    return [str(one) for one in place.rglob("*") if one.is_file() and secret.encode() in one.read_bytes()]


def test_boto3_gets_through_dragoman_what_it_gets_without(simulator: Server, tmp_path: Path) -> None:
    auth = {"scheme": "sigv4", "region": "eu-central-1"}
    entry = {"slug": "bedrock", "base_url": simulator.url, "dialects": DIALECTS, "default_for": DIALECTS, "auth": auth}
    with running_dragoman(tmp_path, providers=[entry], env=KEYS) as dragoman:
        assert all_of_it(dragoman.url) == all_of_it(simulator.url)
        rows = dragoman.wait_exchanges(8)
        assert {row["client"] for row in rows} == {"boto3"}
        streamed = next(row for row in rows if row["model_asked"] == "us.anthropic.sim-reason-v1:0")
        assert (streamed["dialect"], streamed["is_streamed"], streamed["ending"]) == (
            "bedrock_invoke",
            True,
            "complete",
        )
        said = said_of(dragoman, streamed["id"])
        assert "request signed for bedrock in eu-central-1" in said
    assert not found_in(tmp_path / "data", SECRET_ACCESS_KEY)
    assert SECRET_ACCESS_KEY not in (tmp_path / "dragoman.log").read_text()


def said_of(dragoman: Dragoman, name: str) -> str:
    return json.dumps(dragoman.api(f"/api/exchanges/{name}"))


async def test_a_provider_behind_a_proxy_with_a_password(simulator: Server, tmp_path: Path) -> None:
    async with FakeProxy({"models.provider.test:80": simulator.port}, wants=b"Basic cGVuOnNlc2FtZQ==") as proxy:
        entry = {"slug": "far", "base_url": "http://models.provider.test", "dialects": ["openai_chat"]}
        env = {"HTTP_PROXY": f"http://pen:sesame@127.0.0.1:{proxy.port}"}
        with running_dragoman(tmp_path, providers=[entry], env=env) as dragoman:
            asked = {"model": "sim-echo", "messages": [{"role": "user", "content": "Hello"}]}
            url = f"{dragoman.url}/far/v1/chat/completions"
            reply = await asyncio.to_thread(httpx2.post, url, json=asked, timeout=20)
            assert reply.json()["choices"][0]["message"]["content"] == "You said: Hello"
            (row,) = await asyncio.to_thread(dragoman.wait_exchanges, 1)
            assert (row["status"], row["provider"], row["is_untouched"]) == (200, "far", True)
            assert proxy.heads[0].startswith(b"POST http://models.provider.test:80/v1/chat/completions HTTP/1.1\r\n")
    for secret in ("sesame", "cGVuOnNlc2FtZQ"):
        assert not found_in(tmp_path / "data", secret)
        assert secret not in (tmp_path / "dragoman.log").read_text()
