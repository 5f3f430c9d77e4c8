"""Graders of ``gradientes-funcion`` and ``gradientes-a-mano``.

``gradients(x, y, w, b)`` by autograd and ``manual_gradients(x, y, w, b)`` without it must return
the same, so that one judge serves both.
"""

from typing import Final

import pytest
import torch

from autograder.grading import (
    Call,
    CheckFailed,
    NotAttempted,
    Submission,
    TensorValue,
    Value,
    close,
    fail,
)
from solutions import gradientes as reference

LESSONS: Final = {
    "gradients": "Repasa «Gradientes con una función».",
    "manual_gradients": "Repasa «Los mismos gradientes a mano».",
}
"""The section to read again, by function."""

MISTAKES: Final = {
    "sum-for-mean": (
        "los gradientes son los de la suma de las pérdidas, no los de su media",
        "La pérdida es la media sobre todos los elementos: divide por cuántos son.",
    ),
    "mean-over-outputs": (
        "la media se toma sobre las salidas de cada muestra, y no sobre todo el lote",
        "Divide por el número de elementos de `y`: muestras por salidas.",
    ),
    "mean-over-samples": (
        "la media se toma sobre las muestras, y no también sobre las salidas",
        "Divide por el número de elementos de `y`: muestras por salidas.",
    ),
    "wrong-sign": (
        "los gradientes tienen el signo contrario",
        "El error es la predicción menos el objetivo, y el gradiente apunta cuesta arriba.",
    ),
    "backward-twice": (
        "los gradientes son el doble de lo debido",
        "Cada `backward()` suma al gradiente que ya hubiera: hazlo una vez, desde cero.",
    ),
    "missing-sigmoid": (
        "falta la sigmoide: el error no se calcula con los logits sin más",
        "Compara el objetivo con la probabilidad que resulta de aplicar la sigmoide a `z`.",
    ),
    "sigmoid-twice": (
        "la sigmoide se aplica dos veces",
        "La pérdida «con logits» ya aplica la sigmoide a `z`.",
    ),
    "target-forgotten": (
        "el objetivo `y` no cuenta",
        "El error depende de la diferencia entre la predicción y `y`.",
    ),
    "gradient-of-wrong-variable": (
        "parecen los gradientes de `z`, no los de la pérdida",
        "Deriva la pérdida, un solo número, respecto a `w` y a `b`.",
    ),
}
"""The usual mistakes by diagnosis: what to say, and what to look at."""

Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def _inputs(
    submission: Submission, batch: int | None, dtype: torch.dtype = torch.float32
) -> Inputs:
    """Random x, y, w and b; all sizes differ, so that no wrong formula fits by chance."""
    inputs, outputs = submission.random.sample(range(2, 6), 2)
    leading = () if batch is None else (batch,)

    def normal(*size: int) -> torch.Tensor:
        return torch.randn(size, generator=submission.generator, dtype=torch.float64)

    x, w, b = normal(*leading, inputs), normal(inputs, outputs) * 0.6, normal(outputs)
    y = torch.rand((*leading, outputs), generator=submission.generator, dtype=torch.float64)
    x, y, w, b = (t.to(dtype) for t in (x, y, w, b))
    return x, y, w, b


def _errors(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> dict[str, torch.Tensor]:
    """What stands for the right error in z if a mistake was made, by diagnosis."""
    p, count, outputs = torch.sigmoid(z), z.numel(), z.shape[-1]
    right = (p - y) / count
    pp = torch.sigmoid(p)
    return {
        "sum-for-mean": right * count,
        "mean-over-outputs": right * (count / outputs),
        "mean-over-samples": right * outputs,
        "wrong-sign": -right,
        "backward-twice": right * 2,
        "missing-sigmoid": (z - y) / count,
        "sigmoid-twice": (pp - y) * p * (1 - p) / count,
        "target-forgotten": p / count,
        "gradient-of-wrong-variable": torch.ones_like(z),
    }


def _by_error(x: torch.Tensor, error: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The gradients of w and b for an error in z."""
    rows, errors = x.reshape(-1, x.shape[-1]), error.reshape(-1, error.shape[-1])
    return rows.T @ errors, errors.sum(0)


def _pair(submission: Submission, value: Value, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The two tensors of a result."""
    if value is None:
        fail(
            f"`{name}` no devuelve nada.",
            "Termina la función devolviendo los dos gradientes: `return dw, db`.",
            "returns-nothing",
        )
    if not isinstance(value, tuple | list) or len(value) != 2:
        fail(
            f"`{name}` no devuelve dos gradientes.",
            "Devuelve la pareja `(dw, db)`, en este orden.",
            "wrong-type",
        )
    if value[0] is None or value[1] is None:
        fail(
            f"`{name}` devuelve `None` en lugar de un gradiente.",
            "Solo las hojas del grafo que requieren gradiente guardan `.grad`; el resultado de "
            f"`clone` o de una operación no lo hace. {LESSONS[name]}",
            "no-grad",
        )
    dw = submission.as_tensor(value[0], "El primer gradiente, el de `w`,").tensor
    db = submission.as_tensor(value[1], "El segundo gradiente, el de `b`,").tensor
    return dw, db


def _judge(result: tuple[torch.Tensor, torch.Tensor], inputs: Inputs, name: str) -> None:
    """Fail, naming the mistake, unless both gradients are right."""
    lesson = LESSONS[name]
    x, y, w, b = (t.detach().to(torch.float64) for t in inputs)
    right = reference.manual_gradients(x, y, w, b)
    if close(result[0], right[0]) and close(result[1], right[1]):
        return
    if close(result[0], right[1]) and close(result[1], right[0]):
        fail(
            "Los dos gradientes están intercambiados.",
            "Devuelve primero el de `w` y después el de `b`.",
            "swapped",
        )
    if close(result[0], right[0].T) and close(result[1], right[1]):
        fail(
            "El gradiente de `w` está traspuesto.",
            "El gradiente de un tensor tiene la forma del tensor.",
            "transposed",
        )
    z = reference.logits(x, w, b)
    for diagnosis, error in _errors(x, y, z).items():
        dw, db = _by_error(x, error)
        if close(result[0], dw) and close(result[1], db):
            message, hint = MISTAKES[diagnosis]
            fail(f"El resultado no es correcto: {message}.", f"{hint} {lesson}", diagnosis)
    for argument, actual, expected in zip(("w", "b"), result, right, strict=True):
        if actual.shape == z.shape != expected.shape:
            fail(
                f"El que tendría que ser el gradiente de `{argument}` tiene la forma de `z`.",
                f"Deriva respecto a `w` y a `b`, y suma sobre el lote. {lesson}",
                "gradient-of-wrong-variable",
            )
        if actual.shape != expected.shape:
            fail(
                f"El gradiente de `{argument}` no tiene la forma de `{argument}`.",
                "El gradiente de un tensor tiene siempre la forma del tensor, también con un "
                f"lote. {lesson}",
                "wrong-shape",
            )
    wrong = [
        f"`{argument}`"
        for argument, actual, expected in zip(("w", "b"), result, right, strict=True)
        if not close(actual, expected)
    ]
    fail(
        f"No es correcto el gradiente de {' ni el de '.join(wrong)}.",
        f"Compáralo con un caso pequeño, con una sola muestra y un lote. {lesson}",
        "wrong-values",
    )


def _ask(submission: Submission, inputs: Inputs) -> Call:
    """Call ``gradients``; when it raises, say what the exercise demands of it."""
    try:
        return submission.call("gradients", *inputs)
    except NotAttempted:
        raise
    except CheckFailed as error:
        if error.diagnosis != "exception":
            raise
        if not inputs[2].requires_grad and _works(submission, inputs):
            raise CheckFailed(
                "`gradients` falla cuando `w` y `b` no requieren gradiente.",
                "Trabaja con copias que sí lo requieran, sin tocar los argumentos.",
                "requires-grad-missing",
                error.detail,
            ) from error
        raise CheckFailed(
            error.message,
            "La pérdida es un solo número, y `z` no puede separarse del grafo antes de derivar. "
            f"{LESSONS['gradients']}",
            "exception-one-sample" if inputs[0].dim() == 1 else "exception-batch",
            error.detail,
        ) from error


def _works(submission: Submission, inputs: Inputs) -> bool:
    """Whether ``gradients`` returns at all when ``w`` and ``b`` require grad."""
    x, y, w, b = inputs
    try:
        submission.call("gradients", x, y, w.clone().requires_grad_(), b.clone().requires_grad_())
    except CheckFailed:
        return False
    return True


def _check(submission: Submission, inputs: Inputs) -> Call:
    call = _ask(submission, inputs)
    _judge(_pair(submission, call.value, "gradients"), inputs, "gradients")
    return call


def _tracked(inputs: Inputs) -> Inputs:
    """The same with ``w`` and ``b`` requiring grad."""
    x, y, w, b = inputs
    return x, y, w.requires_grad_(), b.requires_grad_()


@pytest.mark.grade_cell("gradientes-funcion", weight=2)
def test_una_muestra(submission: Submission) -> None:
    """`gradients` acierta con una sola muestra."""
    for dtype in (torch.float32, torch.float64):
        _check(submission, _tracked(_inputs(submission, None, dtype)))


@pytest.mark.grade_cell("gradientes-funcion", weight=2)
def test_lote(submission: Submission) -> None:
    """`gradients` acierta con un lote de muestras."""
    for dtype in (torch.float32, torch.float64):
        batch = submission.random.randint(6, 12)
        _check(submission, _tracked(_inputs(submission, batch, dtype)))


@pytest.mark.grade_cell("gradientes-funcion", weight=1)
def test_sin_grad(submission: Submission) -> None:
    """`gradients` acierta también si `w` y `b` no requieren gradiente."""
    _check(submission, _inputs(submission, None))


@pytest.mark.grade_cell("gradientes-funcion", weight=2)
def test_intactos(submission: Submission) -> None:
    """`gradients` acierta y deja sus argumentos como estaban, también su `.grad`."""
    inputs = _tracked(_inputs(submission, None))
    for tensor in inputs[2:]:
        tensor.grad = torch.rand(tensor.shape, generator=submission.generator) + 1
    before = [tensor.detach().clone() for tensor in inputs]
    call = _ask(submission, inputs)
    dw, db = _pair(submission, call.value, "gradients")
    added = [tensor.grad for tensor in inputs[2:]]
    x, y, w, b = before
    right = reference.manual_gradients(x, y, w, b)
    if all(
        extra is not None and close(actual, expected + extra)
        for actual, expected, extra in zip((dw, db), right, added, strict=True)
    ):
        fail(
            "Si los argumentos ya tienen un `.grad`, el resultado lo arrastra.",
            "`backward()` suma al gradiente que ya había: trabaja con copias de `w` y `b`. "
            f"{LESSONS['gradients']}",
            "accumulated-grads",
        )
    _judge((dw, db), (x, y, w, b), "gradients")
    _check_untouched(call, before, added, tracked=True)
    plain = _inputs(submission, None)
    try:
        call = submission.call("gradients", *plain)
    except CheckFailed:  # judged by the check before
        return
    _check_untouched(call, list(plain), [None, None], tracked=False)


def _check_untouched(
    call: Call, before: list[torch.Tensor], grads: list[torch.Tensor | None], tracked: bool
) -> None:
    """Compare the arguments after the call with what they were."""
    hint = "Copia `w` y `b` (`detach` y `clone`) y pide el gradiente de las copias."
    for index, name in enumerate("xywb"):
        after = call.args[index] if index < len(call.args) else None
        if not isinstance(after, TensorValue) or not close(after.tensor, before[index]):
            fail(f"`gradients` cambia los valores de su argumento `{name}`.", hint, "in-place")
        if after.requires_grad != (tracked and name in "wb"):
            fail(
                f"`gradients` cambia el `requires_grad` de su argumento `{name}`.",
                hint,
                "requires-grad-changed",
            )
        grad = grads[index - 2] if index >= 2 else None
        same = after.grad is None if grad is None else _same_grad(after, grad)
        if not same:
            fail(
                f"`gradients` cambia el `.grad` de su argumento `{name}`.",
                f"{hint} {LESSONS['gradients']}",
                "grad-changed",
            )


def _same_grad(after: TensorValue, grad: torch.Tensor) -> bool:
    return after.grad is not None and close(after.grad.tensor, grad)


def _check_manual(submission: Submission, inputs: Inputs) -> None:
    try:
        call = submission.call("manual_gradients", *inputs, autograd=False)
    except NotAttempted:
        raise
    except CheckFailed as error:
        if error.diagnosis != "exception":
            raise
        one = inputs[0].dim() == 1
        raise CheckFailed(
            error.message,
            "Con una muestra, `x` es un vector y el gradiente de `w` es un producto exterior."
            if one
            else "Con un lote, el gradiente de `w` es un producto de matrices que suma sobre las "
            "muestras.",
            "exception-one-sample" if one else "exception-batch",
            error.detail,
        ) from error
    _judge(_pair(submission, call.value, "manual_gradients"), inputs, "manual_gradients")


@pytest.mark.grade_cell("gradientes-a-mano", weight=3)
def test_a_mano_una_muestra(submission: Submission) -> None:
    """`manual_gradients` acierta con una sola muestra, sin autograd."""
    for dtype in (torch.float32, torch.float64):
        _check_manual(submission, _inputs(submission, None, dtype))


@pytest.mark.grade_cell("gradientes-a-mano", weight=4)
def test_a_mano_lote(submission: Submission) -> None:
    """`manual_gradients` acierta con un lote de muestras, sin autograd."""
    for dtype in (torch.float32, torch.float64):
        _check_manual(submission, _inputs(submission, submission.random.randint(6, 12), dtype))
