"""The beginning of a child process: log, tie to the supervisor's life, then hand over to gateway or keeper.

Promise: a child ends within seconds after its supervisor is gone, however that came about. On Linux the kernel
sends SIGTERM; everywhere, the end of the pipe whose other side only the supervisor holds says the same, and what
has not ended `GRACE_S` later is ended.
"""

import ctypes
import logging
import os
import signal
import sys
import threading
from pathlib import Path

import msgspec

from dragoman.config import Start
from dragoman.errors import DragomanError
from dragoman.supervisor import logs

PIPE_VARIABLE = "DRAGOMAN_SUPERVISOR_PIPE"
GRACE_S = 3.0
_PR_SET_PDEATHSIG = 1


def run_child(kind: str, words: list[str]) -> None:
    """Be one of the children: `_gateway`, `_keeper` or `_simulator`, with its options as `--name value`."""
    options = dict(zip(words[::2], words[1::2], strict=True))
    _follow_supervisor()
    data_dir = Path(options["--data-dir"])
    start = msgspec.json.decode((data_dir / "run" / "start.json").read_bytes(), type=Start)
    logs.configure(start.config.log, options.get("--name", kind.strip("_")))
    try:
        _run(kind, options, data_dir)
    except DragomanError as error:
        logging.getLogger("dragoman").error("%s", error)
        sys.exit(1)


def _run(kind: str, options: dict[str, str], data_dir: Path) -> None:
    if kind == "_gateway":
        from dragoman.gateway.main import run as run_gateway

        run_gateway(options["--name"], int(options["--fd"]), data_dir)
    elif kind == "_keeper":
        from dragoman.api.main import run as run_keeper

        run_keeper(data_dir)
    else:
        from dragoman.simulator.main import run as run_simulator

        run_simulator(int(options["--fd"]), options.get("--play-to"))


def _follow_supervisor() -> None:
    pipe = os.environ.pop(PIPE_VARIABLE, None)
    if pipe is None:
        return  # started by hand
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    threading.Thread(target=_end_with, args=(int(pipe),), name="supervisor-watch", daemon=True).start()


def _end_with(pipe: int) -> None:
    os.read(pipe, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(GRACE_S)
    os._exit(1)
