"""What each check depends on: its own code, and what it imports of the course. Needs no torch.

A check is its test function, or test class, with everything at the top of its file that is no
other test, and all modules of the course that the file imports, directly or not. Files that are
no Python beside the graders belong to every check of their assignment.
"""

import ast
import functools
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

OF_THE_ROOT: Final = ("pytest.ini", "conftest.py")
"""Files of the course's root that change what pytest does."""
_NAMED: Final = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_TEST: Final = ("test", "Test")


def check_digests(course: Path, folder: Path) -> dict[str, str]:
    """A digest of what each check of an assignment depends on.

    Args:
        course: the course's root, from which graders import.
        folder: the assignment's folder of graders.

    Returns:
        The digest by ``file.py::name`` of a test function or class at the top of its file, and by
        ``file.py`` for whatever else is in it.
    """
    found: dict[str, str] = {}
    data = [path for path in sorted(folder.rglob("*")) if _is_data(path)]
    for path in sorted(folder.rglob("*.py")):
        if path.name == "conftest.py":
            continue
        around = [*_conftests(course, path.parent), *data, *imported(course, path)]
        rest = files_digest(course, [course / name for name in OF_THE_ROOT] + around)
        for name, text in _parts(path.read_text(encoding="utf-8", errors="replace")):
            key = f"{path.name}::{name}" if name else path.name
            found[key] = hashlib.sha256(f"{rest}{text}".encode()).hexdigest()
    return found


def versions(course: Path, folder: Path) -> dict[str, str]:
    """Digests that tell one version of an assignment's graders from another.

    Args:
        course: the course's root, from which graders import.
        folder: the assignment's folder of graders.

    Returns:
        ``graders``: of all files in the folder; ``solutions``: of what these import of the course.
    """
    graders = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    others = {one for path in graders if path.suffix == ".py" for one in imported(course, path)}
    return {
        "graders": files_digest(course, graders),
        "solutions": files_digest(course, others - {*graders}),
    }


def digest_of_check(digests: dict[str, str], check: str) -> str:
    """The digest of a check by its name, ``assignment/file.py::test``; empty if it is not known."""
    file, _separator, name = check.partition("/")[2].partition("::")
    top = name.partition("::")[0].partition("[")[0]
    return digests.get(f"{file}::{top}", digests.get(file, ""))


@functools.lru_cache(maxsize=64)
def _parts(text: str) -> Sequence[tuple[str, str]]:
    """Each test of a file with what it shares with the others, and under no name the whole.

    Parsed once for each text: a service asks for every submission.
    """
    parts = [("", text)]
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):  # pytest will say so
        return parts
    dumped = {id(node): ast.dump(node) for node in tree.body}
    tests = {id(node): node.name for node in tree.body if isinstance(node, _NAMED)
             and node.name.startswith(_TEST)}  # fmt: skip
    for test, name in tests.items():
        kept = (one for node, one in dumped.items() if node == test or node not in tests)
        parts.append((name, "\n".join(kept)))
    return parts


def imported(course: Path, *paths: Path) -> list[Path]:
    """The files of the course that Python files import, directly or not, sorted."""
    found: set[Path] = set()
    left = [*paths]
    while left:
        for one in _imports(course, left.pop()):
            if one not in found and one not in paths:
                found.add(one)
                left.append(one)
    return sorted(found)


def _imports(course: Path, path: Path) -> Iterator[Path]:
    """The files of the course that a Python file imports itself."""
    try:
        facts = path.stat()
    except OSError:
        return
    for level, module in _imported_modules(path, (facts.st_mtime_ns, facts.st_size)):
        yield from _files_of(path.parents[level - 1] if level else course, list(module))


@functools.lru_cache(maxsize=1024)
def _imported_modules(path: Path, version: tuple[int, int]) -> Sequence[tuple[int, Sequence[str]]]:
    """The modules that a version of a file imports: how many folders up, and the parts of the name.

    Parsed once, which takes most of the time of a start.
    """
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ()
    found: list[tuple[int, Sequence[str]]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(0, name.name.split(".")) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module.split(".") if node.module else []
            found.append((node.level, module))
            found += [(node.level, [*module, name.name]) for name in node.names]
    return found


def _files_of(above: Path, module: list[str]) -> Iterator[Path]:
    """The files that importing a module runs, if it is below a folder."""
    for count in range(1, len(module) + 1):
        place = above.joinpath(*module[:count])
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file():
                yield path


def _conftests(course: Path, folder: Path) -> list[Path]:
    below = [one for one in (folder, *folder.parents) if one.is_relative_to(course)]
    return [one / "conftest.py" for one in below if one != course]


def _is_data(path: Path) -> bool:
    return path.is_file() and path.suffix not in (".py", ".pyc")


def files_digest(folder: Path, paths: Iterable[Path]) -> str:
    """One digest of files' names, seen from a folder, and contents; a missing file is empty."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        data = path.read_bytes() if path.is_file() else b""
        digest.update(f"{os.path.relpath(path, folder)}:{len(data)}:".encode() + data)
    return digest.hexdigest()
