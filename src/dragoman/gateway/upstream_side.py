"""One connection to a provider: writes requests, finds heads, bodies and ends in what comes back.

Promise: the bytes of a reply's body are handed on as they came, at once, and exactly up to the message's end;
a connection is used again only when both messages ended cleanly and nothing came after. Does not know clients,
records or time limits: what arrives is told to `owner`.
"""

import asyncio
from typing import Any, Protocol, cast

from dragoman.gateway.proxying import absolute_head
from dragoman.gateway.upstream import Address, authority_of
from dragoman.wire.headers import FieldBook, Fields
from dragoman.wire.http1 import (
    BadMessage,
    ChunkedDecoder,
    Framing,
    ResponseHead,
    find_head_end,
    parse_response_head,
    response_framing,
)

MAX_HEAD_BYTES = 256 * 1024
_SWITCHING_PROTOCOLS = 101
_JOIN_BELOW = 16 * 1024


class Owner(Protocol):
    """Who sent the request on a connection, and is told what comes back."""

    def on_informational(self, head: ResponseHead) -> None: ...

    def on_head(self, head: ResponseHead, framing: Framing) -> bool:
        """Take the reply's head; True asks for the chunked body's data beside its raw bytes."""
        ...

    def on_body(self, data: bytes, pieces: list[bytes] | None) -> None: ...

    def on_end(self, trailers: Fields) -> None: ...

    def on_upgrade(self, head: ResponseHead, rest: bytes) -> None: ...

    def on_tunnel(self, data: bytes) -> None: ...

    def on_lost(self, error: Exception | None, *, has_spoken: bool) -> None:
        """The connection is gone before the reply ended."""
        ...

    def on_broken(self, error: BadMessage) -> None:
        """What came is no HTTP."""
        ...

    def on_stumbled(self, error: Exception) -> None:
        """The owner could not cope with what came."""
        ...

    def on_upstream_full(self, *, is_full: bool) -> None:
        """The connection takes no more for now, or takes again."""
        ...


class UpstreamSide(asyncio.Protocol):
    """A connection of one address; between two requests it lies in the pool."""

    __slots__ = (
        "_book", "_buffer", "_decoder", "_framing", "_has_spoken", "_is_persistent", "_is_relayed", "_left", "_method",
        "_on_closed", "_wants_pieces", "address", "depth", "idle_since_ns", "is_closed", "is_full", "is_request_whole",
        "local", "owner", "times_ns", "transport", "use_count",
    )  # fmt: skip

    def __init__(self, address: Address, book: FieldBook, on_closed: Any) -> None:
        self.address = address
        self.owner: Owner | None = None
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)  # set by connection_made
        self.is_closed = False
        self.is_full = False
        self.is_request_whole = False
        """True once the request was written to its end: before that the connection cannot be used again."""
        self.use_count = 0
        self.local = ""
        """Our own end, as its peer sees it."""
        self.depth = 0
        """How often the request on its way here has passed through this gateway before."""
        self.idle_since_ns = 0
        self.times_ns: tuple[int, int, int] = (0, 0, 0)
        """What DNS, connect and TLS took."""
        self._is_relayed = address.proxy is not None and address.scheme == "http"
        """True when a proxy passes each request on; through a tunnel the provider itself is spoken to."""
        self._book = book
        self._on_closed = on_closed
        self._buffer = b""
        self._method = ""
        self._framing: Framing | str | None = None
        self._left = 0
        self._decoder: ChunkedDecoder | None = None
        self._has_spoken = False
        self._is_persistent = False
        self._wants_pieces = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def start(self, owner: Owner, method: str, head: bytes, body: list[bytes] | None) -> None:
        """Send a request's head and what has come of its body; more follows by `write`."""
        self.owner = owner
        self.use_count += 1
        self._method = method
        self._framing = None
        self._has_spoken = False
        self.is_request_whole = False
        if self._is_relayed:
            assert self.address.proxy is not None
            head = absolute_head(head, authority_of(self.address).encode(), self.address.proxy)
        if not body:
            self.transport.write(head)
        elif len(body) == 1 and len(body[0]) < _JOIN_BELOW:
            self.transport.write(head + body[0])
        else:
            self.transport.writelines([head, *body])

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def abandon(self) -> None:
        """Let the provider know that nobody listens any more: the connection is closed at once."""
        self.owner = None
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        teller = self.owner
        if teller is None:
            self.transport.abort()  # a provider that speaks unasked; nothing it says belongs to a request
            return
        try:
            if self._framing is None:
                self._has_spoken = True
                self._take_head(data)
            else:
                self._take_body(data)
        except BadMessage as error:
            owner, self.owner = self.owner, None
            self.transport.abort()
            if owner is not None:
                owner.on_broken(error)
        except Exception as error:  # noqa: BLE001 the guard of one exchange: the loop would only drop the connection
            self._stumbled(teller, error)

    def _stumbled(self, teller: Owner, error: Exception) -> None:
        """End what `teller` could not cope with; whoever has the connection by now keeps it."""
        if self.owner is teller or self.owner is None:
            self.owner = None
            self.transport.abort()
        teller.on_stumbled(error)

    def _take_head(self, data: bytes) -> None:
        looked = len(self._buffer)
        if looked:
            data = self._buffer + data
            self._buffer = b""
        while self.owner is not None:
            end = find_head_end(data, looked)
            if end < 0:
                if len(data) > MAX_HEAD_BYTES:
                    raise BadMessage(f"the reply's head is longer than {MAX_HEAD_BYTES} bytes")
                self._buffer = data
                return
            head = parse_response_head(data[:end], self._book)
            data = data[end:]
            looked = 0
            if head.status >= 200:
                self._begin_reply(head, data)
                return
            if head.status == _SWITCHING_PROTOCOLS:
                self._framing = "tunnel"
                self._is_persistent = False
                self.owner.on_upgrade(head, data)
                return
            self.owner.on_informational(head)
            if not data:
                return

    def _begin_reply(self, head: ResponseHead, rest: bytes) -> None:
        framing, self._left = response_framing(head, self._method)
        self._framing = framing
        self._decoder = ChunkedDecoder() if framing == "chunked" else None
        self._is_persistent = head.is_persistent() and not (head.codings and head.lengths)
        owner = self.owner
        assert owner is not None
        self._wants_pieces = owner.on_head(head, framing)
        if framing == "none":
            self._end(rest, [])
        elif rest and self.owner is owner:
            self._take_body(rest)

    def _take_body(self, data: bytes) -> None:
        owner = self.owner
        assert owner is not None
        if self._framing == "length":
            left = self._left = self._left - len(data)
            if left > 0:
                owner.on_body(data, None)
                return
            owner.on_body(data if left == 0 else data[:left], None)
            if self.owner is owner:
                self._end(data[left:] if left else b"", [])
        elif self._framing == "chunked":
            self._take_chunked(owner, data)
        elif self._framing == "tunnel":
            owner.on_tunnel(data)
        else:
            owner.on_body(data, None)

    def _take_chunked(self, owner: Owner, data: bytes) -> None:
        decoder = self._decoder
        assert decoder is not None
        pieces: list[bytes] | None = [] if self._wants_pieces else None
        used = decoder.scan(data, pieces)
        owner.on_body(data if used == len(data) else data[:used], pieces)
        if decoder.is_done and self.owner is owner:
            self._end(data[used:], decoder.trailers)

    def payload_spans(self, data: bytes) -> list[tuple[int, int]]:
        """Say where the body's data lies in what `on_body` was given last, its framing left out."""
        return self._decoder.spans(data) if self._decoder is not None else [(0, len(data))]

    def _end(self, rest: bytes, trailers: Fields) -> None:
        """The reply is whole: give the connection back, or close it, and say so."""
        owner, self.owner = self.owner, None
        is_reusable = self._is_persistent and self.is_request_whole and not rest
        if is_reusable:
            self._on_closed(self, is_reusable=True)
        else:
            self.transport.abort()
        if owner is not None:
            owner.on_end(trailers)

    def eof_received(self) -> bool | None:
        teller = self.owner
        if self._framing == "close" and teller is not None:
            self._is_persistent = False
            try:
                self._end(b"", [])
            except Exception as error:  # noqa: BLE001 as in `data_received`
                self._stumbled(teller, error)
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        self._on_closed(self, is_reusable=False)
        owner, self.owner = self.owner, None
        if owner is not None:
            try:
                owner.on_lost(exc, has_spoken=self._has_spoken)
            except Exception as error:  # noqa: BLE001 as in `data_received`
                owner.on_stumbled(error)

    def pause_writing(self) -> None:
        self.is_full = True
        if self.owner is not None:
            self.owner.on_upstream_full(is_full=True)

    def resume_writing(self) -> None:
        self.is_full = False
        if self.owner is not None:
            self.owner.on_upstream_full(is_full=False)
