"""Doubles of LMSs and of the network before them, where the real ones cannot be had.

They answer scores as Moodle 4.5, Open edX and Canvas were seen to (docs of each, and their code);
the real platform code of Open edX is tested apart.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from autograder.lms.services.ags import Answer, NoAnswerError, Result, Score

Kind = Literal["moodle", "open edx", "canvas"]


class KilledError(BaseException):
    """The process that delivers ends here."""


@dataclass
class Platform:
    """What an LMS stores of the scores that it is sent."""

    kind: Kind = "moodle"
    unknown: frozenset[str] = frozenset()
    """Users that it does not know."""
    scores: dict[tuple[str, str], Score] = field(default_factory=dict)
    accepted: list[Score] = field(default_factory=list)
    """Every score that it has stored, in order."""

    def take(self, line_item: str, score: Score) -> Answer:
        """Store a score, or refuse it."""
        if score.user in self.unknown:
            return Answer({"moodle": 400, "open edx": 500, "canvas": 422}[self.kind], "no user")
        before = self.scores.get((line_item, score.user))
        if before is not None and not self._is_later(score.timestamp, before.timestamp):
            if self.kind == "moodle":
                return Answer(409, "Refusing score with an earlier timestamp")
            return Answer(400, "Score timestamp is not later than the stored timestamp")
        self.scores[line_item, score.user] = score
        self.accepted.append(score)
        return Answer(201 if self.kind == "open edx" else 200)

    def _is_later(self, timestamp: int, before: int) -> bool:
        unit = 1000 if self.kind == "moodle" else 1
        if self.kind == "canvas":
            return timestamp >= before
        return timestamp // unit > before // unit

    def results(self, line_item: str, user: str) -> Sequence[Result]:
        """What it has for a user, rescaled to 100 points as Moodle does."""
        score = self.scores.get((line_item, user))
        if score is None:
            return []
        return [Result(round(score.given / score.maximum * 100, 5), 100.0)]


@dataclass
class Network:
    """The way to a platform, on which requests and answers get lost, late or doubled."""

    platform: Platform
    chance: random.Random
    faults: float = 0.0
    """The share of requests to which something happens."""
    tokens: int = 0
    """How often the token was dropped."""
    late: list[tuple[str, Score]] = field(default_factory=list)
    """Copies of requests that are still on their way."""
    expired: bool = False

    def post(self, line_item: str, score: Score) -> Answer:
        """Send a score, through whatever happens to it."""
        self._let_late_ones_arrive()
        if self.expired:
            return Answer(401, "expired")
        if self.chance.random() >= self.faults:
            return self.platform.take(line_item, score)
        fault = self.chance.choice(
            ["lost", "answer lost", "late", "doubled", "5xx", "stored and 5xx", "busy", "401",
             "killed before", "killed after"]
        )  # fmt: skip
        if fault in ("lost", "late"):
            self.late += [(line_item, score)] if fault == "late" else []
            raise NoAnswerError("timed out")
        if fault == "killed before":
            raise KilledError
        if fault == "401":
            self.expired = True
            return Answer(401, "expired")
        if fault in ("5xx", "busy"):
            return Answer(503) if fault == "5xx" else Answer(429, "slow down", retry_after=30.0)
        answer = self.platform.take(line_item, score)
        if fault == "doubled":
            self.late.append((line_item, score))
            return answer
        if fault == "killed after":
            raise KilledError
        if fault == "stored and 5xx":
            return Answer(500, "an error after the row was kept")
        raise NoAnswerError("the connection was closed")

    def results(self, line_item: str, user: str) -> Sequence[Result]:
        """Read what the platform has."""
        self._let_late_ones_arrive()
        if self.chance.random() < self.faults / 4:
            raise NoAnswerError("timed out")
        return self.platform.results(line_item, user)

    def drop_token(self) -> None:
        """Get a new token with the next request."""
        self.tokens += 1
        self.expired = False

    def _let_late_ones_arrive(self) -> None:
        for waiting in list(self.late):
            if self.chance.random() < 0.3:
                self.late.remove(waiting)
                self.platform.take(*waiting)
