"""The tries of one exchange, as its record tells of them: which upstreams, in which dialect, and how each ended.

Promise: pure. A try that failed keeps its status, its error and the beginning of what the provider said; a body
or a loss that belonged to it does not pass for one of the next try's.
"""

from collections.abc import Sequence

from dragoman.journal.format import AttemptClosed, AttemptOpened, Closed, Lost, ResponseHead, UpstreamBody
from dragoman.keeper.heads import attempt_of, header_of, text_headers
from dragoman.records.exchange import Attempt, Loss
from dragoman.wire.encodings import decode

ERROR_BYTES = 2048
"""So much of what a provider said in a failed try is kept in its `error_message`."""


class Attempts:
    """Give it the records that tell of tries, in order."""

    def __init__(self) -> None:
        self.all: list[Attempt] = []
        self.failed = 0
        """How many were given up, each for another that followed."""
        self._body: UpstreamBody | None = None
        self._body_of: tuple[str | None, str | None] | None = None
        self._losses: list[tuple[int, Loss]] = []

    @property
    def last(self) -> Attempt | None:
        return self.all[-1] if self.all else None

    @property
    def is_translated(self) -> bool:
        """Say whether the last try speaks another dialect than the client."""
        return self.last is not None and self.last.dialect is not None

    @property
    def upstream_body(self) -> bytes | None:
        """Give what the last try sent when it was not the client's body, else None.

        A try that sends what the one before sent does not write it again: the same dialect and model say so.
        """
        if self._body is None or self.last is None or self._body_of != (self.last.dialect, self.last.model):
            return None
        return self._body.data

    @property
    def losses(self) -> list[Loss]:
        """List what was lost in the translation that counts: that for the last try's target."""
        return [loss for _, loss in self._losses]

    def take_body(self, record: UpstreamBody) -> None:
        self._body, self._body_of = record, None

    def open(self, record: AttemptOpened, at_ns: int) -> None:
        attempt, before = attempt_of(record, at_ns), self.last
        if before is not None and _target_of(before) != _target_of(attempt):
            self._losses = [(failed, loss) for failed, loss in self._losses if failed == self.failed]
        self.all.append(attempt)
        if self._body is not None and self._body_of is None:
            self._body_of = (attempt.dialect, attempt.model)

    def fail(self, record: AttemptClosed, at_ns: int, head: ResponseHead | None, body: bytes) -> None:
        """End a try after which another follows; `head` and `body` are what the provider answered."""
        self.failed += 1
        for attempt in self.all:
            if attempt.number == record.number:
                attempt.status = record.status or (head.status if head else None)
                attempt.error_code = record.error_code
                attempt.error_message = _with_body(record.error_message, head, body)
                attempt.wait_ns = record.wait_ns
                attempt.ended_ns = at_ns

    def settle(self, head: ResponseHead | None, closed: Closed | None, closed_ns: int) -> list[Attempt]:
        """Give the last try the end of the exchange, and list all."""
        if self.last is not None:
            self.last.status = head.status if head else self.last.status
            if closed is not None:
                self.last.ended_ns = closed_ns
                self.last.error_code, self.last.error_message = closed.error_code, closed.error_message
        return self.all

    def take_losses(self, record: Lost) -> None:
        """Add losses; those for a later target stand in place of an earlier one's."""
        made = [Loss(direction=record.direction, path=path, reason=reason) for path, reason in record.losses]
        self._losses = [
            (failed, loss)
            for failed, loss in self._losses
            if failed == self.failed or loss.direction != record.direction
        ]
        self._losses += [(self.failed, loss) for loss in made]


def _target_of(attempt: Attempt) -> tuple[str, str | None, str | None]:
    return attempt.provider, attempt.dialect, attempt.model


def _with_body(message: str, head: ResponseHead | None, body: bytes) -> str:
    """Add the beginning of what the provider said, when it is text and says more than the message does."""
    headers: Sequence[tuple[str, str]] = text_headers(head.headers) if head else []
    plain = decode(body, header_of(headers, "content-encoding") or "", ERROR_BYTES).data[:ERROR_BYTES]
    if not plain or b"\0" in plain:
        return message
    said = plain.decode("utf-8", "ignore").strip()
    return message if said in message else f"{message}: {said}" if message else said
