"""Graders of ``optimizacion-derivada-general``: ``derivative(f, x)`` for any f and x."""

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

LESSON = "Repasa «Derivadas en general»."


def _polynomial(submission: Submission) -> Expression:
    """A random cubic without a constant slope."""
    a, b, c = (submission.random.choice([-3, -2, 2, 3, 4]) for _ in range(3))
    return Expression(f"lambda t: {a} * t ** 3 + {b} * t ** 2 + {c} * t + {a - b}")


def _others(submission: Submission) -> list[Expression]:
    """Functions that are no polynomials; defined and smooth everywhere."""
    k = submission.random.randint(2, 4)
    sources = [
        f"lambda t: torch.sin({k} * t) + t",
        f"lambda t: torch.exp(-t / {k}) * t",
        f"lambda t: torch.sigmoid({k} * t) * {k}",
        f"lambda t: torch.log(1 + t ** 2) - torch.tanh(t / {k})",
        f"lambda t: (t + {k}) / (1 + t ** 2)",
    ]
    return [Expression(source) for source in submission.random.sample(sources, 3)]


def _x(submission: Submission, *shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    values = torch.rand(shape, generator=submission.generator, dtype=torch.float64)
    return (values * 4 - 2).to(dtype)


def _ask(submission: Submission, f: Expression, x: torch.Tensor) -> Call:
    """Call ``derivative``; when it raises, say what the exercise demands of it."""
    try:
        return submission.call("derivative", f, x)
    except NotAttempted:
        raise
    except CheckFailed as error:
        if error.diagnosis != "exception":
            raise
        hint = (
            "Solo se retropropaga desde un único número: la suma de los valores sirve. Y no "
            f"separes el resultado de `f` del grafo. {LESSON}"
        )
        message = error.message
        if x.requires_grad and _works(submission, f, x):
            message = "`derivative` falla cuando `x` ya requiere gradiente."
            hint = "Trabaja con una copia de `x` separada de su grafo."
        raise CheckFailed(message, hint, "exception", error.detail) from error


def _works(submission: Submission, f: Expression, x: torch.Tensor) -> bool:
    """Whether ``derivative`` returns at all when ``x`` does not require grad."""
    try:
        submission.call("derivative", f, x.detach().clone())
    except CheckFailed:
        return False
    return True


def _check(submission: Submission, f: Expression, x: torch.Tensor) -> Call:
    """Fail, naming the mistake, unless the derivative is right; the call otherwise."""
    call = _ask(submission, f, x)
    if call.value is None:
        fail(
            "`derivative` no devuelve nada.",
            "Comprueba que termina en `return`, y que la copia de `x` de la que lees `.grad` es "
            "una hoja: `clone` sin `detach` no lo es.",
            "returns-nothing",
        )
    value = call.value
    if isinstance(value, tuple | list) and len(value) == 1:
        fail(
            "`derivative` devuelve una tupla con la derivada dentro.",
            "`torch.autograd.grad` devuelve una tupla: toma su primer elemento.",
            "tuple-returned",
        )
    actual = submission.as_tensor(value, "El resultado de `derivative`").tensor
    points = x.detach().to(torch.float64)
    right = reference.derivative(f.function, points)
    if close(actual, right):
        return call
    if actual.shape != right.shape:
        fail(
            "El resultado no tiene la forma de `x`.",
            "Hay una derivada por cada punto de `x`, sea cual sea su forma. " + LESSON,
            "wrong-shape",
        )
    if close(actual, right / right.numel()):
        fail(
            "El resultado es la derivada de la media.",
            "Con la media, cada derivada queda dividida por el número de puntos: usa la suma.",
            "mean-for-sum",
        )
    if close(actual, right * 2):
        fail(
            "El resultado es el doble de la derivada.",
            "Cada `backward()` suma al gradiente que ya había: hazlo una sola vez.",
            "backward-twice",
        )
    if close(actual, -right):
        fail("El resultado tiene el signo contrario.", LESSON, "wrong-sign")
    if close(actual, f.function(points)):
        fail(
            "El resultado es la función, no su derivada.",
            f"Falta derivar lo que devuelve `f`. {LESSON}",
            "function-for-derivative",
        )
    if close(actual, reference.square_derivative(points)):
        fail(
            "El resultado es siempre la derivada de 5x².",
            "Usa el argumento `f`: la función puede ser cualquiera.",
            "derivative-of-wrong-function",
        )
    if close(actual, torch.ones_like(right)):
        fail(
            "El resultado es la derivada respecto a otra variable.",
            "Deriva respecto a los puntos `x` en los que has evaluado `f`.",
            "gradient-of-wrong-variable",
        )
    fail(
        "El resultado no es la derivada de `f` en los puntos de `x`.",
        f"Pruébala con una función cuya derivada conozcas. {LESSON}",
        "wrong-values",
    )


@pytest.mark.grade_cell("optimizacion-derivada-general", weight=2)
def test_polinomio(submission: Submission) -> None:
    """`derivative` acierta con un polinomio."""
    for dtype in (torch.float32, torch.float64):
        x = _x(submission, submission.random.randint(4, 9), dtype=dtype)
        _check(submission, _polynomial(submission), x)


@pytest.mark.grade_cell("optimizacion-derivada-general", weight=2)
def test_otras(submission: Submission) -> None:
    """`derivative` acierta con otras funciones y con un `x` de dos dimensiones."""
    first, second, third = _others(submission)
    _check(submission, first, _x(submission, 5))
    _check(submission, second, _x(submission, 3, 4))
    _check(submission, third, _x(submission, 2, 3, dtype=torch.float64))


@pytest.mark.grade_cell("optimizacion-derivada-general", weight=1)
def test_con_grad(submission: Submission) -> None:
    """`derivative` acierta también si `x` ya requiere gradiente."""
    x = _x(submission, 6).requires_grad_()
    _check(submission, _others(submission)[0], x)


@pytest.mark.grade_cell("optimizacion-derivada-general", weight=1)
def test_intacto(submission: Submission) -> None:
    """`derivative` acierta y deja `x` como estaba."""
    f = _polynomial(submission)
    x = _x(submission, 5)
    _check_untouched(_check(submission, f, x), x)
    tracked = _x(submission, 5).requires_grad_()
    try:
        call = submission.call("derivative", f, tracked)
    except CheckFailed:  # judged by the check before
        return
    _check_untouched(call, tracked)


def _check_untouched(call: Call, x: torch.Tensor) -> None:
    """Compare ``x`` after the call with what it was."""
    hint = "Copia `x` separada de su grafo y deriva respecto a la copia."
    after = call.args[1] if len(call.args) > 1 else None
    if not isinstance(after, TensorValue) or not close(after.tensor, x.detach()):
        fail("`derivative` cambia los valores de `x`.", hint, "in-place")
    if after.requires_grad != x.requires_grad:
        fail("`derivative` cambia el `requires_grad` de `x`.", hint, "requires-grad-changed")
    if after.grad is not None:
        fail("`derivative` deja un gradiente en `x.grad`.", hint, "grad-changed")
