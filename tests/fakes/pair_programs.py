"""One program, written with each official SDK: talk, call tools, show a picture, think, be cut short, fail.

Each `Program` speaks one dialect. It holds the conversation in its SDK's own shapes, as a user's program would,
and gives what came as an `Answer`, so that the same scene can be compared across dialects.
"""

import base64
import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import anthropic
import boto3
import httpx
import httpx2
import ollama
import openai
import urllib3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EventStreamError
from pydantic import TypeAdapter

from dragoman.simulator.scenes import PICTURE

IMAGE = base64.b64encode(PICTURE).decode()
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = ("weather", "tide")


@dataclass
class Call:
    name: str
    arguments: dict[str, Any]
    id: str | None = None


@dataclass
class Answer:
    """What a program got out of one reply."""

    text: str = ""
    calls: list[Call] = field(default_factory=list)
    reasoning: str = ""
    stop: str = ""
    """`end`, `length`, `stop_sequence`, `tool_use`, `refusal`; a dialect with fewer words says `end`."""
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True)
class Wish:
    """What is asked beyond the conversation."""

    model: str
    is_streamed: bool = False
    has_tools: bool = False
    thinks: bool = False
    max_tokens: int | None = None
    stop: str | None = None


class Failed(Exception):
    """The call failed as the SDK says it; `status` is None when the stream turned into an error."""

    def __init__(self, status: int | None, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class Program(Protocol):
    """A program with one conversation."""

    def say(self, text: str, *, image: bool = False) -> None: ...

    def give(self, results: Sequence[tuple[Call, str]]) -> None:
        """Give the results of the calls of the last answer."""
        ...

    def ask(self, wish: Wish) -> Answer:
        """Call the model with the conversation, and take its answer into it. Raises Failed."""
        ...

    def close(self) -> None: ...


class ChatProgram:
    """openai, Chat Completions."""

    def __init__(self, url: str) -> None:
        self._client = openai.OpenAI(base_url=f"{url}/v1", api_key="sk-test-pairs", max_retries=0, timeout=30)
        self._messages: list[Any] = []

    def say(self, text: str, *, image: bool = False) -> None:
        picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{IMAGE}"}}
        content: Any = [{"type": "text", "text": text}, picture] if image else text
        self._messages.append({"role": "user", "content": content})

    def give(self, results: Sequence[tuple[Call, str]]) -> None:
        self._messages += [{"role": "tool", "tool_call_id": call.id, "content": text} for call, text in results]

    def ask(self, wish: Wish) -> Answer:
        options: dict[str, Any] = {"model": wish.model, "messages": self._messages}
        if wish.has_tools:
            options["tools"] = [{"type": "function", "function": {"name": one, "parameters": SCHEMA}} for one in TOOLS]
        if wish.thinks:
            options["reasoning_effort"] = "medium"
        if wish.max_tokens is not None:
            options["max_completion_tokens"] = wish.max_tokens
        if wish.stop is not None:
            options["stop"] = [wish.stop]
        try:
            if wish.is_streamed:
                options["stream_options"] = {"include_usage": True}
                with self._client.chat.completions.stream(**options) as stream:
                    for _ in stream:
                        pass
                    reply = stream.get_final_completion()
            else:
                reply = self._client.chat.completions.create(**options)
        except openai.LengthFinishReasonError as cut:  # the helper for streams takes a cut answer for a failure
            reply = cut.completion
        except openai.APIStatusError as error:
            raise Failed(error.status_code, str(error)) from error
        except (openai.APIError, httpx2.HTTPError) as error:
            raise Failed(None, str(error)) from error
        choice = reply.choices[0]
        self._messages.append(choice.message.model_dump(exclude_none=True, exclude={"parsed"}))
        for call in self._messages[-1].get("tool_calls", []):
            call["function"].pop("parsed_arguments", None)
            call.pop("index", None)
        return Answer(
            text=choice.message.content or choice.message.refusal or "",
            calls=[
                Call(one.function.name, json.loads(one.function.arguments), one.id)
                for one in choice.message.tool_calls or []
                if one.type == "function"
            ],
            reasoning=getattr(choice.message, "reasoning_content", None) or "",
            stop=_CHAT_STOPS[choice.finish_reason],
            input_tokens=reply.usage.prompt_tokens if reply.usage else None,
            output_tokens=reply.usage.completion_tokens if reply.usage else None,
        )

    def close(self) -> None:
        self._client.close()


_CHAT_STOPS = {"stop": "end", "length": "length", "tool_calls": "tool_use", "content_filter": "refusal"}


class ResponsesProgram:
    """openai, Responses."""

    def __init__(self, url: str) -> None:
        self._client = openai.OpenAI(base_url=f"{url}/v1", api_key="sk-test-pairs", max_retries=0, timeout=30)
        self._items: list[Any] = []

    def say(self, text: str, *, image: bool = False) -> None:
        content: list[Any] = [{"type": "input_text", "text": text}]
        if image:
            content.append({"type": "input_image", "image_url": f"data:image/png;base64,{IMAGE}", "detail": "auto"})
        self._items.append({"role": "user", "content": content})

    def give(self, results: Sequence[tuple[Call, str]]) -> None:
        self._items += [{"type": "function_call_output", "call_id": call.id, "output": text} for call, text in results]

    def ask(self, wish: Wish) -> Answer:
        options: dict[str, Any] = {"model": wish.model, "input": self._items, "store": False}
        if wish.has_tools:
            tools = [{"type": "function", "name": one, "parameters": SCHEMA, "strict": False} for one in TOOLS]
            options["tools"] = tools
        if wish.thinks:
            options |= {"reasoning": {"effort": "medium"}, "include": ["reasoning.encrypted_content"]}
        if wish.max_tokens is not None:
            options["max_output_tokens"] = wish.max_tokens
        try:
            reply = self._streamed(options) if wish.is_streamed else self._client.responses.create(**options)
        except openai.APIStatusError as error:
            raise Failed(error.status_code, str(error)) from error
        except (openai.APIError, httpx2.HTTPError) as error:
            raise Failed(None, str(error)) from error
        self._items += [item.model_dump(exclude_none=True, exclude={"status"}) for item in reply.output]
        return _answer_of_items(reply)

    def _streamed(self, options: dict[str, Any]) -> Any:
        last: Any = None
        with self._client.responses.create(**options, stream=True) as stream:
            for event in stream:
                if event.type in ("response.completed", "response.incomplete"):
                    last = event.response
                elif event.type == "response.failed":
                    error = event.response.error
                    raise Failed(None, error.message if error else "failed")
        if last is None:
            raise Failed(None, "the stream ended without a last event")
        return last

    def close(self) -> None:
        self._client.close()


def _answer_of_items(reply: Any) -> Answer:
    answer = Answer(stop="end")
    for item in reply.output:
        if item.type == "message":
            for part in item.content:
                answer.text += part.text if part.type == "output_text" else part.refusal
                if part.type == "refusal":
                    answer.stop = "refusal"
        elif item.type == "function_call":
            answer.calls.append(Call(item.name, json.loads(item.arguments), item.call_id))
            answer.stop = "tool_use"
        elif item.type == "reasoning":
            answer.reasoning += "".join(one.text for one in [*(item.summary or []), *(item.content or [])])
    if reply.status == "incomplete":
        answer.stop = {"max_output_tokens": "length", "content_filter": "refusal"}[reply.incomplete_details.reason]
    if reply.usage:
        answer.input_tokens, answer.output_tokens = reply.usage.input_tokens, reply.usage.output_tokens
    return answer


class _MessagesConversation:
    """A conversation in Anthropic's shapes."""

    def __init__(self) -> None:
        self._messages: list[Any] = []

    def say(self, text: str, *, image: bool = False) -> None:
        content: list[Any] = [{"type": "text", "text": text}]
        if image:
            source = {"type": "base64", "media_type": "image/png", "data": IMAGE}
            content.insert(0, {"type": "image", "source": source})
        self._messages.append({"role": "user", "content": content})

    def give(self, results: Sequence[tuple[Call, str]]) -> None:
        blocks = [{"type": "tool_result", "tool_use_id": call.id, "content": text} for call, text in results]
        self._messages.append({"role": "user", "content": blocks})

    def _options(self, wish: Wish) -> dict[str, Any]:
        options: dict[str, Any] = {"max_tokens": wish.max_tokens or 4096, "messages": self._messages}
        if wish.has_tools:
            options["tools"] = [{"name": one, "input_schema": SCHEMA} for one in TOOLS]
        if wish.thinks:
            options["thinking"] = {"type": "enabled", "budget_tokens": 2048}
        if wish.stop is not None:
            options["stop_sequences"] = [wish.stop]
        return options

    def _take(self, reply: anthropic.types.Message) -> Answer:
        content = [block.model_dump(exclude_none=True) for block in reply.content]
        self._messages.append({"role": "assistant", "content": content})
        usage = reply.usage
        cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
        assert reply.stop_reason
        return Answer(
            text="".join(block.text for block in reply.content if block.type == "text"),
            calls=[Call(one.name, one.input, one.id) for one in reply.content if one.type == "tool_use"],
            reasoning="".join(block.thinking for block in reply.content if block.type == "thinking"),
            stop=_MESSAGES_STOPS[reply.stop_reason],
            input_tokens=usage.input_tokens + cached,
            output_tokens=usage.output_tokens,
        )


_MESSAGES_STOPS = {
    "end_turn": "end",
    "max_tokens": "length",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_use",
    "refusal": "refusal",
}


class MessagesProgram(_MessagesConversation):
    """anthropic."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._client = anthropic.Anthropic(base_url=url, api_key="sk-ant-test-pairs", max_retries=0, timeout=30)

    def ask(self, wish: Wish) -> Answer:
        options = {"model": wish.model, **self._options(wish)}
        try:
            if wish.is_streamed:
                with self._client.messages.stream(**options) as stream:
                    reply = stream.get_final_message()
            else:
                reply = self._client.messages.create(**options)
        except anthropic.APIStatusError as error:
            # An error event in a stream comes as a status error too, with the 200 of its head.
            raise Failed(None if error.status_code == 200 else error.status_code, str(error)) from error
        except (anthropic.APIError, httpx2.HTTPError) as error:
            raise Failed(None, str(error)) from error
        return self._take(reply)

    def close(self) -> None:
        self._client.close()


class BedrockProgram(_MessagesConversation):
    """boto3, InvokeModel with Claude; replies are checked with the anthropic package's types."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._client: Any = boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=url,
            aws_access_key_id="AKIAPAIRS00000000000",
            aws_secret_access_key="pairs/secret/of/no/use",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=30, proxies={}),
        )

    def ask(self, wish: Wish) -> Answer:
        body = json.dumps({"anthropic_version": "bedrock-2023-05-31", **self._options(wish)})
        call = {"modelId": f"anthropic.{wish.model}-v1:0", "contentType": "application/json", "body": body}
        try:
            if not wish.is_streamed:
                with self._client.invoke_model(**call)["body"] as stream:
                    return self._take(anthropic.types.Message.model_validate_json(stream.read()))
            with contextlib.closing(self._client.invoke_model_with_response_stream(**call)["body"]) as events:
                return self._take(_gather(events))
        except (EventStreamError, BotoCoreError, urllib3.exceptions.HTTPError) as error:
            raise Failed(None, str(error)) from error
        except ClientError as error:
            raise Failed(error.response["ResponseMetadata"]["HTTPStatusCode"], str(error)) from error

    def close(self) -> None:
        self._client.close()


_EVENT: TypeAdapter[Any] = TypeAdapter(anthropic.types.RawMessageStreamEvent)


def _gather(events: Iterator[Any]) -> anthropic.types.Message:
    """Gather the events of a stream of InvokeModel, each of the type that the anthropic package gives it."""
    message: dict[str, Any] | None = None
    blocks: list[dict[str, Any]] = []
    is_over = False
    for frame in events:
        value = json.loads(frame["chunk"]["bytes"])
        event = _EVENT.validate_python(value)
        match event.type:
            case "message_start":
                assert message is None, "message_start came twice"
                message = value["message"]
            case "content_block_start":
                assert event.index == len(blocks), "blocks come in order"
                blocks.append({**value["content_block"], "_json": ""})
            case "content_block_delta":
                assert event.index == len(blocks) - 1, "a delta is of the open block"
                _grow(blocks[-1], value["delta"])
            case "message_delta":
                assert message is not None
                message |= value["delta"]
                message["usage"] |= {key: one for key, one in value["usage"].items() if one is not None}
            case "message_stop":
                is_over = True
            case _:
                pass
    assert message is not None, "no message_start came"
    assert is_over, "no message_stop came"
    for block in blocks:
        text = block.pop("_json")
        if block["type"] == "tool_use":
            block["input"] = json.loads(text or "{}")
    return anthropic.types.Message.model_validate({**message, "content": blocks})


def _grow(block: dict[str, Any], delta: dict[str, Any]) -> None:
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] = delta["signature"]
        case "input_json_delta":
            block["_json"] += delta["partial_json"]
        case kind:
            raise AssertionError(f"a delta {kind} was not expected")


class OllamaProgram:
    """ollama."""

    def __init__(self, url: str) -> None:
        self._client = ollama.Client(host=url, timeout=30)
        self._messages: list[Any] = []

    def say(self, text: str, *, image: bool = False) -> None:
        self._messages.append({"role": "user", "content": text, **({"images": [IMAGE]} if image else {})})

    def give(self, results: Sequence[tuple[Call, str]]) -> None:
        self._messages += [{"role": "tool", "tool_name": call.name, "content": text} for call, text in results]

    def ask(self, wish: Wish) -> Answer:
        limits = {"num_predict": wish.max_tokens, "stop": [wish.stop] if wish.stop else None}
        options: dict[str, Any] = {"options": {key: one for key, one in limits.items() if one is not None}}
        if wish.has_tools:
            options["tools"] = [{"type": "function", "function": {"name": one, "parameters": SCHEMA}} for one in TOOLS]
        if wish.thinks:
            options["think"] = True
        try:
            if not wish.is_streamed:
                return self._take([self._client.chat(model=wish.model, messages=self._messages, **options)])
            lines = self._client.chat(model=wish.model, messages=self._messages, stream=True, **options)
            return self._take(list(lines))
        except ollama.ResponseError as error:
            raise Failed(error.status_code if error.status_code > 0 else None, error.error) from error
        except (httpx.HTTPError, httpx2.HTTPError) as error:
            raise Failed(None, str(error)) from error

    def _take(self, lines: list[ollama.ChatResponse]) -> Answer:
        last = lines[-1]
        if not last.done:
            raise Failed(None, "the stream ended without a last line")
        text = "".join(line.message.content or "" for line in lines)
        thinking = "".join(line.message.thinking or "" for line in lines)
        calls = [call for line in lines for call in line.message.tool_calls or []]
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if thinking:
            message["thinking"] = thinking
        if calls:
            message["tool_calls"] = [one.model_dump() for one in calls]
        self._messages.append(message)
        stop = {"stop": "end", "length": "length"}[last.done_reason or ""]
        return Answer(
            text=text,
            calls=[Call(one.function.name, dict(one.function.arguments)) for one in calls],
            reasoning=thinking,
            stop="tool_use" if calls and stop == "end" else stop,
            input_tokens=last.prompt_eval_count,
            output_tokens=last.eval_count,
        )

    def close(self) -> None:
        self._client._client.close()


PROGRAMS: dict[str, type[Any]] = {
    "openai_chat": ChatProgram,
    "openai_responses": ResponsesProgram,
    "anthropic_messages": MessagesProgram,
    "bedrock_invoke": BedrockProgram,
    "ollama_chat": OllamaProgram,
}
