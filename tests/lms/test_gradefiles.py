"""Files of grades for LMSs: what a teacher writes, read as the LMS's importer reads it."""

import csv
import io
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from autograder.bridge.course import Course, CourseError
from autograder.lms.database import open_database, writing
from autograder.lms.gradefiles.files import (
    KINDS,
    GradeFileError,
    Row,
    Score,
    content_type,
    file_name,
    grade_file,
    rows_of,
    titles_of,
)
from autograder.lms.schema import Context, Enrolment, Identity, Link, Registration
from tests.lms.importers import (
    blackboard_import,
    canvas_import,
    formulas,
    moodle_import,
    open_edx_import,
    sakai_import,
)
from tests.small_course import make_course, nbgrader_cell, notebook_of

CONFIG: Final = """
from autograder.bridge import configure
c = get_config()
configure(c)
c.Jail.allow_unsafe = True
"""
COURSE_ID: Final = "course-v1:Uni+ML+2026"
NEW: Final = ("canvas", "moodle", "blackboard", "sakai")
"""LMSs for which a new file can be written."""


def ana(points: float | None = 9.0, maximum: float = 10.0, **facts: Any) -> Row:
    known = {"name": "Ana Gil", "given_name": "Ana", "family_name": "Gil", "login": "agil"}
    known |= {"email": "ana@uni.example", "person": "U001"}
    return Row("ana", {"one": Score(points, maximum)}, **(known | facts))


def luis(points: float | None = 4.5, maximum: float = 10.0, **facts: Any) -> Row:
    known = {"name": "Luis Sol", "given_name": "Luis", "family_name": "Sol", "login": "lsol"}
    known |= {"email": "luis@uni.example", "person": "U002"}
    return Row("luis", {"one": Score(points, maximum)}, **(known | facts))


def written(
    kind: str,
    rows: Sequence[Row],
    template: str | bytes | None = None,
    *,
    assignments: Sequence[str] = ("one",),
    called: Mapping[str, Sequence[str]] | None = None,
) -> tuple[bytes, list[str]]:
    """A file of grades, and the warnings."""
    told: list[str] = []
    data = template.encode() if isinstance(template, str) else template
    made = grade_file(kind, rows, assignments, data, called=called, warn=told.append)
    return made, told


def cells(data: bytes, delimiter: str = ",", encoding: str = "utf-8") -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(encoding), newline=""), delimiter=delimiter))


# New files, in each LMS's format


def test_canvas_gets_names_ids_and_a_row_of_points() -> None:
    made, told = written("canvas", [ana(user="4711"), luis(None)])
    found = canvas_import(made)
    assert found.points == {"one": "10"}
    first, second = found.students
    assert (first.name, first.id, first.sis_user_id) == ("Gil, Ana", "4711", "U001")
    assert (first.sis_login_id, first.grades) == ("agil", {"one": "9.00"})
    assert (second.name, second.id, second.grades) == ("Sol, Luis", "", {"one": ""})
    assert told == []
    assert made.split(b"\r\n")[1].startswith(b"    Points Possible,,,,,")


def test_the_user_of_a_launch_is_no_id_of_canvas() -> None:
    """A number of Moodle's is some other user's number in Canvas."""
    made, _told = written("canvas", [ana(sub="57", product="moodle")])
    assert canvas_import(made).students[0].id == ""


def test_a_student_called_like_the_row_of_points_does_not_change_the_points() -> None:
    evil = ana(name="Points Possible", given_name="", family_name="")
    found = canvas_import(written("canvas", [evil, luis()])[0])
    assert found.points == {"one": "10"} and len(found.students) == 2


def test_moodle_gets_each_column_by_which_it_can_find_everybody() -> None:
    rows = [ana(sub="5", product="moodle"), luis(sub="7", product="moodle", person="")]
    made, told = written("moodle", rows)
    assert cells(made)[0] == ["User ID", "Username", "Email address", "Name", "one"]
    for column, users in {
        "User ID": {"5": "ana", "7": "luis"},
        "Username": {"agil": "ana", "lsol": "luis"},
        "Email address": {"ana@uni.example": "ana", "luis@uni.example": "luis"},
    }.items():
        found = moodle_import(made, column, users, ["one"])
        assert found == {"ana": {"one": "9.00"}, "luis": {"one": "4.50"}}
    assert told == []


def test_moodle_s_own_numbers_come_only_from_moodle() -> None:
    made, _told = written("moodle", [ana(sub="5", product="canvas")])
    assert "User ID" not in cells(made)[0]


def test_moodle_gets_no_row_that_it_would_give_to_the_student_before() -> None:
    unknown = luis(login="", email="", person="", sub="x-7", product="canvas")
    made, told = written("moodle", [ana(), unknown])
    assert [row[0] for row in cells(made)] == ["Username", "agil"]
    assert len(told) == 1 and told[0].endswith("they are left out: luis")


def test_moodle_gets_no_row_without_a_grade() -> None:
    """An unknown user ends its import: who never handed in may not even be in the course."""
    rows = [ana(), luis(None)]
    made, told = written("moodle", rows)
    assert moodle_import(made, "Username", {"agil": "ana"}, ["one"]) == {"ana": {"one": "9.00"}}
    assert told == []


def test_moodle_s_file_needs_a_student_with_a_grade() -> None:
    with pytest.raises(GradeFileError, match="no student has a grade yet"):
        written("moodle", [ana(None)])


def test_moodle_gets_an_empty_cell_for_one_assignment_of_two_that_is_missing() -> None:
    rows = [
        replace(ana(), scores={"one": Score(1, 2), "two": Score(None, 5)}),
        replace(luis(), scores={"one": Score(None, 2), "two": Score(0, 5)}),
    ]
    made, _told = written("moodle", rows, assignments=["one", "two"])
    found = moodle_import(made, "Username", {"agil": "ana", "lsol": "luis"}, ["one", "two"])
    assert found == {"ana": {"one": "1.00"}, "luis": {"two": "0.00"}}


def test_moodle_gets_the_maximum_where_a_student_has_more_and_says_so() -> None:
    made, told = written("moodle", [ana(12.0), luis(10.0)])
    found = moodle_import(made, "Username", {"agil": "ana", "lsol": "luis"}, ["one"])
    assert found == {"ana": {"one": "10.00"}, "luis": {"one": "10.00"}}
    assert told == ["Moodle takes no more than the maximum, so one was cut to 10 points: ana"]


def test_sums_of_floats_are_not_taken_for_more_than_the_maximum() -> None:
    assert 0.1 + 0.2 > 0.3
    made, told = written("moodle", [ana(0.1 + 0.2, 0.3)])
    assert cells(made)[1][-1] == "0.30" and told == []


def test_a_maximum_that_moodle_does_not_take_is_told() -> None:
    _made, told = written("moodle", [ana(120, 150)])
    assert len(told) == 1 and "no points over 100" in told[0]


def test_other_lmss_get_extra_credit() -> None:
    for kind in ("canvas", "blackboard", "sakai"):
        assert "12.00" in written(kind, [ana(12.0)])[0].decode()


def test_blackboard_gets_quoted_cells_with_the_user_name_as_key() -> None:
    made, told = written("blackboard", [ana(), luis(None)])
    assert blackboard_import(made) == {
        "agil": {"one [Total Pts: 10]": "9.00"},
        "lsol": {"one [Total Pts: 10]": ""},
    }
    assert all(line.startswith('"') and line.endswith('"') for line in made.decode().splitlines())
    assert told == []


def test_sakai_gets_titles_with_points_in_brackets() -> None:
    found, points = sakai_import(
        written("sakai", [ana(maximum=2.5, points=2.0), luis(None, 2.5)])[0]
    )
    assert found == {"agil": {"one": "2.00"}, "lsol": {"one": ""}}
    assert points == {"one": "2.5"}


def test_sakai_gets_at_most_two_decimals_of_points() -> None:
    _found, points = sakai_import(written("sakai", [ana(3.3333, 3.3333)])[0])
    assert points == {"one": "3.33"}


@pytest.mark.parametrize("name", ["#one", "* one", "one [extra]", "one]"])
def test_sakai_takes_a_title_for_an_assignment_whatever_is_in_it(name: str) -> None:
    row = replace(ana(), scores={name: Score(1, 20)})
    found, points = sakai_import(written("sakai", [row], assignments=[name])[0])
    assert list(points.values()) == ["20"]
    assert list(found["agil"].values()) == ["1.00"]


@pytest.mark.parametrize("kind", ["blackboard", "sakai"])
def test_who_cannot_be_told_by_any_id_is_left_out_and_named(kind: str) -> None:
    made, told = written(kind, [ana(), luis(login="", sub="opaque")])
    assert "Sol" not in made.decode()
    assert len(told) == 1 and told[0].endswith("left out: luis")


def test_an_id_that_a_person_chose_in_nbgrader_is_taken_for_the_user_name() -> None:
    found, _points = sakai_import(written("sakai", [Row("est-01", {"one": Score(1, 2)})])[0])
    assert list(found) == ["est-01"]


def test_open_edx_needs_its_own_export() -> None:
    with pytest.raises(GradeFileError, match="give that file as the template"):
        written("openedx", [ana()])


@pytest.mark.parametrize("kind", NEW)
def test_missing_work_is_no_zero_and_a_zero_is_no_missing_work(kind: str) -> None:
    text = written(kind, [ana(0.0), luis(None)])[0].decode()
    assert "0.00" in text and text.count("0.00") == 1


@pytest.mark.parametrize("kind", NEW)
def test_work_that_a_person_must_grade_has_no_grade_and_is_named(kind: str) -> None:
    waiting = replace(luis(), scores={"one": Score(None, 10, needs_person=True)})
    made, told = written(kind, [ana(), waiting])
    assert made.decode().count(".00") == 1
    assert told == ["a person has still to give points, so there is no grade yet: luis"]


@pytest.mark.parametrize("kind", NEW)
def test_a_title_of_the_lms_s_own_is_taken(kind: str) -> None:
    made, _told = written(kind, [ana()], called={"one": ["Práctica 1", "one"]})
    assert "Práctica 1" in made.decode() and ",one" not in made.decode()


@pytest.mark.parametrize(
    ("points", "maximum", "shown"),
    [
        (9.333, 10.0, "9.33"),
        (2.675, 10.0, "2.68"),
        (2.996, 2.996, "2.99"),
        (2.996, 2.9961, "2.99"),
        (2.996, 3.0, "3.00"),
        (0.1 + 0.2, 0.3, "0.30"),
        (3.3333333333, 3.3333333333, "3.33"),
        (0.004, 10.0, "0.00"),
        (-0.0, 10.0, "0.00"),
        (1234.5, 2000.0, "1234.50"),
    ],
)
def test_points_have_two_decimals_and_are_never_rounded_over_the_maximum(
    points: float, maximum: float, shown: str
) -> None:
    found = canvas_import(written("canvas", [ana(points, maximum)])[0])
    assert found.students[0].grades["one"] == shown


def test_what_is_no_number_is_refused() -> None:
    for wrong in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="no number of points"):
            Score(wrong, 10.0)


@pytest.mark.parametrize("kind", KINDS)
def test_without_students_or_assignments_there_is_nothing_to_write(kind: str) -> None:
    with pytest.raises(GradeFileError, match="no students yet"):
        written(kind, [])
    with pytest.raises(GradeFileError, match="choose an assignment"):
        written(kind, [ana()], assignments=[])
    with pytest.raises(GradeFileError, match="nothing is known of the points of assignment 'two'"):
        written(kind, [ana()], assignments=["two"])


def test_a_kind_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(GradeFileError, match="choose canvas, moodle, openedx, blackboard, sakai"):
        written("excel", [ana()])


def test_files_have_names_and_a_type() -> None:
    assert file_name("canvas", ["one"]) == "one-canvas.csv"
    assert file_name("sakai", ["one", "two"]) == "grades-sakai.csv"
    assert content_type("moodle").startswith("text/csv")


# The LMS's own export, filled in

CANVAS: Final = """\
Student,ID,SIS User ID,SIS Login ID,Section,Notes,one (311),other (312),Current Score,Final Score
,,,,,,Manual Posting,,,
    Points Possible,,,,,,10.00,5.00,(read only),(read only)
"Gil, Ana",101,U001,agil,A,"a, note",,1.00,50.00,50.00
"Sol, Luis",102,,lsol@uni.example,B,,3.00,EX,60.00,60.00
"Student, Test",103,,,A,,,,,
"""
OPEN_EDX: Final = (
    "user_id,username,student_key,course_id,track,cohort,name-85bb02db,grade-85bb02db,"
    "original_grade-85bb02db,previous_override-85bb02db,new_override-85bb02db,name-77aa77aa,"
    "grade-77aa77aa,original_grade-77aa77aa,previous_override-77aa77aa,new_override-77aa77aa\r\n"
    f"11,agil,,{COURSE_ID},audit,,one,0.0,0.0,,,Final exam,0.0,0.0,,\r\n"
    f"12,other,U002,{COURSE_ID},masters,,one,0.0,0.0,2.0,,Final exam,0.0,0.0,,\r\n"
)
BLACKBOARD: Final = (
    '"Last Name"\t"First Name"\t"Username"\t"Student ID"\t"Last Access"\t"Availability"\t'
    '"Total [Total Pts: up to 20 Score] |1000"\t"one [Total Pts: 10 Score] |664617"\r\n'
    '"Gil"\t"Ana"\t"agil"\t"U001"\t"2026-01-01"\t"Yes"\t"3"\t""\r\n'
    '"苏"\t"路易"\t"x99"\t"U002"\t""\t"Yes"\t"0"\t"7"\r\n'
)
SAKAI: Final = (
    '"Student ID","Name","# Section","one [10]","* one","other [5]"\n'
    '"agil","Gil, Ana","A","","well done","1"\n'
    '"lsol","Sol, Luis","A","3","","2"\n'
)
MOODLE: Final = (
    '"First name","Last name","ID number","Email address","Assignment: one (Real)",'
    '"Assignment: one (Percentage)","Course total (Real)","Last downloaded from this course"\n'
    "Ana,Gil,U001,ana@uni.example,-,-,5.00,1760000000\n"
    'Luis,Sol,,luis@uni.example,3.00,"30.00 %",5.00,1760000000\n'
)
WORKSHEET: Final = (
    '\ufeffIdentifier,"Full name","Email address",Status,Grade,"Maximum Grade",'
    '"Grade can be changed","Last modified (grade)"\r\n'
    '"Participant 1234567","Ana Gil",,"Submitted for grading",,10.00,Yes,-\r\n'
    '"Participant 1234568","Luis Sol",,"No submission",,10.00,Yes,-\r\n'
)


def test_canvas_s_export_keeps_all_but_the_grades() -> None:
    made, told = written("canvas", [ana(), luis(email="lsol@uni.example", login="")], CANVAS)
    before, after = cells(CANVAS.encode()), cells(made)
    assert after[3][6] == "9.00" and after[4][6] == "4.50"
    after[3][6], after[4][6] = before[3][6], before[4][6]
    assert after == before and told == []
    assert [row.id for row in canvas_import(made).students] == ["101", "102", "103"]


@pytest.mark.parametrize(
    "who",
    [
        {"user": "101"},
        {"person": "U001"},
        {"login": "AGIL"},
        {"name": "Ana Gil"},
        {"given_name": "Ana", "family_name": "Gil"},
    ],
)
def test_canvas_s_students_are_found_by_id_sis_id_login_and_name(who: dict[str, str]) -> None:
    row = Row("x", {"one": Score(2, 10)}, sub="opaque", **who)
    made, told = written("canvas", [row], CANVAS)
    assert cells(made)[3][6] == "2.00" and told == []


def test_a_login_of_canvas_s_may_be_an_e_mail_address() -> None:
    row = Row("x", {"one": Score(2, 10)}, sub="opaque", email="LSol@uni.example")
    assert cells(written("canvas", [row], CANVAS)[0])[4][6] == "2.00"


def test_an_id_counts_more_than_a_name() -> None:
    """Ana is called Luis here, and is still Ana."""
    row = Row("x", {"one": Score(2, 10)}, user="101", name="Luis Sol")
    assert [r[6] for r in cells(written("canvas", [row], CANVAS)[0])[3:5]] == ["2.00", "3.00"]


def test_a_name_takes_no_row_that_an_id_has_found() -> None:
    called_ana = Row("y", {"one": Score(8, 10)}, sub="u", name="Ana Gil")
    rows = [Row("x", {"one": Score(2, 10)}, user="101", name="Eva Ñu"), called_ana]
    made, told = written("canvas", rows, CANVAS)
    assert cells(made)[3][6] == "2.00" and told[0].endswith("without a grade: y")


def test_a_row_that_was_cut_short_is_filled_up() -> None:
    """Canvas takes a file for one with semicolons if its first rows are not equally long."""
    short = CANVAS.replace(',A,"a, note",,1.00,50.00,50.00', ",A")
    made, _told = written("canvas", [ana()], short)
    assert canvas_import(made).students[0].grades["one (311)"] == "9.00"


def test_two_students_of_one_name_are_not_guessed() -> None:
    twice = CANVAS + '"Gil, Ana",104,,,B,,,,,\n'
    named = Row("x", {"one": Score(2, 10)}, name="Ana Gil", sub="1")
    made, told = written("canvas", [named, luis(login="lsol@uni.example")], twice)
    assert cells(made)[3][6] == "" and cells(made)[6][6] == ""
    assert told == ["not found in the file from Canvas, so without a grade: x"]
    ours_twice = [named, replace(named, student="y", sub="2"), luis(login="lsol@uni.example")]
    made, told = written("canvas", ours_twice, CANVAS)
    assert cells(made)[3][6] == "" and told[0].endswith("x, y")


def test_an_id_that_we_made_for_a_launch_is_no_login_of_the_lms_s() -> None:
    """`agil` may be another platform's Ana."""
    row = Row("agil", {"one": Score(2, 10)}, sub="opaque")
    with pytest.raises(GradeFileError, match="none of the 1 students"):
        written("canvas", [row], CANVAS)
    chosen = Row("agil", {"one": Score(2, 10)})
    assert cells(written("canvas", [chosen], CANVAS)[0])[3][6] == "2.00"


@pytest.mark.parametrize(
    ("student", "row", "found"),
    [
        ("gilana_101", '"Gil, Ana",101,,,A,,,,,', True),
        ("sorenkrag_101", '"Søren, Krag",101,,,A,,,,,', True),
        ("student_101", '"苏, 路易",101,,,A,,,,,', True),
        ("ana_101", '"Ruiz, Zoe",101,,,A,,,,,', False),
        ("gilana_102", '"Gil, Ana",101,,,A,,,,,', False),
    ],
)
def test_who_was_imported_from_canvas_is_found_by_the_number_in_the_id(
    student: str, row: str, found: bool
) -> None:
    template = "\n".join([*CANVAS.splitlines()[:3], row, '"Sol, Luis",9,U002,,A,,,,,'])
    made, told = written("canvas", [Row(student, {"one": Score(2, 10)}), luis()], template)
    assert (cells(made)[3][6] == "2.00") is found
    assert (told == []) is found


def test_excused_and_unassigned_work_of_canvas_is_left_alone() -> None:
    rows = [
        replace(r, scores={"other": Score(2, 5)}) for r in (ana(), luis(login="lsol@uni.example"))
    ]
    made, told = written("canvas", rows, CANVAS.replace(",1.00,", ",N/A,"), assignments=["other"])
    assert [row[7] for row in cells(made)[3:5]] == ["N/A", "EX"]
    assert len(told) == 1 and told[0].endswith("excused or not assigned: ana, luis")


def test_a_grade_that_only_the_lms_has_stays() -> None:
    made, _told = written("canvas", [ana(), luis(None, login="lsol@uni.example")], CANVAS)
    assert cells(made)[4][6] == "3.00"


@pytest.mark.parametrize("title", ["Current Score", "Final Score", "Section", "Notes", "third"])
def test_totals_and_what_is_no_column_take_no_grades(title: str) -> None:
    locked = CANVAS.replace("Points Possible,,,,,,", "Points Possible,,,,,(read only),")
    with pytest.raises(GradeFileError, match=r"has no column for assignment 'one'.*'one \(311\)'"):
        written("canvas", [ana()], locked, called={"one": [title]})


def test_totals_take_no_grades_whatever_the_language_of_the_export() -> None:
    spanish = CANVAS.replace("(read only)", "(solo lectura)")
    with pytest.raises(GradeFileError, match="has no column"):
        written("canvas", [ana()], spanish, called={"one": ["Final Score"]})


@pytest.mark.parametrize("title", ["* one", "# Section", "Name"])
def test_comments_and_what_sakai_ignores_take_no_grades(title: str) -> None:
    with pytest.raises(GradeFileError, match="has no column"):
        written("sakai", [ana()], SAKAI, called={"one": [title]})


def test_percentages_of_moodle_s_take_no_points() -> None:
    with pytest.raises(GradeFileError, match="has no column"):
        written("moodle", [ana()], MOODLE, called={"one": ["Assignment: one (Percentage)"]})


def test_a_worksheet_is_of_one_assignment() -> None:
    row = replace(ana(), scores={"one": Score(1, 10), "two": Score(2, 10)})
    with pytest.raises(GradeFileError, match="no column for assignment 'one'"):
        written("moodle", [row], WORKSHEET, assignments=["one", "two"])


def test_a_column_is_found_by_the_title_that_the_teacher_says() -> None:
    made, told = written("canvas", [ana(4.0, 5.0)], CANVAS, called={"one": ["OTHER"]})
    assert cells(made)[3][7] == "4.00" and told == []
    by_header, _told = written("canvas", [ana(4.0, 5.0)], CANVAS, called={"one": ["other (312)"]})
    assert by_header == made


def test_two_columns_of_the_same_title_are_not_guessed() -> None:
    twice = CANVAS.replace("other (312)", "one (312)")
    with pytest.raises(
        GradeFileError, match=r"more than one column for assignment 'one'.*--column"
    ):
        written("canvas", [ana()], twice)
    made, _told = written("canvas", [ana(4.0, 5.0)], twice, called={"one": ["one (312)"]})
    assert cells(made)[3][7] == "4.00"


def test_two_assignments_are_not_written_into_one_column() -> None:
    row = replace(ana(), scores={"one": Score(1, 10), "two": Score(2, 10)})
    with pytest.raises(GradeFileError, match="assignment 'two'"):
        written("canvas", [row], CANVAS, assignments=["one", "two"], called={"two": ["one"]})


@pytest.mark.parametrize(
    ("kind", "template"),
    [("canvas", CANVAS), ("blackboard", BLACKBOARD), ("sakai", SAKAI)],
)
def test_another_maximum_in_the_lms_is_told(kind: str, template: str) -> None:
    _made, told = written(kind, [ana(20.0, 25.0)], template)
    assert len(told) == 1
    assert "up to 10 points, and one has 25: make them equal" in told[0]


def test_a_file_with_semicolons_and_first_and_last_names_stays_one() -> None:
    header = "LastName;FirstName;ID;SIS Login ID;Section;one (311)"
    template = f"\ufeff{header}\r\n    Points Possible;;;;;10,00\r\nGil;Ana;101;agil;A, B;\r\n"
    made, told = written("canvas", [ana()], template)
    assert not made.startswith(b"\xef\xbb\xbf"), "Canvas would not find LastName behind it"
    assert made.decode().splitlines() == [
        header,
        "    Points Possible;;;;;10,00",
        "Gil;Ana;101;agil;A, B;9.00",
    ]
    found = canvas_import(made)
    assert found.students[0].grades == {"one (311)": "9.00"} and told == []


def test_open_edx_gets_new_overrides_and_no_other_change() -> None:
    made, told = written("openedx", [ana(), luis(login="")], OPEN_EDX)
    assert open_edx_import(made, COURSE_ID) == {"11": ("85bb02db", 9.0), "12": ("85bb02db", 4.5)}
    before, after = cells(OPEN_EDX.encode()), cells(made)
    after[1][10] = after[2][10] = ""
    assert after == before and told == []


def test_a_subsection_of_open_edx_is_found_by_its_name_or_its_block() -> None:
    for title in ("Final exam", "77aa77aa", "new_override-77aa77aa"):
        made, _told = written("openedx", [ana()], OPEN_EDX, called={"one": [title]})
        assert open_edx_import(made, COURSE_ID) == {"11": ("77aa77aa", 9.0)}


def test_open_edx_would_lose_all_but_one_assignment_of_a_file() -> None:
    row = replace(ana(), scores={"one": Score(1, 10), "Final exam": Score(2, 10)})
    with pytest.raises(GradeFileError, match="one assignment at a time"):
        written("openedx", [row], OPEN_EDX, assignments=["one", "Final exam"])


def test_open_edx_gets_no_more_than_the_maximum_and_says_so() -> None:
    made, told = written("openedx", [ana(11.0)], OPEN_EDX)
    assert open_edx_import(made, COURSE_ID) == {"11": ("85bb02db", 10.0)}
    assert told == ["Open edX takes no more than the maximum, so one was cut to 10 points: ana"]


def test_a_file_that_open_edx_does_not_take_is_told() -> None:
    long = f"11,agil,,{COURSE_ID},audit,{'c' * (2 * 1024 * 1024)}"
    template = "user_id,username,student_key,course_id,track,cohort,name-a,new_override-a\r\n"
    with pytest.raises(GradeFileError, match="damaged"):
        written("openedx", [ana()], f"{template}{long},one,\r\n")
    many = "".join(f"{n},user{n},,{COURSE_ID},audit,,one,\r\n" for n in range(20, 50_000))
    _made, told = written(
        "openedx", [ana()], f"{template}11,agil,,{COURSE_ID},audit,,one,\r\n{many}"
    )
    assert told == [
        "Open edX takes files up to 2 MiB: import it in parts, each with the first line"
    ]


def test_blackboard_s_tabs_in_utf_16_stay_so() -> None:
    data = BLACKBOARD.encode("utf-16")
    made, told = written("blackboard", [ana(), luis(login="")], data)
    assert made.startswith(b"\xff\xfe")
    found = blackboard_import(made)
    assert found["agil"]["664617"] == "9.00" and found["x99"]["664617"] == "4.50"
    assert found["agil"]["1000"] == "3", "totals are Blackboard's"
    expected = BLACKBOARD.replace('"3"\t""', '"3"\t"9.00"').replace('"0"\t"7"', '"0"\t"4.50"')
    assert made.decode("utf-16") == expected and told == []


def test_blackboard_s_commas_stay_quoted() -> None:
    template = BLACKBOARD.replace("\t", ",")
    made, _told = written("blackboard", [ana()], f"\ufeff{template}")
    assert made.startswith(b"\xef\xbb\xbf") and blackboard_import(made)["agil"]["664617"] == "9.00"


def test_sakai_s_comments_and_ignored_columns_stay() -> None:
    made, told = written("sakai", [ana(), luis()], SAKAI)
    expected = SAKAI.replace('"A","","well', '"A","9.00","well').replace('"A","3"', '"A","4.50"')
    assert made.decode() == expected and told == []
    found, _points = sakai_import(made)
    assert found["agil"] == {"one": "9.00", "other": "1"}


def test_moodle_s_gradebook_is_filled_in_where_points_are() -> None:
    made, told = written("moodle", [ana(), luis()], MOODLE)
    before, after = cells(MOODLE.encode()), cells(made)
    assert (after[1][4], after[2][4]) == ("9.00", "4.50")
    after[1][4], after[2][4] = "-", "3.00"
    assert after == before and told == []
    users = {"ana@uni.example": "ana", "luis@uni.example": "luis"}
    assert moodle_import(made, "Email address", users, ["Assignment: one (Real)"])["luis"] == {
        "Assignment: one (Real)": "4.50"
    }


def test_moodle_s_worksheet_is_filled_in_by_the_numbers_that_import_kept() -> None:
    rows = [
        Row("ana-gil_1234567", {"one": Score(9, 10)}),
        Row("zoe-ruiz_1234568", {"one": Score(8, 10)}),
    ]
    made, told = written("moodle", rows, WORKSHEET)
    after = cells(made, encoding="utf-8-sig")
    assert after[1][4] == "9.00"
    assert after[2][4] == "", "participant 1234568 is not Zoe"
    assert told == ["not found in the file from Moodle, so without a grade: zoe-ruiz_1234568"]


@pytest.mark.parametrize(
    ("kind", "template"),
    [
        ("canvas", CANVAS),
        ("openedx", OPEN_EDX),
        ("blackboard", BLACKBOARD),
        ("sakai", SAKAI),
        ("moodle", MOODLE),
    ],
)
def test_who_is_not_in_the_lms_is_named_once_and_nothing_else_is_lost(
    kind: str, template: str
) -> None:
    strangers = [Row(f"s{n:02}", {"one": Score(1, 10)}, sub=str(n)) for n in range(12)]
    missing_work = Row("s99", {"one": Score(None, 10)}, sub="99")
    made, told = written(kind, [ana(), *strangers, missing_work], template)
    assert made == written(kind, [ana()], template)[0]
    assert len(told) == 1 and "s00, s01" in told[0] and "and 2 more" in told[0]
    assert "s99" not in told[0]
    with pytest.raises(GradeFileError, match=r"none of the 12 students.*is it of this course"):
        written(kind, strangers, template)


@pytest.mark.parametrize(
    ("kind", "template"),
    [
        ("canvas", CANVAS),
        ("openedx", OPEN_EDX),
        ("blackboard", BLACKBOARD),
        ("sakai", SAKAI),
        ("moodle", MOODLE),
    ],
)
def test_what_is_no_export_of_this_lms_is_refused_with_what_to_do(kind: str, template: str) -> None:
    for data, why in {
        b"": "no file of grades",
        b"just,words\n1,2\n": "no file of grades",
        b"PK\x03\x04 a workbook": "export it from .* as CSV",
        b"Student,ID\xff\n": "no text in UTF-8",
        template.encode() + b'"cut off in the middle': "damaged",
    }.items():
        with pytest.raises(GradeFileError, match=why):
            written(kind, [ana()], data)


def test_one_lms_s_export_is_not_taken_for_another_s() -> None:
    for kind, template in (("openedx", CANVAS), ("blackboard", CANVAS), ("canvas", SAKAI)):
        with pytest.raises(GradeFileError, match="the header that"):
            written(kind, [ana()], template)


# Names and ids that do harm


@pytest.mark.parametrize("kind", NEW)
@pytest.mark.parametrize(
    "evil",
    [
        "=cmd|' /C calc'!A0",
        "x;=1+1",
        "+1+1",
        "-2+3*cmd|x",
        "@SUM(A1)",
        "\t=1+1",
        "|calc",
        "＝1+1",
        "\n=x",
    ],
)
def test_no_cell_is_a_formula(kind: str, evil: str) -> None:
    row = ana(name=evil, given_name="", family_name="", login=evil, email=evil, person=evil)
    row = replace(row, student=evil, scores={evil: Score(1, 10)})
    made, _told = written(kind, [replace(luis(), scores=row.scores), row], assignments=[evil])
    assert not list(formulas(made))


@pytest.mark.parametrize(
    "login", ["-ana", "+34600111222", "@ana", "o'neil", "DOM\\ana", "ana+ml@uni.example"]
)
def test_ids_that_compute_nothing_are_not_touched(login: str) -> None:
    found, _points = sakai_import(written("sakai", [ana(login=login)])[0])
    assert list(found) == [login]


@pytest.mark.parametrize("kind", NEW)
def test_no_backslash_hides_a_quotation_mark(kind: str) -> None:
    """PHP and Java would read on until the next one."""
    evil = 'Gil \\", "Ana\\'
    made, _told = written(kind, [ana(name=evil, given_name=evil, family_name=evil, person=evil)])
    assert b'\\"' not in made and b"9.00" in made


HOSTILE: Final = st.text(max_size=30) | st.sampled_from(
    [
        'Gil, "Ana"',
        "a\r\nb",
        'x\\", "y',
        "苏菲",
        "أنا",
        "x\x00y",
        '";=1+1',
        "a;b\tc",
        "\ufeff",
        "\\",
    ]
)
POINTS: Final = st.none() | st.floats(0, 200, allow_nan=False)


@st.composite
def classes(draw: st.DrawFn) -> list[Row]:
    """A class of students with names of any kind."""
    count = draw(st.integers(1, 4))
    maximum = draw(st.sampled_from([1.0, 3.3333, 10.0, 100.0]))
    return [
        Row(
            f"s{n}",
            {"one": Score(draw(POINTS), maximum)},
            name=draw(HOSTILE),
            given_name=draw(HOSTILE),
            family_name=draw(HOSTILE),
            email=draw(HOSTILE),
            login=f"login{n}",
            person=draw(HOSTILE),
        )
        for n in range(count)
    ]


def shown(row: Row, most: float | None = None) -> str:
    """What must be imported of a row: within half a cent of the points."""
    points = row.grade("one")
    return "" if points is None else f"{min(points, points if most is None else most):.6f}"


def same(text: str, expected: str) -> bool:
    if not (text and expected):
        return text == expected
    return abs(float(text) - float(expected)) <= 0.0101 and len(text.partition(".")[2]) == 2


@settings(max_examples=80, deadline=None)
@given(classes())
def test_every_name_leaves_every_grade_in_its_place(rows: list[Row]) -> None:
    maximum = rows[0].scores["one"].maximum
    canvas = canvas_import(written("canvas", rows)[0])
    assert [one.sis_login_id for one in canvas.students] == [row.login for row in rows]
    for one, row in zip(canvas.students, rows, strict=True):
        assert same(one.grades["one"], shown(row))
    (header,) = {
        name
        for grades in blackboard_import(written("blackboard", rows)[0]).values()
        for name in grades
    }
    blackboard = blackboard_import(written("blackboard", rows)[0])
    sakai, _points = sakai_import(written("sakai", rows)[0])
    for row in rows:
        assert same(blackboard[row.login][header], shown(row))
        assert same(sakai[row.login]["one"], shown(row))
    if graded := [row for row in rows if row.grade("one") is not None]:
        users = {row.login: row.student for row in rows}
        moodle = moodle_import(written("moodle", rows)[0], "Username", users, ["one"])
        assert list(moodle) == [row.student for row in graded]
        for row in graded:
            given = moodle[row.student]["one"]
            assert same(given, shown(row, maximum)) and float(given) <= maximum
    for kind in NEW:
        if kind != "moodle" or graded:
            assert not list(formulas(written(kind, rows)[0]))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(HOSTILE, HOSTILE), min_size=1, max_size=4),
    st.sampled_from([",", ";"]),
    st.sampled_from(["\n", "\r\n"]),
)
@example([("a", "\r")], ",", "\n")
def test_every_name_in_an_export_stays_as_the_lms_wrote_it(
    people: list[tuple[str, str]], delimiter: str, newline: str
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Notes", "one (1)"])
    writer.writerow(["    Points Possible", "", "", "", "", "", "10"])
    for number, (name, note) in enumerate(people):
        writer.writerow([f"x{name}", number, "", f"login{number}", "A", note, ""])
    rows = [
        Row(f"s{n}", {"one": Score(n, 10)}, login=f"login{n}", name=name)
        for n, (name, _note) in enumerate(people)
    ]
    data = text.getvalue().encode()
    if newline == "\n" and "\r\n" not in "".join(n + note for n, note in people):
        data = data.replace(b"\r\n", b"\n")
    made, told = written("canvas", rows, data)
    before, after = cells(data, delimiter), cells(made, delimiter)
    assert [row[:6] for row in after] == [row[:6] for row in before]
    assert [row[6] for row in after[2:]] == [f"{n}.00" for n in range(len(people))]
    assert told == []


# From the gradebook and from what launches told


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("released")
    cells_of = [
        nbgrader_cell("### BEGIN SOLUTION\na = 1\n### END SOLUTION", "a"),
        nbgrader_cell("# a", "check-a", 4),
        nbgrader_cell("# b", "check-b", 2),
    ]
    make_course(root, CONFIG, "", notebook_of(cells_of))
    return root


@pytest.fixture
def course(released: Path, tmp_path: Path) -> Course:
    return Course(Path(shutil.copytree(released, tmp_path / "course")))


def store(
    course: Course,
    student: str,
    scores: Mapping[str, float | None],
    *,
    manual: Mapping[str, float] | None = None,
    extra: Mapping[str, float] | None = None,
    waits: Sequence[str] = (),
    penalty: float = 0.0,
) -> None:
    """Put what `grade` and the formgrader leave into the gradebook."""
    with course.gradebook() as gradebook:
        gradebook.update_or_create_student(student)
        submission = gradebook.update_or_create_submission("one", student)
        for notebook in submission.notebooks:
            notebook.late_submission_penalty = penalty
            for grade in notebook.grades:
                grade.auto_score = scores.get(grade.name)
                grade.manual_score = (manual or {}).get(grade.name)
                grade.extra_credit = (extra or {}).get(grade.name)
                grade.needs_manual_grade = grade.name in waits
        gradebook.db.commit()


def add_student(course: Course, student: str, **facts: str) -> None:
    with course.gradebook() as gradebook:
        gradebook.update_or_create_student(student, **facts)


def points(course: Course, engine: Engine | None = None, **options: Any) -> dict[str, float | None]:
    return {row.student: row.grade("one") for row in rows_of(engine, course, ["one"], **options)}


def test_grades_are_those_of_the_gradebook_and_missing_work_has_none(course: Course) -> None:
    store(course, "ana", {"check-a": 4.0, "check-b": 1.0})
    store(course, "zero", {"check-a": 0.0, "check-b": 0.0})
    store(course, "by-hand", {"check-a": 0.0, "check-b": 1.0}, manual={"check-a": 3.0})
    store(course, "bonus", {"check-a": 4.0, "check-b": 2.0}, extra={"check-a": 1.5})
    store(course, "late", {"check-a": 4.0, "check-b": 2.0}, penalty=2.5)
    store(course, "later", {"check-a": 1.0, "check-b": 0.0}, penalty=5.0)
    add_student(course, "nothing")
    assert points(course) == {
        "ana": 5.0,
        "bonus": 7.5,
        "by-hand": 4.0,
        "late": 3.5,
        "later": 0.0,
        "nothing": None,
        "zero": 0.0,
    }
    assert {row.scores["one"].maximum for row in rows_of(None, course, ["one"])} == {6.0}


def test_work_that_waits_for_a_person_has_no_grade(course: Course) -> None:
    store(course, "ana", {"check-a": 4.0, "check-b": None}, waits=["check-b"])
    (row,) = rows_of(None, course, ["one"])
    assert row.grade("one") is None and row.scores["one"].needs_person


def test_what_nbgrader_knows_of_a_student_is_in_the_row(course: Course) -> None:
    facts = {"first_name": "Ana", "last_name": "Gil", "email": "a@x.example"}
    add_student(course, "ana", lms_user_id="4711", **facts)
    (row,) = rows_of(None, course, ["one"])
    assert (row.name, row.given_name, row.family_name) == ("Ana Gil", "Ana", "Gil")
    assert (row.email, row.user, row.bare_id) == ("a@x.example", "4711", "ana")


def test_an_assignment_that_was_not_released_is_told(course: Course) -> None:
    with pytest.raises(CourseError, match="autograder release two"):
        rows_of(None, course, ["two"])
    assert rows_of(None, course, []) == []


@pytest.fixture
def platform(engine: Engine) -> Engine:
    """A database with two courses of a Moodle: ana and luis in the first, eva in the second."""
    with writing(engine) as session:
        urls = dict.fromkeys(("auth_login_url", "auth_token_url", "key_set_url"), "https://x")
        one = Registration(
            issuer="https://moodle", client_id="c", product="moodle", created=0.0, **urls
        )
        session.add(one)
        session.flush()
        contexts = [
            Context(registration_id=one.id, deployment="1", context=name) for name in ("A", "B")
        ]
        session.add_all(contexts)
        session.flush()
        session.add(
            Link(context_id=contexts[0].id, resource_link="r", title="Práctica 1", assignment="one")
        )
        session.add(Link(context_id=contexts[1].id, resource_link="r", title="", assignment="one"))
        for number, (name, place, role, active) in enumerate(
            [
                ("ana", 0, "student", True),
                ("luis", 0, "student", False),
                ("prof", 0, "teacher", True),
                ("eva", 1, "student", True),
            ],
            5,
        ):
            identity = Identity(
                issuer="https://moodle",
                deployment="1",
                sub=str(number),
                student=name,
                name=f"{name.title()} Ñ",
                login=f"{name}.m",
                person=f"P{number}",
            )
            session.add(identity)
            session.flush()
            session.add(
                Enrolment(
                    context_id=contexts[place].id, identity_id=identity.id, role=role, active=active
                )
            )
    return engine


def test_what_launches_told_of_a_student_is_in_the_row(course: Course, platform: Engine) -> None:
    add_student(course, "ana", email="of@nbgrader.example", first_name="A.")
    row, eva = rows_of(platform, course, ["one"])
    assert (eva.student, eva.sub, eva.product) == ("eva", "8", "moodle")
    assert (row.name, row.login, row.person, row.sub) == ("Ana Ñ", "ana.m", "P5", "5")
    assert (row.product, row.email, row.given_name) == ("moodle", "of@nbgrader.example", "A.")
    assert row.bare_id == ""


def test_who_has_left_or_teaches_is_not_in_the_file(course: Course, platform: Engine) -> None:
    for student in ("ana", "luis", "prof", "by-hand"):
        store(course, student, {"check-a": 4.0, "check-b": 2.0})
    assert points(course, platform) == {"ana": 6.0, "by-hand": 6.0, "eva": None}


def test_a_course_of_the_platform_has_only_its_own_students(
    course: Course, platform: Engine
) -> None:
    for student in ("ana", "eva", "by-hand"):
        store(course, student, {"check-a": 4.0})
    assert points(course, platform, context_id=1) == {"ana": 4.0}
    assert points(course, platform, context_id=2) == {"eva": 4.0}


def test_assignments_are_called_as_launches_told_it(platform: Engine) -> None:
    assert titles_of(platform, ["one", "two"]) == {"one": ["Práctica 1", "one"]}
    assert titles_of(None, ["one"]) == {}


# The command


def autograder(course: Course, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "autograder", "--course", str(course.root), "export"]
    return subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=course.root,
    )


def test_export_writes_nbgrader_s_own_csv_unless_told_otherwise(course: Course) -> None:
    store(course, "ana", {"check-a": 4.0})
    done = autograder(course)
    assert done.returncode == 0, done.stderr
    assert (course.root / "grades.csv").read_text().startswith("assignment,duedate,timestamp")
    refused = autograder(course, "--assignment", "one")
    assert refused.returncode == 2 and "go with --as" in refused.stderr


def test_export_fills_in_a_template_by_what_launches_told(course: Course, tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{course.root / 'lms.db'}")
    with writing(database) as session:
        session.add(
            Identity(issuer="https://lms", deployment="1", sub="u", student="ana", login="agil")
        )
    database.dispose()
    store(course, "ana", {"check-a": 4.0, "check-b": 1.0})
    store(course, "ghost", {"check-a": 1.0})
    template, to = tmp_path / "canvas.csv", tmp_path / "new.csv"
    template.write_text(CANVAS, encoding="utf-8")
    arguments = ("--as", "canvas", "--template", template, "--column", "one=other")
    done = autograder(course, *arguments, "--to", to)
    assert done.returncode == 0, done.stderr
    assert cells(to.read_bytes())[3][7] == "5.00"
    assert "not found in the file from Canvas, so without a grade: ghost" in done.stderr
    assert "up to 5 points, and one has 6" in done.stderr
    assert not list(tmp_path.glob(".*")), "nothing half-written is left"
    again = autograder(course, *arguments, "--to", template)
    assert again.returncode == 1 and "write to another one" in again.stderr
    assert template.read_text(encoding="utf-8") == CANVAS


def test_export_without_a_database_makes_none(course: Course) -> None:
    store(course, "ana", {"check-a": 4.0})
    done = autograder(course, "--as", "sakai")
    assert done.returncode == 0, done.stderr
    assert sakai_import((course.root / "one-sakai.csv").read_bytes())[0] == {"ana": {"one": "4.00"}}
    assert not (course.root / "lms.db").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("--as", "canvas", "--assignment", "two"), 1, "no assignment 'two'"),
        (("--as", "openedx"), 1, "give that file as the template"),
        (("--as", "canvas", "--column", "two=x"), 2, "NAME one of one"),
        (("--as", "canvas", "--to", "missing/grades.csv"), 1, "there is no folder"),
        (("--as", "canvas", "--to", "source"), 1, "it is a folder"),
        (("--as", "gradescope", "--column", "one=x"), 2, "no template"),
    ],
)
def test_export_says_in_one_line_what_is_wrong(
    course: Course, arguments: tuple[str, ...], status: int, told: str
) -> None:
    store(course, "ana", {"check-a": 4.0})
    done = autograder(course, *arguments)
    assert done.returncode == status and told in done.stderr
    assert "Traceback" not in done.stderr
