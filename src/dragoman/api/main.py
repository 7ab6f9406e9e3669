"""The keeper's process: its sockets first, then everything else.

Promise: the Unix socket has mode 0600 from its first moment, and takes connections before the libraries are loaded,
so that who opens the interface right after the start waits a second instead of being turned away. With
`server.admin_listen` the same application answers there too, behind its own checks of host and origin.
"""

import os
import socket
from pathlib import Path

import msgspec

from dragoman.config import Start, split_address
from dragoman.errors import BadConfig

_BACKLOG = 256


def run(data_dir: Path) -> None:
    """Serve until SIGTERM. Blocks."""
    start = msgspec.json.decode((data_dir / "run" / "start.json").read_bytes(), type=Start)
    sockets = [listen_privately(data_dir / "run" / "keeper.sock")]
    if start.config.server.admin_listen:
        sockets.append(listen_openly(start.config.server.admin_listen))
    from dragoman.api.server import assemble, make_server  # takes most of the start

    make_server(assemble(start, data_dir)).run(sockets)


def listen_privately(path: Path) -> socket.socket:
    """Listen on a Unix socket; one that a dead process left is replaced."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    old = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(old)
    listener.listen(_BACKLOG)
    return listener


def listen_openly(address: str) -> socket.socket:
    """Listen on the admin address. Raises BadConfig when it is taken."""
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise BadConfig(f"cannot listen on {address}: {error.strerror}", field="server.admin_listen") from error
    listener.listen(_BACKLOG)
    return listener
