"""Graders of ``dispositivos-mover``: ``device``, and ``rand_tensor`` moved to it."""

import pytest
import torch

from autograder.grading import CheckFailed, FunctionValue, Submission, close, device_of, fail


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


@pytest.mark.grade_cell("dispositivos-mover", weight=2)
def test_device(submission: Submission) -> None:
    """`device` es el dispositivo que devuelve `get_device()`."""
    value = submission.value("device")
    if isinstance(value, FunctionValue):
        fail(
            "`device` es una función, no un dispositivo.",
            "Para obtener lo que devuelve `get_device` hay que llamarla: con paréntesis.",
            "not-called",
        )
    device = device_of(value)
    if device is None:
        fail(
            "`device` no es un dispositivo.",
            "Guarda en `device` lo que devuelve `get_device()`. Repasa «Mover tensores».",
            "wrong-type",
        )
    if not any(_same(device, right) for right in _right(submission)):
        fail(
            f"`device` es `{device}`, y no es el dispositivo que hay que usar en esta máquina.",
            "Usa lo que devuelve `get_device()` en lugar de escribir el dispositivo a mano.",
            "wrong-device",
        )


@pytest.mark.grade_cell("dispositivos-mover", weight=1)
def test_dispositivo(submission: Submission) -> None:
    """`tensor` está en ese dispositivo."""
    place = device_of(submission.tensor("tensor").device)
    right = _right(submission)
    if submission.has("device"):
        device = device_of(submission.value("device"))
        right = right if device is None else [device]
    if place is not None and any(_same(place, device) for device in right):
        return
    if place is not None and place.type == "cpu":
        fail(
            "`tensor` se ha quedado en la CPU.",
            "Un tensor no se mueve solo: `.to(...)` devuelve otro tensor, que hay que guardar. "
            "Repasa «Mover tensores».",
            "left-on-cpu",
        )
    fail(
        "`tensor` no está en `device`.",
        "Pasa `device` a `.to(...)` y guarda lo que devuelve. Repasa «Mover tensores».",
        "wrong-device",
    )


@pytest.mark.grade_cell("dispositivos-mover", weight=2)
def test_valores(submission: Submission) -> None:
    """`tensor` tiene los valores de `rand_tensor`."""
    tensor = submission.tensor("tensor")
    rand_tensor = submission.tensor("rand_tensor")
    if tensor.shape != rand_tensor.shape:
        fail(
            f"`tensor` tiene forma {tensor.shape}; la de `rand_tensor` es {rand_tensor.shape}.",
            "Mover un tensor no cambia su forma: parte de `rand_tensor`.",
            "wrong-shape",
        )
    if not tensor.dtype.is_floating_point and rand_tensor.dtype.is_floating_point:
        fail(
            f"`tensor` es de tipo {tensor.dtype}, así que ha perdido los decimales.",
            "Mueve `rand_tensor` sin cambiar su tipo de datos.",
            "wrong-dtype",
        )
    if not close(tensor.tensor, rand_tensor.tensor):
        fail(
            "Los valores de `tensor` no son los de `rand_tensor`.",
            "No generes números nuevos ni hagas operaciones: solo hay que mover `rand_tensor`. "
            "Repasa «Mover tensores».",
            "wrong-values",
        )
