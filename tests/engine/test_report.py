"""The report of an assignment: what it tells, of which class, and that nothing harms its reader."""

import csv
import json
import math
import os
import re
import shutil
import stat
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_output

from autograder.bridge.course import Course, CourseError
from autograder.bridge.notebooks import METADATA
from autograder.grading.results import CellResult, CheckResult
from autograder.report import likeness, plots
from autograder.report.analysis import analyse
from autograder.report.data import ClassData, Exercise, Submission, read_class
from autograder.report.likeness import compare
from autograder.report.page import render
from autograder.report.pseudonyms import pseudonyms, secret_of
from autograder.report.write import write_report
from tests.small_course import make_course, nbgrader_cell, notebook_of

CONFIG = """
from autograder.bridge import configure
c = get_config()
configure(c)
c.Jail.allow_unsafe = True
"""
EXERCISES = ("sum", "shape", "loss")
POINTS = 4.0
HOSTILE = "<script>alert(\"1\")</script>&=cmd|' /C calc'!A0"


def cells(answers: Mapping[str, str], errors: Mapping[str, str]) -> list[Any]:
    """The notebook of one student; what they answered, and the errors that it gave."""
    made = [new_code_cell("import torch", id="first")]
    for name in EXERCISES:
        solution = nbgrader_cell(answers.get(name, "raise NotImplementedError"), f"{name}-answer")
        if name in errors:
            solution.outputs = [new_output("error", ename=errors[name], evalue="", traceback=[])]
        made += [solution, nbgrader_cell(f"# {name}", name, POINTS)]
    return made


class Class:
    """A course of three exercises, and what its students hand in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.course = Course(root)

    def add_student(self, student: str) -> None:
        with self.course.gradebook() as gradebook:
            gradebook.update_or_create_student(student)

    def hand_in(
        self,
        student: str,
        scores: Sequence[float],
        *,
        checks: Mapping[str, Sequence[CheckResult]] | None = None,
        errors: Mapping[str, str] | None = None,
        answers: Mapping[str, str] | None = None,
        problem: str = "",
        awaiting: Sequence[str] = (),
    ) -> None:
        """Store a graded submission: what `grade` leaves in gradebook and autograded/."""
        self.store(student, scores, awaiting)
        notebook = notebook_of(cells(answers or {}, errors or {}))
        if problem:
            notebook.metadata[METADATA] = {"problem": problem}
        for cell in notebook.cells:
            grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
            if grade_id in (checks or {}):
                result = CellResult(grade_id, tuple((checks or {})[grade_id]))
                cell.metadata[METADATA] = result.to_dict()
        for step in ("submitted", "autograded"):
            folder = self.course.folder(step, "one", student)
            folder.mkdir(parents=True)
            nbformat.write(notebook, folder / "one.ipynb")

    def store(self, student: str, scores: Sequence[float], awaiting: Sequence[str] = ()) -> None:
        with self.course.gradebook() as gradebook:
            gradebook.update_or_create_student(student)
            submission = gradebook.update_or_create_submission("one", student)
            by_name = dict(zip(EXERCISES, scores, strict=True))
            for notebook in submission.notebooks:
                for grade in notebook.grades:
                    grade.auto_score = by_name[grade.name]
                    grade.needs_manual_grade = grade.name in awaiting
            gradebook.db.commit()

    def report(self, **options: Any) -> tuple[str, dict[str, list[dict[str, str]]]]:
        """The page, and the rows of each table."""
        to = self.root / "reports/one"
        write_report(self.course, "one", to, **options)
        return (to / "report.html").read_text(encoding="utf-8"), tables(to)


def tables(folder: Path) -> dict[str, list[dict[str, str]]]:
    return {
        path.stem: list(csv.DictReader(path.open(encoding="utf-8", newline="")))
        for path in folder.glob("*.csv")
    }


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The course as it is released, once for all tests of the file."""
    root = tmp_path_factory.mktemp("released")
    solutions = {name: f"### BEGIN SOLUTION\n{name} = 1\n### END SOLUTION" for name in EXERCISES}
    make_course(root, CONFIG, "", notebook_of(cells(solutions, {})))
    return root


@pytest.fixture
def group(released: Path, tmp_path: Path) -> Class:
    """A copy of the course, without students."""
    return Class(Path(shutil.copytree(released, tmp_path / "course")))


def check(
    status: Any = "failed", diagnosis: str = "", message: str = "wrong", name: str = "test_a"
) -> CheckResult:
    return CheckResult(
        f"test_one.py::{name}", f"title of {name}", 1, status, message, "", diagnosis
    )


class _Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def said(page: str) -> str:
    """The text of a page, with plain spaces."""
    return re.sub(r"\s+", " ", _Page(page).text)


# --- which class


def test_an_empty_class_says_so(group: Class) -> None:
    page, files = group.report()
    assert "There are no students yet" in said(page)
    assert files["students"] == []
    assert [row["exercise"] for row in files["exercises"]] == list(EXERCISES)
    assert {row["difficulty"] for row in files["exercises"]} == {""}


def test_one_student_has_scores_and_no_statistics_of_a_class(group: Class) -> None:
    group.hand_in("ana", [4, 2, 0])
    page, files = group.report()
    assert "One student is graded" in said(page)
    assert "Cronbach’s alpha is not defined here: it needs at least two students" in said(page)
    assert [row["discrimination"] for row in files["exercises"]] == ["", "", ""]
    assert [row["suspicious"] for row in files["exercises"]] == ["", "", ""]
    assert [float(row["difficulty"]) for row in files["exercises"]] == [1.0, 0.5, 0.0]


def test_two_students_have_no_discrimination(group: Class) -> None:
    group.hand_in("ana", [4, 2, 0])
    group.hand_in("eva", [2, 2, 4])
    _page, files = group.report()
    assert [row["discrimination"] for row in files["exercises"]] == ["", "", ""]


def test_who_handed_in_nothing_is_counted_apart_and_is_no_zero(group: Class) -> None:
    group.hand_in("ana", [4, 4, 4])
    group.add_student("luis")
    (group.course.folder("submitted", "one", "eva")).mkdir(parents=True)
    group.store("eva", [0, 0, 0])  # what `grade` stores for a folder without a notebook
    page, files = group.report()
    states = {row["student"]: row["state"] for row in files["students"]}
    assert states == {"ana": "graded", "luis": "missing", "eva": "missing"}
    assert "2 of 3 students have handed in nothing" in said(page)
    assert float(files["exercises"][0]["difficulty"]) == 1.0


def test_what_is_not_graded_yet_is_named_with_what_to_do(group: Class) -> None:
    group.hand_in("ana", [4, 4, 4])
    folder = group.course.folder("submitted", "one", "eva")
    folder.mkdir(parents=True)
    nbformat.write(notebook_of(cells({}, {})), folder / "one.ipynb")
    page, files = group.report()
    assert {row["student"]: row["state"] for row in files["students"]}["eva"] == "not graded"
    assert "1 submissions are not graded: run `autograder grade one`" in said(page)


def test_what_cannot_be_read_is_no_zero_in_the_statistics(group: Class) -> None:
    group.hand_in("ana", [4, 4, 4])
    group.hand_in("eva", [0, 0, 0], problem="The file is empty.")
    page, files = group.report()
    assert {row["student"]: row["state"] for row in files["students"]}["eva"] == "unreadable"
    assert "The file is empty." in said(page)
    assert float(files["exercises"][0]["difficulty"]) == 1.0


def test_what_a_person_must_still_grade_is_not_known(group: Class) -> None:
    for number, student in enumerate(("ana", "eva", "luis")):
        group.hand_in(student, [number, number, 4 - number])
    group.hand_in("zoe", [4, 4, 0], awaiting=["loss"])
    page, files = group.report()
    assert "1 students have exercises that a person must still grade" in said(page)
    loss = files["exercises"][2]
    assert loss["graded"] == "3"
    assert loss["remarks"] == "1 still to be graded by a person"
    zoe = next(row for row in files["students"] if row["student"] == "zoe")
    assert (zoe["loss"], zoe["awaits_person"]) == ("", "yes")
    data = read_class(group.course, "one")
    assert analyse(data).reliability.students == 3


def test_a_manual_score_counts_in_the_place_of_the_automatic_one(group: Class) -> None:
    group.hand_in("ana", [0, 0, 0])
    with group.course.gradebook() as gradebook:
        grade = gradebook.find_grade("sum", "one", "one", "ana")
        grade.manual_score, grade.needs_manual_grade = 3.0, False
        gradebook.db.commit()
    _page, files = group.report()
    assert files["students"][0]["sum"] == "3.0"


def test_a_manual_score_to_look_at_again_awaits_a_person(group: Class) -> None:
    group.hand_in("ana", [0, 0, 0])
    with group.course.gradebook() as gradebook:
        grade = gradebook.find_grade("sum", "one", "one", "ana")
        grade.manual_score, grade.needs_manual_grade = 3.0, True  # as after another submission
        gradebook.db.commit()
    page, files = group.report()
    assert files["students"][0]["awaits_person"] == "yes"
    assert "1 students have exercises that a person must still grade" in said(page)


def test_a_damaged_autograded_notebook_leaves_the_scores(group: Class) -> None:
    group.hand_in("ana", [4, 4, 4], checks={"sum": [check()]})
    (group.course.folder("autograded", "one", "ana") / "one.ipynb").write_text("{")
    _page, files = group.report()
    assert files["students"][0]["total"] == "12.0"
    assert files["diagnoses"] == []


# --- what it tells


def test_wrong_answers_are_counted_once_for_each_student(group: Class) -> None:
    wrong = [check(diagnosis="copied"), check(diagnosis="copied", name="test_b"), check()]
    group.hand_in("ana", [0, 4, 4], checks={"sum": wrong})
    group.hand_in("eva", [0, 4, 4], checks={"sum": wrong[:1]})
    group.hand_in("luis", [4, 4, 4], checks={"sum": [check("passed", "copied")]})
    _page, files = group.report()
    found = {row["diagnosis"]: (row["students"], row["share"]) for row in files["diagnoses"]}
    assert found == {"copied": ("2", "0.666667"), "": ("1", "0.333333")}


def test_time_outs_come_before_errors_and_belong_to_the_exercise_of_the_cell(group: Class) -> None:
    group.hand_in("ana", [0, 4, 4], errors={"sum": "NameError", "shape": "CellTimeoutError"})
    group.hand_in("eva", [0, 4, 4], errors={"sum": "NameError"})
    _page, files = group.report()
    assert [(r["exercise"], r["error"], r["limit"], r["students"]) for r in files["errors"]] == [
        ("shape", "CellTimeoutError", "ran too long", "1"),
        ("sum", "NameError", "", "2"),
    ]


def test_suspicious_exercises_are_named(group: Class) -> None:
    """Who is good elsewhere fails in `sum`; everybody solves `shape`; nobody solves `loss`."""
    for student, score, loss in (("ana", 4.0, 0.0), ("eva", 2.0, 1.0), ("luis", 0.0, 2.0)):
        group.hand_in(student, [score, 4, loss])
    page, files = group.report()
    suspicious = {row["exercise"]: row["suspicious"] for row in files["exercises"]}
    assert "negative discrimination" in suspicious["sum"]
    assert suspicious["shape"] == "everybody earned all points"
    assert "nobody earned all points" in suspicious["loss"]
    assert 'class="remark suspicious"' in page


def test_a_grader_that_failed_is_suspicious(group: Class) -> None:
    group.hand_in("ana", [4, 4, 4], checks={"sum": [check("fault")]})
    _page, files = group.report()
    assert files["exercises"][0]["suspicious"] == "a grader failed with 1 of the students"
    assert files["checks"][0]["suspicious"] == "failed by its own fault: 1"
    assert files["checks"][0]["pass_share"] == "", "nobody was judged by it"


def test_a_check_that_nobody_passes_is_suspicious_though_others_of_its_exercise_pass(
    group: Class,
) -> None:
    for student in ("ana", "eva", "luis"):
        results = [check("passed"), check("failed", name="test_b")]
        group.hand_in(student, [2, 4, 4], checks={"sum": results})
    _page, files = group.report()
    assert {row["check"]: row["suspicious"] for row in files["checks"]} == {
        "title of test_a": "everybody passes",
        "title of test_b": "nobody passes",
    }


def test_what_was_not_tried_is_told_apart_from_what_was_wrong(group: Class) -> None:
    group.hand_in("ana", [0, 4, 4], checks={"sum": [check("not attempted")]})
    group.hand_in("eva", [0, 4, 4], checks={"sum": [check("failed")]})
    _page, files = group.report()
    assert (files["exercises"][0]["nothing"], files["exercises"][0]["not_attempted"]) == ("1", "1")


# --- the page


def test_the_page_needs_nothing_else_and_loads_nothing(group: Class) -> None:
    for number, student in enumerate(("ana", "eva", "luis")):
        group.hand_in(student, [number, 4 - number, number])
    page, _files = group.report()
    for tag, attributes in _Page(page).tags:
        assert tag not in {"link", "iframe", "img", "object", "embed", "image", "base"}
        assert "src" not in attributes
        for name in ("href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#"), (tag, attributes)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    assert "default-src 'none'" in page


def test_its_plots_are_pictures_with_a_text_for_those_who_do_not_see_them(group: Class) -> None:
    for number, student in enumerate(("ana", "eva", "luis")):
        group.hand_in(student, [number, 4 - number, number])
    page, _files = group.report()
    pictures = [facts for tag, facts in _Page(page).tags if tag == "svg"]
    assert len(pictures) == 3
    assert all(one["role"] == "img" and one["aria-label"] for one in pictures)
    assert "2 (shape): difficulty 0.75, discrimination -1.00" in str(pictures[2]["aria-label"])


def test_plots_in_one_page_do_not_share_what_they_clip_by(group: Class) -> None:
    for number, student in enumerate(("ana", "eva", "luis")):
        group.hand_in(student, [number, 4 - number, number])
    page, _files = group.report()
    clips = re.findall(r'<clipPath id="(\w+)"', page)
    assert len(clips) == len(set(clips)) > 1


def test_likeness_is_called_no_proof_whatever_was_found(group: Class) -> None:
    page, _files = group.report()
    assert "Likeness is no proof of copying." in said(page)


def test_the_same_class_gives_the_same_files(group: Class) -> None:
    group.hand_in("ana", [4, 2, 0])
    first = group.report()
    assert group.report() == first


def test_alpha_on_the_page_comes_with_its_caveats(group: Class) -> None:
    for number, student in enumerate(("ana", "eva", "luis")):
        group.hand_in(student, [number, number, number])
    page, _files = group.report()
    assert "Cronbach’s alpha is 1.00, from 3 exercises and 3 students" in said(page)
    for caveat in ("no proof", "lower bound", "tau-equivalence", "Only 3 students are graded"):
        assert caveat in said(page)


# --- hostile texts


def test_hostile_texts_of_students_and_graders_are_text(group: Class) -> None:
    wrong = {"sum": [check(diagnosis=HOSTILE, message=HOSTILE)]}
    answers = {"sum": f"# {HOSTILE}\n" + "\n".join(UNUSUAL)}
    for student in ("<img src=x onerror=alert(1)>", "=1+1"):
        group.hand_in(
            student, [0, 4, 4], checks=wrong, errors={"sum": HOSTILE}, answers=answers,
        )  # fmt: skip
    page, files = group.report()
    tags = _Page(page).tags
    assert [tag for tag, _facts in tags].count("script") == 1
    assert "img" not in [tag for tag, _facts in tags]
    assert not [facts for _tag, facts in tags if any(name.startswith("on") for name in facts)]
    assert HOSTILE in _Page(page).text
    assert len(files["likeness"]) == 1


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", " =", "|", "%", "＝"])
def test_no_text_in_a_csv_file_is_a_formula(group: Class, begin: str) -> None:
    text = f"{begin}1+1"
    group.hand_in("ana", [0, 4, 4], checks={"sum": [check(diagnosis=text, message=text)]})
    _page, files = group.report()
    assert files["diagnoses"][0]["diagnosis"] == f"'{text}"
    assert files["diagnoses"][0]["message"] == f"'{text}"


def test_negative_numbers_in_a_csv_file_stay_numbers(group: Class) -> None:
    for student, score in (("ana", 4.0), ("eva", 2.0), ("luis", 0.0)):
        group.hand_in(student, [score, 4, 4 - score])
    _page, files = group.report()
    assert float(files["exercises"][0]["discrimination"]) == -1.0


def test_a_name_that_no_file_can_hold_is_shown_all_the_same(group: Class) -> None:
    os.makedirs(os.fsencode(group.root / "submitted") + b"/a\xff/one")
    page, files = group.report()
    assert files["students"][0]["state"] == "not graded"
    assert "a?" in said(page)


def test_dollars_and_angle_brackets_in_names_of_exercises_do_not_spoil_a_plot() -> None:
    name = r"$\frac{<b>&x"
    drawn = plots.outcomes([plots.Shares(name, {"all points": 2})])
    drawn += plots.difficulty_and_discrimination({f"1 ({name})": (0.5, -0.5)})
    assert "<b>" not in drawn
    for one in drawn.split("</svg>")[:-1]:
        ET.fromstring(f"{one}</svg>".strip())


# --- pseudonyms


def test_pseudonyms_replace_every_id_and_leave_out_what_students_wrote(
    group: Class, tmp_path: Path
) -> None:
    students = ["ana-garcia", "eva-lopez", "luis-gil"]
    for student in students:
        group.hand_in(student, [4, 2, 0], answers={"sum": "\n".join([f"# {student}", *UNUSUAL])})
    key = tmp_path / "who.csv"
    page, files = group.report(hide_names=True, key=key)
    everything = page + json.dumps(files)
    assert not [student for student in students if student in everything]
    assert len(files["likeness"]) == 3
    assert "what they wrote" not in page
    who = list(csv.DictReader(key.open(encoding="utf-8")))
    assert sorted(row["student"] for row in who) == students
    assert {row["pseudonym"] for row in who} == {row["student"] for row in files["students"]}
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_student_has_the_same_pseudonym_in_every_report(group: Class) -> None:
    group.hand_in("ana", [4, 2, 0])
    _page, first = group.report(hide_names=True)
    group.hand_in("eva", [4, 2, 0])
    _page, second = group.report(hide_names=True)
    assert first["students"][0]["student"] in {row["student"] for row in second["students"]}


def test_the_secret_of_the_pseudonyms_is_the_courses_own_and_in_no_report(group: Class) -> None:
    group.hand_in("ana", [4, 2, 0])
    page, files = group.report(hide_names=True)
    secret = secret_of(group.root)
    assert secret.hex() not in page + json.dumps(files)
    path = group.root / ".autograder/.pseudonyms"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert pseudonyms(["ana"], secret) != pseudonyms(["ana"], b"of another course")


def test_pseudonyms_do_not_keep_the_order_of_the_ids(group: Class) -> None:
    for number in range(12):
        group.hand_in(f"student-{number:02}", [4, 2, number / 4])
    _page, files = group.report(hide_names=True)
    names = [row["student"] for row in files["students"]]
    assert names == sorted(names)


def test_a_damaged_secret_is_one_error(group: Class) -> None:
    (group.root / ".autograder").mkdir(exist_ok=True)
    (group.root / ".autograder/.pseudonyms").write_text("abcd")
    with pytest.raises(CourseError, match="is damaged: remove it"):
        secret_of(group.root)


def test_the_key_may_not_lie_beside_the_report(group: Class) -> None:
    with pytest.raises(CourseError, match="would lie beside the report"):
        group.report(hide_names=True, key=group.root / "reports/one/key.csv")


# --- files


def test_an_unknown_assignment_is_one_error(group: Class) -> None:
    with pytest.raises(CourseError, match="no assignment 'two'"):
        write_report(group.course, "two", group.root / "reports")


def test_an_assignment_that_was_never_released_is_one_error(group: Class) -> None:
    folder = group.root / "source/two"
    folder.mkdir()
    nbformat.write(notebook_of([]), folder / "two.ipynb")
    with pytest.raises(CourseError, match="run `autograder release two` first"):
        write_report(group.course, "two", group.root / "reports")


def test_a_folder_that_cannot_be_made_is_one_error(group: Class) -> None:
    (group.root / "file").write_text("")
    with pytest.raises(CourseError, match="cannot write the report to"):
        write_report(group.course, "one", group.root / "file/reports")


def test_files_are_written_all_or_none(group: Class) -> None:
    group.hand_in("ana", [4, 2, 0])
    to = group.root / "reports/one"
    group.report()
    before = {path.name: path.read_bytes() for path in to.iterdir()}
    group.hand_in("eva", [0, 0, 0])
    (to / "students.csv").unlink()
    (to / "students.csv").mkdir()
    with pytest.raises(CourseError, match="is a folder"):
        write_report(group.course, "one", to)
    (to / "students.csv").rmdir()
    del before["students.csv"]
    assert {path.name: path.read_bytes() for path in to.iterdir()} == before


def command(group: Class, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "autograder", "--course", str(group.root), "report", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_command_says_what_it_found_and_where_the_report_is(group: Class) -> None:
    for student in ("ana", "eva", "luis"):
        group.hand_in(student, [4, 2, 0])
    done = command(group, "one")
    assert done.returncode == 0, done.stderr
    assert "3 of 3 students graded; 3 suspicious exercises" in done.stdout
    assert f"report: {group.root}/reports/one/report.html" in done.stdout
    assert (group.root / "reports/one/report.html").is_file()


def test_the_command_fails_in_one_line(group: Class) -> None:
    done = command(group, "two")
    assert done.returncode == 1
    assert done.stderr.startswith("autograder: no assignment 'two'")
    assert len(done.stderr.splitlines()) == 1


def test_a_key_without_pseudonyms_is_refused(group: Class) -> None:
    done = command(group, "one", "--key", "key.csv")
    assert done.returncode == 2
    assert "--key goes with --pseudonyms" in done.stderr


# --- likeness

UNUSUAL = (
    "rows = []",
    "for number, line in enumerate(data):",
    "    weight = sum(entry * 3 for entry in line) / (number + 1)",
    "    rows.append(torch.full((len(line),), weight, dtype=torch.float64))",
    "total = torch.stack(rows).cumsum(0)[:, -1].flip(0)",
)
ONE_LINER = "tensor_data = torch.tensor(data)\nnp_array = tensor_data.numpy().copy()"
GIVEN = "import torch\ndata = [[1, 2, 3]]\nraise NotImplementedError('open')"


def alike(answers: Mapping[str, str], given: str = GIVEN) -> list[tuple[str, str]]:
    found = compare({student: {"sum": text} for student, text in answers.items()}, given)
    return [(pair.first, pair.second) for pair in found.pairs]


def others(count: int = 12) -> dict[str, str]:
    """Students who all write the obvious."""
    return {f"student-{number}": ONE_LINER for number in range(count)}


def test_a_copy_is_found() -> None:
    text = "\n".join(UNUSUAL)
    assert alike(others() | {"ana": text, "eva": text}) == [("ana", "eva")]


def test_a_copy_with_other_names_comments_spaces_and_texts_is_found() -> None:
    text = "\n".join(UNUSUAL)
    changed = re.sub(r"\b(rows|number|line|weight|entry|total)\b", r"my_\1", text)
    changed = changed.replace(" = ", "=").replace("\n", "  # mine\n\n")
    assert alike(others() | {"ana": text, "eva": changed}) == [("ana", "eva")]


def test_a_copy_of_some_of_it_is_found_within_work_of_their_own() -> None:
    own = "\n".join(f"part_{n} = torch.arange({n}) ** {n} - data[{n}][0]" for n in range(3))
    text = "\n".join(UNUSUAL)
    assert alike(others() | {"ana": text, "eva": f"{own}\n{text}"}) == [("ana", "eva")]


def test_short_answers_that_everybody_writes_alike_are_not_flagged() -> None:
    assert alike(others()) == []


def test_short_answers_are_not_flagged_in_a_class_of_two_either() -> None:
    assert alike(others(2)) == []


def test_what_the_release_gives_and_the_teachers_solution_is_nobodys_copy() -> None:
    text = "\n".join(UNUSUAL)
    assert alike({"ana": text, "eva": text}, f"{GIVEN}\n{text}") == []


def test_what_many_write_says_nothing_of_two() -> None:
    text = "\n".join(UNUSUAL)
    assert alike({f"student-{number}": text for number in range(10)}) == []


def test_functions_of_a_library_are_told_apart() -> None:
    """`torch.zeros` is no other name for `torch.ones`."""
    lines = "\n".join(f"v{n} = torch.FUNCTION(data, {n}).sum()" for n in range(8))
    one, other = lines.replace("FUNCTION", "roll"), lines.replace("FUNCTION", "diff")
    assert alike(others() | {"ana": one, "eva": other}) == []


def test_nothing_to_compare() -> None:
    assert compare({}, "").pairs == []
    assert alike({"ana": "", "eva": ""}) == []


ENDLESS = {
    "quotes": '"' * 100_000,
    "escapes": "'''\\" * 25_000,
    "raw": 'r"\\' * 30_000,
    "comments": "# " * 50_000,
    "a name": "a" * 100_000,
    "backslashes": "\\" * 99_999,
    "a number": "0x" * 50_000,
    "open texts": 'f"""' * 25_001,
    "brackets": "(" * 100_000,
}


@pytest.mark.parametrize("text", ENDLESS.values(), ids=ENDLESS)
def test_no_text_takes_long(text: str) -> None:
    began = time.monotonic()
    alike({"ana": text, "eva": f"{text} "})
    assert time.monotonic() - began < 5


def test_a_class_of_800_is_compared_in_seconds() -> None:
    answers = {
        f"student-{number}": "\n".join(
            f"x{line} = torch.full((2, {(number * 7 + line) % 91}), data[{line}][{number % 13}])"
            for line in range(20)
        )
        for number in range(800)
    }
    began = time.monotonic()
    alike(answers)
    assert time.monotonic() - began < 20


def test_the_page_shows_both_answers_of_a_pair_side_by_side(group: Class) -> None:
    for student in ("ana", "eva"):
        group.hand_in(student, [4, 2, 0], answers={"sum": "\n".join(UNUSUAL)})
    page, files = group.report()
    assert [(row["student"], row["other"]) for row in files["likeness"]] == [("ana", "eva")]
    assert files["likeness"][0]["exercises"] == "sum"
    assert said(page).count("rows.append(torch.full") == 2


def test_only_so_many_pairs_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeness, "MOST_PAIRS", 1)
    text = "\n".join(UNUSUAL)
    found = compare({name: {"sum": text} for name in ("ana", "eva", "luis")}, GIVEN)
    assert (len(found.pairs), found.found) == (1, 3)
    assert math.isclose(found.pairs[0].likeness, 1)


def test_an_assignment_without_exercises_is_no_error() -> None:
    data = ClassData("one", [], [Submission("ana", "graded")])
    page = render(analyse(data))
    assert "The assignment has no grade cells." in said(page)
    assert "Cronbach’s alpha is not defined here" in said(page)


def test_extra_credit_and_exercises_without_points_are_no_error() -> None:
    exercises = [Exercise(("one", "a"), "a", 4.0), Exercise(("one", "b"), "b", 0.0)]
    students = [Submission(name, "graded", {"a": 5.0, "b": 1.0}) for name in ("ana", "eva", "luis")]
    report = analyse(ClassData("one", exercises, students))
    assert [row.item.difficulty for row in report.exercises] == [1.25, None]
    assert report.exercises[1].suspicious == ()
    assert "1.25" in said(render(report))
