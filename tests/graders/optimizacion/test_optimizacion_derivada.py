"""Graders of ``optimizacion-derivada``: x, Y = 5x², y = ΣY and the derivative in ``x.grad``.

``x``, ``Y`` and ``y`` are judged by their values; a graph that was cut shows in ``x.grad``.
"""

from typing import NoReturn

import pytest
import torch

from autograder.grading import Submission, TensorValue, close, fail
from solutions import optimizacion as reference

LESSON = "Repasa «La derivada de una función»."


def _points(submission: Submission) -> torch.Tensor:
    """The student's own x in float64."""
    x = submission.tensor("x")
    if x.dtype.is_complex or len(x.shape) != 1 or not 2 <= x.shape[0] <= 10_000:
        fail(
            "No se puede comprobar: `x` no es una fila de puntos.",
            "Corrige primero `x`.",
            "wrong-shape",
        )
    return x.tensor.to(torch.float64)


@pytest.mark.grade_cell("optimizacion-derivada", weight=1)
def test_x(submission: Submission) -> None:
    """`x` son 21 puntos entre −4 y 4 que requieren gradiente."""
    x = submission.tensor("x")
    right = reference.points()
    if x.shape != tuple(right.shape):
        fail(
            f"`x` tiene forma {x.shape}; se pedía {tuple(right.shape)}.",
            "Son 21 puntos, contando los dos extremos. Repasa «La derivada de una función».",
            "wrong-shape",
        )
    if not x.dtype.is_floating_point:
        fail(
            f"`x` es de tipo {x.dtype}; solo un tensor decimal puede requerir gradiente.",
            "Crea los puntos con números decimales.",
            "wrong-dtype",
        )
    if not close(x.tensor, right):
        fail(
            "Los puntos de `x` no están repartidos por igual entre −4 y 4.",
            f"Busca la función que reparte puntos entre dos extremos. {LESSON}",
            "wrong-values",
        )
    if not x.requires_grad:
        fail(
            "`x` no requiere gradiente.",
            "Indícalo al crearlo, con `requires_grad`. Repasa el cuaderno «Gradientes».",
            "requires-grad-missing",
        )
    if not x.is_leaf:
        fail(
            "`x` es el resultado de una operación, así que `x.grad` quedará vacío.",
            "Pide el gradiente sobre el tensor ya terminado. Repasa el cuaderno «Gradientes».",
            "non-leaf",
        )


@pytest.mark.grade_cell("optimizacion-derivada", weight=1)
def test_funcion(submission: Submission) -> None:
    """`Y` es 5x² en cada punto de `x`."""
    value = submission.tensor("Y")
    x = _points(submission)
    right = reference.square(x)
    if close(value.tensor, right):
        return
    if value.shape != tuple(right.shape):
        fail(
            f"`Y` tiene forma {value.shape}; tiene que haber un valor por cada punto de `x`.",
            "`Y` es la función en cada punto; la suma se guarda en `y`, con minúscula.",
            "wrong-shape",
        )
    if close(value.tensor, (5 * x) ** 2) or close(value.tensor, x**2):
        fail(
            "El factor 5 de `Y` no está donde debe.",
            "El cuadrado afecta solo a x, y el resultado se multiplica por 5.",
            "wrong-function",
        )
    if close(value.tensor, reference.square_derivative(x)):
        fail("`Y` es la derivada, no la función.", "Guarda en `Y` 5x².", "wrong-function")
    fail("`Y` no es 5x² en los puntos de tu `x`.", LESSON, "wrong-values")


@pytest.mark.grade_cell("optimizacion-derivada", weight=2)
def test_suma(submission: Submission) -> None:
    """`y` es la suma de los valores de `Y`."""
    y = submission.tensor("y")
    if y.tensor.numel() != 1:
        fail(
            f"`y` tiene forma {y.shape}; tiene que ser un solo número.",
            "Suma todos los valores de `Y`. Repasa «La derivada de una función».",
            "wrong-shape",
        )
    own: list[torch.Tensor] = []
    if submission.has("Y"):
        value = submission.value("Y")
        if isinstance(value, TensorValue) and value.tensor.numel() and not value.dtype.is_complex:
            own.append(value.tensor.to(torch.float64))
    if not own:
        own.append(reference.square(_points(submission)))
    actual = y.tensor.reshape(())
    if close(actual, own[0].sum()):
        return
    if close(actual, own[0].mean()):
        fail(
            "`y` es la media de `Y`, no su suma.",
            "Con la media, cada derivada queda dividida por el número de puntos.",
            "mean-for-sum",
        )
    fail(
        "`y` no es la suma de los valores de tu `Y`.",
        f"Si has cambiado `Y` después, vuelve a calcular `y`. {LESSON}",
        "wrong-values",
    )


@pytest.mark.grade_cell("optimizacion-derivada", weight=3)
def test_grad(submission: Submission) -> None:
    """`x.grad` es la derivada de 5x²: 10x."""
    x = submission.tensor("x")
    points = _points(submission)
    if x.grad is None:
        _explain_missing(submission, x)
    actual, right = x.grad.tensor, reference.square_derivative(points)
    if close(actual, right):
        return
    count = points.numel()
    for times in range(2, 11):
        if close(actual, right * times):
            fail(
                f"`x.grad` es {times} veces la derivada: se ha acumulado.",
                "Cada `backward()` suma al gradiente que ya había. Ejecuta el cuaderno desde el "
                "principio y retropropaga una sola vez. Repasa el cuaderno «Gradientes».",
                "backward-twice",
            )
    if close(actual, right / count):
        fail(
            "`x.grad` es la derivada de la media, no la de la suma.",
            "Retropropaga la suma de `Y`: así cada punto recibe su propia derivada.",
            "mean-for-sum",
        )
    if close(actual, torch.ones_like(right)):
        fail(
            "`x.grad` es la derivada respecto a `Y`, no respecto a `x`.",
            f"Lo que varía es `x`. {LESSON}",
            "gradient-of-wrong-variable",
        )
    if close(actual, -right):
        fail("`x.grad` tiene el signo contrario.", LESSON, "wrong-sign")
    others = (points * 2, points * 50, points * 5, torch.full_like(points, 10.0))
    if any(close(actual, other) for other in others):
        fail(
            "`x.grad` es la derivada de otra función.",
            "Comprueba la expresión de `Y`: 5x².",
            "derivative-of-wrong-function",
        )
    if close(actual.abs(), right.abs()):
        fail(
            "En parte de los puntos, `x.grad` tiene el signo contrario.",
            f"No escribas los valores a mano: retropropaga `y`. {LESSON}",
            "typed-values",
        )
    fail(
        "`x.grad` no es la derivada de 5x² en los puntos de tu `x`.",
        f"No escribas los valores a mano: retropropaga `y`. {LESSON}",
        "wrong-values",
    )


def _explain_missing(submission: Submission, x: TensorValue) -> NoReturn:
    """Fail and say why there is no ``x.grad``."""
    if not x.requires_grad:
        fail(
            "`x` no requiere gradiente, así que `x.grad` no existe.",
            "Pide el gradiente al crear `x`. Repasa el cuaderno «Gradientes».",
            "requires-grad-missing",
        )
    if not x.is_leaf:
        fail(
            "`x` es el resultado de una operación: PyTorch no guarda su gradiente.",
            "Pide el gradiente sobre el tensor ya terminado. Repasa el cuaderno «Gradientes».",
            "non-leaf",
        )
    for name in ("Y", "y"):
        value = submission.value(name) if submission.has(name) else None
        if isinstance(value, TensorValue) and not value.requires_grad:
            fail(
                f"`x.grad` está vacío, porque `{name}` no recuerda que viene de `x`.",
                "`requires_grad` tiene que estar puesto antes de calcular, y sin `detach` por "
                "medio. Repasa el cuaderno «Gradientes».",
                "requires-grad-late" if name == "Y" else "detached-early",
            )
    fail(
        "`x.grad` está vacío: falta retropropagar.",
        f"Llama a `backward()` desde `y`. {LESSON}",
        "no-backward",
    )
