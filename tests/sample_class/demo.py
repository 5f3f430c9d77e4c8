"""``make demo``: a course of its own folder, graded with the sample class from end to end."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.sample_class.build import build

ROOT: Final = Path(__file__).resolve().parents[2]
COPIED: Final = ("source", "release", "solutions", "tests/graders", "nbgrader_config.py")


DEMO_CLASS: Final = (
    *("perfecto-1", "perfecto-2", "un-poco-de-todo", "sin-tocar"),
    *("error-de-sintaxis", "bucle-infinito", "salida-sin-fin", "memoria-sin-fin"),
    *("excepcion-al-principio", "celda-borrada"),
    *("celdas-duplicadas", "sin-cuaderno", "cuaderno-ajeno", "json-cortado"),
    *("archivo-vacio", "no-es-utf8", "enlace", "enorme", "numpy-copiado", "backward-dos-veces"),
    *("requires-grad-tarde", "descenso-hacia-arriba", "grafica-sin-leyenda"),
)
"""The part of the sample class that the demo grades: one of each kind. The tests grade all."""


_WORTH_A_LOOK: Final = (
    "feedback/un-poco-de-todo/gradientes/gradientes.html",
    "reports/gradientes/report.html",
    "grades.csv",
    "gradebook.db",
)


def copy_course(folder: Path) -> Path:
    """Copy what makes the course into an empty folder, without submissions or gradebook."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def autograder(course: Path, *arguments: str) -> int:
    """Run the command on a course, as a teacher would; its exit status."""
    print(f"\n$ autograder {' '.join(arguments)}", flush=True)
    command = [sys.executable, "-m", "autograder", "--course", str(course), *arguments]
    return subprocess.run(command, check=False).returncode


def main(folder: Path, students: Sequence[str] = DEMO_CLASS) -> int:
    """Release, grade, give feedback, report, export; 0 when every step succeeded."""
    began = time.monotonic()
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    copy_course(folder)
    status = autograder(folder, "release")
    written = build(folder, students=students)
    print(f"\nsample class: {len(written)} submissions in {folder / 'submitted'}")
    status = status or autograder(folder, "grade")
    status = status or autograder(folder, "feedback")
    status = status or autograder(folder, "report", "gradientes")
    status = status or autograder(folder, "export", "--to", str(folder / "grades.csv"))
    print(f"\n{time.monotonic() - began:.0f} s. Look at:")
    for name in _WORTH_A_LOOK:
        print(f"  {folder / name}")
    command = os.path.relpath(Path(sys.executable).with_name("autograder"))
    print("Try it as a student and a teacher from a learning platform, in a browser:")
    print(f"  {command} --course {folder} serve --demo")
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:] or DEMO_CLASS))
