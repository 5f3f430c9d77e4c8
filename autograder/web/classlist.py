"""The table of a class: which students are shown, in which order."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args
from urllib.parse import urlencode

from autograder.lms.handins.grades import Row

Shown = Literal[
    "all",
    "handed-in",
    "folder",
    "missing",
    "late",
    "review",
    "faults",
    "unreleased",
    "changed",
    "undelivered",
]
Sort = Literal["name", "state", "received", "attempts", "score", "released", "delivery"]
PAGE_SIZE: Final = 200

FILTERS: Final[dict[Shown, tuple[str, Callable[[Row], bool]]]] = {
    "all": ("All", lambda row: True),
    "handed-in": ("Handed in", lambda row: row.attempts > 0),
    "folder": ("Graded from the folder", lambda row: row.is_from_folder),
    "missing": ("Nothing handed in", lambda row: row.state is None),
    "late": ("Late", lambda row: row.late_seconds > 0),
    "review": ("Needs a person", lambda row: row.needs_person),
    "faults": ("Failed or grader fault", lambda row: bool(row.faults or row.error)),
    "unreleased": (
        "Not released",
        lambda row: row.state == "graded" and row.released is None,
    ),
    "changed": ("Changed since released", lambda row: row.is_outdated),
    "undelivered": ("Not in the LMS yet", lambda row: row.delivery in ("due", "stopped")),
}
_KEYS: Final[dict[Sort, Callable[[Row], Any]]] = {
    "name": lambda row: (row.name or row.student).casefold(),
    "state": lambda row: row.state or "",
    "received": lambda row: row.received,
    "attempts": lambda row: row.attempts,
    "score": lambda row: row.score,
    "released": lambda row: row.released,
    "delivery": lambda row: row.delivery or "",
}
assert set(FILTERS) == set(get_args(Shown)) and set(_KEYS) == set(get_args(Sort))


@dataclass(frozen=True)
class View:
    """What of the table is asked for."""

    shown: Shown = "all"
    sort: Sort = "name"
    down: bool = False
    query: str = ""
    number: int = 1

    def address(self, **changes: object) -> str:
        """The query string of a table like this one, but for some changes."""
        facts = {
            "shown": self.shown,
            "sort": self.sort,
            "down": "1" if self.down else "",
            "q": self.query,
            "page": self.number,
        } | changes
        default = {"shown": "all", "sort": "name", "page": 1}
        return "?" + urlencode({k: v for k, v in facts.items() if v and default.get(k) != v})


@dataclass(frozen=True)
class Table:
    """One page of the table."""

    rows: Sequence[Row]
    found: int
    """Rows of all its pages."""
    pages: int
    number: int
    counts: dict[Shown, int]
    """How many rows each filter would show."""


def table(rows: Iterable[Row], view: View) -> Table:
    """The page of the table that a view asks for."""
    known = list(rows)
    counts = {name: sum(map(is_in, known)) for name, (_label, is_in) in FILTERS.items()}
    wanted = view.query.casefold()
    chosen = [
        row
        for row in known
        if FILTERS[view.shown][1](row)
        and (not wanted or wanted in row.name.casefold() or wanted in row.student.casefold())
    ]
    key = _KEYS[view.sort]
    there = [row for row in chosen if key(row) is not None]
    there.sort(key=key, reverse=view.down)
    ordered = there + [row for row in chosen if key(row) is None]  # what is not known stays last
    pages = max(1, -(-len(ordered) // PAGE_SIZE))
    number = min(max(1, view.number), pages)
    start = (number - 1) * PAGE_SIZE
    return Table(ordered[start : start + PAGE_SIZE], len(ordered), pages, number, counts)
