"""The platform's gradebook: its columns (line items) and the scores that came."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass
class LineItem:
    """A column."""

    id: str
    client_id: str
    """The tool that may use it."""
    label: str
    maximum: float
    resource: str = ""
    """The tool's own id of what it is for."""
    tag: str = ""
    link: str = ""
    """The id of the resource link that it belongs to, if any."""


@dataclass(frozen=True)
class Score:
    """What a tool has sent; ``given`` and ``maximum`` come together or not at all."""

    user: str
    given: float | None
    maximum: float | None
    activity: str
    grading: str
    timestamp: datetime
    comment: str
    body: Mapping[str, Any]
    """All of it, with what an LMS of its own asks for besides."""
    arrived: float
    """When, in seconds since 1970."""


@dataclass
class Gradebook:
    """The columns, and the last score of each person in each of them."""

    items: dict[str, LineItem] = field(default_factory=dict)
    scores: dict[tuple[str, str], Score] = field(default_factory=dict)
    accepted: list[tuple[str, Score]] = field(default_factory=list)
    """Every score that was stored, with its line item's id, in the order of coming."""

    def store(self, item: LineItem, score: Score) -> None:
        """Put a score into the place of the one before."""
        self.scores[item.id, score.user] = score
        self.accepted.append((item.id, score))

    def remove(self, item: LineItem) -> None:
        """Remove a column and its scores."""
        del self.items[item.id]
        self.scores = {key: score for key, score in self.scores.items() if key[0] != item.id}

    def of_link(self, link: str) -> list[LineItem]:
        """The columns of a resource link."""
        return [item for item in self.items.values() if item.link == link]

    def of_item(self, item: LineItem) -> list[Score]:
        """The last scores in a column."""
        return [score for (item_id, _user), score in self.scores.items() if item_id == item.id]
