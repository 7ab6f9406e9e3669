"""One connection of a client: finds requests in what comes, one after the other, and writes replies.

Promise: requests of a connection run strictly in turn; up to 64 KB of what a client sends ahead are held, then
reading stops until its turn has come. A byte is handed to the transport only after the journal has what was
appended before it. End of input means that the client is gone. What is no clear HTTP is answered 400 (431, 413,
505) and the connection closed. Does not know providers or dialects; an `Exchange` does.
"""

import asyncio
import logging
import socket
import struct
import sys
from typing import TYPE_CHECKING, cast

from dragoman.gateway.answers import error_of, own_reply
from dragoman.gateway.endpoint import Exchange
from dragoman.gateway.lifetime import Lifetime
from dragoman.gateway.pool import shown
from dragoman.gateway.request import unreadable_request
from dragoman.gateway.routed import RoutedExchange
from dragoman.wire.headers import Fields
from dragoman.wire.http1 import BadMessage, ChunkedDecoder, find_head_end

if TYPE_CHECKING:
    from dragoman.gateway.server import Gateway

PIPELINED_BYTES = 64 * 1024
HEAD_LIMIT_NS = 60 * 10**9
"""A head that has begun must be whole within this time."""
BODY_STALL_NS = 120 * 10**9
KEEP_ALIVE_NS = 300 * 10**9
LINGER_NS = 5 * 10**9
"""How long a client may go on sending what nobody wants, so that it can read the answer."""
CLIENT_WRITE_NS = 120 * 10**9

_HEAD, _BODY, _BUSY, _TUNNEL, _LINGER, _CLOSED = range(6)
_PIPELINED, _UPSTREAM_FULL = 1, 2
"""Why reading is paused; both may be."""
_TCP_ESTABLISHED = 1
_CRLF = b"\r\n"

_log = logging.getLogger("dragoman.gateway")


class ClientSide(asyncio.Protocol):
    """A client's connection, the requests on it numbered by `turn`."""

    __slots__ = (
        "_buffer", "_cuts_hard", "_decoder", "_exchange", "_held", "_held_bytes", "_is_waiting",
        "_left", "_looked", "_out", "_paused", "_since_ns", "_state", "_then", "full_since_ns", "gateway", "number",
        "peer", "transport", "turn",
    )  # fmt: skip

    def __init__(self, gateway: "Gateway") -> None:
        self.gateway = gateway
        self.number = 0
        self.turn = 0
        self.peer = ""
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)  # set by connection_made
        self.full_since_ns = 0
        """Since when the client takes no more bytes; 0 when it does."""
        self._exchange: Exchange | None = None
        self._state = _HEAD
        self._buffer = b""
        self._looked = 0
        self._since_ns = gateway.clock.mono_ns()
        self._left = 0
        self._decoder: ChunkedDecoder | None = None
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._paused = 0
        self._out: list[bytes] = []
        self._is_waiting = False
        self._then = ""
        """What follows the last write: `linger`, `close` or `reset`."""
        self._cuts_hard = False

    # The connection's life

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.peer = shown(peer)
        self.number = self.gateway.joined(self)
        if len(self.gateway.connections) > self.gateway.plan.limits.connections:
            message = f"all {self.gateway.plan.limits.connections} connections (limits.connections) are taken"
            headers, body = error_of(None, 503, "too_many_connections", message)
            self.write(own_reply(503, headers, body, extra=b"connection: close\r\n"))
            self.finish("linger")

    def connection_lost(self, exc: Exception | None) -> None:
        self._state = _CLOSED
        self._out.clear()
        self.gateway.left(self)
        self._gone()

    def eof_received(self) -> bool | None:
        self._state = _CLOSED
        self._gone()
        return None  # the transport writes out what it still holds, then closes

    @property
    def has_left(self) -> bool:
        """True once the client's side is closed: nothing that is written reaches it."""
        return self._state == _CLOSED

    def _gone(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.on_client_gone()

    # Reading

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        self._advance(data)

    def _advance(self, data: bytes) -> None:
        """Take as much of `data` as its turn has come for."""
        try:
            while data:
                state = self._state
                if state == _HEAD:
                    data = self._take_head(data)
                elif state == _BODY:
                    data = self._take_body(data)
                elif state == _BUSY:
                    data = self._hold(data)
                elif state == _TUNNEL and self._exchange is not None:
                    self._exchange.on_tunnel_from_client(data)
                    return
                else:
                    return  # nobody wants it any more
        except BadMessage as error:
            self._refuse(error)
        except Exception as error:  # noqa: BLE001 the guard of one exchange: the loop would only drop the connection
            if self._exchange is None:
                _log.exception("connection %d: cut", self.number)
                self.cut()
            else:
                self._exchange.stumbled(error)

    def _take_head(self, data: bytes) -> bytes:
        while data.startswith(_CRLF):
            data = data[2:]  # RFC 9112, 2.2: empty lines before a request are ignored
        limit = self.gateway.plan.limits.head
        end = find_head_end(data, self._looked)
        if end < 0 or end > limit:
            if len(data) > limit:
                raise BadMessage(f"the request's head is longer than {limit} bytes (limits.head)", 431)
            if self._looked == 0:
                self._since_ns = self.gateway.clock.mono_ns()
            self._buffer = data
            self._looked = len(data)
            return b""
        self._looked = 0
        request, digits = self.gateway.requests.read(data[:end])
        head, length = request.head, int(digits)
        self.turn += 1
        kind = RoutedExchange if request.way.kind == "routed" else Exchange
        exchange = self._exchange = kind(self.gateway, self, request, digits)
        if head.framing != "chunked" and end + length <= len(data):  # the whole request: most are like this
            self._state = _BUSY
            exchange.begin_whole(data[end : end + length])
            return data[end + length :]
        self._state = _BODY
        self._since_ns = self.gateway.clock.mono_ns()
        self._left = length
        self._decoder = ChunkedDecoder() if head.framing == "chunked" else None
        exchange.begin()
        if self._state == _BODY and self._exchange is exchange and head.expect is not None and len(data) == end:
            exchange.invite_body()
        return data[end:]

    def _take_body(self, data: bytes) -> bytes:
        exchange = self._exchange
        if exchange is None:
            return b""
        self._since_ns = self.gateway.clock.mono_ns()
        if self._decoder is None:
            return self._take_counted(exchange, data)
        pieces: list[bytes] = []
        used = self._decoder.scan(data, pieces)
        is_done = self._decoder.is_done
        for piece in pieces:
            if self._exchange is exchange:
                exchange.on_request_body(piece)
        if is_done and self._exchange is exchange:
            self._end_body(exchange, self._decoder.trailers)
        return data[used:]

    def _take_counted(self, exchange: Exchange, data: bytes) -> bytes:
        left = self._left
        if len(data) < left:
            self._left = left - len(data)
            exchange.on_request_body(data)
            return b""
        rest = data[left:]
        exchange.on_request_body(data[:left] if rest else data)
        if self._exchange is exchange:
            self._end_body(exchange, [])
        return rest

    def _end_body(self, exchange: Exchange, trailers: Fields) -> None:
        self._state = _BUSY
        exchange.is_request_whole = True
        exchange.on_request_end(trailers)

    def _hold(self, data: bytes) -> bytes:
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > PIPELINED_BYTES:
            self._pause(_PIPELINED)
        return b""

    def _refuse(self, error: BadMessage) -> None:
        """Answer what is no clear HTTP; nothing that follows on this connection can be trusted."""
        exchange = self._exchange
        if exchange is None:
            exchange = self._exchange = Exchange(self.gateway, self, unreadable_request(), b"0")
        exchange.refuse_message(error)

    def _pause(self, reason: int) -> None:
        if not self._paused and not self.transport.is_closing():
            self.transport.pause_reading()
        self._paused |= reason

    def _resume(self, reason: int) -> None:
        if self._paused:
            self._paused &= ~reason
            if not self._paused and not self.transport.is_closing():
                self.transport.resume_reading()

    def hold_upload(self) -> None:
        """Read no more of the body: the provider is slow."""
        self._pause(_UPSTREAM_FULL)

    def release_upload(self) -> None:
        self._resume(_UPSTREAM_FULL)

    # Writing

    def write(self, data: bytes) -> None:
        """Send bytes, once the journal has what was appended up to now."""
        self._out.append(data)
        if not self._is_waiting:
            self._is_waiting = True
            self.gateway.journal.wait_for_flush(self)

    def flush_out(self) -> None:
        self._is_waiting = False
        out, self._out = self._out, []
        if out and not self.transport.is_closing():
            if len(out) == 1:
                self.transport.write(out[0])
            else:
                self.transport.writelines(out)
        if self._then:
            self._do_then()

    def pause_writing(self) -> None:
        self.full_since_ns = self.gateway.clock.mono_ns()
        if self._exchange is not None:
            self._exchange.on_client_full(is_full=True)

    def resume_writing(self) -> None:
        self.full_since_ns = 0
        if self._exchange is not None:
            self._exchange.on_client_full(is_full=False)

    # Between two exchanges

    def exchange_over(self, *, is_kept: bool) -> None:
        """The exchange is answered: the next request's turn, or the connection's end."""
        was_whole = self._state == _BUSY
        self._exchange = None
        self.release_upload()
        if not is_kept or not was_whole or self.gateway.is_draining:
            self.finish("close" if was_whole else "linger")
            return
        self._state = _HEAD
        self._since_ns = self.gateway.clock.mono_ns()
        if self._held:
            data = b"".join(self._held)
            self._held.clear()
            self._held_bytes = 0
            self._resume(_PIPELINED)
            self._advance(data)  # cannot nest: what is held came after all that was being taken

    def cut(self) -> None:
        """Break off: the client gets what was written, and then no clean end of the message."""
        self._exchange = None
        self.finish("close")

    def let_go(self, exchange: Lifetime) -> None:
        """Cut the connection if it still serves this exchange, which cannot be answered."""
        if self._exchange is exchange:
            self.cut()

    def cut_hard(self) -> None:
        """Break off where the end of the connection would read as the end of the message: by a reset."""
        self._exchange = None
        self.finish("reset")

    def finish(self, how: str) -> None:
        """Close after the last write: `close`, `linger` (the client still sends), or `reset`."""
        self._state = _LINGER
        self._since_ns = self.gateway.clock.mono_ns()
        self._then = how
        if not self._is_waiting:
            self._is_waiting = True
            self.gateway.journal.wait_for_flush(self)

    def _do_then(self) -> None:
        how, self._then = self._then, ""
        if self.transport.is_closing():
            return
        if how == "linger":
            self._paused = 0
            self.transport.resume_reading()
            self.transport.write_eof()
        elif how == "reset":
            self._reset()
        else:
            self.transport.close()

    def _reset(self) -> None:
        """Close by a reset, once what was written has left the transport (tried again by `tick`)."""
        if self.transport.get_write_buffer_size():
            self._cuts_hard = True
            return
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def begin_tunnel(self) -> bytes:
        """From now on all bytes are the tunnel's; returns those that came ahead."""
        self._state = _TUNNEL
        held = b"".join(self._held)
        self._held.clear()
        self._held_bytes = 0
        self._resume(_PIPELINED)
        return held

    # Time

    def tick(self, now_ns: int) -> None:
        """Look at the time limits; called about twice a second."""
        exchange = self._exchange
        waited = now_ns - self._since_ns
        if self._cuts_hard:
            self._reset()
        if self.full_since_ns:
            limit = exchange.client_write_ns if exchange is not None else CLIENT_WRITE_NS
            if now_ns - self.full_since_ns > limit:
                self._give_up_writing(exchange)
                return
        if self._paused and self._has_left():
            self.transport.abort()
        elif self._state == _HEAD:
            if self._buffer and waited > HEAD_LIMIT_NS:
                self._refuse(BadMessage("the request's head did not become whole in time", 408))
            elif not self._buffer and waited > KEEP_ALIVE_NS:
                self.transport.close()
        elif self._state == _BODY and not self._paused and waited > BODY_STALL_NS:
            self._refuse(BadMessage("the request's body did not become whole in time", 408))
        elif self._state == _LINGER and waited > LINGER_NS and not self.transport.get_write_buffer_size():
            self.transport.abort()

    def _give_up_writing(self, exchange: Exchange | None) -> None:
        self._exchange = None
        if exchange is not None:
            exchange.on_client_stuck()
        self.transport.abort()

    def _has_left(self) -> bool:
        """Say whether the client closed while nobody reads; the loop only tells of it when reading goes on."""
        if sys.platform != "linux":
            return False
        sock = self.transport.get_extra_info("socket")
        try:
            state = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        except OSError:
            return True
        return state != _TCP_ESTABLISHED

    def close_when_idle(self) -> None:
        """The gateway drains: a connection without a request is closed, another one after its reply."""
        if self._exchange is None and self._state == _HEAD and not self._buffer:
            self.transport.close()
