"""Signals to a process with all below it."""

import os
import signal
from contextlib import suppress

from autograder.runner.processes import descendants


def signal_tree(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process and all below it; what ends meanwhile needs none."""
    for one in (pid, *descendants(pid)):
        with suppress(ProcessLookupError):
            os.kill(one, number)
