"""Log lines of all processes: one line each, for people or as JSON, on standard error.

The standard library's logging, since it is loaded anyway and a gateway's start counts. Lines carry ids and sizes,
never content.
"""

import json
import logging
import sys
import time

from dragoman.config import Log

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _Console(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%H:%M:%S", time.localtime(record.created))
        more = "".join(f" {key}={value}" for key, value in _extras(record).items())
        line = f"{stamp} {record.levelname.lower():<7} {self._process}: {record.getMessage()}{more}"
        return line + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


class _Json(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        line: dict[str, object] = {
            "at": stamp,
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
            **_extras(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def configure(log: Log, process: str) -> None:
    """Send this process's log lines to standard error in the configured form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json(process) if log.format == "json" else _Console(process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel("WARNING")  # what libraries have to say is of no use below that
    logging.getLogger("dragoman").setLevel(log.level.upper())


def _extras(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}
