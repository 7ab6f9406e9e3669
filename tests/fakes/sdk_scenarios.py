"""What the official SDKs do with a provider: each scenario takes a base URL and gives what the program got.

The same scenario is run against the simulator alone and through Dragoman; both must give the same.
"""

import base64
import json
from collections.abc import Callable
from typing import Any

import anthropic
import ollama
import openai

from dragoman.simulator.scenes import PICTURE

IMAGE = base64.b64encode(PICTURE).decode()
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CHAT_TOOLS: Any = [
    {"type": "function", "function": {"name": name, "description": "d", "parameters": SCHEMA}}
    for name in ("weather", "tide")
]
RESPONSES_TOOLS: Any = [
    {"type": "function", "name": name, "description": "d", "parameters": SCHEMA, "strict": False}
    for name in ("weather", "tide")
]
ANTHROPIC_TOOLS: Any = [{"name": name, "description": "d", "input_schema": SCHEMA} for name in ("weather", "tide")]
QUESTION: Any = [{"role": "user", "content": "What is the tide in Brest?"}]

Scenario = Callable[[str], Any]
SCENARIOS: dict[str, Scenario] = {}


def scenario(run: Scenario) -> Scenario:
    SCENARIOS[run.__name__] = run
    return run


def _openai(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="sk-test", max_retries=0, timeout=30)


def _anthropic(url: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=url, api_key="sk-test", max_retries=0, timeout=30)


# OpenAI, Chat Completions.


@scenario
def openai_chat(url: str) -> Any:
    with _openai(url) as client:
        return client.chat.completions.create(model="sim-echo", messages=QUESTION).model_dump()


@scenario
def openai_chat_streamed(url: str) -> Any:
    with _openai(url) as client:
        options: Any = {"include_usage": True}
        stream = client.chat.completions.create(
            model="sim-reason", messages=QUESTION, stream=True, stream_options=options
        )
        return [chunk.model_dump() for chunk in stream]


@scenario
def openai_chat_tools(url: str) -> Any:
    with _openai(url) as client:
        messages = list(QUESTION)
        first = client.chat.completions.create(model="sim-tools-parallel", messages=messages, tools=CHAT_TOOLS)
        message = first.choices[0].message
        assert message.tool_calls
        messages.append(message.model_dump(exclude_none=True))
        messages += [{"role": "tool", "tool_call_id": one.id, "content": "high at 4"} for one in message.tool_calls]
        second = client.chat.completions.create(model="sim-tools-parallel", messages=messages, tools=CHAT_TOOLS)
        return [first.model_dump(), second.model_dump()]


@scenario
def openai_chat_tools_streamed(url: str) -> Any:
    with (
        _openai(url) as client,
        client.chat.completions.stream(model="sim-tools-2", messages=QUESTION, tools=CHAT_TOOLS) as stream,
    ):
        events = [event.type for event in stream]
        return [events, stream.get_final_completion().model_dump()]


@scenario
def openai_chat_image(url: str) -> Any:
    with _openai(url) as client:
        part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{IMAGE}"}}
        content: Any = [{"type": "text", "text": "What is this?"}, part]
        reply = client.chat.completions.create(model="sim-image", messages=[{"role": "user", "content": content}])
        return reply.model_dump()


@scenario
def openai_errors(url: str) -> Any:
    found = []
    with _openai(url) as client:
        for status in (400, 401, 403, 404, 429, 500, 503):
            try:
                client.chat.completions.create(model=f"sim-error-{status}", messages=QUESTION)
            except openai.APIStatusError as error:
                found.append(
                    [type(error).__name__, error.status_code, error.body, error.response.headers.get("retry-after")]
                )
    return found


@scenario
def openai_error_in_mid_stream(url: str) -> Any:
    with _openai(url) as client:
        text = ""
        try:
            for chunk in client.chat.completions.create(model="sim-error-mid", messages=QUESTION, stream=True):
                text += chunk.choices[0].delta.content or ""
        except openai.APIError as error:
            return [text, type(error).__name__, error.message]
        return text


@scenario
def openai_cut_in_mid_stream(url: str) -> Any:
    with _openai(url) as client:
        text = ""
        try:
            for chunk in client.chat.completions.create(model="sim-cut", messages=QUESTION, stream=True):
                text += chunk.choices[0].delta.content or ""
        except Exception as error:  # noqa: BLE001 -- whatever the SDK makes of it, it must be the same
            return [text, type(error).__name__]
        return text


@scenario
def openai_models(url: str) -> Any:
    with _openai(url) as client:
        return [[one.model_dump() for one in client.models.list()], client.models.retrieve("sim-echo").model_dump()]


@scenario
def openai_embeddings(url: str) -> Any:
    with _openai(url) as client:
        return client.embeddings.create(model="sim-embed", input=["one", "two"]).model_dump()


@scenario
def openai_length(url: str) -> Any:
    with _openai(url) as client:
        return client.chat.completions.create(model="sim-limit", messages=QUESTION).model_dump()


# OpenAI, Responses.


@scenario
def responses(url: str) -> Any:
    with _openai(url) as client:
        return client.responses.create(model="sim-echo", input="Hello").model_dump()


@scenario
def responses_streamed(url: str) -> Any:
    with _openai(url) as client:
        include: Any = ["reasoning.encrypted_content"]
        stream = client.responses.create(model="sim-reason", input="Why?", include=include, stream=True)
        return [event.model_dump() for event in stream]


@scenario
def responses_tools(url: str) -> Any:
    with _openai(url) as client:
        items: list[Any] = [{"role": "user", "content": "What is the tide in Brest?"}]
        first = client.responses.create(model="sim-tools", input=items, tools=RESPONSES_TOOLS)
        for item in first.output:
            items.append(item.model_dump(exclude_none=True))
            if item.type == "function_call":
                items.append({"type": "function_call_output", "call_id": item.call_id, "output": "high at 4"})
        second = client.responses.create(model="sim-tools", input=items, tools=RESPONSES_TOOLS)
        return [first.model_dump(), second.model_dump(), second.output_text]


@scenario
def responses_tools_streamed(url: str) -> Any:
    with (
        _openai(url) as client,
        client.responses.stream(model="sim-tools-parallel", input="Tide?", tools=RESPONSES_TOOLS) as stream,
    ):
        events = [event.type for event in stream]
        return [events, stream.get_final_response().model_dump()]


@scenario
def responses_image(url: str) -> Any:
    with _openai(url) as client:
        part = {"type": "input_image", "image_url": f"data:image/png;base64,{IMAGE}", "detail": "auto"}
        content: Any = [{"type": "input_text", "text": "What?"}, part]
        return client.responses.create(model="sim-image", input=[{"role": "user", "content": content}]).model_dump()


@scenario
def responses_errors(url: str) -> Any:
    found = []
    with _openai(url) as client:
        for status in (401, 429, 500):
            try:
                client.responses.create(model=f"sim-error-{status}", input="x")
            except openai.APIStatusError as error:
                found.append([type(error).__name__, error.status_code, error.body])
        for event in client.responses.create(model="sim-error-mid", input="x", stream=True):
            last = event.model_dump()
        found.append(last)
    return found


@scenario
def responses_incomplete(url: str) -> Any:
    with _openai(url) as client:
        return [
            client.responses.create(model="sim-limit", input="x").model_dump(),
            client.responses.create(model="sim-refuse", input="x").model_dump(),
        ]


# Anthropic.


@scenario
def anthropic_messages(url: str) -> Any:
    with _anthropic(url) as client:
        return client.messages.create(model="sim-echo", max_tokens=500, messages=QUESTION).model_dump()


@scenario
def anthropic_streamed(url: str) -> Any:
    with (
        _anthropic(url) as client,
        client.messages.stream(model="sim-reason", max_tokens=2000, messages=QUESTION) as stream,
    ):
        events = [event.type for event in stream]
        return [events, stream.get_final_message().model_dump()]


@scenario
def anthropic_tools(url: str) -> Any:
    with _anthropic(url) as client:
        messages = list(QUESTION)
        replies = []
        for _ in range(2):
            with client.messages.stream(
                model="sim-tools-parallel", max_tokens=500, messages=messages, tools=ANTHROPIC_TOOLS
            ) as stream:
                reply = stream.get_final_message()
            replies.append(reply.model_dump())
            calls = [one for one in reply.content if one.type == "tool_use"]
            results = [{"type": "tool_result", "tool_use_id": one.id, "content": "high at 4"} for one in calls]
            messages += [{"role": "assistant", "content": reply.content}, {"role": "user", "content": results}]
        return replies


@scenario
def anthropic_image(url: str) -> Any:
    with _anthropic(url) as client:
        source = {"type": "base64", "media_type": "image/png", "data": IMAGE}
        content: Any = [{"type": "image", "source": source}, {"type": "text", "text": "What is this?"}]
        messages: Any = [{"role": "user", "content": content}]
        return client.messages.create(model="sim-image", max_tokens=500, messages=messages).model_dump()


@scenario
def anthropic_cache(url: str) -> Any:
    mark = {"cache_control": {"type": "ephemeral"}}
    with _anthropic(url) as client:
        system: Any = [{"type": "text", "text": "word " * 900, **mark}]
        messages: list[Any] = [{"role": "user", "content": [{"type": "text", "text": "One " * 90, **mark}]}]
        first = client.messages.create(model="sim-echo", max_tokens=500, system=system, messages=messages)
        messages[0]["content"][0].pop("cache_control")
        messages.append({"role": "assistant", "content": first.content})
        messages.append({"role": "user", "content": [{"type": "text", "text": "Two " * 90, **mark}]})
        second = client.messages.create(model="sim-echo", max_tokens=500, system=system, messages=messages)
        return [first.usage.model_dump(), second.usage.model_dump()]


@scenario
def anthropic_errors(url: str) -> Any:
    found = []
    with _anthropic(url) as client:
        for status in (400, 401, 403, 404, 413, 429, 500, 529):
            try:
                client.messages.create(model=f"sim-error-{status}", max_tokens=9, messages=QUESTION)
            except anthropic.APIStatusError as error:
                found.append([type(error).__name__, error.status_code, error.body, error.request_id])
    return found


@scenario
def anthropic_error_in_mid_stream(url: str) -> Any:
    with _anthropic(url) as client:
        text = ""
        try:
            with client.messages.stream(model="sim-error-mid", max_tokens=900, messages=QUESTION) as stream:
                for piece in stream.text_stream:
                    text += piece
        except anthropic.APIStatusError as error:
            return [text, type(error).__name__, error.body]
        return text


@scenario
def anthropic_models(url: str) -> Any:
    with _anthropic(url) as client:
        return [[one.model_dump() for one in client.models.list()], client.models.retrieve("sim-echo").model_dump()]


@scenario
def anthropic_count_tokens(url: str) -> Any:
    with _anthropic(url) as client:
        return client.messages.count_tokens(model="sim-echo", messages=QUESTION).model_dump()


@scenario
def anthropic_stop_reasons(url: str) -> Any:
    with _anthropic(url) as client:
        return [
            client.messages.create(model=f"sim-{name}", max_tokens=500, messages=QUESTION).model_dump()
            for name in ("limit", "refuse")
        ]


# Ollama.


@scenario
def ollama_chat(url: str) -> Any:
    with ollama.Client(url) as client:
        return client.chat("sim-echo", QUESTION).model_dump()


@scenario
def ollama_chat_streamed(url: str) -> Any:
    with ollama.Client(url) as client:
        return [one.model_dump() for one in client.chat("sim-reason", QUESTION, stream=True, think=True)]


@scenario
def ollama_tools(url: str) -> Any:
    with ollama.Client(url) as client:
        messages = list(QUESTION)
        first = client.chat("sim-tools-parallel", messages, tools=CHAT_TOOLS)
        messages.append(first.message.model_dump(exclude_none=True))
        calls = first.message.tool_calls or []
        messages += [{"role": "tool", "tool_name": one.function.name, "content": "high at 4"} for one in calls]
        second = client.chat("sim-tools-parallel", messages, tools=CHAT_TOOLS)
        streamed = list(client.chat("sim-tools-parallel", QUESTION, tools=CHAT_TOOLS, stream=True))
        return [first.model_dump(), second.model_dump(), [one.model_dump() for one in streamed]]


@scenario
def ollama_image(url: str) -> Any:
    with ollama.Client(url) as client:
        messages = [{"role": "user", "content": "What is this?", "images": [IMAGE]}]
        return client.chat("sim-image", messages).model_dump()


@scenario
def ollama_generate(url: str) -> Any:
    with ollama.Client(url) as client:
        streamed = [one.model_dump() for one in client.generate("sim-echo", "Hello", stream=True)]
        return [client.generate("sim-echo", "Hello").model_dump(), streamed]


@scenario
def ollama_errors(url: str) -> Any:
    found = []
    with ollama.Client(url) as client:
        for model in ("sim-error-401", "sim-error-429", "sim-error-500", "sim-none"):
            try:
                client.chat(model, QUESTION)
            except ollama.ResponseError as error:
                found.append([error.status_code, error.error])
        try:
            for _ in client.chat("sim-error-mid", QUESTION, stream=True):
                pass
        except ollama.ResponseError as error:
            found.append(error.error)
    return found


@scenario
def ollama_models(url: str) -> Any:
    with ollama.Client(url) as client:
        client.chat("sim-echo", QUESTION, keep_alive="5m")
        loaded = [one.model for one in client.ps().models]
        client.generate("sim-echo", keep_alive=0)
        left = [one.model for one in client.ps().models]
        listed = client.list().model_dump(mode="json")
        shown = client.show("sim-echo").model_dump(mode="json")
        return [json.loads(json.dumps(listed)), shown, "sim-echo" in loaded, "sim-echo" in left]


@scenario
def ollama_embeddings(url: str) -> Any:
    with ollama.Client(url) as client:
        return [
            client.embed("sim-embed", ["one", "two"]).model_dump(),
            client.embeddings("sim-embed", "one").model_dump(),
        ]
