"""The password of interface and API: compared in constant time, and attempts slowed down.

The configured value is the password itself, or an argon2 hash of it (`$argon2id$…`) for those who would rather
not keep it in the environment. Does not store anything and does not know HTTP.
"""

import hashlib
import hmac
from collections import OrderedDict

from dragoman.clock import Clock, SystemClock

FREE_ATTEMPTS = 3
FIRST_WAIT_NS = 1_000_000_000
LONGEST_WAIT_NS = 60_000_000_000
PEERS_WATCHED = 1000


def matches(configured: str, given: str) -> bool:
    """Say whether `given` is the password. The time taken tells nothing about how much of it was right."""
    if configured.startswith("$argon2"):
        return _matches_hash(configured, given)
    return hmac.compare_digest(configured.encode(), given.encode("utf-8", "surrogateescape"))


def _matches_hash(configured: str, given: str) -> bool:
    from argon2 import PasswordHasher  # loads a C library; most have no hash
    from argon2.exceptions import Argon2Error, InvalidHashError

    try:
        return PasswordHasher().verify(configured, given)
    except (Argon2Error, InvalidHashError):
        return False


class Password:
    """One configured password. A right answer is remembered by its digest, since argon2 is slow on purpose."""

    __slots__ = ("_configured", "_known")

    def __init__(self, configured: str) -> None:
        self._configured = configured
        self._known: bytes | None = None

    def __repr__(self) -> str:
        return "Password(…)"

    def matches(self, given: str) -> bool:
        digest = hashlib.blake2b(given.encode("utf-8", "surrogateescape"), digest_size=32).digest()
        if self._known is not None and hmac.compare_digest(self._known, digest):
            return True
        if not matches(self._configured, given):
            return False
        self._known = digest
        return True

    def seal(self, token: bytes) -> bytes:
        """Return a mark of `token` that no other password makes."""
        return hmac.digest(self._configured.encode(), token, "sha256")


class Attempts:
    """Wrong passwords by peer: after a few, each costs the peer a wait that doubles up to a minute.

    Remembers `PEERS_WATCHED` peers; the one that was longest quiet is forgotten first.
    """

    __slots__ = ("_clock", "_peers")

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._peers: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def wait_ns(self, peer: str) -> int:
        """Say how long the peer must wait before it may try again; 0 is now."""
        _, until = self._peers.get(peer, (0, 0))
        return max(0, until - self._clock.mono_ns())

    def failed(self, peer: str) -> None:
        count = self._peers.pop(peer, (0, 0))[0] + 1
        doublings = min(count - FREE_ATTEMPTS, 16)
        wait = min(FIRST_WAIT_NS << doublings, LONGEST_WAIT_NS) if doublings >= 0 else 0
        self._peers[peer] = (count, self._clock.mono_ns() + wait)
        while len(self._peers) > PEERS_WATCHED:
            self._peers.popitem(last=False)

    def succeeded(self, peer: str) -> None:
        self._peers.pop(peer, None)
