"""Graders of ``tensores-like``: tensors with the properties of ``tensor_data``."""

import pytest
import torch

from autograder.grading import Submission, TensorValue, close, fail, looks_typed

LESSON = "Repasa «Tensores a partir de otros»."
HALF = (torch.float16, torch.bfloat16)


def _model(submission: Submission) -> TensorValue | None:
    """The student's own ``tensor_data``, None when there is no such tensor."""
    value = submission.value("tensor_data") if submission.has("tensor_data") else None
    return value if isinstance(value, TensorValue) else None


def _check_shape(submission: Submission, name: str, value: TensorValue, function: str) -> None:
    model = _model(submission)
    shape = (3, 3) if model is None else model.shape
    if value.shape != shape:
        fail(
            f"`{name}` tiene forma {value.shape}; la de `tensor_data` es {shape}.",
            f"Fíjate en {function}, que toma la forma de otro tensor. {LESSON}",
            "wrong-shape",
        )


def _check_like(submission: Submission, name: str, number: int) -> None:
    """Fail unless a tensor is full of ``number`` and has the properties of ``tensor_data``."""
    value, model = submission.tensor(name), _model(submission)
    function = "`torch.zeros_like`" if number == 0 else "`torch.ones_like`"
    _check_shape(submission, name, value, function)
    if model is not None and value.tensor.numel() and model.memory == value.memory:
        fail(
            f"`{name}` no es un tensor nuevo: ocupa la memoria de `tensor_data`.",
            "Al cambiarlo cambia también `tensor_data`, cuyos valores se pierden. Crea un tensor "
            f"nuevo con {function}. {LESSON}",
            "in-place",
        )
    if bool((value.tensor != number).any()):
        _fail_with_values(submission, name, value, number, function)
    dtype = torch.int64 if model is None else model.dtype
    if value.dtype != dtype:
        fail(
            f"`{name}` es de tipo {value.dtype}; el de `tensor_data` es {dtype}.",
            "Crea el tensor a partir de `tensor_data` para que conserve también el tipo de "
            f"datos. {LESSON}",
            "wrong-dtype",
        )


def _fail_with_values(
    submission: Submission, name: str, value: TensorValue, number: int, function: str
) -> None:
    """Fail for a tensor that is not full of ``number``, naming the mistake."""
    word, other_word = ("ceros", "unos") if number == 0 else ("unos", "ceros")
    other = "x_ones" if number == 0 else "x_zeros"
    found = submission.value(other) if submission.has(other) else None
    if isinstance(found, TensorValue) and found.memory == value.memory:
        fail(
            f"`{name}` no está lleno de {word}: es el mismo tensor que `{other}`.",
            "Lo que cambias en uno cambia en el otro, porque comparten la memoria: crea cada uno "
            f"con su propia función. {LESSON}",
            "aliased",
        )
    if bool((value.tensor == 1 - number).all()):
        fail(
            f"`{name}` está lleno de {other_word}.",
            "Comprueba que no has intercambiado `x_zeros` y `x_ones`.",
            "swapped",
        )
    model = _model(submission)
    if model is not None and close(value.tensor, model.tensor):
        fail(
            f"`{name}` tiene los valores de `tensor_data`; se pedía lleno de {word}.",
            f"De `tensor_data` se toman la forma y el tipo, no los valores: {function}. {LESSON}",
            "values-copied",
        )
    if bool((value.tensor == value.tensor.flatten()[0]).all()):
        fail(
            f"`{name}` está lleno de un número que no es el que se pedía: {word}.",
            f"Fíjate en {function}. {LESSON}",
            "wrong-constant",
        )
    fail(
        f"`{name}` no está lleno de {word}.",
        f"Fíjate en {function}. {LESSON}",
        "wrong-values",
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
    _check_shape(submission, "x_rand", submission.tensor("x_rand"), "`torch.rand_like`")


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


def _is_progression(values: torch.Tensor) -> bool:
    """Whether the values are all equal or grow by equal steps, as no random ones do."""
    steps = values.flatten().to(torch.float64).diff()
    return bool((steps - steps.mean()).abs().max() < 1e-6) if steps.numel() else True


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
    if _is_progression(values):
        fail(
            "Los valores de `x_rand` son todos iguales o crecen siempre lo mismo: no son aleatorios.",
            f"Usa una función que genere números aleatorios. {LESSON}",
            "not-random",
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
    # Two equal numbers among so few come by chance once in some 400 000 float32 tensors.
    if x_rand.dtype not in HALF and values.unique().numel() < values.numel():
        fail(
            "En `x_rand` hay números repetidos: no se ha generado uno para cada posición.",
            f"Pide tantos números como posiciones tiene el tensor, sin repetir filas. {LESSON}",
            "repeated-random",
        )
