"""The one way in: a session, or the password itself; wrong ones are slowed down by peer.

Does not know HTTP: the API brings the values of headers and cookies, and says what came of it.
"""

from pathlib import Path

from dragoman.clock import Clock
from dragoman.errors import Refused
from dragoman.security.passwords import Attempts, Password
from dragoman.security.sessions import Sessions


class TooManyAttempts(Refused):
    """`wait_s` says when the peer may try again."""

    code = "too_many_attempts"

    def __init__(self, wait_ns: int) -> None:
        self.wait_s = -(-wait_ns // 1_000_000_000)
        super().__init__(f"too many wrong passwords from this address; try again in {self.wait_s} s")


class Login:
    """What a configured password guards by; one per process."""

    __slots__ = ("_attempts", "_password", "sessions")

    def __init__(self, password: str, data_dir: Path, clock: Clock | None = None) -> None:
        self._password = Password(password)
        self._attempts = Attempts(clock)
        self.sessions = Sessions(data_dir / "sessions.json", self._password, clock)

    def accepts(self, password: str, peer: str) -> bool:
        """Say whether the password is right. Raises TooManyAttempts, without looking, while the peer must wait."""
        wait_ns = self._attempts.wait_ns(peer)
        if wait_ns > 0:
            raise TooManyAttempts(wait_ns)
        if not self._password.matches(password):
            self._attempts.failed(peer)
            return False
        self._attempts.succeeded(peer)
        return True
