"""A teacher sets the deadline of an assignment, which is nbgrader's own ``duedate``."""

from autograder.bridge.course import gradebook_errors
from autograder.bridge.totals import read_facts
from autograder.lms import audit
from autograder.lms.database import writing
from autograder.lms.handins import grades
from autograder.web.formats import as_utc
from autograder.web.state import AppState


def set_deadline(state: AppState, name: str, deadline: float | None, actor: str) -> int:
    """Set or remove a deadline; how many attempts are graded again for it.

    What is late by another time than before is graded again.

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
    with gradebook_errors("written"), state.course.gradebook() as gradebook:
        assignment = gradebook.find_assignment(name)
        assignment.duedate = None if deadline is None else as_utc(deadline)
        gradebook.db.commit()
    # a kill from here on costs nothing but the line below: the service finds other deadlines too
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
    counts = state.settings.policy(name).counts
    return grades.regrade_late(
        state.engine, state.course, name, actor, counts=counts, clock=state.clock
    )
