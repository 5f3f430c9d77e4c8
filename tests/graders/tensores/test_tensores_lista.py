"""Graders of ``tensores-lista``: ``tensor_data`` from the nested list ``data``."""

from collections.abc import Callable, Sequence

import pytest
import torch

from autograder.grading import ArrayValue, Submission, TensorValue, close, fail
from solutions import tensores as reference

SHAPE = (3, 3)
DATA = reference.list_tensor([[1, 2, 3], [4, 5, 6], [7, 8, 9]])  # what the notebook gives
LESSON = "Repasa «Crear un tensor desde una lista»."


def _is_constant(values: torch.Tensor) -> bool:
    return torch.allclose(values, values[0, 0].expand_as(values))


# What the values look like, in the order of asking: the first that fits is told.
MISTAKES: Sequence[tuple[str, Callable[[torch.Tensor, torch.Tensor], bool], str, str]] = (
    (
        "transposed",
        lambda actual, data: close(actual, data.T),
        "`tensor_data` tiene las filas y las columnas de `data` intercambiadas.",
        "No hace falta trasponer: la lista interior número i es la fila i del tensor.",
    ),
    (
        "typed-values",
        lambda actual, data: int((actual != data).sum()) <= 3,
        "`tensor_data` difiere de `data` en unas pocas de sus 9 posiciones.",
        "No copies los números a mano ni cambies ninguno después: pasa la variable `data` a la "
        f"función que crea el tensor. {LESSON}",
    ),
    (
        "constant-values",
        lambda actual, data: _is_constant(actual),
        "Todos los valores de `tensor_data` son iguales; los de `data` no lo son.",
        f"Hay una función que crea un tensor con los números de una lista. {LESSON}",
    ),
    (
        "wrong-order",
        lambda actual, data: torch.equal(actual.flatten().sort()[0], data.flatten().sort()[0]),
        "`tensor_data` tiene los números de `data`, pero no cada uno en su sitio.",
        "No ordenes, gires ni repartas de otro modo los números: la lista interior número i es la "
        f"fila i del tensor. {LESSON}",
    ),
    (
        "extra-operation",
        lambda actual, data: _is_constant(actual - data) or _is_constant(actual / data),
        "Todos los valores de `tensor_data` se alejan de los de `data` en la misma cantidad o "
        "proporción.",
        "Sobra una operación, o falla el comienzo de una serie de números: pasa `data` tal cual. "
        f"{LESSON}",
    ),
)


def _data_is_as_given(submission: Submission) -> bool:
    """Whether ``data`` still holds the numbers of the notebook, in whatever container."""
    if not submission.has("data"):
        return False
    value = submission.value("data")
    if isinstance(value, TensorValue):
        return close(value.tensor, DATA)
    if isinstance(value, ArrayValue):
        return value.shape == SHAPE and bool(value.array.tolist() == DATA.tolist())
    rows = value if isinstance(value, list | tuple) else []
    return [list(row) if isinstance(row, list | tuple) else row for row in rows] == DATA.tolist()


@pytest.mark.grade_cell("tensores-lista", weight=1)
def test_forma(submission: Submission) -> None:
    """`tensor_data` es un tensor de 3 filas y 3 columnas."""
    tensor_data = submission.tensor("tensor_data")
    if tensor_data.shape != SHAPE:
        fail(
            f"`tensor_data` tiene forma {tensor_data.shape}; se pedía {SHAPE}.",
            "El tensor conserva la forma de la lista anidada: cada lista interior es una fila. "
            f"{LESSON}",
            "wrong-shape",
        )


@pytest.mark.grade_cell("tensores-lista", weight=2)
def test_valores(submission: Submission) -> None:
    """`tensor_data` contiene los valores de `data`, cada uno en su sitio."""
    tensor_data = submission.tensor("tensor_data")
    actual = tensor_data.tensor
    if close(actual, DATA):
        return
    if not _data_is_as_given(submission):
        fail(
            "`data` ya no es la lista de 3×3 enteros que se daba.",
            "Deja como estaba la celda que define `data`, no cambies la lista después y ejecuta "
            "el cuaderno desde el principio.",
            "data-changed",
        )
    if tensor_data.shape != SHAPE:
        fail(
            "Los valores no se pueden comparar con `data`: la forma no es la misma.",
            "Pasa `data` entera, sin aplanarla ni recortarla.",
            "wrong-shape",
        )
    for slug, is_so, message, hint in MISTAKES:
        if is_so(actual.to(torch.float64), DATA.to(torch.float64)):
            fail(message, hint, slug)
    fail(
        "Los valores de `tensor_data` no son los de `data`.",
        f"Crea el tensor directamente a partir de la variable `data`. {LESSON}",
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
            f"mayúscula no deduce el tipo. {LESSON}",
            "wrong-dtype",
        )
