"""Which provider gets a request: made of a Setup once, then asked for every request.

Promise: a `Plan` never changes, so a request keeps the one it began with. `route` looks at method, target and
headers only. It always gives a `Way`; where there is none, the way says what to answer.
"""

from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import unquote

from dragoman.dialects.detect import detect, is_ollama_path
from dragoman.gateway.upstream import Upstream, keeper_upstream, provider_upstream
from dragoman.records.setup import Setup
from dragoman.security.origin import OriginPolicy
from dragoman.security.passwords import Password
from dragoman.wire.http1 import RequestHead

Kind = Literal["provider", "keeper", "hello", "none"]

KEEPER_SEGMENTS = frozenset({"ui", "api", "mcp", "metrics", "healthz", "readyz", "login", "favicon.ico"})
_PROXY_SEGMENTS = frozenset({"v1", "v1beta", "model"})
_SHARED_ENDPOINTS = frozenset({"models", "files", "batches"})
_MAX_RUN = 128


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
        if upstream is None:
            message = f"no provider is the default for {dialect or 'openai_chat'}; {self._known()}"
            return Way("none", dialect=dialect, endpoint=endpoint, run=run, status=404, message=message)
        target = upstream.join(path.encode("latin-1"), query)
        return Way("provider", upstream, target, dialect, endpoint, run)

    def _by_provider(self, upstream: Upstream, head: RequestHead, path: str, query: bytes, run: str | None) -> Way:
        dialect, endpoint = detect(head.method, path, query.decode("latin-1"), head.has)
        spoken = upstream.dialects
        if spoken and dialect not in spoken and endpoint in _SHARED_ENDPOINTS:
            dialect = spoken[0]
        return Way("provider", upstream, upstream.join(path.encode("latin-1"), query), dialect, endpoint, run)

    def _to_keeper(self, head: RequestHead) -> Way:
        if self.hands_over:
            return Way("keeper", self.keeper, head.target)
        return Way("none", status=404, message="interface and API have a listener of their own (server.admin_listen)")

    def _nowhere(self, head: RequestHead, path: str, query: bytes, first: str, run: str | None) -> Way:
        dialect, endpoint = detect(head.method, path, query.decode("latin-1"), head.has)
        message = f"there is no provider {first[:80]!r}; {self._known()}"
        return Way("none", dialect=dialect, endpoint=endpoint, run=run, status=404, message=message)

    def _known(self) -> str:
        slugs = ", ".join(self._by_slug) or "none"
        return f"known providers: {slugs}. Use /v1/… for a default provider or /PROVIDER/v1/… for a certain one"


_NOT_A_PATH = "the request's target is no path: this is no forward proxy; set it as the base URL of your client"
