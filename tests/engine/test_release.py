"""A release is replaced by a whole one, or stays: also where submissions were graded before."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from autograder.authoring.scaffold import new_assignment, new_exercise
from autograder.bridge.course import Course, CourseError
from autograder.check import check

CONFIG = """
import os
import signal
from autograder.bridge import configure
c = get_config()
configure(c)
c.RunGraders.language = "en"

def hook(**facts):
    if os.path.exists("kill-me"):
        os.kill(os.getpid(), signal.SIGKILL)

c.GenerateAssignment.post_convert_hook = hook
"""


def new_course(root: Path) -> Course:
    """A course with one exercise, released."""
    root.mkdir(exist_ok=True)
    (root / "nbgrader_config.py").write_text(CONFIG)
    made = Course(root)
    new_assignment(made, "warmup")
    new_exercise(made, "warmup", "mean", points=2)
    made.release("warmup")
    return made


def released(course: Course) -> Mapping[str, bytes]:
    folder = course.folder("release", "warmup").parent
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A course with a submission that was graded."""
    made = new_course(tmp_path_factory.mktemp("graded") / "course")
    shutil.copytree(made.folder("source", "warmup"), made.folder("submitted", "warmup", "ana"))
    assert not made.autograde("warmup", "ana").error
    return made


def command(course: Course, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "autograder", "--course", str(course.root), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_cells_added_after_grading_are_one_error_that_leaves_everything_and_says_how_to_go_on(
    graded: Course,
) -> None:
    before = released(graded)
    told = command(graded, "new", "exercise", "warmup", "median")
    assert told.returncode == 0
    assert "submissions of warmup are in the gradebook" in " ".join(told.stderr.split())
    with pytest.raises(CourseError, match="other cells or notebooks than before") as refused:
        graded.release("warmup")
    assert released(graded) == before and before
    assert graded.scores("warmup") == {"ana": {"warmup-mean": 2}}
    assert "it has no release" not in [found.what for found in check(graded, "warmup")]
    remove = "nbgrader db assignment remove warmup --force"
    assert f"`{remove}`" in str(refused.value)
    nbgrader = [sys.executable, "-m", *remove.split()]
    subprocess.run(nbgrader, cwd=graded.root, capture_output=True, timeout=300, check=True)
    graded.release("warmup")
    assert not graded.autograde("warmup", "ana").error
    assert graded.scores("warmup")["ana"] == {"warmup-mean": 2, "warmup-median": 0}


def test_a_source_that_nbgrader_refuses_leaves_the_release(tmp_path: Path) -> None:
    course = new_course(tmp_path)
    before = released(course)
    source = course.folder("source", "warmup") / "warmup.ipynb"
    source.write_text(source.read_text().replace("### END SOLUTION", ""))
    with pytest.raises(CourseError, match="no end solution"):
        course.release("warmup")
    assert released(course) == before


def test_a_release_that_is_killed_leaves_the_one_before(tmp_path: Path) -> None:
    course = new_course(tmp_path)
    before = (course.folder("release", "warmup") / "warmup.ipynb").read_bytes()
    source = course.folder("source", "warmup") / "warmup.ipynb"
    source.write_text(source.read_text().replace("# Warmup", "# Another title"))
    (tmp_path / "kill-me").touch()
    assert command(course, "release", "warmup").returncode == -signal.SIGKILL
    assert (course.folder("release", "warmup") / "warmup.ipynb").read_bytes() == before
    (tmp_path / "kill-me").unlink()
    course.release("warmup")
    assert list(released(course)) == ["warmup/warmup.ipynb"]
    assert b"# Another title" in released(course)["warmup/warmup.ipynb"]


def test_a_release_that_was_killed_while_it_was_put_in_place_is_there_again(
    tmp_path: Path,
) -> None:
    course = new_course(tmp_path)
    before = released(course)
    place = course.folder("release", "warmup")
    (place.parent / ".autograder-old").mkdir()
    os.rename(place, place.parent / ".autograder-old/warmup")
    source = course.folder("source", "warmup") / "warmup.ipynb"
    source.write_text(source.read_text().replace("### END SOLUTION", ""))
    with pytest.raises(CourseError, match="no end solution"):
        course.release("warmup")
    assert released(course) == before
