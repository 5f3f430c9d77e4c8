"""Graders of ``optimizacion-descenso``: ``minimize(f, x0, lr, steps)``."""

from dataclasses import dataclass

import pytest
import torch

from autograder.grading import (
    Call,
    CheckFailed,
    Expression,
    NotAttempted,
    Submission,
    TensorValue,
    close,
    fail,
)
from solutions import optimizacion as reference

LESSON = "Repasa «Descenso de gradiente»."


NEVER_MOVES = "El resultado no se mueve de `x0`, aunque la pendiente no es cero."


@dataclass(frozen=True)
class _Task:
    """A descent that converges, from where the slope is not 0."""

    f: Expression
    x0: torch.Tensor
    lr: float
    steps: int

    def right(self) -> torch.Tensor:
        return reference.minimize(self.f.function, self.x0.to(torch.float64), self.lr, self.steps)


def _tasks(submission: Submission) -> list[_Task]:
    """Three descents: on a parabola, on a quartic and on one that is no polynomial."""
    random = submission.random
    a, c = random.choice([1, 2, 3]), random.choice([-3, -2, -1, 1, 2])
    sources = [
        f"lambda t: {a} * (t - {c}) ** 2 + {a + 4}",
        f"lambda t: 0.25 * (t - {c}) ** 4 + 0.5 * t ** 2",
        f"lambda t: torch.log(1 + (t - {c}) ** 2) + {a} * 0.1 * t ** 2",
    ]
    return [
        _Task(
            Expression(source),
            torch.tensor(c + random.choice([-1, 1]) * random.uniform(0.8, 1.6), dtype=dtype),
            round(random.uniform(0.03, 0.09), 3),
            random.randint(4, 9),
        )
        for source, dtype in zip(
            sources, (torch.float32, torch.float64, torch.float32), strict=True
        )
    ]


def _ask(submission: Submission, task: _Task) -> tuple[Call, torch.Tensor]:
    """The call and the iterates, in the right number; fails otherwise and says why."""
    call = submission.call("minimize", task.f, task.x0, task.lr, task.steps)
    if call.value is None:
        fail(
            "`minimize` no devuelve nada.",
            "Devuelve con `return` el tensor de todos los valores por los que pasa.",
            "returns-nothing",
        )
    if isinstance(call.value, list | tuple):
        fail(
            "`minimize` devuelve una lista, no un tensor.",
            "Reúne los valores en un tensor antes de devolverlos.",
            "wrong-type",
        )
    actual = submission.as_tensor(call.value, "El resultado de `minimize`").tensor
    if actual.shape == (task.steps + 1,):
        return call, actual
    if actual.numel() == 1:
        fail(
            "`minimize` devuelve solo un valor.",
            "Se piden todos los valores por los que pasa, desde `x0` hasta el último.",
            "last-only",
        )
    if actual.shape == (task.steps,):
        starts = close(actual[0], task.x0)
        fail(
            "Al resultado le falta el último valor." if starts else "Al resultado le falta `x0`.",
            "Son el punto de partida y uno más por paso.",
            "missing-last" if starts else "missing-start",
        )
    fail(
        "El resultado no tiene `steps` + 1 valores en una sola dimensión.",
        "Son el punto de partida y uno más por paso.",
        "wrong-shape",
    )


def _check_steps(submission: Submission, task: _Task) -> Call:
    """Fail, naming the mistake, unless all iterates are right; the call otherwise."""
    call, actual = _ask(submission, task)
    right = task.right()
    if close(actual, right):
        return call
    for diagnosis, wrong in _mistakes(task).items():
        if close(actual, wrong):
            message, hint = MISTAKES[diagnosis]
            fail(message, f"{hint} {LESSON}", diagnosis)
    if close(actual, task.x0.expand(actual.shape)):
        fail(
            NEVER_MOVES,
            f"Calcula la pendiente con autograd y da un paso con ella. {LESSON}",
            "never-moves",
        )
    if bool((actual == actual[-1]).all()):
        fail(
            "Todos los valores del resultado son iguales.",
            "Si guardas siempre el mismo tensor y lo cambias en el sitio, cambian todos los "
            "guardados: guarda una copia en cada paso.",
            "aliased-iterates",
        )
    fail(
        "Los valores no son los del descenso por el gradiente.",
        f"Cada valor se obtiene del anterior, la pendiente en él y `lr`. {LESSON}",
        "wrong-values",
    )


MISTAKES = {
    "wrong-sign": (
        "El resultado sube por la pendiente en lugar de bajar.",
        "El gradiente apunta hacia donde la función crece: hay que ir en sentido contrario.",
    ),
    "learning-rate-forgotten": (
        "Los pasos no tienen en cuenta `lr`.",
        "Cada paso es `lr` veces la pendiente.",
    ),
    "grad-not-zeroed": (
        "Los gradientes de todos los pasos se acumulan.",
        "`backward()` suma al gradiente que ya había: ponlo a cero en cada paso.",
    ),
    "slope-not-updated": (
        "La pendiente es siempre la del punto de partida.",
        "Vuelve a calcularla en cada valor nuevo.",
    ),
    "function-for-derivative": (
        "Los pasos usan el valor de la función, no su pendiente.",
        "Hay que derivar `f`.",
    ),
    "sign-for-slope": (
        "Los pasos miden todos lo mismo, como si solo contara el signo de la pendiente.",
        "Cada paso es proporcional a la pendiente.",
    ),
}
"""The usual mistakes by diagnosis: what to say, and what to look at."""


def _mistakes(task: _Task) -> dict[str, torch.Tensor]:
    """The iterates of each usual mistake, by diagnosis."""
    f, start = task.f.function, task.x0.to(torch.float64)
    found: dict[str, list[torch.Tensor]] = {diagnosis: [start] for diagnosis in MISTAKES}
    first, total = reference.derivative(f, start), torch.zeros_like(start)
    for _ in range(task.steps):
        for diagnosis, values in found.items():
            x = values[-1]
            slope = reference.derivative(f, x)
            if diagnosis == "grad-not-zeroed":
                total = total + slope
            step = {
                "wrong-sign": -task.lr * slope,
                "learning-rate-forgotten": slope,
                "grad-not-zeroed": task.lr * total,
                "slope-not-updated": task.lr * first,
                "function-for-derivative": task.lr * f(x),
                "sign-for-slope": task.lr * torch.sign(slope),
            }[diagnosis]
            values.append(x - step)
    return {diagnosis: torch.stack(values) for diagnosis, values in found.items()}


@pytest.mark.grade_cell("optimizacion-descenso", weight=2)
def test_inicio(submission: Submission) -> None:
    """`minimize` devuelve `steps` + 1 valores, empieza en `x0` y se mueve."""
    for task in _tasks(submission):
        try:
            _, actual = _ask(submission, task)
        except NotAttempted:
            raise
        except CheckFailed as error:
            if error.diagnosis != "exception":
                raise
            raise CheckFailed(
                error.message,
                "`x0` puede ser un número o un tensor sin dimensiones que no requiere gradiente. "
                f"{LESSON}",
                "exception",
                error.detail,
            ) from error
        if not close(actual[0], task.x0):
            aliased = bool((actual == actual[-1]).all())
            fail(
                "El primer valor del resultado no es `x0`.",
                "Si guardas siempre el mismo tensor y lo cambias en el sitio, cambian todos los "
                "guardados: guarda una copia en cada paso."
                if aliased
                else "Guarda el punto de partida antes de dar el primer paso.",
                "aliased-iterates" if aliased else "missing-start",
            )
        if bool((actual == actual[0]).all()):
            fail(
                NEVER_MOVES,
                f"Calcula la pendiente con autograd y da un paso con ella. {LESSON}",
                "never-moves",
            )


@pytest.mark.grade_cell("optimizacion-descenso", weight=3)
def test_pasos(submission: Submission) -> None:
    """Cada valor se obtiene del anterior bajando por la pendiente."""
    for task in _tasks(submission):
        _check_steps(submission, task)


@pytest.mark.grade_cell("optimizacion-descenso", weight=1)
def test_intacto(submission: Submission) -> None:
    """`minimize` acierta y deja `x0` como estaba."""
    task = _tasks(submission)[0]
    call = _check_steps(submission, task)
    after = call.args[1] if len(call.args) > 1 else None
    hint = "Empieza con una copia de `x0` separada de su grafo, y no uses `-=` sobre `x0`."
    if not isinstance(after, TensorValue) or not close(after.tensor, task.x0):
        fail("`minimize` cambia el valor de `x0`.", hint, "in-place")
    if after.requires_grad or after.grad is not None:
        fail("`minimize` deja `x0` con gradiente.", hint, "grad-changed")
