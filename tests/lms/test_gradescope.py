"""Results for Gradescope: what students may read of a real graded course, and nothing else."""

import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_markdown_cell

from autograder.bridge import preprocessors
from autograder.bridge.course import Course
from autograder.bridge.render import HINTS, Hints
from autograder.lms.gradefiles.files import GradeFileError, Row, Score, rows_of
from autograder.lms.gradefiles.gradescope import archive, results
from tests.small_course import make_course, nbgrader_cell, notebook_of

CONFIG: Final = """
from autograder.bridge import configure
c = get_config()
configure(c)
c.Jail.allow_unsafe = True
c.RunGraders.language = "es"
c.RunGraders.languages = {"zoe": "en"}
"""
GRADERS: Final = '''
import pytest
from autograder.grading import fail

HIDDEN = 48151623

@pytest.mark.grade_cell("check-a", weight=3)
def test_exists(submission):
    """`a` existe."""
    submission.value("a")

@pytest.mark.grade_cell("check-a")
def test_value(submission):
    """`a` es el doble de lo <que> se pide."""
    if submission.value("a") != 2:
        fail("`a` no es <2>.", "Repasa «Qué es a», el valor.", "wrong-values")

@pytest.mark.grade_cell("check-f")
def test_function(submission):
    """`f` acierta."""
    if submission.call("f", HIDDEN).value != HIDDEN * 2:
        fail("`f` no da el doble.")

@pytest.mark.grade_cell("check-broken")
def test_broken(submission):
    """`a` se puede dividir."""
    if submission.value("a") == 5:
        raise RuntimeError(f"a fault of the grader: {HIDDEN}")
'''
SCHEMA_VISIBILITY: Final = {"hidden", "after_due_date", "after_published", "visible"}


def notebook(a: str, f: str) -> Any:
    written = nbgrader_cell("Text of the student", "written", 5)
    written = new_markdown_cell(written.source, id="written", metadata=written.metadata)
    written.metadata.nbgrader |= {"solution": True, "locked": False}
    return notebook_of(
        [
            new_markdown_cell("# Lección\n\n## Qué es `a`\n\nUn número.", id="text"),
            nbgrader_cell(f"### BEGIN SOLUTION\n{a}\n### END SOLUTION", "a"),
            nbgrader_cell("# a", "check-a", 4),
            nbgrader_cell(f"### BEGIN SOLUTION\n{f}\n### END SOLUTION", "f"),
            nbgrader_cell("# f", "check-f", 3),
            nbgrader_cell("# broken", "check-broken", 1),
            written,
        ]
    )


SUBMITTED: Final = {
    "ana": notebook("a = 2", "def f(x):\n    return 2 * x"),
    "luis": notebook("a = 1", "def f(x):\n    return x"),
    "zoe": notebook("a = 1", "f = None"),
    "eva": notebook("a = 5", "def f(x):\n    return 2 * x"),
    "waits": notebook("a = 2", "f = None"),
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Course]:
    """A course whose students are graded, and whose texts a person has graded but one."""
    root = tmp_path_factory.mktemp("course")
    make_course(root, CONFIG, GRADERS, SUBMITTED["ana"])
    for student, submission in SUBMITTED.items():
        folder = root / f"submitted/{student}/one"
        folder.mkdir(parents=True)
        nbformat.write(submission, folder / "one.ipynb")
    (root / "submitted/broken/one").mkdir(parents=True)
    (root / "submitted/broken/one/one.ipynb").write_text("no notebook")
    (root / "submitted/empty/one").mkdir(parents=True)
    course = Course(root)
    for student in (*SUBMITTED, "broken", "empty"):
        summary = course.autograde("one", student)
        assert not summary.error, summary
    for student in (*SUBMITTED, "broken"):
        if student != "waits":
            give(course, student, "written", 2.5)
    give(course, "eva", "check-broken", 1.0)
    with course.gradebook() as gradebook:
        gradebook.update_or_create_student("ana", email="ana@uni.example")
        gradebook.update_or_create_student("nothing")
    yield course
    for process in preprocessors._processes.values():
        process.stop()
    preprocessors._processes.clear()


def give(course: Course, student: str, cell: str, points: float) -> None:
    """Give points as a person does in the formgrader."""
    with course.gradebook() as gradebook:
        submission = gradebook.find_submission("one", student)
        for one in submission.notebooks:
            for grade in one.grades:
                if grade.name == cell:
                    grade.manual_score = points
                    grade.needs_manual_grade = False
        gradebook.db.commit()


def made(course: Course, **options: Any) -> dict[str, dict[str, Any]]:
    rows = rows_of(None, course, ["one"])
    return {
        name.removesuffix(".json"): json.loads(content)
        for name, content in results(course, "one", rows, **options)
    }


def by_number(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {test["number"]: test for test in result["tests"]}


def require_format(result: dict[str, Any]) -> None:
    """Gradescope's format: docs/specs.md of gradescope/autograder_samples."""
    assert set(result) <= {
        "score", "execution_time", "output", "visibility", "stdout_visibility", "extra_data",
        "tests", "leaderboard",
    }  # fmt: skip
    assert isinstance(result["score"], float) and isinstance(result["output"], str)
    assert {result["visibility"], result["stdout_visibility"]} <= SCHEMA_VISIBILITY
    for test in result["tests"]:
        assert set(test) <= {
            "score", "max_score", "status", "name", "number", "output", "tags", "visibility",
            "extra_data",
        }  # fmt: skip
        assert test["visibility"] in SCHEMA_VISIBILITY
        assert test.get("status", "passed") in ("passed", "failed")
        assert all(isinstance(test[key], str) for key in ("name", "number"))
        assert all(isinstance(tag, str) for tag in test.get("tags", []))
        for key in {"score", "max_score"} & set(test):
            assert isinstance(test[key], float)


def test_every_student_with_a_grade_has_results_in_gradescope_s_format(graded: Course) -> None:
    told: list[str] = []
    found = made(graded, warn=told.append)
    assert set(found) == {*SUBMITTED, "broken", "empty"} - {"waits"}
    for result in found.values():
        require_format(result)
    assert told == ["a person has still to give points, so there are no results yet: waits"]
    totals = {student: result["score"] for student, result in found.items()}
    expected = {"ana": 10.5, "luis": 6.5, "zoe": 6.5, "eva": 9.5, "broken": 2.5, "empty": 0.0}
    assert totals == expected
    assert found["ana"]["extra_data"] == {"student": "ana", "email": "ana@uni.example"}


def test_each_check_is_a_test_with_its_share_of_the_points(graded: Course) -> None:
    tests = by_number(made(graded)["luis"])
    assert list(tests) == ["1.1", "1.2", "2.1", "3.1", "4"]
    shown = {n: (t.get("status"), t["score"], t["max_score"]) for n, t in tests.items()}
    assert shown == {
        "1.1": ("passed", 3.0, 3.0),
        "1.2": ("failed", 0.0, 1.0),
        "2.1": ("failed", 0.0, 3.0),
        "3.1": ("passed", 1.0, 1.0),
        "4": (None, 2.5, 5.0),
    }
    assert tests["1.2"]["name"] == "`a` es el doble de lo <que> se pide."
    assert tests["4"]["name"] == "written"
    assert [tests[n]["tags"] for n in ("1.1", "2.1")] == [["check-a"], ["check-f"]]


def test_points_that_a_person_gave_stand_at_the_cell_and_no_more_at_its_checks(
    graded: Course,
) -> None:
    tests = by_number(made(graded)["eva"])
    assert (tests["3"]["name"], tests["3"]["score"], tests["3"]["max_score"]) == (
        "check-broken", 1.0, 1.0
    )  # fmt: skip
    assert "score" not in tests["3.1"] and "max_score" not in tests["3.1"]
    assert "status" not in tests["3.1"], "a fault of the grader is neither passed nor failed"
    total = sum(test.get("score", 0.0) for test in tests.values())
    assert total == made(graded)["eva"]["score"]


@pytest.mark.parametrize("hints", HINTS)
def test_students_read_what_the_feedback_says_at_each_level_of_hints(
    graded: Course, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graded.settings, "hints", hints)
    output = by_number(made(graded)["luis"])["1.2"]["output"]
    lines = output.splitlines()
    assert lines[0] == "✘ todavía no · a es el doble de lo <que> se pide."
    assert ("a no es <2>." in lines) is (hints == "full")
    assert ("Repasa «Qué es a», el valor." in lines) is (hints == "full")
    assert ("Vuelve a leer: Qué es a" in lines) is (hints == "pointer")
    assert any("Tipo de fallo:" in line for line in lines) is (hints != "none")
    assert len(lines) == {"none": 1, "category": 2, "pointer": 3, "full": 4}[hints]


def test_the_text_is_that_of_the_feedback_page(graded: Course) -> None:
    graded.feedback("one", "luis")
    page = (graded.folder("feedback", "one", "luis") / "one.html").read_text(encoding="utf-8")
    items = [
        " ".join(item.get_text(" ").split())
        for item in BeautifulSoup(page, "html.parser").select("div.autograder li")
    ]
    tests = [test for test in made(graded)["luis"]["tests"] if "output" in test]
    assert len(items) == len(tests) == 4
    for item, test in zip(items, tests, strict=True):
        assert "".join(test["output"].split()) == "".join(item.split())


def test_nothing_of_the_graders_is_in_it(graded: Course) -> None:
    text = json.dumps(made(graded), ensure_ascii=False)
    for secret in ("48151623", "96303246", "RuntimeError", "test_one.py", "test_value", "HIDDEN"):
        assert secret not in text
    whole = (graded.folder("autograded", "one", "eva") / "one.ipynb").read_text()
    assert "48151623" in whole, "it is in what the teacher has"


def test_each_student_reads_in_their_own_language(graded: Course) -> None:
    found = made(graded)
    assert "✘ todavía no" in by_number(found["luis"])["1.2"]["output"]
    assert "✘ not yet" in by_number(found["zoe"])["1.2"]["output"]


def test_an_unreadable_notebook_says_why_and_lateness_is_told(graded: Course) -> None:
    found = made(graded)
    assert found["broken"]["output"].startswith("El archivo no es un cuaderno completo")
    assert found["empty"]["output"] == "No se entregó ningún cuaderno."
    assert (found["empty"]["score"], found["empty"]["tests"]) == (0.0, [])
    assert found["ana"]["output"] == ""
    with graded.gradebook() as gradebook:
        for one in gradebook.find_submission("one", "zoe").notebooks:
            one.late_submission_penalty = 1.5
        gradebook.db.commit()
    late = made(graded)["zoe"]
    assert late["score"] == 5.0 and "1.5" in late["output"]


def test_students_see_it_when_the_teacher_publishes_or_at_once(graded: Course) -> None:
    assert {test["visibility"] for test in made(graded)["ana"]["tests"]} == {"after_published"}
    at_once = made(graded, visibility="visible")["ana"]
    assert {test["visibility"] for test in at_once["tests"]} == {"visible"}
    assert at_once["stdout_visibility"] == "hidden"


def test_without_any_grade_there_is_nothing_to_write(graded: Course) -> None:
    rows = [Row("nothing", {"one": Score(None, 13.0)})]
    with pytest.raises(GradeFileError, match="no student has a grade in one yet"):
        list(results(graded, "one", rows))


def test_work_that_is_being_written_anew_is_told(graded: Course) -> None:
    folder = graded.folder("autograded", "one", "ana")
    (path,) = folder.glob("*.ipynb")
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(GradeFileError, match="try again in a moment"):
            made(graded)
        path.unlink()
        path.symlink_to("what-is-gone")
        with pytest.raises(GradeFileError, match="try again in a moment"):
            made(graded)
    finally:
        path.unlink()
        path.write_bytes(whole)
    assert len(made(graded)) == 6


def test_all_of_it_fits_an_archive(graded: Course) -> None:
    packed = archive(results(graded, "one", rows_of(None, graded, ["one"])))
    with zipfile.ZipFile(io.BytesIO(packed)) as found:
        assert found.testzip() is None
        assert sorted(found.namelist()) == [
            f"{name}.json" for name in ("ana", "broken", "empty", "eva", "luis", "zoe")
        ]
        require_format(json.loads(found.read("luis.json")))


def test_the_command_writes_a_folder_with_a_file_for_each_student(
    graded: Course, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "autograder", "--course", str(graded.root), "export"]
    done = subprocess.run(
        [*command, "--as", "gradescope", "--to", str(tmp_path / "results")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "results of 6 students" in done.stdout and "no results yet: waits" in done.stderr
    files = sorted((tmp_path / "results").iterdir())
    assert [path.name for path in files] == [
        f"{name}.json" for name in ("ana", "broken", "empty", "eva", "luis", "zoe")
    ]
    require_format(json.loads(files[0].read_text(encoding="utf-8")))


def test_the_script_of_the_guide_hands_each_student_the_own_results(
    graded: Course, tmp_path: Path
) -> None:
    """It runs as Gradescope runs it, in a folder in the place of /autograder."""
    guide = (Path(__file__).parents[2] / "docs/how-to/grade-files.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    place = tmp_path / "autograder"
    (place / "results").mkdir(parents=True)
    (place / "source/results").mkdir(parents=True)
    for name, content in results(graded, "one", rows_of(None, graded, ["one"])):
        (place / "source/results" / name).write_bytes(content)
    who = {"users": [{"email": "Ana@uni.example", "id": 1, "name": "Ana"}]}
    (place / "submission_metadata.json").write_text(json.dumps(who))
    assert "/autograder" in script
    code = script.replace("/autograder", str(place))
    subprocess.run([sys.executable, "-c", code], check=True)
    handed = json.loads((place / "results/results.json").read_text(encoding="utf-8"))
    assert handed["extra_data"]["student"] == "ana"
