"""Importing without a roster: every layout, and everything hostile that an export can hold."""

import io
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell

from autograder.bridge.course import Course, CourseError
from autograder.classwork import gathering, importing, limits
from autograder.classwork.archive import Member
from autograder.classwork.gathering import File
from autograder.classwork.importing import Received, import_work
from autograder.classwork.limits import Refused
from autograder.classwork.writing import Writer, workplace
from tests.engine.exports import (
    NOTEBOOK,
    Entries,
    autograder,
    files,
    member,
    new_course,
    packed,
    zipped,
)
from tests.small_course import nbgrader_cell, notebook_of


@pytest.fixture(scope="module")
def the_course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return new_course(tmp_path_factory.mktemp("around") / "course")


@pytest.fixture
def course(the_course: Course) -> Iterator[Course]:
    yield the_course
    shutil.rmtree(the_course.root / "submitted", ignore_errors=True)


def bring(
    course: Course, assignment: str, path: Path, *, replacing: bool = False, dry_run: bool = False
) -> list[Received]:
    """What became of each hand-in, and of what is nobody's."""
    report = import_work(course, assignment, path, replacing=replacing, dry_run=dry_run)
    return report.received + [
        Received("", "refused", notes=[f"{one.entry!r} {one.reason}"]) for one in report.unmatched
    ]


def tree(folder: Path, *, but: Path) -> set[tuple[str, int]]:
    """All that lies around ``but``, with sizes."""
    return {
        (str(path), 0 if path.is_dir() else path.lstat().st_size)
        for path in folder.rglob("*")
        if path != but and but not in path.parents
    }


def told(received: list[Received], student: str) -> tuple[str, str]:
    """The outcome and the notes of a student."""
    (one,) = (one for one in received if one.student == student)
    return one.outcome, "\n".join(one.notes)


def imported(course: Course, tmp_path: Path, entries: Entries, assignment: str = "one") -> str:
    """The paths that an archive gives, where nothing of it is refused."""
    received = bring(course, assignment, zipped(tmp_path / "export.zip", entries))
    assert {one.outcome for one in received} == {"imported"}, received
    return " ".join(sorted(files(course)))


def refused(course: Course, tmp_path: Path, entries: Entries) -> str:
    """Why a student is refused, while another in the same archive is imported."""
    good: Entries = [("bob/one.ipynb", NOTEBOOK)]
    received = bring(course, "one", zipped(tmp_path / "export.zip", entries + good))
    assert set(files(course)) == {"bob/one/one.ipynb"}
    assert told(received, "bob") == ("imported", "")
    (bad,) = (one for one in received if one.student != "bob")
    assert bad.outcome == "refused" and len(bad.notes) == 1 and not bad.files
    return f"{bad.student}: {bad.notes[0]}"


# Layouts


@pytest.mark.parametrize("slash", ["/", "_/"])
def test_moodles_folders_become_name_and_number(course: Course, tmp_path: Path, slash: str) -> None:
    folder = f"José Ñandú Pérez_1234567_assignsubmission_file{slash}"
    entries: Entries = [(f"{folder}mi tarea.ipynb", NOTEBOOK), (f"{folder}data/x.csv", b"1")]
    assert imported(course, tmp_path, entries) == (
        "jose-nandu-perez_1234567/one/data/x.csv jose-nandu-perez_1234567/one/one.ipynb"
    )


def test_moodles_flat_files_are_told_apart_by_student(course: Course, tmp_path: Path) -> None:
    entries: Entries = [
        ("Ana Gil_11_assignsubmission_file_one.ipynb", NOTEBOOK),
        ("Ana Gil_11_assignsubmission_file_x.csv", b"1"),
        ("Ana Gil_12_assignsubmission_file_one.ipynb", NOTEBOOK),
    ]
    paths = "ana-gil_11/one/one.ipynb ana-gil_11/one/x.csv ana-gil_12/one/one.ipynb"
    assert imported(course, tmp_path, entries) == paths


def test_a_flat_file_named_like_another_student_stays_its_own(
    course: Course, tmp_path: Path
) -> None:
    entries: Entries = [
        ("Ana_11_assignsubmission_file_Bob_12_assignsubmission_file_one.ipynb", NOTEBOOK),
        ("anagil_21_31_bobroe_22_32_one.ipynb", NOTEBOOK),
    ]
    assert imported(course, tmp_path, entries) == "ana_11/one/one.ipynb anagil_21/one/one.ipynb"


def test_text_typed_into_moodle_is_left_out_and_told(course: Course, tmp_path: Path) -> None:
    entries: Entries = [
        ("Ana_11_assignsubmission_file_/one.ipynb", NOTEBOOK),
        ("Ana_11_assignsubmission_onlinetext_/onlinetext.html", b"<p>"),
    ]
    received = bring(course, "one", zipped(tmp_path / "export.zip", entries))
    assert told(received, "ana_11") == ("imported", "text typed into Moodle was left out")
    assert set(files(course)) == {"ana_11/one/one.ipynb"}


def test_canvas_files_become_name_and_user(course: Course, tmp_path: Path) -> None:
    entries: Entries = [
        ("gilana_12345_678901_one.ipynb", NOTEBOOK),
        ("roebob_LATE_12346_678902_my work.ipynb", NOTEBOOK),
        ("roebob_LATE_12346_678903_x.csv", b"1"),
        ("anon_aB3dE_678904_one.ipynb", NOTEBOOK),
    ]
    received = bring(course, "one", zipped(tmp_path / "export.zip", entries))
    assert set(files(course)) == {
        "gilana_12345/one/one.ipynb",
        "roebob_12346/one/one.ipynb",
        "roebob_12346/one/x.csv",
        "student_anon_ab3de/one/one.ipynb",
    }
    assert told(received, "gilana_12345") == ("imported", "")
    late = {one.student: one.late for one in received}
    assert late == {"gilana_12345": False, "roebob_12346": True, "student_anon_ab3de": False}
    outcome, notes = told(received, "roebob_12346")
    assert outcome == "imported"
    assert "'my work.ipynb' was renamed to 'one.ipynb'" in notes


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("7_one.ipynb", "8_one-1.ipynb"),
        ("7_one-1.ipynb", "7_one-2.ipynb"),
        ("9_x.ipynb", "10_x.ipynb"),
    ],
)
def test_of_canvas_resubmissions_the_latest_is_taken(
    course: Course, tmp_path: Path, first: str, second: str
) -> None:
    entries: Entries = [(f"gilana_1_{second}", b"new"), (f"gilana_1_{first}", b"old")]
    received = bring(course, "one", zipped(tmp_path / "export.zip", entries))
    assert files(course) == {"gilana_1/one/one.ipynb": b"new"}
    assert "was handed in again: the latest is taken" in told(received, "gilana_1")[1]


def test_copies_of_several_notebooks_are_known_by_their_names(
    course: Course, tmp_path: Path
) -> None:
    entries: Entries = [
        ("gilana_1_21_lab-1-3.ipynb", b"1"),
        ("gilana_1_22_lab-2.ipynb", b"2"),
        ("bob/lab-1 (2).ipynb", b"1"),
        ("bob/lab-2.ipynb", b"2"),
        # Canvas numbers seven copies, and then takes a random name
        ("ruizeva_2_23_lab-1-0c9f1f3e-6d8a-4f0b-9a52-6b1d0b7e4c11.ipynb", b"1"),
    ]
    assert imported(course, tmp_path, entries, "pair") == (
        "bob/pair/lab-1.ipynb bob/pair/lab-2.ipynb "
        "gilana_1/pair/lab-1.ipynb gilana_1/pair/lab-2.ipynb ruizeva_2/pair/lab-1.ipynb"
    )
    assert files(course)["gilana_1/pair/lab-1.ipynb"] == b"1"


@pytest.mark.parametrize("wrapper", ["", "export/"])
def test_plain_folders_and_files_with_and_without_a_folder_around(
    course: Course, tmp_path: Path, wrapper: str
) -> None:
    entries: Entries = [
        (f"{wrapper}ana/one.ipynb", NOTEBOOK),
        (f"{wrapper}bob/one/one.ipynb", NOTEBOOK),
        (f"{wrapper}José Gil/one.ipynb", NOTEBOOK),
    ]
    paths = "ana/one/one.ipynb bob/one/one.ipynb jose-gil/one/one.ipynb"
    assert imported(course, tmp_path, entries) == paths
    shutil.rmtree(course.root / "submitted")
    flat: Entries = [(f"{wrapper}{name}.ipynb", NOTEBOOK) for name in ("ana", "bob")]
    assert imported(course, tmp_path, flat) == "ana/one/one.ipynb bob/one/one.ipynb"


def test_a_lone_students_folder_is_not_taken_for_a_folder_around(
    course: Course, tmp_path: Path
) -> None:
    assert imported(course, tmp_path, [("ana/one.ipynb", b"")]) == "ana/one/one.ipynb"
    shutil.rmtree(course.root / "submitted")
    assert imported(course, tmp_path, [("ana/one/one.ipynb", b"")]) == "ana/one/one.ipynb"


def test_a_folder_on_disk_is_read_like_an_archive(course: Course, tmp_path: Path) -> None:
    for name in ("Ana Gil_11_assignsubmission_file_/work.ipynb", "bob/one/one.ipynb"):
        (tmp_path / "export" / name).parent.mkdir(parents=True)
        (tmp_path / "export" / name).write_bytes(NOTEBOOK)
    bring(course, "one", tmp_path / "export")
    assert set(files(course)) == {"ana-gil_11/one/one.ipynb", "bob/one/one.ipynb"}


def test_what_macos_and_jupyter_leave_behind_is_skipped_silently(
    course: Course, tmp_path: Path
) -> None:
    junk = ["__MACOSX/ana/._one.ipynb", "ana/.DS_Store", "ana/.ipynb_checkpoints/one.ipynb"]
    entries: Entries = [("ana/one.ipynb", NOTEBOOK), *((name, b"") for name in junk)]
    received = bring(course, "one", zipped(tmp_path / "export.zip", entries))
    assert received == [Received("ana", "imported", ["one.ipynb"], entries=["ana"])]
    assert set(files(course)) == {"ana/one/one.ipynb"}


def test_a_students_own_zip_is_opened(course: Course, tmp_path: Path) -> None:
    work = packed([("work/draft.ipynb", NOTEBOOK), ("work/data/x.csv", b"1")])
    data = packed([("y.csv", b"2")])
    entries: Entries = [
        ("Ana_11_assignsubmission_file_/work.zip", work),
        ("Ana_11_assignsubmission_file_/data.zip", data),
        ("gilbob_1_2_work.zip", work),
    ]
    assert imported(course, tmp_path, entries) == (
        "ana_11/one/data.zip ana_11/one/data/x.csv ana_11/one/one.ipynb "
        "gilbob_1/one/data/x.csv gilbob_1/one/one.ipynb"
    )


# Which notebook


def test_of_several_notebooks_the_one_of_the_right_name_is_taken(
    course: Course, tmp_path: Path
) -> None:
    entries: Entries = [("ana/one.ipynb", b"yes"), ("ana/scratch.ipynb", b"no")]
    received = bring(course, "one", zipped(tmp_path / "export.zip", entries))
    assert files(course) == {"ana/one/one.ipynb": b"yes"}
    assert "'scratch.ipynb' is no notebook of the assignment" in told(received, "ana")[1]


def test_a_missing_notebook_of_several_is_told(course: Course, tmp_path: Path) -> None:
    received = bring(course, "pair", zipped(tmp_path / "e.zip", [("ana/lab-2.ipynb", NOTEBOOK)]))
    assert told(received, "ana") == ("imported", "no lab-1.ipynb")


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["a.ipynb", "b.ipynb"], "'a.ipynb', 'b.ipynb' handed in, one.ipynb expected"),
        (["one (1).ipynb", "one (2).ipynb"], "could each be one.ipynb"),
        (["essay.pdf"], "no notebook handed in"),
    ],
)
def test_a_hand_in_without_a_clear_notebook_is_refused(
    course: Course, tmp_path: Path, names: list[str], reason: str
) -> None:
    assert reason in refused(course, tmp_path, [(f"ana/{name}", name.encode()) for name in names])


def test_a_student_cannot_say_when_the_work_came_in(course: Course, tmp_path: Path) -> None:
    entries: Entries = [
        ("ana/one.ipynb", b""),
        ("ana/timestamp.txt", b"2000-01-01 00:00:00 UTC"),
        ("bob/one.ipynb", b""),
        ("bob/timestamp.txt/x", b""),  # nbgrader would stumble over a folder of that name
    ]
    received = bring(course, "one", zipped(tmp_path / "export.zip", entries))
    assert set(files(course)) == {"ana/one/one.ipynb", "bob/one/one.ipynb"}
    assert "timestamp.txt was left out" in told(received, "ana")[1]


# Whose


def test_two_entries_that_give_one_student_id_are_both_refused(
    course: Course, tmp_path: Path
) -> None:
    entries: Entries = [("José/one.ipynb", b"1"), ("jose/one.ipynb", b"2")]
    reason = refused(course, tmp_path, entries)
    assert reason == (
        "jose: 'José', 'jose' are of one student id, and nothing tells which counts: take away or "
        "rename all but one, or say it with --map"
    )
    shutil.rmtree(course.root / "submitted")
    entries = [("jose.ipynb", b"1"), ("jose/one.ipynb", b"2")]
    assert "are of one student id" in refused(course, tmp_path, entries)


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("Straße Øre", "strasse-ore"),
        (".hidden", "hidden"),
        ("-rf", "rf"),
        ("a" * 90, "a" * 60),
        ("a[b]*?", "a-b"),
    ],
)
def test_a_student_id_is_a_plain_folders_name(
    course: Course, tmp_path: Path, name: str, student: str
) -> None:
    received = bring(course, "one", zipped(tmp_path / "e.zip", [(f"{name}/one.ipynb", b"")]))
    assert [one.student for one in received] == [student]
    assert set(files(course)) == {f"{student}/one/one.ipynb"}


def test_a_long_name_keeps_the_lms_number(course: Course, tmp_path: Path) -> None:
    entries: Entries = [(f"{'Ana ' * 30}_1234_assignsubmission_file_/one.ipynb", b"")]
    (one,) = bring(course, "one", zipped(tmp_path / "export.zip", entries))
    assert len(one.student) <= 60 and one.student.endswith("_1234")


@pytest.mark.parametrize("name", ["李明/one.ipynb", "loose.txt", "ana.zip"])
def test_what_belongs_to_no_student_is_told(course: Course, tmp_path: Path, name: str) -> None:
    assert "belongs to no student" in refused(course, tmp_path, [(name, b"")])


# Hostile archives


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/tmp/evil/one.ipynb", "has an absolute name"),
        ("\\\\server\\one.ipynb", "has an absolute name"),
        ("C:\\evil\\one.ipynb", "drive letter"),
        ("ana/C:/one.ipynb", "drive letter"),
        ("../one.ipynb", "leads out of its folder"),
        ("ana/../../one.ipynb", "leads out of its folder"),
        ("ana\\..\\..\\one.ipynb", "leads out of its folder"),
        ("Ana_1_assignsubmission_file_../one.ipynb", "leads out of its folder"),
        ("Ana_1_assignsubmission_file_..", "leads out of its folder"),
        ("gilana_1_2_../one.ipynb", "leads out of its folder"),
        ("ana/../__MACOSX/one.ipynb", "leads out of its folder"),
        ("ana/one\0.ipynb", "control characters"),
        ("ana/one\x1b[2J.ipynb", "control characters"),
        ("ana/one\n.ipynb", "control characters"),
        (f"ana/{'ñ' * 101}.ipynb", "more than 200 bytes"),
        (f"ana/{'d/' * 8}one.ipynb", "more than 8 levels"),
    ],
)
def test_a_name_that_is_not_safe_is_refused(
    course: Course, tmp_path: Path, name: str, reason: str
) -> None:
    before = tree(course.root.parent, but=course.root / "submitted")
    answer = refused(course, tmp_path, [(member(name), NOTEBOOK)])
    assert reason in answer and answer.isprintable()
    assert tree(course.root.parent, but=course.root / "submitted") == before


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (stat.S_IFLNK, "is a link"),
        (stat.S_IFIFO, "is no regular file"),
        (stat.S_IFCHR, "is no regular file"),
        (stat.S_IFBLK, "is no regular file"),
        (stat.S_IFSOCK, "is no regular file"),
    ],
)
def test_a_member_that_is_no_regular_file_is_refused(
    course: Course, tmp_path: Path, kind: int, reason: str
) -> None:
    entries: Entries = [
        (member("ana/one.ipynb"), NOTEBOOK),
        (member("ana/x", kind | 0o777), b"/etc/passwd"),
    ]
    assert reason in refused(course, tmp_path, entries)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice_is_refused(course: Course, tmp_path: Path) -> None:
    reason = refused(course, tmp_path, [("ana/one.ipynb", b"1"), ("ana/one.ipynb", b"2")])
    assert reason == "ana: 'ana/one.ipynb' comes twice"
    for again in ("ana//one.ipynb", "ana\\one.ipynb", "ana/one/one.ipynb"):
        shutil.rmtree(course.root / "submitted")
        assert "comes twice" in refused(course, tmp_path, [("ana/one.ipynb", b""), (again, b"")])


def test_a_name_that_the_disk_cannot_hold_beside_the_others_costs_one_student(
    course: Course, tmp_path: Path
) -> None:
    """Where upper and lower case is one, `A` after `a`: the class is imported all the same."""
    writer = Writer(course, "one", replacing=False, place=tmp_path)
    one = File(("a",), Member("a", lambda: io.BytesIO(b"1")))
    writer.budget.student = 1024
    writer._write(tmp_path, ("a",), one)
    for parts in (("a",), ("a", "b")):
        with pytest.raises(Refused, match=r"'a(/b)?' cannot be stored: "):
            writer._write(tmp_path, parts, one)
    assert (tmp_path / "a").read_bytes() == b"1"


def test_a_file_that_is_also_a_folder_is_refused(course: Course, tmp_path: Path) -> None:
    entries: Entries = [("ana/one.ipynb", b""), ("ana/x", b""), ("ana/x/y", b"")]
    assert "in a folder named like a file" in refused(course, tmp_path, entries)
    shutil.rmtree(course.root / "submitted")
    entries = [("ana/work.ipynb", b""), ("ana/one.ipynb/y", b"")]
    assert "in a folder named like a file" in refused(course, tmp_path, entries)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_unusual_compression_is_refused(course: Course, tmp_path: Path, method: int) -> None:
    info = member("ana/one.ipynb")
    info.compress_type = method
    reason = refused(course, tmp_path, [(info, NOTEBOOK)])
    assert "compressed in an unknown way" in reason


def spoil(path: Path, find: bytes, put: bytes, *, last: bool = False) -> None:
    content = path.read_bytes()
    at = content.rindex(find) if last else content.index(find)
    path.write_bytes(content[:at] + put + content[at + len(find) :])


def two_students(tmp_path: Path, content: bytes) -> Path:
    entries: Entries = [("ana/one.ipynb", content), ("bob/one.ipynb", NOTEBOOK)]
    return zipped(tmp_path / "export.zip", entries, zipfile.ZIP_STORED)


def test_an_encrypted_member_is_refused(course: Course, tmp_path: Path) -> None:
    path = two_students(tmp_path, b"secret")
    at = path.read_bytes().index(b"PK\x01\x02")
    header = path.read_bytes()[at : at + 12]
    spoil(path, header, header[:8] + b"\x01" + header[9:])
    received = bring(course, "one", path)
    assert told(received, "ana") == ("refused", "'ana/one.ipynb' is encrypted")
    assert set(files(course)) == {"bob/one/one.ipynb"}


@pytest.mark.parametrize(
    ("find", "put"),
    [
        (b"some text", b"same text"),  # a wrong checksum
        (b"ana/one.ipynb", b"eve/one.ipynb"),  # two names for one member
        (b"PK\x03\x04", b"XX\x03\x04"),  # no member where one should be
    ],
)
def test_a_damaged_member_is_refused(
    course: Course, tmp_path: Path, find: bytes, put: bytes
) -> None:
    path = two_students(tmp_path, b"some text")
    spoil(path, find, put)
    received = bring(course, "one", path)
    assert told(received, "ana") == ("refused", "'one.ipynb' is damaged or cannot be read")
    assert set(files(course)) == {"bob/one/one.ipynb"}


def test_a_member_cut_short_is_refused(course: Course, tmp_path: Path) -> None:
    inner = zipped(tmp_path / "inner.zip", [("one.ipynb", b"text" * 9)], zipfile.ZIP_STORED)
    spoil(inner, (36).to_bytes(4, "little") * 2, (999).to_bytes(4, "little") * 2, last=True)
    assert "damaged" in refused(course, tmp_path, [("ana/work.zip", inner.read_bytes())])


def test_a_bomb_is_stopped_by_what_it_becomes(
    course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = bytes(limits.FILE_BYTES + 1)
    assert "more than 20 MiB" in refused(course, tmp_path, [("ana/one.ipynb", bomb)])
    monkeypatch.setattr(limits, "STUDENT_BYTES", 3 * limits.MIB)
    several: Entries = [(f"ana/{name}", bytes(2 * limits.MIB)) for name in ("one.ipynb", "x")]
    shutil.rmtree(course.root / "submitted")
    assert "more than 3 MiB for one student" in refused(course, tmp_path, several)
    shutil.rmtree(course.root / "submitted")
    nested: Entries = [("ana/work.zip", packed([("one.ipynb", b""), ("x", bytes(4 << 20))]))]
    assert "more than 3 MiB for one student" in refused(course, tmp_path, nested)


def test_a_size_that_a_member_only_claims_does_not_get_more_out_of_it(
    course: Course, tmp_path: Path
) -> None:
    path = two_students(tmp_path, b"text" * 9)
    spoil(path, (36).to_bytes(4, "little") * 2, (36).to_bytes(4, "little") + b"\1\0\0\0", last=True)
    assert told(bring(course, "one", path), "ana")[0] == "refused"


def test_too_many_files_are_refused(
    course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many: Entries = [("one.ipynb", b""), *((f"{number}.txt", b"") for number in range(200))]
    at_once: Entries = [(f"ana/{name}", content) for name, content in many]
    assert "more than 200 files" in refused(course, tmp_path, at_once)
    shutil.rmtree(course.root / "submitted")
    assert "more than 200 files" in refused(course, tmp_path, [("ana/x.zip", packed(many))])


def test_the_whole_archive_is_bounded(
    course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries: Entries = [(f"{name}/one.ipynb", bytes(1000)) for name in ("ana", "bob", "eve")]
    path = zipped(tmp_path / "export.zip", entries)
    monkeypatch.setattr(limits, "ARCHIVE_BYTES", 2500)
    received = bring(course, "one", path)
    assert [one.outcome for one in received] == ["imported", "imported", "refused"]
    monkeypatch.setattr(limits, "ARCHIVE_MEMBERS", 2)
    with pytest.raises(CourseError, match="more than 2 files and folders"):
        bring(course, "one", path)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([("../one.ipynb", b"")], "leads out of its folder"),
        ([("/one.ipynb", b"")], "absolute name"),
        ([("one.ipynb", b""), (member("x", stat.S_IFLNK), b"/etc")], "is a link"),
        ([("a.zip", b"")], "no notebook"),
    ],
)
def test_a_students_own_zip_is_held_to_the_same_rules(
    course: Course, tmp_path: Path, entries: Entries, reason: str
) -> None:
    assert reason in refused(course, tmp_path, [("ana/work.zip", packed(entries))])


def test_a_zip_in_a_students_zip_stays_closed(course: Course, tmp_path: Path) -> None:
    inner = packed([("deep.ipynb", b"")])
    nested = packed([("one.ipynb", b""), ("inner.zip", inner)])
    assert imported(course, tmp_path, [("ana/work.zip", nested)]) == (
        "ana/one/inner.zip ana/one/one.ipynb"
    )


def test_a_students_broken_zip_is_refused(course: Course, tmp_path: Path) -> None:
    assert "'work.zip' is damaged" in refused(course, tmp_path, [("ana/work.zip", b"PK")])


@pytest.mark.parametrize("content", [b"", b"no zip", packed([("ana/one.ipynb", NOTEBOOK)])[:-30]])
def test_a_broken_archive_is_one_error_that_says_what_to_do(
    course: Course, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "export.zip"
    path.write_bytes(content)
    with pytest.raises(CourseError, match=r"export\.zip is not a whole zip archive: download it"):
        bring(course, "one", path)
    assert not (course.root / "submitted").exists()


# Hostile folders


def test_what_is_no_file_on_disk_is_refused_without_waiting(course: Course, tmp_path: Path) -> None:
    export = tmp_path / "export"
    for student in ("bob", "fifo", "folder-link", "link", "socket"):
        (export / student).mkdir(parents=True)
        (export / student / "one.ipynb").write_bytes(NOTEBOOK)
    os.mkfifo(export / "fifo/x")
    (export / "link/x").symlink_to(course.root / "nbgrader_config.py")
    (export / "folder-link/x").symlink_to(course.root)
    (export / "student-link").symlink_to(course.root)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(export / "socket/x"))
        received = bring(course, "one", export)
    assert set(files(course)) == {"bob/one/one.ipynb"}
    assert told(received, "fifo") == ("refused", "'fifo/x' is no regular file")
    assert told(received, "socket") == ("refused", "'socket/x' is no regular file")
    assert told(received, "link") == ("refused", "'link/x' is a link")
    assert told(received, "folder-link") == ("refused", "'folder-link/x' is a link")
    assert "is a link" in told(received, "")[1]


def test_a_file_that_turns_into_a_link_or_a_pipe_is_not_followed(
    course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = tmp_path / "export"
    paths = [export / name / "one.ipynb" for name in ("ana", "bob", "eve")]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_bytes(NOTEBOOK)
    gather = gathering.gather

    def swap(*arguments: object) -> object:
        paths[0].unlink()
        paths[0].symlink_to(course.root / "nbgrader_config.py")
        paths[1].unlink()
        os.mkfifo(paths[1])
        return gather(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(importing, "gather", swap)
    received = bring(course, "one", export)
    assert [one.outcome for one in received] == ["refused", "refused", "imported"]
    assert set(files(course)) == {"eve/one/one.ipynb"}


def test_a_name_on_disk_that_is_no_text_is_refused(course: Course, tmp_path: Path) -> None:
    (tmp_path / "export/ana").mkdir(parents=True)
    (tmp_path / "export/ana/one.ipynb").write_bytes(NOTEBOOK)
    (Path(os.fsdecode(bytes(tmp_path / "export/ana") + b"/\xff"))).write_bytes(b"")
    assert "control characters" in told(bring(course, "one", tmp_path / "export"), "ana")[1]


def test_folders_without_end_are_refused(course: Course, tmp_path: Path) -> None:
    deep = tmp_path / "export/ana" / "/".join("d" * 40)
    deep.mkdir(parents=True)
    (deep / "one.ipynb").write_bytes(NOTEBOOK)
    (tmp_path / "export/bob").mkdir()
    received = bring(course, "one", tmp_path / "export")
    assert "more than 8 levels deep" in told(received, "ana")[1]
    assert told(received, "bob") == ("refused", "no notebook handed in, one.ipynb expected")


def test_the_course_itself_is_no_export(course: Course) -> None:
    for path in (course.root, course.root.parent):
        with pytest.raises(CourseError, match="holds the course itself"):
            bring(course, "one", path)


# Notebooks of something else


def written_cells(*cells: object) -> bytes:
    written: str = nbformat.writes(notebook_of(cells))
    return written.encode()


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_notebook_without_any_cell_of_the_assignment_is_taken_and_told(
    tmp_path: Path, dry_run: bool
) -> None:
    """An LMS's export of another assignment, or a student's mistake."""
    course = new_course(tmp_path / "course")
    ours, other = (nbgrader_cell("", name, points=1) for name in ("ours", "other"))
    (course.root / "source/one/one.ipynb").write_bytes(written_cells(ours))
    bare = new_code_cell("", id="ours")
    entries: Entries = [
        ("ana/one.ipynb", written_cells(ours)),
        ("bob/other.ipynb", written_cells(other)),
        ("eve/one.ipynb", written_cells(bare)),  # as saved by what drops nbgrader's metadata
    ]
    path = zipped(tmp_path / "a.zip", entries)
    received = bring(course, "one", path, dry_run=dry_run)
    assert told(received, "ana") == told(received, "eve") == ("imported", "")
    outcome, notes = told(received, "bob")
    assert outcome == "imported"
    assert "one.ipynb has none of this assignment's cells: another assignment's?" in notes


# Whole or not at all


def test_what_is_there_is_left_alone_unless_it_is_to_be_replaced(
    course: Course, tmp_path: Path
) -> None:
    bring(course, "one", zipped(tmp_path / "a.zip", [("ana/one.ipynb", b"1"), ("ana/x", b"")]))
    again = zipped(tmp_path / "b.zip", [("ana/one.ipynb", b"2"), ("bob/one.ipynb", b"2")])
    received = bring(course, "one", again)
    assert [one.outcome for one in received] == ["already there", "imported"]
    assert files(course)["ana/one/one.ipynb"] == b"1"
    received = bring(course, "one", again, replacing=True)
    assert [one.outcome for one in received] == ["replaced", "replaced"]
    assert files(course) == {"ana/one/one.ipynb": b"2", "bob/one/one.ipynb": b"2"}


def test_a_refused_replacement_leaves_what_was_there(course: Course, tmp_path: Path) -> None:
    bring(course, "one", zipped(tmp_path / "a.zip", [("ana/one.ipynb", b"1")]))
    bad = zipped(tmp_path / "b.zip", [("ana/one.ipynb", b"2"), ("ana/../x", b"")])
    assert told(bring(course, "one", bad, replacing=True), "ana")[0] == "refused"
    assert files(course) == {"ana/one/one.ipynb": b"1"}


DAMAGED = NOTEBOOK[:-9]


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_cannot_be_graded_does_not_replace_what_can(
    course: Course, tmp_path: Path, dry_run: bool
) -> None:
    good: Entries = [(f"{name}/one.ipynb", NOTEBOOK) for name in ("ana", "bob")]
    bring(course, "one", zipped(tmp_path / "a.zip", good))
    again: Entries = [
        ("ana/one.ipynb", DAMAGED),
        ("bob/one.ipynb", NOTEBOOK + b" "),
        ("eve/one.ipynb", DAMAGED),
    ]
    path = zipped(tmp_path / "b.zip", again)
    received = bring(course, "one", path, replacing=True, dry_run=dry_run)
    outcome, notes = told(received, "ana")
    assert outcome == "refused" and "so that one is kept: " in notes
    assert told(received, "bob") == ("replaced", "")
    outcome, notes = told(received, "eve")
    assert outcome == "imported" and notes.startswith("one.ipynb cannot be graded: ")
    if not dry_run:
        assert files(course)["ana/one/one.ipynb"] == NOTEBOOK
        assert files(course)["eve/one/one.ipynb"] == DAMAGED


def test_what_cannot_be_graded_may_be_replaced_by_what_cannot_either(
    course: Course, tmp_path: Path
) -> None:
    bring(course, "one", zipped(tmp_path / "a.zip", [("ana/one.ipynb", b"{")]))
    path = zipped(tmp_path / "b.zip", [("ana/one.ipynb", DAMAGED)])
    assert told(bring(course, "one", path, replacing=True), "ana")[0] == "replaced"


def test_a_link_among_the_submissions_is_not_followed(course: Course, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (course.root / "submitted").mkdir()
    (course.root / "submitted/ana").symlink_to(tmp_path / "elsewhere")
    received = bring(course, "one", zipped(tmp_path / "a.zip", [("ana/one.ipynb", b"1")]))
    assert "is a link: put a folder in its place" in told(received, "ana")[1]
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_dry_run_shows_the_same_and_writes_nothing(course: Course, tmp_path: Path) -> None:
    entries: Entries = [("ana/one.ipynb", b"1"), ("bob/x.ipynb", b"2"), ("eve/../x", b"3")]
    path = zipped(tmp_path / "export.zip", entries)
    shown = bring(course, "one", path, dry_run=True)
    assert not (course.root / "submitted").exists()
    assert bring(course, "one", path) == shown


KILLED = """
import os, signal, sys
from pathlib import Path
from autograder.classwork.importing import import_work
from autograder.bridge.course import Course
rename, calls = os.rename, []
def kill(*paths):
    if len(calls) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    calls.append(paths)
    rename(*paths)
os.rename = kill
import_work(Course(Path(sys.argv[1])), "one", Path(sys.argv[2]), replacing=True)
"""


@pytest.mark.parametrize("moment", [0, 1])
def test_a_kill_leaves_one_temporary_folder_which_the_next_run_clears(
    course: Course, tmp_path: Path, moment: int
) -> None:
    bring(course, "one", zipped(tmp_path / "a.zip", [("ana/one.ipynb", b"old")]))
    path = zipped(tmp_path / "b.zip", [("ana/one.ipynb", b"new")])
    command = [sys.executable, "-c", KILLED, str(course.root), str(path), str(moment)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    submitted = course.root / "submitted"
    (left,) = submitted.glob(".import-*")
    assert course.students("one") == (["ana"] if moment == 0 else [])
    other = zipped(tmp_path / "c.zip", [("bob/one.ipynb", b"other")])
    bring(course, "one", other)  # what was moved aside comes back, whoever is collected
    assert not left.exists()
    assert files(course) == {"ana/one/one.ipynb": b"old", "bob/one/one.ipynb": b"other"}


def test_two_runs_at_once_do_not_meet(course: Course, tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", [("ana/one.ipynb", b"1")])
    with (
        workplace(course, False),
        pytest.raises(CourseError, match="another `autograder import` is running"),
    ):
        bring(course, "one", path)


# Any names at all

LAYOUTS = ["Ana_1_assignsubmission_file_", "gil_1_2_", "gil_LATE_1_2_", "__MACOSX", "a.zip"]
PIECES = st.sampled_from(
    [*LAYOUTS, "..", ".", "/", "\\", "C:", "ana", "one", "one.ipynb", "submitted", " ", "\0", "\n"]
)
NAMES = st.lists(
    st.one_of(PIECES, st.just("/"), st.text(st.characters(exclude_categories=["Cs"]), max_size=5)),
    min_size=1,
    max_size=8,
)


def imported_within(course: Course, path: Path) -> None:
    """Collect anything; nothing but the students' folders for the assignment may change."""
    submitted = course.root / "submitted"
    shutil.rmtree(submitted, ignore_errors=True)
    before = tree(course.root.parent, but=submitted)
    try:
        received = bring(course, "one", path)
    except CourseError:
        received = []
    assert tree(course.root.parent, but=submitted) == before
    stored = {f"{one.student}/one/{name}" for one in received for name in one.files}
    assert len(stored) == len(files(course))
    students = {one.student for one in received}
    assert all(
        name.split("/")[0] in students and name.split("/")[1] == "one" for name in files(course)
    )
    assert not list(submitted.glob(".*"))
    shutil.rmtree(submitted, ignore_errors=True)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@settings(max_examples=150, deadline=None)
@given(names=st.lists(NAMES.map("".join), max_size=5), nested=st.booleans())
def test_no_name_reaches_anything_outside_the_submissions(
    the_course: Course,
    tmp_path_factory: pytest.TempPathFactory,
    names: list[str],
    nested: bool,
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.zip"
    entries: Entries = [(member(name), NOTEBOOK) for name in names]
    zipped(path, [("eve/work.zip", packed(entries))] if nested else entries)
    imported_within(the_course, path)


SOUND = packed([("ana/one.ipynb", NOTEBOOK * 9), ("ana/x", b"1"), ("bob/one.ipynb", NOTEBOOK)])


@settings(max_examples=150, deadline=None)
@given(
    changes=st.dictionaries(st.integers(0, len(SOUND) - 1), st.integers(0, 255), max_size=6),
    nested=st.booleans(),
)
def test_no_damage_to_an_archive_is_more_than_a_refusal(
    the_course: Course,
    tmp_path_factory: pytest.TempPathFactory,
    changes: dict[int, int],
    nested: bool,
) -> None:
    content = bytearray(SOUND)
    for at, byte in changes.items():
        content[at] = byte
    path = tmp_path_factory.getbasetemp() / "damaged.zip"
    path.write_bytes(packed([("eve/work.zip", bytes(content))]) if nested else content)
    imported_within(the_course, path)


# The command


def test_the_command_lists_what_it_does_and_fails_when_something_is_refused(
    course: Course, tmp_path: Path
) -> None:
    good: Entries = [("ana/one.ipynb", NOTEBOOK), ("ana/[red]x\\[", b"")]
    path = zipped(tmp_path / "a.zip", good)
    done = autograder(course.root, "import", "one", str(path), "--dry-run")
    assert done.returncode == 0 and "1 imported, 0 replaced" in done.stdout, done.stderr
    assert done.stdout.endswith("this was a dry run\n") and not (course.root / "submitted").exists()
    zipped(path, [*good, ("bob/[/red]\\[/../one.ipynb", NOTEBOOK)])
    done = autograder(course.root, "import", "one", str(path))
    assert done.returncode == 1 and "see the list" in done.stderr
    assert "1 imported, 0 replaced, 0 already there, 1 refused" in done.stdout
    assert done.stdout.endswith("next: autograder grade one\n")
    assert "[red]x" in done.stdout and "[/red]" in done.stdout
    assert autograder(course.root, "import", "one", str(path)).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("no-such", "."), "no assignment 'no-such'"),
        (("one", "no-such.zip"), "does not exist"),
        (("one", "/dev/null"), "neither a folder nor a file"),
    ],
)
def test_a_wrong_command_line_is_told(
    course: Course, arguments: tuple[str, str], reason: str
) -> None:
    done = autograder(course.root, "import", *arguments)
    assert done.returncode != 0 and reason in done.stderr and "Traceback" not in done.stderr


def test_help_shows_an_example(course: Course) -> None:
    done = autograder(course.root, "import", "--help")
    assert "Example" in done.stdout and "autograder import tensores" in done.stdout
