"""The commands of a teacher, run as processes of their own and timed from start to end."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.sample_class.demo import ROOT

_TAIL: Final = 3000


class CommandFailed(Exception):
    """A measured command failed; the message ends with what it said."""


def environment() -> dict[str, str]:
    """The environment of a command: ``make bench`` works without an activated one.

    nbgrader calls ``alembic`` by name, and the stock kernels import ``tests.bench.in_notebook``.
    """
    scripts = str(Path(sys.executable).parent)
    path = os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}


def run_in(
    course: Path,
    module: str,
    *arguments: str,
    watch: Callable[["subprocess.Popen[bytes]"], None] = lambda process: None,
) -> float:
    """Run ``python -m MODULE ARGUMENTS`` in a course's folder; the seconds that it took.

    Args:
        course: the folder.
        module: what to run.
        *arguments: what to run it with.
        watch: is called with the process, and may look at it until it ends.

    Raises:
        CommandFailed: its status is not 0.
    """
    command = [sys.executable, "-m", module, *arguments]
    with tempfile.TemporaryFile() as said:  # no pipe, which nobody reads while it is watched
        began = time.perf_counter()
        with subprocess.Popen(
            command, cwd=course, env=environment(), stdout=said, stderr=subprocess.STDOUT
        ) as process:
            try:
                watch(process)
                status = process.wait()
            except BaseException:  # whoever ends the benchmark ends what it measures
                process.terminate()
                raise
        took = time.perf_counter() - began
        if status:
            said.seek(0)
            tail = said.read().decode("utf-8", "replace")[-_TAIL:]
            raise CommandFailed(f"{module} {' '.join(arguments)}: status {status}\n{tail}")
    return took


def nbgrader(course: Path, assignment: str) -> float:
    """Grade with ``nbgrader autograde``, stock or with whatever the course configures."""
    return run_in(course, "nbgrader", "autograde", assignment)


def ours(
    course: Path,
    assignment: str,
    options: Sequence[str],
    watch: Callable[["subprocess.Popen[bytes]"], None] = lambda process: None,
) -> float:
    """Grade with ``autograder grade``."""
    named = ("--course", str(course), "grade", assignment, *options)
    return run_in(course, "autograder", *named, watch=watch)
