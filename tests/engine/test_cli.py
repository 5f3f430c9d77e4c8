"""What all commands share: help, exit statuses, JSON for scripts, and completion of names."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import nbformat
import pytest
from click.testing import CliRunner, Result

from autograder.bridge.course import CourseError
from autograder.cli import main
from autograder.cli.base import answer, json_option
from tests.small_course import make_course, nbgrader_cell, notebook_of

DOCUMENTATION = Path(__file__).parents[2] / "docs/reference/command-line.md"
WIDTH = 80
CONFIG = """
from autograder.bridge import configure
c = get_config()
configure(c)
c.Jail.allow_unsafe = True
c.RunGraders.language = "en"
"""
GRADERS = """
import pytest
from autograder.grading import fail

@pytest.mark.grade_cell("check-a")
def test_positive(submission):
    '''`a` is positive.'''
    if submission.value("a") <= 0:
        fail("`a` is \\x1b[2J too small.", hint="Look at it.", diagnosis="negative")

@pytest.mark.grade_cell("check-a")
def test_even(submission):
    '''`a` is even.'''
    assert submission.value("a") % 2 == 0
"""
CORPUS = """
[[correct]]
name = "four"
code = "a = 4"

[[wrong]]
name = "negative"
code = "a = -1"
failed = ["test_positive", "test_even"]
diagnosis = "negative"
"""


def walk(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """All commands with the words that call them."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from walk(command, (*path, name))
        yield " ".join((*path, name)), command


COMMANDS = dict(walk(main))
ENDS = {name: one for name, one in COMMANDS.items() if not isinstance(one, click.Group)}
WITH_JSON = [
    name for name, one in ENDS.items() if any("--json" in option.opts for option in one.params)
]


def passes_on(command: click.Command) -> bool:
    """Whether it hands options that it does not know on to another program."""
    return bool(command.context_settings.get("ignore_unknown_options"))


def run(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(main, list(arguments), **options)


def help_of(name: str) -> str:
    done = run(*name.split(), "--help", env={"COLUMNS": str(WIDTH)})
    assert done.exit_code == 0
    return done.stdout


# Help


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_has_an_example_that_is_a_call_of_the_command(name: str) -> None:
    command = COMMANDS[name]
    _before, found, examples = (command.help or "").partition("Example")
    assert found, "each command shows how it is called"
    calls = re.findall(rf"autograder {name}\b.*", examples.replace("\\\n", " "))
    assert calls, f"an example calls `autograder {name}`"
    known = {text for one in command.params for text in (*one.opts, *one.secondary_opts)}
    if not isinstance(command, click.Group) and not passes_on(command):
        for call in calls:
            given = {word.rstrip('")') for word in call.split() if word.startswith("--")}
            assert given <= known, call


@pytest.mark.parametrize("name", COMMANDS)
def test_one_line_says_what_a_command_does(name: str) -> None:
    parent = help_of(name.rpartition(" ")[0])
    last = name.rpartition(" ")[2]
    (line,) = re.findall(rf"^  {re.escape(last)} +(.*)$", parent, re.MULTILINE)
    assert not line.endswith("..."), "it fits"
    assert line.endswith(".") and line[0].isupper()


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_fits_and_says_what_each_option_and_exit_status_means(name: str) -> None:
    told = help_of(name)
    example = told.partition("Example")[2].partition("Options:")[0].splitlines()
    assert all(len(line) <= WIDTH for line in told.splitlines() if line not in example)
    for option in (COMMANDS[name] if name else main).params:
        if isinstance(option, click.Option):
            assert (option.help or "").rstrip()[-1:] in (".", ")"), option.opts
    assert re.search(r"Exit status:\n  0 +done\n  1 +\w", told)
    assert re.search(r"\n  2 +wrong use .*\n  130 +interrupted", told)


def test_the_same_options_are_explained_in_the_same_words() -> None:
    told: dict[str, set[tuple[str | None, str | None]]] = {}
    for command in ENDS.values():
        for option in command.params:
            if isinstance(option, click.Option):
                told.setdefault(option.opts[-1], set()).add((option.help, option.metavar))
    of_its_own = {"--db", "--to", "--force", "--port", "--url", "--name", "--dry-run"}
    assert {name: words for name, words in told.items() if len(words) > 1}.keys() <= of_its_own


# Exit statuses


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_command_does_not_take_is_status_2_and_one_style(name: str) -> None:
    if passes_on(COMMANDS[name]):
        pytest.skip("it hands options on to another program")
    done = run(*name.split(), "--no-such-option")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("autograder: No such option")
    assert f"Usage: autograder {name}" in done.stderr
    assert f"More: autograder {name} --help" in done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_a_script_that_gives_a_wrong_option_gets_json_as_well(name: str) -> None:
    if passes_on(COMMANDS[name]):
        pytest.skip("it hands options on to another program")
    done = run(*name.split(), "--no-such-option", "--json")
    error = json.loads(done.stdout)["error"]
    assert done.exit_code == error["status"] == 2
    assert "--no-such-option" in error["message"] and error["message"] in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        "check", "check --mutation", "export", "export --as moodle", "extract one", "feedback",
        "grade", "grade --diff", "gradebook copy --to sqlite:///x", "import one .", "lab",
        "lms check", "lms invite", "lms list", "lms rotate-key", "lms remove 1 --yes",
        "new assignment one", "new exercise one two", "preview one", "release", "report one",
        "secret", "show one ana", "serve",
    ],
)  # fmt: skip
def test_outside_a_course_a_command_says_so_with_status_1(tmp_path: Path, arguments: str) -> None:
    course = ["--course", str(tmp_path)]
    done = run(*course, *arguments.split())
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"autograder: {tmp_path.resolve()} is no course: ")
    assert list(tmp_path.iterdir()) == []
    if any(arguments.startswith(name) for name in WITH_JSON):
        script = run(*course, *arguments.split(), "--json")
        assert json.loads(script.stdout)["error"] == {
            "message": done.stderr.removeprefix("autograder: ").rstrip(),
            "status": 1,
        }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("grade --course x", "--course goes before the command: `autograder --course … grade …`"),
        (
            "lms check --no-color",
            "--no-color goes before the command: `autograder --no-color … lms check …`",
        ),
        (
            "grade --assignment one",
            "No such option: --assignment. The assignment is given without it: "
            "`autograder grade ASSIGNMENT`",
        ),
        (
            "show --assignment one",
            "No such option: --assignment. The assignment is given without it: "
            "`autograder show ASSIGNMENT`",
        ),
        (
            "export one",
            "Got unexpected extra argument (one): an assignment is given with --assignment NAME",
        ),
    ],
)
def test_what_stands_in_the_wrong_place_is_told_its_right_one(arguments: str, told: str) -> None:
    done = run(*arguments.split())
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == f"autograder: {told}"


class Unknown(Exception):
    """What no command is prepared for."""


def ending(error: BaseException | None) -> click.Group:
    """A program as ours whose command ends so."""

    @click.group(cls=type(main))
    def program() -> None:
        """Do things."""

    @program.command()
    @json_option
    def act() -> None:
        """Do a thing."""
        if error is None:
            answer({"done": True})
        elif type(error) is RuntimeError:
            raise error from KeyboardInterrupt()
        else:
            raise error

    return program


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (None, 0, ""),
        (CourseError("no such thing: make one"), 1, "autograder: no such thing: make one\n"),
        (PermissionError(13, "Permission denied", "/x"), 1, "Permission denied: '/x'"),
        (ModuleNotFoundError("No", name="zmq.error"), 1, "'zmq' is not installed: `autograder doc"),
        (click.Abort(), 1, "autograder: not confirmed, so nothing was done\n"),
        (click.UsageError("take less"), 2, "autograder: take less\n"),
        (KeyboardInterrupt(), 130, ""),
        (RuntimeError("Ctrl-C while a class is made"), 130, ""),
    ],
)
def test_each_end_has_its_status_and_for_scripts_its_object(
    error: BaseException | None, status: int, told: str
) -> None:
    for flags in ([], ["--json"]):
        done = CliRunner().invoke(ending(error), ["act", *flags])
        assert done.exit_code == status
        assert told in done.stderr and "Traceback" not in done.stderr
        if not flags:
            assert done.stdout == ""
        elif error is None:
            assert json.loads(done.stdout) == {"done": True}
        else:
            assert json.loads(done.stdout)["error"]["status"] == status


def test_a_fault_of_ours_keeps_its_traceback_and_scripts_get_json_all_the_same() -> None:
    done = CliRunner().invoke(ending(Unknown("oh")), ["act", "--json"])
    assert isinstance(done.exception, Unknown)
    assert json.loads(done.stdout)["error"] == {"message": "Unknown: oh", "status": 1}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_command_with_its_status_and_an_object(
    tmp_path: Path, number: signal.Signals
) -> None:
    """A scheduler's SIGTERM as well as Ctrl-C, also before anything is graded."""
    (tmp_path / "nbgrader_config.py").write_text(
        "import sys, time\nprint('reading', file=sys.stderr, flush=True)\ntime.sleep(300)\n"
    )
    program = [sys.executable, "-m", "autograder", "--course", str(tmp_path), "check", "--json"]
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "reading\n"
        process.send_signal(number)
        out, told = process.communicate(timeout=60)
    assert (process.returncode, told.strip()) == (130, "")
    assert json.loads(out) == {"error": {"message": "interrupted", "status": 130}}


# A course, graded once


def command(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "autograder", "--course", str(root), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class of two, and a folder whose name cannot be a student's."""
    root = tmp_path_factory.mktemp("course")
    cells = [nbgrader_cell("a = 2", "a"), nbgrader_cell("# a", "check-a", 4)]
    make_course(root, CONFIG, GRADERS, notebook_of(cells))
    (root / "tests/solutions_corpus/one").mkdir(parents=True)
    (root / "tests/solutions_corpus/one/check-a.toml").write_text(CORPUS)
    for student, a in (("ana", "2"), ("bea", "-1"), ("ev\x1b[31mil", "2")):
        folder = root / f"submitted/{student}/one"
        folder.mkdir(parents=True)
        nbformat.write(
            notebook_of([nbgrader_cell(f"a = {a}", "a"), cells[1]]), folder / "one.ipynb"
        )
    return root


@pytest.fixture(scope="module")
def graded(root: Path) -> "subprocess.CompletedProcess[str]":
    """What grading it gave a script."""
    return command(root, "grade", "--jobs", "1", "--json")


@pytest.fixture
def script(root: Path, graded: object) -> Any:
    """What a command gives a script."""

    def ask(*arguments: str, status: int = 0) -> Any:
        done = run("--course", str(root), *arguments, "--json")
        assert done.exit_code == status, done.stderr
        return json.loads(done.stdout)

    return ask


def test_grading_gives_a_script_every_score_and_status_1_where_one_is_missing(
    graded: "subprocess.CompletedProcess[str]",
) -> None:
    assert graded.returncode == 1
    document = json.loads(graded.stdout)
    assert_as_documented("grade", document)
    good, bad, refused = sorted(document["submissions"], key=lambda one: str(one["student"]))
    assert (good["student"], good["score"], good["max_score"]) == ("ana", 4.0, 4.0)
    assert (bad["student"], bad["score"]) == ("bea", 0.0)
    assert (refused["student"], refused["graded"], refused["score"]) == (
        "ev\x1b[31mil",
        False,
        None,
    )
    assert "rename the folder" in refused["error"]
    assert (document["mean"], document["left"], document["stopped_by"]) == (2.0, 0, None)
    assert "grading: 3 of 3" in graded.stderr, "progress is elsewhere"
    assert "\x1b" not in graded.stdout + graded.stderr


def test_a_second_look_changes_nothing_and_is_shown_in_lines(root: Path, graded: object) -> None:
    done = command(root, "grade", "--jobs", "1")
    assert done.returncode == 1
    rows = [re.split(r" {2,}", line) for line in done.stdout.splitlines()]
    assert rows[0] == ["assignment", "student", "score", "of", "look at"]
    assert rows[1] == ["one", "ana", "4", "4", "unchanged"]
    assert rows[3][1] == "ev [31mil" and rows[3][4].startswith("NOT GRADED the folder name")
    assert done.stdout.splitlines()[-1] == (
        "2 of 3 submissions graded, mean 2.0 points; 0 unreadable or missing, "
        "0 with grader faults, 0 need a person"
    )
    assert "\x1b" not in done.stdout + done.stderr


def test_show_gives_each_check(script: Any) -> None:
    document = script("show", "one", "bea")
    assert_as_documented("show", document)
    (exercise,) = document["exercises"]
    assert [check["status"] for check in exercise["checks"]] == ["failed", "failed"]
    assert exercise["checks"][0]["diagnosis"] == "negative"
    assert document["made_by"]["one"]


def test_show_prints_no_control_characters(root: Path, graded: object) -> None:
    done = run("--course", str(root), "show", "one", "bea")
    assert "failed [negative]: `a` is positive." in done.stdout
    assert "too small." in done.stdout and "\x1b" not in done.stdout


FAULTY = """
import pytest

def told(submission):
    return submission.value("a").no_such_method()

@pytest.mark.grade_cell("check-a")
def test_one(submission):
    assert told(submission)

@pytest.mark.grade_cell("check-a")
def test_two(submission):
    assert told(submission)
"""


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class of two whose exercise has a wrong grader, with others that have none."""
    root = tmp_path_factory.mktemp("faulty")
    essay = nbgrader_cell("because", "essay", 3)
    essay.metadata.nbgrader.update(solution=True, locked=False)
    inside = nbgrader_cell("assert a == 2", "inside", 1)
    cells = [nbgrader_cell("a = 2", "a"), nbgrader_cell("# a", "check-a", 4), inside, essay]
    make_course(root, CONFIG, FAULTY, notebook_of(cells))
    for student in ("ana", "bea"):
        folder = root / f"submitted/{student}/one"
        folder.mkdir(parents=True)
        cells[3].source = f"because {student}"
        nbformat.write(notebook_of(cells), folder / "one.ipynb")
    return root


def test_a_fault_of_a_grader_is_told_once_with_those_whom_it_touches(faulty: Path) -> None:
    done = command(faulty, "grade", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("grader fault; needs a person") == 2
    told = " ".join(done.stderr.split())
    assert told.count("no_such_method") == 1
    assert "grader fault, of one/ana, one/bea: " in told and "test_one.py:5: AttributeError" in told


def test_show_lists_exercises_without_hidden_checks_so_that_the_points_add_up(faulty: Path) -> None:
    assert command(faulty, "grade", "--jobs", "1").returncode == 0
    told = command(faulty, "show", "one", "ana").stdout
    assert "inside: 1 point\n  no hidden checks\n" in told
    assert "essay: 0 points\n  awaits a person\n" in told
    document = json.loads(command(faulty, "show", "one", "ana", "--json").stdout)
    assert {one["grade_id"]: one["score"] for one in document["exercises"]} == {
        "check-a": 0.0,
        "inside": 1.0,
        "essay": 0.0,
    }


def test_where_nothing_was_graded_there_is_no_mean(faulty: Path) -> None:
    (faulty / "tests/graders/one/test_broken.py").write_text("def (\n")
    try:
        done = command(faulty, "grade", "--jobs", "2")
    finally:
        (faulty / "tests/graders/one/test_broken.py").unlink()
    assert done.returncode == 1
    assert "0 of 2 submissions graded, mean – points" in done.stdout
    assert "test_broken.py, line 1: SyntaxError: " in done.stdout
    assert "importtestmodule" not in done.stderr + done.stdout


@pytest.mark.parametrize("arguments", ["grade --student anna", "feedback --student anna",
                                       "show one anna"])  # fmt: skip
def test_a_student_who_handed_nothing_in_is_told_with_those_who_did(
    root: Path, graded: object, arguments: str
) -> None:
    done = run("--course", str(root), *arguments.split())
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == (
        "autograder: no student 'anna' has handed in one; there are ana, bea, ev [31mil\n"
    )


def test_a_command_that_is_suggested_can_be_pasted(root: Path) -> None:
    folder = root / "submitted/Ana Gil"
    (folder / "one").mkdir(parents=True)
    done = run("--course", str(root), "show", "one", "Ana Gil")
    shutil.rmtree(folder)
    assert "run `autograder grade one --student 'Ana Gil'`" in done.stderr


def test_notebooks_that_lie_where_nothing_looks_are_told(tmp_path: Path) -> None:
    (tmp_path / "nbgrader_config.py").write_text(CONFIG)
    (tmp_path / "source/one").mkdir(parents=True)
    nbformat.write(notebook_of([]), tmp_path / "source/one/one.ipynb")
    for name in ("lou/one.ipynb", "max.ipynb", "lou/data.csv"):
        path = tmp_path / "submitted" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    done = run("--course", str(tmp_path), "grade")
    submitted = tmp_path.resolve() / "submitted"
    assert done.stderr.splitlines() == [
        "autograder: not looked at: lou/one.ipynb, max.ipynb; a notebook should lie in "
        f"{submitted}/STUDENT/ASSIGNMENT",
        f"autograder: no submissions: put them into {submitted}/STUDENT/one",
    ]


def test_feedback_says_where_the_pages_are(root: Path, script: Any) -> None:
    document = script("feedback", "one", "--student", "ana", "--jobs", "1")
    assert_as_documented("feedback", {**document, "failed": [FAILED]})
    (page,) = document["submissions"]
    assert (Path(page["folder"]) / "one.html").is_file()
    assert (document["failed"], document["left"]) == ([], 0)


FAILED = {"assignment": "one", "student": "eva", "error": "…"}
"""What could not be done, where all could: as documented, so that only the rest is compared."""


def test_a_release_says_where_it_is(root: Path, script: Any) -> None:
    document = script("release", "one")
    assert_as_documented("release", document)
    assert document["released"] == [{"assignment": "one", "folder": str(root / "release/one")}]


def test_an_import_says_whose_is_what(script: Any, tmp_path: Path) -> None:
    (tmp_path / "class.csv").write_text("id\nana\neva\nluis\n")
    (tmp_path / "work").mkdir()
    for name in ("eva", "nobody"):
        (tmp_path / f"work/{name}.ipynb").write_text("{}")
    class_list = ["--roster", str(tmp_path / "class.csv"), "--dry-run"]
    document = script("import", "one", str(tmp_path / "work"), *class_list, status=1)
    assert_as_documented("import", document)
    assert [one["student"] for one in document["submissions"]] == ["eva"]
    assert [one["file"] for one in document["unmatched"]] == ["nobody.ipynb"]
    assert (document["missing"], document["roster"]["students"]) == (["luis"], 3)


@pytest.mark.parametrize("kind", ["nbgrader", "moodle", "gradescope"])
def test_an_export_says_what_was_written(script: Any, tmp_path: Path, kind: str) -> None:
    to = tmp_path / "out"
    document = script("export", "--to", str(to), *([] if kind == "nbgrader" else ["--as", kind]))
    assert_as_documented("export", document)
    assert (document["as"], document["to"], document["assignments"]) == (kind, str(to), ["one"])
    assert to.exists()


def test_a_report_says_where_it_is_and_what_to_look_at(script: Any, tmp_path: Path) -> None:
    document = script("report", "one", "--to", str(tmp_path / "report"))
    assert_as_documented("report", document)
    assert Path(document["page"]).is_file()
    assert (document["students"], document["graded"]) == (3, 2)


def test_the_secret_is_named_and_not_told(script: Any) -> None:
    document = script("secret")
    assert_as_documented("secret", document)
    assert Path(document["file"]).is_file() and document["rotated"] is False
    assert Path(document["file"]).read_text().strip() not in json.dumps(document)


def test_a_check_gives_its_findings_and_status_1(root: Path, script: Any) -> None:
    page = root / "release/one/one.ipynb"
    before = page.read_text()
    page.unlink()
    document = script("check", "one", status=1)
    page.write_text(before)
    assert_as_documented("check", document)
    assert "it has no release" in [one["what"] for one in document["findings"]]


def test_a_preview_gives_what_each_exercise_earns(script: Any, tmp_path: Path) -> None:
    document = script("preview", "one", "--to", str(tmp_path / "pages"), status=1)
    assert_as_documented("preview", document)
    (exercise,) = document["exercises"]
    assert (exercise["solution"], exercise["untouched"], exercise["right"]) == (4.0, 0.0, True)
    assert all(Path(page).is_file() for page in document["pages"])


def test_what_could_be_extracted_is_given(script: Any) -> None:
    document = script("extract", "one", "--dry-run")
    assert_as_documented("extract", document)
    assert (document["already"], document["written"]) == (["check-a"], [])


def test_a_new_course_is_given(script: Any, tmp_path: Path) -> None:
    document = script("new", "course", str(tmp_path / "mine"))
    assert_as_documented("new course", document)
    assert (tmp_path / "mine/nbgrader_config.py").is_file()


def test_what_is_new_is_given(script: Any) -> None:
    for name, what in (("new assignment", ["two"]), ("new exercise", ["two", "total"])):
        document = script(*name.split(), *what)
        assert_as_documented(name, document)
        assert all(Path(path).is_file() for path in document["written"])


def test_a_trial_of_the_graders_gives_counts(script: Any) -> None:
    document = script("check", "one", "--mutation", "--jobs", "1", status=1)
    assert_as_documented("check --mutation", document)
    (exercise,) = document["exercises"]
    assert exercise["correct_accepted"] == {"count": 1, "of": 1}
    assert document["problems"], "mutants earn points here, or their mistake is not named"


def test_what_would_change_is_given_by_exercise(root: Path, script: Any) -> None:
    graders = root / "tests/graders/one/test_one.py"
    graders.write_text(GRADERS.replace("<= 0", "<= 3"))
    document = json.loads(command(root, "grade", "--diff", "--jobs", "1", "--json").stdout)
    graders.write_text(GRADERS)
    assert_as_documented("grade --diff", document)
    (change,) = document["changes"]
    assert (change["student"], change["before"], change["after"]) == ("ana", 4.0, 2.0)
    assert [one["student"] for one in document["failed"]] == ["ev\x1b[31mil"]


def test_platforms_are_given(root: Path, tmp_path: Path) -> None:
    course, db = ["--course", str(root), "lms"], ["--db", f"sqlite:///{tmp_path / 'lms.db'}"]
    dead = "http://127.0.0.1:9"  # where nothing listens
    added = run(
        *course, "add", "--issuer", dead, "--client-id", "c", "--login-url", f"{dead}/auth",
        "--token-url", f"{dead}/token", "--jwks-url", f"{dead}/keys", "--deployment", "1",
        "--url", "https://grader.example", *db,
    )  # fmt: skip
    assert added.exit_code == 0, added.stderr
    listed = json.loads(run(*course, "list", *db, "--json").stdout)
    assert_as_documented("lms list", listed)
    assert listed["platforms"][0]["client_id"] == "c"
    tried = run(*course, "check", *db, "--json")
    assert tried.exit_code == 1
    assert_as_documented("lms check", json.loads(tried.stdout))
    empty = run(*course, "list", "--db", f"sqlite:///{tmp_path / 'other.db'}", "--json")
    assert json.loads(empty.stdout) == {"platforms": []}


def test_output_that_nobody_reads_to_its_end_is_no_error(root: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        for flags in ([], ["--json"]):
            done = subprocess.run(
                [sys.executable, "-m", "autograder", "--course", str(root), "secret", *flags],
                stdout=closed, stderr=subprocess.PIPE, text=True, timeout=100, check=False,
            )  # fmt: skip
            assert (done.returncode, done.stderr) == (1, "")


# What is documented


def documented() -> dict[str, Any]:
    """The objects in the documentation, by command."""
    found = re.findall(
        r"^### (?:autograder )?(.+?)(?: --json)?\n.*?^```json\n(.*?)^```",
        DOCUMENTATION.read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    return {name: json.loads(text) for name, text in found}


def assert_as_documented(name: str, document: object) -> None:
    """The same keys, and values of the same kind, at every level."""
    differences = list(compare(documented()[name], document, name))
    assert not differences, differences


def compare(expected: Any, found: Any, where: str) -> Iterator[str]:
    if expected is None or found is None or expected == {}:
        return
    kinds = {int if isinstance(one, float) else type(one) for one in (expected, found)}
    if len(kinds) > 1:
        yield f"{where}: {type(found).__name__}, documented as {type(expected).__name__}"
    elif isinstance(expected, dict):
        if list(expected) != list(found):
            yield f"{where}: {list(found)}, documented as {list(expected)}"
        for key in expected.keys() & found.keys():
            yield from compare(expected[key], found[key], f"{where}.{key}")
    elif isinstance(expected, list):
        for one in found:
            yield from compare(expected[0], one, f"{where}[]")


def test_every_command_with_json_is_documented() -> None:
    assert {name.partition(" --")[0] for name in documented()} - {"error"} == set(WITH_JSON)


def test_the_documented_statuses_are_those_of_the_help() -> None:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d+) \|", text, re.MULTILINE) == ["0", "1", "2", "130"]
    assert re.findall(r"^  (\d+) ", help_of("grade"), re.MULTILINE) == ["0", "1", "2", "130"]


# Completion


def completed(root: Path, *words: str) -> list[str]:
    """What a shell offers after these words, the last of which may be begun."""
    words = ("autograder", "--course", str(root), *words)
    environment = {
        "_AUTOGRADER_COMPLETE": "bash_complete",
        "COMP_WORDS": "\n".join(shlex.quote(word) for word in words),
        "COMP_CWORD": str(len(words) - 1),
    }
    done = run(env=environment)
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The folders of a course, one of them called as its configuration says."""
    (tmp_path / "nbgrader_config.py").write_text(
        "c = get_config()\nc.CourseDirectory.submitted_directory = 'entregas'\nprint('run')\n"
    )
    for name in ("uno", "dos", "empty"):
        (tmp_path / "source" / name).mkdir(parents=True)
        if name != "empty":
            (tmp_path / "source" / name / f"{name}.ipynb").touch()
    for student in ("ana", "alba\x1b[2J", "alma\n", "--all", "bea"):
        (tmp_path / "entregas" / student / "uno").mkdir(parents=True)
    (tmp_path / "entregas/abel/dos").mkdir(parents=True)
    return tmp_path


def test_commands_and_options_are_completed(tree: Path) -> None:
    assert completed(tree, "gr") == ["grade", "gradebook"]
    assert completed(tree, "lms", "re") == ["remove"]
    assert completed(tree, "grade", "--all") == ["--allow-unsafe"]


def test_assignments_are_completed_but_for_those_given(tree: Path) -> None:
    assert completed(tree, "grade", "") == ["dos", "uno"]
    assert completed(tree, "grade", "uno", "") == ["dos"]
    assert completed(tree, "report", "u") == ["uno"]
    assert completed(tree, "show", "u") == ["uno"]
    assert completed(tree, "export", "--assignment", "") == ["dos", "uno"]
    assert completed(tree, "export", "--assignment", "uno", "--assignment", "") == ["dos"]


def test_students_are_completed_if_their_name_is_harmless(tree: Path) -> None:
    assert completed(tree, "show", "uno", "a") == ["ana"]
    assert completed(tree, "show", "dos", "a") == ["abel"]
    assert completed(tree, "grade", "--student", "") == ["abel", "ana", "bea"]
    assert completed(tree, "grade", "uno", "--student", "") == ["ana", "bea"]


def test_where_there_is_no_course_nothing_is_offered(tmp_path: Path) -> None:
    assert completed(tmp_path, "grade", "") == []
    (tmp_path / "nbgrader_config.py").write_text("c = (\n")
    assert completed(tmp_path, "show", "uno", "") == []


@pytest.mark.parametrize("words", [("gr",), ("grade", ""), ("grade", "--"), ("show", "uno", "")])
def test_no_course_is_opened_to_complete_a_word(tree: Path, words: Sequence[str]) -> None:
    code = """
import sys
from autograder.cli import main
try:
    main()
finally:
    slow = {"torch", "numpy", "nbgrader", "sqlalchemy", "traitlets", "matplotlib", "fastapi"}
    print("slow:", *sorted(slow & set(sys.modules)))
"""
    given = ("autograder", "--course", str(tree), *words)
    environment = {
        **os.environ,
        "_AUTOGRADER_COMPLETE": "bash_complete",
        "COMP_WORDS": "\n".join(shlex.quote(word) for word in given),
        "COMP_CWORD": str(len(given) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    assert done.stdout.splitlines()[-1] == "slow:", done.stderr
    assert done.stdout.startswith("plain,")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_says_how_to_keep_it(shell: str) -> None:
    done = run("completion", shell)
    assert done.exit_code == 0
    assert f"_AUTOGRADER_COMPLETE={shell}_complete" in done.stdout
    assert re.search(rf"\n# .*put this line into ~/.*:\n#   .*completion {shell}", done.stdout)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_with_it(tree: Path, tmp_path: Path) -> None:
    program = tmp_path / "bin/autograder"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m autograder "$@"\n')
    program.chmod(0o755)
    code = f"""
eval "$(autograder completion bash)"
COMP_WORDS=(autograder --course {shlex.quote(str(tree))} show uno a) COMP_CWORD=5
_autograder_completion autograder
echo "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "--norc", "-c", code], capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("ana\n", "")
