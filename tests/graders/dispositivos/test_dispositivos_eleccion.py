"""Graders of ``dispositivos-eleccion``: ``get_device()``, judged in the world that ran it."""

import pytest
import torch

from autograder.grading import Submission, device_of, fail


def _chosen(submission: Submission) -> torch.device:
    value = submission.call("get_device").value
    device = device_of(value)
    if device is not None:
        return device
    if value is None:
        fail(
            "`get_device` no devuelve nada.",
            "Mostrar el dispositivo con `print` no basta: termina la función con `return`.",
            "returns-nothing",
        )
    if isinstance(value, bool):
        fail(
            "`get_device` devuelve verdadero o falso, no un dispositivo.",
            "Si hay CUDA o no es la condición; según ella, devuelve un dispositivo u otro.",
            "returns-condition",
        )
    if isinstance(value, str):
        fail(
            "`get_device` devuelve un texto que PyTorch no reconoce como dispositivo.",
            "Prueba `torch.device(...)` con ese texto y lee qué nombres acepta. Repasa "
            "«Elegir el dispositivo».",
            "unknown-device",
        )
    fail(
        "`get_device` no devuelve un dispositivo.",
        "Devuelve un `torch.device` (o su nombre como texto). Repasa «Elegir el dispositivo».",
        "wrong-type",
    )


@pytest.mark.grade_cell("dispositivos-eleccion", weight=2)
def test_tipo(submission: Submission) -> None:
    """`get_device` devuelve un dispositivo."""
    _chosen(submission)


@pytest.mark.grade_cell("dispositivos-eleccion", weight=3)
def test_mundo(submission: Submission) -> None:
    """`get_device` elige CUDA si la hay y, si no, la CPU."""
    kind = _chosen(submission).type
    if submission.cuda_available and kind == "cpu":
        fail(
            "Hay un dispositivo CUDA disponible y `get_device` elige la CPU.",
            "Pregunta primero si hay CUDA y devuelve ese dispositivo en tal caso. Repasa "
            "«Elegir el dispositivo».",
            "left-on-cpu",
        )
    if not submission.cuda_available and kind == "cuda":
        fail(
            "No hay ningún dispositivo CUDA y `get_device` elige CUDA.",
            "No des CUDA por supuesta, y comprueba que la condición no está al revés. Repasa "
            "«Elegir el dispositivo».",
            "cuda-unavailable",
        )
    if kind not in ("cpu", "cuda"):
        fail(
            "`get_device` elige un dispositivo que no es ni CUDA ni la CPU.",
            "Aquí solo se distingue entre esos dos. Repasa «Elegir el dispositivo».",
            "wrong-device",
        )
