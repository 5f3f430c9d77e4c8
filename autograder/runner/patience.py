"""How long a submission may keep its graders waiting."""

import time
from typing import Any

from autograder.runner.wire import Channel


class Patience:
    """Counts the time that graders wait for one submission, over all its checkpoints."""

    def __init__(self, seconds: float) -> None:
        self._most = seconds
        self._before = 0.0
        self._since: float | None = None

    @property
    def spent(self) -> float:
        """Seconds that graders have waited so far, the present wait among them."""
        now = 0.0 if self._since is None else time.monotonic() - self._since
        return self._before + now

    def ask(self, channel: Channel, request: Any, timeout: float) -> Any:
        """Send a document and receive the answer, as soon as ``timeout`` and patience allow.

        Raises:
            WireError: it was not read or answered in time, or not in the wire's form.
        """
        self._since = time.monotonic()
        try:
            channel.send(request, self._at_most(timeout))
            return channel.receive(self._at_most(timeout))
        finally:
            self._before, self._since = self.spent, None

    def _at_most(self, timeout: float) -> float:
        return max(0.0, min(timeout, self._most - self.spent))
