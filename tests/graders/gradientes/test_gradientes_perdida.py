"""Graders of ``gradientes-perdida``: data, parameters, ``z`` and ``loss``.

``z`` and ``loss`` are computed again from the student's own values.
"""

from collections.abc import Iterator
from typing import Final

import pytest
import torch

from autograder.grading import Submission, TensorValue, close, fail, looks_typed
from solutions import gradientes as reference

SHAPES = {"x": (5,), "y": (3,), "w": (5, 3), "b": (3,)}
LESSON = "Repasa «Una red de una capa»."
LOSS_HINT = (
    "Es la entropía cruzada binaria con logits, la media sobre los elementos de `z`. Repasa "
    "«Una red de una capa»."
)

MISTAKES: Final = {
    "sum-for-mean": ("`loss` es la suma de las pérdidas de las salidas, no su media.", ""),
    "sigmoid-twice": (
        "`loss` aplica la sigmoide dos veces.",
        "La versión «con logits» ya la aplica: dale `z` tal cual.",
    ),
    "wrong-sign": ("`loss` tiene el signo contrario.", ""),
    "swapped-arguments": (
        "`loss` no compara `z` con `y`: parece que están intercambiados.",
        "Mira el orden de los argumentos.",
    ),
    "term-forgotten": (
        "`loss` es cero: falta el término que cuenta donde `y` es 0.",
        "Hacen falta los dos términos; `cross_entropy`, para elegir entre clases, no sirve aquí.",
    ),
    "other-loss": (
        "`loss` no es la entropía cruzada, sino otra función de `z` e `y`.",
        "Ni el error cuadrático ni la media de `z` sirven aquí.",
    ),
}
"""The usual mistakes in the loss by diagnosis: what to say, and what to look at."""


def _check_data(submission: Submission, name: str, number: int) -> None:
    value = submission.tensor(name)
    word = "unos" if number == 1 else "ceros"
    if value.shape != SHAPES[name]:
        fail(
            f"`{name}` tiene forma {value.shape}; se pedía {SHAPES[name]}.",
            "`x` es una muestra con cinco entradas e `y` tiene un valor por salida.",
            "wrong-shape",
        )
    if not bool((value.tensor == number).all()):
        fail(
            f"`{name}` no está lleno de {word}.",
            "`x` son unos e `y` son ceros: comprueba que no están intercambiados.",
            "swapped" if bool((value.tensor == 1 - number).all()) else "wrong-values",
        )
    if not value.dtype.is_floating_point:
        fail(
            f"`{name}` es de tipo {value.dtype}; para calcular con `w` y `b` tiene que ser "
            "decimal.",
            "Crea el tensor sin indicar un tipo entero.",
            "wrong-dtype",
        )


def _check_parameter(submission: Submission, name: str) -> None:
    value = submission.tensor(name)
    if value.shape != SHAPES[name]:
        transposed = value.shape == SHAPES[name][::-1]
        fail(
            f"`{name}` tiene forma {value.shape}; se pedía {SHAPES[name]}.",
            "`w` tiene una fila por entrada y una columna por salida; `b`, un valor por salida.",
            "transposed" if transposed else "wrong-shape",
        )
    if not value.dtype.is_floating_point:
        fail(
            f"`{name}` es de tipo {value.dtype}; solo un tensor decimal puede requerir gradiente.",
            "Usa una función que dé números aleatorios decimales. Repasa el cuaderno «Tensores».",
            "integer-random",
        )
    values = value.tensor
    if not bool(torch.isfinite(values).all()):
        fail(f"`{name}` tiene valores que no son números finitos.", diagnosis="wrong-values")
    if bool((values == values.flatten()[0]).all()) or looks_typed(values):
        fail(
            f"Los valores de `{name}` no parecen aleatorios.",
            "Deja que PyTorch los genere, en lugar de usar una constante o escribirlos a mano. "
            "Repasa el cuaderno «Tensores».",
            "typed-values",
        )
    if not value.requires_grad:
        fail(
            f"`{name}` no requiere gradiente.",
            "Indícalo al crearlo, con `requires_grad`. Repasa «Una red de una capa».",
            "requires-grad-missing",
        )
    if not value.is_leaf:
        fail(
            f"`{name}` es el resultado de una operación, así que `{name}.grad` quedará vacío.",
            "Haz primero las operaciones y pide el gradiente después, sobre el tensor ya "
            "terminado. Repasa «Una red de una capa».",
            "non-leaf",
        )


def _logits(submission: Submission) -> tuple[torch.Tensor, bool]:
    """z in float64 from the student's own values, and whether it must know its parameters."""
    values: dict[str, TensorValue] = {}
    for name in ("x", "w", "b"):
        value = submission.tensor(name)
        if value.shape != SHAPES[name]:
            fail(
                f"No se puede comprobar: `{name}` tiene forma {value.shape}, no {SHAPES[name]}.",
                f"Corrige primero `{name}`.",
                "wrong-shape",
            )
        if value.dtype.is_complex:
            fail(f"`{name}` tiene números complejos.", f"Corrige primero `{name}`.", "wrong-dtype")
        values[name] = value
    x, w, b = (values[name].tensor.to(torch.float64) for name in ("x", "w", "b"))
    return reference.logits(x, w, b), values["w"].requires_grad or values["b"].requires_grad


@pytest.mark.grade_cell("gradientes-perdida", weight=1)
def test_datos(submission: Submission) -> None:
    """`x` son cinco unos e `y`, tres ceros."""
    _check_data(submission, "x", 1)
    _check_data(submission, "y", 0)


@pytest.mark.grade_cell("gradientes-perdida", weight=2)
def test_parametros(submission: Submission) -> None:
    """`w` y `b` son aleatorios, tienen su forma y requieren gradiente."""
    _check_parameter(submission, "w")
    _check_parameter(submission, "b")


@pytest.mark.grade_cell("gradientes-perdida", weight=1)
def test_z(submission: Submission) -> None:
    """`z` es x·w + b."""
    z = submission.tensor("z")
    expected, tracked = _logits(submission)
    if close(z.tensor, expected):
        if tracked and not z.requires_grad:
            fail(
                "`z` no recuerda de qué parámetros viene: no tiene `grad_fn`.",
                "`requires_grad` tiene que estar puesto antes de calcular `z`, y el cálculo no "
                "puede ir con `detach` ni `no_grad`. Repasa «Una red de una capa».",
                "requires-grad-late",
            )
        return
    _name_logits(submission, z, expected)
    if z.shape != tuple(expected.shape):
        fail(
            f"`z` tiene forma {z.shape}; con `x`, `w` y `b` tiene que ser {tuple(expected.shape)}.",
            f"Usa el producto de matrices, no el elemento a elemento. {LESSON}",
            "wrong-shape",
        )
    fail(
        "`z` no es x·w + b con los `x`, `w` y `b` de tu cuaderno.",
        "Calcúlalo con ellos, sin escribir números a mano; si has cambiado `w` o `b` después, "
        f"vuelve a calcular `z`. {LESSON}",
        "typed-values" if looks_typed(z.tensor) else "wrong-values",
    )


def _name_logits(submission: Submission, z: TensorValue, expected: torch.Tensor) -> None:
    """Fail if ``z`` is what a usual mistake gives in the place of ``expected``."""
    bias = submission.tensor("b").tensor.to(torch.float64)
    product = expected - bias
    if close(z.tensor, product):
        fail("A `z` le falta el sesgo.", "Suma `b` al producto.", "bias-forgotten")
    if close(z.tensor, bias):
        fail(
            "`z` es solo el sesgo.",
            f"Falta el producto de `x` y `w`. {LESSON}",
            "product-forgotten",
        )
    if any(close(z.tensor, other) for other in (product - bias, bias - product, -expected)):
        fail("En `z` hay un signo cambiado.", f"Suma `b` al producto. {LESSON}", "wrong-sign")
    activations = (torch.sigmoid, torch.relu, torch.tanh, lambda t: torch.softmax(t, -1))
    if any(close(z.tensor, activation(expected)) for activation in activations):
        fail(
            "`z` ya ha pasado por la sigmoide u otra función de activación.",
            "Los logits son la salida de la capa sin sigmoide: la aplica la función de pérdida.",
            "sigmoid-too-early",
        )


@pytest.mark.grade_cell("gradientes-perdida", weight=2)
def test_perdida(submission: Submission) -> None:
    """`loss` es la entropía cruzada binaria con logits de `z` e `y`."""
    loss = submission.tensor("loss")
    y_value = submission.tensor("y")
    if y_value.shape != SHAPES["y"] or y_value.dtype.is_complex:
        fail(
            "No se puede comprobar: `y` no son tres números.",
            "Corrige primero `y`.",
            "wrong-shape",
        )
    y = y_value.tensor.to(torch.float64)
    own: list[torch.Tensor] = []
    tracked = False
    if submission.has("z"):
        z = submission.value("z")
        if isinstance(z, TensorValue) and z.shape == (3,) and z.dtype.is_floating_point:
            own.append(z.tensor.to(torch.float64))
            tracked = z.requires_grad
    if not own:
        expected, tracked = _logits(submission)
        own.append(expected)
    if loss.tensor.numel() != 1:
        fail(
            f"`loss` tiene forma {loss.shape}: tiene que ser un solo número.",
            "Promedia las pérdidas de todas las salidas. " + LOSS_HINT,
            "wrong-shape",
        )
    _check_loss(loss, own[0], y)
    if tracked and not loss.requires_grad:
        fail(
            "`loss` no recuerda cómo se ha calculado: no tiene `grad_fn`.",
            f"No uses `detach`, `item` ni `no_grad` antes de retropropagar. {LESSON}",
            "detached-early",
        )


def _check_loss(loss: TensorValue, z: torch.Tensor, y: torch.Tensor) -> None:
    """Fail, naming the mistake, unless ``loss`` is right for ``z`` and ``y`` (float64)."""
    actual = loss.tensor.reshape(())
    if close(actual, reference.loss(z, y)):
        return
    if loss.dtype.is_floating_point:
        p, target = torch.sigmoid(z.to(loss.dtype)), y.to(loss.dtype)
        by_formula = -(target * torch.log(p) + (1 - target) * torch.log(1 - p)).mean()
        if close(actual, by_formula):  # right as well, with the formula's own rounding
            return
    for diagnosis, mistaken in _mistaken(z, y):
        if close(actual, mistaken):
            message, hint = MISTAKES[diagnosis]
            fail(message, f"{hint} {LOSS_HINT}".strip(), diagnosis)
    if not bool(torch.isfinite(actual).all()):
        fail(
            "`loss` no es un número finito.",
            "El logaritmo se toma de la probabilidad, la sigmoide de `z`, y no de `z`. "
            + LOSS_HINT,
            "missing-sigmoid",
        )
    fail(
        "`loss` no es la pérdida que se pedía para tus `z` e `y`.",
        LOSS_HINT,
        "typed-values" if looks_typed(loss.tensor) else "wrong-values",
    )


def _mistaken(z: torch.Tensor, y: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    """What the loss is if a usual mistake was made, with its diagnosis."""
    right, p = reference.loss(z, y), torch.sigmoid(z)
    yield "sum-for-mean", right * len(z)
    yield "sigmoid-twice", reference.loss(p, y)
    yield "wrong-sign", -right
    yield "swapped-arguments", reference.loss(y, z)
    yield "swapped-arguments", reference.loss(z, 1 - y)
    yield "term-forgotten", -(y * torch.log(p)).mean()
    for guess in (z, p):
        yield "other-loss", ((guess - y) ** 2).mean()
        yield "other-loss", ((guess - y) ** 2).sum()
        yield "other-loss", (guess - y).abs().mean()
        yield "other-loss", torch.nn.functional.smooth_l1_loss(guess, y)
    yield "other-loss", torch.nn.functional.hinge_embedding_loss(z, 2 * y - 1)
    yield "other-loss", z.mean()
    yield "other-loss", z.sum()
