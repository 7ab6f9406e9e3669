"""The tree of settings as typed values: durations in seconds, sizes in bytes. `units` says how they are written."""

import ipaddress
from typing import Any, Literal

import msgspec

from dragoman.records.route import Route
from dragoman.records.setup import JournalSettings, Limits, Provider, Setup

SIZES = frozenset({"body", "capture", "head", "max_size", "file_size"})
"""Whole numbers of this name are sizes; all fractional numbers of the tree are durations."""

DEFAULT_PORT = 8080


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Server(_Section, frozen=True, kw_only=True):
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    """0 takes any free port."""
    admin_listen: str | None = None
    """`host:port` for the interface and the API; the proxy's port then serves the proxy alone."""
    gateways: int = 1
    allowed_hosts: list[str] = []
    """Names in `Host` that are accepted beside loopback names, addresses and `host`."""
    allowed_origins: list[str] = []
    """Web origins whose pages may call."""
    password_env: str = "DRAGOMAN_PASSWORD"
    """The environment variable that holds the password of interface and API."""


class Log(_Section, frozen=True, kw_only=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class Retention(_Section, frozen=True, kw_only=True):
    """What is older, or beyond the size, is removed; null keeps it for ever."""

    bodies: float | None = 30 * 86400.0
    facts: float | None = 365 * 86400.0
    max_size: int | None = 20 * 1024**3


class Redaction(_Section, frozen=True, kw_only=True):
    pii: bool = False


class Config(_Section, frozen=True, kw_only=True):
    server: Server = Server()
    log: Log = Log()
    data_dir: str = ""
    """Absolute once loaded."""
    limits: Limits = Limits()
    retention: Retention = Retention()
    redaction: Redaction = Redaction()
    journal: JournalSettings = JournalSettings()


class FileRoute(Route, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A route as a file writes it."""

    fixes: list[Any] = []
    """Rules that repair a fault of this route's models; none exist in this version."""


class File(Config, frozen=True, kw_only=True):
    """What a `dragoman.yaml` may hold."""

    providers: list[Provider] = []
    routes: list[FileRoute] = []
    rules: list[Any] = []


class Start(msgspec.Struct, kw_only=True):
    """All that a process of Dragoman needs to begin; written to `run/start.json`, mode 0600."""

    config: Config
    setup: Setup
    """The first Setup. Its version is above that of the last one that was published."""
    file_providers: list[Provider] = []
    file_routes: list[Route] = []
    flags: dict[str, Any] = {}
    """What the command line said, as `{"server.port": 8080}`; needed to read the files again."""
    config_files: list[str] = []
    """The files that were read, highest precedence first."""
    project_file: str | None = None
    """The one of them that was found in the working directory, not named by the user."""


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach a listener on `host`."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def split_address(text: str) -> tuple[str, int]:
    """Read `host:port`, `[::1]:port` or a port alone (on loopback). Raises ValueError."""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"expected host:port such as 127.0.0.1:8081, found {text!r}")
    return host.strip("[]") or "127.0.0.1", int(port)
