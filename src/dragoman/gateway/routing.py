"""Which way a request goes: made of a Setup once, then asked for every head that is new.

Promise: a `Plan` never changes, so a request keeps the one it began with. `route` looks at method, target and
headers only. It always gives a `Way`; where there is none, the way says what to answer. Where an active route could
take the request, the way is `routed`: which route wins is decided when the model is known (see `routed`). All others
go to a provider at once, as if there were no routes.
"""

from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import unquote

from dragoman.dialects.detect import detect, is_ollama_path, model_in_path
from dragoman.gateway.upstream import Upstream, keeper_upstream, provider_upstream
from dragoman.records.route import Route, RouteTable, target_dialect
from dragoman.records.setup import Setup
from dragoman.security.origin import OriginPolicy
from dragoman.security.passwords import Password
from dragoman.wire.http1 import RequestHead

Kind = Literal["provider", "routed", "keeper", "hello", "none"]

KEEPER_SEGMENTS = frozenset({"ui", "api", "mcp", "metrics", "healthz", "readyz", "login", "favicon.ico"})
_PROXY_SEGMENTS = frozenset({"v1", "v1beta", "model"})
_SHARED_ENDPOINTS = frozenset({"models", "files", "batches"})
_MAX_RUN = 128
_MAY_BE_JSON = (b"json", b"x-www-form-urlencoded", b"text/plain")
"""`curl -d` calls JSON a form, and the documentation of more than one provider asks for just that."""


class Way(NamedTuple):
    """Where a request goes. Kind `none`: answer `status` with `message`."""

    kind: Kind
    upstream: Upstream | None = None
    target: bytes = b""
    """Path and query to ask the upstream for."""
    dialect: str | None = None
    endpoint: str | None = None
    run: str | None = None
    status: int = 0
    message: str = ""
    """With kind `routed`: why there is no default provider, should no route take it."""
    prefix: str | None = None
    """Of kind `routed`: the routes' prefix with its slash; None when the request came under none."""
    path: str = ""
    """Of kind `routed`: what follows the prefix, as it came."""
    query: bytes = b""
    asks_routes: bool = True
    """False: no route is asked, the whole request is gathered since its provider wants it signed."""


class Plan:
    """A Setup, made ready for the hot path."""

    def __init__(
        self, setup: Setup, data_dir: Path, *, hands_over: bool = True, password: Password | None = None
    ) -> None:
        self.setup = setup
        self.limits = setup.limits
        self.origins = OriginPolicy(
            hosts=setup.hosts, allowed_hosts=setup.allowed_hosts, allowed_origins=setup.allowed_origins
        )
        self.workbench_secret = setup.workbench_secret.encode() if setup.workbench_secret else None
        self.keeper = keeper_upstream(data_dir / "run" / "keeper.sock")
        self._password = password
        self.hands_over = hands_over
        """False when interface and API have a listener of their own."""
        self._by_slug = {one.slug: provider_upstream(one, data_dir) for one in setup.providers}
        self._keyless: dict[str, Upstream] = {}
        self.routes = RouteTable(setup.routes)
        self._defaults: dict[str, Upstream] = {}
        for attribute in ("default_for", "dialects"):  # who claims a dialect wins over who merely speaks it
            for provider in setup.providers:
                for dialect in getattr(provider, attribute):
                    self._defaults.setdefault(dialect, self._by_slug[provider.slug])

    def password_matches(self, given: bytes) -> bool:
        return self._password is not None and self._password.matches(given.decode("utf-8", "surrogateescape"))

    def route(self, head: RequestHead) -> Way:
        """Find the way of a request."""
        raw_path, _, query = head.target.partition(b"?")
        if not raw_path.startswith(b"/"):
            return Way("none", status=400, message=_NOT_A_PATH)
        path = raw_path.decode("latin-1")
        run: str | None = None
        if path.startswith("/~"):
            name, slash, rest = path[2:].partition("/")
            run = unquote(name)
            path = slash + rest
            is_base = path in ("", "/") and head.method == "HEAD"
            if not run or len(run) > _MAX_RUN or not run.isprintable() or not (path or is_base):
                return Way("none", status=404, message=f"/~{name} names no run with a path behind it: /~RUN/v1/…")
            if is_base:  # Claude Code and Ollama ask for the head of their base URL to see whether somebody is there
                return Way("hello", endpoint="hello", run=run)
        first = path[1:].partition("/")[0]
        if first in _PROXY_SEGMENTS:
            return self._by_dialect(head, path, query, run)
        upstream = self._by_slug.get(first)
        if upstream is not None:
            return self._by_provider(upstream, head, path[len(first) + 1 :] or "/", query, run)
        if first in self.routes.prefixes:
            return self._by_prefix(head, "/" + first, path[len(first) + 1 :] or "/", query, run)
        if first == "api" and is_ollama_path(path):
            return self._by_dialect(head, path, query, run)
        if path == "/api/hello" and head.method == "HEAD":
            return Way("hello", endpoint="hello", run=run)
        if (first in KEEPER_SEGMENTS or path == "/") and run is None:
            return self._to_keeper(head)
        return self._nowhere(head, path, query, first, run)

    def _by_dialect(self, head: RequestHead, path: str, query: bytes, run: str | None) -> Way:
        dialect, endpoint = detect(head.method, path, query.decode("latin-1"), head.has)
        upstream = self._defaults.get(dialect or "openai_chat")
        if self.routes.under(None):
            routed = self._by_model(upstream, head, path, query, Way("routed", None, b"", dialect, endpoint, run))
            if routed is not None:
                return routed
        if upstream is None:
            message = self._no_default(dialect)
            return Way("none", dialect=dialect, endpoint=endpoint, run=run, status=404, message=message)
        return self._to_provider(upstream, path, query, dialect, endpoint, run)

    def _by_model(self, upstream: Upstream | None, head: RequestHead, path: str, query: bytes, way: Way) -> Way | None:
        """Give the routed way of a request under no prefix; None when no route could take it."""
        if not may_name_model(head, path) and all(one.model is not None for one in self.routes.under(None)):
            return None
        if asks_for_websocket(head):
            return self._for_websocket(upstream, head, path, query, way)
        target = upstream.join(path.encode("latin-1"), query) if upstream is not None else b""
        message = "" if upstream is not None else self._no_default(way.dialect)
        return way._replace(upstream=upstream, target=target, message=message, path=path, query=query)

    def _by_prefix(self, head: RequestHead, prefix: str, path: str, query: bytes, run: str | None) -> Way:
        dialect, endpoint = detect(head.method, path, query.decode("latin-1"), head.has)
        if path == "/" and head.method == "HEAD":
            return Way("hello", endpoint="hello", run=run)
        way = Way("routed", None, b"", dialect, endpoint, run, prefix=prefix, path=path, query=query)
        return self._for_websocket(None, head, path, query, way) if asks_for_websocket(head) else way

    def _for_websocket(self, upstream: Upstream | None, head: RequestHead, path: str, query: bytes, way: Way) -> Way:
        """A WebSocket names its model when it is open: it passes only where every route would leave it untouched."""
        plain = [self._untouched(route, way.dialect) for route in self.routes.under(way.prefix)]
        ends = {id(one): one for one in ([upstream] if way.prefix is None else []) + plain}
        only = next(iter(ends.values())) if len(ends) == 1 else None
        if only is not None:
            return self._to_provider(only, path, query, way.dialect, way.endpoint, way.run)
        message = "a route decides by the model where this goes, and may translate it: use POST instead of a WebSocket"
        return way._replace(kind="none", status=426, message=message)

    def _untouched(self, route: Route, dialect: str | None) -> Upstream | None:
        """Give the provider to which a route passes everything as it came; None when it does not."""
        target = route.targets[0]
        upstream = self._by_slug.get(target.provider)
        is_changed = target.model is not None or bool(route.system.replace or route.system.append)
        if upstream is None or is_changed or route.system.progress:
            return None
        return upstream if target_dialect(target, upstream.dialects, dialect) == dialect else None

    def _by_provider(self, upstream: Upstream, head: RequestHead, path: str, query: bytes, run: str | None) -> Way:
        dialect, endpoint = detect(head.method, path, query.decode("latin-1"), head.has)
        spoken = upstream.dialects
        if spoken and dialect not in spoken and endpoint in _SHARED_ENDPOINTS:
            dialect = spoken[0]
        return self._to_provider(upstream, path, query, dialect, endpoint, run)

    @staticmethod
    def _to_provider(
        upstream: Upstream, path: str, query: bytes, dialect: str | None, endpoint: str | None, run: str | None
    ) -> Way:
        way = Way("provider", upstream, upstream.join(path.encode("latin-1"), query), dialect, endpoint, run)
        if upstream.sign is None:
            return way
        return way._replace(kind="routed", path=path, query=query, asks_routes=False)

    def provider(self, slug: str) -> Upstream | None:
        return self._by_slug.get(slug)

    def target_of(self, route: Route, slug: str) -> Upstream | None:
        """Give a provider as a route asks it. The client's own credential goes to one host of a route alone.

        That is the host of the first target that has no credential of ours: what a client was given by one vendor is
        never shown to another because the first one failed.
        """
        upstream = self._by_slug.get(slug)
        if upstream is None or upstream.has_own_auth:
            return upstream
        takers = (self._by_slug.get(one.provider) for one in route.targets)
        first = next((one for one in takers if one is not None and not one.has_own_auth), upstream)
        if first.address.host == upstream.address.host:
            return upstream
        if slug not in self._keyless:
            self._keyless[slug] = upstream.without_client_key()
        return self._keyless[slug]

    def _to_keeper(self, head: RequestHead) -> Way:
        if self.hands_over:
            return Way("keeper", self.keeper, head.target)
        return Way("none", status=404, message="interface and API have a listener of their own (server.admin_listen)")

    def _nowhere(self, head: RequestHead, path: str, query: bytes, first: str, run: str | None) -> Way:
        dialect, endpoint = detect(head.method, path, query.decode("latin-1"), head.has)
        message = f"there is no provider {first[:80]!r}; {self._known()}"
        return Way("none", dialect=dialect, endpoint=endpoint, run=run, status=404, message=message)

    def _no_default(self, dialect: str | None) -> str:
        return f"no provider is the default for {dialect or 'openai_chat'}; {self._known()}"

    def _known(self) -> str:
        slugs = ", ".join(self._by_slug) or "none"
        return f"known providers: {slugs}. Use /v1/… for a default provider or /PROVIDER/v1/… for a certain one"


def may_name_model(head: RequestHead, path: str) -> bool:
    """Say whether the request names a model, as far as its head can tell: in its path, or in a body of JSON."""
    if model_in_path(path) is not None and head.method == "POST":
        return True
    if head.method != "POST" or head.framing == "none":
        return asks_for_websocket(head)
    media = (head.get(b"content-type") or b"json").lower()
    return any(word in media for word in _MAY_BE_JSON)


def asks_for_websocket(head: RequestHead) -> bool:
    return head.upgrade is not None and head.method == "GET" and head.upgrade.lower() == b"websocket"


_NOT_A_PATH = "the request's target is no path: this is no forward proxy; set it as the base URL of your client"
