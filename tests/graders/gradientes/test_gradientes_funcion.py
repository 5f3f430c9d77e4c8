"""Graders of ``gradientes-funcion`` and ``gradientes-a-mano``.

``gradients(x, y, w, b)`` by autograd and ``manual_gradients(x, y, w, b)`` without it must return
the same, so that one judge serves both.
"""

from collections.abc import Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Function:
    """What an exercise asks for, and what to say of it."""

    name: str
    autograd: bool
    lesson: str
    """The section to read again."""
    one_sample: str
    """What to look at when it fails with one sample."""
    batch: str
    """What to look at when it fails with a batch."""
    large: str
    """What to look at when it fails with large logits only."""


GRADIENTS: Final = Function(
    "gradients",
    autograd=True,
    lesson="Repasa «Gradientes con una función».",
    one_sample="La pérdida es un solo número, y `z` no puede separarse del grafo antes de derivar.",
    batch="La pérdida es un solo número, y `z` no puede separarse del grafo antes de derivar.",
    large="Si pasas por la probabilidad, se redondea a 0 o a 1 y el logaritmo se rompe: usa la "
    "función de pérdida con logits, que recibe `z` directamente.",
)
MANUAL: Final = Function(
    "manual_gradients",
    autograd=False,
    lesson="Repasa «Los mismos gradientes a mano».",
    one_sample="Con una muestra, `x` es un vector y el gradiente de `w` es un producto exterior.",
    batch="Con un lote, el gradiente de `w` es un producto de matrices que suma sobre las "
    "muestras.",
    large="La exponencial de un logit grande no cabe: usa la sigmoide de PyTorch, o una fórmula "
    "que no divida infinito entre infinito.",
)

_COUNT_HINT: Final = "Divide por el número de elementos de `y`: muestras por salidas."
MISTAKES: Final = {
    "sum-for-mean": (
        "los gradientes son los de la suma de las pérdidas, no los de su media",
        "La pérdida es la media sobre todos los elementos: divide por cuántos son.",
    ),
    "mean-over-outputs": (
        "la media se toma sobre las salidas de cada muestra, y no sobre todo el lote",
        _COUNT_HINT,
    ),
    "mean-over-samples": (
        "la media se toma sobre las muestras, y no también sobre las salidas",
        _COUNT_HINT,
    ),
    "wrong-sign": (
        "los gradientes tienen el signo contrario",
        "El error es la predicción menos el objetivo, y el gradiente apunta cuesta arriba.",
    ),
    "backward-twice": (
        "los gradientes son el doble de lo debido",
        "Cada `backward()` suma al gradiente que ya hubiera: hazlo una vez, desde cero.",
    ),
    "multiplied": (
        "se multiplica por el número de elementos en lugar de dividir",
        _COUNT_HINT,
    ),
    "mean-for-sum": (
        "las aportaciones de las muestras se promedian otra vez",
        "La media ya está en el error de cada elemento: sobre las muestras, suma.",
    ),
    "missing-sigmoid": (
        "falta la sigmoide: el error no se calcula con los logits sin más",
        "Compara el objetivo con la probabilidad que resulta de aplicar la sigmoide a `z`.",
    ),
    "sigmoid-twice": (
        "la sigmoide se aplica dos veces",
        "La pérdida «con logits» ya aplica la sigmoide a `z`.",
    ),
    "extra-derivative": (
        "sobra la derivada de la sigmoide",
        "Respecto a `z`, la derivada de esta pérdida ya se ha simplificado.",
    ),
    "other-activation": (
        "la función que se aplica a `z` no es la sigmoide",
        "Cada salida tiene su propia probabilidad, la sigmoide de su logit.",
    ),
    "other-loss": (
        "son los gradientes de otra función de pérdida",
        "Es la entropía cruzada binaria con logits, la misma del primer ejercicio.",
    ),
    "term-forgotten": (
        "falta uno de los dos términos de la entropía cruzada",
        "Un término cuenta donde `y` es 1, y el otro donde es 0.",
    ),
    "target-forgotten": (
        "el objetivo `y` no cuenta",
        "El error depende de la diferencia entre la predicción y `y`.",
    ),
    "target-added": (
        "el objetivo `y` se suma en lugar de restarse",
        "El error es la predicción menos el objetivo.",
    ),
    "prediction-forgotten": (
        "la predicción no cuenta",
        "El error es la predicción menos el objetivo.",
    ),
    "swapped-arguments": (
        "parece que `y` se toma por los logits y `z` por el objetivo",
        "Mira el orden de los argumentos de la función de pérdida.",
    ),
    "bias-forgotten": (
        "a `z` le falta el sesgo",
        "La salida de la capa es el producto más `b`.",
    ),
    "product-forgotten": (
        "en `z` solo cuenta el sesgo",
        "La salida de la capa es el producto de `x` y `w` más `b`.",
    ),
    "wrong-logits-sign": (
        "`z` tiene un signo cambiado",
        "La salida de la capa es el producto de `x` y `w` más `b`.",
    ),
    "not-accumulated": (
        "solo cuenta una parte de las muestras del lote",
        "Suma las aportaciones de todas las muestras.",
    ),
    "product-of-sums": (
        "las muestras se suman antes de multiplicarlas por su error",
        "Cada muestra se multiplica por su propio error, y después se suma.",
    ),
    "parameters-returned": (
        "son los propios `w` y `b`, no sus gradientes",
        "El gradiente de un parámetro es la derivada de la pérdida respecto a él.",
    ),
    "zero-gradient": (
        "los gradientes son ceros",
        "Deriva la pérdida, que depende de `w` y de `b`, y no borres el resultado.",
    ),
    "gradient-of-wrong-variable": (
        "parecen los gradientes de `z`, no los de la pérdida",
        "Deriva la pérdida, un solo número, respecto a `w` y a `b`.",
    ),
}
"""The usual mistakes by diagnosis: what to say, and what to look at."""

Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
Pair = tuple[torch.Tensor, torch.Tensor]


# --- hidden inputs


def _inputs(
    submission: Submission, batch: int | None, dtype: torch.dtype = torch.float32, outputs: int = 0
) -> Inputs:
    """Random x, y, w and b for one sample or a batch; ``outputs`` is random unless given.

    All sizes differ from each other and from the lesson's, so that no wrong formula fits by
    chance. The logits stay small: a formula that only large ones break is right here.
    """
    outputs = outputs or submission.random.randint(4, 6)
    inputs = submission.random.choice([n for n in (2, 3, 6, 7) if n != outputs])
    scale = submission.random.choice((1.0, 10.0))  # large inputs, small weights, or neither
    leading = () if batch is None else (batch,)

    def normal(*size: int) -> torch.Tensor:
        return torch.randn(size, generator=submission.generator, dtype=torch.float64)

    x, w, b = (
        normal(*leading, inputs) * scale,
        normal(inputs, outputs) * 0.5 / scale,
        normal(outputs),
    )
    if batch is not None:
        x[0, 0] = 0.0
    if dtype is torch.float64:  # then the rows do not follow each other in memory
        x, w = (t.mT.contiguous().mT if t.dim() == 2 else t for t in (x, w))
    return _cast((x, _targets(submission, (*leading, outputs)), w, b), dtype)


def _targets(submission: Submission, shape: tuple[int, ...]) -> torch.Tensor:
    """Zeros and ones, both in every row of two or more."""
    y = torch.randint(0, 2, shape, generator=submission.generator).to(torch.float64)
    if shape[-1] > 1:
        y[..., 1] = 1 - y[..., 0]
    return y


def _with_large_logits(submission: Submission, batch: int | None, dtype: torch.dtype) -> Inputs:
    """The same with logits up to 200 in size, two of them on the wrong side in each sample.

    Above 104 the sigmoid of −z is 0 in float32, and above 89 exp(z) is infinite; in float64
    1 − σ(z) is 0 from 37 on.
    """
    x, y, w, b = _inputs(submission, batch, torch.float64)
    sizes = torch.rand(b.shape, generator=submission.generator, dtype=torch.float64)
    signs = torch.tensor([(-1.0) ** place for place in range(b.numel())], dtype=torch.float64)
    logits = signs * (120 + 70 * sizes)
    w = w * (8 / (x @ w).abs().max())  # leaves the sign of each logit to the bias
    y[..., :2] = (logits[:2] < 0).to(torch.float64)
    return _cast((x, y, w, logits), dtype)


def _cast(inputs: Inputs, dtype: torch.dtype) -> Inputs:
    x, y, w, b = (t.to(dtype) for t in inputs)
    return x, y, w, b


def _tracked(inputs: Inputs) -> Inputs:
    """The same with ``w`` and ``b`` requiring grad."""
    x, y, w, b = inputs
    return x, y, w.clone().requires_grad_(), b.clone().requires_grad_()


# --- the usual mistakes


def _mistaken(x: torch.Tensor, y: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> Iterator[
    tuple[str, Pair]
]:  # fmt: skip
    """What comes out if a mistake was made, with its diagnosis; the likelier mistakes first."""
    z = reference.logits(x, w, b)
    right = (torch.sigmoid(z) - y) / z.numel()
    for diagnosis, error in (
        *_wrong_factors(right),
        *_wrong_errors(z, y),
        *_wrong_logits(x, y, w, b),
    ):
        yield diagnosis, _by_error(x, error)
    yield from _wrong_sums(x, right)
    yield "parameters-returned", (w, b)
    yield from _negated_logits(x, y, w, b)


def _wrong_factors(right: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    count, outputs = right.numel(), right.shape[-1]
    yield "sum-for-mean", right * count
    yield "mean-over-outputs", right * (count / outputs)
    yield "mean-over-samples", right * outputs
    yield "wrong-sign", -right
    yield "backward-twice", right * 2
    yield "multiplied", right * count**2


def _wrong_errors(z: torch.Tensor, y: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    """Errors in z that do not come from the binary cross-entropy of its sigmoid."""
    p, count, outputs = torch.sigmoid(z), z.numel(), z.shape[-1]
    pp, soft = torch.sigmoid(p), torch.softmax(z, -1)
    slope = p * (1 - p)
    yield "missing-sigmoid", (z - y) / count
    yield "sigmoid-twice", (pp - y) * slope / count
    yield "sigmoid-twice", (pp - y) / count
    yield "extra-derivative", (p - y) * slope / count
    steps, unbracketed = (z > 0).to(z.dtype), 1 + torch.exp(-z)
    for other in (torch.tanh(z), torch.relu(z), soft, steps, unbracketed):
        yield "other-activation", (other - y) / count
    yield "other-loss", 2 * (p - y) * slope / count
    yield "other-loss", 2 * (z - y) / count
    yield "other-loss", (soft * y.sum(-1, keepdim=True) - y) * (outputs / count)
    yield "other-loss", torch.sign(z - y) / count
    yield "other-loss", torch.sign(p - y) * slope / count
    yield "term-forgotten", y * (p - 1) / count
    yield "term-forgotten", (1 - y) * p / count
    yield "target-forgotten", p / count
    yield "target-forgotten", (p - 1) / count
    yield "target-added", (p + y) / count
    yield "prediction-forgotten", y / count
    yield "swapped-arguments", -y / count
    yield "zero-gradient", torch.zeros_like(z)
    for ones in (torch.ones_like(z), torch.ones_like(z) / count, slope, slope / count):
        yield "gradient-of-wrong-variable", ones


def _wrong_logits(
    x: torch.Tensor, y: torch.Tensor, w: torch.Tensor, b: torch.Tensor
) -> Iterator[tuple[str, torch.Tensor]]:
    """Errors that come from other logits than x·w + b."""
    yield "bias-forgotten", (torch.sigmoid(x @ w) - y) / y.numel()
    yield "product-forgotten", (torch.sigmoid(b) - y) / y.numel()
    yield "product-forgotten", (torch.sigmoid(b) - y) / b.numel()


def _wrong_sums(x: torch.Tensor, right: torch.Tensor) -> Iterator[tuple[str, Pair]]:
    """The right errors, not summed over the samples."""
    if x.dim() == 1:
        return
    dw, db = _by_error(x, right)
    yield "mean-for-sum", (dw / len(x), db / len(x))
    for rows in (x.sum(0), x.mean(0)):
        yield "product-of-sums", (torch.outer(rows, db), db)
    for part in (slice(-1, None), *(slice(count) for count in range(1, len(x)))):
        yield "not-accumulated", _by_error(x[part], right[part])
    for row in (0, -1):  # divided by the elements of the sample alone
        yield "not-accumulated", _by_error(x[row], right[row] * len(x))


def _negated_logits(
    x: torch.Tensor, y: torch.Tensor, w: torch.Tensor, b: torch.Tensor
) -> Iterator[tuple[str, Pair]]:
    """A sign of x·w or b turned in the logits, with the chain rule right or not."""
    for of_w, of_b in ((-1, -1), (-1, 1), (1, -1)):
        dw, db = _by_error(x, (torch.sigmoid(of_w * (x @ w) + of_b * b) - y) / y.numel())
        yield "wrong-logits-sign", (dw, db)
        yield "wrong-logits-sign", (of_w * dw, of_b * db)


def _by_error(x: torch.Tensor, error: torch.Tensor) -> Pair:
    """The gradients of w and b for an error in z."""
    rows, errors = x.reshape(-1, x.shape[-1]), error.reshape(-1, error.shape[-1])
    return rows.T @ errors, errors.sum(0)


# --- judging a result


def _pair(submission: Submission, value: Value, function: Function) -> Pair:
    """The two tensors of a result."""
    name = function.name
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
            f"`clone` o de una operación no lo hace. {function.lesson}",
            "no-grad",
        )
    dw = submission.as_tensor(value[0], "El primer gradiente, el de `w`,").tensor
    db = submission.as_tensor(value[1], "El segundo gradiente, el de `b`,").tensor
    return dw, db


def _judge(result: Pair, inputs: Inputs, function: Function) -> None:
    """Fail, naming the mistake, unless both gradients are right."""
    x, y, w, b = (t.detach().to(torch.float64) for t in inputs)
    right = reference.manual_gradients(x, y, w, b)
    if close(result[0], right[0]) and close(result[1], right[1]):
        return
    _name_arrangement(result, right)
    for diagnosis, mistaken in _mistaken(x, y, w, b):
        if _made_of(result, right, mistaken):
            message, hint = MISTAKES[diagnosis]
            fail(f"El resultado no es correcto: {message}.", f"{hint} {function.lesson}", diagnosis)
    _name_shape(result, right, reference.logits(x, w, b), function)
    _name_factor(result, right, function)
    wrong = [
        f"`{argument}`"
        for argument, actual, expected in zip(("w", "b"), result, right, strict=True)
        if not close(actual, expected)
    ]
    fail(
        f"No es correcto el gradiente de {' ni el de '.join(wrong)}.",
        f"Compáralo con un caso pequeño, con una sola muestra y un lote. {function.lesson}",
        "wrong-values",
    )


def _made_of(result: Pair, right: Pair, mistaken: Pair) -> bool:
    """Whether a result, which is not right, is what a mistake gives, for one gradient or both."""
    return all(
        close(actual, wrong) or close(actual, expected)
        for actual, wrong, expected in zip(result, mistaken, right, strict=True)
    )


def _name_arrangement(result: Pair, right: Pair) -> None:
    """Fail if the right numbers stand in the wrong places."""
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


def _name_shape(result: Pair, right: Pair, z: torch.Tensor, function: Function) -> None:
    """Fail if a gradient has not the shape of its parameter."""
    for argument, actual, expected in zip(("w", "b"), result, right, strict=True):
        if actual.shape == z.shape != expected.shape:
            fail(
                f"El que tendría que ser el gradiente de `{argument}` tiene la forma de `z`.",
                f"Deriva respecto a `w` y a `b`, y suma sobre el lote. {function.lesson}",
                "gradient-of-wrong-variable",
            )
        if actual.shape != expected.shape:
            fail(
                f"El gradiente de `{argument}` no tiene la forma de `{argument}`.",
                "El gradiente de un tensor tiene siempre la forma del tensor, también con un "
                f"lote. {function.lesson}",
                "wrong-shape",
            )


def _name_factor(result: Pair, right: Pair, function: Function) -> None:
    """Fail if both gradients are the right ones times one number."""
    factor = (result[1].to(torch.float64) @ right[1] / (right[1] @ right[1])).item()
    if all(
        close(actual, expected * factor) for actual, expected in zip(result, right, strict=True)
    ):
        fail(
            "Los gradientes son los correctos multiplicados por un número.",
            f"La pérdida es una media, y su divisor depende de los datos. {_COUNT_HINT} "
            f"{function.lesson}",
            "wrong-factor",
        )


# --- calling the student's function


def _check(submission: Submission, function: Function, inputs: Inputs) -> Call:
    """Call the function and judge what it returns."""
    call = _call(submission, function, inputs)
    _judge(_pair(submission, call.value, function), inputs, function)
    return call


def _call(submission: Submission, function: Function, inputs: Inputs) -> Call:
    """Call the function; when it raises, say what the exercise demands of it."""
    try:
        return submission.call(function.name, *inputs, autograd=function.autograd)
    except NotAttempted:
        raise
    except CheckFailed as error:
        if error.diagnosis != "exception":
            raise
        raise _explained(submission, function, inputs, error) from error


def _explained(
    submission: Submission, function: Function, inputs: Inputs, error: CheckFailed
) -> CheckFailed:
    """The failed check for a call that raised, by what other inputs do."""
    name = function.name
    plain = function.autograd and not inputs[2].requires_grad
    if plain and _works(submission, function, _tracked(inputs)):
        return CheckFailed(
            f"`{name}` falla cuando `w` y `b` no requieren gradiente.",
            "Trabaja con copias que sí lo requieran, sin tocar los argumentos.",
            "requires-grad-missing",
            error.detail,
        )
    if inputs[0].dtype == torch.float64:
        narrow = _cast(inputs, torch.float32)
        if _works(submission, function, _tracked(narrow) if function.autograd else narrow):
            return CheckFailed(
                f"`{name}` falla con tensores de tipo float64.",
                "No fijes el tipo: lo que crees dentro debe tener el de los argumentos.",
                "wrong-dtype",
                error.detail,
            )
    one = inputs[0].dim() == 1
    return CheckFailed(
        error.message,
        f"{function.one_sample if one else function.batch} {function.lesson}",
        "exception-one-sample" if one else "exception-batch",
        error.detail,
    )


def _works(submission: Submission, function: Function, inputs: Inputs) -> bool:
    """Whether the function returns at all."""
    try:
        submission.call(function.name, *inputs, autograd=function.autograd)
    except CheckFailed:
        return False
    return True


def _failure(submission: Submission, function: Function, inputs: Inputs) -> CheckFailed | None:
    """How the function fails with these inputs, None if it does not."""
    try:
        _check(submission, function, _tracked(inputs) if function.autograd else inputs)
    except NotAttempted:
        raise
    except CheckFailed as error:
        return error
    return None


def _check_large_logits(submission: Submission, function: Function) -> None:
    """Fail if large logits alone make the function wrong.

    One sample and a batch, float32 and float64 are tried apart: a function that cannot deal with
    one of them loses only the check for it, as long as another is right.
    """
    forms = [
        (batch, dtype)
        for batch in (None, submission.random.randint(3, 6))
        for dtype in (torch.float32, torch.float64)
    ]
    wrong: list[CheckFailed] = []
    for batch, dtype in forms:
        failure = _failure(submission, function, _inputs(submission, batch, dtype))
        if failure is not None:
            wrong.append(failure)
            continue
        inputs = _with_large_logits(submission, batch, dtype)
        _blame_large_logits(_failure(submission, function, inputs), function)
    if len(wrong) == len(forms):
        raise wrong[0]


def _blame_large_logits(failure: CheckFailed | None, function: Function) -> None:
    """Fail for a function that is right with small logits."""
    if failure is None:
        return
    if failure.diagnosis in ("timeout", "process-ended"):
        raise failure
    raise CheckFailed(
        f"`{function.name}` acierta con logits pequeños, pero no con logits grandes: da `nan`, "
        "infinitos o números que no son el gradiente.",
        f"{function.large} {function.lesson}",
        "unstable-formula",
        failure.detail,
    )


# --- gradientes-funcion


@pytest.mark.grade_cell("gradientes-funcion", weight=2)
def test_una_muestra(submission: Submission) -> None:
    """`gradients` acierta con una sola muestra."""
    for dtype in (torch.float32, torch.float64):
        _check(submission, GRADIENTS, _tracked(_inputs(submission, None, dtype)))


@pytest.mark.grade_cell("gradientes-funcion", weight=2)
def test_lote(submission: Submission) -> None:
    """`gradients` acierta con un lote de muestras."""
    for inputs in _batches(submission):
        _check(submission, GRADIENTS, _tracked(inputs))


def _batches(submission: Submission) -> Iterator[Inputs]:
    """Batches of several sizes and both dtypes, also of one sample, also with one output."""
    for dtype in (torch.float32, torch.float64):
        yield _inputs(submission, submission.random.randint(8, 12), dtype)
    yield _inputs(submission, 1)
    yield _inputs(submission, 4, outputs=1)


@pytest.mark.grade_cell("gradientes-funcion", weight=1)
def test_sin_grad(submission: Submission) -> None:
    """`gradients` acierta también si `w` y `b` no requieren gradiente."""
    _check(submission, GRADIENTS, _inputs(submission, None))


@pytest.mark.grade_cell("gradientes-funcion", weight=1)
def test_intactos(submission: Submission) -> None:
    """`gradients` acierta y deja sus argumentos como estaban, también su `.grad`."""
    inputs = _tracked(_inputs(submission, None))
    for tensor in inputs[2:]:
        tensor.grad = torch.rand(tensor.shape, generator=submission.generator) + 1
    before = [tensor.detach().clone() for tensor in inputs]
    call = _call(submission, GRADIENTS, inputs)
    dw, db = _pair(submission, call.value, GRADIENTS)
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
            f"{GRADIENTS.lesson}",
            "accumulated-grads",
        )
    _judge((dw, db), (x, y, w, b), GRADIENTS)
    _check_untouched(call, before, added, tracked=True)
    plain = _inputs(submission, None)
    try:
        call = submission.call("gradients", *plain)
    except CheckFailed:  # judged by the check before
        return
    _check_untouched(call, list(plain), [None, None], tracked=False)


@pytest.mark.grade_cell("gradientes-funcion", weight=1)
def test_logits_grandes(submission: Submission) -> None:
    """`gradients` acierta también con logits grandes."""
    _check_large_logits(submission, GRADIENTS)


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
                f"{hint} {GRADIENTS.lesson}",
                "grad-changed",
            )


def _same_grad(after: TensorValue, grad: torch.Tensor) -> bool:
    return after.grad is not None and close(after.grad.tensor, grad)


# --- gradientes-a-mano


@pytest.mark.grade_cell("gradientes-a-mano", weight=3)
def test_a_mano_una_muestra(submission: Submission) -> None:
    """`manual_gradients` acierta con una sola muestra, sin autograd."""
    for dtype in (torch.float32, torch.float64):
        _check(submission, MANUAL, _inputs(submission, None, dtype))


@pytest.mark.grade_cell("gradientes-a-mano", weight=3)
def test_a_mano_lote(submission: Submission) -> None:
    """`manual_gradients` acierta con un lote de muestras, sin autograd."""
    for inputs in _batches(submission):
        _check(submission, MANUAL, inputs)


@pytest.mark.grade_cell("gradientes-a-mano", weight=1)
def test_a_mano_logits_grandes(submission: Submission) -> None:
    """`manual_gradients` acierta también con logits grandes, sin autograd."""
    _check_large_logits(submission, MANUAL)
