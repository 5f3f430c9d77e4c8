"""A teacher sets the deadline of an assignment, which is nbgrader's own ``duedate``."""

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from autograder.bridge.course import GradebookError
from autograder.bridge.gradebook import problem_told
from autograder.bridge.totals import read_facts
from autograder.lms import audit
from autograder.lms.database import reading, writing
from autograder.lms.handins import grades
from autograder.lms.schema import Submission
from autograder.web.formats import as_utc
from autograder.web.state import AppState


def set_deadline(state: AppState, name: str, deadline: float | None, actor: str) -> int:
    """Set or remove a deadline; how many attempts are graded again for it.

    What came between the old deadline and the new one is graded again, since it is late no more, or
    only now.

    Args:
        state: the application's.
        name: the assignment.
        deadline: in UTC seconds since 1970; None for no deadline.
        actor: who does it, for the audit.

    Raises:
        CourseError: the gradebook has no such assignment.
        GradebookError: it cannot be written.
    """
    before = read_facts(state.course, name).deadline
    try:
        with state.course.gradebook() as gradebook:
            assignment = gradebook.find_assignment(name)
            assignment.duedate = None if deadline is None else as_utc(deadline)
            gradebook.db.commit()
    except DBAPIError as error:
        told = problem_told(str(error)) or f"the gradebook cannot be written: {error.orig}"
        raise GradebookError(told) from error
    with writing(state.engine) as session:
        audit.note(
            session,
            state.clock(),
            actor,
            "deadline",
            assignment=name,
            before="" if before is None else f"{as_utc(before):%Y-%m-%d %H:%M} UTC",
            after="" if deadline is None else f"{as_utc(deadline):%Y-%m-%d %H:%M} UTC",
        )
    affected = _affected(state, name, before, deadline)
    if not affected:
        return 0
    counts = state.settings.policy(name).counts
    return grades.regrade(state.engine, name, affected, actor, counts=counts, clock=state.clock)


def _affected(state: AppState, name: str, before: float | None, after: float | None) -> list[str]:
    """The students with attempts that were late and are not, or the other way round.

    Somebody with more time may be among them although nothing changes: graded again, they get the
    same.
    """
    if before == after:
        return []
    query = select(Submission.student).where(Submission.assignment == name).distinct()
    known = [one for one in (before, after) if one is not None]
    query = query.where(Submission.received > min(known))
    with reading(state.engine) as session:
        return sorted(session.scalars(query))
