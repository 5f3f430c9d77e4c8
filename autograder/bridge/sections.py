"""The sections of a lesson: their headings, and links to them from the feedback.

nbgrader's page of feedback has no anchors at headings, and ids that a student chose must not reach
a page with scripts of its own. So each heading of a page gets an id that is made here, with a point
in it, which no id of nbgrader's has.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape, unescape
from typing import Any, Final

_PREFIX: Final = "section."
_FENCE: Final = re.compile(r" {0,3}(```|~~~)")
_HEADING: Final = re.compile(r" {0,3}#{1,6}[ \t]+(.{1,300})")
_NOT_WORDS: Final = re.compile(r"\W+")
_TAG: Final = re.compile(r"<[^<>]{0,300}>")
_NAMED: Final = re.compile(r"«([^«»]{1,200})»")
_MOST_TEXT: Final = 10_000
_LINK_STYLE: Final = "color:#0b5394;text-decoration:underline"


_IS_ANCHOR: Final = re.compile(r"section\.[\w-]{0,300}")


def is_anchor(text: str) -> bool:
    """Whether an id is one of a heading."""
    return _IS_ANCHOR.fullmatch(text) is not None


def anchor(heading: str) -> str:
    """The id of a heading with this text: the same from Markdown and from what is shown of it."""
    return _PREFIX + _NOT_WORDS.sub("-", heading).strip("-").lower()


def headings(cells: Iterable[Any]) -> dict[str, str]:
    """The headings of a notebook's text cells: by anchor, the first text that has it."""
    found: dict[str, str] = {}
    for cell in cells:
        if cell.cell_type == "markdown":
            for text in _headings_of(cell.source):
                found.setdefault(anchor(text), text)
    found.pop(_PREFIX, None)  # of a heading without any letter
    return found


def last_heading(cells: Sequence[Any]) -> str:
    """The last heading of a notebook's text cells; empty where there is none."""
    found = (list(headings([cell]).values()) for cell in reversed(cells))
    return next((texts[-1] for texts in found if texts), "")


def _headings_of(source: str) -> Iterable[str]:
    """The headings of a text, without those in blocks of code."""
    fence = ""
    for line in source.splitlines():
        mark = _FENCE.match(line)
        if mark is not None and fence in ("", mark[1]):
            fence = "" if fence else mark[1]
        elif not fence and (heading := _HEADING.match(line)):
            yield heading[1].strip().rstrip("#").strip().replace("`", "")


def anchor_of_html(html: str) -> str:
    """The id of a heading that shows this HTML."""
    return anchor(unescape(_TAG.sub("", html)))


def link_sections(html: str, lesson: Mapping[str, str]) -> str:
    """Escaped text, in which each «section» that the lesson has is a link to it."""

    def linked(match: re.Match[str]) -> str:
        place = _place(match[1], lesson)
        return match[0] if place is None else f"«{_link(place, match[1])}»"

    return _NAMED.sub(linked, html)


def sections_in(text: str, lesson: Mapping[str, str]) -> list[str]:
    """A link to each section of the lesson that a text names, once each."""
    named = [_place(escape(name), lesson) for name in _NAMED.findall(text[:_MOST_TEXT])]
    return [_link(place, escape(lesson[place])) for place in dict.fromkeys(named) if place]


def _place(html: str, lesson: Mapping[str, str]) -> str | None:
    """The anchor of a section, if the lesson has it."""
    place = anchor_of_html(html)
    return place if place in lesson else None


def _link(place: str, label: str) -> str:
    return f'<a href="#{escape(place)}" style="{_LINK_STYLE}">{label}</a>'
