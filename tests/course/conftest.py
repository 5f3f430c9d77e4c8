"""A copy of the course, with the sample class graded once for all tests that look at it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.sample_class import build
from tests.sample_class.demo import copy_course


def run(course: Path, module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of the course's environment, in the course's folder."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=course,
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )


@pytest.fixture(scope="session")
def graded_course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The course released, the sample class handed in, graded and given feedback."""
    course = copy_course(tmp_path_factory.mktemp("modulo-3"))
    released = run(course, "autograder", "release")
    assert released.returncode == 0, released.stderr
    build(course)
    done = run(course, "autograder", "grade")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    feedback = run(course, "autograder", "feedback")
    assert feedback.returncode == 0, feedback.stderr[-3000:]
    return course
