"""Settings: one tree, checked once, at the start.

Precedence: command line > `DRAGOMAN_SECTION__KEY` in the environment > `./dragoman.yaml` (or `--config`) >
the user's own `dragoman.yaml` > defaults. A wrong setting raises BadConfig with file, line, what was found and
what was expected. `load` gives a `Start`: all that gateways and keeper need to begin, as plain values.
Imports little, since each process reads it before its first request; YAML is imported when a file exists.
"""

from dragoman.config.entries import without_redirects
from dragoman.config.load import load, reload
from dragoman.config.tree import Config, Log, Redaction, Retention, Server, Start, is_loopback, split_address

__all__ = [
    "Config",
    "Log",
    "Redaction",
    "Retention",
    "Server",
    "Start",
    "is_loopback",
    "load",
    "reload",
    "split_address",
    "without_redirects",
]
