"""Who did what to whose grade: rows that are added and never changed."""

from typing import Final

from sqlalchemy.orm import Session

from autograder.lms.schema import ID_LENGTH, Audit

GRADER: Final = "grader"
"""The actor where no person did it."""


def note(
    session: Session,
    at: float,
    actor: str,
    action: str,
    *,
    assignment: str = "",
    student: str = "",
    before: str = "",
    after: str = "",
) -> None:
    """Add a row, in the transaction of what it tells of.

    Args:
        session: of that transaction.
        at: UTC seconds since 1970.
        actor: the student_id of the identity, ``GRADER`` or ``command``.
        action: one word, such as ``release``.
        assignment: which; empty for all.
        student: whose; empty for the whole class.
        before: what was there.
        after: what is there now.
    """
    session.add(
        Audit(
            at=at,
            actor=actor[:ID_LENGTH],
            action=action,
            assignment=assignment,
            student=student,
            before=before[:ID_LENGTH],
            after=after[:ID_LENGTH],
        )
    )


def points(score: float | None, maximum: float | None) -> str:
    """A score as the rows have it, such as ``7.5/10``; nothing where there is none."""
    return "" if score is None else f"{score:g}/{maximum or 0.0:g}"
