"""Whose a file is: the names that Moodle, Canvas, Classroom and people give, each with its source.

Moodle: https://github.com/moodle/moodle, Canvas: https://github.com/instructure/canvas-lms. What
their code makes of a student is written here by hand.
"""

import io
import unicodedata
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.classwork.archive import Member
from autograder.classwork.gathering import Work, gather
from autograder.classwork.layouts import Task, uncopied
from autograder.classwork.matching import Match, Matcher
from autograder.classwork.names import letters, slug, words
from autograder.classwork.roster import Person, Roster

CLASS = [
    Person("agil", "agil", "20260001", "ana.gil@uni.example", "101", "1234567", "Ana", "Gil"),
    Person(
        "jnandu", "jnandu", "20260002", "jose@uni.example", "102", "1234568", "José", "Ñandú Pé"
    ),
    Person("mruiz", "mruiz", "20260003", "mruiz@uni.example", "103", "", "Marta", "Ruiz"),
    Person("mruizsol", "mruizsol", "20260004", "", "104", "", "Marta", "Ruiz Sol"),
    Person("sobrien", "sobrien", "20260005", "", "105", "", "Seán", "O'Brien"),
    Person("luis1", "luis1", "20260006", "", "106", "1234569", "Luis", "Sol"),
    Person("luis2", "luis2", "20260007", "", "107", "1234570", "Luis", "Sol"),
    Person("cruz", "mdelacruz", "20260008", "", "108", "", name="de la Cruz, María José"),
    Person("li", "li", "20260009", "", "109", "", "明", "李"),
    Person("woojin", "", "2018147546", "", "110", "", "Woojin", "Bae"),
    Person("eva1", "", "", "", "111", "", "Eva", "Sol Paz"),
    Person("eva2", "", "", "", "112", "", name="Paz Sol, Eva"),
    Person("hugo1", "", "", "", "113", "", "Hugo", "García"),
    Person("hugo2", "", "", "", "114", "", "Hugo", "García García"),
    Person("zoe", "zoe.v", "20260010", "zvargas@uni.example", "", "", "Zoë", "Vargas-Łuk"),
]
WITHOUT_NUMBERS = [
    Person(one.student, one.username, one.idnumber, one.email, "", "", one.given, one.family,
           one.name)
    for one in CLASS
]  # fmt: skip
TASK = Task("tensores", ["tensores"], with_roster=True)
PAIR = Task("pair", ["lab-1", "lab-2"], with_roster=True)

DOWNLOADER = "Moodle 4.1+, mod/assign/classes/downloader.php"
LOCALLIB = "Moodle 2.3–4.0, mod/assign/locallib.php, download_submissions()"
ZIPPER = "Canvas, lib/content_zipper.rb"


@dataclass(frozen=True)
class Pattern:
    """An entry as something writes it, and whose it is; nobody's without a student."""

    what: str
    source: str
    entry: str
    student: str
    how: str
    candidates: tuple[str, ...] = ()
    people: tuple[Person, ...] = tuple(CLASS)
    beside: str = ""
    """Another entry of the same export."""


MOODLE = [
    Pattern("a folder for each student", f"{DOWNLOADER}, downloadasfolders",
            "Ana Gil_1234567_assignsubmission_file/tensores.ipynb", "agil", "number"),
    Pattern("a folder whose name ends in a line", f"{LOCALLIB}, 3.1+",
            "Ana Gil_1234567_assignsubmission_file_/tensores.ipynb", "agil", "number"),
    Pattern("files beside each other", f"{LOCALLIB}, before 3.1 or without folders",
            "Ana Gil_1234567_assignsubmission_file_tensores.ipynb", "agil", "number"),
    Pattern("a folder that a student made in it", f"{DOWNLOADER}, get_filepath()",
            "Ana Gil_1234567_assignsubmission_file/mi carpeta/tensores.ipynb", "agil", "number"),
    Pattern("no number of it on the roster", DOWNLOADER,
            "José Ñandú Pé_99_assignsubmission_file/t.ipynb", "jnandu", "name"),
    Pattern("the family's name first", "Moodle's setting fullnamedisplay, `lastname firstname`",
            "ÑANDÚ PÉ José_99_assignsubmission_file/t.ipynb", "jnandu", "name"),
    Pattern("a comma in it", "Moodle's setting fullnamedisplay, `lastname, firstname`",
            "Gil, Ana_99_assignsubmission_file/t.ipynb", "agil", "name"),
    Pattern("signs taken out", "Moodle, clean_param(PARAM_FILE), which drops apostrophes",
            "Seán OBrien_99_assignsubmission_file/t.ipynb", "sobrien", "name"),
    Pattern("a group in front", f"{LOCALLIB}, groups_get_group_name() and a hyphen",
            "Grupo A-Ana Gil_99_assignsubmission_file_t.ipynb", "agil", "name",
            beside="Grupo B-Zoë Vargas-Łuk_98_assignsubmission_file_t.ipynb"),
    Pattern("a name that ends like another student's", f"{DOWNLOADER}, fullname()",
            "Eva-Ana Gil_99_assignsubmission_file/t.ipynb", "", "fits nobody", ("agil", "eva1",
            "eva2"), beside="Marta Ruiz_98_assignsubmission_file/t.ipynb"),
    Pattern("a lone one, of which nothing tells whether a group is in front", LOCALLIB,
            "Grupo A-Ana Gil_99_assignsubmission_file_t.ipynb", "", "fits nobody", ("agil",)),
    Pattern("a university's id in the name", "fullnamedisplay with idnumber",
            "BAE,WOOJIN-2018147546_6130510_assignsubmission_file_/t.ipynb", "woojin", "id number"),
    Pattern("accents apart from letters", "unpacked and packed again on macOS",
            unicodedata.normalize("NFD", "José Ñandú Pé_99_assignsubmission_file/t.ipynb"),
            "jnandu", "name"),
    Pattern("no names, and the worksheet has the number", f"{DOWNLOADER}, is_blind_marking()",
            "Participant_1234568_assignsubmission_file/t.ipynb", "jnandu", "number"),
    Pattern("the same in Spanish", "Moodle's language pack es, mod_assign, participant",
            "Participante_1234567_assignsubmission_file_/t.ipynb", "agil", "number"),
    Pattern("no names, and nothing has the number", f"{DOWNLOADER}, is_blind_marking()",
            "Participante_77_assignsubmission_file_/t.ipynb", "", "Moodle hides whose it is"),
    Pattern("a group's one submission", f"{DOWNLOADER}, teamsubmission: name and id of the group",
            "Group 1_4711_assignsubmission_file/t.ipynb", "", "fits nobody"),
    Pattern("a group whose number is also a student's", f"{DOWNLOADER}, teamsubmission",
            "Group 1_1234567_assignsubmission_file/t.ipynb", "", "fits nobody"),
    Pattern("a group whose name has what is also a student's id number",
            f"{DOWNLOADER}, teamsubmission",
            "Group 20260003_4711_assignsubmission_file/t.ipynb", "", "fits nobody"),
    Pattern("those without a group", f"{DOWNLOADER}, teamsubmission: defaultteam has no id",
            "Default group_assignsubmission_file/t.ipynb", "", "fits nobody"),
    Pattern("two of one name", DOWNLOADER, "Luis Sol_99_assignsubmission_file/t.ipynb",
            "", "fits more than one", ("luis1", "luis2")),
    Pattern("the same words in another order", DOWNLOADER,
            "Eva Paz Sol_99_assignsubmission_file/t.ipynb", "eva2", "name"),
    Pattern("the same word twice", DOWNLOADER,
            "Hugo García García_99_assignsubmission_file/t.ipynb", "hugo2", "name"),
    Pattern("two of one name, told apart by the number", DOWNLOADER,
            "Luis Sol_1234570_assignsubmission_file/t.ipynb", "luis2", "number"),
    Pattern("a namesake of somebody with another number of this assignment", DOWNLOADER,
            "Ana Gil_99_assignsubmission_file/t.ipynb", "", "fits nobody", ("agil",),
            beside="Luis Sol_1234570_assignsubmission_file/t.ipynb"),
    Pattern("numbers of another assignment's worksheet", DOWNLOADER,
            "Ana Gil_99_assignsubmission_file/t.ipynb", "agil", "name",
            beside="José Ñandú Pé_98_assignsubmission_file/t.ipynb"),
]  # fmt: skip
CANVAS = [
    Pattern("sortable name, user, file", f"{ZIPPER}, get_filename()",
            "gilana_101_678901_tensores.ipynb", "agil", "number"),
    Pattern("late", f"{ZIPPER}, submission.late?",
            "gilana_LATE_101_678901_tensores.ipynb", "agil", "number"),
    Pattern("late, in lower case", f"{ZIPPER} until 2018, sanitize_file_name() with downcase",
            "gilana_late_101_678901_tensores.ipynb", "agil", "number"),
    Pattern("a file of that name again", "Canvas, Attachment.make_unique_filename",
            "gilana_101_678901_tensores-1.ipynb", "agil", "number"),
    Pattern("a text that was typed", f"{ZIPPER}, add_text_or_url(:text)",
            "gilana_101_text.html", "agil", "number"),
    Pattern("an address that was given", f"{ZIPPER}, add_text_or_url(:url)",
            "gilana_LATE_101_link.html", "agil", "number"),
    Pattern("accents stay, all else goes", f"{ZIPPER}, sanitize_file_name(), [[:word:]]",
            "ñandúpéjosé_55_678_t.ipynb", "jnandu", "name", people=tuple(WITHOUT_NUMBERS)),
    Pattern("apostrophes go", f"{ZIPPER}, sanitize_file_name()",
            "obrienseán_55_678_t.ipynb", "sobrien", "name", people=tuple(WITHOUT_NUMBERS)),
    Pattern("particles", f"{ZIPPER}, sortable_name",
            "delacruzmaríajosé_55_678_t.ipynb", "cruz", "name", people=tuple(WITHOUT_NUMBERS)),
    Pattern("the same words in another order", f"{ZIPPER}, sortable_name",
            "solpazeva_55_678_t.ipynb", "eva1", "name", people=tuple(WITHOUT_NUMBERS)),
    Pattern("another alphabet", f"{ZIPPER}, [[:word:]]",
            "李明_55_678_t.ipynb", "li", "name", people=tuple(WITHOUT_NUMBERS)),
    Pattern("an alphabet with marks for its vowels", f"{ZIPPER}, [[:word:]]",
            "शर्माराम_109_678_t.ipynb", "li", "number"),
    Pattern("a group's one submission, by who handed it in", f"{ZIPPER}, representatives()",
            "group1_101_678901_tensores.ipynb", "agil", "number"),
    Pattern("a namesake of somebody with another number", ZIPPER,
            "gilana_999_678901_tensores.ipynb", "", "fits nobody", ("agil",)),
    Pattern("two of one name", ZIPPER, "solluis_55_678_t.ipynb", "", "fits more than one",
            ("luis1", "luis2"), tuple(WITHOUT_NUMBERS)),
    Pattern("no names", f"{ZIPPER}, anonymize_students?",
            "anon_aB3dE_678904_tensores.ipynb", "", "Canvas hides whose it is"),
    Pattern("no names, and late", f"{ZIPPER}, anonymize_students? and late?",
            "LATE_anon_aB3dE_678904_tensores.ipynb", "", "Canvas hides whose it is"),
]  # fmt: skip
DRIVE = "Classroom: a copy for each student is called `NAME - TITLE` in Drive"
COPY = "Drive's `Make a copy`"
PEOPLE = [
    Pattern("Classroom", DRIVE, "Ana Gil - tensores.ipynb", "agil", "name"),
    Pattern("Classroom, copied", COPY, "Copy of Ana Gil - tensores.ipynb", "agil", "name"),
    Pattern("Classroom, copied twice", COPY, "Copia de Copia de Ana Gil - tensores (1).ipynb",
            "agil", "name"),
    Pattern("Classroom's names are whole", DRIVE, "Marta Ruiz - tensores.ipynb", "mruiz", "name"),
    Pattern("a folder in Drive", "Classroom's folder, downloaded as a zip",
            "tensores/Ana Gil - tensores.ipynb", "agil", "name"),
    Pattern("a copy without a name", COPY, "Copia de tensores.ipynb", "", "fits nobody"),
    Pattern("id", "asked for by teachers", "agil.ipynb", "agil", "id"),
    Pattern("user name", "asked for by teachers", "mdelacruz.ipynb", "cruz", "user name"),
    Pattern("user name with a dot", "asked for by teachers", "ZOE.V.ipynb", "zoe", "user name"),
    Pattern("id number", "asked for by teachers", "20260003.ipynb", "mruiz", "id number"),
    Pattern("address", "asked for by teachers", "ana.gil@uni.example.ipynb", "agil", "e-mail"),
    Pattern("an address's first part", "asked for by teachers", "zvargas.ipynb", "zoe", "e-mail"),
    Pattern("id and more", "asked for by teachers", "tensores_agil_v2.ipynb", "agil", "id"),
    Pattern("user name with a dot, and more", "asked for by teachers",
            "zoe.v-tensores.ipynb", "zoe", "user name"),
    Pattern("id number and more", "asked for by teachers",
            "20260003-tensores.ipynb", "mruiz", "id number"),
    Pattern("apellidos_nombre_tarea", "asked for by teachers",
            "ñandú_pé_josé_tensores.ipynb", "jnandu", "name"),
    Pattern("without accents", "asked for by teachers",
            "NANDU PE, JOSE.ipynb", "jnandu", "name"),
    Pattern("squeezed", "asked for by teachers", "GilAna_tensores.ipynb", "agil", "name"),
    Pattern("with the given name first", "asked for by teachers",
            "María José de la Cruz.ipynb", "cruz", "name"),
    Pattern("hyphens and signs", "asked for by teachers",
            "vargas-luk_zoe.ipynb", "zoe", "name"),
    Pattern("a folder of a student", "asked for by teachers",
            "Gil, Ana/tensores.ipynb", "agil", "name"),
    Pattern("a folder of an id", "nbgrader's own", "agil/tensores/tensores.ipynb", "agil", "id"),
    Pattern("what a browser adds", "downloaded twice", "agil (1).ipynb", "agil", "id"),
    Pattern("what Windows adds", "copied in a folder", "Ana Gil - copia.ipynb", "agil", "name"),
    Pattern("a zip of a student", "asked for by teachers", "Ana Gil.zip", "agil", "name"),
    Pattern("another alphabet", "asked for by teachers", "李 明.ipynb", "li", "name"),
    Pattern("the more of a name, the surer", "asked for by teachers",
            "ruiz_sol_marta_tensores.ipynb", "mruizsol", "name"),
    Pattern("a name that two begin with", "asked for by teachers",
            "ruiz_marta_tensores.ipynb", "", "fits more than one", ("mruiz", "mruizsol")),
    Pattern("two of one name", "asked for by teachers",
            "luis sol.ipynb", "", "fits more than one", ("luis1", "luis2")),
    Pattern("the same words in another order", "asked for by teachers",
            "sol_paz_eva_tensores.ipynb", "eva1", "name"),
    Pattern("the same words in no known order", "asked for by teachers",
            "sol_eva_paz_tensores.ipynb", "", "fits more than one", ("eva1", "eva2")),
    Pattern("the same word twice", "asked for by teachers",
            "garcia_garcia_hugo_tensores.ipynb", "hugo2", "name"),
    Pattern("the same word once, of two who have it", "asked for by teachers",
            "garcia_hugo_tensores.ipynb", "", "fits more than one", ("hugo1", "hugo2")),
    Pattern("two students in one name", "asked for by teachers",
            "ana gil y marta ruiz sol.ipynb", "", "fits more than one", ("agil", "mruizsol")),
    Pattern("the id of one and the name of another", "asked for by teachers",
            "ana_gil_luis1.ipynb", "", "fits more than one", ("luis1", "agil")),
    Pattern("half of a name", "asked for by teachers",
            "marta.ipynb", "", "fits nobody", ("mruiz", "mruizsol")),
    Pattern("a name without its end", "asked for by teachers",
            "nandu_jose.ipynb", "", "fits nobody", ("jnandu", "cruz")),
    Pattern("nobody's", "a stray file", "examen.ipynb", "", "fits nobody"),
]  # fmt: skip


def gathered(*entries: str, task: Task = TASK, people: tuple[Person, ...] = ()) -> list[Work]:
    members = [Member(entry, io.BytesIO) for entry in entries]
    matcher = Matcher(Roster("file", list(people)), task)
    works, strays = gather(members, task, matcher.is_student)
    assert not strays
    return works


def matched(entry: str, people: tuple[Person, ...], beside: str = "") -> Match:
    works = gathered(*filter(None, (entry, beside)), people=people)
    matcher = Matcher(Roster("file", list(people)), TASK)
    matcher.look([work.sender for work in works])
    return matcher.match(works[0].sender)


@pytest.mark.parametrize(
    "pattern",
    [*MOODLE, *CANVAS, *PEOPLE],
    ids=lambda pattern: f"{pattern.what} [{pattern.source[:20]}]",
)
def test_a_name_is_matched_or_told(pattern: Pattern) -> None:
    found = matched(pattern.entry, pattern.people, pattern.beside)
    if pattern.student:
        assert found.person is not None, found.reason
        assert (found.person.student, found.how) == (pattern.student, pattern.how)
        assert not found.reason and not found.candidates
    else:
        assert found.person is None and pattern.how in found.reason
        assert tuple(one.student for one in found.candidates) == pattern.candidates


def test_both_systems_are_known_by_more_than_a_dozen_names() -> None:
    assert len({one.entry for one in (*MOODLE, *CANVAS)}) > 24


@pytest.mark.parametrize("pattern", MOODLE, ids=lambda pattern: pattern.what)
def test_the_order_of_a_list_does_not_matter(pattern: Pattern) -> None:
    found = matched(pattern.entry, pattern.people, pattern.beside)
    other = matched(pattern.entry, pattern.people[::-1], pattern.beside)
    assert other.person == found.person and set(other.candidates) == set(found.candidates)


# What is one student's


def test_flat_files_of_several_notebooks_are_told_apart() -> None:
    works = gathered(
        "ana_gil_lab-1.ipynb", "Ana Gil - lab-2.ipynb", "agil.ipynb", task=PAIR, people=tuple(CLASS)
    )
    assert [one.means for work in works for one in work.files] == ["lab-1", "lab-2", ""]


def test_late_is_what_canvas_says_and_nothing_else() -> None:
    works = gathered(
        "gilana_LATE_101_1_t.ipynb",
        "ruizmarta_103_2_t.ipynb",
        "José Ñandú Pé_9_assignsubmission_file/late.ipynb",
        people=tuple(CLASS),
    )
    assert [work.late for work in works] == [True, False, None]


@pytest.mark.parametrize("plugin", ["onlinetext", "comments", "onlinepoodll"])
def test_what_was_not_handed_in_as_a_file_is_left_out_and_told(plugin: str) -> None:
    (work,) = gathered(f"Ana Gil_1_assignsubmission_{plugin}/x.html", people=tuple(CLASS))
    assert not work.files and "left out" in work.notes[0]


def test_a_students_name_in_a_files_name_does_not_make_it_theirs() -> None:
    """Only what the LMS has written counts; the rest is whatever a student called the file."""
    entry = "Ana Gil_9_assignsubmission_file_Luis Sol_1234570_assignsubmission_file_t.ipynb"
    found = matched(entry, tuple(CLASS))
    assert found.person is not None and found.person.student == "agil"
    found = matched("gilana_101_5_solluis_107_6_t.ipynb", tuple(CLASS))
    assert found.person is not None and found.person.student == "agil"


def test_a_lone_folder_is_a_student_if_it_is_called_like_one() -> None:
    around = gathered("entregas/Ana Gil.ipynb", people=tuple(CLASS))
    theirs = gathered("Ana Gil/trabajo.ipynb", people=tuple(CLASS))
    assert [one for work in around for one in work.entries] == ["Ana Gil.ipynb"]
    assert [one for work in theirs for one in work.entries] == ["Ana Gil"]


# Names


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("José Ñandú", "jose nandu"),
        ("Straße", "STRASSE"),
        ("O'Brien", "OBrien"),
        ("O’Brien", "O`Brien"),
        ("Ana  María", "ana_maría"),
        ("Gil-Ruiz", "gil ruiz"),
        ("Łukasz Øre", "lukasz ore"),
        ("İbrahim", "ibrahim"),
    ],
)
def test_names_are_compared_without_case_accents_and_signs(one: str, other: str) -> None:
    assert words(one) == words(other)


def test_marks_that_are_vowels_are_no_accents() -> None:
    """राम and रमा are two names of the same consonants."""
    assert words("राम शर्मा") != words("रमा शर्मा") and len(words("राम शर्मा")) == 2
    assert letters("रामशर्मा") != letters("रमाशर्मा")


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Copy of Copia de x", "x"),
        ("x (2)", "x"),
        ("x-3", "x"),
        ("x - Copy (2)", "x"),
        ("x - copia", "x"),
        ("x copy 2", "x"),
        ("copy", "copy"),
        ("Copy of ", "Copy of "),
    ],
)
def test_what_copying_adds_to_a_name_is_taken_off(name: str, plain: str) -> None:
    assert uncopied(name) == plain


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=60))
def test_any_text_is_matched_to_at_most_one_student_and_never_fails(text: str) -> None:
    members = [Member(f"{text}.ipynb", io.BytesIO), Member(f"{text}/x.ipynb", io.BytesIO)]
    matcher = Matcher(Roster("file", CLASS), TASK)
    works, _strays = gather(members, TASK, matcher.is_student)
    for work in works:
        found = matcher.match(work.sender)
        assert (found.person is None) == bool(found.reason)
    assert letters(text) == "".join(words(text)) and slug(text).isascii()
