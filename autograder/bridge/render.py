"""The result of a grade cell as HTML, for nbgrader's feedback and the formgrader."""

import re
from html import escape
from typing import Final

from autograder.grading.results import CellResult, CheckResult, CheckStatus
from autograder.messages import translate as _

# Shape and colour both tell the status: blue, orange and grey are told apart by everybody.
_LOOK: Final[dict[CheckStatus, tuple[str, str]]] = {
    "passed": ("✔", "#0072b2"),
    "failed": ("✘", "#b34700"),
    "not attempted": ("○", "#595959"),
    "fault": ("?", "#595959"),
}


def cell_html(result: CellResult, points: float) -> str:
    """The checks of one grade cell, with messages and hints, as a self-contained fragment."""
    score = _("{score:g} of {points:g} points", score=result.score(points), points=points)
    rows = "".join(_row(check) for check in result.checks)
    return (
        '<div class="autograder" style="max-width:50em;line-height:1.45">'
        f'<p style="margin:0 0 .4em"><strong>{escape(score)}</strong></p>'
        f'<ul style="list-style:none;margin:0;padding:0">{rows}</ul></div>'
    )


def _row(check: CheckResult) -> str:
    sign, colour = _LOOK[check.status]
    label = {
        "passed": _("right"),
        "failed": _("not yet"),
        "not attempted": _("not attempted"),
        "fault": _("to be reviewed"),
    }[check.status]
    lines = [f'<span style="color:{colour};font-weight:bold">{sign} {escape(label)}</span> ']
    lines.append(_text(check.title))
    for text, style in ((check.message, ""), (check.hint, "font-style:italic")):
        if text:
            lines.append(f'<div style="margin-left:1.6em;{style}">{_text(text)}</div>')
    return f'<li style="margin:.25em 0">{"".join(lines)}</li>'


def _text(text: str) -> str:
    """Escaped text, with `names` as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
