"""`dragoman doctor`: look whether settings, place, port, store and providers are as they should be."""

import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import typer

from dragoman.cli import options
from dragoman.cli.record import Running, open_store
from dragoman.config import Start
from dragoman.errors import DragomanError
from dragoman.records.setup import Provider
from dragoman.supervisor.place import RunFile, hold, listen

REACH_S = 4.0
LEAST_FREE_BYTES = 1024**3
_SIGNS = {"fine": "ok  ", "warning": "warn", "failed": "FAIL"}


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    state: Literal["fine", "warning", "failed"]
    message: str


def doctor(
    host: options.Host = None,
    port: options.Port = None,
    data_dir: options.DataDir = None,
    config_file: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Check settings, data directory, port, store and providers. Ends with 1 when something does not work."""
    findings: list[Finding] = []
    for finding in _examine(lambda: options.load(config_file, data_dir, host=host, port=port)):
        findings.append(finding)
        if not as_json:
            print(f"{_SIGNS[finding.state]}  {finding.what:<20} {finding.message}", flush=True)
    if as_json:
        print(json.dumps([asdict(one) for one in findings], indent=2))
    if any(one.state == "failed" for one in findings):
        raise typer.Exit(1)


def _examine(read: Callable[[], Start]) -> Iterator[Finding]:
    try:
        start = read()
    except DragomanError as error:
        yield Finding("settings", "failed", str(error))
        return
    yield Finding("settings", "fine", ", ".join(start.config_files) or "defaults; no dragoman.yaml was found")
    data_dir = Path(start.config.data_dir)
    run = options.find_running(data_dir)
    yield _data_dir(data_dir, run)
    if run is not None:
        yield from _running(start, run)
    else:
        yield _guarded("port", lambda: _port(start))
        yield _guarded("store", lambda: _store(data_dir))
    from concurrent.futures import ThreadPoolExecutor  # `serve` imports this file too, and does not need it

    with ThreadPoolExecutor(max_workers=16) as pool:
        yield from pool.map(lambda one: _provider(one, data_dir), start.setup.providers)


def _guarded(what: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except (DragomanError, OSError) as error:
        return Finding(what, "failed", str(error))


def _data_dir(data_dir: Path, run: RunFile | None) -> Finding:
    if run is None:
        try:
            with hold(data_dir):
                pass
        except DragomanError as error:
            return Finding("data directory", "failed", str(error))
    free = shutil.disk_usage(data_dir).free
    message = f"{data_dir}, {free / 1024**3:.1f} GB free"
    return Finding("data directory", "fine" if free > LEAST_FREE_BYTES else "warning", message)


def _running(start: Start, run: RunFile) -> Iterator[Finding]:
    yield Finding("process", "fine", f"runs as pid {run.pid} at {run.url}")
    api = Running(run, os.environ.get(start.config.server.password_env))
    try:
        ready = json.loads(api.get("/readyz"))
    except DragomanError as error:
        yield Finding("readiness", "failed", str(error))
        return
    for check in ready["checks"]:
        yield Finding(check["name"], "fine" if check["is_ready"] else "failed", check["message"])


def _port(start: Start) -> Finding:
    server = start.config.server
    listen(server.host, server.port).close()
    return Finding("port", "fine", f"{server.host}:{server.port} is free")


def _store(data_dir: Path) -> Finding:
    path = data_dir / "dragoman.db"
    if not path.exists():
        return Finding("store", "fine", "nothing is recorded yet")
    with open_store(data_dir) as store:
        storage = store.storage()
    return Finding("store", "fine", f"{path}, {storage.rows} exchanges, {storage.file_bytes / 1024**2:.1f} MB")


def _provider(provider: Provider, data_dir: Path) -> Finding:
    from dragoman.gateway.upstream import provider_upstream  # `serve` imports this file too, and does not need it

    what = f"provider {provider.slug}"
    upstream = provider_upstream(provider, data_dir)
    if upstream.fault is not None:
        return Finding(what, "failed", upstream.fault.removeprefix(f"{what} "))
    proxy = upstream.address.proxy
    if proxy is not None:
        return _proxy(what, provider, proxy.host, proxy.port)
    try:
        _reach(provider)
    except (OSError, ValueError) as error:
        # What nobody configured may well be absent, such as an Ollama that does not run.
        state = "warning" if provider.source == "builtin" else "failed"
        return Finding(what, state, f"{provider.base_url} cannot be reached: {error}")
    return Finding(what, "fine", f"{provider.base_url} can be reached")


def _proxy(what: str, provider: Provider, host: str, port: int) -> Finding:
    try:
        socket.create_connection((host, port), REACH_S).close()
    except OSError as error:
        state = "warning" if provider.source == "builtin" else "failed"
        return Finding(what, state, f"the proxy {host}:{port} cannot be reached: {error}")
    return Finding(what, "fine", f"the proxy {host}:{port} to {provider.base_url} can be reached")


def _reach(provider: Provider) -> None:
    """Connect, and prove the certificate. Raises OSError."""
    import ssl

    url = urlsplit(provider.base_url)
    host = url.hostname or ""
    with socket.create_connection((host, url.port or (443 if url.scheme == "https" else 80)), REACH_S) as plain:
        if url.scheme != "https":
            return
        context = ssl.create_default_context(cafile=provider.ca_file)
        if not provider.verify_tls:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(plain, server_hostname=host):
            return
