"""What a second grading does again, and what it takes over."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest

from autograder.bridge import preprocessors
from autograder.bridge.course import Course, Summary
from autograder.bridge.seeds import rotate_secret
from tests.small_course import make_course, nbgrader_cell, notebook_of

CONFIG = """
from autograder.bridge import configure
c = get_config()
configure(c)
c.Jail.allow_unsafe = True
"""
GRADERS = """
from pathlib import Path
import pytest
from helper import LIMIT

def ran(name):
    with open(Path(__file__).parents[3] / "ran.txt", "a") as log:
        print(name, file=log)

@pytest.mark.grade_cell("check-a")
def test_first(submission):
    ran("first")
    assert submission.value("a") > LIMIT

@pytest.mark.grade_cell("check-a")
def test_second(submission):
    ran("second")
    assert submission.value("a") == 2
"""
OTHER = """
from pathlib import Path
import pytest

@pytest.mark.grade_cell("check-b")
def test_other(submission):
    with open(Path(__file__).parents[3] / "ran.txt", "a") as log:
        print("other", file=log)
    assert submission.value("b") == "b"
"""
Grade = Callable[..., tuple[Summary, list[str]]]


def notebook(a: int) -> object:
    return notebook_of(
        [
            nbgrader_cell(f"a = {a}", "a"),
            nbgrader_cell("# a", "check-a", 4),
            nbgrader_cell("b = 'b'", "b"),
            nbgrader_cell("# b", "check-b", 2),
        ]
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "helper.py").write_text("LIMIT = 0\n")
    made = make_course(tmp_path, CONFIG, GRADERS, notebook(0))
    made.graders.joinpath("one/test_other.py").write_text(OTHER)
    submit(tmp_path, 2)
    return tmp_path


def submit(root: Path, a: int) -> None:
    folder = root / "submitted/ana/one"
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook(a), folder / "one.ipynb")


@pytest.fixture
def grade(root: Path) -> Iterator[Grade]:
    """Grades the submission as a new command would; what was told, and the checks that ran."""

    def graded(anew: bool = False) -> tuple[Summary, list[str]]:
        if anew:  # graders are read once in the life of a grading process
            stop_processes()
        log = root / "ran.txt"
        log.unlink(missing_ok=True)
        summary = Course(root).autograde("one", "ana")
        return summary, log.read_text().split() if log.exists() else []

    summary, ran = graded()
    assert (summary.score, summary.skipped) == (6, False), summary
    assert ran == ["first", "second", "other"]
    yield graded
    stop_processes()


def stop_processes() -> None:
    for process in preprocessors._processes.values():
        process.stop()
    preprocessors._processes.clear()


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_an_unchanged_submission_is_not_graded_again(grade: Grade) -> None:
    stop_processes()
    summary, ran = grade()
    assert (summary.score, summary.max_score, summary.skipped, ran) == (6, 6, True, [])
    assert not preprocessors._processes, "nothing was started"


def test_a_changed_grader_runs_again_and_no_other(root: Path, grade: Grade) -> None:
    replace(root / "tests/graders/one/test_other.py", '== "b"', '== "c"')
    summary, ran = grade(anew=True)
    assert (summary.score, summary.skipped, ran) == (4, False, ["other"])
    assert grade(anew=True)[0].skipped


def test_of_a_file_only_the_changed_check_runs_again(root: Path, grade: Grade) -> None:
    replace(root / "tests/graders/one/test_one.py", "== 2", "== 3")
    summary, ran = grade(anew=True)
    assert (summary.score, ran) == (4, ["second"])


def test_what_the_checks_of_a_file_share_belongs_to_each(root: Path, grade: Grade) -> None:
    replace(
        root / "tests/graders/one/test_one.py", "print(name, file=log)", "print(name , file=log)"
    )
    assert grade(anew=True)[1] == [], "a space is no change"
    replace(root / "tests/graders/one/test_one.py", '"a") as', '"a+") as')
    assert grade(anew=True)[1] == ["first", "second"]


def test_a_module_that_graders_import_belongs_to_them(root: Path, grade: Grade) -> None:
    (root / "helper.py").write_text("LIMIT = 5\n")
    summary, ran = grade(anew=True)
    assert (summary.score, ran) == (4, ["first", "second"])


@pytest.mark.parametrize(
    "change",
    [
        lambda root: submit(root, 2 + 1),
        lambda root: replace(
            root / "nbgrader_config.py", "c.Jail", "c.Jail.memory_mib = 512; c.Jail"
        ),
        lambda root: (root / "submitted/ana/one/data.csv").write_text("1"),
        lambda root: (root / "source/one/given.csv").write_text("1"),
    ],
    ids=["the submission", "a limit", "a file beside it", "a file of the teacher's"],
)
def test_what_every_check_depends_on_runs_all_again(
    root: Path, grade: Grade, change: Callable[[Path], None]
) -> None:
    change(root)
    summary, ran = grade()
    assert ran == ["first", "second", "other"] and not summary.error
    assert grade()[0].skipped


def test_a_check_that_failed_by_its_own_fault_runs_again(root: Path, grade: Grade) -> None:
    replace(root / "tests/graders/one/test_other.py", "    assert", "    1 / 0\n    assert")
    assert grade(anew=True)[0].faults
    replace(root / "helper.py", "LIMIT = 0", "LIMIT = 1")
    summary, ran = grade(anew=True)
    assert ran == ["first", "second", "other"] and summary.faults


def test_a_gradebook_with_another_score_is_put_right(root: Path, grade: Grade) -> None:
    with Course(root).gradebook() as gradebook:
        gradebook.find_grade("check-b", "one", "one", "ana").auto_score = 1
        gradebook.db.commit()
    summary, ran = grade()
    assert (summary.score, summary.skipped, ran) == (6, False, [])


def test_autograded_notebooks_that_were_removed_are_written_again(root: Path, grade: Grade) -> None:
    (root / "autograded/ana/one/one.ipynb").unlink()
    summary, ran = grade()
    assert (summary.score, summary.skipped, ran) == (6, False, [])
    assert (root / "autograded/ana/one/one.ipynb").is_file()


def test_a_score_given_by_hand_stays_and_is_told(root: Path, grade: Grade) -> None:
    with Course(root).gradebook() as gradebook:
        gradebook.find_grade("check-b", "one", "one", "ana").manual_score = 0.5
        gradebook.db.commit()
    summary, _ran = grade()
    assert (summary.score, summary.skipped) == (4.5, True)


def test_a_score_given_by_hand_before_another_submission_needs_a_person(
    root: Path, grade: Grade
) -> None:
    assert not grade()[0].needs_person
    with Course(root).gradebook() as gradebook:
        gradebook.find_grade("check-b", "one", "one", "ana").manual_score = 0.5
        gradebook.db.commit()
    submit(root, 3)
    graded, unchanged = grade()[0], grade()[0]
    assert (graded.skipped, graded.needs_person) == (False, True)
    assert (unchanged.skipped, unchanged.needs_person) == (True, True)


def test_a_gradebook_that_was_lost_is_filled_again(root: Path, grade: Grade) -> None:
    os.remove(root / "gradebook.db")
    Course(root).release("one")
    summary, _ran = grade()
    assert (summary.score, summary.skipped) == (6, False)


def test_what_is_kept_for_teachers_does_not_reach_the_feedback(root: Path, grade: Grade) -> None:
    assert (root / ".autograder/ana/one.json").is_file()
    Course(root).feedback("one", "ana")
    assert [path.name for path in (root / "feedback/ana/one").iterdir()] == ["one.html"]


@pytest.mark.parametrize("text", ["", "{", '{"inputs": 3}', "[]", "5c3f"])
def test_a_record_that_cannot_be_read_counts_as_none(root: Path, grade: Grade, text: str) -> None:
    (root / ".autograder/ana/one.json").write_text(text)
    summary, ran = grade()
    assert (summary.score, summary.skipped, len(ran)) == (6, False, 3)


def test_a_rotated_secret_has_every_check_run_again(root: Path, grade: Grade) -> None:
    rotate_secret(Course(root).settings.secret_path())
    summary, ran = grade(anew=True)
    assert (summary.score, ran) == (6, ["first", "second", "other"])
    assert grade(anew=True)[0].skipped
