"""Errors in students' cells are explained: each one is raised for real, in the runner."""

import string
from collections.abc import Mapping
from typing import Any, Final

import pytest
from babel.messages.pofile import read_po
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.bridge.render import error_html, error_text
from autograder.explain import Code, Explanation, Raised, explain
from autograder.explain.names import made_in
from autograder.messages import LANGUAGES, LOCALE_FOLDER, in_language
from autograder.runner.limits import Limits
from autograder.runner.outcome import CellOutcome
from autograder.runner.warm import Cell, WarmProcess

LIMITS: Final = Limits(cell_seconds=10, submission_seconds=120)
FIRST: Final = "import torch, numpy as np\nimport matplotlib.pyplot as plt\nF = torch.nn.functional"
GRAD: Final = "x = torch.ones(3, requires_grad=True)\n"
INTS: Final = "torch.tensor([1, 2])"
LOSS: Final = "F.binary_cross_entropy_with_logits"

TENSOR_ERRORS: Final = [
    ("matmul-shapes", "torch.ones(2, 3) @ torch.ones(2, 3)", "2x3"),
    ("matmul-shapes", "torch.ones(2, 3) @ torch.ones(2)", "producto"),
    ("matmul-shapes", "torch.ones(2) @ torch.ones(3)", "producto"),
    ("matmul-shapes", "torch.ones(2, 3).mm(torch.ones(3))", "producto"),
    ("matmul-shapes", "np.ones((2, 3)) @ np.ones((2, 3))", "producto"),
    ("matmul-shapes", "torch.nn.Linear(3, 2)(torch.ones(2, 2))", "2x2"),
    ("shape-mismatch", "torch.ones(3) + torch.ones(4)", "3 donde el otro mide 4"),
    ("shape-mismatch", "np.ones(3) + np.ones(4)", "(3,)"),
    ("expand-shape", "torch.ones(3).expand(2, 4)", "derecha"),
    ("expand-shape", "t = torch.ones(3)\nt[:] = torch.ones(4)", "derecha"),
    ("reshape-size", "torch.ones(6).view(2, 4)", "6 elementos"),
    ("reshape-size", "np.ones(6).reshape(4, 4)", "6 elementos"),
    ("view-stride", "torch.ones(2, 3).t().view(6)", "reshape"),
    ("joined-shapes", "torch.cat([torch.ones(2, 3), torch.ones(2, 4)])", "juntas"),
    ("joined-shapes", "torch.stack([torch.ones(2), torch.ones(3)])", "juntas"),
    ("target-size", f"{LOSS}(torch.ones(3), torch.ones(2))", "[2]"),
    ("plot-sizes", "plt.plot(torch.ones(3), torch.ones(4))", "(3,)"),
    ("out-of-bounds", "torch.ones(3)[5]", "posición 5"),
    ("out-of-bounds", "np.ones(3)[5]", "mide 3"),
    ("too-many-indices", "torch.ones(3)[0, 1]", "corchetes"),
    ("no-such-dimension", "torch.ones(3).sum(dim=2)", "dimensión"),
    ("class-out-of-bounds", "F.cross_entropy(torch.ones(1, 2), torch.tensor([5]))", "clase 5"),
    ("index-type", "torch.ones(3)[torch.tensor([0.5])]", ".long()"),
    ("negative-size", "torch.zeros(-1)", "negativo"),
    ("dtype-mismatch", f"torch.ones(2, 2) @ torch.stack([{INTS}, {INTS}])", "dtype"),
    ("dtype-mismatch", "torch.ones(2, 2) @ torch.ones(2, 2).double()", "dtype"),
    ("dtype-mismatch", "torch.ones(2, 2) @ torch.ones(2).double()", "dtype"),
    ("dtype-mismatch", "torch.ones(2) @ torch.ones(2).double()", "dtype"),
    ("target-dtype", "F.cross_entropy(torch.ones(3, 2), torch.ones(3))", ".long()"),
    ("integer-result", f"t = {INTS}\nt += 0.5", "decimales"),
    ("integer-result", f"{LOSS}(torch.ones(2), {INTS})", "decimales"),
    ("integer-mean", f"{INTS}.mean()", "media"),
    ("integer-grad", "torch.tensor([1, 2], requires_grad=True)", "decimales"),
    ("integer-grad", f"{INTS}.requires_grad_()", "decimales"),
    ("integer-random", f"torch.rand_like({INTS})", "Long"),
    ("integer-random", f"torch.randn_like({INTS})", "Long"),
    ("integer-power", f"{INTS} ** -1", "potencia"),
    ("bool-subtraction", "torch.tensor([True]) - torch.tensor([True])", "restan"),
    ("several-values", "torch.ones(3).item()", "un solo número"),
    ("several-values", "float(torch.ones(3))", "un solo número"),
    ("ambiguous-truth", "if torch.ones(3) > 0: pass", ".all()"),
    ("ambiguous-truth", "if np.ones(3) > 0: pass", ".any()"),
    ("ragged-list", "torch.tensor([[1, 2], [3]])", "2 y 1"),
    ("ragged-list", "np.array([[1, 2], [3]])", "filas"),
    ("text-in-tensor", "torch.tensor([1, 'a'])", "solo guarda números"),
    ("text-in-tensor", "torch.tensor(['a'])", "solo guarda números"),
    ("text-in-tensor", "torch.tensor([None])", "solo guarda números"),
    ("text-in-tensor", "torch.from_numpy(np.array(['a']))", "solo guarda números"),
    ("from-numpy-type", "torch.from_numpy([1, 2])", "list"),
    ("cuda-missing", "torch.ones(2).cuda()", "GPU"),
    ("cuda-missing", "torch.ones(2, device='cuda')", "GPU"),
    # a machine without a GPU has a second device all the same: one without memory
    ("device-mismatch", "torch.ones(2) + torch.ones(2, device='meta')", "dispositivos distintos"),
    ("device-to-numpy", "torch.ones(2, device='meta').numpy()", ".cpu()"),
    ("unknown-device", "torch.ones(2).to('gpu')", '"cuda"'),
    ("backward-without-graph", "torch.ones(3).sum().backward()", "requires_grad=True"),
    (
        "backward-without-graph",
        f"{GRAD}with torch.no_grad():\n    y = x.sum()\ny.backward()",
        "no_grad",
    ),
    ("backward-of-several", f"{GRAD}(2 * x).backward()", ".sum()"),
    ("backward-twice", f"{GRAD}y = (x * x).sum()\ny.backward()\ny.backward()", "otro `backward"),
    ("numpy-of-grad", f"{GRAD}x.numpy()", ".detach()"),
    ("numpy-of-grad", f"{GRAD}plt.plot(x, x)", "dibujar"),
    ("numpy-of-grad", f"{GRAD}np.ones(3) + x", "array"),
    ("in-place-on-leaf", f"{GRAD}x += 1", "no_grad"),
    ("in-place-on-leaf", f"{GRAD}x[0] = 2", "no_grad"),
    ("in-place-in-graph", f"{GRAD}y = x.exp()\ny += 1\ny.sum().backward()", "tensor nuevo"),
    ("requires-grad-of-result", f"{GRAD}y = x * 2\ny.requires_grad = False", ".detach()"),
    ("grad-of-non-leaf", f"{GRAD}y = x * 2\ny.sum().backward()\ny.grad * 2", "operación"),
    ("grad-of-non-leaf", f"{GRAD}y = x * 2\ny.sum().backward()\ny.grad.zero_()", "operación"),
    ("grad-is-none", f"{GRAD}x - 0.1 * x.grad", "backward()"),
    ("grad-is-none", f"{GRAD}x.grad.zero_()", "todavía es None"),
    (
        "not-in-graph",
        f"{GRAD}w = torch.ones(2, requires_grad=True)\ntorch.autograd.grad(x.sum(), w)",
        "no depende",
    ),
    ("not-in-graph", f"{GRAD}torch.autograd.grad(x.sum(), torch.ones(2))", "no requiere"),
    ("gradient-shape", f"{GRAD}(x * 2).backward(torch.ones(2))", "forma de su tensor"),
    ("gradient-shape", f"{GRAD}x.grad = torch.ones(2)", "forma de su tensor"),
    ("probability-range", "F.binary_cross_entropy(torch.ones(3) * 2, torch.ones(3))", "sigmoide"),
    ("singular-matrix", "torch.linalg.inv(torch.zeros(2, 2))", "inversa"),
    ("not-a-size", "torch.zeros('3')", "enteros"),
    ("not-a-size", "torch.rand(2.5)", "enteros"),
    ("not-a-tensor", "torch.sigmoid(3.0)", "float"),
    ("wrong-arguments", "torch.linspace(-4, 4)", "linspace"),
    ("wrong-arguments", "torch.rand((2, 3), (4,))", "documentación"),
    ("wrong-arguments", "torch.tensor()", "documentación"),
    ("attribute-called", "torch.ones(2).shape()", "paréntesis"),
    ("attribute-called", "torch.float32(3)", "paréntesis"),
    ("tensor-called", "torch.ones(2)(1)", "corchetes"),
    ("numpy-method", "torch.ones(2).astype('f')", "astype"),
    ("no-such-function", "torch.ones_lke(torch.ones(2))", "ones_lke"),
    ("wrong-step", "torch.arange(0, 10, -1)", "signo"),
]
PYTHON_ERRORS: Final = [
    ("none-value", "None.shape", "return"),
    ("none-value", "def f(): pass\nf() + 1", "return"),
    ("none-value", "torch.ones(2) + None", "return"),
    ("none-value", "a, b = None", "return"),
    ("block-not-indented", "for i in range(3):\nprint(i)", "cuatro espacios"),
    ("indentation", "a = 1\n  b = 2", "alinea"),
    ("indentation", "if True:\n    a = 1\n  b = 2", "alinea"),
    ("bracket-not-closed", "a = (1", "paréntesis"),
    ("bracket-not-closed", "a = (1\nb = 2", "paréntesis"),
    ("bracket-not-opened", "a = 1)", "pareja"),
    ("quote-not-closed", "a = 'hola", "comilla"),
    ("colon-missing", "if True\n    a = 1", "dos puntos"),
    ("comma-missing", "a = [1 2]", "coma"),
    ("one-equals-sign", "if a = 3: pass", "=="),
    ("one-equals-sign", "1 = a", "=="),
    ("print-without-parentheses", "print 3", "print(...)"),
    ("curly-quotes", "print(“a”)", "teclado"),
    ("outside-function", "return 3", "return"),
    ("outside-function", "break", "break"),
    ("name-begins-with-digit", "a = 5x", "5 * x"),
    ("syntax", "a == = 3", "signo"),
    ("missing-argument", "def f(a): return a\nf()", "menos argumentos"),
    ("too-many-arguments", "def f(a): return a\nf(1, 2)", "más argumentos"),
    ("unknown-argument", "plt.plot([1], [1], colr='red')", "colr"),
    ("different-types", "[1, 2] - [1]", "list"),
    ("different-types", "torch.ones(2) + 'a'", "Tensor"),
    ("text-and-number", "'a' + 1", "texto"),
    ("list-times-decimal", "[1, 2] * 1.5", "lista"),
    ("not-callable", "3(4)", "int"),
    ("not-subscriptable", "3[0]", "int"),
    ("not-an-integer", "range(2.5)", "//"),
    ("no-length", "len(3)", "lista"),
    ("unhashable", "{[1]: 2}", "tupla"),
    ("other-type", "sorted([1, 'a'])", "tipo"),
    ("unpack", "a, b = 1, 2, 3", "izquierda"),
    ("text-to-number", "float('3,5')", "punto"),
    ("division-by-zero", "1 / 0", "cero"),
    ("list-index", "[1][3]", "longitud menos 1"),
    ("missing-key", "{'a': 1}['b']", "'b'"),
    ("no-attribute", "(3).foo", "foo"),
    ("local-before-assignment", "n = 1\ndef f():\n    n += 1\nf()", "función"),
    ("module-missing", "import torchh", "torchh"),
    ("import-name", "from torch import tensr", "tensr"),
    ("file-missing", "open('nofile.csv')", "archivo"),
    ("endless-recursion", "def f(n): return f(n + 1)\nf(0)", "sin fin"),
    ("unsolved", "raise NotImplementedError('Ejercicio sin resolver')", "por escribir"),
    ("assertion", "assert 1 == 2", "assert"),
    ("no-input", "input('?')", "input"),
    ("not-permitted", "!ls", "no se pueden iniciar otros programas"),
    ("math-domain", "import math\nmath.sqrt(-1)", "raíz"),
    ("encoding", "'ñ'.encode('ascii')", "utf-8"),
    ("name-missing", "print(qwertz)", "ninguna celda"),
    ("name-of-other-language", "flag = true", "`True`"),
    ("name-misspelt", "FIRST_VALUE = 1\nprint(FIRST_VALEU)", "FIRST_VALUE"),
    ("name-too-early", "print(early)\nearly = 1", "esa línea primero"),
    ("other", "raise RuntimeError('algo raro')", "última línea"),
]
ERRORS: Final = [*TENSOR_ERRORS, *PYTHON_ERRORS]


@pytest.fixture(scope="module")
def explained(warm: WarmProcess) -> Mapping[str, Explanation]:
    """The explanation of each error, by its code: each one a cell of a single notebook."""
    sources = [FIRST, *dict.fromkeys(code for _slug, code, _told in ERRORS)]
    with warm.run([Cell(source) for source in sources], LIMITS, 1) as run:
        outcomes = run.outcomes
    assert outcomes[0].status == "ok", outcomes[0].outputs
    with in_language("es"):
        return dict(zip(sources[1:], explained_cells(sources, outcomes)[1:], strict=True))


def explained_cells(sources: list[str], outcomes: list[CellOutcome]) -> list[Any]:
    cells = [
        Code(number, source, outcome.execution_count, outcome.status != "ok")
        for number, (source, outcome) in enumerate(zip(sources, outcomes, strict=True), 1)
    ]
    found = []
    for cell, outcome in zip(cells, outcomes, strict=True):
        raised = Raised.of(outcome.outputs)
        found.append(None if raised is None else explain(raised, cells, cell))
    return found


def test_the_names_of_a_loop_are_found_in_code_that_is_not_whole() -> None:
    assert {"a", "b"} <= made_in(f"for {' ' * 190}\nfor a, b in c: pass\nfor")


@pytest.mark.parametrize(("slug", "code", "told"), ERRORS, ids=[code for _s, code, _t in ERRORS])
def test_a_beginner_s_error_is_explained_in_spanish(
    explained: Mapping[str, Explanation], slug: str, code: str, told: str
) -> None:
    one = explained[code]
    assert one is not None, "the code raises no error"
    assert (one.slug, told in one.sentence) == (slug, True), f"{one.error} -> {one.sentence}"


def test_there_are_more_than_twenty_kinds_of_errors_of_tensors() -> None:
    assert len({slug for slug, _code, _told in TENSOR_ERRORS}) >= 40


def test_the_line_is_that_of_the_error(explained: Mapping[str, Explanation]) -> None:
    for _slug, code, _told in ERRORS:
        one = explained[code]
        if "\ndef" in code or code.startswith("def") or "for i" in code or "(1\nb" in code:
            continue  # below, and where Python itself names another line
        assert one.line is not None, code
        assert one.code == code.splitlines()[one.line - 1].strip()
        if one.slug not in ("name-too-early", "indentation", "colon-missing"):
            assert one.line == len(code.splitlines()), code


def run_explained(warm: WarmProcess, *sources: str) -> list[Any]:
    with warm.run([Cell(source) for source in sources], LIMITS, 1) as run:
        outcomes = run.outcomes
    with in_language("es"):
        return explained_cells(list(sources), outcomes)


def test_an_error_in_a_function_of_another_cell_names_that_cell(warm: WarmProcess) -> None:
    sources = ("def mean(xs):\n    return sum(xs) / len(xs)", "a = 1\nmean([])")
    one = run_explained(warm, *sources)[1]
    assert (one.cell, one.line, one.called_from) == (1, 2, 2)
    assert one.code == "return sum(xs) / len(xs)"
    with in_language("es"):
        assert error_text(one).splitlines()[0] == (
            "Error en la celda 1, línea 2 (llamada desde la línea 2 de esta celda)"
        )


def test_an_error_of_syntax_names_no_file_that_nobody_knows(warm: WarmProcess) -> None:
    one = run_explained(warm, "a = 1\nb = (2")[0]
    assert (one.error, one.line) == ("SyntaxError: incomplete input", 2)


def test_an_error_in_a_library_names_the_line_that_called_it(warm: WarmProcess) -> None:
    one = run_explained(warm, "import json\njson.loads('x')")[0]
    assert (one.cell, one.line, one.code) == (1, 2, "json.loads('x')")


def test_of_chained_errors_the_last_one_counts(warm: WarmProcess) -> None:
    source = "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('k') from e"
    one = run_explained(warm, source)[0]
    assert (one.slug, one.line) == ("missing-key", 4)


@pytest.mark.parametrize(
    ("sources", "slug", "told"),
    [
        (("1 / 0\na = 1", "print(a)"), "name-of-failed-cell", "celda 1"),
        (("a = (1", "print(a)"), "name-of-failed-cell", "celda 1"),
        (("1 / 0\ndef f(): pass", "f()"), "name-of-failed-cell", "celda 1"),
        (("1 / 0\nfrom math import pi, e as euler", "euler"), "name-of-failed-cell", "celda 1"),
        (("print(a)", "b = a = 1"), "name-of-later-cell", "celda 2"),
        (("print(a)", "for a in range(3): pass"), "name-of-later-cell", "celda 2"),
        (("print(a)", "a: int = 1"), "name-of-later-cell", "celda 2"),
        (("print(a)", "if a == 1: pass"), "name-missing", "ninguna celda"),
        (("torch.ones(2)",), "name-not-imported", "import torch"),
        (("np.ones(2)",), "name-not-imported", "import numpy as np"),
    ],
)
def test_a_missing_name_is_looked_for_in_the_other_cells(
    warm: WarmProcess, sources: tuple[str, ...], slug: str, told: str
) -> None:
    found = [one for one in run_explained(warm, *sources) if one is not None]
    named = next(one for one in found if one.error.startswith("NameError"))
    assert named.slug == slug and told in named.sentence


def test_names_are_found_in_code_that_python_cannot_read() -> None:
    code = (
        "import numpy as np, torch\nx, y = 1, 2\nif x == 3:\nz = (\ndef f(a=1):\nclass C:\nx.q = 1"
    )
    assert made_in(code) == {"np", "torch", "x", "y", "z", "f", "C"}


@pytest.mark.parametrize("device", ["cuda:0 and cpu", "cpu and cuda:0"])
def test_tensors_on_cpu_and_gpu_as_a_machine_with_one_tells_it(device: str) -> None:
    text = (
        "Expected all tensors to be on the same device, but found at least two devices, "
        f"{device}! (when checking argument for argument mat2 in method wrapper_CUDA_mm)"
    )
    assert explain(Raised("RuntimeError", text), [], Code(1, "")).slug == "device-mismatch"
    text = "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor"
    one = explain(Raised("TypeError", text), [], Code(1, ""))
    assert one.slug == "device-to-numpy" and "cuda:0" in one.sentence


@settings(deadline=None)
@given(
    st.sampled_from(["NameError", "TypeError", "RuntimeError", "SyntaxError", "KeyError", "", "X"]),
    st.text(max_size=300),
    st.lists(st.one_of(st.text(max_size=80), st.just("Cell In[1], line 999999")), max_size=5),
    st.text(max_size=200),
)
def test_whatever_an_error_says_it_is_explained_and_escaped(
    kind: str, text: str, trace: list[str], source: str
) -> None:
    output = {"output_type": "error", "ename": kind, "evalue": text, "traceback": trace}
    raised = Raised.of([output])
    assert raised is not None
    cell = Code(1, source, 1)
    one = explain(raised, [cell], cell)
    assert one.sentence and one.cell == 1
    assert "<script" not in error_html(one)
    assert error_text(one)


HOSTILE: Final = [
    "name '" + "a" * 100_000 + "' is not defined",
    "shapes cannot be multiplied (" + "2x" * 100_000,
    "x" * 2_000_000,
    "var" * 100_000,
    "{name} {0} %s %(a)s {",
    "unsupported operand type(s) for {a}: '{b}' and '{__class__}'",
    "\x1b[31m" * 10_000,
    "\u202e\u2066\0",
    "zeros(): argument 'size'" + "(" * 50_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("kind", ["NameError", "TypeError", "RuntimeError", "<script>"])
def test_hostile_texts_cost_little_and_stay_short(kind: str, text: str) -> None:
    trace = [text, "Cell In[99999999999999], line 88888888888888", "Cell In[1], line 0"]
    output = {"output_type": "error", "ename": kind, "evalue": text, "traceback": trace * 200}
    raised = Raised.of([output])
    assert raised is not None
    cell = Code(1, "a = 1\n" * 50_000, 1)
    one = explain(raised, [cell], cell)
    html = error_html(one)
    assert len(html) < 3000 and "<script" not in html and "\x1b" not in html
    assert "\u202e" not in html and "\0" not in html


@pytest.mark.parametrize("output", [{}, {"output_type": "error"}, {"output_type": "error", "ename":
    None, "evalue": 3, "traceback": "no list"}])  # fmt: skip
def test_an_output_that_is_no_error_as_it_should_be(output: dict[str, Any]) -> None:
    raised = Raised.of([output])
    assert raised is None or explain(raised, [], Code(1, "")).slug == "other"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_in_the_catalog_of_every_language(language: str) -> None:
    with (LOCALE_FOLDER / "autograder.pot").open("rb") as file:
        template = read_po(file)
    with (LOCALE_FOLDER / language / "LC_MESSAGES/autograder.po").open("rb") as file:
        catalog = read_po(file)
    wanted = {str(message.id) for message in template if message.id}
    translated = {str(m.id): str(m.string) for m in catalog if m.id and not m.fuzzy}
    assert len(wanted) > 150
    assert not {text for text in wanted if not translated.get(text, "").strip()}
    for text in wanted:
        assert placeholders(translated[text]) == placeholders(text), text
        # a `name` stays what it is: nobody writes code in Spanish
        assert translated[text].count("`") % 2 == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_catalog_is_that_of_its_source(language: str) -> None:
    import gettext

    folder = LOCALE_FOLDER / language / "LC_MESSAGES"
    compiled = gettext.translation("autograder", LOCALE_FOLDER, [language])
    with (folder / "autograder.po").open("rb") as file:
        for message in read_po(file):
            if message.id:
                assert compiled.gettext(str(message.id)) == message.string


def test_the_template_has_every_text_of_the_rules() -> None:
    from autograder.explain.errors import _RULES

    with (LOCALE_FOLDER / "autograder.pot").open("rb") as file:
        known = {message.id for message in read_po(file)}
    assert {rule.sentence for rule in _RULES} <= known
    assert len({rule.slug for rule in _RULES}) >= 70


def placeholders(text: str) -> set[str]:
    return {name for _text, name, _spec, _conversion in string.Formatter().parse(text) if name}


def test_no_sentence_is_longer_than_a_person_reads() -> None:
    from autograder.explain.errors import _RULES

    for rule in _RULES:
        assert len(rule.sentence) <= 220, rule.sentence
