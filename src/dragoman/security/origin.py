"""Who may call: the checks of `Host` and `Origin` that stand in front of everything.

Promise: a page in a browser can reach nothing here, neither by DNS rebinding (its name is no host of ours) nor
across origins, unless the operator named its origin. Accepted hosts are loopback names, IP literals (rebinding
needs a name), the hosts that Dragoman was told to listen on, and `allowed_hosts`. `sec-fetch-mode` alone proves
nothing: node's fetch sends it.
Pure: no I/O. Does not know HTTP beyond the values of these headers.
"""

import ipaddress
import re

_AUTHORITY = re.compile(rb"(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_MAX_REMEMBERED = 1024


class OriginPolicy:
    """What one Setup allows. Hosts once accepted are remembered, so that a request costs one look-up."""

    __slots__ = ("_accepted", "_any_host", "_hosts", "_origins", "_suffixes")

    def __init__(self, *, hosts: list[str], allowed_hosts: list[str], allowed_origins: list[str]) -> None:
        names = [_name(one) for one in (*hosts, *allowed_hosts)]
        self._hosts = frozenset(one for one in names if not one.startswith("*"))
        self._suffixes = tuple(one[1:] for one in names if one.startswith("*."))
        self._any_host = "*" in names
        self._origins = frozenset(one.lower().rstrip("/").encode() for one in allowed_origins)
        self._accepted: set[bytes] = set()

    def accepts_host(self, host: bytes) -> bool:
        """Say whether a `Host` header's value is a name of ours."""
        if host in self._accepted:
            return True
        match = _AUTHORITY.fullmatch(host)
        if match is None or not self._is_ours(match[1].decode().lower().removesuffix(".")):
            return False
        if len(self._accepted) < _MAX_REMEMBERED:
            self._accepted.add(host)
        return True

    def allows_origin(self, origin: bytes) -> bool:
        """Say whether the operator named this origin in `allowed_origins`."""
        return origin.lower() in self._origins or b"*" in self._origins

    def refusal(self, host: bytes | None, origin: bytes | None, fetch_site: bytes | None) -> str | None:
        """Say why a request with these headers is refused, or None when it may go on."""
        if host is not None and not self.accepts_host(host):
            return (
                f"host {_shown(host)} is not one of this server; "
                "call it by an IP address or localhost, or add the name to server.allowed_hosts"
            )
        if origin is not None and not self.allows_origin(origin) and not is_same_origin(origin, host):
            return (
                f"origin {_shown(origin)} may not call this server; "
                "add it to server.allowed_origins if its pages are yours"
            )
        if fetch_site in (b"cross-site", b"same-site") and (origin is None or not self.allows_origin(origin)):
            return "a web page of another site may not call this server (sec-fetch-site)"
        return None

    def _is_ours(self, name: str) -> bool:
        if self._any_host or name in self._hosts or name == "localhost" or name.endswith(".localhost"):
            return True
        return name.endswith(self._suffixes) or _is_ip(name)


def is_same_origin(origin: bytes, host: bytes | None) -> bool:
    """Say whether a page of this server itself calls: its origin's authority is the request's host."""
    scheme, separator, authority = origin.partition(b"://")
    return bool(separator) and host is not None and scheme in (b"http", b"https") and authority.lower() == host.lower()


def _name(entry: str) -> str:
    """Bring a configured host (`name`, `name:port`, `[::1]:port`, `*.example.com`) to its bare name."""
    entry = entry.strip().lower().removesuffix(".")
    if entry.startswith("["):
        return entry[: entry.find("]") + 1]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name[1:-1].partition("%")[0] if name.startswith("[") else name)
    except ValueError:
        return False
    return True


def _shown(value: bytes) -> str:
    return repr(value[:100].decode("latin-1"))
