"""Graders of ``dispositivos-eleccion``: ``get_device()``, judged in the world that ran it."""

from typing import Final, NoReturn

import pytest
import torch

from autograder.grading import (
    CheckFailed,
    FunctionValue,
    NotAttempted,
    Submission,
    Value,
    device_of,
    fail,
)

LESSON: Final = "Repasa «Elegir el dispositivo»."

EXCEPTIONS: Final = (
    ("NameError", "undefined-name", "Dentro de la función se usa un nombre que no existe ahí."),
    (
        "positional argument",
        "wrong-arguments",
        "`get_device()` no recibe nada: lo que necesita lo pregunta ella misma.",
    ),
    ("CUDA", "cuda-unavailable", "Sin una GPU con CUDA no se le puede pedir nada: pregunta antes."),
    (
        "NVIDIA",
        "cuda-unavailable",
        "Sin una GPU con CUDA no se le puede pedir nada: pregunta antes.",
    ),
    (
        "RecursionError",
        "endless-recursion",
        "La función se llama a sí misma sin fin: pregunta a `torch.cuda`, no a `get_device`.",
    ),
)
"""What a known exception says, the mistake, and what to look at."""


def _called(submission: Submission) -> Value:
    """What ``get_device`` returns; when it raises, fails and says why where that is known."""
    try:
        return submission.call("get_device").value
    except NotAttempted:
        raise
    except CheckFailed as error:
        for sign, diagnosis, hint in EXCEPTIONS:
            if error.diagnosis == "exception" and sign in error.detail:
                raise CheckFailed(
                    error.message, f"{hint} {LESSON}", diagnosis, error.detail
                ) from error
        raise


def _no_device(value: Value) -> NoReturn:
    """Fail, and say what was returned in the place of a device."""
    if value is None:
        fail(
            "`get_device` no devuelve nada.",
            "Mostrar el dispositivo con `print` no basta: termina la función con `return`, "
            "también cuando no hay CUDA.",
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
            f"Prueba `torch.device(...)` con ese texto y lee qué nombres acepta. {LESSON}",
            "unknown-device",
        )
    if isinstance(value, FunctionValue) and value.type_name != "type":
        fail(
            "`get_device` devuelve una función, no un dispositivo.",
            f"Una función se llama con paréntesis: `funcion()`. {LESSON}",
            "not-called",
        )
    fail(
        "`get_device` no devuelve un dispositivo.",
        f"Devuelve un `torch.device` (o su nombre como texto). {LESSON}",
        "wrong-type",
    )


def _chosen(submission: Submission) -> torch.device:
    value = _called(submission)
    device = device_of(value)
    if device is None:
        _no_device(value)
    return device


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
            f"Pregunta primero si hay CUDA y devuelve ese dispositivo en tal caso. {LESSON}",
            "left-on-cpu",
        )
    if not submission.cuda_available and kind == "cuda":
        fail(
            "No hay ningún dispositivo CUDA y `get_device` elige CUDA.",
            "No des CUDA por supuesta, y comprueba que la condición no está al revés ni es "
            "siempre verdadera, como lo es una función a la que le faltan los paréntesis. Crear "
            f"el objeto `torch.device` no pregunta nada. {LESSON}",
            "cuda-unavailable",
        )
    if kind not in ("cpu", "cuda"):
        fail(
            "`get_device` elige un dispositivo que no es ni CUDA ni la CPU.",
            f"Aquí solo se distingue entre esos dos. {LESSON}",
            "wrong-device",
        )
