"""Who a user of a platform is for nbgrader, and what roles let somebody do."""

import re
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from autograder.bridge.course import Course, GradebookError
from autograder.lms.database import open_database, writing
from autograder.lms.gradefiles.rows import rows_of
from autograder.lms.lti.identities import (
    is_student_id,
    others_in,
    role_of,
    student_for,
    student_ids,
)
from tests.small_course import make_course, nbgrader_cell, notebook_of

LIS = "http://purl.imsglobal.org/vocab/lis/v2"
ISSUER = "https://lms.example"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path_factory.mktemp('database') / 'lms.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """Of a transaction that writes; with SQLite, then with Postgres."""
    with writing(engine) as opened:
        yield opened


# roles


@pytest.mark.parametrize(
    ("roles", "role"),
    [
        (["Learner"], "student"),
        (["Instructor"], "teacher"),
        (["Administrator"], "teacher"),
        (["TeachingAssistant"], "teacher"),
        ([f"{LIS}/membership#Learner"], "student"),
        ([f"{LIS}/membership#Instructor"], "teacher"),
        ([f"{LIS}/membership/Instructor#TeachingAssistant"], "teacher"),
        ([f"{LIS}/membership/Instructor#Grader"], "teacher"),
        ([f"{LIS}/membership/Learner#GuestLearner"], "student"),
        ([f"{LIS}/membership#Learner", f"{LIS}/membership#Instructor"], "teacher"),
        # institutions and systems decide nothing of a course
        ([f"{LIS}/institution/person#Instructor", f"{LIS}/membership#Learner"], "student"),
        ([f"{LIS}/institution/person#Administrator", f"{LIS}/membership#Learner"], "student"),
        ([f"{LIS}/institution/person#Instructor"], None),
        ([f"{LIS}/institution/person#Faculty"], None),
        ([f"{LIS}/institution/person#Student"], None),
        ([f"{LIS}/system/person#User"], None),
        # but for administrators, who have no role in a course
        ([f"{LIS}/institution/person#Administrator"], "teacher"),
        ([f"{LIS}/system/person#SysAdmin", f"{LIS}/system/person#User"], "teacher"),
        ([f"{LIS}/system/person#Administrator", f"{LIS}/membership#Mentor"], None),
        # roles that are none of ours
        ([], None),
        (["Mentor"], None),
        (["ContentDeveloper"], None),
        ([f"{LIS}/membership/Mentor#Instructor"], None),
        ([f"{LIS}/membership#Mentor"], None),
        (["https://evil.example/membership#Instructor"], None),
        (["http://purl.imsglobal.org/vocab/lis/v2/membership"], None),
        (["", "#", "Instructor#", "$Membership.role"], None),
    ],
    ids=str,
)
def test_a_role_in_the_course_says_what_somebody_may_do(roles: list[str], role: str | None) -> None:
    assert role_of(roles) == role


def test_open_edx_and_moodle_are_understood() -> None:
    """What ``lti_consumer.lti_1p3.constants`` and Moodle's ``lti_get_ims_role`` send."""
    nobody = [f"{LIS}/system/person#None", f"{LIS}/institution/person#None"]
    assert role_of([*nobody, f"{LIS}/membership#Learner"]) == "student"
    assert role_of([*nobody, f"{LIS}/membership#Administrator"]) == "teacher"
    administrator = [
        f"{LIS}/system/person#Administrator",
        f"{LIS}/institution/person#Administrator",
    ]
    assert role_of(["Instructor", *administrator]) == "teacher"


@given(st.lists(st.text()))
def test_any_roles_are_answered(roles: list[str]) -> None:
    assert role_of(roles) in ("teacher", "student", None)


# ids


@pytest.mark.parametrize(
    ("told", "student"),
    [
        ({"login": "ana"}, "ana"),
        ({"login": "Ana.Lopez"}, "ana.lopez"),
        ({"login": "u0123456"}, "u0123456"),
        ({"login": "_x-1"}, "_x-1"),
        ({"email": "ana@uni.example"}, "ana"),
        ({"login": "ana", "email": "other@uni.example", "name": "Other"}, "ana"),
    ],
    ids=str,
)
def test_an_id_is_the_login_where_it_can_be_a_folders_name(
    told: dict[str, str], student: str
) -> None:
    assert student_ids(ISSUER, "1", "7", **told)[0] == student


@pytest.mark.parametrize(
    ("told", "pattern"),
    [
        ({"login": "ana+test"}, r"ana-test-[0-9a-f]{6}"),
        ({"login": "José Pérez"}, r"jose-perez-[0-9a-f]{6}"),
        ({"name": "José Pérez"}, r"jose-perez-[0-9a-f]{6}"),
        ({"name": "ana"}, r"ana-[0-9a-f]{6}"),
        ({"login": "../../etc/passwd"}, r"etc-passwd-[0-9a-f]{6}"),
        ({"login": "..", "name": "Ana"}, r"ana-[0-9a-f]{6}"),
        ({"login": "-rf"}, r"rf-[0-9a-f]{6}"),
        ({"login": "*"}, r"student-[0-9a-f]{6}"),
        ({"login": "李", "name": "李明"}, r"student-[0-9a-f]{6}"),
        ({"login": "con"}, r"student-con-[0-9a-f]{6}"),
        ({"login": "nul.txt"}, r"student-nul\.txt-[0-9a-f]{6}"),
        ({"login": "a" * 100}, r"a{53}-[0-9a-f]{6}"),
        ({"login": "x\0y\n"}, r"x-y-[0-9a-f]{6}"),
        ({}, r"student-[0-9a-f]{6}"),
        ({"email": "@uni.example"}, r"student-[0-9a-f]{6}"),
    ],
    ids=str,
)
def test_what_cannot_be_a_folders_name_becomes_one_that_can_be_read(
    told: dict[str, str], pattern: str
) -> None:
    assert re.fullmatch(pattern, student_ids(ISSUER, "1", "7", **told)[0])


texts = st.text(max_size=90) | st.text("ab.-_/\\*?[~ \0\n:A@+$é李\ud800", max_size=90)
users = st.tuples(st.text(min_size=1, max_size=40), texts, texts, texts)


@settings(max_examples=200, deadline=None)
@given(users)
def test_any_user_gets_ids_that_name_a_folder(user: tuple[str, str, str, str]) -> None:
    sub, name, email, login = user
    ids = student_ids(ISSUER, "1", sub, name=name, email=email, login=login)
    assert len(set(ids)) == len(ids) >= 3
    for one in ids:
        assert re.fullmatch(r"[a-z0-9_][a-z0-9._-]{0,59}", one)
        assert is_student_id(one)
        assert not one.endswith(".")
        assert Path("/folder", one).resolve().parent == Path("/folder")
    assert ids == student_ids(ISSUER, "1", sub, name=name, email=email, login=login)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(users, max_size=12), st.sets(texts, max_size=3))
def test_any_users_get_an_id_each_that_stays_theirs(
    database: Engine, all_users: list[tuple[str, str, str, str]], taken: set[str]
) -> None:
    def storable(text: str) -> str:
        return text.replace("\0", "").encode(errors="ignore").decode()

    issuer = f"https://{uuid.uuid4()}.example"
    given_ids: dict[str, str] = {}
    with writing(database) as opened:
        for sub, name, email, login in all_users:
            identity = student_for(
                opened, issuer, "1", storable(sub), name=storable(name), email=storable(email),
                login=storable(login), taken=taken,
            )  # fmt: skip
            assert is_student_id(identity.student)
            assert identity.student not in taken
            assert given_ids.setdefault(storable(sub), identity.student) == identity.student
    assert len(set(given_ids.values())) == len(given_ids)


def test_an_id_does_not_change_when_the_user_does(session: Session) -> None:
    first = student_for(session, ISSUER, "1", "7", login="ana", name="Ana", email="a@uni.example")
    again = student_for(session, ISSUER, "1", "7", login="maria", name="María", family_name="Ruiz")
    assert again.id == first.id
    assert (again.student, again.login, again.name) == ("ana", "maria", "María")
    assert (again.email, again.family_name) == ("a@uni.example", "Ruiz")


def test_two_users_with_one_login_are_two_students(session: Session) -> None:
    students = [
        student_for(session, issuer, deployment, sub, login="ana").student
        for issuer, deployment, sub in (
            (ISSUER, "1", "7"),
            (ISSUER, "1", "8"),
            (ISSUER, "2", "7"),
            ("https://other.example", "1", "7"),
        )
    ]
    assert students[0] == "ana"
    assert len(set(students)) == 4
    assert all(one.startswith("ana-") for one in students[1:])


def test_letters_case_does_not_make_another_student(session: Session) -> None:
    students = {
        student_for(session, ISSUER, "1", sub, login=login).student
        for sub, login in (("7", "Ana"), ("8", "ana"), ("9", "ANA"))
    }
    assert len({one.casefold() for one in students}) == 3


def test_a_user_whose_short_ids_are_all_taken_gets_a_longer_one(session: Session) -> None:
    *short, last = student_ids(ISSUER, "1", "7", login="ana")
    assert student_for(session, ISSUER, "1", "7", login="ana", taken=short).student == last


@pytest.fixture(scope="module")
def course_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("course")
    notebook = notebook_of([nbgrader_cell("x = 1", "solution")])
    course = make_course(root, "c = get_config()\n", "", notebook)
    with course.gradebook() as gradebook:
        gradebook.add_student("Ana")
        gradebook.add_student("bob")
    (root / "submitted" / "Carla" / "one").mkdir(parents=True)
    return root


def test_a_gradebook_that_is_locked_is_one_clear_error(course_root: Path) -> None:
    with closing(sqlite3.connect(course_root / "gradebook.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(GradebookError, match="the gradebook is locked by another program"):
            others_in(Course(course_root), ["ana"])
        with pytest.raises(GradebookError, match="the gradebook is locked by another program"):
            rows_of(None, Course(course_root), ["one"])


def test_what_nbgrader_has_already_is_found_in_any_case(course_root: Path) -> None:
    ids = ["ana", "bob", "carla", "dora"]
    assert others_in(Course(course_root), ids) == {"ana", "bob", "carla"}
