"""Corpora of solutions and mutants: what is read, what is made, and what is told of graders."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.validity.corpus import CorpusError, read, read_all
from autograder.validity.mutants import mutants
from tests.small_course import make_course, nbgrader_cell, notebook_of

# Corpora


def write(folder: Path, text: str) -> Path:
    path = folder / "one/check.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_corpus_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
[[correct]]
name = "plain"
code = '''
x = 1
'''

[[wrong]]
name = "off-by-one"
failed = ["test_value"]
diagnosis = "off"
code = "x = 2"

[equivalent]
"x = 1 -> x = 1.0" = "equal numbers"
""",
    )
    corpus = read(path)
    assert (corpus.assignment, corpus.grade_id) == ("one", "check")
    assert corpus.correct[0].code == "x = 1"
    assert corpus.wrong[0].failed == frozenset({"test_value"})
    assert corpus.wrong[0].diagnosis == "off"
    assert corpus.equivalent == {"x = 1 -> x = 1.0": "equal numbers"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[correct]", "check.toml"),
        ("[other]", "no place for other"),
        ("[correct]\nname = 'a'", r"write \[\[correct\]\]"),
        ("[[correct]]\nname = 'a'", "it must have code, name and no more"),
        ("[[correct]]\nname = 'a'\ncode = ''", "are texts"),
        ("[[wrong]]\nname='a'\ncode='x'\ndiagnosis='d'\nfailed=[]", "fails at least one"),
        ("[[wrong]]\nname='a'\ncode='x'\ndiagnosis='d'\nfailed='t'", "lists the names"),
        ("[[correct]]\nname='a'\ncode='x'\n[[correct]]\nname='a'\ncode='y'", "called a"),
        ("[equivalent]\n'a -> b' = ''", "gives a reason"),
    ],
)
def test_a_mistake_in_a_corpus_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(CorpusError, match=told) as error:
        read(path)
    assert str(path) in str(error.value)


def test_an_assignment_without_a_corpus_is_told_where_to_put_one(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"put GRADE_ID\.toml files into"):
        read_all(tmp_path, "one")


# Mutants


def made(source: str) -> set[str]:
    return {mutant.code for mutant in mutants(source)}


@pytest.mark.parametrize(
    ("source", "mutant"),
    [
        ("z = x @ w + b", "z = x @ w - b"),
        ("z = x @ w + b", "z = x * w + b"),
        ("z = x @ w + b", "z = w @ x + b"),
        ("z = x @ w + b", "z = x @ w"),
        ("x = torch.linspace(-4, 4, 21)", "x = torch.linspace(-4, 4, 22)"),
        ("x = torch.linspace(-4, 4, 21)", "x = torch.linspace(4, -4, 21)"),
        ("w = torch.randn(5, 3, requires_grad=True)", "w = torch.randn(5, 3)"),
        ("w = torch.randn(5, 3, requires_grad=True)", "w = torch.randn(5, 3, requires_grad=False)"),
        ("y = Y.sum()", "y = Y.mean()"),
        ("e = e.sum(dim=0)", "e = e.sum(dim=1)"),
        ("loss.backward()", "loss.backward()\nloss.backward()"),
        ("loss.backward()", "pass"),
        ("t = x.detach().clone()", "t = x.clone()"),
        ("t = x.detach().clone()", "t = x.detach()"),
        ("t = torch.from_numpy(a)", "t = torch.tensor(a)"),
        ("d = 'cuda' if ok else 'cpu'", "d = 'cpu' if ok else 'cuda'"),
        ("def f(a, b):\n    return (a, b)", "def f(a, b):\n    return (b, a)"),
        ("def f(a):\n    return a", "def f(a):\n    a"),
    ],
)
def test_the_mistakes_of_beginners_are_made(source: str, mutant: str) -> None:
    assert mutant in made(source)


def test_a_docstring_is_left_alone() -> None:
    assert not made('def f():\n    """Say 1."""')


def test_a_mutant_is_named_by_the_line_that_differs() -> None:
    names = {mutant.name for mutant in mutants("a = 1\nloss.backward()")}
    assert "a = 1 -> a = 2" in names
    assert "loss.backward() -> loss.backward(); loss.backward()" in names
    assert "loss.backward() -> pass" in names


expressions = st.recursive(
    st.sampled_from(["x", "w", "1", "2.5", "True"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/@"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda one: f"f({one}, k={one})"),
        inner.map(lambda one: f"({one}).detach()"),
        inner.map(lambda one: f"-{one}"),
    ),
    max_leaves=6,
)


@given(st.lists(expressions, min_size=1, max_size=3))
@settings(deadline=None, max_examples=40)
def test_mutants_are_python_all_different_and_none_the_original(parts: list[str]) -> None:
    source = "\n".join(f"v{number} = {part}" for number, part in enumerate(parts))
    original = ast.unparse(ast.parse(source))
    codes = [mutant.code for mutant in mutants(source)]
    assert len(codes) == len(set(codes)) and original not in codes
    for code in codes:
        compile(code, "mutant", "exec")


# The command

CONFIG = """
from autograder.bridge import configure
c = get_config()
configure(c)
c.Jail.allow_unsafe = True
c.RunGraders.language = "en"
c.RunGraders.corpus = "solutions_to_try"
"""
GRADERS = """
import pytest
from autograder.grading import fail

@pytest.mark.grade_cell("check")
def test_value(submission):
    value = submission.value("total")
    if value == -3:
        fail("The sign is wrong.", diagnosis="wrong-sign")
    if value != 3:
        fail("That is not the sum.", diagnosis="wrong-values")

@pytest.mark.grade_cell("check")
def test_type(submission):
    if not isinstance(submission.value("total"), int):
        fail("That is no int.", diagnosis="wrong-type")
"""
CORPUS = """
[[correct]]
name = "sum"
code = "total = sum([1, 2])"

[[wrong]]
name = "negative"
failed = ["test_value"]
diagnosis = "wrong-sign"
code = "total = -3"

[[wrong]]
name = "text"
failed = ["test_value", "test_type"]
diagnosis = "wrong-type"
code = "total = '3'"

[equivalent]
"total = 1 + 2 -> total = 2 + 1" = "the order of a sum does not matter"
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("course")
    cells = [nbgrader_cell("total = 1 + 2", "work"), nbgrader_cell("# t", "check", 4)]
    make_course(root, CONFIG, GRADERS, notebook_of(cells))
    return root


def mutation(root: Path, corpus: str, *arguments: str) -> tuple[int, str]:
    """The exit status of the command, and what it says, on one line."""
    path = root / "solutions_to_try/one/check.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(corpus, encoding="utf-8")
    command = [sys.executable, "-m", "autograder", "--course", str(root), "check", "--mutation"]
    done = subprocess.run(
        [*command, "--jobs", "1", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_graders_that_name_too_few_mistakes_are_told(root: Path) -> None:
    """All is caught, but most mutants give another sum, which no check names."""
    status, said = mutation(root, CORPUS)
    assert status == 1
    assert "2 of 2" in said, "the correct one and the equivalent mutant"
    assert "at least 90% are asked" in said and "'total = 1 + 2 -> total = 1 - 2'" in said


def test_a_correct_solution_that_loses_points_is_told(root: Path) -> None:
    corpus = '[[correct]]\nname = "as-float"\ncode = "total = 3.0"\n' + CORPUS
    status, said = mutation(root, corpus)
    assert status == 1
    assert "check: correct 'as-float': it is correct, and fails test_type" in said


def test_a_wrong_solution_that_earns_all_points_is_told(root: Path) -> None:
    corpus = CORPUS.replace('code = "total = -3"', 'code = "total = 3"')
    status, said = mutation(root, corpus)
    assert status == 1 and "wrong 'negative': it is wrong, and earns all points" in said


def test_other_checks_or_another_diagnosis_than_expected_are_told(root: Path) -> None:
    corpus = CORPUS.replace('["test_value", "test_type"]', '["test_type"]')
    _, said = mutation(root, corpus)
    assert "'text': it fails test_type, test_value; expected: test_type" in said
    _, said = mutation(root, CORPUS.replace('"wrong-sign"', '"other"'))
    assert "'negative': it looks like wrong-sign; expected: 'other'" in said


def test_an_equivalent_mutant_that_is_none_is_told(root: Path) -> None:
    status, said = mutation(root, CORPUS.replace("2 + 1", "7 + 7"))
    assert status == 1 and "lists what is no mutant of the solution" in said


def test_an_answer_that_is_no_plain_python_is_told(tmp_path: Path) -> None:
    cells = [nbgrader_cell("%time total = 3", "work"), nbgrader_cell("# t", "check", 4)]
    make_course(tmp_path, CONFIG, GRADERS, notebook_of(cells))
    status, said = mutation(tmp_path, CORPUS)
    assert status == 1 and "the answer of 'check' in the source notebook is no plain Python" in said


def test_an_exercise_that_the_corpus_does_not_have_is_told(root: Path) -> None:
    status, said = mutation(root, CORPUS, "--exercise", "other")
    assert status == 1 and "no corpus for 'other' in one: there are check" in said
