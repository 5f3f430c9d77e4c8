"""Graders of ``optimizacion-grafica``, judged from the data of the figures.

A line counts as the function's or the derivative's by its points, however fine its grid is, if
it spans the student's ``x``. Both lines may share axes or have axes of their own in one figure.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograder.grading import (
    AxesValue,
    FigureValue,
    LineValue,
    NotAttempted,
    Submission,
    TensorValue,
    fail,
)

LESSON = "Repasa «Dibujar una función y su derivada»."
TOLERANCE = 1e-3
"""Relative and absolute: what nobody sees in a plot, and well above float32's rounding."""

Points = np.ndarray[Any, Any]
Curve = Callable[[Points], Points]

FUNCTIONS: tuple[tuple[str, Curve], ...] = (
    ("La línea es x², sin el factor 5.", lambda x: x**2),
    ("La línea es (5x)²: el cuadrado afecta solo a x.", lambda x: (5 * x) ** 2),
    ("La línea es −5x²: tiene el signo contrario.", lambda x: -5 * x**2),
    ("La línea es 5x³: el exponente no es 2.", lambda x: 5 * x**3),
    ("La línea es 5x: falta el cuadrado.", lambda x: 5 * x),
)
"""What is drawn instead of the function: what to say of it, and its heights."""

DERIVATIVES: tuple[Curve, ...] = (
    lambda x: 2 * x,
    lambda x: 5 * x,
    lambda x: 50 * x,
    lambda x: 15 * x**2,
    lambda x: np.full_like(x, 10),
    lambda x: np.full_like(x, 5),
)
"""The derivatives of other functions that are drawn instead of 10x."""

FUNCTION_WORDS = ("funci", "5x²", "5x^2", "f(x)")
DERIVATIVE_WORDS = ("deriv", "gradiente", "10x", "f'(x)")
"""Words of a label that tell which line it is meant for."""


def _span(submission: Submission) -> tuple[float, float]:
    """The ends of the student's own x, or those asked for."""
    value = submission.value("x") if submission.has("x") else None
    if isinstance(value, TensorValue) and value.dtype.is_floating_point and value.tensor.numel():
        low, high = float(value.tensor.min()), float(value.tensor.max())
        if np.isfinite([low, high]).all() and high - low >= 1:
            return low, high
    return -4.0, 4.0


def _follows(line: LineValue, right: Points) -> bool:
    return line.y.shape == right.shape and bool(
        np.allclose(line.y, right, rtol=TOLERANCE, atol=TOLERANCE)
    )


def _spans(line: LineValue, span: tuple[float, float]) -> bool:
    """Whether the line has enough points, over all of x."""
    x = line.x
    if x.size < 15 or line.y.size != x.size or not bool(np.isfinite(x).all()):
        return False
    if float(np.abs(x).max()) > 1e6:
        return False
    return abs(float(x.min()) - span[0]) <= 0.05 and abs(float(x.max()) - span[1]) <= 0.05


def _is_function(line: LineValue, span: tuple[float, float]) -> bool:
    return _spans(line, span) and _follows(line, 5 * line.x**2)


def _is_derivative(line: LineValue, span: tuple[float, float]) -> bool:
    return _spans(line, span) and _follows(line, 10 * line.x)


def _is_example(figure: FigureValue) -> bool:
    """Whether the figure is the lesson's own: a sine and a cosine, and nothing else."""
    lines = [line for axes in figure.axes for line in axes.lines]
    return bool(lines) and all(map(_is_wave, lines))


def _has_example(axes: AxesValue) -> bool:
    """Whether the axes are those of the lesson's own figure."""
    return sum(_is_curve(line) and _is_wave(line) for line in axes.lines) >= 2


def _is_wave(line: LineValue) -> bool:
    with np.errstate(all="ignore"):
        return _follows(line, np.sin(line.x)) or _follows(line, np.cos(line.x))


def _figures(submission: Submission) -> list[FigureValue]:
    """The student's figures with lines."""
    figures = [figure for figure in submission.figures() if not _is_example(figure)]
    drawn = [figure for figure in figures if any(axes.lines for axes in figure.axes)]
    if drawn:
        return drawn
    if not any(figure.axes for figure in figures):
        raise NotAttempted("Todavía no hay ninguna figura.", f"Traza las dos líneas. {LESSON}")
    fail(
        "Hay una figura, pero no tiene líneas.",
        "`scatter` dibuja puntos sueltos: usa `plot`. Y comprueba que la celda no se detiene en "
        f"un error, por ejemplo al convertir un tensor en array. {LESSON}",
        "no-lines",
    )


def _all_lines(figures: list[FigureValue]) -> list[LineValue]:
    return [line for figure in figures for axes in figure.axes for line in axes.lines]


def _over_index(line: LineValue, right: Points) -> bool:
    """Whether the line has the right heights at 0, 1, 2, ... instead of over x."""
    return (
        line.x.shape == right.shape == line.y.shape
        and bool(np.array_equal(line.x, np.arange(right.size)))
        and bool(np.allclose(line.y, right, rtol=TOLERANCE, atol=TOLERANCE))
    )


def _check_placing(line: LineValue, curve: Curve, span: tuple[float, float], name: str) -> None:
    """Fail if a line has the heights of a curve, but is not drawn over all of the student's x."""
    order = f"Pasa a `plot` primero los valores de `x` y después los de la {name}."
    if _over_index(line, curve(_grid(line, span))):
        fail(
            f"La {name} está dibujada sobre el índice de cada punto, no sobre `x`.",
            order,
            "missing-x",
        )
    if _swapped(line, curve(line.y)):
        fail(f"La línea de la {name} tiene los ejes cambiados.", order, "swapped-axes")
    if _is_curve(line) and _follows(line, curve(line.x)) and not _spans(line, span):
        fail(
            f"La línea de la {name} no recorre todo `x`.",
            "Dibuja los 21 puntos de `x`, de un extremo al otro.",
            "wrong-range",
        )


def _grid(line: LineValue, span: tuple[float, float]) -> Points:
    """As many points over x as the line has heights."""
    return np.linspace(*span, line.y.size) if line.y.size else line.y


def _swapped(line: LineValue, right: Points) -> bool:
    """Whether a line has the right heights on its x axis, over the points on its y axis."""
    same = line.x.shape == right.shape and _is_curve(line)
    return same and bool(np.allclose(line.x, right, rtol=TOLERANCE, atol=TOLERANCE))


def _is_curve(line: LineValue) -> bool:
    """Whether there are more points than in ``axhline`` or a mark, at different heights."""
    return line.y.size > 2 and bool(np.ptp(line.y) > TOLERANCE)


@pytest.mark.grade_cell("optimizacion-grafica", weight=2)
def test_funcion(submission: Submission) -> None:
    """La figura tiene una línea con la función, 5x², sobre `x`."""
    lines, span = _all_lines(_figures(submission)), _span(submission)
    if any(_is_function(line, span) for line in lines):
        return
    for line in lines:
        _check_placing(line, lambda x: 5 * x**2, span, "función")
        for told, function in FUNCTIONS:
            if _is_curve(line) and _follows(line, function(line.x)):
                fail(told, "La función es 5x².", "wrong-function")
        if _over_index(line, _grid(line, span)):
            fail(
                "Hay una línea con los valores de `x` y sin los de la función.",
                "Pasa a `plot` los valores de `x` y los de la función, en este orden.",
                "missing-y",
            )
    fail("Ninguna línea de la figura es la función 5x² sobre `x`.", LESSON, "no-function-line")


@pytest.mark.grade_cell("optimizacion-grafica", weight=2)
def test_derivada(submission: Submission) -> None:
    """La figura tiene una línea con la derivada, 10x, sobre `x`."""
    lines, span = _all_lines(_figures(submission)), _span(submission)
    if any(_is_derivative(line, span) for line in lines):
        return
    for line in lines:
        _check_placing(line, lambda x: 10 * x, span, "derivada")
        if not _spans(line, span):
            continue
        x = line.x
        if _follows(line, 20 * x) or _follows(line, 30 * x):
            fail(
                "La línea de la derivada es un múltiplo de 10x: el gradiente se ha acumulado.",
                "Retropropaga una sola vez antes de dibujar. Repasa el cuaderno «Gradientes».",
                "backward-twice",
            )
        if _follows(line, 10 * x / x.size):
            fail(
                "La línea es la derivada de la media, no la de la suma.",
                "Corrige primero el ejercicio de la derivada.",
                "mean-for-sum",
            )
        if _follows(line, -10 * x):
            fail("La línea de la derivada tiene el signo contrario.", LESSON, "wrong-sign")
        if any(_follows(line, other(x)) for other in DERIVATIVES):
            fail(
                "La línea de la derivada corresponde a otra función.",
                "La función es 5x²: dibuja su derivada, que ya tienes en `x.grad`.",
                "derivative-of-wrong-function",
            )
        if np.allclose(line.y[1:-1], 10 * x[1:-1], rtol=TOLERANCE, atol=TOLERANCE):
            fail(
                "La línea de la derivada no es exacta en los extremos.",
                f"No la aproximes con diferencias: ya la tienes en `x.grad`. {LESSON}",
                "approximate-derivative",
            )
    fail(
        "Ninguna línea de la figura es la derivada, 10x, sobre `x`.",
        f"La derivada está en `x.grad`. {LESSON}",
        "no-derivative-line",
    )


def _holders(submission: Submission) -> list[list[tuple[AxesValue, LineValue]]]:
    """For each figure with both lines: the function's axes and line, the derivative's."""
    span = _span(submission)
    found: list[list[tuple[AxesValue, LineValue]]] = []
    alone = 0
    for figure in _figures(submission):
        pairs = [(axes, line) for axes in figure.axes for line in axes.lines]
        function = [pair for pair in pairs if _is_function(pair[1], span)]
        derivative = [pair for pair in pairs if _is_derivative(pair[1], span)]
        if function and derivative:
            together = [(f, d) for f in function for d in derivative if f[0] is d[0]]
            first, second = together[0] if together else (function[0], derivative[0])
            found.append([first, second])
        alone += bool(function) + bool(derivative)
    own = [pairs for pairs in found if not any(_has_example(axes) for axes, _ in pairs)]
    if found and not own:
        fail(
            "Las líneas están dibujadas en la figura del ejemplo, junto al seno y el coseno.",
            f"Empieza una figura nueva, con `plt.subplots()` o `plt.figure()`. {LESSON}",
            "drawn-on-example",
        )
    if not found:
        fail(
            "No hay ninguna figura con las dos líneas, la función y su derivada.",
            "Dibuja las dos en la misma figura antes de mostrarla." if alone > 1 else LESSON,
            "separate-figures" if alone > 1 else "line-missing",
        )
    return own


def _legend_problem(pairs: list[tuple[AxesValue, LineValue]]) -> tuple[str, str] | None:
    """What is wrong with a figure's labels and legend, and the diagnosis."""
    holders = list({id(axes): axes for axes, _ in pairs}.values())
    texts = {text.strip() for axes in holders for text in axes.legend if text.strip()}
    labels = [line.label.strip() for _, line in pairs]
    if not texts:
        if all(labels):
            return "Las líneas tienen nombre, pero falta la leyenda.", "missing-legend"
        return "Falta la leyenda con el nombre de cada línea.", "missing-legend"
    drawn = {line.label.strip() for axes in holders for line in axes.lines}
    if texts <= drawn:  # the legend shows labels of lines; it may also be given texts of its own
        if all(labels) and labels[0] == labels[1]:
            return "Las dos líneas tienen el mismo nombre en la leyenda.", "same-label"
        if not all(label in texts for label in labels):
            return "La leyenda no nombra las dos líneas.", "missing-label"
        return _label_problem(*labels)
    if len(texts) < 2:
        return "La leyenda no nombra las dos líneas.", "missing-label"
    return None


def _label_problem(function: str, derivative: str) -> tuple[str, str] | None:
    """Whether each line has the label of the other one."""
    first, second = function.lower().replace(" ", ""), derivative.lower().replace(" ", "")
    if _tells(first, DERIVATIVE_WORDS, FUNCTION_WORDS) and _tells(
        second, FUNCTION_WORDS, DERIVATIVE_WORDS
    ):
        return "Cada línea lleva el nombre de la otra.", "swapped-labels"
    return None


def _tells(label: str, words: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Whether a label has one of some words, and none of others."""
    return any(word in label for word in words) and not any(word in label for word in others)


@pytest.mark.grade_cell("optimizacion-grafica", weight=1)
def test_leyenda(submission: Submission) -> None:
    """Las dos líneas tienen nombre y la figura, leyenda."""
    problems = [_legend_problem(pairs) for pairs in _holders(submission)]
    problem = problems[-1]
    if None not in problems and problem is not None:
        fail(
            problem[0],
            "Da un nombre distinto a cada línea con `label` y muestra la leyenda después de "
            f"dibujarlas. {LESSON}",
            problem[1],
        )


@pytest.mark.grade_cell("optimizacion-grafica", weight=1)
def test_ejes(submission: Submission) -> None:
    """El eje x tiene nombre y la figura, rejilla."""
    problems: list[tuple[str, str]] = []
    for pairs in _holders(submission):
        enough = any if _are_one_drawing(pairs) else all
        if not enough(axes.xlabel.strip() for axes, _ in pairs):
            problems.append(("Falta el nombre del eje x.", "missing-xlabel"))
        elif not enough(axes.grid for axes, _ in pairs):
            problems.append(("Falta la rejilla.", "missing-grid"))
        else:
            return
    fail(
        problems[-1][0],
        f"Si cada línea tiene sus propios ejes, complétalos en los dos. {LESSON}",
        problems[-1][1],
    )


def _are_one_drawing(pairs: list[tuple[AxesValue, LineValue]]) -> bool:
    """Whether both lines have one x axis and one legend, as on the axes that ``twinx`` makes.

    One name of the x axis and one grid then serve both; panels of their own need their own.
    """
    axes = [one for one, _ in pairs]
    labels = {line.label for _, line in pairs}
    same_axis = axes[0].xlim == axes[1].xlim
    return same_axis and any(labels <= {*one.legend} for one in axes)
