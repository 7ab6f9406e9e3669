"""The program of `pair_programs`, written with boto3's Converse."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import boto3
import urllib3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EventStreamError

from dragoman.simulator.scenes import PICTURE
from fakes.pair_programs import SCHEMA, TOOLS, Answer, Call, Failed, Wish

_STOPS = {
    "end_turn": "end",
    "max_tokens": "length",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_use",
    "content_filtered": "refusal",
}


class ConverseProgram:
    """boto3, Converse."""

    def __init__(self, url: str) -> None:
        self._messages: list[Any] = []
        self._client: Any = boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=url,
            aws_access_key_id="AKIAPAIRS00000000000",
            aws_secret_access_key="pairs/secret/of/no/use",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=30, proxies={}),
        )

    def say(self, text: str, *, image: bool = False) -> None:
        picture = [{"image": {"format": "png", "source": {"bytes": PICTURE}}}] if image else []
        self._messages.append({"role": "user", "content": [*picture, {"text": text}]})

    def give(self, results: Sequence[tuple[Call, str]]) -> None:
        blocks = [{"toolResult": {"toolUseId": call.id, "content": [{"text": text}]}} for call, text in results]
        self._messages.append({"role": "user", "content": blocks})

    def ask(self, wish: Wish) -> Answer:
        call = {"modelId": f"anthropic.{wish.model}-v1:0", "messages": self._messages, **_options(wish)}
        try:
            if not wish.is_streamed:
                reply = self._client.converse(**call)
                return self._take(reply["output"]["message"]["content"], reply["stopReason"], reply["usage"])
            with contextlib.closing(self._client.converse_stream(**call)["stream"]) as events:
                return self._take(*_gather(events))
        except (EventStreamError, BotoCoreError, urllib3.exceptions.HTTPError) as error:
            raise Failed(None, str(error)) from error
        except ClientError as error:
            raise Failed(error.response["ResponseMetadata"]["HTTPStatusCode"], str(error)) from error

    def _take(self, content: list[Any], reason: str, usage: dict[str, int]) -> Answer:
        self._messages.append({"role": "assistant", "content": content})
        calls = [block["toolUse"] for block in content if "toolUse" in block]
        thoughts = [
            block["reasoningContent"].get("reasoningText", {}) for block in content if "reasoningContent" in block
        ]
        cached = usage.get("cacheReadInputTokens", 0) + usage.get("cacheWriteInputTokens", 0)
        return Answer(
            text="".join(block.get("text", "") for block in content),
            calls=[Call(one["name"], one["input"], one["toolUseId"]) for one in calls],
            reasoning="".join(one.get("text", "") for one in thoughts),
            stop=_STOPS[reason],
            input_tokens=usage["inputTokens"] + cached,
            output_tokens=usage["outputTokens"],
        )

    def close(self) -> None:
        self._client.close()


def _options(wish: Wish) -> dict[str, Any]:
    limit = 4096 if wish.max_tokens is None else wish.max_tokens
    options: dict[str, Any] = {"inferenceConfig": {"maxTokens": limit}}
    if wish.has_tools:
        specs = [{"toolSpec": {"name": one, "inputSchema": {"json": SCHEMA}}} for one in TOOLS]
        options["toolConfig"] = {"tools": specs}
    if wish.thinks:
        thinking = {"type": "enabled", "budget_tokens": 2048}
        options["additionalModelRequestFields"] = {"thinking": thinking}
    if wish.stop is not None:
        options["inferenceConfig"]["stopSequences"] = [wish.stop]
    return options


def _gather(events: Iterator[Any]) -> tuple[list[Any], str, dict[str, int]]:
    """Gather the events of a stream: content, reason of ending, figures."""
    blocks: dict[int, dict[str, Any]] = {}
    reason, usage = "", {}
    for event in events:
        (name,) = event
        told = event[name]
        if name == "contentBlockStart":
            blocks[told["contentBlockIndex"]] = {"toolUse": {**told["start"]["toolUse"], "input": ""}}
        elif name == "contentBlockDelta":
            _grow(blocks.setdefault(told["contentBlockIndex"], {}), told["delta"])
        elif name == "messageStop":
            reason = told["stopReason"]
        elif name == "metadata":
            usage = told["usage"]
    if not reason:
        raise Failed(None, "the stream ended without a reason")
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
    return [blocks[number] for number in sorted(blocks)], reason, usage


def _grow(block: dict[str, Any], delta: dict[str, Any]) -> None:
    if "text" in delta:
        block["text"] = block.get("text", "") + delta["text"]
    elif "toolUse" in delta:
        block["toolUse"]["input"] += delta["toolUse"]["input"]
    elif "redactedContent" in delta.get("reasoningContent", {}):
        block["reasoningContent"] = {"redactedContent": delta["reasoningContent"]["redactedContent"]}
    else:
        thought = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})["reasoningText"]
        for key, text in delta["reasoningContent"].items():
            thought[key] = thought.get(key, "") + text
