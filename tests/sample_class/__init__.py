"""A sample class: submissions of every kind to the course, each with the scores it must earn.

``build`` makes them from the released notebooks; ``expected.csv`` holds the expected score of
every grade cell, reasoned from the weights of the checks and written by
``python -m tests.sample_class --write-table`` from the cases themselves.
"""

from tests.sample_class.build import build
from tests.sample_class.cases import CASES, TABLE, table
from tests.sample_class.model import POINTS, Case

__all__ = ["CASES", "POINTS", "TABLE", "Case", "build", "table"]
