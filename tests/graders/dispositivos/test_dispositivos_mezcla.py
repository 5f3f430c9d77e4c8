"""Graders of ``dispositivos-mezcla``: ``add_on(a, b, device)``."""

import pytest
import torch

from autograder.grading import Call, CheckFailed, NotAttempted, Submission, TensorValue, close, fail
from solutions import dispositivos as reference

DTYPES = (torch.float32, torch.float64, torch.int64)


def _world(submission: Submission) -> torch.device:
    """The device that this world has."""
    return torch.device("cuda" if submission.cuda_available else "cpu")


def _inputs(submission: Submission, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Two random tensors of the same shape without zeros."""
    rank = submission.random.randint(1, 3)
    shape = [submission.random.randint(2, 6) for _ in range(rank)]
    a, b = (torch.rand(shape, generator=submission.generator) * 8 + 1 for _ in range(2))
    return a.to(dtype), (b + 9).to(dtype)


def _add(submission: Submission, a: torch.Tensor, b: torch.Tensor) -> tuple[Call, TensorValue]:
    """The call, and its result, which is the right sum; fails otherwise and says why."""
    try:
        call = submission.call("add_on", a, b, _world(submission))
    except NotAttempted:
        raise
    except CheckFailed as error:
        if error.diagnosis != "exception":
            raise
        raise CheckFailed(
            error.message,
            "Los dos operandos tienen que estar en el mismo dispositivo antes de sumarlos. "
            "Repasa «Operar en un mismo dispositivo».",
            error.diagnosis,
            error.detail,
        ) from error
    if call.value is None:
        fail(
            "`add_on` no devuelve nada.",
            "La suma tiene que salir de la función con `return`.",
            "returns-nothing",
        )
    result = submission.as_tensor(call.value, "El resultado de `add_on`")
    expected = reference.add_on(a, b, "cpu")
    actual = result.tensor
    if close(actual, expected):
        return call, result
    if close(actual, a - b) or close(actual, b - a):
        fail("El resultado es la resta de los operandos.", "Se pide la suma.", "wrong-sign")
    if close(actual, a) or close(actual, b):
        fail(
            "El resultado es uno de los operandos.",
            "Devuelve la suma, no solo el tensor movido.",
            "operand-returned",
        )
    if actual.numel() == 1:
        fail(
            "El resultado es un solo número.",
            "Se suma elemento a elemento, con `+`; `sum` reduce un tensor a un número.",
            "reduced",
        )
    if actual.shape != expected.shape:
        fail(
            "El resultado no tiene la forma de los operandos.",
            "Usa los argumentos `a` y `b`, no tensores del cuaderno, y súmalos con `+`.",
            "wrong-shape",
        )
    fail(
        "El resultado no es la suma de `a` y `b`.",
        "Usa los argumentos de la función, sin cambiar su tipo, y comprueba la operación con "
        "dos tensores pequeños.",
        "wrong-values",
    )


@pytest.mark.grade_cell("dispositivos-mezcla", weight=3)
def test_suma(submission: Submission) -> None:
    """`add_on` devuelve la suma de los dos operandos."""
    for dtype in DTYPES:
        _add(submission, *_inputs(submission, dtype))


@pytest.mark.grade_cell("dispositivos-mezcla", weight=1)
def test_dispositivo(submission: Submission) -> None:
    """La suma está en el dispositivo pedido."""
    _, result = _add(submission, *_inputs(submission, torch.float32))
    if result.device.split(":")[0] != _world(submission).type:
        fail(
            "La suma no está en el dispositivo que recibe `add_on`.",
            "Mueve los operandos al argumento `device` y no devuelvas después la suma a la CPU. "
            "Repasa «Operar en un mismo dispositivo».",
            "left-on-cpu" if result.device == "cpu" else "wrong-device",
        )


@pytest.mark.grade_cell("dispositivos-mezcla", weight=1)
def test_intactos(submission: Submission) -> None:
    """`add_on` no modifica los operandos."""
    a, b = _inputs(submission, torch.float32)
    call, _ = _add(submission, a, b)
    for index, (name, before) in enumerate((("a", a), ("b", b))):
        after = call.args[index] if index < len(call.args) else None
        if not isinstance(after, TensorValue) or not close(after.tensor, before):
            fail(
                f"`add_on` modifica su argumento `{name}`.",
                "Si el tensor ya está en el dispositivo, `.to(...)` devuelve el mismo tensor, y "
                "`+=` o `add_` lo cambian. Usa una operación que cree un tensor nuevo.",
                "in-place",
            )
