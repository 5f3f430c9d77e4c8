"""Graders of ``tensores-afin``: ``affine(x, w, b)`` for one sample or a batch."""

import pytest
import torch

from autograder.grading import CheckFailed, NotAttempted, Submission, TensorValue, close, fail
from solutions import tensores as reference

LESSON = "Repasa «La capa afín: x·w + b», el producto de matrices."


def _inputs(
    submission: Submission, batch: int | None, dtype: torch.dtype = torch.float32
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Random x, w and b; all sizes differ, so that no wrong product fits by chance."""
    inputs, outputs = submission.random.sample(range(2, 6), 2)
    shape = (inputs,) if batch is None else (batch, inputs)
    x, w, b = (
        torch.randn(size, generator=submission.generator, dtype=torch.float64).to(dtype)
        for size in (shape, (inputs, outputs), (outputs,))
    )
    return x, w, b


def _affine(
    submission: Submission, x: torch.Tensor, w: torch.Tensor, b: torch.Tensor
) -> TensorValue:
    """The student's result."""
    try:
        value = submission.call("affine", x, w, b).value
    except NotAttempted:
        raise
    except CheckFailed as error:
        if error.diagnosis != "exception":
            raise
        raise CheckFailed(
            error.message,
            "`x` puede ser una muestra (un vector) o un lote (una muestra por fila), de tipo "
            f"float32 o float64. {LESSON}",
            "exception-one-sample" if x.dim() == 1 else "exception-batch",
            error.detail,
        ) from error
    if value is None:
        fail(
            "`affine` no devuelve nada.",
            "La función tiene que terminar en `return`; mostrar con `print` no basta.",
            "returns-nothing",
        )
    return submission.as_tensor(value, "El resultado de `affine`")


def _check(submission: Submission, x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> None:
    """Fail, naming the mistake, unless ``affine`` is right for these inputs."""
    result = _affine(submission, x, w, b)
    actual = result.tensor
    expected = reference.affine(x, w, b)
    if close(actual, expected):
        return
    if close(actual, x @ w):
        fail("Al resultado le falta el sesgo.", "Suma `b` al producto.", "bias-forgotten")
    if close(actual, x @ w - b):
        fail("El sesgo está restado.", "`b` se suma al producto.", "wrong-sign")
    if expected.dim() == 2 and close(actual, expected.T.contiguous()):
        fail(
            "El resultado tiene las filas y las columnas intercambiadas.",
            "Cada fila del resultado corresponde a una muestra de `x`.",
            "transposed",
        )
    if actual.shape != expected.shape:
        fail(
            "El resultado no tiene la forma esperada.",
            "Una muestra da un vector con un valor por columna de `w`; un lote, una fila así por "
            f"muestra. {LESSON}",
            "wrong-shape",
        )
    fail(
        "El resultado no es x·w + b.",
        f"Comprueba que usas el producto de matrices (`@`) y no el elemento a elemento. {LESSON}",
        "wrong-values",
    )


@pytest.mark.grade_cell("tensores-afin", weight=1)
def test_una_muestra(submission: Submission) -> None:
    """`affine` acierta con una sola muestra."""
    for _ in range(2):
        _check(submission, *_inputs(submission, None))


@pytest.mark.grade_cell("tensores-afin", weight=2)
def test_lote(submission: Submission) -> None:
    """`affine` acierta con un lote de muestras."""
    for batch in (submission.random.randint(6, 12), 1):
        _check(submission, *_inputs(submission, batch))


@pytest.mark.grade_cell("tensores-afin", weight=1)
def test_doble(submission: Submission) -> None:
    """`affine` conserva la precisión doble: con float64 da float64."""
    one, w, b = _inputs(submission, None, torch.float64)
    batch = torch.stack([one, 2 * one, -one, one + 1, one - 2, 3 * one])
    x = one
    try:
        _check(submission, one, w, b)
    except NotAttempted:
        raise
    except CheckFailed:  # the other form counts as well: each has its own check
        x = batch
        _check(submission, batch, w, b)
    if _affine(submission, x, w, b).dtype != torch.float64:
        fail(
            "Con argumentos de tipo float64 el resultado es de otro tipo.",
            "No conviertas los argumentos ni crees tensores intermedios de un tipo fijo. Repasa "
            "«La capa afín: x·w + b».",
            "wrong-dtype",
        )
