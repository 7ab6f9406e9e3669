"""A request's head, read under one Setup: what it means, whether it may pass, and how it goes on.

Programs send the same head again and again, but for the length of the body. So a reading is kept under the head's
bytes without these digits, and the next request like it costs one look-up.
Promise: a reading depends on the head and the Setup alone; what changes from request to request (the body's
length, the state of the journal, a peer's wrong passwords) is checked by the `Exchange`. What is refused is not
kept. Does no I/O.
"""

import hmac

from dragoman.gateway import answers
from dragoman.gateway.heads import request_head, signature_fault
from dragoman.gateway.prepared import LENGTH, Prepared, length_at, patched
from dragoman.gateway.routing import Plan, Way, asks_for_websocket
from dragoman.gateway.upstream import Upstream
from dragoman.wire.headers import FieldBook, Fields, list_items
from dragoman.wire.http1 import RequestHead, parse_request_head

WORKBENCH_HEADER = b"x-dragoman-workbench"
"""Carries the per-start secret by which calls of Dragoman's own are known. It is never recorded."""
NOWHERE = Way("none", status=400)

_ORIGINS = frozenset({"client", "workbench", "replay", "connect"})
_LONGEST_KEPT = 4096
_MOST_KEPT = 512
_MOST_PREPARED = 64
_MAX_RUN = 128

Refusal = tuple[int, str, str]
"""Status, code and message."""
PANIC: Refusal = (503, "panic", "the panic switch is on: Dragoman passes nothing on until somebody turns it off")
_CODES = {404: "not_found", 426: "no_websocket"}


class Request:
    """One reading. Shared by all exchanges whose heads differ in the body's length only: never changed."""

    __slots__ = (
        "_opened_at", "_prepared", "cors", "head", "is_preflight", "opened", "origin", "password_refusal", "prepared",
        "refusal", "upgrades", "wants_password", "way",
    )  # fmt: skip

    def __init__(self, head: RequestHead, way: Way) -> None:
        self.head = head
        self.way = way
        self.refusal: Refusal | None = None
        """Why it may not pass, as far as head and Setup say."""
        self.cors = b""
        """Header lines for the page that calls, when its origin is allowed."""
        self.is_preflight = False
        self.origin = "client"
        self.upgrades = False
        """True when a WebSocket is asked for."""
        self.wants_password = False
        self.password_refusal: Refusal | None = None
        """Why a route may not spend a credential of ours on it."""
        self.opened: Fields = []
        """Its headers as they may be written down."""
        self.prepared: Prepared | None = None
        """The head for its way's provider."""
        self._opened_at = -1
        self._prepared: dict[tuple[str, bytes, bool], Prepared] = {}

    def opened_with(self, digits: bytes) -> Fields:
        """Return `opened` for a request with this body length."""
        return patched(self.opened, self._opened_at, digits)

    def prepare(self, upstream: Upstream) -> None:
        """Make the head for the way's provider."""
        self.prepared = Prepared(request_head(self.head, self.way, upstream, upgrades=self.upgrades))

    def prepared_for(self, upstream: Upstream, target: bytes) -> Prepared:
        """Make the head for a provider that a route chose, once."""
        key = (upstream.slug, target, upstream.has_own_auth)
        found = self._prepared.get(key)
        if found is None:
            if len(self._prepared) >= _MOST_PREPARED:  # a target may hold a model's name, which clients choose
                self._prepared.clear()
            way = self.way._replace(target=target)
            found = self._prepared[key] = Prepared(request_head(self.head, way, upstream, upgrades=self.upgrades))
        return found


class RequestBook:
    """Reads heads under one Plan and remembers them."""

    __slots__ = ("_fields", "_kept", "plan")

    def __init__(self, plan: Plan, fields: FieldBook) -> None:
        self.plan = plan
        self._fields = fields
        self._kept: dict[bytes, Request] = {}

    def read(self, raw: bytes) -> tuple[Request, bytes]:
        """Read a whole head; gives the reading and the digits of the body's length. Raises BadMessage."""
        match = LENGTH.search(raw)
        key = raw if match is None else raw[: match.start(1)] + raw[match.end(1) :]
        request = self._kept.get(key)
        if request is None:
            request = self._read(parse_request_head(raw, self._fields))
            if _may_be_kept(request) and len(key) <= _LONGEST_KEPT:
                if len(self._kept) >= _MOST_KEPT:
                    self._kept.clear()
                self._kept[key] = request
        return request, b"%d" % request.head.length if match is None else match[1]

    def _read(self, head: RequestHead) -> Request:
        plan = self.plan
        request = Request(head, plan.route(head))
        if head.origin is not None and plan.origins.allows_origin(head.origin):
            request.cors = answers.cors_lines(head.origin)
        is_workbench = self._take_ours(request) if head.has_ours else False
        request.opened = [field.written for field in head.fields if field.low != WORKBENCH_HEADER]
        request._opened_at = length_at(request.opened)
        page_refusal = plan.origins.refusal(head.host, head.origin, head.fetch_site)
        if page_refusal is not None:
            request.refusal = (403, "origin_refused", page_refusal)
        elif request.cors and answers.is_preflight(head):
            request.is_preflight = True
        else:
            request.refusal = self._refusal(request, is_workbench=is_workbench)
        if request.way.upstream is not None and request.refusal is None and request.way.kind != "routed":
            request.prepare(request.way.upstream)
        return request

    def _take_ours(self, request: Request) -> bool:
        """Read `x-dragoman-run`, and the origin when the workbench's secret stands beside it; says whether it does."""
        head, way = request.head, request.way
        run = head.get(b"x-dragoman-run")
        if run and way.run is None:
            request.way = way._replace(run=run.decode("utf-8", "replace")[:_MAX_RUN])
        secret, given = self.plan.workbench_secret, head.get(WORKBENCH_HEADER)
        if secret is None or given is None or not hmac.compare_digest(given, secret):
            return False
        origin = (head.get(b"x-dragoman-origin") or b"client").decode("latin-1")
        request.origin = origin if origin in _ORIGINS else "client"
        return True

    def _refusal(self, request: Request, *, is_workbench: bool) -> Refusal | None:
        head, way = request.head, request.way
        if way.kind == "none":
            return way.status, _CODES.get(way.status, "bad_request"), way.message
        if head.expect is not None and head.expect.lower() != b"100-continue":
            return 417, "expectation_failed", f"expectation {head.expect[:60]!r} is not known; expected 100-continue"
        if way.kind not in ("provider", "routed"):
            return None
        if self.plan.setup.is_panicking:
            return PANIC
        if way.kind == "routed":
            if self.plan.setup.password_required and not is_workbench:
                request.password_refusal = self._refusal_of_password(head, "this route")
            return None
        return self._refusal_of_provider(request, way.upstream, is_workbench=is_workbench) if way.upstream else None

    def _refusal_of_provider(self, request: Request, upstream: Upstream, *, is_workbench: bool) -> Refusal | None:
        head = request.head
        if upstream.has_own_auth and self.plan.setup.password_required and not is_workbench:
            request.wants_password = True
            refusal = self._refusal_of_password(head, f"provider {upstream.slug}")
            if refusal is not None:
                return refusal
        if upstream.fault is not None:
            return 401, "no_credential", upstream.fault
        if fault := signature_fault(head, upstream):
            return 403, "signed_for_dragoman", fault
        if asks_for_websocket(head):
            if upstream.refuses_websocket:
                return 426, "no_websocket", f"provider {upstream.slug} is set not to speak WebSocket; use POST"
            request.upgrades = head.minor == 1 and any(b"upgrade" in list_items(one) for one in head.connection)
        return None

    def _refusal_of_password(self, head: RequestHead, who: str) -> Refusal | None:
        given = head.get(b"x-dragoman-key")
        if given is None:
            return 401, "password_required", f"{who} uses a key of this server: send its password as x-dragoman-key"
        if not self.plan.password_matches(given):
            return 401, "password_wrong", "the password sent as x-dragoman-key is not the one of this server"
        return None


def _may_be_kept(request: Request) -> bool:
    """Say whether a reading is worth remembering; guesses of the password are not."""
    if request.refusal is not None or (request.password_refusal and request.password_refusal[1] == "password_wrong"):
        return False
    return request.way.kind in ("provider", "routed")


def unreadable_request() -> Request:
    """Stand in for a head that could not be read."""
    head = RequestHead()
    head.method, head.target, head.minor = "", b"", 1
    head.fields, head.special, head.connection, head.has_ours = [], [], [], False
    head.framing, head.length, head.is_persistent = "none", 0, False
    head.host = head.expect = head.upgrade = head.origin = head.fetch_site = None
    return Request(head, NOWHERE)
