"""Which call a target of a route gets: the client's own dialect, rewritten where the route says so, or another one.

Promise: a body that no route changes goes on as the very object that came; a renamed model and an edited system
prompt change their own bytes alone (see `rewriting`); only another dialect makes a body anew. What cannot be asked is
`CannotCall`, with the status that the client would get. Pure; large bodies are better made in a thread. The dialects
load with the first call that needs them.
"""

import msgspec

from dragoman.canonical import Prompt
from dragoman.dialects.detect import PROMPT_ENDPOINTS
from dragoman.gateway.call import Call, CannotCall
from dragoman.gateway.heads import OutgoingRequest, request_head, signature_fault
from dragoman.gateway.prepared import Prepared
from dragoman.gateway.question import Question
from dragoman.gateway.rewriting import edit, has_edits, with_edits, with_model, with_pin, without_foreign_seals
from dragoman.gateway.routing import Plan, Way
from dragoman.gateway.translated_heads import translated_head
from dragoman.gateway.upstream import Upstream
from dragoman.records.route import Route, Target, target_dialect

_OPENAI_HOSTS = (b"api.openai.com", b".openai.azure.com", b".cognitiveservices.azure.com")


def plain_call(question: Question, upstream: Upstream, target: bytes) -> Call:
    """Make the call of a request that no route takes: as it came."""
    if upstream.fault is not None:
        raise CannotCall(401, "no_credential", upstream.fault)
    _check_signature(question, upstream)
    call = Call(upstream, target, question.body)
    call.method = question.request.head.method
    call.use(question.request.prepared_for(upstream, target))
    return call


def make_call(plan: Plan, question: Question, route: Route, target: Target) -> Call:
    """Make the call to one target of a route. Raises CannotCall."""
    way = question.request.way
    upstream = plan.target_of(route, target.provider)
    if upstream is None:
        message = f"route {route.name} names the provider {target.provider}, which does not exist"
        raise CannotCall(503, "no_provider", message)
    if upstream.fault is not None:
        raise CannotCall(401, "no_credential", upstream.fault)
    dialect = target_dialect(target, upstream.dialects, way.dialect)
    if dialect == way.dialect:
        _check_signature(question, upstream)
        return _untranslated(question, upstream, route, target)
    assert dialect is not None
    return _translated(question, upstream, route, target, dialect)


def needs_work(plan: Plan, question: Question, route: Route, target: Target) -> bool:
    """Say whether making this call reads the whole body."""
    upstream = plan.provider(target.provider)
    dialect = target_dialect(target, upstream.dialects, question.request.way.dialect) if upstream else None
    changes = has_edits(route.system) or target.model is not None or question.is_sealed or "@" in (question.model or "")
    return changes or dialect != question.request.way.dialect


def is_count(way: Way) -> bool:
    """Say whether tokens are to be counted, and the prompt can be read for it."""
    return way.endpoint == "count_tokens" and (way.dialect, way.endpoint) in PROMPT_ENDPOINTS


def is_translated(plan: Plan, way: Way, route: Route) -> bool:
    """Say whether all targets of a route that can be asked speak another dialect than the client."""
    known = [(one, found) for one in route.targets if (found := plan.provider(one.provider)) is not None]
    return all(target_dialect(one, found.dialects, way.dialect) != way.dialect for one, found in known)


def is_renamed(call: Call, way: Way) -> bool:
    """Say whether the reply will name another model than the client asked for, and the client would mind."""
    is_message = (way.dialect, way.endpoint) == ("anthropic_messages", "messages")
    return is_message and call.dialect is None and call.model is not None and call.asked not in ("", call.model)


def _check_signature(question: Question, upstream: Upstream) -> None:
    if fault := signature_fault(question.request.head, upstream):
        raise CannotCall(403, "signed_for_dragoman", fault)


def _untranslated(question: Question, upstream: Upstream, route: Route, target: Target) -> Call:
    request, way = question.request, question.request.way
    path, body, done = way.path, question.body, list[str]()
    if question.is_json:
        if has_edits(route.system) and (way.dialect, way.endpoint) in PROMPT_ENDPOINTS:
            body = with_edits(question, route.system)
            done += ["system edited"] if body is not question.plain else []
        if question.is_sealed:
            given = body if done else question.plain
            body = without_foreign_seals(question, given)
            done += ["reasoning that others sealed: left out"] if body != given else []
        if target.model is not None and target.model != question.model:
            path, body = with_model(question, body if done else question.plain, target.model)
            done.append(f"model: {question.model or 'none'} -> {target.model}")
    model = target.model or question.model or ""
    plain = body if done else question.readable
    if plain is not None and (pinned := with_pin(upstream, plain, model)) is not None:
        body = pinned
        done.append(f"pinned: {model}")
    call = Call(upstream, _place(upstream, way, path, model), body if done else question.body)
    call.method = request.head.method
    call.model = target.model
    call.asked = question.model or ""
    call.alterations = done
    if done and request.head.has(b"content-encoding"):
        outgoing = request_head(request.head, way._replace(target=call.target), upstream, upgrades=False)
        call.use(Prepared(_without(outgoing, b"content-encoding")))
    else:
        call.use(request.prepared_for(upstream, call.target))
    return call


def _place(upstream: Upstream, way: Way, path: str, model: str) -> bytes:
    """Say what to ask a provider of the client's own dialect for; Azure has the model in the path."""
    if upstream.is_azure and model:
        query = way.query.decode("latin-1")
        return upstream.translated_target(f"{path}?{query}" if query else path, model)
    return upstream.join(path.encode("latin-1"), way.query)


def _without(outgoing: OutgoingRequest, name: bytes) -> OutgoingRequest:
    begins = name + b":"
    return OutgoingRequest(
        [line for line in outgoing.lines if not line.lower().startswith(begins)],
        [field for field in outgoing.written if field[0].lower() != name],
        [*outgoing.alterations, f"header removed: {name.decode()}"],
    )


def _translated(question: Question, upstream: Upstream, route: Route, target: Target, dialect: str) -> Call:
    from dragoman.dialects.base import RequestTarget, Untranslatable
    from dragoman.dialects.translate import can_translate, translate_request

    way = question.request.way
    source = way.dialect or ""
    method = question.request.head.method
    if method != "POST" or not can_translate(source, way.endpoint, dialect):
        what = f"{source} {way.endpoint}" if way.endpoint and method == "POST" else f"{method} {way.path}"
        message = f"route {route.name} leads to {upstream.slug}, asked in {dialect}: {what} cannot be put into that"
        raise CannotCall(404 if way.endpoint is None or method != "POST" else 400, "untranslatable", message)
    prompt = edit(question.prompt, route.system) if has_edits(route.system) else question.prompt
    model = target.model or question.model or ""
    to = RequestTarget(model=model, is_streamed=prompt.is_streamed, is_openai=_is_openais(upstream))
    try:
        made = translate_request(source, dialect, _with_betas(question, prompt, dialect), to)
    except Untranslatable as error:
        raise CannotCall(400, "untranslatable", str(error)) from error
    pinned = with_pin(upstream, made.body, model)
    call = Call(upstream, upstream.translated_target(made.path, model), made.body if pinned is None else pinned)
    call.dialect = dialect
    call.model = target.model
    call.asked = question.model or ""
    call.prompt = _without_talk(question.prompt)
    call.losses = made.losses
    call.alterations = [f"translated: {source} -> {dialect}"]
    if target.model is not None and target.model != question.model:
        call.alterations.append(f"model: {question.model or 'none'} -> {target.model}")
    if pinned is not None:
        call.alterations.append(f"pinned: {model}")
    if prompt is not question.prompt:
        call.alterations.append("system edited")
    call.use_own(translated_head(question.request.head, call.target, upstream, dialect, made.headers, len(call.body)))
    return call


def _with_betas(question: Question, prompt: Prompt, dialect: str) -> Prompt:
    """Take Anthropic's beta flags along to Bedrock, which has them in the body."""
    header = question.request.head.get(b"anthropic-beta")
    if dialect != "bedrock_invoke" or header is None:
        return prompt
    from dragoman.dialects.bedrock_invoke.betas import with_betas

    return with_betas(prompt, header.decode("latin-1"))


def _without_talk(prompt: Prompt) -> Prompt:
    """Keep of a prompt what a reply may repeat: tools, settings and instructions; it is held for as long as it runs."""
    kept = [one for one in prompt.messages if one.role in ("system", "developer")]
    return msgspec.structs.replace(prompt, messages=kept)


def _is_openais(upstream: Upstream) -> bool:
    return upstream.host_header.partition(b":")[0].endswith(_OPENAI_HOSTS)
