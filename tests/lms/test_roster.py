"""The roster of the LMS's course, read into ours: who comes, who leaves, and what stays."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from autograder.bridge.course import Course, GradebookError
from autograder.lms.database import open_database, reading, writing
from autograder.lms.lti.identities import student_for
from autograder.lms.lti.keys import Keys
from autograder.lms.lti.registrations import RegistrationFacts, add
from autograder.lms.schema import Context, Enrolment, Identity, Submission
from autograder.lms.services.platform import services
from autograder.lms.services.roster import RosterChange, RosterError, sync
from tests.lms.http_double import Asked, Told
from tests.lms.service_world import World, world_of

ISSUER = "https://lms.invalid"
NOW = 1_800_000_000.0
LEARNER = "http://purl.imsglobal.org/vocab/lis/v2/membership#Learner"
CONFIG = """
from pathlib import Path
c = get_config()
c.CourseDirectory.db_url = "sqlite:///" + str(Path("gradebook.db").resolve()) + "?timeout=0.2"
"""


@pytest.fixture
def engine(sqlite: Engine) -> Engine:
    return sqlite


def student(login: str, **about: Any) -> dict[str, Any]:
    """A member as Moodle tells it."""
    return {
        "status": "Active",
        "user_id": f"id-{login}",
        "roles": ["Learner"],
        "ext_user_username": login,
        **about,
    }


@dataclass
class Class:
    """A course, and the platform's course whose roster is read."""

    engine: Engine
    course: Course
    platform: World
    context: int = 0
    members: list[Any] = field(default_factory=list)
    """What the platform has on its roster."""

    def __post_init__(self) -> None:
        number = add(
            self.engine,
            RegistrationFacts(
                ISSUER, "tool", f"{ISSUER}/login", self.platform.url("/token"), f"{ISSUER}/keys"
            ),
        )
        self.context = self.new_context(number, "course", self.platform.url("/members"))
        self.platform.answers["GET", "/members"] = lambda _asked: Told(
            200, {"members": self.members}
        )
        self.services = services(self.engine, self.platform.keys)

    def new_context(self, registration: int, name: str, memberships: str) -> int:
        with writing(self.engine) as session:
            context = Context(
                registration_id=registration,
                deployment="1",
                context=name,
                memberships_url=memberships,
            )
            session.add(context)
            session.flush()
            return context.id

    def sync(self, *members: Any, context: int = 0) -> RosterChange:
        """Read the roster, which has these members."""
        self.members = list(members)
        return sync(self.engine, self.services, self.course, context or self.context, lambda: NOW)

    def enrolled(self, context: int = 0) -> dict[str, tuple[str, bool]]:
        """Role, and whether they are in the course, by nbgrader's id."""
        with reading(self.engine) as session:
            rows = session.execute(
                select(Identity.student, Enrolment.role, Enrolment.active)
                .join(Enrolment, Enrolment.identity_id == Identity.id)
                .where(Enrolment.context_id == (context or self.context))
            )
            return {row.student: (row.role, row.active) for row in rows}

    def in_gradebook(self) -> dict[str, tuple[str | None, str | None, str | None]]:
        """First name, last name and e-mail address, by nbgrader's id."""
        with self.course.gradebook() as gradebook:
            return {
                one.id: (one.first_name, one.last_name, one.email) for one in gradebook.students
            }


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course without students, whose gradebook nbgrader takes seconds to make."""
    root = tmp_path_factory.mktemp("course")
    (root / "nbgrader_config.py").write_text(CONFIG)
    with Course(root).gradebook():
        return root


@contextmanager
def class_of(keys: Keys, engine: Engine, template: Path, root: Path) -> Iterator[Class]:
    shutil.copytree(template, root)
    with world_of(keys) as platform:
        yield Class(engine, Course(root), platform)


@pytest.fixture
def group(keys: Keys, engine: Engine, template: Path, tmp_path: Path) -> Iterator[Class]:
    with class_of(keys, engine, template, tmp_path / "course") as made:
        yield made


def test_all_on_the_roster_are_known_and_students_are_in_the_gradebook(group: Class) -> None:
    change = group.sync(
        student("ana", given_name="Ana", family_name="Ruiz Gil", email="ana@uni.invalid"),
        student("luis", name="Luis Mora Sanz", roles=[LEARNER]),
        student("eva"),
        student("marta", name="Marta", roles=["Instructor"]),
    )
    assert sorted(change.added) == ["ana", "eva", "luis"] and change.left == []
    assert (change.students, change.teachers) == (3, 1)
    assert group.enrolled() == {
        "ana": ("student", True),
        "luis": ("student", True),
        "eva": ("student", True),
        "marta": ("teacher", True),
    }
    assert group.in_gradebook() == {
        "ana": ("Ana", "Ruiz Gil", "ana@uni.invalid"),
        "luis": ("Luis", "Mora Sanz", None),
        "eva": (None, None, None),
    }
    with reading(group.engine) as session:
        assert session.get_one(Context, group.context).synced == NOW


def test_who_left_is_no_longer_in_the_course_and_keeps_all_work(group: Class) -> None:
    group.sync(student("ana"), student("luis"))
    with writing(group.engine) as session:
        session.add(Submission(assignment="x", student="luis", number=1, received=NOW))
    change = group.sync(student("ana"))
    assert (change.added, change.left, change.students) == ([], ["luis"], 1)
    assert group.enrolled() == {"ana": ("student", True), "luis": ("student", False)}
    assert set(group.in_gradebook()) == {"ana", "luis"}
    with reading(group.engine) as session:
        assert session.scalars(select(Submission.student)).all() == ["luis"]
    assert group.sync(student("ana")).left == [], "which is told once"


def test_a_teacher_who_leaves_is_no_longer_one_and_no_student_who_left(group: Class) -> None:
    group.sync(student("ana"), student("marta", roles=["Instructor"]))
    assert group.sync(student("ana")).left == []
    assert group.enrolled()["marta"] == ("teacher", False)


def test_who_comes_back_is_the_same_student(group: Class) -> None:
    group.sync(student("ana"), student("luis"))
    group.sync(student("ana"))
    change = group.sync(student("ana"), student("luis"))
    assert change.added == ["luis"]
    assert group.enrolled() == {"ana": ("student", True), "luis": ("student", True)}


@pytest.mark.parametrize("status", ["Inactive", "Deleted", "inactive"])
def test_a_member_who_is_not_active_has_left(group: Class, status: str) -> None:
    group.sync(student("ana"), student("luis"))
    assert group.sync(student("ana"), student("luis", status=status)).left == ["luis"]


def test_a_member_who_is_neither_student_nor_teacher_is_not_in_the_course(group: Class) -> None:
    change = group.sync(student("ana"), student("tutor", roles=["Mentor"]), student("x", roles=[]))
    assert change.students == 1 and set(group.enrolled()) == {"ana"}


def test_a_student_who_becomes_a_teacher_is_one(group: Class) -> None:
    group.sync(student("ana"), student("luis"))
    change = group.sync(student("ana"), student("luis", roles=["Learner", "Instructor"]))
    assert (change.students, change.teachers, change.left) == (1, 1, [])
    assert group.enrolled()["luis"] == ("teacher", True)


def test_names_that_are_told_no_more_stay(group: Class) -> None:
    group.sync(student("ana", name="Ana Ruiz", email="ana@uni.invalid"))
    group.sync(student("ana"))
    assert group.in_gradebook() == {"ana": ("Ana", "Ruiz", "ana@uni.invalid")}
    group.sync(student("ana", name="Ana Ruiz Gil"))
    assert group.in_gradebook() == {"ana": ("Ana", "Ruiz Gil", "ana@uni.invalid")}


def test_a_member_without_a_name_for_a_folder_is_a_student_all_the_same(group: Class) -> None:
    change = group.sync(student("../../etc", name="Ω/../x"), student("", name="李明"))
    assert change.students == 2
    assert all("/" not in name and ".." not in name for name in change.added)


def test_nobody_gets_the_work_of_somebody_else_of_the_same_name(group: Class) -> None:
    with group.course.gradebook() as gradebook:
        gradebook.add_student("ana", first_name="Another")
    (added,) = group.sync(student("ana", name="Ana Ruiz")).added
    assert added != "ana" and added.startswith("ana-")
    assert group.in_gradebook() == {"ana": ("Another", None, None), added: ("Ana", "Ruiz", None)}
    group.sync(student("ana"))
    assert set(group.enrolled()) == {added}


def test_a_student_who_was_here_before_keeps_the_id(group: Class) -> None:
    with writing(group.engine) as session:
        known = student_for(session, ISSUER, "1", "id-ana", name="Someone Else").student
    group.sync(student("ana"))
    assert set(group.enrolled()) == {known}


def test_leaving_one_course_is_not_leaving_another_one(group: Class) -> None:
    other = group.new_context(1, "other", group.platform.url("/members"))
    group.sync(student("ana"), student("luis"))
    group.sync(student("ana"), student("luis"), context=other)
    group.sync(student("ana"))
    assert group.enrolled()["luis"] == ("student", False)
    assert group.enrolled(other)["luis"] == ("student", True)


def test_who_opens_the_tool_while_the_roster_is_read_has_not_left(group: Class) -> None:
    group.sync(student("ana"))

    def members(_asked: Asked) -> Told:
        with writing(group.engine) as session:
            identity = student_for(session, ISSUER, "1", "id-late", login="late")
            session.add(
                Enrolment(context_id=group.context, identity_id=identity.id, role="student")
            )
        return Told(200, {"members": [student("ana")]})

    group.platform.answers["GET", "/members"] = members
    assert group.sync().left == []
    assert group.enrolled()["late"] == ("student", True)


@pytest.mark.parametrize(
    "told",
    [
        Told(200, {"members": []}),
        Told(200, {"members": [student("x", status="Inactive")]}),
        Told(200, {}),
        Told(403),
        Told(503),
        Told(200, {"members": [student("new")]}, {"Link": '<https://other.invalid>; rel="next"'}),
    ],
)
def test_a_roster_that_cannot_be_had_changes_nothing(group: Class, told: Told) -> None:
    group.sync(student("ana"), student("luis"))
    group.platform.answers["GET", "/members"] = lambda _asked: told
    with pytest.raises(RosterError):
        group.sync()
    assert group.enrolled() == {"ana": ("student", True), "luis": ("student", True)}


def test_where_the_platform_has_no_roster_a_teacher_learns_what_to_do(group: Class) -> None:
    context = group.new_context(1, "other", "")
    with pytest.raises(RosterError, match="Names and Role Provisioning"):
        group.sync(context=context)
    with pytest.raises(RosterError, match="no course 99"):
        group.sync(context=99)


def test_a_gradebook_that_is_locked_is_said_to_be_so_and_the_next_reading_mends_it(
    group: Class,
) -> None:
    group.sync(student("ana"))
    locking = sqlite3.connect(group.course.root / "gradebook.db", isolation_level=None)
    locking.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(GradebookError, match="locked"):
            group.sync(student("ana"), student("luis", name="Luis Mora"))
    finally:
        locking.close()
    group.sync(student("ana"), student("luis", name="Luis Mora"))
    assert group.in_gradebook()["luis"] == ("Luis", "Mora", None)


def test_a_roster_of_many_pages_is_read_whole_into_either_database(
    keys: Keys, database_url: str, template: Path, tmp_path: Path
) -> None:
    engine = open_database(database_url)
    with class_of(keys, engine, template, tmp_path / "course") as many:

        def members(asked: Asked) -> Told:
            page = int(asked.query.get("page", "1"))
            told = [student(f"s{page}-{number}") for number in range(150)]
            following = f'<{many.platform.url(f"/members?page={page + 1}")}>; rel="next"'
            return Told(200, {"members": told}, {"Link": following} if page < 3 else {})

        many.platform.answers["GET", "/members"] = members
        assert many.sync().students == 450
        change = many.sync()
        assert (change.added, change.left, change.students) == ([], [], 450)
        assert len(many.enrolled()) == len(many.in_gradebook()) == 450
        many.platform.answers["GET", "/members"] = lambda _asked: Told(
            200, {"members": [student("s1-0")]}
        )
        assert len(many.sync().left) == 449
    engine.dispose()
