"""What a course's notebooks import, to have it imported once for all submissions."""

import functools
import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Final

from autograder.runner.warm import FOR_GRADERS, PACKAGE_FOLDERS, Packages

_IMPORT: Final = re.compile(
    r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import\b|import[ \t]+([\w.][^#;\n]*))", re.MULTILINE
)


@functools.cache
def packages_of(asked: tuple[str, ...] | None, source: Path, for_graders: bool = False) -> Packages:
    """What to preload for a course.

    Args:
        asked: what the teacher has configured; None for what the source notebooks import.
        source: the folder of the source notebooks, one sub-folder per assignment.
        for_graders: whether hidden graders will look into submissions.
    """
    needed = FOR_GRADERS.asked if for_graders else ()
    if asked is not None:
        return Packages(asked=(*needed, *asked))
    found: set[str] = set()
    for path in sorted(source.glob("*/*.ipynb")):
        found |= {name for name in imports_of(_code(path)) if _is_installed(name, path.parent)}
    return Packages(asked=tuple(needed), found=tuple(sorted(found)))


def imports_of(code: str) -> set[str]:
    """The modules that Python code imports anywhere; magics and broken lines do not matter."""
    found: set[str] = set()
    for module, modules in _IMPORT.findall(code):
        parts = [module] if module else modules.split(",")
        names = {part.split()[0] for part in parts if part.strip()}
        found |= {name for name in names if not name.startswith(".")}
    return found


def _code(path: Path) -> str:
    """The code cells of a notebook, nothing where it cannot be read: nbgrader will say so."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        sources = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return "\n".join(one if isinstance(one, str) else "".join(one) for one in sources)


def _is_installed(name: str, beside: Path) -> bool:
    """Is it an installed package, and no module that lies beside the notebook?"""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return False
    if (beside / f"{top}.py").exists() or (beside / top).exists():
        return False
    try:
        found = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    return found is not None and not PACKAGE_FOLDERS.isdisjoint(Path(found.origin or "").parts)
