"""Graders of ``tensores-atributos``: ``describe(t)``, a dict of a tensor's attributes."""

import pytest
import torch

from autograder.grading import FunctionValue, Submission, fail
from solutions import tensores as reference

DTYPES = (torch.float64, torch.int64, torch.float32, torch.bool, torch.int32)
LESSON = "Repasa «Forma, tipo y dispositivo»."
KEYS = "`shape`, `dtype` y `device`"


def _tensors(submission: Submission) -> list[torch.Tensor]:
    """Tensors of different ranks, sizes and dtypes."""
    random = submission.random
    shapes = [tuple(random.randint(2, 5) for _ in range(rank)) for rank in (1, 2, 3)]
    dtypes = random.sample(DTYPES, 3)
    shapes.append(())
    dtypes.append(torch.float32)
    return [
        (torch.rand(shape, generator=submission.generator) * 5).to(dtype)
        for shape, dtype in zip(shapes, dtypes, strict=True)
    ]


def _entry(submission: Submission, tensor: torch.Tensor, key: str) -> object:
    """What ``describe`` says under ``key``."""
    value = submission.call("describe", tensor).value
    if value is None:
        fail(
            "`describe` no devuelve nada.",
            "Mostrar con `print` no basta: la función tiene que terminar en `return`.",
            "returns-nothing",
        )
    if not isinstance(value, dict):
        fail(
            "`describe` no devuelve un diccionario.",
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
        fail(
            f"Bajo `{key}` hay una función: falta llamarla.",
            "`t.shape`, `t.dtype` y `t.device` son atributos y no llevan paréntesis; "
            "`t.size` es un método y los necesita.",
            "not-called",
        )
    return entry


@pytest.mark.grade_cell("tensores-atributos", weight=1)
def test_forma(submission: Submission) -> None:
    """`describe` da la forma de cualquier tensor como una tupla de enteros."""
    for tensor in _tensors(submission):
        entry = _entry(submission, tensor, "shape")
        if not isinstance(entry, tuple) or any(type(n) is not int for n in entry):
            kind = "un texto" if isinstance(entry, str) else "otra cosa"
            kind = "una lista" if isinstance(entry, list) else kind
            fail(
                f"La forma tenía que ser una tupla de enteros, y es {kind}.",
                f"Convierte el atributo que da la forma con `tuple(...)`. {LESSON}",
                "wrong-type",
            )
        if tuple(entry) != reference.describe(tensor)["shape"]:
            fail(
                "La forma no es la del tensor que recibe `describe`.",
                "Usa el argumento `t`, no un tensor del cuaderno, y no supongas cuántas "
                "dimensiones tiene.",
                "wrong-shape",
            )


@pytest.mark.grade_cell("tensores-atributos", weight=1)
def test_dtype(submission: Submission) -> None:
    """`describe` da el tipo de datos de cualquier tensor."""
    for tensor in _tensors(submission):
        entry = _entry(submission, tensor, "dtype")
        if not isinstance(entry, torch.dtype):
            fail(
                "Bajo `dtype` no hay un `torch.dtype`.",
                f"Guarda el atributo tal cual, sin convertirlo en texto. {LESSON}",
                "wrong-type",
            )
        if entry != reference.describe(tensor)["dtype"]:
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
