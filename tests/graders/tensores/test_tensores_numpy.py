"""Graders of ``tensores-numpy``: ``np_array`` and a tensor that shares its memory."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from autograder.grading import (
    ArrayValue,
    NotAttempted,
    OpaqueValue,
    Submission,
    TensorValue,
    close,
    fail,
)

SHAPE = (3, 3)
LESSON = "Repasa «Tensores y NumPy»."


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


def _array(submission: Submission) -> ArrayValue:
    """The student's ``np_array``; its elements must be numbers."""
    value = submission.value("np_array")
    if isinstance(value, OpaqueValue) and value.type_name == "ndarray":
        fail(
            "`np_array` no guarda números, sino textos u objetos.",
            f"No indiques `dtype`: NumPy deduce el tipo de los números de `data`. {LESSON}",
            "wrong-dtype",
        )
    return submission.array("np_array")


def _is_moved(actual: torch.Tensor, expected: torch.Tensor) -> bool:
    """Whether the same operation was done with all values, or a few were changed."""
    if actual.shape != expected.shape:
        return False
    few = int((actual != expected).sum()) <= 3
    changes = (actual - expected, actual / expected)
    return few or any(torch.allclose(one, one[0, 0].expand_as(one)) for one in changes)


@pytest.mark.grade_cell("tensores-numpy", weight=1)
def test_array(submission: Submission) -> None:
    """`np_array` es un array de NumPy con los valores de `data`."""
    np_array = _array(submission)
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
    if data is not None and own is not None and _is_moved(own, data):
        fail(
            "Los valores de `np_array` eran quizá los de `data`, pero han cambiado.",
            "Crea el array a partir de `data` y no hagas nada más con él ni con `tensor_np`: lo "
            f"que cambias en uno cambia en el otro. {LESSON}",
            "values-changed",
        )
    fail(
        "Los valores de `np_array` no son los de `data`.",
        f"Crea el array directamente a partir de la variable `data`. {LESSON}",
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
            f"Al pasar de NumPy a PyTorch la forma no cambia. {LESSON}",
            "wrong-shape",
        )
    if any(values is not None and _equal(tensor_np.tensor.T, values) for values in expected):
        fail(
            "`tensor_np` tiene las filas y las columnas intercambiadas.",
            "No hace falta trasponer nada.",
            "transposed",
        )
    actual = tensor_np.tensor.to(torch.float64)
    if any(values is not None and _is_moved(actual, values) for values in expected):
        fail(
            "Los valores de `tensor_np` se alejan de los de `np_array`.",
            f"Sobra una operación: basta con convertir `np_array` en tensor. {LESSON}",
            "values-changed",
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
    np_array = _array(submission)
    own = _as_tensor(np_array)
    if tensor_np.tensor.numel() == 0 or own is None:
        raise NotAttempted("No hay valores que puedan compartir la memoria.")
    if not np_array.memory <= tensor_np.memory < np_array.memory + np_array.array.nbytes:
        _fail_as_copy(tensor_np, np_array)
    if str(tensor_np.dtype).removeprefix("torch.") != np_array.dtype.name:
        fail(
            f"`tensor_np` lee la memoria de `np_array` como si fuera de tipo {tensor_np.dtype}; "
            f"el array es de tipo {np_array.dtype}.",
            f"El tensor conserva el tipo del array: no lo cambies después. {LESSON}",
            "wrong-dtype",
        )
    if not _has_the_same_values(tensor_np.tensor, own):
        fail(
            "`tensor_np` solo ve una parte de `np_array`.",
            f"Convierte el array entero, sin recortarlo ni elegir filas. {LESSON}",
            "partial-view",
        )


def _has_the_same_values(actual: torch.Tensor, expected: torch.Tensor) -> bool:
    """Whether two tensors hold the same values, in whatever shape and order."""
    if actual.numel() != expected.numel():
        return False
    return _equal(actual.flatten().sort()[0], expected.flatten().sort()[0])


def _fail_as_copy(tensor_np: TensorValue, np_array: ArrayValue) -> None:
    """Fail for a tensor with memory of its own, saying how it may have come to it."""
    if str(tensor_np.dtype).removeprefix("torch.") != np_array.dtype.name:
        fail(
            f"`tensor_np` es de tipo {tensor_np.dtype} y `np_array` de tipo {np_array.dtype}: al "
            "convertir los números se han copiado.",
            "Los dos tienen que tener el mismo tipo para mirar la misma memoria: no conviertas, ni "
            f"uses funciones que lo hagan por su cuenta. {LESSON}",
            "numpy-converted",
        )
    fail(
        "`tensor_np` es una copia: si cambias `np_array`, el tensor no se entera.",
        "`torch.tensor`, `clone` y las operaciones copian los datos. Busca en «Tensores y NumPy» "
        "la función que convierte un array de NumPy sin copiarlo.",
        "numpy-copied",
    )
