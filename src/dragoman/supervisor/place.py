"""The data directory and the listening socket: what one running Dragoman holds and no second one may take."""

import contextlib
import errno
import fcntl
import os
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from dragoman import __version__
from dragoman.config import Start, split_address, without_redirects
from dragoman.errors import DragomanError
from dragoman.records.setup import Edited, Setup, merge

BACKLOG = 4096
SOCKET_PATH_BYTES = 100
"""Linux takes 107, macOS 103."""
LOCK_WAIT_S = 5.0
"""How long to wait for the children of a Dragoman whose supervisor was killed."""


class RunFile(msgspec.Struct, frozen=True, kw_only=True):
    """`run.json` of the data directory: where the running Dragoman is found."""

    pid: int
    url: str
    admin_url: str | None = None
    version: str = ""

    @property
    def api_url(self) -> str:
        """Where the API is served."""
        return self.admin_url or self.url


@contextlib.contextmanager
def hold(data_dir: Path, *, wait_s: float = LOCK_WAIT_S) -> Iterator[int]:
    """Make the data directory and take it for this process and its children; gives the lock's descriptor.

    Raises DragomanError when it cannot be written to, or another Dragoman holds it.
    """
    _check_length(data_dir)
    try:
        for path in (data_dir, data_dir / "run", data_dir / "journal"):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(data_dir / "dragoman.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DragomanError(
            f"the data directory {data_dir} cannot be written to ({error.strerror}); choose another with --data-dir",
            field="data_dir",
        ) from error
    try:
        _take(lock, data_dir, wait_s)
        yield lock
    finally:
        os.close(lock)


def _check_length(data_dir: Path) -> None:
    """Sockets lie in the data directory, and the kernel takes only short paths for them."""
    longest = len(os.fsencode(data_dir / "run" / "keeper.sock"))
    if longest > SOCKET_PATH_BYTES:
        raise DragomanError(
            f"the path {data_dir} is {longest - SOCKET_PATH_BYTES} bytes too long for the sockets in it; choose a "
            f"shorter one with --data-dir",
            field="data_dir",
        )


def _take(lock: int, data_dir: Path, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise DragomanError(f"{data_dir} cannot be locked: {error.strerror}", field="data_dir") from error
        run = read_run_file(data_dir)
        if time.monotonic() > deadline or (run is not None and is_alive(run.pid)):
            who = f"another Dragoman (pid {run.pid}, {run.url})" if run else "another Dragoman"
            raise DragomanError(
                f"{who} holds the data directory {data_dir}; stop it, or choose another directory with --data-dir",
                field="data_dir",
            )
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """Say whether a process of this number runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket. Raises DragomanError that says who has the port."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise DragomanError(f"the host {host!r} is not known: {error.strerror}", field="server.host") from error
    listener = socket.socket(family, kind, proto)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise _no_listener(host, port, error) from error
    return listener


def _no_listener(host: str, port: int, error: OSError) -> DragomanError:
    if error.errno == errno.EADDRINUSE:
        message = f"port {port} on {host} is taken{_by_whom(port)}; stop that, or choose another with --port"
    elif error.errno == errno.EACCES:
        message = f"port {port} needs more rights than this user has; choose one above 1023 with --port"
    elif error.errno == errno.EADDRNOTAVAIL:
        message = f"{host} is no address of this machine; listen on 127.0.0.1, or on 0.0.0.0 for all"
    else:
        message = f"cannot listen on {host}:{port}: {error.strerror}"
    return DragomanError(message, field="server.port")


def _by_whom(port: int) -> str:
    import psutil  # only when something went wrong

    try:
        for one in psutil.net_connections(kind="tcp"):
            if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port and one.pid:
                return f" by {psutil.Process(one.pid).name()} (pid {one.pid})"
    except psutil.Error:
        return ""
    return ""


def check_admin(admin_listen: str | None) -> str | None:
    """Look whether the keeper will be able to listen there; gives the URL."""
    if admin_listen is None:
        return None
    host, port = split_address(admin_listen)
    listen(host, port).close()
    return url_of(host, port)


def url_of(host: str, port: int) -> str:
    """Make the URL under which this machine reaches a listener."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def settled(start: Start, data_dir: Path, port: int) -> Start:
    """Put into `start` the port that was taken, and what was edited in the interface last time.

    Gateways do not wait for the keeper, so the first Setup must hold the edits already.
    """
    last = _last_setup(data_dir)
    if last is not None:
        edited = Edited(
            providers=[one for one in last.providers if one.source == "edited"],
            routes=[one for one in last.routes if one.source == "edited"],
            is_panicking=last.is_panicking,
        )
        file_providers, _ = without_redirects(start.file_providers, edited.providers, start.project_file)
        setup = merge(start.setup, file_providers, edited, version=last.version + 1, file_routes=start.file_routes)
    else:
        setup = start.setup
    secret = secrets.token_urlsafe(24)
    server = msgspec.structs.replace(start.config.server, port=port)
    return msgspec.structs.replace(
        start,
        config=msgspec.structs.replace(start.config, server=server, data_dir=str(data_dir)),
        setup=msgspec.structs.replace(setup, workbench_secret=secret),
    )


def _last_setup(data_dir: Path) -> Setup | None:
    try:
        return msgspec.json.decode((data_dir / "run" / "setup.json").read_bytes(), type=Setup)
    except (OSError, msgspec.MsgspecError):
        return None  # the first start, or one by another version; the keeper publishes anew in a moment


def write_private(path: Path, value: object) -> None:
    """Write JSON that only this user may read, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(value))
    draft.replace(path)


@contextlib.contextmanager
def announced(data_dir: Path, *, url: str, admin_url: str | None) -> Iterator[None]:
    """Write where this Dragoman is found, for as long as it is."""
    path = data_dir / "run.json"
    write_private(path, RunFile(pid=os.getpid(), url=url, admin_url=admin_url, version=__version__))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def read_run_file(data_dir: Path) -> RunFile | None:
    """Read where a Dragoman runs, or ran when it was killed; None when none did."""
    try:
        return msgspec.json.decode((data_dir / "run.json").read_bytes(), type=RunFile)
    except (OSError, msgspec.MsgspecError):
        return None
