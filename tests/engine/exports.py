"""A course to import into, and the exports that are imported."""

import io
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

from autograder.bridge.course import Course

NOTEBOOK = b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
Entries = list[tuple[str | zipfile.ZipInfo, bytes]]


def new_course(root: Path) -> Course:
    """A course with an assignment of one notebook and an assignment of two."""
    for name in ("one/one", "pair/lab-1", "pair/lab-2"):
        notebook = root / "source" / f"{name}.ipynb"
        notebook.parent.mkdir(parents=True, exist_ok=True)
        notebook.write_bytes(NOTEBOOK)
    (root / "nbgrader_config.py").write_text("c = get_config()\n")
    return Course(root)


def zipped(path: Path, entries: Entries, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def packed(entries: Entries, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, inner in entries:
            archive.writestr(name, inner)
    return content.getvalue()


def member(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("x")
    info.filename = name
    info.external_attr = mode << 16
    return info


def files(course: Course) -> dict[str, bytes]:
    """All that lies below ``submitted``, as regular files."""
    submitted = course.root / "submitted"
    found = [path for path in submitted.rglob("*") if not path.is_dir()]
    assert all(path.is_file() and not path.is_symlink() for path in found)
    return {str(path.relative_to(submitted)): path.read_bytes() for path in found}


def autograder(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "autograder", "--course", str(root), *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )
