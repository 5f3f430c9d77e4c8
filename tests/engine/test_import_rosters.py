"""Lists of a class: what Moodle, Canvas, Classroom and people write, and all that can be wrong."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.bridge.course import CourseError
from autograder.bridge.students import Enrolled
from autograder.classwork import tables
from autograder.classwork.roster import Person, Roster, of_file, of_gradebook


def listed(path: Path, content: str | bytes, known: tuple[Enrolled, ...] = ()) -> Roster:
    file = path / "class.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return of_file(file, known)


def people(path: Path, content: str | bytes) -> dict[str, Person]:
    return {one.student: one for one in listed(path, content).people}


def error(path: Path, content: str | bytes) -> str:
    with pytest.raises(CourseError) as raised:
        listed(path, content)
    told = str(raised.value)
    assert "class.csv" in told and len(told) < 400 and told.isprintable()
    return told


# What an LMS writes


def test_moodles_participants(tmp_path: Path) -> None:
    """The table of participants, downloaded as CSV."""
    text = "First name,Last name,Email address,Groups\nAna,Gil,ana@uni.example,A\n"
    assert people(tmp_path, text) == {
        "ana": Person("ana", email="ana@uni.example", given="Ana", family="Gil")
    }


def test_moodles_participants_in_spanish_with_both_names_in_a_column(tmp_path: Path) -> None:
    text = "\ufeffNombre / Apellido(s);Dirección de correo\nAna Gil Ruiz;ana@uni.example\n"
    (one,) = people(tmp_path, text).values()
    assert (one.student, one.full_name) == ("ana", "Ana Gil Ruiz")
    assert one.enrolled() == Enrolled("ana", "Ana", "Gil Ruiz", "ana@uni.example")


@pytest.mark.parametrize(
    "header",
    [
        "First name,Last name,ID number,Institution,Department,Email address,Assignment: x (Real)",
        "Nombre,Apellido(s),Número de ID,Institución,Departamento,Dirección de correo,Tarea: x",
        "Nombre,Apellidos,Número de ID,Institución,Departamento,Correo electrónico,Tarea: x",
    ],
)
def test_moodles_gradebook(tmp_path: Path, header: str) -> None:
    text = f"{header}\nAna,Gil,20260001,-,-,ana@uni.example,9.00\n"
    assert people(tmp_path, text) == {
        "20260001": Person(
            "20260001",
            idnumber="20260001",
            email="ana@uni.example",
            given="Ana",
            family="Gil",
        )
    }


@pytest.mark.parametrize(
    ("header", "word", "late", "missing"),
    [
        (
            "Identifier,Full name,Email address,Status,Grade",
            "Participant",
            "Submitted for grading - 1 day 2 hours late",
            "No submission - Assignment is overdue by: 3 days",
        ),
        (
            "Identificador,Nombre completo,Dirección de correo,Estatus,Calificación",
            "Participante",
            "Enviado para calificar - 1 día 2 horas después",
            "Sin entrega - La Tarea está retrasada por: 3 días",
        ),
    ],
)
def test_moodles_worksheet_has_the_numbers_of_its_folders_and_says_who_is_late(
    tmp_path: Path, header: str, word: str, late: str, missing: str
) -> None:
    text = (
        f"{header}\n{word} 1234567,Ana Gil,ana@uni.example,{late},-\n"
        f"{word} 1234568,Luis Sol,luis@uni.example,{missing},-\n"
    )
    found = people(tmp_path, text)
    assert [(one.participant, one.late) for one in found.values()] == [
        ("1234567", True),
        ("1234568", False),
    ]
    assert list(found) == ["ana-gil_1234567", "luis-sol_1234568"], "as without a roster"


CANVAS = '''Student,ID,SIS User ID,SIS Login ID,Section,one (311),Current Score
,,,,,Manual Posting,
    Points Possible,,,,,10,(read only)
"Gil, Ana",101,20260001,agil,A,9,
"=""=Sol, Luis""",102,20260002,lsol,A,,
"Student, Test",999,,1f0d8e2a,A,,
'''


@pytest.mark.parametrize(
    "text", [CANVAS, CANVAS.replace(",", ";").replace("; ", ", "), f"\ufeff{CANVAS}"]
)
def test_canvas_gradebook(tmp_path: Path, text: str) -> None:
    found = people(tmp_path, text)
    assert found["agil"] == Person("agil", "agil", "20260001", number="101", name="Gil, Ana")
    assert found["agil"].enrolled() == Enrolled("agil", "Ana", "Gil", "", "101")
    assert found["lsol"].name == "=Sol, Luis", "Canvas's own guard against formulas"
    assert len(found) == 2, "neither points nor the test student"


def test_canvas_gradebook_with_two_names_and_addresses_as_logins(tmp_path: Path) -> None:
    text = (
        "LastName,FirstName,ID,SIS Login ID,Section\n    Points Possible,,,,\n"
        "Gil Ruiz,José,101,jose@uni.example,A\n"
    )
    (one,) = people(tmp_path, text).values()
    assert one.student == "gilruizjose_101", "as without a roster"
    assert (one.email, one.number, one.full_name) == ("jose@uni.example", "101", "José Gil Ruiz")


def test_classrooms_grades(tmp_path: Path) -> None:
    text = (
        "Last Name,First Name,Email Address,tensores\nDate,,,2026-03-05\nPoints,,,10\n"
        "Class Average,,,7\nGil,Ana,ana@school.example,9\n"
    )
    assert list(people(tmp_path, text)) == ["ana"]


@pytest.mark.parametrize(
    ("text", "student", "name"),
    [
        ("id,first_name,last_name,email,lms_user_id\nagil,Ana,Gil,,7\n", "agil", "Ana Gil"),
        ("alumno;correo electrónico\nAna Gil;ana@x.example\n", "ana", "Ana Gil"),
        ("Matrícula\tApellidos y nombre\n00123\tGil Ana\n", "00123", "Gil Ana"),
        ("usuario|nombre\nagil|Ana Gil\n", "agil", "Ana Gil"),
        ("sep=;\nnombre;apellidos\nAna;Gil\n", "ana-gil", "Ana Gil"),
        ('name\n"Gil, Ana"\n', "gil-ana", "Gil, Ana"),
        ('id,name\n="00123",Ana Gil\n', "00123", "Ana Gil"),
        ("id,name\n'-x,Ana Gil\n", "", ""),
        ("\n\nid,name\n\n,\nagil,Ana Gil\n", "agil", "Ana Gil"),
        ("id,name,note\nagil,Ana Gil\n", "agil", "Ana Gil"),
        ("id,name\nagil,Ana Gil,,\n", "agil", "Ana Gil"),
        ("user,Student Name\nAGil,Ana Gil\n", "AGil", "Ana Gil"),
    ],
)
def test_lists_that_people_write(tmp_path: Path, text: str, student: str, name: str) -> None:
    if not student:
        assert "'-x' cannot be an id" in error(tmp_path, text)
        return
    (one,) = people(tmp_path, text).values()
    assert (one.student, one.full_name) == (student, name)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    mark = b"\xff\xfe" if encoding == "utf-16-le" else b""
    data = mark + "Nombre;Correo electrónico\nJosé Ñandú;jn@x.example\n".encode(encoding)
    roster = listed(tmp_path, data)
    assert [one.full_name for one in roster.people] == ["José Ñandú"]
    assert any("Windows-1252" in note for note in roster.notes) is (encoding == "cp1252")


# Ids


@pytest.mark.parametrize("values", ["s1001 s1002", "4711001 4711002"])
def test_a_column_like_ids_of_an_unknown_name_is_told(tmp_path: Path, values: str) -> None:
    one, two = values.split()
    text = f"Name;Matriculation\nAna Gil;{one}\nZoe Vargas;{two}\n"
    roster = listed(tmp_path, text)
    assert [person.student for person in roster.people] == ["ana-gil", "zoe-vargas"]
    (note,) = roster.notes
    assert "column 'Matriculation' is not known, and was not used" in note
    assert note.endswith("if it is the id, call it `id`")


@pytest.mark.parametrize(
    "text",
    [
        "id;Matriculation\nana;s1001\nzoe;s1002\n",  # the ids are known
        "Name;Group\nAna Gil;red\nZoe Vargas;red\n",
        "Name;Group\nAna Gil;red1\nZoe Vargas;\n",
        "Name;Total\nAna Gil;97.5\nZoe Vargas;88\n",
        "Name;Private address\nAna Gil;a@x.example\nZoe Vargas;z@x.example\n",
    ],
)
def test_a_column_that_is_not_like_ids_is_left_alone(tmp_path: Path, text: str) -> None:
    assert listed(tmp_path, text).notes == []


def test_two_of_one_address_before_the_at_get_longer_ids(tmp_path: Path) -> None:
    text = "name,email\nAna Gil,ana@a.example\nAna Sol,ana@b.example\nLuis,luis@a.example\n"
    assert list(people(tmp_path, text)) == ["ana-a.example", "ana-b.example", "luis"]


def test_a_student_who_is_listed_twice_alike_is_one(tmp_path: Path) -> None:
    assert list(people(tmp_path, "id,name\nagil,Ana Gil\nagil,Ana Gil\n")) == ["agil"]


@pytest.mark.parametrize("again", ["agil", "AGIL"])
def test_one_id_of_two_students_is_an_error_with_both_lines(tmp_path: Path, again: str) -> None:
    told = error(tmp_path, f"id,name\nagil,Ana Gil\nlsol,Luis\n{again},Adrián Gil\n")
    assert "lines 2 and 4" in told and "'agil'" in told


def test_two_students_with_nothing_but_the_same_name_are_an_error(tmp_path: Path) -> None:
    told = error(tmp_path, "name,group\nLuis Sol,A\nSol Ruiz,B\nluis sol,B\n")
    assert "lines 2 and 4" in told


# What the gradebook knows already

KNOWN = (
    Enrolled("ana", "Ana", "Gil", "ana@uni.example"),
    Enrolled("lsol", "Luis", "Sol", "", "102"),
    Enrolled("zoe", "Zoe", "Vargas"),
    Enrolled("eva1", "Eva", "Paz", "eva@a.example"),
)


def test_students_are_known_by_id_number_address_or_name_and_keep_their_ids(
    tmp_path: Path,
) -> None:
    text = (
        "name,email,lms_user_id\nGil Ruiz Ana,ANA@uni.example,\nL. Sol,,102\n"
        "vargas zoe,z@uni.example,\nEva Paz,eva@b.example,\nNuevo Pérez,np@uni.example,\n"
    )
    roster = listed(tmp_path, text, KNOWN)
    assert [one.student for one in roster.people] == ["ana", "lsol", "zoe", "eva", "np"]
    assert [one.student for one in roster.new] == ["eva", "np"], "another address: a namesake"
    assert "ana: the gradebook has 'Ana Gil', the list 'Gil Ruiz Ana': left as it is" in (
        roster.notes
    )


def test_another_id_for_a_known_address_is_told_and_still_found(tmp_path: Path) -> None:
    roster = listed(tmp_path, "id,email\n20260001,ana@uni.example\n", KNOWN)
    assert [(one.student, one.also) for one in roster.people] == [("ana", "20260001")]
    assert roster.notes == ["20260001 in the list is ana in the gradebook"] and not roster.new


def test_an_id_of_its_own_is_not_given_up_for_a_like_name(tmp_path: Path) -> None:
    roster = listed(tmp_path, "id,name\nzoe2,Zoe Vargas\n", KNOWN)
    assert [one.student for one in roster.new] == ["zoe2"]


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("name,email\nAna Gil,ana@uni.example\n", Enrolled("ana", "Ana", "López", "al@x.example")),
        ("name,email\nAna Gil,ana@uni.example\n", Enrolled("ana", "Ana", "López")),
        ("name\nAna Gil\n", Enrolled("ana-gil", "Pedro", "Ruiz")),
        ("email\nana@uni.example\n", Enrolled("ana", email="ana@x.example")),
        ("id,name\n7,Ana Gil\n", Enrolled("7", "Pedro", "Ruiz", "pr@uni.example")),
        ("user,name,email\nag,Ana Gil,ag@x\n", Enrolled("ag", "Alba", "Gómez", "alba@x")),
    ],
    ids=["address", "name alone", "made of a name", "of addresses", "numbered rows", "user name"],
)
def test_an_id_that_is_somebody_elses_in_the_gradebook_is_an_error(
    tmp_path: Path, text: str, known: Enrolled
) -> None:
    """Else the work of one would be graded as the other's."""
    with pytest.raises(CourseError, match=f"line 2: the id '{known.student}'.* gradebook"):
        listed(tmp_path, text, (known,))


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("name,email\nAna Gil,ana@uni.example\n", Enrolled("ana", email="ana@uni.example")),
        ("name,email\nAna Gil,ana@uni.example\n", Enrolled("ana", "Gil", "Ana", "ana@x.example")),
        ("name,email\nAna Gil Ruiz,ana@uni.example\n", Enrolled("ana", "Ana", "Gil")),
        ("name,email\nAna Gil,ana@uni.example\n", Enrolled("ana")),
        ("id,name\nana,Anita Gil\n", Enrolled("ana", "Ana", "Gil")),
        ("id,name,email\nana,王明,A@x.es\n", Enrolled("ana", "Ming", "Wang", "a@x.es")),
    ],
)
def test_an_id_is_the_same_students_where_nothing_speaks_against_it(
    tmp_path: Path, text: str, known: Enrolled
) -> None:
    roster = listed(tmp_path, text, (known,))
    assert [one.student for one in roster.people] == ["ana"] and not roster.new


def test_two_of_a_list_who_would_be_one_in_the_gradebook_are_an_error(tmp_path: Path) -> None:
    text = "id,name,email\nana,Ana Gil,new@uni.example\nbea,Bea Ruz,ana@uni.example\n"
    with pytest.raises(CourseError, match="lines 2 and 3: both are 'ana' in the gradebook"):
        listed(tmp_path, text, KNOWN)


def test_a_gradebook_of_bare_ids_is_no_roster() -> None:
    """Then it only tells who was graded before, and a newcomer is no mistake."""
    assert of_gradebook([Enrolled("ana"), Enrolled("luis")]) is None
    roster = of_gradebook([Enrolled("ana"), Enrolled("luis", "Luis")])
    assert roster is not None and [one.student for one in roster.people] == ["ana", "luis"]


# What is no list, or a hostile one


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"PK\x03\x04rest", "is a workbook or an archive: save the list as CSV"),
        (b"\xd0\xcf\x11\xe0rest", "is a workbook"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "is no text"),
        (b"id,name\nagil,A\0na\n", "is no text"),
        (b"\xff\xfe\xff", "is no text"),
        ("a,b\n1,2\n", "has no column that is known"),
        ("agil\nlsol\n", "has no column that is known"),
        ("status,groups\nx,y\n", "has no column by which students are known"),
        ("id,name\n", "no students below it"),
        ('id,name\nagil,"Ana\n', "line 2: it is damaged there"),
        ('id,name\nagil,"Ana" Gil\n', "line 2: it is damaged there"),
        ("id,last,first\nagil,Gil, Ana, x\n", "line 2: 4 cells below a header of 3"),
        ("x,id,name\n1,agil,Ana\n2\n", "line 3: 1 cells below a header of 3"),
        ('id,name\nagil,"Ana\nGil"\n', "line 3: 'Ana\\nGil' has a line break"),
        ("id,name\n=1+1,Ana\n", "line 2: '=1+1' is a formula"),
        ("id,name\nagil,\"=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"\n", "is a formula"),
        ("id,name\nagil,@SUM(1)\n", "is a formula"),
        ("id,name\n+cmd|x,Ana\n", "line 2: '+cmd|x' cannot be an id"),
        ("id,name\n../../etc,Ana\n", "line 2: '../../etc' cannot be an id"),
        ("id,name\na b,Ana\n", "cannot be an id"),
        ("id,name\n[a]*,Ana\n", "cannot be an id"),
        ("id,name\n.hidden,Ana\n", "cannot be an id"),
        (f"id,name\n{'a' * 200},Ana\n", "cannot be an id"),
        ("id,name\n2.02601E+07,Ana\n", "a spreadsheet has rounded '2.02601E+07'"),
        ("id,name\n\"2,02601e+07\",Ana\n", "has rounded"),
        ("name\n李明\n", "no id can be made for '李明': add a column `id`"),
        (f"id,name\nagil,{'x' * 200_000}\n", "field larger than field limit"),
    ],
)  # fmt: skip
def test_a_list_that_is_none_is_one_error_that_says_what_to_do(
    tmp_path: Path, content: str | bytes, reason: str
) -> None:
    assert reason in error(tmp_path, content)


def test_a_huge_list_is_an_error_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(f"s{number},Ana\n" for number in range(200))
    monkeypatch.setattr(tables, "MAX_ROWS", 100)
    assert "more than 100 rows" in error(tmp_path, f"id,name\n{rows}")
    monkeypatch.setattr(tables, "MAX_COLUMNS", 10)
    assert "10 columns" in error(tmp_path, f"id{',x' * 20}\n")
    monkeypatch.setattr(tables, "MAX_BYTES", 1024 * 1024)
    with (tmp_path / "class.csv").open("wb") as file:
        file.truncate(2 * 1024 * 1024)
    with pytest.raises(CourseError, match="more than 1 MiB"):
        of_file(tmp_path / "class.csv", ())


def test_what_is_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="is no file"):
        of_file(Path("/dev/null"), ())
    with pytest.raises(CourseError, match="cannot be read"):
        of_file(tmp_path / "none.csv", ())


@settings(max_examples=200, deadline=None)
@given(
    header=st.sampled_from(["id,name", "nombre;apellidos;correo", "Identifier\tStatus\tFull name"]),
    body=st.one_of(st.binary(max_size=80), st.text(max_size=80).map(lambda text: text.encode())),
)
def test_no_list_gives_more_than_an_error(
    tmp_path_factory: pytest.TempPathFactory, header: str, body: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(header.encode() + b"\n" + body)
    try:
        roster = of_file(path, ())
    except CourseError:
        return
    ids = [one.student for one in roster.people]
    assert ids and len({one.casefold() for one in ids}) == len(ids)
    assert not any(set(one) & set("/\\*?[] \0\n") or one.startswith(".") for one in ids)


CELLS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12)


@settings(max_examples=200, deadline=None)
@given(cell=CELLS.filter(lambda text: text == text.strip() and text != "-"))
def test_what_is_written_for_a_spreadsheet_computes_nothing_and_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, cell: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "written.csv"
    path.write_text(tables.written([("id", "x"), (cell, "y")]), encoding="utf-8", newline="")
    table = tables.read_table(path, {"id", "x"}.__contains__, "id,x")
    assert table.rows[0].cells[0][0] not in "=+-@"
    assert tables.cell_of(table, table.rows[0], 0) == cell
