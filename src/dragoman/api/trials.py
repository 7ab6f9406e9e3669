"""Try a provider with one small request: a word, an image, a call of a function.

The request is written by the provider's first dialect that can be written, and the answer is read by it. Promise:
what comes of it is an answer in words, bounded in time and length; no credential is in it.
"""

import time
from typing import Any, Literal

from dragoman.api.reach import Reach, unreachable
from dragoman.api.schemas import ProviderCheck
from dragoman.canonical import AnyPart, Media, Message, Prompt, Reply, Settings, Text, Tool, ToolCall
from dragoman.dialects import ALL
from dragoman.dialects.base import Dialect, RequestTarget, Unreadable, Untranslatable
from dragoman.errors import BadRequest
from dragoman.records.redaction import mask_url

TRIAL_S = 30.0
MOST_SIGNS = 6000
MAX_TOKENS = 256

_RED_SQUARE = (
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR42mP4z8BAEmIY1TCqYfhqAACQ+f8B8u7oVwAAAABJRU5ErkJggg=="
)
"""A red square of 16 by 16 dots, as PNG."""
_QUESTIONS = {
    "simple": "Answer with the one word: works",
    "image": "Which colour is this square? Answer with one word.",
    "function": "Look up the weather in Lisbon with the tool.",
}
_TOOL = Tool(
    name="get_weather",
    description="Say what the weather is like in a city.",
    schema={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)

Kind = Literal["simple", "image", "function"]


async def trial(reach: Reach, kind: Kind, model: str | None) -> ProviderCheck:
    """Send the request and say what came of it. Raises BadRequest, UpstreamFailed when there is nobody to ask."""
    dialect = _dialect(reach)
    model = model or await _first_model(reach)
    try:
        request = dialect.render_request(_prompt(kind, model), RequestTarget(model=model, max_tokens=MAX_TOKENS))
    except Untranslatable as error:
        raise BadRequest(str(error)) from error
    url = reach.url(dialect.path(model, is_streamed=False), model)
    headers = dialect.request_headers(_prompt(kind, model))
    if reach.fault is not None:
        return _check(kind, "no_credential", reach.fault, url, model)
    began = time.monotonic_ns()
    try:
        reply = await reach.post(url, request.body, headers, timeout_s=TRIAL_S)
    except unreachable() as error:
        return _check(kind, "unreachable", str(error) or type(error).__name__, url, model)
    took = time.monotonic_ns() - began
    known: dict[str, Any] = {"status": reply.status_code, "took": took}
    if not reply.is_success:
        said = dialect.parse_error(reply.status_code, dict(reply.headers), reply.content).error
        text = said.message if said else reply.text
        outcome = "unauthorized" if reply.status_code in (401, 403) else "failed"
        return _check(kind, outcome, f"answered {reply.status_code}", url, model, reply=text, **known)
    try:
        answer = dialect.parse_reply(reply.content)
    except Unreadable as error:
        return _check(kind, "failed", str(error), url, model, reply=reply.text, **known)
    outcome, message = _judge(kind, answer)
    return _check(kind, outcome, message, url, model, reply=_text_of(answer), **known)


def _dialect(reach: Reach) -> Dialect:
    name = next((one for one in reach.provider.dialects if one in ALL), None)
    if name is None:
        spoken = ", ".join(reach.provider.dialects) or "none is set"
        raise BadRequest(f"{reach.provider.slug} speaks no dialect that can be written here ({spoken})")
    return ALL[name]


async def _first_model(reach: Reach) -> str:
    models = await reach.models() if reach.lists_models else []
    if not models:
        raise BadRequest(f"{reach.provider.slug} lists no models; name one", field="model")
    return models[0].id


def _prompt(kind: Kind, model: str) -> Prompt:
    parts: list[AnyPart] = [Text(text=_QUESTIONS[kind])]
    if kind == "image":
        parts.insert(0, Media(kind="image", mime="image/png", data=_RED_SQUARE))
    return Prompt(
        model=model,
        messages=[Message(role="user", parts=parts)],
        tools=[_TOOL] if kind == "function" else [],
        settings=Settings(max_tokens=MAX_TOKENS),
    )


def _judge(kind: Kind, answer: Reply) -> tuple[str, str]:
    calls = [part for part in answer.message.parts if isinstance(part, ToolCall)]
    if answer.error is not None:
        return "failed", answer.error.message
    if kind == "function":
        if calls:
            return "ok", f"called {calls[0].name}({calls[0].arguments[:200]})"
        return "failed", "answered, but called no function"
    return "ok", "answered"


def _text_of(answer: Reply) -> str:
    said = [part.text for part in answer.message.parts if isinstance(part, Text)]
    said += [f"{part.name}({part.arguments})" for part in answer.message.parts if isinstance(part, ToolCall)]
    return "\n".join(said)


def _check(
    kind: Kind,
    outcome: Any,
    message: str,
    url: str,
    model: str,
    *,
    reply: str | None = None,
    status: int | None = None,
    took: int | None = None,
) -> ProviderCheck:
    return ProviderCheck(
        kind=kind,
        outcome=outcome,
        message=message,
        url=mask_url(url),
        status=status,
        latency_ns=took,
        models=None,
        model=model,
        reply=reply[:MOST_SIGNS] if reply is not None else None,
    )
