"""Ways to a provider that lead through an HTTP proxy: which one, and how its tunnel is opened.

The provider's own `proxy` comes first (`none`: no proxy), then HTTPS_PROXY or HTTP_PROXY by the provider's scheme,
then ALL_PROXY, each also in small letters; NO_PROXY exempts hosts, and this machine itself is never asked for through
a proxy of the environment. A proxy's password stands in the environment's URL alone: it is shown nowhere, since
`Proxy` hides it and the header that carries it never leaves the connection's code.
"""

import asyncio
import ipaddress
import socket
from base64 import b64encode
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

MAX_HEAD_BYTES = 16 * 1024
_OK = range(200, 300)
_WANTS_CREDENTIALS = 407


class Proxy(NamedTuple):
    host: str
    port: int
    authorization: bytes | None = None
    """Value of `Proxy-Authorization`."""

    def __repr__(self) -> str:
        return f"Proxy({self.name!r})"

    @property
    def name(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ProxyRefused(Exception):
    """The proxy answered, and opened no tunnel."""


def proxy_for(setting: str | None, scheme: str, host: str, port: int, environ: Mapping[str, str]) -> Proxy | None:
    """Choose the proxy for a provider; None: straight there. Raises ValueError when the setting names none."""
    if setting == "none":
        return None
    if setting:
        return parse_proxy(setting, "proxy")
    if _is_this_machine(host) or is_exempt(_value(environ, "NO_PROXY")[1], host, port):
        return None
    for name in (f"{scheme.upper()}_PROXY", "ALL_PROXY"):
        found, url = _value(environ, name)
        if url:
            return parse_proxy(url, found)
    return None


def parse_proxy(url: str, where: str) -> Proxy:
    """Read a proxy's URL; `where` is the setting or variable it stands in. Raises ValueError, without the password."""
    expected = f"{where}: expected the URL of an HTTP proxy such as http://proxy.example.com:3128"
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(expected) from error
    if parts.scheme != "http":
        raise ValueError(f"{expected}; proxies that are spoken to by {parts.scheme} are not supported")
    if not host:
        raise ValueError(expected)
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = b"Basic " + b64encode(pair.encode())
    return Proxy(host, port or 80, authorization)


def is_exempt(no_proxy: str, host: str, port: int) -> bool:
    """Say whether NO_PROXY names a host: by name or its ending, by address or network, alone or with a port.

    `example.com` and `.example.com` both cover the name and all below it, `*` covers everything.
    """
    host = host.lower().rstrip(".")
    address = _address(host)
    return any(_covers(one, host, address, port) for one in no_proxy.lower().replace(",", " ").split())


def _covers(entry: str, host: str, address: "_Address | None", port: int) -> bool:
    if entry == "*":
        return True
    name, only = _split_port(entry)
    if only is not None and only != port:
        return False
    if address is not None:
        network = _network(name)
        return network is not None and address in network
    name = name.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith("." + name))


def _split_port(entry: str) -> tuple[str, int | None]:
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, int(rest[1:]) if rest[1:].isdecimal() else None
    name, colon, port = entry.rpartition(":")
    if colon and ":" not in name and port.isdecimal():
        return name, int(port)
    return entry, None


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _address(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _is_this_machine(host: str) -> bool:
    address = _address(host)
    if address is not None:
        return address.is_loopback
    low = host.lower().rstrip(".")
    return low == "localhost" or low.endswith(".localhost")


def _value(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    """Give the variable that counts and its value; the small letters come first, as with curl."""
    for one in (name.lower(), name):
        if value := environ.get(one, "").strip():
            return one, value
    return name, ""


def absolute_head(head: bytes, authority: bytes, proxy: Proxy) -> bytes:
    """Make a request's head one for a proxy: the target with scheme and host, and the proxy's credential."""
    line, _, rest = head.partition(b"\r\n")
    method, _, target = line.partition(b" ")
    said = b"Proxy-Authorization: " + proxy.authorization + b"\r\n" if proxy.authorization else b""
    return method + b" http://" + authority + target + b"\r\n" + said + rest


async def open_tunnel(sock: socket.socket, proxy: Proxy, authority: bytes) -> None:
    """Ask the proxy to CONNECT to `authority` (`host:port`). Raises ProxyRefused, OSError."""
    loop = asyncio.get_running_loop()
    lines = [b"CONNECT " + authority + b" HTTP/1.1", b"Host: " + authority]
    if proxy.authorization:
        lines.append(b"Proxy-Authorization: " + proxy.authorization)
    await loop.sock_sendall(sock, b"\r\n".join(lines) + b"\r\n\r\n")
    head = b""
    while b"\r\n\r\n" not in head:
        data = await loop.sock_recv(sock, 4096)
        if not data:
            raise ProxyRefused(f"the proxy {proxy.name} closed the connection instead of opening a tunnel")
        head += data
        if len(head) > MAX_HEAD_BYTES:
            raise ProxyRefused(f"the proxy {proxy.name} answered CONNECT with no end of headers")
    _check(head, proxy, authority.decode())


def _check(head: bytes, proxy: Proxy, authority: str) -> None:
    line = head.partition(b"\r\n")[0].decode("latin-1")
    words = line.split(None, 2)
    status = int(words[1]) if len(words) > 1 and words[0].startswith("HTTP/") and words[1].isdecimal() else 0
    if status in _OK:
        return
    if status == _WANTS_CREDENTIALS:
        how = "wrong ones were given" if proxy.authorization else "none were given"
        raise ProxyRefused(
            f"the proxy {proxy.name} wants credentials ({status}) and {how}: "
            "set them in the environment, HTTPS_PROXY=http://user:password@host:port"
        )
    said = line[:120] if status else "no HTTP"
    raise ProxyRefused(f"the proxy {proxy.name} did not connect to {authority}: {said}")
