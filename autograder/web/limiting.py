"""How often somebody may ask for what costs much, or may be guessed."""

import time
from typing import Final

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from autograder.web import errors

LIMITS: Final[dict[str, RateLimitItem]] = {
    "hand-in": parse("10/minute"),
    "register": parse("20/minute"),
    "login": parse("6000/minute"),  # a whole faculty may share one address
    "window": parse("60/minute"),
    "job": parse("10/minute"),
}


class Limiter:
    """Counts in this process's memory; each kind on its own."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def hit(self, kind: str, who: str) -> None:
        """Count one more.

        Args:
            kind: what is asked for, among ``LIMITS``.
            who: an address, or the id of a user.

        Raises:
            WebError: it was too often.
        """
        limit = LIMITS[kind]
        if not self._limiter.hit(limit, kind, who):
            window = self._limiter.get_window_stats(limit, kind, who)
            raise errors.too_many(window.reset_time - time.time())
