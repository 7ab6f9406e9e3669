"""The list of models that a client of routes asks for, in its own dialect.

It names what its routes take by an exact name, then what the upstream lists of one route that takes many: the first
that renames nothing, else the first. Promise: each name that is listed leads to a route. When the
upstream does not answer, the routes' own names are the list.
"""

from typing import TYPE_CHECKING

from dragoman.canonical import Prompt
from dragoman.dialects import ALL
from dragoman.dialects.base import Unreadable
from dragoman.dialects.models import Model, read_models, write_models
from dragoman.dialects.translate import translate_error
from dragoman.gateway.call import Call, CannotCall
from dragoman.gateway.routing import Plan, Way
from dragoman.gateway.translated import TranslatedRelay
from dragoman.gateway.translated_answer import Answer
from dragoman.gateway.translated_heads import translated_head
from dragoman.gateway.upstream_side import UpstreamSide
from dragoman.records.route import Route, RouteTable, target_dialect
from dragoman.wire.http1 import RequestHead

if TYPE_CHECKING:
    from dragoman.gateway.routed import RoutedExchange

_PATHS = {
    "openai_chat": "/v1/models",
    "openai_responses": "/v1/models",
    "anthropic_messages": "/v1/models?limit=1000",
    "ollama_chat": "/api/tags",
    "gemini_generate": "/v1beta/models?pageSize=1000",
}
"""Where a dialect's providers list their models. Amazon lists Bedrock's under another host."""


class Listing:
    """One list that is asked for."""

    def __init__(self, plan: Plan, way: Way) -> None:
        self._routes: RouteTable = plan.routes
        self._way = way
        self.names = list(dict.fromkeys(one.model for one in self._own() if one.model and not one.model.endswith("*")))
        """What routes take by an exact name."""
        many = [one for one in self._own() if one.model is None or one.model.endswith("*")]
        self.source = min(many, key=lambda one: one.targets[0].model is not None, default=None)
        """The route whose upstream is asked, too."""
        self.is_plain = self._is_plain(plan)
        """True when the upstream's own answer is the list."""

    def _own(self) -> list[Route]:
        return self._routes.under(self._way.prefix)

    def _is_plain(self, plan: Plan) -> bool:
        if self.names or self.source is None or self.source.model is not None:
            return False
        upstream = plan.provider(self.source.targets[0].provider)
        if upstream is None:
            return False
        return target_dialect(self.source.targets[0], upstream.dialects, self._way.dialect) == self._way.dialect

    def call(self, plan: Plan, head: RequestHead) -> Call:
        """Make the question to the upstream. Raises CannotCall."""
        assert self.source is not None
        target = self.source.targets[0]
        upstream = plan.provider(target.provider)
        if upstream is None:
            raise CannotCall(503, "no_provider", f"there is no provider {target.provider}")
        if upstream.fault is not None:
            raise CannotCall(401, "no_credential", upstream.fault)
        dialect = target_dialect(target, upstream.dialects, self._way.dialect) or "openai_chat"
        path = _PATHS.get(dialect)
        if path is None:
            raise CannotCall(404, "untranslatable", f"{upstream.slug} lists no models in {dialect}")
        call = Call(upstream, upstream.translated_target(path, ""), b"")
        call.method = "GET"
        call.dialect = dialect
        call.prompt = Prompt()
        call.alterations = [f"models listed: {dialect} -> {self._way.dialect}"]
        demanded = ALL[dialect].request_headers(Prompt()) if dialect in ALL else []
        call.use_own(translated_head(head, call.target, upstream, dialect, demanded, None))
        return call

    def own_reply(self) -> bytes:
        """Write the list without any upstream."""
        return self.written([])

    def written(self, found: list[Model]) -> bytes:
        """Write the list, with what the upstream lists as far as its route takes it."""
        known = set(self.names)
        fitting = [one for one in found if self._routes.find(self._way.prefix, one.id) is self.source]
        models = [Model(id=name) for name in self.names] + [one for one in fitting if one.id not in known]
        return write_models(self._way.dialect or "openai_chat", models)


def is_listing(way: Way, method: str) -> bool:
    """Say whether a list of models is asked for, and not one model."""
    return (
        method == "GET" and way.endpoint in ("models", "tags") and way.path.rstrip("/").endswith(("/models", "/tags"))
    )


class ListRelay(TranslatedRelay):
    """The way back of the upstream's list."""

    __slots__ = ("_listing",)

    def __init__(
        self, exchange: "RoutedExchange", side: UpstreamSide, now_ns: int, call: Call, listing: Listing
    ) -> None:
        super().__init__(exchange, side, now_ns, call)
        self._listing = listing

    def _whole(self) -> Answer:
        head, body, dialect = self._head, bytes(self._gathered), self._call.dialect or ""
        assert head is not None
        if head.status < 300:
            try:
                return Answer(200, self._listing.written(read_models(dialect, body)), [])
            except Unreadable:
                return Answer(200, self._listing.own_reply(), [])
        if self._listing.names or dialect not in ALL or self._client_dialect not in ALL:
            return Answer(200, self._listing.own_reply(), [])
        headers = {one.low.decode("latin-1"): one.value.decode("latin-1") for one in head.fields}
        status, out = translate_error(dialect, self._client_dialect, head.status, headers, body)
        return Answer(status, out, [])
