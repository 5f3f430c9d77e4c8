"""The tutorial, followed to the letter in an empty folder, with what the wheel installed."""

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.docs import transcript
from tests.docs.transcript import Command, Done, File, Shell
from tests.packaging.installed import ROOT, Installed

PAGES: Final = {"en": ROOT / "docs/tutorial.md", "es": ROOT / "docs/tutorial.es.md"}
ASSIGNMENT: Final = {"en": "slopes", "es": "pendientes"}
IN_ENGLISH: Final = {
    **{"pendientes": "slopes", "pendiente": "slope", "media": "mean"},
    **{"--language es": "--language en", "RUTA/DEL/REPOSITORIO": "PATH/TO/THE/REPOSITORY"},
}
"""What the Spanish page calls otherwise in commands and names of files."""
SET_UP: Final = {
    language: ("python3 -m venv env", f"env/bin/pip install {path}", "source env/bin/activate")
    for language, path in (("en", "PATH/TO/THE/REPOSITORY"), ("es", "RUTA/DEL/REPOSITORIO"))
}
"""The first commands: the fixture ``installed`` has done them, with the wheel in the place of the
repository and without downloading again what the project depends on."""
EARNED: Final = {
    **{"ana": 10.0, "ben": 10.0, "chloe": 3.0, "dani": 8.0, "emma": 7.0},
    **{"felix": 7.0, "gala": 7.0, "hugo": 1.0, "ines": 3.0, "jan": 0.0},
}


@pytest.fixture(scope="module", params=sorted(PAGES))
def language(request: pytest.FixtureRequest) -> str:
    """The language of the page that is followed."""
    return str(request.param)


@pytest.fixture(scope="module")
def followed(
    language: str, installed: Installed, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Done]]:
    """The course that the tutorial leaves, and what its commands printed."""
    shell = Shell(
        tmp_path_factory.mktemp(f"tutorial-{language}"),
        installed.environment(),
        dict.fromkeys(SET_UP[language], lambda _shell: None),
    )
    done = shell.follow(transcript.read(PAGES[language]))
    return shell.folder, done


def test_the_tutorial_begins_with_an_installation(language: str) -> None:
    lines = [one.line for one in transcript.read(PAGES[language]) if isinstance(one, Command)]
    assert tuple(lines[: len(SET_UP[language])]) == SET_UP[language]


def test_ten_students_earn_what_their_answers_are_worth(
    followed: tuple[Path, list[Done]], language: str
) -> None:
    course, _done = followed
    with (course / "grades.csv").open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    assert {row["student_id"]: float(row["score"]) for row in rows} == EARNED
    assert {row["assignment"] for row in rows} == {ASSIGNMENT[language]}


def test_each_student_has_a_page_of_feedback_and_the_class_a_report(
    followed: tuple[Path, list[Done]], language: str
) -> None:
    course, _done = followed
    name = ASSIGNMENT[language]
    pages = {path.parts[-3] for path in course.glob(f"feedback/*/{name}/{name}.html")}
    assert pages == set(EARNED)
    report = (course / "reports" / name / "report.html").read_text(encoding="utf-8")
    assert "sum-for-mean" in report


def test_students_read_feedback_in_the_language_of_the_page(
    followed: tuple[Path, list[Done]], language: str
) -> None:
    course, _done = followed
    name = ASSIGNMENT[language]
    text = (course / "feedback/hugo" / name / f"{name}.html").read_text(encoding="utf-8")
    assert {"en": "not yet", "es": "todavía no"}[language] in text


def test_both_tutorials_show_the_same_commands_and_files(language: str) -> None:
    """Of other names only, so that whoever mends one is told to mend the other."""

    def shape(page: Path) -> list[Mapping[str, str]]:
        return [
            {"file": in_english(one.name)}
            if isinstance(one, File)
            else {"command": in_english(re.sub('"[^"]*"', "TITLE", one.line))}
            for one in transcript.read(page)
        ]

    def in_english(text: str) -> str:
        for word, english in IN_ENGLISH.items():
            text = text.replace(word, english)
        return text

    assert shape(PAGES[language]) == shape(PAGES["en"])
