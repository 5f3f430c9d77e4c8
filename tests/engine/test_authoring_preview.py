"""The preview: what students will see and what graders say, with the course left as it is."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import nbformat
import pytest

from autograder.authoring.preview import Preview, Previewer, previewing
from autograder.authoring.scaffold import new_assignment, new_exercise
from autograder.authoring.watch import Watch
from autograder.bridge.course import Course, CourseError

CONFIG = """
from autograder.bridge import configure
c = get_config()
configure(c)
c.RunGraders.language = "en"
"""
ANSWER = "return sum(data) / len(data)"


def new_course(root: Path) -> Course:
    (root / "nbgrader_config.py").write_text(CONFIG)
    made = Course(root)
    new_assignment(made, "one", "Means")
    new_exercise(made, "one", "mean", points=4)
    return made


def content(root: Path) -> Mapping[Path, bytes]:
    files = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    return {path: data for path, data in files.items() if "__pycache__" not in path.parts}


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    made = new_course(tmp_path_factory.mktemp("course"))
    (made.root / "source/one/picture.png").write_bytes(b"a picture")
    made.release("one")
    replace(made.root / "source/one/one.ipynb", "# Means", "# Means, changed since the release")
    return made


@pytest.fixture(scope="module")
def previewer(
    course: Course, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Previewer, Path]]:
    to = tmp_path_factory.mktemp("pages")
    with previewing(course, "one", to) as made:
        yield made, to


@pytest.fixture(scope="module")
def first(
    course: Course, previewer: tuple[Previewer, Path]
) -> tuple[Preview, Path, Mapping[Path, bytes], Mapping[Path, bytes]]:
    """The first preview, its pages, and the course's files before and after."""
    before = content(course.root)
    made = previewer[0].make()
    return made, previewer[1], before, content(course.root)


First = tuple[Preview, Path, Mapping[Path, bytes], Mapping[Path, bytes]]


def test_the_own_solution_earns_everything_and_an_untouched_release_nothing(first: First) -> None:
    (exercise,) = first[0].exercises
    assert (exercise.grade_id, exercise.points) == ("one-mean", 4)
    assert (exercise.solution, exercise.untouched, exercise.checks) == (4, 0, 2)
    assert first[0].right


def test_the_pages_are_those_that_a_student_would_see(first: First) -> None:
    made, to, _before, _after = first
    student, solution, untouched = (path.read_text() for path in made.pages)
    assert [path.relative_to(to).parts for path in made.pages] == [
        (name, "one.html") for name in ("student", "solution", "untouched")
    ]
    assert "changed since the release" in student and "NotImplementedError" in student
    assert "SOLUTION" not in student and "test_several" not in student
    assert "4 of 4 points" in solution and "0 of 4 points" in untouched
    assert (to / "student/picture.png").read_bytes() == b"a picture"


def test_nothing_of_the_course_is_written(first: First) -> None:
    _made, _to, before, after = first
    assert before == after
    assert any(path.name == "gradebook.db" for path in before)


def test_a_mistake_in_the_solution_is_told_with_the_check_that_finds_it(
    course: Course, previewer: tuple[Previewer, Path], first: First
) -> None:
    path = course.root / "source/one/one.ipynb"
    replace(path, ANSWER, "return sum(data)")
    try:
        made = previewer[0].make()
    finally:
        replace(path, "return sum(data)", ANSWER)
    (exercise,) = made.exercises
    assert not made.right and exercise.solution < 4
    (problem,) = exercise.problems
    assert "your solution: test_several is failed. The result is the sum" in problem


def test_a_cell_that_raises_and_graders_that_pass_everything_are_told(
    course: Course, previewer: tuple[Previewer, Path], first: First
) -> None:
    """Graders are collected anew where the previewer is told that they have changed."""
    source = course.root / "source/one/one.ipynb"
    grader = course.graders / "one/test_one_mean.py"
    kept = source.read_bytes(), grader.read_bytes()
    notebook = nbformat.read(source, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell("no_such_name", id="raises"))
    nbformat.write(notebook, source)
    passes = "\n@pytest.mark.grade_cell('one-mean')\ndef test_all(submission):\n    pass\n"
    grader.write_text(grader.read_text() + passes)
    previewer[0].collect_anew()
    try:
        made = previewer[0].make()
    finally:
        source.write_bytes(kept[0])
        grader.write_bytes(kept[1])
        previewer[0].collect_anew()
    assert made.errors == ["one.ipynb, cell 1 raises NameError: name 'no_such_name' is not defined"]
    (exercise,) = made.exercises
    assert (exercise.checks, exercise.untouched) == (3, 1)
    assert exercise.problems == [
        "who does nothing earns 1: make its graders fail when nothing was done"
    ]


def test_a_notebook_that_is_half_saved_is_a_finding_and_one_that_is_refused_an_error(
    course: Course, previewer: tuple[Previewer, Path], first: First
) -> None:
    path = course.root / "source/one/one.ipynb"
    kept = path.read_bytes()
    try:
        path.write_bytes(kept[:100])
        made = previewer[0].make()
        path.write_bytes(kept.replace(b"### END SOLUTION", b""))
        with pytest.raises(CourseError, match="no end solution"):
            previewer[0].make()
    finally:
        path.write_bytes(kept)
    assert not made.right and made.pages == []
    assert "no notebook that can be read" in made.findings[0].what


# What is watched


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("source/one/one.ipynb", "notebook"),
        ("source/one/data.csv", "notebook"),
        ("tests/graders/one/test_one_mean.py", "graders"),
        ("tests/graders/one/inputs.json", "graders"),
        ("solutions/one.py", "graders"),
        ("solutions/new.py", "graders"),
        ("conftest.py", "graders"),
        ("pytest.ini", "graders"),
        ("tests/conftest.py", "graders"),
        ("nbgrader_config.py", "settings"),
        ("nbgrader_config.json", "settings"),
        ("source/one/.ipynb_checkpoints/one-checkpoint.ipynb", None),
        ("tests/graders/one/__pycache__/x.pyc", None),
        ("release/one/one.ipynb", None),
        ("submitted/ana/one/one.ipynb", None),
    ],
)
def test_what_a_teacher_saves_is_noticed(tmp_path: Path, path: str, kind: str | None) -> None:
    watch = Watch(new_course(tmp_path), "one")
    assert watch.change() is None
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    with (tmp_path / path).open("a") as file:
        file.write("\n")
    assert watch.change() == kind
    assert watch.change() is None


def test_a_file_that_graders_import_is_watched_and_so_is_one_that_goes(tmp_path: Path) -> None:
    made = new_course(tmp_path)
    (tmp_path / "helpers").mkdir()
    (tmp_path / "helpers/inputs.py").write_text("x = 1")
    grader = made.graders / "one/test_one_mean.py"
    grader.write_text(f"import helpers.inputs\n{grader.read_text()}")
    watch = Watch(made, "one")
    (tmp_path / "helpers/inputs.py").write_text("x = 12")
    assert watch.change() == "graders"
    grader.unlink()
    assert watch.change() == "graders"


# The command


def test_the_command_watches_until_ctrl_c_and_opens_the_students_page(tmp_path: Path) -> None:
    """One run: right, wrong after a change of the notebook, with broken settings, then ended."""
    root = tmp_path / "course"
    root.mkdir()
    new_course(root)
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    command = [sys.executable, "-m", "autograder", "--course", str(root), "preview", "one"]
    process = subprocess.Popen(
        [*command, "--watch", "--open"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "BROWSER": f"{browser} %s", "COLUMNS": "100"},
    )
    assert process.stdout is not None
    told = ""

    def read_until(sign: str) -> str:
        nonlocal told
        told = ""
        for line in process.stdout or ():
            told += line
            if sign in line:
                return told
        raise AssertionError(f"it ended: {told}")

    try:
        assert "one-mean" in read_until("watching one")
        assert (tmp_path / "opened").read_text().strip().endswith("one/student/one.html")
        replace(root / "source/one/one.ipynb", ANSWER, "return 0.0")
        assert "your solution: test_several is failed" in read_until("watching one")
        config = root / "nbgrader_config.py"
        kept = config.read_text()
        config.write_text(f"{kept}\nc = (\n")
        assert "SyntaxError" in read_until("watching nbgrader_config.py")
        config.write_text(kept)
        assert "one-mean" in read_until("watching one")
        process.send_signal(signal.SIGINT)
        assert "Traceback" not in read_until("stopped")
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert not (root / "gradebook.db").exists() and not (root / "release").exists()


INTERRUPTS = f"""{CONFIG}
import os, signal

def passes_on(**facts):
    os.kill(os.getpid(), signal.SIGINT)

def swallows(**facts):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt as error:
        raise RuntimeError("a library's own error") from None

c.GenerateAssignment.pre_convert_hook = HOOK
"""


@pytest.mark.parametrize(
    ("hook", "options", "status"), [("passes_on", [], 130), ("swallows", ["--watch"], 0)]
)
def test_ctrl_c_ends_it_at_once_and_quietly_wherever_it_comes(
    tmp_path: Path, hook: str, options: list[str], status: int
) -> None:
    """In the midst of nbgrader, which makes an error of it, or goes on."""
    new_course(tmp_path)
    (tmp_path / "nbgrader_config.py").write_text(INTERRUPTS.replace("HOOK", hook))
    command = [sys.executable, "-m", "autograder", "--course", str(tmp_path), "preview", "one"]
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout == ("stopped\n" if options else "")
    assert done.stderr.strip() == ""  # click ends the line of ^C
    assert done.returncode == status
