"""Graders of ``tensores-lista``: ``tensor_data`` from the nested list ``data``."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from autograder.grading import ArrayValue, Submission, TensorValue, close, fail

SHAPE = (3, 3)


def _data(submission: Submission) -> torch.Tensor:
    """The given list, as it is in the student's notebook."""
    value = submission.value("data")
    if isinstance(value, TensorValue) and value.shape == SHAPE:
        return value.tensor
    if isinstance(value, ArrayValue) and value.shape == SHAPE and value.dtype.kind in "if":
        return torch.tensor(value.array.astype("float64").tolist())
    rows: Sequence[Any] = value if isinstance(value, list | tuple) else []
    sizes = [len(row) for row in rows if isinstance(row, list | tuple)]
    if sizes != [3, 3, 3] or len(rows) != 3 or any(type(n) is not int for r in rows for n in r):
        fail(
            "`data` ya no es la lista de 3×3 enteros que se daba.",
            "Deja como estaba la celda que define `data` y ejecuta el cuaderno desde el principio.",
            "data-changed",
        )
    if any(abs(n) >= 2**31 for row in rows for n in row):
        fail("`data` ya no contiene los números que se daban.", diagnosis="data-changed")
    return torch.tensor(rows)


@pytest.mark.grade_cell("tensores-lista", weight=1)
def test_forma(submission: Submission) -> None:
    """`tensor_data` es un tensor de 3 filas y 3 columnas."""
    tensor_data = submission.tensor("tensor_data")
    if tensor_data.shape != SHAPE:
        fail(
            f"`tensor_data` tiene forma {tensor_data.shape}; se pedía {SHAPE}.",
            "El tensor conserva la forma de la lista anidada: cada lista interior es una fila. "
            "Repasa «Crear un tensor desde una lista».",
            "wrong-shape",
        )


@pytest.mark.grade_cell("tensores-lista", weight=2)
def test_valores(submission: Submission) -> None:
    """`tensor_data` contiene los valores de `data`, cada uno en su sitio."""
    tensor_data = submission.tensor("tensor_data")
    data = _data(submission)
    actual = tensor_data.tensor
    if close(actual, data):
        return
    if tensor_data.shape != SHAPE:
        fail(
            "Los valores no se pueden comparar con `data`: la forma no es la misma.",
            "Pasa `data` entera, sin aplanarla ni recortarla.",
            "wrong-shape",
        )
    if close(actual, data.T):
        fail(
            "`tensor_data` tiene las filas y las columnas de `data` intercambiadas.",
            "No hace falta trasponer: la lista interior número i es la fila i del tensor.",
            "transposed",
        )
    wrong = int((actual != data).sum())
    if wrong <= 3:
        fail(
            f"`tensor_data` difiere de `data` en {wrong} de sus 9 posiciones.",
            "No copies los números a mano: pasa la variable `data` a la función que crea el "
            "tensor. Repasa «Crear un tensor desde una lista».",
            "typed-values",
        )
    fail(
        "Los valores de `tensor_data` no son los de `data`.",
        "Crea el tensor directamente a partir de la variable `data`. Repasa «Crear un tensor desde "
        "una lista».",
        "wrong-values",
    )


@pytest.mark.grade_cell("tensores-lista", weight=1)
def test_dtype(submission: Submission) -> None:
    """PyTorch deduce el tipo de datos de `tensor_data`: int64."""
    tensor_data = submission.tensor("tensor_data")
    if tensor_data.dtype != torch.int64:
        fail(
            f"`tensor_data` es de tipo {tensor_data.dtype}; de una lista de enteros de Python "
            "se deduce torch.int64.",
            "No indiques `dtype` ni conviertas después, y fíjate en que `torch.Tensor(...)` con "
            "mayúscula no deduce el tipo. Repasa «Crear un tensor desde una lista».",
            "wrong-dtype",
        )
