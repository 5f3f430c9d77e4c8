"""Graders of ``tensores-atributos``: ``describe(t)``, a dict of a tensor's attributes."""

import re
from collections.abc import Sequence
from typing import NoReturn

import pytest
import torch

from autograder.grading import (
    CheckFailed,
    FunctionValue,
    NotAttempted,
    Submission,
    Value,
    fail,
    type_name,
)
from solutions import tensores as reference

DTYPES = (
    *(torch.float64, torch.float32, torch.float16),
    *(torch.int64, torch.int32, torch.uint8, torch.bool),
)
LESSON = "Repasa «Forma, tipo y dispositivo»."
KEYS = "`shape`, `dtype` y `device`"


# What an exception says of the mistake, in the order of asking: kind and text, slug, hint.
EXCEPTIONS: Sequence[tuple[str, str, str]] = (
    (
        r"TypeError: 'torch\.\w+' object is not callable",
        "attribute-called",
        "`t.shape`, `t.dtype` y `t.device` son atributos: se escriben sin paréntesis. ",
    ),
    (
        r"TypeError: 'int' object is not iterable",
        "number-for-shape",
        "Un número no se puede convertir en tupla: busca el atributo que da todos los tamaños. ",
    ),
    (
        r"TypeError: .*positional argument",
        "wrong-signature",
        "La función recibe un solo argumento, el tensor `t`. ",
    ),
    (
        r"AttributeError",
        "unknown-attribute",
        "Los tensores no tienen un atributo con ese nombre: mira la tabla de la lección. ",
    ),
    (
        r"NameError|UnboundLocalError",
        "unknown-name",
        "La función usa un nombre que no existe dentro de ella: el tensor se llama `t`. ",
    ),
)


def _tensors(submission: Submission) -> list[torch.Tensor]:
    """Tensors of different ranks, sizes and dtypes.

    One is empty, one is a transposed view, one requires grad.
    """
    random = submission.random
    shapes = [tuple(random.randint(2, 5) for _ in range(rank)) for rank in (1, 2, 3)]
    shapes += [(), (1, random.randint(2, 4), 1, 2), (0, random.randint(2, 4))]
    dtypes = random.sample(DTYPES, len(shapes))
    tensors = [
        (torch.randn(shape, generator=submission.generator) * 5).to(dtype)
        for shape, dtype in zip(shapes, dtypes, strict=True)
    ]
    tensors[1] = tensors[1].T
    return [*tensors, torch.ones(random.randint(6, 9), requires_grad=True)]


def _describe(submission: Submission, tensor: torch.Tensor) -> Value:
    """What ``describe`` returns; an exception is told by what it says of the mistake."""
    try:
        return submission.call("describe", tensor).value
    except NotAttempted:
        raise
    except CheckFailed as error:
        if error.diagnosis != "exception":
            raise
        _fail_with_exception(submission, error)


def _fail_with_exception(submission: Submission, error: CheckFailed) -> NoReturn:
    """Fail for a call that raised, saying more of it where the exception tells the mistake."""
    for pattern, slug, hint in EXCEPTIONS:
        if re.match(pattern, error.detail):
            raise CheckFailed(error.message, hint + LESSON, slug, error.detail) from error
    try:
        submission.call("describe", torch.ones(2, 3))
    except CheckFailed:  # not even for an ordinary matrix
        raise error from None
    raise CheckFailed(
        error.message,
        "No supongas cuántas dimensiones ni qué valores tiene el tensor: puede ser un número "
        f"suelto, un vector, una matriz, o no tener elementos. {LESSON}",
        "exception-on-some",
        error.detail,
    ) from error


def _entry(submission: Submission, tensor: torch.Tensor, key: str) -> object:
    """What ``describe`` says under ``key``."""
    value = _describe(submission, tensor)
    if value is None:
        fail(
            "`describe` no devuelve nada.",
            "Mostrar con `print` no basta: la función tiene que terminar en `return`.",
            "returns-nothing",
        )
    if not isinstance(value, dict):
        fail(
            f"`describe` no devuelve un diccionario, sino un objeto {type_name(value)}.",
            f"Devuelve un `dict` con las claves {KEYS}.",
            "wrong-type",
        )
    if key not in value:
        fail(
            f"Al diccionario le falta la clave `{key}`.",
            f"Las claves son textos, escritos así: {KEYS}.",
            "missing-key",
        )
    entry: object = value[key]
    if isinstance(entry, FunctionValue):
        _fail_with_function(key, entry)
    return entry


def _fail_with_function(key: str, entry: FunctionValue) -> NoReturn:
    """Fail for something that could be called: a class, or a method."""
    if entry.type_name.endswith(("Meta", "type")):
        fail(
            f"Bajo `{key}` hay una clase de Python, no el dato del tensor.",
            f"`type(...)` dice qué clase de objeto es; se pedía un atributo de `t`. {LESSON}",
            "class-for-attribute",
        )
    fail(
        f"Bajo `{key}` hay una función: falta llamarla.",
        "`t.shape`, `t.dtype` y `t.device` son atributos y no llevan paréntesis; "
        "`t.size` es un método y los necesita.",
        "not-called",
    )


def _check_differs(entries: Sequence[object], what: str) -> None:
    """Fail if ``describe`` says the same of all tensors, whatever they are like."""
    if len(set(entries)) == 1:
        fail(
            f"`describe` da {what} para todos los tensores, sean como sean.",
            "Usa el argumento `t`, no un tensor del cuaderno ni un dato escrito a mano.",
            "argument-ignored",
        )


@pytest.mark.grade_cell("tensores-atributos", weight=1)
def test_forma(submission: Submission) -> None:
    """`describe` da la forma de cualquier tensor como una tupla de enteros."""
    tensors = _tensors(submission)
    shapes = [_shape(_entry(submission, tensor, "shape")) for tensor in tensors]
    expected = [reference.describe(tensor)["shape"] for tensor in tensors]
    if shapes == expected:
        return
    _check_differs(shapes, "la misma forma")
    if shapes == [shape[::-1] for shape in expected]:
        fail(
            "La forma está al revés.",
            f"Los tamaños van en el orden de las dimensiones, tal como los da `t`. {LESSON}",
            "transposed",
        )
    fail(
        "La forma no es la del tensor que recibe `describe`.",
        "Usa el argumento `t` tal cual, sin cambiarlo antes, y no supongas cuántas dimensiones "
        "tiene.",
        "wrong-shape",
    )


def _shape(entry: object) -> tuple[int, ...]:
    """A shape that ``describe`` gave, which must be a tuple of int."""
    if not isinstance(entry, tuple) or any(type(n) is not int for n in entry):
        kinds = {str: "un texto", list: "una lista", int: "un número"}
        kind = kinds.get(type(entry), "otra cosa")
        fail(
            f"La forma tenía que ser una tupla de enteros, y es {kind}.",
            f"Convierte el atributo que da la forma con `tuple(...)`. {LESSON}",
            "wrong-type",
        )
    return tuple(entry)


@pytest.mark.grade_cell("tensores-atributos", weight=1)
def test_dtype(submission: Submission) -> None:
    """`describe` da el tipo de datos de cualquier tensor."""
    tensors = _tensors(submission)
    dtypes = [_entry(submission, tensor, "dtype") for tensor in tensors]
    if not all(isinstance(dtype, torch.dtype) for dtype in dtypes):
        fail(
            "Bajo `dtype` no hay un `torch.dtype`.",
            f"Guarda el atributo tal cual, sin convertirlo en texto. {LESSON}",
            "wrong-type",
        )
    if dtypes != [reference.describe(tensor)["dtype"] for tensor in tensors]:
        _check_differs(dtypes, "el mismo tipo de datos")
        fail(
            "El tipo de datos no es el del tensor que recibe `describe`.",
            "Usa el argumento `t`, sin convertirlo antes a otro tipo.",
            "wrong-dtype",
        )


@pytest.mark.grade_cell("tensores-atributos", weight=1)
def test_dispositivo(submission: Submission) -> None:
    """`describe` da el dispositivo como texto."""
    for tensor in _tensors(submission):
        entry = _entry(submission, tensor, "device")
        if isinstance(entry, torch.device):
            fail(
                "Bajo `device` hay un `torch.device`; se pedía un texto.",
                "Conviértelo con `str(...)`.",
                "wrong-type",
            )
        if not isinstance(entry, str):
            fail(
                "Bajo `device` no hay un texto.",
                "Convierte en texto el atributo que dice dónde está el tensor. Repasa "
                "«Forma, tipo y dispositivo», los atributos de un tensor.",
                "wrong-type",
            )
        if entry != reference.describe(tensor)["device"]:
            fail(
                "El dispositivo no es el del tensor que recibe `describe`.",
                "Usa `t.device`, sin añadirle nada.",
                "wrong-device",
            )
