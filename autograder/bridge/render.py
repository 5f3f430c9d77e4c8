"""Results and errors as HTML, for nbgrader's feedback and the formgrader.

Everything is a fragment with styles of its own, since the page around it is nbgrader's. No width
is fixed, so that it reads as well on a phone.
"""

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final, Literal, get_args

from autograder.bridge.sections import link_sections, sections_in
from autograder.explain import Explanation, mistake
from autograder.grading.results import CellResult, CheckResult, CheckStatus
from autograder.messages import translate as _

Hints = Literal["none", "category", "pointer", "full"]
"""How much of a check that failed a student reads, from the least to the most."""
HINTS: Final[Sequence[Hints]] = get_args(Hints)

BACKGROUND: Final = "#ffffff"
ERROR_BACKGROUND: Final = "#fff8f0"
TEXT: Final = "#212121"
LOOK: Final[Mapping[CheckStatus, tuple[str, str]]] = {
    "passed": ("✔", "#005a9c"),
    "failed": ("✘", "#a63d00"),
    "not attempted": ("○", "#595959"),
    "fault": ("?", "#6a3d9a"),
}
"""Sign and colour of a status. Sign, word and colour all tell it; blue and orange are told apart
by everybody, and the others are told by their signs."""
_BOX: Final = (
    f"background-color:{BACKGROUND};color:{TEXT};max-width:50em;line-height:1.5;"
    "font-family:sans-serif;font-size:100%;white-space:normal;text-align:left"
)
CODE: Final = ("#212121", "#eeeeee")
"""Colour and background of code: the page's own red would look like a mistake."""
_CODE: Final = f"color:{CODE[0]};background-color:{CODE[1]};padding:0 .25em"
_INDENTED: Final = "margin:.15em 0 0 1.5em"


def cell_html(
    result: CellResult,
    points: float,
    hints: Hints = "full",
    lesson: Mapping[str, str] | None = None,
    given: float | None = None,
) -> str:
    """The checks of one grade cell, as a self-contained fragment.

    Args:
        result: the cell's result.
        points: what the cell is worth.
        hints: how much of a check that failed is told.
        lesson: the headings of the notebook, as ``sections.headings`` finds them.
        given: what a person gave for it, where that is something else than the checks gave.
    """
    earned = result.score(points)
    score = _("{score:g} of {points:g} points", score=earned, points=points)
    between = " · "
    if given is not None:
        between = " "
        score = _(
            "The checks gave {score:g} of {points:g}; your teacher gave {given:g}.",
            score=earned,
            points=points,
            given=given,
        )
    passed = sum(check.status == "passed" for check in result.checks)
    counted = _("{passed} of {all} checks right", passed=passed, all=len(result.checks))
    rows = "".join(_row(check, hints, lesson or {}) for check in result.checks)
    return (
        f'<div class="autograder" style="{_BOX}">'
        f'<p style="margin:0 0 .5em"><strong style="font-size:115%">{escape(score)}</strong>'
        f"{between}{escape(counted)}</p>"
        f'<ul style="list-style:none;margin:0;padding:0">{rows}</ul></div>'
    )


def _row(check: CheckResult, hints: Hints, lesson: Mapping[str, str]) -> str:
    sign, colour = LOOK[check.status]
    label = {
        "passed": _("right"),
        "failed": _("not yet"),
        "not attempted": _("not attempted"),
        "fault": _("to be reviewed"),
    }[check.status]
    status = f'<span style="color:{colour};font-weight:bold">{sign} {escape(label)}</span>'
    style = f"margin:0 0 .5em;padding:0 0 0 .6em;border-left:4px solid {colour}"
    told = "".join(_told(check, hints, lesson))
    return f'<li style="{style}">{status} · {_text(check.title, {})}{told}</li>'


def _told(check: CheckResult, hints: Hints, lesson: Mapping[str, str]) -> list[str]:
    """What is told of a check besides its status, at a level of hints."""
    level = HINTS.index(hints)
    # not inside the f-strings below, where the catalogs' tool finds no texts
    kind_title, read_again = _("Kind of mistake:"), _("Read again:")
    if check.status == "fault":  # no hint: it only says that a person will look
        return [_line(_text(check.message, {}))]
    if check.status == "passed":
        return []
    lines: list[str] = []
    if level >= HINTS.index("full"):
        lines += [_line(_text(text, lesson)) for text in (check.message, check.hint) if text]
    if level >= HINTS.index("category") and (kind := mistake(check.diagnosis)):
        lines.append(_line(f"{_strong(kind_title)} {escape(kind)}"))
    if hints == "pointer" and (links := sections_in(f"{check.message} {check.hint}", lesson)):
        lines.append(_line(f"{_strong(read_again)} {', '.join(links)}"))
    return lines


def _strong(text: str) -> str:
    return f"<strong>{escape(text)}</strong>"


def _line(html: str) -> str:
    return f'<div style="{_INDENTED}">{html}</div>'


def _text(text: str, lesson: Mapping[str, str]) -> str:
    """Escaped text, with `names` as code and «sections» of the lesson as links."""
    coded = re.sub(r"`([^`]+)`", lambda match: _code(match[1]), escape(text))
    return link_sections(coded, lesson)


def _code(html: str) -> str:
    return f'<code style="{_CODE}">{html}</code>'


def error_html(explanation: Explanation) -> str:
    """An explained error, as a self-contained fragment."""
    sign, colour = LOOK["failed"]
    where, *rest = _error_lines(explanation)
    lines = "".join(f'<div style="margin:.2em 0 0">{_text(line, {})}</div>' for line in rest)
    code = explanation.code
    shown = f'<div style="margin:.2em 0 0">{_code(escape(code))}</div>' if code else ""
    style = (
        f"{_BOX};background-color:{ERROR_BACKGROUND};border-left:4px solid {colour};"
        "padding:.5em .8em;margin:.5em 0"
    )
    return (
        f'<div class="autograder" style="{style}"><strong style="color:{colour}">{sign} '
        f"{escape(where)}</strong>{shown}{lines}</div>"
    )


def error_text(explanation: Explanation) -> str:
    """An explained error as plain text."""
    where, *rest = _error_lines(explanation)
    code = [f"    {explanation.code}"] if explanation.code else []
    return "\n".join([where, *code, *rest])


def _error_lines(explanation: Explanation) -> list[str]:
    """Where it is, the exception, and the sentence."""
    if explanation.line is None:
        where = _("Error in cell {cell}", cell=explanation.cell)
    else:
        where = _("Error in cell {cell}, line {line}", cell=explanation.cell, line=explanation.line)
    if explanation.called_from is not None:
        called = _("called from line {line} of this cell", line=explanation.called_from)
        where = f"{where} ({called})"
    return [where, explanation.error, explanation.sentence]
