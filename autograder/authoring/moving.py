"""Take the tests of one grade cell as the body of a grader, or say why they must stay in it.

What a cell's tests say stays as it was written; around it come the names that they use of the
notebook, as ``autograder.grading.from_notebook`` gives them.
"""

import ast
import builtins
import importlib.util
import json
import re
import symtable
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from autograder.authoring.sharing import shared
from autograder.bridge.regions import NOT_MOVED, Marks

_MAGIC: Final = re.compile(r"\s*[%!]")
_OF_THE_KERNEL: Final = frozenset(
    {"globals", "locals", "vars", "dir", "eval", "exec", "get_ipython", "input", "In", "Out"}
)
_CAPTURES: Final = frozenset(
    {"redirect_stdout", "redirect_stderr", "capture_output", "StringIO", "capsys", "capfd"}
)
_REPLACES: Final = frozenset({"mock", "patch", "Mock", "MagicMock", "monkeypatch"})
_DRAWS: Final = frozenset({"matplotlib", "pylab", "seaborn", "plotchecker"})
_READS_CODE: Final = frozenset({"inspect", "dis"})
_GRADERS_OWN: Final = frozenset({"errors_fail", "fail", "from_notebook", "submission"})
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class CannotMoveError(Exception):
    """The tests of a cell must stay in it; the message says why."""

    def __init__(self, why: str, line: int = 0) -> None:
        super().__init__(f"{why} (line {line})" if line else why)


@dataclass
class Given:
    """What the code of a notebook gives to its tests."""

    imports: dict[str, str] = field(default_factory=dict)
    """By the name that it binds: a statement that imports it."""
    defined: set[str] = field(default_factory=set)
    """Names that it binds, also those that Python has already."""
    classes: set[str] = field(default_factory=set)
    read: set[str] = field(default_factory=set)
    """Names that its functions read from the notebook's namespace."""
    changed: set[str] = field(default_factory=set)
    """Names of the notebook's namespace that its functions set."""

    def add(self, source: str) -> None:
        """Take in a cell of code; what only IPython understands is passed over."""
        lines = ["" if _MAGIC.match(line) else line for line in source.splitlines()]
        try:
            tree = ast.parse("\n".join(lines))
        except (SyntaxError, ValueError):
            return
        for statement in tree.body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                for alias in statement.names:
                    one = _import_of(statement, alias)
                    self.imports[(alias.asname or alias.name).partition(".")[0]] = one
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self.defined.add(node.id)
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                self.defined.add(node.name)
            if isinstance(node, ast.ClassDef):
                self.classes.add(node.name)
            elif isinstance(node, ast.Global):
                self.changed.update(node.names)
            elif isinstance(node, _FUNCTIONS):
                self.read |= _free(node)


def _import_of(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
    if isinstance(node, ast.ImportFrom):
        return ast.unparse(ast.ImportFrom(node.module, [alias], node.level))
    return ast.unparse(ast.Import([alias]))


def _free(function: ast.AST) -> set[str]:
    """Names that a function reads and does not bind itself."""
    names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    bound = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    bound |= {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    return {node.id for node in names if isinstance(node.ctx, ast.Load)} - bound


@dataclass(frozen=True)
class CellTests:
    """The tests of a grade cell, ready to stand in a grader."""

    grade_id: str
    title: str
    """What students read for the check."""
    imports: Sequence[str]
    """Statements that import what the notebook imports, as far as the tests use it."""
    names: Sequence[str]
    """What they use of the student's namespace."""
    body: str


def cell_tests(grade_id: str, source: str, given: Given, hidden: Marks, title: str) -> CellTests:
    """The tests of a grade cell.

    Args:
        grade_id: the cell's.
        source: the cell's, with its hidden tests.
        given: what the notebook's other cells define.
        hidden: how its hidden tests are marked.
        title: what students read for the check, where the cell has no text of its own for it.

    Raises:
        CannotMoveError: they must stay in the cell.
    """
    lines = [
        "" if hidden.begin in line or hidden.end in line else line
        for line in source.split("\n")
        if not line.startswith(NOT_MOVED)
    ]
    for number, line in enumerate(lines, 1):
        if line.strip().startswith("### AUTOTEST") or "HASHED AUTOTEST" in line:
            raise CannotMoveError("its tests are generated by nbgrader (AUTOTEST)", number)
    text = "\n".join(lines)
    tree = _parsed(text)
    if not any(not _is_text(node) for node in tree.body):
        raise CannotMoveError("it has no tests")
    for node in ast.walk(tree):
        _require_movable(node, given)
    used, assigned = _names(text, given.defined)
    _require_no_setting(tree, assigned, used, given)
    _require_no_catching(tree)
    for name in sorted((used | assigned) & _GRADERS_OWN):
        raise CannotMoveError(f"it uses the name `{name}`, which a grader has for something else")
    # a name that the notebook defines as well is the student's, whatever was imported
    imported = {name for name in used if name in given.imports and name not in given.defined}
    own = sorted(used - imported)
    imports = sorted({given.imports[name] for name in imported})
    asked, where = shared(tree, own, imported)
    if asked:
        raise CannotMoveError(asked, where)
    for statement in imports:
        for node in ast.parse(statement).body:
            _require_importable(node)
            _require_no_drawing(node)
    first = tree.body[0]
    if _is_text(first):
        title = ast.literal_eval(ast.unparse(first)).strip().split("\n")[0].strip() or title
        text = _without(text, first)
    return CellTests(grade_id, title, imports, own, _told(text).strip("\n"))


def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError) as error:
        for number, line in enumerate(text.split("\n"), 1):
            if _MAGIC.match(line):
                raise CannotMoveError("it has a magic or a shell command", number) from error
        raise CannotMoveError(f"it is no Python: {error}") from error


def _is_text(node: ast.AST) -> bool:
    """Whether a statement is a text that stands alone."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _require_movable(node: ast.AST, given: Given) -> None:
    """Refuse what a grader, in another process than the student's code, cannot do."""
    line = getattr(node, "lineno", 0)
    name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
    if isinstance(node, ast.Import | ast.ImportFrom):
        _require_importable(node)
        _require_no_drawing(node)
        names = {part for alias in node.names for part in alias.name.split(".")}
        names |= set((getattr(node, "module", "") or "").split("."))
        if names & _REPLACES:
            raise CannotMoveError("it replaces what the student's code calls (mock)", line)
        if names & _READS_CODE:
            raise CannotMoveError("it reads the student's source code", line)
        if names & _CAPTURES:
            raise CannotMoveError("it captures what the student's code prints", line)
    elif isinstance(node, ast.Name) and name in _OF_THE_KERNEL:
        raise CannotMoveError(f"it uses `{name}` in the student's process", line)
    elif name in _CAPTURES or (name in ("stdout", "stderr") and isinstance(node, ast.Attribute)):
        raise CannotMoveError("it captures what the student's code prints", line)
    elif isinstance(node, ast.Name) and name in _REPLACES:
        raise CannotMoveError("it replaces what the student's code calls (mock)", line)
    elif isinstance(node, ast.Name) and name in given.classes:
        raise CannotMoveError(
            f"it uses the class `{name}`, whose objects cannot leave the student's process", line
        )
    elif isinstance(node, ast.Name) and name in given.changed:
        raise CannotMoveError(f"it uses `{name}`, which functions of the notebook set", line)
    elif isinstance(node, ast.Global | ast.Nonlocal | ast.Await | ast.AsyncWith | ast.AsyncFor):
        raise CannotMoveError(f"it has `{ast.unparse(node).split()[0]}`", line)


def _require_importable(node: ast.AST) -> None:
    """Refuse a module that is not installed, as one that lies beside the notebook."""
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return
    modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    if isinstance(node, ast.ImportFrom):
        modules = [node.module or ""]
        if any(alias.name == "*" for alias in node.names):
            raise CannotMoveError(f"it imports everything of `{node.module}`", node.lineno)
    for module in modules:
        top = module.partition(".")[0]
        if not top or importlib.util.find_spec(top) is None:
            raise CannotMoveError(
                f"it imports `{module}`, which is not installed where graders run", node.lineno
            )


def _require_no_drawing(node: ast.AST) -> None:
    names = [alias.name for alias in getattr(node, "names", [])]
    for name in (*names, getattr(node, "module", "") or ""):
        if name.partition(".")[0] in _DRAWS:
            raise CannotMoveError("it looks at figures: write it anew, with `submission.figures()`")


def _names(text: str, defined: set[str]) -> tuple[set[str], set[str]]:
    """The names that a cell takes from the notebook, and those that it sets at its top."""
    try:
        table = symtable.symtable(text, "<cell>", "exec")
    except (SyntaxError, ValueError) as error:
        raise CannotMoveError(f"it is no Python: {error}") from error
    own = {one.get_name() for one in table.get_symbols() if one.is_assigned() or one.is_imported()}
    used = {one.get_name() for one in table.get_symbols() if one.is_referenced()}
    used |= set(_globals_below(table))
    taken = {name for name in used - own if name in defined or not hasattr(builtins, name)}
    return taken | _used_before_set(ast.parse(text), own & used), own


def _globals_below(table: symtable.SymbolTable) -> Iterator[str]:
    for child in table.get_children():
        yield from (one.get_name() for one in child.get_symbols() if one.is_global())
        yield from _globals_below(child)


def _used_before_set(tree: ast.Module, names: set[str]) -> set[str]:
    """Those of the names that a statement reads which no earlier one has set, as ``x = x + 1``."""
    found: set[str] = set()
    known: set[str] = set()
    for statement in tree.body:
        defines = isinstance(
            statement, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom
        )
        here = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
        stored = {node.id for node in here if isinstance(node.ctx, ast.Store)}
        simple = isinstance(statement, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Expr)
        if simple or isinstance(statement, ast.Assert):
            loaded = {node.id for node in here if isinstance(node.ctx, ast.Load)}
            if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
                loaded.add(statement.target.id)
            if not any(isinstance(node, ast.comprehension) for node in ast.walk(statement)):
                found |= loaded & names - known
        known |= stored
        if defines:
            known |= {getattr(statement, "name", "")} | {
                (alias.asname or alias.name).partition(".")[0]
                for alias in getattr(statement, "names", [])
            }
    return found


def _require_no_setting(tree: ast.Module, assigned: set[str], used: set[str], given: Given) -> None:
    """Refuse tests that set what functions of the notebook read: those would not see it."""
    for name in sorted(assigned & given.read):
        raise CannotMoveError(f"it sets `{name}`, which functions of the notebook read")
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute | ast.Subscript) or isinstance(node.ctx, ast.Load):
            continue
        target: ast.expr = node
        while isinstance(target, ast.Attribute | ast.Subscript):
            target = target.value
        name = target.id if isinstance(target, ast.Name) else ""
        if name in given.imports or name in used & given.read:
            raise CannotMoveError(
                f"it changes `{name}`, which the student's code uses", node.lineno
            )


def _require_no_catching(tree: ast.Module) -> None:
    """Refuse tests that wait for an AssertionError: whatever fails in a grader is one."""
    for node in ast.walk(tree):
        waited = [node.type] if isinstance(node, ast.ExceptHandler) else []
        waited += node.args if isinstance(node, ast.Call) else []
        for one in filter(None, waited):
            if any(getattr(part, "id", "") == "AssertionError" for part in ast.walk(one)):
                raise CannotMoveError("it catches `AssertionError`", one.lineno)


def _without(text: str, node: ast.stmt) -> str:
    """The text without the lines of a statement."""
    lines = text.split("\n")
    for number in range(node.lineno - 1, node.end_lineno or node.lineno):
        lines[number] = ""
    return "\n".join(lines)


def _told(text: str) -> str:
    """The tests, with the messages of their asserts told to the student as those of a grader."""
    lines = text.encode().split(b"\n")
    asserts = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Assert)]
    for node in sorted(asserts, key=lambda one: -one.lineno):
        message = node.msg
        if not (isinstance(message, ast.Constant) and isinstance(message.value, str)):
            continue
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        before = lines[first][: node.col_offset]
        if before.strip() or lines[last][node.end_col_offset :].strip():
            continue  # other statements or a comment in the line
        condition = ast.get_source_segment(text, node.test) or ""
        indent = before.decode()
        told = f"{indent}if not ({condition}):\n{indent}    fail({_literal(message.value)})"
        lines[first : last + 1] = [told.encode()]
    return b"\n".join(lines).decode()


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def grader_of(tests: Sequence[CellTests], notebook: str) -> str:
    """The text of a file with the graders of some grade cells."""
    functions = "\n\n".join(_function(one) for one in tests)
    names = ["Submission", "errors_fail"]
    names += ["fail"] if "    fail(" in functions else []
    names += ["from_notebook"] if any(one.names for one in tests) else []
    return (
        f'"""Graders that were tests in the cells of ``{notebook}.ipynb``."""\n\n'
        f"import pytest\n\nfrom autograder.grading import {', '.join(names)}\n\n\n{functions}"
    )


def _function(tests: CellTests) -> str:
    head = [*tests.imports, *([""] if tests.imports else [])]
    head += [f'{name} = from_notebook(submission, "{name}")' for name in tests.names]
    body = _indented(tests.body, " " * 8)
    opening = textwrap.indent("\n".join(head), " " * 4) + "\n" if head else ""
    name = re.sub(r"\W", "_", tests.grade_id)
    return (
        f'@pytest.mark.grade_cell("{tests.grade_id}")\n'
        f"def test_{name}(submission: Submission) -> None:\n"
        f"    {_literal(tests.title)}\n{opening}    with errors_fail():\n{body}\n"
    )


def _indented(code: str, indent: str) -> str:
    """The code, indented, with texts over several lines as they were."""
    whole = textwrap.indent(code, indent)
    tree, wrapped = ast.parse(code), ast.parse(f"if 1:\n{whole}").body[0]
    if isinstance(wrapped, ast.If) and list(map(ast.unparse, wrapped.body)) == list(
        map(ast.unparse, tree.body)
    ):
        return whole
    inside = {
        number
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant | ast.JoinedStr) and hasattr(node, "lineno")
        for number in range(node.lineno + 1, (node.end_lineno or node.lineno) + 1)
    }
    return "\n".join(
        line if number in inside or not line.strip() else f"{indent}{line}"
        for number, line in enumerate(code.split("\n"), 1)
    )
