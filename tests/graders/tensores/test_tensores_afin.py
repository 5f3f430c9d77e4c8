"""Graders of ``tensores-afin``: ``affine(x, w, b)`` for one sample or a batch."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

import pytest
import torch

from autograder.grading import CheckFailed, NotAttempted, Submission, TensorValue, close, fail
from solutions import tensores as reference

LESSON = "Repasa «La capa afín: x·w + b», el producto de matrices."


Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
Sizes = tuple[int, int]


class Mistake(NamedTuple):
    """A formula that is taken for x·w + b, and what to say of it."""

    slug: str
    formula: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
    message: str
    hint: str


SIGN = "El producto y el sesgo se suman, los dos con su signo."
REDUCED = "Cada columna del resultado tiene su propio sesgo: la difusión los reparte sin más ayuda."
ACTIVATION = "Sobra la función que aplicas al final: la capa afín es solo el producto y la suma."
SCALED = "El producto de matrices es la suma de los productos, sin dividir."
# In the order of asking: the first that gives the student's result is told.
MISTAKES: Sequence[Mistake] = (
    Mistake(
        "bias-forgotten",
        lambda x, w, b: x @ w,
        "Al resultado le falta el sesgo.",
        "Suma `b` al producto.",
    ),
    Mistake("wrong-sign", lambda x, w, b: x @ w - b, "El sesgo está restado.", SIGN),
    Mistake("wrong-sign", lambda x, w, b: b - x @ w, "El producto está restado.", SIGN),
    Mistake("wrong-sign", lambda x, w, b: -(x @ w + b), "El resultado tiene otro signo.", SIGN),
    Mistake(
        "product-forgotten",
        lambda x, w, b: b,
        "El resultado es el sesgo: le falta el producto.",
        f"Suma al sesgo el producto de `x` y `w`. {LESSON}",
    ),
    Mistake(
        "bias-multiplied",
        lambda x, w, b: x @ w * b,
        "El sesgo está multiplicado.",
        "`b` se suma al producto.",
    ),
    Mistake(
        "bias-twice",
        lambda x, w, b: x @ w + 2 * b,
        "El sesgo está sumado dos veces.",
        "Súmalo una sola vez: quizá ya lo hace la función que usas.",
    ),
    Mistake(
        "bias-reduced",
        lambda x, w, b: x @ w + b.sum(),
        "El sesgo está sumado entero a cada valor.",
        REDUCED,
    ),
    Mistake(
        "bias-reduced",
        lambda x, w, b: x @ w + b.mean(),
        "Se ha sumado a todos la media del sesgo.",
        REDUCED,
    ),
    Mistake(
        "bias-reduced",
        lambda x, w, b: x @ w + b[0],
        "Se ha sumado a todos el primer valor del sesgo.",
        REDUCED,
    ),
    Mistake(
        "mean-for-sum",
        lambda x, w, b: x @ w / len(w) + b,
        "El producto está dividido por el número de entradas.",
        SCALED,
    ),
    Mistake(
        "bias-too-early",
        lambda x, w, b: x @ (w + b),
        "El sesgo está sumado antes del producto.",
        "Primero el producto, después la suma: fíjate en los paréntesis.",
    ),
    Mistake(
        "activation-added",
        lambda x, w, b: (x @ w + b).relu(),
        "El resultado no tiene valores negativos.",
        ACTIVATION,
    ),
    Mistake(
        "activation-added",
        lambda x, w, b: (x @ w + b).abs(),
        "El resultado ha perdido el signo.",
        ACTIVATION,
    ),
    Mistake(
        "activation-added",
        lambda x, w, b: (x @ w + b).sigmoid(),
        "El resultado está entre 0 y 1.",
        ACTIVATION,
    ),
    Mistake(
        "activation-added",
        lambda x, w, b: (x @ w + b).tanh(),
        "El resultado está entre −1 y 1.",
        ACTIVATION,
    ),
    Mistake(
        "activation-added",
        lambda x, w, b: (x @ w + b).softmax(-1),
        "El resultado suma 1.",
        ACTIVATION,
    ),
    Mistake(
        "rounded",
        lambda x, w, b: (x @ w + b).trunc(),
        "El resultado ha perdido los decimales.",
        "No conviertas a enteros ni redondees.",
    ),
    Mistake(
        "rounded",
        lambda x, w, b: (x @ w + b).round(),
        "El resultado ha perdido los decimales.",
        "No conviertas a enteros ni redondees.",
    ),
    Mistake(
        "transposed",
        lambda x, w, b: (x @ w + b).mT if x.dim() == 2 else x @ w + b,
        "El resultado tiene las filas y las columnas intercambiadas.",
        "Cada fila del resultado corresponde a una muestra de `x`.",
    ),
    Mistake(
        "one-sample-only",
        lambda x, w, b: x[0] @ w + b if x.dim() == 2 else x @ w + b,
        "El resultado es el de la primera muestra del lote.",
        "Usa `x` entera: el producto de matrices sirve igual para un lote.",
    ),
    Mistake(
        "one-sample-only",
        lambda x, w, b: x[-1] @ w + b if x.dim() == 2 else x @ w + b,
        "El resultado es el de la última muestra del lote.",
        "Usa `x` entera: el producto de matrices sirve igual para un lote.",
    ),
    Mistake(
        "reduced",
        lambda x, w, b: (x @ w + b).sum(),
        "El resultado es un solo número.",
        "No sumes los valores del resultado: hay uno por columna de `w`.",
    ),
    Mistake(
        "reduced",
        lambda x, w, b: (x @ w + b).mean(),
        "El resultado es un solo número.",
        "No promedies los valores del resultado: hay uno por columna de `w`.",
    ),
    Mistake(
        "reduced",
        lambda x, w, b: (x @ w + b).sum(0),
        "Las muestras del lote están sumadas.",
        "Cada muestra tiene su propia fila en el resultado.",
    ),
    Mistake(
        "reduced",
        lambda x, w, b: (x @ w + b).mean(0),
        "Las muestras del lote están promediadas.",
        "Cada muestra tiene su propia fila en el resultado.",
    ),
    Mistake(
        "element-wise",
        lambda x, w, b: x.unsqueeze(-1) * w + b,
        "Los productos no están sumados.",
        f"`*` multiplica elemento a elemento: usa el producto de matrices. {LESSON}",
    ),
)


def _inputs(
    submission: Submission,
    batch: int | None,
    dtype: torch.dtype = torch.float32,
    sizes: Sizes | None = None,
) -> Inputs:
    """Random x, w and b; the sizes differ unless given, so that no wrong product fits."""
    inputs, outputs = sizes or submission.random.sample(range(2, 6), 2)
    shape = (inputs,) if batch is None else (batch, inputs)
    x, w, b = (
        torch.randn(size, generator=submission.generator, dtype=torch.float64).to(dtype)
        for size in (shape, (inputs, outputs), (outputs,))
    )
    return x, w, b


def _hard(submission: Submission, inputs: Inputs) -> list[Inputs]:
    """Inputs of the same sizes that some wrong formulas do not survive.

    Large whole numbers with zeros among them, whose results are exact in any order of the sums;
    the given ones with all signs of the result changed; and the given ones as views whose elements
    do not follow each other in memory.
    """
    x, w, b = inputs
    large_x, large_w, large_b = (
        torch.randint(-999, 1000, one.shape, generator=submission.generator).to(one.dtype)
        for one in inputs
    )
    large_x[..., 0] = 0
    views = (_every_second(x), w.mT.contiguous().mT, _every_second(b))
    return [(large_x, large_w, large_b), (x, -w, -b), views]


def _every_second(tensor: torch.Tensor) -> torch.Tensor:
    """The same values as every second element of a longer tensor."""
    return torch.stack([tensor, -tensor], dim=-1)[..., 0]


def _affine(
    submission: Submission, x: torch.Tensor, w: torch.Tensor, b: torch.Tensor
) -> TensorValue:
    """The student's result; the arguments must be left as they were."""
    try:
        call = submission.call("affine", x, w, b)
    except NotAttempted:
        raise
    except CheckFailed as error:
        if error.diagnosis != "exception":
            raise
        _fail_with_exception(error, x)
    if call.value is None:
        fail(
            "`affine` no devuelve nada.",
            "La función tiene que terminar en `return`; mostrar con `print` no basta.",
            "returns-nothing",
        )
    for name, before, after in zip("xwb", (x, w, b), call.args, strict=True):
        if not isinstance(after, TensorValue) or not torch.equal(after.tensor, before):
            fail(
                f"`affine` cambia su argumento `{name}`.",
                "Quien llama a la función lo encuentra cambiado: `+=` y los métodos que acaban en "
                f"`_` escriben en el propio tensor. {LESSON}",
                "in-place",
            )
    return submission.as_tensor(call.value, "El resultado de `affine`")


def _fail_with_exception(error: CheckFailed, x: torch.Tensor) -> NoReturn:
    """Fail for a call that raised, saying for which inputs."""
    if re.search("dtype|scalar type", error.detail):
        raise CheckFailed(
            error.message,
            "Los tensores que intervienen tienen tipos distintos: si creas alguno, dale el tipo de "
            f"los datos. {LESSON}",
            "dtype-mixed",
            error.detail,
        ) from error
    raise CheckFailed(
        error.message,
        "`x` puede ser una muestra (un vector) o un lote (una muestra por fila), de tipo float32 o "
        f"float64. {LESSON}",
        "exception-one-sample" if x.dim() == 1 else "exception-batch",
        error.detail,
    ) from error


def _check(
    submission: Submission, x: torch.Tensor, w: torch.Tensor, b: torch.Tensor
) -> TensorValue:
    """Fail, naming the mistake, unless ``affine`` is right for these inputs."""
    result = _affine(submission, x, w, b)
    expected = reference.affine(x, w, b)
    if close(result.tensor, expected):
        return result
    if result.dtype == torch.float64 and close(result.tensor, expected.float()):
        fail(
            "El resultado es de tipo float64, pero calculado con menos decimales.",
            "No conviertas los argumentos a otro tipo: al volver a float64 los decimales perdidos "
            f"no regresan. {LESSON}",
            "precision-lost",
        )
    if result.shape != expected.shape and close(result.tensor.flatten(), expected.flatten()):
        fail(
            "Los valores del resultado son los correctos, pero no su forma: sobra o falta una "
            "dimensión.",
            "Una muestra da un vector; un lote, una matriz, aunque tenga una sola fila o columna: "
            f"no añadas ni quites dimensiones. {LESSON}",
            "wrong-shape",
        )
    for mistake in MISTAKES:
        if close(result.tensor, mistake.formula(x, w, b)):
            fail(mistake.message, mistake.hint, mistake.slug)
    if result.shape != expected.shape:
        fail(
            "El resultado no tiene la forma esperada.",
            "Una muestra da un vector con un valor por columna de `w`; un lote, una fila así por "
            f"muestra. {LESSON}",
            "wrong-shape",
        )
    fail(
        "El resultado no es x·w + b.",
        f"Comprueba que usas el producto de matrices (`@`) y no el elemento a elemento. {LESSON}",
        "wrong-values",
    )


@pytest.mark.grade_cell("tensores-afin", weight=1)
def test_una_muestra(submission: Submission) -> None:
    """`affine` acierta con una sola muestra."""
    first = _inputs(submission, None)
    _check(submission, *first)
    for inputs in _hard(submission, first):
        _check(submission, *inputs)
    for sizes in ((4, 1), (1, 3), (3, 3)):
        _check(submission, *_inputs(submission, None, sizes=sizes))


@pytest.mark.grade_cell("tensores-afin", weight=2)
def test_lote(submission: Submission) -> None:
    """`affine` acierta con un lote de muestras."""
    first = _inputs(submission, submission.random.randint(6, 12))
    _check(submission, *first)
    for inputs in _hard(submission, first):
        _check(submission, *inputs)
    # A batch of one, of as many samples as inputs or outputs, a single input or output.
    for batch, sizes in ((1, (3, 2)), (3, (3, 2)), (2, (3, 2)), (5, (1, 4)), (5, (4, 1))):
        _check(submission, *_inputs(submission, batch, sizes=sizes))


@pytest.mark.grade_cell("tensores-afin", weight=1)
def test_doble(submission: Submission) -> None:
    """`affine` conserva el tipo de los datos: con float64 da float64, con float32 float32."""
    for dtype in (torch.float64, torch.float32):
        one, w, b = _inputs(submission, None, dtype)
        try:
            result = _check(submission, one, w, b)
        except NotAttempted:
            raise
        except CheckFailed:  # the other form counts as well: each has its own check
            batch = torch.stack([one, 2 * one, -one, one + 1, one - 2, 3 * one])
            result = _check(submission, batch, w, b)
        if result.dtype != dtype:
            fail(
                f"Con argumentos de tipo {dtype} el resultado es de tipo {result.dtype}.",
                "No conviertas los argumentos ni crees tensores intermedios de un tipo fijo. "
                f"{LESSON}",
                "wrong-dtype",
            )
