"""Write down one exchange: masked, within the capture limits, in the journal's words.

Promise: nothing secret gets past here (headers, targets, URLs, credential fields in JSON bodies), and nothing
here delays the traffic. Past `limits.capture` of a direction, or once the journal said that capture stops, bytes
are left out and the record says so; what is small (heads, attempts, the end) is always written.
`UNRECORDED` has the same face and writes nothing: requests to the interface are no exchanges.
"""

from functools import lru_cache
from typing import Any, Literal

from blake3 import blake3

from dragoman.clock import Clock
from dragoman.gateway.routing import Way
from dragoman.journal.format import (
    Alteration,
    AttemptClosed,
    AttemptOpened,
    BodyFraming,
    CaptureStopped,
    Closed,
    DataFrames,
    Ending,
    Opened,
    RequestEnded,
    ResponseHead,
    TunnelData,
    encode_frame,
)
from dragoman.journal.writer import Journal
from dragoman.records.redaction import BodyMasker, header_kind, mask_header, mask_target
from dragoman.wire import http1
from dragoman.wire.headers import Fields

WORKBENCH_HEADER = b"x-dragoman-workbench"
"""Carries the per-start secret by which calls of Dragoman's own are known."""
HASHED_UP_TO = 1024 * 1024
"""Pieces of a body up to this size are kept to hash the true bytes, should masking change any."""

_masking_of = lru_cache(maxsize=4096)(header_kind)


def masked(headers: Fields) -> Fields:
    """Return headers as they may be written down; the list itself when none is secret."""
    for name, _ in headers:
        if _masking_of(name):
            return [(name, mask_header(name, value) if _masking_of(name) else value) for name, value in headers]
    return headers


class Recorder:
    """The record of one exchange, from `opened` to `closed`."""

    __slots__ = (
        "_clock", "_frames", "_generation", "_hasher", "_id", "_journal", "_kept", "_masker", "_request_bytes",
        "_request_left", "_response_left",
    )  # fmt: skip

    def __init__(self, exchange: str, journal: Journal, clock: Clock, capture_bytes: int) -> None:
        self._id = exchange
        self._journal = journal
        self._clock = clock
        self._generation = -1 if journal.is_full else journal.generation
        self._frames = DataFrames(exchange)
        self._request_left = self._response_left = capture_bytes
        self._request_bytes = 0
        self._masker: BodyMasker | None = None
        self._hasher: Any = None  # blake3 has no type stubs
        self._kept: list[bytes] | None = []

    def opened(
        self,
        head: http1.RequestHead,
        way: Way,
        *,
        peer: str,
        connection: int,
        turn: int,
        setup_version: int,
        origin: str,
    ) -> None:
        if _may_carry_fields(head):
            self._masker = BodyMasker()
        self._journal.append_record(
            Opened(
                id=self._id,
                mono_ns=self._clock.mono_ns(),
                method=head.method,
                target=mask_target(head.target),
                http_version="1.1" if head.minor else "1.0",
                headers=masked(_without_workbench(head)),
                peer=peer,
                connection=connection,
                turn=turn,
                provider=way.upstream.slug if way.upstream else None,
                dialect=way.dialect,
                endpoint=way.endpoint,
                request_framing=head.framing,
                setup_version=setup_version,
                origin=origin,
                run=way.run,
                capture="none" if self._generation < 0 else "full",
            )
        )

    def request_body(self, data: bytes) -> None:
        """Take a piece of the request's body, transfer coding removed."""
        self._request_bytes += len(data)
        if self._masker is not None:
            data = self._mask(data)
        if self._generation != self._journal.generation:
            return
        left = self._request_left = self._request_left - len(data)
        now = self._clock.mono_ns()
        if left >= 0:
            self._journal.append(self._frames.request_body(now, data), is_data=True)
        elif left + len(data) >= 0:
            self._last(self._frames.request_body(now, data[:left]), "request")

    def _mask(self, data: bytes) -> bytes:
        """Mask a piece; the true bytes are hashed, at once when the body is long, else only if one was masked."""
        if self._kept is not None:
            self._kept.append(data)
            if self._request_bytes > HASHED_UP_TO:
                self._begin_hash()
        elif self._hasher is not None:
            self._hasher.update(data)
        assert self._masker is not None
        return self._masker.feed(data)

    def _begin_hash(self) -> Any:
        hasher = self._hasher = blake3()
        for piece in self._kept or ():
            hasher.update(piece)
        self._kept = None
        return hasher

    def request_ended(self, trailers: Fields) -> None:
        true_hash = None
        if self._masker is not None and self._masker.has_masked:
            true_hash = (self._hasher or self._begin_hash()).hexdigest()
        self._kept = None
        self._journal.append_record(
            RequestEnded(self._id, self._clock.mono_ns(), self._request_bytes, masked(trailers), true_hash)
        )

    def attempt_opened(
        self, number: int, provider: str, url: str, headers: Fields, *, is_reused: bool, times_ns: tuple[int, int, int]
    ) -> None:
        now = self._clock.mono_ns()
        self._journal.append_record(
            AttemptOpened(self._id, now, number, provider, mask_target(url), is_reused, *times_ns, masked(headers))
        )

    def attempt_closed(self, number: int, code: str, message: str) -> None:
        self._journal.append_record(AttemptClosed(self._id, self._clock.mono_ns(), number, code, message))

    def altered(self, who: str, what: str) -> None:
        self._journal.append_record(Alteration(self._id, self._clock.mono_ns(), who, what))

    def response_head(self, head: http1.ResponseHead, framing: BodyFraming) -> None:
        version = "1.1" if head.minor else "1.0"
        self._journal.append_record(
            ResponseHead(
                self._id, self._clock.mono_ns(), head.status, head.reason, version, masked(head.headers), framing
            )
        )

    def chunk(self, data: bytes, now_ns: int) -> None:
        """Take bytes of the reply as they came off the wire."""
        if self._generation != self._journal.generation:
            return
        left = self._response_left = self._response_left - len(data)
        if left >= 0:
            self._journal.append(self._frames.chunk(now_ns, data), is_data=True)
        elif left + len(data) >= 0:
            self._last(self._frames.chunk(now_ns, data[:left]), "response")

    def tunnel_data(self, data: bytes, *, is_from_client: bool) -> None:
        """Take bytes of a tunnel: both directions count together against the limit."""
        if self._generation != self._journal.generation:
            return
        left = self._response_left = self._response_left - len(data)
        now = self._clock.mono_ns()
        if left >= 0:
            self._journal.append([encode_frame(TunnelData(self._id, now, is_from_client, data))], is_data=True)
        elif left + len(data) >= 0:
            self._last([encode_frame(TunnelData(self._id, now, is_from_client, data[:left]))], "both")

    def _last(self, frame: list[bytes], direction: Literal["request", "response", "both"]) -> None:
        """Write what the limit still lets in, and say that capture ended there."""
        self._journal.append(frame, is_data=True)
        self._journal.append_record(CaptureStopped(self._id, self._clock.mono_ns(), "limit", direction))

    def closed(
        self,
        ending: Ending,
        *,
        status: int,
        sent_bytes: int,
        code: str | None = None,
        message: str | None = None,
        trailers: Fields | None = None,
        body: bytes = b"",
        paused_ns: int = 0,
    ) -> None:
        self._journal.append_record(
            Closed(
                id=self._id,
                mono_ns=self._clock.mono_ns(),
                ending=ending,
                status=status,
                sent_bytes=sent_bytes,
                error_code=code,
                error_message=message,
                response_trailers=masked(trailers) if trailers else [],
                body=body,
                paused_ns=paused_ns,
            )
        )


class Unrecorded:
    """The face of a Recorder with nothing behind it."""

    __slots__ = ()

    def request_body(self, data: bytes) -> None: ...

    def request_ended(self, trailers: Fields) -> None: ...

    def attempt_opened(
        self, number: int, provider: str, url: str, headers: Fields, *, is_reused: bool, times_ns: tuple[int, int, int]
    ) -> None: ...

    def attempt_closed(self, number: int, code: str, message: str) -> None: ...

    def altered(self, who: str, what: str) -> None: ...

    def response_head(self, head: http1.ResponseHead, framing: BodyFraming) -> None: ...

    def chunk(self, data: bytes, now_ns: int) -> None: ...

    def tunnel_data(self, data: bytes, *, is_from_client: bool) -> None: ...

    def closed(
        self,
        ending: Ending,
        *,
        status: int,
        sent_bytes: int,
        code: str | None = None,
        message: str | None = None,
        trailers: Fields | None = None,
        body: bytes = b"",
        paused_ns: int = 0,
    ) -> None: ...


UNRECORDED = Unrecorded()


def _without_workbench(head: http1.RequestHead) -> Fields:
    """Leave out the workbench's secret: it is never recorded, not even masked."""
    if not head.has(WORKBENCH_HEADER):
        return head.headers
    return [field for field, low in zip(head.headers, head.names, strict=True) if low != WORKBENCH_HEADER]


def _may_carry_fields(head: http1.RequestHead) -> bool:
    """Say whether the body is JSON that can be looked into (or may be: nothing says what it is)."""
    if head.framing == "none" or head.has(b"content-encoding"):
        return False
    media = head.get(b"content-type")
    return media is None or b"json" in media.lower()
