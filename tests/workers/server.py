"""A Postgres that is killed, and that stands still as when its disk answers no more."""

import os
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from autograder.runner.processes import descendants
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

    def cpu_seconds(self) -> float:
        """The processor's time that all its processes have taken so far, also those that ended."""
        return sum(_cpu_seconds(pid, ended=pid == self._process.pid)
                   for pid in (self._process.pid, *descendants(self._process.pid)))  # fmt: skip

    def freeze(self, frozen: bool) -> None:
        """Have all its processes stand still, or go on."""
        signal_tree(self._process.pid, signal.SIGSTOP if frozen else signal.SIGCONT)


@contextmanager
def server_running(
    address: str = "127.0.0.1", network: str = "", settings: Sequence[str] = ()
) -> Iterator[Server]:
    """A server that runs, also where it stands still in the end; its data end with it.

    Args:
        address: where it listens.
        network: from where it lets everybody in, besides this machine.
        settings: further options of its command.
    """
    programs = postgres.find()
    assert programs is not None, "Postgres is not installed (Debian's package: postgresql)"
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        server = Server(programs, Path(folder), address, network, settings)
        server.start()
        try:
            yield server
        finally:
            server.freeze(False)
            server.stop()


def _cpu_seconds(pid: int, *, ended: bool) -> float:
    """A process's time, and with ``ended`` that of those below it that have ended (proc(5))."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):  # it ends before it is opened, or read
        return 0.0
    return sum(map(int, fields[11 : 15 if ended else 13])) / os.sysconf("SC_CLK_TCK")
