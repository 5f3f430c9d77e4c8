"""Graders of ``dispositivos-numpy``: ``to_numpy(t)`` for any tensor."""

import numpy as np
import pytest
import torch

from autograder.grading import (
    ArrayValue,
    CheckFailed,
    NotAttempted,
    Submission,
    TensorValue,
    fail,
)
from solutions import dispositivos as reference


def _input(submission: Submission, dtype: torch.dtype, rank: int) -> torch.Tensor:
    shape = [submission.random.randint(2, 5) for _ in range(rank)]
    values = torch.randn(shape, generator=submission.generator, dtype=torch.float64) * 50
    return values.to(dtype)


def _array(submission: Submission, t: torch.Tensor) -> ArrayValue:
    """The student's array, with the right shape and values; fails otherwise and says why."""
    try:
        value = submission.call("to_numpy", t).value
    except NotAttempted:
        raise
    except CheckFailed as error:
        if error.diagnosis != "exception" or not t.requires_grad:
            raise
        submission.call("to_numpy", t.detach())  # fails as well if grad is not the reason
        raise CheckFailed(
            "`to_numpy` falla con un tensor que requiere gradiente.",
            "NumPy no sabe de gradientes: hay que separar antes el tensor de su grafo. "
            "Repasa «De vuelta a NumPy».",
            "not-detached",
            error.detail,
        ) from error
    if value is None:
        fail(
            "`to_numpy` no devuelve nada.",
            "El array tiene que salir de la función con `return`.",
            "returns-nothing",
        )
    if isinstance(value, TensorValue):
        fail(
            "`to_numpy` devuelve todavía un tensor.",
            "Falta el último paso, convertirlo en un array. Repasa «De vuelta a NumPy».",
            "still-tensor",
        )
    if not isinstance(value, ArrayValue):
        fail(
            "`to_numpy` no devuelve un array de NumPy.",
            "Una lista no es un array: usa la conversión que ofrece el propio tensor. Repasa "
            "«De vuelta a NumPy».",
            "wrong-type",
        )
    expected = reference.to_numpy(t)
    if value.shape != expected.shape:
        fail(
            "El array no tiene la forma del tensor.",
            "Convierte el argumento `t` entero, sin aplanarlo ni recortarlo.",
            "wrong-shape",
        )
    wide = value.array.astype("complex128") if value.dtype.kind == "c" else value.array
    if value.dtype.kind not in "biufc" or not np.allclose(wide, expected, rtol=1e-5, atol=1e-6):
        fail(
            "Los valores del array no son los del tensor.",
            "Convierte el argumento `t`, no un tensor del cuaderno, sin otras operaciones.",
            "wrong-values",
        )
    return value


@pytest.mark.grade_cell("dispositivos-numpy", weight=2)
def test_normal(submission: Submission) -> None:
    """`to_numpy` da el array de un tensor corriente."""
    for rank in (1, 2, 3):
        _array(submission, _input(submission, torch.float32, rank))


@pytest.mark.grade_cell("dispositivos-numpy", weight=2)
def test_con_grad(submission: Submission) -> None:
    """`to_numpy` también acierta con un tensor que requiere gradiente."""
    for rank in (1, 2):
        _array(submission, _input(submission, torch.float32, rank).requires_grad_())


@pytest.mark.grade_cell("dispositivos-numpy", weight=1)
def test_dtype(submission: Submission) -> None:
    """El array conserva el tipo de datos del tensor."""
    for dtype in (torch.float64, torch.int64):
        t = _input(submission, dtype, 2)
        if _array(submission, t).dtype != reference.to_numpy(t).dtype:
            fail(
                "El array no es del mismo tipo de datos que el tensor.",
                "NumPy y PyTorch tienen los mismos tipos: no conviertas a float por el camino.",
                "wrong-dtype",
            )
