"""A whole class: matched by a roster, settled by a list, known to the gradebook, and told."""

import csv
import json
import os
import shutil
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from autograder.bridge.course import Course, CourseError, GradebookError
from autograder.bridge.students import Enrolled, add_students, read_students
from autograder.classwork.importing import Received, Report, import_work
from autograder.classwork.settling import require_free, write_map
from autograder.cli import main
from tests.engine.exports import (
    NOTEBOOK,
    Entries,
    autograder,
    files,
    member,
    new_course,
    zipped,
)

ROSTER = """id,first_name,last_name,email
agil,Ana,Gil,ana@uni.example
mruiz,Marta,Ruiz,mruiz@uni.example
mruizsol,Marta,Ruiz Sol,sol@uni.example
zoe,Zoë,Vargas,zoe@uni.example
"""


@pytest.fixture(scope="module")
def the_course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return new_course(tmp_path_factory.mktemp("class") / "course")


@pytest.fixture(scope="module")
def gradebook(the_course: Course) -> bytes:
    """A gradebook of nobody: nbgrader takes seconds to make one."""
    add_students(the_course, [])
    return (the_course.root / "gradebook.db").read_bytes()


@pytest.fixture
def course(the_course: Course, gradebook: bytes) -> Iterator[Course]:
    (the_course.root / "gradebook.db").write_bytes(gradebook)
    yield the_course
    shutil.rmtree(the_course.root / "submitted", ignore_errors=True)


@pytest.fixture
def roster(tmp_path: Path) -> Path:
    path = tmp_path / "class.csv"
    path.write_text(ROSTER, encoding="utf-8")
    return path


def settled(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["file,student", *rows]), encoding="utf-8")
    return path


def folder(path: Path, **contents: bytes) -> Path:
    path.mkdir()
    for name, content in contents.items():
        (path / f"{name}.ipynb").write_bytes(content)
    return path


def of(report: Report, student: str) -> Received:
    (one,) = (one for one in report.received if one.student == student)
    return one


def told(report: Report) -> dict[str, str]:
    return {one.entry: one.reason for one in report.unmatched}


# Who is in the class


def test_a_class_is_matched_and_who_is_missing_is_told(
    course: Course, tmp_path: Path, roster: Path
) -> None:
    entries: Entries = [
        ("Ana Gil_77_assignsubmission_file/mi tarea.ipynb", NOTEBOOK),
        ("Vargas Zoe_78_assignsubmission_file/one.ipynb", b"zoe"),
        ("Marta_79_assignsubmission_file/one.ipynb", b"?"),
    ]
    report = import_work(course, "one", zipped(tmp_path / "e.zip", entries), roster=roster)
    assert files(course) == {"agil/one/one.ipynb": NOTEBOOK, "zoe/one/one.ipynb": b"zoe"}
    assert of(report, "agil") == Received(
        "agil",
        "imported",
        ["one.ipynb"],
        ["'mi tarea.ipynb' was renamed to 'one.ipynb'"],
        ["Ana Gil_77_assignsubmission_file"],
        "name",
    )
    assert told(report) == {"Marta_79_assignsubmission_file": "fits nobody in the roster"}
    assert [one.student for one in report.unmatched[0].candidates] == ["mruiz", "mruizsol"]
    assert [one.student for one in report.missing] == ["mruiz", "mruizsol"]
    assert not report.is_whole


def test_a_fit_with_two_students_is_nobodys(course: Course, tmp_path: Path, roster: Path) -> None:
    work = folder(tmp_path / "work", ruiz_marta=b"1", agil=b"2")
    report = import_work(course, "one", work, roster=roster)
    assert told(report) == {"ruiz_marta.ipynb": "fits more than one student"}
    assert set(files(course)) == {"agil/one/one.ipynb"}


def test_who_handed_in_before_is_not_missing(course: Course, tmp_path: Path, roster: Path) -> None:
    import_work(course, "one", folder(tmp_path / "first", agil=b"1"), roster=roster)
    report = import_work(course, "one", folder(tmp_path / "second", zoe=b"2"), roster=roster)
    assert [one.student for one in report.missing] == ["mruiz", "mruizsol"] and report.is_whole


def test_the_list_of_the_class_may_lie_beside_the_notebooks(course: Course, tmp_path: Path) -> None:
    work = folder(tmp_path / "work", agil=b"1")
    (work / "class.csv").write_text(ROSTER, encoding="utf-8")
    settled(work / "whose.csv", "agil.ipynb,zoe")
    report = import_work(course, "one", work, roster=work / "class.csv", said=work / "whose.csv")
    assert report.is_whole and set(files(course)) == {"zoe/one/one.ipynb"}


def test_files_of_two_notebooks_beside_each_other_make_one_hand_in(
    course: Course, tmp_path: Path, roster: Path
) -> None:
    entries: Entries = [
        ("Ana Gil - lab-1.ipynb", b"1"),
        ("gil_ana_lab-2.ipynb", b"2"),
        ("gil_ana_datos.csv", b"3"),
    ]
    report = import_work(course, "pair", zipped(tmp_path / "e.zip", entries), roster=roster)
    assert report.is_whole
    assert files(course) == {
        "agil/pair/lab-1.ipynb": b"1",
        "agil/pair/lab-2.ipynb": b"2",
        "agil/pair/gil_ana_datos.csv": b"3",
    }


# The gradebook


def test_students_of_a_list_are_new_in_the_gradebook_with_names_and_known_ones_stay(
    course: Course, tmp_path: Path, roster: Path
) -> None:
    before = Enrolled("agil", "Anita", "Gil", "ana@uni.example")
    add_students(course, [before])
    work = folder(tmp_path / "work", agil=b"1")
    dry = import_work(course, "one", work, roster=roster, dry_run=True)
    assert read_students(course) == [before], "a dry run stores nothing"
    report = import_work(course, "one", work, roster=roster)
    assert report.roster is not None and dry.roster is not None
    assert [one.student for one in report.roster.new] == ["mruiz", "mruizsol", "zoe"]
    assert dry.roster.new == report.roster.new
    assert read_students(course) == [
        before,
        Enrolled("mruiz", "Marta", "Ruiz", "mruiz@uni.example"),
        Enrolled("mruizsol", "Marta", "Ruiz Sol", "sol@uni.example"),
        Enrolled("zoe", "Zoë", "Vargas", "zoe@uni.example"),
    ]
    assert "agil: the gradebook has 'Anita Gil', the list 'Ana Gil': left as it is" in report.notes


def test_without_a_list_the_gradebooks_students_are_the_class(
    course: Course, tmp_path: Path
) -> None:
    add_students(
        course,
        [Enrolled("agil", "Ana", "Gil"), Enrolled("x1", "Eva", "Paz"), Enrolled("luis", user="7")],
    )
    entries: Entries = [
        ("Ana Gil_1_assignsubmission_file/one.ipynb", b"1"),
        ("sollui_7_8_one.ipynb", b"2"),
        ("Otra Persona_3_assignsubmission_file/one.ipynb", b"3"),
    ]
    report = import_work(course, "one", zipped(tmp_path / "e.zip", entries))
    assert set(files(course)) == {"agil/one/one.ipynb", "luis/one/one.ipynb"}
    assert list(told(report).values()) == ["fits nobody in the gradebook"]
    assert [one.student for one in report.missing] == ["x1"]


def test_with_nobodys_name_known_ids_are_made_of_the_export_and_moodles_are_warned_of(
    course: Course, tmp_path: Path
) -> None:
    add_students(course, [Enrolled("ana-gil_1")])
    entries: Entries = [("Ana Gil_2_assignsubmission_file/one.ipynb", b"1")]
    report = import_work(course, "one", zipped(tmp_path / "e.zip", entries))
    assert set(files(course)) == {"ana-gil_2/one/one.ipynb"} and report.is_whole
    assert "another number in each assignment" in report.notes[0]


def test_a_damaged_gradebook_is_told_before_anything_is_written(
    course: Course, tmp_path: Path, roster: Path
) -> None:
    (course.root / "gradebook.db").write_bytes(b"no database at all, but long enough" * 40)
    with pytest.raises(GradebookError, match="damaged"):
        import_work(course, "one", folder(tmp_path / "work", agil=b"1"), roster=roster)
    assert not (course.root / "submitted").exists()


def test_an_id_of_the_gradebook_that_can_be_no_folder_is_refused(
    course: Course, tmp_path: Path
) -> None:
    add_students(course, [Enrolled("../ana", "Ana", "Gil"), Enrolled("a*", "Eva", "Paz")])
    work = folder(tmp_path / "work", **{"Ana Gil": b"1", "Eva Paz": b"2"})
    report = import_work(course, "one", work)
    assert [one.outcome for one in report.received] == ["refused", "refused"]
    assert not files(course)


# Late, and more than once


def test_the_worksheet_of_moodle_tells_numbers_apart_and_who_is_late(
    course: Course, tmp_path: Path
) -> None:
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(
        "Identifier,Full name,Email address,Status\n"
        "Participant 11,Luis Sol,l1@uni.example,Submitted for grading - 2 hours late\n"
        "Participant 12,Luis Sol,l2@uni.example,Submitted for grading\n",
        encoding="utf-8",
    )
    entries: Entries = [
        ("Luis Sol_11_assignsubmission_file/one.ipynb", b"1"),
        ("Participant_12_assignsubmission_file/one.ipynb", b"2"),
    ]
    report = import_work(course, "one", zipped(tmp_path / "e.zip", entries), roster=sheet)
    assert [(one.student, one.how, one.late) for one in report.received] == [
        ("luis-sol_11", "number", True),
        ("luis-sol_12", "number", False),
    ]


def test_late_is_not_known_where_nothing_says(course: Course, tmp_path: Path, roster: Path) -> None:
    report = import_work(course, "one", folder(tmp_path / "work", agil=b"1"), roster=roster)
    assert of(report, "agil").late is None


def test_two_different_files_of_a_student_are_refused_and_named(
    course: Course, tmp_path: Path, roster: Path
) -> None:
    entries: Entries = [
        ("Ana Gil - one.ipynb", b"first"),
        ("Copia de Ana Gil - one.ipynb", b"second"),
        ("zoe.ipynb", b"same"),
        ("zoe (1).ipynb", b"same"),
        ("mruiz.ipynb", b"1"),
        ("Marta Ruiz/one.ipynb", b"1"),
    ]
    said = settled(tmp_path / "whose.csv", "Marta Ruiz,mruiz")
    report = import_work(
        course, "one", zipped(tmp_path / "e.zip", entries), roster=roster, said=said
    )
    ana, marta, zoe = of(report, "agil"), of(report, "mruiz"), of(report, "zoe")
    assert ana.outcome == "refused" and ana.entries == [
        "Ana Gil - one.ipynb",
        "Copia de Ana Gil - one.ipynb",
    ]
    assert "could each be one.ipynb, and nothing tells which is the later" in ana.notes[0]
    assert marta.outcome == "refused" and "nothing tells which counts" in marta.notes[0]
    assert zoe.outcome == "imported" and "are the same file: one of them is taken" in zoe.notes[0]
    assert files(course) == {"zoe/one/one.ipynb": b"same"}
    assert [one.student for one in report.missing] == ["mruizsol"], "refused is not missing"


def test_alike_files_of_different_folders_names_that_give_one_id_are_not_one_students(
    course: Course, tmp_path: Path
) -> None:
    """Without a roster an id is made of a name, and an untouched notebook is like any other."""
    work = folder(tmp_path / "work", José=b"same", jose=b"same")
    report = import_work(course, "one", work)
    assert of(report, "jose").outcome == "refused" and not files(course)


def test_of_what_was_handed_in_again_through_canvas_the_later_is_taken_and_it_says_why(
    course: Course, tmp_path: Path, roster: Path
) -> None:
    entries: Entries = [("gilana_1_9_one-1.ipynb", b"new"), ("gilana_1_8_one.ipynb", b"old")]
    report = import_work(course, "one", zipped(tmp_path / "e.zip", entries), roster=roster)
    assert files(course) == {"agil/one/one.ipynb": b"new"}
    assert of(report, "agil").notes[0] == (
        "'one.ipynb' was handed in again: the latest is taken, 'one-1.ipynb', which Canvas has "
        "numbered after it"
    )


def test_what_was_typed_into_canvas_is_no_stray_file(
    course: Course, tmp_path: Path, roster: Path
) -> None:
    entries: Entries = [
        ("gilana_1_8_one.ipynb", NOTEBOOK),
        ("gilana_1_text.html", b"<p>"),
        ("vargaszoe_LATE_2_link.html", b"<a>"),
    ]
    report = import_work(course, "one", zipped(tmp_path / "e.zip", entries), roster=roster)
    assert of(report, "agil").notes == ["text typed into Canvas was left out"]
    zoe = of(report, "zoe")
    assert (zoe.outcome, zoe.late) == ("refused", True)
    assert "no notebook handed in" in zoe.notes[0]
    assert zoe.notes[1] == "a link given to Canvas was left out"


# What a teacher says


def test_a_list_settles_what_cannot_be_matched_and_overrules_what_can(
    course: Course, tmp_path: Path, roster: Path
) -> None:
    work = folder(tmp_path / "work", marta=b"1", agil=b"2", solution=b"3")
    said = settled(
        tmp_path / "whose.csv",
        "marta.ipynb,MRUIZ",
        "agil.ipynb,zoe@uni.example",
        "solution.ipynb,-",
    )
    report = import_work(course, "one", work, roster=roster, said=said)
    assert files(course) == {"mruiz/one/one.ipynb": b"1", "zoe/one/one.ipynb": b"2"}
    assert {one.how for one in report.received} == {"map"}
    assert report.left_out == ["solution.ipynb"] and report.is_whole


def test_a_groups_work_is_given_to_each_of_it(course: Course, tmp_path: Path, roster: Path) -> None:
    entries: Entries = [("Grupo 1_4711_assignsubmission_file/one.ipynb", b"ours")]
    said = settled(tmp_path / "whose.csv", "Grupo 1_4711,agil", "Grupo 1_4711,zoe")
    report = import_work(
        course, "one", zipped(tmp_path / "e.zip", entries), roster=roster, said=said
    )
    assert files(course) == {"agil/one/one.ipynb": b"ours", "zoe/one/one.ipynb": b"ours"}
    assert report.is_whole


def test_files_that_an_lms_says_are_one_students_are_not_given_to_two(
    course: Course, tmp_path: Path, roster: Path
) -> None:
    entries: Entries = [("x_1_8_one.ipynb", b"1"), ("x_1_9_data.csv", b"2")]
    export = zipped(tmp_path / "e.zip", entries)
    said = settled(tmp_path / "whose.csv", "x_1_8_one.ipynb,agil", "x_1_9_data.csv,zoe")
    with pytest.raises(CourseError, match="lines 2 and 3: these are files of one student, x_1,"):
        import_work(course, "one", export, roster=roster, said=said)
    said = settled(said, "x_1_8_one.ipynb,agil", "x_1,agil")
    import_work(course, "one", export, roster=roster, said=said)
    assert files(course) == {"agil/one/one.ipynb": b"1", "agil/one/data.csv": b"2"}


def test_of_two_files_of_a_student_a_list_says_which_counts(
    course: Course, tmp_path: Path, roster: Path
) -> None:
    work = folder(tmp_path / "work", **{"Ana Gil - one": b"1", "Copia de Ana Gil - one": b"2"})
    said = settled(tmp_path / "whose.csv", "Ana Gil - one.ipynb,-")
    report = import_work(course, "one", work, roster=roster, said=said)
    assert report.is_whole and files(course) == {"agil/one/one.ipynb": b"2"}


def test_without_a_roster_a_list_names_any_id(course: Course, tmp_path: Path) -> None:
    said = settled(tmp_path / "whose.csv", "tarea,ana.gil")
    work = tmp_path / "work"
    (work / "tarea").mkdir(parents=True)
    (work / "tarea/one.ipynb").write_bytes(b"1")
    import_work(course, "one", work, said=said)
    assert set(files(course)) == {"ana.gil/one/one.ipynb"}


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (["agil.ipynb,nobody"], "line 2: 'nobody' is no student of the roster"),
        (["agil.ipynb,../x"], "line 2: '../x' is no student"),
        (["other.ipynb,agil"], "line 2: 'other.ipynb' is not in the export"),
        (["agil.ipynb,-", "agil.ipynb,zoe"], "is left out and a student's as well"),
        (["agil.ipynb,=1+1"], "is a formula"),
        (["agil.ipynb"], "line 2: 1 cells below a header of 2"),
    ],
)
def test_a_list_that_contradicts_the_class_or_the_export_stops_all(
    course: Course, tmp_path: Path, roster: Path, rows: list[str], reason: str
) -> None:
    work = folder(tmp_path / "work", agil=b"1")
    said = settled(tmp_path / "whose.csv", *rows)
    with pytest.raises(CourseError) as raised:
        import_work(course, "one", work, roster=roster, said=said)
    assert reason in str(raised.value)
    assert not (course.root / "submitted").exists() and not read_students(course)


def test_a_list_of_other_columns_is_told(course: Course, tmp_path: Path, roster: Path) -> None:
    said = tmp_path / "whose.csv"
    said.write_text("file,who\nx,y\n", encoding="utf-8")
    with pytest.raises(CourseError, match="needs the columns file,student"):
        import_work(course, "one", folder(tmp_path / "w", agil=b""), roster=roster, said=said)


def test_the_list_to_fill_in_names_files_and_candidates_and_can_be_given_back(
    course: Course, tmp_path: Path, roster: Path
) -> None:
    work = folder(tmp_path / "work", **{"=marta": b"1", "'x": b"2", "agil": b"3", "ñ,1": b"4"})
    report = import_work(course, "one", work, roster=roster, dry_run=True)
    said = tmp_path / "whose.csv"
    write_map(said, [(one.entry, one.candidates, one.reason) for one in report.unmatched])
    with said.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == ["''x.ipynb", "'=marta.ipynb", "ñ,1.ipynb"]
    assert rows[1]["candidates"] == "mruiz (Marta Ruiz); mruizsol (Marta Ruiz Sol)"
    untouched = import_work(course, "one", work, roster=roster, said=said, dry_run=True)
    assert len(untouched.unmatched) == 3, "a row without a student says nothing"
    filled = said.read_text(encoding="utf-8").replace("ipynb,,", "ipynb,zoe,", 1)
    said.write_text(filled.replace("ipynb,,", "ipynb,mruiz,", 1), encoding="utf-8")
    report = import_work(course, "one", work, roster=roster, said=said)
    assert {one.student: one.entries for one in report.received} == {
        "agil": ["agil.ipynb"],
        "mruiz": ["=marta.ipynb"],
        "zoe": ["'x.ipynb"],
    }


def test_a_list_to_fill_in_replaces_nothing(tmp_path: Path, roster: Path) -> None:
    with pytest.raises(CourseError, match="is there already"):
        require_free(roster)
    with pytest.raises(CourseError, match="there is no folder"):
        require_free(tmp_path / "none/whose.csv")
    with pytest.raises(CourseError, match="cannot be written"):
        write_map(roster, [])
    assert roster.read_text(encoding="utf-8") == ROSTER


# Hostile work is held to the same rules as without a roster, which has tests of its own


def test_names_that_differ_in_accents_and_case_only_are_not_taken_for_two(
    course: Course, tmp_path: Path, roster: Path
) -> None:
    accents = "Zoë Vargas"
    names = [accents, unicodedata.normalize("NFD", accents), "ZOE VARGAS", "vargas_zoe"]
    work = folder(tmp_path / "work", **{name: name.encode() for name in names})
    report = import_work(course, "one", work, roster=roster)
    assert of(report, "zoe").outcome == "refused" and len(of(report, "zoe").entries) == 4
    assert not files(course)


def test_a_huge_file_costs_one_student_and_not_the_class(
    course: Course, tmp_path: Path, roster: Path
) -> None:
    work = folder(tmp_path / "work", agil=b"", zoe=b"1")
    os.truncate(work / "agil.ipynb", 200 * 1024 * 1024)
    report = import_work(course, "one", work, roster=roster)
    assert of(report, "agil").notes == ["'agil.ipynb' holds more than 20 MiB"]
    assert set(files(course)) == {"zoe/one/one.ipynb"}


def test_work_with_a_fault_is_refused_whosever_it_is(
    course: Course, tmp_path: Path, roster: Path
) -> None:
    entries: Entries = [
        ("Ana Gil/one.ipynb", b"1"),
        ("Ana Gil/../../x", b"2"),
        (member("zoe/one.ipynb", stat.S_IFLNK | 0o777), b"/etc/passwd"),
        ("mruiz.ipynb", b"3"),
    ]
    report = import_work(course, "one", zipped(tmp_path / "e.zip", entries), roster=roster)
    assert "leads out of its folder" in of(report, "agil").notes[0]
    assert "is a link" in of(report, "zoe").notes[0]
    assert set(files(course)) == {"mruiz/one/one.ipynb"}


# The command


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[int, str, str]]]:
    """What the command says of one export, for people, for programs, and once all is settled."""
    place = tmp_path_factory.mktemp("answers")
    course = new_course(place / "course")
    (place / "class.csv").write_text(ROSTER, encoding="utf-8")
    work = folder(place / "work", agil=NOTEBOOK, marta=NOTEBOOK)
    settled(place / "said.csv", "marta.ipynb,mruiz")
    usual = ("import", "one", str(work), "--roster", str(place / "class.csv"))
    whose = str(place / "whose.csv")
    runs = {
        "dry": (*usual, "--dry-run", "--write-map", whose),
        "json": (*usual, "--json"),
        "settled": (*usual, "--map", str(place / "said.csv")),
    }
    said = {}
    for name, arguments in runs.items():
        done = autograder(course.root, *arguments)
        said[name] = (done.returncode, done.stdout, done.stderr)
        if name == "dry":
            assert not (course.root / "submitted").exists()
    said["map"] = (0, (place / "whose.csv").read_bytes().decode("utf-8-sig"), "")
    yield said


def test_the_command_shows_whose_is_what_who_is_missing_and_what_to_do(
    answers: dict[str, tuple[int, str, str]],
) -> None:
    status, shown, complaint = answers["dry"]
    assert status == 1 and "not all of it was taken" in complaint
    for part in (
        "handed in as",
        "agil.ipynb",
        "marta.ipynb: fits nobody in the roster; could be mruiz (Marta Ruiz), mruizsol (Marta",
        "whose.csv, and give it with --map",
        "Nothing handed in:\n  mruiz (Marta Ruiz)\n",
        "1 imported, 0 replaced, 0 already there, 0 refused, 1 not matched",
        "3 of 4 students missing; 4 students new in the gradebook; nothing was stored",
    ):
        assert part in shown


def test_the_command_writes_a_list_to_fill_in(answers: dict[str, tuple[int, str, str]]) -> None:
    assert answers["map"][1].startswith("file,student,candidates,reason\r\nmarta.ipynb,,")


def test_where_a_list_is_already_the_command_begins_nothing(
    course: Course, tmp_path: Path, roster: Path
) -> None:
    work = folder(tmp_path / "work", agil=b"1")
    arguments = ["--course", str(course.root), "import", "one", str(work), "--write-map"]
    done = CliRunner().invoke(main, [*arguments, str(roster)])
    assert done.exit_code == 1 and "is there already: give another name" in done.stderr
    assert not (course.root / "submitted").exists()


def test_the_command_gives_programs_one_object(answers: dict[str, tuple[int, str, str]]) -> None:
    status, shown, _complaint = answers["json"]
    assert status == 1
    assert json.loads(shown) == {
        "assignment": "one",
        "dry_run": False,
        "complete": False,
        "roster": {
            "from": "file",
            "students": 4,
            "added": ["agil", "mruiz", "mruizsol", "zoe"],
        },
        "submissions": [
            {
                "student": "agil",
                "outcome": "imported",
                "from": ["agil.ipynb"],
                "matched_by": "id",
                "late": None,
                "files": ["one.ipynb"],
                "notes": ["'agil.ipynb' was renamed to 'one.ipynb'"],
            }
        ],
        "unmatched": [
            {
                "file": "marta.ipynb",
                "reason": "fits nobody in the roster",
                "candidates": ["mruiz", "mruizsol"],
            }
        ],
        "missing": ["mruiz", "mruizsol", "zoe"],
        "left_out": [],
        "notes": [],
    }


def test_the_command_succeeds_when_all_is_settled(
    answers: dict[str, tuple[int, str, str]],
) -> None:
    status, shown, complaint = answers["settled"]
    assert status == 0, complaint
    assert "1 imported, 0 replaced, 1 already there, 0 refused, 0 not matched" in shown
