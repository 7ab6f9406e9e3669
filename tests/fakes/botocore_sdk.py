"""What botocore makes of Bedrock's bodies and streams, given as bytes, and what its model says of a request."""

import json
from functools import cache
from typing import Any

from botocore.eventstream import EventStream
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import EventStreamJSONParser, RestJSONParser
from botocore.validate import ParamValidator

Wire = dict[str, Any]


@cache
def model() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"), "bedrock-runtime")


def converse_reply(body: bytes) -> Wire:
    shape = model().operation_model("Converse").output_shape
    return RestJSONParser().parse({"status_code": 200, "headers": {}, "body": body}, shape)


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Any:
        yield from (self._body[at : at + 500] for at in range(0, len(self._body), 500))

    def close(self) -> None:
        pass


def converse_events(body: bytes) -> list[Wire]:
    """Read a stream; an exception in it is raised (botocore.exceptions.EventStreamError)."""
    shape = model().operation_model("ConverseStream").output_shape.members["stream"]
    return list(EventStream(_Raw(body), shape, EventStreamJSONParser(), "ConverseStream"))


def complaints(body: bytes, model_id: str = "m") -> str:
    """Say what botocore's own check finds wrong with a request of Converse."""
    params = _with_bytes({"modelId": model_id, **json.loads(body)})
    shape = model().operation_model("Converse").input_shape
    return ParamValidator().validate(params, shape).generate_report()


def _with_bytes(value: Any) -> Any:
    """The same with bytes where JSON has base64."""
    if isinstance(value, list):
        return [_with_bytes(one) for one in value]
    if not isinstance(value, dict):
        return value
    coded = ("bytes", "redactedContent")
    return {
        key: one.encode() if key in coded and isinstance(one, str) else _with_bytes(one) for key, one in value.items()
    }
