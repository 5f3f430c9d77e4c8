"""Graders of ``optimizacion-derivada-general``: ``derivative(f, x)`` for any f and x."""

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

LESSON = "Repasa «Derivadas en general»."

RAISED: tuple[tuple[str, str, str], ...] = (
    ("does not require grad", "Lo que retropropagas no viene de un tensor que requiera gradiente: "
     "pídelo antes de aplicar `f` y no separes del grafo lo que devuelve.", "no-graph"),
    ("only for scalar outputs", "Solo se retropropaga desde un único número: la suma de los "
     "valores sirve.", "sum-missing"),
    ("to not have been used", "Deriva respecto al mismo tensor que has pasado a `f`.",
     "gradient-of-wrong-variable"),
    ("Can't call numpy()", "Trabaja con tensores: un array de NumPy no recuerda de dónde viene.",
     "not-detached"),
    ("a second time", "El grafo se libera al retropropagar: hazlo una sola vez.",
     "backward-twice"),
    ("NameError", "Usa un nombre que no existe dentro de la función.", "undefined-name"),
    ("UnboundLocalError", "Usa un nombre antes de darle un valor.", "undefined-name"),
    ("missing", "Falta un argumento en alguna llamada.", "wrong-arguments"),
    ("converted to", "`x` tiene muchos puntos, no uno solo.", "one-number-only"),
    ("size", "No des por supuesta ninguna forma de `x`.", "hard-coded-shape"),
    ("invalid index", "No des por supuesta ninguna forma de `x`.", "hard-coded-shape"),
    ("IndexError", "No des por supuesta ninguna forma de `x`.", "hard-coded-shape"),
    ("0-d tensor", "`x` puede no tener dimensiones.", "hard-coded-shape"),
    ("object has no attribute", "Comprueba qué es cada cosa: `f` es una función y `x`, un tensor.",
     "wrong-attribute"),
    ("TypeError", "Comprueba los argumentos de cada llamada y su orden.", "wrong-arguments"),
)  # fmt: skip
"""What an exception says, what to look at then, and the diagnosis; the first that fits counts."""

Function = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class _Mistake:
    """A usual mistake: what it makes of a function and of the points, and what to say of it."""

    diagnosis: str
    message: str
    hint: str
    values: Callable[[Function, torch.Tensor], torch.Tensor]


def _second(f: Function, x: torch.Tensor) -> torch.Tensor:
    """The second derivative."""
    free = x.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(f(free).sum(), free, create_graph=True)
    (second,) = torch.autograd.grad(slope.sum(), free)
    return second


MISTAKES: tuple[_Mistake, ...] = (
    _Mistake(
        "mean-for-sum",
        "El resultado es la derivada de la media.",
        "Con la media, cada derivada queda dividida por el número de puntos: usa la suma.",
        lambda f, x: reference.derivative(f, x) / x.numel(),
    ),
    _Mistake(
        "backward-twice",
        "El resultado es el doble de la derivada.",
        "Cada `backward()` suma al gradiente que ya había: hazlo una sola vez.",
        lambda f, x: reference.derivative(f, x) * 2,
    ),
    _Mistake(
        "wrong-sign",
        "El resultado tiene el signo contrario.",
        LESSON,
        lambda f, x: -reference.derivative(f, x),
    ),
    _Mistake(
        "absolute-value",
        "El resultado es el valor absoluto de la derivada.",
        f"Donde la función baja, la derivada es negativa. {LESSON}",
        lambda f, x: reference.derivative(f, x).abs(),
    ),
    _Mistake(
        "function-for-derivative",
        "El resultado es la función, no su derivada.",
        f"Falta derivar lo que devuelve `f`. {LESSON}",
        lambda f, x: f(x),
    ),
    _Mistake(
        "points-for-derivative",
        "El resultado son los puntos, no la derivada.",
        f"Devuelve el gradiente, no la copia de `x`. {LESSON}",
        lambda f, x: x,
    ),
    _Mistake(
        "derivative-of-wrong-function",
        "El resultado es siempre la derivada de 5x².",
        "Usa el argumento `f`: la función puede ser cualquiera.",
        lambda f, x: reference.square_derivative(x),
    ),
    _Mistake(
        "derivative-of-wrong-function",
        "El resultado es la derivada del cuadrado de `f`.",
        f"Deriva lo que devuelve `f`, sin más. {LESSON}",
        lambda f, x: 2 * f(x) * reference.derivative(f, x),
    ),
    _Mistake(
        "second-derivative",
        "El resultado es la segunda derivada.",
        f"Deriva una sola vez. {LESSON}",
        _second,
    ),
    _Mistake(
        "wrong-weights",
        "El resultado es la derivada multiplicada por los valores de `f`.",
        "Retropropaga la suma de los valores; lo que recibe `backward` son los pesos de la suma.",
        lambda f, x: f(x) * reference.derivative(f, x),
    ),
    _Mistake(
        "wrong-weights",
        "El resultado es la derivada multiplicada por `x`.",
        "Retropropaga la suma de los valores; lo que recibe `backward` son los pesos de la suma.",
        lambda f, x: x * reference.derivative(f, x),
    ),
    _Mistake(
        "gradient-of-wrong-variable",
        "El resultado es la derivada respecto a otra variable.",
        "Deriva respecto a los puntos `x` en los que has evaluado `f`.",
        lambda f, x: torch.ones_like(x),
    ),
    _Mistake(
        "zeroed-grad",
        "El resultado vale cero en todos los puntos.",
        f"Pon el gradiente a cero antes de retropropagar, no después. {LESSON}",
        lambda f, x: torch.zeros_like(x),
    ),
)


def _polynomial(submission: Submission) -> Expression:
    """A random cubic without a constant slope."""
    a, b, c = (submission.random.choice([-3, -2, 2, 3, 4]) for _ in range(3))
    return Expression(f"lambda t: {a} * t ** 3 + {b} * t ** 2 + {c} * t + {a - b}")


def _others(submission: Submission, count: int) -> list[Expression]:
    """Functions that are no polynomials; defined and smooth everywhere."""
    k = submission.random.randint(2, 4)
    sources = [
        f"lambda t: torch.sin({k} * t) + t",
        f"lambda t: torch.exp(-t / {k}) * t",
        f"lambda t: torch.sigmoid({k} * t) * {k}",
        f"lambda t: torch.log(1 + t ** 2) - torch.tanh(t / {k})",
        f"lambda t: (t + {k}) / (1 + t ** 2)",
    ]
    return [Expression(source) for source in submission.random.sample(sources, count)]


def _x(submission: Submission, *shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Points between −2 and 2, a zero among them; in float64 one is farther off.

    In float32 that one would make the tolerance, which grows with the largest value, too wide.
    """
    values = torch.rand(shape, generator=submission.generator, dtype=torch.float64) * 4 - 2
    flat = values.view(-1)
    if flat.numel() > 2:
        flat[1] = 0
        if dtype is torch.float64:
            flat[-1] = submission.random.choice([-5, 5])
    return values.to(dtype)


def _ask(submission: Submission, f: Expression, x: torch.Tensor) -> Call:
    """Call ``derivative``; when it raises, say what the exercise demands of it."""
    try:
        return submission.call("derivative", f, x)
    except NotAttempted:
        raise
    except CheckFailed as error:
        if error.diagnosis != "exception":
            raise
        if x.requires_grad and _works(submission, f, x):
            raise CheckFailed(
                "`derivative` falla cuando `x` ya requiere gradiente.",
                "Trabaja con una copia de `x` separada de su grafo.",
                "fails-with-grad",
                error.detail,
            ) from error
        said = error.detail.partition("\ncall: ")[0]
        _, hint, diagnosis = next((one for one in RAISED if one[0] in said), ("", "", "exception"))
        hint = f"{hint} {LESSON}".strip()
        raise CheckFailed(error.message, hint, diagnosis, error.detail) from error


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
    right = reference.derivative(f.function, x.detach().to(torch.float64))
    if not (actual.dtype.is_floating_point and close(actual, right)):
        _explain(f.function, x, actual, right)
    return call


def _explain(f: Function, x: torch.Tensor, actual: torch.Tensor, right: torch.Tensor) -> NoReturn:
    """Fail and say what the result is taken for."""
    if actual.shape != right.shape:
        fail(
            "El resultado no tiene la forma de `x`.",
            "Hay una derivada por cada punto de `x`, sea cual sea su forma. " + LESSON,
            "wrong-shape",
        )
    if not actual.dtype.is_floating_point:
        fail(
            f"El resultado es de tipo {actual.dtype}; una derivada tiene decimales.",
            "No conviertas los puntos ni el resultado en enteros.",
            "wrong-dtype",
        )
    points = x.detach().to(torch.float64)
    for mistake in MISTAKES:
        if close(actual, mistake.values(f, points)):
            fail(mistake.message, mistake.hint, mistake.diagnosis)
    if x.grad is not None and close(actual, right + x.grad):
        fail(
            "El resultado suma la derivada y el gradiente que `x` ya tenía.",
            "Copia `x` separada de su grafo y deriva respecto a la copia.",
            "accumulated-grads",
        )
    if float((actual - right).abs().max()) <= 0.05 * float(right.abs().max()):
        fail(
            "El resultado se parece a la derivada, pero es solo una aproximación.",
            f"Con autograd sale exacta, sin restar valores de `f` en puntos vecinos. {LESSON}",
            "approximate-derivative",
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
    """`derivative` acierta con otras funciones y con un `x` de cualquier forma."""
    first, second, third, fourth = _others(submission, 4)
    _check(submission, first, _x(submission, 1, 4))
    _check(submission, second, _x(submission, 3, 8)[:, ::2])  # no neighbours in memory
    _check(submission, third, _x(submission, 2, 1, 3, dtype=torch.float64))
    _check(submission, fourth, _x(submission, dtype=torch.float64))


def _tracked(submission: Submission, *shape: int) -> torch.Tensor:
    """Points that require grad and have a gradient from before."""
    x = _x(submission, *shape, dtype=torch.float64).requires_grad_()
    x.grad = torch.randn(shape, generator=submission.generator, dtype=torch.float64)
    return x


@pytest.mark.grade_cell("optimizacion-derivada-general", weight=1)
def test_con_grad(submission: Submission) -> None:
    """`derivative` acierta también si `x` ya requiere gradiente."""
    _check(submission, _others(submission, 1)[0], _tracked(submission, 6))


@pytest.mark.grade_cell("optimizacion-derivada-general", weight=1)
def test_intacto(submission: Submission) -> None:
    """`derivative` acierta y deja `x` como estaba."""
    f = _polynomial(submission)
    x = _x(submission, 5, dtype=torch.float64)
    _check_untouched(_check(submission, f, x), x)
    tracked = _tracked(submission, 5)
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
    before, grad = x.grad, None if after.grad is None else after.grad.tensor
    if before is None and grad is not None:
        fail("`derivative` deja un gradiente en `x.grad`.", hint, "grad-changed")
    if before is not None and (grad is None or not close(grad, before)):
        fail("`derivative` cambia el `x.grad` que ya había.", hint, "grad-changed")
