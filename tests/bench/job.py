"""``autograder grade`` on a class, with the moment of each submission and the memory of it all."""

import contextlib
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autograder.runner.processes import descendants
from tests.bench import commands

SAMPLE_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Job:
    """A command that has graded a class."""

    seconds: float
    moments: list[float]
    """When each submission's autograded notebook was written, in order."""
    peak_mb: float
    """The largest sum of proportional memory over the command's processes that was seen."""

    def rate(self, first: int, last: int) -> float:
        """Submissions a second between two of them."""
        return (last - first) / (self.moments[last] - self.moments[first])


def run(course: Path, assignment: str, options: Sequence[str]) -> Job:
    """Grade an assignment's class.

    Raises:
        CommandFailed: the command fails.
    """
    peak = 0.0

    def watch(process: "subprocess.Popen[bytes]") -> None:
        nonlocal peak
        while process.poll() is None:
            peak = max(peak, sum(map(megabytes, [process.pid, *descendants(process.pid)])))
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(SAMPLE_SECONDS)

    seconds = commands.ours(course, assignment, options, watch)
    written = course.glob(f"autograded/*/{assignment}/{assignment}.ipynb")
    return Job(seconds, sorted(path.stat().st_mtime for path in written), peak)


def megabytes(pid: int) -> float:
    """A process's proportional memory, what it shares with others shared out among them.

    Its resident memory where the kernel does not tell, which counts shared pages in full.
    """
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except PermissionError:
        return _resident(pid)
    except OSError:  # it has ended
        pass
    return 0.0


def _resident(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) / 256
    except OSError:
        return 0.0
