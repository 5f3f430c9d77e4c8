"""Graders of ``tensores-forma``: constant and random tensors of a given shape."""

import pytest
import torch

from autograder.grading import Submission, TensorValue, fail, looks_typed

SHAPE = (3, 2)
NAMES = ("zeros_tensor", "ones_tensor", "rand_tensor")
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
    _fail_with_values(submission, name, value, number)


def _fail_with_values(submission: Submission, name: str, value: TensorValue, number: int) -> None:
    """Fail for a tensor that is not full of ``number``, naming the mistake."""
    word, other_word = ("ceros", "unos") if number == 0 else ("unos", "ceros")
    others = [one for one in NAMES if one != name and submission.has(one)]
    found = {one: submission.value(one) for one in others}
    for other, its in found.items():
        if isinstance(its, TensorValue) and its.memory == value.memory:
            fail(
                f"`{name}` no está lleno de {word}: es el mismo tensor que `{other}`.",
                "Lo que cambias en uno cambia en el otro, porque comparten la memoria: crea cada "
                f"uno con su propia función. {LESSON}",
                "aliased",
            )
    if bool((value.tensor == 1 - number).all()):
        fail(
            f"`{name}` está lleno de {other_word}.",
            "Comprueba que no has intercambiado `zeros_tensor` y `ones_tensor`.",
            "swapped",
        )
    if bool((value.tensor == value.tensor[0, 0]).all()):
        fail(
            f"`{name}` está lleno de un número que no es el que se pedía: {word}.",
            f"Hay una función para los ceros y otra para los unos. {LESSON}",
            "wrong-constant",
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


def _is_progression(values: torch.Tensor) -> bool:
    """Whether the values are all equal or grow by equal steps, as no random ones do."""
    steps = values.flatten().to(torch.float64).diff()
    return bool((steps - steps.mean()).abs().max() < 1e-6) if steps.numel() else True


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
    if _is_progression(values):
        fail(
            "Los valores de `rand_tensor` son todos iguales o crecen siempre lo mismo: no son aleatorios.",
            f"Usa una función que genere números aleatorios. {LESSON}",
            "not-random",
        )
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1 or (high == 1 and rand_tensor.dtype not in HALF):
        fail(
            "`rand_tensor` tiene valores fuera del intervalo [0, 1).",
            "Hay funciones con la distribución uniforme (`rand`) y con la normal (`randn`): se "
            f"pide la uniforme, sin multiplicar ni sumar nada. {LESSON}",
            "out-of-range",
        )
    if looks_typed(values):
        fail(
            "Los valores de `rand_tensor` parecen escritos a mano.",
            "Deja que PyTorch genere los números aleatorios en lugar de copiarlos de una salida.",
            "typed-values",
        )
    # Two equal numbers among so few come by chance once in some 400 000 float32 tensors.
    if rand_tensor.dtype not in HALF and values.unique().numel() < values.numel():
        fail(
            "En `rand_tensor` hay números repetidos: no se ha generado uno para cada posición.",
            f"Pide tantos números como posiciones tiene el tensor, sin repetir filas. {LESSON}",
            "repeated-random",
        )
