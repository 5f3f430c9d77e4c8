"""Workers as a test starts them, and how they are hurt."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from autograder.runner.processes import descendants
from tests.workers.hosts import Host
from tests.workers.trees import signal_tree

DEAD_SECONDS: Final = 3.0
_START_SECONDS: Final = 120.0


class RunningWorker:
    """A process ``autograder worker``, perhaps on a host of its own."""

    def __init__(
        self, url: str, folder: Path, name: str, *, host: Host | None = None, jobs: int = 1
    ) -> None:
        """Start it.

        Args:
            url: the queue's database.
            folder: for its cache and what it prints.
            name: tells it from the others.
            host: where it runs.
            jobs: submissions at once.
        """
        self._host = host
        self._command = [
            sys.executable, "-m", "autograder", "worker", "--jobs", str(jobs),
            "--cache", str(folder / f"cache-{name}"), "--dead-after", str(DEAD_SECONDS),
        ]  # fmt: skip
        self._environment = {**os.environ, "AUTOGRADER_DB": url, "PYTHONUNBUFFERED": "1"}
        self.log = folder / f"{name}.log"
        self.start()

    def start(self) -> None:
        """Start it, once more if it has ended."""
        command = self._command if self._host is None else self._host.command(self._command)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def wait_until_ready(self) -> None:
        """Wait until it takes submissions."""
        end = time.monotonic() + _START_SECONDS
        while "grades up to" not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < end, self.said()
            time.sleep(0.1)

    def said(self) -> str:
        """What it has printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """Kill it, as a machine that is switched off."""
        self.process.kill()
        self.process.wait()

    def kill_below(self) -> bool:
        """Kill a process that grades for it; whether there was one."""
        below = descendants(self.process.pid)
        for pid in below[:1]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(below)

    def freeze(self, frozen: bool) -> None:
        """Have it and all below it stand still, or go on."""
        signal_tree(self.process.pid, signal.SIGSTOP if frozen else signal.SIGCONT)

    def drain(self, seconds: float = 60.0) -> int:
        """End it with SIGTERM; its exit status."""
        self.process.terminate()
        return self.process.wait(seconds)

    def end(self) -> None:
        """End it whatever it does."""
        if self.process.poll() is None:
            self.freeze(False)
            self.kill()


def end_all(workers: Sequence[RunningWorker]) -> None:
    """End workers at once."""
    for worker in workers:
        worker.end()
