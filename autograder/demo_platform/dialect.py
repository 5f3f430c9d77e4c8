"""Where platforms may differ: this one keeps to the specifications, and real LMSs do as they do.

The tests have the dialects of real LMSs; nothing else in this platform knows of them.
"""

from typing import Any

from starlette.responses import Response

from autograder.demo_platform.gradebook import Gradebook, LineItem, Score
from autograder.demo_platform.names import ROLES
from autograder.demo_platform.people import Role


class RefusalError(Exception):
    """A request is refused, with an HTTP status and a reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Dialect:
    """How a platform answers where the specifications let it choose."""

    id_token_seconds = 300
    """How long an id_token is good."""
    item_query = ""
    """The query of the URLs of line items, which a tool must keep when it adds to the path."""

    def roles(self, role: Role) -> list[str]:
        """What NRPS calls a role."""
        return [ROLES[role]]

    def check_content_type(self, got: str, wanted: str) -> None:
        """Refuse what is sent as something else."""
        if got != wanted:
            raise RefusalError(415, f"this must be sent as {wanted}, not as {got or 'nothing'}")

    def check_accept(self, accept: str, offered: str) -> None:
        """Refuse to answer with what the tool does not want."""
        wanted = {part.split(";")[0].strip() for part in accept.split(",")}
        if accept and not wanted & {offered, "application/*", "*/*"}:
            raise RefusalError(406, f"there is only {offered}")

    def check_line_item(self, item: LineItem) -> None:
        """Refuse a line item that the platform cannot store."""

    def check_score(self, book: Gradebook, item: LineItem, score: Score, *, student: bool) -> None:
        """Refuse a score: of nobody, or earlier than the one that the platform has (AGS 2.0).

        Args:
            book: the gradebook with what is there.
            item: the column.
            score: the score.
            student: whether the user is a student of the course.
        """
        if not student:
            raise RefusalError(404, f"the course has no student {score.user!r}")
        before = book.scores.get((item.id, score.user))
        if before is not None and score.timestamp < before.timestamp:
            raise RefusalError(409, f"there is a score with a later timestamp: {before.timestamp}")

    def points(self, item: LineItem, score: Score) -> float | None:
        """What the gradebook shows of a score: scaled to the column, and final ones only."""
        if score.grading != "FullyGraded" or score.given is None or not score.maximum:
            return None
        return score.given / score.maximum * item.maximum

    def score_answer(self, result_url: str) -> Response:
        """What a score that was stored is answered with."""
        return Response(status_code=204)

    def result(self, item: LineItem, score: Score) -> dict[str, Any] | None:
        """What the result service says of a score; None for nothing at all."""
        points = self.points(item, score)
        told: dict[str, Any] = {"comment": score.comment} if score.comment else {}
        if points is not None:
            told |= {"resultScore": points, "resultMaximum": item.maximum}
        return told

    def page_link(self, next_page: str) -> str:
        """The ``Link`` header of a container that has another page (RFC 8288)."""
        return f'<{next_page}>; rel="next"'
