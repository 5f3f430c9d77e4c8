"""Graders of ``gradientes-perdida``: data, parameters, ``z`` and ``loss``.

``z`` and ``loss`` are computed again from the student's own values.
"""

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
    product = expected - submission.tensor("b").tensor.to(torch.float64)
    if close(z.tensor, product):
        fail("A `z` le falta el sesgo.", "Suma `b` al producto.", "bias-forgotten")
    if close(z.tensor, torch.sigmoid(expected)):
        fail(
            "`z` ya ha pasado por la sigmoide.",
            "Los logits son la salida de la capa sin sigmoide: la aplica la función de pérdida.",
            "sigmoid-too-early",
        )
    if z.shape != tuple(expected.shape):
        fail(
            f"`z` tiene forma {z.shape}; con `x`, `w` y `b` tiene que ser {tuple(expected.shape)}.",
            f"Usa el producto de matrices, no el elemento a elemento. {LESSON}",
            "wrong-shape",
        )
    fail(
        "`z` no es x·w + b con los `x`, `w` y `b` de tu cuaderno.",
        f"Si has cambiado `w` o `b` después, vuelve a calcular `z`. {LESSON}",
        "wrong-values",
    )


@pytest.mark.grade_cell("gradientes-perdida", weight=2)
def test_perdida(submission: Submission) -> None:
    """`loss` es la entropía cruzada binaria con logits de `z` e `y`."""
    loss = submission.tensor("loss")
    y_value = submission.tensor("y")
    if y_value.shape != SHAPES["y"] or y_value.dtype.is_complex:
        fail("No se puede comprobar: `y` no son tres números.", "Corrige primero `y`.")
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
    if close(actual, reference.loss(z, y) * 3):
        fail(
            "`loss` es la suma de las pérdidas de las salidas, no su media.",
            LOSS_HINT,
            "sum-for-mean",
        )
    if close(actual, reference.loss(torch.sigmoid(z), y)):
        fail(
            "`loss` aplica la sigmoide dos veces.",
            "La versión «con logits» ya la aplica: dale `z` tal cual. " + LOSS_HINT,
            "sigmoid-twice",
        )
    if close(actual, -reference.loss(z, y)):
        fail("`loss` tiene el signo contrario.", LOSS_HINT, "wrong-sign")
    if close(actual, reference.loss(y, z)):
        fail(
            "`loss` toma `y` por los logits y `z` por el objetivo.",
            "Mira el orden de los argumentos. " + LOSS_HINT,
            "swapped-arguments",
        )
    others = (((z - y) ** 2).mean(), ((torch.sigmoid(z) - y) ** 2).mean())
    if any(close(actual, other) for other in others):
        fail("`loss` es el error cuadrático medio.", LOSS_HINT, "other-loss")
    fail("`loss` no es la pérdida que se pedía para tus `z` e `y`.", LOSS_HINT, "wrong-values")
