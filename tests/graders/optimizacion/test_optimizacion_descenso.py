"""Graders of ``optimizacion-descenso``: ``minimize(f, x0, lr, steps)``."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

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
KEEP_A_COPY = (
    "Si guardas siempre el mismo tensor y lo cambias en el sitio, cambian todos los guardados: "
    "guarda una copia en cada paso."
)

RAISED: tuple[tuple[str, str, str], ...] = (
    ("does not require grad", "Lo que retropropagas no viene de un tensor que requiera gradiente.",
     "no-graph"),
    ("a leaf Variable that requires grad", "Da el paso fuera del grafo, o crea un tensor nuevo.",
     "in-place"),
    ("a second time", "Vuelve a evaluar `f` en cada paso: el grafo se libera al retropropagar.",
     "backward-twice"),
    ("Can't call numpy()", "Separa el tensor de su grafo antes de convertirlo.", "not-detached"),
    ("NoneType", "`.grad` está vacío: solo lo tienen las hojas que requieren gradiente, después "
     "de retropropagar.", "no-gradient"),
    ("'function' object has no attribute", "Comprueba el orden de los argumentos.",
     "swapped-arguments"),
    ("object has no attribute", "`f` y `derivative` reciben un tensor, no un número de Python.",
     "number-for-tensor"),
    ("must be Tensor, not", "`f` y `derivative` reciben un tensor, no un número de Python.",
     "number-for-tensor"),
    ("as element 0 in argument 0", "Solo se unen tensores: con números usa `torch.tensor`.",
     "numbers-stacked"),
    ("cannot be concatenated", "Los valores no tienen dimensiones: únelos con `torch.stack`.",
     "cat-for-stack"),
    ("NameError", "Usa un nombre que no existe dentro de la función.", "undefined-name"),
    ("UnboundLocalError", "Usa un nombre antes de darle un valor.", "undefined-name"),
    ("required positional argument", "Falta un argumento en alguna llamada.", "wrong-arguments"),
    ("0-d", "`x0` es un solo número, sin dimensiones.", "hard-coded-shape"),
    ("0-dim", "`x0` es un solo número, sin dimensiones.", "hard-coded-shape"),
    ("IndexError", "El número de valores depende de `steps`.", "hard-coded-shape"),
)  # fmt: skip
"""What an exception says, what to look at then, and the diagnosis; the first that fits counts."""


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
    distances = random.uniform(0.8, 1.6), random.uniform(0.8, 1.6), random.uniform(4, 9)
    dtypes = torch.float32, torch.float64, torch.float32
    steps = random.sample(range(3, 10), 3)
    return [
        _Task(
            Expression(source),
            torch.tensor(c + random.choice([-1, 1]) * distance, dtype=dtype),
            round(random.uniform(0.03, 0.09), 3),
            number,
        )
        for source, distance, dtype, number in zip(sources, distances, dtypes, steps, strict=True)
    ]


def _call(submission: Submission, task: _Task) -> Call:
    """Call ``minimize``; when it raises, say what the exercise demands of it."""
    try:
        return submission.call("minimize", task.f, task.x0, task.lr, task.steps)
    except NotAttempted:
        raise
    except CheckFailed as error:
        if error.diagnosis != "exception":
            raise
        said = error.detail.partition("\ncall: ")[0]
        default = (
            "",
            "`x0` es un tensor sin dimensiones que no requiere gradiente.",
            "exception",
        )
        _, hint, diagnosis = next((one for one in RAISED if one[0] in said), default)
        raise CheckFailed(error.message, f"{hint} {LESSON}", diagnosis, error.detail) from error


def _ask(submission: Submission, task: _Task) -> tuple[Call, torch.Tensor]:
    """The call and the iterates, in the right number; fails otherwise and says why."""
    call = _call(submission, task)
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
    if actual.shape != (task.steps + 1,):
        _explain_shape(actual, task)
    if not actual.dtype.is_floating_point:
        fail(
            f"El resultado es de tipo {actual.dtype}; los valores tienen decimales.",
            "Comprueba con qué tipo creas el tensor de los valores.",
            "wrong-dtype",
        )
    return call, actual


def _explain_shape(actual: torch.Tensor, task: _Task) -> NoReturn:
    """Fail and say which values are missing or too many."""
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
    if actual.shape == (task.steps + 2,):
        fail(
            "El resultado tiene un valor de más.",
            "Son el punto de partida y uno más por paso, y cada uno se guarda una sola vez.",
            "extra-step",
        )
    fail(
        "El resultado no tiene `steps` + 1 valores en una sola dimensión.",
        "Son el punto de partida y uno más por paso.",
        "wrong-shape",
    )


def _check_steps(submission: Submission, task: _Task) -> Call:
    """Fail, naming the mistake, unless all iterates are right; the call otherwise."""
    call, actual = _ask(submission, task)
    if not close(actual, task.right()):
        _explain(task, actual)
    return call


def _explain(task: _Task, actual: torch.Tensor) -> NoReturn:
    """Fail and say what the iterates are taken for."""
    for mistake in MISTAKES:
        if close(actual, mistake.values(task)):
            fail(mistake.message, f"{mistake.hint} {LESSON}", mistake.diagnosis)
    if bool((actual == actual[-1]).all()):
        fail("Todos los valores del resultado son iguales.", KEEP_A_COPY, "aliased-iterates")
    right = task.right()
    apart = float((actual - right).abs().max())
    if apart <= 0.05 * float((right - right[0]).abs().max()):
        fail(
            "Los valores se parecen a los del descenso, pero no son exactos.",
            f"Calcula la pendiente con autograd, y no redondees los valores. {LESSON}",
            "approximate-slope",
        )
    fail(
        "Los valores no son los del descenso por el gradiente.",
        f"Cada valor se obtiene del anterior, la pendiente en él y `lr`. {LESSON}",
        "wrong-values",
    )


@dataclass(frozen=True)
class _Mistake:
    """A usual mistake: the values that come of it, and what to say of it."""

    diagnosis: str
    message: str
    hint: str
    values: Callable[[_Task], torch.Tensor]


def _walk(
    task: _Task, move: Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor]
) -> torch.Tensor:
    """The iterates, in float64, when each comes from the one before, the slope there, its number."""
    values = [task.x0.to(torch.float64)]
    for number in range(task.steps):
        slope = reference.derivative(task.f.function, values[-1])
        values.append(move(values[-1], slope, number))
    return torch.stack(values)


def _accumulating(task: _Task) -> torch.Tensor:
    """The iterates when the gradients of all steps add up."""
    total = torch.zeros((), dtype=torch.float64)

    def move(x: torch.Tensor, slope: torch.Tensor, _: int) -> torch.Tensor:
        total.add_(slope)
        return x - task.lr * total

    return _walk(task, move)


def _from_start(task: _Task) -> torch.Tensor:
    """The iterates when each step begins at ``x0``, with the slope where the last one ended."""
    return _walk(task, lambda x, slope, _: task.x0 - task.lr * slope)


def _first_slope(task: _Task) -> torch.Tensor:
    """The iterates when the slope is that of the start at each step."""
    first = reference.derivative(task.f.function, task.x0.to(torch.float64))
    return _walk(task, lambda x, slope, _: x - task.lr * first)


def _optimizer(
    kind: Callable[..., torch.optim.Optimizer], **options: float
) -> Callable[[_Task], torch.Tensor]:
    """The iterates of one of torch's optimizers."""

    def values(task: _Task) -> torch.Tensor:
        x = task.x0.detach().to(torch.float64).requires_grad_()
        optimizer = kind([x], lr=task.lr, **options)
        found = [x.detach().clone()]
        for _ in range(task.steps):
            optimizer.zero_grad()
            task.f.function(x).backward()
            optimizer.step()
            found.append(x.detach().clone())
        return torch.stack(found)

    return values


def _of_parabola(task: _Task) -> torch.Tensor:
    """The iterates of a descent on 5x²."""
    start = task.x0.to(torch.float64)
    return reference.minimize(reference.square, start, task.lr, task.steps)


_OTHER_OPTIMIZER = (
    "other-optimizer",
    "Los pasos son los de otro optimizador, no los del descenso de gradiente.",
    "Cada paso es `lr` por la pendiente, sin inercia ni tasas que se adapten.",
)

MISTAKES: tuple[_Mistake, ...] = (
    _Mistake(
        "never-moves",
        NEVER_MOVES,
        "Calcula la pendiente con autograd y da un paso con ella.",
        lambda task: task.x0.expand(task.steps + 1),
    ),
    _Mistake(
        "wrong-sign",
        "El resultado sube por la pendiente en lugar de bajar.",
        "El gradiente apunta hacia donde la función crece: hay que ir en sentido contrario.",
        lambda task: _walk(task, lambda x, slope, _: x + task.lr * slope),
    ),
    _Mistake(
        "learning-rate-forgotten",
        "Los pasos no tienen en cuenta `lr`.",
        "Cada paso es `lr` veces la pendiente.",
        lambda task: _walk(task, lambda x, slope, _: x - slope),
    ),
    _Mistake(
        "learning-rate-changed",
        "Los pasos usan una tasa que disminuye, no siempre `lr`.",
        "La tasa es la misma en todos los pasos.",
        lambda task: _walk(task, lambda x, slope, k: x - task.lr / (k + 1) * slope),
    ),
    _Mistake(
        "learning-rate-typed",
        "Los pasos usan siempre una tasa de 0.1.",
        "Usa el argumento `lr`.",
        lambda task: _walk(task, lambda x, slope, _: x - 0.1 * slope),
    ),
    _Mistake(
        "slope-forgotten",
        "Los pasos no tienen en cuenta la pendiente.",
        "Cada paso es `lr` veces la pendiente.",
        lambda task: _walk(task, lambda x, slope, _: x - task.lr),
    ),
    _Mistake(
        "grad-not-zeroed",
        "Los gradientes de todos los pasos se acumulan.",
        "`backward()` suma al gradiente que ya había: ponlo a cero en cada paso.",
        _accumulating,
    ),
    _Mistake(
        "backward-twice",
        "Cada paso mide el doble de lo que debe.",
        "`backward()` suma al gradiente que ya había: llámalo una vez en cada paso.",
        lambda task: _walk(task, lambda x, slope, _: x - 2 * task.lr * slope),
    ),
    _Mistake(
        "slope-not-updated",
        "La pendiente es siempre la del punto de partida.",
        "Vuelve a calcularla en cada valor nuevo.",
        _first_slope,
    ),
    _Mistake(
        "always-from-start",
        "Cada paso sale de `x0`, no del último valor.",
        "El valor nuevo se obtiene del anterior.",
        _from_start,
    ),
    _Mistake(
        "always-from-start",
        "El primer paso se repite desde `x0` una y otra vez.",
        "El valor nuevo se obtiene del anterior.",
        lambda task: task.right()[[0] + [1] * task.steps],
    ),
    _Mistake(
        "function-for-derivative",
        "Los pasos usan el valor de la función, no su pendiente.",
        "Hay que derivar `f`.",
        lambda task: _walk(task, lambda x, slope, _: x - task.lr * task.f.function(x)),
    ),
    _Mistake(
        "sign-for-slope",
        "Los pasos miden todos lo mismo, como si solo contara el signo de la pendiente.",
        "Cada paso es proporcional a la pendiente.",
        lambda task: _walk(task, lambda x, slope, _: x - task.lr * torch.sign(slope)),
    ),
    _Mistake(
        "wrong-operator",
        "Los pasos dividen `lr` entre la pendiente.",
        "Cada paso es `lr` veces la pendiente.",
        lambda task: _walk(task, lambda x, slope, _: x - task.lr / slope),
    ),
    _Mistake(
        "wrong-operator",
        "Los pasos suman `lr` y la pendiente.",
        "Cada paso es `lr` veces la pendiente.",
        lambda task: _walk(task, lambda x, slope, _: x - (task.lr + slope)),
    ),
    _Mistake(
        "wrong-operator",
        "Cada valor cambia de signo respecto al anterior.",
        "Al valor anterior se le resta `lr` veces la pendiente, y no al revés.",
        lambda task: _walk(task, lambda x, slope, _: task.lr * slope - x),
    ),
    _Mistake(
        "position-forgotten",
        "Cada valor es solo el paso, sin el valor anterior.",
        "Resta el paso al valor anterior.",
        lambda task: _walk(task, lambda x, slope, _: task.lr * slope),
    ),
    _Mistake(
        "position-forgotten",
        "Cada valor es solo el paso, sin el valor anterior.",
        "Resta el paso al valor anterior.",
        lambda task: _walk(task, lambda x, slope, _: -task.lr * slope),
    ),
    _Mistake(
        "wrong-function",
        "El descenso es siempre el de 5x².",
        "Usa el argumento `f`: la función puede ser cualquiera.",
        _of_parabola,
    ),
    _Mistake(
        "start-twice",
        "El resultado empieza dos veces con `x0` y le falta el último valor.",
        "Guarda cada valor después de dar el paso.",
        lambda task: task.right()[[0, *range(task.steps)]],
    ),
    _Mistake(*_OTHER_OPTIMIZER, _optimizer(torch.optim.Adam)),
    _Mistake(*_OTHER_OPTIMIZER, _optimizer(torch.optim.RMSprop)),
    _Mistake(*_OTHER_OPTIMIZER, _optimizer(torch.optim.SGD, momentum=0.9)),
)


@pytest.mark.grade_cell("optimizacion-descenso", weight=2)
def test_inicio(submission: Submission) -> None:
    """`minimize` devuelve `steps` + 1 valores, empieza en `x0` y se mueve."""
    for task in _tasks(submission):
        _, actual = _ask(submission, task)
        if not close(actual[0], task.x0):
            _explain_start(task, actual)
        if bool((actual == actual[0]).all()):
            fail(
                NEVER_MOVES,
                f"Calcula la pendiente con autograd y da un paso con ella. {LESSON}",
                "never-moves",
            )


def _explain_start(task: _Task, actual: torch.Tensor) -> NoReturn:
    """Fail and say what the result begins with instead of ``x0``."""
    message = "El primer valor del resultado no es `x0`."
    right = task.right()
    if bool((actual == actual[-1]).all()):
        fail(message, KEEP_A_COPY, "aliased-iterates")
    if close(actual.flip(0), right):
        fail(
            "Los valores del resultado están en orden inverso.",
            f"El primero es `x0` y el último, aquel al que llega. {LESSON}",
            "reversed",
        )
    if close(actual, task.f.function(right)):
        fail(
            "El resultado son los valores de `f`, no los puntos por los que pasa.",
            f"Guarda cada punto, no lo que vale la función en él. {LESSON}",
            "values-of-function",
        )
    fail(message, "Guarda el punto de partida antes de dar el primer paso.", "missing-start")


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
