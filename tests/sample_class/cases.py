"""All cases of the sample class, and the table of what they must earn."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.sample_class import dispositivos, gradientes, optimizacion, tensores
from tests.sample_class.common import cases_of
from tests.sample_class.model import POINTS, Case

TABLE: Final = Path(__file__).with_name("expected.csv")
HEADER: Final = ("assignment", "student", "grade_id", "score", "why")

_PLANS: Final = {
    plan.assignment: plan
    for plan in (tensores.PLAN, dispositivos.PLAN, gradientes.PLAN, optimizacion.PLAN)
}

CASES: Final[Mapping[str, Sequence[Case]]] = {
    name: cases_of(plan, _PLANS[plan.foreign].base) for name, plan in _PLANS.items()
}
"""The cases of each assignment."""


def table() -> str:
    """The table as text: the expected score of every grade cell of every case."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(HEADER)
    for assignment, cases in CASES.items():
        for case in cases:
            for grade_id in POINTS[assignment]:
                score = f"{case.score(grade_id):g}"
                rows.writerow((assignment, case.student, grade_id, score, case.why))
    return text.getvalue()
