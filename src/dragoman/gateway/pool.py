"""Connections to providers: kept for the next request, or made anew.

Promise: a kept connection is handed out at once, the one used last first. A new one is made off the hot path:
names are looked up in a thread, IPv6 and IPv4 are both tried (a second address joins in when the first has not
answered in 250 ms, RFC 8305), TLS is verified against the system's trust store and the provider's `ca_file`.
A way through a proxy is a tunnel for https (opened here, within the same limit) and its own kind of request for http
(see `upstream_side`). A connection unused for `IDLE_S` is closed. Does not retry; see `endpoint`.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable
from functools import partial
from itertools import zip_longest
from typing import Any

from dragoman.clock import Clock
from dragoman.gateway.proxying import ProxyRefused, open_tunnel
from dragoman.gateway.upstream import Address, authority_of
from dragoman.gateway.upstream_side import UpstreamSide
from dragoman.tasks import TaskOwner, spawn
from dragoman.wire.headers import FieldBook

IDLE_S = 60.0
MAX_IDLE = 256
"""Idle connections kept for one address."""
HEAD_START_S = 0.25
_SocketAddress = tuple[int, Any]


class ConnectFailed(Exception):
    """No connection could be made. `status` is what the client is answered."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class Pool:
    """All upstream connections of a gateway."""

    def __init__(self, clock: Clock, book: FieldBook) -> None:
        self.tasks = TaskOwner("pool")
        self._clock = clock
        self._book = book
        self._idle: dict[Address, list[UpstreamSide]] = {}
        self._contexts: dict[tuple[str | None, bool], ssl.SSLContext] = {}
        self.by_local: dict[str, UpstreamSide] = {}
        """Open connections by their own end, as a client's `peer` would show it: who finds itself here is in a loop."""

    @property
    def idle_count(self) -> int:
        return sum(map(len, self._idle.values()))

    def take(self, address: Address) -> UpstreamSide | None:
        """Hand out a kept connection, or None when there is none."""
        kept = self._idle.get(address)
        while kept:
            side = kept.pop()
            if not side.transport.is_closing():
                return side
        return None

    async def connect(self, address: Address, limit_s: float) -> UpstreamSide:
        """Make a connection. Raises ConnectFailed; cancelled, it leaves nothing open."""
        try:
            async with asyncio.timeout(limit_s):
                return await self._connect(address)
        except TimeoutError as error:
            through = f" through the proxy {address.proxy.name}" if address.proxy is not None else ""
            message = f"no connection to {_named(address)}{through} within {limit_s:g} s"
            raise ConnectFailed(504, "connect_timeout", message) from error

    async def _connect(self, address: Address) -> UpstreamSide:
        loop = asyncio.get_running_loop()
        factory = partial(UpstreamSide, address, self._book, self._released)
        if address.scheme == "unix":
            try:
                _, side = await loop.create_unix_connection(factory, address.host)
            except OSError as error:
                raise ConnectFailed(503, "keeper_down", f"the keeper does not answer: {error}") from error
            return side
        begun = self._clock.mono_ns()
        first = _first_hop(address)
        found = await _look_up(first)
        looked_up = self._clock.mono_ns()
        sock = await _connect_first(found, first)
        local = shown(sock.getsockname())
        try:
            if address.proxy is not None and address.scheme == "https":
                await _tunnel(sock, address)
            connected = self._clock.mono_ns()
            side = await self._open(factory, sock, address)
        except BaseException:
            sock.close()
            raise
        tls_ns = self._clock.mono_ns() - connected if address.scheme == "https" else 0
        side.times_ns = (looked_up - begun, connected - looked_up, tls_ns)
        if not side.is_closed:
            side.local = local
            self.by_local[local] = side
        return side

    async def _open(self, factory: Any, sock: socket.socket, address: Address) -> UpstreamSide:
        loop = asyncio.get_running_loop()
        if address.scheme != "https":
            _, side = await loop.create_connection(factory, sock=sock)
            return side
        try:
            context = await self._context(address)
            _, side = await loop.create_connection(factory, sock=sock, ssl=context, server_hostname=address.host)
        except ssl.SSLCertVerificationError as error:
            why = f"the certificate of {_named(address)} is not trusted: {error.verify_message}"
            raise ConnectFailed(502, "tls_failed", f"{why}; set ca_file for a private CA") from error
        except (OSError, ValueError) as error:
            raise ConnectFailed(502, "tls_failed", f"no TLS with {_named(address)}: {error}") from error
        return side

    async def _context(self, address: Address) -> ssl.SSLContext:
        key = (address.ca_file, address.verify_tls)
        context = self._contexts.get(key)
        if context is None:
            context = await asyncio.to_thread(_make_context, *key)  # reads the trust store: some 20 ms
            self._contexts[key] = context
        return context

    def forget_contexts(self) -> None:
        """Read trust stores anew for new connections: a Setup has come, a `ca_file` may have changed."""
        self._contexts.clear()

    def _released(self, side: UpstreamSide, *, is_reusable: bool) -> None:
        """A connection's reply has ended well, or the connection is gone."""
        if not is_reusable:
            self.by_local.pop(side.local, None)
        kept = self._idle.setdefault(side.address, [])
        if is_reusable and len(kept) < MAX_IDLE:
            side.idle_since_ns = self._clock.mono_ns()
            kept.append(side)
        elif is_reusable:
            side.transport.close()
        elif side in kept:
            kept.remove(side)

    def tick(self, now_ns: int) -> None:
        """Close what was idle for too long."""
        limit = now_ns - int(IDLE_S * 1e9)
        for kept in self._idle.values():
            while kept and kept[0].idle_since_ns < limit:  # the longest unused lies first
                kept.pop(0).transport.close()

    async def close(self) -> None:
        await self.tasks.close()
        for kept in self._idle.values():
            for side in kept:
                side.transport.abort()
        self._idle.clear()


def shown(peer: object) -> str:
    """Write one end of a connection as the record does: `127.0.0.1:5123`, `[::1]:5123`, or `local`."""
    if isinstance(peer, tuple) and len(peer) >= 2:
        return f"[{peer[0]}]:{peer[1]}" if ":" in str(peer[0]) else f"{peer[0]}:{peer[1]}"
    return "local"


def _named(address: Address) -> str:
    return f"{'the proxy ' if address.scheme == 'proxy' else ''}{authority_of(address)}"


def _make_context(ca_file: str | None, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(ca_file)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def _first_hop(address: Address) -> Address:
    """Give the place that the connection itself is made to: the proxy's, or the provider's."""
    proxy = address.proxy
    return address if proxy is None else Address("proxy", proxy.host, proxy.port)


async def _tunnel(sock: socket.socket, address: Address) -> None:
    assert address.proxy is not None
    try:
        await open_tunnel(
            sock, address.proxy, _named(address).encode("idna" if not address.host.isascii() else "ascii")
        )
    except ProxyRefused as error:
        raise ConnectFailed(502, "proxy_refused", str(error)) from error
    except OSError as error:
        message = f"the proxy {address.proxy.name} broke off before it opened a tunnel: {error}"
        raise ConnectFailed(502, "proxy_failed", message) from error


async def _look_up(address: Address) -> list[_SocketAddress]:
    """Find the addresses of a host, IPv6 and IPv4 by turns."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # gaierror with it, and names that are none
        raise ConnectFailed(502, "dns_failed", f"the name {address.host} was not found: {error}") from error
    first_family = found[0][0] if found else 0
    preferred = [(family, place) for family, _, _, _, place in found if family == first_family]
    others = [(family, place) for family, _, _, _, place in found if family != first_family]
    return [one for pair in zip_longest(preferred, others) for one in pair if one is not None]


async def _connect_first(found: Iterable[_SocketAddress], address: Address) -> socket.socket:
    """Connect to the addresses, each with a head start over the next; the first that answers wins."""
    waiting = list(found)
    owner = TaskOwner("connect")
    running: set[asyncio.Task[socket.socket | OSError]] = set()
    winner: socket.socket | None = None
    last_error: OSError | None = None
    try:
        while winner is None and (waiting or running):
            if waiting:
                running.add(spawn(_connect_one(waiting.pop(0)), name=f"connect {address.host}", owner=owner))
            head_start = HEAD_START_S if waiting else None
            done, running = await asyncio.wait(running, timeout=head_start, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                outcome = task.result()
                if isinstance(outcome, OSError):
                    last_error = outcome
                elif winner is None:
                    winner = outcome
                else:
                    outcome.close()
    finally:
        await _abandon(running, owner)
    if winner is None:
        why = last_error or "it has no address"
        raise ConnectFailed(502, "connect_failed", f"no connection to {_named(address)}: {why}")
    return winner


async def _abandon(running: set[asyncio.Task[socket.socket | OSError]], owner: TaskOwner) -> None:
    """Close the sockets of those who lost the race."""
    await owner.close()
    for task in running:
        if not task.cancelled() and isinstance(late := task.result(), socket.socket):
            late.close()


async def _connect_one(target: _SocketAddress) -> socket.socket | OSError:
    family, place = target
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await asyncio.get_running_loop().sock_connect(sock, place)
    except OSError as error:
        sock.close()
        return error
    except BaseException:
        sock.close()
        raise
    return sock
