"""Graders of ``gradientes-backward``: ``w.grad`` and ``b.grad`` of the student's own loss."""

import pytest
import torch

from autograder.grading import Submission, TensorValue, close, fail
from solutions import gradientes as reference

LESSON = "Repasa «Retropropagación»."


def _own(submission: Submission) -> dict[str, torch.Tensor]:
    """The student's x, y, w and b in float64."""
    own: dict[str, torch.Tensor] = {}
    for name, shape in (("x", (5,)), ("y", (3,)), ("w", (5, 3)), ("b", (3,))):
        value = submission.tensor(name)
        if value.shape != shape or value.dtype.is_complex:
            fail(
                f"No se puede comprobar: `{name}` no tiene la forma {shape} que se pedía.",
                "Corrige primero el ejercicio de la función de pérdida.",
                "wrong-shape",
            )
        own[name] = value.tensor.to(torch.float64)
    return own


def _gradient(submission: Submission, name: str) -> torch.Tensor:
    """The gradient that the student's ``w`` or ``b`` holds; fails and says why when none."""
    value = submission.tensor(name)
    if value.grad is not None:
        return value.grad.tensor
    if not value.requires_grad:
        fail(
            f"`{name}` no requiere gradiente, así que `{name}.grad` no existe.",
            "Pide el gradiente al crear los parámetros. Repasa «Retropropagación».",
            "requires-grad-missing",
        )
    if not value.is_leaf:
        fail(
            f"`{name}` es el resultado de una operación: PyTorch no guarda su gradiente.",
            "Pide el gradiente sobre el tensor ya terminado. Repasa «Retropropagación».",
            "non-leaf",
        )
    for later in ("z", "loss"):
        known = submission.value(later) if submission.has(later) else None
        if isinstance(known, TensorValue) and not known.requires_grad:
            fail(
                f"`{name}.grad` está vacío: `{later}` no recuerda de qué parámetros viene.",
                "`requires_grad` tiene que estar puesto antes de la operación, y sin `detach` ni "
                f"`no_grad` por medio. {LESSON}",
                "requires-grad-late" if later == "z" else "detached-early",
            )
    fail(
        f"`{name}.grad` está vacío: el gradiente no ha llegado a `{name}`.",
        f"Retropropaga la pérdida hasta los dos parámetros, sin `detach`. {LESSON}",
        "no-backward",
    )


def _check(submission: Submission, index: int) -> None:
    """Compare ``w.grad`` (0) or ``b.grad`` (1)."""
    name = "wb"[index]
    own = _own(submission)
    actual = _gradient(submission, name)
    x, y, w, b = (own[key] for key in "xywb")
    z = reference.logits(x, w, b)
    right = reference.manual_gradients(x, y, w, b)[index]
    scale = 1.0
    loss = submission.value("loss") if submission.has("loss") else None
    if isinstance(loss, TensorValue) and loss.tensor.numel() == 1:
        own_loss = loss.tensor.reshape(()).to(torch.float64) if not loss.dtype.is_complex else z[0]
        if torch.allclose(own_loss, 3 * reference.loss(z, y), rtol=1e-4):
            scale = 3.0  # their loss is a sum, which cost its points where it was asked for
    if close(actual, right * scale):
        return
    if actual.shape != right.shape:  # only possible with a .grad of a strange origin
        fail(f"`{name}.grad` no tiene la forma de `{name}`.", LESSON, "wrong-shape")
    for times in range(2, 11):
        if close(actual, right * scale * times):
            fail(
                f"`{name}.grad` es {times} veces el gradiente: se ha acumulado.",
                "Cada `backward()` suma al gradiente que ya había. Ejecuta el cuaderno desde el "
                f"principio y retropropaga una sola vez. {LESSON}",
                "backward-twice",
            )
    if close(actual, torch.zeros_like(right)):
        fail(
            f"`{name}.grad` está a cero.",
            "No borres los gradientes después de retropropagar.",
            "zeroed-grad",
        )
    if close(actual, -right * scale):
        fail(f"`{name}.grad` tiene el signo contrario.", LESSON, "wrong-sign")
    of_z = torch.ones_like(z)
    of_z = torch.outer(x, of_z) if index == 0 else of_z
    if close(actual, of_z) or close(actual, of_z / 3):
        fail(
            f"`{name}.grad` es el gradiente de `z`, no el de la pérdida.",
            f"Hay que retropropagar `loss`. {LESSON}",
            "gradient-of-wrong-variable",
        )
    hint = f"No escribas los números a mano: retropropaga `loss`. {LESSON}"
    fail(
        f"`{name}.grad` no es el gradiente de la pérdida con tus `x`, `y`, `w` y `b`.",
        hint,
        "typed-values" if _typed(actual) else "wrong-values",
    )


def _typed(values: torch.Tensor) -> bool:
    """Whether all values have at most four decimals, as those copied from a printed tensor."""
    if not values.dtype.is_floating_point or not bool(torch.isfinite(values).all()):
        return False
    wide = values.to(torch.float64)
    return bool(((wide * 1e4 - (wide * 1e4).round()).abs() <= 4e-3).all())


@pytest.mark.grade_cell("gradientes-backward", weight=4)
def test_w(submission: Submission) -> None:
    """`w.grad` es el gradiente de la pérdida respecto a `w`."""
    _check(submission, 0)


@pytest.mark.grade_cell("gradientes-backward", weight=3)
def test_b(submission: Submission) -> None:
    """`b.grad` es el gradiente de la pérdida respecto a `b`."""
    _check(submission, 1)
