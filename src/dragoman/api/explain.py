"""Say what would become of a request: which route takes it, why, and what its targets would be sent.

The gateway's own code reads the request, finds the way and makes the calls; nothing is sent. Works on a Setup alone,
so that the command line answers from the files too. Credentials are masked, and a key that is missing keeps nobody
from seeing the rest.
"""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import msgspec

from dragoman.api.route_schemas import (
    ExplainBody,
    ExplainedLoss,
    ExplainedRequest,
    ExplainedTarget,
    Explanation,
    KeyState,
)
from dragoman.api.shapes import breaker_view, key_source
from dragoman.canonical import Message, Prompt, Text
from dragoman.dialects import ALL, detect
from dragoman.dialects.base import RequestTarget
from dragoman.errors import BadRequest
from dragoman.gateway.call import Call, CannotCall
from dragoman.gateway.calling import make_call
from dragoman.gateway.question import Question
from dragoman.gateway.recorder import MaskedFieldBook
from dragoman.gateway.request import RequestBook
from dragoman.gateway.routing import Plan
from dragoman.gateway.upstream import Upstream, provider_upstream
from dragoman.records.control import Breaker
from dragoman.records.names import DialectName
from dragoman.records.redaction import mask_url
from dragoman.records.route import Route, RouteTable, Target, target_dialect
from dragoman.records.setup import Provider, Setup
from dragoman.wire import splice
from dragoman.wire.http1 import BadMessage

_EXAMPLE = "Say in one sentence what a dragoman was."
_MODEL_IN_PATH = frozenset({"bedrock_invoke", "bedrock_converse", "gemini_generate"})
_BY_HEADER = {"anthropic_messages": ("anthropic-version", "2023-06-01")}
"""Dialects that clients name in a header."""


@dataclass(frozen=True, slots=True)
class Place:
    """A Dragoman, or what the files say of one that does not run."""

    setup: Setup
    data_dir: Path
    base_url: str


class Key(NamedTuple):
    """Whose credential a provider is sent."""

    source: str
    state: KeyState


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client would send."""

    dialect: DialectName
    prefix: str | None
    path: str
    """Without the prefix, with the query."""
    body: bytes


class _Made(NamedTuple):
    """What became of one target."""

    shown: ExplainedTarget
    call: Call | None


def explain(place: Place, wanted: ExplainBody, breakers: Mapping[str, Breaker]) -> Explanation:
    """Raises BadRequest for what no client could send."""
    plan = Plan(place.setup, place.data_dir)
    asked = _read(wanted, plan.routes)
    question = _question(plan, asked)
    way = question.request.way
    is_asked = way.kind == "routed" and way.asks_routes
    route = plan.routes.find(asked.prefix, question.model) if is_asked else None
    made = [_target(place, plan, question, route, one, breakers) for one in route.targets] if route else []
    status: Literal["matched", "no_match", "missing_credential"] = "no_match"
    if made:
        status = "missing_credential" if made[0].shown.key_state == "missing" else "matched"
    call = made[0].call if made else None
    return Explanation(
        status=status,
        verdicts=plan.routes.explain(_came_under(place.setup, asked), question.model),
        route=route.name if route else None,
        default_provider=way.upstream.slug if route is None and way.upstream is not None else None,
        dialect=cast(DialectName, way.dialect or asked.dialect),
        prefix=asked.prefix,
        model=question.model,
        path=(asked.prefix or "") + asked.path,
        targets=[one.shown for one in made],
        request=_shown(call) if call else None,
        losses=[ExplainedLoss(path=one.path, reason=one.reason) for one in call.losses] if call else [],
        problem=made[0].shown.problem if made else way.message or None,
        snippet=_snippet(place.base_url, asked),
    )


def key_of(setup: Setup, slug: str, data_dir: Path) -> Key | None:
    """Say whose credential a provider is sent; None when there is no such provider."""
    provider = _provider(setup, slug)
    return _key(provider, provider_upstream(provider, data_dir).fault) if provider else None


# What the client asks


def _read(wanted: ExplainBody, table: RouteTable) -> Asked:
    body = _body_of(wanted.body)
    prefix, path = _split(wanted, table)
    dialect = wanted.dialect
    if path and dialect is None:
        bare, _, query = path.partition("?")
        dialect = cast(DialectName | None, detect("POST", bare, query, lambda _: False)[0])
    dialect = dialect or _guess(body)
    if dialect not in ALL:
        raise BadRequest(f"{dialect} is not understood yet; expected one of {', '.join(ALL)}", field="dialect")
    model = wanted.model or _model_in(body)
    if model is None and body is None and not path:
        raise BadRequest("expected a model's name, a path or a request's body", field="model")
    if not path:
        is_streamed = isinstance(body, dict) and body.get("stream") is True
        path = ALL[dialect].path(model or "", is_streamed=is_streamed)
    return Asked(dialect, prefix, path, _content(body, dialect, wanted.model))


def _content(body: Any, dialect: DialectName, model: str | None) -> bytes:
    """Give the body's bytes, under the model that was named beside it."""
    if body is None:
        prompt = Prompt(model=model, messages=[Message(role="user", parts=[Text(text=_EXAMPLE)])])
        return ALL[dialect].render_request(prompt, RequestTarget(model=model or "", max_tokens=1024)).body
    content = msgspec.json.encode(body)
    if not model or not isinstance(body, dict):
        return content
    if _model_in(body):
        return splice.rename(content, "model", model)
    if "model" in body or dialect in _MODEL_IN_PATH:
        return content
    return msgspec.json.encode({"model": model, **body})


def _question(plan: Plan, asked: Asked) -> Question:
    """Read the request as the gateway would."""
    lines = [f"POST {asked.prefix or ''}{asked.path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    if named := _BY_HEADER.get(asked.dialect):
        lines.append(": ".join(named))
    lines.append(f"Content-Length: {len(asked.body)}")
    raw = "\r\n".join([*lines, "", ""]).encode("utf-8", "replace")
    try:
        request, _ = RequestBook(plan, MaskedFieldBook()).read(raw)
    except BadMessage as error:
        raise BadRequest(f"no client could send this path: {error}", field="path") from error
    return Question(request, asked.body, plan.limits.body)


def _came_under(setup: Setup, asked: Asked) -> str | None:
    """Name the prefix for which routes are asked: of a path that begins with a provider's slug, there is none that
    a route has."""
    first = asked.path[1:].partition("/")[0]
    is_providers = asked.prefix is None and _provider(setup, first) is not None
    return f"/{first}" if is_providers else asked.prefix


def _body_of(body: Any) -> Any:
    """Take a body as JSON, or as the text of JSON, which is what people paste."""
    if not isinstance(body, str):
        return body
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise BadRequest(f"the body is no JSON: {error}", field="body") from error


def _split(wanted: ExplainBody, table: RouteTable) -> tuple[str | None, str]:
    """Give prefix and path apart, whichever way they were given."""
    path = wanted.path or ""
    if path and not path.startswith("/"):
        raise BadRequest(f"found {path[:80]!r}, expected a path such as /v1/messages", field="path")
    if path.startswith("/~"):
        path = "/" + path[2:].partition("/")[2]
    prefix = "/" + wanted.prefix.strip("/") if wanted.prefix and wanted.prefix.strip("/") else None
    first, _, rest = path[1:].partition("/")
    if first in table.prefixes and prefix in (None, f"/{first}"):
        return f"/{first}", f"/{rest}" if rest else ""
    return prefix, path


def _guess(body: Any) -> DialectName:
    """Tell a pasted body's dialect by the members that only one has."""
    if not isinstance(body, dict):
        return "openai_chat"
    if "contents" in body:
        return "gemini_generate"
    if "anthropic_version" in body:
        return "bedrock_invoke"
    if "input" in body and "messages" not in body:
        return "openai_responses"
    if "options" in body or "keep_alive" in body:
        return "ollama_chat"
    tools = body.get("tools")
    has_schema = isinstance(tools, list) and any(isinstance(one, dict) and "input_schema" in one for one in tools)
    if "system" in body or "stop_sequences" in body or has_schema:
        return "anthropic_messages"
    return "openai_chat"


def _model_in(body: Any) -> str | None:
    model = body.get("model") if isinstance(body, dict) else None
    return model if isinstance(model, str) and model else None


# Where it goes


def _target(
    place: Place, plan: Plan, question: Question, route: Route, target: Target, breakers: Mapping[str, Breaker]
) -> _Made:
    provider, upstream = _provider(place.setup, target.provider), plan.provider(target.provider)
    if provider is None or upstream is None:  # the route is switched off then; somebody was quicker
        raise BadRequest(f"there is no provider {target.provider!r} any more")
    problem = upstream.fault
    key = _key(provider, problem)
    upstream.fault = None  # this plan is ours alone
    call: Call | None = None
    try:
        call = make_call(plan, question, route, target)
    except CannotCall as error:
        problem = problem or error.message
    if plan.target_of(route, provider.slug) is not upstream:
        key = Key("none", "configured")  # the client's goes to an earlier target's host alone
    way = question.request.way
    dialect = target_dialect(target, provider.dialects, way.dialect)
    shown = ExplainedTarget(
        provider=provider.slug,
        dialect=cast(DialectName | None, dialect),
        model=target.model or question.model,
        url=_url(upstream, call.target) if call else mask_url(provider.base_url),
        is_translated=dialect != way.dialect,
        key_source=key.source,
        key_state=key.state,
        problem=problem,
        breaker=breaker_view(breakers.get(provider.slug)),
    )
    return _Made(shown, call)


def _shown(call: Call) -> ExplainedRequest:
    """Show what would be sent; the head is made as it may be written down."""
    _, fields = call.head()
    return ExplainedRequest(
        method=call.method,
        url=_url(call.upstream, call.target),
        headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields],
        body=call.body.decode("utf-8", "replace"),
        changes=[*call.alterations, *call.retold],
    )


def _url(upstream: Upstream, target: bytes) -> str:
    return mask_url(upstream.url_start + target.decode("latin-1"))


def _provider(setup: Setup, slug: str) -> Provider | None:
    return next((one for one in setup.providers if one.slug == slug), None)


def _key(provider: Provider, fault: str | None) -> Key:
    if provider.auth is None:
        return Key("client", "client")
    return Key(key_source(provider), "missing" if fault else "configured")


# How to try it


def _snippet(base_url: str, asked: Asked) -> str:
    words = ["curl", base_url + (asked.prefix or "") + asked.path, "-H", "content-type: application/json"]
    if named := _BY_HEADER.get(asked.dialect):
        words += ["-H", ": ".join(named)]
    try:
        text = json.dumps(json.loads(asked.body), ensure_ascii=False, indent=1)
    except ValueError:
        text = asked.body.decode("utf-8", "replace")
    return f"{shlex.join(words)} \\\n  -d {shlex.quote(text)}"
