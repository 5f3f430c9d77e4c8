"""What tests say of objects and not of values: in a grader they have copies of the student's.

``assert copy(a) is not a`` always holds of copies, and a change of one is never seen in another.
"""

import ast
import builtins
from collections.abc import Collection, Iterator, Sequence
from typing import Final

_ASKS: Final = frozenset(
    {"id", "shares_memory", "may_share_memory", "data_ptr", "untyped_storage", "is_set_to"}
)
_CHANGES: Final = frozenset(
    {
        *("append", "extend", "insert", "pop", "popitem", "remove", "clear", "sort", "reverse"),
        *("add", "discard", "update", "setdefault", "fill", "put", "resize", "itemset"),
    }
)


def shared(tree: ast.Module, names: Collection[str], imported: Collection[str]) -> tuple[str, int]:
    """What tests ask of objects that a copy answers otherwise, and the line; empty if nothing.

    Args:
        tree: the tests.
        names: what they use of the student's namespace.
        imported: what the notebook imports for them; such objects are the same everywhere.
    """
    known = {*imported, *_imported(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            if name in _ASKS:
                return f"it asks with `{name}` which object something is", node.lineno
        elif isinstance(node, ast.Compare) and _is_identity(node, known):
            return "it asks with `is` whether two objects are the same", node.lineno
    return _change(tree.body, names)


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((one.asname or one.name).partition(".")[0] for one in node.names)


def _is_identity(node: ast.Compare, imports: Collection[str]) -> bool:
    sides = [node.left, *node.comparators]
    return any(
        isinstance(operator, ast.Is | ast.IsNot)
        and not (_is_known(left, imports) or _is_known(right, imports))
        for operator, left, right in zip(node.ops, sides, sides[1:], strict=False)
    )


def _is_known(side: ast.expr, imports: Collection[str]) -> bool:
    """Whether something is the same object everywhere: ``None``, ``int``, ``torch.float32``."""
    if isinstance(side, ast.Call):
        return isinstance(side.func, ast.Name) and side.func.id == "type"
    root = _root(side)
    return isinstance(side, ast.Constant) or root in imports or hasattr(builtins, root or " ")


def _root(node: ast.expr) -> str:
    """The name that an attribute or an item is of; empty where it is of something else."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _change(statements: Sequence[ast.stmt], names: Collection[str]) -> tuple[str, int]:
    """A change of what the student's code gave or got, if something else is looked at after it."""
    for number, statement in enumerate(statements):
        is_block = hasattr(statement, "body")  # what is in it may come again
        common = _common(statements[: number + is_block], set(names))
        later = statements[number if is_block else number + 1 :]
        for name, line in _changed(statement):
            if name in common and _looked_at(later) & common - {name}:
                return f"it changes `{name}`, and looks at what may share it", line
    return "", 0


def _common(statements: Sequence[ast.stmt], common: set[str]) -> set[str]:
    """Names of what comes from the student's code, or was given to it."""
    nodes = [node for statement in statements for node in ast.walk(statement)]
    before = 0
    while len(common) > before:
        before = len(common)
        for node in nodes:
            if isinstance(node, ast.Call) and _root(node.func) in common:
                common |= {name for one in node.args for name in _loaded(one)}
                common |= {name for one in node.keywords for name in _loaded(one.value)}
            for target, value in _bindings(node):
                if _loaded(value) & common:
                    common |= {one.id for one in ast.walk(target) if isinstance(one, ast.Name)}
    return common


def _bindings(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """What a node gives a name to."""
    if isinstance(node, ast.Assign):
        yield from ((target, node.value) for target in node.targets)
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
        yield node.target, node.value
    elif isinstance(node, ast.For):
        yield node.target, node.iter


def _loaded(node: ast.AST) -> set[str]:
    return {
        one.id
        for one in ast.walk(node)
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)
    }


def _changed(statement: ast.stmt) -> Iterator[tuple[str, int]]:
    """Names whose object a statement changes in its place."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            yield _root(node), node.lineno
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node.lineno
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            method = node.func.attr
            if method in _CHANGES or (method.endswith("_") and not method.endswith("__")):
                yield _root(node.func), node.lineno


def _looked_at(statements: Sequence[ast.stmt]) -> set[str]:
    """Names that are read, but for functions that are called."""
    nodes = [node for statement in statements for node in ast.walk(statement)]
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    return {
        node.id
        for node in nodes
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in called
    }
