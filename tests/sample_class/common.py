"""The cases that every assignment has: perfect ones, broken code, spoiled and unreadable files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.sample_class import spoil
from tests.sample_class.model import POINTS, Answers, Case, Spoil, code, none_of

_LOOP = code(
    """
    paso = 0
    while True:
        paso = paso + 1
    """
)
_FLOOD = code(
    """
    while True:
        print("¿por qué no para de escribir?")
    """
)
_HOG = code(
    """
    def reservar():
        # 256 bloques de 256 MiB, todos escritos: 64 GiB
        bloques = []
        for i in range(256):
            bloques.append(bytearray(b"x") * (256 * 1024 * 1024))
        return bloques

    guardados = reservar()
    """
)
_EXIT = code(
    """
    import sys

    sys.exit()
    """
)
_INPUT = 'nombre = input("¿Cómo te llamas? ")'
_BOOM = 'raise RuntimeError("aquí se para todo")'
_IMPORTS = "import matplotlib.pyplot as plt\nimport numpy as np\nimport torch"


@dataclass(frozen=True)
class Perfect:
    """A right way to do a whole assignment."""

    why: str
    answers: Answers
    spoil: tuple[Spoil, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What the common cases need to know of an assignment."""

    assignment: str
    perfect: Sequence[Perfect]
    """Right ways; the first one is what the other cases start from."""
    broken: Mapping[str, str]
    """The exercise whose solution cell each kind of broken code goes into, by kind."""
    endless: tuple[str, str]
    """An exercise that asks for a function, and the source of one that never returns."""
    takes_along: Mapping[str, Sequence[str]]
    """The exercises that cannot work without another one, by that one."""
    first_cell_survivors: Sequence[str]
    """The exercises that need nothing from the first code cell."""
    import_again: tuple[str, Sequence[str]]
    """Where a student imports again after a broken first cell, and what works from then on."""
    foreign: str
    """Another assignment, whose notebook is handed in under this one's name."""
    own: Sequence[Case]
    """The cases that only this assignment has."""

    @property
    def base(self) -> Answers:
        """The answers that the other cases start from."""
        return self.perfect[0].answers


def changed(assignment: str, base: Answers, **changes: str) -> Answers:
    """Answers with some replaced: ``lista="..."`` is the answer to ``tensores-lista``."""
    return {**base, **{f"{assignment}-{k.replace('_', '-')}": v for k, v in changes.items()}}


def cases_of(plan: Plan, foreign: Answers) -> tuple[Case, ...]:
    """All cases of an assignment; ``foreign``: the answers to ``plan.foreign``."""
    common = [*_right(plan), *_broken_code(plan), *_spoiled(plan), *_unreadable(plan, foreign)]
    return (*common, *plan.own)


def _right(plan: Plan) -> list[Case]:
    cases = [
        Case(f"perfecto-{number}", plan.assignment, way.why, way.answers, way.spoil)
        for number, way in enumerate(plan.perfect, start=1)
    ]
    nothing = none_of(plan.assignment)
    cases.append(Case("sin-tocar", plan.assignment, "The release as it is.", expected=nothing))
    return cases


def _broken_code(plan: Plan) -> list[Case]:
    cases: list[Case] = []

    def add(student: str, why: str, answer: str) -> None:
        grade_id = plan.broken[student]
        lost = (grade_id, *plan.takes_along.get(grade_id, ()))
        answers = {**plan.base, grade_id: answer}
        expected = dict.fromkeys(lost, 0.0)
        cases.append(Case(student, plan.assignment, why, answers, expected=expected))

    def right(student: str) -> str:
        return plan.base[plan.broken[student]]

    add(
        "error-de-sintaxis",
        "A bracket is missing in one cell: nothing of that cell runs.",
        right("error-de-sintaxis") + "\nprint('listo'",
    )
    add(
        "bucle-infinito",
        "A loop that never ends, before the answer: the cell is interrupted, the next ones run.",
        f"{_LOOP}\n\n{right('bucle-infinito')}",
    )
    add(
        "salida-sin-fin",
        "Output without end, before the answer.",
        f"{_FLOOD}\n\n{right('salida-sin-fin')}",
    )
    add(
        "memoria-sin-fin",
        "Takes 64 GiB in steps and writes to all of it, before the answer; the list is local, "
        "so the next cells have room once the cell has failed.",
        f"{_HOG}\n\n{right('memoria-sin-fin')}",
    )
    add(
        "sale-del-programa",
        "Leaves with sys.exit() before the answer.",
        f"{_EXIT}\n\n{right('sale-del-programa')}",
    )
    add(
        "pregunta-al-usuario",
        "Asks for keyboard input, which nobody can give, before the answer.",
        f"{_INPUT}\n\n{right('pregunta-al-usuario')}",
    )

    everything = plan.base[plan.broken["bucle-infinito"]]
    cases.append(
        Case(
            "bucle-al-final",
            plan.assignment,
            "The loop comes after the answer: what was assigned before it counts.",
            {**plan.base, plan.broken["bucle-infinito"]: f"{everything}\n\n{_LOOP}"},
        )
    )
    endless, source = plan.endless
    cases.append(
        Case(
            "funcion-que-no-acaba",
            plan.assignment,
            "A function that never returns: only its own exercise is lost.",
            {**plan.base, endless: source},
            expected={endless: 0.0},
        )
    )
    cases.append(
        Case(
            "excepcion-al-principio",
            plan.assignment,
            "The first code cell raises before its imports: what needs them fails as well.",
            plan.base,
            (spoil.before_everything(_BOOM),),
            none_of(plan.assignment, *plan.first_cell_survivors),
        )
    )
    place, works = plan.import_again
    cases.append(
        Case(
            "importa-de-nuevo",
            plan.assignment,
            f"The first code cell raises, a cell before {place} imports again.",
            plan.base,
            (
                spoil.before_everything(_BOOM),
                spoil.extra_cell(place, _IMPORTS, "importar-de-nuevo"),
            ),
            none_of(plan.assignment, *works),
        )
    )
    return cases


def _spoiled(plan: Plan) -> list[Case]:
    """Right answers in a notebook that the student should not have changed: full points."""
    ids = tuple(POINTS[plan.assignment])
    kinds: list[tuple[str, str, Spoil]] = [
        ("celda-borrada", "One grade cell is deleted.", spoil.delete(ids[1])),
        ("celdas-borradas", "All grade cells are deleted.", spoil.delete()),
        (
            "comprobacion-editada",
            "Every visible check is replaced by a print.",
            spoil.edit_checks("print('ok')"),
        ),
        (
            "comprobacion-a-cien",
            "Every visible check is replaced by 100.",
            spoil.edit_checks("100"),
        ),
        ("mil-puntos", "Every grade cell says 1000 points.", spoil.change_metadata(points=1000)),
        ("sin-candado", "No grade cell is locked.", spoil.change_metadata(locked=False)),
        ("otro-nombre", "A grade cell has another grade_id.", spoil.rename(ids[0], "mi-nota")),
        ("sin-metadatos", "The grade cells have no nbgrader metadata.", spoil.strip_metadata),
        (
            "celda-propia",
            "An answer stands in a cell of the student's own, its solution cell is deleted.",
            spoil.answer_elsewhere(ids[1]),
        ),
        ("celdas-duplicadas", "An exercise's cells are there twice.", spoil.duplicate(ids[0])),
        ("cuaderno-de-mas", "There is a second notebook.", spoil.extra_notebook),
        ("formato-antiguo", "The notebook is saved in nbformat 3.", spoil.old_format),
        ("otro-nucleo", "The notebook names a kernel of another language.", spoil.other_kernel),
    ]
    return [
        Case(student, plan.assignment, f"{why} The answers are right.", plan.base, (change,))
        for student, why, change in kinds
    ]


def _unreadable(plan: Plan, foreign: Answers) -> list[Case]:
    """Nothing of this assignment can be read: 0 in every grade cell."""
    kinds: list[tuple[str, str, Spoil]] = [
        ("sin-cuaderno", "The folder holds another file only.", spoil.only_another_file),
        (
            "cuaderno-ajeno",
            f"The notebook of {plan.foreign} under this name.",
            spoil.foreign_notebook(plan.foreign, foreign),
        ),
        ("json-cortado", "The file ends in the middle.", spoil.truncated),
        (
            "no-es-json",
            "The file is a text, no JSON.",
            spoil.file_of(b"Mis respuestas:\n1) s\xc3\xad\n"),
        ),
        ("json-de-otra-cosa", "The file is JSON, no notebook.", spoil.file_of(b'["cells", 4.5]\n')),
        ("archivo-vacio", "The file is empty.", spoil.file_of(b"")),
        ("no-es-utf8", "The file is not UTF-8.", spoil.not_utf8),
        (
            "enlace",
            "A symbolic link to another student's notebook is no submission.",
            spoil.linked_to("../../perfecto-1/{assignment}/{assignment}.ipynb"),
        ),
        (
            "enlace-roto",
            "A symbolic link to nothing.",
            spoil.linked_to("../no-existe/{assignment}.ipynb"),
        ),
        ("enorme", "An output of 50 MB: too large a file to be read.", spoil.huge),
    ]
    nothing = none_of(plan.assignment)
    return [
        Case(student, plan.assignment, why, plan.base, (change,), nothing)
        for student, why, change in kinds
    ]
