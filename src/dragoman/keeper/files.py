"""Follow the configuration files: read them again when one changes.

Promise: only what was checked whole is handed on; a file that became wrong changes nothing and is named in
`problems`, with line, until it is right again. What the running processes cannot take is named there too.
A file that is being written is waited for, so that half of it is never taken for the whole.
Files that did not exist at the start are not looked for. `look` blocks.
"""

import contextlib
import logging
import time
from pathlib import Path

from dragoman.config import Config, Start, reload
from dragoman.errors import BadConfig

_NEED_RESTART = {
    "server": ("host", "port", "admin_listen", "gateways", "password_env"),
    "log": ("level", "format"),
}
"""Settings that the processes read at their start alone."""

STILL_S = 0.05
"""How long a file must have been left alone before it is read."""
MOST_WAITS = 40

_Stamp = tuple[int, int, int] | None

_log = logging.getLogger("dragoman.keeper")


class ConfigFiles:
    """`problems` says what is wrong with the files at the moment."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._stamps = self._look_at()
        self.problems: list[str] = []

    def look(self) -> Start | None:
        """Read the files again if one of them changed; None when nothing (right) is new."""
        stamps = self._look_at()
        if stamps == self._stamps:
            return None
        self._stamps = self._wait_until_still(stamps)
        try:
            fresh = reload(self._start)
        except BadConfig as error:
            self.problems = [str(error)]
            _log.error("the configuration stays as it was: %s", error)
            return None
        self.problems = [_restart(name) for name in changed_settings(self._start.config, fresh.config)]
        _log.info("the configuration was read again: %s", ", ".join(self._start.config_files))
        return fresh

    def _wait_until_still(self, stamps: list[_Stamp]) -> list[_Stamp]:
        for _ in range(MOST_WAITS):
            time.sleep(STILL_S)
            before, stamps = stamps, self._look_at()
            if stamps == before:
                break
        return stamps

    def _look_at(self) -> list[_Stamp]:
        return [_stamp(Path(name)) for name in self._start.config_files]


def changed_settings(running: Config, fresh: Config) -> list[str]:
    """Name the settings that changed and that only a restart brings to the running processes."""
    changed: list[str] = []
    for section, names in _NEED_RESTART.items():
        old, new = getattr(running, section), getattr(fresh, section)
        for name in names:
            is_any_port = name == "port" and new.port == 0
            if getattr(old, name) != getattr(new, name) and not is_any_port:
                changed.append(f"{section}.{name}")
    if running.data_dir != fresh.data_dir:
        changed.append("data_dir")
    return changed


def _restart(name: str) -> str:
    return f"{name} has changed in the file; it takes effect when Dragoman is started again"


def _stamp(path: Path) -> _Stamp:
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino
    return None
