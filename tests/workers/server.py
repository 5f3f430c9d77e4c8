"""A Postgres that is killed, and that stands still as when its disk answers no more."""

import signal

from tests import postgres
from tests.workers.trees import signal_tree


class Server(postgres.Server):
    """A server that is hurt, and goes on with its data."""

    def kill(self) -> None:
        """End it as by a machine that is switched off, and start it again."""
        signal_tree(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.start()

    def restart(self) -> None:
        """End all connections at once, and start it again."""
        self.stop()
        self.start()

    def freeze(self, frozen: bool) -> None:
        """Have all its processes stand still, or go on."""
        signal_tree(self._process.pid, signal.SIGSTOP if frozen else signal.SIGCONT)
