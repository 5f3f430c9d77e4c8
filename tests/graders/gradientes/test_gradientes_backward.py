"""Graders of ``gradientes-backward``: ``w.grad`` and ``b.grad`` of the student's own loss."""

from collections.abc import Iterator
from typing import Final

import pytest
import torch

from autograder.grading import Submission, TensorValue, close, fail
from solutions import gradientes as reference

LESSON = "Repasa «Retropropagación»."
MISTAKES: Final = {
    "zeroed-grad": ("está a cero", "No borres los gradientes después de retropropagar."),
    "wrong-sign": ("tiene el signo contrario", "Retropropaga la pérdida sin cambiarle el signo."),
    "gradient-of-wrong-variable": (
        "es el gradiente de `z`, no el de la pérdida",
        "Hay que retropropagar `loss`.",
    ),
    "sigmoid-twice": (
        "es el gradiente de una pérdida que aplica la sigmoide dos veces",
        "Retropropaga la `loss` del primer ejercicio.",
    ),
    "other-loss": (
        "es el gradiente de otra pérdida",
        "Retropropaga la `loss` del primer ejercicio.",
    ),
}
"""The usual mistakes by diagnosis: what to say of the gradient, and what to look at."""


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
    x, y = own["x"], own["y"]
    possible = [_of_logits(x, y, z)[index] for z in _logits(submission, own)]
    scale = _scale(submission, own)
    if any(close(actual, right * scale) for right in possible):
        return
    right = possible[-1] * scale
    if actual.shape != right.shape:  # only possible with a .grad of a strange origin
        fail(f"`{name}.grad` no tiene la forma de `{name}`.", LESSON, "wrong-shape")
    for times in range(2, 11):
        if close(actual, right * times):
            fail(
                f"`{name}.grad` es {times} veces el gradiente: se ha acumulado.",
                "Cada `backward()` suma al gradiente que ya había. Ejecuta el cuaderno desde el "
                "principio y retropropaga una sola vez, la media de las pérdidas y no su suma. "
                f"{LESSON}",
                "backward-twice",
            )
    z = reference.logits(x, own["w"], own["b"])
    for diagnosis, error in _mistaken(z, y):
        if close(actual, _by_error(x, error)[index]):
            message, hint = MISTAKES[diagnosis]
            fail(f"`{name}.grad` {message}.", f"{hint} {LESSON}", diagnosis)
    _name_change(actual, right, own[name], name)
    hint = f"No escribas los números a mano: retropropaga `loss`. {LESSON}"
    fail(
        f"`{name}.grad` no es el gradiente de la pérdida con tus `x`, `y`, `w` y `b`.",
        hint,
        "typed-values" if _typed(actual) else "wrong-values",
    )


def _logits(submission: Submission, own: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """The logits that the loss may come from: those of w and b, and last the student's own z.

    They differ when ``w`` or ``b`` has changed since, as by a step of gradient descent: the
    gradients of the loss are those of the z that it was computed from.
    """
    found = [reference.logits(own["x"], own["w"], own["b"])]
    z = submission.value("z") if submission.has("z") else None
    if isinstance(z, TensorValue) and z.shape == (3,) and z.dtype.is_floating_point:
        found.append(z.tensor.to(torch.float64))
    return found


def _scale(submission: Submission, own: dict[str, torch.Tensor]) -> float:
    """3 if their loss is a sum, which cost its points where it was asked for; else 1."""
    loss = submission.value("loss") if submission.has("loss") else None
    if not isinstance(loss, TensorValue) or loss.tensor.numel() != 1 or loss.dtype.is_complex:
        return 1.0
    actual = loss.tensor.reshape(()).to(torch.float64)
    sums = [3 * reference.loss(z, own["y"]) for z in _logits(submission, own)]
    return 3.0 if any(torch.allclose(actual, one, rtol=1e-4) for one in sums) else 1.0


def _of_logits(
    x: torch.Tensor, y: torch.Tensor, z: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The gradients of w and b for logits."""
    return reference.manual_gradients(x, y, torch.zeros(len(x), len(z), dtype=z.dtype), z)


def _by_error(x: torch.Tensor, error: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The gradients of w and b for an error in z."""
    return torch.outer(x, error), error


def _mistaken(z: torch.Tensor, y: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    """What stands for the right error in z if a usual mistake was made, with its diagnosis."""
    p = torch.sigmoid(z)
    right = (p - y) / len(z)
    slope = p * (1 - p)
    yield "zeroed-grad", torch.zeros_like(z)
    yield "wrong-sign", -right
    for of_z in (torch.ones_like(z), slope, z):
        yield "gradient-of-wrong-variable", of_z
        yield "gradient-of-wrong-variable", of_z / len(z)
    yield "sigmoid-twice", (torch.sigmoid(p) - y) * slope / len(z)
    for guess, inner in ((z, 1.0), (p, slope)):
        yield "other-loss", 2 * (guess - y) * inner / len(z)
        yield "other-loss", torch.sign(guess - y) * inner / len(z)


def _name_change(
    actual: torch.Tensor, right: torch.Tensor, parameter: torch.Tensor, name: str
) -> None:
    """Fail if the right gradient was changed, or something else put in its place."""
    wide = actual.to(torch.float64)
    factor = ((wide * right).sum() / (right * right).sum()).item()
    if close(actual, right * factor):
        fail(
            f"`{name}.grad` es el gradiente multiplicado por un número.",
            f"Déjalo como lo deja `backward()`, llamado desde la propia pérdida. {LESSON}",
            "scaled-grad",
        )
    if close(actual, parameter):
        fail(
            f"`{name}.grad` es igual que `{name}`.",
            f"El gradiente lo calcula `backward()`. {LESSON}",
            "gradient-of-wrong-variable",
        )
    extra = wide - right
    factor = ((extra * parameter).sum() / (parameter * parameter).sum()).item()
    if close(wide.to(actual.dtype), right + parameter * factor):
        fail(
            f"`{name}.grad` es el gradiente más un múltiplo de `{name}`.",
            f"Retropropaga solo la pérdida, sin ningún término más. {LESSON}",
            "extra-term",
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
