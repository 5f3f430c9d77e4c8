"""Graders of ``dispositivos-numpy``: ``to_numpy(t)`` for any tensor."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pytest
import torch

from autograder.grading import (
    ArrayValue,
    CheckFailed,
    FunctionValue,
    NotAttempted,
    OnDevice,
    OpaqueValue,
    Submission,
    TensorValue,
    Value,
    fail,
)
from solutions import dispositivos as reference

LESSON: Final = "Repasa «De vuelta a NumPy»."

DTYPES: Final = (torch.float32, torch.float64, torch.int64, torch.int32, torch.bool)

Array = np.ndarray[Any, Any]

WRONG_VALUES: Final[Mapping[str, tuple[str, str, tuple[Callable[[Array], Array], ...]]]] = {
    "truncated": (
        "Los valores del array han perdido los decimales.",
        "No los conviertas a enteros ni los redondees.",
        (np.trunc, np.round),
    ),
    "wrong-sign": (
        "Los valores del array no tienen el signo de los del tensor.",
        "Convertir un tensor no cambia sus números.",
        (np.negative, np.abs),
    ),
    "precision-lost": (
        "Los valores del array se parecen a los del tensor, pero están redondeados.",
        "Un tipo más pequeño pierde cifras: conserva el del tensor.",
        (
            lambda values: values.astype(np.float16).astype(np.float64),
            lambda values: values.astype(np.float32).astype(np.float64),
        ),
    ),
}
"""The usual mistakes by diagnosis: what to say, what to look at, and what they return."""

EXCEPTIONS: Final = (
    ("NameError", "undefined-name", "Dentro de la función se usa un nombre que no existe ahí."),
    ("positional argument", "wrong-arguments", "La función recibe un solo argumento, el tensor."),
    (
        "device type tensor to numpy",
        "left-on-cuda",
        "NumPy no llega a la memoria de una GPU: antes hay que traer el tensor a la CPU con "
        "`.cpu()`, que no hace nada si ya está allí.",
    ),
    ("CUDA", "cuda-unavailable", "Para NumPy el tensor tiene que ir a la CPU, no a CUDA."),
    ("NVIDIA", "cuda-unavailable", "Para NumPy el tensor tiene que ir a la CPU, no a CUDA."),
    (
        "has no attribute",
        "unknown-method",
        "Se usa un método que ese objeto no tiene: comprueba el orden, porque un array ya no "
        "tiene los métodos de un tensor.",
    ),
)
"""What a known exception says, the mistake, and what to look at."""


def _input(submission: Submission, dtype: torch.dtype, rank: int) -> torch.Tensor:
    """A random tensor of a shape that no example has; of three dimensions the first is 1.

    With two dimensions, the rows of one with decimals do not follow each other in memory.
    """
    shape = [1] if rank == 3 else []
    shape += submission.random.sample(range(4, 9), rank - len(shape))
    if dtype.is_floating_point:
        values = torch.randn(shape, generator=submission.generator, dtype=torch.float64)
        values = values.mT.contiguous().mT if rank == 2 else values
        return (values * 50).to(dtype)
    most = {torch.bool: 1, torch.int32: 2**30}.get(dtype, 2**60)  # more than fits into a float
    return torch.randint(-most, most + 1, shape, generator=submission.generator).to(dtype)


def _works(submission: Submission, t: torch.Tensor | OnDevice) -> bool:
    """Whether ``to_numpy`` returns anything for this tensor."""
    try:
        submission.call("to_numpy", t)
    except CheckFailed:
        return False
    return True


def _without_grad(t: torch.Tensor | OnDevice) -> torch.Tensor | OnDevice:
    return OnDevice(t.tensor.detach(), t.device) if isinstance(t, OnDevice) else t.detach()


def _explained(
    submission: Submission, error: CheckFailed, t: torch.Tensor | OnDevice
) -> CheckFailed:
    """The failed check for a call that raised, with the mistake where it is known."""
    plain = t.tensor if isinstance(t, OnDevice) else t
    if plain.requires_grad and _works(submission, _without_grad(t)):
        return CheckFailed(
            "`to_numpy` falla con un tensor que requiere gradiente.",
            "NumPy no sabe de gradientes: hay que separar antes el tensor de su grafo. "
            f"`.detach()` devuelve otro tensor, y con ese hay que seguir. {LESSON}",
            "not-detached",
            error.detail,
        )
    for sign, diagnosis, hint in EXCEPTIONS:
        if sign in error.detail:
            return CheckFailed(error.message, f"{hint} {LESSON}", diagnosis, error.detail)
    if _works(submission, torch.ones(2, 3)):
        return CheckFailed(
            error.message,
            "Con un tensor pequeño de dos dimensiones no falla: convierte el argumento entero, "
            f"sin contar con una forma ni con un tipo determinados. {LESSON}",
            "example-only",
            error.detail,
        )
    return error


def _called(submission: Submission, t: torch.Tensor | OnDevice) -> Value:
    """What ``to_numpy`` returns; when it raises, fails and says why where that is known."""
    try:
        return submission.call("to_numpy", t).value
    except NotAttempted:
        raise
    except CheckFailed as error:
        if error.diagnosis != "exception":
            raise
        raise _explained(submission, error, t) from error


def _array(submission: Submission, t: torch.Tensor | OnDevice) -> ArrayValue:
    """The student's array; fails and says what was returned if it is none."""
    value = _called(submission, t)
    if value is None:
        fail(
            "`to_numpy` no devuelve nada.",
            "El array tiene que salir de la función con `return`.",
            "returns-nothing",
        )
    if isinstance(value, TensorValue):
        fail(
            "`to_numpy` devuelve todavía un tensor.",
            f"Falta el último paso, convertirlo en un array. {LESSON}",
            "still-tensor",
        )
    if isinstance(value, FunctionValue):
        fail(
            "`to_numpy` devuelve una función, no un array.",
            f"Un método se llama con paréntesis: `.numpy()`. {LESSON}",
            "not-called",
        )
    if isinstance(value, OpaqueValue) and value.type_name == "ndarray":
        fail(
            "`to_numpy` devuelve un array que no es de números.",
            f"Convierte el tensor entero de una vez, no sus partes, ni a texto. {LESSON}",
            "wrong-dtype",
        )
    if not isinstance(value, ArrayValue):
        fail(
            "`to_numpy` no devuelve un array de NumPy.",
            f"Una lista no es un array: usa la conversión que ofrece el propio tensor. {LESSON}",
            "wrong-type",
        )
    return value


def _check_shape(actual: ArrayValue, expected: Array) -> None:
    if actual.shape == expected.shape:
        return
    if actual.shape == expected.shape[::-1]:
        fail(
            "El array tiene las dimensiones del tensor en el orden contrario.",
            "No hace falta trasponer nada.",
            "transposed",
        )
    if actual.shape in ((3, 2), (2, 3)):
        fail(
            "El array tiene la forma de un ejemplo del cuaderno, no la del tensor.",
            "Convierte el argumento `t`, no un tensor del cuaderno ni una forma escrita a mano.",
            "hard-coded-shape",
        )
    fail(
        "El array no tiene la forma del tensor.",
        "Convierte el argumento `t` entero, sin aplanarlo ni recortarlo ni reducirlo.",
        "wrong-shape",
    )


def _check_values(actual: ArrayValue, expected: Array) -> None:
    """Fail, naming the mistake, unless the values are exactly the tensor's: nothing rounds."""
    if expected.ndim == 0 and actual.shape == (1,):  # as `np.ascontiguousarray` makes it
        expected = expected.reshape(1)
    _check_shape(actual, expected)
    if np.array_equal(actual.array, expected):
        return
    if expected.dtype.kind == "f" and actual.dtype.kind in "biuf":
        own, wide = actual.array.astype(np.float64), expected.astype(np.float64)
        for diagnosis, (message, hint, results) in WRONG_VALUES.items():
            if any(np.array_equal(own, result(wide)) for result in results):
                fail(message, f"{hint} {LESSON}", diagnosis)
    if actual.array.size > 1 and bool((actual.array == actual.array.flat[0]).all()):
        fail(
            "Todos los valores del array son iguales.",
            f"Convierte el argumento `t`; no hace falta crear otro array. {LESSON}",
            "filled",
        )
    fail(
        "Los valores del array no son los del tensor.",
        "Convierte el argumento `t`, no un tensor del cuaderno, sin otras operaciones.",
        "wrong-values",
    )


@pytest.mark.grade_cell("dispositivos-numpy", weight=1)
def test_normal(submission: Submission) -> None:
    """`to_numpy` da el array de un tensor corriente."""
    for rank in (1, 2, 3, 0):
        t = _input(submission, torch.float32, rank)
        _check_values(_array(submission, t), reference.to_numpy(t))


@pytest.mark.grade_cell("dispositivos-numpy", weight=2)
def test_en_cuda(submission: Submission) -> None:
    """`to_numpy` también acierta con un tensor que está en CUDA."""
    world = submission.with_cuda
    for device in ("cuda", "cuda:0"):  # of the one kind that other checks leave no doubt about
        t = _input(world, torch.float32, 2)
        _check_values(_array(world, OnDevice(t, device)), reference.to_numpy(t))
    t = _input(world, torch.float32, 2).requires_grad_()
    if _is_right(world, t):  # else that is another mistake, judged by itself
        _check_values(_array(world, OnDevice(t, "cuda")), reference.to_numpy(t))


def _is_right(submission: Submission, t: torch.Tensor) -> bool:
    try:
        _check_values(_array(submission, t), reference.to_numpy(t))
    except CheckFailed:
        return False
    return True


@pytest.mark.grade_cell("dispositivos-numpy", weight=1)
def test_con_grad(submission: Submission) -> None:
    """`to_numpy` también acierta con un tensor que requiere gradiente."""
    for dtype, rank in ((torch.float32, 1), (torch.float32, 2), (torch.float64, 2)):
        # numbers that float32 holds: the array's dtype is judged below
        t = _input(submission, torch.float32, rank).to(dtype).requires_grad_()
        _check_values(_array(submission, t), reference.to_numpy(t))


@pytest.mark.grade_cell("dispositivos-numpy", weight=1)
def test_dtype(submission: Submission) -> None:
    """El array conserva el tipo de datos del tensor."""
    for dtype in DTYPES:
        t = _input(submission, dtype, 2)
        found, expected = _array(submission, t), reference.to_numpy(t)
        _check_shape(found, expected)
        if found.dtype != expected.dtype:
            fail(
                "El array no es del mismo tipo de datos que el tensor.",
                f"NumPy y PyTorch tienen los mismos tipos: no conviertas por el camino. {LESSON}",
                "wrong-dtype",
            )
        _check_values(found, expected)
