"""The loop that starts children, starts them again when they die, and ends them in order."""

import contextlib
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dragoman.config import Start
from dragoman.supervisor import logs, place
from dragoman.supervisor.child import PIPE_VARIABLE

_log = logging.getLogger("dragoman.supervisor")

DRAIN_S = 20.0
"""How long running exchanges, and then the keeper's reading, may take after the first signal."""
STEADY_S = 10.0
"""A child that lived this long begins anew with the shortest wait."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 5.0


@dataclass(frozen=True, slots=True)
class Command:
    """What a child runs: words after `python -m dragoman`, and descriptors it inherits."""

    name: str
    words: Sequence[str]
    descriptors: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Running:
    """What `serve` tells its caller as soon as the socket listens and the gateways are on their way."""

    url: str
    admin_url: str | None
    data_dir: Path


def serve(
    start: Start,
    on_ready: Callable[[Running], None],
    *,
    more: Callable[[Running], Sequence[Command]] = lambda _: (),
) -> None:
    """Run until a signal; `more` names children beside gateways and keeper.

    Raises DragomanError when port or data directory are taken.
    """
    data_dir = Path(start.config.data_dir)
    server = start.config.server
    logs.configure(start.config.log, "supervisor")
    with _Signals() as signals, place.hold(data_dir) as lock, place.listen(server.host, server.port) as listener:
        port = listener.getsockname()[1]
        running = Running(place.url_of(server.host, port), place.check_admin(server.admin_listen), data_dir)
        place.write_private(data_dir / "run" / "start.json", place.settled(start, data_dir, port))
        with _Family(lock) as family:
            gateways = [family.add(_gateway(number, listener, data_dir)) for number in range(server.gateways)]
            keeper = family.add(Command("keeper", ("_keeper", "--data-dir", str(data_dir))))
            others = [family.add(command) for command in more(running)]
            with place.announced(data_dir, url=running.url, admin_url=running.admin_url):
                on_ready(running)
                family.watch(signals)
            listener.close()  # the gateways close theirs too, so that new clients are told at once
            family.end(gateways, signals, "running exchanges")
            family.end(others, signals, "the simulator")
            family.end([keeper], signals, "the keeper to read what is left")


def _gateway(number: int, listener: socket.socket, data_dir: Path) -> Command:
    name = f"g{number}"
    words = ("_gateway", "--name", name, "--fd", str(listener.fileno()), "--data-dir", str(data_dir))
    return Command(f"gateway {name}", words, (listener.fileno(),))


class _Family:
    """The children. They hold the lock of the data directory too, so that no second Dragoman starts beside them
    when this process was killed; and the reading end of a pipe that ends with this process."""

    def __init__(self, lock: int) -> None:
        self._lock = lock
        self._pipe, self._our_end = os.pipe()
        self._children: list[_Child] = []

    def __enter__(self) -> "_Family":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._our_end)
        os.close(self._pipe)
        for child in self._children:
            child.send(signal.SIGKILL)
            if child.process is not None:
                child.process.wait()

    def add(self, command: Command) -> "_Child":
        """Start a child and keep it running."""
        child = _Child(command)
        self._children.append(child)
        self._start(child)
        return child

    def _start(self, child: "_Child") -> None:
        child.start((*child.command.descriptors, self._lock), self._pipe)

    def watch(self, signals: "_Signals") -> None:
        """Start again what dies, until the first signal."""
        while not signals.count:
            for child in self._children:
                child.note_death()
                if child.process is None and child.due_s <= time.monotonic():
                    self._start(child)
            due = [child.due_s - time.monotonic() for child in self._children if child.process is None]
            signals.wait(max(min(due), 0.0) if due else None)

    def end(self, children: list["_Child"], signals: "_Signals", what: str) -> None:
        """Ask these children to end, and wait for it until the limit or a further signal."""
        asked_at, seen = time.monotonic(), signals.count
        for child in children:
            child.send(signal.SIGTERM)
        while not all(child.is_gone() for child in children):
            left = asked_at + DRAIN_S - time.monotonic()
            if left <= 0 or signals.count > seen:
                _log.warning("not waiting any longer for %s", what)
                for child in children:
                    child.send(signal.SIGKILL)
                return
            signals.wait(left)


@dataclass(slots=True)
class _Child:
    command: Command
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    wait_s: float = 0.0
    due_s: float = 0.0
    """When to start it again; meaningful while `process` is None."""

    def start(self, descriptors: tuple[int, ...], pipe: int) -> None:
        self.started_s = time.monotonic()
        self.process = subprocess.Popen(
            # -P: the working directory, which may be anybody's, is no place to import from.
            [sys.executable, "-P", "-m", "dragoman", *self.command.words],
            pass_fds=(*descriptors, pipe),
            env={**os.environ, PIPE_VARIABLE: str(pipe)},
            stdin=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C is for the supervisor, which tells the children in order
        )

    def note_death(self) -> None:
        """Look whether the process has ended, and set when the next one is due."""
        if self.process is None or self.process.poll() is None:
            return
        code = self.process.returncode
        lived_s = time.monotonic() - self.started_s
        self.process = None
        if code in (-signal.SIGKILL, -signal.SIGTERM) or lived_s >= STEADY_S:
            self.wait_s = 0.0  # somebody's doing, not a fault at the start
        else:
            self.wait_s = min(max(self.wait_s * 2, FIRST_WAIT_S), LONGEST_WAIT_S)
        self.due_s = time.monotonic() + self.wait_s
        how = signal.Signals(-code).name if code < 0 else f"code {code}"
        _log.warning("%s ended (%s) after %.1f s; starting it again", self.command.name, how, lived_s)

    def send(self, number: signal.Signals) -> None:
        if not self.is_gone() and self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    def is_gone(self) -> bool:
        return self.process is None or self.process.poll() is not None


class _Signals:
    """Counts SIGTERM and SIGINT, and wakes the loop for them and for SIGCHLD."""

    def __init__(self) -> None:
        self.count = 0
        self._reader, self._writer = socket.socketpair()
        self._before: dict[int, object] = {}

    def __enter__(self) -> "_Signals":
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._wakeup_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._count)
        self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)  # pyright: ignore[reportArgumentType]
        self._reader.close()
        self._writer.close()

    def _count(self, *_: object) -> None:
        self.count += 1

    def wait(self, limit_s: float | None) -> None:
        """Sleep until a signal comes or the time is over; one that came since the last call ends it at once."""
        select.select([self._reader], [], [], limit_s)
        with contextlib.suppress(BlockingIOError):
            self._reader.recv(4096)
