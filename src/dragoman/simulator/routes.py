"""From a request to an answer: which dialect is spoken, what the plan is, and how the dialect writes it.

Headers that steer, beside the model's name: `x-simulate: sim-…` (act as that model under any name),
`x-simulate-delay-ms: N` (wait before each piece), `x-simulate-encoding: gzip` (compress the body),
`x-simulate-key: WORD` (what a flaky model counts by), `x-simulate-retry-after: TEXT` (in an error's head).
"""

import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

from dragoman.simulator import (
    anthropic_messages,
    bedrock,
    bedrock_converse,
    listings,
    ollama,
    openai_chat,
    openai_responses,
)
from dragoman.simulator.answer import Answer, Unfit, as_json, as_object
from dragoman.simulator.ask import Ask, seed_of
from dragoman.simulator.plan import Plan, UnknownModel, plan

_STREAMS = {
    ollama: "application/x-ndjson",
    bedrock: "application/vnd.amazon.eventstream",
    bedrock_converse: "application/vnd.amazon.eventstream",
}
_BEDROCK_ACTS = {
    "invoke": (bedrock, False),
    "invoke-with-response-stream": (bedrock, True),
    "converse": (bedrock_converse, False),
    "converse-stream": (bedrock_converse, True),
}
"""What is asked for in the path, and whether the reply is a stream."""
_DEPLOYMENT = re.compile(r"/deployments/([^/]+)(/.+)")
_ERROR = 400
_BROKEN = "Overloaded: simulated in mid-stream"
_Handler = Callable[["Upstream", dict[str, Any], "Request"], Answer]


class Request:
    """One request, whole."""

    __slots__ = ("body", "headers", "method", "path", "target")

    def __init__(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> None:
        self.method = method
        self.target = target
        """As it came."""
        self.path = unquote(urlsplit(target).path)
        self.headers = headers
        """Names in small letters."""
        self.body = body


class Upstream:
    """Answers requests. Its memory: which Ollama models are loaded, what it answered, how often a flaky one failed."""

    def __init__(self) -> None:
        self._failed: Counter[str] = Counter()
        self.loaded: list[str] = []
        self.answered: Counter[tuple[str, int]] = Counter()
        """By path and status."""

    def answer(self, request: Request) -> Answer:
        """Give the answer to one request; never raises."""
        path, dialect = request.path, _dialect_of(request)
        try:
            made = self._find(_without_azures_path(request))
        except Unfit as error:
            made = _fault(dialect, 400, str(error))
        except UnknownModel as error:
            made = _fault(dialect, 404, str(error))
        if made is None:
            made = _fault(dialect, 404, f"{request.method} {path} is not simulated")
        self.answered[path, made.status] += 1
        if made.status >= _ERROR and (wait := request.headers.get("x-simulate-retry-after")):
            made.headers = [one for one in made.headers if one[0] != "retry-after"] + [("retry-after", wait)]
        if request.headers.get("x-simulate-encoding") == "gzip":
            made.headers.append(("content-encoding", "gzip"))
            made.pieces = _gzip(made.pieces)
        return made

    def _find(self, request: Request) -> Answer | None:
        path = request.path.removeprefix("/v1") or "/"
        if request.method in ("GET", "HEAD"):
            return self._get(path, request)
        if request.method == "DELETE" and path == "/api/delete":
            return Answer(200)
        named = bedrock.model_and_act(urlsplit(request.target).path)
        if named is not None and request.method == "POST":
            return self._bedrock(*named, request)
        handler = _POSTS.get(path) if request.method == "POST" else None
        if handler is None:
            return None
        return handler(self, _body_of(request), request)

    def _get(self, path: str, request: Request) -> Answer | None:
        is_anthropic = "anthropic-version" in request.headers
        match path:
            case "/":
                return Answer(200, [("content-type", "text/plain; charset=utf-8")], [b"Ollama is running"])
            case "/models":
                return listings.anthropic_models() if is_anthropic else listings.openai_models()
            case "/api/tags":
                return listings.ollama_tags()
            case "/api/ps":
                return listings.ollama_loaded(self.loaded)
            case "/api/version":
                return as_json({"version": "0.12.10"})
            case "/responses" if "upgrade" in request.headers:
                return _fault(openai_responses, 426, "WebSocket is not spoken here; send POST")
            case _:
                pass
        name = path.removeprefix("/models/")
        if name == path:
            return None
        found = listings.anthropic_model(name) if is_anthropic else listings.openai_model(name)
        return found or _fault(_dialect_of(request), 404, f"The model `{name}` does not exist")

    def _bedrock(self, model: str, act: str, request: Request) -> Answer | None:
        fault = bedrock.signature_fault(request.method, request.target, request.headers, request.body)
        if fault is not None:
            return as_json({"message": fault[1]}, 403, [("x-amzn-errortype", fault[0])])
        seed = seed_of(request.target.encode() + request.body)
        if act == "count-tokens":
            return as_json(bedrock.count(_body_of(request), seed))
        found = _BEDROCK_ACTS.get(act)
        if found is None:
            return None
        dialect, is_streamed = found
        return self._converse(dialect, dialect.read(_body_of(request), seed, model, is_streamed=is_streamed), request)

    def _ollama(self, ask: Ask, request: Request) -> Answer:
        if ollama.is_unload(ask.body):
            self.loaded = [one for one in self.loaded if one != ask.model]
        elif ask.model not in self.loaded:
            self.loaded.append(ask.model)
        if ollama.is_load(ask):
            return as_json(ollama.loaded(ask))
        return self._converse(ollama, ask, request)

    def _converse(self, dialect: ModuleType, ask: Ask, request: Request) -> Answer:
        made = plan(ask, request.headers.get("x-simulate"))
        if made.failures and not self._fails(ask, made, request):
            made.error, made.is_dropped = None, False
        if made.is_dropped:
            return Answer(is_dropped=True)
        return _reply(dialect, ask, made, request)

    def _fails(self, ask: Ask, made: Plan, request: Request) -> bool:
        """Count a try of a flaky model: it fails some times, works once, and begins anew."""
        key = request.headers.get("x-simulate-key") or f"{request.path}\0{ask.model}\0{ask.last_text}"
        self._failed[key] += 1
        if self._failed[key] <= made.failures:
            return True
        del self._failed[key]
        return False


def _body_of(request: Request) -> dict[str, Any]:
    try:
        return as_object(json.loads(request.body or b"{}"), "body")
    except (ValueError, RecursionError) as error:
        raise Unfit(f"the body is no JSON: {error}") from error


def _reply(dialect: ModuleType, ask: Ask, made: Plan, request: Request) -> Answer:
    if made.error is not None:
        return _fault(dialect, *made.error)
    if made.never_answers:
        return Answer(never_comes=True)
    delay_s = _delay(request, made)
    if not ask.is_streamed:
        whole = as_json(dialect.whole(ask, made), headers=dialect.headers(made))
        whole.delay_s = delay_s
        if made.is_cut:
            body = next(iter(whole.pieces))
            whole.headers.append(("content-length", str(len(body))))
            whole.pieces, whole.is_cut = [body[: len(body) // 2]], True
        return whole
    pieces: Iterable[bytes] = dialect.stream(ask, made)
    if made.is_cut or made.breaks:
        first_half = list(pieces)
        last = len(first_half) // 2
        broken = dialect.broken(ask, made.breaks_with, _BROKEN)
        end = first_half[last][: len(first_half[last]) // 2] if made.is_cut else broken
        pieces = [*first_half[:last], end]
    kind = _STREAMS.get(dialect, "text/event-stream; charset=utf-8")
    headers = [("content-type", kind), ("cache-control", "no-cache"), *dialect.headers(made)]
    return Answer(200, headers, pieces, is_streamed=True, delay_s=delay_s, is_cut=made.is_cut)


def _delay(request: Request, made: Plan) -> float:
    text = request.headers.get("x-simulate-delay-ms", "")
    return int(text) / 1000 if text.isdecimal() else made.delay_s


def _fault(dialect: ModuleType, status: int, message: str) -> Answer:
    if dialect in (bedrock, bedrock_converse):
        return as_json(bedrock.error(status, message), bedrock.error_status(status), bedrock.error_headers(status))
    return as_json(dialect.error(status, message), status, dialect.error_headers(status))


def _without_azures_path(request: Request) -> Request:
    """Read Azure's form of a path as OpenAI's own. A deployment there is the model, whatever the body says."""
    if not request.path.startswith("/openai/"):
        return request
    path, body = request.path.removeprefix("/openai"), request.body
    if deployment := _DEPLOYMENT.fullmatch(path):
        path = deployment[2]
        body = json.dumps({**_body_of(request), "model": deployment[1]}).encode() if body else body
    return Request(request.method, "/v1" + path.removeprefix("/v1"), request.headers, body)


def _dialect_of(request: Request) -> ModuleType:
    if request.path.startswith("/model/"):
        return bedrock
    if request.path.endswith("/responses"):
        return openai_responses
    if "anthropic-version" in request.headers or request.path.endswith(("/messages", "/messages/count_tokens")):
        return anthropic_messages
    return ollama if request.path.startswith("/api/") else openai_chat


def _gzip(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=31)
    for piece in pieces:
        yield packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH)
    yield packer.flush()


def _talk(dialect: ModuleType) -> _Handler:
    def handle(self: Upstream, body: dict[str, Any], request: Request) -> Answer:
        return self._converse(dialect, dialect.read(body, seed_of(request.body)), request)

    return handle


_POSTS: dict[str, _Handler] = {
    "/chat/completions": _talk(openai_chat),
    "/responses": _talk(openai_responses),
    "/responses/input_tokens": lambda _, body, request: as_json(
        openai_responses.count(openai_responses.read(body, seed_of(request.body)))
    ),
    "/messages": _talk(anthropic_messages),
    "/messages/count_tokens": lambda _, body, request: as_json(
        anthropic_messages.count(anthropic_messages.read(body, seed_of(request.body), is_counting=True))
    ),
    "/embeddings": lambda _, body, __: listings.openai_embeddings(body),
    "/api/chat": lambda self, body, request: self._ollama(ollama.read_chat(body, seed_of(request.body)), request),
    "/api/generate": lambda self, body, request: self._ollama(
        ollama.read_generate(body, seed_of(request.body)), request
    ),
    "/api/show": lambda _, body, __: listings.ollama_show(body),
    "/api/embed": lambda _, body, __: listings.ollama_embed(body),
    "/api/embeddings": lambda _, body, __: listings.ollama_embeddings(body),
}
