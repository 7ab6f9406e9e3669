"""The errors that Dragoman raises itself.

    DragomanError
    ├── BadRequest      the client's or user's fault: what was found, what was expected, what to do
    │   └── NotFound    it names a thing that does not exist
    ├── Refused         a limit, a check of origin or a password said no
    ├── UpstreamFailed  the provider could not be reached, or broke off
    └── BadConfig       a setting is wrong; stops the start

What goes wrong *in an exchange* is data on the exchange, not an exception that travels.
Subclass only where a caller acts differently.
"""


class DragomanError(Exception):
    """`code` is a short stable word for machines; `message` is for people; `field` names the culprit."""

    code = "error"

    def __init__(self, message: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        if code is not None:
            self.code = code


class BadRequest(DragomanError):
    code = "bad_request"


class NotFound(BadRequest):
    code = "not_found"


class Refused(DragomanError):
    code = "refused"


class UpstreamFailed(DragomanError):
    code = "upstream_failed"


class BadConfig(DragomanError):
    """`file` and `line` (1-based) say where, when the setting came from a file."""

    code = "bad_config"

    def __init__(
        self, message: str, *, field: str | None = None, file: str | None = None, line: int | None = None
    ) -> None:
        super().__init__(message, field=field)
        self.file = file
        self.line = line

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.file and self.line else f"{self.file}: " if self.file else ""
        return where + self.message
