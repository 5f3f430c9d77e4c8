"""Graders of ``gradientes-grad-fn``: the names of the functions that made ``z`` and ``loss``.

They are compared with the ``grad_fn`` of the student's own tensors: another correct way to
compute the loss has another name.
"""

import re
from typing import NoReturn

import pytest

from autograder.grading import FunctionValue, OpaqueValue, Submission, TensorValue, fail

LESSON = "Repasa «grad_fn»."


def _check(submission: Submission, name: str, of: str, other: str) -> None:
    value = submission.value(name)
    right = submission.tensor(of).grad_fn
    if right is None:
        _explain_missing(submission, of)
    if isinstance(value, FunctionValue | OpaqueValue):
        fail(
            f"`{name}` no es un texto: se pedía el nombre de la función.",
            f"Guarda el nombre de lo que hay en `{of}.grad_fn`, no el objeto. {LESSON}",
            "grad-fn-object",
        )
    text = submission.text(name).strip()
    if text == right:
        return
    if right in text:
        fail(
            f"`{name}` contiene el nombre de la función, pero no solo el nombre.",
            f"El texto del objeto incluye su dirección de memoria: pide solo el nombre. {LESSON}",
            "grad-fn-address",
        )
    if submission.has(other) and text == submission.tensor(other).grad_fn:
        fail(
            f"`{name}` es el nombre de la función que creó `{other}`.",
            f"Aquí se pregunta por `{of}`: comprueba que no has intercambiado los dos nombres.",
            "swapped",
        )
    _name_text(name, text, of, right)
    fail(
        f"`{name}` no es el nombre de la función que creó tu `{of}`.",
        f"Obtenlo de `{of}.grad_fn` en lugar de escribirlo a mano. {LESSON}",
        "wrong-values",
    )


def _name_text(name: str, text: str, of: str, right: str) -> None:
    """Fail if a wrong text is one that a usual mistake gives."""
    if not text or text == "None":
        fail(
            f"`{name}` no nombra ninguna función.",
            f"Las hojas no tienen `grad_fn`: léelo de `{of}`. {LESSON}",
            "grad-fn-of-leaf",
        )
    if right.startswith(text):
        fail(
            f"A `{name}` le falta el final del nombre.",
            f"Cópialo entero, o mejor: obtenlo de `{of}.grad_fn`. {LESSON}",
            "typed-values",
        )
    if text.casefold() == right.casefold():
        fail(
            f"En `{name}` hay mayúsculas y minúsculas cambiadas.",
            f"Deja el nombre tal cual está en `{of}.grad_fn`. {LESSON}",
            "typed-values",
        )
    if re.fullmatch(r"(torch\.)?\w*Tensor|Parameter|float\d+|str|(builtin_)?\w*method\w*", text):
        fail(
            f"`{name}` es el nombre de un tipo, no el de la función que creó `{of}`.",
            f"La función está en `{of}.grad_fn`: de ella se pide el nombre. {LESSON}",
            "name-of-type",
        )
    if re.fullmatch(r"\w+Backward\d*|AccumulateGrad", text):
        fail(
            f"`{name}` es el nombre de otra función de autograd.",
            f"Lee `{of}.grad_fn`, sin retroceder más por el grafo ni volver a operar. {LESSON}",
            "other-grad-fn",
        )
    if re.fullmatch(r"[\w.]+", text):
        fail(
            f"`{name}` no es el nombre de una función de autograd.",
            f"El que se pide acaba en «Backward» y un número: léelo de `{of}.grad_fn`. {LESSON}",
            "name-of-operation",
        )


def _explain_missing(submission: Submission, of: str) -> NoReturn:
    """Fail and say why ``z`` or ``loss`` has no ``grad_fn``."""

    def tracked(name: str) -> bool:
        value = submission.value(name) if submission.has(name) else None
        return isinstance(value, TensorValue) and value.requires_grad

    diagnosis = "requires-grad-late"
    if of == "loss" and tracked("z"):
        diagnosis = "detached-early"
    elif not tracked("w") and not tracked("b"):
        diagnosis = "requires-grad-missing"
    fail(
        f"`{of}` no tiene `grad_fn`: no recuerda cómo se ha calculado.",
        f"Los parámetros tienen que requerir gradiente antes de calcular `{of}`, y sin `detach` "
        f"ni `no_grad` por medio. {LESSON}",
        diagnosis,
    )


@pytest.mark.grade_cell("gradientes-grad-fn", weight=1)
def test_z(submission: Submission) -> None:
    """`z_grad_fn` es el nombre de la función que creó `z`."""
    _check(submission, "z_grad_fn", "z", "loss")


@pytest.mark.grade_cell("gradientes-grad-fn", weight=2)
def test_perdida(submission: Submission) -> None:
    """`loss_grad_fn` es el nombre de la función que creó `loss`."""
    _check(submission, "loss_grad_fn", "loss", "z")
