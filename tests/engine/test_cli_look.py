"""How commands print: tables that fit, lines, colours, and nothing that a terminal would obey."""

import io
import re
import sys
from collections import Counter
from collections.abc import Callable

import pytest
from rich.cells import cell_len
from rich.console import RenderableType
from rich.text import Text

from autograder.cli import look
from autograder.cli.look import Number, Table
from autograder.plain import counted, one_line
from autograder.progress import Shown

LONG = "unreadable: the file is not a whole notebook, so nothing of it could be read or graded"
STUDENT = "garcia-marquez-gabriel_1234567"
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
HOSTILE = "[red]eva[/red] \x1b[2J\x1b]0;title\x07 \u202eelif\u2066\x9b31m \udcff"
PrintIn = Callable[..., str]


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> PrintIn:
    """What a terminal of a width shows, or without one a pipe gets."""

    def in_width(
        what: RenderableType,
        width: int | None = None,
        color: bool | None = None,
        **environment: str,
    ) -> str:
        stream = io.StringIO() if width is None else Terminal()
        with monkeypatch.context() as patch:
            for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
                patch.delenv(name, raising=False)
            patch.setenv("TERM", "xterm-256color")
            patch.setenv("COLUMNS", str(width or 60))
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdout", stream)
            look.begin(color)
            look.console.print(what)
        return stream.getvalue()

    return in_width


def scores() -> Table:
    """A table as `grade` shows it."""
    table = Table("assignment", "student", Number("score"), Number("of"), "look at")
    table.add("gradientes", STUDENT, "1234.25", "30", f"{LONG}\nunchanged")
    table.add("gradientes", "eva", "7", "30", Text("unchanged", "dim"))
    return table


@pytest.mark.parametrize("width", [30, 40, 60, 80, 132])
def test_nothing_is_wider_than_the_terminal_and_nothing_is_lost(
    printed: PrintIn, width: int
) -> None:
    lines = CODES.sub("", printed(scores(), width)).splitlines()
    assert max(map(cell_len, lines)) <= width
    assert "…" not in "".join(lines), "nothing is cut off"
    for number in ("1234.25", "30", "7"):
        assert any(number in re.split(r"[│ ]+", line) for line in lines), "numbers are not folded"
    written = Counter("".join(("gradientes", STUDENT, LONG, "gradientes", "eva", "unchanged" * 2)))
    written.pop(" ")
    assert not written - Counter("".join(lines)), "no character is missing"


@pytest.mark.parametrize("width", [80, 132])
def test_numbers_stand_at_the_right(printed: PrintIn, width: int) -> None:
    rows = [
        re.split("[│┃]", line)
        for line in CODES.sub("", printed(scores(), width)).splitlines()
        if re.search("[│┃]", line)
    ]
    numbers = [row[3] for row in rows if row[3].strip() not in ("", "score")]
    assert [one.strip() for one in numbers] == ["1234.25", "7"]
    assert numbers[0].rindex("5") == numbers[1].rindex("7")


def test_a_narrow_terminal_gets_a_block_for_each_row(printed: PrintIn) -> None:
    lines = [line.rstrip() for line in CODES.sub("", printed(scores(), 40)).splitlines()]
    second = lines.index("", 1) + 1
    assert lines[second:] == [
        "assignment  gradientes",
        "student     eva",
        "score       7",
        "of          30",
        "look at     unchanged",
        "",
    ]


def test_a_pipe_gets_a_line_for_each_row_whatever_its_length(printed: PrintIn) -> None:
    assert printed(scores()).splitlines() == [
        "assignment  student                           score  of  look at",
        f"gradientes  {STUDENT}  1234.25  30  {LONG}; unchanged",
        "gradientes  eva                                   7  30  unchanged",
    ]


@pytest.mark.parametrize("width", [None, 40, 80])
def test_what_students_write_is_neither_obeyed_nor_taken_for_markup(
    printed: PrintIn, width: int | None
) -> None:
    table = Table("student", "look at", title=HOSTILE)
    table.add(HOSTILE, Text(HOSTILE, "red"))
    told = CODES.sub("", printed(table, width))
    assert "[red]eva[/red]" in told
    assert all(c.isprintable() for c in told.replace("\n", ""))


def test_lines_warnings_and_errors_are_clean_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    look.begin()
    look.print_line(HOSTILE)
    look.print_warning(HOSTILE)
    look.print_error(ValueError(HOSTILE))
    out, err = capsys.readouterr()
    assert all(c.isprintable() for c in (out + err).replace("\n", ""))
    assert out.startswith("[red]eva[/red]")
    assert [line.startswith("autograder: [red]eva") for line in err.splitlines()] == [True, True]


def test_progress_shows_no_control_characters_either(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    look.begin()
    with Shown(f"trying {HOSTILE}", 2, 1, look.errors) as shown:
        shown.done(HOSTILE)
        shown._bar.refresh()
    told = CODES.sub("", terminal.getvalue())
    assert "[red]eva[/red]" in told
    assert all(c.isprintable() for c in told.replace("\n", "").replace("\r", ""))


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_bar_stays_in_one_line(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    look.begin()
    now = 0.0
    with Shown("grading", 1200, 2, look.errors, clock=lambda: now) as shown:
        for _ in range(20):
            now += 0.5
            shown.done("dispositivos/est-01")
        shown._bar.refresh()
        told = CODES.sub("", terminal.getvalue()).splitlines()[-1].split("\r")[-1]
    assert "20/1200" in told and "2/s" in told and "0:09:50 left" in told
    assert cell_len(told.rstrip()) <= width
    assert CODES.sub("", terminal.getvalue()).count("\n") == 1, "the last one"


def test_one_thing_is_told_as_one() -> None:
    assert [counted(count, "pair") for count in (0, 1, 2)] == ["0 pairs", "1 pair", "2 pairs"]
    assert counted(1, "pair that looks", "pairs that look") == "1 pair that looks"
    assert counted(3, "pair that looks", "pairs that look") == "3 pairs that look"


def test_a_name_with_a_line_end_begins_no_line() -> None:
    assert one_line("eva\nautograder: all is well") == "eva autograder: all is well"


# Colours


def test_a_terminal_gets_colours_and_a_pipe_gets_none(printed: PrintIn) -> None:
    told = Text("failed", "red")
    assert "\x1b[31m" in printed(told, 80)
    assert printed(told) == "failed\n"


def test_colours_are_left_out_where_that_is_asked_for(printed: PrintIn) -> None:
    told = Text("failed", "red")
    assert "\x1b[31m" not in printed(told, 80, NO_COLOR="1")
    assert printed(told, 80, color=False) == "failed\n"


def test_a_pipe_gets_colours_when_they_are_asked_for_and_still_whole_lines(
    printed: PrintIn,
) -> None:
    told = printed(Text(LONG, "red"), color=True, NO_COLOR="1")
    assert "\x1b[31m" in told
    assert CODES.sub("", told) == f"{LONG}\n"
