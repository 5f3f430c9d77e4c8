"""Graders of ``optimizacion-derivada``: x, Y = 5x², y = ΣY and the derivative in ``x.grad``.

``x``, ``Y`` and ``y`` are judged by their values; a graph that was cut shows in ``x.grad``.
"""

from collections.abc import Callable
from typing import NoReturn

import pytest
import torch

from autograder.grading import Submission, TensorValue, close, fail
from solutions import optimizacion as reference

LESSON = "Repasa «La derivada de una función»."

FUNCTIONS: tuple[tuple[str, Callable[[torch.Tensor], torch.Tensor]], ...] = (
    ("El factor 5 no está donde debe: el cuadrado afecta solo a x.", lambda x: (5 * x) ** 2),
    ("Falta el factor 5.", lambda x: x**2),
    ("Tiene el signo contrario.", lambda x: -5 * x**2),
    ("Es la derivada, no la función.", reference.square_derivative),
    ("Falta el cuadrado.", lambda x: 5 * x),
    ("El exponente no es 2.", lambda x: 5 * x**3),
    ("El exponente no es 2.", lambda x: 5 * x**4),
    ("La base y el exponente están cambiados.", lambda x: 5 * 2**x),
    ("Suma 5 en lugar de multiplicar por 5.", lambda x: 5 + x**2),
    ("Divide en lugar de multiplicar.", lambda x: 5 / x**2),
    ("Divide en lugar de multiplicar.", lambda x: x**2 / 5),
    ("Es el valor absoluto, no el cuadrado.", lambda x: 5 * x.abs()),
)
"""What ``Y`` is taken for: what to say of it, and the function."""

REDUCTIONS: tuple[tuple[str, Callable[[torch.Tensor], torch.Tensor]], ...] = (
    ("el mayor valor", torch.max),
    ("la mediana", torch.median),
    ("la norma", torch.linalg.vector_norm),
    ("el primer valor", lambda values: values.reshape(-1)[0]),
    ("el último valor", lambda values: values.reshape(-1)[-1]),
)
"""What ``y`` is taken for, besides the mean."""


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
        _explain_points(x.tensor, right)
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


def _explain_points(points: torch.Tensor, right: torch.Tensor) -> NoReturn:
    """Fail and say how the points differ from those asked for."""
    if close(points.flip(0), right):
        fail(
            "Los puntos de `x` van de 4 a −4.",
            f"El primero es −4 y el último, 4. {LESSON}",
            "wrong-order",
        )
    ends = points[[0, -1]]
    if not close(ends, right[[0, -1]]):
        fail(
            f"`x` va de {float(ends[0]):.4g} a {float(ends[1]):.4g}; se pedía de −4 a 4.",
            f"`torch.linspace` recibe los dos extremos y el número de puntos. {LESSON}",
            "wrong-range",
        )
    fail(
        "Los puntos de `x` no están repartidos por igual entre −4 y 4.",
        f"Busca la función que reparte puntos entre dos extremos. {LESSON}",
        "uneven-points",
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
    for told, function in FUNCTIONS:
        if close(value.tensor, function(x)):
            fail("`Y` no es 5x². " + told, f"Guarda en `Y` 5x². {LESSON}", "wrong-function")
    if _factor(value.tensor, right) is not None:
        fail(
            "`Y` es un múltiplo de x², pero su factor no es 5.",
            f"Guarda en `Y` 5x². {LESSON}",
            "wrong-function",
        )
    fail("`Y` no es 5x² en los puntos de tu `x`.", LESSON, "wrong-values")


def _factor(actual: torch.Tensor, right: torch.Tensor) -> float | None:
    """The number by which ``right`` must be multiplied to give ``actual``, if there is one."""
    if actual.shape != right.shape or not bool(right.any()):
        return None
    place = int(right.abs().argmax())
    factor = float(actual[place] / right[place])
    return factor if close(actual, right * factor) else None


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
    own, actual = _own_values(submission).to(torch.float64), y.tensor.reshape(())
    if close(actual, own.sum()):
        return
    if close(actual, own.mean()):
        fail(
            "`y` es la media de `Y`, no su suma.",
            "Con la media, cada derivada queda dividida por el número de puntos.",
            "mean-for-sum",
        )
    if close(actual, _points(submission).sum()):
        fail(
            "`y` vale lo mismo que la suma de `x`; se pedía la de `Y`.",
            f"Suma los valores de la función. {LESSON}",
            "sum-of-wrong-variable",
        )
    for told, reduction in REDUCTIONS:
        if close(actual, reduction(own)):
            fail(f"`y` es {told} de `Y`, no su suma.", f"Suma `Y`. {LESSON}", "wrong-reduction")
    fail(
        "`y` no es la suma de los valores de tu `Y`.",
        f"Si has cambiado `Y` después, vuelve a calcular `y`. {LESSON}",
        "wrong-values",
    )


def _own_values(submission: Submission) -> torch.Tensor:
    """The student's own Y, or 5x² at their x where there is none."""
    value = submission.value("Y") if submission.has("Y") else None
    if isinstance(value, TensorValue) and value.tensor.numel() and not value.dtype.is_complex:
        return value.tensor
    return reference.square(_points(submission))


@pytest.mark.grade_cell("optimizacion-derivada", weight=3)
def test_grad(submission: Submission) -> None:
    """`x.grad` es la derivada de 5x²: 10x."""
    x = submission.tensor("x")
    points = _points(submission)
    if x.grad is None:
        _explain_missing(submission, x)
    actual, right = x.grad.tensor, reference.square_derivative(points)
    if close(actual, right):
        _check_origin(submission)
        return
    if not bool(actual.any()):
        fail(
            "`x.grad` vale cero en todos los puntos.",
            "No lo pongas a cero después de retropropagar. Repasa el cuaderno «Gradientes».",
            "zeroed-grad",
        )
    if close(actual, torch.ones_like(right)):
        fail(
            "`x.grad` es la derivada respecto a `Y`, no respecto a `x`.",
            f"Lo que varía es `x`, y lo que se deriva es `y`. {LESSON}",
            "gradient-of-wrong-variable",
        )
    _explain_factor(submission, _factor(actual, right), points)
    if any(close(actual, reference.derivative(function, points)) for _, function in FUNCTIONS):
        fail(
            "`x.grad` es la derivada de otra función.",
            "Comprueba la expresión de `Y`: 5x².",
            "derivative-of-wrong-function",
        )
    if int(actual.count_nonzero()) <= 2 < points.numel():
        fail(
            "`x.grad` solo deja de ser cero en uno o dos puntos.",
            f"Retropropaga la suma de todos los valores, no uno de ellos. {LESSON}",
            "wrong-reduction",
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


def _check_origin(submission: Submission) -> None:
    """Fail if neither ``Y`` nor ``y`` has a graph: no gradient can have come from them."""
    found = [submission.value(name) for name in ("Y", "y") if submission.has(name)]
    values = [value for value in found if isinstance(value, TensorValue)]
    if values and not any(value.requires_grad for value in values):
        fail(
            "`x.grad` no ha salido de `y`: ni `Y` ni `y` recuerdan que vienen de `x`.",
            f"Retropropaga `y` en lugar de escribir la fórmula de la derivada. {LESSON}",
            "typed-values",
        )


def _explain_factor(submission: Submission, factor: float | None, points: torch.Tensor) -> None:
    """Fail if the gradient is so many times the right one, and say why."""
    if factor is None:
        return
    if abs(factor + 1) < 1e-3:
        fail("`x.grad` tiene el signo contrario.", LESSON, "wrong-sign")
    if abs(factor * points.numel() - 1) < 1e-3:
        fail(
            "`x.grad` es la derivada de la media, no la de la suma.",
            "Retropropaga la suma de `Y`: así cada punto recibe su propia derivada.",
            "mean-for-sum",
        )
    own = _own_values(submission)
    right_function = own.shape == points.shape and close(own, reference.square(points))
    if right_function and abs(factor - round(factor)) < 1e-3 and 2 <= factor <= 1000:
        fail(
            f"`x.grad` es {round(factor)} veces la derivada: se ha acumulado.",
            "Cada `backward()` suma al gradiente que ya había. Ejecuta el cuaderno desde el "
            "principio y retropropaga una sola vez. Repasa el cuaderno «Gradientes».",
            "backward-twice",
        )
    fail(
        "`x.grad` es la derivada de un múltiplo de 5x².",
        f"Comprueba la expresión de `Y`, 5x², y de qué retropropagas. {LESSON}",
        "derivative-of-wrong-function",
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
    total = submission.value("y") if submission.has("y") else None
    if isinstance(total, TensorValue) and total.is_leaf:
        fail(
            "`x.grad` está vacío, porque `y` no se ha calculado a partir de `x`.",
            f"No escribas su valor a mano: suma `Y`. {LESSON}",
            "typed-values",
        )
    fail(
        "`x.grad` está vacío: falta retropropagar.",
        f"Llama a `backward()` desde `y`. {LESSON}",
        "no-backward",
    )
