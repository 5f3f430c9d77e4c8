"""What went wrong, in one plain sentence: errors of cells, and the mistakes that graders name.

Needs no torch, and knows neither nbgrader nor pytest. All that it reads of an error was written
by a submission, so it may be anything: it is cut to a length, and never run, imported or trusted.
"""

from autograder.explain.errors import Explanation, explain
from autograder.explain.mistakes import mistake
from autograder.explain.raised import Code, Raised

__all__ = ["Code", "Explanation", "Raised", "explain", "mistake"]
