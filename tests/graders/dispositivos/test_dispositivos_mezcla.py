"""Graders of ``dispositivos-mezcla``: ``add_on(a, b, device)``."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
import torch

from autograder.grading import (
    Call,
    CheckFailed,
    NotAttempted,
    OnDevice,
    Submission,
    TensorValue,
    close,
    fail,
)
from solutions import dispositivos as reference

LESSON: Final = "Repasa «Operar en un mismo dispositivo»."

CASES: Final = (
    (torch.float32, 1, 1.0),
    (torch.float64, 2, 1.0),
    (torch.int64, 2, 50.0),
    (torch.float32, 3, 1e4),
    (torch.float64, 3, 1e-3),
)
"""Dtype, number of dimensions and size of the numbers; of three dimensions the first is 1."""

Operands = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

WRONG_SUMS: Final[Mapping[str, tuple[str, str, tuple[Operands, ...]]]] = {
    "wrong-sign": (
        "El resultado es una resta, o tiene el signo contrario.",
        "Se pide la suma.",
        (lambda a, b: a - b, lambda a, b: b - a, lambda a, b: -(a + b)),
    ),
    "operand-returned": (
        "El resultado es uno de los operandos.",
        "Devuelve la suma, no solo el tensor movido.",
        (lambda a, b: a, lambda a, b: b),
    ),
    "added-twice": (
        "Un operando cuenta dos veces en el resultado.",
        "Cada uno se suma una vez: comprueba que no sumas `a` con `a` y que no repites la suma.",
        (
            lambda a, b: a + a,
            lambda a, b: b + b,
            lambda a, b: a + b + b,
            lambda a, b: a + b + a,
            lambda a, b: 2 * (a + b),
        ),
    ),
    "mean-for-sum": (
        "El resultado es la media de los operandos, no su suma.",
        "La suma no se divide por cuántos son.",
        (lambda a, b: (a + b) / 2,),
    ),
    "wrong-operation": (
        "El resultado es otra operación con los operandos, no su suma.",
        "Se pide `+`, elemento a elemento.",
        (lambda a, b: a * b, lambda a, b: a / b, torch.maximum, torch.minimum),
    ),
    "sign-lost": (
        "El resultado pierde el signo de los números negativos.",
        "Los operandos pueden ser negativos, y la suma también.",
        (
            lambda a, b: a.abs() + b.abs(),
            lambda a, b: (a + b).abs(),
            lambda a, b: (a + b).clamp(min=0),
        ),
    ),
    "truncated": (
        "El resultado ha perdido los decimales.",
        "No conviertas los tensores a enteros ni los redondees.",
        (
            lambda a, b: a.trunc() + b.trunc(),
            lambda a, b: (a + b).trunc(),
            lambda a, b: (a + b).round(),
        ),
    ),
}
"""The usual mistakes by diagnosis: what to say, what to look at, and what they return."""

EXCEPTIONS: Final = (
    ("NameError", "undefined-name", "Dentro de la función se usa un nombre que no existe ahí."),
    (
        "positional argument",
        "wrong-arguments",
        "La función recibe tres argumentos: `a`, `b` y `device`.",
    ),
    (
        "on the same device",
        "devices-mixed",
        "Lleva los dos operandos a `device` antes de sumarlos: no tienen por qué estar ya en el "
        "mismo dispositivo.",
    ),
    ("CUDA", "cuda-unavailable", "Usa el argumento `device` en vez de escribir el dispositivo."),
    ("NVIDIA", "cuda-unavailable", "Usa el argumento `device` en vez de escribir el dispositivo."),
)
"""What a known exception says, the mistake, and what to look at."""


PLACES: Final = (
    ("cpu", "cuda", torch.device("cuda")),
    ("cuda", "cpu", "cuda:0"),
    ("cpu", "cuda", "cpu"),
    ("cuda", "cuda", torch.device("cpu")),
    ("cpu", "cpu", "cuda"),
)
"""Where `a` and `b` are on a machine with CUDA, and the device of the sum."""

Operand = torch.Tensor | OnDevice


def _inputs(
    submission: Submission, dtype: torch.dtype = torch.float32, rank: int = 2, scale: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Two random tensors of one shape that no example has, with negative numbers and a zero."""
    shape = [submission.random.randint(4, 7) for _ in range(rank)]
    if rank == 3:
        shape[0] = 1

    def normal() -> torch.Tensor:
        values = torch.randn(shape, generator=submission.generator, dtype=torch.float64)
        return values * scale * 3

    a, b = normal(), normal()
    a.view(-1)[0] = 0
    if rank == 2:
        b = b.mT.contiguous().mT  # its rows do not follow each other in memory
    return a.to(dtype), b.to(dtype)


def _placed(tensor: torch.Tensor, place: str) -> Operand:
    return tensor if place == "cpu" else OnDevice(tensor, place)


def _works(submission: Submission, *args: Any) -> bool:
    """Whether ``add_on`` returns a tensor for these arguments."""
    try:
        return isinstance(submission.call("add_on", *args).value, TensorValue)
    except CheckFailed:
        return False


def _explained(
    submission: Submission, error: CheckFailed, a: Operand, b: Operand, device: Any
) -> tuple[str, str]:
    """The diagnosis of a call that raised, and what to look at."""
    for sign, diagnosis, hint in EXCEPTIONS:
        if sign in error.detail:
            return diagnosis, f"{hint} {LESSON}"
    other = torch.device(device) if isinstance(device, str) else str(device)
    if _works(submission, a, b, other):
        return "device-type-assumed", (
            "`device` puede ser un `torch.device` o un texto: `.to(...)` acepta los dos, sin "
            f"mirar de qué clase son. {LESSON}"
        )
    if _works(submission, device, a, b) or _works(submission, a, device, b):
        return "swapped-arguments", "El orden de los argumentos es `a`, `b`, `device`."
    if _works(submission, torch.ones(2, 3), torch.ones(2, 3), device):
        return "example-only", (
            "Con dos tensores pequeños de dos dimensiones no falla: suma los tensores enteros, "
            "sin contar con una forma ni con un tipo determinados."
        )
    return error.diagnosis, (
        f"Los dos operandos tienen que estar en el mismo dispositivo antes de sumarlos. {LESSON}"
    )


def _called(submission: Submission, a: Operand, b: Operand, device: torch.device | str) -> Call:
    """The call; when it raises, fails and says why where that is known."""
    try:
        return submission.call("add_on", a, b, device)
    except NotAttempted:
        raise
    except CheckFailed as error:
        if error.diagnosis != "exception":
            raise
        diagnosis, hint = _explained(submission, error, a, b, device)
        raise CheckFailed(error.message, hint, diagnosis, error.detail) from error


def _check_shape(actual: torch.Tensor, expected: torch.Tensor) -> None:
    if actual.shape == expected.shape:
        return
    if actual.numel() == 1 != expected.numel():
        fail(
            "El resultado es un solo número.",
            "Se suma elemento a elemento, con `+`; `sum` reduce un tensor a un número.",
            "reduced",
        )
    if actual.numel() == 2 * expected.numel():
        fail(
            "El resultado pone un operando detrás del otro, sin sumarlos.",
            "`cat` y `stack` unen tensores; se pide `+`.",
            "concatenated",
        )
    if tuple(actual.shape) in ((3, 2), (2, 3)):
        fail(
            "El resultado tiene la forma de un ejemplo del cuaderno, no la de los operandos.",
            "Usa los argumentos `a` y `b`, no tensores del cuaderno ni una forma escrita a mano.",
            "hard-coded-shape",
        )
    fail(
        "El resultado no tiene la forma de los operandos.",
        "Suma los argumentos `a` y `b` enteros con `+`, sin aplanarlos ni recortarlos.",
        "wrong-shape",
    )


def _check_values(actual: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> None:
    """Fail, naming the mistake, unless the values are those of the sum."""
    if close(actual, reference.add_on(a, b, "cpu")):
        return
    wide = a.to(torch.float64), b.to(torch.float64)
    for diagnosis, (message, hint, results) in WRONG_SUMS.items():
        if any(close(actual, result(*wide)) for result in results):
            fail(message, hint, diagnosis)
    fail(
        "El resultado no es la suma de `a` y `b`.",
        "Usa los argumentos de la función, sin cambiar su tipo, y comprueba la operación con "
        "dos tensores pequeños.",
        "wrong-values",
    )


def _add(
    submission: Submission,
    a: torch.Tensor,
    b: torch.Tensor,
    device: torch.device | str,
    places: tuple[str, str] = ("cpu", "cpu"),
) -> tuple[Call, TensorValue]:
    """The call, and its result, which has the sum's values; fails otherwise and says why."""
    call = _called(submission, _placed(a, places[0]), _placed(b, places[1]), device)
    if call.value is None:
        fail(
            "`add_on` no devuelve nada.",
            "La suma tiene que salir de la función con `return`.",
            "returns-nothing",
        )
    result = submission.as_tensor(call.value, "El resultado de `add_on`")
    _check_shape(result.tensor, reference.add_on(a, b, "cpu"))
    _check_values(result.tensor, a, b)
    return call, result


@pytest.mark.grade_cell("dispositivos-mezcla", weight=2)
def test_suma(submission: Submission) -> None:
    """`add_on` devuelve la suma de los dos operandos."""
    for number, case in enumerate(CASES):
        a, b = _inputs(submission, *case)
        _, result = _add(submission, a, b, "cpu" if number % 2 else torch.device("cpu"))
        _check_dtype(result, a)


def _check_dtype(result: TensorValue, operand: torch.Tensor) -> None:
    if result.dtype != operand.dtype:
        fail(
            "La suma no es del mismo tipo de datos que los operandos.",
            "Ni `.to(device)` ni `+` cambian el tipo de dos tensores del mismo tipo: no los "
            "conviertas.",
            "wrong-dtype",
        )


@pytest.mark.grade_cell("dispositivos-mezcla", weight=1)
def test_mezcla(submission: Submission) -> None:
    """`add_on` suma también operandos que están en dispositivos distintos."""
    for one, other, device in PLACES:
        a, b = _inputs(submission.with_cuda)
        _add(submission.with_cuda, a, b, device, (one, other))


@pytest.mark.grade_cell("dispositivos-mezcla", weight=1)
def test_dispositivo(submission: Submission) -> None:
    """La suma está en el dispositivo pedido."""
    for world, place, device in (
        (submission, "cpu", "cpu"),
        (submission.with_cuda, "cpu", "cuda"),
        (submission.with_cuda, "cuda", "cpu"),
    ):
        _, result = _add(world, *_inputs(world), torch.device(device), (place, place))
        if result.device.split(":")[0] != device:
            fail(
                f"Con los operandos en `{place}` y `{device}` como dispositivo, la suma está en "
                f"`{result.device.split(':')[0]}`.",
                "Mueve los operandos al argumento `device` y no lleves después la suma a otro "
                f"sitio. {LESSON}",
                "left-on-cpu" if result.device == "cpu" else "wrong-device",
            )


@pytest.mark.grade_cell("dispositivos-mezcla", weight=1)
def test_intactos(submission: Submission) -> None:
    """`add_on` no modifica los operandos."""
    a, b = _inputs(submission)
    call, _ = _add(submission, a, b, torch.device("cpu"))
    for index, (name, before) in enumerate((("a", a), ("b", b))):
        after = call.args[index] if index < len(call.args) else None
        same = isinstance(after, TensorValue) and after.dtype == before.dtype
        if not isinstance(after, TensorValue) or not same or not close(after.tensor, before):
            fail(
                f"`add_on` modifica su argumento `{name}`.",
                "Si el tensor ya está en el dispositivo, `.to(...)` devuelve el mismo tensor, y "
                f"`+=` o `add_` lo cambian. Usa una operación que cree un tensor nuevo. {LESSON}",
                "in-place",
            )
        if after.requires_grad:
            fail(
                f"`add_on` cambia el `requires_grad` de su argumento `{name}`.",
                "Los métodos que acaban en `_` cambian el tensor en su sitio, y aquí no hacen "
                f"falta. {LESSON}",
                "requires-grad-changed",
            )
