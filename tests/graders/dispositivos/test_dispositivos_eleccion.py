"""Graders of ``dispositivos-eleccion``: ``get_device()``, judged with CUDA and without."""

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

EXCEPTIONS: Final[tuple[tuple[str, str, str], ...]] = (
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
    known = [one for one in EXCEPTIONS if one[1] != "cuda-unavailable"]
    try:
        return submission.call("get_device").value
    except NotAttempted:
        raise
    except CheckFailed as error:
        for sign, diagnosis, hint in known if submission.cuda_available else EXCEPTIONS:
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


def _fail_for_kind(kind: str) -> NoReturn:
    """Fail for a device that is of another kind than the two that there are."""
    fail(
        f"`get_device` elige un dispositivo de clase `{kind}`, que no es ni CUDA ni la CPU.",
        f"Aquí solo se distingue entre esos dos. {LESSON}",
        "wrong-device",
    )


@pytest.mark.grade_cell("dispositivos-eleccion", weight=1)
def test_tipo(submission: Submission) -> None:
    """`get_device` devuelve un dispositivo."""
    _chosen(submission)


@pytest.mark.grade_cell("dispositivos-eleccion", weight=2)
def test_sin_cuda(submission: Submission) -> None:
    """Sin CUDA, `get_device` elige la CPU."""
    kind = _chosen(submission).type
    if kind == "cuda":
        fail(
            "En una máquina sin CUDA, `get_device` elige CUDA.",
            "No des CUDA por supuesta, y comprueba que la condición no está al revés ni es "
            "siempre verdadera, como lo es una función a la que le faltan los paréntesis. Crear "
            f"el objeto `torch.device` no pregunta nada. {LESSON}",
            "cuda-unavailable",
        )
    if kind != "cpu":
        _fail_for_kind(kind)


@pytest.mark.grade_cell("dispositivos-eleccion", weight=2)
def test_con_cuda(submission: Submission) -> None:
    """Con CUDA, `get_device` elige CUDA."""
    device = _chosen(submission.with_cuda)
    if device.type == "cpu":
        fail(
            "En una máquina con CUDA, `get_device` elige la CPU.",
            "Pregunta dentro de la función si hay CUDA y devuelve ese dispositivo en tal caso; "
            f"escribir `cpu` a mano desaprovecha la GPU. {LESSON}",
            "left-on-cpu",
        )
    if device.type != "cuda":
        _fail_for_kind(device.type)
    if device.index not in (None, 0):
        fail(
            f"En una máquina con una sola GPU, `get_device` elige `{device}`.",
            f"Se numeran desde el cero: la primera es `cuda:0`, o simplemente `cuda`. {LESSON}",
            "wrong-device",
        )
