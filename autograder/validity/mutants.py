"""Mutants: the reference solution of an exercise with one small mistake each, made mechanically.

The mistakes are those that beginners make with tensors: another operator, a constant off by one,
a sign, a flag, an argument left out or two swapped, mean for sum, a copy or a detach forgotten,
a statement left out or done twice. The method is that of mutation analysis (DeMillo, Lipton and
Sayward, "Hints on Test Data Selection", 1978).
"""

import ast
import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_OPERATORS: Final[Mapping[type[ast.operator], tuple[type[ast.operator], ...]]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
    ast.Pow: (ast.Mult,),
}
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "sum": ("mean",),
    "mean": ("sum",),
    "zeros": ("ones",),
    "ones": ("zeros",),
    "zeros_like": ("ones_like",),
    "ones_like": ("zeros_like",),
    "rand": ("randn", "zeros"),
    "randn": ("ones",),
    "rand_like": ("randn_like",),
    "from_numpy": ("tensor",),
    "array": ("asarray",),
    "linspace": ("logspace",),
    "sigmoid": ("tanh",),
    "outer": ("mul",),
    "stack": ("vstack",),
    "float": ("double",),
    "cuda": ("cpu",),
    "shape": ("ndim",),
    "dtype": ("device",),
    "device": ("dtype",),
}
"""Functions, methods and attributes, and what they are taken for."""
_DROPPED: Final = ("detach", "clone", "cpu", "numpy", "requires_grad_", "T")
"""Methods and attributes that are forgotten: what they are applied to remains."""


@dataclass(frozen=True)
class Mutant:
    """A reference solution with one mistake."""

    name: str
    """What was changed: ``before -> after``, of one statement."""
    code: str


def mutants(source: str) -> list[Mutant]:
    """All mutants of a cell's source, each once, in the order of the source.

    Raises:
        SyntaxError: the source is not Python.
    """
    tree = ast.parse(source)
    found: dict[str, Mutant] = {}
    own = ast.unparse(tree)
    for number, node in enumerate(ast.walk(tree)):
        for replacement in _replacements(node):
            mutated = copy.deepcopy(tree)
            _replace(mutated, list(ast.walk(mutated))[number], replacement)
            code = ast.unparse(ast.fix_missing_locations(mutated))
            if code != own and code not in found:
                found[code] = Mutant(_told(own, code), code)
    return list(found.values())


def _told(before: str, after: str) -> str:
    """The first line that differs, before and after."""
    old, new = before.splitlines(), after.splitlines()
    for number, line in enumerate(old):
        if number >= len(new) or new[number] != line:
            longer = len(new) > len(old)
            other = f"{line.strip()}; {new[number].strip()}" if longer else ""
            changed = other or (new[number].strip() if number < len(new) else "")
            return f"{line.strip()} -> {changed}"
    return f"{old[-1].strip()} -> {old[-1].strip()}; {new[-1].strip()}"


def _replace(tree: ast.AST, node: ast.AST, replacement: ast.AST | list[ast.stmt]) -> None:
    """Put something else in the place of a node."""
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is node:
                setattr(parent, name, replacement)
            elif isinstance(value, list) and any(one is node for one in value):
                place = next(number for number, one in enumerate(value) if one is node)
                value[place : place + 1] = (
                    replacement if isinstance(replacement, list) else [replacement]
                )


def _replacements(node: ast.AST) -> Iterator[ast.AST | list[ast.stmt]]:
    """What a node may be taken for."""
    if isinstance(node, ast.BinOp):
        yield from _of_operation(node)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
        yield node.operand
    elif isinstance(node, ast.Constant):
        yield from _of_constant(node)
    elif isinstance(node, ast.Attribute):
        yield from _of_attribute(node)
    elif isinstance(node, ast.Call):
        yield from _of_call(node)
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(node.test, node.orelse, node.body)
        yield node.body
        yield node.orelse
    elif isinstance(node, ast.Tuple) and len(node.elts) == 2 and isinstance(node.ctx, ast.Load):
        yield ast.Tuple(node.elts[::-1], ast.Load())
    elif isinstance(node, ast.stmt):
        yield from _of_statement(node)


def _of_operation(node: ast.BinOp) -> Iterator[ast.AST]:
    for kind in _OPERATORS.get(type(node.op), ()):
        yield ast.BinOp(node.left, kind(), node.right)
    yield ast.BinOp(node.right, node.op, node.left)
    yield node.left
    yield node.right
    yield ast.UnaryOp(ast.USub(), node)


def _of_constant(node: ast.Constant) -> Iterator[ast.AST]:
    if isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node.value, int | float):
        yield ast.Constant(node.value + 1)
        yield ast.Constant(node.value - 1)


def _of_attribute(node: ast.Attribute) -> Iterator[ast.AST]:
    for name in _NAMES.get(node.attr, ()):
        yield ast.Attribute(node.value, name, node.ctx)
    if node.attr == "T":
        yield node.value


def _of_call(node: ast.Call) -> Iterator[ast.AST]:
    function = node.func
    if isinstance(function, ast.Attribute) and function.attr in _DROPPED:
        yield function.value
    for place in range(len(node.keywords)):
        rest = [*node.keywords[:place], *node.keywords[place + 1 :]]
        yield ast.Call(function, node.args, rest)
    if len(node.args) >= 2:
        yield ast.Call(function, [node.args[1], node.args[0], *node.args[2:]], node.keywords)
        yield ast.Call(function, node.args[:-1], node.keywords)


def _of_statement(node: ast.stmt) -> Iterator[ast.AST | list[ast.stmt]]:
    if isinstance(node, ast.Return) and node.value is not None:
        yield ast.Expr(node.value)
    simple = isinstance(node, ast.Assign | ast.AugAssign | ast.Expr)
    if not simple or _is_docstring(node):
        return
    yield ast.Pass()
    if isinstance(node, ast.AugAssign) or _is_call_of(node, "backward"):
        yield [node, copy.deepcopy(node)]


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_call_of(node: ast.stmt, method: str) -> bool:
    call = node.value if isinstance(node, ast.Expr) else None
    function = call.func if isinstance(call, ast.Call) else None
    return isinstance(function, ast.Attribute) and function.attr == method
