"""What the Assignment and Grade Services of LTI Advantage are asked and answer.

IMS: LTI Assignment and Grade Services 2.0, score and result services.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Score:
    """A final score; nothing else is ever sent, as platforms take *Pending* for no grade."""

    user: str
    given: float
    maximum: float
    comment: str
    timestamp: int
    """Milliseconds since 1970, UTC."""
    new_submission: bool
    """Whether it is of a new attempt: Canvas counts each post as one unless it is told."""


@dataclass(frozen=True)
class Result:
    """What a platform says that a user has on a line item; None where there is no score."""

    given: float | None
    maximum: float | None

    def is_same(self, given: float, maximum: float) -> bool:
        """Whether it is this score, which platforms may have rescaled or rounded."""
        if self.given is None or not self.maximum:
            return False
        return abs(self.given / self.maximum - given / maximum) < 0.5e-4


@dataclass(frozen=True)
class Answer:
    """How a platform answered a score."""

    status: int
    text: str = ""
    retry_after: float | None = None
    """Seconds that it asks to wait."""


class NoAnswerError(Exception):
    """The platform did not answer, or nobody knows whether it did what was asked."""


class ScoreService(Protocol):
    """The score and result services of one line item."""

    def post(self, line_item: str, score: Score) -> Answer:
        """Send a score.

        Raises:
            NoAnswerError: no answer came.
        """
        ...

    def results(self, line_item: str, user: str) -> Sequence[Result]:
        """What the platform has for a user.

        Raises:
            NoAnswerError: no answer came, or none that says it.
        """
        ...

    def drop_token(self) -> None:
        """Forget the access token, so that the next request gets a new one."""
        ...
