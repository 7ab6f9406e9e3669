"""Claude on Amazon Bedrock's InvokeModel as the service writes it: the model in the path, the reply as event stream.

Sources: botocore 1.44.5's description of bedrock-runtime, recorded traffic. A signature (SigV4) made with
`ACCESS_KEY_ID` is checked as AWS checks it; other keys, bearer keys and requests without any pass.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from dragoman.simulator import anthropic_messages
from dragoman.simulator.answer import Unfit, as_object
from dragoman.simulator.ask import Ask
from dragoman.simulator.plan import Plan
from dragoman.wire import sigv4
from dragoman.wire.eventstream import encode_message

ACCESS_KEY_ID = "AKIASIMULATED0000000"
SECRET_ACCESS_KEY = "simulated/secret/key/of/no/use/elsewhere"
_VERSION = "bedrock-2023-05-31"
REQUEST_ID = "00000000-0000-4000-8000-simulated000"
_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

_KINDS = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    413: "ValidationException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    502: "InternalServerException",
    503: "ServiceUnavailableException",
    529: "ServiceUnavailableException",
}
_STATUS = {401: 403, 413: 400, 502: 500, 529: 503}
"""AWS knows no such statuses; it says it with these."""
_BROKEN = {
    400: "validationException",
    408: "modelTimeoutException",
    429: "throttlingException",
    500: "internalServerException",
    503: "serviceUnavailableException",
}


def model_and_act(path: str) -> tuple[str, str] | None:
    """Split `/model/{id}/{act}`, the id percent-encoded or not; None for any other path."""
    if not path.startswith("/model/"):
        return None
    model, _, act = path.removeprefix("/model/").rpartition("/")
    return unquote(model), act


def read(body: dict[str, Any], seed: str, model: str, *, is_streamed: bool) -> Ask:
    """Read an InvokeModel request. Raises Unfit."""
    if body.get("anthropic_version") != _VERSION:
        raise Unfit(f"anthropic_version: Input should be '{_VERSION}'")
    ask = anthropic_messages.read(body, seed, is_bedrock=True)
    ask.model, ask.is_streamed = model, is_streamed
    return ask


def whole(ask: Ask, plan: Plan) -> dict[str, Any]:
    reply = anthropic_messages.whole(ask, plan)
    return {**reply, "id": reply["id"].replace("msg_", "msg_bdrk_")}


def stream(ask: Ask, plan: Plan) -> Iterator[bytes]:
    """Write the frames: Anthropic's events, base64 in JSON, the last with AWS's own figures."""
    for number, event in enumerate(anthropic_messages.events(ask, plan)):
        if event["type"] == "ping":
            continue
        if event["type"] == "message_start":
            event["message"]["id"] = event["message"]["id"].replace("msg_", "msg_bdrk_")
        if event["type"] == "message_stop":
            event["amazon-bedrock-invocationMetrics"] = _metrics(plan)
        yield _chunk(event, number)


def error(_: int, message: str) -> dict[str, Any]:
    return {"message": message}


def error_status(status: int) -> int:
    return _STATUS.get(status, status)


def error_headers(status: int) -> list[tuple[str, str]]:
    kind = _KINDS.get(status, "InternalServerException")
    return [
        ("x-amzn-requestid", REQUEST_ID),
        ("x-amzn-errortype", f"{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/"),
    ]


def broken(_: Ask, status: int, message: str) -> bytes:
    """Write the exception that ends a stream."""
    kind = _BROKEN.get(status, "modelStreamErrorException")
    payload: dict[str, Any] = {"message": message}
    if kind == "modelStreamErrorException":
        payload |= {"originalStatusCode": status, "originalMessage": message}
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return encode_message(headers, json.dumps(payload).encode())


def headers(plan: Plan) -> list[tuple[str, str]]:
    usage = plan.usage
    return [
        ("x-amzn-requestid", REQUEST_ID),
        ("x-amzn-bedrock-content-type", "application/json"),
        ("x-amzn-bedrock-invocation-latency", "12"),
        ("x-amzn-bedrock-input-token-count", str(usage.fresh)),
        ("x-amzn-bedrock-output-token-count", str(usage.output)),
        ("x-amzn-bedrock-cache-read-input-token-count", str(usage.cache_read)),
        ("x-amzn-bedrock-cache-write-input-token-count", str(usage.cache_write_5m + usage.cache_write_1h)),
    ]


def count(body: dict[str, Any], seed: str) -> dict[str, Any]:
    """Answer CountTokens, whose body holds that of an InvokeModel, base64."""
    invoke = as_object(as_object(body.get("input"), "input").get("invokeModel"), "input.invokeModel")
    try:
        inner = as_object(json.loads(base64.b64decode(invoke.get("body", ""), validate=True)), "body")
    except (ValueError, TypeError) as error:
        raise Unfit(f"input.invokeModel.body: no JSON in base64: {error}") from error
    ask = anthropic_messages.read(inner, seed, is_counting=True, is_bedrock=True)
    return {"inputTokens": sum(block.tokens for block in ask.blocks)}


def signature_fault(method: str, target: str, given: Mapping[str, str], body: bytes) -> tuple[str, str] | None:
    """Check the signature of a request; gives AWS's class of error and message when it is wrong."""
    authorization = given.get("authorization", "")
    if not authorization.startswith(sigv4.ALGORITHM):
        return None
    parsed = sigv4.parse_authorization(authorization)
    if parsed is None:
        return "IncompleteSignatureException", "Authorization header requires Credential, SignedHeaders and Signature."
    if parsed.access_key_id != ACCESS_KEY_ID:
        return None
    expected = sigv4.signature_of(
        method=method,
        target=target.encode("latin-1"),
        fields=[(name.encode(), given.get(name, "").encode("latin-1")) for name in parsed.signed_headers],
        payload_hash=given.get("x-amz-content-sha256") or sigv4.payload_hash(body),
        secret_access_key=SECRET_ACCESS_KEY,
        stamp=given.get("x-amz-date", ""),
        region=parsed.region,
        service=parsed.service,
    )
    if expected == parsed.signature:
        return None
    return (
        "InvalidSignatureException",
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        "Key and signing method. Consult the service documentation for details.",
    )


def _chunk(event: dict[str, Any], number: int) -> bytes:
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
    payload = {"bytes": base64.b64encode(text).decode(), "p": _PADDING[: 4 + number % 40]}
    names = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    return encode_message(names, json.dumps(payload, separators=(",", ":")).encode())


def _metrics(plan: Plan) -> dict[str, Any]:
    usage = plan.usage
    return {
        "inputTokenCount": usage.fresh,
        "outputTokenCount": usage.output,
        "invocationLatency": 12,
        "firstByteLatency": 3,
        "cacheReadInputTokenCount": usage.cache_read,
        "cacheWriteInputTokenCount": usage.cache_write_5m + usage.cache_write_1h,
    }
