"""boto3 understands the simulated Bedrock, and what it signs is checked."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from dragoman.simulator.bedrock import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from fakes.simulated import running_simulator

MODEL = "anthropic.sim-{}-v1:0"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_simulator() as server:
        yield server.url


@contextlib.contextmanager
def client(url: str, secret: str = SECRET_ACCESS_KEY) -> Iterator[Any]:
    made = boto3.client(
        "bedrock-runtime",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )
    with contextlib.closing(made):
        yield made


def body(**more: Any) -> str:
    asked = {"max_tokens": 500, "messages": [{"role": "user", "content": "Hello"}]}
    return json.dumps({"anthropic_version": "bedrock-2023-05-31", **asked, **more})


def test_a_whole_reply(url: str) -> None:
    with client(url) as bedrock:
        reply = bedrock.invoke_model(modelId=MODEL.format("echo"), body=body())
        message = json.loads(reply["body"].read())
    assert message["content"] == [{"type": "text", "text": "You said: Hello"}]
    headers = reply["ResponseMetadata"]["HTTPHeaders"]
    assert int(headers["x-amzn-bedrock-output-token-count"]) == message["usage"]["output_tokens"]


def test_a_stream(url: str) -> None:
    with client(url) as bedrock:
        reply = bedrock.invoke_model_with_response_stream(modelId=MODEL.format("reason"), body=body())
        with contextlib.closing(reply["body"]) as stream:
            events = [json.loads(one["chunk"]["bytes"]) for one in stream]
    assert events[0]["type"] == "message_start"
    assert any(one.get("delta", {}).get("type") == "signature_delta" for one in events)
    metrics = events[-1]["amazon-bedrock-invocationMetrics"]
    assert metrics["outputTokenCount"] == events[-2]["usage"]["output_tokens"]


def test_a_stream_ends_with_an_exception(url: str) -> None:
    for act, kind in (("error-mid", "modelStreamErrorException"), ("error-mid-429", "throttlingException")):
        with client(url) as bedrock:
            reply = bedrock.invoke_model_with_response_stream(modelId=MODEL.format(act), body=body())
            with contextlib.closing(reply["body"]) as stream, pytest.raises(EventStreamError) as raised:
                list(stream)
        assert raised.value.response["Error"]["Code"] == kind


@pytest.mark.parametrize(
    ("act", "status", "kind"),
    [
        ("error-400", 400, "ValidationException"),
        ("error-401", 403, "UnrecognizedClientException"),
        ("error-429", 429, "ThrottlingException"),
        ("error-500", 500, "InternalServerException"),
        ("error-529", 503, "ServiceUnavailableException"),
    ],
)
def test_errors_have_their_classes(url: str, act: str, status: int, kind: str) -> None:
    with client(url) as bedrock, pytest.raises(ClientError) as raised:
        bedrock.invoke_model(modelId=MODEL.format(act), body=body())
    assert raised.value.response["Error"]["Code"] == kind
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_a_wrong_secret_is_refused(url: str) -> None:
    with client(url, "another") as bedrock, pytest.raises(ClientError, match="signature we calculated") as raised:
        bedrock.invoke_model(modelId=MODEL.format("chat"), body=body())
    assert raised.value.response["Error"]["Code"] == "InvalidSignatureException"


def test_tokens_are_counted(url: str) -> None:
    given = {"invokeModel": {"body": body().encode()}}
    with client(url) as bedrock:
        assert bedrock.count_tokens(modelId=MODEL.format("chat"), input=given)["inputTokens"] > 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"anthropic_version": "2023-06-01"}, "anthropic_version"),
        ({"model": "x"}, "model: Extra inputs"),
        ({"stream": True}, "stream: Extra inputs"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}, "roles must alternate"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "first message"),
    ],
)
def test_what_anthropic_takes_and_bedrock_does_not(url: str, more: dict[str, Any], message: str) -> None:
    with client(url) as bedrock, pytest.raises(ClientError, match=message):
        bedrock.invoke_model(modelId=MODEL.format("chat"), body=body(**more))


def test_converse_speaks_as_the_sdk_expects(url: str) -> None:
    messages = [{"role": "user", "content": [{"text": "Hello"}]}]
    with client(url) as bedrock:
        reply = bedrock.converse(modelId=MODEL.format("reason"), messages=messages)
        kinds = [next(iter(one)) for one in reply["output"]["message"]["content"]]
        assert (kinds, reply["stopReason"]) == (["reasoningContent", "text"], "end_turn")
        streamed = bedrock.converse_stream(modelId=MODEL.format("reason"), messages=messages)
        with contextlib.closing(streamed["stream"]) as stream:
            events = list(stream)
    assert [next(iter(one)) for one in events][-2:] == ["messageStop", "metadata"]
    deltas = [one["contentBlockDelta"]["delta"] for one in events if "contentBlockDelta" in one]
    text = "".join(one.get("text", "") for one in deltas)
    assert text == reply["output"]["message"]["content"][1]["text"]
    assert events[-1]["metadata"]["usage"] == reply["usage"]


def test_a_converse_stream_ends_with_an_exception(url: str) -> None:
    messages = [{"role": "user", "content": [{"text": "Hello"}]}]
    with client(url) as bedrock:
        streamed = bedrock.converse_stream(modelId=MODEL.format("error-mid-503"), messages=messages)
        with contextlib.closing(streamed["stream"]) as stream, pytest.raises(EventStreamError) as raised:
            list(stream)
    assert raised.value.response["Error"]["Code"] == "serviceUnavailableException"
