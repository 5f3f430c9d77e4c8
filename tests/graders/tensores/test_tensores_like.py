"""Graders of ``tensores-like``: tensors with the properties of ``tensor_data``."""

import pytest
import torch

from autograder.grading import Submission, TensorValue, fail, looks_typed

LESSON = "Repasa «Tensores a partir de otros»."
HALF = (torch.float16, torch.bfloat16)


def _model(submission: Submission) -> tuple[tuple[int, ...], torch.dtype]:
    """Shape and dtype of the student's own ``tensor_data``; those asked for if there is none."""
    if submission.has("tensor_data"):
        value = submission.value("tensor_data")
        if isinstance(value, TensorValue):
            return value.shape, value.dtype
    return (3, 3), torch.int64


def _check_like(submission: Submission, name: str, number: int) -> None:
    value = submission.tensor(name)
    shape, dtype = _model(submission)
    function = "`torch.zeros_like`" if number == 0 else "`torch.ones_like`"
    if value.shape != shape:
        fail(
            f"`{name}` tiene forma {value.shape}; la de `tensor_data` es {shape}.",
            f"Fíjate en {function}, que toma la forma de otro tensor. {LESSON}",
            "wrong-shape",
        )
    wrong = value.tensor != number
    if bool(wrong.any()):
        if bool((value.tensor == 1 - number).all()):
            fail(
                f"`{name}` está lleno de {'unos' if number == 0 else 'ceros'}.",
                "Comprueba que no has intercambiado `x_zeros` y `x_ones`.",
                "swapped",
            )
        fail(
            f"`{name}` no está lleno de {'ceros' if number == 0 else 'unos'}.",
            f"Fíjate en {function}. {LESSON}",
            "wrong-values",
        )
    if value.dtype != dtype:
        fail(
            f"`{name}` es de tipo {value.dtype}; el de `tensor_data` es {dtype}.",
            "Crea el tensor a partir de `tensor_data` para que conserve también el tipo de "
            "datos. Repasa «Tensores a partir de otros», crear un tensor a partir de otro.",
            "wrong-dtype",
        )


@pytest.mark.grade_cell("tensores-like", weight=1)
def test_ceros(submission: Submission) -> None:
    """`x_zeros`: ceros con la forma y el tipo de `tensor_data`."""
    _check_like(submission, "x_zeros", 0)


@pytest.mark.grade_cell("tensores-like", weight=1)
def test_unos(submission: Submission) -> None:
    """`x_ones`: unos con la forma y el tipo de `tensor_data`."""
    _check_like(submission, "x_ones", 1)


@pytest.mark.grade_cell("tensores-like", weight=1)
def test_rand_forma(submission: Submission) -> None:
    """`x_rand` tiene la forma de `tensor_data`."""
    x_rand = submission.tensor("x_rand")
    shape, _ = _model(submission)
    if x_rand.shape != shape:
        fail(
            f"`x_rand` tiene forma {x_rand.shape}; la de `tensor_data` es {shape}.",
            f"Fíjate en `torch.rand_like`. {LESSON}",
            "wrong-shape",
        )


@pytest.mark.grade_cell("tensores-like", weight=1)
def test_rand_dtype(submission: Submission) -> None:
    """`x_rand` es de un tipo decimal."""
    x_rand = submission.tensor("x_rand")
    if not x_rand.dtype.is_floating_point:
        fail(
            f"`x_rand` es de tipo {x_rand.dtype}, en el que no caben números entre 0 y 1.",
            f"Cambia el tipo de datos al crearlo, con el argumento `dtype`. {LESSON}",
            "integer-random",
        )


@pytest.mark.grade_cell("tensores-like", weight=1)
def test_rand_valores(submission: Submission) -> None:
    """`x_rand` contiene números aleatorios entre 0 y 1."""
    x_rand = submission.tensor("x_rand")
    values = x_rand.tensor
    if not x_rand.dtype.is_floating_point:
        fail(
            "`x_rand` guarda enteros: los números aleatorios entre 0 y 1 se pierden.",
            f"Primero el tipo decimal, con el argumento `dtype`. {LESSON}",
            "integer-random",
        )
    if values.numel() == 0 or not bool(torch.isfinite(values).all()):
        fail(
            "`x_rand` está vacío o tiene valores que no son números finitos.",
            "Rellénalo con números aleatorios, sin operaciones posteriores.",
            "wrong-values",
        )
    if bool((values == values.flatten()[0]).all()):
        fail(
            "Todos los valores de `x_rand` son iguales: no son aleatorios.",
            f"Usa una función que genere números aleatorios. {LESSON}",
            "typed-values",
        )
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1 or (high == 1 and x_rand.dtype not in HALF):
        fail(
            "`x_rand` tiene valores fuera del intervalo [0, 1).",
            "Hay funciones con la distribución uniforme (`rand`) y con la normal (`randn`): se "
            f"pide la uniforme, sin multiplicar ni sumar nada. {LESSON}",
            "out-of-range",
        )
    if looks_typed(values):
        fail(
            "Los valores de `x_rand` parecen escritos a mano.",
            "Deja que PyTorch genere los números aleatorios en lugar de copiarlos de una salida.",
            "typed-values",
        )
