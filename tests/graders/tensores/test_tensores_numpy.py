"""Graders of ``tensores-numpy``: ``np_array`` and a tensor that shares its memory."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from autograder.grading import (
    ArrayValue,
    NotAttempted,
    Submission,
    TensorValue,
    close,
    fail,
)

SHAPE = (3, 3)


def _data(submission: Submission) -> torch.Tensor | None:
    """The given list as it is in the student's notebook, None when it is there no longer."""
    value = submission.value("data")
    if isinstance(value, TensorValue) and value.shape == SHAPE:
        return value.tensor
    if isinstance(value, ArrayValue) and value.shape == SHAPE:
        return _as_tensor(value)
    rows: Sequence[Any] = value if isinstance(value, list | tuple) and len(value) == 3 else []
    if [len(row) for row in rows if isinstance(row, list | tuple)] != [3, 3, 3]:
        return None
    if any(type(n) is not int or abs(n) >= 2**31 for row in rows for n in row):
        return None
    return torch.tensor(rows)


def _as_tensor(array: ArrayValue) -> torch.Tensor | None:
    """The array's values as a tensor, None when they are no ordinary numbers."""
    if array.dtype.kind not in "biuf" or array.array.size > 1000:
        return None
    return torch.tensor(array.array.astype("float64").tolist(), dtype=torch.float64)


def _equal(actual: torch.Tensor | None, expected: torch.Tensor | None) -> bool:
    return actual is not None and expected is not None and close(actual, expected)


@pytest.mark.grade_cell("tensores-numpy", weight=1)
def test_array(submission: Submission) -> None:
    """`np_array` es un array de NumPy con los valores de `data`."""
    np_array = submission.array("np_array")
    if np_array.shape != SHAPE:
        fail(
            f"`np_array` tiene forma {np_array.shape}; se pedía {SHAPE}.",
            "NumPy también conserva la forma de la lista anidada: pásale `data` entera.",
            "wrong-shape",
        )
    data, own = _data(submission), _as_tensor(np_array)
    if _equal(own, data):
        return
    if data is not None and _equal(own, data.T):
        fail(
            "`np_array` tiene las filas y las columnas de `data` intercambiadas.",
            "No hace falta trasponer el array.",
            "transposed",
        )
    fail(
        "Los valores de `np_array` no son los de `data`.",
        "Crea el array directamente a partir de la variable `data`. Repasa «Tensores y NumPy».",
        "wrong-values",
    )


@pytest.mark.grade_cell("tensores-numpy", weight=2)
def test_valores(submission: Submission) -> None:
    """`tensor_np` es un tensor con los valores de `np_array`."""
    tensor_np = submission.tensor("tensor_np")
    expected = [_data(submission)]
    if submission.has("np_array"):
        array = submission.value("np_array")
        expected.append(_as_tensor(array) if isinstance(array, ArrayValue) else None)
    if any(_equal(tensor_np.tensor, values) for values in expected):
        return
    if tensor_np.shape != SHAPE:
        fail(
            f"`tensor_np` tiene forma {tensor_np.shape}; la de `np_array` es {SHAPE}.",
            "Al pasar de NumPy a PyTorch la forma no cambia. Repasa «Tensores y NumPy».",
            "wrong-shape",
        )
    if any(values is not None and _equal(tensor_np.tensor.T, values) for values in expected):
        fail(
            "`tensor_np` tiene las filas y las columnas intercambiadas.",
            "No hace falta trasponer nada.",
            "transposed",
        )
    fail(
        "Los valores de `tensor_np` no son los de `np_array`.",
        "Crea el tensor a partir de `np_array`, sin más operaciones.",
        "wrong-values",
    )


@pytest.mark.grade_cell("tensores-numpy", weight=2)
def test_memoria(submission: Submission) -> None:
    """`tensor_np` y `np_array` comparten la memoria."""
    tensor_np = submission.tensor("tensor_np")
    np_array = submission.array("np_array")
    own = _as_tensor(np_array)
    if tensor_np.tensor.numel() == 0 or own is None:
        raise NotAttempted("No hay valores que puedan compartir la memoria.")
    if tensor_np.memory != np_array.memory:
        fail(
            "`tensor_np` es una copia: si cambias `np_array`, el tensor no se entera.",
            "`torch.tensor` y `clone` copian siempre los datos. Busca en «Tensores y NumPy» la "
            "función que convierte un array de NumPy sin copiarlo.",
            "numpy-copied",
        )
    if tensor_np.dtype.is_complex or not _equal(tensor_np.tensor, own):
        fail(
            "`tensor_np` mira la misma memoria que `np_array`, pero no ve los mismos valores.",
            "No traspongas ni recortes el tensor, ni cambies su tipo después de crearlo.",
            "wrong-values",
        )
