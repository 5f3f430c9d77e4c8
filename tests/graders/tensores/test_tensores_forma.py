"""Graders of ``tensores-forma``: constant and random tensors of a given shape."""

import pytest
import torch

from autograder.grading import Submission, TensorValue, fail, looks_typed

SHAPE = (3, 2)
LESSON = "Repasa «Tensores con una forma dada»."
HALF = (torch.float16, torch.bfloat16)


def _check_shape(name: str, value: TensorValue) -> None:
    if value.shape == SHAPE:
        return
    if value.shape == SHAPE[::-1]:
        fail(
            f"`{name}` tiene forma {value.shape}: las filas y las columnas están intercambiadas.",
            "Pasa la tupla `shape` tal cual: primero las filas, después las columnas.",
            "transposed",
        )
    fail(
        f"`{name}` tiene forma {value.shape}; se pedía {SHAPE}.",
        f"Pasa la tupla `shape` a la función que crea el tensor. {LESSON}",
        "wrong-shape",
    )


def _check_constant(submission: Submission, name: str, number: int) -> None:
    value = submission.tensor(name)
    _check_shape(name, value)
    if bool((value.tensor == number).all()):
        if not value.dtype.is_floating_point:
            fail(
                f"`{name}` es de tipo {value.dtype}; se pedía un tipo decimal.",
                f"Es el tipo que resulta si no se indica otro. {LESSON}",
                "wrong-dtype",
            )
        return
    word, other = ("ceros", "unos") if number == 0 else ("unos", "ceros")
    if bool((value.tensor == 1 - number).all()):
        fail(
            f"`{name}` está lleno de {other}.",
            "Comprueba que no has intercambiado `zeros_tensor` y `ones_tensor`.",
            "swapped",
        )
    fail(
        f"`{name}` no está lleno de {word}.",
        f"`torch.empty` no rellena nada. {LESSON}",
        "wrong-values",
    )


@pytest.mark.grade_cell("tensores-forma", weight=1)
def test_ceros(submission: Submission) -> None:
    """`zeros_tensor`: ceros decimales con la forma `shape`."""
    _check_constant(submission, "zeros_tensor", 0)


@pytest.mark.grade_cell("tensores-forma", weight=1)
def test_unos(submission: Submission) -> None:
    """`ones_tensor`: unos decimales con la forma `shape`."""
    _check_constant(submission, "ones_tensor", 1)


@pytest.mark.grade_cell("tensores-forma", weight=1)
def test_rand_forma(submission: Submission) -> None:
    """`rand_tensor` tiene la forma `shape` y un tipo decimal."""
    rand_tensor = submission.tensor("rand_tensor")
    _check_shape("rand_tensor", rand_tensor)
    if not rand_tensor.dtype.is_floating_point:
        fail(
            f"`rand_tensor` es de tipo {rand_tensor.dtype}; se pedían números decimales.",
            f"`torch.randint` da enteros; otra función da números entre 0 y 1. {LESSON}",
            "integer-random",
        )


@pytest.mark.grade_cell("tensores-forma", weight=1)
def test_rand_valores(submission: Submission) -> None:
    """`rand_tensor` contiene números aleatorios entre 0 y 1."""
    rand_tensor = submission.tensor("rand_tensor")
    values = rand_tensor.tensor
    if not rand_tensor.dtype.is_floating_point:
        fail(
            "`rand_tensor` no guarda números decimales, así que no puede haberlos entre 0 y 1.",
            "Busca en «Tensores con una forma dada» la función que da números entre 0 y 1.",
            "integer-random",
        )
    if values.numel() == 0 or not bool(torch.isfinite(values).all()):
        fail(
            "`rand_tensor` está vacío o tiene valores que no son números finitos.",
            "Rellénalo con números aleatorios, sin operaciones posteriores.",
            "wrong-values",
        )
    if bool((values == values.flatten()[0]).all()):
        fail(
            "Todos los valores de `rand_tensor` son iguales: no son aleatorios.",
            f"Usa una función que genere números aleatorios. {LESSON}",
            "typed-values",
        )
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1 or (high == 1 and rand_tensor.dtype not in HALF):
        fail(
            "`rand_tensor` tiene valores fuera del intervalo [0, 1).",
            f"Se pide la distribución uniforme (`rand`), no la normal (`randn`). {LESSON}",
            "out-of-range",
        )
    if looks_typed(values):
        fail(
            "Los valores de `rand_tensor` parecen escritos a mano.",
            "Deja que PyTorch genere los números aleatorios en lugar de copiarlos de una salida.",
            "typed-values",
        )
