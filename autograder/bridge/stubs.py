"""What students find in the place of a solution, in the course's language."""

from nbgrader.preprocessors import ClearSolutions
from traitlets import default

from autograder.bridge.preprocessors import RunGraders
from autograder.messages import in_language
from autograder.messages import translate as _


class StubsInLanguage(ClearSolutions):  # type: ignore[misc]  # nbgrader has no types
    """nbgrader's ClearSolutions, whose stub is in the language of what students read.

    A course that sets ``c.ClearSolutions.code_stub`` has its own.
    """

    @default("code_stub")
    def _in_language(self) -> dict[str, str]:
        with in_language(RunGraders(config=self.config).language):
            todo = _("Write your answer here and delete the next line.")
            raised = _("Exercise not solved yet")
        return {"python": f'# {todo}\nraise NotImplementedError("{raised}")'}
