"""Say what would become of a request: which route takes it, why, and what its first target would be sent.

Asks the same table of routes, the same description of providers and the same translation as the gateway, and sends
nothing. Works on a Setup alone, so that the command line answers from the files too. Credentials are masked.
"""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast
from urllib.parse import quote

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
from dragoman.dialects import ALL, detect, translate
from dragoman.dialects.base import RequestTarget, Unreadable, Untranslatable
from dragoman.dialects.detect import model_in_path
from dragoman.dialects.system_edits import edit_system
from dragoman.errors import BadRequest
from dragoman.gateway.upstream import Upstream, provider_upstream
from dragoman.records.control import Breaker
from dragoman.records.names import DialectName
from dragoman.records.redaction import mask_header, mask_url
from dragoman.records.route import Route, RouteTable, Target, target_dialect
from dragoman.records.setup import Provider, Setup
from dragoman.wire import splice

_EXAMPLE = "Say in one sentence what a dragoman was."
_BY_HEADER = {"anthropic_messages": "anthropic-version"}
"""Dialects whose shared paths are known by a header."""


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
    endpoint: str
    prefix: str | None
    path: str
    """Without the prefix, with the query."""
    model: str | None
    body: bytes


def explain(place: Place, wanted: ExplainBody, breakers: Mapping[str, Breaker]) -> Explanation:
    """Raises BadRequest for what no client could send."""
    table = RouteTable(place.setup.routes)
    asked = _read(wanted, table)
    route = table.find(asked.prefix, asked.model)
    targets = [_target(place, asked, one, breakers) for one in route.targets] if route else []
    request, losses, problem = None, [], None
    if route is not None:
        request, losses, problem = _preview(place, asked, route)
    status: Literal["matched", "no_match", "missing_credential"] = "no_match"
    if targets:
        status = "missing_credential" if targets[0].key_state == "missing" else "matched"
    return Explanation(
        status=status,
        verdicts=table.explain(asked.prefix, asked.model),
        route=route.name if route else None,
        default_provider=_default_of(place.setup, asked) if route is None else None,
        dialect=asked.dialect,
        prefix=asked.prefix,
        model=asked.model,
        path=(asked.prefix or "") + asked.path,
        targets=targets,
        request=request,
        losses=losses,
        problem=problem,
        snippet=_snippet(place.base_url, asked),
    )


def key_of(setup: Setup, slug: str, data_dir: Path) -> Key | None:
    """Say whose credential a provider is sent; None when there is no such provider."""
    provider = _provider(setup, slug)
    return _key(provider, provider_upstream(provider, data_dir)) if provider else None


# What the client asks


def _read(wanted: ExplainBody, table: RouteTable) -> Asked:
    body = _body_of(wanted.body)
    prefix, path = _split(wanted, table)
    dialect, endpoint = wanted.dialect, None
    if path:
        bare, _, query = path.partition("?")
        header = _BY_HEADER.get(dialect or "")
        found, endpoint = detect("POST", bare, query, lambda name: header is not None and name == header.encode())
        dialect = dialect or cast(DialectName | None, found)
    dialect = dialect or _guess(body)
    model = wanted.model or _model_in(body) or (_model_of_path(path) if path else None)
    if dialect not in ALL:
        raise BadRequest(f"{dialect} is not understood yet; expected one of {', '.join(ALL)}", field="dialect")
    is_streamed = isinstance(body, dict) and body.get("stream") is True
    if not path:
        path = ALL[dialect].path(quote(model or "", safe=""), is_streamed=is_streamed)
        endpoint = detect("POST", path, "", lambda _: False)[1]
    if body is None:
        content = _example(dialect, model)
    elif wanted.model and isinstance(body, dict) and "model" in body:
        content = splice.rename(msgspec.json.encode(body), "model", wanted.model)
    else:
        content = msgspec.json.encode(body)
    return Asked(dialect, endpoint or "", prefix, path, model, content)


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


def _model_of_path(path: str) -> str | None:
    from urllib.parse import unquote

    found = model_in_path(path.partition("?")[0])
    return unquote(found) if found else None


def _example(dialect: str, model: str | None) -> bytes:
    prompt = Prompt(model=model, messages=[Message(role="user", parts=[Text(text=_EXAMPLE)])])
    return ALL[dialect].render_request(prompt, RequestTarget(model=model or "", max_tokens=1024)).body


# Where it goes


def _target(place: Place, asked: Asked, target: Target, breakers: Mapping[str, Breaker]) -> ExplainedTarget:
    provider = _provider(place.setup, target.provider)
    if provider is None:  # an edited route whose provider has gone is switched off, so this is a race
        raise BadRequest(f"there is no provider {target.provider!r} any more")
    upstream = provider_upstream(provider, place.data_dir)
    key = _key(provider, upstream)
    dialect = _dialect(target, provider, asked)
    model = target.model or asked.model
    path = _path(asked, dialect, model)
    return ExplainedTarget(
        provider=provider.slug,
        dialect=dialect,
        model=model,
        url=_url(upstream, path, model),
        is_translated=dialect != asked.dialect,
        key_source=key.source,
        key_state=key.state,
        problem=upstream.fault,
        breaker=breaker_view(breakers.get(provider.slug)),
    )


def _dialect(target: Target, provider: Provider, asked: Asked) -> DialectName:
    return cast(DialectName, target_dialect(target, provider.dialects, asked.dialect))


def _path(asked: Asked, dialect: DialectName, model: str | None) -> str:
    if dialect == asked.dialect and (model == asked.model or not _model_of_path(asked.path)):
        return asked.path
    if dialect not in ALL:
        return ""
    return ALL[dialect].path(quote(model or "", safe=""), is_streamed=_is_streamed(asked))


def _is_streamed(asked: Asked) -> bool:
    try:
        return translate.read_prompt(asked.dialect, asked.endpoint, asked.path, asked.body).is_streamed
    except Unreadable:
        return False


def _url(upstream: Upstream, path: str, model: str | None) -> str:
    return mask_url(upstream.url_start + upstream.translated_target(path, model or "").decode("latin-1"))


def _provider(setup: Setup, slug: str) -> Provider | None:
    return next((one for one in setup.providers if one.slug == slug), None)


def _key(provider: Provider, upstream: Upstream) -> Key:
    if provider.auth is None:
        return Key("client", "client")
    return Key(key_source(provider), "missing" if upstream.fault else "configured")


def _default_of(setup: Setup, asked: Asked) -> str | None:
    """Say who gets a request that no route takes, as the gateway would."""
    if asked.prefix is not None:
        word = asked.prefix[1:]
        return word if _provider(setup, word) else None
    for attribute in ("default_for", "dialects"):
        for provider in setup.providers:
            if asked.dialect in getattr(provider, attribute):
                return provider.slug
    return None


# What it would be sent


def _preview(
    place: Place, asked: Asked, route: Route
) -> tuple[ExplainedRequest | None, list[ExplainedLoss], str | None]:
    """Make what the first target would be sent; what keeps it from being made is the third value."""
    target = route.targets[0]
    provider = _provider(place.setup, target.provider)
    if provider is None:
        return None, [], f"there is no provider {target.provider!r} any more"
    upstream = provider_upstream(provider, place.data_dir)
    dialect = _dialect(target, provider, asked)
    model = target.model or asked.model
    try:
        made = _rewritten(asked, route, dialect, model)
    except (Unreadable, Untranslatable) as error:
        return None, [], str(error)
    headers = [("content-type", "application/json"), *made.headers, *_own_headers(upstream, provider)]
    changes = []
    if dialect != asked.dialect:
        changes.append(f"translated: {asked.dialect} -> {dialect}")
    if model != asked.model:
        changes.append(f"model: {asked.model or 'none'} -> {model}")
    if route.system != type(route.system)():
        changes.append("system edited")
    shown = ExplainedRequest(
        method="POST",
        url=_url(upstream, made.path, model),
        headers=[(name, mask_header(name, value)) for name, value in headers],
        body=made.body.decode("utf-8", "replace"),
        changes=changes,
    )
    return shown, [ExplainedLoss(path=one.path, reason=one.reason) for one in made.losses], None


def _rewritten(asked: Asked, route: Route, dialect: DialectName, model: str | None) -> translate.Request:
    """Do what the gateway would do to the body. Raises Unreadable, Untranslatable."""
    edits = route.system
    has_edits = bool(edits.replace or edits.append or edits.progress)
    path = _path(asked, dialect, model)
    if dialect == asked.dialect and not has_edits:
        body = asked.body
        if model and model != asked.model and not _model_of_path(asked.path):
            body = splice.rename(body, "model", model)
        return translate.Request(body=body, path=path)
    prompt = translate.read_prompt(asked.dialect, asked.endpoint, asked.path, asked.body)
    if has_edits:
        pairs = [(one.old, one.new) for one in edits.replace]
        prompt = edit_system(prompt, replace=pairs, append=edits.append, progress=edits.progress)
    to = RequestTarget(model=model or "", is_streamed=prompt.is_streamed)
    if dialect != asked.dialect:
        if not translate.can_translate(asked.dialect, asked.endpoint, dialect):
            message = f"{asked.dialect} ({asked.endpoint or asked.path}) cannot be translated to {dialect}"
            raise Untranslatable(message)
        return translate.translate_request(asked.dialect, dialect, prompt, to)
    rendered = ALL[dialect].render_request(prompt, to)
    return translate.Request(
        body=splice.splice(asked.body, msgspec.json.decode(rendered.body)), path=path, losses=rendered.losses
    )


def _own_headers(upstream: Upstream, provider: Provider) -> list[tuple[str, str]]:
    """Give what the provider's entry adds: its headers, and the credential or whose it is."""
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in upstream.headers]
    if upstream.credential is not None:
        name, value = upstream.credential
        headers.append((name.decode("latin-1"), value.decode("latin-1")))
    return headers


# How to try it


def _snippet(base_url: str, asked: Asked) -> str:
    words = ["curl", base_url + (asked.prefix or "") + asked.path, "-H", "content-type: application/json"]
    if header := _BY_HEADER.get(asked.dialect):
        words += ["-H", f"{header}: 2023-06-01"]
    try:
        text = json.dumps(json.loads(asked.body), ensure_ascii=False, indent=1)
    except ValueError:
        text = asked.body.decode("utf-8", "replace")
    return f"{shlex.join(words)} \\\n  -d {shlex.quote(text)}"
