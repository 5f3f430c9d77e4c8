"""Long work that a teacher asks for: what would change, and statistics, each in its own process.

The process is ``job_worker``; it writes a line of JSON for each step.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from autograder.bridge.course import Course

Kind = Literal["changes", "statistics"]
Key = tuple[Kind, str, tuple[int, ...]]
"""What is asked for, of which assignment, and the platform's courses whose students it is of."""
_END_SECONDS: Final = 20.0
_MOST_KEPT: Final = 50


@dataclass
class Job:
    """One such work."""

    started: float
    state: Literal["running", "done", "failed"] = "running"
    done: int = 0
    total: int = 0
    result: Any = None
    error: str = ""
    ended: float | None = None


class Jobs:
    """Starts such work and knows how it goes."""

    def __init__(
        self,
        course: Course,
        at_once: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Remember what a process needs.

        Args:
            course: the course.
            at_once: how many submissions are graded at once.
            clock: the time.
        """
        self._course = course
        self._at_once = at_once
        self._clock = clock
        self._jobs: dict[Key, Job] = {}
        self._processes: dict[Key, subprocess.Popen[str]] = {}
        self._lock = threading.Lock()
        self._stopped = False

    def start(self, key: Key, students: Sequence[str] | None) -> Job:
        """Begin, unless the same is under way.

        Args:
            key: what.
            students: whose submissions; None for all.
        """
        with self._lock:
            known = self._jobs.get(key)
            if known is not None and known.state == "running":
                return known
            self._forget_old_ones()
            job = self._jobs[key] = Job(self._clock())
        order = {
            "kind": key[0],
            "assignment": key[1],
            "students": None if students is None else list(students),
            "jobs": self._at_once,
            "allow_unsafe": self._course.settings.allow_unsafe,
        }
        threading.Thread(target=self._do, args=(key, job, order), daemon=True).start()
        return job

    def find(self, key: Key) -> Job | None:
        """How it goes; None if it was not asked for since the start."""
        return self._jobs.get(key)

    def stop(self) -> None:
        """End all of it."""
        with self._lock:
            self._stopped = True
            processes = list(self._processes.values())
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _do(self, key: Key, job: Job, order: dict[str, Any]) -> None:
        """Have it done; the process ends with this thread at the latest, so all is done in it."""
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "autograder.web.job_worker", str(self._course.root)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        except OSError as error:
            job.error = f"the process that does it does not start: {error}"
            job.ended, job.state = self._clock(), "failed"
            return
        with self._lock:
            self._processes[key] = process
            if self._stopped:
                process.terminate()
        try:
            self._follow(job, process, order)
        except (OSError, ValueError) as error:
            job.error = job.error or f"the process that did it cannot be understood: {error}"
            process.kill()
        process.wait()
        if job.result is None and not job.error:
            job.error = "the process that did it ended early; see the server's log"
        job.ended = self._clock()
        job.state = "failed" if job.error else "done"
        with self._lock:
            self._processes.pop(key, None)

    @staticmethod
    def _follow(job: Job, process: "subprocess.Popen[str]", order: dict[str, Any]) -> None:
        """Say what is to be done, and note what is said of it."""
        assert process.stdin is not None and process.stdout is not None
        with process.stdout as said, process.stdin as asked:
            json.dump(order, asked)
            asked.close()
            for line in said:
                for name, value in json.loads(line).items():
                    setattr(job, name, value)

    def _forget_old_ones(self) -> None:
        """Keep few results: each may have a whole class in it."""
        finished = [key for key, job in self._jobs.items() if job.state != "running"]
        for key in finished[: max(0, len(self._jobs) - _MOST_KEPT + 1)]:
            del self._jobs[key]
