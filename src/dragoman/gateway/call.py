"""What one target of a route is asked: where, in which dialect, with which head and body.

Promise: a body that no route changes goes on as the very object that came; a renamed model and an edited system
prompt change their own bytes alone; only another dialect makes a body anew. What cannot be asked is `CannotCall`, with
the status that the client would get. Pure but for the clock of a signature; large bodies are better made in a thread.
The dialects load with the first call that needs them.
"""

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import msgspec

from dragoman.canonical import Loss, Prompt
from dragoman.dialects.detect import PROMPT_ENDPOINTS, model_in_path
from dragoman.dialects.seals import is_wrapped_in
from dragoman.gateway.heads import OutgoingRequest, request_head, signature_fault, signed
from dragoman.gateway.request import Prepared, Refusal, Request
from dragoman.gateway.routing import Plan, Way, may_name_model
from dragoman.gateway.translated_heads import translated_head
from dragoman.gateway.upstream import Upstream
from dragoman.records.route import Route, SystemEdits, Target, target_dialect
from dragoman.records.setup import Limits
from dragoman.wire.headers import Fields
from dragoman.wire.lenient import NOT_STRICT, load, mend_text

if TYPE_CHECKING:
    from dragoman.dialects.base import ReplyTarget

_IN_PATH = ("bedrock_invoke", "bedrock_converse", "gemini_generate")
"""Dialects whose model stands in the path."""
_MODEL_SEGMENT = re.compile(r"(/(?:model|deployments)/)[^/]+|(/(?:models|tunedModels)/)[^/:]+")
LEAST_UNFOLDED_BYTES = 16 * 1024 * 1024
_OPENAI_HOSTS = (b"api.openai.com", b".openai.azure.com", b".cognitiveservices.azure.com")


class CannotCall(Exception):
    """A target that this request cannot be sent to; `status` is what the client would be answered."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def unfolded_limit(limits: Limits) -> int:
    """Say how far a compressed body is unfolded: as far as one is recorded, unless next to nothing is."""
    return min(limits.body, max(limits.capture, LEAST_UNFOLDED_BYTES))


class _Asked(msgspec.Struct):
    model: object = None


_decode_asked = msgspec.json.Decoder(_Asked).decode


class Question:
    """What a client asks, read as far as somebody wants to know it; a compressed body is unfolded once."""

    def __init__(self, request: Request, body: bytes, limit_bytes: int) -> None:
        self.request = request
        self.body = body
        """As it came, transfer coding removed."""
        self.is_json = may_name_model(request.head, request.way.path)
        """Whether the body may be JSON that names a model."""
        self._limit_bytes = limit_bytes
        self._plain: bytes | None = None
        self._fault: Refusal | None = None
        """Why it cannot be unfolded."""
        self._prompt: Prompt | None = None
        self.model = self._read_model()
        """The model's name; None when none is named."""

    @property
    def plain(self) -> bytes:
        """The body without its content coding. Raises CannotCall."""
        if self._fault is not None:
            raise CannotCall(*self._fault)
        if self._plain is None:
            coding = (self.request.head.get(b"content-encoding") or b"").decode("latin-1")
            try:
                self._plain = _decoded(self.body, coding, self._limit_bytes) if coding else self.body
            except CannotCall as error:
                self._fault = error.status, error.code, error.message
                raise
        return self._plain

    @property
    def unfolded_bytes(self) -> int:
        """How much is held of it beside the body that came."""
        return len(self._plain) if self._plain is not None and self._plain is not self.body else 0

    @property
    def too_long(self) -> Refusal | None:
        """Why its model stays unknown, where it unfolds to too much."""
        return self._fault if self.model is None and self._fault and self._fault[1] == "body_too_long" else None

    @property
    def readable(self) -> bytes | None:
        """The body without its content coding where it may be JSON and can be unfolded; such a one alone is edited."""
        if not self.is_json:
            return None
        try:
            return self.plain
        except CannotCall:
            return None

    @property
    def is_sealed(self) -> bool:
        """Whether it carries what other makers sealed, in our wrapper."""
        is_prompt = (self.request.way.dialect, self.request.way.endpoint) in PROMPT_ENDPOINTS
        return is_prompt and (plain := self.readable) is not None and is_wrapped_in(plain)

    @property
    def prompt(self) -> Prompt:
        """The body in the canonical form. Raises CannotCall."""
        if self._prompt is None:
            from dragoman.dialects.translate import read_prompt

            way = self.request.way
            try:
                path = f"{way.path}?{way.query.decode('latin-1')}" if way.query else way.path
                self._prompt = read_prompt(way.dialect or "", way.endpoint or "", path, self.plain)
            except ValueError as error:  # Unreadable with it
                raise CannotCall(400, "unreadable", f"the body cannot be read: {error}") from error
        return self._prompt

    def _read_model(self) -> str | None:
        if not self.is_json:
            return None
        way = self.request.way
        in_path = model_in_path(way.path)
        if in_path is not None and way.dialect in _IN_PATH:
            return unquote(in_path)
        try:
            model = _top_level_model(self.plain)
        except CannotCall:
            model = None
        return model if model is not None or in_path is None else unquote(in_path)


def _top_level_model(body: bytes) -> str | None:
    if not body:
        return None
    try:
        model = _decode_asked(body).model
    except NOT_STRICT:  # half an emoji in a message is no reason to miss the model
        try:
            value, _ = load(body)
        except ValueError:
            return None
        model = value.get("model") if isinstance(value, dict) else None
    if not isinstance(model, str):
        return None
    return model if model.isascii() else mend_text(model)


def _decoded(body: bytes, coding: str, limit_bytes: int) -> bytes:
    from dragoman.wire.encodings import codings, decode  # brotli and zstd: most never need them

    if not codings(coding):
        return body
    plain, problem, is_cut = decode(body, coding, limit_bytes)
    if problem is not None:
        raise CannotCall(400, "unreadable", f"the body cannot be read: {problem}")
    if is_cut:
        message = f"the body unfolds to more than {limit_bytes} bytes (limits.capture), too much to be read for a route"
        raise CannotCall(413, "body_too_long", f"{message}: send it without content-encoding, or raise the limit")
    return plain


class Call:
    """A request as one target gets it."""

    __slots__ = (
        "_hash", "_outgoing", "_prepared", "alterations", "asked", "body", "dialect", "is_rewritten", "losses",
        "method", "model", "prompt", "retold", "target", "upstream",
    )  # fmt: skip

    def __init__(self, upstream: Upstream, target: bytes, body: bytes) -> None:
        self.upstream = upstream
        self.target = target
        """Path and query."""
        self.body = body
        self.is_rewritten = False
        """True when the body is not the client's."""
        self.method = "POST"
        self.dialect: str | None = None
        """What is spoken, when it is not the client's dialect: the call is translated."""
        self.model: str | None = None
        """What the target is asked for, when the route names it."""
        self.asked = ""
        """The name that the client asked for."""
        self.prompt: Prompt | None = None
        """What the client asked, without the conversation, where the call is translated."""
        self.losses: list[Loss] = []
        self.alterations: list[str] = []
        """What the route did, in words."""
        self.retold: list[str] = []
        """What the provider's entry did to the headers, in words."""
        self._outgoing: OutgoingRequest | None = None
        self._prepared: Prepared | None = None
        self._hash: str | None = None

    def use(self, prepared: Prepared) -> None:
        """Take a head that many calls share."""
        self._prepared = prepared
        self.retold = prepared.alterations

    def use_own(self, outgoing: OutgoingRequest) -> None:
        """Take a head made for this call."""
        self._outgoing = outgoing
        self.retold = outgoing.alterations

    def hash_body(self) -> None:
        """Do the long part of signing beforehand."""
        from dragoman.wire.sigv4 import payload_hash

        self._hash = payload_hash(self.body)

    def head(self) -> tuple[bytes, Fields]:
        """Make the head as bytes, and its headers as they may be written down; signed anew each time where that is
        wanted."""
        digits = b"%d" % len(self.body)
        if self._prepared is not None and self.upstream.sign is None:
            return self._prepared.head_with(digits), self._prepared.sent_with(digits)
        outgoing = self._outgoing if self._prepared is None else self._prepared.outgoing_with(digits)
        assert outgoing is not None
        outgoing = signed(outgoing, self.upstream, self.method, self.target, self._hash or self.body)
        return b"\r\n".join(outgoing.lines) + b"\r\n\r\n", outgoing.written

    def reply_target(self, seed: str, created: int) -> "ReplyTarget":
        """Say for whom the reply is written."""
        from dragoman.dialects.base import ReplyTarget

        return ReplyTarget(model=self.asked, seed=seed, created=created, prompt=self.prompt or Prompt())


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


def _check_signature(question: Question, upstream: Upstream) -> None:
    if fault := signature_fault(question.request.head, upstream):
        raise CannotCall(403, "signed_for_dragoman", fault)


def needs_work(plan: Plan, question: Question, route: Route, target: Target) -> bool:
    """Say whether making this call reads the whole body."""
    upstream = plan.provider(target.provider)
    dialect = target_dialect(target, upstream.dialects, question.request.way.dialect) if upstream else None
    changes = (
        _has_edits(route.system) or target.model is not None or question.is_sealed or "@" in (question.model or "")
    )
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


def _untranslated(question: Question, upstream: Upstream, route: Route, target: Target) -> Call:
    request, way = question.request, question.request.way
    path, body, done = way.path, question.body, list[str]()
    if question.is_json:
        if _has_edits(route.system) and (way.dialect, way.endpoint) in PROMPT_ENDPOINTS:
            body = _with_edits(question, route.system)
            done += ["system edited"] if body is not question.plain else []
        if question.is_sealed:
            given = body if done else question.plain
            body = _without_foreign_seals(question, given)
            done += ["reasoning that others sealed: left out"] if body != given else []
        if target.model is not None and target.model != question.model:
            path, body = _renamed(question, body if done else question.plain, target.model)
            done.append(f"model: {question.model or 'none'} -> {target.model}")
    model = target.model or question.model or ""
    plain = body if done else question.readable
    if plain is not None and (pinned := _pinned(upstream, plain, model)) is not None:
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


def _without_foreign_seals(question: Question, body: bytes) -> bytes:
    """Take out what other makers' models thought: an earlier turn was answered by one, and this one would refuse it."""
    from dragoman.dialects.translate import without_foreign_seals

    try:
        return without_foreign_seals(question.request.way.dialect or "", body)
    except ValueError as error:  # Unreadable with it
        raise CannotCall(400, "unreadable", f"the body cannot be read: {error}") from error


def _place(upstream: Upstream, way: Way, path: str, model: str) -> bytes:
    """Say what to ask a provider of the client's own dialect for; Azure has the model in the path."""
    if upstream.is_azure and model:
        query = way.query.decode("latin-1")
        return upstream.translated_target(f"{path}?{query}" if query else path, model)
    return upstream.join(path.encode("latin-1"), way.query)


def _pinned(upstream: Upstream, body: bytes, model: str) -> bytes | None:
    """Write a pin that stands in the model's name the way the broker reads it; None where there is none."""
    if "@" not in model:
        return None
    from dragoman.dialects.pins import pin
    from dragoman.wire.splice import splice

    try:
        asked = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    pinned = pin(asked, upstream.address.host) if isinstance(asked, dict) else asked
    return None if pinned is asked else splice(body, pinned)


def _renamed(question: Question, body: bytes, model: str) -> tuple[str, bytes]:
    """Put another model's name into path and body, wherever the client named one; into the body where it named none."""
    from dragoman.wire.splice import rename

    way = question.request.way
    path = way.path
    if model_in_path(path) is not None:
        path = _MODEL_SEGMENT.sub(lambda found: (found[1] or found[2]) + quote(model, safe=""), path, count=1)
        if way.dialect in _IN_PATH or _top_level_model(body) is None:
            return path, body
    try:
        return path, rename(body, "model", model)
    except ValueError as error:
        raise CannotCall(400, "unreadable", f"the body cannot be read: {error}") from error


def _has_edits(edits: SystemEdits) -> bool:
    return bool(edits.replace or edits.append or edits.progress)


def _edited(prompt: Prompt, edits: SystemEdits) -> Prompt:
    from dragoman.dialects.system_edits import edit_system

    replace = [(one.old, one.new) for one in edits.replace]
    return edit_system(prompt, replace=replace, append=edits.append, progress=edits.progress)


def _with_edits(question: Question, edits: SystemEdits) -> bytes:
    """Edit the system prompt in the client's own dialect, every other byte as it came."""
    prompt = question.prompt
    edited = _edited(prompt, edits)
    if edited is prompt:
        return question.plain
    from dragoman.dialects import ALL
    from dragoman.dialects.base import RequestTarget, Untranslatable
    from dragoman.wire.splice import splice

    try:
        rendered = ALL[question.request.way.dialect or ""].render_request(
            edited, RequestTarget(is_streamed=prompt.is_streamed)
        )
    except Untranslatable as error:
        raise CannotCall(400, "untranslatable", str(error)) from error
    return splice(question.plain, msgspec.json.decode(rendered.body))


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
    prompt = _edited(question.prompt, route.system) if _has_edits(route.system) else question.prompt
    model = target.model or question.model or ""
    to = RequestTarget(model=model, is_streamed=prompt.is_streamed, is_openai=_is_openais(upstream))
    try:
        made = translate_request(source, dialect, _with_betas(question, prompt, dialect), to)
    except Untranslatable as error:
        raise CannotCall(400, "untranslatable", str(error)) from error
    pinned = _pinned(upstream, made.body, model)
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


def _without(outgoing: OutgoingRequest, name: bytes) -> OutgoingRequest:
    begins = name + b":"
    return OutgoingRequest(
        [line for line in outgoing.lines if not line.lower().startswith(begins)],
        [field for field in outgoing.written if field[0].lower() != name],
        [*outgoing.alterations, f"header removed: {name.decode()}"],
    )
