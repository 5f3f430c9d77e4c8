"""The names that a notebook defines, to tell a grader's typing error from a missing answer."""

import ast
from collections.abc import Iterable, Iterator
from typing import Final

from autograder.grading.cells import CodeCell

_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_MAKES_NAMES: Final = frozenset({"exec", "eval", "globals", "locals", "vars", "setattr"})
_MAGICS: Final = ("!", "%matplotlib", "%config", "%load_ext", "%pip", "%conda")
"""What only IPython understands and makes no names, at the beginning of a line."""


def defined_names(cells: Iterable[CodeCell]) -> frozenset[str] | None:
    """All names that the cells bind somewhere; None where that cannot be known.

    It cannot where a module gives all its names, names are made from texts, or a cell is no
    Python, as one with a magic that runs code.
    """
    found: set[str] = set()
    for cell in cells:
        try:
            tree = ast.parse(_without_magics(cell.source))
        except (SyntaxError, ValueError):
            return None
        for name in _bound(tree):
            if name == "*":
                return None
            found.add(name)
    return frozenset(found - {""})


def _without_magics(source: str) -> str:
    """The source without the lines that only IPython understands and that make no names."""
    lines = source.splitlines()
    return "\n".join("" if line.lstrip().startswith(_MAGICS) else line for line in lines)


def _bound(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, _DEFINITIONS):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield (alias.asname or alias.name).partition(".")[0]
        elif isinstance(node, ast.Global):
            yield from node.names
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
            yield node.name or ""
        elif isinstance(node, ast.MatchMapping):
            yield node.rest or ""
        elif isinstance(node, ast.Name) and node.id in _MAKES_NAMES:
            yield "*"
