"""Graders of ``dispositivos-mover``: ``device``, and ``rand_tensor`` moved to it."""

from typing import Final

import pytest
import torch

from autograder.grading import (
    CheckFailed,
    FunctionValue,
    Submission,
    close,
    device_of,
    fail,
    looks_typed,
)

LESSON: Final = "Repasa «Mover tensores»."

MISTAKES: Final = {
    "wrong-sign": "tienen el signo contrario",
    "reordered": "están en otro orden",
    "typed-values": "no son aleatorios: parecen escritos a mano o redondeados",
    "scaled": "están todos multiplicados por un mismo número",
    "shifted": "tienen todos sumado un mismo número",
    "new-random": "son otros números entre 0 y 1",
}
"""The usual mistakes by diagnosis: what is wrong with the values of ``tensor``."""


def _same(one: torch.device, other: torch.device) -> bool:
    """Whether two devices are the same one; ``cuda`` means the first."""
    return one.type == other.type and (one.index or 0) == (other.index or 0)


def _right(submission: Submission) -> list[torch.device]:
    """The devices that count as right: this world's, and what the student's function says."""
    right = [torch.device("cuda" if submission.cuda_available else "cpu")]
    try:
        own = device_of(submission.call("get_device").value)
    except CheckFailed:  # judged in the exercise before
        return right
    return right if own is None else [*right, own]


def _world(submission: Submission) -> str:
    return "con CUDA" if submission.cuda_available else "sin CUDA"


@pytest.mark.grade_cell("dispositivos-mover", weight=2)
def test_device(submission: Submission) -> None:
    """`device` es el dispositivo que devuelve `get_device()`."""
    for world in submission.worlds:
        _check_device(world)


def _check_device(submission: Submission) -> None:
    value = submission.value("device")
    if isinstance(value, FunctionValue) and value.type_name != "type":
        fail(
            "`device` es una función, no un dispositivo.",
            "Para obtener lo que devuelve `get_device` hay que llamarla: con paréntesis.",
            "not-called",
        )
    device = device_of(value)
    if device is None and isinstance(value, str):
        fail(
            "`device` es un texto que PyTorch no reconoce como dispositivo.",
            f"Llama a `get_device()`, sin comillas, y guarda lo que devuelve. {LESSON}",
            "unknown-device",
        )
    if device is None:
        fail(
            "`device` no es un dispositivo.",
            f"Guarda en `device` lo que devuelve `get_device()`. {LESSON}",
            "wrong-type",
        )
    if not any(_same(device, right) for right in _right(submission)):
        fail(
            f"En una máquina {_world(submission)}, `device` es `{device}`, y no es el dispositivo "
            "que hay que usar.",
            "Usa lo que devuelve `get_device()` en lugar de escribir el dispositivo a mano.",
            "wrong-device",
        )


@pytest.mark.grade_cell("dispositivos-mover", weight=1)
def test_dispositivo(submission: Submission) -> None:
    """`tensor` está en ese dispositivo."""
    for world in submission.worlds:
        _check_place(world)


def _check_place(submission: Submission) -> None:
    place = device_of(submission.tensor("tensor").device)
    right = _right(submission)
    if submission.has("device"):
        device = device_of(submission.value("device"))
        right = right if device is None else [device]
    if place is not None and any(_same(place, device) for device in right):
        return
    if place is not None and place.type == "cpu":
        fail(
            f"En una máquina {_world(submission)}, `tensor` se ha quedado en la CPU.",
            "Un tensor no se mueve solo: `.to(...)` devuelve otro tensor, que hay que guardar. "
            f"{LESSON}",
            "left-on-cpu",
        )
    fail(
        f"En una máquina {_world(submission)}, `tensor` no está en `device`.",
        f"Pasa `device` a `.to(...)` y guarda lo que devuelve. {LESSON}",
        "wrong-device",
    )


def _given(submission: Submission) -> torch.Tensor:
    """``rand_tensor``, which must still look like the one that was given."""
    given = submission.tensor("rand_tensor").tensor
    in_range = given.is_floating_point() and bool(((given >= 0) & (given < 1)).all())
    if tuple(given.shape) != (3, 2) or not in_range or looks_typed(given):
        fail(
            "`rand_tensor` ya no es el tensor de 3×2 números al azar que se daba.",
            "Deja como estaba la celda que lo crea y no lo modifiques en su sitio: si ya está en "
            f"`device`, `tensor` y `rand_tensor` son el mismo tensor. {LESSON}",
            "data-changed",
        )
    return given


def _is_constant(values: torch.Tensor) -> bool:
    """Whether all values are the same, but for rounding."""
    return close(values, values[:1, :1].expand_as(values))


def _mistake(actual: torch.Tensor, given: torch.Tensor) -> str:
    """What was done to the values, if it is a usual mistake."""
    actual, given = actual.to(torch.float64), given.to(torch.float64)
    if looks_typed(actual) or _is_constant(actual):
        return "typed-values"
    if close(actual, -given):
        return "wrong-sign"
    if close(actual.flatten().sort().values, given.flatten().sort().values):
        return "reordered"
    if _is_constant((actual / given).to(torch.float32)):
        return "scaled"
    if _is_constant((actual - given).to(torch.float32)):
        return "shifted"
    return "new-random" if bool(((actual >= 0) & (actual < 1)).all()) else "wrong-values"


@pytest.mark.grade_cell("dispositivos-mover", weight=2)
def test_valores(submission: Submission) -> None:
    """`tensor` tiene los valores de `rand_tensor`."""
    for world in submission.worlds:
        _check_values(world)


def _check_values(submission: Submission) -> None:
    tensor = submission.tensor("tensor")
    given = _given(submission)
    if tensor.shape != tuple(given.shape):
        fail(
            f"`tensor` tiene forma {tensor.shape}; la de `rand_tensor` es {tuple(given.shape)}.",
            "Mover un tensor no cambia su forma: parte de `rand_tensor`.",
            "wrong-shape",
        )
    if torch.promote_types(tensor.dtype, given.dtype) != tensor.dtype:
        fail(
            f"`tensor` es de tipo {tensor.dtype}, en el que no caben los decimales de "
            "`rand_tensor`.",
            "Mueve `rand_tensor` sin cambiar su tipo de datos.",
            "wrong-dtype",
        )
    if torch.equal(tensor.tensor, given.to(tensor.dtype)):  # moving rounds nothing
        return
    mistake = "wrong-values" if tensor.dtype.is_complex else _mistake(tensor.tensor, given)
    found = MISTAKES.get(mistake)
    fail(
        "Los valores de `tensor` no son los de `rand_tensor`" + (f": {found}." if found else "."),
        "No generes números nuevos ni hagas operaciones: solo hay que mover `rand_tensor`. "
        f"{LESSON}",
        mistake,
    )
